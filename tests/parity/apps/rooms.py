"""Rooms, and what is done to many sockets at once. See rooms.js."""

from __future__ import annotations

from typing import Any

from parity.scenario import App, scenario


def named(io: Any) -> dict[str, Any]:
    """The sockets by the names that they say they have."""
    sockets: dict[str, Any] = {}

    @io.on("connection")
    def connection(socket: Any) -> None:
        sockets[socket.handshake.auth["name"]] = socket

    return sockets


def short_rooms(adapter: Any) -> list[Any]:
    """The adapter's rooms but for those of one client."""
    return sorted(room for room in adapter.rooms if len(room) < 20)


@scenario("1.8 join", "1.8 leave", "1.8 list own rooms")
def joining_and_leaving(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        def rooms() -> Any:
            return sorted("own" if room == socket.id else room for room in socket.rooms)

        @socket.on("join")
        def join(room: Any) -> Any:
            socket.join(room)
            return rooms()

        @socket.on("leave")
        def leave(room: str) -> Any:
            socket.leave(room)
            return rooms()


@scenario("1.8 room events")
def events_of_rooms(io: Any, app: App) -> None:
    sockets = named(io)
    adapter = io.of("/").adapter

    def told(event: str) -> Any:
        return lambda room, sid=None: app.log(event, room, sid) if len(room) < 20 else None

    for event in ("create-room", "join-room", "leave-room", "delete-room"):
        adapter.on(event, told(event))

    def act() -> None:
        a, b = sockets["a"], sockets["b"]
        a.join("one")
        b.join(["one", "two"])
        a.join("one")
        a.leave("never")
        a.leave("one")
        b.leave("one")

    app.on_word("act", act)


@scenario("1.8 auto cleanup", "1.8 list all rooms")
def rooms_are_gone_with_their_last_member(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        socket.join(["both", socket.handshake.auth["name"]])
        socket.on("disconnect", lambda reason: app.log("disconnect", short_rooms(adapter)))

    adapter = io.of("/").adapter
    app.on_word("rooms", lambda: short_rooms(adapter))
    app.on_word("size", lambda: len(adapter.rooms["both"]) if "both" in adapter.rooms else 0)


@scenario("1.8 close room", "1.11 socketsJoin / Leave")
def many_join_and_leave(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        socket.join(socket.handshake.auth["room"])
        socket.on(
            "rooms", lambda: sorted("own" if room == socket.id else room for room in socket.rooms)
        )

    def act() -> None:
        io.in_("one").sockets_join("three")
        io.sockets_join(["four", "five"])
        io.sockets_leave("five")
        io.in_("four").except_("one").sockets_leave("two")

    app.on_word("act", act)


@scenario("1.11 fetchSockets", "1.8 members")
def sockets_are_fetched(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        socket.data["name"] = socket.handshake.auth["name"]
        socket.join(socket.handshake.auth["room"])

    async def names(whom: Any) -> Any:
        return sorted(socket.data["name"] for socket in await whom.fetch_sockets())

    async def look() -> Any:
        found = await io.in_("one").fetch_sockets()
        remote = found[0]
        return [
            await names(io), await names(io.in_("one")), await names(io.in_("nobody")),
            await names(io.except_("one")), await names(io.local), await names(io.to(remote.id)),
            remote.handshake.auth, "one" in remote.rooms, remote.id in remote.rooms, len(remote.id),
            len(await io.all_sockets()), await io.in_("one").all_sockets() == {remote.id},
        ]  # fmt: skip

    app.on_word("look", look)


@scenario("1.11 fetchSockets")
def fetched_sockets_are_used(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        socket.join(socket.handshake.auth["room"])
        socket.on("disconnect", lambda reason: app.log("disconnect", reason))
        socket.on("rooms", lambda: sorted(room for room in socket.rooms if len(room) < 20))

    async def act() -> Any:
        (a,) = await io.in_("one").fetch_sockets()
        a.emit("hello", b"\x01")
        a.join("new")
        a.leave("one")
        return await a.timeout(5).emit_with_ack("question")

    async def kick() -> None:
        (b,) = await io.in_("two").fetch_sockets()
        b.disconnect()

    app.on_word("act", act)
    app.on_word("kick", kick)


@scenario("1.11 disconnectSockets")
def many_are_disconnected(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        name = socket.handshake.auth["name"]
        socket.join(["room", name])
        socket.on("disconnect", lambda reason: app.log("disconnect", name, reason))

    app.on_word("room", lambda: io.in_("room").except_("b").disconnect_sockets())
    app.on_word("all", lambda: io.disconnect_sockets(True))


@scenario("1.11 serverSideEmit")
def names_of_events_between_servers(io: Any, app: App) -> None:
    def emit(name: str) -> Any:
        return app.error(lambda: io.server_side_emit(name))

    app.on_word(
        "emit", lambda: app.log(*[emit(n) for n in ("connect", "connection", "new_namespace")])
    )


@scenario("1.8 join")
def sid_is_a_room(io: Any, app: App) -> None:
    sockets = named(io)

    def tell() -> None:
        a, b = sockets["a"], sockets["b"]
        b.join(a.id)
        io.to(a.id).emit("both")
        io.except_(a.id).emit("neither")
        a.to(b.id).emit("only b")
        b.leave(a.id)
        io.to(a.id).emit("only a")

    app.on_word("tell", tell)

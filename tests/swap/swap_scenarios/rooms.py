"""Rooms: who is in which, and who gets what."""

from __future__ import annotations

from typing import Any

from swap_scenario import App, scenario


def rooms_of(app: App, sid: str) -> list[str]:
    """The client's rooms in an order that does not depend on its id: "self" is the room of its own."""
    rooms = app.sio.rooms(sid, app.namespace)
    return sorted("self" if room == sid else str(room) for room in rooms)


def room_events(app: App) -> None:
    """join, leave, rooms and tell(...), which emits with any arguments of emit()."""
    sio, namespace = app.sio, app.namespace

    @app.on("join")
    async def join(sid: str, *rooms: Any) -> Any:
        for room in rooms:
            await sio.enter_room(sid, room, namespace=namespace)
        return rooms_of(app, sid)

    @app.on("leave")
    async def leave(sid: str, room: Any) -> Any:
        error = await app.outcome(sio.leave_room(sid, room, namespace=namespace))
        return [str(error), rooms_of(app, sid)]

    @app.on("close")
    async def close(sid: str, room: Any) -> Any:
        return str(await app.outcome(sio.close_room(room, namespace=namespace)))

    @app.on("tell")
    async def tell(sid: str, event: str, options: Any) -> str:
        if options.get("skip_me"):
            options = {**options, "skip_sid": sid}
            del options["skip_me"]
        if options.get("skip_list"):
            options = {**options, "skip_sid": [sid, *options["skip_list"]]}
            del options["skip_list"]
        await sio.emit(event, sid, namespace=namespace, **options)
        return "told"


async def three(stage: Any) -> list[Any]:
    return [await stage.connect(name) for name in "abc"]


@scenario()
class EnterAndLeave:
    def serve(app: App) -> None:
        room_events(app)

    async def play(stage: Any) -> None:
        client = await stage.connect("a")
        await client.ask("join")
        await client.ask("join", "one", "two", "one")
        await client.ask("leave", "one")
        await client.ask("leave", "never entered")
        await client.ask("join", 7)


@scenario()
class ToARoom:
    """Members only, the sender among them; nobody in a room that does not exist."""

    def serve(app: App) -> None:
        room_events(app)

    async def play(stage: Any) -> None:
        a, b, c = await three(stage)
        await a.ask("join", "room")
        await b.ask("join", "room")
        await a.ask("tell", "to", {"to": "room"})
        await c.ask("tell", "room", {"room": "room"})
        await c.ask("tell", "nobody", {"to": "no such room"})
        await c.ask("tell", "both", {"to": "room", "room": "no such room"})
        await c.ask("tell", "all", {})


@scenario()
class ToAListOfRooms:
    """Everybody once, in however many of the rooms."""

    def serve(app: App) -> None:
        room_events(app)

    async def play(stage: Any) -> None:
        a, b, c = await three(stage)
        await a.ask("join", "one", "two")
        await b.ask("join", "two")
        await c.ask("tell", "list", {"to": ["one", "two"]})
        await c.ask("tell", "some are not there", {"room": ["nothing", "two", "none"]})
        await c.ask("tell", "nowhere", {"to": ["nothing", "none"]})


@scenario()
class ToAClient:
    """A sid is a room of its own; a list may mix them with rooms."""

    def serve(app: App) -> None:
        room_events(app)

    async def play(stage: Any) -> None:
        a, b, c = await three(stage)
        sids = [client.log[0][1] for client in (a, b, c)]
        await c.ask("join", "room")
        await a.ask("tell", "one", {"to": sids[1]})
        await a.ask("tell", "self", {"to": sids[0]})
        await a.ask("tell", "two", {"to": [sids[1], "room"]})
        await a.ask("tell", "nobody", {"to": "AAAAAAAAAAAAAAAAAAAA"})


@scenario()
class SkipSid:
    def serve(app: App) -> None:
        room_events(app)

    async def play(stage: Any) -> None:
        a, b, c = await three(stage)
        for client in (a, b):
            await client.ask("join", "room")
        sid = b.log[0][1]
        await a.ask("tell", "not me", {"skip_me": True})
        await a.ask("tell", "not me in the room", {"skip_me": True, "to": "room"})
        await a.ask("tell", "neither of two", {"skip_list": [sid]})
        await a.ask("tell", "nobody is left", {"skip_sid": sid, "to": sid})
        await c.ask("tell", "unknown", {"skip_sid": "nobody"})


@scenario()
class CloseRoom:
    def serve(app: App) -> None:
        room_events(app)

    async def play(stage: Any) -> None:
        a, b, _ = await three(stage)
        await a.ask("join", "room", "other")
        await b.ask("join", "room")
        await a.ask("close", "room")
        await a.ask("close", "no such room")
        await a.ask("tell", "room", {"to": "room"})
        await a.ask("tell", "other", {"to": "other"})
        await a.ask("leave", "room")


@scenario()
class RoomsOfUnknownClients:
    def serve(app: App) -> None:
        sio = app.sio

        @app.on("look")
        async def look(sid: str) -> Any:
            enter = [
                await app.outcome(sio.enter_room("nobody", "room", namespace=app.namespace)),
                await app.outcome(sio.enter_room(sid, "room", namespace="/nowhere")),
            ]
            app.log("enter", [type(error).__mro__[-3].__name__ for error in enter])
            app.log("enter", enter[1])
            for call in (
                lambda: sio.rooms("nobody", namespace=app.namespace),
                lambda: sio.rooms("nobody", namespace="/nowhere"),
                lambda: sio.leave_room("nobody", "room", namespace=app.namespace),
                lambda: sio.leave_room(sid, "room", namespace="/nowhere"),
                lambda: sio.close_room("room", namespace="/nowhere"),
                lambda: sio.emit("x", to="nobody", namespace="/nowhere"),
            ):
                app.log(await app.outcome(call))

    async def play(stage: Any) -> None:
        await (await stage.connect("a")).ask("look")


@scenario()
class RoomsOfOthersAreTheirs:
    """A client's sid is a room that nobody else enters and nobody closes."""

    def serve(app: App) -> None:
        sids: list[str] = []
        app.on("connect")(lambda sid, environ, auth: sids.append(sid))

        @app.on("try")
        async def try_it(sid: str) -> Any:
            other = next(s for s in sids if s != sid)
            for call in (
                app.sio.enter_room(sid, other, namespace=app.namespace),
                app.sio.close_room(other, namespace=app.namespace),
                app.sio.enter_room(sid, sid, namespace=app.namespace),
            ):
                app.log(await app.outcome(call))
            return rooms_of(app, sid)

    async def play(stage: Any) -> None:
        a = await stage.connect("a")
        await stage.connect("b")
        await a.ask("try")


@scenario()
class RoomsAreOfANamespace:
    def serve(app: App) -> None:
        room_events(app)
        other = app.namespace + "/other"

        @app.sio.on("join", namespace=other)
        async def join(sid: str) -> str:
            await app.sio.enter_room(sid, "room", namespace=other)
            return "joined"

        app.barrier("/other")

    async def play(stage: Any) -> None:
        a = await stage.connect("a")
        b = await stage.connect("b", stage.namespace + "/other")
        await a.ask("join", "room")
        await b.ask("join")
        await a.ask("tell", "room", {"to": "room"})


@scenario()
class ViewsOfTheManager:
    """What applications read from sio.manager."""

    def serve(app: App) -> None:
        room_events(app)
        manager, namespace = app.sio.manager, app.namespace

        @app.on("look")
        async def look(sid: str) -> Any:
            eio_sid = manager.eio_sid_from_sid(sid, namespace)
            return [
                namespace in list(manager.get_namespaces()),
                sid in [s for s, _ in manager.get_participants(namespace, "room")],
                len(list(manager.get_participants(namespace, "room"))),
                len(list(manager.get_participants(namespace, None))),
                len(list(manager.get_participants(namespace, "nothing"))),
                len(list(manager.get_participants(namespace, ["room", "other"]))),
                len(list(manager.get_participants("/nowhere", None))),
                manager.is_connected(sid, namespace),
                manager.is_connected("nobody", namespace),
                manager.is_connected(sid, "/nowhere"),
                sorted(manager.get_rooms(sid, namespace)) == sorted(app.sio.rooms(sid, namespace)),
                manager.sid_from_eio_sid(eio_sid, namespace) == sid,
                manager.eio_sid_from_sid("nobody", namespace),
                manager.sid_from_eio_sid("nobody", namespace),
                [eio == eio_sid for s, eio in manager.get_participants(namespace, sid)],
            ]

        @app.on("rooms")
        async def rooms(sid: str) -> Any:
            views = manager.rooms[namespace]
            return [
                "room" in views, "nothing" in views, sorted(views["room"]) == sorted(
                    s for s, _ in manager.get_participants(namespace, "room")),
                len(views[None]), sid in views[sid], len(views["room"]),
                sorted(str(room) for room in views if not isinstance(room, str) or len(room) < 20),
                "/nowhere" in manager.rooms,
            ]  # fmt: skip

    async def play(stage: Any) -> None:
        a, b, _ = await three(stage)
        await a.ask("join", "room")
        await b.ask("join", "room", "other")
        await a.ask("look")
        await a.ask("rooms")


@scenario()
class AttributesOfTheServer:
    """What applications read from the server itself."""

    def serve(app: App) -> None:
        sio, namespace = app.sio, app.namespace

        @app.on("look")
        async def look(sid: str) -> Any:
            eio_sid = sio.manager.eio_sid_from_sid(sid, namespace)
            return [
                sio.async_handlers, sio.always_connect, sio.async_mode, sio.is_asyncio_based(),
                sorted(sio.handlers[namespace]), sio.namespace_handlers.get("/nowhere"),
                sio.reserved_events, sorted(v for k, v in vars(sio.reason).items() if k[0] != "_"),
                sio.reason.CLIENT_DISCONNECT, eio_sid in sio.environ,
                sio.environ[eio_sid] is sio.get_environ(sid, namespace),
                eio_sid in sio.eio.sockets, sio.eio.transport(eio_sid), sio.packet_class.__name__,
                sio.manager.server is sio, sio.namespaces, len(sio.eio.generate_id()),
            ]  # fmt: skip

        app.on("other")(lambda sid: None)

    async def play(stage: Any) -> None:
        await (await stage.connect("a")).ask("look")

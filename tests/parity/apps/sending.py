"""Emits, acknowledgements and flags. See sending.js."""

from __future__ import annotations

import asyncio
from typing import Any

from fastsio.exceptions import TimeoutError as TimedOut
from parity.scenario import RAW, App, scenario


@scenario("1.7 ack (client→server)")
def acks_of_the_server(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        socket.on("nothing", lambda ack: ack())
        socket.on("null", lambda ack: ack(None))
        socket.on("one", lambda ack: ack({"a": [1, "é"]}))
        socket.on("several", lambda ack: ack(1, "two", [3], None))
        socket.on("bytes", lambda ack: ack(b"\x00\xff", {"deep": [b"\x01"]}))
        socket.on("echo", lambda *args: args)


@scenario("1.7 ack (client→server)")
def ack_is_sent_once(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        @socket.on("twice")
        def twice(ack: Any) -> None:
            ack("first")
            ack("second")

        @socket.on("later")
        def later(ack: Any) -> None:
            asyncio.get_running_loop().call_soon(ack, "later")

        socket.on("never", lambda ack: None)


@scenario("1.7 ack (client→server)", modes=RAW)
def acks_on_the_wire(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        socket.on("echo", lambda *args: args)
        socket.on("bytes", lambda: b"\x01\x02")


@scenario("1.7 ack (server→client)")
def server_asks_a_client(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        @socket.on("ask")
        def ask(event: str) -> None:
            socket.emit(event, 1, [2], ack=lambda *args: app.log("answer", event, args))


@scenario("1.7 ack (server→client)")
def server_awaits_an_answer(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        @socket.on("ask")
        async def ask(event: str) -> None:
            answer = await socket.emit_with_ack(event, "x", b"\x05")
            app.log("answer", event, answer)


@scenario("1.7 ack (server→client)", modes=RAW)
def asking_on_the_wire(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        socket.emit("first", ack=lambda *args: app.log("first", args))
        socket.emit("second", 1, ack=lambda *args: app.log("second", args))
        socket.on("bytes", lambda: socket.emit("b", b"\x01", ack=lambda *a: app.log("b", a)))


@scenario("1.7 timeout")
def answer_that_does_not_come(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        @socket.on("callback")
        def callback(event: str) -> None:
            socket.timeout(0.05).emit(event, ack=lambda *args: app.log("callback", args))

        @socket.on("await")
        async def await_(event: str) -> Any:
            try:
                return await socket.timeout(0.05).emit_with_ack(event)
            except TimedOut as error:
                return ["error", str(error)]


@scenario("1.7 timeout")
def answer_in_time(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        @socket.on("go")
        async def go() -> Any:
            socket.timeout(5).emit("quick", ack=lambda *args: app.log("callback", args))
            return await socket.timeout(5).emit_with_ack("quick", 1)


@scenario("1.7 broadcast with acks")
def broadcast_that_all_answer(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        socket.join("room")

    async def ask(room: Any) -> Any:
        whom = io.to(room) if room else io
        answers = await whom.timeout(5).emit_with_ack("question", "x")
        whom.timeout(5).emit("again", ack=lambda *args: app.log("callback", args))
        return sorted(str(answer) for answer in answers)

    app.on_word("ask", ask)


@scenario("1.7 broadcast with acks")
def broadcast_that_some_answer(io: Any, app: App) -> None:
    def callback(error: Any, answers: Any) -> None:
        app.log("callback", error, answers)

    async def ask() -> Any:
        io.timeout(0.4).emit("question", ack=callback)
        try:
            return await io.timeout(0.4).emit_with_ack("question")
        except TimedOut as error:
            return ["error", str(error), error.responses]

    app.on_word("ask", ask)


@scenario("1.7 broadcast with acks")
def broadcast_that_nobody_gets(io: Any, app: App) -> None:
    async def ask() -> Any:
        answers = await io.to("nobody is here").timeout(5).emit_with_ack("question")
        return [answers, await io.except_("x").timeout(5).emit_with_ack("question")]

    app.on_word("ask", ask)


@scenario("1.7 broadcast with acks")
def broadcast_with_acks_and_no_timeout(io: Any, app: App) -> None:
    def answered(error: Any, answers: Any) -> None:
        app.log("answered", error, answers)

    app.on_word("ask", lambda: io.emit("question", ack=answered))


@scenario("1.7 ack (server→client)")
def asked_client_that_goes(io: Any, app: App) -> None:
    async def ask(socket: Any) -> None:
        try:
            app.log("answer", await socket.emit_with_ack("question"))
        except Exception as error:  # noqa: BLE001 - it is logged
            app.log("failed", type(error).__name__)

    @io.on("connection")
    def connection(socket: Any) -> None:
        socket.on("go", lambda: asyncio.ensure_future(ask(socket)) and None)
        socket.on("disconnect", lambda reason: app.log("disconnect", reason))


@scenario("1.7 binary")
def bytes_wherever_they_are(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        @socket.on("echo")
        def echo(*args: Any) -> Any:
            app.log("echo", args)
            socket.emit("echo", *args)
            return args

        socket.emit(
            "made", b"\x01", {"a": [b"", {"b": bytearray(b"\xff")}], "c": memoryview(b"mv")}
        )


@scenario("1.7 emit to one", modes=RAW)
def values_on_the_wire(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        socket.emit("none")
        socket.emit("null", None, [None])
        socket.emit("text", 'é😀\u2028/"\\\n\x01', "")
        socket.emit("numbers", 0, -1, 1.5, 1e21, 1e-7, 2**53, 1.0, 0.1)
        socket.emit("nan", float("nan"), float("inf"))
        socket.emit("deep", {"a": [{"b": {}}], "": [], "one": True})
        socket.emit("bytes", {"x": b"\x01"}, b"\x02")


@scenario("1.7 emit to all / room", "1.7 broadcast")
def everybody_or_all_others(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        socket.on("all", lambda: io.emit("all", socket.id))
        socket.on("others", lambda: socket.broadcast.emit("others", 1, b"\x01"))


@scenario("1.7 to / in / except")
def rooms_and_all_but(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        socket.join(socket.handshake.auth["rooms"])

    def tell() -> None:
        io.to("one").emit("one")
        io.in_("one").to("two").emit("one or two")
        io.to(["one", "two"]).emit("a list")
        io.except_("one").emit("not one")
        io.to("two").except_("one").emit("two but not one")
        io.except_(["one", "three"]).emit("neither one nor three")
        io.to("nobody").emit("nobody")

    app.on_word("tell", tell)


@scenario("1.7 to / in / except")
def operators_of_a_socket(io: Any, app: App) -> None:
    sockets: dict[str, Any] = {}

    @io.on("connection")
    def connection(socket: Any) -> None:
        sockets[socket.handshake.auth["name"]] = socket
        socket.join("room")

    def tell() -> None:
        a, b = sockets["a"], sockets["b"]
        a.to("room").emit("to the room")
        a.in_("room").emit("in the room")
        a.to(b.id).emit("to b")
        a.to(a.id).emit("to itself")
        a.except_(b.id).emit("all but b")
        a.broadcast.to("room").except_(b.id).emit("broadcast")
        a.local.emit("local")

    app.on_word("tell", tell)
    app.on_word("flags", lambda: sockets["a"].compress(False).broadcast.emit("flags"))


@scenario("1.7 to / in / except")
def operators_can_be_kept(io: Any, app: App) -> None:
    io.on("connection", lambda socket: socket.join(socket.handshake.auth["room"]))

    def tell() -> None:
        one = io.to("one")
        both = one.to("two")
        one.emit("one")
        both.emit("both")
        one.emit("one again")
        both.except_("one").emit("both but one")
        both.emit("both again")

    app.on_word("tell", tell)


@scenario("1.7 emit to all / room")
def to_an_empty_list_of_rooms(io: Any, app: App) -> None:
    app.on_word("tell", lambda: io.to([]).emit("whom"))


@scenario("1.7 volatile", modes=("websocket",))
def volatile_reaches_who_listens(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        socket.on("one", lambda: socket.volatile.emit("to one", 1) and None)
        socket.on("all", lambda: io.volatile.emit("to all", b"\x01") and None)
        socket.on("room", lambda: io.to(socket.id).volatile.emit("to a room"))


@scenario("1.7 volatile", modes=("websocket",))
def volatile_behind_another_emit(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        @socket.on("go")
        def go() -> None:
            socket.emit("first")
            socket.volatile.emit("volatile")
            socket.emit("last")


@scenario("1.7 compress", "1.7 local", "1.4 compress flag")
def flags_change_nothing_that_is_seen(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        socket.compress(True).emit("compressed", "x" * 2000)
        socket.compress(False).emit("not compressed", "x" * 2000)
        io.local.emit("local")
        io.compress(True).local.to(socket.id).emit("all flags")


@scenario("1.7 sender ordering")
def emits_and_then_the_end(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        socket.emit("one", b"\x01", b"\x02")
        io.emit("two")
        socket.emit("three", b"\x03")
        io.to(socket.id).emit("four")
        socket.on("disconnect", lambda reason: app.log("disconnect", reason))

        @socket.on("go")
        def go() -> None:
            socket.emit("last")
            socket.disconnect(True)


@scenario("1.7 emit to one")
def large_messages(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        socket.on("size", lambda text, data: [len(text.encode()), len(data)])
        socket.emit("large", "é" * 70_000, bytes(200_000))


@scenario("1.7 emit returns")
def emit_after_the_client_has_gone(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        @socket.on("disconnect")
        def disconnect(reason: str) -> None:
            socket.emit("too late")
            socket.join("room")
            socket.broadcast.emit("left", reason)
            app.log("rooms", socket.rooms)


@scenario("1.7 ack (client→server)")
def client_that_tries_again(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        seen: list[int] = []

        @socket.on("work")
        def work(n: int, ack: Any) -> None:
            app.log("work", n)
            seen.append(n)
            if len(seen) > 2:
                ack("done", n)


@scenario(
    "1.2 perMessageDeflate", modes=("websocket", "upgrade"), options={"per_message_deflate": True}
)
def compressed_websockets(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        socket.on("echo", lambda *args: args)
        socket.emit("large", "x" * 5000, b"\x00" * 3000)
        socket.compress(False).emit("plain", "x" * 5000)
        io.emit("to all", "y" * 5000)


@scenario("1.11 serverSideEmit")
def answers_of_other_servers(io: Any, app: App) -> None:
    async def ask() -> None:
        io.server_side_emit("question", ack=lambda *args: app.log("callback", args))
        app.log("awaited", await io.server_side_emit_with_ack("question"))

    app.on_word("ask", lambda: asyncio.ensure_future(ask()) and None)


@scenario("1.8 leave")
def leaving_ones_own_room(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        @socket.on("leave")
        def leave() -> Any:
            socket.leave(socket.id)
            io.to(socket.id).emit("to the own room")
            socket.emit("direct")
            return len(socket.rooms)


@scenario("1.13 server kicked")
def disconnected_twice(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        socket.on("disconnect", lambda reason: app.log("disconnect", reason))

        @socket.on("go")
        def go() -> None:
            socket.disconnect()
            socket.disconnect()
            socket.disconnect(True)
            socket.emit("never")


@scenario("1.14 >10 attachments out")
def more_than_ten_attachments(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        @socket.on("go")
        def go(count: int) -> bool:
            outcome = app.error(lambda: socket.emit("many", *[b"\x01"] * count))
            return not isinstance(outcome, Exception)

        socket.on("disconnect", lambda reason: app.log("disconnect", reason))

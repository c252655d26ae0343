"""Events and who listens to them. See events.js."""

from __future__ import annotations

import asyncio
from typing import Any

from parity.scenario import RAW, App, scenario

RESERVED = ("connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener")  # fmt: skip


@scenario("1.6 listener per socket")
def several_listeners_of_an_event(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        socket.on("x", lambda *args: app.log("first", args))
        socket.on("x", lambda *args: app.log("second", args))
        socket.prepend("x", lambda *args: app.log("prepended", args))
        socket.once("x", lambda *args: app.log("once", args))
        socket.on("end", lambda ack: ack("end"))


@scenario("1.6 listener per socket")
def listeners_are_taken_off(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        def one(*args: Any) -> None:
            app.log("one", args)

        def two(*args: Any) -> None:
            app.log("two", args)

        socket.on("x", one)
        socket.on("x", two)
        socket.on("x", one)
        socket.on("y", two)
        socket.on("count", lambda: [socket.listener_count("x"), len(socket.listeners("y"))])
        socket.on("off one", lambda: socket.off("x", one))
        socket.on("off x", lambda: socket.remove_all_listeners("x"))


@scenario("1.6 listener per socket")
def listener_takes_itself_off(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        def itself(*args: Any) -> None:
            app.log("itself", args)
            socket.off("x", itself)

        socket.on("x", itself)
        socket.on("x", lambda *args: app.log("other", args))
        socket.on("end", lambda: None)


@scenario("1.6 `message` / send")
def send_is_an_event_called_message(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        def message(*args: Any) -> None:
            app.log("message", args)
            socket.send("back", *args)
            io.send("to all")

        socket.on("message", message)


@scenario("1.6 catch-all in")
def on_any_comes_before_listeners(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        socket.on("x", lambda *args: app.log("listener", args))
        socket.on_any(lambda event, *args: app.log("any", event, args))
        socket.prepend_any(lambda event, *args: app.log("prepended any", event, args))


@scenario("1.6 catch-all in")
def on_any_is_taken_off(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        def one(event: str, *args: Any) -> None:
            app.log("one", event)

        def two(event: str, *args: Any) -> None:
            app.log("two", event)

        socket.on_any(one)
        socket.on_any(two)
        socket.on("off", lambda: socket.off_any(one))
        socket.on("off all", lambda: socket.off_any())
        socket.on("count", lambda: len(socket.listeners_any()))


@scenario("1.6 catch-all out")
def on_any_outgoing_sees_what_is_sent(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        socket.on_any_outgoing(lambda event, *args: app.log("out", event, args))
        socket.prepend_any_outgoing(lambda event, *args: app.log("first out", event, args))

        @socket.on("go")
        def go() -> str:
            socket.emit("direct", 1, [2])
            io.emit("to all", b"\x01")
            socket.broadcast.emit("not to me")
            io.to(socket.id).emit("to my id")
            return "an ack is no event"

        socket.on("off", lambda: socket.off_any_outgoing())


@scenario("1.6 per-packet middleware")
def socket_use_lets_pass_or_blocks(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        def first(event: list[Any], next: Any) -> None:
            app.log("first", event[0], event[1:])
            next(Exception("blocked") if event[0] == "bad" else None)

        def second(event: list[Any], next: Any) -> None:
            app.log("second", event[0])
            next()

        socket.use(first)
        socket.use(second)
        socket.on_any(lambda event, *args: app.log("any", event))
        socket.on("good", lambda *args: app.log("good", args))
        socket.on("bad", lambda *args: app.log("bad", args))
        socket.on("error", lambda error: app.log("error", error))


@scenario("1.6 reserved (emit throws)")
def reserved_names_can_not_be_emitted(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        for name in RESERVED:
            app.log(name, app.error(lambda name=name: socket.emit(name)))
            app.log(name, app.error(lambda name=name: io.emit(name)))
        socket.emit("connection", "may be sent")
        socket.emit("error", "may be sent too")


@scenario("1.6 reserved (emit throws)", modes=RAW)
def reserved_names_from_a_client(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        socket.on("disconnect", lambda reason: app.log("disconnect", reason))
        socket.on("error", lambda error: app.log("error", isinstance(error, Exception)))
        socket.on("connection", lambda *args: app.log("connection", args))


@scenario("1.6 event name type", modes=RAW)
def names_of_events(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        socket.on_any(lambda event, *args: app.log("any", str(event), args))


@scenario("1.6 `error`", modes=RAW)
def error_event_of_a_malformed_packet(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        socket.on("error", lambda error: app.log("error", isinstance(error, Exception)))
        socket.on("disconnecting", lambda reason: app.log("disconnecting", reason))
        socket.on("disconnect", lambda reason: app.log("disconnect", reason))


@scenario("1.6 ordering")
def events_are_handled_in_order(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        seen: list[int] = []
        socket.on("tick", seen.append)
        socket.on("seen", lambda: seen)
        socket.on("flood", lambda n: [socket.emit("tock", i) for i in range(n)] and n)


@scenario("1.6 sync & async handlers")
def handler_that_raises(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        def fails(*args: Any) -> None:
            app.log("fails")
            raise LookupError("this handler fails")

        socket.on("fails", fails)
        socket.on("works", lambda: "works")
        socket.on("disconnect", lambda reason: app.log("disconnect", reason))


@scenario("1.6 sync & async handlers")
def coroutine_handlers(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        @socket.on("slow")
        async def slow(n: int) -> int:
            app.log("begins", n)
            await asyncio.sleep(0)
            app.log("ends", n)
            return n * 2


@scenario("1.6 `disconnecting`", "1.6 disconnect")
def rooms_while_disconnecting(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        socket.join(["one", "two"])

        def disconnecting(reason: str) -> None:
            app.log("disconnecting", reason, socket.rooms, socket.connected)

        def disconnect(reason: str) -> None:
            app.log("disconnect", reason, socket.rooms, socket.connected)

        socket.on("disconnecting", disconnecting)
        socket.on("disconnect", disconnect)


@scenario("1.6 listener per socket")
def missing_and_extra_arguments(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        socket.on("two", lambda a=None, b=None: [a, b])
        socket.on("none", lambda: "none")


@scenario("1.6 listener per socket")
def event_without_a_listener(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        socket.on("known", lambda: "known")


@scenario("1.6 listener per socket")
def sockets_have_listeners_of_their_own(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        name = socket.handshake.auth["name"]
        if name == "a":
            socket.on("x", lambda: app.log("a heard x"))
        socket.on("y", lambda: app.log(name, "heard y"))
        socket.on("end", lambda: None)


@scenario("1.14 JSON", modes=RAW)
def values_from_a_client(io: Any, app: App) -> None:
    io.on("connection", lambda socket: socket.on("echo", lambda *args: args))

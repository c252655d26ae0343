"""Connection state recovery. See recovery.js."""

from __future__ import annotations

from typing import Any

from parity.scenario import RAW, App, scenario

KEEP = {"connection_state_recovery": {"max_disconnection_duration": 60.0}}
ASK = {"connection_state_recovery": {"max_disconnection_duration": 60.0, "skip_middlewares": False}}
BRIEF = {"connection_state_recovery": {"max_disconnection_duration": 0.05}}
WEBSOCKET = ("websocket", "upgrade")


def serve(io: Any, app: App) -> None:
    """Log who comes, with what they have; words to send with."""

    def middleware(socket: Any, next: Any) -> None:
        app.log("middleware")
        next()

    io.use(middleware)

    @io.on("connection")
    def connection(socket: Any) -> None:
        rooms = [room for room in socket.rooms if len(room) < 20]
        app.log("connection", socket.recovered, socket.id, sorted(rooms), dict(socket.data))
        if not socket.recovered:
            socket.join("room")
            socket.data["n"] = 1
        socket.on("disconnect", lambda reason: app.log("disconnect", reason))
        socket.on("leave", lambda: socket.disconnect())
        socket.emit("hello", 1)

    def missed() -> None:
        io.emit("to all", "text")
        io.to("room").emit("to the room", b"\x01\x02", {"deep": [b"\x03"]})
        io.to("other").emit("to another room")
        io.except_("room").emit("to all but the room")
        io.volatile.emit("volatile")

    app.on_word("missed", missed)
    app.on_word("tell", lambda: io.emit("now"))


@scenario("1.12 restore", modes=WEBSOCKET, options=KEEP)
def missed_events_are_sent_again(io: Any, app: App) -> None:
    serve(io, app)


@scenario("1.12 option", modes=WEBSOCKET, options=ASK)
def recovered_client_is_asked_about(io: Any, app: App) -> None:
    serve(io, app)


@scenario("1.12 saved when", modes=WEBSOCKET, options=KEEP)
def who_left_is_not_recovered(io: Any, app: App) -> None:
    serve(io, app)


@scenario("1.12 option", modes=WEBSOCKET, options=BRIEF)
def recovery_that_comes_too_late(io: Any, app: App) -> None:
    serve(io, app)


@scenario("1.12 wire", "1.12 order trap", modes=RAW, options=KEEP)
def recovery_on_the_wire(io: Any, app: App) -> None:
    serve(io, app)


@scenario("1.12 restore", modes=RAW, options=KEEP)
def recovery_of_what_is_unknown(io: Any, app: App) -> None:
    serve(io, app)


@scenario("1.12 wire", "1.12 saved when", modes=WEBSOCKET, options=KEEP, barrier=("/", "/a"))
def recovery_in_a_namespace(io: Any, app: App) -> None:
    nsp = io.of("/a")

    @nsp.on("connection")
    def connection(socket: Any) -> None:
        app.log("connection", socket.recovered, socket.id)
        socket.on("disconnect", lambda reason: app.log("disconnect", reason))
        socket.emit("hello", 1)

    def missed() -> None:
        nsp.emit("with bytes", b"\x01")
        nsp.timeout(5).emit("with an ack", ack=lambda *args: None)
        io.emit("in another namespace")
        nsp.emit("last")

    app.on_word("missed", missed)


@scenario("1.12 saved when", modes=RAW, options=KEEP)
def recovery_of_who_polls(io: Any, app: App) -> None:
    serve(io, app)

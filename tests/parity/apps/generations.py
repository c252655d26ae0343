"""Clients of the second generation: Engine.IO 3 and Socket.IO's protocol 4. See generations.js."""

from __future__ import annotations

from typing import Any

from parity.scenario import MODES, RAW, App, scenario

OLD = {"allow_eio3": True}


class Refusal(Exception):
    """An error with data for the client."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.data = {"code": 7}


def serve(io: Any, app: App) -> None:
    for name in ("/", "/a"):

        @io.of(name).on("connection")
        def connection(socket: Any) -> None:
            app.log("in", socket.nsp.name, len(socket.id), socket.handshake.auth)
            socket.on("echo", lambda *args: args)
            socket.on("bounce", lambda *args: socket.emit("bounced", *args))
            socket.on(
                "ask",
                lambda event: socket.emit(event, b"\x01", ack=lambda *a: app.log("answer", a)),
            )
            socket.on("all", lambda: io.emit("to all", "é", b"\x01\x02"))
            socket.on("leave", lambda: socket.disconnect())
            socket.on("disconnect", lambda reason: app.log("out", socket.nsp.name, reason))


def refusing(io: Any, app: App) -> None:
    serve(io, app)
    io.of("/text").use(lambda socket, next: next(Exception("go away")))
    io.of("/data").use(lambda socket, next: next(Refusal("not you")))


@scenario(
    "1.15 v2 client events", "1.15 v2 Node client", modes=MODES, options=OLD, barrier=("/", "/a")
)
def client_2_0_2(io: Any, app: App) -> None:
    serve(io, app)


@scenario("1.15 v2 client events", modes=MODES, options=OLD, barrier=("/", "/a"))
def client_2_5_0(io: Any, app: App) -> None:
    serve(io, app)


@scenario("1.15 namespaces", modes=MODES, options=OLD, barrier=("/", "/a"))
def namespaces_of_an_old_client(io: Any, app: App) -> None:
    serve(io, app)


@scenario("1.15 errors", modes=MODES, options=OLD, barrier=("/", "/a"))
def refusals_of_an_old_client(io: Any, app: App) -> None:
    refusing(io, app)


@scenario("1.15 mixing", "1.15 CSR / acks", modes=MODES, options=OLD, barrier=("/", "/a"))
def old_and_new_clients_together(io: Any, app: App) -> None:
    serve(io, app)


@scenario(
    "1.15 polling payload",
    "1.15 handshake",
    "1.15 heartbeat",
    modes=RAW,
    options=OLD,
    barrier=("/", "/a"),
)
def old_payloads_by_hand(io: Any, app: App) -> None:
    serve(io, app)


@scenario("1.15 ws", modes=RAW, options=OLD, barrier=("/", "/a"))
def old_websocket_by_hand(io: Any, app: App) -> None:
    serve(io, app)


@scenario("1.15 JSONP in v2", modes=RAW, options=OLD, barrier=("/", "/a"))
def jsonp_by_hand(io: Any, app: App) -> None:
    serve(io, app)


@scenario("1.15 detection", modes=RAW, options={"allow_eio3": False}, barrier=("/", "/a"))
def old_clients_are_refused(io: Any, app: App) -> None:
    serve(io, app)


@scenario("1.14 msgpack parser", options={"serializer": "msgpack"}, barrier=("/", "/a"))
def packets_as_msgpack(io: Any, app: App) -> None:
    serve(io, app)

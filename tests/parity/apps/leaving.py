"""How connections end, and what each side is told. See leaving.js."""

from __future__ import annotations

from typing import Any

from parity.scenario import MODES, RAW, App, scenario

QUICK_PINGS = {"ping_interval": 0.2, "ping_timeout": 0.4}


def tells(io: Any, app: App, *names: str) -> None:
    """Log what sockets are told of their end."""
    for name in names or ("/",):

        @io.of(name).on("connection")
        def connection(socket: Any) -> None:
            app.log("in", socket.nsp.name)
            socket.join("room")

            def disconnecting(reason: str) -> None:
                app.log("disconnecting", socket.nsp.name, reason, "room" in socket.rooms)

            def disconnect(reason: str) -> None:
                app.log("disconnect", socket.nsp.name, reason, len(socket.rooms))

            socket.on("disconnecting", disconnecting)
            socket.on("disconnect", disconnect)
            socket.on("leave", lambda: socket.disconnect())
            socket.on("leave all", lambda: socket.disconnect(True))
            socket.on("echo", lambda *args: args)


@scenario("1.13 client left namespace", barrier=("/", "/a"))
def client_leaves(io: Any, app: App) -> None:
    tells(io, app, "/", "/a")


@scenario("1.13 server kicked", barrier=("/", "/a"))
def server_kicks_from_a_namespace(io: Any, app: App) -> None:
    tells(io, app, "/", "/a")


@scenario("1.13 server kicked", barrier=("/", "/a"))
def server_kicks_from_all_namespaces(io: Any, app: App) -> None:
    tells(io, app, "/", "/a")


@scenario("1.13 transport gone", modes=("websocket", "upgrade"))
def websocket_is_cut(io: Any, app: App) -> None:
    tells(io, app)


@scenario("1.13 transport gone", modes=RAW)
def websocket_is_closed(io: Any, app: App) -> None:
    tells(io, app)


@scenario("1.13 transport gone", modes=RAW)
def polling_client_says_goodbye(io: Any, app: App) -> None:
    tells(io, app)


@scenario("1.13 transport failed", modes=RAW)
def gets_that_overlap(io: Any, app: App) -> None:
    tells(io, app)


@scenario("1.13 EIO garbage", modes=RAW)
def engine_packets_that_are_none(io: Any, app: App) -> None:
    tells(io, app)


@scenario("1.13 SIO garbage / protocol violation", modes=RAW)
def socket_packets_that_are_none(io: Any, app: App) -> None:
    tells(io, app)


@scenario("1.13 heartbeat", modes=RAW, options=QUICK_PINGS)
def ping_that_is_not_answered(io: Any, app: App) -> None:
    tells(io, app)


@scenario("1.13 heartbeat", modes=MODES, options=QUICK_PINGS)
def pings_keep_a_client(io: Any, app: App) -> None:
    tells(io, app)


@scenario("1.13 transport failed", modes=RAW, options={"max_http_buffer_size": 1000})
def messages_that_are_too_large(io: Any, app: App) -> None:
    tells(io, app)


@scenario("1.13 io.close()", "1.1 graceful close", barrier=("/", "/a"))
def server_shuts_down(io: Any, app: App) -> None:
    tells(io, app, "/", "/a")
    app.on_word("close", app.close)


@scenario("1.13 io.close()")
def client_comes_back_after_a_restart(io: Any, app: App) -> None:
    tells(io, app)


@scenario("1.13 server kicked")
def kicked_client_does_not_come_back(io: Any, app: App) -> None:
    tells(io, app)


@scenario("1.13 server kicked", modes=("websocket", "upgrade"))
def connection_is_closed_below(io: Any, app: App) -> None:
    sockets: list[Any] = []
    io.on("connection", sockets.append)
    tells(io, app)
    app.on_word("close", lambda: sockets[0].conn.close() and None)


@scenario("1.13 client left namespace", modes=RAW, barrier=("/", "/a"))
def leaving_on_the_wire(io: Any, app: App) -> None:
    tells(io, app, "/", "/a")


@scenario("1.13 server kicked", modes=RAW)
def kicked_while_polling(io: Any, app: App) -> None:
    tells(io, app)


@scenario("1.13 SIO garbage / protocol violation", modes=RAW)
def wrong_packets_while_polling(io: Any, app: App) -> None:
    tells(io, app)


@scenario("1.13 transport failed", "1.4 WebSocket", modes=RAW)
def engine_packets_on_a_websocket(io: Any, app: App) -> None:
    tells(io, app)


@scenario("1.13 transport failed", "1.4 HTTP long-polling", modes=RAW)
def posts_that_are_wrong(io: Any, app: App) -> None:
    tells(io, app)


@scenario("1.13 transport failed", modes=RAW)
def poll_that_is_cut_off(io: Any, app: App) -> None:
    tells(io, app)

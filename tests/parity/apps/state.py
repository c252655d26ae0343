"""What a socket knows of itself: its state, handshake and connection. See state.js."""

from __future__ import annotations

import re
import time
from typing import Any

from parity.scenario import RAW, App, scenario


@scenario("1.10 id", "1.10 connected flags")
def ids_and_flags(io: Any, app: App) -> None:
    def flags(socket: Any) -> list[Any]:
        return [socket.connected, socket.disconnected, len(socket.id), socket.id in socket.rooms]

    def check(socket: Any, next: Any) -> None:
        app.log("middleware", flags(socket))
        next()

    @io.on("connection")
    def connection(socket: Any) -> None:
        app.log("connection", flags(socket), socket.id)
        socket.on("disconnecting", lambda reason: app.log("disconnecting", flags(socket)))
        socket.on("disconnect", lambda reason: app.log("disconnect", flags(socket)))

    io.use(check)


@scenario("1.10 connected flags")
def nothing_was_recovered(io: Any, app: App) -> None:
    io.on("connection", lambda socket: app.log("recovered", socket.recovered))


@scenario("1.10 per-socket data")
def data_of_a_socket(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        app.log("at first", dict(socket.data))
        socket.data["count"] = 0

        @socket.on("count")
        def count() -> int:
            socket.data["count"] += 1
            return socket.data["count"]

        socket.on("disconnect", lambda reason: app.log("data", dict(socket.data)))


@scenario("1.10 handshake", "1.4 remote address")
def handshake_of_a_socket(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        hs = socket.handshake
        headers = {key: hs.headers.get(key) for key in ("x-custom", "cookie", "origin")}
        query = {key: value for key, value in hs.query.items() if key not in ("t", "transport")}
        app.log("headers", headers)
        app.log("query", query)
        app.log("auth", hs.auth)
        app.log("address", hs.address, hs.secure, hs.xdomain, hs.url.split("?")[0])
        app.log("issued", abs(hs.issued - time.time() * 1000) < 10_000)


@scenario("1.10 handshake")
def time_of_the_handshake(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        app.log(
            "time", re.sub(r"\d", "0", re.sub("[A-Z][a-z]{2}", "Xxx", socket.handshake.time[:33]))
        )


@scenario("1.10 request")
def request_of_a_socket(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        request = socket.request
        app.log("request", request.method, request.url.split("?")[0], request.headers["x-custom"])


@scenario("1.10 request")
def query_of_the_request(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        app.log("_query", socket.request._query["token"], socket.request._query["EIO"])


@scenario("1.10 transport")
def transport_of_a_socket(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        socket.on("transport", lambda: [socket.conn.transport.name, socket.conn.protocol])


@scenario("1.10 transport", modes=("upgrade",))
def upgrade_is_told_of(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        app.log("at first", socket.conn.transport.name)
        socket.conn.on("upgrade", lambda transport: app.log("upgrade", transport.name))


@scenario("1.10 server refs")
def references_of_a_socket(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        nsp = socket.nsp
        app.log("nsp", nsp.name, nsp is io.of("/"), nsp is io.sockets, nsp.server is io)


@scenario("1.1 server info")
def clients_are_counted(io: Any, app: App) -> None:
    io.on("connection", lambda socket: app.log("count", io.engine.clients_count))
    app.on_word("count", lambda: [io.engine.clients_count, len(io.sockets.sockets)])


@scenario("1.4 WebSocket", modes=RAW)
def handshake_on_the_wire(io: Any, app: App) -> None:
    io.on("connection", lambda socket: app.log("connection"))


@scenario("1.1 path", modes=RAW, options={})
def paths_that_are_ours(io: Any, app: App) -> None:
    io.on("connection", lambda socket: app.log("connection"))


@scenario("1.10 low-level events")
def events_of_a_connection(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        conn = socket.conn
        app.log(
            "state", conn.ready_state, conn.remote_address, len(conn.id) == 20, conn.id == socket.id
        )
        conn.on("close", lambda reason, description=None: app.log("close", reason))
        socket.on("disconnect", lambda reason: app.log("disconnect", reason, conn.ready_state))

"""The engine beneath: requests, headers, transports, options. See engine.js."""

from __future__ import annotations

from typing import Any

from parity.scenario import RAW, App, scenario

ORIGIN = "http://good.example"
COOKIE = {"name": "io", "Path": "/", "HttpOnly": True, "SameSite": "Lax"}


def id_of(request: Any) -> str:
    return f"id-of-{request.query['who']}"


def greets(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        app.log("connection")
        socket.on("echo", lambda *args: args)
        socket.on("disconnect", lambda reason: app.log("disconnect", reason))


@scenario(
    "1.3 connection_error", "1.3 bad request bodies", modes=RAW, options={"allow_eio3": False}
)
def requests_that_are_refused(io: Any, app: App) -> None:
    def refused(error: Any) -> None:
        app.log("connection_error", error.code, error.message, list(error.context.values()))

    io.engine.on("connection_error", refused)
    greets(io, app)


@scenario(
    "1.3 order of checks (Node)", "1.2 transports", modes=RAW, options={"transports": ["polling"]}
)
def transport_that_is_off(io: Any, app: App) -> None:
    greets(io, app)


@scenario("1.3 connection_error", modes=RAW)
def upgrades_that_are_refused(io: Any, app: App) -> None:
    io.engine.on("connection_error", lambda error: app.log("refused", error.code, error.message))
    greets(io, app)


@scenario("1.3 headers on polling", modes=RAW)
def headers_of_polling(io: Any, app: App) -> None:
    greets(io, app)


@scenario("1.3 response header hooks", modes=RAW)
def headers_that_listeners_add(io: Any, app: App) -> None:
    def initial(headers: Any, request: Any) -> None:
        headers["x-initial"] = "one"
        app.log("initial_headers", request.method)

    def every(headers: Any, request: Any) -> None:
        headers["x-every"] = "two"
        app.log("headers", request.method)

    io.engine.on("initial_headers", initial)
    io.engine.on("headers", every)


@scenario("1.2 cookie", modes=RAW, options={"cookie": COOKIE})
def cookie_of_the_handshake(io: Any, app: App) -> None:
    greets(io, app)


@scenario("1.3 CORS", modes=RAW, options={"cors_allowed_origins": [ORIGIN, "http://also.example"]})
def origins_of_a_list(io: Any, app: App) -> None:
    greets(io, app)


@scenario("1.3 CORS", modes=RAW, options={"cors_allowed_origins": "*", "cors_credentials": False})
def any_origin(io: Any, app: App) -> None:
    greets(io, app)


@scenario("1.3 CORS", modes=RAW)
def no_origin_is_named(io: Any, app: App) -> None:
    greets(io, app)


def allow(request: Any) -> bool:
    return "no" not in request.query


@scenario("1.3 allowRequest", modes=RAW, options={"allow_request": allow})
def requests_are_asked_about(io: Any, app: App) -> None:
    io.engine.on("connection_error", lambda error: app.log("refused", error.code, error.message))
    greets(io, app)


@scenario("1.3 engine middleware", modes=RAW)
def middleware_of_the_engine(io: Any, app: App) -> None:
    def add(request: Any, response: Any, next: Any) -> None:
        app.log("middleware", request.method, "sid" in request.query)
        response.set_header("x-middleware", "yes")
        next(Exception("no") if request.headers.get("x-refuse") else None)

    io.engine.use(add)
    greets(io, app)


@scenario("1.3 serve client bundle", modes=RAW, options={"serve_client": True})
def bundle_is_served(io: Any, app: App) -> None:
    greets(io, app)


@scenario("1.3 serve client bundle", modes=RAW, options={"serve_client": False})
def bundle_is_not_served(io: Any, app: App) -> None:
    greets(io, app)


@scenario("1.2 custom id", modes=RAW, options={"generate_id": id_of})
def ids_of_the_application(io: Any, app: App) -> None:
    greets(io, app)


@scenario("1.2 allow upgrades", modes=("upgrade",), options={"allow_upgrades": False})
def upgrades_are_off(io: Any, app: App) -> None:
    greets(io, app)


@scenario("1.4 upgrade polling→ws", modes=RAW)
def upgrade_by_hand(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        app.log("connection")
        socket.on("go", lambda: [socket.emit("tick", i) for i in range(3)] and None)


@scenario("1.2 upgrade timeout", modes=RAW, options={"upgrade_timeout": 0.1})
def upgrade_that_is_not_finished(io: Any, app: App) -> None:
    greets(io, app)


@scenario("1.4 HTTP long-polling", modes=RAW)
def payloads_by_hand(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        socket.on("echo", lambda *args: app.log("echo", args) or args)
        socket.on("disconnect", lambda reason: app.log("disconnect", reason))


@scenario("1.4 WebSocket", modes=RAW)
def binary_as_base64(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        socket.emit("bytes", b"\x01\x02\x03")
        socket.on("echo", lambda *args: app.log("echo", args) or args)


@scenario("1.2 http compression", modes=RAW, options={"compression_threshold": 100})
def answers_are_compressed(io: Any, app: App) -> None:
    io.on("connection", lambda socket: socket.emit("large", "x" * 500))


@scenario("1.2 max inbound size", modes=RAW, options={"max_http_buffer_size": 500})
def limit_is_told_to_clients(io: Any, app: App) -> None:
    greets(io, app)

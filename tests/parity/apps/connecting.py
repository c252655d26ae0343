"""Coming in: CONNECT, auth, middleware, refusals. See connecting.js."""

from __future__ import annotations

import asyncio
from typing import Any

from parity.scenario import RAW, App, scenario


class Refusal(Exception):
    """An error with data for the client."""

    def __init__(self, message: str, data: Any) -> None:
        super().__init__(message)
        self.data = data


@scenario("1.5 connection event")
def greeting_follows_the_connect(io: Any, app: App) -> None:
    def connection(socket: Any) -> None:
        app.log("connection", socket.id, socket.connected)
        socket.emit("greeting", "first", socket.id)
        socket.emit("greeting", "second")

    io.on("connection", connection)


@scenario("1.5 connection event")
def connect_comes_before_connection(io: Any, app: App) -> None:
    io.on("connection", lambda socket: app.log("connection", socket.id))
    io.on("connect", lambda socket: app.log("connect", socket.id))


@scenario("1.5 auth")
def auth_reaches_the_handshake(io: Any, app: App) -> None:
    io.on("connection", lambda socket: app.log("auth", socket.handshake.auth))


@scenario("1.5 namespace middleware")
def middleware_runs_in_order(io: Any, app: App) -> None:
    def first(socket: Any, next: Any) -> None:
        app.log("first", socket.connected, len(io.sockets.sockets))
        next()

    async def second(socket: Any) -> None:
        await asyncio.sleep(0)
        app.log("second", socket.handshake.auth)
        socket.data["seen"] = "by second"

    io.use(first)
    io.use(second)
    io.on("connection", lambda socket: app.log("connection", socket.data["seen"]))


@scenario("1.5 refuse with data")
def middleware_refuses(io: Any, app: App) -> None:
    def refuse(socket: Any, next: Any) -> None:
        how = socket.handshake.auth.get("how")
        if how == "text":
            next(Exception("go away"))
        elif how == "data":
            next(Refusal("not you", {"code": 7, "é": ["😀", None]}))
        elif how == "empty":
            next(Exception(""))
        else:
            next()

    def later(_socket: Any, next: Any) -> None:
        app.log("later")
        next()

    io.use(refuse)
    io.use(later)
    io.on("connection", lambda socket: app.log("connection"))


@scenario("1.5 io.use on / only", barrier=("/", "/open"))
def middleware_of_the_root_is_not_of_others(io: Any, app: App) -> None:
    def refuse(_socket: Any, next: Any) -> None:
        next(Exception("closed"))

    io.use(refuse)
    io.of("/open").on("connection", lambda socket: app.log("open"))


@scenario("1.5 unknown namespace")
def unknown_namespace_keeps_the_connection(io: Any, app: App) -> None:
    io.on("connection", lambda socket: socket.on("echo", lambda *args: args))


@scenario("1.5 same client, several namespaces", barrier=("/", "/a", "/b"))
def namespaces_share_a_connection(io: Any, app: App) -> None:
    for name in ("/", "/a", "/b"):
        nsp = io.of(name)

        @nsp.on("connection")
        def connection(socket: Any, nsp: Any = nsp) -> None:
            app.log("in", nsp.name, socket.id)
            socket.on("who", lambda: [socket.nsp.name, socket.id])
            socket.on("disconnect", lambda reason: app.log("out", nsp.name, reason))


@scenario("1.5 second CONNECT to the same nsp", modes=RAW)
def connecting_twice_ends_the_connection(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        app.log("connection")
        socket.on("disconnect", lambda reason: app.log("disconnect", reason))


@scenario("1.5 connect packet", modes=RAW, barrier=("/", "/a"))
def connect_packets_by_hand(io: Any, app: App) -> None:
    io.on("connection", lambda socket: app.log("auth", socket.handshake.auth))


@scenario("1.5 connect packet", modes=RAW)
def events_before_the_connect(io: Any, app: App) -> None:
    io.on("connection", lambda socket: app.log("connection"))


@scenario("1.1 connectTimeout", "1.13 never joined", modes=RAW, options={"connect_timeout": 0.4})
def who_never_joins_is_closed(io: Any, app: App) -> None:
    io.on("connection", lambda socket: app.log("connection"))


@scenario("1.5 namespace middleware", modes=RAW)
def client_that_leaves_while_it_is_asked_about(io: Any, app: App) -> None:
    go = asyncio.Event()

    async def wait(socket: Any) -> None:
        socket.join("early")
        app.log("asked")
        await go.wait()
        app.log("let in", socket.connected)

    io.use(wait)
    io.on("connection", lambda socket: app.log("connection"))
    app.on_word("go", go.set)
    app.on_word("rooms", lambda: [room for room in io.sockets.adapter.rooms if len(room) < 20])


@scenario("1.8 join")
def join_in_a_middleware(io: Any, app: App) -> None:
    def join(socket: Any, next: Any) -> None:
        socket.join("early")
        next(Exception("no") if socket.handshake.auth.get("refuse") else None)

    io.use(join)
    io.on("connection", lambda socket: app.log("rooms", socket.rooms, socket.id))
    app.on_word("rooms", lambda: [str(room) for room in io.sockets.adapter.rooms])
    app.on_word("tell", lambda: io.to("early").emit("told", 1))


@scenario("1.5 refuse with data")
def refused_client_tries_again(io: Any, app: App) -> None:
    def check(socket: Any, next: Any) -> None:
        next(None if socket.handshake.auth.get("token") == "right" else Exception("wrong token"))

    io.use(check)
    io.on("connection", lambda socket: app.log("connection", socket.handshake.auth))


@scenario("1.5 connect packet")
def leaving_and_coming_again(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        app.log("connection", socket.id)
        socket.on("disconnect", lambda reason: app.log("disconnect", reason, socket.id))


@scenario("1.5 namespace middleware")
def middleware_added_later_is_for_later_clients(io: Any, app: App) -> None:
    def late(_socket: Any, next: Any) -> None:
        app.log("late")
        next()

    app.on_word("add", lambda: io.use(late) and None)
    io.on("connection", lambda socket: app.log("connection"))


@scenario("1.5 connection event")
def disconnected_in_the_connection_handler(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        socket.on("disconnect", lambda reason: app.log("disconnect", reason))
        socket.emit("last", "words")
        socket.disconnect()
        socket.emit("never", 1)
        app.log("connected", socket.connected, socket.disconnected, socket.rooms)


@scenario("1.5 namespace middleware", modes=RAW, options={"middleware_timeout": 0.1})
def middleware_that_never_answers(io: Any, app: App) -> None:
    @io.use
    def forgets(socket: Any, next: Any) -> None:
        app.log("asked")

    io.on("connection", lambda socket: app.log("connection"))


@scenario("1.5 namespace middleware", modes=RAW)
def middleware_that_answers_twice(io: Any, app: App) -> None:
    def twice(_socket: Any, next: Any) -> None:
        next()
        next(Exception("too late"))

    io.use(twice)
    io.on("connection", lambda socket: app.log("connection"))


@scenario("1.5 connection event")
def connection_handler_that_raises(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        socket.on("echo", lambda *args: args)
        raise LookupError("this handler fails")


@scenario("1.5 connection event")
def several_connection_handlers(io: Any, app: App) -> None:
    async def coroutine(socket: Any) -> None:
        app.log("second", socket.id)

    io.on("connection", lambda socket: app.log("first", socket.id))
    io.on("connection", coroutine)
    io.once("connection", lambda socket: app.log("once", socket.id))


@scenario("1.10 handshake", modes=RAW)
def queries_of_the_handshake(io: Any, app: App) -> None:
    @io.on("connection")
    def connection(socket: Any) -> None:
        query = {key: value for key, value in socket.handshake.query.items() if key != "transport"}
        app.log("query", query)

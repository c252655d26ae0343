"""The interop application in IO's style (Node's Socket.IO). See apps.py."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import fastsio
from apps import NAMED, NAMESPACES, Counter, Flow, Log, as_list, describe, picture


class Refusal(Exception):
    """What a middleware raises; `data` goes to the client."""

    def __init__(self, message: str, data: Any = None) -> None:
        super().__init__(message)
        if data is not None:
            self.data = data


def build(log: Log, **options: Any) -> fastsio.IO:
    """A server with every event in every namespace; it writes what it sees into `log`."""
    io = fastsio.IO(**options)
    for name in NAMESPACES:
        namespace = io.of(name)
        namespace.on("connection", lambda socket: _Handlers(io, log, socket))
    io.use(_refuse)
    io.of("/admin").use(_admins_only)
    _guarded(io)
    _greeting(io)
    _watched(io)
    return io


async def _refuse(socket: Any) -> None:
    how = socket.handshake.auth.get("refuse")
    if how == "message":
        raise Refusal("go away")
    if how == "data":
        raise Refusal("go away", {"code": 7, "é": ["😀"]})


def _admins_only(socket: Any, next: Callable[..., None]) -> None:
    if socket.handshake.auth.get("token") == "root":
        next()
    else:
        next(Refusal("not an admin", {"code": 7}))


def _guarded(io: fastsio.IO) -> None:
    """Three middlewares that note their turn, each of which may refuse."""
    guarded = io.of("/guarded")

    def step(number: int, name: str) -> Callable[..., Any]:
        async def middleware(socket: Any) -> None:
            socket.data.setdefault("steps", []).append(name)
            if socket.handshake.auth["steps"] < number:
                await asyncio.sleep(0)
                raise Refusal(f"stopped at {name}", {"after": socket.data["steps"]})

        return middleware

    for number, name in enumerate(("one", "two", "three"), start=1):
        guarded.use(step(number, name))

    @guarded.on("connection")
    def connection(socket: Any) -> None:
        socket.on("steps", lambda: socket.data["steps"])


def _greeting(io: fastsio.IO) -> None:
    @io.of("/greeting").on("connection")
    async def connection(socket: Any) -> None:
        socket.emit("greeting", "first")
        socket.emit("greeting", "second", b"bytes")
        socket.on("echo", lambda *args: args)


def _watched(io: fastsio.IO) -> None:
    @io.of("/watched").on("connection")
    def connection(socket: Any) -> None:
        heard: list[Any] = []
        sent: list[Any] = []
        order: list[str] = []
        socket.on_any(lambda *event: heard.append(event))
        socket.on_any(lambda event: order.append("any") if event == "order" else None)
        socket.on_any_outgoing(lambda *event: sent.append(event))

        @socket.on("echo back")
        def echo_back(*args: Any) -> None:
            socket.emit("greeting", *args)
            socket.nsp.emit("greeting", "all")

        socket.on("order", lambda: order.append("on"))
        socket.prepend("order", lambda: order.append("prepended"))
        socket.on("order", lambda: order)
        socket.on("watched", lambda: [heard, sent])
        socket.on("ask all", _asker(socket))


def _asker(socket: Any) -> Callable[..., Any]:
    async def ask_all(event: str, timeout_s: float | None) -> Any:
        everyone = socket.nsp if timeout_s is None else socket.nsp.timeout(timeout_s)
        try:
            return {"answers": await everyone.emit_with_ack(event, "x")}
        except fastsio.exceptions.PartialAnswersError as error:
            return {"error": type(error).__name__, "answers": error.responses}

    return ask_all


class _Handlers:
    """All handlers of one socket. `on_<name>` handles "<name>", with blanks for underscores."""

    def __init__(self, io: fastsio.IO, log: Log, socket: Any) -> None:
        self.io = io
        self.log = log
        self.socket = socket
        self.nsp = io.of(socket.nsp.name)
        self.counters = {"": Counter(), "coroutine": Counter()}
        self.released = asyncio.Event()
        self.flow = Flow()
        for name in dir(self):
            if name.startswith("on_"):
                socket.on(name[3:].replace("_", " "), getattr(self, name))
        socket.on(NAMED, lambda *args: "named")
        log.add("connect", socket.nsp.name, socket.id)

    def on_disconnecting(self, reason: str) -> None:
        rooms = sorted(self.socket.rooms - {self.socket.id})
        self.log.add("disconnecting", self.socket.nsp.name, self.socket.id, reason, rooms)

    async def on_disconnect(self, reason: str) -> None:
        self.log.add("disconnect", self.socket.nsp.name, self.socket.id, reason)
        self.nsp.emit("left", self.socket.id)

    # -- messages

    def on_echo(self, *args: Any) -> Any:
        return args

    def on_bounce(self, *args: Any) -> None:
        self.socket.emit("bounce", *args)

    def on_describe(self, *args: Any) -> Any:
        return [describe(arg) for arg in args]

    def on_picture(self) -> Any:
        self.socket.emit("picture", picture(), 2)
        return picture()

    def on_message(self, *args: Any) -> str:
        self.socket.send(*args)
        return "heard"

    def on_fails(self) -> None:
        raise LookupError("this handler fails")

    def on_where(self) -> str:
        return self.socket.nsp.name

    def on_whoami(self) -> Any:
        return self.socket.handshake.auth

    # -- order

    def on_count(self, i: int) -> None:
        self.counters[""].add(i)

    async def on_count_coroutine(self, i: int) -> None:
        self.counters["coroutine"].add(i)

    def on_counted(self, key: str) -> Any:
        return self.counters[key].report()

    def on_flood(self, n: int) -> int:
        for i in range(n):
            self.socket.emit("tick", i)
        return n

    async def on_flood_slowly(self, n: int, batch: int) -> None:
        for i in range(n):
            self.socket.emit("tick", i)
            if i % batch == 0:
                await asyncio.sleep(0)

    async def on_flood_until_stop(self, least: int, batch: int) -> int:
        flow = self.flow
        while flow.sent < least or not flow.is_stopped:
            for i in range(flow.sent, flow.sent + batch):
                self.socket.emit("tick", i)
            await flow.has_sent(batch)
        return flow.sent

    def on_got(self, count: int) -> None:
        self.flow.got(count)

    def on_stop(self) -> None:
        self.flow.stop()

    # -- acks

    def on_returns_nothing(self) -> None:
        return None

    async def on_echo_coroutine(self, *args: Any) -> Any:
        await asyncio.sleep(0)
        return args

    async def on_held(self, value: Any) -> Any:
        await self.released.wait()
        return value

    def on_release(self) -> None:
        self.released.set()

    def on_ack_by_function(self, value: str, ack: Callable[..., None]) -> None:
        asyncio.get_running_loop().call_soon(ack, f"{value} later")

    def on_ack_twice(self, ack: Callable[..., None]) -> None:
        ack(1)
        ack(2)

    async def on_ask(self, event: str, args: list[Any], timeout_s: float) -> Any:
        try:
            answer = await self.socket.timeout(timeout_s).emit_with_ack(event, *args)
        except (fastsio.exceptions.TimeoutError, fastsio.exceptions.DisconnectedError) as error:
            self.log.add("ask failed", self.nsp.name, self.socket.id, type(error).__name__)
            return {"error": type(error).__name__}
        return {"got": as_list(answer)}

    def on_ask_with_callback(self, event: str, args: list[Any]) -> None:
        self.socket.emit(event, *args, ack=lambda *got: self.socket.emit("callback got", list(got)))

    # -- rooms

    def on_join(self, room: str) -> None:
        self.socket.join(room)

    def on_leave(self, room: str) -> None:
        self.socket.leave(room)

    def on_rooms(self) -> list[str]:
        return list(self.socket.rooms)

    def on_to_room(self, room: str, what: Any) -> None:
        self.socket.to(room).emit("said", what)

    def on_to_room_and_me(self, room: str, what: Any) -> None:
        self.nsp.to(room).emit("said", what)

    def on_to_rooms(self, rooms: list[str], what: Any) -> None:
        self.socket.to(rooms[0]).to(rooms[1]).emit("said", what)

    def on_to_all(self, what: Any) -> None:
        self.nsp.emit("said", what)

    def on_broadcast(self, what: Any) -> None:
        self.socket.broadcast.emit("said", what)

    def on_to_all_except(self, room: str, what: Any) -> None:
        self.nsp.except_(room).emit("said", what)

    def on_to_room_except(self, room: str, unwanted: str, what: Any) -> None:
        self.nsp.in_(room).except_(unwanted).emit("said", what)

    def on_my_room_except(self, room: str, unwanted: str, what: Any) -> None:
        self.socket.to(room).except_(unwanted).emit("said", what)

    def on_volatile_to_room(self, room: str, what: Any) -> None:
        self.nsp.to(room).volatile.emit("said", what)

    def on_sockets_join(self, room: str, rooms: list[str]) -> None:
        self.nsp.in_(room).sockets_join(rooms)

    def on_sockets_leave(self, room: str, other: str) -> None:
        self.nsp.in_(room).sockets_leave(other)

    def on_close_room(self, room: str) -> None:
        self.nsp.in_(room).sockets_leave(room)

    def on_disconnect_sockets(self, room: str, close: bool) -> None:
        self.nsp.in_(room).disconnect_sockets(close)

    # -- lifecycle

    def on_kick(self) -> None:
        self.socket.emit("last words", "bye", b"bye")
        self.socket.disconnect()

    def on_kick_hard(self) -> None:
        self.socket.disconnect(close=True)

    def on_save(self, key: str, value: Any) -> None:
        self.socket.data[key] = value

    def on_load(self, key: str) -> Any:
        return self.socket.data.get(key)

    def on_request(self) -> Any:
        handshake = self.socket.handshake
        return {
            "query": dict(handshake.query),
            "custom": handshake.headers["x-custom"],
            "cookie": handshake.headers["cookie"],
            "address": handshake.address,
        }

    def on_transport(self) -> str:
        return self.socket.transport

"""The application of scenarios/recovery.js in both API styles; recovery_app.js is the same on the official server.

Clients under test are in "/" and "/chat"; one in "/control" says what shall happen to them. `log`: what the
application saw of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import fastsio

NAMES = ("/", "/chat")


class Control:
    """What "/control" does in either style, by means of the core."""

    def __init__(self, hub: Any) -> None:
        self.hub = hub
        self.log: list[list[Any]] = []
        self.sockets: dict[str, Any] = {}
        self.is_deserted = asyncio.Event()
        self.tasks: set[asyncio.Task[None]] = set()

    def joined(self, name: str, socket: Any) -> None:
        self.sockets.setdefault(socket.id, socket)
        self.is_deserted.clear()
        rooms = sorted("OWN" if room == socket.id else room for room in socket.rooms)
        self.log.append([name, "connection", socket.recovered, rooms, dict(socket.data)])

    def left(self, name: str, reason: str) -> None:
        self.log.append([name, "disconnect", reason])
        self.is_deserted.set()

    def handlers(self) -> dict[str, Callable[..., Any]]:
        return {
            "emit by its socket": lambda event: next(iter(self.sockets.values())).emit(event),
            "join": lambda sid, room: self.current(sid).join(room),
            "set": lambda sid, key, value: self.current(sid).data.__setitem__(key, value),
            "close": self.close,
            "kick": lambda sid: asyncio.get_running_loop().call_soon(self.current(sid).disconnect),
            "gone": self.gone,
            "log": lambda: self.log,
        }

    def current(self, sid: str) -> Any:
        return self.hub.root.sockets[sid]

    def close(self, sid: str) -> None:
        asyncio.get_running_loop().call_soon(self.current(sid).session.close)

    async def gone(self) -> None:
        while self.hub.root.sockets:
            self.is_deserted.clear()
            await self.is_deserted.wait()

    def start_counting(self, count: int, emit: Callable[[int], None]) -> None:
        async def counting() -> None:
            for number in range(count):
                emit(number)
                await asyncio.sleep(0.002)

        task = asyncio.get_running_loop().create_task(counting())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


def emit(hub: Any, where: dict[str, Any], event: str, args: list[Any]) -> None:
    """As the scenario says it, by Node's operators."""
    whom = hub.get(where.get("nsp", "/"))
    if "to" in where:
        whom = whom.to(where["to"])
    if "except" in where:
        whom = whom.except_(where["except"])
    if where.get("volatile"):
        whom = whom.volatile
    whom.emit(event, *args)


def answering(fn: Callable[..., Any]) -> Callable[..., Any]:
    """`fn` without its result, which would be the answer."""

    async def answer(*args: Any) -> Any:
        result = fn(*args)
        if hasattr(result, "__await__"):
            result = await result
        return result if isinstance(result, list) else None

    return answer


def build_io(serializer: Any = "default", **recovery: Any) -> tuple[fastsio.IO, Control]:
    io = fastsio.IO(connection_state_recovery=recovery, serializer=serializer)
    control = Control(io.hub)

    def serve(name: str) -> None:
        @io.of(name).on("connection")
        def connection(socket: Any) -> None:
            control.joined(name, socket)
            socket.on("echo", lambda: None)
            socket.on("disconnect", lambda reason: control.left(name, reason))

    for name in NAMES:
        serve(name)

    @io.of("/control").on("connection")
    def connection(socket: Any) -> None:
        socket.on("emit", lambda *args: emit(io.hub, *args))
        socket.on(
            "count", lambda count: control.start_counting(count, lambda n: io.emit("count", n))
        )
        for event, fn in control.handlers().items():
            socket.on(event, answering(fn))

    return io, control


def build_aio(serializer: Any = "default", **recovery: Any) -> tuple[fastsio.AsyncServer, Control]:
    sio = fastsio.AsyncServer(connection_state_recovery=recovery, serializer=serializer)
    control = Control(sio.hub)

    def serve(name: str) -> None:
        @sio.on("connect", namespace=name)
        async def connect(sid: str, environ: Any) -> None:
            assert sio.is_recovered(sid, name) == sio.hub.get(name).find(sid).recovered
            control.joined(name, sio.hub.get(name).find(sid))

        @sio.on("echo", namespace=name)
        async def echo(sid: str, *args: Any) -> None:
            pass

        @sio.on("disconnect", namespace=name)
        async def disconnect(sid: str, reason: str) -> None:
            control.left(name, reason)

    for name in NAMES:
        serve(name)

    @sio.on("emit", namespace="/control")
    async def emit_(sid: str, where: dict[str, Any], event: str, args: list[Any]) -> None:
        if where.get("volatile") or where.get("except") == ["room"]:  # skip_sid takes ids alone
            emit(sio.hub, where, event, args)
            return
        await sio.emit(
            event, tuple(args), to=where.get("to"), skip_sid=where.get("except"),
            namespace=where.get("nsp"),
        )  # fmt: skip

    @sio.on("count", namespace="/control")
    async def count(sid: str, count: int) -> None:
        control.start_counting(count, lambda n: sio.hub.root.emit("count", n))

    for event, fn in control.handlers().items():
        answer = answering(fn)
        sio.on(event, lambda sid, *args, answer=answer: answer(*args), namespace="/control")
    return sio, control


BUILDERS = {"io": build_io, "aio": build_aio}

"""Applications that note whom they let in and who has gone, clients that vanish, and what may be left of them.

`Ledger` and `ledger_app()`: every client that was accepted goes exactly once, with a reason. `FaultyPeer` is a client
in memory that is lost at a chosen read or write of the server. `leftovers()` says what a server still holds.
"""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import fastsio
from eio3_peer import MemoryEio3Peer
from fastsio import exceptions
from fastsio.core.peer import Peer
from fastsio.core.socket import Socket
from fastsio.engine.session import Session
from harness import RawConnection, until
from memory_conn import MemoryPeer, MemoryTransport, connect_in_memory

# What a `disconnect` handler may be told, in the words of either style.
PYTHON_REASONS = {
    "client disconnect", "server disconnect", "ping timeout", "transport close", "transport error",
}  # fmt: skip
NODE_REASONS = {
    "client namespace disconnect", "server namespace disconnect", "forced close", "forced server close", "parse error",
    "server shutting down", "ping timeout", "transport close", "transport error",
}  # fmt: skip
REASONS = {"aio": PYTHON_REASONS, "io": NODE_REASONS}


# --- who came and went ---------------------------------------------------------------------------


@dataclass
class Ledger:
    """`accepted` and `gone`: (namespace, sid), and with the reason. `events`: how many were handled."""

    style: str = "aio"
    accepted: list[tuple[str, str]] = field(default_factory=list)
    gone: list[tuple[str, str, str]] = field(default_factory=list)
    events: int = 0
    unanswered: int = 0

    def accept(self, namespace: str, sid: str) -> None:
        self.accepted.append((namespace, sid))

    def leave(self, namespace: str, sid: str, reason: str) -> None:
        self.gone.append((namespace, sid, reason))

    def check(self) -> None:
        """AssertionError unless each who was accepted has gone exactly once, with a reason, and nobody else."""
        gone = Counter((namespace, sid) for namespace, sid, _ in self.gone)
        assert gone == Counter(self.accepted), (
            f"accepted and not gone once: {dict(Counter(self.accepted) - gone)}; "
            f"gone too often, or never accepted: {dict(gone - Counter(self.accepted))}"
        )
        reasons = {reason for _, _, reason in self.gone}
        assert reasons <= REASONS[self.style], reasons - REASONS[self.style]

    @property
    def reasons(self) -> list[str]:
        return [reason for _, _, reason in self.gone]


def ledger_app(style: str, ledger: Ledger, connect_s: float = 0.0, **options: Any) -> Any:
    """An application in either style, with "/" and "/n". `connect_s`: how long it takes to admit a client.

    Events: "echo" answers with its arguments; "ask" asks the client "question" and answers with what it says; "enter"
    joins rooms; "say" tells a room; "wait" answers after 2 seconds; "leave" puts the client out, "close" closes its
    connection.
    """
    ledger.style = style
    build = {"aio": _aio_app, "io": _io_app}[style]
    return build(ledger, connect_s, options)


def _aio_app(ledger: Ledger, connect_s: float, options: dict[str, Any]) -> Any:
    sio = fastsio.AsyncServer(**options)
    for name in ("/", "/n"):
        _aio_namespace(sio, name, ledger, connect_s)
    return sio


def _aio_namespace(sio: Any, name: str, ledger: Ledger, connect_s: float) -> None:
    def on(fn: Callable[..., Any]) -> Callable[..., Any]:
        sio.on(fn.__name__, fn, namespace=name)
        return fn

    @on
    async def connect(sid: str, environ: Any, auth: Any) -> None:
        if connect_s:
            await asyncio.sleep(connect_s)
        if auth and "refuse" in auth:
            raise exceptions.ConnectionRefusedError("not you")
        ledger.accept(name, sid)

    @on
    async def disconnect(sid: str, reason: str) -> None:
        await asyncio.sleep(0)
        ledger.leave(name, sid, reason)

    @on
    def echo(sid: str, *args: Any) -> Any:
        ledger.events += 1
        return args

    @on
    async def ask(sid: str, *args: Any) -> Any:
        ledger.events += 1
        if (
            not sio.hub.options.async_handlers
        ):  # then call() is refused: the answer would wait for this handler
            return None
        try:
            return await sio.call("question", args, to=sid, namespace=name, timeout=60)
        except exceptions.SocketIOError:
            ledger.unanswered += 1
            return None

    @on
    async def enter(sid: str, *rooms: Any) -> None:
        for room in rooms:
            await sio.enter_room(sid, str(room), namespace=name)

    @on
    async def say(sid: str, room: Any = None, *args: Any) -> None:
        await sio.emit("said", args, room=str(room), namespace=name)

    @on
    async def wait(sid: str, *args: Any) -> str:
        await asyncio.sleep(2)
        return "waited"

    @on
    async def leave(sid: str, *args: Any) -> None:
        await sio.disconnect(sid, namespace=name)

    @on
    async def close(sid: str, *args: Any) -> None:
        socket = sio.hub.namespaces[name].sockets.get(sid)
        if socket is not None:
            socket.session.close()


def _io_app(ledger: Ledger, connect_s: float, options: dict[str, Any]) -> Any:
    io = fastsio.IO(**options)
    for name in ("/", "/n"):
        namespace = io.of(name)
        if connect_s:
            namespace.use(lambda socket: asyncio.sleep(connect_s))
        namespace.on("connection", lambda socket, name=name: _io_socket(io, name, socket, ledger))
    return io


def _io_socket(io: Any, name: str, socket: Any, ledger: Ledger) -> None:
    ledger.accept(name, socket.id)

    @socket.on("disconnect")
    async def disconnect(reason: str) -> None:
        await asyncio.sleep(0)
        ledger.leave(name, socket.id, reason)

    @socket.on("echo")
    def echo(*args: Any) -> Any:
        ledger.events += 1
        return args

    @socket.on("ask")
    async def ask(*args: Any) -> Any:
        ledger.events += 1
        try:
            return await socket.timeout(60).emit_with_ack("question", *args)
        except exceptions.SocketIOError:
            ledger.unanswered += 1
            return None

    @socket.on("enter")
    def enter(*rooms: Any) -> None:
        socket.join([str(room) for room in rooms])

    @socket.on("say")
    def say(room: Any = None, *args: Any) -> None:
        io.of(name).to(str(room)).emit("said", *args)

    @socket.on("wait")
    async def wait(*args: Any) -> str:
        await asyncio.sleep(2)
        return "waited"

    @socket.on("leave")
    def leave(*args: Any) -> None:
        socket.disconnect()

    @socket.on("close")
    def close(*args: Any) -> None:
        socket.disconnect(True)


# --- what is left --------------------------------------------------------------------------------


def leftovers(server: Any) -> dict[str, Any]:
    """What a server still holds of clients, by kind; empty when nobody has left anything."""
    engine, hub = server.engine, server.hub
    found: dict[str, Any] = {
        "sessions": list(engine.sessions),
        "connections": list(server.connections),
        "entries on the wheel": engine.wheel.count,
        "tasks": list(hub.tasks),
        "guards at work": len(hub.admissions),
    }
    for name, namespace in hub.namespaces.items():
        for kind in ("sockets", "joining", "leaving", "held", "rooms"):
            found[f"{kind} of {name}"] = list(getattr(namespace, kind))
    return {kind: what for kind, what in found.items() if what}


async def nothing_is_left(server: Any) -> None:
    """Wait until that is so; AssertionError says what is left."""
    try:
        await until(lambda: not leftovers(server), "nothing is left")
    except AssertionError:
        raise AssertionError(f"left: {leftovers(server)}") from None


def objects_of_clients() -> int:
    """How many sessions, peers and sockets there are in this process."""
    gc.collect()
    return sum(isinstance(one, (Session, Peer, Socket)) for one in gc.get_objects())


# --- clients that vanish -------------------------------------------------------------------------

# How a client may be lost, and when: reset() before a read or write, or in the middle of a read; the end of its side;
# silence, as when a cable is cut; a client that is there and neither reads nor sends.
WAYS = ("reset", "half", "eof", "silence", "stall")


@dataclass
class Plan:
    """Lose the client at step `at` in the way `how`: a step is a read or write of the server, counted from 0.

    `at` -1: never; `steps` says then how many there were. `on_strike` is called once it is lost.
    """

    at: int = -1
    how: str = "reset"
    steps: int = 0
    has_struck: bool = False
    on_strike: Callable[[], Any] = lambda: None
    transports: list[FaultyTransport] = field(default_factory=list)

    def is_due(self) -> bool:
        """Count a step; True for the one at which the client is lost."""
        self.steps += 1
        return self.steps - 1 == self.at

    def strike(self) -> None:
        self.has_struck = True
        for transport in list(self.transports):
            transport.vanish(self.how)
        self.on_strike()


class FaultyTransport(MemoryTransport):
    """The server's end of a connection whose client is lost as a Plan says. Ends come in a turn of their own."""

    def __init__(self, plan: Plan, conn: Any, on_bytes: Callable[[bytes], None]) -> None:
        super().__init__(conn, on_bytes)
        self._plan = plan
        self._is_deaf = False
        self._loop = asyncio.get_running_loop()
        plan.transports.append(self)

    def feed(self, data: bytes) -> None:
        if self._is_deaf:
            return
        if self._plan.has_struck or not self._plan.is_due():
            super().feed(data)
            return
        if self._plan.how == "half":
            super().feed(data[: len(data) // 2])
        self._plan.strike()

    def write(self, data: Any) -> None:
        if not self._plan.has_struck and self._plan.is_due():
            # A real transport hears of it in write(), and tells the protocol later.
            self._plan.strike()
        super().write(data)

    def vanish(self, how: str) -> None:
        if self.is_lost:
            return
        self._is_deaf = True
        if how in ("reset", "half"):
            self.lose(ConnectionResetError("reset by the test"))
        elif how == "eof":
            self._loop.call_soon(self._end_of_input)
        elif how == "stall" and not self.has_ended:
            self.stall()

    def _end_of_input(self) -> None:
        if not self.is_lost and not self.conn.eof_received():
            self.close()

    def lose(self, error: Exception | None = None) -> None:
        if not self.is_lost:
            self.is_lost = True
            self._loop.call_soon(self._tell_of_loss, error)

    def _tell_of_loss(self, error: Exception | None) -> None:
        self._on_bytes(b"")
        self.conn.connection_lost(error)


@dataclass
class FaultyPeer(MemoryPeer):
    """A MemoryPeer all of whose connections are `plan`'s."""

    plan: Plan = field(default_factory=Plan)

    def connection(self) -> RawConnection:
        plan = self.plan
        return connect_in_memory(
            self.server, lambda conn, on_bytes: FaultyTransport(plan, conn, on_bytes)
        )


@dataclass
class FaultyEio3Peer(MemoryEio3Peer, FaultyPeer):
    """The same that speaks Engine.IO v3."""

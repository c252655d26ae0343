"""Target: several connections of one server at once, from their requests to their sockets in namespaces.

An input is a play: who does what, one after the other (see ACTS). Whatever it is, at its end everything must be gone,
every socket that has joined must have left exactly once, and nothing may have been logged as an error.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable
from typing import Any

import fastsio
from fastsio._conn import Conn
from fastsio._dispatch import Handler
from fastsio._frames import build_frame
from fastsio.server import Server
from fuzz.still_loop import StillLoop
from fuzz.tools import parts
from memory_conn import MemoryTransport

CONNECTIONS = 4
MAX_ACTS = 60
MASK = b"\x01\x02\x03\x04"
# More than any heartbeat, deadline or held poll takes.
PATIENCE_S = 20
STEPS = 12
UPGRADE = (
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Extensions: permessage-deflate\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
OPTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"per_message_deflate": True, "connection_state_recovery": {"max_disconnection_duration": 1}},
    {"serializer": "msgpack", "namespaces": "*", "cors_allowed_origins": "*", "cookie": True},
    {"max_buffered_bytes": 2000, "max_http_buffer_size": 2000, "async_handlers": False},
)


class Failures(logging.Handler):
    """What is logged as an error, and what the loop finds unhandled."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []
        # For good: each input would take time to come and go.
        logging.getLogger("fastsio").addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append(self.format(record))

    def forget(self) -> None:
        """What comes now is another input's."""
        self.found.clear()

    def unhandled(self, loop: Any, context: dict[str, Any]) -> None:
        self.found.append(f"{context['message']}: {context.get('exception')!r}")


class Transport(MemoryTransport):
    """One that tells its connection of the end in a later turn, as event loops do."""

    loop: asyncio.AbstractEventLoop

    def lose(self, error: Exception | None = None) -> None:
        if not self.is_lost:
            self.is_lost = True
            self.loop.call_soon(self.conn.connection_lost, error)


class Stage:
    """An application, served in memory, on a loop whose time is ours."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.loop = StillLoop()
        self.failures = Failures()
        self.loop.set_exception_handler(self.failures.unhandled)
        self.io = fastsio.IO(**options)
        self.here: set[Any] = set()
        # How many sockets have joined, and how many events came, in all plays.
        self.joins = self.events = 0
        for name in ("/", "/chat"):
            self.io.of(name).on("connection", self._joined)
        self.server = self.loop.run_until_complete(self._serve())
        self.engine = self.server.engine
        self.connections: list[Transport | None] = []

    async def _serve(self) -> Server:
        return Server(self.io)

    def _joined(self, socket: Any) -> None:
        assert socket not in self.here, "joined twice"
        self.here.add(socket)
        self.joins += 1
        # Not by socket.on(): looking at their signatures would take half of the time.
        for event, fn, max_args in (
            ("disconnect", lambda reason: self._left(socket, reason), 1),
            ("e", self._heard, -1),
            ("join", lambda *args: socket.join(f"room {len(args)}"), -1),
            ("all", lambda *args: self.io.to("room 1").emit("e", len(args), b"data"), -1),
            ("ask", lambda *args: socket.emit("e", b"1", ack=lambda *answer: None), -1),
            ("bye", lambda *args: socket.disconnect(bool(args)), -1),
        ):
            socket.set_listeners(event, (Handler(fn, max_args=max_args),))

    def _heard(self, *args: Any) -> int:
        self.events += 1
        return len(args)

    def _left(self, socket: Any, reason: str) -> None:
        assert socket in self.here, "left twice"
        assert reason, "left without a reason"
        self.here.discard(socket)

    # --- a play ------------------------------------------------------------------------------

    def play(self, data: bytes) -> None:
        self.connections = [None] * CONNECTIONS
        with self.loop.running():
            for count, (kind, content) in enumerate(parts(data)):
                if count == MAX_ACTS:
                    break
                ACTS[kind >> 2 & 15](self, kind & 3, self._named(content))
                self._spin()
            self._end()

    def _named(self, content: bytes) -> bytes:
        """`$S` is the newest session's id, `$O` the oldest one's."""
        if b"$" in content:
            sids = [sid.encode() for sid in self.engine.sessions] or [b"none"]
            content = content.replace(b"$S", sids[-1]).replace(b"$O", sids[0])
        return content

    def _spin(self, turns: int = 3) -> None:
        self.loop.turns(turns)

    def pass_time(self, seconds: float) -> None:
        self.loop.pass_time(seconds)
        self._spin()

    def _end(self) -> None:
        """All clients vanish, and time goes by: nothing may be left of them."""
        for connection in self.connections:
            if connection is not None:
                connection.lose(ConnectionResetError("gone"))
        self._spin()
        for _ in range(STEPS):
            if not self.engine.wheel.count:
                break
            self.pass_time(PATIENCE_S)
        self._spin(10)
        hub = self.io.hub
        assert not self.server.connections, "connections left"
        assert not self.engine.sessions, "sessions left"
        assert not self.here, "sockets that were never told"
        assert not self.engine.wheel.count, "timers left"
        assert not hub.tasks, f"tasks left: {hub.tasks}"
        for name, namespace in hub.namespaces.items():
            assert not namespace.sockets and not namespace.joining, f"sockets left in {name}"
            assert not namespace.rooms, f"rooms left in {name}: {namespace.rooms}"
        assert not self.failures.found, "\n".join(self.failures.found)

    # --- acts --------------------------------------------------------------------------------

    def connection(self, number: int) -> Transport:
        """The connection of that number; a new one if it is gone."""
        connection = self.connections[number]
        if connection is None or connection.is_lost:
            conn = Conn(self.server)
            connection = self.connections[number] = Transport(conn)
            connection.loop = self.loop
            conn.connection_made(connection)
        return connection

    def feed(self, number: int, content: bytes) -> None:
        self.connection(number).feed(content)

    def get(self, number: int, query: bytes) -> None:
        self.feed(number, b"GET /socket.io/?%s HTTP/1.1\r\nHost: x\r\n\r\n" % query)

    def post(self, number: int, content: bytes) -> None:
        query, _, body = content.partition(b"\0")
        head = b"POST /socket.io/?%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
        self.feed(number, head % (query, len(body)) + body)

    def upgrade(self, number: int, query: bytes) -> None:
        self.feed(number, b"GET /socket.io/?%s HTTP/1.1\r\nHost: x\r\n%s\r\n" % (query, UPGRADE))

    def frame(self, first: int, number: int, payload: bytes) -> None:
        self.feed(number, build_frame(first & 15, payload, MASK, bool(first & 0x80)))

    def part_of_message(self, number: int, content: bytes) -> None:
        """A frame whose first byte is the content's."""
        self.frame((content or b"\x80")[0], number, content[1:])

    def lose(self, number: int, content: bytes) -> None:
        self.connection(number).lose()

    def stall(self, number: int, content: bytes) -> None:
        connection = self.connection(number)
        if connection._unsent is None and not connection.is_lost:
            connection.stall()

    def flow(self, number: int, content: bytes) -> None:
        connection = self.connection(number)
        if connection._unsent is not None and not connection.is_lost:
            connection.flow()

    def wait(self, number: int, content: bytes) -> None:
        self.loop.pass_time((content or b"\1")[0])

    def tell_all(self, number: int, content: bytes) -> None:
        self.io.emit("e", content, number)

    def put_out(self, number: int, content: bytes) -> None:
        self.io.disconnect_sockets(bool(content))

    def join4(self, number: int, name: bytes) -> None:
        self.upgrade(number, b"EIO=4&transport=websocket")
        self.frame(0x81, number, b"40" + name)

    def join3(self, number: int, name: bytes) -> None:
        self.upgrade(number, b"EIO=3&transport=websocket")
        self.frame(0x81, number, b"40" + name)

    def text(self, number: int, content: bytes) -> None:
        self.frame(0x81, number, content)

    def binary(self, number: int, content: bytes) -> None:
        self.frame(0x82, number, content)


# By number: what an act's byte says, over the two bits that say which connection.
ACTS: tuple[Callable[[Stage, int, bytes], None], ...] = (
    Stage.feed, Stage.get, Stage.post, Stage.upgrade, Stage.text, Stage.binary, Stage.part_of_message, Stage.lose,
    Stage.stall, Stage.flow, Stage.wait, Stage.tell_all, Stage.put_out, Stage.join4, Stage.join3, Stage.text,
)  # fmt: skip
NAMES = {act.__name__: number for number, act in reversed(list(enumerate(ACTS)))}


@functools.cache
def stage(number: int) -> Stage:
    return Stage(OPTIONS[number])


def sessions(data: bytes) -> None:
    """A play on the server that the first byte names."""
    if data:
        played = stage(data[0] % len(OPTIONS))
        played.failures.forget()
        played.play(data[1:])


# Nothing in it takes long but what is tested.
quick_sessions = sessions

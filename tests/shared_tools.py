"""What the tests of shared connections need: a transport that is lent, a router, a simple server beside ours.

`Beside` is the smallest HTTP server that can be beside a SharedConn: it notes the bytes that it is given and
answers when the test says so.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from fastsio._shared import SharedConn
from memory_conn import MemoryTransport, Router


class LendableTransport(MemoryTransport):
    """A transport whose write limits change with who has it, and whose protocol may be replaced."""

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.limits = (high, low)

    def set_protocol(self, protocol: Any) -> None:
        self.conn = protocol


class Beside(asyncio.Protocol):
    """The protocol beside: `got` is what it was given; `answer(body)` writes a whole response."""

    def __init__(self, conn: SharedConn | None, transport: Any) -> None:
        self.conn = conn
        self.transport = transport
        self.got = b""
        self.pieces: list[bytes] = []
        self.pauses_at: int | None = None
        self.is_paused = self.is_lost = self.is_shut_down = False

    def data_received(self, data: bytes) -> None:
        self.got += data
        self.pieces.append(data)
        if self.pauses_at is not None and len(data) > self.pauses_at:
            self.transport.pause_reading()

    def take(self) -> bytes:
        got, self.got = self.got, b""
        return got

    def answer(self, body: bytes) -> None:
        assert self.conn is not None
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
        self.transport.write(head + body)
        self.conn.answered_beside()

    def pause_writing(self) -> None:
        self.is_paused = True

    def resume_writing(self) -> None:
        self.is_paused = False

    def connection_lost(self, error: Exception | None) -> None:
        self.is_lost = True

    def shutdown(self) -> None:
        self.is_shut_down = True


@dataclass
class SharedRouter(Router):
    """A router of shared connections: paths below /ours/ are ours. `besides` are the protocols made so far."""

    besides: list[Beside] = field(default_factory=list)
    given_away: list[Beside] = field(default_factory=list)
    stops: int = 0

    def owns(self, path: str) -> bool:
        return path.startswith("/ours/")

    def lend(self, conn: SharedConn) -> Beside:
        self.besides.append(Beside(conn, conn.transport))
        return self.besides[-1]

    def take_back(self, conn: SharedConn, protocol: Beside) -> None:
        protocol.conn = None
        protocol.connection_lost(None)

    def give_away(self, transport: Any, data: bytes, is_writable: bool) -> None:
        protocol = Beside(None, transport)
        protocol.is_paused = not is_writable
        self.given_away.append(protocol)
        transport.set_protocol(protocol)
        protocol.data_received(data)

    def stop(self) -> None:
        self.stops += 1

    def connect(self) -> LendableTransport:
        conn = SharedConn(self)
        transport = LendableTransport(conn)
        conn.connection_made(transport)
        return transport

    @property
    def beside(self) -> Beside:
        return self.besides[-1]

"""Connections without a network: a Conn of the server's, and the client's end of it.

Bytes take a loop turn in each direction and come in a context of their own, as they do from a socket. Knows
nothing of Engine.IO.
"""

import asyncio
import contextvars
from collections.abc import Callable
from typing import Any

from fastsio._conn import Conn

Address = tuple[str, int]


class _NoSocket:
    """In the place of a socket: a connection without one writes to its transport."""

    def fileno(self) -> int:
        return -1


class MemoryTransport(asyncio.Transport):
    """The server's end. What is written is the client's in the next turn of the loop."""

    def __init__(self, link: "Link", address: Address) -> None:
        super().__init__({"socket": _NoSocket(), "peername": address, "sslcontext": None})
        self._link = link
        self._is_reading = True

    def write(self, data: Any) -> None:
        self._link.deliver(bytes(data))

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing is ever unsent."""

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        self._is_reading = False

    def resume_reading(self) -> None:
        self._is_reading = True
        self._link.feed_waiting()

    def is_reading(self) -> bool:
        return self._is_reading

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self._link.deliver(b"")

    def close(self) -> None:
        self._link.lose()

    abort = close

    def is_closing(self) -> bool:
        return self._link.is_lost


class Link:
    """The client's end: send(), lose(), and `on_bytes(data)` for what the server sends; b"" is its end."""

    def __init__(
        self, server: Any, address: Address, on_bytes: Callable[[bytes], None], moved: Callable[[], int]
    ) -> None:  # fmt: skip
        """`server` is a server.Server; `moved` is called whenever bytes go either way."""
        self.is_lost = False
        self._loop = asyncio.get_running_loop()
        self._context = contextvars.Context()
        self._moved = moved
        self._on_bytes = on_bytes
        self._waiting: list[bytes] = []
        self._conn = Conn(server)
        self._transport = MemoryTransport(self, address)
        self._call(self._conn.connection_made, self._transport)

    def _call(self, call: Callable[..., Any], *args: Any) -> None:
        self._moved()
        self._loop.call_soon(call, *args, context=self._context)

    def send(self, data: bytes) -> None:
        """Bytes for the server; nothing happens once the connection is gone."""
        self._waiting.append(data)
        self._call(self.feed_waiting)

    def feed_waiting(self) -> None:
        while self._waiting and self._transport.is_reading() and not self.is_lost:
            self._moved()
            self._conn.data_received(self._waiting.pop(0))

    def deliver(self, data: bytes) -> None:
        """Bytes of the server."""
        self._call(self._on_bytes, data)

    def lose(self, error: Exception | None = None) -> None:
        """The connection is gone; both ends hear of it once, in the next turn."""
        if not self.is_lost:
            self._call(self._end, error)
            self.is_lost = True
            self.deliver(b"")

    def _end(self, error: Exception | None) -> None:
        self._waiting.clear()
        self._conn.connection_lost(error)

"""A connection that reaches the wrong server, as bytes between its client and the server that has its session.

For upgrades to WebSocket: what comes later on such a connection is too much for Redis. Knows nothing of WebSocket.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable
from typing import Any

from fastsio._http import Request

CONNECT_S = 5.0
# Above it the side that sends is not read.
MAX_BUFFERED_BYTES = 65536


class End(asyncio.Protocol):
    """One of the two connections; what comes here goes out on the other one."""

    def __init__(self) -> None:
        self.transport: Any = None
        self.other: End | None = None
        self.on_end: Callable[[], None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.transport.set_write_buffer_limits(MAX_BUFFERED_BYTES)
        # Nothing is read before there is another end.
        self.transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        assert self.other is not None
        self.other.transport.write(data)

    def pause_writing(self) -> None:
        if self.other is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and not self.other.transport.is_closing():
            self.other.transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        if self.other is not None:
            self.other.transport.close()
        if self.on_end is not None:
            self.on_end()


def can_relay(conn: Any) -> bool:
    """Whether a request's connection is one of our own server's, not over TLS, with nothing unsent."""
    transport = getattr(conn, "transport", None)
    return (
        transport is not None
        and not conn.is_secure
        and not conn.buffered_bytes
        and not transport.get_write_buffer_size()
    )


async def relay(conn: Any, request: Request, host: str, port: int) -> End:
    """Let the server at an address have the connection, beginning with this request; the end that leads there.

    Raises OSError or TimeoutError if that can't be reached: then the request can still be answered.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(CONNECT_S):
        _, there = await loop.create_connection(End, host, port)
    if conn.transport.is_closing():
        there.transport.abort()
        raise ConnectionAbortedError("the client has gone")
    try:
        client = socket.socket(fileno=os.dup(conn.transport.get_extra_info("socket").fileno()))
    except OSError:
        there.transport.abort()
        raise
    conn.on_abort = None
    # Not read there any more; the connection itself stays open, by the descriptor.
    conn.abort()
    try:
        _, here = await loop.connect_accepted_socket(End, client)
    except BaseException:
        client.close()
        there.transport.abort()
        raise
    here.other, there.other = there, here
    there.transport.write(head_of(request))
    for end in (here, there):
        with contextlib.suppress(RuntimeError):  # it has been lost meanwhile
            end.transport.resume_reading()
    if there.transport.is_closing():
        here.transport.close()
    return there


def head_of(request: Request) -> bytes:
    """A request without a body, as it is sent."""
    fields = b"".join([b"%s: %s\r\n" % pair for pair in request.raw_headers])
    return b"%s %s HTTP/1.1\r\n" % (request.method.encode(), request.target) + fields + b"\r\n"

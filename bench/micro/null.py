"""A server without a network: the whole of it, between bytes that are handed to it and bytes that it hands over.

The real composition (fastsio.server) with real connections. Only the event loop's transport is replaced,
by one that keeps the last writes and sends nothing, and the end of a loop turn, which is a call here.
Needs a running loop, as the server does.
"""

import asyncio
import json
from collections import deque

import fastsio
from fastsio._conn import Conn
from fastsio._fanout import Flusher
from fastsio._frames import build_frame
from fastsio.server import Server

TEXT = 1
MASK = b"\x12\x34\x56\x78"
UPGRADE = (
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"
    b"Host: 127.0.0.1:5000\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def masked(message: str) -> bytes:
    """A text message as a client sends it."""
    return build_frame(TEXT, message.encode(), mask=MASK)


def request(method: str, sid: str, body: bytes = b"") -> bytes:
    """A poll: a request of a session, or with sid "" the one that opens it."""
    query = "EIO=4&transport=polling" + (f"&sid={sid}" if sid else "")
    head = f"{method} /socket.io/?{query} HTTP/1.1\r\nHost: 127.0.0.1:5000\r\n"
    if body:
        head += f"Content-Type: text/plain;charset=UTF-8\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


class NullTransport:
    """Says that it is TLS, so that the connection writes to it and not to a socket.

    `write` is a deque's own append: no Python-level frame that would be measured with the rest.
    """

    INFO = {"sslcontext": True, "peername": ("192.0.2.7", 4711)}  # noqa: RUF012

    def __init__(self) -> None:
        self.written: deque[bytes] = deque(maxlen=2)
        self.write = self.written.append
        self.get_extra_info = self.INFO.get

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...

    def is_reading(self) -> bool:
        return True

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def close(self) -> None: ...

    def abort(self) -> None: ...

    def can_write_eof(self) -> bool:
        return False


class NullServer:
    """`connect()` gives a connection that is nothing yet, `join()` a WebSocket that is in "/"."""

    def __init__(self, install=None, **options) -> None:
        """`install(sio)` registers the handlers."""
        sio = fastsio.AsyncServer(**options)
        if install is not None:
            install(sio)
        self.server = Server(sio)
        self._turn: list = []
        flusher = Flusher(self._call_soon, asyncio.get_running_loop())
        self.server.flusher = self.server.engine.flusher = flusher

    def _call_soon(self, callback, *args) -> None:
        self._turn.append((callback, args))

    def end_turn(self) -> None:
        """What the loop would do at the end of its turn."""
        while self._turn:
            turn, self._turn = self._turn, []
            for callback, args in turn:
                callback(*args)

    def has_failed(self) -> bool:
        """A handler raised."""
        return self.server.hub.namespaces["/"].handler_errors > 0

    def connect(self) -> tuple[Conn, NullTransport]:
        conn, transport = Conn(self.server), NullTransport()
        conn.connection_made(transport)
        return conn, transport

    def join(self) -> tuple[Conn, NullTransport]:
        conn, transport = self.connect()
        conn.data_received(UPGRADE)
        conn.data_received(JOIN)
        self.end_turn()
        return conn, transport

    def open_polling(self) -> str:
        """The sid of a session that polls and has joined."""
        conn, transport = self.connect()
        conn.data_received(request("GET", ""))
        self.end_turn()
        sid = json.loads(transport.written[-1].partition(b"\r\n\r\n0")[2])["sid"]
        for method, body in (("POST", b"40"), ("GET", b"")):
            conn.data_received(request(method, sid, body))
            self.end_turn()
        return sid


JOIN = masked("40")

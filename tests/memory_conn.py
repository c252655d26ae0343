"""Connections without a network: an asyncio transport in memory, a router that notes requests, a client.

`MemoryTransport` is what the event loop would give a `Conn`; `Router` is the port that a `Conn` asks
for; `MemoryPeer` is harness.FakePeer over them, so that it works under any clock.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fastsio._conn import Conn
from fastsio._fanout import Flusher
from fastsio.rarely import RareLog
from harness import TEXT, FakePeer, RawConnection, RawWebSocket, Response, until

ADDRESS = ("192.0.2.7", 4711)
WEBSOCKET_REQUEST = (
    b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class MemoryTransport(asyncio.Transport):
    """Notes what is written. It says that it is TLS, so that the connection does not send by itself.

    `stall()` makes it keep what is written, as a client that reads nothing does, `flow()` ends that.
    """

    def __init__(self, conn: Conn, on_bytes: Callable[[bytes], None] | None = None) -> None:
        super().__init__({"sslcontext": object(), "peername": ADDRESS})
        self.conn = conn
        self.sent = b""
        self.writes: list[bytes] = []
        self.has_ended = self.is_lost = False
        self._on_bytes = on_bytes or (lambda data: None)
        self._unsent: list[bytes] | None = None
        self._is_reading = True
        self._unread: list[bytes] = []

    # --- the connection's side ---

    def write(self, data: Any) -> None:
        assert not self.has_ended, "written after the end"
        self.writes.append(bytes(data))
        if self._unsent is None:
            self._deliver(bytes(data))
            return
        if not self._unsent:
            self.conn.pause_writing()
        self._unsent.append(bytes(data))

    def _deliver(self, data: bytes) -> None:
        self.sent += data
        self._on_bytes(data)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        assert (high, low) in ((0, 0), (1, 0)), "the first unsent byte must pause the connection"

    def get_write_buffer_size(self) -> int:
        return sum(map(len, self._unsent or ()))

    def pause_reading(self) -> None:
        self._is_reading = False

    def resume_reading(self) -> None:
        self._is_reading = True
        unread, self._unread = self._unread, []
        for data in unread:
            self.feed(data)

    def is_reading(self) -> bool:
        return self._is_reading

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        """What is unsent still goes out first, as with a real transport."""
        self.has_ended = True
        if not self._unsent:
            self._on_bytes(b"")

    def close(self) -> None:
        if not self._unsent:
            self.lose()

    def abort(self) -> None:
        self._unsent = None
        self.lose()

    def is_closing(self) -> bool:
        return self.is_lost

    def lose(self, error: Exception | None = None) -> None:
        """The connection is gone; the protocol hears of it once."""
        if not self.is_lost:
            self.is_lost = True
            self._on_bytes(b"")
            self.conn.connection_lost(error)

    # --- the test's side ---

    def feed(self, data: bytes) -> None:
        """Bytes from the client. None arrive once the connection is gone."""
        if not self._is_reading:
            self._unread.append(data)
        elif not self.is_lost:
            self.conn.data_received(data)

    def stall(self) -> None:
        self._unsent = []

    def flow(self) -> None:
        unsent, self._unsent = self._unsent, None
        for data in unsent or ():
            self._deliver(data)
        if unsent and self.has_ended:
            self._on_bytes(b"")
        elif unsent:
            self.conn.resume_writing()

    def drip(self, size: int) -> None:
        """A client that reads slowly takes `size` bytes of what is unsent; it stays stalled while there is more."""
        assert self._unsent is not None
        unsent = b"".join(self._unsent)
        self._unsent = [unsent[size:]] if unsent[size:] else []
        if unsent:
            self._deliver(unsent[:size])
            if not self._unsent:
                self.conn.resume_writing()

    def take(self) -> bytes:
        """What was sent since the last call."""
        sent, self.sent = self.sent, b""
        return sent


@dataclass
class Router:
    """What a Conn asks for, by hand: `requests` as they came; `serve(conn, request)` answers them.

    `announced` are those whose body was still to come, `cut` those that were lost before it had.
    """

    max_message_bytes: int = 1_000_000
    max_buffered_bytes: int = 1 << 24
    max_head_bytes: int = 65_536
    max_headers: int = 256
    max_frames: int = 100_000
    rare_log: Any = field(default_factory=lambda: RareLog(logging.getLogger("fastsio.conn")))
    head_timeout_s: float = 10.0
    deflate: Any = None
    serve: Callable[[Conn, Any], None] = lambda conn, request: None
    requests: list[Any] = field(default_factory=list)
    announced: list[Any] = field(default_factory=list)
    cut: list[Any] = field(default_factory=list)
    open: set[Conn] = field(default_factory=set)
    watched: dict[Conn, float] = field(default_factory=dict)
    turn: list[Callable[..., Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.flusher = Flusher(lambda call, *args: self.turn.append(call))

    def handle(self, conn: Conn, request: Any) -> None:
        self.requests.append(request)
        self.serve(conn, request)

    def announce(self, conn: Conn, request: Any) -> None:
        self.announced.append(request)

    def cut_off(self, conn: Conn, request: Any) -> None:
        self.cut.append(request)

    def opened(self, conn: Conn) -> None:
        self.open.add(conn)

    def closed(self, conn: Conn) -> None:
        self.open.discard(conn)

    def watch(self, conn: Conn, seconds: float) -> None:
        self.watched[conn] = seconds

    def unwatch(self, conn: Conn) -> None:
        self.watched.pop(conn, None)

    def connect(self) -> MemoryTransport:
        """A new client of this router."""
        conn = Conn(self)
        transport = MemoryTransport(conn)
        conn.connection_made(transport)
        return transport

    def end_turn(self) -> None:
        """What the event loop does with call_soon(), until nothing is left."""
        while self.turn:
            self.turn.pop(0)()


class _ClientEnd:
    """The client's end of a MemoryTransport, with the part of asyncio.StreamWriter that harness uses."""

    def __init__(self, router: Any, make: Callable[..., MemoryTransport] = MemoryTransport) -> None:
        self.reader = asyncio.StreamReader(limit=1 << 26)
        conn = Conn(router)
        self.server_end = make(conn, self._arrived)
        self.transport = self
        self._loop = asyncio.get_running_loop()
        conn.connection_made(self.server_end)

    def _arrived(self, data: bytes) -> None:
        if data:
            self.reader.feed_data(data)
        elif not self.reader.at_eof():
            self.reader.feed_eof()

    def write(self, data: bytes) -> None:
        self._loop.call_soon(self.server_end.feed, data)

    def close(self) -> None:
        self._loop.call_soon(self.server_end.lose)

    def abort(self) -> None:
        self._loop.call_soon(self.server_end.lose, ConnectionResetError("reset by the test"))

    async def wait_closed(self) -> None:
        await asyncio.sleep(0)


def connect_in_memory(
    server: Any, make: Callable[..., MemoryTransport] = MemoryTransport
) -> RawConnection:
    """A connection to a running server that no network is between; `make` gives the server's end."""
    end = _ClientEnd(server._server, make)
    return RawConnection(end.reader, end)  # type: ignore[arg-type]


@dataclass
class MemoryPeer(FakePeer):
    """A FakePeer in memory: `await MemoryPeer.of(server).open()`."""

    server: Any = None

    @classmethod
    def of(cls, server: Any, transport: str = "websocket", **fields: Any) -> MemoryPeer:
        return cls(server.url, transport, server=server, **fields)

    def connection(self) -> RawConnection:
        """A new connection to the server."""
        return connect_in_memory(self.server)

    async def open(self) -> MemoryPeer:
        if self.transport == "websocket":
            self.ws = await self.open_websocket()
        packet = await self.receive()
        assert isinstance(packet, str) and packet[:1] == "0", f"not an open packet: {packet!r}"
        self.handshake = json.loads(packet[1:])
        return self

    async def open_websocket(self, **extra: str) -> RawWebSocket:
        """A WebSocket on this session, not probed yet."""
        connection = self.connection()
        fields = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
            **self.headers,
        }
        target = self.target("websocket", **extra)
        response = await connection.request("GET", target, None, fields)
        assert response.status == 101, response
        return RawWebSocket(connection, response)

    async def get(self) -> Response:
        return await self._ask("GET", None, self.headers)

    async def post(self, body: bytes) -> Response:
        headers = {"Content-Type": "text/plain;charset=UTF-8", **self.headers}
        return await self._ask("POST", body, headers)

    async def _ask(self, method: str, body: bytes | None, headers: dict[str, str]) -> Response:
        connection = self.connection()
        try:
            return await connection.request(method, self.target("polling"), body, headers)
        finally:
            await connection.close()

    async def held_get(self) -> asyncio.Task[Response]:
        """A GET that the server holds; await the task for its answer."""
        held = asyncio.ensure_future(self.get())
        session = self.server.engine.sessions[self.handshake["sid"]]
        await until(lambda: session.outlet.is_writable, "the GET is held")
        return held

    async def upgrade(self) -> None:
        self.ws = await self.open_websocket()
        self.ws.send(TEXT, b"2probe")
        assert await self.ws.receive() == (TEXT, b"3probe")
        self.ws.send(TEXT, b"5")
        self.transport = "websocket"


class Clients:
    """Clients in memory of an application that is served when its first one comes.

    `peer, socket = await join(app, namespace="/", auth=None, transport="websocket")` is a client that has
    joined and the server's socket for it; `join.open(app)` one that has not; `join.server(app)` the server.
    """

    def __init__(self, serve: Callable[..., Any]) -> None:
        self._serve = serve
        self._servers: dict[int, Any] = {}
        self._peers: list[MemoryPeer] = []

    async def server(self, app: Any) -> Any:
        if id(app) not in self._servers:
            self._servers[id(app)] = await self._serve(app)
        return self._servers[id(app)]

    async def open(self, app: Any, transport: str = "websocket", **fields: Any) -> MemoryPeer:
        peer = await MemoryPeer.of(await self.server(app), transport, **fields).open()
        self._peers.append(peer)
        return peer

    async def __call__(
        self, app: Any, namespace: str = "/", auth: Any = None, **fields: Any
    ) -> tuple[MemoryPeer, Any]:
        peer = await self.open(app, **fields)
        sid = (await peer.connect(namespace, auth))["sid"]
        return peer, app.hub.namespaces[namespace].sockets[sid]

    async def close(self) -> None:
        for peer in self._peers:
            await peer.close()


async def probed(app: Any, peer: MemoryPeer) -> RawWebSocket:
    """A WebSocket that has probed and been answered."""
    ws = await peer.open_websocket()
    ws.send(TEXT, b"2probe")
    assert await ws.receive() == (TEXT, b"3probe")
    return ws


def switch(peer: FakePeer, ws: RawWebSocket) -> None:
    """Finish the upgrade: `peer` speaks over `ws` from now on."""
    ws.send(TEXT, b"5")
    peer.ws, peer.transport = ws, "websocket"


def answer(conn: Conn, request: Any) -> None:
    """A router's way to serve: the body names the target."""
    conn.respond(200, [], b"<%s>" % request.target)


def responses(sent: bytes) -> list[bytes]:
    """The bodies of the responses that were sent."""
    return [part.partition(b"\r\n\r\n")[2] for part in sent.split(b"HTTP/1.1 ")[1:]]


class LateRouter(Router):
    """A router that answers later: `conns` are those that wait, in order."""

    def __init__(self, **limits: Any) -> None:
        super().__init__(**limits)
        self.conns: list[Conn] = []
        self.serve = lambda conn, request: self.conns.append(conn)


class Receiver:
    """Notes what a connection reports."""

    def __init__(self) -> None:
        self.got: list[tuple[Any, ...]] = []

    def websocket_message(self, conn: Conn, is_text: bool, data: bytes) -> None:
        self.got.append(("text" if is_text else "binary", data))

    def websocket_closed(self, conn: Conn, code: int) -> None:
        self.got.append(("closed", code))

    def websocket_failed(self, conn: Conn, error: Exception) -> None:
        self.got.append(("failed", error.close_code))

    def connection_lost(self, conn: Conn, error: Exception | None) -> None:
        self.got.append(("lost", error))

    def connection_overflowed(self, conn: Conn) -> None:
        self.got.append(("overflowed",))

    def connection_stalled(self, conn: Conn) -> None:
        self.got.append(("stalled",))

"""A WebTransport client for tests, over aioquic: it speaks Engine.IO by hand, and may send what no client would.

`WebTransportPeer` is the client, `Http3Client` its connection. Nothing of fastsio inside.
Source: RFC 9114, RFC 9220; draft-ietf-webtrans-http3; engine.io-protocol v4, "WebTransport".
"""

from __future__ import annotations

import asyncio
import json
import ssl
import struct
from typing import Any
from urllib.parse import urlsplit

from aioquic.asyncio import QuicConnectionProtocol
from aioquic.buffer import encode_uint_var
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic import events
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection

from harness import DEADLINE_S

CLOSE_SESSION = 0x2843


def head(size: int, is_binary: bool) -> bytes:
    """Written from the protocol's text, not as the server does it."""
    bit = 0x80 if is_binary else 0
    if size < 126:
        return struct.pack("!B", bit + size)
    if size < 65536:
        return struct.pack("!BH", bit + 126, size)
    return struct.pack("!BQ", bit + 127, size)


def framed(packet: str | bytes) -> bytes:
    """A packet as the stream carries it: text for a str, binary for bytes."""
    data = packet.encode() if isinstance(packet, str) else packet
    return head(len(data), isinstance(packet, bytes)) + data


def unframed(buffer: bytearray) -> str | bytes | None:
    """Take the first packet off; None if it is not whole."""
    if not buffer:
        return None
    size, at = buffer[0] & 0x7F, 1
    if size == 126:
        size, at = int.from_bytes(buffer[1:3], "big"), 3
    elif size == 127:
        size, at = int.from_bytes(buffer[1:9], "big"), 9
    if len(buffer) < at + size:
        return None
    is_binary, data = buffer[0] >= 0x80, bytes(buffer[at : at + size])
    del buffer[: at + size]
    return data if is_binary else data.decode()


class Http3Client(QuicConnectionProtocol):
    """What came, by stream: `headers`, `data` (of requests), `streams` (of WebTransport)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.http = H3Connection(self._quic, enable_webtransport=True)
        self.headers: dict[int, dict[bytes, bytes]] = {}
        self.data: dict[int, bytearray] = {}
        self.streams: dict[int, bytearray] = {}
        self.own_streams: set[int] = set()
        self.ended: set[int] = set()
        self.resets: dict[int, int] = {}
        self.termination: events.ConnectionTerminated | None = None
        self._news = asyncio.Event()

    def quic_event_received(self, event: events.QuicEvent) -> None:
        if isinstance(event, events.ConnectionTerminated):
            self.termination = event
        elif isinstance(event, (events.StreamReset, events.StopSendingReceived)):
            self.resets[event.stream_id] = event.error_code
        if isinstance(event, events.StreamDataReceived) and event.stream_id in self.own_streams:
            # What a server answers on it has no head, and aioquic would look for one.
            self.streams.setdefault(event.stream_id, bytearray()).extend(event.data)
            if event.end_stream:
                self.ended.add(event.stream_id)
            self._news.set()
            return
        for one in self.http.handle_event(event):
            if isinstance(one, HeadersReceived):
                self.headers[one.stream_id] = dict(one.headers)
            elif isinstance(one, DataReceived):
                self.data.setdefault(one.stream_id, bytearray()).extend(one.data)
            if getattr(one, "stream_ended", False):
                self.ended.add(one.stream_id)
        self._news.set()

    async def until(self, condition: Any, what: str) -> Any:
        """The first truthy value of `condition()`, looked at whenever something comes."""
        async with asyncio.timeout(DEADLINE_S):
            while not (value := condition()):
                assert self.termination is None or what == "the end", (
                    f"{what}: the connection ended: {self.termination}"
                )
                self._news.clear()
                await self._news.wait()
        return value

    def request(self, headers: list[tuple[bytes, bytes]], ends: bool = False) -> int:
        """Send a request's headers; returns its stream."""
        stream_id = self._quic.get_next_available_stream_id()
        self.http.send_headers(stream_id, headers, end_stream=ends)
        self.transmit()
        return stream_id

    async def status(self, stream_id: int) -> int:
        answer = await self.until(lambda: self.headers.get(stream_id), f"stream {stream_id}")
        return int(answer[b":status"])

    def send(self, stream_id: int, data: bytes, ends: bool = False) -> None:
        self._quic.send_stream_data(stream_id, data, end_stream=ends)
        self.transmit()

    async def ended_by_server(self) -> events.ConnectionTerminated:
        await self.until(lambda: self.termination is not None, "the end")
        assert self.termination is not None
        return self.termination


class WebTransportPeer:
    """One client: `async with WebTransportPeer.at(server) as peer`, then open() or the parts of it."""

    def __init__(self, url: str, **configuration: Any) -> None:
        parts = urlsplit(url)
        self.host, self.port = parts.hostname or "127.0.0.1", parts.port or 443
        self.configuration = QuicConfiguration(
            is_client=True,
            alpn_protocols=H3_ALPN,
            verify_mode=ssl.CERT_NONE,
            max_datagram_frame_size=65536,
            server_name="localhost",
            **configuration,
        )
        self.handshake: dict[str, Any] = {}
        self.session_id = -1
        self.stream_id = -1
        self._buffer = bytearray()

    @classmethod
    def at(cls, server: Any, **configuration: Any) -> WebTransportPeer:
        return cls(server.url, **configuration)

    async def __aenter__(self) -> WebTransportPeer:
        quic = QuicConnection(configuration=self.configuration)
        loop = asyncio.get_running_loop()
        transport, self.http = await loop.create_datagram_endpoint(
            lambda: Http3Client(quic), local_addr=("127.0.0.1", 0)
        )
        try:
            self.http.connect((self.host, self.port))
            await asyncio.wait_for(self.http.wait_connected(), DEADLINE_S)
        except BaseException:
            transport.abort()
            raise
        return self

    async def __aexit__(self, *error: object) -> None:
        """Close the connection, and wait for nothing."""
        if not self.http._transport.is_closing():  # type: ignore[union-attr]
            self.http.close()
        self._stop_timer()
        self.http._transport.close()  # type: ignore[union-attr]

    # --- the session -------------------------------------------------------------------------

    def connect_headers(
        self, path: str = "/socket.io/", origin: str | None = None, **fields: str
    ) -> list[tuple[bytes, bytes]]:
        headers = [
            (b":method", b"CONNECT"),
            (b":protocol", b"webtransport"),
            (b":scheme", b"https"),
            (b":authority", f"{self.host}:{self.port}".encode()),
            (b":path", path.encode()),
        ]
        if origin is not None:
            headers.append((b"origin", origin.encode()))
        return headers + [
            (name.replace("_", "-").encode(), value.encode()) for name, value in fields.items()
        ]

    async def connect(self, path: str = "/socket.io/", **fields: Any) -> int:
        """CONNECT; returns the status."""
        self.session_id = self.http.request(self.connect_headers(path, **fields))
        return await self.http.status(self.session_id)

    def open_stream(self) -> int:
        self.stream_id = self.http.http.create_webtransport_stream(self.session_id)
        self.http.own_streams.add(self.stream_id)
        return self.stream_id

    async def open(self, path: str = "/socket.io/", **fields: Any) -> WebTransportPeer:
        """A new session of Engine.IO: `handshake` is what the server said."""
        assert await self.connect(path, **fields) == 200
        self.open_stream()
        self.send("0")
        packet = await self.receive()
        assert isinstance(packet, str) and packet[0] == "0", packet
        self.handshake = json.loads(packet[1:])
        return self

    async def join(self, namespace: str = "/") -> dict[str, Any]:
        """Join a namespace of Socket.IO; returns what the server says to it."""
        name = "" if namespace == "/" else f"{namespace},"
        self.send(f"40{name}")
        packet = await self.receive()
        assert isinstance(packet, str) and packet.startswith(f"40{name}"), packet
        answer: dict[str, Any] = json.loads(packet[2 + len(name) :])
        return answer

    # --- packets -----------------------------------------------------------------------------

    def send(self, *packets: str | bytes) -> None:
        self.send_raw(b"".join(framed(packet) for packet in packets))

    def send_raw(self, data: bytes, ends: bool = False) -> None:
        self.http.send(self.stream_id, data, ends)

    async def receive(self) -> str | bytes:
        """The next packet; pings are answered and not shown."""
        while True:
            packet = await self.http.until(self._next, "a packet")
            if packet != "2":
                return packet
            self.send("3")

    def _next(self) -> str | bytes | None:
        self._buffer += self.http.streams.pop(self.stream_id, b"")
        return unframed(self._buffer)

    # --- the end -----------------------------------------------------------------------------

    def close_session(self, code: int = 0, reason: bytes = b"") -> None:
        """As a browser's close(): a capsule, and the end of the CONNECT's stream."""
        value = code.to_bytes(4, "big") + reason
        capsule = encode_uint_var(CLOSE_SESSION) + encode_uint_var(len(value)) + value
        self.http.http.send_data(self.session_id, capsule, end_stream=True)
        self.http.transmit()

    async def closed_by_server(self) -> tuple[int, bytes]:
        """Wait for the capsule that ends the session: its code and reason."""
        await self.http.until(lambda: self.session_id in self.http.ended, "the end")
        capsule = bytes(self.http.data.get(self.session_id, b""))
        kind, size, value = capsule[:2], capsule[2], capsule[3:]
        assert kind == encode_uint_var(CLOSE_SESSION) and size == len(value), capsule
        return int.from_bytes(value[:4], "big"), value[4:]

    def vanish(self) -> None:
        """Send nothing any more, not even that the connection ends."""
        self._stop_timer()
        self.http._transport.abort()  # type: ignore[union-attr]

    def _stop_timer(self) -> None:
        if self.http._timer is not None:
            self.http._timer.cancel()
            self.http._timer = None

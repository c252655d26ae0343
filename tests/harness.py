"""Raw clients and leak checks for tests: bytes in, bytes out, nothing of fastsio inside.

`FakePeer` speaks Engine.IO v4 by hand (HTTP polling or WebSocket) so that a test can send what no
client library would. `LoopWatch` and `assert_clean` say what a test left behind.
Source: engine.io-protocol v4; RFC 6455 section 5 (frames); RFC 9112 (HTTP/1.1 messages).
"""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import logging
import os
import ssl
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

# The one unit of every timeout in the tests; a slow machine sets FASTSIO_TEST_SLOWNESS=3.
MS = 0.001 * float(os.environ.get("FASTSIO_TEST_SLOWNESS", "1"))
DEADLINE_S = 5_000 * MS

RECORD_SEPARATOR = b"\x1e"
TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA


async def until(condition: Callable[[], Any], what: str, within_s: float = DEADLINE_S) -> Any:
    """Return the first truthy value of `condition()`; AssertionError naming `what` after `within_s`."""
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + within_s
    while not (value := condition()):
        if loop.time() > ends_at:
            raise AssertionError(f"not within {within_s:g} s: {what}")
        await asyncio.sleep(1 * MS)
    return value


# -- HTTP ------------------------------------------------------------------------------------------


@dataclass
class Response:
    """One HTTP answer. `headers` has lower-case names; a repeated name keeps all, joined by ", "."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def unchecked_tls() -> ssl.SSLContext:
    """A client's, which takes any certificate."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@dataclass
class RawConnection:
    """One TCP connection to the server, with everything readable from it and bounded in time."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def open(cls, url: str) -> RawConnection:
        """Connect to `url` (http, https, ws or wss); certificates are not checked."""
        parts = urlsplit(url)
        context = unchecked_tls() if parts.scheme in ("https", "wss") else None
        opening = asyncio.open_connection(parts.hostname, parts.port, ssl=context, limit=1 << 26)
        return cls(*await asyncio.wait_for(opening, DEADLINE_S))

    def write(self, data: bytes) -> None:
        self.writer.write(data)

    async def read_exactly(self, size: int) -> bytes:
        """`size` bytes; asyncio.IncompleteReadError when the server closes first."""
        return await asyncio.wait_for(self.reader.readexactly(size), DEADLINE_S)

    async def read_until(self, mark: bytes) -> bytes:
        return await asyncio.wait_for(self.reader.readuntil(mark), DEADLINE_S)

    async def read_to_end(self) -> bytes:
        """All bytes up to the server's close; a reset counts as a close."""
        try:
            return await asyncio.wait_for(self.reader.read(-1), DEADLINE_S)
        except ConnectionError:
            return b""

    async def read_response(self, method: str = "GET") -> Response:
        """The next HTTP response (RFC 9112 6.3 decides where its body ends)."""
        head = (await self.read_until(b"\r\n\r\n")).decode("latin-1")
        status_line, *lines = head[:-4].split("\r\n")
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(":")
            name, value = name.strip().lower(), value.strip()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        status = int(status_line.split(" ")[1])
        return Response(status, headers, await self._read_body(method, status, headers))

    async def _read_body(self, method: str, status: int, headers: dict[str, str]) -> bytes:
        if method == "HEAD" or status in (204, 304) or 100 <= status < 200:
            return b""
        if headers.get("transfer-encoding", "").lower() == "chunked":
            chunks = []
            while size := int((await self.read_until(b"\r\n")).split(b";")[0], 16):
                chunks.append(await self.read_exactly(size))
                await self.read_exactly(2)
            await self.read_until(b"\r\n")
            return b"".join(chunks)
        if "content-length" in headers:
            return await self.read_exactly(int(headers["content-length"]))
        return await self.read_to_end()

    async def request(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Response:
        """Send one request on this connection and read its answer."""
        self.write(request_bytes(method, target, body, headers))
        return await self.read_response(method)

    def abort(self) -> None:
        """Cut the connection as a killed process does, without a goodbye."""
        self.writer.transport.abort()

    async def close(self) -> None:
        self.writer.close()
        try:
            await asyncio.wait_for(self.writer.wait_closed(), DEADLINE_S)
        except (ConnectionError, ssl.SSLError):
            pass  # The server closed first, which is as good.


def request_bytes(
    method: str, target: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> bytes:
    """The bytes of one HTTP/1.1 request; `Host` and `Content-Length` are added where missing."""
    fields = {"Host": "127.0.0.1", **(headers or {})}
    if body is not None:
        fields.setdefault("Content-Length", str(len(body)))
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8") + (body or b"")


async def http(
    url: str,
    method: str,
    target: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    """One request on a connection of its own."""
    connection = await RawConnection.open(url)
    try:
        return await connection.request(method, target, body, headers)
    finally:
        await connection.close()


# -- WebSocket -------------------------------------------------------------------------------------


def frame_bytes(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    mask: bytes | None = b"\x37\xfa\x21\x3d",
    reserved: int = 0,
) -> bytes:
    """One frame as RFC 6455 5.2 draws it; `mask=None` breaks the rule of 5.1 on purpose."""
    head = bytes([(0x80 if fin else 0) | reserved << 4 | opcode])
    masked = 0x80 if mask else 0
    size = len(payload)
    if size < 126:
        head += bytes([masked | size])
    elif size < 1 << 16:
        head += bytes([masked | 126]) + struct.pack(">H", size)
    else:
        head += bytes([masked | 127]) + struct.pack(">Q", size)
    if not mask:
        return head + payload
    key = int.from_bytes((mask * (size // 4 + 1))[:size], "big")
    return head + mask + (int.from_bytes(payload, "big") ^ key).to_bytes(size, "big")


@dataclass
class RawWebSocket:
    """A WebSocket by hand. Server frames come back as (opcode, payload), pings included."""

    connection: RawConnection
    response: Response

    @classmethod
    async def open(
        cls, url: str, target: str, headers: dict[str, str] | None = None
    ) -> RawWebSocket:
        """Upgrade; AssertionError with the server's answer when it is not 101."""
        connection = await RawConnection.open(url)
        fields = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
            **(headers or {}),
        }
        response = await connection.request("GET", target, None, fields)
        if response.status != 101:
            await connection.close()
            raise AssertionError(f"no upgrade: {response}")
        return cls(connection, response)

    def send(self, opcode: int, payload: bytes = b"", **kinds: Any) -> None:
        self.connection.write(frame_bytes(opcode, payload, **kinds))

    async def receive(self) -> tuple[int, bytes]:
        """The next frame; fragments are not joined because our server never sends them."""
        first, second = await self.connection.read_exactly(2)
        assert first & 0x80, "the server fragmented a message"
        assert not second & 0x80, "the server masked a frame (RFC 6455 5.1)"
        size = second & 0x7F
        if size == 126:
            (size,) = struct.unpack(">H", await self.connection.read_exactly(2))
        elif size == 127:
            (size,) = struct.unpack(">Q", await self.connection.read_exactly(8))
        return first & 0x0F, await self.connection.read_exactly(size)

    async def receive_close(self) -> tuple[int | None, bytes]:
        """Skip to the close frame: (code or None, reason)."""
        while True:
            opcode, payload = await self.receive()
            if opcode == CLOSE:
                code = struct.unpack(">H", payload[:2])[0] if payload else None
                return code, payload[2:]


# -- Engine.IO and Socket.IO -----------------------------------------------------------------------


@dataclass
class FakePeer:
    """An Engine.IO v4 client by hand. Packets are `str` (type digit first) or `bytes` (binary).

    Over polling, `send` posts at once and `receive` polls as needed. Pings are answered by
    `receive` unless `answers_pings` is False; then they come back as any packet.
    """

    url: str
    transport: str = "websocket"
    path: str = "/socket.io/"
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    answers_pings: bool = True
    handshake: dict[str, Any] = field(default_factory=dict)
    ws: RawWebSocket | None = None
    _queued: list[str | bytes] = field(default_factory=list)

    def target(self, transport: str | None = None, **extra: str) -> str:
        """The request target of this session (with its sid once it has one)."""
        query = {"EIO": "4", "transport": transport or self.transport, **self.query, **extra}
        if self.handshake:
            query["sid"] = self.handshake["sid"]
        return f"{self.path}?{urlencode(query, quote_via=quote)}"

    async def open(self) -> FakePeer:
        """Handshake; `handshake` then holds the open packet's JSON."""
        if self.transport == "websocket":
            self.ws = await RawWebSocket.open(self.url, self.target(), self.headers)
        packet = await self.receive()
        assert isinstance(packet, str) and packet[:1] == "0", f"not an open packet: {packet!r}"
        self.handshake = json.loads(packet[1:])
        return self

    async def get(self) -> Response:
        return await http(self.url, "GET", self.target("polling"), None, self.headers)

    async def post(self, body: bytes) -> Response:
        headers = {"Content-Type": "text/plain;charset=UTF-8", **self.headers}
        return await http(self.url, "POST", self.target("polling"), body, headers)

    async def send(self, *packets: str | bytes) -> None:
        """Send packets in order: one frame each, or one POST for all (answered `ok`)."""
        if self.ws is not None and self.transport == "websocket":
            for packet in packets:
                text = isinstance(packet, str)
                self.ws.send(TEXT if text else BINARY, packet.encode() if text else packet)
            return
        body = RECORD_SEPARATOR.join(
            p.encode() if isinstance(p, str) else b"b" + base64.b64encode(p) for p in packets
        )
        response = await self.post(body)
        assert (response.status, response.body) == (200, b"ok"), response

    async def receive(self) -> str | bytes:
        """The next packet; AssertionError when the server closed or refused instead."""
        while True:
            packet = await self._next_packet()
            if packet == "2" and self.answers_pings:
                await self.send("3")
            elif packet != "6":
                return packet

    async def _next_packet(self) -> str | bytes:
        if self.ws is not None and self.transport == "websocket":
            opcode, payload = await self.ws.receive()
            assert opcode in (TEXT, BINARY), f"frame {opcode:#x} {payload!r} instead of a packet"
            return payload.decode() if opcode == TEXT else payload
        if not self._queued:
            response = await self.get()
            assert response.status == 200, response
            for part in response.body.split(RECORD_SEPARATOR):
                binary = part[:1] == b"b"
                self._queued.append(base64.b64decode(part[1:]) if binary else part.decode())
        return self._queued.pop(0)

    async def connect(self, namespace: str = "/", auth: Any = None) -> dict[str, Any]:
        """Join a namespace; the CONNECT reply's JSON. Packets before the reply are dropped."""
        prefix = "" if namespace == "/" else namespace + ","
        await self.send("40" + prefix + ("" if auth is None else json.dumps(auth)))
        while True:
            packet = await self.receive()
            if isinstance(packet, str) and packet.startswith(("40" + prefix, "44" + prefix)):
                assert packet[1] == "0", f"refused: {packet}"
                return json.loads(packet[2 + len(prefix) :])

    async def upgrade(self) -> None:
        """Move a polling session to WebSocket: probe, then the upgrade packet."""
        self.ws = await RawWebSocket.open(self.url, self.target("websocket"), self.headers)
        self.ws.send(TEXT, b"2probe")
        opcode, payload = await self.ws.receive()
        assert (opcode, payload) == (TEXT, b"3probe"), (opcode, payload)
        self.ws.send(TEXT, b"5")
        self.transport = "websocket"

    async def close(self) -> None:
        """Leave as a browser tab does that is closed."""
        if self.ws is not None:
            await self.ws.connection.close()
        elif self.transport == "polling" and self.handshake:
            await self.post(b"1")

    def abort(self) -> None:
        """Cut the WebSocket's connection without a close frame."""
        assert self.ws is not None
        self.ws.connection.abort()


# -- leaks -----------------------------------------------------------------------------------------


class LoopWatch(logging.Handler):
    """Collects what must not happen: unhandled loop exceptions, logged errors, left-over tasks.

    Use as an async context manager around a test; a test that provokes an error takes it out of
    `errors` with `expect_error`.
    """

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.errors: list[str] = []
        self.patience_s = DEADLINE_S
        self._tasks_before: set[asyncio.Task[Any]] = set()

    def emit(self, record: logging.LogRecord) -> None:
        text = f"{record.name}: {record.getMessage()}"
        if record.exc_info and record.exc_info[1] is not None:
            text += f" [{record.exc_info[1]!r}]"
        self.errors.append(text)

    def _loop_exception(self, _loop: Any, context: dict[str, Any]) -> None:
        self.errors.append(f"loop: {context.get('message')} [{context.get('exception')!r}]")

    async def __aenter__(self) -> LoopWatch:
        self._tasks_before = asyncio.all_tasks()
        asyncio.get_running_loop().set_exception_handler(self._loop_exception)
        logging.getLogger("fastsio").addHandler(self)
        return self

    async def __aexit__(self, kind: type | None, *_exc: Any) -> None:
        try:
            if kind is None:
                await self.check()
        finally:
            logging.getLogger("fastsio").removeHandler(self)

    def expect_error(self, *words: str) -> str:
        """Take out and return the one error that has all `words`; AssertionError if there is none."""
        for i, text in enumerate(self.errors):
            if all(word in text for word in words):
                return self.errors.pop(i)
        raise AssertionError(f"no error with {words} in {self.errors}")

    async def check(self) -> None:
        """AssertionError if a task is still pending or an error was not expected."""
        own = asyncio.current_task()

        def left() -> set[asyncio.Task[Any]]:
            return {t for t in asyncio.all_tasks() - self._tasks_before if t is not own}

        try:
            await until(lambda: not left(), "every task done", self.patience_s)
        except AssertionError:
            raise AssertionError(f"tasks left behind: {sorted(map(repr, left()))}") from None
        gc.collect()  # "Task exception was never retrieved" is said by the task's finaliser.
        assert not self.errors, "unexpected errors:\n" + "\n".join(self.errors)


def _leftovers(server: Any) -> dict[str, Any]:
    """What of clients a server still holds, by kind; empty when it is clean."""
    found: dict[str, Any] = {}
    if server.engine.sessions:
        found["sessions"] = sorted(server.engine.sessions)
    for name, namespace in getattr(server.hub, "namespaces", {}).items():
        if namespace.sockets:
            found[f"sockets of {name}"] = sorted(namespace.sockets)
    if getattr(server.hub, "peers", None):
        found["peers"] = sorted(server.hub.peers)
    return found


async def assert_clean(server: Any, within_s: float = DEADLINE_S) -> None:
    """Wait until `server` holds no session and no socket; AssertionError says what is left.

    The waiting is for goodbyes that are still on their way; call it before `server.close()`.
    """
    try:
        await until(lambda: not _leftovers(server), "server clean", within_s)
    except AssertionError:
        raise AssertionError(f"left behind on the server: {_leftovers(server)}") from None

"""A TCP connection by hand: bytes out at any pace, bytes in up to a mark, a size or the end.

Plain sockets on the running loop, not asyncio's streams: what the server answered before it closed
must stay readable even if sending the rest of a refused request fails.
Source: RFC 9112 6.3 (where a response's body ends), RFC 6455 4.1 (opening handshake).
"""

from __future__ import annotations

import asyncio
import socket
import struct
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from harness import DEADLINE_S

WEBSOCKET_KEY = "dGhlIHNhbXBsZSBub25jZQ=="
# RFC 6455 1.3 works this pair out.
WEBSOCKET_ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@dataclass
class HttpAnswer:
    """One response as it came; header names are lower case."""

    status: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Wire:
    """One connection; every read is bounded in time."""

    sock: socket.socket
    received: bytearray = field(default_factory=bytearray)
    is_ended: bool = False

    @classmethod
    async def open(cls, url: str) -> Wire:
        parts = urlsplit(url)
        sock = socket.socket()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(sock, (parts.hostname, parts.port))
        return cls(sock)

    async def send(self, data: bytes) -> None:
        """Send; that the server has closed already is no error, its answer says why."""
        try:
            await asyncio.wait_for(
                asyncio.get_running_loop().sock_sendall(self.sock, data), DEADLINE_S
            )
        except ConnectionError:
            pass

    async def send_bytewise(self, data: bytes) -> None:
        """Send so that the server sees one byte per read (it runs on this loop)."""
        for i in range(len(data)):
            await self.send(data[i : i + 1])
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    async def _more(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            data = await asyncio.wait_for(loop.sock_recv(self.sock, 1 << 16), DEADLINE_S)
        except ConnectionError:
            data = b""
        except TimeoutError:
            raise AssertionError(f"nothing more after {bytes(self.received)!r}") from None
        self.received += data
        self.is_ended = not data

    def _take(self, size: int) -> bytes:
        data = bytes(self.received[:size])
        del self.received[:size]
        return data

    async def read_until(self, mark: bytes) -> bytes:
        while mark not in self.received:
            assert not self.is_ended, f"closed after {bytes(self.received)!r}"
            await self._more()
        return self._take(self.received.index(mark) + len(mark))

    async def read_exactly(self, size: int) -> bytes:
        while len(self.received) < size:
            assert not self.is_ended, f"closed after {bytes(self.received)!r}"
            await self._more()
        return self._take(size)

    async def read_to_end(self) -> bytes:
        """All up to the server's close; a reset counts as a close."""
        while not self.is_ended:
            await self._more()
        return self._take(len(self.received))

    async def read_answer(self, is_head: bool = False) -> HttpAnswer:
        """The next response; `is_head`: it answers a HEAD, which has no body."""
        head = (await self.read_until(b"\r\n\r\n"))[:-4].decode("latin-1")
        status_line, *lines = head.split("\r\n")
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            assert name.lower() not in headers, f"{name} twice in {head!r}"
            headers[name.lower()] = value.strip()
        version, _, status = status_line.partition(" ")
        assert version == "HTTP/1.1", status_line
        return HttpAnswer(status, headers, await self._read_body(status, headers, is_head))

    async def _read_body(self, status: str, headers: dict[str, str], is_head: bool) -> bytes:
        if is_head or status[:3] in ("204", "304") or status[0] == "1":
            return b""
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(await self.read_until(b"\r\n"), 16):
                body += (await self.read_exactly(size + 2))[:-2]
            await self.read_exactly(2)
            return body
        if "content-length" in headers:
            return await self.read_exactly(int(headers["content-length"]))
        return await self.read_to_end()

    async def read_frame(self) -> bytes:
        """The next WebSocket frame, head and all; the server's are unmasked (RFC 6455 5.1)."""
        head = await self.read_exactly(2)
        size = head[1]
        if size >= 126:
            more = await self.read_exactly(2 if size == 126 else 8)
            head, size = head + more, int.from_bytes(more, "big")
        return head + await self.read_exactly(size)

    async def open_websocket(self, query: str) -> None:
        """Upgrade this connection; AssertionError with the answer when it is not 101."""
        await self.send(upgrade(query))
        answer = await self.read_answer()
        assert answer.status == "101 Switching Protocols", answer

    def end(self, is_reset: bool = False) -> None:
        """End our side only; `is_reset`: cut the connection, as a killed process may."""
        if not is_reset:
            self.sock.shutdown(socket.SHUT_WR)
            return
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self) -> None:
        self.sock.close()


def request(method: str, target: str, *headers: str, body: bytes | None = None) -> bytes:
    """An HTTP/1.1 request; `Host`, and `Content-Length` where there is a body, are added."""
    lines = [f"{method} {target} HTTP/1.1", "Host: 127.0.0.1", *headers]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b"")


def get(query: str, *headers: str) -> bytes:
    """A GET of the Socket.IO path."""
    return request("GET", f"/socket.io/?{query}", *headers)


def post(query: str, body: bytes, *headers: str) -> bytes:
    """A POST to the Socket.IO path, as the official client's XMLHttpRequest sends it."""
    kind = "Content-Type: text/plain;charset=UTF-8"
    return request("POST", f"/socket.io/?{query}", kind, *headers, body=body)


def upgrade(query: str, *headers: str, without: str = "", method: str = "GET") -> bytes:
    """A WebSocket handshake; `without` names one of its usual headers, to leave out."""
    usual = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": WEBSOCKET_KEY,
    }
    kept = [f"{name}: {value}" for name, value in usual.items() if name != without]
    return request(method, f"/socket.io/?{query}", *kept, *headers)


def chunked(body: bytes, size: int) -> bytes:
    """A body in chunks of `size` bytes, and the last one (RFC 9112 7.1)."""
    chunks = [body[i : i + size] for i in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in [*chunks, b""])

"""A server by hand for the unit tests of clients: it says exactly what a test wants, at the moment it wants."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from typing import Any

from fastsio._frames import FrameReader, build_frame
from harness import DEADLINE_S

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
OPEN = {
    "sid": "eio",
    "upgrades": [],
    "pingInterval": 25_000,
    "pingTimeout": 20_000,
    "maxPayload": 1_000_000,
}


CONNECTED = b'40{"sid":"sio"}'


def open_packet(**changes: Any) -> bytes:
    return b"0" + json.dumps({**OPEN, **changes}).encode()


class Connection:
    """One WebSocket of a client, seen from the server."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: str
    ) -> None:
        self.head = head
        self._reader = reader
        self._writer = writer
        self._frames = FrameReader(1 << 30)
        self._taken = 0

    def header(self, name: str) -> str | None:
        for line in self.head.split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.lower() == name.lower():
                return value.strip()
        return None

    @property
    def target(self) -> str:
        return self.head.split(" ")[1]

    def send(self, *texts: bytes) -> None:
        """Text frames, all in one write."""
        self.write(b"".join(build_frame(1, text) for text in texts))

    def write(self, data: bytes) -> None:
        self._writer.write(data)

    async def next(self) -> tuple[Any, ...]:
        """The client's next frame; ("eof",) at its end."""
        while len(self._frames.events) == self._taken:
            data = await asyncio.wait_for(self._reader.read(65_536), DEADLINE_S)
            if not data:
                return ("eof",)
            self._frames.feed(data)
        self._taken += 1
        return self._frames.events[self._taken - 1]

    def cut(self) -> None:
        self._writer.transport.abort()

    def close(self) -> None:
        self._writer.close()


class FakeServer:
    """`url`; each connection that shakes hands comes out of accept(), after `first` was sent to it."""

    def __init__(self) -> None:
        self.connections: asyncio.Queue[Connection] = asyncio.Queue()
        self.answer: bytes | None = None
        self.first: list[bytes] = [open_packet()]
        self._open: list[Connection] = []
        self._listener: Any = None

    async def __aenter__(self) -> FakeServer:
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._listener.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listener.close()
        for connection in self._open:
            connection.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        connection = Connection(reader, writer, head)
        self._open.append(connection)
        key = (connection.header("Sec-WebSocket-Key") or "").encode()
        accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
        connection.write(
            self.answer
            or b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
            + b"".join(build_frame(1, text) for text in self.first)
        )  # fmt: skip
        self.connections.put_nowait(connection)

    def cut_all(self) -> None:
        for connection in self._open:
            connection.cut()

    async def accept(self) -> Connection:
        return await asyncio.wait_for(self.connections.get(), DEADLINE_S)

    async def connect(self, client: Any, **options: Any) -> Connection:
        """The server's side of a connection of `client` to "/"."""
        options.setdefault("transports", ["websocket"])
        connecting = asyncio.create_task(client.connect(self.url, **options))
        connection = await self.accept()
        first = await connection.next()
        assert first[0] == "text" and first[1].startswith(b"40"), first
        connection.send(CONNECTED)
        await connecting
        return connection

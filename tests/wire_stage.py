"""What the tests of transports on libuv have in common: real sockets, and protocols that note what they are told."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from fastsio._handles import wires_of
from fastsio._wire import adopt, listen
from harness import until as until_true

BIG = bytes(range(251)) * 12_000
# Of the kernel's buffers, so that BIG does not fit.
BUFFER_BYTES = 65_536


async def until(condition: Callable[[], Any]) -> None:
    await until_true(condition, "what the test waits for")


class Recorder(asyncio.Protocol):
    """Notes what it is told; `on` are functions to call then, by the method's name, with the transport."""

    def __init__(self, **on: Callable[..., Any]) -> None:
        self.on = on
        self.told: list[Any] = []
        self.data = b""
        self.transport: Any = None

    def _tell(self, name: str, *args: Any) -> Any:
        self.told.append(name)
        return self.on[name](self.transport, *args) if name in self.on else None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self._tell("connection_made")

    def data_received(self, data: bytes) -> None:
        self.data += data
        self._tell("data_received", data)

    def eof_received(self) -> Any:
        return self._tell("eof_received")

    def pause_writing(self) -> None:
        self._tell("pause_writing")

    def resume_writing(self) -> None:
        self._tell("resume_writing")

    def connection_lost(self, error: Exception | None) -> None:
        self.error = error
        self._tell("connection_lost")

    @property
    def is_lost(self) -> bool:
        return "connection_lost" in self.told


class Pair:
    """A protocol of ours and the socket of who has connected to it."""

    def __init__(self, protocol: Recorder, client: socket.socket) -> None:
        self.protocol = protocol
        self.client = client

    @property
    def transport(self) -> Any:
        return self.protocol.transport

    async def says(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.client, data)

    async def hears(self, n: int = -1) -> bytes:
        """`n` bytes, or all until the end."""
        heard = bytearray()
        while len(heard) != n:
            most = 1 << 20 if n < 0 else n - len(heard)
            more = await asyncio.get_running_loop().sock_recv(self.client, most)
            if not more:
                break
            heard += more
        return bytes(heard)

    async def is_over(self) -> None:
        await until(lambda: self.protocol.is_lost)


class Stage:
    """Listens, and makes pairs. `kind`: "tcp" or "unix"; with `is_ours` False by uvloop's own transports.

    "adopted": over TCP, accepted by somebody else.
    """

    def __init__(self, kind: str, is_ours: bool, folder: Path) -> None:
        self.kind, self.is_ours, self.folder = kind, is_ours, folder
        self.protocols: list[Recorder] = []
        self.next: list[Recorder] = []
        self.clients: list[socket.socket] = []
        self.listener: Any = None

    async def listen(self, make: Callable[[], Any] | None = None) -> None:
        loop = asyncio.get_running_loop()
        family = socket.AF_UNIX if self.kind == "unix" else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
        sock.bind(str(self.folder / "s") if self.kind == "unix" else ("127.0.0.1", 0))
        self.address = sock.getsockname()
        made = make or self._make
        if self.kind == "adopted":
            sock.listen(100)
            self.listener = sock
        elif self.is_ours:
            self.listener = listen(wires_of(loop), sock, made, 100)
        else:
            create: Any = loop.create_unix_server if self.kind == "unix" else loop.create_server
            self.listener = await create(made, sock=sock)

    def _make(self) -> Recorder:
        self.protocols.append(self.next.pop(0) if self.next else Recorder())
        return self.protocols[-1]

    async def connect(self) -> socket.socket:
        client = socket.socket(socket.AF_UNIX if self.kind == "unix" else socket.AF_INET)
        client.setblocking(False)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        self.clients.append(client)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(client, self.address)
        if self.kind == "adopted":
            adopt(wires_of(loop), self.listener.accept()[0], self._make)
        return client

    async def pair(self, **on: Callable[..., Any]) -> Pair:
        """A connection that is there."""
        protocol = Recorder(**on)
        self.next.append(protocol)
        client = await self.connect()
        await until(lambda: bool(protocol.told))
        return Pair(protocol, client)

    async def close(self) -> None:
        self.listener.close()
        for client in self.clients:
            client.close()
        for protocol in self.protocols:
            if protocol.transport is not None:
                protocol.transport.abort()
        await until(lambda: all(p.is_lost or p.transport is None for p in self.protocols))


@contextlib.contextmanager
def reports() -> Iterator[list[dict[str, Any]]]:
    """What the loop's exception handler is called with."""
    loop = asyncio.get_running_loop()
    seen: list[dict[str, Any]] = []
    before = loop.get_exception_handler()
    loop.set_exception_handler(lambda _, context: seen.append(context))
    try:
        yield seen
    finally:
        loop.set_exception_handler(before)


def fails(*args: Any) -> None:
    raise ZeroDivisionError("on purpose")

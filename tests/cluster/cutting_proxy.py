"""A TCP proxy before Redis that cuts: it swallows bytes of one direction or both, breaks connections, changes Redis."""

from __future__ import annotations

import asyncio
import contextlib


class CuttingProxy:
    """`async with CuttingProxy(port) as proxy:` listens on proxy.port.

    swallows: the directions whose bytes vanish, "up" (to Redis) and "down" (from it); nobody is told of them.
    `port` of Redis may be changed: new connections go there.
    """

    def __init__(self, redis_port: int) -> None:
        self.redis_port = redis_port
        self.swallows: set[str] = set()
        self.port = 0
        self._server: asyncio.Server | None = None
        self._links: list[_Link] = []

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    async def __aenter__(self) -> CuttingProxy:
        self._server = await asyncio.start_server(self._opened, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *args: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        for link in self._links:
            await link.ended()

    def cut(self) -> None:
        """Break all connections, as if their network had been reset."""
        for link in self._links:
            link.cut()

    async def move(self, redis_port: int) -> None:
        """Let all connections go on with another Redis, which knows nothing of them."""
        self.redis_port = redis_port
        for link in self._links:
            if link.is_open:
                await link.move(redis_port)

    async def _opened(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _Link(self, reader, writer)
        self._links.append(link)
        await link.start(self.redis_port)


class _Link:
    def __init__(
        self, proxy: CuttingProxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._proxy = proxy
        self._reader, self._writer = reader, writer
        self._up: asyncio.StreamWriter | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.is_open = True

    async def start(self, port: int) -> None:
        try:
            reader, self._up = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            self.cut()
            return
        self._tasks = [
            asyncio.create_task(self._carry("up", self._reader)),
            asyncio.create_task(self._carry("down", reader)),
        ]

    async def move(self, port: int) -> None:
        down = self._tasks.pop()
        down.cancel()
        assert self._up is not None
        self._up.close()
        reader, self._up = await asyncio.open_connection("127.0.0.1", port)
        self._tasks.append(asyncio.create_task(self._carry("down", reader)))

    async def _carry(self, direction: str, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer = self._up if direction == "up" else self._writer
                if direction not in self._proxy.swallows and writer is not None:
                    writer.write(data)
                    await writer.drain()
        if not self._proxy.swallows:  # else nobody hears of the end either
            self.cut()

    def cut(self) -> None:
        self.is_open = False
        for writer in (self._writer, self._up):
            if writer is not None:
                writer.transport.abort()

    async def ended(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

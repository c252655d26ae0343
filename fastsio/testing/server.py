"""TestServer: an application in memory, and clients of it."""

from types import TracebackType
from typing import Any, Self

from fastsio.testing.client import TestClient, close_after
from fastsio.testing.running import DEFAULT_TIMEOUT_S, Running


class TestServer:
    """`async with TestServer(app) as server`: clients that are closed with it, the last one first.

    `app` is an AsyncServer, an IO, an ASGIApp or an ASGI application that carries one; its lifespan runs, once,
    around all clients. timeout: seconds, what clients wait at most for anything.
    """

    __test__ = False  # pytest takes a class of such a name for tests

    def __init__(self, app: Any, *, timeout: float = DEFAULT_TIMEOUT_S) -> None:
        self.app = app
        self._timeout = timeout
        self._running: Running | None = None
        self._clients: list[TestClient] = []

    async def __aenter__(self) -> Self:
        self._running = await Running.acquire(self.app)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:  # fmt: skip
        await close_after(self.close, error)

    async def connect(self, namespace: str = "/", **options: Any) -> TestClient:
        """A client that has joined `namespace`; options as TestClient has them. Raises ConnectionRefused."""
        client = TestClient(self.app, namespace, **{"timeout": self._timeout, **options})
        await client.connect()
        self._clients.append(client)
        return client

    async def settle(self) -> None:
        """Run the loop until no handler and no client has anything to do; see TestSocket.settle()."""
        if self._running is None:
            raise RuntimeError("the server is not started: use `async with TestServer(app)`")
        await self._running.settle(self._timeout)

    async def close(self) -> None:
        """Close every client, then the server. Nothing is left of them; a second call does nothing."""
        running, self._running = self._running, None
        if running is None:
            return
        failures: list[AssertionError] = []
        try:
            while self._clients:
                try:
                    await self._clients.pop().close()
                except AssertionError as failure:
                    failures.append(failure)
        finally:
            await running.release(self._timeout)
        if failures:
            raise failures[0]

"""A Redis server for these tests, and clusters of two servers with a client each."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio

import fastsio

from .servers import Redis, Server, node, ours

MAKERS = {"node": node, "ours": ours}
PAIRS = [("node", "ours"), ("ours", "node"), ("ours", "ours")]


@pytest.fixture(scope="session")
def redis() -> Iterator[Redis]:
    redis = Redis()
    redis.start()
    yield redis
    redis.close()


class Client:
    """A client of one of the servers, and what it got. `answer`: what it answers to "question"."""

    def __init__(self) -> None:
        self.io = fastsio.AsyncClient()
        self.got: list[tuple[Any, ...]] = []
        # Of Cluster.quiet(): those that have come.
        self.rounds: set[int] = set()
        self.answer: Any = None
        self._came = asyncio.Event()
        self.io.on("*", self._event)

    async def _event(self, event: str, *args: Any) -> Any:
        if event == "quiet":
            self.rounds.add(args[0])
        else:
            self.got.append((event, *args))
        self._came.set()
        return self.answer if event == "question" else None

    async def connect(self, server: Server) -> Client:
        await self.io.connect(server.url, auth={"name": "client"}, transports=["websocket"])
        return self

    @property
    def sid(self) -> str:
        return self.io.get_sid()

    async def came(self, seconds: float) -> None:
        """Wait until something comes, but no longer than that."""
        self._came.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._came.wait(), seconds)

    async def until(self, *events: tuple[Any, ...]) -> None:
        """Wait until just these have come, in this order."""
        async with asyncio.timeout(20):
            while len(self.got) < len(events):
                self._came.clear()
                await self._came.wait()
        assert self.got == list(events)
        self.got.clear()


class Cluster:
    """Servers `a` and `b` with the clients `on_a` and `on_b`."""

    def __init__(self, servers: list[Server], clients: list[Client]) -> None:
        self.a, self.b = servers
        self.on_a, self.on_b = clients
        self._rounds = 0

    async def quiet(self) -> None:
        """What was sent before has come by now: a message of each server has gone round.

        Sent again where it does not come: a server of Node listens before it hears the stream.
        """
        for server, client in ((self.a, self.on_b), (self.b, self.on_a)):
            async with asyncio.timeout(20):
                self._rounds += 1
                while self._rounds not in client.rounds:
                    await server.do(["to", client.sid], ["emit", "quiet", self._rounds])
                    await client.came(0.5)


@pytest.fixture(scope="module", params=PAIRS, ids=["-".join(pair) for pair in PAIRS])
def pair(request: pytest.FixtureRequest) -> tuple[str, str]:
    return request.param


@pytest.fixture(scope="module")
def servers(redis: Redis, kind: str, pair: tuple[str, str]) -> Iterator[list[Server]]:
    servers = [MAKERS[name](kind, redis.url).start() for name in pair]
    yield servers
    for server in servers:
        server.stop()


@pytest_asyncio.fixture
async def cluster(servers: list[Server]) -> AsyncIterator[Cluster]:
    clients = [await Client().connect(server) for server in servers]
    cluster = Cluster(servers, clients)
    await cluster.quiet()
    yield cluster
    for client in clients:
        await client.io.disconnect()
    for server in servers:
        await server.call("empty")

"""A Redis server for these tests, and clusters of two servers with a client each."""

from __future__ import annotations

import asyncio
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
        self.answer: Any = None
        self._came = asyncio.Event()
        self.io.on("*", self._event)

    async def _event(self, event: str, *args: Any) -> Any:
        self.got.append((event, *args))
        self._came.set()
        return self.answer if event == "question" else None

    async def connect(self, server: Server) -> Client:
        await self.io.connect(server.url, auth={"name": "client"}, transports=["websocket"])
        return self

    @property
    def sid(self) -> str:
        return self.io.get_sid()

    async def until(self, *events: tuple[Any, ...]) -> None:
        """Wait until just these have come, in this order."""
        async with asyncio.timeout(5):
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

    async def quiet(self) -> None:
        """What was sent before has come by now: a message of each server has gone round."""
        for server, client in ((self.a, self.on_b), (self.b, self.on_a)):
            await server.do(["to", client.sid], ["emit", "quiet"])
        async with asyncio.timeout(5):
            for client in (self.on_a, self.on_b):
                while ("quiet",) not in client.got:
                    await asyncio.sleep(0.005)
                client.got.remove(("quiet",))


@pytest.fixture(params=PAIRS, ids=["-".join(pair) for pair in PAIRS])
def pair(request: pytest.FixtureRequest) -> tuple[str, str]:
    return request.param


@pytest_asyncio.fixture
async def cluster(redis: Redis, kind: str, pair: tuple[str, str]) -> AsyncIterator[Cluster]:
    servers = [await MAKERS[name](kind, redis.url).start() for name in pair]
    clients = [await Client().connect(server) for server in servers]
    cluster = Cluster(servers, clients)
    await cluster.quiet()
    yield cluster
    for client in clients:
        await client.io.disconnect()
    for server in servers:
        await server.stop()

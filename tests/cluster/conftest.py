"""A Redis server for these tests, and clusters of two or three servers with a client each."""

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
# The servers of each cluster; the first one acts.
PAIRS = [
    ("node", "ours"),
    ("ours", "node"),
    ("ours", "ours"),
    ("node", "ours", "node"),
    ("ours", "node", "ours"),
]


def pytest_configure(config: pytest.Config) -> None:
    line = (
        "scenario(row): a row of docs/cluster-table.md, which this test plays in each of its cells"
    )
    config.addinivalue_line("markers", line)


@pytest.fixture(scope="session")
def redis() -> Iterator[Redis]:
    redis = Redis()
    redis.start()
    yield redis
    redis.close()


class Client:
    """A client of one of the servers, and what it got. `answer`: what it answers to "question"."""

    def __init__(self, namespace: str = "/") -> None:
        self.io = fastsio.AsyncClient()
        self.namespace = namespace
        self.got: list[tuple[Any, ...]] = []
        # Of Cluster.quiet(): those that have come.
        self.rounds: set[int] = set()
        self.answer: Any = None
        self._came = asyncio.Event()
        self.io.on("*", self._event, namespace=namespace)
        self.gone = asyncio.Event()
        self.io.on("disconnect", lambda reason: self.gone.set(), namespace=namespace)

    async def _event(self, event: str, *args: Any) -> Any:
        if event == "quiet":
            self.rounds.add(args[0])
        else:
            self.got.append((event, *args))
        self._came.set()
        return self.answer if event == "question" else None

    async def connect(self, server: Server) -> Client:
        await self.io.connect(
            server.url, auth={"name": "client"}, transports=["websocket"], namespaces=[self.namespace]
        )  # fmt: skip
        return self

    @property
    def sid(self) -> str:
        return self.io.get_sid(self.namespace)

    async def came(self, seconds: float) -> None:
        """Wait until something comes, but no longer than that."""
        self._came.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._came.wait(), seconds)

    async def has_round(self, number: int, seconds: float) -> None:
        """Wait until that round of Cluster.quiet() has come, but no longer than that."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while number not in self.rounds:
                    self._came.clear()
                    await self._came.wait()

    async def until(self, *events: tuple[Any, ...]) -> None:
        """Wait until just these have come, in this order."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(20):
                while len(self.got) < len(events):
                    self._came.clear()
                    await self._came.wait()
        assert self.got == list(events)
        self.got.clear()


class Cluster:
    """Servers `a`, `b` and maybe one more, each with a client: `on_a` and so on, `clients` all of them."""

    def __init__(self, servers: list[Server], clients: list[Client]) -> None:
        self.servers, self.clients = servers, clients
        self.a, self.b = servers[:2]
        self.on_a, self.on_b = clients[:2]
        # Those of the servers that do not act, and their clients.
        self.others, self.on_others = servers[1:], clients[1:]
        self._rounds = 0

    async def quiet(self, namespace: str = "/") -> None:
        """What was sent before has come by now: a message of each server has gone round.

        Sent again where it does not come: a server of Node listens before it hears the stream. Then there is one more
        round, so that no second copy is on its way: Node drops a volatile event that comes with it.
        """
        for server in self.servers:
            async with asyncio.timeout(60):
                while await self._round_of(server, namespace) > 1:
                    pass

    async def _round_of(self, server: Server, namespace: str) -> int:
        """Returns how often its message was sent."""
        clients = [client for client in self.clients if client.namespace == namespace]
        self._rounds += 1
        sent = 0
        async with asyncio.timeout(20):
            while late := [one for one in clients if self._rounds not in one.rounds]:
                await server.do(["of", namespace], ["emit", "quiet", self._rounds])
                sent += 1
                await late[0].has_round(self._rounds, 0.5)
        return sent

    async def until_all(self, *events: tuple[Any, ...]) -> None:
        """Wait until all clients have got just these, in this order."""
        for client in self.clients:
            await client.until(*events)

    def take(self) -> list[list[tuple[Any, ...]]]:
        """What the clients have got since they were asked last."""
        taken = [client.got[:] for client in self.clients]
        for client in self.clients:
            client.got.clear()
        return taken


@pytest.fixture(scope="module", params=PAIRS, ids=["-".join(pair) for pair in PAIRS])
def pair(request: pytest.FixtureRequest) -> tuple[str, ...]:
    return request.param


@pytest.fixture(scope="module")
def servers(redis: Redis, kind: str, pair: tuple[str, ...]) -> Iterator[list[Server]]:
    servers = [MAKERS[name](kind, redis.url).begin() for name in pair]
    yield [server.started() for server in servers]
    for server in servers:
        server.stop()


@pytest_asyncio.fixture
async def cluster(servers: list[Server]) -> AsyncIterator[Cluster]:
    clients = [await Client().connect(server) for server in servers]
    cluster = Cluster(servers, clients)
    await cluster.quiet()
    yield cluster
    for client in cluster.clients:
        await client.io.disconnect()
    for server in servers:
        await server.call("empty")
        await server.call("heard")

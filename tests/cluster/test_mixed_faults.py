"""A server of Node that hangs or dies among those of fastsio, and a Redis that does: what the others see."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from .conftest import Client, Cluster
from .servers import Redis, ServerError, node, ours

pytestmark = [
    pytest.mark.asyncio(loop_factories=["uvloop"]),
    pytest.mark.parametrize("kind", ["classic", "sharded", "streams"], indirect=True),
]


@pytest.fixture
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def mortal() -> Iterator[Redis]:
    redis = Redis()
    redis.start()
    yield redis
    redis.close()


@pytest_asyncio.fixture
async def cluster(mortal: Redis, kind: str) -> AsyncIterator[Cluster]:
    """fastsio, Node and fastsio, for one test alone."""
    begun = [make(kind, mortal.url).begin() for make in (ours, node, ours)]
    servers = [server.started() for server in begun]
    clients = [await Client().connect(server) for server in servers]
    cluster = Cluster(servers, clients)
    await cluster.quiet()
    yield cluster
    for client in clients:
        await client.io.disconnect()
    for server in servers:
        server.stop()


async def subscribers_are(cluster: Cluster, count: int) -> None:
    """Wait until Redis has noticed that a server is gone: so many are asked then."""
    async with asyncio.timeout(20):
        while True:
            try:
                found = await cluster.a.do(["timeout", 200], ["fetchSockets"])
            except ServerError:
                continue
            if len(found) == count:
                return


@pytest.mark.fault(
    "a server of Node hangs while it is asked for its clients, and is killed then",
    "PartialAnswersError with the clients of all others; it is asked no longer when Redis has closed its connections",
)
async def test_a_server_that_hangs_leaves_the_others_answers(cluster: Cluster):
    hangs = cluster.b
    hangs.signal(signal.SIGSTOP)
    with pytest.raises(ServerError) as caught:
        await cluster.a.do(["timeout", 500], ["fetchSockets"])
    assert set(caught.value.responses) == {cluster.on_a.sid, cluster.clients[2].sid}
    for client in cluster.clients:
        client.answer = "in time"
    with pytest.raises(ServerError) as caught:
        await cluster.a.do(["timeout", 500], ["emitWithAck", "question"])
    assert caught.value.responses == ["in time"] * 2
    hangs.kill()
    await subscribers_are(cluster, 2)
    assert await cluster.a.do(["timeout", 3000], ["emitWithAck", "question"]) == ["in time"] * 2


@pytest.mark.fault(
    "a server of Node is killed while its client is asked",
    "PartialAnswersError with the answers of all others, when the time is up",
)
async def test_a_server_that_dies_while_its_client_is_asked(cluster: Cluster):
    asked = asyncio.Event()

    async def never(*args: object) -> None:
        asked.set()
        await asyncio.Event().wait()

    cluster.on_b.io.on("question", never)
    for client in cluster.clients:
        client.answer = "in time"
    waits = asyncio.ensure_future(cluster.a.do(["timeout", 1500], ["emitWithAck", "question"]))
    async with asyncio.timeout(20):
        await asked.wait()
    cluster.b.kill()
    with pytest.raises(ServerError) as caught:
        await waits
    assert caught.value.responses == ["in time"] * 2


@pytest.mark.fault(
    "a server of fastsio is killed in a cluster with Node",
    "Node's servers and the others go on without it at once",
)
async def test_a_server_of_ours_that_dies_is_not_waited_for(cluster: Cluster):
    cluster.servers[2].kill()
    await subscribers_are(cluster, 2)
    assert len(await cluster.b.call("fetch")) == 2


@pytest.mark.fault(
    "Redis is killed and started again under load, with servers of Node and of fastsio",
    "Node's clients get all that is emitted when it is back; streams lose nothing, pub/sub counts what it loses",
)
async def test_clients_of_node_are_reached_again_when_redis_is_back(
    cluster: Cluster, mortal: Redis, kind: str
):
    emitted = 0
    half = asyncio.Event()

    async def emit(count: int) -> None:
        nonlocal emitted
        for _ in range(count):
            await cluster.a.do(["emit", "n", emitted])
            emitted += 1
            if emitted == 200:
                half.set()

    await emit(50)
    await cluster.quiet()
    mortal.stop(kill=True)
    load = asyncio.ensure_future(emit(400))
    await half.wait()
    await asyncio.to_thread(mortal.start)
    await load
    await cluster.quiet()
    await emit(50)
    await cluster.quiet()
    assert [n for _, n in cluster.on_a.got] == list(range(500))
    for client in cluster.on_others:
        got = [n for _, n in client.got]
        assert got == sorted(set(got)), "each once, in order"
        missing = set(range(500)) - set(got)
        assert missing <= set(range(50, 450)), "only of the time without Redis"
        if kind == "streams":
            assert not missing
        else:
            assert 0 < len(missing) <= await cluster.a.call("lost")

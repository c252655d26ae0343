"""Emitters reach the clients of servers of Node and of fastsio: ours, plain and async, and those of npm."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from redis.asyncio import Redis as AsyncRedis

import fastsio

from .conftest import Client, Cluster
from .servers import Local, Redis, npm_emitter

BYTES = {"$bytes": "010203"}
ADAPTERS = {"classic": "redis", "sharded": "sharded", "streams": "streams"}
EMITTERS = {
    "Emitter": ["classic", "sharded", "streams"],
    "AsyncEmitter": ["classic", "sharded", "streams"],
    "@socket.io/redis-emitter": ["classic"],
}
LEGACY = "socket.io-emitter"
CELLS = [(kind, name) for name, kinds in EMITTERS.items() for kind in kinds]

pytestmark = [
    pytest.mark.asyncio(loop_factories=["uvloop"]),
    pytest.mark.parametrize("pair", [("node", "ours")], indirect=True, scope="module", ids=["node-ours"]),
]  # fmt: skip
each = pytest.mark.parametrize(
    ("kind", "emitter"), CELLS, indirect=True, ids=["-".join(cell) for cell in CELLS]
)


@pytest.fixture(scope="module")
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest_asyncio.fixture
async def emitter(request: pytest.FixtureRequest, kind: str, redis: Redis) -> AsyncIterator[Any]:
    if request.param in ("Emitter", "AsyncEmitter"):
        made = Local(getattr(fastsio, request.param)(redis.url, adapter=ADAPTERS[kind]))
        yield made
        await made.close()
    else:
        process = npm_emitter(request.param, redis.url).start()
        yield process
        process.stop()


@each
@pytest.mark.scenario("emitter: broadcast, rooms, except, binary")
async def test_an_emitter_reaches_whom_it_chooses(cluster: Cluster, emitter: Any):
    on_a, on_b = cluster.on_a, cluster.on_b
    await cluster.a.do(["in", on_b.sid], ["socketsJoin", ["club", "other"]])
    await cluster.a.do(["in", on_a.sid], ["socketsJoin", "club"])
    await cluster.quiet()
    for n in range(5):
        await emitter.do(["emit", "n", n, {"text": "日本 🦊", "none": None}])
    await emitter.do(["emit", "bin", BYTES, {"deep": [BYTES]}])
    await emitter.do(["to", "club"], ["emit", "one room", BYTES])
    await emitter.do(["to", ["club", "other"]], ["emit", "two rooms"])
    await emitter.do(["in", "club"], ["except", "other"], ["emit", "without b"])
    await emitter.do(["except", ["other"]], ["emit", "all without b"])
    await emitter.do(["to", on_b.sid], ["emit", "b"])
    await emitter.do(["compress", False], ["emit", "last"])
    binary = b"\x01\x02\x03"
    everybody = [("n", n, {"text": "日本 🦊", "none": None}) for n in range(5)]
    everybody += [("bin", binary, {"deep": [binary]}), ("one room", binary), ("two rooms",)]
    await on_a.until(*everybody, ("without b",), ("all without b",), ("last",))
    await on_b.until(*everybody, ("b",), ("last",))
    # Alone, for what is volatile is dropped where something is being written.
    await cluster.quiet()
    await emitter.do(["volatile"], ["emit", "volatile"])
    await cluster.until_all(("volatile",))


@each
@pytest.mark.scenario("emitter: sockets_join, sockets_leave, disconnect_sockets")
async def test_an_emitter_moves_clients_and_lets_them_go(cluster: Cluster, emitter: Any):
    await emitter.do(["socketsJoin", ["x", "y"]])
    await emitter.do(["in", cluster.on_a.sid], ["socketsLeave", "y"])
    await cluster.quiet()  # a room that is new to a server may have to be subscribed to
    await emitter.do(["to", "x"], ["emit", "x"])
    await emitter.do(["to", "y"], ["emit", "y"])
    await cluster.on_a.until(("x",))
    await cluster.on_b.until(("x",), ("y",))
    await emitter.do(["in", "y"], ["disconnectSockets", True])
    async with asyncio.timeout(20):
        await cluster.on_b.gone.wait()
    await emitter.do(["disconnectSockets"])
    async with asyncio.timeout(20):
        await cluster.on_a.gone.wait()


@each
@pytest.mark.scenario("emitter: server_side_emit")
async def test_an_emitter_tells_servers(cluster: Cluster, emitter: Any):
    await emitter.do(["serverSideEmit", "from server", "x", {"n": 1}])
    await emitter.do(["of", "/chat"], ["serverSideEmit", "from server", "in chat"])
    await emitter.do(["emit", "behind"])
    await cluster.until_all(("behind",))
    for server in cluster.servers:
        heard: list[Any] = []
        async with asyncio.timeout(20):
            while len(heard) < 2:
                heard += await server.call("heard")
        assert heard == [["x", {"n": 1}], ["in chat"]]


@each
@pytest.mark.scenario("emitter: another namespace")
async def test_an_emitter_s_namespaces_are_apart(cluster: Cluster, emitter: Any):
    chatting = [await Client("/chat").connect(server) for server in cluster.servers]
    cluster.clients.extend(chatting)
    await cluster.quiet("/chat")
    await emitter.do(["of", "chat"], ["emit", "all"])
    await emitter.do(["of", "/chat"], ["to", chatting[1].sid], ["emit", "b", BYTES])
    await emitter.do(["emit", "root"])
    await cluster.on_a.until(("root",))
    await cluster.on_b.until(("root",))
    await chatting[0].until(("all",))
    await chatting[1].until(("all",), ("b", b"\x01\x02\x03"))


@pytest.mark.parametrize(("kind", "emitter"), [("classic", LEGACY)], indirect=True)
@pytest.mark.scenario("broadcast, rooms, binary and another namespace by socket.io-emitter 3.2")
async def test_the_oldest_emitter_is_understood(cluster: Cluster, emitter: Any):
    await cluster.a.do(["in", cluster.on_b.sid], ["socketsJoin", ["club", "other"]])
    await cluster.a.do(["in", cluster.on_a.sid], ["socketsJoin", "club"])
    chatting = [await Client("/chat").connect(server) for server in cluster.servers]
    cluster.clients.extend(chatting)
    await cluster.quiet()
    await cluster.quiet("/chat")
    await emitter.do(["emit", "all", BYTES, {"none": None}])
    await emitter.do(["to", "club"], ["emit", "club"])
    await emitter.do(["to", "other"], ["in", "none"], ["emit", "b"])
    await emitter.do(["of", "/chat"], ["emit", "chat"])
    everybody = [("all", b"\x01\x02\x03", {"none": None}), ("club",)]
    await cluster.on_a.until(*everybody)
    await cluster.on_b.until(*everybody, ("b",))
    for client in chatting:
        await client.until(("chat",))


# Entries of @socket.io/redis-streams-emitter 0.1.1, which npm does not have: the fields as its source writes them.
ENTRIES = [
    ("3", '{"packet":{"type":2,"data":["all",1]},"opts":{"rooms":[],"except":[],"flags":{}}}'),
    # ["bin", <01 02>]
    ("3", "gqZwYWNrZXSCpHR5cGUCpGRhdGGSo2JpbsQCAQKkb3B0c4Olcm9vbXOQpmV4Y2VwdJClZmxhZ3OA"),
    ("4", '{"opts":{"rooms":[],"except":[],"flags":{}},"rooms":["club"]}'),
    ("3", '{"packet":{"type":2,"data":["club"]},"opts":{"rooms":["club"],"except":[],"flags":{}}}'),
    ("9", '{"packet":["from server","x"]}'),
    ("5", '{"opts":{"rooms":[],"except":[],"flags":{}},"rooms":["club"]}'),
    ("3", '{"packet":{"type":2,"data":["lost"]},"opts":{"rooms":["club"],"except":[],"flags":{}}}'),
    ("6", '{"opts":{"rooms":[],"except":[],"flags":{}},"close":true}'),
]


@pytest.mark.parametrize("kind", ["streams"], indirect=True)
@pytest.mark.scenario("all of these by the entries of Node's streams emitter")
async def test_the_streams_emitter_s_entries_are_understood(cluster: Cluster, redis: Redis):
    async with AsyncRedis.from_url(redis.url) as client:
        for kind, data in ENTRIES:
            fields = {"uid": "emitter", "nsp": "/", "type": kind, "data": data}
            await client.xadd("socket.io", fields, maxlen=10_000, approximate=True)
    async with asyncio.timeout(20):
        for one in cluster.clients:
            await one.gone.wait()
    assert cluster.take() == [[("all", 1), ("bin", b"\x01\x02"), ("club",)]] * 2
    assert [await server.call("heard") for server in cluster.servers] == [[["x"]]] * 2

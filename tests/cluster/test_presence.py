"""Presence over a real Redis, with servers of Node in the cluster, which are not disturbed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

import fastsio
from fastsio.adapters import RedisAdapter, RedisStreamsAdapter, ShardedRedisAdapter
from fastsio.testing import TestServer
from harness import until

from .conftest import Client
from .servers import Redis, Server, node

pytestmark = pytest.mark.asyncio(loop_factories=["uvloop"])
ADAPTERS = {
    "classic": RedisAdapter,
    "sharded": ShardedRedisAdapter,
    "streams": RedisStreamsAdapter,
}


class Mixed:
    """Two servers of fastsio with presence, one without, and one of Node."""

    def __init__(self, kind: str, url: str) -> None:
        make = ADAPTERS[kind]
        self.ios = [fastsio.IO(adapter=make(url), presence=True) for _ in "ab"]
        self.without = fastsio.IO(adapter=make(url))
        self.servers = [TestServer(io) for io in (*self.ios, self.without)]
        self.node: Server = node(kind, url)
        self.on_node = Client()

    async def start(self) -> Mixed:
        await asyncio.to_thread(self.node.start)
        for server, io in zip(self.servers, (*self.ios, self.without), strict=True):
            await server.__aenter__()
            await io.bus.ready()
        await self.on_node.connect(self.node)
        return self

    async def close(self) -> None:
        await self.on_node.io.disconnect()
        for server in reversed(self.servers):
            await server.close()
        await asyncio.to_thread(self.node.stop)

    async def knows(self, io: Any, count: int) -> None:
        """Wait until a server knows of so many clients of the other."""
        presence = io.hub.cluster.presence
        await until(
            lambda: sum(len(one) for one in presence.elsewhere("/", None)) == count, "known"
        )


@pytest_asyncio.fixture(params=ADAPTERS)
async def mixed(request: pytest.FixtureRequest, redis: Redis) -> AsyncIterator[Mixed]:
    mixed = await Mixed(request.param, redis.url).start()
    yield mixed
    await mixed.close()


async def test_servers_with_presence_know_each_other_and_nodes_do_not_notice(mixed: Mixed):
    clients = [await server.connect() for server in mixed.servers for _ in "12"]
    mixed.ios[0].local.sockets_join(["here", 7])
    mixed.ios[1].local.sockets_join("there")
    for io in mixed.ios:
        await mixed.knows(io, 2)
        presence = io.hub.cluster.presence
        await until(lambda presence=presence: len(presence.rooms_elsewhere("/")) > 0, "rooms too")
    for io in mixed.ios:
        assert await io.count() == 4  # neither Node's nor the other's
        assert await io.members() == {client.sid for client in clients[:4]}
        assert await io.count("there") == 2
        assert await io.rooms() == {"here", "there", 7}
    # All five are asked by the others, and Node waits for nobody in vain.
    everybody = {client.sid for client in clients} | {mixed.on_node.sid}
    assert {one["id"] for one in await mixed.node.call("fetch")} == everybody
    assert {one.id for one in await mixed.ios[0].fetch_sockets()} == everybody
    assert await mixed.ios[0].bus.server_count() == 4
    await mixed.node.do(["emit", "from node"])
    for client in clients:
        await client.expect("from node", timeout=5)
    mixed.ios[0].emit("to all", 1)
    await mixed.on_node.until(("from node",), ("to all", 1))
    await clients[0].disconnect()
    await mixed.knows(mixed.ios[1], 1)
    assert await mixed.ios[1].members("here") == {clients[1].sid}


@pytest.mark.fault(
    "something that is no message is written to presence's channel",
    "it is logged, and presence goes on",
)
async def test_garbage_on_the_channel_of_presence_is_logged(mixed: Mixed, caplog):
    bus = mixed.ios[0].hub.cluster.bus
    command = bus.publish_command
    for garbage in (b"", b"{", b"\xc1", b"\x92\x01\x02", b"\x92\xa1x\x80"):
        await bus._link.client.execute_command(command, bus._presence_channel(), garbage)
    await mixed.servers[1].connect()
    await mixed.knows(mixed.ios[0], 1)
    assert "no message of a server, on socket.io-presence#" in caplog.text
    assert "PRESENCE of server x" in caplog.text


@pytest.mark.fault(
    "servers of Node get a message of a kind that they do not know, on their own channels",
    "they do nothing, and serve on",
)
async def test_a_kind_that_node_does_not_know_does_nothing_there(mixed: Mixed):
    bus = mixed.ios[0].hub.cluster.bus
    client, uid = bus._link.client, "f" * 16
    unknown = {"type": 100, "uid": uid, "nsp": "/", "data": {"what": "beat"}}
    text = json.dumps(unknown)
    if isinstance(bus, RedisAdapter):
        await client.publish(
            "socket.io-request#/#", json.dumps({"uid": "ffffff", "type": 100, "requestId": "x"})
        )
    elif isinstance(bus, ShardedRedisAdapter):
        await client.execute_command("SPUBLISH", "socket.io#/#", text)
    else:
        import msgspec

        await client.publish("socket.io#/#", msgspec.msgpack.encode(unknown))
        await client.xadd(
            "socket.io", {"uid": uid, "nsp": "/", "type": "100", "n": "7", "data": text}
        )
    assert {one["id"] for one in await mixed.node.call("fetch")} == {mixed.on_node.sid}
    await mixed.node.do(["emit", "still"])
    await mixed.on_node.until(("still",))


async def test_a_server_that_begins_waits_until_it_knows_the_others(redis: Redis):
    one, other = [
        fastsio.IO(adapter=RedisAdapter(redis.url, key="begin"), presence=True) for _ in "ab"
    ]
    async with TestServer(one) as server:
        await one.bus.ready()
        for _ in range(5):
            await server.connect()
        async with TestServer(other):
            await other.bus.ready()
            assert await other.count() == 5


async def test_messages_of_presence_are_not_counted_as_lost(redis: Redis):
    io = fastsio.IO(adapter=RedisAdapter(redis.url, key="uncounted", max_waiting=1), presence=True)
    async with TestServer(io) as server:
        await io.bus.ready()
        io.hub.cluster.presence.servers["f" * 16] = None  # type: ignore[assignment]
        for _ in range(50):
            io.hub.cluster.presence._say("beat", {})
        assert io.bus.lost == 0
        del io.hub.cluster.presence.servers["f" * 16]
        await server.connect()

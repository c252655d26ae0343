"""ShardedRedisAdapter on a real Redis cluster: its channels are where their slots are, also when these move."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

import fastsio
from fastsio.adapters import ShardedRedisAdapter
from fastsio.testing import TestServer
from harness import until

from .conftest import Client
from .redis_nodes import MASTERS, RedisNodes, eventually
from .servers import Redis, node, ours

pytestmark = [pytest.mark.asyncio(loop_factories=["uvloop"]), pytest.mark.timeout(120)]
ALL = "socket.io#/#"


@pytest_asyncio.fixture
async def nodes() -> AsyncIterator[RedisNodes]:
    nodes = RedisNodes(ALL)
    try:
        yield await nodes.start()
    finally:
        await nodes.close()


class Pair:
    """Two servers in this process, each with a client."""

    def __init__(self, url: str) -> None:
        self.ios = [fastsio.IO(adapter=ShardedRedisAdapter(url), presence=True) for _ in "ab"]
        self.a, self.b = self.ios
        self.servers = [TestServer(io) for io in self.ios]

    async def start(self) -> Pair:
        for server, io in zip(self.servers, self.ios, strict=True):
            await server.__aenter__()
            await io.hub.cluster.ready()
        self.clients = [await server.connect() for server in self.servers]
        return self

    async def state(self, is_up: bool) -> None:
        what = f"is_up is {is_up}"
        await until(lambda: all(io.hub.cluster.is_up is is_up for io in self.ios), what, 30)

    async def reaches(self, room: str | None) -> None:
        """Until what a sends comes to b's client."""
        for _ in range(600):
            (self.a if room is None else self.a.to(room)).emit("try")
            await asyncio.sleep(0.05)
            if "try" in [one.name for one in await self.clients[1].received()]:
                return
        raise AssertionError(f"nothing comes to {room!r}")

    async def all_come(self, room: str | None, count: int = 20) -> None:
        """What a sends to a room, or to everybody, comes to b's client, in order."""
        for n in range(count):
            (self.a if room is None else self.a.to(room)).emit("n", n)
        for n in range(count):
            assert (await self.clients[1].expect("n", timeout=10)).args == (n,)

    async def close(self) -> None:
        for server in reversed(self.servers):
            await server.close()


@pytest_asyncio.fixture
async def pair(nodes: RedisNodes) -> AsyncIterator[Pair]:
    pair = Pair(nodes.url)
    try:
        yield await pair.start()
    finally:
        await pair.close()


async def test_servers_of_node_and_of_fastsio_on_a_redis_cluster(nodes: RedisNodes):
    servers = [make("sharded", nodes.url) for make in (ours, node, ours)]
    for one in servers:
        await asyncio.to_thread(one.start)
    clients = [await Client().connect(one) for one in servers]
    rooms = [nodes.channel_at(number, f"{ALL}{{}}#") for number in range(MASTERS)]
    try:
        for server, client in zip(servers, clients, strict=True):
            await server.do(["in", client.sid], ["socketsJoin", rooms])
        for number, server in enumerate(servers):
            await eventually(
                lambda server=server: server.call("fetch", rooms[0]),
                lambda found: len(found) == len(servers),
            )
            for room in rooms:
                await server.do(["to", room], ["emit", "room", number, room])
            await server.do(["emit", "all", number])
            for client in clients:
                await server.do(["to", client.sid], ["emit", "you", number])
        wanted = sorted(
            (event, number, *more)
            for number in range(len(servers))
            for event, *more in (("all",), ("you",), *(("room", room) for room in rooms))
        )
        for client in clients:
            async with asyncio.timeout(20):
                while len(client.got) < len(wanted):
                    await client.came(1)
            assert sorted(client.got) == wanted
        for client in clients:
            client.answer = client.sid
        for server in servers:
            answers = await server.do(["timeout", 5000], ["emitWithAck", "question"])
            assert sorted(answers) == sorted(one.sid for one in clients)
    finally:
        for client in clients:
            await client.io.disconnect()
        for one in servers:
            await asyncio.to_thread(one.stop)


@pytest.mark.fault(
    "a master of a Redis cluster is killed (ShardedRedisAdapter)",
    "what has channels at others goes on; the rest follows to the replica that takes its place, and what was lost is "
    "counted",
)
async def test_channels_follow_a_failover(nodes: RedisNodes, pair: Pair, caplog: Any):
    caplog.set_level(logging.INFO, "fastsio.adapters")
    elsewhere = nodes.channel_at((nodes.owner(ALL) + 1) % MASTERS, f"{ALL}{{}}#")
    pair.b.sockets_join(elsewhere)
    for room in (None, elsewhere):
        await pair.reaches(room)
    await asyncio.to_thread(nodes.kill_watched)
    await pair.state(False)
    await pair.all_come(elsewhere)
    pair.a.emit("lost")
    await until(lambda: pair.a.bus.lost > 0, "it is counted", 20)
    await pair.state(True)
    await pair.reaches(None)
    await pair.all_come(None)
    await pair.all_come(elsewhere)
    assert len(await pair.a.fetch_sockets()) == 2
    await eventually(pair.a.count, lambda count: count == 2)
    assert [one.name for one in await pair.clients[1].received()].count("lost") == 0
    assert "the adapter is down" in caplog.text and "the adapter is up" in caplog.text


@pytest.mark.fault(
    "a slot of a Redis cluster is moved to another master, under way (ShardedRedisAdapter)",
    "the channels in it are subscribed to there, and no others are concerned",
)
async def test_channels_follow_their_slots(nodes: RedisNodes, pair: Pair):
    room = nodes.channel_at(0, f"{ALL}{{}}#")
    pair.b.sockets_join(room)
    await pair.reaches(room)
    await nodes.move(f"{ALL}{room}#")
    await pair.reaches(room)
    await pair.all_come(room)
    await pair.all_come(None)


@pytest.mark.fault(
    "a Redis that is no cluster is named as one, or none of the nodes is there",
    "the server serves its own clients, and the log says why it has no others",
)
async def test_a_redis_that_is_no_cluster_is_said_to_be_none(redis: Redis, caplog: Any):
    url = f"redis+cluster://127.0.0.1:1,127.0.0.1:{redis.port}"
    io = fastsio.IO(adapter=ShardedRedisAdapter(url))
    async with TestServer(io) as server:
        client = await server.connect()
        io.emit("alone")
        await client.expect("alone")
        await until(lambda: "cluster support disabled" in caplog.text, "it is said", 20)
        assert not io.bus.is_up

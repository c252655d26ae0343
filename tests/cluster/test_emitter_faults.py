"""An emitter whose Redis goes away, and comes back; and one on a Redis cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
import redis

import fastsio
from fastsio.adapters import RedisAdapter, ShardedRedisAdapter
from fastsio.testing import TestServer
from harness import until

from .servers import Redis, free_port

pytestmark = pytest.mark.asyncio(loop_factories=["uvloop"])


@pytest.fixture
def mortal() -> Iterator[Redis]:
    redis = Redis()
    redis.start()
    yield redis
    redis.close()


@pytest.mark.fault(
    "Redis is away when an Emitter sends",
    "emit() raises redis.ConnectionError at once, and nothing is sent later; the next one connects again",
)
async def test_an_emitter_raises_while_redis_is_away(mortal: Redis):
    io = fastsio.IO(adapter=RedisAdapter(mortal.url))
    async with TestServer(io) as server:
        await io.hub.cluster.ready()
        client = await server.connect()
        emitter = fastsio.Emitter(mortal.url)
        emitter.emit("n", 0)
        mortal.stop(kill=True)
        await until(lambda: not io.hub.cluster.is_up, "the server has noticed", 30)
        for n in (1, 2):
            with pytest.raises(redis.ConnectionError):
                emitter.emit("n", n)
        mortal.start()
        await until(lambda: io.hub.cluster.is_up, "the server has its subscription again", 30)
        emitter.emit("n", 3)
        assert [(await client.expect("n", timeout=10)).args[0] for _ in "03"] == [0, 3]
        emitter.close()


@pytest.mark.fault(
    "Redis is away when an AsyncEmitter sends",
    "each awaited emit() raises redis.ConnectionError; those that follow connect again, in their order",
)
async def test_an_async_emitter_raises_while_redis_is_away(mortal: Redis):
    io = fastsio.IO(adapter=RedisAdapter(mortal.url))
    async with TestServer(io) as server, fastsio.AsyncEmitter(mortal.url) as emitter:
        await io.hub.cluster.ready()
        client = await server.connect()
        await asyncio.gather(*(emitter.emit("n", n) for n in range(100)))
        mortal.stop(kill=True)
        await until(lambda: not io.hub.cluster.is_up, "the server has noticed", 30)
        lost = await asyncio.gather(
            *(emitter.emit("n", n) for n in range(100, 103)), return_exceptions=True
        )
        assert [type(error) for error in lost] == [redis.ConnectionError] * 3
        mortal.start()
        await until(lambda: io.hub.cluster.is_up, "the server has its subscription again", 30)
        await asyncio.gather(*(emitter.emit("n", n) for n in range(103, 200)))
        got = [(await client.expect("n", timeout=10)).args[0] for _ in range(197)]
        assert got == [*range(100), *range(103, 200)]


async def test_what_redis_refuses_is_that_emits_error_alone(mortal: Redis):
    client = redis.asyncio.Redis.from_url(mortal.url)
    await client.set("socket.io", "no stream")
    emitter = fastsio.AsyncEmitter(client, adapter="streams")
    refused, sent = emitter.emit("x"), emitter.server_side_emit("y")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        await refused
    await sent
    await client.aclose()


async def test_sharded_emitters_take_clients_of_a_redis_cluster():
    server = Redis("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    server.start()
    try:
        with redis.Redis(port=server.port) as one:
            one.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            await until(lambda: one.cluster("INFO")["cluster_state"] == "ok", "it is one cluster")
        io = fastsio.IO(adapter=ShardedRedisAdapter(server.url))
        async with TestServer(io) as app:
            await io.hub.cluster.ready()
            client = await app.connect()
            with redis.RedisCluster("127.0.0.1", server.port) as nodes:
                emitter = fastsio.Emitter(nodes, adapter="sharded")
                emitter.emit("n", 0)
                emitter.to(client.sid).emit("n", 1)
            async with redis.asyncio.RedisCluster("127.0.0.1", server.port) as nodes:
                later = fastsio.AsyncEmitter(nodes, adapter="sharded")
                await asyncio.gather(*(later.emit("n", n) for n in range(2, 50)))
            got = [(await client.expect("n", timeout=10)).args[0] for _ in range(50)]
            assert got == list(range(50))
    finally:
        server.close()

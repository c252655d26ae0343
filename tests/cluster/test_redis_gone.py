"""Redis dies and comes back: the adapters of fastsio are there again, and say what was lost."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import pytest_asyncio

import fastsio
from fastsio.adapters import RedisAdapter, RedisStreamsAdapter, ShardedRedisAdapter
from fastsio.testing import TestServer
from harness import until

from .servers import Redis

pytestmark = pytest.mark.asyncio(loop_factories=["uvloop"])
ADAPTERS = {
    "classic": RedisAdapter,
    "sharded": ShardedRedisAdapter,
    "streams": RedisStreamsAdapter,
}


@pytest.fixture
def mortal() -> Iterator[Redis]:
    redis = Redis()
    redis.start()
    yield redis
    redis.close()


class Pair:
    """Two servers in this process, each with a client."""

    def __init__(self, make: Callable[[str], Any], url: str) -> None:
        self.ios = [fastsio.IO(adapter=make(url)) for _ in "ab"]
        self.a, self.b = self.ios
        self.servers = [TestServer(io) for io in self.ios]

    async def start(self) -> None:
        for server, io in zip(self.servers, self.ios, strict=True):
            await server.__aenter__()
            await io.hub.cluster.ready()
        self.clients = [await server.connect() for server in self.servers]

    async def state(self, is_up: bool) -> None:
        what = f"is_up is {is_up}"
        await until(lambda: all(io.hub.cluster.is_up is is_up for io in self.ios), what, 30)

    async def close(self) -> None:
        for server in reversed(self.servers):
            await server.close()


@pytest_asyncio.fixture(params=ADAPTERS)
async def pair(request: pytest.FixtureRequest, mortal: Redis) -> AsyncIterator[Pair]:
    pair = Pair(ADAPTERS[request.param], mortal.url)
    await pair.start()
    yield pair
    await pair.close()


@pytest.mark.fault(
    "Redis is killed and started again",
    "servers serve their own clients, connect again, and broadcasts span them as before",
)
async def test_servers_find_each_other_again(pair: Pair, mortal: Redis, caplog):
    caplog.set_level(logging.INFO, "fastsio.adapters")
    mortal.stop(kill=True)
    await pair.state(False)
    pair.a.emit("alone")
    assert (await pair.clients[0].expect("alone")).args == ()
    mortal.start()
    await pair.state(True)
    await until(lambda: not pair.a.hub.cluster.bus.is_behind, "all is sent")
    pair.a.emit("together", 1)
    assert (await pair.clients[1].expect("together", timeout=10)).args == (1,)
    assert len(await pair.b.fetch_sockets()) == 2
    assert "the adapter is down" in caplog.text and "the adapter is up" in caplog.text


@pytest.mark.fault(
    "Redis is away while a server publishes, with pub/sub",
    "what was published meanwhile is lost to the others, counted and logged",
)
@pytest.mark.parametrize("pair", ["classic", "sharded"], indirect=True)
async def test_what_pub_sub_has_lost_is_counted(pair: Pair, mortal: Redis, caplog):
    mortal.stop(kill=True)
    await pair.state(False)
    for n in range(7):
        pair.a.emit("n", n)
    await until(lambda: pair.a.hub.cluster.bus.lost == 7, "seven are lost")
    mortal.start()
    await pair.state(True)
    pair.a.emit("n", 7)
    assert (await pair.clients[1].expect("n", timeout=10)).args == (7,)
    assert "are lost" in caplog.text


@pytest.mark.fault(
    "Redis is away while a server publishes, with streams",
    "what was published meanwhile comes when it is back, in order",
)
@pytest.mark.parametrize("pair", ["streams"], indirect=True)
async def test_streams_lose_nothing(pair: Pair, mortal: Redis):
    mortal.stop(kill=True)
    await pair.state(False)
    for n in range(200):
        pair.a.emit("n", n)
        await asyncio.sleep(0)
    mortal.start()
    await pair.state(True)
    got = [(await pair.clients[1].expect("n", timeout=10)).args[0] for _ in range(200)]
    assert got == list(range(200))
    assert pair.a.hub.cluster.bus.lost == 0


@pytest.mark.fault(
    "Redis cannot be reached when a server starts",
    "it serves its own clients, and joins the others when Redis is there",
)
@pytest.mark.parametrize("make", ADAPTERS.values(), ids=ADAPTERS)
async def test_a_server_starts_without_redis(make, mortal: Redis):
    mortal.stop()
    io = fastsio.IO(adapter=make(mortal.url))
    async with TestServer(io) as server:
        client = await server.connect()
        io.emit("alone")
        await client.expect("alone")
        mortal.start()
        await io.hub.cluster.ready()
        assert io.hub.cluster.is_up


@pytest.mark.fault(
    "something that is no message is written to the adapters' channels",
    "it is logged, and the subscription goes on",
)
@pytest.mark.parametrize("pair", ["classic", "sharded"], indirect=True)
@pytest.mark.parametrize(
    "garbage", [b"", b"{", b"\xc1", b"[]", b'{"type":99}', b"\x93\x01\x02\x03"]
)
async def test_garbage_is_logged_and_left(pair: Pair, mortal: Redis, garbage: bytes, caplog):
    link = pair.a.hub.cluster.bus._link
    publish = "SPUBLISH" if isinstance(pair.a.hub.cluster.bus, ShardedRedisAdapter) else "PUBLISH"
    await link.client.execute_command(publish, "socket.io#/#", garbage)
    await link.client.execute_command(publish, "socket.io-request#/#", garbage)
    pair.a.emit("still")
    await pair.clients[1].expect("still", timeout=10)
    assert "no message of a server" in caplog.text


async def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "redis", None)
    monkeypatch.setitem(__import__("sys").modules, "redis.asyncio", None)
    with pytest.raises(ImportError, match=r"fastsio\[redis\]"):
        RedisAdapter()


async def test_a_mode_that_there_is_not_is_refused():
    with pytest.raises(ValueError, match="subscription_mode='dynamik'"):
        ShardedRedisAdapter(subscription_mode="dynamik")

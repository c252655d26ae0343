"""The bus is watched over: whatever becomes of its connections, it notices in bounded time, says so, and comes back."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import pytest_asyncio

import fastsio
from fastsio.adapters import RedisAdapter, RedisStreamsAdapter, ShardedRedisAdapter
from fastsio.core.errors import PartialAnswersError
from fastsio.testing import TestServer
from harness import http, until

from .cutting_proxy import CuttingProxy
from .servers import Redis

pytestmark = pytest.mark.asyncio(loop_factories=["uvloop"])
ADAPTERS = {
    "classic": RedisAdapter,
    "sharded": ShardedRedisAdapter,
    "streams": RedisStreamsAdapter,
}
SILENCE_S = 0.6


@pytest.fixture(scope="module")
def other_redis() -> Iterator[Redis]:
    redis = Redis()
    redis.start()
    yield redis
    redis.close()


@pytest.fixture
def mortal() -> Iterator[Redis]:
    redis = Redis()
    redis.start()
    yield redis
    redis.close()


class Pair:
    """Servers a and b, each with a client; a reaches Redis through a proxy, b straight. `told`: a's events."""

    def __init__(
        self, make: Callable[..., Any], proxy: CuttingProxy, url: str, **options: Any
    ) -> None:
        self.proxy = proxy
        options = {"silence_timeout": SILENCE_S, "request_timeout": 0.5, **options}
        self.a = fastsio.IO(adapter=make(proxy.url, **options))
        self.b = fastsio.IO(adapter=make(url, **options))
        self.servers = [TestServer(self.a), TestServer(self.b)]
        self.told: list[tuple[str, int, float]] = []
        self.a.on("bus_up", lambda lost, seconds: self.told.append(("up", lost, seconds)))
        self.a.on("bus_down", lambda lost, seconds: self.told.append(("down", lost, seconds)))

    async def start(self) -> Pair:
        for server, io in zip(self.servers, (self.a, self.b), strict=True):
            await server.__aenter__()
            await io.bus.ready()
        self.on_a, self.on_b = [await server.connect() for server in self.servers]
        self.told.clear()
        return self

    async def close(self) -> None:
        for server in reversed(self.servers):
            await server.close()

    async def state(self, is_up: bool, seconds: float = 10) -> None:
        await until(lambda: self.a.bus.is_up is is_up, f"is_up is {is_up}", seconds)

    async def sent(self) -> None:
        await until(lambda: not self.a.bus.is_behind, "all is sent", 10)

    async def both_ways(self) -> None:
        """Messages come and go."""
        await self.state(True)
        await self.sent()
        for sender, client, name in ((self.a, self.on_b, "from a"), (self.b, self.on_a, "from b")):
            # Said again where it does not come: the other may not have been back yet.
            for _ in range(20):
                sender.emit(name)
                with contextlib.suppress(AssertionError):
                    await client.expect(name, timeout=0.5)
                    break
            else:
                raise AssertionError(f"no {name!r} comes")


@pytest_asyncio.fixture
async def proxy(redis: Redis) -> AsyncIterator[CuttingProxy]:
    async with CuttingProxy(redis.port) as proxy:
        yield proxy


@pytest_asyncio.fixture(params=ADAPTERS)
async def pair(
    request: pytest.FixtureRequest, redis: Redis, proxy: CuttingProxy
) -> AsyncIterator[Pair]:
    pair = await Pair(ADAPTERS[request.param], proxy, redis.url).start()
    yield pair
    await pair.close()


@pytest.mark.fault(
    "Redis closes a server's subscription (CLIENT KILL TYPE pubsub)",
    "it subscribes again at once; bus_down and bus_up are called",
)
async def test_a_killed_subscription_comes_back(pair: Pair):
    await pair.a.hub.cluster.bus._link.client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    await until(lambda: len(pair.told) >= 2, "both are told")
    assert [what for what, _, _ in pair.told] == ["down", "up"]
    assert 0 < pair.told[1][2] < 5
    await until(lambda: pair.b.bus.is_up, "b is back too")
    await pair.both_ways()


@pytest.mark.parametrize("directions", [{"up"}, {"down"}, {"up", "down"}], ids="-".join)
@pytest.mark.fault(
    "packets between a server and Redis vanish, in one direction or both, and nobody is told",
    "the silent connections are given up within silence_timeout; afterwards all is as before",
)
async def test_a_silent_connection_is_noticed(pair: Pair, directions: set[str]):
    loop = asyncio.get_running_loop()
    pair.proxy.swallows = set(directions)
    begun = loop.time()
    pair.a.emit("on its way")
    await pair.state(False)
    assert loop.time() - begun < 1.5 * SILENCE_S + 1
    assert pair.a.bus.down_s >= 0
    pair.proxy.swallows = set()
    pair.proxy.cut()
    await pair.both_ways()
    assert [what for what, _, _ in pair.told] == ["down", "up"]


@pytest.mark.fault(
    "Redis stops (SIGSTOP) and goes on, longer than silence_timeout",
    "the bus is down meanwhile and up afterwards; publishing does not block",
)
@pytest.mark.parametrize("make", [RedisAdapter, RedisStreamsAdapter])
async def test_a_redis_that_stands_still_is_noticed(make: Any, mortal: Redis):
    async with CuttingProxy(mortal.port) as proxy:
        pair = await Pair(make, proxy, mortal.url).start()
        assert mortal._process is not None
        os.kill(mortal._process.pid, signal.SIGSTOP)
        try:
            pair.a.emit("into the void")
            await pair.state(False)
        finally:
            os.kill(mortal._process.pid, signal.SIGCONT)
        await until(lambda: pair.b.bus.is_up, "b is back", 10)
        await pair.both_ways()
        await pair.close()


@pytest.mark.fault(
    "Redis takes no commands for longer than silence_timeout (CLIENT PAUSE)",
    "the bus is down meanwhile and up afterwards",
)
@pytest.mark.parametrize("pair", ["sharded"], indirect=True)
async def test_a_paused_redis_is_noticed(pair: Pair):
    link = pair.a.hub.cluster.bus._link
    await link.client.execute_command("CLIENT", "PAUSE", round(3000 * SILENCE_S), "ALL")
    await pair.state(False)
    await until(lambda: pair.b.bus.is_up, "b is back", 10)
    await pair.both_ways()


@pytest.mark.fault(
    "a proxy goes on with another Redis on connections that live: the subscription is gone, and pings are answered",
    "Redis is asked for the server's own channel, and it subscribes again",
)
async def test_a_deaf_subscription_whose_pings_are_answered_is_noticed(
    pair: Pair, other_redis: Redis
):
    old = pair.proxy.redis_port
    await pair.proxy.move(other_redis.port)
    await until(lambda: "down" in [what for what, _, _ in pair.told], "it is noticed", 10)
    await pair.state(True)
    assert await pair.a.bus.server_count() == 1
    await pair.proxy.move(old)
    await until(lambda: [what for what, _, _ in pair.told].count("down") == 2, "again", 10)
    await pair.both_ways()
    assert await pair.a.bus.server_count() == 2


@pytest.mark.fault(
    "Redis fails over to another one, which is empty",
    "servers go on with that: nothing is delivered twice, and nothing hangs",
)
async def test_failover_to_an_empty_redis(pair: Pair, other_redis: Redis):
    for n in range(20):
        pair.b.emit("n", n)
    got = [(await pair.on_a.expect("n", timeout=5)).args[0] for _ in range(20)]
    assert got == list(range(20))
    pair.proxy.redis_port = other_redis.port
    pair.proxy.cut()
    third = fastsio.IO(adapter=type(pair.a.hub.cluster.bus)(other_redis.url))
    async with TestServer(third):
        await third.bus.ready()
        await until(lambda: [what for what, _, _ in pair.told] == ["down", "up"], "a is back", 10)
        third.emit("there", 1)
        event = await pair.on_a.expect("there", timeout=5)
        assert event.args == (1,)
        assert await pair.on_a.received() == []  # none of the twenty again


@pytest.mark.fault(
    "a stream's entries were added, and the connection broke before Redis could say so",
    "they are looked for in the stream and not added again: each comes once",
)
async def test_streams_deliver_once_what_was_in_doubt(redis: Redis, proxy: CuttingProxy):
    pair = await Pair(RedisStreamsAdapter, proxy, redis.url).start()
    await pair.both_ways()  # a connection is there: only answers are swallowed
    pair.proxy.swallows = {"down"}
    for n in range(50):
        pair.a.emit("n", n)
    got = [(await pair.on_b.expect("n", timeout=5)).args[0] for _ in range(1)]
    await pair.state(False)
    for n in range(50, 80):
        pair.a.emit("n", n)
    pair.proxy.swallows = set()
    pair.proxy.cut()
    got += [(await pair.on_b.expect("n", timeout=5)).args[0] for _ in range(79)]
    assert got == list(range(80))
    await pair.both_ways()
    assert [event for event in await pair.on_b.received() if event.name == "n"] == []
    assert pair.a.bus.lost == 0
    await pair.close()


@pytest.mark.fault(
    "a server is cut off from a stream while others publish",
    "it gets all of it when it is back, in order and once, and says how much that was",
)
async def test_streams_replay_what_was_missed(redis: Redis, proxy: CuttingProxy):
    pair = await Pair(RedisStreamsAdapter, proxy, redis.url).start()
    pair.proxy.swallows = {"up", "down"}
    await pair.state(False)
    for n in range(300):
        pair.b.emit("n", n)
    pair.proxy.swallows = set()
    pair.proxy.cut()
    got = [(await pair.on_a.expect("n", timeout=10)).args[0] for _ in range(300)]
    assert got == list(range(300))
    assert pair.a.bus.replayed == 300
    assert pair.a.bus.gaps == 0
    await pair.close()


@pytest.mark.fault(
    "a server is cut off for so long that the stream has lost its oldest entries",
    "it goes on with those that are left, logs it and counts a gap",
)
async def test_a_stream_that_was_trimmed_is_a_gap(redis: Redis, proxy: CuttingProxy, caplog):
    pair = await Pair(RedisStreamsAdapter, proxy, redis.url).start()
    pair.proxy.swallows = {"up", "down"}
    await pair.state(False)
    for n in range(30):
        pair.b.emit("n", n)
    await until(lambda: not pair.b.bus.is_behind, "all is sent")
    await pair.b.hub.cluster.bus._link.client.xtrim("socket.io", maxlen=10, approximate=False)
    pair.proxy.swallows = set()
    pair.proxy.cut()
    got = [(await pair.on_a.expect("n", timeout=10)).args[0] for _ in range(10)]
    assert got == list(range(20, 30))
    assert pair.a.bus.gaps == 1
    assert "what was between is lost" in caplog.text
    await pair.close()


@pytest.mark.fault(
    "Redis fails over to a replica that lacks a stream's last entries",
    "servers go on behind its end: what they have read does not come again",
)
async def test_a_stream_that_ends_before_our_place_is_not_read_again(
    redis: Redis, proxy: CuttingProxy, other_redis: Redis, caplog
):
    await asyncio.to_thread(copy_stream, redis, other_redis)
    pair = await Pair(RedisStreamsAdapter, proxy, redis.url).start()
    for n in range(10):
        pair.b.emit("n", n)
        await pair.on_a.expect("n", timeout=5)
    await asyncio.to_thread(copy_stream, redis, other_redis, 5)
    pair.proxy.redis_port = other_redis.port
    pair.proxy.cut()
    await until(lambda: pair.a.bus.gaps == 1, "it is noticed", 10)
    assert "going on behind its end" in caplog.text
    third = fastsio.IO(adapter=RedisStreamsAdapter(other_redis.url))
    async with TestServer(third):
        await third.bus.ready()
        third.emit("n", 10)
        assert (await pair.on_a.expect("n", timeout=5)).args == (10,)
    assert await pair.on_a.received() == []
    await pair.close()


def copy_stream(source: Redis, target: Redis, but: int = 0) -> None:
    """The stream as a replica has it that lags `but` entries behind."""
    import redis as redis_py

    one, other = redis_py.Redis.from_url(source.url), redis_py.Redis.from_url(target.url)
    other.delete("socket.io")
    entries = one.xrange("socket.io")
    for position, fields in entries[: len(entries) - but]:
        other.xadd("socket.io", fields, id=position)
    one.close()
    other.close()


@pytest.mark.fault(
    "more waits for a Redis that is away than max_waiting or max_waiting_bytes allow",
    "what is over that is lost, counted and logged; the rest comes when it is back",
)
@pytest.mark.parametrize(
    "bound", [{"max_waiting": 10}, {"max_waiting_bytes": 10 * 1400}], ids=["count", "bytes"]
)
async def test_what_waits_is_bounded(
    redis: Redis, proxy: CuttingProxy, bound: dict[str, int], caplog
):
    pair = await Pair(RedisStreamsAdapter, proxy, redis.url, **bound).start()
    proxy.swallows = {"up", "down"}
    await pair.state(False)
    for n in range(25):
        pair.a.emit("n", n, "x" * 1000)
    bus = pair.a.bus
    assert 9 <= bus.waiting <= 11
    assert bus.waiting_bytes < 11 * 1400
    assert bus.lost == 25 - bus.waiting
    assert "too much waits for Redis" in caplog.text
    left = bus.waiting
    proxy.swallows = set()
    proxy.cut()
    got = [(await pair.on_b.expect("n", timeout=10)).args[0] for _ in range(left)]
    assert got == list(range(left))
    await pair.sent()
    assert (bus.waiting, bus.waiting_bytes) == (0, 0)
    await pair.close()


@pytest.mark.fault(
    "Redis has no memory left for the stream (OOM)",
    "what it refuses is lost, counted and logged; later messages go through",
)
async def test_what_redis_refuses_is_counted(mortal: Redis, caplog):
    async with CuttingProxy(mortal.port) as proxy:
        pair = await Pair(RedisStreamsAdapter, proxy, mortal.url).start()
        client = pair.b.hub.cluster.bus._link.client
        await client.config_set("maxmemory", "1")
        pair.a.emit("refused")
        await until(lambda: pair.a.bus.lost == 1, "it is counted")
        assert "refuses a message" in caplog.text
        await client.config_set("maxmemory", "0")
        await pair.both_ways()
        await pair.close()


@pytest.mark.fault(
    "Redis has become a replica, which can only be read (READONLY)",
    "what is for the stream waits until there is one that takes it",
)
async def test_what_a_replica_refuses_waits(mortal: Redis, other_redis: Redis):
    async with CuttingProxy(mortal.port) as proxy:
        pair = await Pair(RedisStreamsAdapter, proxy, mortal.url).start()
        client = pair.b.hub.cluster.bus._link.client
        await client.execute_command("REPLICAOF", "127.0.0.1", other_redis.port)
        pair.a.emit("n", 1)
        await asyncio.sleep(0.3)
        assert (pair.a.bus.waiting, pair.a.bus.lost) == (1, 0)
        await client.execute_command("REPLICAOF", "NO", "ONE")
        assert (await pair.on_b.expect("n", timeout=10)).args == (1,)
        assert pair.a.bus.lost == 0
        await pair.close()


@pytest.mark.fault(
    "taking a message fails in a way that nobody has thought of",
    "it is logged, and the subscription goes on",
)
async def test_a_failure_with_one_message_does_not_end_the_subscription(pair: Pair, caplog):
    link = pair.a.hub.cluster.bus._link
    take = link.on_message

    def fails(channel: bytes, data: bytes) -> None:
        link.on_message = take
        raise ZeroDivisionError("a mistake")

    link.on_message = fails
    await link.client.execute_command(
        "SPUBLISH" if isinstance(pair.a.hub.cluster.bus, ShardedRedisAdapter) else "PUBLISH",
        link.own_channel, b"x",
    )  # fmt: skip
    await until(lambda: "could not be taken" in caplog.text, "it is logged")
    await pair.both_ways()
    assert pair.told == []


@pytest.mark.fault(
    "a server asks others while it can't reach Redis, which would say how many there are",
    "it gets the answers of its own clients: at once without a time limit, else when that is over",
)
async def test_questions_end_without_redis(pair: Pair):
    pair.on_a.on("question", lambda: "here")
    pair.on_b.on("question", lambda: "there")
    assert sorted(await pair.a.timeout(5).emit_with_ack("question")) == ["here", "there"]
    pair.proxy.swallows = {"up", "down"}
    async with asyncio.timeout(5):
        assert await pair.a.emit_with_ack("question") == ["here"]
        with pytest.raises(PartialAnswersError) as caught:
            await pair.a.fetch_sockets()
        assert [one.id for one in caught.value.responses] == [pair.on_a.sid]
        with pytest.raises(PartialAnswersError) as caught:
            await pair.a.server_side_emit_with_ack("anything")
        assert caught.value.responses == []
    assert pair.a.hub.cluster.requests == {}


async def test_tcp_gives_up_a_silent_redis(pair: Pair):
    link = pair.a.hub.cluster.bus._link
    found = link._wire._transport.get_extra_info("socket")
    assert found.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    milliseconds = found.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
    assert milliseconds == SILENCE_S * 1000
    assert found.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 1


@pytest.mark.parametrize("name", ["silence_timeout", "max_waiting", "max_waiting_bytes"])
@pytest.mark.parametrize("value", [0, -1, "5", True, float("inf"), None])
async def test_bounds_that_can_not_be_are_refused(name: str, value: Any):
    with pytest.raises(ValueError, match=f"{name}={value!r}"):
        RedisAdapter(**{name: value})


async def test_an_option_that_there_is_not_is_refused_at_once():
    with pytest.raises(TypeError, match="silent_timeout"):
        RedisAdapter(silent_timeout=5)


@pytest.mark.fault(
    "the bus is down, and a load balancer asks for the server's health",
    "/healthz/bus says so with 503; /healthz itself only after health_bus seconds, if that is given",
)
async def test_the_health_page_knows_the_bus(redis: Redis, proxy: CuttingProxy):
    io = fastsio.IO(adapter=RedisAdapter(proxy.url, silence_timeout=SILENCE_S))
    running = await fastsio.start(io, port=0, health="/healthz", health_bus=0.2)
    await io.bus.ready()
    answer = await http(running.url, "GET", "/healthz/bus")
    assert (answer.status, answer.body) == (200, b"up: 0 lost, 0 waiting, 0 replayed")
    assert (await http(running.url, "GET", "/healthz")).body == b"live"
    proxy.swallows = {"up", "down"}
    await until(lambda: not io.bus.is_up, "it is down")
    assert (await http(running.url, "GET", "/healthz")).body == b"live"
    answer = await http(running.url, "GET", "/healthz/bus")
    assert answer.status == 503
    assert answer.body.startswith(b"down for 0.")
    await until(lambda: io.bus.down_s > 0.2, "some time has passed")
    answer = await http(running.url, "GET", "/healthz")
    assert (answer.status, answer.body) == (503, b"bus down")
    assert (await http(running.url, "GET", "/healthz/live")).body == b"live"
    proxy.swallows = set()
    await until(lambda: io.bus.is_up, "it is up", 10)
    assert (await http(running.url, "GET", "/healthz")).body == b"live"
    await running.close()

"""What concerns only other servers: namespaces that are not here, and data that can't be told to them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

import fastsio
from fastsio.adapters import RedisAdapter, RedisStreamsAdapter, ShardedRedisAdapter
from fastsio.testing import TestServer

from .servers import Redis

ADAPTERS = {
    "classic": RedisAdapter,
    "sharded": ShardedRedisAdapter,
    "streams": RedisStreamsAdapter,
}
pytestmark = pytest.mark.asyncio(loop_factories=["uvloop"])

Start = Callable[[Any], Any]


@pytest.fixture(params=ADAPTERS)
def adapter(request: pytest.FixtureRequest, redis: Redis) -> Callable[[], Any]:
    return lambda: ADAPTERS[request.param](redis.url)


@pytest_asyncio.fixture
async def start() -> AsyncIterator[Start]:
    servers: list[TestServer] = []

    async def start(app: Any) -> TestServer:
        server = TestServer(app)
        await server.__aenter__()
        servers.append(server)
        await app.hub.cluster.ready()
        return server

    yield start
    for server in reversed(servers):
        await server.close()


async def test_an_emit_to_a_namespace_that_is_only_elsewhere(adapter, start: Start):
    sio, io = fastsio.AsyncServer(adapter=adapter()), fastsio.IO(adapter=adapter())
    io.of("/only-there")
    await start(sio)
    there = await start(io)
    client = await there.connect(namespace="/only-there")
    await sio.emit("x", {"n": 1}, namespace="/only-there")
    await sio.emit("y", b"\x01", to=client.sid, namespace="/only-there")
    await sio.emit("z", skip_sid=client.sid, namespace="/only-there")
    await sio.emit("last", namespace="/only-there")
    got = [await client.expect(name, timeout=10) for name in ("x", "y", "last")]
    assert [event.args for event in got] == [({"n": 1},), (b"\x01",), ()]


@pytest.mark.fault(
    "socket.data holds what JSON can't, and another server asks for clients",
    "it gets what can be told; the log names the rest",
)
async def test_data_that_can_t_be_told_is_left_out(adapter, start: Start, caplog):
    a, b = (fastsio.IO(adapter=adapter()) for _ in "ab")
    await start(a)
    there = await start(b)

    @b.on("connection")
    def connection(socket):
        socket.data = {"name": "b", "lock": object(), "seen": {1}, 7: "seven"}

    client = await there.connect()
    [found] = await a.fetch_sockets()
    assert (found.id, found.data["name"]) == (client.sid, "b")
    assert "lock" not in found.data and "seen" not in found.data
    assert "socket.data: lock, seen" in caplog.text.replace(", 7", "").replace("7, ", "")

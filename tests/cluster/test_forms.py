"""Servers whose packets have another form than JSON, or that write JSON in another way, are joined all the same."""

from __future__ import annotations

import json as stdlib_json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

import fastsio
from fastsio.adapters import RedisAdapter, RedisStreamsAdapter, ShardedRedisAdapter
from fastsio.testing import TestClient, TestServer

from .servers import Redis

pytestmark = pytest.mark.asyncio(loop_factories=["uvloop"])
ADAPTERS = {
    "classic": RedisAdapter,
    "sharded": ShardedRedisAdapter,
    "streams": RedisStreamsAdapter,
}
FORMS: dict[str, dict[str, Any]] = {
    "JSON": {},
    "json=": {"json": stdlib_json},
    "msgpack": {"serializer": "msgpack"},
}
SENT: list[tuple[Any, ...]] = [
    ("nothing",),
    ("values", None, True, -1, 0.5, "é€😀", [1, [2]], {"a": {"b": None}}),
    ("bytes", b"\x00\xff", {"in": b"1"}),
    ("again", "x" * 5000),
]


@pytest.fixture(params=ADAPTERS)
def make(request: pytest.FixtureRequest, redis: Redis) -> Any:
    return lambda: ADAPTERS[request.param](redis.url)


@pytest_asyncio.fixture(params=FORMS)
async def pair(
    make: Any, request: pytest.FixtureRequest
) -> AsyncIterator[tuple[list[fastsio.IO], TestClient]]:
    """Two servers, the second with a client."""
    ios = [fastsio.IO(adapter=make(), **FORMS[request.param]) for _ in "ab"]
    async with TestServer(ios[0]), TestServer(ios[1]) as server:
        for io in ios:
            await io.hub.cluster.ready()
        yield ios, await server.connect()


async def test_broadcasts_reach_the_clients_of_other_servers(pair):
    (a, _), client = pair
    for event, *args in SENT:
        a.emit(event, *args)
    for event, *args in SENT:
        assert (await client.expect(event, timeout=10)).args == tuple(args)


async def test_what_servers_ask_each_other_is_answered(pair):
    (a, b), client = pair
    b.on("question", lambda n: {"answer": [n, client.sid]})
    assert await a.server_side_emit_with_ack("question", 7) == [{"answer": [7, client.sid]}]
    [found] = await a.fetch_sockets()
    assert found.id == client.sid
    client.on("ask", lambda n: n + 1)
    assert await a.timeout(10).emit_with_ack("ask", 1) == [2]


@pytest.mark.parametrize("make", ["sharded", "streams"], indirect=True)
async def test_keys_that_are_numbers_and_large_integers_span_servers(make):
    """orjson refuses them; packets have them, and so must have what servers tell each other in JSON."""
    ios = [fastsio.IO(adapter=make()) for _ in "ab"]
    async with TestServer(ios[0]), TestServer(ios[1]) as server:
        for io in ios:
            await io.hub.cluster.ready()
        client = await server.connect()
        ios[0].emit("large", {1: 2**70})
        assert (await client.expect("large", timeout=10)).args == ({"1": 2**70},)

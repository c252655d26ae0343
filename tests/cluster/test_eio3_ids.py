"""Clients of Socket.IO 2 in a cluster on sharded pub/sub: what is sent to one of them by its id reaches it.

In a named namespace its id is "/chat#" and the session's id. Node's adapter takes ids for such by their length, 20, so
it publishes to a channel for that "room", to which it does not subscribe.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
import redis.asyncio

from .servers import HERE, Redis, Server, node, ours

pytestmark = pytest.mark.asyncio(loop_factories=["uvloop"])
MAKERS = {"node": node, "ours": ours}
PREFIXES = {"sharded": "socket.io", "sharded private": "private", "sharded static": "static"}


class Stage:
    """A client of Socket.IO 2 at `owner`, and another server, `sender`."""

    def __init__(self, url: str, prefix: str, name: str) -> None:
        self._redis = redis.asyncio.Redis.from_url(url)
        self._prefix = prefix
        self.name = name
        self.processes: list[Server] = []

    async def start(self, owner: Server, sender: Server) -> Stage:
        self.owner, self.sender = owner, sender
        self.processes = [await asyncio.to_thread(one.start) for one in (owner, sender)]
        script = str(HERE / "eio3_client.js")
        self.client = Server(["node", script, owner.url, self.name])
        self.processes.insert(0, await asyncio.to_thread(self.client.start))
        self.id = await self.client.call("id")
        await self._listened_to(f"{self._prefix}#{self.name}#", 2)
        return self

    async def _listened_to(self, channel: str, count: int) -> None:
        """Until so many connections listen to a channel."""
        async with asyncio.timeout(20):
            while True:
                [_, found] = await self._redis.execute_command("PUBSUB", "SHARDNUMSUB", channel)
                if found == count:
                    return
                await asyncio.sleep(0.01)

    async def own_channel(self) -> None:
        """Until the owner listens to the channel for its client alone."""
        await self._listened_to(f"{self._prefix}#{self.name}#{self.id}#", 1)

    async def got(self) -> list[Any]:
        """What the client has got when what was sent before must have come: a mark to all is behind it."""
        await self.sender.do(["of", self.name], ["emit", "mark"])
        found: list[Any] = []
        async with asyncio.timeout(20):
            while ["mark"] not in found:
                found += await self.client.call("got")
        # Another channel has no order with this one: once more, by the owner's own way.
        await self.owner.do(["of", self.name], ["local"], ["emit", "mark"])
        async with asyncio.timeout(20):
            while found.count(["mark"]) < 2:
                found += await self.client.call("got")
        return [one for one in found if one != ["mark"]]

    async def close(self) -> None:
        for one in self.processes:
            await asyncio.to_thread(one.stop)
        await self._redis.aclose()


@pytest_asyncio.fixture
async def stage(redis: Redis, request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    kind, owner, sender, name = request.param
    stage = Stage(redis.url, PREFIXES[kind], name)
    try:
        yield await stage.start(MAKERS[owner](kind, redis.url), MAKERS[sender](kind, redis.url))
    finally:
        await stage.close()


CASES = [
    ("sharded", "ours", "node", "/chat"),
    ("sharded", "node", "ours", "/chat"),
    ("sharded", "ours", "ours", "/chat"),
    ("sharded private", "ours", "node", "/chat"),
    ("sharded private", "node", "ours", "/chat"),
    ("sharded static", "ours", "node", "/chat"),
]


@pytest.mark.parametrize("stage", CASES, indirect=True, ids=["-".join(case) for case in CASES])
async def test_a_client_of_socket_io_2_is_reached_by_its_id_in_a_named_namespace(
    stage: Stage, request: pytest.FixtureRequest
):
    kind, owner, _, name = request.node.callspec.params["stage"]
    assert stage.id.startswith(f"{name}#")
    if (kind, owner) in (("sharded", "ours"), ("sharded private", "ours")):
        await stage.own_channel()
    for n in range(3):
        await stage.sender.do(["of", name], ["to", stage.id], ["emit", "you", n])
    found: list[Any] = []
    async with asyncio.timeout(20):  # on a channel of its own, which has no order with others
        while len(found) < 3:
            found += await stage.got()
    assert found == [["you", 0], ["you", 1], ["you", 2]]
    assert await stage.got() == [], "once is enough"


@pytest.mark.parametrize("stage", [("sharded", "node", "node", "/chat")], indirect=True)
async def test_between_servers_of_node_it_is_not_reached_in_the_default_mode(stage: Stage):
    """What docs/cluster.md says of it: should Node's adapter change, it may be said no longer."""
    await stage.sender.do(["of", "/chat"], ["to", stage.id], ["emit", "you"])
    assert await stage.got() == []
    await stage.owner.do(["of", "/chat"], ["to", stage.id], ["emit", "you"])
    assert await stage.got() == [["you"]]


@pytest.mark.parametrize("stage", [("sharded", "ours", "node", "/chat")], indirect=True)
async def test_the_channel_of_a_client_goes_with_it(stage: Stage):
    await stage.own_channel()
    await stage.client.call("close")
    await stage._listened_to(f"socket.io#/chat#{stage.id}#", 0)


# --- ids of other lengths in "/", where an id is the session's -----------------------------------


@pytest.mark.parametrize("sender", ["node", "ours"])
async def test_it_is_reached_in_the_main_namespace_too_where_requests_are_forwarded(
    redis: Redis, sender: str
):
    owner = Server([sys.executable, str(HERE / "forwarding_server.py"), "sharded", redis.url, "0"])
    stage = Stage(redis.url, "socket.io", "/")
    try:
        await stage.start(owner, MAKERS[sender]("sharded", redis.url))
        assert len(stage.id) == 29  # with the server's name at the end
        await stage.own_channel()
        await stage.sender.do(["of", "/"], ["to", stage.id], ["emit", "you"])
        found: list[Any] = []
        async with asyncio.timeout(20):
            while not found:
                await stage.sender.do(["of", "/"], ["emit", "mark"])
                found = [one for one in await stage.client.call("got") if one != ["mark"]]
        assert found == [["you"]]
    finally:
        await stage.close()

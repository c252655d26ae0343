"""Official clients that lose a server and come back to another, of Node or of fastsio: nothing is lost or doubled.

Each pair of makers is one column. Servers of Node save a session when its connection ends, so that clients of one that
is killed are somebody new; there the connections are cut. Those of fastsio are killed.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import redis.asyncio

from .servers import HERE, Redis, Server
from .switch import Switch

pytestmark = pytest.mark.asyncio(loop_factories=["uvloop"])
COUNT = 10


def node(url: str) -> Server:
    return Server(["node", str(HERE / "recovery_server.js"), url])


def ours(url: str) -> Server:
    return Server([sys.executable, str(HERE / "recovery_server.py"), url, "io"])


def aio(url: str) -> Server:
    return Server([sys.executable, str(HERE / "recovery_server.py"), url, "aio"])


MAKERS = {"node": node, "ours": ours, "aio": aio}


class Stage:
    """Two servers behind one address, the official clients there, and somebody else who writes to the stream."""

    def __init__(self, url: str, switch: Switch, servers: list[Server], clients: Server) -> None:
        self.switch = switch
        self.a, self.b = servers
        self.clients = clients
        self._redis = redis.asyncio.Redis.from_url(url)
        self.sent = 0

    async def emit(self, count: int, server: Server | None = None) -> None:
        """Send the next numbers: to everybody, to the room, and to both with a room in which nobody is."""
        for _ in range(count):
            rooms = [[], ["room"], ["nobody", "room"]][self.sent % 3]
            if server is not None:
                await server.call("emit", rooms, "n", self.sent)
            else:
                packet = {"type": 2, "data": ["n", self.sent], "nsp": "/"}
                opts = {"rooms": rooms, "except": [], "flags": {}}
                data = json.dumps({"packet": packet, "opts": opts})
                await self._redis.xadd(
                    "socket.io", {"uid": "emitter", "nsp": "/", "type": "3", "data": data}
                )
            self.sent += 1

    async def report(self, ready: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
        """What the clients say when all of them are ready."""
        async with asyncio.timeout(30):
            while True:
                report: list[dict[str, Any]] = await self.clients.call("report")
                if all(ready(one) for one in report):
                    return report
                await asyncio.sleep(0.02)

    async def close(self) -> None:
        await self._redis.aclose()
        for process in (self.clients, self.a, self.b):
            await asyncio.to_thread(process.stop)


async def make_stage(redis_url: str, pair: str, switch: Switch) -> Stage:
    servers = [MAKERS[name](redis_url).start() for name in pair.split("-")]
    switch.target = servers[0].port
    url = f"http://127.0.0.1:{switch.port}"
    clients = Server(["node", str(HERE / "recovery_clients.js"), url, str(COUNT)]).start()
    stage = Stage(redis_url, switch, servers, clients)
    await stage.report(lambda one: bool(one["connects"]))
    # A server of Node listens before it reads the stream: what comes before that is lost.
    while not all(one["got"] for one in await clients.call("report")):
        await stage.emit(1)
        await asyncio.sleep(0.1)
    return stage


@pytest.fixture
async def stage(redis: Redis, request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    async with Switch() as switch:
        stage = await make_stage(redis.url, request.param, switch)
        yield stage
        await stage.close()


def check(report: list[dict[str, Any]], sent: int) -> None:
    """Each has the same id as before, and all numbers from its first on, once and in order."""
    for one in report:
        first = one["got"][0]
        assert one["got"] == list(range(first, sent)), one["name"]
        ids = [connect["id"] for connect in one["connects"]]
        assert len(ids) == 2 and ids[0] == ids[1], one["connects"]
        assert [connect["recovered"] for connect in one["connects"]] == [False, True]


@pytest.mark.fault(
    "a server is killed with official clients on it, and events go on (Redis streams, recovery)",
    "they are themselves on another server, of fastsio or of Node, and no event is lost or doubled",
)
@pytest.mark.parametrize("stage", ["ours-ours", "ours-aio", "aio-node"], indirect=True)
async def test_clients_of_a_killed_server_are_themselves_on_another(stage: Stage, request):
    goes_on = "node" not in request.node.callspec.params["stage"]
    await stage.emit(30)
    await stage.emit(30, stage.a)
    before = await stage.a.call("here")
    await asyncio.sleep(0.6)  # what handlers have done to data is saved after half a second
    sending = asyncio.create_task(stage.emit(400 if goes_on else 20))
    stage.switch.target = stage.b.port
    await asyncio.to_thread(stage.a.kill)
    if not goes_on:  # a server of Node may lose or double what comes while it restores a session
        await sending
    await stage.report(lambda one: len(one["connects"]) == 2 and one["connected"])
    await sending
    await stage.emit(30, stage.b)
    check(
        await stage.report(lambda one: one["got"] and one["got"][-1] == stage.sent - 1), stage.sent
    )
    after = await stage.b.call("here")
    assert all(one["recovered"] for one in after)
    assert known(after) == known(before)


def known(here: list[dict[str, Any]]) -> list[tuple[str, Any, list[str]]]:
    return sorted((one["id"], one["data"]["name"], one["rooms"]) for one in here)


@pytest.mark.fault(
    "the connections to one server are cut, with official clients on them (Redis streams, recovery)",
    "they come back to another server, from Node to fastsio and back, and no event is lost or doubled",
)
@pytest.mark.parametrize(
    "stage", ["node-ours", "node-aio", "ours-node", "node-node"], indirect=True
)
async def test_clients_that_are_cut_off_come_back_to_another_server(stage: Stage):
    await stage.emit(30)
    # A server of Node gives its clients its own messages before others' that it has not read yet.
    await stage.report(lambda one: one["got"][-1] == stage.sent - 1)
    await stage.emit(10, stage.a)
    await stage.report(lambda one: one["got"] and one["got"][-1] == stage.sent - 1)
    before = await stage.a.call("here")
    stage.switch.target = 1  # nobody is there
    stage.switch.cut()
    await stage.report(lambda one: not one["connected"])
    await stage.emit(50)
    for _ in range(1000):
        if not await stage.a.call("here"):
            break
        await asyncio.sleep(0.02)
    else:
        raise AssertionError("the server has not seen its clients go")
    stage.switch.target = stage.b.port
    await stage.report(lambda one: len(one["connects"]) == 2 and one["connected"])
    await stage.emit(20)
    check(await stage.report(lambda one: one["got"][-1] == stage.sent - 1), stage.sent)
    after = await stage.b.call("here")
    assert all(one["recovered"] for one in after) and known(after) == known(before)

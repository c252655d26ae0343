"""Servers behind nginx without stickiness, each request to the next one: official clients that poll notice nothing."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from .round_robin import INSTALLED, RoundRobin, round_robin
from .servers import HERE, Redis, Server, free_port

pytestmark = [
    pytest.mark.asyncio(loop_factories=["uvloop"]),
    pytest.mark.skipif(not INSTALLED, reason="nginx is not installed"),
]
CLIENTS = 20
ROUNDS = 10


def server(kind: str, redis: Redis) -> Server:
    """`kind`: of the adapter; with "+" behind it the server advertises its address."""
    port = free_port() if kind.endswith("+") else 0
    command = [str(HERE / "forwarding_server.py"), kind.rstrip("+"), redis.url, str(port)]
    return Server([sys.executable, *command]).start()


class Stage:
    def __init__(self, servers: list[Server], balancer: RoundRobin) -> None:
        self.servers = servers
        self.balancer = balancer
        self.clients: Server | None = None

    def start_clients(self, transports: str, count: int = CLIENTS) -> Server:
        script = str(HERE / "forwarding_clients.js")
        self.clients = Server(["node", script, self.balancer.url, str(count), transports]).start()
        return self.clients

    async def report(self, ready: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
        assert self.clients is not None
        report: list[dict[str, Any]] = []
        for _ in range(1500):
            report = await self.clients.call("report")
            if all(ready(one) for one in report):
                return report
            await asyncio.sleep(0.02)
        raise AssertionError(report)

    async def all_have_left(self) -> None:
        """Every connect has its disconnect, and nothing is held any more."""
        assert self.clients is not None
        await self.clients.call("close")
        for one in self.servers:
            for _ in range(500):
                counts = await one.call("counts")
                left = {name: counts[name] for name in ("here", "passed", "held", "relays")}
                if not any(left.values()):
                    break
                await asyncio.sleep(0.02)
            assert counts.get("connect", 0) == counts.get("disconnect", 0), counts
            assert not any(left.values()), counts


@pytest.fixture
def stage(redis: Redis, request: pytest.FixtureRequest) -> Iterator[Stage]:
    servers = [server(request.param, redis) for _ in range(3)]
    with round_robin([one.port for one in servers]) as balancer:
        stage = Stage(servers, balancer)
        yield stage
        if stage.clients is not None:
            stage.clients.stop()
    for one in servers:
        one.stop()


@pytest.mark.parametrize("stage", ["sharded", "streams"], indirect=True)
async def test_clients_that_poll_need_no_sticky_sessions(stage: Stage):
    clients = stage.start_clients("polling")
    await clients.call("work", ROUNDS)
    report = await stage.report(lambda one: len(one["said"]) == CLIENTS)
    for one in report:
        assert (one["connects"], one["disconnects"], one["errors"]) == (1, [], [])
        assert (one["answers"], one["wrong"]) == (ROUNDS, 0)
        assert sorted(one["said"]) == list(range(CLIENTS))
    counts = [await one.call("counts") for one in stage.servers]
    assert sum(one.get("connect", 0) for one in counts) == CLIENTS
    await stage.all_have_left()
    answers = stage.balancer.answers()
    assert {status for status, _, _ in answers} == {"200"}, answers
    reached = Counter(len(servers) for servers in stage.balancer.servers_of_sessions().values())
    assert reached[3] > CLIENTS / 2, "the requests of sessions went to all servers"


@pytest.mark.parametrize("stage", ["classic"], indirect=True)
async def test_an_upgrade_at_the_wrong_server_is_refused_and_the_client_polls_on(stage: Stage):
    clients = stage.start_clients("polling,websocket")
    await clients.call("work", ROUNDS)
    report = await stage.report(lambda one: len(one["said"]) == CLIENTS)
    for one in report:
        assert (one["connects"], one["disconnects"], one["errors"]) == (1, [], [])
        assert (one["answers"], one["wrong"]) == (ROUNDS, 0)
        assert (one["transport"] == "polling") == bool(one["upgradeErrors"])
    transports = Counter(one["transport"] for one in report)
    assert transports["polling"] and transports["polling"] + transports["websocket"] == CLIENTS
    answers = stage.balancer.answers()
    assert {key for key in answers if key[0] != "200"} <= {
        ("400", "GET", "websocket"), ("101", "GET", "websocket"), ("499", "GET", "polling")
    }, answers  # fmt: skip
    await stage.all_have_left()


@pytest.mark.parametrize("stage", ["classic+"], indirect=True)
async def test_an_upgrade_at_the_wrong_server_is_led_to_the_right_one_where_that_advertises(
    stage: Stage,
):
    clients = stage.start_clients("polling,websocket")
    await stage.report(lambda one: one["transport"] == "websocket")
    await clients.call("work", ROUNDS)
    report = await stage.report(lambda one: len(one["said"]) == CLIENTS)
    for one in report:
        assert (one["connects"], one["disconnects"], one["errors"]) == (1, [], [])
        assert (one["answers"], one["wrong"], one["upgradeErrors"]) == (ROUNDS, 0, 0)
    counts = [await one.call("counts") for one in stage.servers]
    assert sum(one["relays"] for one in counts) > CLIENTS / 3
    await stage.all_have_left()
    assert {key for key in stage.balancer.answers() if key[0] != "200"} <= {
        ("101", "GET", "websocket"), ("499", "GET", "polling")
    }  # fmt: skip


@pytest.mark.fault(
    "a server is killed whose clients poll through others (forward=True)",
    "they are told at once that their session is not known, and connect to the others",
)
@pytest.mark.parametrize("stage", ["classic"], indirect=True)
async def test_clients_of_a_killed_server_connect_to_the_others(stage: Stage):
    clients = stage.start_clients("polling")
    await clients.call("work", 2)
    before = await stage.report(lambda one: len(one["said"]) == CLIENTS)
    killed, *others = stage.servers
    names = [await one.call("name") for one in stage.servers]
    loop = asyncio.get_running_loop()
    at = loop.time()
    await asyncio.to_thread(killed.kill)
    stage.servers = others
    after = await stage.report(lambda one: one["connected"] and not one["id"].endswith(names[0]))
    assert loop.time() - at < 10
    for old, new in zip(before, after, strict=True):
        # Others had a request on its way through that server, and connect anew too.
        assert new["connects"] - 1 == len(new["disconnects"]) <= 2, new
        assert new["disconnects"] or not old["id"].endswith(names[0])
    await clients.call("work", 2)
    await stage.all_have_left()

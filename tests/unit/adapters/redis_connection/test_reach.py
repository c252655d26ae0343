"""Reach: after an outage messages count as lost until the servers are back that were there before."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from fastsio.adapters.redis_connection import reach as reach_module
from fastsio.adapters.redis_connection.ending import end
from fastsio.adapters.redis_connection.reach import Reach
from harness import until


class Servers:
    """How many other servers there are, as Redis would say; None: it is away."""

    def __init__(self) -> None:
        self.there: int | None = 2
        self.asked = 0
        self.reach = Reach(self.count, (OSError,))

    async def count(self) -> int:
        self.asked += 1
        await asyncio.sleep(0)
        if self.there is None:
            raise ConnectionError("away")
        return self.there

    async def asked_again(self, times: int = 3) -> None:
        goal = self.asked + times
        await until(lambda: self.asked >= goal, "it is asked")


@pytest_asyncio.fixture
async def servers(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Servers]:
    monkeypatch.setattr(reach_module, "CALM_S", 0.01)
    monkeypatch.setattr(reach_module, "SHORT_S", 0.01)
    servers = Servers()
    watching = asyncio.create_task(servers.reach.watch())
    await servers.asked_again()
    yield servers
    await end([watching])
    assert watching.done()


@pytest.mark.fault(
    "Redis was away, and a server publishes before the others are back",
    "what it publishes counts as lost until all are there again, or 30 seconds have passed",
)
async def test_it_is_short_until_all_are_back(servers):
    reach = servers.reach
    assert not reach.is_short
    servers.there = None
    reach.changed(False)
    assert reach.is_short
    await servers.asked_again()
    servers.there = 1
    reach.changed(True)
    await servers.asked_again()
    assert reach.is_short
    servers.there = 2
    await until(lambda: not reach.is_short, "all are back")


async def test_who_leaves_without_an_outage_is_not_missed(servers):
    servers.there = 1
    await servers.asked_again()
    assert not servers.reach.is_short
    servers.reach.changed(False)
    servers.reach.changed(True)
    await until(lambda: not servers.reach.is_short, "the one that is left is enough")


async def test_who_does_not_come_back_in_time_has_left(servers, monkeypatch):
    monkeypatch.setattr(reach_module, "GRACE_S", 0.05)
    servers.reach.changed(False)
    servers.there = 0
    await servers.asked_again()
    assert servers.reach.is_short  # however long the outage takes
    servers.reach.changed(True)
    await until(lambda: not servers.reach.is_short, "it has left")


async def test_once_is_not_enough(servers):
    servers.reach.changed(False)
    servers.reach.changed(True)
    servers.reach._take(2)
    servers.reach._take(1)
    servers.reach._take(2)
    assert servers.reach.is_short
    servers.reach._take(2)
    assert not servers.reach.is_short


async def test_a_task_that_swallows_a_cancellation_is_ended_all_the_same(caplog):
    begun = asyncio.Event()

    async def stubborn() -> None:
        for _ in range(2):
            with contextlib.suppress(asyncio.CancelledError):
                begun.set()
                await asyncio.Event().wait()

    task = asyncio.create_task(stubborn())
    await begun.wait()
    await end([task])
    assert task.done()
    assert caplog.text == ""

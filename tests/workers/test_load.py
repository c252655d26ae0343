"""Workers under official clients of several generations; tests/workers_load.py plays it with 2,000."""

from __future__ import annotations

import pytest

import nginx_process
from workers_load import play

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio"])


@pytest.mark.timeout(120)
@pytest.mark.fault(
    "a worker is killed (SIGKILL) under load, official clients of several generations at all of them",
    "its clients are back with their first attempt; of the others at most one whose request it had just accepted",
)
async def test_only_clients_of_a_killed_worker_notice_it() -> None:
    outcome = await play(4, 90, delay_s=0.5, pause_s=0.5)
    assert outcome.problems == [], outcome
    assert outcome.seen["affected"] > 0
    assert outcome.seen["upgrades"] >= 60


@pytest.mark.timeout(120)
@pytest.mark.skipif(nginx_process.PATH is None, reason="nginx is not installed")
@pytest.mark.fault(
    "nginx without sticky sessions before several workers, on connections that all clients share; one is killed",
    "every request reaches the worker that has its session; clients notice no more than without nginx",
)
async def test_nginx_without_sticky_sessions_is_enough() -> None:
    outcome = await play(4, 60, delay_s=0.5, pause_s=0.5, before=nginx_process.nginx_before)
    assert outcome.problems == [], outcome

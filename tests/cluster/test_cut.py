"""Cluster hosts in network namespaces, one cut off and healed under traffic: no duplicates, no ghosts, losses known.

Quick time-outs; `python -m tests.cluster.cut_soak` is the long form with fastsio's own. Needs root and iproute2, or
FASTSIO_NO_NETNS=1 and then nothing of this is tested: network.py says so.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from .cuts import HOSTS, KINDS, CutCluster, Settings

pytestmark = [
    pytest.mark.asyncio(loop_factories=["uvloop"], loop_scope="module"),
    pytest.mark.skipif(
        os.environ.get("FASTSIO_NO_NETNS") == "1", reason="FASTSIO_NO_NETNS=1 says so: not tested"
    ),
]
QUICK = Settings(
    silence_timeout=1.3, request_timeout=0.6, presence_interval=0.2, heartbeat_timeout=0.7,
)  # fmt: skip
# What a busy machine may add to any of these.
SLACK_S = 1.5


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster() -> AsyncIterator[CutCluster]:
    cluster = await CutCluster(QUICK).start()
    yield cluster
    await cluster.close()


def assert_nothing_twice(found: dict[str, dict[str, int]]) -> None:
    for kind, counts in found.items():
        assert counts["sent"] > 0
        assert (kind, counts["doubled"], counts["disordered"]) == (kind, 0, 0)


async def assert_healed(cluster: CutCluster) -> None:
    """Every server knows every client, and nothing else, and asks all of them."""
    await cluster.all_know_all()
    for kind, of in (await cluster.each("fetch")).items():
        for name, found in of.items():
            assert (kind, name, found["ids"], found["is_whole"]) == (
                kind,
                name,
                cluster.sids(kind),
                True,
            )
    for of in (await cluster.each("state")).values():
        assert all(one["rooms"] == ["a", "all", "b", "c"] and one["requests"] == 0 for one in of.values())  # fmt: skip


async def bus(cluster: CutCluster, figure: str) -> dict[tuple[str, str], int]:
    states = await cluster.each("state")
    return {(kind, name): states[kind][name][figure] for kind in KINDS for name in HOSTS}


@pytest.mark.fault(
    "a host is cut off for longer than the heartbeat time-out, and healed, under traffic",
    "nothing comes twice; its clients leave presence within the time-out and come back; streams replay all, "
    "pub/sub counts what it lost; requests end at their deadline with partial answers",
)
async def test_a_long_cut(cluster: CutCluster):
    await cluster.all_know_all()
    lost, replayed = await bus(cluster, "lost"), await bus(cluster, "replayed")
    during: dict[str, Any] = {}

    async def cut() -> None:
        cluster.network.pull("a")
        asked = asyncio.create_task(cluster.each("fetch"))

        def is_alone(states: dict[str, dict[str, Any]]) -> bool:
            return all(
                of["a"]["room"] == cluster.sids(kind, "a")
                and of["b"]["room"] == of["c"]["room"] == cluster.sids(kind, "b", "c")
                for kind, of in states.items()
            )

        during["ghosts_s"] = await cluster.until(is_alone, "no ghosts")
        during["fetched"] = await asked
        await cluster.until(
            lambda states: not any(of["a"]["is_up"] for of in states.values()), "a knows it"
        )
        await asyncio.sleep(QUICK.silence_timeout)  # until commands are given up, too
        cluster.network.plug_in("a")
        await cluster.all_know_all()

    found = await cluster.under_traffic(cut)
    assert_nothing_twice(found)
    assert during["ghosts_s"] < QUICK.heartbeat_timeout + SLACK_S
    for of in during["fetched"].values():
        assert not of["a"]["is_whole"]
        assert all(one["seconds"] < QUICK.request_timeout + SLACK_S for one in of.values())
    assert found["streams"]["lost"] == 0
    now_lost, now_replayed = await bus(cluster, "lost"), await bus(cluster, "replayed")
    assert now_lost["streams", "a"] - lost["streams", "a"] <= 4  # questions, which are not kept
    assert now_replayed["streams", "a"] > replayed["streams", "a"]
    for kind in ("classic", "sharded"):
        # Each message that a's clients sent and the others did not get is among those that a says are lost.
        assert 0 < found[kind]["lost_of_a"] <= now_lost[kind, "a"] - lost[kind, "a"]
        assert found[kind]["lost"] > 0
    await assert_healed(cluster)


@pytest.mark.fault(
    "a host is cut off for less than the time-outs, under traffic",
    "TCP sends again: nothing is lost, and nobody notices",
)
async def test_a_short_cut(cluster: CutCluster):
    await cluster.all_know_all()
    told = await bus(cluster, "told")

    async def cut() -> None:
        cluster.network.pull("b")
        await asyncio.sleep(0.15)
        cluster.network.plug_in("b")
        await asyncio.sleep(0.5)

    found = await cluster.under_traffic(cut)
    assert_nothing_twice(found)
    assert [counts["lost"] for counts in found.values()] == [0, 0, 0], found
    assert await bus(cluster, "told") == told
    await assert_healed(cluster)


@pytest.mark.parametrize("way", ["sends", "is sent"])
@pytest.mark.fault(
    "what a host sends vanishes, or what it is sent, and the other direction works",
    "as with a cut: nothing twice, no ghosts, streams replay, pub/sub counts at least what it lost",
)
async def test_one_way_loss(cluster: CutCluster, way: str):
    await cluster.all_know_all()
    lost = await bus(cluster, "lost")
    network = cluster.network

    async def cut() -> None:
        if way == "sends":
            network.lose_what_it_sends("c", "redis")
        else:
            network.lose_what_it_is_sent("c")
        await cluster.until(
            lambda states: not any(of["c"]["is_up"] for of in states.values()), "c knows it"
        )
        await asyncio.sleep(QUICK.heartbeat_timeout)
        if way == "sends":
            network.send_again("c", "redis")
        else:
            network.receive_again("c")
        await cluster.all_know_all()

    found = await cluster.under_traffic(cut)
    assert_nothing_twice(found)
    assert found["streams"]["lost"] == 0
    now_lost = await bus(cluster, "lost")
    for kind in ("classic", "sharded"):
        assert found[kind]["lost_of_c"] <= now_lost[kind, "c"] - lost[kind, "c"]
    await assert_healed(cluster)


@pytest.mark.fault(
    "Redis is killed and started again, empty, under traffic",
    "nothing comes twice; streams deliver what waited, pub/sub counts it; all know all again",
)
async def test_redis_killed_and_started(cluster: CutCluster):
    await cluster.all_know_all()
    lost = await bus(cluster, "lost")

    async def kill() -> None:
        cluster.redis.kill()
        await cluster.until(
            lambda states: not any(one["is_up"] for of in states.values() for one in of.values()), "all know it"
        )  # fmt: skip
        await asyncio.sleep(0.3)
        cluster.redis.start()
        await cluster.all_know_all()

    found = await cluster.under_traffic(kill)
    assert_nothing_twice(found)
    now_lost = await bus(cluster, "lost")
    for kind in ("classic", "sharded"):
        for name in HOSTS:
            assert 0 < found[kind][f"lost_of_{name}"] <= now_lost[kind, name] - lost[kind, name]
    # What Redis had taken and not yet given away died with it: some messages of each, at the most.
    assert found["streams"]["lost"] <= 3 * 3 * 3
    await assert_healed(cluster)


async def test_no_client_was_disconnected_and_each_that_goes_has_one_reason(cluster: CutCluster):
    await cluster.all_know_all()
    assert all(one.ends == [] for one in cluster.clients)
    gone = [one for one in cluster.clients if one.host == "a"]
    for client in gone:
        await client.io.disconnect()
        cluster.clients.remove(client)
    states = await cluster.each("state")
    for of in states.values():
        for name in HOSTS:
            assert of[name]["connects"] == of[name]["here"] + sum(of[name]["ends"].values())
        assert of["a"]["ends"] == {"client namespace disconnect": 1}
    await cluster.until(
        lambda states: all(one["count"] == 2 for of in states.values() for one in of.values()),
        "two are left",
    )

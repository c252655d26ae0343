"""The long form of test_cut.py: cuts of all kinds and lengths, one after the other, with fastsio's own time-outs.

    python -m cluster.cut_soak --seconds 900        (tests/ and the repository on the path, as root)

Prints a line for each cut and ends with 1 at the first that breaks a promise.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import uvloop

from .cuts import HOSTS, KINDS, CutCluster, Settings

# Seconds: much shorter than the time-outs, about as long, and longer.
LENGTHS = (0.5, 3, 8, 12, 25)
WAYS = ("pulled", "sends nothing", "gets nothing", "redis killed", "redis stopped", "redis pulled")
# After a cut: the last retry of a link, a heartbeat, and what a busy machine needs.
HEALED_S = 40.0


class Soak:
    def __init__(self, cluster: CutCluster, choice: random.Random) -> None:
        self._cluster = cluster
        self._choice = choice
        self.totals: dict[str, dict[str, int]] = {kind: {} for kind in KINDS}

    async def once(self) -> str:
        """One cut of a random kind; what became of it. Raises AssertionError for a broken promise."""
        cluster = self._cluster
        way, seconds = self._choice.choice(WAYS), self._choice.choice(LENGTHS)
        host = self._choice.choice(HOSTS)
        is_of_all = way.startswith("redis")
        before = await cluster.each("state")
        healed: dict[str, float] = {}

        async def cut() -> None:
            undo = self._begin(way, host)
            await asyncio.sleep(seconds)
            undo()
            healed["seconds"] = await cluster.all_know_all(HEALED_S)

        found = await cluster.under_traffic(cut)
        after = await cluster.each("state")
        for kind in KINDS:
            cut_off = [*HOSTS] if is_of_all else [host]
            self._check(kind, found[kind], before[kind], after[kind], cut_off, way)
            for what, count in found[kind].items():
                self.totals[kind][what] = self.totals[kind].get(what, 0) + count
        await self._check_fetch()
        lost = {kind: found[kind]["lost"] for kind in KINDS}
        whom = "" if is_of_all else f" {host}"
        return (
            f"{way}{whom} for {seconds} s: {found['streams']['sent']} sent with each adapter, lost {lost}, healed in "
            f"{healed['seconds']:.1f} s"
        )

    def _begin(self, way: str, host: str) -> Callable[[], Any]:
        """Cut; what heals it."""
        network, redis = self._cluster.network, self._cluster.redis
        if way == "pulled":
            network.pull(host)
            return lambda: network.plug_in(host)
        if way == "sends nothing":
            network.lose_what_it_sends(host, "redis")
            return lambda: network.send_again(host, "redis")
        if way == "gets nothing":
            network.lose_what_it_is_sent(host)
            return lambda: network.receive_again(host)
        if way == "redis pulled":
            network.pull("redis")
            return lambda: network.plug_in("redis")
        if way == "redis stopped":
            redis.stand_still()
            return redis.go_on
        redis.kill()
        return redis.start

    def _check(
        self, kind: str, found: dict[str, int], before: dict[str, Any], after: dict[str, Any], cut: list[str],
        way: str,
    ) -> None:  # fmt: skip
        assert found["doubled"] == found["disordered"] == 0, (kind, found)
        if kind == "streams":
            # What Redis had taken and not given away yet dies with it.
            most = 9 * len(HOSTS) if way == "redis killed" else 0
            assert found["lost"] <= most, found
            return
        if way == "redis pulled":
            return  # Redis takes dead subscriptions for living ones then: what they miss nobody knows
        for name in cut:
            counted = after[name]["lost"] - before[name]["lost"]
            assert found[f"lost_of_{name}"] <= counted, (kind, name, found, counted)

    async def _check_fetch(self) -> None:
        for kind, of in (await self._cluster.each("fetch")).items():
            for name, found in of.items():
                assert found["is_whole"], (kind, name, found)
                assert found["ids"] == self._cluster.sids(kind), (kind, name, found)


async def run(seconds: float, seed: int) -> int:
    choice = random.Random(seed)
    cluster = CutCluster(Settings(), clients=2)
    loop = asyncio.get_running_loop()
    try:
        await cluster.start()
        await cluster.all_know_all()
        await asyncio.sleep(3)  # until each server has counted the others
        soak = Soak(cluster, choice)
        count = 0
        end = loop.time() + seconds
        while loop.time() < end:
            count += 1
            print(f"{count}: {await soak.once()}", flush=True)
        assert all(client.ends == [] for client in cluster.clients), "a client was disconnected"
        print(f"{count} cuts (seed {seed}): {soak.totals}")
    finally:
        await cluster.close()
    return 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=900)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    given = parser.parse_args()
    work: Awaitable[int] = run(given.seconds, given.seed)
    sys.exit(uvloop.run(work))  # type: ignore[arg-type]


if __name__ == "__main__":
    main()

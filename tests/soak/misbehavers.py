"""Connections that misbehave, in a process of their own: `python -m tests.soak.misbehavers URL SEED COUNT`.

Each of COUNT connections goes through one way (ways.py) over and over, once a second at most, and all ways are there
at the same time. Once a second it says how often each way has ended how, and what the server did not do that it must.
`drinkers` in place of SEED: COUNT clients that read what the room "firehose" gets, and are stopped or killed by whoever
started this.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from harness import frame_bytes as frame
from tests.soak.lines import answer_lines, say
from tests.soak.ways import TEXT, Arena, joined, names, play
from tests.soak.ways_in_time import FIREHOSE

EVERY_S = 1.0
SHOWN = 10


class Mob:
    """All that misbehave."""

    def __init__(self, url: str, seed: int, count: int) -> None:
        self._url = url
        self._seed = seed
        self._ways = names()
        self.ended: dict[str, Counter[str]] = defaultdict(Counter)
        self.failures: list[str] = []
        self.slots = [self._slot(number) for number in range(count)]

    async def _slot(self, number: int) -> None:
        """One connection's place: the same way again and again."""
        name = self._ways[number % len(self._ways)]
        arena = Arena(self._url, random.Random(self._seed * 1000 + number))
        await asyncio.sleep(arena.dice.random() * EVERY_S)
        while True:
            try:
                self.ended[name][await play(name, arena)] += 1
            except AssertionError as error:
                self.ended[name]["wrongly"] += 1
                if len(self.failures) < SHOWN:
                    self.failures.append(str(error)[:500])
            await asyncio.sleep(EVERY_S * (0.5 + arena.dice.random()))

    def report(self) -> dict[str, Any]:
        return {"ways": self.ended, "failures": self.failures}


async def misbehave(url: str, seed: int, count: int) -> None:
    mob = Mob(url, seed, count)
    stop = answer_lines({})
    tasks = [asyncio.create_task(slot) for slot in mob.slots]
    while not stop.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), EVERY_S)
        say(mob.report())
    await end(tasks)


async def drink(url: str, count: int) -> None:
    arena = Arena(url, random.Random(0))
    stop = answer_lines({})
    wires = [await joined(arena) for _ in range(count)]
    for wire in wires:
        await wire.send(frame(TEXT, b'42["join","%s"]' % FIREHOSE.encode()))
    say({"drinking": len(wires)})
    loop = asyncio.get_running_loop()

    async def swallow(sock: Any) -> None:
        while await loop.sock_recv(sock, 1 << 18):
            pass

    tasks = [asyncio.create_task(swallow(wire.sock)) for wire in wires]
    await stop.wait()
    await end(tasks)


async def end(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel them, until they have ended: Python 3.11's wait_for may swallow a cancellation."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=0.2)


def main(url: str, seed: str, count: int) -> None:
    asyncio.run(drink(url, count) if seed == "drinkers" else misbehave(url, int(seed), count))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))

"""`make soak SOAK_SECONDS=600`: clients come and go for so long, and nothing of them may be left.

Processes of clients (clients.py), which are killed with SIGKILL one after the other and started anew, and storms of
connects by the load generator, at a server in a process of its own. At the end: every connect has had its disconnect,
no session, task, timer, descriptor or memory block is left, and memory does not grow with the connects (the slope of
a regression). The result is kept in tests/soak/results/soak.json for docs/reliability.md.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.soak.figures import fit, machine, write
from tests.soak.ledger import judge
from tests.soak.processes import (
    Program,
    RunFailed,
    Server,
    cpus,
    left_over,
    load_program,
    load_result,
    python,
    running_server,
    start_load,
)

# The first of the processes has official clients, where they are installed.
VISITS = Path(__file__).with_name("visits.js")
OFFICIAL = Path(__file__).parents[1] / "node_modules" / "socket.io-client"
# Short, so that who has gone without a word is missed soon.
OPTIONS = {"ping_interval": 4, "ping_timeout": 4, "connect_timeout": 15, "upgrade_timeout": 5}
# A closed session waits half a minute for the GET that fetches its end.
GONE_S = 60.0
PROCESSES, WIDTH = 3, 16
KILL_EVERY_S, STORM_EVERY_S, SAMPLE_EVERY_S = 3.0, 7.0, 0.5
STORM, STORM_LIMIT_S = 1000, 600.0
# An object in Python is a block; half a block for each connect would be a leak, a few more in all are caches'.
BLOCKS_PER_CONNECT, SPARE_BLOCKS = 0.02, 3000
# The smallest thing that could be left of each connect has 32 bytes. Short runs show noise.
BYTES_PER_CONNECT, LEAST_CONNECTS = 32.0, 20_000


class Crowd:
    """The processes of clients."""

    def __init__(self, url: str, dice: random.Random) -> None:
        self._url = url
        self._dice = dice
        self._seed = 0
        self.counts: Counter[str] = Counter()
        self.killed = 0
        self._programs = [self._start(index) for index in range(PROCESSES)]
        self._said: dict[int, dict[str, int]] = {}

    def _start(self, index: int) -> Program:
        self._seed += 1
        if index == 0 and OFFICIAL.exists() and (node := shutil.which("node")):
            command: tuple[str, ...] = (node, str(VISITS), self._url, str(WIDTH // 2))
        else:
            command = python("tests.soak.clients", self._url, str(self._seed), str(WIDTH))
        return Program(*command, cpu=cpus()[1], nice=5)

    def look(self) -> None:
        """Take what they have said; RunFailed if one has ended by itself."""
        for program in self._programs:
            for said in program.all_said():
                self._said[program.pid] = said
            if program.process.poll() is not None:
                raise RunFailed(f"clients have ended: {program.log_tail()}")

    def kill_one(self) -> None:
        """One process is gone without a word, and another one comes."""
        index = self._dice.randrange(PROCESSES)
        program = self._programs[index]
        program.process.send_signal(signal.SIGKILL)
        self._let_go(program)
        self.killed += 1
        self._programs[index] = self._start(index)

    def end(self) -> None:
        """All of them, one by force."""
        for number, program in enumerate(self._programs):
            if number == 1:
                program.process.send_signal(signal.SIGKILL)
                self.killed += 1
            status = self._let_go(program)
            if number != 1 and status != 0:
                raise RunFailed(f"clients have ended with {status}")

    def _let_go(self, program: Program) -> int:
        for said in program.all_said():
            self._said[program.pid] = said
        self.counts.update(self._said.pop(program.pid, {}))
        return program.end()


class Storms:
    """Connects as fast as they go, by the load generator, one storm after the other; it checks each answer."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._running: subprocess.Popen[bytes] | None = None
        self._begins_at = time.monotonic() + 1.0
        self.count = 0

    def look(self) -> None:
        """Begin one if it is time; RunFailed if one has gone wrong."""
        if self._running is not None and self._running.poll() is not None:
            self.end()
        if self._running is None and time.monotonic() >= self._begins_at:
            self._running = begin_storm(self._server, STORM, polling=self.count % 3 == 2)

    def end(self) -> None:
        """Wait for the one that is under way."""
        if self._running is not None:
            load_result(self._running, STORM_LIMIT_S)
            self.count += 1
            self._running = None
            self._begins_at = time.monotonic() + STORM_EVERY_S


def begin_storm(server: Server, count: int, polling: bool) -> subprocess.Popen[bytes]:
    """So many connects; load_result() waits for it."""
    transport = "polling" if polling else "websocket"
    arguments = ("--case", "connect", "--transport", transport, "--in-flight", 16, "--warmup", 0)
    return start_load(*arguments, "--seconds", STORM_LIMIT_S, "--count", count, server=server)


def churn(
    server: Server, seconds: float, dice: random.Random
) -> tuple[Crowd, list[dict[str, Any]]]:
    """Let clients come and go for so long; returns the crowd, and what the server looked like meanwhile."""
    crowd, storms, samples = Crowd(server.url, dice), Storms(server), []
    begun = time.monotonic()
    kill_at = begun + KILL_EVERY_S
    while (now := time.monotonic()) < begun + seconds:
        crowd.look()
        storms.look()
        samples.append({"at": now - begun, **server.look()})
        if now >= kill_at:
            crowd.kill_one()
            kill_at = now + KILL_EVERY_S
        time.sleep(SAMPLE_EVERY_S)
    storms.end()
    crowd.end()
    return crowd, samples


def soak(seconds: float, seed: int) -> dict[str, Any]:
    """The whole run; `problems` in the result says what must not be."""
    dice = random.Random(seed)
    load_program()
    with running_server(OPTIONS) as server:
        untouched = server.count()["left"]
        churn(server, max(4.0, seconds / 10), dice)
        before = server.wait_empty(untouched, GONE_S)
        begun = time.monotonic()
        crowd, samples = churn(server, seconds, dice)
        lasted = time.monotonic() - begun
        after = server.wait_empty(untouched, GONE_S)
    return result_of(before, after, untouched, samples, crowd, lasted)


def result_of(
    before: dict[str, Any], after: dict[str, Any], untouched: dict[str, int], samples: list[dict[str, Any]],
    crowd: Crowd, lasted: float,
) -> dict[str, Any]:  # fmt: skip
    """What the page shows, and what was wrong."""
    connects = after["accepted"] - before["accepted"]
    blocks = after["blocks"] - before["blocks"]
    # The first part is the crowd's coming: memory grows with those who are there.
    steady = [sample for sample in samples if sample["at"] > lasted / 4]
    line = fit([(sample["accepted"], sample["rss"]) for sample in steady])
    left = left_over(after["left"], untouched)
    problems = judge(after)
    if left:
        problems.append(f"left at the end: {left}")
    if blocks > SPARE_BLOCKS + BLOCKS_PER_CONNECT * connects:
        problems.append(f"{connects} connects left {blocks} memory blocks behind")
    if connects >= LEAST_CONNECTS and line.least > BYTES_PER_CONNECT:
        problems.append(f"memory grows by {line.slope:.0f} (± {line.error:.0f}) bytes a connect")
    return {
        "machine": machine(),
        "seconds": round(lasted),
        "connects": connects,
        "accepted": after["accepted"],
        "disconnects": after["disconnects"],
        "wrong": after["wrong"] + after["open"],
        "reasons": after["reasons"],
        "killed": crowd.killed,
        "visits": dict(crowd.counts.most_common()),
        "blocks_per_connect": round(blocks / max(1, connects), 4),
        "slope": {
            "bytes_per_connect": round(line.slope, 2),
            "error": round(line.error, 2),
            "mb_per_hour": round(line.slope * connects / lasted * 3600 / 1e6, 2),
        },
        "rss_mb": {"start": round(before["rss"] / 1e6, 1), "end": round(after["rss"] / 1e6, 1)},
        "handler_errors": after["handler_errors"],
        "left": ", ".join(f"{count} {name}" for name, count in left.items()) or "none",
        "problems": problems,
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.soak.soak", description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="write results/soak.json")
    given = parser.parse_args()
    result = soak(given.seconds, given.seed)
    print(json.dumps(result, indent=2))
    if given.keep and not result["problems"]:
        print(f"kept in {write('soak.json', result)}; `make faults` puts it on the page")
    print("\n".join(result["problems"]) or "nothing is left, memory is flat")
    return 1 if result["problems"] else 0


if __name__ == "__main__":
    sys.exit(main())

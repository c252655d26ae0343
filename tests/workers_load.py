"""Official clients of three generations at several workers, directly and through nginx; one is killed.

As a program: `python tests/workers_load.py --workers 4 --clients 2000` prints what the clients have seen, with and
without nginx; its exit status is 1 if a request failed, or a client of a worker that lives noticed anything. The test
(tests/workers/test_load.py) plays short ones.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import signal
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "workers"))

from crew_process import Workers, running

from harness import DEADLINE_S
from nginx_process import nginx_before

CLIENTS = str(Path(__file__).parent / "workers" / "load_clients.js")
# Of ten clients.
GENERATIONS = {"client-newest": 7, "client-3.1.3": 1, "client-4.0.2": 1, "client-2.5.0": 1}

# A request that the killed worker had accepted and not passed on dies with it: its client connects again. That is the
# work of a turn of its loop, and few requests come in one.
CAUGHT = ": disconnect: transport error"
MOST_CAUGHT = 0.03


@contextlib.contextmanager
def nobody_before(upstream: str) -> Iterator[str]:
    """Clients that speak to the workers themselves; the kernel spreads them."""
    yield f"http://{upstream}"


class Fleet:
    """Node's process with the clients; see load_clients.js."""

    def __init__(self, process: asyncio.subprocess.Process, patience_s: float) -> None:
        self._process = process
        self._patience_s = patience_s

    @classmethod
    async def start(cls, patience_s: float, **settings: Any) -> Fleet:
        """Returns when all clients are in."""
        node = shutil.which("node")
        assert node is not None, "Node.js is needed, and `node` is not on the PATH"
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            node, CLIENTS, json.dumps(settings), stdin=pipe, stdout=pipe, limit=1 << 24
        )
        fleet = cls(process, patience_s)
        try:
            assert await fleet._line() == b"ready\n"
        except BaseException:
            await fleet.kill()
            raise
        return fleet

    async def _line(self) -> bytes:
        assert self._process.stdout is not None
        return await asyncio.wait_for(self._process.stdout.readline(), self._patience_s)

    async def ask(self, line: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())
        return dict(json.loads(await self._line()))

    async def kill(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()


@dataclass
class Outcome:
    """`seen` by the clients; `cpu_s` of each worker; what must not be is in `problems`."""

    seen: dict[str, Any] = field(default_factory=dict)
    told: int = 0
    told_every_s: float = 0.5
    seconds: dict[str, float] = field(default_factory=dict)
    cpu_s: dict[int, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def caught(self) -> int:
        """Clients of other workers whose request the killed one had accepted, and not passed on yet."""
        troubles = self.seen["troubles"].items()
        return sum(count for what, count in troubles if what.endswith(CAUGHT))

    def judge(self, clients: int, delay_s: float) -> None:
        seen, caught = self.seen, self.caught
        affected, back = seen["affected"], seen["back"]
        others = {what: n for what, n in seen["troubles"].items() if not what.endswith(CAUGHT)}
        if others or caught > clients * MOST_CAUGHT:
            self.problems.append(f"clients that nothing had happened to: {seen['troubles']}")
        if seen["connects"] != clients + affected + caught:
            self.problems.append(
                f"{seen['connects']} connects of {clients} clients, {affected} affected"
            )
        late = [one for one in back if one["attempts"] > 1]
        if late or len(back) != affected + caught:
            self.problems.append(f"{len(back)} of {affected} came back, {len(late)} not at once")
        complete = json.dumps(list(range(self.told)), separators=(",", ":"))
        if seen["heard"].get(complete, 0) < clients - affected - caught:
            self.problems.append(f"not all that stayed heard all of {self.told}: {seen['heard']}")
        if not seen["answered"]:
            self.problems.append("no event was answered")

    def summary(self) -> dict[str, Any]:
        seen = {**self.seen, "caught": self.caught}
        came = seen.pop("back")
        seen["heard_all"] = max(seen.pop("heard").values(), default=0)
        seen["workers"] = list(seen["workers"].values())
        for name, key in (("back_ms", "ms"), ("back_after_first_attempt_ms", "afterAttempt")):
            if came:
                times = [one[key] for one in came]
                seen[name] = {"median": statistics.median(times), "most": max(times)}
        return {**seen, "told": self.told, "seconds": self.seconds, "worker_cpu_s": self.cpu_s}


async def play(
    workers: int, clients: int, *, before: Any = nobody_before, kill: bool = True, delay_s: float = 1.0,
    pause_s: float = 2.0, settle_s: float = 1.0, ramp_ms: float = 2.0, told_every_s: float = 0.5,
    patience_s: float = 12 * DEADLINE_S,
) -> Outcome:  # fmt: skip
    """So many clients; one worker is killed while they speak, and each must be back by its first attempt.

    `before`: a context manager of a proxy's URL, given the server's address.
    """
    outcome = Outcome(told_every_s=told_every_s)
    counts = {name: clients * share // 10 for name, share in GENERATIONS.items()}
    counts["client-newest"] += clients - sum(counts.values())
    settings = {
        "delay": delay_s * 1000,
        "pause": pause_s * 1000,
        "ramp": ramp_ms,
        "clients": counts,
    }
    async with running(workers, allow_eio3=True) as crew:
        with before(crew.url.removeprefix("http://")) as url:
            clock = time.monotonic()
            fleet = await Fleet.start(patience_s, url=url, **settings)
            outcome.seconds["to connect and upgrade all"] = round(time.monotonic() - clock, 1)
            try:
                await _play(crew, fleet, outcome, kill, settle_s)
            finally:
                await fleet.kill()
        killed = _killed(crew)
        await crew.stop()
        try:
            crew.check_ledger(killed)
        except AssertionError as error:
            outcome.problems.append(f"the ledger: {error}")
    outcome.judge(clients, delay_s)
    return outcome


def _killed(crew: Workers) -> set[int]:
    """The processes that were replaced by others: those that were killed."""
    began = [pid for pid, _ in crew.server.of("up")]
    return set(began) - set(crew.pids.values())


async def _play(crew: Workers, fleet: Fleet, outcome: Outcome, kill: bool, settle_s: float) -> None:
    teller = await crew.peer("websocket")
    await _tell(teller, outcome, settle_s)
    if kill:
        clock = time.monotonic()
        own = await _number(teller)
        pid = next(pid for number, pid in crew.pids.items() if number != own)
        await fleet.ask(f"killed {pid}")
        os.kill(pid, signal.SIGKILL)
        back = asyncio.ensure_future(fleet.ask("back"))
        while not back.done():
            await _tell(teller, outcome, outcome.told_every_s)
        await back
        outcome.seconds["until all were back"] = round(time.monotonic() - clock, 1)
        await crew.count_up(len(crew.pids) + 1)
        await _tell(teller, outcome, settle_s)
    outcome.cpu_s = {number: _cpu_s(pid) for number, pid in crew.pids.items()}
    outcome.seen = await fleet.ask(f"stop {outcome.told}")
    await teller.close()


async def _number(teller: Any) -> int:
    await teller.send('420["who"]')
    while True:
        packet = str(await teller.receive())
        if packet.startswith("430"):
            return int(json.loads(packet[3:])[0][1])


async def _tell(teller: Any, outcome: Outcome, seconds: float) -> None:
    """Tell all clients something, again and again for so long."""
    ends_at = time.monotonic() + seconds
    while True:
        await teller.send(f'42["tell",null,{outcome.told}]')
        outcome.told += 1
        if time.monotonic() >= ends_at:
            return
        await asyncio.sleep(outcome.told_every_s)


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> int:
    parser = argparse.ArgumentParser(description="Official clients at several workers.")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--clients", type=int, default=2000)
    parser.add_argument(
        "--settle", type=float, default=10.0, help="seconds of load before and after"
    )
    parser.add_argument(
        "--pause", type=float, default=2.0, help="seconds between a client's events"
    )
    parser.add_argument("--tell", type=float, default=2.0, help="seconds between what all are told")
    given = parser.parse_args()
    problems = []
    for name, before in (("directly", nobody_before), ("nginx", nginx_before)):
        outcome = asyncio.run(
            play(
                given.workers, given.clients, before=before, pause_s=given.pause, settle_s=given.settle,
                ramp_ms=4, told_every_s=given.tell, patience_s=300,
            )
        )  # fmt: skip
        print(json.dumps({name: outcome.summary()}, indent=2))
        problems += [f"{name}: {problem}" for problem in outcome.problems]
    for problem in problems:
        print(f"PROBLEM: {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

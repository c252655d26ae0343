"""`make misbehave`: 10,000 connections, one in a hundred of which misbehaves in every way at once, for five minutes.

The good ones are the load generator's (case mixed): they chat in rooms of fifty at a fixed rate, over WebSocket and
polling, and check each message at each receiver, so that one that is lost, late, doubled, changed or out of order ends
the run, and so does a good client that is closed. First they are alone, then beside those who misbehave (ways.py,
processes that are stopped and killed). At the end everybody has gone, every connect has had its disconnect, and nothing
is left. The result is kept in tests/soak/results/misbehave.json for docs/reliability.md.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

from tests.soak.figures import machine, write
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

# The defaults protect; compression is on so that bombs are thrown.
OPTIONS = {"per_message_deflate": True}
# What nobody tells the server of is found by the heartbeat: after 25 + 20 seconds.
GONE_S = 120.0
MEMBERS, SIZE_BYTES, WARMUP_S = 50, 64, 3.0
DRINKERS, STOPPED_S, KILL_EVERY_S = 5, 60.0, 10.0
TIMES = 2.0
LOOK_EVERY_S = 1.0
# To connect, to have the last answers and to close may take the load generator so long.
LATE_S = 240.0
# How fast they come at the least, with their rooms joined.
CONNECTS_PER_S = 1000.0


@dataclass(frozen=True)
class Plan:
    connections: int
    misbehaving: int
    polling: int
    rate: float
    seconds: float
    quiet_seconds: float
    seed: int

    @property
    def websockets(self) -> int:
        return self.connections - self.misbehaving - self.polling


class Drinkers:
    """A process whose clients are to get much, and which is stopped (SIGSTOP) or killed (SIGKILL) again and again."""

    def __init__(self, url: str, is_stopped: bool) -> None:
        self._url = url
        self._is_stopped = is_stopped
        self.times = 0
        self._begin()

    def _begin(self) -> None:
        command = python("tests.soak.misbehavers", self._url, "drinkers", str(DRINKERS))
        self._program = Program(*command, cpu=cpus()[1], nice=19)
        self._ends_at = 0.0  # of those who are not there yet

    def look(self) -> None:
        now = time.monotonic()
        if not self._ends_at:
            if self._program.all_said():
                self._ends_at = now + (STOPPED_S if self._is_stopped else KILL_EVERY_S)
                if self._is_stopped:
                    self._program.process.send_signal(signal.SIGSTOP)
            elif self._program.process.poll() is not None:
                raise RunFailed(f"drinkers have ended{self._program.log_tail()}")
        elif now >= self._ends_at:
            self.end()
            self._begin()

    def end(self) -> None:
        self._program.process.send_signal(signal.SIGKILL)
        self._program.end()
        self.times += 1


class Misbehaving:
    """Everybody who misbehaves."""

    def __init__(self, url: str, plan: Plan) -> None:
        alone = max(1, plan.misbehaving - 2 * DRINKERS)
        command = python("tests.soak.misbehavers", url, str(plan.seed), str(alone))
        self._mob = Program(*command, cpu=cpus()[1], nice=19)
        self._drinkers = [Drinkers(url, is_stopped) for is_stopped in (True, False)]
        self._said: dict[str, Any] = {"ways": {}, "failures": []}

    def look(self) -> None:
        for said in self._mob.all_said():
            self._said = said
        if self._mob.process.poll() is not None:
            raise RunFailed(f"who misbehaves has ended{self._mob.log_tail()}")
        for drinkers in self._drinkers:
            drinkers.look()

    def end(self) -> dict[str, Any]:
        """What was done, by way and end; `failures`: what the server did not do that it must."""
        self._mob.process.stdin.close()  # type: ignore[union-attr]
        time.sleep(LOOK_EVERY_S)
        for said in self._mob.all_said():
            self._said = said
        self._mob.end()
        ways = dict(self._said["ways"])
        for drinkers, name in zip(
            self._drinkers, ("process that is stopped", "process that is killed"), strict=True
        ):
            drinkers.end()
            ways[name] = {"left": drinkers.times * DRINKERS}
        return {"ways": ways, "failures": self._said["failures"]}


def _arguments(plan: Plan, transport: str, count: int, seconds: float) -> tuple[object, ...]:
    """What the load generator is asked for. Polling's window lies within the other's: not in its storm of connects."""
    later = min(seconds / 4, plan.websockets / CONNECTS_PER_S) if transport == "polling" else 0.0
    rate = max(1.0, plan.rate * count / (plan.connections - plan.misbehaving))
    return (
        "--case", "mixed", "--transport", transport, "--room", transport, "--connections", count,
        "--active", count, "--members", MEMBERS, "--size", SIZE_BYTES, "--rate", rate,
        "--warmup", WARMUP_S + later, "--seconds", seconds - later,
    )  # fmt: skip


def window(
    server: Server, plan: Plan, seconds: float, others: Misbehaving | None
) -> dict[str, Any]:
    """The good clients for so long: what both load generators report, and what the server looked like."""
    loads = {
        transport: start_load(*_arguments(plan, transport, count, seconds), server=server)
        for transport, count in (("websocket", plan.websockets), ("polling", plan.polling))
    }
    begun, peak = time.monotonic(), 0
    try:
        while any(load.poll() is None for load in loads.values()):
            time.sleep(LOOK_EVERY_S)
            peak = max(peak, server.look()["rss"])
            if others is not None:
                others.look()
            for load in loads.values():
                if load.poll():
                    load_result(load, 10)  # says why
            if time.monotonic() - begun > seconds + LATE_S:
                raise RunFailed(f"the load generators did not end in {seconds + LATE_S:g} s")
        return {"peak_rss": peak, **{name: load_result(load, 10) for name, load in loads.items()}}
    finally:
        for load in loads.values():
            if load.poll() is None:
                load.kill()


def run(plan: Plan, **options: Any) -> dict[str, Any]:
    """Both windows, quiet and loud; `problems` in the result says what must not be. `options` are the server's."""
    load_program()
    with running_server({**OPTIONS, **options}) as server:
        untouched = server.count()["left"]
        quiet = window(server, plan, plan.quiet_seconds, None)
        others = Misbehaving(server.url, plan)
        begun = time.monotonic()
        loud = window(server, plan, plan.seconds, others)
        done = {**others.end(), "seconds": time.monotonic() - begun}
        after = server.wait_empty(untouched, GONE_S)
    return result_of(plan, quiet, loud, done, after, left_over(after["left"], untouched))


def result_of(
    plan: Plan, quiet: dict[str, Any], loud: dict[str, Any], done: dict[str, Any], after: dict[str, Any],
    left: dict[str, int],
) -> dict[str, Any]:  # fmt: skip
    """What the page shows, and what was wrong."""
    both = [loud["websocket"], loud["polling"]]
    ends: Counter[str] = Counter()
    for way in done["ways"].values():
        ends.update(way)
    p99 = {name: percentile(quiet, loud, name, "p99") for name in ("websocket", "polling")}
    result = {
        "machine": machine(),
        "connections": plan.connections,
        "misbehaving": plan.misbehaving,
        "seconds": plan.seconds,
        "quiet_seconds": plan.quiet_seconds,
        "good": {
            "connections": plan.websockets + plan.polling,
            "websocket": plan.websockets,
            "polling": plan.polling,
            "messages": sum(load["messages"] for load in both),
            "due": sum(load["due"] for load in both),
            "delivered": sum(load["checked"] for load in both),
            "lost": sum(load["due"] - load["checked"] for load in both),
            "closed": 0,  # one that is closed ends the run
        },
        "p50_ms": percentile(quiet, loud, "websocket", "p50"),
        "p99_ms": p99["websocket"],
        "polling_p99_ms": p99["polling"],
        "busy": {
            "quiet": quiet["websocket"]["server_busy"],
            "loud": loud["websocket"]["server_busy"],
        },
        "peak_rss_mb": {
            "quiet": round(quiet["peak_rss"] / 1e6, 1),
            "loud": round(loud["peak_rss"] / 1e6, 1),
        },
        "ways": done["ways"],
        "misbehaved": ends.total(),
        "cut_off": ends["closed by the server"] + ends["refused"],
        "accepted": after["accepted"],
        "disconnects": after["disconnects"],
        "wrong": after["wrong"] + after["open"],
        "reasons": after["reasons"],
        "left": ", ".join(f"{count} {name}" for name, count in left.items()) or "none",
        "loads": {"quiet": quiet, "loud": loud},
    }
    return {**result, "problems": problems_of(plan, result, done["failures"], after)}


def percentile(
    quiet: dict[str, Any], loud: dict[str, Any], transport: str, name: str
) -> dict[str, float]:
    """Latencies of a delivery in ms, and how many times that of the quiet run it is beside the others."""
    before, beside = (run[transport]["latency_us"][name] / 1000 for run in (quiet, loud))
    return {"quiet": round(before, 2), "loud": round(beside, 2), "times": round(beside / before, 2)}


def problems_of(
    plan: Plan, result: dict[str, Any], failures: list[str], after: dict[str, Any]
) -> list[str]:
    found = [*failures, *judge(after)]
    if result["good"]["lost"]:
        found.append(f"{result['good']['lost']} deliveries were lost")
    slower = {name: result[name]["times"] for name in ("p99_ms", "polling_p99_ms")}
    found += [f"{name}: {t} times that of the quiet run" for name, t in slower.items() if t > TIMES]
    if result["left"] != "none":
        found.append(f"left at the end: {result['left']}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="tests.soak.misbehave", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--misbehaving", type=int, default=0, help="of them; 0: one in a hundred")
    parser.add_argument("--polling", type=int, default=500, help="of the good ones")
    parser.add_argument(
        "--rate", type=float, default=400.0, help="messages a second, each to fifty"
    )
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--quiet-seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="write results/misbehave.json")
    given = vars(parser.parse_args())
    keep = given.pop("keep")
    given["misbehaving"] = given["misbehaving"] or max(20, given["connections"] // 100)
    result = run(Plan(**given))
    print(json.dumps({name: value for name, value in result.items() if name != "loads"}, indent=2))
    if keep and not result["problems"]:
        print(f"kept in {write('misbehave.json', result)}; `make faults` puts it on the page")
    print("\n".join(result["problems"]) or "the good ones have lost nothing")
    return 1 if result["problems"] else 0


if __name__ == "__main__":
    sys.exit(main())

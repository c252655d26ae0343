"""`python -m bench.cluster.workers`: `fastsio serve --workers N` beside one process, and what a hand-over costs.

CPU of all workers together for each answer, delivery or connection: that is what adds up on more cores than are here.
Written to results/workers.{json,md}. Exit code 1: an answer was wrong, late or missing.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from bench.cluster.kinds import APPS
from bench.cluster.nodes import LOAD_LIMIT_S, Process
from bench.cluster.tables import cell, number, row
from bench.install import BENCH, SetupError
from bench.output import RESULTS
from bench.prepare import Tools, prepare
from bench.processes import RunError, free_port, load_result
from bench.report import host, pretty

START_LIMIT_S = 20
COUNTS = (0, 2, 4)


@dataclass(frozen=True)
class Load:
    name: str
    unit: str
    arguments: tuple[str, ...]


ECHO = Load(
    "echo", "an answer", ("--case", "echo", "--event", "echo_async", "--connections", "200")
)
BROADCAST = Load("broadcast", "a delivery to 400", ("--case", "broadcast", "--connections", "400"))
CONNECT = Load("connect", "a connection", ("--case", "connect", "--in-flight", "32"))
POLLING = Load(
    "connect by polling", "a connection", ("--case", "connect", "--in-flight", "32", "--transport", "polling")
)  # fmt: skip
LOADS = (ECHO, BROADCAST, CONNECT, POLLING)
# A polling client has two TCP connections; the second one reaches another worker than the first so often, and is
# handed over to that.
ELSEWHERE = {2: 1 / 2, 4: 3 / 4}


class Workers:
    """fastsio with so many workers; 0: one process and nothing else. Raises RunError if it does not start."""

    def __init__(self, count: int, tools: Tools):
        self.count = count
        self._tools = tools
        port = free_port()
        command = [
            str(tools.python),
            "-m",
            "fastsio",
            "serve",
            "workers_app:sio",
            "--port",
            str(port),
        ]
        if count:
            command += ["--workers", str(count)]
        environ = {**tools.environ}
        environ["PYTHONPATH"] = ":".join(filter(None, (str(APPS), environ.get("PYTHONPATH"))))
        self.server = Process(f"workers-{count}", command, port, environ)
        try:
            self.pids = self._find()
        except RunError:
            self.stop()
            raise

    def _find(self) -> list[int]:
        """Who serves: the process, or its children, once there are as many as there shall be."""
        pid = self.server.pid
        until = time.monotonic() + START_LIMIT_S
        while self.count and time.monotonic() < until:
            found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            if len(found) == self.count:
                time.sleep(0.5)  # until they have found each other
                return [int(one) for one in found]
            time.sleep(0.05)
        if self.count:
            raise RunError(
                f"no {self.count} workers in {START_LIMIT_S} s: {self.server.log_tail()}"
            )
        return [pid]

    def load(self, load: Load, window: list[str]) -> dict:
        """cpu_us: of all workers, for each that was counted; shares: of each worker in that."""
        command = [
            *(str(self._tools.load), "--port", str(self.server.port)),
            *("--watch", ",".join(map(str, self.pids)), *load.arguments, *window),
        ]
        result = load_result(command, LOAD_LIMIT_S, " ".join(command), self.server.log_tail)
        spent = result["watched_cpu_us"]
        return {
            "cpu_us": sum(spent) / result["count"],
            "per_second": result["rate"],
            "shares": sorted(one / sum(spent) for one in spent),
            "p99_us": result["latency_us"]["p99"],
            "load_busy": result["load_busy"],
        }

    def stop(self) -> None:
        self.server.stop()


def run(tools: Tools, counts: list[int], rounds: int, seconds: float) -> tuple[dict, dict]:
    """Results and errors by (count, load)."""
    results: dict[tuple[int, str], list[dict]] = {}
    errors: dict[str, str] = {}
    window = ["--warmup", "0.4", "--seconds", str(seconds)]
    for number_ in range(rounds):
        first = number_ % len(counts)
        for count in (*counts[first:], *counts[:first]):
            try:
                workers = Workers(count, tools)
            except RunError as error:
                errors[f"{count} workers"] = str(error)
                continue
            try:
                for load in LOADS:
                    _one(workers, load, window, results, errors)
            finally:
                workers.stop()
    return results, errors


def _one(workers: Workers, load: Load, window: list[str], results: dict, errors: dict) -> None:
    try:
        found = workers.load(load, window)
    except RunError as error:
        errors[f"{workers.count} workers, {load.name}"] = str(error)
        print(f"bench: {error}", flush=True)
        return
    results.setdefault((workers.count, load.name), []).append(found)
    print(f"bench: {workers.count} workers, {load.name}: {found['cpu_us']:.2f} us", flush=True)


def document(results: dict, errors: dict, counts: list[int], about: dict) -> dict:
    return {
        **about,
        "host": host(),
        "errors": errors,
        "cells": [
            {
                "workers": count,
                "load": load.name,
                "cpu_us": _spread([one["cpu_us"] for one in runs]),
                "per_second": _spread([one["per_second"] for one in runs]),
                "least_share": min(one["shares"][0] for one in runs),
                "runs": runs,
            }
            for count in counts
            for load in LOADS
            if (runs := results.get((count, load.name)))
        ],
        "handover_us": {
            str(count): _handover(results, count, share)
            for count, share in ELSEWHERE.items()
            if count in counts and 0 in counts
        },
    }


def _handover(results: dict, count: int, share: float) -> dict | None:
    """What it costs both workers together, of what connecting costs more than with one process."""
    runs = zip(
        results.get((count, POLLING.name), []), results.get((0, POLLING.name), []), strict=False
    )
    found = [(one["cpu_us"] - base["cpu_us"]) / share for one, base in runs]
    return _spread(found) if found else None


def _spread(values: list[float]) -> dict:
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


def page(result: dict) -> str:
    counts = sorted({one["workers"] for one in result["cells"]})
    found = {(one["workers"], one["load"]): one for one in result["cells"]}
    head = ["one process" if not count else f"{count} workers" for count in counts]
    lines = [row("us of CPU, all workers, for", head), "|---|" + "--:|" * len(counts)]
    for load in LOADS:
        cells = [cell(one["cpu_us"]) if (one := found.get((n, load.name))) else "" for n in counts]
        lines.append(row(f"{load.unit} ({load.name})", cells))
    rates = [row("a second on this machine", head), "|---|" + "--:|" * len(counts)]
    for load in LOADS:
        cells = [
            f"{one['per_second']['median']:,.0f}" if (one := found.get((n, load.name))) else ""
            for n in counts
        ]
        rates.append(row(f"{load.unit} ({load.name})", cells))
    handovers = [
        f"A connection handed over, among {count} workers: {cell(spread)} us of CPU, of both together."
        for count, spread in result["handover_us"].items()
        if spread is not None
    ]
    busy = (
        f"load average {number(result['load_average'][0])} to {number(result['load_average'][1])}"
    )
    made = (
        f"{result['date']}, {result['host']['cpus']} CPUs of {result['host']['cpu']} for workers and load generator "
        f"together, {busy} meanwhile; {result['rounds']} rounds, every answer checked"
    )
    parts = [
        f"# {result['made_by']}", made,
        *(f"FAILED: {name}: {text.splitlines()[0]}" for name, text in result["errors"].items()),
        "\n".join(lines), "\n".join(rates), *handovers,
    ]  # fmt: skip
    return "\n\n".join(parts)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.cluster.workers")
    parser.add_argument("--quick", action="store_true", help="one round, 0.5 s each")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--counts", type=int, nargs="+", default=[*COUNTS], metavar="N")
    parser.add_argument("--checkout", action="store_true", help="fastsio as built in place")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        tools = prepare(options.checkout, ("fastsio",))
    except SetupError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    rounds, seconds = (1, 0.5) if options.quick else (options.rounds, 1.5)
    before = os.getloadavg()[0]
    results, errors = run(tools, options.counts, rounds, seconds)
    about = {
        "made_by": " ".join(["python -m bench.cluster.workers", *sys.argv[1:]]),
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "rounds": rounds,
        "load_average": sorted((before, os.getloadavg()[0])),
    }
    result = document(results, errors, options.counts, about)
    print(f"\n{page(result)}\n")
    stem = "workers-part" if options.quick or tuple(options.counts) != COUNTS else "workers"
    for path, text in ((f"{stem}.json", pretty(result)), (f"{stem}.md", page(result))):
        (RESULTS / path).write_text(text.rstrip("\n") + "\n")
        print(f"written: {(RESULTS / path).relative_to(BENCH.parent)}")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())

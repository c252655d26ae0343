"""Runs cases on servers, round by round; knows neither tables nor goals.

What fails is recorded and left out of the rounds that follow; the rest runs on.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from bench.cases import MEMORY, SUBJECT, Case, is_ours
from bench.prepare import LACKS, Tools
from bench.processes import RunError, Server, cpus, run_load


@dataclass(frozen=True)
class Plan:
    cases: tuple[Case, ...]
    servers: tuple[str, ...]
    rounds: int
    warmup_s: float
    seconds: float  # the measured window
    # Before a server's first window: a JIT needs some seconds (Bun's echo: 13.7 us after 0.2 s, 8.0 after 1,
    # 6.9 after 3). Not where memory is measured.
    first_warmup_s: float
    budget_s: float = float("inf")  # a round that would not end within it is not begun

    def servers_of(self, case: Case) -> list[str]:
        able = (name for name in self.servers if case.needs not in LACKS.get(name, ()))
        return [name for name in able if _is_meant(case, name)]

    def window(self, case: Case, is_first: bool) -> list[str]:
        """Arguments of the load generator."""
        is_cold = is_first and case.metric is not MEMORY
        warmup_s = max(self.warmup_s, self.first_warmup_s) if is_cold else self.warmup_s
        return ["--warmup", str(warmup_s), "--seconds", str(self.seconds)]


def _is_meant(case: Case, server: str) -> bool:
    return not case.only or server in case.only or (is_ours(server) and SUBJECT in case.only)


@dataclass
class Runs:
    """What came out so far. Keys: the names of a case and of a server."""

    results: dict[tuple[str, str], list[dict]] = field(default_factory=dict)
    errors: dict[tuple[str, str], str] = field(default_factory=dict)
    rounds: int = 0  # that ran to their end
    is_done: bool = False  # as many as were planned and fit


class Pool:
    """The server processes of one group of cases: each starts when first asked for and stays.

    They share a CPU, but only the one under test has anything to do.
    """

    def __init__(self, tools: Tools, plan: Plan, uses_tls: bool):
        self._tools, self._plan, self._uses_tls = tools, plan, uses_tls
        self._server_cpu, self._load_cpu = cpus()
        self._servers: dict[str, Server] = {}

    def run(self, name: str, case: Case) -> dict:
        """One run; after a RunError the server is stopped, and the next run has a new one."""
        try:
            is_first = name not in self._servers
            server = self._start(name) if is_first else self._servers[name]
            arguments = [*case.load, *self._plan.window(case, is_first)]
            result = run_load(self._tools, server, self._load_cpu, arguments)
            if case.metric.key not in result:
                raise RunError(f"{name}: {case.name}: nothing was counted")
            # Cleaning up after this run must not disturb the next server's.
            server.settle()
        except RunError:
            self._stop(name)
            raise
        return result

    def _start(self, name: str) -> Server:
        server = Server(name, self._tools, self._server_cpu, tls=self._uses_tls)
        self._servers[name] = server
        server.settle()
        return server

    def _stop(self, name: str) -> None:
        if name in self._servers:
            self._servers.pop(name).stop()

    def close(self) -> None:
        for name in list(self._servers):
            self._stop(name)


def run_rounds(tools: Tools, plan: Plan, runs: Runs) -> None:
    """Up to all rounds of `plan`, into `runs`, where after an interruption is what was done."""
    begin = time.monotonic()
    for number in range(plan.rounds):
        for _, cases in itertools.groupby(plan.cases, lambda case: case.group):
            _run_group(tools, plan, number, list(cases), runs)
        runs.rounds += 1
        spent = time.monotonic() - begin
        print(f"bench: round {runs.rounds} of {plan.rounds} done, {_clock(spent)}", flush=True)
        if spent + spent / runs.rounds > plan.budget_s:
            break
    runs.is_done = True


def _run_group(tools: Tools, plan: Plan, number: int, cases: list[Case], runs: Runs) -> None:
    pool = Pool(tools, plan, uses_tls=cases[0].needs == "tls")
    try:
        for case in cases:
            begin = time.monotonic()
            came_out = ", ".join(_run_case(pool, plan, number, case, runs))
            took = _clock(time.monotonic() - begin)
            print(f"bench: {number + 1}/{plan.rounds} {took} {case.name}: {came_out}", flush=True)
    finally:
        pool.close()


def _run_case(pool: Pool, plan: Plan, number: int, case: Case, runs: Runs) -> Iterator[str]:
    """One case on one server after the other; yields what came out, in words."""
    names = plan.servers_of(case)
    # Who goes first changes with the round, so that drift hits all alike.
    first = number % max(1, len(names))
    for name in (*names[first:], *names[:first]):
        cell = (case.name, name)
        if cell in runs.errors:
            continue
        try:
            result = pool.run(name, case)
        except RunError as error:
            runs.errors[cell] = str(error).strip()
            print(f"bench: {runs.errors[cell]}", flush=True)
            yield f"{name} FAILED"
        else:
            runs.results.setdefault(cell, []).append(result)
            yield f"{name} {result[case.metric.key] / case.metric.divisor:.2f}"


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"

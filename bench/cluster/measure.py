"""The runs: every kind with every number of nodes under every load, round by round. Knows no tables."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field

from bench.cluster.kinds import ALONE, BURST, ELSEWHERE, FAN, FAN_ONE, ONE, Kind, Load
from bench.cluster.nodes import Cluster, Redis, cluster
from bench.prepare import Tools
from bench.processes import RunError

Cell = tuple[str, int, str]  # the names of a kind and of a load, with the number of nodes between


@dataclass(frozen=True)
class Plan:
    kinds: tuple[Kind, ...]
    nodes: tuple[int, ...]
    rounds: int
    warmup_s: float
    seconds: float  # the measured window
    first_warmup_s: float  # of a new cluster: Node compiles
    budget_s: float  # a round that would not end within it is not begun

    def loads(self, kind: Kind, nodes: int) -> tuple[Load, ...]:
        if nodes == 1:
            return ONE, BURST
        return (ONE, FAN_ONE, BURST, FAN, *([ELSEWHERE] if nodes > 2 else []))

    def kinds_of(self, nodes: int) -> tuple[Kind, ...]:
        return tuple(kind for kind in self.kinds if nodes == 1 or kind.adapter != ALONE)


@dataclass
class Runs:
    """What came out so far: one dict for each cell and round, and what has failed."""

    results: dict[Cell, list[dict]] = field(default_factory=dict)
    errors: dict[Cell, str] = field(default_factory=dict)
    rounds: int = 0
    loads: list[float] = field(default_factory=list)  # the machine's load average, as it went on


def run_rounds(tools: Tools, plan: Plan, redis: Redis, runs: Runs) -> None:
    """Up to all rounds of `plan`, into `runs`, where after an interruption is what was done."""
    begin = time.monotonic()
    for number in range(plan.rounds):
        for nodes in plan.nodes:
            kinds = plan.kinds_of(nodes)
            first = number % len(kinds)  # who goes first changes, so that drift hits all alike
            for kind in (*kinds[first:], *kinds[:first]):
                _run_cluster(tools, plan, redis, kind, nodes, runs)
        runs.rounds += 1
        spent = time.monotonic() - begin
        print(f"bench: round {runs.rounds} of {plan.rounds} done after {spent:.0f} s", flush=True)
        if spent + spent / runs.rounds > plan.budget_s:
            break


def _run_cluster(
    tools: Tools, plan: Plan, redis: Redis, kind: Kind, nodes: int, runs: Runs
) -> None:
    runs.loads.append(os.getloadavg()[0])
    cell: Cell = (kind.name, nodes, "start")
    came_out: list[str] = []
    try:
        with cluster(kind, nodes, redis, tools) as servers:
            for load in plan.loads(kind, nodes):
                cell = (kind.name, nodes, load.name)
                if cell not in runs.errors:
                    warmup_s = plan.warmup_s if came_out else plan.first_warmup_s
                    run = _run_load(plan, servers, load, nodes, warmup_s)
                    runs.results.setdefault(cell, []).append(run)
                    came_out.append(f"{load.name} {run['sender_us']:.1f}/{run['receiver_us']:.1f}")
    except RunError as error:
        # What is behind it in this cluster would be disturbed by what has not come.
        runs.errors[cell] = str(error).strip()
        runs.results.pop(cell, None)
        came_out.append(f"FAILED: {error}")
    print(f"bench: {kind.name}, {nodes} nodes: {', '.join(came_out)}", flush=True)


def _run_load(plan: Plan, servers: Cluster, load: Load, nodes: int, warmup_s: float) -> dict:
    window = ["--warmup", str(warmup_s), "--seconds", str(plan.seconds)]
    return per_message(servers.load([*load.arguments(servers.ports), *window]), load, nodes)


def per_message(result: dict, load: Load, nodes: int) -> dict:
    """A run of the load generator as costs in us of CPU for each message that a client sent.

    receiver_us: the mean of the nodes that have clients, without the first; other_us: of those without any.
    """
    messages = result["count"] / load.deliveries(nodes)
    costs = [cost / messages for cost in result["node_cpu_us"]]
    with_clients = 2 if load.elsewhere else nodes
    latency = result.get("latency_us")
    return {
        "messages": messages,
        "per_second": result["rate"] / load.deliveries(nodes),
        "seconds": result["seconds"],
        "checked": result["checked"],
        "sender_us": costs[0],
        "receiver_us": _mean(costs[1:with_clients]),
        "other_us": _mean(costs[with_clients:]),
        "redis_us": result["redis_cpu_us"] / messages,
        "latency_us": latency if nodes > 1 else None,
        "load_busy": result["load_busy"],
    }


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0

"""From the runs to one document: medians and ranges, and what a broadcast costs at each place that it passes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable

from bench.cluster.kinds import ALONE, BURST, ELSEWHERE, FAN, FAN_ONE, ONE
from bench.cluster.measure import Plan, Runs
from bench.prepare import Tools
from bench.report import host

# A cost that comes of a difference may lie within the noise, and below 0.
Spread = dict[str, float]


def document(command: str, tools: Tools, plan: Plan, runs: Runs, versions: dict[str, str]) -> dict:
    return {
        "made_by": command,
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "host": host(),
        "load_average": [min(runs.loads), max(runs.loads)] if runs.loads else None,
        "versions": {**tools.versions, **versions},
        "rounds": runs.rounds,
        "window": {"warmup_s": plan.warmup_s, "seconds": plan.seconds},
        "kinds": [kind.name for kind in plan.kinds],
        "nodes": list(plan.nodes),
        "errors": {", ".join(map(str, cell)): text for cell, text in runs.errors.items()},
        "costs": [
            costs
            for nodes in plan.nodes
            for kind in plan.kinds_of(nodes)
            if (costs := _costs(runs, kind.server, kind.name, nodes)) is not None
        ],
        "runs": [
            {"kind": kind, "nodes": nodes, "load": load, **run}
            for (kind, nodes, load), results in runs.results.items()
            for run in results
        ],
    }


def _costs(runs: Runs, server: str, kind: str, nodes: int) -> dict | None:
    """What it costs in a cluster of a kind, in us of CPU for each message, round by round."""

    def of(load: str, key: str, kind: str = kind, nodes: int = nodes) -> list[float]:
        return [run[key] for run in runs.results.get((kind, nodes, load), [])]

    if not of(ONE.name, "sender_us"):
        return None
    found: dict = {"kind": kind, "server": server, "nodes": nodes}
    for load in (ONE, BURST):
        alone = of(load.name, "sender_us", f"{server} {ALONE}", 1)
        found[load.name] = {
            "sender_us": spread(of(load.name, "sender_us")),
            # What joining a cluster adds to the same event on a server that is alone.
            "publish_us": spread(_minus(of(load.name, "sender_us"), alone)),
            "receiver_us": spread(of(load.name, "receiver_us")),
            "redis_us": spread(of(load.name, "redis_us")),
            "per_second": spread(of(load.name, "per_second")),
        }
    if nodes > 1:
        for few, many, name in ((ONE, FAN_ONE, "delivery_one_us"), (BURST, FAN, "delivery_us")):
            differences = _minus(of(many.name, "receiver_us"), of(few.name, "receiver_us"))
            found[name] = spread(one / (many.clients - few.clients) for one in differences)
        found["elsewhere_us"] = spread(of(ELSEWHERE.name, "other_us"))
        latencies = [run["latency_us"] for run in runs.results.get((kind, nodes, ONE.name), [])]
        found["latency_us"] = {
            name: spread(latency[name] for latency in latencies) for name in ("p50", "p99")
        }
    found["bound"] = bound(found[BURST.name])
    return found


def bound(costs: dict) -> dict | None:
    """How many messages a second the busiest place takes if it has a core for itself: arithmetic, not measured."""
    places = {"sender": "sender_us", "receiver": "receiver_us", "redis": "redis_us"}
    busiest = max(places, key=lambda place: (costs[places[place]] or {"median": 0})["median"])
    cost = costs[places[busiest]]
    return {"per_second": 1e6 / cost["median"], "at": busiest} if cost and cost["median"] else None


def _minus(values: list[float], others: list[float]) -> list[float]:
    return [value - other for value, other in zip(values, others, strict=False)]


def spread(values: Iterable[float]) -> Spread | None:
    known = list(values)
    if not known:
        return None
    return {"median": statistics.median(known), "least": min(known), "most": max(known)}


Cost = Callable[[dict], Spread | None]

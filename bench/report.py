"""From the runs to one document: medians and ranges of every cell, host, versions.

Tables, verdicts and the plot are made from the document alone, so also from its file.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from pathlib import Path

from bench.cases import Case, Metric
from bench.prepare import Tools
from bench.rounds import Plan, Runs

SHARES = ("server_busy", "server_waited", "load_busy", "load_waited")
PERCENTILES = ("p50", "p99", "p99.9")
# In the file, what is below this depth is on one line: a run.
RUN_DEPTH = 6


def document(command: str, tools: Tools, plan: Plan, runs: Runs) -> dict:
    missing = {**tools.missing, **({"TLS": tools.no_tls} if tools.no_tls else {})}
    return {
        "made_by": command,
        "date": time.strftime("%Y-%m-%d"),
        "host": host(),
        "versions": tools.versions,
        "fastsio_is": tools.fastsio_is,
        "rounds": runs.rounds,
        "window": {"warmup_s": plan.warmup_s, "seconds": plan.seconds},
        "servers": list(plan.servers),
        "missing": missing,
        "cases": [_case(case, plan, runs) for case in plan.cases],
    }


def _case(case: Case, plan: Plan, runs: Runs) -> dict:
    servers = {}
    for name in plan.servers_of(case):
        cell = (case.name, name)
        if cell in runs.errors:  # whatever else it gave: it cannot be trusted
            servers[name] = {"error": runs.errors[cell]}
        elif cell in runs.results:
            servers[name] = summary(runs.results[cell], case.metric)
    about = {"name": case.name, "title": case.title, "load": " ".join(case.load)}
    return {**about, "unit": case.metric.unit, "servers": servers}


def summary(runs: list[dict], metric: Metric) -> dict:
    """Median and range of the runs of one case on one server."""
    values = [run[metric.key] / metric.divisor for run in runs]
    latencies = [run["latency_us"] for run in runs if "latency_us" in run]
    return {
        "value": statistics.median(values),
        "least": min(values),
        "most": max(values),
        "limits": sorted({run["limit"] for run in runs if "limit" in run}),
        **{key: _median(run.get(key) for run in runs) for key in ("rate", *SHARES)},
        "latency_us": {p: _median(latency[p] for latency in latencies) for p in PERCENTILES},
        "checked": sum(run["checked"] for run in runs),
        "runs": runs,
    }


def _median(values) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def host() -> dict:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {
        "cpu": models[0] if models else platform.machine(),
        "cpus": os.cpu_count(),
        "kernel": platform.release(),
    }


def pretty(value, depth: int = 0) -> str:
    """JSON with a line for each run, so that a thousand runs can still be looked through."""
    if depth == RUN_DEPTH or not value or not isinstance(value, dict | list):
        return json.dumps(value)
    inside, end = "\n" + " " * (depth + 1), "\n" + " " * depth
    if isinstance(value, list):
        return "[" + ",".join(inside + pretty(v, depth + 1) for v in value) + end + "]"
    members = (f"{json.dumps(k)}: {pretty(v, depth + 1)}" for k, v in value.items())
    return "{" + ",".join(inside + member for member in members) + end + "}"


def cells(result: dict, name: str) -> dict[str, dict]:
    """What was measured in a case: server -> summary, without the servers that failed."""
    for case in result["cases"]:
        if case["name"] == name:
            return {s: cell for s, cell in case["servers"].items() if "error" not in cell}
    return {}

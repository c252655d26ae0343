"""From the runs to what is read: medians and ranges, the table, the JSON file."""

import json
import os
import platform
import statistics
import subprocess
from pathlib import Path

from bench.prepare import Tools

# Over this share of the time server or load were kept waiting for a CPU: the machine was not quiet.
DISTURBED = 0.05
SHARES = ("server_busy", "server_waited", "load_busy", "load_waited")
PERCENTILES = ("p50", "p99", "p99.9")
PACKAGES = (
    *("fastsio", "python-socketio", "python-engineio"),
    *("uvicorn", "uvloop", "httptools", "websockets", "orjson"),
)
# Run by the interpreter of the servers.
VERSIONS = """
import importlib.metadata, json, platform, sys
found = {d.name: d.version for d in importlib.metadata.distributions()}
print(json.dumps({"python": platform.python_version(), **{p: found.get(p) for p in sys.argv[1:]}}))
"""


def summary(runs: list[dict]) -> dict:
    """Median and range of the runs of one case on one server."""
    cpu = [r["server_cpu_us"] for r in runs]
    return {
        "server_cpu_us": statistics.median(cpu),
        "server_cpu_us_min": min(cpu),
        "server_cpu_us_max": max(cpu),
        "limits": sorted({r["limit"] for r in runs}),
        **{key: statistics.median(r[key] for r in runs) for key in ("rate", *SHARES)},
        "latency_us": {p: statistics.median(r["latency_us"][p] for r in runs) for p in PERCENTILES},
        "checked": sum(r["checked"] for r in runs),
        "runs": runs,
    }


def host() -> dict:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {
        "cpu": models[0] if models else platform.machine(),
        "cpus": os.cpu_count(),
        "kernel": platform.release(),
        "load_average": os.getloadavg()[0],
    }


def versions(tools: Tools) -> dict:
    """Of the interpreter that ran the servers and of the packages that it found."""
    command = [str(tools.python), "-c", VERSIONS, *PACKAGES]
    done = subprocess.run(command, capture_output=True, check=True, env=tools.environ)
    return {**json.loads(done.stdout), "fastsio is": tools.fastsio_is}


def _cost(s: dict) -> str:
    is_disturbed = max(s["server_waited"], s["load_waited"]) > DISTURBED
    marks = "*" * (s["limits"] != ["server"]) + "!" * is_disturbed
    least, most = s["server_cpu_us_min"], s["server_cpu_us_max"]
    return f"{s['server_cpu_us']:.2f} ({least:.2f}-{most:.2f}){marks}"


def _row(case: dict, names: tuple[str, str]) -> list[str]:
    servers = [case["servers"][name] for name in names]
    return [
        case["title"],
        *(_cost(s) for s in servers),
        f"{case['ratio']:.1f}",
        " / ".join(f"{s['server_busy'] * 100:.0f}" for s in servers),
        " / ".join(f"{s['latency_us']['p99'] / 1000:.1f}" for s in servers),
    ]


def table(cases: list[dict], subject: str, peer: str) -> str:
    """Server CPU per message or delivery in microseconds: median (range)."""
    rows = [["server CPU, us per", subject, peer, "ratio", "busy %", "p99 ms"]]
    rows += [_row(case, (subject, peer)) for case in cases]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for title, *cells in rows:
        lines.append("  ".join([title.ljust(widths[0]), *map(str.rjust, cells, widths[1:])]))
    lines.insert(1, "-" * len(lines[0]))
    text = "\n".join(lines)
    if "*" in text:
        lines.append("* not the server but the client or the wire was the limit")
    if "!" in text:
        lines.append(
            f"! other processes had the CPU of server or load over {DISTURBED:.0%} of the time"
        )
    return "\n".join(lines)


def write_json(path: Path, command: str, tools: Tools, rounds: int, cases: list[dict]) -> None:
    path.parent.mkdir(exist_ok=True)
    document = {
        "made_by": command,
        "host": host(),
        "versions": versions(tools),
        "rounds": rounds,
        "unit": "microseconds of server CPU (user + system) per message or delivery",
        "cases": cases,
    }
    path.write_text(json.dumps(document, indent=1) + "\n")

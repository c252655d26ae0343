"""The document as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bench.cluster.kinds import BURST, ELSEWHERE, FAN, ONE

Value = Callable[[dict], dict | None]


def of(load: str, key: str) -> Value:
    return lambda costs: costs[load][key]


ROWS: tuple[tuple[str, Value], ...] = (
    ("the sender: what publishing adds to an event, one at a time", of(ONE.name, "publish_us")),
    (f"the same, {BURST.in_flight} at once", of(BURST.name, "publish_us")),
    ("Redis, for each message, one at a time", of(ONE.name, "redis_us")),
    (f"the same, {BURST.in_flight} at once", of(BURST.name, "redis_us")),
    ("each other node with one client, one at a time", of(ONE.name, "receiver_us")),
    (f"the same, {BURST.in_flight} at once", of(BURST.name, "receiver_us")),
    ("each client more there, one at a time", lambda costs: costs.get("delivery_one_us")),
    (f"the same, {FAN.in_flight} at once", lambda costs: costs.get("delivery_us")),
    (
        f"a node without anybody in the room, {ELSEWHERE.in_flight} at once",
        lambda costs: costs.get("elsewhere_us"),
    ),
)


def page(result: dict) -> str:
    most = max(result["nodes"])
    parts = [
        f"# {result['made_by']}",
        made(result),
        "How it is measured and what it leaves out: [../README.md](../README.md), section on clusters. "
        "us of CPU, median (range) of the rounds.",
        *(f"FAILED: {name}: {text.splitlines()[0]}" for name, text in result["errors"].items()),
        f"## A broadcast in a cluster of {most}",
        costs_table(result, most),
        "![costs](cluster.svg)" if most > 1 else "",
        "## By the number of nodes",
        nodes_table(result),
        "`bound`: what the busiest place would take with a core of its own, 1 s / its CPU for a message: arithmetic. "
        "`here`: what came through on this machine, where all processes share its CPUs.",
        "## From emit to a client of another node",
        latency_table(result),
    ]
    return "\n\n".join(filter(None, parts))


def costs_table(result: dict, nodes: int) -> str:
    """A row for each place that a broadcast passes, a column for each kind."""
    found = {one["kind"]: one for one in result["costs"] if one["nodes"] == nodes}
    lines = [row("", found), "|---|" + "--:|" * len(found)]
    for title, value in ROWS:
        cells = [cell(value(one)) for one in found.values()]
        if any(cells):
            lines.append(row(title, cells))
    return "\n".join(lines)


def nodes_table(result: dict) -> str:
    head = ("", "nodes", "sender", "each receiver", "Redis", "bound, messages/s", "at", "here")
    lines = [row(head[0], head[1:]), "|---|" + "--:|" * (len(head) - 1)]
    for one in sorted(result["costs"], key=lambda one: result["kinds"].index(one["kind"])):
        burst, bound = one[BURST.name], one["bound"]
        cells = [cell(burst[key]) for key in ("sender_us", "receiver_us", "redis_us")]
        most = [f"{bound['per_second']:,.0f}", bound["at"]] if bound else ["", ""]
        here = f"{burst['per_second']['median']:,.0f}" if burst["per_second"] else ""
        lines.append(row(one["kind"], [str(one["nodes"]), *cells, *most, here]))
    return "\n".join(lines)


def latency_table(result: dict) -> str:
    lines = ["| | nodes | p50, us | p99, us |", "|---|--:|--:|--:|"]
    lines += [
        row(one["kind"], [str(one["nodes"]), *(cell(one["latency_us"][p]) for p in ("p50", "p99"))])
        for one in sorted(result["costs"], key=lambda one: result["kinds"].index(one["kind"]))
        if one["nodes"] > 1
    ]
    return "\n".join(lines)


def row(title: str, cells: Iterator[str] | list[str] | dict | tuple) -> str:
    return f"| {title} | " + " | ".join(cells) + " |"


def cell(spread: dict | None) -> str:
    if spread is None or spread["most"] == spread["least"] == 0:
        return ""
    least, median, most = (number(spread[key]) for key in ("least", "median", "most"))
    return median if least == most else f"{median} ({least}-{most})"


def number(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def made(result: dict) -> str:
    host, load = result["host"], result["load_average"]
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    busy = f", load average {load[0]:.1f} to {load[1]:.1f} meanwhile" if load else ""
    return (
        f"{result['date']}, {host['cpus']} CPUs of {host['cpu']}, Linux {host['kernel']}{busy}; "
        f"{result['rounds']} rounds, every answer checked; {versions}"
    )

"""A run's document as tables in Markdown, which reads well on a terminal too."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bench.cases import BY_NAME, CPU, FLOOR, SUBJECT, Case, Metric
from bench.report import cells
from bench.verdicts import p99_ms, peers_of, value

# Over this share of the time server or load were kept waiting for a CPU: the machine was not quiet.
DISTURBED = 0.05
MARKS = {
    "*": "the server was not busy all the time: it waited for the client or the wire",
    "!": f"other processes had the CPU of server or load over {DISTURBED:.0%} of the time",
    "failed": "a wrong answer, or the server died",
}


def markdown(rows: list[list[str]]) -> str:
    """The first row is the head; all columns but the first are numbers."""
    widths = [max(3, *map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for title, *numbers in rows:
        padded = [title.ljust(widths[0]), *map(str.rjust, numbers, widths[1:])]
        lines.append(f"| {' | '.join(padded)} |")
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines.insert(1, f"| {' | '.join(rule)} |")
    return "\n".join(lines)


def number(x: float) -> str:
    """Three digits, without an exponent."""
    return f"{x:.2f}" if x < 9.995 else f"{x:.1f}" if x < 99.95 else f"{x:,.0f}"


def _marks(cell: dict) -> str:
    waited = max(cell["server_waited"] or 0, cell["load_waited"] or 0)
    is_limited = cell["limits"] != ["server"]
    return "*" * is_limited + "!" * (waited > DISTURBED)


def median(cell: dict) -> str:
    return number(value(cell))


def spread(cell: dict) -> str:
    """Median (least-most) of the rounds."""
    return f"{median(cell)} ({number(cell['least'])}-{number(cell['most'])})"


def cost(cell: dict) -> str:
    return median(cell) + _marks(cell)


def cost_spread(cell: dict) -> str:
    return spread(cell) + _marks(cell)


def latency(cell: dict) -> str:
    ms = p99_ms(cell)
    return "" if ms is None else number(ms)


def busy(cell: dict) -> str:
    share = cell["server_busy"]
    return "" if share is None else f"{share * 100:.0f}"


def table(
    result: dict,
    head: str,
    show: Callable[[dict], str],
    metric: Metric = CPU,
    has_ratios: bool = False,
    is_wanted: Callable[[Case], bool] = lambda case: True,
) -> str:
    """A row for each case of `metric`, a column for each server; none that has nothing in it."""
    servers = result["servers"]
    rows = [[head, *servers, *(["best peer / fastsio", "fastsio / floor"] if has_ratios else [])]]
    for about in result["cases"]:
        case = BY_NAME[about["name"]]
        if case.metric is metric and is_wanted(case):
            shown = [_shown(about["servers"].get(name), show) for name in servers]
            ratios = _ratios(result, case) if has_ratios else []
            rows += [[case.title, *shown, *ratios]] if any(shown) else []
    columns = [column for column in zip(*rows, strict=True) if any(column[1:])]
    return markdown([list(row) for row in zip(*columns, strict=True)]) if columns else ""


def _shown(cell: dict | None, show: Callable[[dict], str]) -> str:
    if cell is None:
        return ""
    return "failed" if "error" in cell else show(cell)


def _ratios(result: dict, case: Case) -> Iterator[str]:
    """Of a case that a peer runs too, or of fastsio and python-socketio alone."""
    measured = {name: value(cell) for name, cell in cells(result, case.name).items()}
    ours, floor = measured.get(SUBJECT), measured.get(FLOOR)
    peers = peers_of(measured)
    yield number(min(peers.values()) / ours) if ours and peers else ""
    yield number(ours / floor) if ours and floor else ""


def legend(text: str) -> str:
    """The marks that are in `text`."""
    lines = [f"`{mark}` {meaning}" for mark, meaning in MARKS.items() if mark in text]
    return "; ".join(lines)

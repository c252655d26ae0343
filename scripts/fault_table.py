"""docs/reliability.md, made from the `fault` marks of the tests and from the figures of the long runs.

    python scripts/fault_table.py            write the page
    python scripts/fault_table.py --check    fail if it is not what this makes, a mark is wrong, or rows are missing

A test that shows what happens in a fault says so: @pytest.mark.fault("what goes wrong", "what happens then"), two
literal texts, any number of marks. Tests with the same two texts share a row. Files are parsed and not imported, so
this needs nothing installed and takes a second. The figures are those of tests/soak/results (`make misbehave`,
`make soak`).
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reliability.md"
TESTS = ROOT / "tests"
RESULTS = TESTS / "soak" / "results"
LEAST_ROWS = 50
LONGEST_TEXT = 200
SHOWN = 4

# Which heading a row stands under: the first whose pattern is found in the path of its first test.
SECTIONS = (
    ("Long runs, and many who misbehave at once", r"soak/"),
    ("Stopping and restarting", r"test_shutdown|test_drain|test_handover|test_restart|test_serve"),
    (
        "Slow, silent and half-open clients",
        r"slow|watchdog|_time\.py|test_flow|test_stream|keepalive",
    ),
    ("Limits", r"limit|admission|too_large"),
    ("Security", r"security|origin|cors|traversal|proxies|tls"),
    ("Input that breaks the rules", r"conformance/|fuzz|test_frames|test_payload|codec|deflate"),
    ("Clients that vanish, handlers that fail, resources that run out", r""),
)

HEAD = """# Reliability

What goes wrong, what happens then, and the test that shows it. This page is made by `make faults` from the marks of
the tests (`@pytest.mark.fault(…)`) and from the figures of the long runs. In all of them one thing is checked besides:
**every connect that was accepted gets exactly one disconnect, with a reason**.

`make soak SOAK_SECONDS=600` and `make misbehave` make the figures anew (`tests/soak`; Linux, a C compiler). The second
takes eight minutes, needs 20,000 open files and two CPUs without other work: its p99 is compared. Their short forms,
and 100,000 connects, are tests.
"""


@dataclass
class Row:
    what: str
    outcome: str
    tests: list[str] = field(default_factory=list)

    @property
    def section(self) -> str:
        return next(title for title, pattern in SECTIONS if re.search(pattern, self.tests[0]))


# --- the marks ---------------------------------------------------------------------------------


def marks_of(path: Path) -> Iterator[tuple[str, list[ast.expr]]]:
    """(test, the mark's arguments) of each mark of a file, in its order; "" is the whole file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and _is_pytestmark(node.targets[0]):
            for arguments in _calls([node.value]):
                yield "", arguments
        yield from _marks_in(node, "")


def _is_pytestmark(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "pytestmark"


def _marks_in(node: ast.stmt, inside: str) -> Iterator[tuple[str, list[ast.expr]]]:
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return
    name = f"{inside}{node.name}"
    for arguments in _calls(node.decorator_list):
        yield name, arguments
    if isinstance(node, ast.ClassDef):
        for one in node.body:
            yield from _marks_in(one, f"{name}::")


def _calls(nodes: Iterable[ast.expr]) -> Iterator[list[ast.expr]]:
    """The arguments of each ….mark.fault(…) in these expressions, those in pytest.param(marks=…) too."""
    for node in (one for outer in nodes for one in ast.walk(outer)):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "fault"
            and isinstance(node.func.value, ast.Attribute)
            and node.func.value.attr == "mark"
        ):
            yield [*node.args, *(keyword.value for keyword in node.keywords)]


def texts_of(arguments: list[ast.expr]) -> tuple[str, str] | str:
    """The mark's two texts, or what is wrong with it."""
    values = [one.value for one in arguments if isinstance(one, ast.Constant)]
    if len(arguments) != 2 or len(values) != 2:
        return "two literal texts are wanted"
    texts = []
    for value in values:
        if not isinstance(value, str) or not value.strip():
            return f"{value!r} is no text"
        if "\n" in value or len(value) > LONGEST_TEXT:
            return f"{value[:40]!r}… is more than one line of {LONGEST_TEXT} characters"
        texts.append(value.strip())
    return texts[0], texts[1]


def read_rows(tests: Path = TESTS, root: Path = ROOT) -> tuple[list[Row], list[str]]:
    """The rows in the order of the files, and what is wrong with marks."""
    rows: dict[tuple[str, str], Row] = {}
    wrong = []
    for path in sorted(tests.rglob("*.py")):
        if "node_modules" in path.parts:
            continue
        for test, arguments in marks_of(path):
            place = path.relative_to(root).as_posix() + (f"::{test}" if test else "")
            texts = texts_of(arguments)
            if isinstance(texts, str):
                wrong.append(f"{place}: fault mark: {texts}")
                continue
            row = rows.setdefault(texts, Row(*texts))
            if place not in row.tests:
                row.tests.append(place)
    return list(rows.values()), wrong


# --- the page ----------------------------------------------------------------------------------


def page(rows: list[Row], figures: str = "") -> str:
    """The whole page; `figures` is what figures_of() makes."""
    parts = [HEAD, figures]
    for title, _ in SECTIONS:
        inside = [row for row in rows if row.section == title]
        if inside:
            parts.append(
                f"\n## {title}\n\n| what goes wrong | what happens | test |\n|---|---|---|\n"
            )
            parts += [_line(row) for row in inside]
    return "".join(parts)


def _line(row: Row) -> str:
    cells = [row.what, row.outcome, _tests(row.tests)]
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |\n"


def _tests(tests: list[str]) -> str:
    shown = [f"`{test.removeprefix('tests/')}`" for test in tests[:SHOWN]]
    more = len(tests) - SHOWN
    return "<br>".join(shown + ([f"and {more} more"] if more > 0 else []))


def figures_of(results: Path = RESULTS) -> str:
    """What the long runs have shown, as the files in `results` have it."""
    made = {"misbehave.json": _misbehave, "soak.json": _soak}
    parts = []
    for name, describe in made.items():
        path = results / name
        if path.exists():
            parts.append(describe(json.loads(path.read_text(encoding="utf-8"))))
    return "".join(parts)


def _misbehave(result: dict[str, Any]) -> str:
    good, p50, p99 = result["good"], result["p50_ms"], result["p99_ms"]
    polling, busy = result["polling_p99_ms"], result["busy"]
    text = f"""
## {result["connections"]:,} connections, {result["misbehaving"]} of them misbehaving

`make misbehave` runs the load generator's {good["connections"]:,} clients ({good["websocket"]:,} over WebSocket,
{good["polling"]:,} over polling) that chat in rooms at a fixed rate, each message checked at every receiver, beside
{result["misbehaving"]} connections that misbehave in {len(result["ways"])} ways at once, for {result["seconds"]:g}
seconds, and before that for {result["quiet_seconds"]:g} seconds without these. The server's process
has frozen what its start has made (`gc.freeze()`) and collects garbage less often
(`gc.set_threshold(50_000, 20, 100)`), which `fastsio.run()` does not by itself: with CPython's own thresholds the
longest pauses are its collector's. On {result["machine"]}:

"""
    rows = [
        ("messages said, deliveries that were due", f"{good['messages']:,}, {good['due']:,}"),
        ("deliveries that came, once, unchanged and in order", f"{good['delivered']:,}"),
        ("lost", f"{good['lost']:,}"),
        ("good clients that were closed", f"{good['closed']:,}"),
        ("p50 of a delivery, quiet and beside those", _times(p50)),
        ("p99 of a delivery, quiet and beside those", _times(p99)),
        ("p99 over polling, quiet and beside those", _times(polling)),
        ("the server's share of its CPU", f"{busy['quiet']:.0%}, {busy['loud']:.0%}"),
        ("misbehaviours, and those that the server ended", _both(result, "misbehaved", "cut_off")),
        *_ends(result),
    ]
    return f"{text}{_table(rows)}\nThe ways, and how often each was gone through: {_ways(result['ways'])}.\n"


def _times(figures: dict[str, float]) -> str:
    return f"{figures['quiet']} ms, {figures['loud']} ms: {figures['times']} times"


def _both(result: dict[str, Any], first: str, second: str) -> str:
    return f"{result[first]:,}, {result[second]:,}"


def _ends(result: dict[str, Any]) -> list[tuple[str, str]]:
    """The invariant, and what is left."""
    return [
        ("connects accepted, disconnects with a reason", _both(result, "accepted", "disconnects")),
        ("disconnects missing, twice, or without a reason", str(result["wrong"])),
        ("left at the end: sessions, sockets, tasks, timers, descriptors", result["left"]),
    ]


def _table(rows: list[tuple[str, str]]) -> str:
    return "| | |\n|---|---|\n" + "".join(f"| {name} | {value} |\n" for name, value in rows)


def _ways(ways: dict[str, dict[str, int]]) -> str:
    return ", ".join(f"{name} ({sum(ends.values()):,})" for name, ends in ways.items())


def _soak(result: dict[str, Any]) -> str:
    slope, rss = result["slope"], result["rss_mb"]
    text = f"""
## {result["connects"]:,} connects in {result["seconds"]:g} seconds

`make soak` lets processes of clients come and go at a server in a process of its own: WebSocket, polling, upgrades,
Engine.IO 3, the official client, rooms, binary, acks both ways, namespaces, cuts at any moment; whole processes are
killed with SIGKILL. On {result["machine"]}:

"""
    grows = f"{slope['bytes_per_connect']} bytes a connect (± {slope['error']})"
    rows = [
        *_ends(result),
        ("client processes that were killed", f"{result['killed']:,}"),
        ("memory blocks that a connect left behind", str(result["blocks_per_connect"])),
        ("memory's slope by regression", f"{grows}, {slope['mb_per_hour']} MB an hour"),
        ("resident memory at the start and at the end", f"{rss['start']} MB, {rss['end']} MB"),
    ]
    return text + _table(rows)


def main(arguments: list[str]) -> int:
    rows, complaints = read_rows()
    wrong = list(complaints)
    text = page(rows, figures_of())
    if len(rows) < LEAST_ROWS:
        wrong.append(f"{len(rows)} rows, and {LEAST_ROWS} are wanted")
    if "--check" not in arguments:
        PAGE.write_text(text, encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
        wrong.append("docs/reliability.md is out of date: run `make faults`")
    print("\n".join(wrong) or f"{len(rows)} rows, {sum(len(row.tests) for row in rows)} tests")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

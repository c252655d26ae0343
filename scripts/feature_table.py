"""docs/features.md, made from scripts/features.txt and from the marks of the tests.

    python scripts/feature_table.py            write the page
    python scripts/feature_table.py --check    fail if it is not what this makes, or a row lacks a test or a reason

A test proves rows with @pytest.mark.feature("1.6 catch-all in"), a scenario of tests/parity by the names that it is
registered with. Files are parsed and not imported, so this needs nothing installed and takes a second.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "features.md"
ROWS = ROOT / "scripts" / "features.txt"
TESTS = ROOT / "tests"
SHOWN = 4
NONE = "-"
DIFFERENCES = TESTS / "parity" / "differences.py"
CLIENTS = TESTS / "interop" / "test_every_client.py"

HEAD = """# Features

What Node's Socket.IO server (4.8), python-socketio (5.18) and fastsio can do, and the tests that prove it of fastsio.
This page is made by `make features` from `scripts/features.txt` and the marks of the tests
(`@pytest.mark.feature(…)`). Scenarios of `tests/parity` are played against Node's own server too.
"""

CLIENTS_HEAD = """
## The official client of npm

Each place plays the same script (`tests/interop/test_every_client.py`): text and bytes both ways, answers that both
sides ask for, namespaces, a refusal, a restart of the server.

"""
DIFFERENCES_HEAD = """
## Where a client or an application sees something else than with Node

On purpose, with the scenario of `tests/parity` that shows it. What differs from python-socketio is in
[differences.md](differences.md).

| scenario | what fastsio does, and why |
|---|---|
"""


@dataclass
class Row:
    """`not_here` says why fastsio does not have it, `here` how it does; `tests` are those that prove it."""

    section: str
    name: str
    node: str
    python: str
    aliases: list[str] = field(default_factory=list)
    not_here: str = ""
    here: str = ""
    tests: list[str] = field(default_factory=list)

    def match(self, text: str) -> int:
        """How much of a mark's text is one of this row's names; 0 if it is of another."""
        return max(
            (len(name) for name in (self.name, *self.aliases) if _begins(text, name)), default=0
        )


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text.replace("`", "")).strip().lower()


def _begins(text: str, name: str) -> bool:
    text, name = _plain(text), _plain(name)
    return text.startswith(name) and not text[len(name) :][:1].isalnum()


def read_rows(text: str) -> tuple[dict[str, str], list[Row]]:
    """The titles of the sections by their numbers, and the rows."""
    titles: dict[str, str] = {}
    rows: list[Row] = []
    section = ""
    for line in text.splitlines():
        if line.startswith("== "):
            section, title = line[3:].split(" ", 1)
            titles[section] = title
        elif line and not line.startswith("#"):
            rows.append(_row(section, line))
    return titles, rows


def _row(section: str, line: str) -> Row:
    name, node, python, *more = [cell.strip() for cell in line.split(" | ")]
    row = Row(section, name, node, python)
    for cell in more:
        kind, _, text = cell.partition(": ")
        if kind == "also":
            row.aliases = text.split("; ")
        elif kind == "not":
            row.not_here = text
        elif kind == "here":
            row.here = text
        else:
            raise ValueError(f"{section} {name}: {cell!r} is none of also:, here: and not:")
    return row


def marks_of(path: Path) -> Iterator[tuple[str, str]]:
    """(mark, test) of a file: the texts of its marks, and the tests that have them."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and _is_named(node.targets[0], "pytestmark"):
            for mark in _texts([node.value]):
                yield mark, ""
        yield from _marks_in(node, "")


def _marks_in(node: ast.stmt, inside: str) -> Iterator[tuple[str, str]]:
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return
    name = f"{inside}{node.name}"
    for mark in _texts(node.decorator_list):
        yield mark, name
    if isinstance(node, ast.ClassDef):
        for one in node.body:
            yield from _marks_in(one, f"{name}.")


def _is_named(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _texts(nodes: Iterable[ast.expr]) -> Iterator[str]:
    """The texts given to feature(…) and to parity's scenario(…) anywhere in these expressions."""
    for node in (one for outer in nodes for one in ast.walk(outer)):
        if isinstance(node, ast.Call) and (
            (isinstance(node.func, ast.Attribute) and node.func.attr == "feature")
            or _is_named(node.func, "scenario")
        ):
            for arg in node.args:
                if isinstance(arg, ast.Constant) and re.match(r"\d+\.\d+ ", str(arg.value)):
                    yield str(arg.value)


def prove(rows: list[Row], tests: Path = TESTS) -> list[str]:
    """Give every row its tests; returns the marks that are of no row."""
    strays = []
    for path in sorted(tests.rglob("*.py")):
        if "node_modules" in path.parts:
            continue
        for mark, test in marks_of(path):
            row = find(rows, mark)
            place = f"{path.relative_to(ROOT).as_posix()}{'::' if test else ''}{test}"
            if row is None:
                strays.append(f"{place}: {mark!r}")
            elif place not in row.tests:
                row.tests.append(place)
    return strays


def find(rows: list[Row], mark: str) -> Row | None:
    """The row that a mark names."""
    section, _, text = mark.partition(" ")
    found = max(rows, key=lambda row: row.match(text) if row.section == section else -1)
    return found if found.section == section and found.match(text) else None


def gaps(rows: list[Row]) -> list[str]:
    """Rows that Node has, and that are neither proven nor explained; and explained ones that are proven."""
    wrong = [f"{row.section} {row.name}: no test" for row in rows
             if row.node != NONE and not row.tests and not row.not_here]  # fmt: skip
    return wrong + [
        f"{row.section} {row.name}: proven by {row.tests[0]}, but said not to be there"
        for row in rows
        if row.tests and row.not_here
    ]


def differences(text: str) -> dict[str, str]:
    """The reasons in tests/parity/differences.py by the scenarios that they are of."""
    found = {}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(value, ast.Call):
                    found[str(key.value)] = str(ast.literal_eval(value.args[0]))
    return found


def matrix(text: str) -> str:
    """The table of tests/interop/test_every_client.py: a row for each client, a column for each way to connect."""
    found = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id in ("CLIENTS", "IN_NODE", "IN_A_PAGE")
    }
    ways = [*found["IN_NODE"], "jsonp"]
    lines = [f"| client | {' | '.join(ways)} |\n", f"|---|{'---|' * len(ways)}\n"]
    for client, (_build, has_jsonp) in found["CLIENTS"].items():
        in_a_page = [*found["IN_A_PAGE"], *["jsonp"] * has_jsonp]
        places = [
            ", ".join(["Node"] * (way in found["IN_NODE"]) + ["Chromium"] * (way in in_a_page))
            for way in ways
        ]
        lines.append(f"| {client} | {' | '.join(place or 'it has none' for place in places)} |\n")
    return "".join(lines)


def page(
    titles: dict[str, str], rows: list[Row], reasons: dict[str, str], clients: str = ""
) -> str:
    """The whole page; `clients` is what matrix() makes."""
    parts = [HEAD]
    for section, title in titles.items():
        parts.append(
            f"\n## {section} {title}\n\n| feature | Node | python-socketio | fastsio | tests |\n|---|---|---|---|---|\n"
        )
        parts += [_line(row) for row in rows if row.section == section]
    parts += [CLIENTS_HEAD, clients, DIFFERENCES_HEAD]
    parts += [f"| `{name}` | {reason} |\n" for name, reason in reasons.items()]
    return "".join(parts)


def _line(row: Row) -> str:
    proven = f"yes: {row.here}" if row.here else "yes"
    ours = f"no: {row.not_here}" if row.not_here else proven if row.tests else "not proven"
    cells = [row.name, row.node, row.python, ours, _tests(row.tests)]
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |\n"


def _tests(tests: list[str]) -> str:
    shown = [f"`{test.removeprefix('tests/')}`" for test in tests[:SHOWN]]
    more = len(tests) - SHOWN
    return "<br>".join(shown + ([f"and {more} more"] if more > 0 else []))


def main(arguments: list[str]) -> int:
    titles, rows = read_rows(ROWS.read_text(encoding="utf-8"))
    strays = prove(rows)
    reasons = differences(DIFFERENCES.read_text(encoding="utf-8"))
    text = page(titles, rows, reasons, matrix(CLIENTS.read_text(encoding="utf-8")))
    wrong = [f"a mark of no row: {stray}" for stray in strays] + gaps(rows)
    if "--check" not in arguments:
        PAGE.write_text(text, encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
        wrong.append("docs/features.md is out of date: run `make features`")
    print("\n".join(wrong) or f"{len(rows)} rows, {sum(bool(row.tests) for row in rows)} proven")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

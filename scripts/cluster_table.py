"""docs/cluster-table.md, made from the `scenario` marks of tests/cluster and the clusters that these files name.

    python scripts/cluster_table.py            write the page
    python scripts/cluster_table.py --check    fail if it is not what this makes

Files are parsed and not imported, so this needs nothing installed.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "cluster-table.md"
TESTS = ROOT / "tests" / "cluster"
# How the scenarios begin that are played with each emitter.
OURS = "emitter: "
NAMES = {"node": "Node", "ours": "fastsio"}

HEAD = """# What is tested in mixed clusters

Real servers of Node (`socket.io` and its adapters from npm) and of fastsio, each in a process of its own, on a real
Redis, each with a client. The first server of a cluster acts, and the clients and listeners of all others have to take
part. This page is made by `make cluster-table` from `tests/cluster`: every word in a cell is a test of its own.

| peer | formats that it shares with fastsio |
|---|---|
| Node's `@socket.io/redis-adapter` 8, 7 | classic; of 8 also sharded |
| Node's `@socket.io/redis-streams-adapter` 0.3 | streams |
| `@socket.io/redis-emitter` 5, `socket.io-emitter` 3.2 | classic |
| fastsio's `Emitter` and `AsyncEmitter` | classic, sharded, streams |
| Node's streams emitter, which npm does not have | streams: its entries, byte by byte |
| python-socketio's managers | their own, unknown to Node: [cluster.md](cluster.md), `test_python_socketio.py` |
"""


def constants(path: Path) -> dict[str, Any]:
    """The names at the head of a file whose values are written out."""
    found: dict[str, Any] = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                found[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:
                continue
    return found


def scenarios(path: Path) -> list[tuple[str, str]]:
    """(scenario, test) of each mark of a file, in its order."""
    found = []
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        for mark in node.decorator_list if isinstance(node, ast.AsyncFunctionDef) else ():
            if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.scenario":
                [text] = mark.args
                found.append((str(ast.literal_eval(text)), node.name))
    return found


def table(first: str, columns: dict[str, str], rows: list[tuple[str, str]], file: str) -> str:
    """A row for each scenario, and a column for each cluster or emitter with the adapters that it is played on."""
    lines = [f"\n| {first} | {' | '.join(columns)} | test |\n", f"|---|{'---|' * len(columns)}---|\n"]  # fmt: skip
    for scenario, test in rows:
        lines.append(
            f"| {scenario.removeprefix(OURS)} | {' | '.join(columns.values())} | `{file}::{test}` |\n"
        )
    return "".join(lines)


def page(tests: Path = TESTS) -> str:
    """The whole page."""
    mixed, emitters = tests / "test_mixed.py", tests / "test_emitters.py"
    kinds, variants = (constants(mixed)[name] for name in ("KINDS", "VARIANTS"))
    pairs = constants(tests / "conftest.py")["PAIRS"]
    clusters = {" + ".join(NAMES[one] for one in pair): ", ".join(kinds) for pair in pairs}
    parts = [HEAD, "\n## Servers\n", table("scenario", clusters, scenarios(mixed), mixed.name)]
    parts.append(
        "\nThe same scenarios, in a cluster Node + fastsio + Node, with these options and versions:\n\n"
    )
    parts += [f"- {kind}: {what}\n" for kind, what in variants.items()]
    reached = {name: ", ".join(kinds) for name, kinds in constants(emitters)["EMITTERS"].items()}
    rows = scenarios(emitters)
    parts += ["\n## Emitters\n\nTo a cluster Node + fastsio.\n"]
    parts += [
        table("scenario", reached, [row for row in rows if row[0].startswith(OURS)], emitters.name)
    ]
    parts += [
        f"\n{text}: `{emitters.name}::{test}`.\n"
        for text, test in rows
        if not text.startswith(OURS)
    ]
    parts.append("\nWhat happens when something fails is in [reliability.md](reliability.md).\n")
    return "".join(parts)


def main(arguments: list[str]) -> int:
    text = page()
    if "--check" not in arguments:
        PAGE.write_text(text, encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
        print("docs/cluster-table.md is out of date: run `make cluster-table`")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

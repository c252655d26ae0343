"""Where a run goes: JSON, Markdown and plot in results/, and the table in README.md.

`python -m bench.output` makes all but the JSON anew from results/full.json.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.cases import CPU, MEMORY, Case, is_ours
from bench.plot import plot
from bench.prepare import BENCH, PROJECT
from bench.report import pretty
from bench.tables import busy, cost, cost_spread, latency, legend, median, number, spread, table
from bench.verdicts import STEP, Comparison, behind, compare, p99_ms, verdicts

RESULTS = BENCH / "results"
WHOLE = "full"  # the run that README.md shows
BEGIN, END = "<!-- made by make bench: begin -->\n", "<!-- made by make bench: end -->\n"
CPU_HEAD, MEMORY_HEAD = "server CPU, us per message", "memory, KB per connection"


def write_all(result: dict, stem: str) -> list[Path]:
    """Writes all files of a run; returns their paths."""
    return [write_json(result, stem), *write_derived(result, stem)]


def write_json(result: dict, stem: str) -> Path:
    return _write(RESULTS / f"{stem}.json", pretty(result))


def write_derived(result: dict, stem: str) -> list[Path]:
    """What is made from the JSON; README.md only from the one run that it shows."""
    written = [
        _write(RESULTS / f"{stem}.md", page(result, stem)),
        _write(RESULTS / f"{stem}.svg", plot(result)),
    ]
    if stem == WHOLE:
        readme = PROJECT / "README.md"
        written.append(_write(readme, with_table(readme.read_text(), headline(result))))
    return written


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text.rstrip("\n") + "\n")
    return path


def with_table(readme: str, text: str) -> str:
    """`readme` with `text` between its two markers."""
    before, rest = readme.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{text}\n\n{END}{after}"


def terminal(result: dict) -> str:
    """What it cost, what failed, what it shows."""
    tables = [
        table(result, CPU_HEAD, cost, has_ratios=True),
        table(result, MEMORY_HEAD, median, MEMORY, has_ratios=True),
    ]
    parts = [*tables, legend("".join(tables)), *_failures(result)]
    for subject in _subjects(result):
        lines = (f"{v.word:13} {v.goal}: {v.measured}" for v in verdicts(result, subject))
        parts.append("\n".join([f"What {subject} has to show:", *lines]))
    return "\n\n".join(filter(None, [*parts, _made(result)]))


def quick(result: dict) -> str:
    """For a run of few servers: with ranges and latencies."""
    tables = [
        table(result, CPU_HEAD, cost_spread, has_ratios=True),
        table(result, "p99, ms", latency),
    ]
    return "\n\n".join(
        filter(None, [*tables, legend(tables[0]), *_failures(result), _made(result)])
    )


def headline(result: dict) -> str:
    """README.md's table."""

    def is_wanted(case: Case) -> bool:
        return case.is_headline

    tables = [
        table(result, CPU_HEAD, cost, CPU, True, is_wanted),
        table(result, MEMORY_HEAD, median, MEMORY, True, is_wanted),
    ]
    plot_of_all = f"![all cases](bench/results/{WHOLE}.svg)"
    parts = [*tables, legend("".join(tables)), plot_of_all, _made(result)]
    return "\n\n".join(filter(None, parts))


def page(result: dict, stem: str) -> str:
    """The run as a page of its own."""
    costs = table(result, "us per message", cost_spread, has_ratios=True)
    parts = [
        f"# {result['made_by']}",
        _made(result),
        f"All of it is in [{stem}.json]({stem}.json); how it is measured: [../README.md](../README.md).",
        f"![server CPU per message and memory per connection]({stem}.svg)",
        "## Server CPU",
        "Median (range) of the rounds.",
        costs,
        legend(costs),
        *_failures(result),
        "## Memory",
        table(result, "KB per connection", spread, MEMORY, has_ratios=True),
        "## Latency",
        table(result, "p99, ms", latency),
        "## How busy the server was",
        table(result, "% of the window", busy),
    ]
    for subject in _subjects(result):
        lines = (f"* **{v.word}**: {v.goal}: {v.measured}" for v in verdicts(result, subject))
        parts += [f"## What {subject} has to show", "\n".join(lines)]
    parts += ["## Where fastsio is not ahead", "\n".join(_not_ahead(result)) or "Nowhere."]
    return "\n\n".join(filter(None, parts))


def _subjects(result: dict) -> list[str]:
    return [name for name in result["servers"] if is_ours(name)]


def _failures(result: dict) -> Iterator[str]:
    """What was left out, what failed, and the first line of why."""
    for name, reason in result["missing"].items():
        yield f"Left out: {name}: {reason}"
    for case in result["cases"]:
        for cell in case["servers"].values():
            if "error" in cell:
                yield f"FAILED: {case['name']}: {cell['error'].splitlines()[0]}"


def _not_ahead(result: dict) -> Iterator[str]:
    yield from _behind("us", behind(compare(result)))
    yield from _behind("KB", behind(compare(result, metric=MEMORY)))
    yield from _behind("ms p99", behind(compare(result, p99_ms), STEP))


def _behind(unit: str, compared: list[Comparison]) -> Iterator[str]:
    for c in compared:
        yield f"* {c.case.title}: {number(c.ours)} {unit}, {c.peer} {number(c.best)}"


def _made(result: dict) -> str:
    """Where, when and on what."""
    host = result["host"]
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    return (
        f"{result['date']}, {host['cpus']} CPUs of {host['cpu']}, Linux {host['kernel']}; "
        f"{result['rounds']} rounds, every answer checked; {versions}"
    )


if __name__ == "__main__":
    whole = json.loads((RESULTS / f"{WHOLE}.json").read_text())
    print("\n".join(map(str, write_derived(whole, WHOLE))))
    sys.exit(0)

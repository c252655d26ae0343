"""`make gate`: instructions per operation, counted by callgrind, against those committed in gate.json.

A count does not change with the machine's load, so 3 % is told from noise on two shared cores. The kernel's
part is not in it, nor are cache misses: it is for finding what a change did, not for comparing servers.
How it counts: micro/counted.py; what: micro/operations.py; what the counts depend on: README.md.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from bench import gate_profile
from bench.gate_setup import Setup

BENCH = Path(__file__).resolve().parent
FIGURES = BENCH / "gate.json"
COUNTED = BENCH / "micro" / "counted.py"
LIMIT = 0.03
CALLGRIND = ("valgrind", "-q", "--tool=callgrind", "--dump-before=getloadavg")


class GateError(Exception):
    """No figures could be made; the message says why, in one line."""


@dataclass(frozen=True)
class Count:
    """What callgrind wrote for a case: N runs in one file, 2 N in the next, so that marks cancel out."""

    units: int
    once: Path
    twice: Path

    @property
    def instructions(self) -> int:
        """Per unit: a run, or one of the many things that a run does."""
        return round((total(self.twice) - total(self.once)) / self.units)


def total(dump: Path) -> int:
    for line in dump.read_text().splitlines():
        if line.startswith("summary:"):
            return int(line.split()[1])
    raise GateError(f"callgrind wrote no total into {dump}")


def count(cases: list[str], folder: Path) -> dict[str, Count]:
    """Run the cases, all of them if none is named, under callgrind; of each the median."""
    if shutil.which(CALLGRIND[0]) is None:
        raise GateError("valgrind is missing (on Debian and Ubuntu: apt-get install valgrind)")
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [*CALLGRIND, f"--callgrind-out-file={folder}/%p", sys.executable, COUNTED, *cases],
        env=environ | {"PYTHONHASHSEED": "0", "PYTHONPATH": str(BENCH.parent)},
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise GateError(f"counting failed:\n{(done.stdout + done.stderr)[-3000:]}")
    counts = defaultdict(list)
    for line in map(json.loads, done.stdout.splitlines()):
        dumps = sorted(folder.glob(f"{line['pid']}.*"), key=lambda path: int(path.suffix[1:]))
        counts[line["case"]].append(Count(line["units"], *dumps[-2:]))
    return {case: median_of(found) for case, found in counts.items()}


def median_of(counts: list[Count]) -> Count:
    return sorted(counts, key=lambda count: count.instructions)[(len(counts) - 1) // 2]


# --- against what is committed ---------------------------------------------------------------


def compare(committed: dict[str, int], now: dict[str, int]) -> dict[str, str]:
    """Print the table; returns "worse" or "better" for each case beyond the limit."""
    verdicts = {}
    width = max(len(case) for case in now)
    print(f"{'instructions per':{width}}  committed         now   change")
    for case, figure in now.items():
        old = committed.get(case)
        change = figure / old - 1 if old else 0.0
        if abs(change) > LIMIT:
            verdicts[case] = "worse" if change > 0 else "better"
        before, by = (f"{old:,}", f"{change:+.1%}") if old else ("-", "new")
        print(
            f"{case:{width}} {before:>10} {figure:>11,} {by:>8}  {verdicts.get(case, '')}".rstrip()
        )
    return verdicts


def judge(setup: Setup, recorded: dict | None, verdicts: dict[str, str]) -> int:
    """Say what to do about it; returns the exit code."""
    if recorded is None:
        print(f"gate: nothing is committed for {setup.name}: measured, not compared.")
        print("gate: commit the figures with `make gate-update`.")
        return 0
    if "better" in verdicts.values():
        print(f"gate: better by over {LIMIT:.0%}: commit the new figure with `make gate-update`.")
    if "worse" not in verdicts.values():
        return 0
    others = setup.differences(recorded["with"])
    if others:
        print(f"gate: worse, but with other versions than the figures were made with: {others}.")
        print("gate: that is not failed; commit new figures with `make gate-update`.")
        return 0
    print(f"gate: worse by over {LIMIT:.0%}. Where: `make gate ARGS='--profile --case CASE'`.")
    print("gate: if it is meant: `make gate-update`, and a word in the commit.")
    return 1


def update(setup: Setup, figures: dict, now: dict[str, int], is_all: bool) -> None:
    """Replace what was counted; what was not stays, unless it was made with other versions."""
    recorded = figures.get(setup.name)
    if recorded and not is_all and not setup.differences(recorded["with"]):
        now = recorded["instructions"] | now
    figures[setup.name] = {"with": setup.versions, "instructions": now}
    FIGURES.write_text(json.dumps(dict(sorted(figures.items())), indent=2) + "\n")
    print(f"gate: wrote {FIGURES.relative_to(BENCH.parent)} for {setup.name}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.gate", description=__doc__.partition("\n")[0])
    parser.add_argument("--case", action="append", default=[], help="only this; may be repeated")
    parser.add_argument("--profile", action="store_true", help="print where the instructions go")
    parser.add_argument("--update", action="store_true", help="write the figures to gate.json")
    options = parser.parse_args()
    figures = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    setup = Setup.here()
    with tempfile.TemporaryDirectory() as folder:
        try:
            counts = count(options.case, Path(folder))
        except GateError as error:
            print(f"gate: {error}", file=sys.stderr)
            return 2
        if options.profile:
            for case, counted in counts.items():
                print(f"{case}: {counted.instructions:,} instructions\n")
                gate_profile.show(gate_profile.read(counted.twice), 2 * counted.units)
            return 0
        now = {case: counted.instructions for case, counted in counts.items()}
    recorded = figures.get(setup.name)
    verdicts = compare(recorded["instructions"] if recorded else {}, now)
    if options.update:
        update(setup, figures, now, is_all=not options.case)
        return 0
    return judge(setup, recorded, verdicts)


if __name__ == "__main__":
    sys.exit(main())

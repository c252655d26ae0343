"""Fuzz: build what is instrumented, run the targets one after the other, keep what they have found and count.

    export PYTHONPATH=tests
    python -m fuzz.campaign --seconds 600                        all targets, ten minutes in all
    python -m fuzz.campaign --seconds 600 --targets http,frames  those
    python -m fuzz.campaign --fast --up-to 10000000              quickly, until each has had so many executions
    python -m fuzz.campaign --leaks                              every kept input again and again: what stays in memory?
    python -m fuzz.campaign --merge                              no fuzzing: minimise the corpus
    python -m fuzz.campaign --report                             write the counts into docs/fuzzing.md

A run that finds something prints it, says how to repeat it, and ends with status 1. See docs/fuzzing.md.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from fuzz import corpus
from fuzz.names import NAMES, SHORT
from scripts import sanitised

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "build" / "fuzz"
COUNTS = Path(__file__).parent / "counts.json"
DOCUMENT = ROOT / "docs" / "fuzzing.md"
ASAN = "detect_leaks=0:allocator_may_return_null=1"
# Where memory was taken is noted when an input is repeated; while fuzzing it costs more than all the rest.
FAST_ASAN = f"{ASAN}:malloc_context_size=0:quarantine_size_mb=8"
# Seconds and MiB of one execution.
LIMITS = ("-timeout=10", "-rss_limit_mb=3000")
# How much of a fast run is for inputs of full length; the rest is for those as short as most bugs need.
LONG_SHARE = 0.125
# libFuzzer's status when it is told to stop (SIGINT).
INTERRUPTED = 72
STATUS = re.compile(r"^#(\d+)\s+\w+\s+cov: (\d+) ft: (\d+)", re.MULTILINE)
EXECUTED = re.compile(r"^stat::number_of_executed_units: (\d+)", re.MULTILINE)
COMPARED = re.compile(r"^stat::compared_units: (\d+)", re.MULTILINE)
NOTHING = {"executions": 0, "compared": 0, "seconds": 0, "coverage": 0, "features": 0}
BEGIN, END = "<!-- counts -->\n", "<!-- end of counts -->\n"


def command(kind: str, *arguments: str) -> list[str]:
    """run_target.py on a build of sanitised.py, whatever it is to do."""
    script = sanitised.tree_of(kind) / "tests/fuzz/run_target.py"
    return [str(sanitised.interpreter(kind)), str(script), *arguments]


def environment(kind: str = "fuzz", asan: str = FAST_ASAN) -> dict[str, str]:
    tree = sanitised.tree_of(kind)
    paths = [tree, tree / "tests", sysconfig.get_path("platlib"), sysconfig.get_path("purelib")]
    return os.environ | {
        "PYTHONHOME": sys.base_prefix,
        "PYTHONPATH": os.pathsep.join(map(str, dict.fromkeys(paths))),
        # "malloc": each object in its own piece of memory, with guards around it.
        "PYTHONMALLOC": "pymalloc" if kind == "quick" else "malloc",
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "ASAN_OPTIONS": asan,
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }


def prepare(name: str, purpose: str = "corpus") -> Path:
    """The folder of inputs that libFuzzer works in, with all that is kept and those to begin with."""
    folder = WORK / purpose / name
    folder.mkdir(parents=True, exist_ok=True)
    for data in corpus.kept(name):
        (folder / hashlib.sha1(data).hexdigest()).write_bytes(data)
    subprocess.run(command("fuzz", "--seeds", name, str(folder)), env=environment(), check=True)
    return folder


def dictionary(name: str) -> list[str]:
    """libFuzzer's argument for the words of a target; nothing if it has none."""
    path = WORK / f"{name}.words"
    listed = subprocess.run(
        command("fuzz", "--words", name),
        env=environment(),
        check=True,
        capture_output=True,
        text=True,
    )
    path.write_text(listed.stdout)
    return [f"-dict={path}"] if listed.stdout else []


class Run(NamedTuple):
    """One run of libFuzzer. seconds: 0 for a look at the inputs that there are; executions: -1 for no limit.

    max_len: bytes of an input, 0 for the target's own limit. With one libFuzzer also chooses among its inputs by
    chance: to prefer those with rare features takes up to half of the time.
    """

    name: str
    kind: str
    seconds: float
    executions: int = -1
    max_len: int = 0


def runs_of(name: str, seconds: float, is_fast: bool, lacking: int) -> list[Run]:
    """What is run of a target: `seconds` in all, and not more executions than are lacking (-1: any number)."""
    if not is_fast:
        return [Run("full", "fuzz", seconds, lacking)]
    some = -1 if lacking < 0 else round(LONG_SHARE * lacking)
    return [
        Run("long", "quick", LONG_SHARE * seconds, some),
        Run("short", "quick", (1 - LONG_SHARE) * seconds, lacking - max(some, 0), SHORT[name]),
        # What is new, with all guards and compared in every way.
        Run("check", "fuzz", 0, 0),
    ]


def run_target(name: str, seconds: float, is_fast: bool, lacking: int) -> bool:
    """Fuzz one target; False if it has found something."""
    folder = prepare(name)
    return all(run(name, folder, one) for one in runs_of(name, seconds, is_fast, lacking))


def run(name: str, folder: Path, asked: Run) -> bool:
    found, log = WORK / "found", WORK / "logs" / f"{name}.{asked.name}.log"
    for one in (found, log.parent):
        one.mkdir(parents=True, exist_ok=True)
    arguments = [
        *(("--quick",) if asked.kind == "quick" else ()), name, str(folder), *dictionary(name), *LIMITS,
        *((f"-max_len={asked.max_len}", "-entropic=0") if asked.max_len else ()),
        f"-max_total_time={max(int(asked.seconds), 1) if asked.seconds else 0}", f"-runs={asked.executions}",
        f"-artifact_prefix={found}/{name}-", "-print_final_stats=1", "-reload=0", "-len_control=100",
        "-detect_leaks=0",
    ]  # fmt: skip
    begun = time.monotonic()
    with log.open("w") as output:
        ended = subprocess.run(
            command(asked.kind, *arguments),
            env=environment(asked.kind),
            stdout=output,
            stderr=output,
        )
    took = time.monotonic() - begun
    text = log.read_text(errors="replace")
    row = note(name, text, took, asked.kind)
    print(
        f"{name:9} {row['last']:>12,} executions in {took:.0f} s ({asked.name}), coverage {row['seen']}",
        flush=True,
    )
    if ended.returncode not in (0, INTERRUPTED):
        print(text[-6000:])
        print(
            f"\n{name}: status {ended.returncode}. Repeat it with\n  {repeat(name, text)}",
            flush=True,
        )
    return ended.returncode in (0, INTERRUPTED)


def repeat(name: str, log: str) -> str:
    kept = re.search(r"Test unit written to (\S+)", log)
    return f"PYTHONPATH=tests python -m fuzz.campaign --targets {name} --repeat {kept[1] if kept else 'FILE'}"


def note(name: str, log: str, seconds: float, kind: str = "fuzz") -> dict[str, Any]:
    """Add a run to the counts. Coverage is the full build's: the quick one has other branches."""
    statuses = STATUS.findall(log)
    executed, compared = EXECUTED.search(log), COMPARED.search(log)
    last = int(executed[1]) if executed else int(statuses[-1][0]) if statuses else 0
    with locked("counts"):
        counts = json.loads(COUNTS.read_text()) if COUNTS.exists() else {}
        row = counts.setdefault(name, dict(NOTHING))
        row["executions"] += last
        if kind == "fuzz":
            row["compared"] += last
        elif compared:
            row["compared"] += int(compared[1])
        row["seconds"] += round(seconds)
        if statuses and kind == "fuzz":
            row["coverage"], row["features"] = int(statuses[-1][1]), int(statuses[-1][2])
        COUNTS.write_text(json.dumps(counts, indent=1) + "\n")
    return row | {"last": last, "seen": int(statuses[-1][1]) if statuses else 0}


@contextlib.contextmanager
def locked(what: str) -> Iterator[None]:
    """Two campaigns may run at once, each with targets of its own."""
    WORK.mkdir(parents=True, exist_ok=True)
    with (WORK / f"{what}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def lacking_of(name: str, wanted: int) -> int:
    counts = json.loads(COUNTS.read_text()) if COUNTS.exists() else {}
    return max(0, wanted - counts.get(name, NOTHING)["executions"])


def merge(name: str) -> None:
    """Keep of the inputs the smallest set that reaches all that they reach."""
    folder = prepare(name)
    merged = WORK / "merged" / name
    shutil.rmtree(merged, ignore_errors=True)
    merged.mkdir(parents=True)
    log = WORK / "logs" / f"{name}.merge.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as output:
        subprocess.run(
            command("fuzz", name, "-merge=1", *LIMITS, str(merged), str(folder)),
            env=environment(),
            check=True,
            stdout=output,
            stderr=output,
        )
    inputs = [one.read_bytes() for one in merged.iterdir()]
    corpus.write(corpus.path_of(name), inputs)
    shutil.rmtree(folder)
    print(f"{name:9} {len(inputs):>6} inputs kept", flush=True)


def keep(name: str, file: Path) -> None:
    """An input that has found a bug is run for ever."""
    path = corpus.path_of(f"{name}.found")
    corpus.write(path, [*corpus.read(path), file.read_bytes()])


def leaks(name: str) -> bool:
    """False if an input leaves memory behind."""
    folder = prepare(name, "leaks")
    files = sorted(str(one) for one in folder.iterdir())
    print(name, flush=True)
    leaky = subprocess.run(command("fuzz", "--leaks", name, *files), env=environment())
    return leaky.returncode == 0


def report() -> None:
    """The table of docs/fuzzing.md."""
    counts = json.loads(COUNTS.read_text())
    rows = [
        "| target | executions | with all comparisons | seconds | coverage | features | inputs kept |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in NAMES:
        row = counts.get(name, NOTHING)
        rows.append(
            f"| {name} | {row['executions']:,} | {row['compared']:,} | {row['seconds']:,} "
            f"| {row['coverage']:,} | {row['features']:,} | {len(corpus.kept(name)):,} |"
        )
    text = DOCUMENT.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    DOCUMENT.write_text(before + BEGIN + "\n".join(rows) + "\n" + END + after)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--seconds", type=float, default=60.0 * len(NAMES), help="for all targets together"
    )
    parser.add_argument("--targets", default=",".join(NAMES), help="names, with commas between")
    parser.add_argument("--leaks", action="store_true", help="look for memory that stays")
    parser.add_argument(
        "--fast",
        action="store_true",
        help="most inputs compared in fewer ways, small objects without guards; what is new is run again with all",
    )
    parser.add_argument(
        "--up-to", type=int, default=-1, help="stop a target when it has had so many executions"
    )
    parser.add_argument("--merge", action="store_true", help="minimise the corpus")
    parser.add_argument(
        "--report", action="store_true", help="write the counts into docs/fuzzing.md"
    )
    parser.add_argument("--repeat", metavar="FILE", help="run one input, with full reports")
    parser.add_argument(
        "--keep", metavar="FILE", help="put an input among those that have found a bug"
    )
    given = parser.parse_args()
    names = given.targets.split(",")
    for name in names:
        if name not in NAMES:
            parser.error(f"no target {name!r}: {', '.join(NAMES)}")
    if given.report:
        report()
        return 0
    if given.keep:
        keep(names[0], Path(given.keep))
        return 0
    with locked("build"):
        sanitised.build("fuzz")
        if given.fast:
            sanitised.build("quick")
    if given.repeat:
        repeated = command("fuzz", names[0], given.repeat)
        return subprocess.run(repeated, env=environment(asan=ASAN)).returncode
    if given.leaks:
        leaky = [name for name in names if not leaks(name)]
        return 1 if leaky else 0
    status = 0
    for name in names:
        lacking = -1 if given.up_to < 0 else lacking_of(name, given.up_to)
        if given.merge:
            merge(name)
        elif lacking == 0:
            continue
        elif run_target(name, given.seconds / len(names), given.fast, lacking):
            merge(name)
        else:
            status = 1
    if names and not given.merge:
        report()
    return status


if __name__ == "__main__":
    sys.exit(main())

"""`make bench`: every case on every server, and whether fastsio shows what it has to.

A whole run is written to results/full.* and into README.md's table, any other (some cases, some
servers, interrupted) to results/partial.*. Exit code 1: a wrong answer, or a server that died.
What the numbers mean and leave out: README.md.
"""

from __future__ import annotations

import argparse
import re
import signal
import sys

from bench.cases import CASES, Case
from bench.output import WHOLE, terminal, write_all
from bench.prepare import BENCH, SERVERS, SetupError, Tools, prepare
from bench.report import document
from bench.rounds import Plan, Runs, run_rounds

FIRST_WARMUP_S = 3.0
INTERRUPTED = 130  # as a shell says it


def main() -> int:
    options = _options()
    try:
        tools = prepare(options.checkout, options.servers)
    except SetupError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    for name, reason in tools.missing.items():
        print(f"bench: left out: {name}: {reason}")
    plan = _plan(options, tools)
    runs = Runs()
    # However the run is ended, no server is left running, and what was done is told.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        run_rounds(tools, plan, runs)
    except KeyboardInterrupt:
        print("bench: interrupted", file=sys.stderr)
    return _conclude(options, tools, plan, runs)


def _plan(options: argparse.Namespace, tools: Tools) -> Plan:
    servers = tuple(name for name in options.servers if name in tools.servers)
    cases = tuple(case for case in options.cases if not (case.needs == "tls" and tools.no_tls))
    window = (options.warmup, options.seconds, FIRST_WARMUP_S)
    return Plan(cases, servers, options.rounds, *window, options.minutes * 60)


def _conclude(options: argparse.Namespace, tools: Tools, plan: Plan, runs: Runs) -> int:
    """Shows and writes what was done; returns the exit code."""
    if runs.results or runs.errors:
        result = document(" ".join(["python -m bench.run", *sys.argv[1:]]), tools, plan, runs)
        print(f"\n{terminal(result)}\n")
        is_whole = runs.is_done and (options.cases, options.servers) == (CASES, SERVERS)
        stem = options.name or (WHOLE if is_whole else "partial")
        for path in write_all(result, stem):
            print(f"written: {path.relative_to(BENCH.parent)}")
    if runs.errors or not runs.results:
        return 1
    return 0 if runs.is_done else INTERRUPTED


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=45, help="no round that would end later")
    parser.add_argument("--cases", type=_cases, default=CASES, metavar="REGEX")
    parser.add_argument("--servers", type=_servers, default=SERVERS, metavar="NAME,NAME")
    parser.add_argument("--warmup", type=float, default=1.0, metavar="S", help="before a window")
    parser.add_argument("--seconds", type=float, default=1.0, metavar="S", help="of a window")
    parser.add_argument("--checkout", action="store_true", help="fastsio as built in place")
    parser.add_argument("--name", help="write to results/NAME.* instead")
    return parser.parse_args()


def _cases(regex: str) -> tuple[Case, ...]:
    found = tuple(case for case in CASES if re.search(regex, case.name))
    if not found:
        names = ", ".join(case.name for case in CASES)
        raise argparse.ArgumentTypeError(f"none of {names} has {regex}")
    return found


def _servers(names: str) -> tuple[str, ...]:
    wanted = names.split(",")
    unknown = [name for name in wanted if name not in SERVERS]
    if unknown:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: not one of {', '.join(SERVERS)}")
    return tuple(name for name in SERVERS if name in wanted)


if __name__ == "__main__":
    sys.exit(main())

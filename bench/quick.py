"""`make bench-quick`: fastsio beside python-socketio under uvicorn, in under a minute.

Echo with acknowledgement and broadcast; the number is the server's CPU per message or delivery.
Every answer is checked by the load generator; exit code 1 if one was wrong.
What the numbers mean and leave out: README.md.
"""

from __future__ import annotations

import argparse
import sys

from bench.cases import BY_NAME, PYTHON, QUICK, SUBJECT
from bench.output import quick, write_json
from bench.prepare import BENCH, SetupError, prepare
from bench.report import document
from bench.rounds import Plan, Runs, run_rounds

BUDGET_S = 55.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.quick")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--checkout", action="store_true", help="fastsio as built in place")
    options = parser.parse_args()
    cases, servers = tuple(BY_NAME[name] for name in QUICK), (SUBJECT, PYTHON)
    plan = Plan(cases, servers, options.rounds, 0.25, 1.0, 0.25, BUDGET_S)
    runs = Runs()
    try:
        tools = prepare(options.checkout, servers)
        run_rounds(tools, plan, runs)
    except SetupError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    result = document(" ".join(["python -m bench.quick", *sys.argv[1:]]), tools, plan, runs)
    print(f"\n{quick(result)}\n")
    print(f"written: {write_json(result, 'quick').relative_to(BENCH.parent)}")
    return 1 if runs.errors else 0


if __name__ == "__main__":
    sys.exit(main())

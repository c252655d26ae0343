"""`python -m bench.cluster`: what a broadcast costs in a cluster, on fastsio and on its peers, with a real Redis.

A whole run is written to results/cluster.{json,md,svg}, any other to results/cluster-part.*. Exit code 1: an answer of
fastsio was wrong, late or missing; where a peer's was, it is named in the result and has no number.
What the numbers mean and leave out: bench/README.md.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path

from bench.cluster.kinds import FASTSIO, KINDS
from bench.cluster.measure import Plan, Runs, run_rounds
from bench.cluster.nodes import Redis
from bench.cluster.plot import plot
from bench.cluster.report import document
from bench.cluster.tables import page
from bench.install import BENCH, MODULES, SetupError, node, npm_packages, run
from bench.output import RESULTS
from bench.prepare import prepare
from bench.report import pretty

WHOLE, PART = "cluster", "cluster-part"


def main() -> int:
    options = _options()
    plan = _plan(options)
    try:
        tools = prepare(options.checkout, ("fastsio", "python-socketio"))
        npm_packages()
        redis = Redis()
    except SetupError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    runs = Runs()
    # However the run is ended, no process is left running, and what was done is told.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    is_whole = False
    try:
        run_rounds(tools, plan, redis, runs)
        is_whole = not (options.quick or options.kinds)
    except KeyboardInterrupt:
        print("bench: interrupted", file=sys.stderr)
    finally:
        redis.stop()
    if not runs.results:
        return 1
    command = " ".join(["python -m bench.cluster", *sys.argv[1:]])
    result = document(command, tools, plan, runs, {"redis": redis.version, **npm_versions()})
    for path in write(result, WHOLE if is_whole else PART):
        print(f"written: {path.relative_to(BENCH.parent)}")
    return 1 if any(kind.startswith(FASTSIO) for kind, _, _ in runs.errors) else 0


def npm_versions() -> dict[str, str]:
    found = {"node": run(node(), "--version", what="asking for Node's version")}
    for name in ("socket.io", "@socket.io/redis-adapter", "@socket.io/redis-streams-adapter"):
        package = json.loads((MODULES / name / "package.json").read_text())
        found[name.removeprefix("@socket.io/")] = package["version"]
    return found


def write(result: dict, stem: str) -> list[Path]:
    text = page(result)
    print(f"\n{text}\n")
    files = {"json": pretty(result), "md": text, "svg": plot(result)}
    written = [RESULTS / f"{stem}.{suffix}" for suffix in files]
    for path, content in zip(written, files.values(), strict=True):
        path.write_text(content.rstrip("\n") + "\n")
    return written


def _plan(options: argparse.Namespace) -> Plan:
    kinds = tuple(k for k in KINDS if not options.kinds or any(w in k.name for w in options.kinds))
    if not kinds:
        raise SystemExit(f"bench: no kind has {options.kinds} in its name")
    if options.quick:
        return Plan(kinds, (2,), 1, 0.1, 0.4, 0.6, 60)
    return Plan(
        kinds,
        tuple(options.nodes),
        options.rounds,
        0.4,
        options.seconds,
        2.0,
        options.minutes * 60,
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.cluster")
    parser.add_argument("--quick", action="store_true", help="two nodes, one round: under a minute")
    parser.add_argument("--nodes", type=int, nargs="+", default=[1, 2, 4], metavar="N")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.5, help="the measured window")
    parser.add_argument(
        "--minutes", type=float, default=25, help="no round is begun that would end later"
    )
    parser.add_argument(
        "--kinds", nargs="+", metavar="WORD", help="only those with a word in their names"
    )
    parser.add_argument("--checkout", action="store_true", help="fastsio as built in place")
    parser.add_argument("--again", metavar="JSON", help="tables and plot anew from a result")
    options = parser.parse_args()
    if options.again:
        result = json.loads(Path(options.again).read_text())
        write(result, Path(options.again).stem)
        raise SystemExit(0)
    return options


if __name__ == "__main__":
    sys.exit(main())

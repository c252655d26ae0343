"""`make bench-quick`: fastsio beside python-socketio under uvicorn, in under a minute.

Echo with acknowledgement and broadcast; the number is the server's CPU per message or delivery.
Every answer is checked by the load generator, and a wrong one ends the run with exit code 1.
What the numbers mean and leave out: README.md.
"""

import argparse
import sys
import time
from dataclasses import dataclass

from bench.prepare import BENCH, SetupError, Tools, prepare
from bench.processes import RunError, Server, cpus, run_load
from bench.report import summary, table, versions, write_json

SUBJECT, PEER = "fastsio", "python-socketio"
SCRIPTS = {SUBJECT: "fastsio_app.py", PEER: "python_socketio_app.py"}
BUDGET_S = 55.0
Runs = dict[tuple[str, str], list[dict]]  # (case, server): what the load generator reported


@dataclass(frozen=True)
class Case:
    title: str
    arguments: tuple[str, ...]


WINDOW = ("--warmup", "0.25", "--seconds", "1.0")
ECHO = ("--case", "echo", "--connections", "100", "--in-flight", "4", "--size", "32")
BROADCAST = ("--case", "broadcast", "--in-flight", "4", "--size", "32")
CASES = (
    Case("echo with ack, plain handler", (*ECHO, "--event", "echo")),
    Case("echo with ack, coroutine handler", (*ECHO, "--event", "echo_async")),
    Case("delivery of a broadcast to 100", (*BROADCAST, "--connections", "100")),
    Case("delivery of a broadcast to 1000", (*BROADCAST, "--connections", "1000")),
)


def run_round(tools: Tools, number: int, runs: Runs) -> None:
    """Every case on every server in turn, with new server processes: their luck is in the range."""
    server_cpu, load_cpu = cpus()
    servers: list[Server] = []
    try:
        for name, script in SCRIPTS.items():
            servers.append(Server(name, script, tools, server_cpu))
        for case in CASES:
            # Who goes first changes with the round, so that drift hits both alike.
            for server in servers[:: 1 if number % 2 == 0 else -1]:
                server.settle()
                result = run_load(tools, server, load_cpu, [*case.arguments, *WINDOW])
                runs.setdefault((case.title, server.name), []).append(result)
    finally:
        for server in servers:
            server.stop()


def run_rounds(tools: Tools, most: int) -> Runs:
    """Up to `most` rounds, as many as fit in the minute."""
    runs: Runs = {}
    begin = time.monotonic()
    for number in range(most):
        run_round(tools, number, runs)
        spent = time.monotonic() - begin
        print(f"bench: round {number + 1} of {most}, {spent:.0f} s", flush=True)
        if spent + spent / (number + 1) > BUDGET_S:
            break
    return runs


def compare(runs: Runs) -> list[dict]:
    cases = []
    for case in CASES:
        servers = {name: summary(runs[case.title, name]) for name in SCRIPTS}
        ratio = servers[PEER]["server_cpu_us"] / servers[SUBJECT]["server_cpu_us"]
        about = {"title": case.title, "arguments": list(case.arguments), "ratio": ratio}
        cases.append({**about, "servers": servers})
    return cases


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.quick")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--checkout", action="store_true", help="fastsio as built in place")
    options = parser.parse_args()
    try:
        tools = prepare(options.checkout)
        runs = run_rounds(tools, options.rounds)
    except (SetupError, RunError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    cases = compare(runs)
    path = BENCH / "results" / "quick.json"
    rounds = len(runs[CASES[0].title, SUBJECT])
    write_json(path, " ".join(["python -m bench.quick", *sys.argv[1:]]), tools, rounds, cases)
    print(f"\n{table(cases, SUBJECT, PEER)}\n")
    print(f"{rounds} rounds, median (range); every answer was checked")
    print(", ".join(f"{name} {version}" for name, version in versions(tools).items()))
    print(f"written: {path.relative_to(BENCH.parent)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

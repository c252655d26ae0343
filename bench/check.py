"""`python -m bench.check`: every server runs the same application, as the official client sees it.

Each event of servers/handlers.py is played on each server, over each transport that it has, and over
TLS. Ends with exit code 1 if an answer was wrong.
"""

import argparse
import itertools
import subprocess
import sys

from bench.prepare import LACKS, SCRIPTS, SERVERS, SetupError, Tools, prepare
from bench.processes import RunError, Server, cpus

LIMIT_S = 60


def play(tools: Tools, name: str, tls: bool) -> list[str]:
    """What was wrong with the answers of one server."""
    wrong = []
    server = Server(name, tools, cpus()[0], tls=tls)
    url = f"{'https' if tls else 'http'}://127.0.0.1:{server.port}"
    try:
        for transport in ("websocket", "polling"):
            if transport not in LACKS.get(name, ()):
                command = ["node", str(SCRIPTS / "check.mjs"), url, transport]
                done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S)
                lines = (done.stdout + done.stderr).strip() if done.returncode != 0 else ""
                print(f"{url.partition(':')[0]:6}{transport:10} {name:16} {lines or 'right'}")
                wrong += [lines] if lines else []
    finally:
        server.stop()
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.check")
    parser.add_argument("--checkout", action="store_true", help="fastsio as built in place")
    parser.add_argument("servers", nargs="*", default=SERVERS, metavar="SERVER")
    options = parser.parse_args()
    wrong = []
    try:
        tools = prepare(options.checkout, options.servers)
        for name, tls in itertools.product(tools.servers, (False, True)):
            if not tls or not (tools.no_tls or "tls" in LACKS.get(name, ())):
                wrong += play(tools, name, tls)
    except (SetupError, RunError, subprocess.TimeoutExpired) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    for name, reason in tools.missing.items():
        print(f"{name} is not here: {reason}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

"""Servers that replace each other under load: `fastsio serve --handover`, official clients on the other side.

As a program: `python tests/handover_load.py --restarts 50 --clients 300` prints what the clients have seen, and
its exit status is 1 if anybody was refused. The test plays a short one.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drain_process import PROGRAMS, Server, command
from harness import DEADLINE_S
from nginx_process import nginx_before


class Fleet:
    """Node's process with the clients; see handover_clients.js."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, url: str, clients: int) -> Fleet:
        """Returns when all clients are connected."""
        node = shutil.which("node")
        assert node is not None, "Node.js is needed, and `node` is not on the PATH"
        pipe = asyncio.subprocess.PIPE
        fleet = cls(
            await asyncio.create_subprocess_exec(
                node,
                str(PROGRAMS / "handover_clients.js"),
                url,
                str(clients),
                stdin=pipe,
                stdout=pipe,
            )
        )
        try:
            assert await fleet._line() == b"ready\n"
        except BaseException:
            await fleet.kill()
            raise
        return fleet

    async def _line(self) -> bytes:
        assert self._process.stdout is not None
        return await asyncio.wait_for(self._process.stdout.readline(), 12 * DEADLINE_S)

    async def stop(self) -> dict[str, Any]:
        """What the clients have seen."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"stop\n")
        return dict(json.loads(await self._line()))

    async def kill(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()


@dataclass
class Outcome:
    """`seen` by the clients; the exit statuses of the servers that were replaced; the servers' own counts."""

    seen: dict[str, Any] = field(default_factory=dict)
    statuses: list[int] = field(default_factory=list)
    came: list[int] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def judge(self, clients: int) -> None:
        """Note what must not be."""
        seen = self.seen
        if seen["fresh"]["failed"] or seen["tcp"]["refused"] or seen["errors"]:
            self.problems.append("somebody was refused")
        if seen["fresh"]["connected"] != seen["fresh"]["tries"]:
            self.problems.append("a fresh client did not get in")
        if any(status != 0 for status in self.statuses):
            self.problems.append(f"a replaced server ended with {self.statuses}")
        if seen["connects"] < clients * (len(self.statuses) + 1):
            self.problems.append("a steady client did not come back after each restart")
        if not seen["acks"]:
            self.problems.append("no event was answered")


@contextlib.contextmanager
def nobody_before(upstream: str) -> Iterator[str]:
    """Clients that speak to the server itself."""
    yield f"http://{upstream}"


async def play(
    restarts: int, clients: int, drain_seconds: float, settle_s: float, before: Any = nobody_before
) -> Outcome:
    """Replace the server so many times, with `settle_s` seconds of peace in between.

    `before`: a context manager of a proxy's URL, given the server's address.
    """
    outcome = Outcome()
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        words = ["--handover", str(Path(folder) / "h"), "--drain-seconds", str(drain_seconds)]
        server = await Server.start(command("--port", "0", *words))
        fleet: Fleet | None = None
        try:
            url = stack.enter_context(before(server.url.removeprefix("http://")))
            fleet = await Fleet.start(url, clients)
            for _ in range(restarts):
                await asyncio.sleep(settle_s)
                old, server = server, await Server.start(command("--port", "0", *words))
                outcome.statuses.append(await old.ended(drain_seconds + 4 * DEADLINE_S))
                _check(old, outcome)
            await asyncio.sleep(settle_s)
            outcome.seen = await fleet.stop()
        finally:
            if fleet is not None:
                await fleet.kill()
            server.process.terminate()
            try:
                await server.ended(4 * DEADLINE_S)
            finally:
                await server.kill()
        _check(server, outcome)
    outcome.judge(clients)
    return outcome


def _check(server: Server, outcome: Outcome) -> None:
    outcome.came.append(len(server.of("in")))
    try:
        server.check_every_client_left_once()
    except AssertionError as error:
        outcome.problems.append(str(error))
    if "Traceback" in server.text:
        outcome.problems.append(server.text)


def main() -> int:
    parser = argparse.ArgumentParser(description="Servers that replace each other under load.")
    parser.add_argument("--restarts", type=int, default=20)
    parser.add_argument("--clients", type=int, default=150)
    parser.add_argument("--drain-seconds", type=float, default=3.0)
    parser.add_argument("--settle", type=float, default=1.0, help="seconds between two restarts")
    parser.add_argument("--nginx", action="store_true", help="with nginx between")
    given = parser.parse_args()
    before = nginx_before if given.nginx else nobody_before
    outcome = asyncio.run(
        play(given.restarts, given.clients, given.drain_seconds, given.settle, before)
    )
    print(
        json.dumps({"came": outcome.came, "statuses": outcome.statuses, **outcome.seen}, indent=2)
    )
    for problem in outcome.problems:
        print(f"PROBLEM: {problem}")
    return 1 if outcome.problems else 0


if __name__ == "__main__":
    sys.exit(main())

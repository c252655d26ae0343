"""Workers of workers_app.py in processes of their own: what they note, who they are, their end."""

from __future__ import annotations

import collections
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from drain_process import ROOT, Server
from harness import DEADLINE_S, FakePeer, until

HERE = Path(__file__).parent
# Several interpreters start at once, on a machine that may be busy.
START_S = 8 * DEADLINE_S
END_S = 6 * DEADLINE_S


class Workers:
    """A command with workers. `server` is its supervisor's process, `url` where it listens."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.url = server.url

    @property
    def pids(self) -> dict[int, int]:
        """The process of each worker, by number: the one that has begun last."""
        return {number: pid for pid, number in self.server.of("up")}

    async def peer(self, transport: str = "polling") -> FakePeer:
        """A client that has joined."""
        peer = await FakePeer(self.url, transport).open()
        await peer.connect()
        return peer

    async def peer_at(self, number: int) -> FakePeer:
        """A polling client whose session is the worker's of that number."""
        for _ in range(200):
            peer = await self.peer()
            if (await ask(peer, "who"))[1] == number:
                return peer
            await peer.close()
        raise AssertionError(f"no client of 200 came to worker {number}")

    async def count_up(self, count: int) -> None:
        """Wait until so many workers have begun, since the start."""
        await self.server.noted("up", count)

    async def stop(self) -> None:
        """SIGTERM, and its end with status 0."""
        self.server.send_signal(signal.SIGTERM)
        assert await self.server.ended(END_S) == 0, self.server.text

    def check_ledger(self, killed: set[int] = frozenset()) -> None:
        """Each client that was let in has had one disconnect, in the same worker, unless that was killed."""
        came = collections.Counter((pid, sid) for pid, sid in self.server.of("in"))
        left = collections.Counter((pid, sid) for pid, sid, _ in self.server.of("gone"))
        assert came, "nobody came"
        assert set(came.values()) == {1}
        expected = {key: n for key, n in came.items() if key[0] not in killed}
        assert {key: n for key, n in left.items() if key[0] not in killed} == expected
        assert not left - came
        assert "Traceback" not in self.server.text, self.server.text


async def ask(peer: FakePeer, *event: Any) -> Any:
    """The answer to an event; other packets that come before it are dropped."""
    await peer.send(f"420{json.dumps(event)}")
    while True:
        packet = str(await peer.receive())
        if packet.startswith("430"):
            values = json.loads(packet[3:])
            return values[0] if values else None


def command(*words: str, app: str = "workers_app:io") -> list[str]:
    return [sys.executable, "-m", "fastsio", "serve", app, *words]


def environment(**options: Any) -> dict[str, str]:
    path = os.pathsep.join((ROOT, str(HERE)))
    return {"PYTHONPATH": path, "WORKERS_OPTIONS": json.dumps(options)}


@contextlib.asynccontextmanager
async def running(
    count: int, *words: str, app: str = "workers_app:io", env: dict[str, str] | None = None, **options: Any
) -> AsyncIterator[Workers]:  # fmt: skip
    """So many workers of an IO with these options; killed at the end if they still run."""
    words = ("--port", "0", *words, "--workers", str(count))
    settings = {**environment(**options), **(env or {})}
    server = await Server.start(command(*words, app=app), env=settings)
    workers = Workers(server)
    try:
        await workers.count_up(count)
        yield workers
    finally:
        await server.kill()
        for pid in workers.pids.values():  # they see that their supervisor has gone, and stop
            await until(lambda pid=pid: not is_alive(pid), f"the end of worker {pid}", END_S)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with contextlib.suppress(OSError):
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    return False

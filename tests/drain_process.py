"""A server of drain_app.py in a process of its own: its address, what it notes, its signals and its end."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from harness import DEADLINE_S, until

PROGRAMS = Path(__file__).parent / "faults"
ROOT = str(PROGRAMS.parents[1])
START_S = 4 * DEADLINE_S


class Server:
    """`notes` are the lines of its stdout, `errors` those of its stderr."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.url = ""
        self.notes: list[list[Any]] = []
        self.errors: list[str] = []
        self._readers = [
            asyncio.ensure_future(self._read_notes()),
            asyncio.ensure_future(self._read_errors()),
        ]

    @classmethod
    async def start(
        cls, command: Sequence[str], env: dict[str, str] | None = None, **how: Any
    ) -> Server:
        """Start it and wait for its address; AssertionError with what it said if it ends before."""
        pipe = asyncio.subprocess.PIPE
        settings = {**os.environ, "PYTHONPATH": ROOT, **(env or {})}
        server = cls(
            await asyncio.create_subprocess_exec(
                *command, cwd=PROGRAMS, env=settings, stdout=pipe, stderr=pipe, **how
            )
        )
        try:
            await until(lambda: server.url or server.is_done, "its address", START_S)
            assert server.url, f"it ended before it served:\n{server.text}"
        except BaseException:
            await server.kill()
            raise
        return server

    async def _read_notes(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.notes.append(json.loads(line))

    async def _read_errors(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.errors.append(line.decode())
            if self.errors[-1].startswith("fastsio serves "):
                self.url = self.errors[-1].split()[2]

    @property
    def is_done(self) -> bool:
        return all(reader.done() for reader in self._readers)

    @property
    def text(self) -> str:
        return "".join(self.errors)

    def of(self, word: str) -> list[list[Any]]:
        """What was noted under a word, without it."""
        return [note[1:] for note in self.notes if note[0] == word]

    async def noted(self, word: str, count: int = 1) -> None:
        await until(lambda: len(self.of(word)) >= count, f"{count} x {word!r}", START_S)

    def send_signal(self, number: int) -> None:
        self.process.send_signal(number)

    async def ended(self, within_s: float) -> int:
        """Its exit status, and all that it said is read."""
        try:
            code = await asyncio.wait_for(self.process.wait(), within_s)
        except TimeoutError:
            raise AssertionError(f"still runs after {within_s} s:\n{self.text}") from None
        await asyncio.gather(*self._readers)
        return code

    async def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()
        await asyncio.gather(*self._readers)

    def check_every_client_left_once(self) -> None:
        """The invariant: each client that was let in has had exactly one disconnect."""
        came = collections.Counter(sid for sid, _ in self.of("in"))
        left = collections.Counter(sid for sid, _, _ in self.of("gone"))
        assert came, "nobody came"
        assert "Traceback" not in self.text, self.text
        assert set(came.values()) == {1}
        assert left == came, f"{len(came)} came, {len(left)} left, {left - came} too often"


def program(**options: Any) -> list[str]:
    """The command of a server with options of run()."""
    return [sys.executable, str(PROGRAMS / "drain_app.py"), json.dumps(options)]


def command(*words: str) -> list[str]:
    """The command of a server with options of `fastsio serve`."""
    return [sys.executable, "-m", "fastsio", "serve", "drain_app:io", *words]


@contextlib.asynccontextmanager
async def running(command: Sequence[str], **how: Any) -> AsyncIterator[Server]:
    """A server that is killed at the end if it still runs."""
    server = await Server.start(command, **how)
    try:
        yield server
    finally:
        await server.kill()

"""A server in a process of its own: its output, its address, its end."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

_TESTS = Path(__file__).parents[1]
START_S = 30.0


class ServingProcess:
    """`python -m …` in `folder`: `await start()`, `url`, `await line(text)`, `await end(signal)`."""

    def __init__(self, *command: str, folder: Path | None = None) -> None:
        self._command = command
        self._folder = folder or Path(__file__).parent
        self._process: Any = None
        self._reader: Any = None
        self._news = asyncio.Event()
        self.lines: list[str] = []
        self.url = ""

    async def start(self) -> ServingProcess:
        paths = [str(self._folder), str(_TESTS.parent)]
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", *self._command, cwd=self._folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        self._reader = asyncio.ensure_future(self._read())
        address = await self.line(r"(https?://[\d.]+:\d+)")
        self.url = address[1]
        await self._accepts()
        return self

    async def _accepts(self) -> None:
        """uvicorn says its address before its workers listen."""
        host, _, port = self.url.rpartition("/")[2].rpartition(":")
        async with asyncio.timeout(START_S):
            while True:
                try:
                    _, writer = await asyncio.open_connection(host, int(port))
                except ConnectionRefusedError:
                    await asyncio.sleep(0.05)
                else:
                    writer.close()
                    return

    async def _read(self) -> None:
        async for line in self._process.stdout:
            self.lines.append(line.decode())
            self._news.set()
        self.lines.append("(end of output)")
        self._news.set()

    @property
    def output(self) -> str:
        return "".join(self.lines)

    async def line(self, pattern: str, count: int = 1) -> re.Match[str]:
        """The `count`th match of a pattern in the output, waited for."""
        async with asyncio.timeout(START_S):
            while True:
                self._news.clear()
                found = list(re.finditer(pattern, self.output))
                if len(found) >= count:
                    return found[count - 1]
                assert "(end of output)" not in self.lines, f"no {pattern!r} in:\n{self.output}"
                await self._news.wait()

    def send_signal(self, number: int) -> None:
        self._process.send_signal(number)

    async def ended(self, within_s: float) -> int:
        """The exit status; AssertionError with the output if it takes longer."""
        try:
            code = await asyncio.wait_for(self._process.wait(), within_s)
        except TimeoutError:
            raise AssertionError(f"still runs after {within_s} s:\n{self.output}") from None
        await self._reader
        return int(code)

    async def kill(self) -> None:
        """End it and what it has started, if it still runs."""
        if self._process is not None and self._process.returncode is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()
        if self._reader is not None:
            await self._reader

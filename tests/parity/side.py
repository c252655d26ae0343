"""Processes that are driven line by line: one JSON command a line of stdin, one answer each on stdout.

in   {"id":1,"op":"open","run":"...",...}
out  {"id":1,"result":...} or {"id":1,"error":"..."}, and lines without an id, which are news
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness import MS

DEADLINE_S = 30_000 * MS


class LineProcess:
    """start(), `await do(op, …)`, stop(). `on_news` gets the lines that answer nothing."""

    def __init__(self, name: str, command: list[str], errors: Path) -> None:
        self.name = name
        self.on_news: Callable[[dict[str, Any]], None] = lambda line: None
        self._command = command
        self._errors = errors
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._ids = itertools.count(1)

    async def start(self) -> None:
        with self._errors.open("wb") as stderr:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, limit=1 << 26, stderr=stderr,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            )  # fmt: skip
        self._reader = asyncio.create_task(self._read())

    @property
    def errors(self) -> str:
        """What the process wrote to stderr, at most the end of it."""
        return self._errors.read_text(errors="replace")[-1500:]

    async def do(self, op: str, run: str, **more: Any) -> Any:
        """The result of an operation; AssertionError with the process's error if it failed."""
        assert self._reader is not None
        assert not self._reader.done(), f"{self.name} has ended: {self.errors}"
        number = next(self._ids)
        future = self._answers[number] = asyncio.get_running_loop().create_future()
        self.tell(id=number, op=op, run=run, **more)
        try:
            return await asyncio.wait_for(future, DEADLINE_S)
        except TimeoutError:
            raise AssertionError(f"{self.name}: no answer to {op} of {run}") from None

    def tell(self, **line: Any) -> None:
        assert self._process is not None and self._process.stdin is not None
        self._process.stdin.write(json.dumps(line).encode() + b"\n")

    async def stop(self) -> None:
        if self._process is None:
            return
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), 3_000 * MS)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        if self._reader is not None:
            await self._reader

    async def _read(self) -> None:
        assert self._process is not None and self._process.stdout is not None
        async for text in self._process.stdout:
            line = json.loads(text)
            future = self._answers.pop(line.get("id"), None)
            if future is None:
                self.on_news(line)
            elif not future.done():
                if "error" in line:
                    future.set_exception(AssertionError(f"{self.name}: {line['error']}"))
                else:
                    future.set_result(line["result"])
        for future in self._answers.values():
            if not future.done():
                future.set_exception(AssertionError(f"{self.name} has ended: {self.errors}"))

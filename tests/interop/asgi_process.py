"""The interop application behind an ASGI server in a process of its own: uvicorn, hypercorn, granian."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from harness import http, until
from server_process import START_S, ServerProcess

_HERE = Path(__file__).resolve().parent

COMMANDS = {
    "uvicorn": ["uvicorn", "{app}", "--host", "127.0.0.1", "--port", "{port}"],
    "uvicorn-wsproto": ["uvicorn", "{app}", "--host", "127.0.0.1", "--port", "{port}", "--ws", "wsproto"],
    "uvicorn-h11": ["uvicorn", "{app}", "--host", "127.0.0.1", "--port", "{port}", "--http", "h11",
                    "--ws", "websockets", "--loop", "asyncio"],
    "hypercorn": ["hypercorn", "{app}", "--bind", "127.0.0.1:{port}"],
    # Not ASGI: see attach_program.py.
    "aiohttp": ["attach_program", "aiohttp", "{port}"],
    "sanic": ["attach_program", "sanic", "{port}"],
    "granian": ["granian", "{app}", "--interface", "asgi", "--host", "127.0.0.1", "--port", "{port}"],
}  # fmt: skip


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _is_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


class AsgiProcess(ServerProcess):
    """`await serve()`, then as ServerProcess. `server` is a key of COMMANDS."""

    def __init__(self, server: str) -> None:
        super().__init__("aio")
        self.server = server

    async def serve(self, **settings: Any) -> None:
        """Start with these settings of asgi_program.py and wait until it answers."""
        self.port = self.port or free_port()
        self.output.clear()
        process = self._process = self._popen(settings)
        self._reader = threading.Thread(target=self._collect, args=(process,), daemon=True)
        self._reader.start()
        deadline = asyncio.get_running_loop().time() + START_S
        while not await self._answers():
            assert process.poll() is None, f"the server ended:\n{self.text}"
            assert asyncio.get_running_loop().time() < deadline, f"no answer:\n{self.text}"
            await asyncio.sleep(0.05)

    def _popen(self, settings: dict[str, Any]) -> subprocess.Popen[str]:
        names = {"app": "asgi_program:app", "port": self.port}
        command = [part.format(**names) for part in COMMANDS[self.server]]
        return subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=_HERE,
            env={**os.environ, "FASTSIO_ASGI": json.dumps(settings)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            start_new_session=True,
        )

    def kill(self) -> None:
        """End it and its workers, which outlive the process that started them if that is killed."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        super().kill()

    async def terminate(self, within_s: float, with_signal: int = signal.SIGTERM) -> int:
        """As ServerProcess, with all that it has said. Nothing may be left: AssertionError if a worker is."""
        assert self._process is not None
        group = self._process.pid
        code = await super().terminate(within_s, with_signal)
        await until(lambda: not _is_alive(group), "the end of every worker")
        await asyncio.to_thread(self._reader.join, within_s)
        return code

    async def _answers(self) -> bool:
        try:
            return (await http(self.url, "GET", "/hello")).status == 200
        except (OSError, EOFError):
            return False

    def _collect(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.output.append(line)

    def of(self, event: str) -> list[tuple[Any, ...]]:
        return [entry for entry in self.entries() if entry[0] == event]

    async def reasons(self, count: int) -> list[str]:
        """The reasons of the first `count` disconnect handlers, once so many have run."""
        await until(lambda: len(self.of("disconnect")) >= count, f"{count} disconnect handlers")
        return [entry[3] for entry in self.of("disconnect")]

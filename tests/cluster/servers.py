"""Redis, and servers in a cluster, for the tests here: each server is a process that is told what to do."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import fastsio

from .steps import follow

HERE = Path(__file__).parent
START_S = 20
PATHS = {
    "NODE_PATH": str(HERE.parent / "node_modules"),
    "PYTHONPATH": os.pathsep.join(map(str, (HERE.parents[1], HERE.parent))),
}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def redis_program() -> str:
    """The server that the tests run: $FASTSIO_TEST_REDIS, such as a Valkey's, or the one on the PATH.

    Raises RuntimeError where there is none.
    """
    wanted = os.environ.get("FASTSIO_TEST_REDIS")
    for name in ("redis-server", "valkey-server") if wanted is None else (wanted,):
        program = shutil.which(name)
        if program is not None:
            return program
    raise RuntimeError(
        f"these tests need {wanted or 'redis-server'} on the PATH: apt-get install redis-server"
    )


class Redis:
    """A Redis server of its own, which keeps nothing on disk; `options` are of its command line."""

    def __init__(self, *options: str) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}"
        self._options = options
        self._folder = tempfile.mkdtemp()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Raises RuntimeError where it is not installed, or does not answer."""
        self._process = subprocess.Popen(
            [redis_program(), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
             *self._options],
            cwd=self._folder, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        for _ in range(START_S * 50):
            with socket.socket() as probe:
                probe.settimeout(0.02)
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    probe.sendall(b"PING\r\n")
                    probe.settimeout(1)
                    if probe.recv(16).startswith(b"+PONG"):
                        return
            time.sleep(0.02)
        raise RuntimeError("redis-server does not answer")

    def stop(self, kill: bool = False) -> None:
        assert self._process is not None
        self._process.kill() if kill else self._process.terminate()
        self._process.wait(10)

    def pause(self) -> None:
        """Let it be there and answer nothing, until go_on()."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)


class Server:
    """A server's process. do() tells it to call methods of its io, one on what the other has returned."""

    def __init__(self, command: list[str]) -> None:
        self._command = command
        self._next = 0
        self._lock = threading.Lock()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def begin(self) -> Server:
        """Start the process, and do not wait for it."""
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env={**os.environ, **PATHS},
        )  # fmt: skip
        return self

    def started(self) -> Server:
        """Wait until it serves."""
        self.port = self._line()["port"]
        return self

    def start(self) -> Server:
        return self.begin().started()

    def _line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"{self._command} ended"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _ask(self, request: dict[str, Any]) -> Any:
        with self._lock:
            self._next += 1
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps({"id": self._next, **request}).encode() + b"\n")
            self._process.stdin.flush()
            answer = self._line()
            assert answer["id"] == self._next
        if "error" in answer:
            raise ServerError(answer["error"], answer.get("responses"))
        return answer["value"]

    async def do(self, *chain: list[Any]) -> Any:
        """["to", "room"], ["emit", "event", 1]: names are Node's. Bytes are {"$bytes": hex}."""
        return await asyncio.to_thread(self._ask, {"chain": list(chain)})

    async def call(self, name: str, *args: Any) -> Any:
        return await asyncio.to_thread(self._ask, {"call": name, "args": list(args)})

    def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(10)


class ServerError(Exception):
    """What the server's io has raised: its text, and the answers that it has."""

    def __init__(self, text: str, responses: Any) -> None:
        super().__init__(text)
        self.responses = responses


class Local:
    """An emitter of fastsio in this process, with a Server's do()."""

    def __init__(self, emitter: Any) -> None:
        self.emitter = emitter

    async def do(self, *chain: list[Any]) -> None:
        if isinstance(self.emitter, fastsio.Emitter):
            await asyncio.to_thread(follow, self.emitter, list(chain))
        else:
            await follow(self.emitter, list(chain))

    async def close(self) -> None:
        if isinstance(self.emitter, fastsio.Emitter):
            self.emitter.close()
        else:
            await self.emitter.aclose()


def npm_emitter(package: str, url: str) -> Server:
    """An emitter of npm, in a process of its own."""
    return Server(["node", str(HERE / "node_emitter.js"), package, url])


def node(kind: str, url: str) -> Server:
    """A server of Node with that adapter of npm."""
    return Server(["node", str(HERE / "node_server.js"), kind, url])


def ours(kind: str, url: str) -> Server:
    """A server of fastsio."""
    return Server([sys.executable, str(HERE / "fastsio_server.py"), kind, url])

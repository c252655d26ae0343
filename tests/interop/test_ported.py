"""Applications written for python-socketio, moved by their import alone, on every server that people run them on.

Each is first played with python-socketio itself, under a server that it supports; the moved one must then give
the official client the same, under each server. The sources are those of ported/.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from harness import MS
from node_driver import NodeDriver

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
START_S = 30_000 * MS
STOP_S = 15_000 * MS

OURS = ["fastsio.cli", "serve", "{module}:app", "--port", "{port}"]
PROTOCOL = ["uvicorn", "{module}:app", "--port", "{port}", "--http", "fastsio.uvicorn:SioHttpProtocol"]  # fmt: skip
UVICORN = ["uvicorn", "{module}:app", "--port", "{port}"]
HYPERCORN = ["hypercorn", "{module}:app", "--bind", "127.0.0.1:{port}"]
GRANIAN = ["granian", "{module}:app", "--interface", "asgi", "--port", "{port}"]
WERKZEUG = ["{module}", "{port}"]
GUNICORN = ["gunicorn", "{module}:app", "--threads", "50", "--bind", "127.0.0.1:{port}"]

ASGI_SERVERS = {
    "fastsio": OURS,
    "uvicorn with our protocol": PROTOCOL,
    "uvicorn": UVICORN,
    "hypercorn": HYPERCORN,
    "granian": GRANIAN,
}
MODES = ("polling", "websocket", "upgrade")
WSGI_SERVERS = {"fastsio": OURS, "werkzeug": WERKZEUG, "gunicorn": GUNICORN}

on_one_loop = pytest.mark.asyncio(loop_factories=["asyncio"])


def original(module: str) -> str:
    return (HERE / "ported" / f"{module}.py").read_text(encoding="utf-8")


def moved(module: str) -> str:
    """The source with its one line changed."""
    lines = original(module).splitlines(keepends=True)
    [at] = [i for i, line in enumerate(lines) if line.split("#")[0].strip() == "import socketio"]
    lines[at] = lines[at].replace("import socketio", "import fastsio as socketio")
    return "".join(lines)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Served:
    """An application in a process of its own. Its methods block."""

    def __init__(self, source: str, module: str, command: list[str], folder: Path) -> None:
        (folder / f"{module}.py").write_text(source, encoding="utf-8")
        self.port = free_port()
        self._output = folder / "output"
        with self._output.open("w") as output:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    *(word.format(module=module, port=self.port) for word in command),
                ],
                cwd=folder,
                env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def output(self) -> str:
        return self._output.read_text()

    def wait_until_it_listens(self) -> None:
        until = time.monotonic() + START_S
        while True:
            assert self._process.poll() is None, f"the server ended:\n{self.output}"
            assert time.monotonic() < until, f"the server does not listen:\n{self.output}"
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            time.sleep(20 * MS)

    def stop(self) -> None:
        """SIGTERM has to be enough."""
        self._process.terminate()
        self._process.wait(STOP_S)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@contextlib.asynccontextmanager
async def serving(
    source: str, module: str, command: list[str], folder: Path
) -> AsyncIterator[Served]:
    served = Served(source, module, command, folder)
    try:
        await asyncio.to_thread(served.wait_until_it_listens)
        yield served
        await asyncio.to_thread(served.stop)
    except BaseException:
        print(served.output)
        raise
    finally:
        served.kill()


EXPECTED = {
    "stream": [200, "part 0\npart 1\npart 2\npart 3\npart 4\n"],
    "refused": {"message": "no entry", "data": {"code": 7}},
    "arrived": ["Bob"],
    "firstAck": [1, "/socket.io/"],
    "secondAck": [2, "/socket.io/"],
    "said": ["Ann", "hello"],
    "length": 4,
    "picture": ["Ann", "fa030201"],
    "call": "Bob",
    "bob": [200, {"name": "Bob"}],
    "noPage": 404,
    "announced": [200, {"length": 5}],
    "news": [[{"text": "héllo"}], [{"text": "héllo"}]],
    "left": ["Ann"],
    "closed": "closed",
    "afterClose": 1,
}


def check(seen: dict[str, Any], mode: str) -> None:
    assert {key: seen[key] for key in EXPECTED} == EXPECTED
    assert seen["nobody"][1]["people"] == []
    assert seen["both"][1]["people"] == ["Ann", "Bob"]
    assert seen["transport"] == ("polling" if mode == "polling" else "websocket")


def test_the_move_is_one_line() -> None:
    for path in (HERE / "ported").glob("*.py"):
        before, after = original(path.stem).splitlines(), moved(path.stem).splitlines()
        changed = [(b, a) for b, a in zip(before, after, strict=True) if b != a]
        assert len(changed) == 1, path


@on_one_loop
@pytest.mark.parametrize(
    ("module", "command"),
    [("fastapi_app", UVICORN), ("django_app", UVICORN), ("flask_app", WERKZEUG)],
)
async def test_original_runs_on_python_socketio(
    node: NodeDriver, tmp_path: Path, module: str, command: list[str]
) -> None:
    async with serving(original(module), module, command, tmp_path) as served:
        check(await node.play("usesAPortedApplication", served.url, "websocket"), "websocket")


@on_one_loop
@pytest.mark.parametrize("server", ASGI_SERVERS)
@pytest.mark.parametrize("module", ["fastapi_app", "django_app"])
async def test_moved_asgi_application_runs_on(
    node: NodeDriver, tmp_path: Path, module: str, server: str
) -> None:
    async with serving(moved(module), module, ASGI_SERVERS[server], tmp_path) as served:
        for mode in MODES:
            seen = await node.play("usesAPortedApplication", served.url, mode)
            check(seen, mode)
            if module == "fastapi_app":
                assert seen["nobody"][1]["lifespan"] == "started"
                own = await node.play("usesTheApplicationsWebSocket", served.url, mode)
                assert own == {"acked": 1, "heard": ["ONE", "TWO"], "code": 1000}
    if module == "fastapi_app":
        assert "lifespan ended" in served.output


@on_one_loop
@pytest.mark.parametrize("server", WSGI_SERVERS)
async def test_moved_flask_application_runs_on(
    node: NodeDriver, tmp_path: Path, server: str
) -> None:
    async with serving(moved("flask_app"), "flask_app", WSGI_SERVERS[server], tmp_path) as served:
        for mode in MODES:
            check(await node.play("usesAPortedApplication", served.url, mode), mode)

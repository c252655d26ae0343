"""examples/emitter, run as its README says, but on free ports."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .servers import PATHS, Redis, free_port

EXAMPLE = Path(__file__).parents[2] / "examples" / "emitter"


class Programs:
    """The example in a folder of its own; start() runs one of its programs."""

    def __init__(self, folder: Path, redis_port: int) -> None:
        self._folder = folder
        self._running: list[subprocess.Popen[str]] = []
        port = free_port()
        shutil.copytree(EXAMPLE, folder, dirs_exist_ok=True)
        for path in folder.glob("*.py"):
            text = path.read_text(encoding="utf-8")
            text = text.replace("6379", str(redis_port)).replace("5000", str(port))
            path.write_text(text, encoding="utf-8")

    def start(self, name: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-u", name], cwd=self._folder, env={**os.environ, **PATHS}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self._running.append(process)
        return process

    def stop(self) -> None:
        for process in self._running:
            process.kill()
            process.wait(10)
            assert process.stdout is not None
            process.stdout.close()


@pytest.fixture
def programs(tmp_path: Path, redis: Redis) -> Iterator[Programs]:
    programs = Programs(tmp_path, redis.port)
    yield programs
    programs.stop()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().rstrip()


def test_the_example_does_what_it_says(programs: Programs):
    server = programs.start("server.py")
    assert line(server).startswith("fastsio serves")
    client = programs.start("client.py")
    assert line(client) == "watching"
    assert programs.start("worker.py").wait(20) == 0
    assert line(client) == "order 7: packed"
    assert line(server) == "the shop closes in 30 minutes"
    assert programs.start("async_worker.py").wait(20) == 0
    assert line(client) == "order 7: sent"
    assert client.wait(20) == 0

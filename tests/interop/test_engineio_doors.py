"""The front doors of an engineio.AsyncServer: each with python-engineio's AsyncClient and a script."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

import fastsio.engineio
from engineio_app import build
from engineio_clients import PLAYERS
from harness import until

ON_ONE_LOOP = pytest.mark.asyncio(loop_factories=["uvloop"])
HERE = Path(__file__).parent
TRANSPORTS = {
    "polling": ["polling"],
    "websocket": ["websocket"],
    "upgrade": ["polling", "websocket"],
}
SCRIPT = [["send", "session"], ["send_binary", "AAE="], ["receive", 2], ["send", "bye"], ["closed"]]
MODES = pytest.mark.parametrize("mode", TRANSPORTS)
PROGRAM = """
import fastsio, fastsio.engineio
from engineio_app import build

class Printed(list):
    def append(self, entry):
        print("LOG", entry, flush=True)

eio = build(fastsio.engineio, Printed())
if __name__ == "__main__":
    fastsio.run(eio, port=0)
"""


async def play(url: str, mode: str) -> list[Any]:
    """What the client saw behind its opening."""
    seen = await PLAYERS["async"](url, "connect=late", TRANSPORTS[mode], SCRIPT)
    return seen[1:]


EXPECTED = [["data", {"how": "late"}], ["binary", "AAE="], ["close", "server disconnect"]]


@ON_ONE_LOOP
@MODES
async def test_asgi_app_served_by_fastsio_itself(serve, mode):
    log: list[Any] = []
    server = await serve(fastsio.engineio.ASGIApp(build(fastsio.engineio, log)))
    assert await play(server.url, mode) == EXPECTED
    await until(lambda: log[-1] == ["disconnect", "server disconnect"], "the end is seen")


@ON_ONE_LOOP
@MODES
async def test_attached_to_an_aiohttp_application(watch, mode):
    log: list[Any] = []
    app = web.Application()
    build(fastsio.engineio, log).attach(app)
    runner = web.AppRunner(app, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        assert await play(f"http://127.0.0.1:{runner.addresses[0][1]}", mode) == EXPECTED
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("way", ["run", "serve"])
@ON_ONE_LOOP
async def test_program_of_its_own(tmp_path, way):
    """`fastsio.run(eio)` and `fastsio serve program:eio`."""
    (tmp_path / "program.py").write_text(PROGRAM)
    command = {
        "run": [sys.executable, "program.py"],
        "serve": [sys.executable, "-m", "fastsio", "serve", "program:eio", "--port", "0"],
    }[way]
    paths = [str(HERE), str(HERE.parents[1])]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=tmp_path, env={"PYTHONPATH": ":".join(paths), "PATH": "/usr/bin:/bin"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        line = (await asyncio.wait_for(process.stdout.readline(), 20)).decode()
        found = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert found, line
        assert await play(found[0], "upgrade") == EXPECTED
        process.send_signal(signal.SIGTERM)
        out, _ = await asyncio.wait_for(process.communicate(), 20)
        assert "LOG ['disconnect', 'server disconnect']" in out.decode()
        assert process.returncode == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()

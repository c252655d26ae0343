"""The test client: which applications it takes, what it leaves behind, and the examples of its manual."""

from __future__ import annotations

import asyncio
import gc
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

import fastsio
from fastsio import engineio
from fastsio.engine.session import Session
from fastsio.testing import TestClient, TestServer, running

ROOT = Path(__file__).resolve().parents[3]
TRANSPORTS = pytest.mark.parametrize("transport", ["websocket", "polling"])


async def test_asgi_application_with_its_lifespan_and_path(sio):
    seen = []
    app = fastsio.ASGIApp(
        sio,
        socketio_path="/ws/io",
        on_startup=lambda: seen.append("up"),
        on_shutdown=lambda: seen.append("down"),
    )
    async with TestServer(app) as server, TestClient(app):
        client = await server.connect()
        assert seen == ["up"]
        session = await sio.get_session(client.sid)
        assert session["environ"]["PATH_INFO"] == "/ws/io/"
    assert seen == ["up", "down"]
    async with TestClient(app) as client:
        assert await client.call("echo", 1) == 1


async def test_startup_that_fails_fails_every_client(sio, clean):
    def refuse():
        raise LookupError("no database")

    app = fastsio.ASGIApp(sio, on_startup=refuse)
    for _ in range(2):
        with pytest.raises(RuntimeError):
            await TestClient(app).connect()
        clean.expect_error("on_startup failed", "no database")
    assert not running._running


async def test_application_that_carries_one(sio):
    async def hello(request):
        return PlainTextResponse("hello")

    app = Starlette(routes=[Route("/hello", hello), Mount("/ws", fastsio.ASGIApp(sio))])
    async with TestClient(app) as client:
        assert await client.call("echo", 1) == 1
        environ = (await sio.get_session(client.sid))["environ"]
        assert environ["PATH_INFO"] == "/ws/socket.io/"


@pytest.mark.parametrize("wrong", [object(), "app", fastsio.Server(), engineio.AsyncServer()])
async def test_what_cannot_be_tested_is_named(wrong):
    with pytest.raises(TypeError, match="can't be tested here: give an AsyncServer"):
        await TestClient(wrong).connect()


async def test_wrong_use_is_named(sio):
    with pytest.raises(ValueError, match="transport='pigeon'"):
        TestClient(sio, transport="pigeon")
    with pytest.raises(ValueError, match="line break"):
        await TestClient(sio, headers={"X": "a\r\nY: b"}).connect()
    with pytest.raises(RuntimeError, match="not started"):
        await TestServer(sio).settle()
    client = TestClient(sio)
    with pytest.raises(fastsio.exceptions.DisconnectedError, match="not connected to '/'"):
        await client.emit("x")
    async with client:
        with pytest.raises(RuntimeError, match="connects once"):
            await client.connect()
        with pytest.raises(ValueError, match="reserved"):
            await client.emit("disconnect")
    await client.close()


@TRANSPORTS
async def test_nothing_is_left_behind(sio, transport):
    background = []

    async def forever():
        background.append("begun")
        await asyncio.Event().wait()

    async with TestServer(sio) as server:
        client = await server.connect(transport=transport)
        eio_sid = client.eio_sid
        assert sessions_alive(eio_sid) == 1
        engine = sio.hub.engine
        sio.start_background_task(forever)
        await server.settle()
    assert background == ["begun"]
    assert sio.hub.engine is None
    assert not engine.sessions and not engine.wheel.count
    assert not sio.hub.tasks and not sio.hub.background
    assert not sio.hub.namespaces["/"].sockets and not sio.hub.namespaces["/"].rooms
    assert not running._running
    assert asyncio.all_tasks() == {asyncio.current_task()}
    del client, server
    gc.collect()
    assert sessions_alive(eio_sid) == 0


def sessions_alive(eio_sid):
    return sum(type(one) is Session and one.id == eio_sid for one in gc.get_objects())


def test_one_application_is_tested_on_one_loop_after_the_other(sio):
    async def once():
        async with TestClient(sio) as client:
            return await client.call("echo", "x")

    for _ in range(3):
        assert asyncio.run(once()) == "x"


def test_every_example_of_the_manual_runs(tmp_path):
    manual = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
    for name, code in re.findall(r"```python\n# (\w+\.py)\n(.*?)```", manual, re.DOTALL):
        (tmp_path / name).write_text(code, encoding="utf-8")
    assert manual.count("```python") == len(list(tmp_path.iterdir())) == 3
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    scope = ["-o", "asyncio_default_fixture_loop_scope=function"]
    pytest_ = ["-m", "pytest", "-q", "-W", "error", *scope, "test_chat.py"]
    for arguments, said in ((pytest_, "5 passed"), (["plain.py"], "")):
        done = subprocess.run(
            [sys.executable, *arguments], cwd=tmp_path, env=environment, timeout=60, capture_output=True, text=True
        )  # fmt: skip
        assert done.returncode == 0 and said in done.stdout, done.stdout + done.stderr


async def test_example_of_the_readme_runs(sio):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    code = readme.split("## Test your application")[1].split("```python\n")[1].split("```")[0]
    scope = {"sio": sio}
    exec(code, scope)
    await scope["test_echo"]()


def test_fastsio_itself_does_not_load_it():
    code = "import fastsio, sys; assert 'fastsio.testing' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)

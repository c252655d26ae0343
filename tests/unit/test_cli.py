"""The command line: what is served, with which options, and readable words for what is wrong."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import fastsio
from fastsio import cli
from harness import DEADLINE_S, FakePeer, http

PACKAGE_ROOT = str(Path(fastsio.__file__).resolve().parents[1])

APPS = """
import fastsio
from fastsio.asgi import ASGIApp

sio = fastsio.AsyncServer()
io = fastsio.IO()
not_an_app = 42

class Sync:
    def as_asgi(self):
        return app

async def page(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
    await send({"type": "http.response.body", "body": b"page"})

app = ASGIApp(sio, page, on_startup=lambda: print("startup", flush=True))
cant_start = ASGIApp(fastsio.AsyncServer(), page)
sync = Sync()
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory with applications in it."""
    (tmp_path / "cli_apps.py").write_text(APPS)
    (tmp_path / "cli_needs_more.py").write_text("import no_such_module_anywhere\n")
    (tmp_path / "cli_broken.py").write_text("raise RuntimeError('the application is broken')\n")
    (tmp_path / "index.html").write_text("<p>home</p>")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("cli_")]:
        del sys.modules[name]


# --- which application ----------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "style"), [("sio", fastsio.AsyncServer), ("io", fastsio.IO)])
def test_application_of_either_style_is_loaded_from_the_working_directory(folder, name, style):
    assert type(cli.load(f"cli_apps:{name}")) is style


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("cli_apps", "'cli_apps': give module:name, such as chat:sio"),
        ("cli_apps:", "'cli_apps:': give module:name, such as chat:sio"),
        ("no_such_module:sio", "there is no module 'no_such_module' here"),
        ("cli_apps.sub:sio", "there is no module 'cli_apps.sub' here"),
        ("no_such_package.module:sio", "there is no module 'no_such_package' here"),
        ("cli_apps:missing", "'cli_apps:missing' is None: it can't be served. Give an AsyncServer"),
        ("cli_apps:not_an_app", "'cli_apps:not_an_app' is 42: it can't be served. Give an AsyncS"),
        ("cli_apps:page", "'cli_apps:page' is <function page at"),
    ],
)
def test_target_that_is_no_application_is_refused_and_main_returns_1(
    folder, capsys, target, message
):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        cli.load(target)
    assert cli.main(["serve", target]) == 1
    assert capsys.readouterr().err.startswith(f"fastsio: {message}")


@pytest.mark.parametrize("target", [":sio", ".:sio", "./chat:sio", "../chat:sio"])
def test_target_without_a_module_is_refused_in_words(folder, capsys, target):
    assert cli.main(["serve", target]) == 1
    assert capsys.readouterr().err.startswith("fastsio: ")


def test_module_that_the_application_itself_lacks_keeps_its_traceback(folder):
    with pytest.raises(ModuleNotFoundError, match="no_such_module_anywhere"):
        cli.load("cli_needs_more:sio")


def test_error_of_the_application_is_not_swallowed(folder):
    with pytest.raises(RuntimeError, match="the application is broken"):
        cli.main(["serve", "cli_broken:sio"])


# --- which options --------------------------------------------------------------------------------


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple]:
    """What run() is called with."""
    calls: list[tuple] = []
    monkeypatch.setattr(cli, "run", lambda app, *args, **kwargs: calls.append((app, args, kwargs)))
    return calls


def test_defaults_are_those_of_run(folder, served):
    assert cli.main(["serve", "cli_apps:sio"]) == 0
    ((app, args, options),) = served
    assert type(app) is fastsio.AsyncServer
    assert args == ("127.0.0.1", 5000)
    assert options == {
        "loop": "auto", "socketio_path": None, "static_files": None, "ssl_certfile": None,
        "ssl_keyfile": None, "head_timeout": 10.0, "shutdown_timeout": 5.0,
    }  # fmt: skip


def test_every_option_reaches_run(folder, served):
    words = (
        "serve cli_apps:io --host 0.0.0.0 --port 0 --path /rt --static /=index.html --static /s=a=b"
        " --tls-cert c.pem --tls-key k.pem --loop asyncio --head-timeout 1.5 --shutdown-timeout 2"
    )
    assert cli.main(words.split()) == 0
    ((_, args, options),) = served
    assert args == ("0.0.0.0", 0)
    assert options == {
        "loop": "asyncio", "socketio_path": "/rt", "static_files": {"/": "index.html", "/s": "a=b"},
        "ssl_certfile": "c.pem", "ssl_keyfile": "k.pem", "head_timeout": 1.5, "shutdown_timeout": 2.0,
    }  # fmt: skip


def test_options_of_listening_and_stopping_reach_run(folder, served):
    words = (
        "serve cli_apps:io --uds /run/x --uds-mode 600 --fd 3 --drain-seconds 10 --drain-delay 2.5"
        " --health /healthz --handover /run/h"
    )
    assert cli.main(words.split()) == 0
    ((_, _, options),) = served
    given = {
        "uds": "/run/x", "uds_mode": 0o600, "fd": 3, "drain_seconds": 10.0, "drain_delay": 2.5,
        "health": "/healthz", "handover": "/run/h",
    }  # fmt: skip
    assert {name: options[name] for name in given} == given


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["dance"],
        ["serve"],
        ["serve", "cli_apps:sio", "--port", "http"],
        ["serve", "cli_apps:sio", "--static", "/nowhere"],
        ["serve", "cli_apps:sio", "--loop", "trio"],
        ["serve", "cli_apps:sio", "--uds-mode", "rw"],
        ["serve", "cli_apps:sio", "--fd", "three"],
        ["serve", "cli_apps:sio", "--no-such-option"],
    ],
)
def test_wrong_usage_is_said_with_status_2(folder, capsys, words):
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    assert ended.value.code == 2
    assert "usage: fastsio" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--static", "/=missing.html"], "fastsio: static_files: 'missing.html' does not exist"),
        (["--static", "x=index.html"], "fastsio: static_files: 'x' must begin with '/'"),
        (["--tls-cert", "missing.pem"], "fastsio: [Errno 2] No such file or directory"),
        (["--host", "203.0.113.1"], "fastsio: [Errno"),
        (["--fd", "9999"], "fastsio: fd=9999: Bad file descriptor"),
        (["--uds", "no/such/folder"], "fastsio: [Errno 2] can't listen on 'no/such/folder'"),
        (
            ["--uds", "index.html"],
            "fastsio: can't listen on 'index.html': it exists, and is no socket",
        ),
        (["--fd", "3", "--uds", "x"], "fastsio: fd and uds: give one of them"),
        (["--health", "healthz"], "fastsio: health='healthz': a path such as /healthz"),
        (["--drain-seconds", "-1"], "fastsio: drain_seconds=-1.0: seconds, 0 or more"),
        (
            ["--handover", "no/such/folder/h"],
            "fastsio: [Errno 2] can't listen on 'no/such/folder/h'",
        ),
    ],
)
def test_what_cant_be_served_is_one_readable_line_and_status_1(folder, capsys, words, message):
    assert cli.main(["serve", "cli_apps:sio", "--port", "0", *words]) == 1
    error = capsys.readouterr().err
    assert error.startswith(message)
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["cli_apps:app", "--path", "rt"], "fastsio: socketio_path='rt': give it to the ASGIApp"),
        (["cli_apps:app", "--static", "/=index.html"], "fastsio: static_files={'/': 'index.html'}"),
        (["cli_apps:cant_start"], "fastsio: no database"),
    ],
)
def test_asgi_application_that_cant_be_served_is_one_readable_line(folder, capsys, words, message):
    assert cli.main(["serve", *words, "--port", "0"]) == 1
    error = capsys.readouterr().err
    assert error.startswith(message)
    assert error.count("\n") == 1


@pytest.mark.parametrize("name", ["app", "sync"])
def test_asgi_application_and_what_has_one_are_loaded(folder, name):
    assert cli.load(f"cli_apps:{name}") is not None


# --- the whole of it ------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_command_serves_until_it_is_told_to_stop_and_ends_with_status_0(folder, number):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "fastsio", "serve", "cli_apps:sio", "--port", "0", "--static", "/=index.html",
        env={**os.environ, "PYTHONPATH": PACKAGE_ROOT}, stderr=subprocess.PIPE, cwd=folder,
    )  # fmt: skip
    try:
        line = (await asyncio.wait_for(process.stderr.readline(), DEADLINE_S * 2)).decode()
        assert line.startswith("fastsio serves http://127.0.0.1:")
        url = line.split()[2]
        assert (await http(url, "GET", "/")).body == b"<p>home</p>"
        peer = await FakePeer(url).open()
        await peer.connect()
        process.send_signal(number)
        assert await peer.ws.receive_close() == (None, b"")
        await peer.close()
        assert await asyncio.wait_for(process.wait(), DEADLINE_S) == 0
        assert await process.stderr.read() == b""
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize("name", ["app", "sync"])
async def test_command_serves_an_asgi_application(folder, name):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "fastsio", "serve", f"cli_apps:{name}", "--port", "0",
        env={**os.environ, "PYTHONPATH": PACKAGE_ROOT}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=folder,
    )  # fmt: skip
    try:
        line = (await asyncio.wait_for(process.stderr.readline(), DEADLINE_S * 2)).decode()
        url = line.split()[2]
        assert (await http(url, "GET", "/page")).body == b"page"
        peer = await FakePeer(url).open()
        await peer.connect()
        process.send_signal(signal.SIGTERM)
        await peer.ws.receive_close()
        await peer.close()
        out, err = await asyncio.wait_for(process.communicate(), DEADLINE_S)
        assert (process.returncode, out, err) == (0, b"startup\n", b"")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()

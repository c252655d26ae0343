"""`fastsio check-swap`: what is found in a project, what is said of it, and with which exit status."""

from __future__ import annotations

import importlib
import inspect
import json
from pathlib import Path
from typing import Any

import pytest
import socketio

from fastsio import check_swap, cli, swap_table


def write(folder: Path, **files: str) -> Path:
    """A project: `app__views="..."` is app/views.py."""
    for name, text in files.items():
        path = folder / (name.replace("__", "/", 1) + ".py" if name != "init" else "__init__.py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def found(folder: Path, text: str) -> list[tuple[int, str, str]]:
    """(line, what, status) of every use in one file."""
    report = check_swap.check(write(folder, one=text))
    return [(use.line, use.what, use.verdict.status) for use in report.uses]


def test_a_usual_project_is_the_same_throughout(tmp_path: Path) -> None:
    text = """\
import socketio
sio = socketio.AsyncServer(async_mode="asgi", cors_allowed_origins="*")
app = socketio.ASGIApp(sio)

@sio.event
async def connect(sid, environ):
    await sio.emit("hello", to=sid)
"""
    assert found(tmp_path, text) == [
        (1, "import socketio", "same"),
        (2, "AsyncServer(async_mode=)", "same"),
        (2, "AsyncServer(cors_allowed_origins=)", "same"),
        (2, "socketio.AsyncServer", "same"),
        (3, "socketio.ASGIApp", "same"),
        (5, "AsyncServer.event", "same"),
        (7, "AsyncServer.emit", "same"),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import socketio as s\nx = s.RedisManager()", (2, "socketio.RedisManager", "same")),
        ("from socketio import KombuManager", (1, "from socketio import KombuManager", "same")),
        ("from socketio import AsyncServer as A\nA().instrument()",
         (2, "AsyncServer.instrument", "same")),
        ("import socketio\nsio = socketio.AsyncServer()\nsio._trigger_event('x')",
         (3, "AsyncServer._trigger_event", "unsupported")),
        ("import socketio\nsio = socketio.AsyncServer(async_mode='tornado')",
         (2, "AsyncServer(async_mode='tornado')", "unsupported")),
        ("import socketio\nsio = socketio.Server(async_mode='eventlet')",
         (2, "Server(async_mode='eventlet')", "differs")),
        ("import socketio\nsio = socketio.Server(json=ujson)", (2, "Server(json=)", "differs")),
        ("import socketio\nsio = socketio.AsyncServer(ping_interwal=3)",
         (2, "AsyncServer(ping_interwal=)", "differs")),
        ("import socketio\nsio = socketio.AsyncServer()\nsio.manager.get_participants('/', None)",
         (3, "AsyncManager.get_participants", "same")),
        ("import socketio\nsio = socketio.AsyncServer()\nsio.manager.basic_enter_room(1, '/', 2)",
         (3, "AsyncManager.basic_enter_room", "unsupported")),
        ("import socketio\nsio = socketio.AsyncServer()\nsio.eio.sockets", (3, "AsyncServer.eio", "differs")),
        ("from socketio.exceptions import TimeoutError",
         (1, "from socketio.exceptions import TimeoutError", "same")),
        ("import socketio\ntry: pass\nexcept socketio.exceptions.TimeoutError: pass",
         (3, "socketio.exceptions.TimeoutError", "same")),
        ("import socketio.packet as p\np.EVENT", (2, "socketio.packet.EVENT", "same")),
        ("from socketio.base_manager import BaseManager",
         (1, "from socketio.base_manager import BaseManager", "differs")),
        ("import socketio.redis_manager", (1, "import socketio.redis_manager", "differs")),
        ("from flask_socketio import SocketIO, emit", (1, "from flask_socketio", "unsupported")),
        ("import flask_socketio", (1, "import flask_socketio", "unsupported")),
        ("from engineio.payload import Payload\nPayload.max_decode_packets = 50",
         (1, "from engineio.payload import Payload", "differs")),
        ("import engineio\nengineio.Client()", (2, "engineio.Client", "unsupported")),
        ("import socketio\nclass N(socketio.AsyncNamespace):\n def on_x(self, sid): self.emit('y')",
         (3, "AsyncNamespace.emit", "same")),
        ("import socketio\nclass N(socketio.Namespace):\n def trigger_event(self, e, *a): ...",
         (3, "Namespace subclass, trigger_event()", "same")),
        ("import socketio\nclass M(socketio.AsyncManager):\n def connect(self, sid, ns): ...",
         (3, "AsyncManager subclass, connect()", "unsupported")),
        ("import socketio\nclass S(socketio.AsyncServer):\n async def _handle_event(self): ...",
         (3, "AsyncServer subclass, _handle_event()", "unsupported")),
        ("import socketio\nclass S(socketio.AsyncServer): ...\ns = S()\ns.emit('x')",
         (4, "AsyncServer.emit", "same")),
        ("import socketio\nclass App:\n def __init__(self): self.sio = socketio.AsyncServer()\n"
         " def go(self): self.sio.instrument()", (4, "AsyncServer.instrument", "same")),
        ("from socketio.async_admin import InstrumentedAsyncServer",
         (1, "from socketio.async_admin import InstrumentedAsyncServer", "differs")),
        ("import socketio\ndef setup(sio: socketio.AsyncServer):\n sio.attach(1)",
         (3, "AsyncServer.attach", "same")),
        ("import socketio\nsio: socketio.AsyncServer = make()\nsio.emit('x')", (3, "AsyncServer.emit", "same")),
        ("import socketio\nc = socketio.Client(reconnection=False)\nc.connect('x')",
         (3, "Client.connect", "same")),
        ("import socketio\nsocketio.Servr()", (2, "socketio.Servr", "differs")),
    ],
)  # fmt: skip
def test_each_kind_of_use_is_found_with_its_line(
    tmp_path: Path, text: str, expected: tuple[int, str, str]
) -> None:
    assert expected in found(tmp_path, text)


def test_objects_of_other_modules_of_the_project_are_followed(tmp_path: Path) -> None:
    write(
        tmp_path,
        app__sockets="import socketio\nsio = socketio.AsyncServer()\n",
        app__views="from app.sockets import sio as server\nserver.instrument()\n",
        app__rooms="from . import sockets\nsockets.sio.close_room('x')\nsockets.sio.no_such()\n",
        other="class Sio:\n def instrument(self): ...\nsio = Sio()\nsio.instrument()\n",
    )
    uses = {(Path(use.file).name, use.line, use.what) for use in check_swap.check(tmp_path).uses}
    assert ("views.py", 2, "AsyncServer.instrument") in uses
    assert ("rooms.py", 2, "AsyncServer.close_room") in uses
    assert ("rooms.py", 3, "AsyncServer.no_such") in uses
    assert not [use for use in uses if use[0] == "other.py"]


def test_what_has_nothing_to_do_with_it_is_not_listed(tmp_path: Path) -> None:
    text = """\
import socket, io
from . import socketio_helpers
sio = io.StringIO()
sio.write("x")
def emit(event): ...
emit("x")
"""
    assert found(tmp_path, text) == []


def test_environments_and_other_peoples_code_are_skipped(tmp_path: Path) -> None:
    for folder in ("node_modules", ".git", "lib/site-packages", "__pycache__", "env"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "x.py").write_text("import socketio\n")
    (tmp_path / "env" / "pyvenv.cfg").write_text("home = /usr\n")
    (tmp_path / "kept.py").write_text("import socketio\n")
    report = check_swap.check(tmp_path)
    assert [Path(use.file).name for use in report.uses] == ["kept.py"]
    assert report.files == 1


def test_a_file_that_cannot_be_read_is_named_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.py").write_text("import socketio\ndef f(:\n")
    (tmp_path / "nul.py").write_bytes(b"import socketio\0")
    (tmp_path / "good.py").write_text("import socketio\n")
    assert cli.main(["check-swap", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "broken.py:2: syntax error" in out
    assert "nul.py" in out
    assert "1 file read, 2 not read" in out


def test_exit_status_and_text_say_what_is_not_supported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "app.py"
    path.write_text("import socketio\nx = socketio.ZmqManager()\ny = socketio.ZmqManager()\n")
    assert cli.main(["check-swap", str(path)]) == 1
    out = capsys.readouterr().out
    assert out.index("Not supported:") < out.index("The same:")
    assert f"{path}:2, {path}:3" in out
    assert out.endswith(
        "3 uses of python-socketio: 1 the same, 0 differ, 2 not supported (1 file read)\n"
    )


def test_without_any_use_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check-swap", str(write(tmp_path, one="x = 1"))]) == 0
    assert capsys.readouterr().out == "no use of python-socketio (1 file read)\n"


def test_json_has_every_use_with_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "app.py"
    path.write_text("import socketio\nx = socketio.ZmqManager()\n")
    assert cli.main(["check-swap", "--json", str(path)]) == 1
    said = json.loads(capsys.readouterr().out)
    assert said["files"] == 1
    assert said["counts"] == {"unsupported": 1, "differs": 0, "same": 1}
    assert said["uses"][1] == {
        "file": str(path), "line": 2, "what": "socketio.ZmqManager", "status": "unsupported",
        "note": swap_table.NAMES["ZmqManager"].note,
    }  # fmt: skip


def test_a_path_that_is_none_is_a_bad_argument(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check-swap", "/no/such/path"]) == 2
    assert "'/no/such/path'" in capsys.readouterr().err


# ---------------------------------------------------------------------------------- the table itself


def test_every_public_name_has_a_verdict() -> None:
    assert set(socketio.__all__) <= swap_table.NAMES.keys()


@pytest.mark.parametrize("name", sorted(swap_table.MEMBERS))
def test_every_public_method_has_a_verdict(name: str) -> None:
    cls = getattr(socketio, name)
    methods = {
        method
        for method in dir(cls)
        if not method.startswith("_") and inspect.isroutine(getattr(cls, method))
    }
    assert methods <= swap_table.MEMBERS[name].keys()


@pytest.mark.parametrize("name", ["AsyncServer", "AsyncClient"])
def test_every_argument_of_a_constructor_has_a_verdict(name: str) -> None:
    names = {
        parameter.name
        for parameter in inspect.signature(getattr(socketio, name)).parameters.values()
        if parameter.kind is not parameter.VAR_KEYWORD
    }
    assert names <= swap_table.ARGUMENTS[name].keys()


def test_what_differs_has_a_note() -> None:
    tables: list[dict[Any, swap_table.Verdict]] = [
        swap_table.NAMES, swap_table.MODULES, swap_table.ENGINEIO, swap_table.VALUES,
        *swap_table.MODULE_NAMES.values(), *swap_table.MEMBERS.values(), *swap_table.ARGUMENTS.values(),
    ]  # fmt: skip
    for verdict in (verdict for one in tables for verdict in one.values()):
        assert (verdict.status == swap_table.SAME) == (not verdict.note)


def test_what_is_the_same_is_here() -> None:
    """A name that the table calls the same can be imported, and a class has its methods."""
    homes = {
        "AsyncServer": "fastsio.api.aio", "AsyncNamespace": "fastsio.api.namespace", "Server": "fastsio.api.sync",
        "AsyncManager": "fastsio.api.manager", "Namespace": "fastsio.api.sync_namespace",
        "Manager": "fastsio.api.sync_views", "ASGIApp": "fastsio.asgi", "WSGIApp": "fastsio.wsgi",
        "Middleware": "fastsio.wsgi", **dict.fromkeys(swap_table.QUEUE_MANAGERS, "fastsio.managers"),
    }  # fmt: skip
    for name, verdict in swap_table.NAMES.items():
        if verdict.status != swap_table.SAME or name not in swap_table.MEMBERS:
            continue
        cls = getattr(importlib.import_module(homes.get(name, "fastsio.client")), name)
        theirs = getattr(socketio, name)
        for member, how in swap_table.MEMBERS[name].items():
            if how.status == swap_table.SAME and hasattr(theirs, member):
                assert hasattr(cls, member), f"{name}.{member}"

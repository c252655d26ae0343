"""Who may import whom: every import and cimport of fastsio against the table of the design.

A layer imports what stands in its row and itself, nothing else of fastsio; imports for type checkers
and inside functions count too. A module without a row fails: a new one needs a place. What is right below
adapters/ is a layer of its own, "adapters/redis".
Source: the design, section 4.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "fastsio"
SUFFIXES = (".py", ".pyi", ".pyx", ".pxd")

PURE = [
    "_peer",
    "_dispatch",
    "_eager",
    "_flow",
    "_fanout",
    "_client",
    "_codec",
    "_encoded",
    "_dialects",
    "_payload",
    "_json",
    "_frames",
    "_flag",
    "models",
]  # each may import those to its right
# What joins servers: the folders and modules of adapters/, which are layers too. What applications name is in
# adapters/__init__.py, the layer "adapters"; none of these imports it.
ADAPTERS: dict[str, list[str]] = {
    "adapters/protocol": [
        "core",
        "models",
        "_codec",
        "_encoded",
        "_json",
    ],  # what servers tell each other
    "adapters/redis_connection": ["rarely"],  # Redis, whatever for
    "adapters/presence": ["adapters/protocol", "core"],  # never cluster: it has a port
    "adapters/cluster": [
        "adapters/presence",
        "adapters/protocol",
        "core",
        "rarely",
        "logged",
        "_eager",
        "_encoded",
        "_json",
    ],  # never a broker: it calls a Bus
    "adapters/local": [
        "adapters/cluster",
        "adapters/protocol",
        "core",
        "_codec",
        "_encoded",
        "_json",
    ],  # workers
    "adapters/memory": ["adapters/cluster", "adapters/protocol", "core", "_encoded"],
    "adapters/pubsub": [
        "adapters/cluster",
        "adapters/protocol",
        "adapters/redis_connection",
        "core",
        "rarely",
        "packet",
        "_codec",
        "_encoded",
        "_json",
        "_frames",
    ],  # python-socketio's format, which has packets' JSON in it
    "adapters/forwarding": [
        "adapters/protocol",
        "adapters/redis_connection",
        "rarely",
        "_http",
        "_ids",
    ],  # never core: requests, not packets
    "adapters/recovery": [
        "adapters/cluster",
        "adapters/protocol",
        "adapters/redis_connection",
        "core",
        "rarely",
        "_encoded",
        "_fanout",
    ],
    "adapters/redis": [
        "adapters/recovery",
        "adapters/forwarding",
        "adapters/cluster",
        "adapters/protocol",
        "adapters/redis_connection",
        "core",
        "_encoded",
        "_json",
    ],  # Node's three formats
}
# Folders whose parts are layers.
DIVIDED = {"adapters"}
LOWER = [
    *PURE,
    "_typed",
    "_msgpack",
    "packet",
    "msgpack_packet",
    "_http",
    "_handshake",
    "_session",
    "_joining",
    "_deflate",
    "_batch",
    "_uv",
    "_handles",
    "_wire",
    "_stream",
    "_conn",
    "_shared",
    "_hosted",
    "threads",
    "descriptors",
    "rarely",
    "logged",
    "_wheel",
    "_ids",
    "_recovery_log",
    "options",
    "static",
    "pages",
    "engine",
    "core",
    "adapters",
    *ADAPTERS,
    "client",
]
STYLES = ["api", "admin", "metrics", "exceptions"]
FRONT_DOORS = [
    "asgi", "wsgi", "attach", "uvicorn", "serve", "webtransport", "workers", "cli", "__main__",
]  # fmt: skip

# layer: the layers that it may import, besides itself. A layer is a module or a folder right below fastsio.
MAY_IMPORT: dict[str, list[str]] = {
    **{layer: PURE[PURE.index(layer) + 1 :] for layer in PURE},
    "_typed": [],  # calls to what is given to it
    "_msgpack": ["_codec", "_encoded", "_json", "_frames", "models"],  # packets as MessagePack
    "packet": ["_codec", "_json", "_frames"],  # python-socketio's module of that name
    "msgpack_packet": ["packet", "_msgpack", "_codec"],
    "_http": [],  # requests and response heads, pure like those above
    "_handshake": ["_http"],  # a WebSocket's, as pure
    "_session": [
        "_fanout",
        "_flag",
        "_wheel",
        "_http",
        "_encoded",
    ],  # the part of a session that all go through
    "_joining": ["_peer", "_dispatch", "_session", "_ids"],  # how a client joins and leaves
    "_wheel": [],  # deadlines of whatever has them
    "_ids": [],  # random, and no more
    "_recovery_log": ["_encoded", "_ids"],  # packets for clients that come back
    "options": [],  # values that every layer may read
    "static": ["_http"],  # files as answers to requests
    "_deflate": ["_encoded", "_frames"],  # permessage-deflate, pure
    "pages": ["static", "_http", "_eager", "logged"],  # and texts and functions
    "_batch": ["_fanout"],  # the sends of many outlets at once
    "_uv": [],  # declarations, of functions of others
    "_handles": ["_flag", "_uv"],  # what is open on a loop
    "_wire": ["_flag", "_handles", "_uv"],  # transports, whatever for
    "_stream": ["_flag", "_frames", "_encoded", "_deflate", "_fanout", "_wire"],  # writing to one
    "_conn": [
        "_flag",
        "_stream",
        "_wire",
        "_frames",
        "_dialects",
        "_encoded",
        "_deflate",
        "_codec",
        "_fanout",
        "_http",
        "_handshake",
    ],
    "_shared": ["_conn", "_stream", "_http"],  # as _conn, and whose a request is
    "_hosted": [
        "_frames",
        "_dialects",
        "_encoded",
        "_codec",
        "_fanout",
        "_eager",
        "_http",
    ],  # as _conn, over ASGI
    "descriptors": ["_stream", "rarely"],  # those that are kept for the application
    "rarely": [],  # counting, and log lines that are not written too often
    "logged": [],  # what may stand in a log line
    "threads": [],  # loops and pools, of whatever
    "watchdog": ["rarely"],  # a thread that looks at a loop
    "engine": [
        "_flow",
        "rarely",
        "logged",
        "_eager",  # middleware and questions that do not wait are answered at once
        "_batch",
        "_deflate",
        "_fanout",
        "_codec",
        "_encoded",
        "_dialects",
        "_payload",
        "_frames",
        "_http",
        "_session",
        "_wheel",
        "_ids",
        "options",
        "watchdog",
    ],  # never core: it calls a port
    "core": [
        "_typed",
        "models",
        "rarely",
        "logged",
        "_flow",
        "_joining",
        "_peer",
        "_dispatch",
        "_eager",
        "_fanout",
        "_codec",
        "_encoded",
        "_json",
        "_frames",
        "_ids",
        "_recovery_log",
        "options",
        "packet",  # these two and _msgpack: core/parsers.py, for serializer=
        "msgpack_packet",
        "_msgpack",
    ],  # never engine, adapters, api or _conn
    "adapters": list(ADAPTERS),
    **ADAPTERS,
    "managers": [
        "adapters/pubsub",
        "adapters/redis_connection",
        "api",
    ],  # python-socketio's classes over its buses
    "emitter": [
        "adapters",  # the formats of the adapters for Redis
        "adapters/protocol",
        "adapters/redis_connection",
        "core",
        "_codec",
        "_encoded",
        "_json",
    ],  # of programs that are no servers
    "client": [
        "_eager",
        "_client",
        "_codec",
        "_encoded",
        "_payload",
        "_json",
        "_frames",
        "_wheel",
        "exceptions",
        "packet",
        "msgpack_packet",
    ],
    "_aio": ["_dispatch", "_codec", "core", "logged"],  # the compiled part of api/aio.py
    "_raw": [
        "_eager",
        "_fanout",
        "_encoded",
        "_codec",
        "_json",
        "_frames",
    ],  # messages without Socket.IO
    **{style: ["core", "options"] for style in STYLES},
    "api": ["_aio", "core", "options", "threads"],
    "server": LOWER,
    "doors": [
        "_conn",
        "_handles",
        "_wire",
        "_shared",
        "_hosted",
        "_http",
        "static",
        "threads",
        "engine",
        "core",  # how a bus is, for the health page
        "server",
        "options",
    ],
    "engineio": [
        "_raw",
        *LOWER,
        *STYLES,
        *FRONT_DOORS,
        "server",
        "doors",
    ],  # a whole API of its own
    "testing": [
        *LOWER,
        *STYLES,
        "server",
        "doors",
    ],  # a front door without a port, and its clients
    "schema": ["_dispatch", "_typed", "core"],  # reads a hub, serves nothing
    "swap_table": [],  # data
    "check_swap": ["swap_table"],  # reads source, serves nothing
    **{
        door: [*LOWER, *STYLES, *FRONT_DOORS, "server", "doors", "check_swap", "schema"]
        for door in FRONT_DOORS
    },
    # homes.py passes messages on that it does not read.
    "workers": [*LOWER, *STYLES, *FRONT_DOORS, "server", "doors", "check_swap", "schema", "_raw"],
    "__init__": [*LOWER, *STYLES, *FRONT_DOORS, "server", "doors", "managers", "emitter"],
}

# What stands above a layer, and is loaded by it only when an application asks a server for it: attach(),
# handle_request(), packet_class. At the head of a module such an import would fail at once.
MAY_ASK_FOR: dict[str, list[str]] = {
    "api": ["admin", "asgi", "attach", "packet", "msgpack_packet", "serve", "wsgi"],
    "schema": ["testing"],  # a client, to see what sockets listen to
}

IO = {"asyncio", "socket", "ssl", "select", "selectors", "threading", "uvloop", "subprocess"}
HTTP = {"httptools", "http", "urllib", "aiohttp", "uvicorn"}
REDIS = {"redis", "hiredis"}
# What a layer must not import from elsewhere: the pure ones do no IO, Socket.IO's core knows no HTTP and no transport.
MUST_NOT_IMPORT = {
    "_frames": IO | HTTP,
    "_codec": IO | HTTP,
    "_encoded": IO | HTTP,
    "_dialects": IO | HTTP,
    "_json": IO | HTTP,
    "_payload": IO | HTTP,
    "_msgpack": IO | HTTP,
    "_deflate": IO | HTTP,
    "_fanout": HTTP | {"asyncio", "uvloop", "threading", "ssl"},
    "_peer": HTTP | {"socket", "ssl"},
    "_dispatch": HTTP | {"socket", "ssl"},
    "_eager": HTTP | {"socket", "ssl"},
    "_flow": IO | HTTP,
    "rarely": IO | HTTP,
    "logged": IO | HTTP,
    "_http": IO,
    "_handshake": IO,
    "_wheel": IO | HTTP,
    "_client": IO | HTTP,
    "_ids": IO | HTTP,
    "_recovery_log": IO | HTTP,
    "options": IO | HTTP,
    "core": {"httptools", "http", "aiohttp", "uvicorn", "uvloop", "socket", "ssl"},
    "adapters/protocol": IO | HTTP | REDIS,
    "adapters/presence": HTTP | REDIS | {"socket", "ssl", "threading"},
    "adapters/cluster": HTTP | REDIS | {"socket", "ssl", "threading"},
    "adapters/local": HTTP | REDIS | {"socket", "ssl", "threading"},
    "adapters/memory": IO | HTTP | REDIS,
    "adapters/pubsub": HTTP | REDIS,
    "adapters/forwarding": HTTP | REDIS,
    "adapters/recovery": HTTP | REDIS | {"socket", "ssl", "threading"},
    "adapters/redis": HTTP | REDIS | {"socket", "ssl", "threading"},
    "_aio": HTTP | {"uvloop", "socket", "ssl"},
    "api": {"httptools", "http", "aiohttp", "uvicorn", "uvloop", "socket", "ssl"},
}


class Arrow(NamedTuple):
    """`source`, a file, imports `target`, a dotted name, in `line`."""

    source: str
    line: int
    target: str

    @property
    def layer(self) -> str:
        return layer_of(self.source)

    @property
    def target_layer(self) -> str | None:
        """None for what is not fastsio's."""
        first, *rest = self.target.split(".")
        if first != "fastsio":
            return None
        part = "/".join(rest[:2])
        # What is imported from a divided folder itself may be a name there: RedisAdapter.
        return part if part in ADAPTERS else rest[0] if rest else "__init__"

    def __str__(self) -> str:
        return f"{self.source}:{self.line} imports {self.target}"


def layer_of(source: str) -> str:
    """The layer of a file, by its path below fastsio."""
    first, *rest = (name.split(".")[0] for name in Path(source).parts)
    return f"{first}/{rest[0]}" if first in DIVIDED and rest[0] != "__init__" else first


def arrows_of(source: str, text: str) -> list[Arrow]:
    """Every import in a file; `source` is its path below fastsio, with forward slashes."""
    find = arrows_of_python if source.endswith((".py", ".pyi")) else arrows_of_cython
    return [Arrow(source, line, target) for line, target in find(source, text)]


def arrows_of_python(source: str, text: str) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield node.lineno, name.name
        elif isinstance(node, ast.ImportFrom):
            base = absolute("." * node.level + (node.module or ""), source)
            for name in node.names:
                yield node.lineno, named_in(base, name.name)


IMPORT = re.compile(r"^[ \t]*c?import[ \t]+(?P<names>[^\n]+)", re.MULTILINE)
FROM = re.compile(
    r"^[ \t]*from[ \t]+(?P<base>[.\w]+)[ \t]+c?import[ \t]*(?P<names>\([^)]*\)|[^\n]+)",
    re.MULTILINE,
)


def arrows_of_cython(source: str, text: str) -> Iterator[tuple[int, str]]:
    text = without_strings_and_comments(text).replace("\\\n", " \v")
    for match in IMPORT.finditer(text):
        for name in match["names"].split(","):
            yield line_of(match, text), name.split()[0]
    for match in FROM.finditer(text):
        base = absolute(match["base"], source)
        for name in match["names"].strip("() \t").replace("\v", " ").split(","):
            if name.strip():
                yield line_of(match, text), named_in(base, name.split()[0])


def named_in(base: str, name: str) -> str:
    """What `from base import name` means: of what is divided in layers, one of them."""
    divided = {"fastsio", *(f"fastsio.{folder}" for folder in DIVIDED)}
    return f"{base}.{name}" if base in divided else base


def line_of(match: re.Match[str], text: str) -> int:
    before = text[: match.start()]
    return before.count("\n") + before.count("\v") + 1


STRINGS_AND_COMMENTS = re.compile(
    r'"""(?:\\.|[^\\])*?"""|'
    r"'''(?:\\.|[^\\])*?'''|"
    r'"(?:\\.|[^"\\\n])*"|'
    r"'(?:\\.|[^'\\\n])*'|#[^\n]*",
    re.DOTALL,
)


def without_strings_and_comments(text: str) -> str:
    """The same lines, but only code in them."""
    return STRINGS_AND_COMMENTS.sub(lambda match: "''" + "\n" * match.group().count("\n"), text)


def absolute(name: str, source: str) -> str:
    """`name` as it stands after `from`, without its leading dots."""
    dots = len(name) - len(name.lstrip("."))
    if not dots:
        return name
    folders = ["fastsio", *Path(source).parts[:-1]]
    folders = folders[: len(folders) - (dots - 1)]
    assert folders, f"{source}: {name} leads out of fastsio"
    return ".".join([*folders, *filter(None, [name[dots:]])])


def complaint(arrow: Arrow) -> str | None:
    """What is wrong with an arrow, None if it may be."""
    if arrow.layer not in MAY_IMPORT:
        return f"{arrow.layer} has no place in the table"
    target = arrow.target_layer
    if target is None:
        outside = arrow.target.split(".")[0]
        return (
            f"{arrow.layer} must not know {outside}"
            if outside in MUST_NOT_IMPORT.get(arrow.layer, ())
            else None
        )
    if target in (arrow.layer, *MAY_IMPORT[arrow.layer], *MAY_ASK_FOR.get(arrow.layer, ())):
        return None
    return f"{arrow.layer} may not import {target}"


def files() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*") if path.suffix in SUFFIXES)


def all_arrows() -> list[Arrow]:
    return [
        arrow
        for path in files()
        for arrow in arrows_of(
            path.relative_to(PACKAGE).as_posix(), path.read_text(encoding="utf-8")
        )
    ]


# ------------------------------------------------------------------------------------- the package


def test_every_import_is_in_the_table():
    wrong = [f"{arrow}: {why}" for arrow in all_arrows() if (why := complaint(arrow))]
    assert not wrong, "\n" + "\n".join(wrong)


def test_every_module_has_a_place_in_the_table():
    layers = {layer_of(path.relative_to(PACKAGE).as_posix()) for path in files()}
    assert layers <= MAY_IMPORT.keys()
    assert layers >= ADAPTERS.keys()


def test_the_table_has_no_circle_but_among_front_doors():
    def reachable(layer: str) -> set[str]:
        seen: set[str] = set()
        waiting = [layer]
        while waiting:
            for target in MAY_IMPORT[waiting.pop()]:
                if target not in seen:
                    seen.add(target)
                    waiting.append(target)
        return seen

    assert {layer for layer in MAY_IMPORT if layer in reachable(layer)} == set(FRONT_DOORS)


def test_imports_are_really_found():
    found = {(arrow.layer, arrow.target_layer) for arrow in all_arrows()}
    assert {
        ("_codec", "_frames"),
        ("_dispatch", "_codec"),
        ("_conn", "_frames"),
        ("_fanout", "_encoded"),
    } <= found
    assert {
        ("core", "_dispatch"),
        ("engine", "_fanout"),
        ("server", "engine"),
        ("engineio", "core"),
    } <= found
    assert len(files()) > 20


def test_no_module_is_imported_by_a_computed_name():
    # importlib and friends would go past the table; the command line loads the user's module, nothing of ours.
    for path in files():
        for call in re.findall(
            r"(?:import_module|__import__)\(([^)]*)\)", path.read_text(encoding="utf-8")
        ):
            assert "fastsio" not in call, f"{path}: {call}"


def test_no_cython_source_includes_another():
    for path in files():
        if path.suffix in (".pyx", ".pxd"):
            code = without_strings_and_comments(path.read_text(encoding="utf-8"))
            assert not re.search(r"^[ \t]*include\b", code, re.MULTILINE), path


def test_package_init_holds_imports_and_all_and_nothing_else():
    text = (PACKAGE / "__init__.py").read_text(encoding="utf-8")
    assert not other_than_imports_and_all(text)
    names = next(
        ast.literal_eval(node.value)
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign)
    )
    imported = {
        name.asname or name.name
        for node in ast.parse(text).body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in node.names
    }
    assert len(names) == len(set(names))
    assert set(names) == imported


def other_than_imports_and_all(text: str) -> list[str]:
    body = ast.parse(text).body
    if body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        body = body[1:]  # the docstring
    return [ast.unparse(node) for node in body if not is_import_or_all(node)]


def is_import_or_all(node: ast.stmt) -> bool:
    if isinstance(node, ast.Import | ast.ImportFrom):
        return True
    return isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == [
        "__all__"
    ]


# ------------------------------------------------------------------------------- this file's own tests


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("core/hub.py", "from fastsio.engine.session import Session"),
        ("core/hub.py", "from ..engine.session import Session"),
        ("core/hub.py", "from ..engine import session"),
        ("core/hub.py", "from .. import engine"),
        ("core/hub.py", "from fastsio import engine"),
        ("core/hub.py", "import fastsio.engine.session as session"),
        ("core/hub.py", "import os, fastsio._conn"),
        ("core/hub.py", "import fastsio"),
        ("core/hub.py", "from fastsio import AsyncServer"),
        ("core/hub.py", "from fastsio import (\n    _codec,\n    _conn,\n)"),
        ("core/hub.py", "def f():\n    from fastsio.api.io import IO"),
        (
            "core/hub.py",
            "if TYPE_CHECKING:\n    from fastsio.adapters.cluster.server import Cluster",
        ),
        ("core/hub.py", "import httptools"),
        ("core/hub.py", "from http import HTTPStatus"),
        ("core/deep/down.py", "from ...engine import session"),
        ("engine/session.py", "from fastsio.core.hub import Hub"),
        ("engine/session.py", "from fastsio._peer import PeerBase"),
        ("engine/session.py", "from fastsio._conn import Conn"),
        ("api/aio.py", "from fastsio.engine.engine import Engine"),
        ("api/aio.py", "from fastsio.server import Server"),
        ("api/aio.py", "from fastsio._codec import encode_packet"),
        ("adapters/redis/bus.py", "from fastsio.engine import engine"),
        ("adapters/redis_connection/link.py", "from fastsio.adapters.cluster.bus import Bus"),
        ("adapters/redis_connection/link.py", "from fastsio.core.hub import Hub"),
        ("adapters/forwarding/forwarder.py", "from fastsio.core.hub import Hub"),
        ("adapters/cluster/bus.py", "from fastsio.adapters.redis.classic import RedisAdapter"),
        ("adapters/cluster/bus.py", "from fastsio.adapters import redis"),
        ("adapters/cluster/bus.py", "from fastsio.adapters import RedisAdapter"),
        ("adapters/cluster/bus.py", "from fastsio import adapters"),
        ("adapters/cluster/bus.py", "from ..redis import classic"),
        ("adapters/cluster/bus.py", "from .. import local"),
        ("adapters/cluster/bus.py", "def f():\n    import fastsio.adapters.local"),
        ("adapters/cluster/bus.py", "import redis"),
        (
            "adapters/presence/replication.py",
            "if TYPE_CHECKING:\n    from fastsio.adapters.cluster.server import Cluster",
        ),
        ("adapters/local.py", "from fastsio.adapters.memory import MemoryBus"),
        ("adapters/brand_new.py", "import os"),
        ("adapters/brand_new/bus.py", "import os"),
        ("managers/redis.py", "from fastsio.adapters.redis.classic import RedisAdapter"),
        ("client/aio.py", "from fastsio.core.hub import Hub"),
        ("server.py", "from fastsio.api.aio import AsyncServer"),
        ("server.py", "from fastsio.serve import run"),
        ("options/table.py", "from fastsio._codec import Json"),
        ("brand_new.py", "import os"),
        ("_frames.pyx", "from fastsio._codec cimport Encoded"),
        ("_frames.pyx", "from fastsio._codec import Encoded"),
        ("_frames.pyx", "import asyncio"),
        ("_frames.pyx", "cdef int f():\n    import socket"),
        ("_codec.pyx", "cimport fastsio._fanout"),
        ("_codec.pyx", "from fastsio cimport _frames, _fanout"),
        ("_codec.pyx", "from fastsio cimport (\n    _frames,\n    _fanout,\n)"),
        ("_codec.pyx", "from fastsio cimport _frames, \\\n    _fanout"),
        ("_codec.pyx", "from . cimport _fanout"),
        ("_codec.pyx", "from ._fanout cimport Outlet"),
        (
            "_codec.pxd",
            "from fastsio._fanout cimport (Outlet,\n                             SessionBase)",
        ),
        ("_codec.pyi", "from fastsio.core.hub import Hub"),
        ("_fanout.pyx", "cimport cython, fastsio._dispatch as dispatch"),
        ("_conn.pyx", "from fastsio._peer cimport PeerBase"),
        ("_dispatch.pyx", "from fastsio._peer cimport PeerBase"),
        ("_conn.pyx", "from fastsio.engine.session import Session"),
        ("_http.pyx", "from fastsio._frames import ProtocolError"),
        ("_dispatch.pyx", "'it''s' # x\nfrom fastsio._conn cimport Conn"),
    ],
)
def test_forbidden_import_is_detected(source, text):
    assert any(map(complaint, arrows_of(source, text)))


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (
            "core/hub.py",
            "from fastsio._codec import Json\nfrom . import peer\nfrom .peer import Peer\nimport asyncio",
        ),
        ("core/hub.py", '"""from fastsio.engine import engine"""\n# import fastsio._conn'),
        (
            "api/aio.py",
            "from fastsio.core import hub\nfrom ..core.hub import Hub\nfrom fastsio.options import Options",
        ),
        (
            "engine/engine.py",
            "from fastsio import _codec, _frames\nfrom .session import Session\nimport zlib, asyncio",
        ),
        ("server.py", "from fastsio.core.hub import Hub\nfrom fastsio.engine.engine import Engine"),
        ("serve.py", "from fastsio.server import Server\nfrom fastsio.static import StaticFiles"),
        (
            "_codec.pyx",
            "from fastsio._frames cimport (\n    BINARY,\n    TEXT,\n)\ncimport cython\nimport orjson",
        ),
        (
            "_codec.pyx",
            '"""\nfrom fastsio._conn cimport Conn\n"""\n# cimport fastsio._conn\ncdef str s = "import socket"',
        ),
        (
            "_codec.pyx",
            "from libc.stdint cimport int64_t\nfrom cpython.bytes cimport PyBytes_AS_STRING",
        ),
        (
            "_dispatch.pxd",
            "from fastsio._codec cimport Encoded, Head\nfrom fastsio._fanout cimport Member",
        ),
        (
            "adapters/redis/bus.py",
            "from fastsio.adapters.cluster.bus import Bus\nfrom fastsio.adapters.protocol import wire",
        ),
        (
            "adapters/cluster/server.py",
            "from . import bus\nfrom .bus import Bus\nfrom ..presence.replication import Presence",
        ),
        ("adapters/__init__.py", "from fastsio.adapters.redis.classic import RedisAdapter"),
        ("emitter.py", "from fastsio import adapters\nfrom fastsio.adapters import RedisAdapter"),
        ("__init__.py", "from fastsio.api.aio import AsyncServer\nfrom fastsio.serve import run"),
    ],
)
def test_allowed_import_is_not_complained_about(source, text):
    assert not [why for arrow in arrows_of(source, text) if (why := complaint(arrow))]


def test_arrow_knows_its_file_and_line():
    [_, arrow] = arrows_of(
        "_conn.pyx", '"""Two\nlines."""\nimport sys\n\nfrom fastsio._dispatch cimport (\n    X)\n'
    )
    assert str(arrow) == "_conn.pyx:5 imports fastsio._dispatch"


@pytest.mark.parametrize(
    "extra",
    ["x = 1", "def f(): pass", "__version__ = '1'", "try:\n    import a\nexcept E:\n    b", "f()"],
)
def test_anything_else_in_package_init_is_detected(extra):
    good = '"""Doc."""\n\nfrom fastsio.api.aio import AsyncServer\n\n__all__ = ["AsyncServer"]\n'
    assert not other_than_imports_and_all(good)
    assert other_than_imports_and_all(good + extra)

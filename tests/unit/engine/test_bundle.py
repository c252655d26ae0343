"""The client bundle below the engine's path: which file, in which form, and what a browser has already.

Source: socket.io's Server, `serve()`; features.md 1.3. What is in a wheel: tests/unit/test_bundle_build.py.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import subprocess
from pathlib import Path

import pytest

import fastsio
from asgi_tools import Call, scope_of
from fastsio.engine import bundle as bundle_module
from harness import http

FOLDER = Path(fastsio.__file__).with_name("bundle")
SERVE = pytest.mark.feature("1.3 serve client bundle")
NAMES = (
    "socket.io.js", "socket.io.min.js", "socket.io.esm.min.js", "socket.io.msgpack.min.js", "socket.io.v2.js",
)  # fmt: skip
JAVASCRIPT = "application/javascript; charset=utf-8"


@pytest.fixture(autouse=True, scope="module")
def built() -> None:
    if not (FOLDER / "VERSION").exists():
        pytest.fail("The client bundle is not there: run `make bundle`, which needs npm.")


@SERVE
@pytest.mark.parametrize("name", NAMES)
async def test_script_and_its_map_are_served_with_the_clients_version(serve, name):
    server = await serve(fastsio.IO())
    script = await http(server.url, "GET", f"/socket.io/{name}?t=1")
    version = "2.5.0" if ".v2." in name else (FOLDER / "VERSION").read_text()
    assert (script.status, script.headers["content-type"]) == (200, JAVASCRIPT)
    assert script.headers["etag"] == f'"{version}"'
    assert script.headers["cache-control"] == "public, max-age=0"
    assert script.headers["vary"] == "Accept-Encoding"
    assert f"Socket.IO v{version}".encode() in script.body or ".v2." in name
    assert script.body == (FOLDER / name).read_bytes()
    assert script.body.strip().endswith(f"sourceMappingURL={name}.map".encode())
    its_map = await http(server.url, "GET", f"/socket.io/{name}.map")
    assert (its_map.status, its_map.headers["content-type"]) == (
        200,
        "application/json; charset=utf-8",
    )
    assert "mappings" in its_map.json()


@SERVE
@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("br", "br"),
        ("gzip, deflate, br", "br"),
        ("gzip", "gzip"),
        ("br;q=0.1, gzip", "gzip"),
        ("br;q=0", None),
    ],
)
async def test_client_gets_the_form_that_it_likes_best(serve, accepted, coding):
    server = await serve(fastsio.IO())
    response = await http(
        server.url, "GET", "/socket.io/socket.io.min.js", None, {"Accept-Encoding": accepted}
    )
    assert response.headers.get("content-encoding") == coding
    body = response.body
    if coding == "gzip":
        body = gzip.decompress(body)
    elif coding == "br":
        script = "process.stdin.pipe(require('zlib').createBrotliDecompress()).pipe(process.stdout)"
        done = await asyncio.to_thread(
            subprocess.run, ["node", "-e", script], input=body, capture_output=True, check=True
        )
        body = done.stdout
    assert body == (FOLDER / "socket.io.min.js").read_bytes()


@SERVE
@pytest.mark.parametrize(
    ("tags", "status"),
    [
        ('"{v}"', 304), ('W/"{v}"', 304), ('"x", W/"{v}"', 304), ("*", 304), ('"4.0.0"', 200), ("{v}", 200), ("", 200),
    ],
)  # fmt: skip
async def test_browser_that_has_it_gets_no_second_one(serve, tags, status):
    server = await serve(fastsio.IO(cors_allowed_origins="*"))
    version = (FOLDER / "VERSION").read_text()
    headers = {"If-None-Match": tags.format(v=version), "Origin": "http://a.example"}
    response = await http(server.url, "GET", "/socket.io/socket.io.js", None, headers)
    assert (response.status, bool(response.body)) == (status, status == 200)
    assert response.headers["etag"] == f'"{version}"'
    assert response.headers["access-control-allow-origin"] == "http://a.example"


@SERVE
async def test_head_has_the_headers_alone(serve):
    server = await serve(fastsio.IO())
    response = await http(server.url, "HEAD", "/socket.io/socket.io.js")
    size = (FOLDER / "socket.io.js").stat().st_size
    assert (response.status, response.headers["content-length"], response.body) == (
        200,
        str(size),
        b"",
    )


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/socket.io/socket.io.mjs"), ("GET", "/socket.io/VERSION"), ("GET", "/socket.io/LICENSES.txt"),
        ("GET", "/socket.io/..%2Fbundle%2Fsocket.io.js"), ("GET", "/socket.io/socket.io.js.br"),
        ("POST", "/socket.io/socket.io.js"),
    ],
)  # fmt: skip
async def test_nothing_else_is_served(serve, method, path):
    server = await serve(fastsio.IO())
    response = await http(server.url, method, path, b"" if method == "POST" else None)
    assert (response.status, response.json()["code"]) == (400, 0)


@SERVE
@pytest.mark.parametrize("app", [fastsio.IO(serve_client=False), fastsio.AsyncServer()])
async def test_server_that_is_not_to_serve_it_answers_as_node(serve, app):
    server = await serve(app)
    response = await http(server.url, "GET", "/socket.io/socket.io.js")
    assert (response.status, response.json()) == (400, {"code": 0, "message": "Transport unknown"})


@SERVE
async def test_python_socketios_server_serves_it_when_it_is_told_to(serve):
    server = await serve(fastsio.AsyncServer(serve_client=True))
    assert (await http(server.url, "GET", "/socket.io/socket.io.js")).status == 200


@SERVE
async def test_asgi_server_gets_it_too(watch):
    app = fastsio.ASGIApp(fastsio.AsyncServer(serve_client=True))
    scope = scope_of(
        "http", path="/socket.io/socket.io.js", raw_path=b"/socket.io/socket.io.js",
        headers=[(b"host", b"test"), (b"accept-encoding", b"br")],
    )  # fmt: skip
    call = Call(app, scope, {"type": "http.request", "body": b""})
    status, headers, body = await call.answer()
    assert (status, headers["content-encoding"]) == (200, "br")
    assert body == (FOLDER / "socket.io.js.br").read_bytes()
    app._stop()


async def test_middleware_does_not_see_it_as_in_node(serve):
    io = fastsio.IO()
    seen = []
    io.engine.use(lambda request: seen.append(request.path))
    server = await serve(io)
    assert (await http(server.url, "GET", "/socket.io/socket.io.js")).status == 200
    assert not seen


async def test_fastsio_that_was_built_without_says_so_and_once_in_the_log(
    serve, monkeypatch, tmp_path, caplog
):
    monkeypatch.setattr(bundle_module.resources, "files", lambda package: tmp_path)
    bundle_module.asset_of.cache_clear()
    bundle_module.say_that_it_is_missing.cache_clear()
    server = await serve(fastsio.IO())
    try:
        with caplog.at_level(logging.WARNING):
            for name in NAMES:
                response = await http(server.url, "GET", f"/socket.io/{name}")
                assert response.status == 404
                assert b"without npm" in response.body
    finally:
        monkeypatch.undo()
        bundle_module.asset_of.cache_clear()
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_licences_of_all_that_is_in_it_are_beside_it():
    text = (FOLDER / "LICENSES.txt").read_text(encoding="utf-8")
    for package in (
        "socket.io-client 4.8",
        "socket.io-client 2.5.0",
        "engine.io-client 3",
        "notepack.io",
        "debug 4",
    ):
        assert f"\n{package}" in text
    assert text.count("Permission is hereby granted") > 20


def test_map_names_no_file_of_the_machine_that_built_it():
    for path in FOLDER.glob("*.map"):
        assert not [
            name for name in json.loads(path.read_text())["sources"] if name.startswith("/")
        ]

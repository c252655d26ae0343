"""Static files: nothing outside the mapped folders is served, however the path is written.

Source: RFC 3986 5.2.4, 6.2.2 (dot segments, percent-encoding); the rest is what attackers send.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import fastsio
from clients import exchange
from wire import HttpAnswer, Wire, request

pytestmark = pytest.mark.asyncio(loop_factories=["uvloop"])

SECRET = "you must not read this"
NOT_FOUND = ("404 Not Found", b"Not Found")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """public/ is served; secret.txt, private/ and public-not/ beside it are not."""
    public = tmp_path / "public"
    (public / "sub").mkdir(parents=True)
    (public / "a.txt").write_text("a")
    (public / "sub" / "b.txt").write_text("b")
    for hidden in (
        tmp_path / "secret.txt",
        tmp_path / "private" / "x",
        tmp_path / "public-not" / "x",
    ):
        hidden.parent.mkdir(exist_ok=True)
        hidden.write_text(SECRET)
    (public / "inside").symlink_to(public / "sub")
    (public / "file-link").symlink_to(tmp_path / "secret.txt")
    (public / "relative-link").symlink_to("../secret.txt")
    (public / "folder-link").symlink_to(tmp_path / "private")
    (public / "chain").symlink_to(public / "folder-link")
    (public / "loop").symlink_to(public / "loop")
    os.mkfifo(public / "pipe")
    return tmp_path


@pytest.fixture(params=["start", "ASGIApp", "beside an application"])
def door(request: pytest.FixtureRequest) -> str:
    """Each has a way of its own to read the mapping: static.py, doors/files.py, and that behind uvicorn's protocol."""
    kind: str = request.param
    return kind


async def ask(serve: Any, tree: Path, data: bytes, door: str = "start") -> HttpAnswer:
    files = {"/static": str(tree / "public"), "/one": str(tree / "public" / "a.txt")}
    if door == "start":
        server = await serve(fastsio.IO(), static_files=files)
    else:
        sio = fastsio.AsyncServer(async_mode="asgi")
        other = None if door == "ASGIApp" else nothing_here
        server = await serve(fastsio.ASGIApp(sio, other, static_files=files))
    return await exchange(server.url, data)


async def nothing_here(scope: Any, receive: Any, send: Any) -> None:
    """An application that has no page."""
    assert scope["type"] == "http"
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"9")]
    await send({"type": "http.response.start", "status": 404, "headers": headers})
    await send({"type": "http.response.body", "body": b"Not Found"})


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("/static/a.txt", b"a"),
        ("/static/%61.txt", b"a"),
        ("/static/a.txt?x=/../..", b"a"),
        ("/static/sub/b.txt", b"b"),
        ("/static/inside/b.txt", b"b"),
        ("/one", b"a"),
    ],
)
async def test_what_is_mapped_is_served(
    serve: Any, tree: Path, door: str, target: str, body: bytes
) -> None:
    answer = await ask(serve, tree, request("GET", target), door)
    assert (answer.status, answer.body) == ("200 OK", body)


@pytest.mark.fault(
    "a path leads out of a folder of static files: .., %2e%2e, links, NUL, drives",
    "404, as for any file that is not there",
)
@pytest.mark.parametrize(
    "target",
    [
        "/../secret.txt",
        "/static/../secret.txt",
        "/static/../../etc/passwd",
        "/static/sub/../../secret.txt",
        "/static/./../secret.txt",
        "/static/%2e%2e/secret.txt",
        "/static/.%2e/secret.txt",
        "/static/%2E%2E/secret.txt",
        "/static/..%2fsecret.txt",
        "/static/%2e%2e%2fsecret.txt",
        "/static%2f..%2fsecret.txt",
        "/static/..%2F..%2F..%2F..%2F..%2Fetc%2Fpasswd",
        "/static/%252e%252e/secret.txt",
        "/static/%c0%ae%c0%ae/secret.txt",
        "/static/....//secret.txt",
        "/static/..;/secret.txt",
        "/static/..\\secret.txt",
        "/static/..%5csecret.txt",
        "/static/sub\\b.txt",
        "/static/C:%5csecret.txt",
        "/static//etc/passwd",
        "/static/%2fetc/passwd",
        "/static/file:///etc/passwd",
        "/static/~root",
        "/static/a.txt%00",
        "/static/a.txt%00.html",
        "/static/%00",
        "/static/%ff%fe",
        "/static/file-link",
        "/static/relative-link",
        "/static/folder-link/x",
        "/static/chain/x",
        "/static/loop",
        "/static/pipe",
        "/static/sub",
        "/static/sub/",
        "/static/",
        "/static",
        "/static/a.txt/",
        "/static/a.txt/../../secret.txt",
        "/static/../public-not/x",
        "/static-not/x",
        "/staticsecret.txt",
        "/static/" + "a" * 5000,
        "/static/" + "a/" * 5000,
        "/static/" + "../" * 5000 + "etc/passwd",
        "http://example.org/static/../secret.txt",
        "/one/../secret.txt",
        "/one/",
        "/socket.io/../static/a.txt",
    ],
    ids=lambda target: target[:50],
)
async def test_what_is_not_is_not_found(serve: Any, tree: Path, door: str, target: str) -> None:
    answer = await ask(serve, tree, request("GET", target), door)
    if target.startswith("/socket.io/"):  # below the Socket.IO path: no request of Engine.IO's
        assert answer.status == "400 Bad Request"
        return
    assert (answer.status, answer.body) == NOT_FOUND
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


async def test_head_gets_the_length_and_no_body(serve: Any, tree: Path) -> None:
    server = await serve(fastsio.IO(), static_files={"/static": str(tree / "public")})
    wire = await Wire.open(server.url)
    await wire.send(request("HEAD", "/static/a.txt") + request("HEAD", "/static/../secret.txt"))
    found, missing = await wire.read_answer(is_head=True), await wire.read_answer(is_head=True)
    assert (found.status, found.headers["content-length"]) == ("200 OK", "1")
    assert missing.status == "404 Not Found"
    wire.close()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
async def test_other_methods_are_refused(serve: Any, tree: Path, method: str) -> None:
    answer = await ask(serve, tree, request(method, "/static/a.txt", body=b""))
    assert answer.status == "405 Method Not Allowed"
    assert answer.headers["allow"] == "GET, HEAD"
    assert (tree / "public" / "a.txt").read_text() == "a"

"""Static files of ASGIApp: the mapping as python-socketio reads it, and nothing outside it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from engineio.static_files import get_static_file

from fastsio.doors.files import answer_file, find_file


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """public/{index.html,a.js,sub/b.css,sub/index.html}, other.html and, outside, secret.txt."""
    root = tmp_path / "site"
    (root / "public" / "sub").mkdir(parents=True)
    for name in ("public/index.html", "public/a.js", "public/sub/b.css", "public/sub/index.html"):
        (root / name).write_text(name)
    (root / "other.html").write_text("other")
    (tmp_path / "secret.txt").write_text("secret")
    monkeypatch.chdir(root)
    return root


MAPPINGS: list[dict[str, Any]] = [
    {"/": "public/index.html"},
    {"/": {"filename": "other.html", "content_type": "text/x"}},
    {"/static": "./public"},
    {"/static/": "./public/"},
    {"/static": "./public/", "": "sub/b.css"},
    {"/static": "./public/", "": {"filename": "a.js", "content_type": "x/y"}},
    {"/static": {"filename": "./public", "content_type": "a/b"}, "/static/sub": "other.html"},
]
URLS = [
    "/", "", "/x", "/static", "/static/", "/static/a.js", "/static/sub", "/static/sub/", "/static/sub/b.css",
    "/static/nowhere.js", "/static//a.js", "/staticx", "/static/a.js/", "/other.html",
]  # fmt: skip


@pytest.mark.parametrize("mapping", MAPPINGS)
@pytest.mark.parametrize("url", URLS)
def test_same_file_is_found_as_by_python_socketio(folder: Path, mapping: Any, url: str) -> None:
    theirs = get_static_file(url, mapping)
    found = find_file(url, mapping)
    if theirs is None or not os.path.isfile(theirs["filename"]):
        assert found is None
    else:
        assert found is not None
        assert found["filename"] == str(Path(theirs["filename"]).resolve())
        assert (
            found["content_type"].partition(";")[0].replace("text/java", "application/java")
            == (theirs["content_type"])
        )


@pytest.mark.parametrize(
    "url",
    [
        "/static/../../secret.txt",
        "/static/../other.html",
        "/static/sub/../../other.html",
        "/static/..",
        "/static//../other.html",
        "/static/\\..\\other.html",
        "/static/a.js\0",
        "/static/" + "x" * 5000,
    ],
)
def test_nothing_outside_a_folder_is_found(folder: Path, url: str) -> None:
    for target in ("./public", "./public/"):
        assert find_file(url, {"/static": target}) is None


def test_links_out_of_a_folder_are_not_followed(folder: Path) -> None:
    (folder / "public" / "link.txt").symlink_to(folder.parent / "secret.txt")
    (folder / "public" / "loop").symlink_to(folder / "public" / "loop")
    assert find_file("/static/link.txt", {"/static": "./public"}) is None
    assert find_file("/static/loop", {"/static": "./public"}) is None


def test_file_may_appear_and_go_and_the_mapping_may_change(folder: Path) -> None:
    mapping: dict[str, Any] = {"/new": "new.txt"}
    assert find_file("/new", mapping) is None
    (folder / "new.txt").write_text("new")
    assert find_file("/new", mapping) is not None
    mapping["/newer"] = Path("new.txt")
    assert find_file("/newer", mapping) is not None


async def sent_for(static_file: dict[str, Any]) -> tuple[int, dict[bytes, bytes], bytes]:
    messages: list[Any] = []

    async def send(message: Any) -> None:
        messages.append(message)

    await answer_file(static_file, send)
    start, body = messages
    return start["status"], dict(start["headers"]), body["body"]


async def test_file_is_sent_with_type_length_and_validators(folder: Path) -> None:
    found = find_file("/static/a.js", {"/static": "./public"})
    assert found is not None
    status, headers, body = await sent_for(found)
    assert (status, body) == (200, b"public/a.js")
    assert headers[b"content-length"] == b"11"
    assert headers[b"content-type"] == b"text/javascript; charset=utf-8"
    assert headers[b"last-modified"].endswith(b"GMT")
    head = {"scope": {"method": "HEAD", "headers": []}}
    assert (await sent_for({**found, **head}))[1:] == (headers, b"")
    fresh = {"scope": {"method": "GET", "headers": [(b"if-none-match", headers[b"etag"])]}}
    assert (await sent_for({**found, **fresh}))[::2] == (304, b"")
    stale = {"scope": {"method": "GET", "headers": [(b"if-none-match", b'"old"')]}}
    assert (await sent_for({**found, **stale}))[0] == 200


async def test_file_that_has_gone_is_a_404(folder: Path) -> None:
    found = find_file("/static/a.js", {"/static": "./public"})
    assert found is not None
    (folder / "public" / "a.js").unlink()
    assert (await sent_for(found))[::2] == (404, b"Not Found")

"""Static files: which file a URL means, what is never served, and the answers.

Source: python-socketio's mapping; RFC 9110 13.1.2 (If-None-Match).
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import fastsio
from fastsio._http import Request
from fastsio.static import StaticFiles
from harness import http


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Files to serve, and a secret beside the folder."""
    public = tmp_path / "public"
    (public / "sub" / "deep").mkdir(parents=True)
    (public / "empty").mkdir()
    (public / "index.html").write_text("<p>home</p>")
    (public / "app.js").write_text("let x = 1")
    (public / "sub" / "index.html").write_text("<p>sub</p>")
    (public / "sub" / "deep" / "x.css").write_text("p {}")
    (public / "with space é.txt").write_text("named")
    (public / "pic.png").write_bytes(b"\x89PNG")
    (public / "%41.txt").write_text("percent")
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "public2").mkdir()
    (tmp_path / "public2" / "x.txt").write_text("secret too")
    os.symlink(tmp_path / "secret.txt", public / "link.txt")
    os.symlink(tmp_path / "public2", public / "linked")
    os.symlink(public / "app.js", public / "inside.js")
    os.symlink("loop", public / "loop")
    return tmp_path


def found(mapping: dict, url: str) -> str | None:
    """The name of the file that is served for `url`."""
    result = StaticFiles(mapping).find(url)
    return None if result is None else result[0].name


# --- which file -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("/static/app.js", "app.js"),
        ("/static/", "index.html"),
        ("/static/index.html", "index.html"),
        ("/static/sub", "index.html"),
        ("/static/sub/", "index.html"),
        ("/static/sub/deep/x.css", "x.css"),
        ("/static//app.js", "app.js"),
        ("/static/./app.js", "app.js"),
        ("/static/sub/../app.js", "app.js"),
        ("/static/with%20space%20%C3%A9.txt", "with space é.txt"),
        ("/static/%61pp.js", "app.js"),
        ("/static/%2541.txt", "%41.txt"),  # decoded once
        ("/static/inside.js", "app.js"),  # a link that stays inside
        ("/static/missing.js", None),
        ("/static/empty/", None),
        ("/static/sub/deep", None),
        ("/static/app.js/", None),
        ("/static/app.js/x", None),
        ("/staticapp.js", None),
        ("/static2/app.js", None),
        ("/", None),
        ("/app.js", None),
    ],
)
def test_file_below_a_mapped_folder_is_found(site, url, name):
    assert found({"/static": str(site / "public")}, url) == name


@pytest.mark.parametrize(
    "path",
    [
        "../secret.txt",
        "sub/../../secret.txt",
        "sub/../../public2/x.txt",
        "..%2fsecret.txt",
        "%2e%2e/secret.txt",
        "%2e%2e%2fsecret.txt",
        "..\\secret.txt",
        "%2e%2e%5csecret.txt",
        "/../secret.txt",
        "//../secret.txt",
        "../public2/x.txt",
        "link.txt",
        "linked/x.txt",
        "loop",
        "app.js\0.txt",
        "app.js%00.txt",
        "x" * 5000,
        "x/" * 3000,
        "....//secret.txt",
        "%252e%252e/secret.txt",
        "\udcff",
        "%ff",
    ],
)
def test_nothing_outside_a_mapped_folder_is_found(site, path):
    assert found({"/static": str(site / "public")}, "/static/" + path) is None


def test_absolute_path_in_a_url_is_below_the_folder(site):
    url = f"/static/{site}/secret.txt"
    assert found({"/static": str(site / "public")}, url) is None
    assert found({"/static": str(site / "public")}, f"/static//{site}/secret.txt") is None


def test_single_file_is_served_at_its_url_only(site):
    mapping = {"/": str(site / "public" / "index.html"), "/x": str(site / "public" / "app.js")}
    assert found(mapping, "/") == "index.html"
    assert found(mapping, "/x") == "app.js"
    assert found(mapping, "/x/") is None
    assert found(mapping, "/index.html") is None


def test_of_several_folders_the_one_with_the_longest_url_counts(site):
    mapping = {
        "/": str(site / "public"),
        "/sub": str(site / "public2"),
        "/sub/deep": str(site / "public" / "sub" / "deep"),
    }
    assert found(mapping, "/app.js") == "app.js"
    assert found(mapping, "/sub/x.txt") == "x.txt"
    assert found(mapping, "/sub/deep/x.css") == "x.css"
    assert found(mapping, "/sub/deep/x.txt") is None


def test_file_is_preferred_to_a_folder_of_the_same_url(site):
    mapping = {"/": str(site / "public"), "/app.js": str(site / "public" / "pic.png")}
    assert found(mapping, "/app.js") == "pic.png"


@pytest.mark.parametrize("mapping", [None, {}])
def test_nothing_mapped_serves_nothing(mapping):
    assert StaticFiles(mapping).find("/") is None


def test_folder_url_may_end_with_a_slash(site):
    assert found({"/static/": str(site / "public")}, "/static/app.js") == "app.js"


def test_file_that_appears_later_is_found(site):
    files = StaticFiles({"/static": site / "public"})
    assert files.find("/static/new.txt") is None
    (site / "public" / "new.txt").write_text("new")
    assert files.find("/static/new.txt") is not None


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"static": "."}, "'static' must begin with '/'"),
        ({"/x": "./no/such/thing"}, "'no/such/thing' does not exist"),
        ({"/x": {"filename": "./nothing.js"}}, "'nothing.js' does not exist"),
    ],
)
def test_mapping_that_cant_be_served_is_refused(mapping, message):
    with pytest.raises(ValueError, match=message):
        StaticFiles(mapping)


# --- the answer -----------------------------------------------------------------------------------


class Exchange:
    """Notes the one answer."""

    def respond(self, status, headers, body, *, keep_alive=True, is_head=False):
        self.answer = (status, dict(headers), body, is_head)


def ask(mapping: dict, url: str, method: str = "GET", **headers: str) -> Exchange | None:
    exchange = Exchange()
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    handled = StaticFiles(mapping).handle(Request(method, url.encode(), raw), exchange)
    assert handled is hasattr(exchange, "answer")
    return exchange if handled else None


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("index.html", "text/html; charset=utf-8"),
        ("app.js", "text/javascript; charset=utf-8"),
        ("sub/deep/x.css", "text/css; charset=utf-8"),
        ("pic.png", "image/png"),
        ("odd.zzzz", "application/octet-stream"),
        ("data.json", "application/json; charset=utf-8"),
    ],
)
def test_content_type_is_that_of_the_name(site, name, content_type):
    (site / "public" / name).touch()
    _, headers, _, _ = ask({"/": str(site / "public")}, f"/{name}").answer
    javascript = headers["Content-Type"].replace("application/javascript", "text/javascript")
    assert javascript == content_type


def test_content_type_may_be_given(site):
    mapping = {"/x": {"filename": str(site / "public" / "app.js"), "content_type": "text/plain"}}
    _, headers, body, _ = ask(mapping, "/x").answer
    assert (headers["Content-Type"], body) == ("text/plain", b"let x = 1")


def test_answer_has_what_a_later_question_needs(site):
    status, headers, body, _ = ask({"/": str(site / "public")}, "/app.js?v=1").answer
    assert (status, body) == (200, b"let x = 1")
    assert headers["Cache-Control"] == "no-cache"
    assert headers["Last-Modified"].endswith("GMT")
    again = ask({"/": str(site / "public")}, "/app.js", if_none_match=headers["ETag"]).answer
    assert (again[0], again[2]) == (304, b"")
    assert again[1]["ETag"] == headers["ETag"]


def test_changed_file_has_another_tag(site):
    mapping = {"/": str(site / "public")}
    tag = ask(mapping, "/app.js").answer[1]["ETag"]
    (site / "public" / "app.js").write_text("let x = 22")
    status, headers, body, _ = ask(mapping, "/app.js", if_none_match=tag).answer
    assert (status, body) == (200, b"let x = 22")
    assert headers["ETag"] != tag


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_other_method_is_a_405(site, method):
    status, headers, body, _ = ask({"/": str(site / "public")}, "/app.js", method).answer
    assert (status, headers, body) == (405, {"Allow": "GET, HEAD"}, b"")


def test_url_that_is_not_mapped_is_left_to_others(site):
    assert ask({"/static": str(site / "public")}, "/other") is None
    assert ask({"/static": str(site / "public")}, "/static/missing") is None


@pytest.mark.feature("1.3 static files / pages")
async def test_file_is_served_over_http_and_head_has_no_body(serve, site):
    mapping = {"/": str(site / "public" / "index.html"), "/static": str(site / "public")}
    server = await serve(fastsio.IO(), static_files=mapping)
    response = await http(server.url, "GET", "/?x=1")
    assert (response.status, response.body) == (200, b"<p>home</p>")
    response = await http(server.url, "HEAD", "/static/app.js")
    assert (response.status, response.headers["content-length"], response.body) == (200, "9", b"")
    tag = response.headers["etag"]
    response = await http(server.url, "GET", "/static/app.js", None, {"If-None-Match": tag})
    assert (response.status, response.body) == (304, b"")
    assert (await http(server.url, "GET", "/static/../../secret.txt")).status == 404
    assert (await http(server.url, "GET", "/static/%2e%2e/secret.txt")).status == 404


async def test_mapped_file_that_has_gone_is_a_404(serve, site):
    """Missing files are a 404, also those that were there at the start."""
    server = await serve(fastsio.IO(), static_files={"/x": str(site / "public" / "app.js")})
    (site / "public" / "app.js").unlink()
    assert (await http(server.url, "GET", "/x")).status == 404


async def test_url_that_is_nobodys_is_a_404(serve):
    server = await serve(fastsio.IO())
    response = await http(server.url, "GET", "/nothing")
    assert (response.status, response.body) == (404, b"Not Found")
    response = await http(server.url, "HEAD", "/nothing")
    assert (response.status, response.body) == (404, b"")


async def test_files_do_not_hide_the_socketio_path(serve, site):
    server = await serve(fastsio.IO(), static_files={"/": str(site / "public")})
    assert (await http(server.url, "GET", "/socket.io/")).json()["code"] == 0

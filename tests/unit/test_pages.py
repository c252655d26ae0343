"""Pages beside Socket.IO: texts, files and functions on the same port.

Source: features.md section 5, rows 13 and 19; Express's app.get(), res.send(), res.sendFile().
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import fastsio
from harness import RawConnection, http, until

PAGES = pytest.mark.feature("1.3 static files / pages")


@pytest.mark.feature("1.3 static files / pages")
@PAGES
async def test_text_is_shown_as_html_in_utf_8_beside_socket_io(serve):
    server = await serve(fastsio.IO(), pages={"/": "成功连接", "/raw": b"\x00\x01"})
    page = await http(server.url, "GET", "/?a=1")
    assert (page.status, page.body.decode()) == (200, "成功连接")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    raw = await http(server.url, "GET", "/raw")
    assert (raw.body, raw.headers["content-type"]) == (b"\x00\x01", "application/octet-stream")
    head = await http(server.url, "HEAD", "/")
    assert (head.status, head.headers["content-length"]) == (200, str(len("成功连接".encode())))
    assert (await http(server.url, "GET", "/socket.io/")).status == 400
    assert (await http(server.url, "GET", "/nothing")).status == 404
    refused = await http(server.url, "POST", "/", b"")
    assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD")


@PAGES
async def test_file_is_shown_with_its_type_and_asked_for_again_only_when_it_changed(
    serve, tmp_path
):
    (tmp_path / "index.html").write_text("<p>index</p>")
    (tmp_path / "secret.txt").write_text("secret")
    server = await serve(fastsio.IO(), pages={"/index": tmp_path / "index.html"})
    for path in ("/index", "/index/", "/in%64ex"):
        page = await http(server.url, "GET", path)
        assert (page.status, page.body) == (200, b"<p>index</p>")
        assert page.headers["content-type"] == "text/html; charset=utf-8"
    again = await http(server.url, "GET", "/index", None, {"If-None-Match": page.headers["etag"]})
    assert again.status == 304
    for path in ("/index/../secret.txt", "/index/secret.txt", "/index%2f..%2fsecret.txt"):
        assert (await http(server.url, "GET", path)).status == 404
    (tmp_path / "index.html").unlink()
    assert (await http(server.url, "GET", "/index")).status == 404


@PAGES
async def test_function_is_asked_for_each_request_and_may_wait(serve, tmp_path):
    (tmp_path / "a.txt").write_text("a file")

    async def slowly(request):
        await asyncio.sleep(0)
        return {
            "status": 201,
            "body": "{}",
            "content_type": "application/json",
            "headers": {"X-A": "1"},
        }

    server = await serve(
        fastsio.IO(),
        pages={
            "/hello": lambda request: f"Hello {request.query['name']}",
            "/slowly": slowly,
            "/file": lambda request: tmp_path / "a.txt",
            "/none": lambda request: None,
        },
    )
    assert (await http(server.url, "GET", "/hello?name=Ann")).body == b"Hello Ann"
    page = await http(server.url, "GET", "/slowly")
    assert (page.status, page.body, page.headers["x-a"]) == (201, b"{}", "1")
    assert (await http(server.url, "GET", "/file")).body == b"a file"
    assert (await http(server.url, "GET", "/none")).status == 404


async def test_function_that_fails_is_a_500_and_is_logged(serve, watch):
    server = await serve(
        fastsio.IO(),
        pages={"/fails": lambda request: request.query["name"], "/number": lambda request: 7},
    )
    for path in ("/fails", "/number"):
        page = await http(server.url, "GET", path)
        assert (page.status, page.body) == (500, b"Internal Server Error")
        watch.expect_error(f"page {path} failed")


async def test_client_that_leaves_ends_the_function_that_works_for_it(serve):
    states = []

    async def never(request):
        states.append("asked")
        try:
            await asyncio.sleep(3600)
        finally:
            states.append("ended")

    server = await serve(fastsio.IO(), pages={"/": never})
    connection = await RawConnection.open(server.url)
    connection.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    await until(lambda: states == ["asked"], "the function works")
    connection.abort()
    await until(lambda: states == ["asked", "ended"], "it is told")


async def test_static_files_are_behind_the_pages(serve, tmp_path):
    (tmp_path / "a.txt").write_text("a file")
    server = await serve(
        fastsio.IO(),
        pages={"/": "page"},
        static_files={"/": str(tmp_path / "a.txt"), "/files": str(tmp_path)},
    )
    assert (await http(server.url, "GET", "/")).body == b"page"
    assert (await http(server.url, "GET", "/files/a.txt")).body == b"a file"


@pytest.mark.parametrize(
    ("pages", "error", "message"),
    [
        ({"index": "x"}, ValueError, "'index' must begin with '/'"),
        ({"/": Path("not/there.html")}, ValueError, "does not exist"),
        ({"/": Path(__file__).parent}, ValueError, "is no file"),
        ({"/": 7}, TypeError, "7 is no text"),
    ],
)
async def test_what_can_be_no_page_is_refused_at_the_start(pages, error, message):
    io = fastsio.IO()
    with pytest.raises(error, match=message):
        await fastsio.start(io, port=0, pages=pages)
    assert io.hub.engine is None


async def test_application_behind_asgi_shows_its_own_pages():
    with pytest.raises(ValueError, match="pages="):
        await fastsio.start(fastsio.ASGIApp(fastsio.AsyncServer()), port=0, pages={"/": "x"})

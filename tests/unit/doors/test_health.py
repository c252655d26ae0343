"""The health page: live, then draining; beside files, pages and other applications."""

from __future__ import annotations

import asyncio

import pytest

import fastsio
from asgi_pages import Pages
from fastsio.asgi import ASGIApp
from harness import MS, RawConnection, http


async def test_page_says_live_until_the_server_is_told_to_stop(serve):
    server = await serve(fastsio.IO(), health="/healthz", drain_delay=60)
    kept = await RawConnection.open(server.url)
    answer = await kept.request("GET", "/healthz")
    assert (answer.status, answer.body) == (200, b"live")
    assert answer.headers["cache-control"] == "no-store"
    closing = asyncio.ensure_future(server.close())
    await asyncio.sleep(0)
    # New connections too, as long as drain_delay lasts.
    for connection in (kept, await RawConnection.open(server.url)):
        answer = await connection.request("GET", "/healthz")
        assert (answer.status, answer.body) == (503, b"draining")
        answer = await connection.request("GET", "/healthz/live")
        assert (answer.status, answer.body) == (200, b"draining")
    server.hurry()
    await closing


async def test_head_has_no_body_and_other_methods_are_refused(serve):
    server = await serve(fastsio.IO(), health="/healthz")
    answer = await http(server.url, "HEAD", "/healthz")
    assert (answer.status, answer.headers["content-length"]) == (200, "4")
    answer = await http(server.url, "POST", "/healthz", b"x")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")


async def test_it_has_a_live_page_from_the_start(serve):
    server = await serve(fastsio.IO(), health="/health/ready")
    answer = await http(server.url, "GET", "/health/ready/live")
    assert (answer.status, answer.body) == (200, b"live")


async def test_pages_and_files_stay_where_they_are(serve, tmp_path):
    (tmp_path / "a.txt").write_text("file")
    server = await serve(
        fastsio.IO(),
        health="/healthz",
        pages={"/": "home"},
        static_files={"/f": str(tmp_path)},
    )
    assert (await http(server.url, "GET", "/")).body == b"home"
    assert (await http(server.url, "GET", "/f/a.txt")).body == b"file"
    assert (await http(server.url, "GET", "/healthzz")).status == 404
    assert (await http(server.url, "GET", "/healthz")).body == b"live"


async def test_it_stands_before_an_application_beside(serve):
    server = await serve(ASGIApp(fastsio.AsyncServer(), Pages()), health="/healthz")
    assert (await http(server.url, "GET", "/healthz")).body == b"live"
    assert (await http(server.url, "GET", "/healthz/live")).body == b"live"
    assert (await http(server.url, "GET", "/somewhere/else")).body != b"live"


async def test_asgi_app_alone_has_it_too(serve):
    server = await serve(ASGIApp(fastsio.AsyncServer()), health="/healthz")
    assert (await http(server.url, "GET", "/healthz")).body == b"live"


async def test_without_the_option_there_is_none(serve):
    server = await serve(fastsio.IO())
    assert (await http(server.url, "GET", "/healthz")).status == 404


@pytest.mark.parametrize("path", ["healthz", "/healthz/", "/", "/x?y", ""])
async def test_path_that_is_none_is_refused(serve, path):
    with pytest.raises(ValueError, match="health="):
        await serve(fastsio.IO(), health=path)


async def test_path_of_socketio_is_refused(serve):
    with pytest.raises(ValueError, match=r"that is a path of Socket.IO"):
        await serve(fastsio.IO(), health="/socket.io/healthz")


@pytest.mark.fault(
    "a load balancer needs time to see that a server stops",
    "for drain_delay the server accepts clients while its health page says so, then it drains",
)
async def test_server_accepts_clients_for_drain_delay_and_no_longer(serve):
    server = await serve(fastsio.IO(), health="/healthz", drain_delay=100 * MS)
    closing = asyncio.ensure_future(server.close())
    await asyncio.sleep(0)
    assert (await http(server.url, "GET", "/healthz")).body == b"draining"
    await closing
    with pytest.raises(ConnectionRefusedError):
        await RawConnection.open(server.url)

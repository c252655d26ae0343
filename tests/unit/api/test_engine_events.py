"""io.engine: who is there, refused requests, and headers of one's own.

Source: engine.io's Server: clientsCount, connection_error, initial_headers; features.md 1.3.
"""

from __future__ import annotations

import pytest

import fastsio
from harness import RawConnection, http

PATH = "/socket.io/?EIO=4&transport=polling"


async def test_clients_are_counted(io, join):
    assert io.engine.clients_count == 0
    peer, _ = await join(io)
    await join(io, transport="polling")
    assert io.engine.clients_count == 2
    await peer.close()


@pytest.mark.parametrize(
    ("method", "target", "code", "message"),
    [
        ("GET", "/socket.io/?EIO=4&transport=pigeon", 0, "Transport unknown"),
        ("GET", PATH + "&sid=unknown", 1, "Session ID unknown"),
        ("POST", PATH, 2, "Bad handshake method"),
        ("GET", "/socket.io/?EIO=4&transport=websocket", 3, "Bad request"),
        ("GET", "/socket.io/?EIO=2&transport=polling", 5, "Unsupported protocol version"),
    ],
)
async def test_refused_request_is_a_connection_error(serve, method, target, code, message):
    io = fastsio.IO(allow_eio3=False)
    server = await serve(io)
    errors = []
    assert io.engine.on("connection_error", errors.append) == errors.append
    response = await http(server.url, method, target)
    assert response.status == 400
    (error,) = errors
    assert (error.code, error.message) == (code, message)
    assert error.request.method == method


async def test_refused_origin_is_a_connection_error(serve):
    io = fastsio.IO(check_origin=True, cors_allowed_origins="http://good")
    server = await serve(io)
    errors = []
    io.engine.on("connection_error", errors.append)
    assert (await http(server.url, "GET", PATH, headers={"Origin": "http://bad"})).status == 403
    assert [(error.code, error.message) for error in errors] == [
        (4, "http://bad is not an accepted origin.")
    ]


async def test_initial_headers_are_on_the_answer_that_opens_and_on_no_other(io, serve):
    server = await serve(io)

    @io.engine.on("initial_headers")
    def first(headers, request):
        headers["X-First"] = request.method

    opened = await http(server.url, "GET", PATH)
    assert opened.headers["x-first"] == "GET"
    sid = opened.body.split(b'"')[3].decode()
    posted = await http(server.url, "POST", f"{PATH}&sid={sid}", b"40")
    polled = await http(server.url, "GET", f"{PATH}&sid={sid}")
    for response in (posted, polled):
        assert response.status == 200
        assert "x-first" not in response.headers
    await http(server.url, "POST", f"{PATH}&sid={sid}", b"1")


async def test_websockets_handshake_has_the_headers_too(io, serve):
    server = await serve(io)
    io.engine.on("initial_headers", lambda headers, request: headers.update({"X-First": "1"}))
    upgrade = {
        "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }  # fmt: skip
    connection = await RawConnection.open(server.url)
    target = "/socket.io/?EIO=4&transport=websocket"
    response = await connection.request("GET", target, None, upgrade)
    assert (response.status, response.headers["x-first"]) == (101, "1")
    await connection.close()


async def test_what_is_no_header_is_not_sent_and_a_failing_listener_harms_nobody(io, serve, watch):
    server = await serve(io)

    def bad(headers, request):
        headers.update({"X-Good": "1", "X-Bad": "1\r\nX-Smuggled: 1", "X:Y": "1", "X-None": None})
        raise RuntimeError("on purpose")

    io.engine.on("initial_headers", bad)
    response = await http(server.url, "GET", PATH)
    assert response.status == 200
    assert response.headers["x-good"] == "1"
    assert not {"x-bad", "x-smuggled", "x", "x-none"} & set(response.headers)
    watch.expect_error("on purpose")
    for what in ("X-Bad", "X:Y", "X-None"):
        watch.expect_error("not sent", what)
    sid = response.body.split(b'"')[3].decode()
    io.engine.off("initial_headers", bad)
    assert server.engine.front is None
    await http(server.url, "POST", f"{PATH}&sid={sid}", b"1")


async def test_wrong_listeners_are_refused_by_name(io):
    async def coroutine(error): ...

    with pytest.raises(ValueError, match="engine event 'flush': one of connection_error"):
        io.engine.on("flush", print)
    with pytest.raises(TypeError, match="plain function"):
        io.engine.on("initial_headers", coroutine)

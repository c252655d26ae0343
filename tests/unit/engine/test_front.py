"""Middleware of the engine: every request passes, may be refused, answered, or given headers, at its own time.

Source: engine.io's Server, `use()`; Node's (req, res, next).
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

import fastsio
from harness import FakePeer, RawConnection, RawWebSocket, http, until

PATH = "/socket.io/?EIO=4&transport=polling"
WEBSOCKET = "/socket.io/?EIO=4&transport=websocket"
USE = pytest.mark.feature("1.3 engine middleware")
BAD_REQUEST = b'{"code":3,"message":"Bad request"}'


@pytest.fixture
def io() -> fastsio.IO:
    return fastsio.IO()


@USE
async def test_every_request_and_each_upgrade_passes_the_middleware_in_its_order(io, serve):
    seen = []

    @io.engine.use
    async def first(request):
        await asyncio.sleep(0)
        seen.append(("first", request.method, request.query["transport"]))

    io.engine.use(lambda request, response: seen.append(("second", request.method, "")))
    server = await serve(io)
    peer = await FakePeer(server.url, "polling").open()
    assert (await peer.post(b"40")).body == b"ok"
    ws = await RawWebSocket.open(server.url, WEBSOCKET)
    await ws.connection.close()
    await peer.close()
    names = [name for name, *_ in seen]
    assert names == ["first", "second"] * (len(names) // 2)
    assert {one[1:] for one in seen if one[0] == "first"} == {
        ("GET", "polling"), ("POST", "polling"), ("GET", "websocket"),
    }  # fmt: skip


@USE
@pytest.mark.parametrize("style", ["plain", "coroutine", "next"])
async def test_middleware_that_fails_refuses_with_code_3_and_says_why_to_the_listener(
    io, serve, style
):
    def plain(request):
        raise LookupError("who are you?")

    async def coroutine(request, response):
        await asyncio.sleep(0)
        raise LookupError("who are you?")

    def with_next(request, response, next):
        next(LookupError("who are you?"))

    io.engine.use({"plain": plain, "coroutine": coroutine, "next": with_next}[style])
    errors = []
    io.engine.on("connection_error", errors.append)
    server = await serve(io)
    response = await http(server.url, "GET", PATH)
    assert (response.status, response.body) == (400, BAD_REQUEST)
    assert response.headers["content-type"] == "application/json"
    with pytest.raises(AssertionError, match=r"status=400.*body=b'Bad request'"):
        await RawWebSocket.open(server.url, WEBSOCKET)
    assert [(error.code, error.message, error.context["name"]) for error in errors] == [
        (3, "Bad request", "MIDDLEWARE_FAILURE")
    ] * 2
    assert str(errors[0].context["error"]) == "who are you?"
    assert errors[0].req is errors[0].request
    assert not server.engine.sessions


@USE
async def test_ported_function_goes_on_when_it_calls_next_however_late(io, serve):
    waiting = []
    io.engine.use(lambda request, response, next: waiting.append(next))
    io.engine.use(lambda request, response: response.set_header("X-Late", "1"))
    server = await serve(io)
    asking = asyncio.create_task(http(server.url, "GET", PATH))
    await until(lambda: waiting, "the middleware is asked")
    assert not asking.done()
    waiting[0]()
    waiting[0](ValueError("a second call is nobody's business"))
    response = await asking
    assert (response.status, response.headers["x-late"]) == (200, "1")
    server.engine.sessions.popitem()[1].abort("forced close")


async def take_long(request):
    await asyncio.sleep(3600)


@USE
@pytest.mark.parametrize(
    ("options", "fn", "words"),
    [
        (
            {"middleware_timeout": 0.05},
            lambda request, response, next: None,
            "neither called next() nor answered for 0.05 s (middleware_timeout)",
        ),
        ({"connect_timeout": 0.05}, take_long, "took more than 0.05 s (connect_timeout)"),
    ],
)
@pytest.mark.fault("HTTP middleware lets a client wait", "cut off in time, with a warning")
async def test_middleware_that_lets_its_client_wait_is_cut_off_with_a_warning(
    serve, caplog, options, fn, words
):
    io = fastsio.IO(**options)
    io.engine.use(fn)
    server = await serve(io)
    with caplog.at_level(logging.WARNING):
        response = await http(server.url, "GET", PATH)
    assert (response.status, response.body) == (400, BAD_REQUEST)
    assert words in caplog.text


@USE
async def test_what_middleware_sets_on_the_response_goes_with_every_answer(io, serve):
    def dress(request, response):
        response.set_header("X-Served-By", "us").append_header("Set-Cookie", "a=1")
        response.append_header("Set-Cookie", ["b=2"])
        response.set_header("Content-Type", "text/evil")  # the engine's own
        response.set_header("X-Gone", "1")
        response.remove_header("x-gone")

    io.engine.use(dress)
    server = await serve(io)
    peer = FakePeer(server.url, "polling")
    opened = await peer.get()
    peer._queued.append(opened.body.decode())
    await peer.open()
    answers = [
        opened,
        await peer.post(b"40"),
        await peer.get(),
        await http(server.url, "GET", "/socket.io/"),
    ]
    ws = await RawWebSocket.open(server.url, WEBSOCKET)
    answers.append(ws.response)
    await ws.connection.close()
    await peer.close()
    assert [answer.status for answer in answers] == [200, 200, 200, 400, 101]
    for answer in answers:
        assert answer.headers["x-served-by"] == "us"
        assert answer.headers["set-cookie"] == "a=1, b=2"
        assert "x-gone" not in answer.headers
        assert "evil" not in answer.headers.get("content-type", "")


@USE
async def test_what_middleware_keeps_on_the_request_is_there_in_handlers(io, serve):
    users = []
    io.engine.use(lambda request: setattr(request, "user", request.headers.get("x-user")))
    io.on("connection", lambda socket: users.append(socket.request.user))
    server = await serve(io)
    for transport in ("polling", "websocket"):
        peer = await FakePeer(server.url, transport, headers={"X-User": transport}).open()
        await peer.connect()
        await peer.close()
    assert users == ["polling", "websocket"]


@USE
async def test_middleware_may_answer_itself_and_the_engine_does_not_see_the_request(io, serve):
    @io.engine.use
    def reply(request, response, next):
        if request.header("x-ask") == "json":
            response.status(202).json({"a": 1})
        elif request.header("x-ask") == "text":
            response.write_head(203, {"Content-Type": "text/plain", "X-Own": 7})
            response.write("a")
            response.end(b"b")
        else:
            response.status(401).send("<b>Who?</b>")

    server = await serve(io)
    answer = await http(server.url, "GET", PATH, headers={"X-Ask": "json"})
    assert (answer.status, answer.json()) == (202, {"a": 1})
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    answer = await http(server.url, "GET", PATH, headers={"X-Ask": "text"})
    assert (answer.status, answer.body, answer.headers["x-own"]) == (203, b"ab", "7")
    answer = await http(server.url, "GET", PATH)
    assert (answer.status, answer.body) == (401, b"<b>Who?</b>")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    with pytest.raises(AssertionError, match="status=401"):
        await RawWebSocket.open(server.url, WEBSOCKET)
    assert not server.engine.sessions


@USE
async def test_preflights_pass_by_and_what_middleware_answers_may_be_read_elsewhere(serve):
    """A browser sends no cookies with a preflight: middleware that wants some would shut everybody out."""
    io = fastsio.IO(cors={"origin": ["http://a"], "credentials": True})
    io.engine.use(lambda request, response: response.status(401).end("who?"))
    server = await serve(io)
    headers = {"Origin": "http://a", "Access-Control-Request-Method": "GET"}
    preflight = await http(server.url, "OPTIONS", PATH, None, headers)
    assert preflight.status == 204
    answer = await http(server.url, "GET", PATH, None, headers)
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (401, "http://a")


@USE
async def test_post_that_is_refused_harms_neither_its_session_nor_the_next_post(io, serve):
    refuses = False

    @io.engine.use
    async def refuse_some(request):
        await asyncio.sleep(0)
        if refuses:
            raise PermissionError("not now")

    heard = []
    io.on("connection", lambda socket: socket.on("say", heard.append))
    server = await serve(io)
    peer = await FakePeer(server.url, "polling").open()
    await peer.connect()
    refuses = True
    # In two pieces: the session is told of the POST before its body is here.
    connection = await RawConnection.open(server.url)
    connection.write(
        f"POST {peer.target()} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n4".encode()
    )
    await until(
        lambda: next(iter(server.engine.sessions.values())).polling._post, "the POST has begun"
    )
    connection.write(b"2")
    assert (await connection.read_response()).status == 400
    refuses = False
    assert (await peer.post(b'42["say",1]')).status == 200
    assert heard == [1]
    await connection.close()
    await peer.close()


@USE
async def test_client_that_leaves_while_middleware_works_ends_the_work(io, serve):
    ends = []

    @io.engine.use
    async def wait_long(request):
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            ends.append("cancelled")
            raise

    server = await serve(io)
    connection = await RawConnection.open(server.url)
    connection.write(f"GET {PATH} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    await until(lambda: server.engine.front._tasks, "the middleware works")
    connection.abort()
    await until(lambda: ends == ["cancelled"], "the end of the middleware")


@USE
@pytest.mark.parametrize("asks", ["middleware", "allow_request"])
async def test_client_that_is_let_in_when_the_server_has_stopped_is_told_so(serve, asks):
    free = asyncio.Event()
    waits = []

    async def wait(request):
        waits.append(request)
        await free.wait()
        return True

    io = fastsio.IO(**({"allow_request": wait} if asks == "allow_request" else {}))
    if asks == "middleware":
        io.engine.use(wait)
    server = await serve(io)
    asking = asyncio.create_task(http(server.url, "GET", PATH))
    await until(lambda: waits, "it is asked")
    closing = asyncio.create_task(server.close())
    await until(lambda: not server.engine.is_open, "the engine has closed")
    free.set()
    assert (await asking).status == 503
    await closing
    assert not server.engine.sessions


@USE
async def test_middleware_that_is_added_while_clients_are_here_sees_their_next_requests(io, serve):
    server = await serve(io)
    peer = await FakePeer(server.url, "polling").open()
    assert server.engine.front is None
    io.engine.use(lambda request, response: response.set_header("X-New", "1"))
    assert (await peer.post(b"40")).headers["x-new"] == "1"
    await peer.close()


@USE
async def test_python_socketios_server_has_it_on_its_eio(serve):
    sio = fastsio.AsyncServer()
    seen = []
    sio.eio.use(lambda request: seen.append(request.method))
    sio.eio.on("headers", lambda headers, request: headers.update({"X-Eio": "1"}))
    server = await serve(sio)
    response = await http(server.url, "GET", PATH)
    assert (seen, response.headers["x-eio"], sio.eio.clients_count) == (["GET"], "1", 1)
    server.engine.sessions.popitem()[1].abort("forced close")


def test_what_can_not_be_middleware_is_refused_where_it_is_given(io):
    with pytest.raises(TypeError, match="takes"):
        io.engine.use(lambda: None)
    with pytest.raises(TypeError, match="is a function"):
        io.engine.use("no function")


def test_response_refuses_what_is_no_header_and_what_comes_too_late(io):
    from fastsio.engine.response import Response

    response = Response()
    for name, value in (
        ("X\r\n", "1"),
        ("", "1"),
        ("X", "a\r\nY: 1"),
        ("X", None),
        ("X", "\u20ac"),
        (1, "a"),
    ):
        with pytest.raises(ValueError, match="header"):
            response.set_header(name, value)
    response.set_header("X-One", ["a", "b"])
    assert (response.get_header("x-one"), response.has_header("X-ONE")) == (["a", "b"], True)
    assert (response.get_header("none"), response.get_headers()) == (None, {"x-one": ["a", "b"]})
    for code in (199, 600, "200"):
        with pytest.raises(ValueError, match="status"):
            response.status(code)
    response.end()
    assert response.headers_sent
    with pytest.raises(RuntimeError, match="answered"):
        response.set_header("X", "1")
    with pytest.raises(RuntimeError, match="write"):
        response.write("more")


# --- listeners ------------------------------------------------------------------------------------


@pytest.mark.feature("1.3 response header hooks")
async def test_headers_are_told_for_each_answer_of_a_session_and_initial_ones_before(io, serve):
    calls: list[Any] = []
    io.engine.on(
        "headers", lambda headers, request: calls.append(("headers", request.method, dict(headers)))
    )
    io.engine.on(
        "initial_headers", lambda headers, request: calls.append(("initial", request.method, {}))
    )
    server = await serve(io)
    peer = await FakePeer(server.url, "polling").open()
    await peer.post(b"40")
    await peer.get()
    await http(server.url, "GET", "/socket.io/")  # an error has none
    assert [call[:2] for call in calls] == [
        ("initial", "GET"), ("headers", "GET"), ("headers", "POST"), ("headers", "GET"),
    ]  # fmt: skip
    assert calls[1][2] == {"Content-Type": "text/plain; charset=UTF-8", "Cache-Control": "no-store"}
    calls.clear()
    ws = await RawWebSocket.open(server.url, WEBSOCKET)
    await ws.connection.close()
    assert [call[:2] for call in calls] == [("initial", "GET"), ("headers", "GET")]
    await peer.close()


@pytest.mark.feature("1.3 response header hooks")
async def test_listener_of_headers_may_change_and_remove_them(serve):
    io = fastsio.IO(cookie=True, cors_allowed_origins="*", cors_credentials=False)

    @io.engine.on("headers")
    def change(headers, request):
        headers["Set-Cookie"].append("more=1")
        headers["X-Two"] = ["1", "2"]
        del headers["Access-Control-Allow-Origin"]

    server = await serve(io)
    response = await http(server.url, "GET", PATH)
    sid = response.body.split(b'"')[3].decode()
    assert response.headers["set-cookie"] == f"io={sid}; Path=/; HttpOnly; SameSite=Lax, more=1"
    assert response.headers["x-two"] == "1, 2"
    assert "access-control-allow-origin" not in response.headers
    server.engine.sessions[sid].abort("forced close")


async def test_connection_is_told_for_each_session_once_its_application_has_it(io, serve):
    told = []
    io.engine.on(
        "connection", lambda session: told.append((session.id, session.handler is not None))
    )
    once = []
    io.engine.once("connection", lambda session: once.append(session.id))
    server = await serve(io)
    peers = [await FakePeer(server.url, transport).open() for transport in ("polling", "websocket")]
    assert told == [(peer.handshake["sid"], True) for peer in peers]
    assert once == [peers[0].handshake["sid"]]
    for peer in peers:
        await peer.close()


@pytest.mark.feature("1.3 connection_error")
@pytest.mark.parametrize(
    ("method", "target", "context"),
    [
        ("GET", "/socket.io/?EIO=4&transport=pigeon", {"transport": "pigeon"}),
        ("GET", "/socket.io/?EIO=4", {"transport": None}),
        ("GET", PATH + "&sid=unknown", {"sid": "unknown"}),
        ("PUT", PATH, {"method": "PUT"}),
        ("GET", WEBSOCKET, {"name": "TRANSPORT_HANDSHAKE_ERROR"}),
        (
            "GET",
            WEBSOCKET + "&sid={sid}",
            {
                "name": "TRANSPORT_MISMATCH",
                "transport": "websocket",
                "previous_transport": "polling",
            },
        ),
        (
            "GET",
            "/socket.io/?EIO=3&transport=polling&sid={sid}",
            {"name": "PROTOCOL_MISMATCH", "protocol": 3, "previous_protocol": 4},
        ),
    ],
)
async def test_connection_error_has_nodes_context(io, serve, method, target, context):
    server = await serve(io)
    peer = await FakePeer(server.url, "polling").open()
    errors = []
    io.engine.on("connection_error", errors.append)
    await http(server.url, method, target.format(sid=peer.handshake["sid"]))
    assert [error.context for error in errors] == [context]
    await peer.close()

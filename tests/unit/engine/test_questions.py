"""allow_request and generate_id: who is let in, and under which id.

Source: engine.io's Server, `allowRequest` and `generateId`; features.md 1.2 and 1.3.
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest

import fastsio
from harness import FakePeer, RawConnection, RawWebSocket, http, until

PATH = "/socket.io/?EIO=4&transport=polling"
WEBSOCKET = "/socket.io/?EIO=4&transport=websocket"
ALLOW = pytest.mark.feature("1.3 allowRequest")
IDS = pytest.mark.feature("1.2 custom id")


def raising(error: BaseException) -> Any:
    def raise_it(request: Any) -> None:
        raise error

    return raise_it


def ported(request: Any, callback: Any) -> None:
    is_allowed = request.headers.get("x-token") == "let me in"
    asyncio.get_running_loop().call_soon(callback, None if is_allowed else "bad token", is_allowed)


async def slowly(request: Any) -> Any:
    await asyncio.sleep(0)
    return request.headers.get("x-token") == "let me in"


@ALLOW
@pytest.mark.parametrize(
    "allow", [lambda request: True, lambda request: (None, True), slowly, ported]
)
@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_client_that_is_allowed_gets_its_session_and_is_not_asked_again(
    serve, allow, transport
):
    asked = []

    def ask(request):
        asked.append(request.query["transport"])
        return allow(request)

    def ask_ported(request, callback):
        asked.append(request.query["transport"])
        allow(request, callback)

    server = await serve(fastsio.IO(allow_request=ask_ported if allow is ported else ask))
    peer = await FakePeer(server.url, transport, headers={"X-Token": "let me in"}).open()
    await peer.connect()
    await peer.close()
    assert asked == [transport]


@ALLOW
@pytest.mark.parametrize(
    ("allow", "message"),
    [
        (lambda request: False, "Forbidden"),
        (lambda request: (None, False), "Forbidden"),
        (lambda request: ('no "token"', False), 'no "token"'),
        (lambda request: (ValueError("bad token"), False), "bad token"),
        (slowly, "Forbidden"),
        (ported, "bad token"),
        (lambda request, callback: callback(), "Forbidden"),
        (lambda request, realm="x": (realm, False), "x"),
        (raising(PermissionError("bad token")), "bad token"),
        (raising(ConnectionRefusedError()), "Forbidden"),
        (raising(fastsio.exceptions.ConnectionRefusedError("bad token", {"a": 1})), "bad token"),
    ],
)
async def test_refused_client_gets_403_with_the_message_and_a_websocket_nodes_400(
    serve, allow, message
):
    io = fastsio.IO(allow_request=allow)
    errors = []
    io.engine.on("connection_error", errors.append)
    server = await serve(io)
    response = await http(server.url, "GET", PATH)
    assert (response.status, response.json()) == (403, {"code": 4, "message": message})
    connection = await RawConnection.open(server.url)
    fields = {
        "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }  # fmt: skip
    response = await connection.request("GET", WEBSOCKET, None, fields)
    assert (response.status, response.body.decode()) == (400, message)
    assert response.headers["content-type"] == "text/html"
    await connection.close()
    assert [(error.code, error.message, error.context) for error in errors] == [
        (4, "Forbidden", {"message": message})
    ] * 2
    assert not server.engine.sessions


@ALLOW
async def test_error_that_is_no_refusal_is_logged_and_its_text_kept_from_the_client(serve, watch):
    server = await serve(fastsio.IO(allow_request=raising(LookupError("secret"))))
    response = await http(server.url, "GET", PATH)
    assert (response.status, response.json()["message"]) == (403, "Forbidden")
    watch.expect_error("allow_request failed", "secret")


@ALLOW
async def test_function_that_forgets_to_return_lets_nobody_in_and_the_log_says_so(serve, caplog):
    server = await serve(fastsio.IO(allow_request=lambda request: None))
    with caplog.at_level(logging.WARNING):
        assert (await http(server.url, "GET", PATH)).status == 403
    assert "has to return True" in caplog.text


@ALLOW
async def test_requests_that_are_wrong_anyway_are_refused_unasked(serve):
    asked: list[Any] = []
    server = await serve(fastsio.IO(allow_request=asked.append))
    for method, target in (
        ("POST", PATH),
        ("GET", WEBSOCKET),
        ("GET", PATH + "&sid=x"),
        ("GET", "/socket.io/"),
    ):
        assert (await http(server.url, method, target)).status == 400
    assert not asked


@ALLOW
async def test_client_that_leaves_before_the_answer_gets_no_session(serve):
    asked, ends = [], []

    async def never(request):
        asked.append(request)
        try:
            await asyncio.sleep(3600)
        finally:
            ends.append(request)

    server = await serve(fastsio.IO(allow_request=never))
    connection = await RawConnection.open(server.url)
    connection.write(f"GET {PATH} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    await until(lambda: asked, "allow_request is asked")
    connection.abort()
    await until(lambda: ends, "it is told")
    assert not server.engine.sessions


@ALLOW
async def test_answer_that_takes_too_long_is_a_refusal(serve, watch):
    async def never(request):
        await asyncio.sleep(3600)

    server = await serve(fastsio.IO(allow_request=never, connect_timeout=0.05))
    assert (await http(server.url, "GET", PATH)).status == 403
    watch.expect_error("allow_request failed", "TimeoutError")


# --- ids ------------------------------------------------------------------------------------------


async def async_id(request: Any) -> str:
    await asyncio.sleep(0)
    return f"id-{request.query['n']}"


@IDS
@pytest.mark.parametrize("generate", [lambda request: f"id-{request.query['n']}", async_id])
async def test_ids_are_those_that_the_option_makes(serve, generate):
    server = await serve(fastsio.IO(generate_id=generate, cookie="io"))
    response = await http(server.url, "GET", PATH + "&n=1")
    assert json.loads(response.body[1:])["sid"] == "id-1"
    assert response.headers["set-cookie"].startswith("io=id-1;")
    ws = await RawWebSocket.open(server.url, WEBSOCKET + "&n=2")
    assert json.loads((await ws.receive())[1][1:])["sid"] == "id-2"
    await ws.connection.close()
    server.engine.sessions["id-1"].abort("forced close")


@IDS
@pytest.mark.parametrize("made", ["", "a b", 'a"b', "a;b", None, 7, "é", "taken"])
async def test_what_can_be_no_id_refuses_the_client_with_code_3(serve, watch, made):
    io = fastsio.IO(generate_id=lambda request: made)
    errors = []
    io.engine.on("connection_error", errors.append)
    server = await serve(io)
    if made == "taken":
        assert (await http(server.url, "GET", PATH)).status == 200
    response = await http(server.url, "GET", PATH)
    assert (response.status, response.json()) == (400, {"code": 3, "message": "Bad request"})
    (error,) = errors
    assert error.context["name"] == "ID_GENERATION_ERROR"
    assert repr(made) in str(error.context["error"])
    watch.expect_error("generate_id failed", "fit for a URL")
    for session in list(server.engine.sessions.values()):
        session.abort("forced close")


@IDS
async def test_function_that_fails_refuses_the_client_with_code_3(serve, watch):
    io = fastsio.IO(generate_id=raising(LookupError("no more ids")))
    errors = []
    io.engine.on("connection_error", errors.append)
    server = await serve(io)
    with pytest.raises(AssertionError, match=r"status=400.*Bad request"):
        await RawWebSocket.open(server.url, WEBSOCKET)
    assert [(error.code, error.context["name"]) for error in errors] == [(3, "ID_GENERATION_ERROR")]
    watch.expect_error("generate_id failed", "no more ids")


@IDS
async def test_nodes_way_of_setting_the_function_works_too(serve):
    io = fastsio.IO()
    assert len(io.engine.generate_id()) == 20
    io.engine.generate_id = lambda request: "mine"
    server = await serve(io)
    peer = await FakePeer(server.url, "websocket").open()
    assert peer.handshake["sid"] == "mine"
    await peer.close()
    with pytest.raises(TypeError, match="generate_id"):
        io.engine.generate_id = "mine"


@pytest.mark.parametrize("name", ["allow_request", "generate_id"])
def test_option_that_is_no_function_is_refused_by_name(name):
    with pytest.raises(ValueError, match=f"{name}='x'"):
        fastsio.IO(**{name: "x"})

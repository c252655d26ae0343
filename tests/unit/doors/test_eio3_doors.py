"""Clients of Engine.IO v3 behind other servers: ASGI played by hand, uvicorn's protocol, WSGI.

What these doors have to carry besides v4: binary bodies both ways, forms, WebSocket messages in other dialects.
"""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

import fastsio
from asgi_tools import CONNECT, Call, scope_of
from eio3_peer import (
    OCTETS,
    Eio3Peer,
    jsonp_form,
    jsonp_payload,
    octet_packets,
    octets,
    text_packets,
    text_payload,
)
from fastsio.asgi import ASGIApp
from fastsio.uvicorn import SioHttpProtocol
from fastsio.wsgi import Server, WSGIApp
from uvicorn_tools import UvicornInLoop

EVENT = '451-1["echo","€",{"_placeholder":true,"num":0}]'
ANSWER = '461-1["€",{"_placeholder":true,"num":0}]'
BLOB = b"\x00\x01\xff"
FORM = "application/x-www-form-urlencoded"


# --- ASGI -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("b64", "sent", "received"),
    [
        ("", b"\x04" + BLOB, b"\x04" + BLOB),
        ("", "b4AAH/", b"\x04" + BLOB),
        ("&b64=1", b"\x04" + BLOB, "b4AAH/"),
    ],
)
async def test_websocket_behind_an_asgi_server(hosted: Any, b64, sent, received) -> None:
    app = await hosted()
    scope = scope_of("websocket", "EIO=3&transport=websocket" + b64)
    call = Call(app, scope, CONNECT)
    await call.next("websocket.accept")
    assert str(await call.hear()).startswith("0{")
    assert await call.hear() == "40"
    call.say("2probe")
    assert await call.hear() == "3"
    call.say(EVENT, sent)
    assert [await call.hear(), await call.hear()] == [ANSWER, received]
    call.say(b"", b"\x09", b"\x02")
    assert await call.hear() == "3"
    call.hang_up()
    await call.done()


async def test_pong_behind_an_asgi_server_ends_the_session(hosted: Any) -> None:
    app = await hosted()
    call = Call(app, scope_of("websocket", "EIO=3&transport=websocket"), CONNECT)
    await call.next("websocket.accept")
    await call.hear()
    await call.hear()
    call.say("3")
    await call.next("websocket.close")
    assert app.ends == ["transport error"]
    call.hang_up()
    await call.done()


async def test_base64_of_v4_behind_an_asgi_server(hosted: Any) -> None:
    app = await hosted()
    call = Call(app, scope_of("websocket", "EIO=4&transport=websocket&b64=1"), CONNECT)
    await call.next("websocket.accept")
    await call.hear()
    call.say("40")
    await call.hear()
    call.say(EVENT, BLOB)
    assert [await call.hear(), await call.hear()] == [ANSWER, "bAAH/"]
    call.hang_up()
    await call.done()


async def test_octets_behind_an_asgi_server(hosted: Any) -> None:
    app = await hosted()
    query = "EIO=3&transport=polling"
    _, _, opened = await Call(app, scope_of("http", query)).answer()
    query += "&sid=" + json.loads(str(text_packets(opened)[0])[1:])["sid"]
    assert (await Call(app, scope_of("http", query)).answer())[2] == b"2:40"

    async def post(body: bytes) -> tuple[int, bytes]:
        scope = scope_of("http", query, method="POST")
        scope["headers"] = [*scope["headers"], (b"content-type", OCTETS.encode())]
        half = len(body) // 2
        first = {"type": "http.request", "body": body[:half], "more_body": True}
        status, _, said = await Call(
            app, scope, first, {"type": "http.request", "body": body[half:]}
        ).answer()
        return status, said

    assert await post(octets(EVENT, BLOB)) == (200, b"ok")
    _, headers, body = await Call(app, scope_of("http", query)).answer()
    assert (headers["content-type"], body) == (OCTETS, octets(ANSWER, BLOB))
    assert await post(octets("1")) == (200, b"ok")


# --- uvicorn's protocol ---------------------------------------------------------------------------


@pytest.mark.parametrize("query", [{}, {"b64": "1"}, {"b64": "1", "j": "0"}])
async def test_polling_and_upgrade_in_uvicorns_protocol(watch: Any, query) -> None:
    sio = fastsio.AsyncServer()
    sio.on("echo", lambda sid, *args: args)
    server = await UvicornInLoop(ASGIApp(sio), http=SioHttpProtocol).start()
    try:
        peer = await Eio3Peer(server.url, "polling", query=query).open()
        assert await peer.receive() == "40"
        for _ in range(2):
            await peer.send(EVENT, BLOB)
            assert await peer.receive() == ANSWER
            assert await peer.receive() in (BLOB, "b4AAH/")
            if peer.ws is None:
                await peer.upgrade()
        await peer.close()
    finally:
        await server.stop()


# --- WSGI -----------------------------------------------------------------------------------------


def ask(app: WSGIApp, query: str, body: bytes | None = None, content_type: str = "") -> Any:
    """One request: (the Content-Type of its answer, the body)."""
    headers: dict[str, str] = {}

    def start(status: str, fields: list[tuple[str, str]], exc_info: Any = None) -> None:
        assert status == "200 OK", status
        headers.update((name.lower(), value) for name, value in fields)

    environ = {
        "REQUEST_METHOD": "GET" if body is None else "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/socket.io/",
        "QUERY_STRING": query,
        "REMOTE_ADDR": "192.0.2.7",
        "HTTP_HOST": "example.org",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body or b""),
        "CONTENT_TYPE": content_type,
        "CONTENT_LENGTH": str(len(body or b"")),
    }
    return b"".join(app(environ, start)), headers["content-type"]


def test_payloads_behind_a_wsgi_server() -> None:
    sio = Server()
    sio.on("echo", lambda sid, *args: args)
    app = WSGIApp(sio)
    try:
        query = "EIO=3&transport=polling"
        opened, _ = ask(app, query)
        query += "&sid=" + json.loads(str(text_packets(opened)[0])[1:])["sid"]
        assert ask(app, query)[0] == b"2:40"
        assert ask(app, query, octets(EVENT, BLOB), OCTETS)[0] == b"ok"
        body, content_type = ask(app, query)
        assert (octet_packets(body), content_type) == ([ANSWER, BLOB], OCTETS)
        assert ask(app, query, text_payload("1"), "text/plain")[0] == b"ok"
    finally:
        sio.shutdown()


def test_jsonp_behind_a_wsgi_server() -> None:
    sio = Server()
    sio.on("echo", lambda sid, *args: args)
    app = WSGIApp(sio)
    try:
        query = "EIO=3&transport=polling&b64=1&j=4"
        opened = jsonp_payload(ask(app, query)[0], 4)
        query += "&sid=" + json.loads(str(text_packets(opened)[0])[1:])["sid"]
        assert ask(app, query)[0] == b'___eio[4]("2:40");'
        assert ask(app, query, jsonp_form(text_payload(EVENT, BLOB)), FORM)[0] == b"ok"
        assert text_packets(jsonp_payload(ask(app, query)[0], 4)) == [ANSWER, BLOB]
        assert ask(app, query, jsonp_form(b"1:1"), FORM)[0] == b"ok"
    finally:
        sio.shutdown()

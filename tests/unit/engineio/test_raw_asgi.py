"""engineio.AsyncServer under an ASGI server that is played by hand."""

from __future__ import annotations

import asyncio
import inspect
import json

import engineio
import pytest
import pytest_asyncio

from asgi_tools import CONNECT, DISCONNECT, NO_BODY, Call, scope_of
from fastsio.engineio import ASGIApp, AsyncServer
from harness import until

PATH = {"path": "/engine.io/", "raw_path": b"/engine.io/"}


@pytest_asyncio.fixture
async def eio(watch):
    server = AsyncServer()
    yield server
    await server.shutdown()
    assert not server.sockets


def websocket(app, **fields):
    return Call(app, scope_of("websocket", "EIO=4&transport=websocket", **PATH, **fields), CONNECT)


def polling(app, query="", *messages, **fields):
    scope = scope_of("http", "EIO=4&transport=polling" + query, **PATH, **fields)
    return Call(app, scope, *(messages or (NO_BODY,)))


def test_signature_is_python_engineios():
    def shape(cls):
        return [
            (p.name, p.kind, p.default) for p in inspect.signature(cls.__init__).parameters.values()
        ]

    assert shape(ASGIApp) == shape(engineio.ASGIApp)


async def test_app_serves_engine_io_below_its_path(eio):
    eio.on("message", lambda sid, data: eio.send(sid, data))
    app = ASGIApp(eio)
    assert app.engineio_path == "/engine.io/"
    assert app.engineio_server is eio
    call = websocket(app)
    await call.next("websocket.accept")
    sid = json.loads((await call.hear())[1:])["sid"]
    call.say("4hello", b"\x00\x01")
    assert [await call.hear(), await call.hear()] == ["4hello", b"\x00\x01"]
    assert eio.transport(sid) == "websocket"
    call.hang_up()
    await call.done()
    other = Call(app, scope_of("http", "EIO=4&transport=polling"), NO_BODY)
    assert (await other.answer())[0] == 404


async def test_handle_request_is_an_asgi_application(eio):
    status, _, body = await polling(eio.handle_request).answer()
    assert status == 200
    sid = json.loads(body[1:])["sid"]
    held = polling(eio.handle_request, f"&sid={sid}")
    await until(lambda: eio.hub.engine.sessions[sid].outlet.is_writable, "the GET is held")
    await eio.send(sid, b"\x00")
    assert (await held.answer())[2] == b"bAA=="


@pytest.mark.parametrize("is_late", [False, True])
async def test_refused_websocket_gets_the_status_where_the_server_can_say_it(eio, is_late):
    @eio.on("connect")
    async def connect(sid, environ):
        assert environ["asgi.scope"]["type"] == "websocket"
        if is_late:
            await asyncio.sleep(0)
        return {"code": 7}

    call = websocket(eio.handle_request)
    start = await call.next("websocket.http.response.start")
    assert start["status"] == 401
    assert (await call.next("websocket.http.response.body"))["body"] == b'{"code":7}'
    await call.done()
    call = websocket(eio.handle_request, extensions={})
    assert (await call.next("websocket.close"))["reason"] == '{"code":7}'
    await call.done()


async def test_websocket_waits_for_the_connect_handler_and_what_it_sends_follows(eio):
    go_on = asyncio.Event()

    @eio.on("connect")
    async def connect(sid, environ):
        await eio.send(sid, "one")
        await go_on.wait()
        await eio.send(sid, b"two")

    call = websocket(eio.handle_request)
    await until(lambda: eio.sockets, "the handler runs")
    assert call.sent == []
    go_on.set()
    await call.next("websocket.accept")
    assert (await call.hear())[:1] == "0"
    assert [await call.hear(), await call.hear()] == ["4one", b"two"]
    call.hang_up()
    await call.done()


@pytest.mark.parametrize("kind", ["polling", "websocket"])
async def test_client_that_leaves_during_connect_ends_as_soon_as_it_is_let_in(eio, kind):
    go_on, gone = asyncio.Event(), []
    eio.on("disconnect", lambda sid, reason: gone.append(reason))

    @eio.on("connect")
    async def connect(sid, environ):
        await go_on.wait()

    call = (websocket if kind == "websocket" else polling)(eio.handle_request)
    await until(lambda: eio.sockets, "the handler runs")
    (peer,) = eio.sockets.values()
    admission = peer.admission
    if kind == "polling":
        call.give(DISCONNECT)
        await until(lambda: not admission.is_pending, "the end is noticed")
    else:  # what a server says of it behind the handshake
        call.hang_up(1006)
    go_on.set()
    await until(lambda: gone, "the disconnect handler has run")
    assert gone == ["transport close"]
    await call.done()


async def test_cancelled_handshake_lets_nobody_in(eio):
    go_on, gone = asyncio.Event(), []
    eio.on("disconnect", lambda sid, reason: gone.append(reason))

    @eio.on("connect")
    async def connect(sid, environ):
        await go_on.wait()

    call = websocket(eio.handle_request)
    await until(lambda: eio.sockets, "the handler runs")
    call.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call.task
    go_on.set()
    await until(lambda: gone, "the disconnect handler has run")
    assert call.sent == []
    assert not eio.hub.engine.sessions


async def test_too_large_message_is_named(eio, caplog):
    gone = []
    eio.on("disconnect", lambda sid, reason: gone.append(reason))
    call = websocket(eio.handle_request)
    await call.next("websocket.accept")
    await call.hear()
    call.say("4" + "x" * 1_500_000)
    assert (await call.next("websocket.close"))["code"] == 1009
    assert gone == ["transport error"]
    assert "message too large: 1500001 > max_http_buffer_size 1000000" in caplog.text
    call.hang_up(1009)
    await call.done()


async def test_attached_to_anything_but_aiohttp_and_sanic_is_refused(eio):
    with pytest.raises(TypeError, match="no aiohttp or sanic application"):
        eio.attach(object())

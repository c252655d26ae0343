"""attach(): which applications it takes, and how aiohttp's requests and WebSockets become ASGI's.

Both frameworks under real clients are in tests/interop/test_attach.py.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
import sanic
from aiohttp import ClientSession, WSMsgType, WSServerHandshakeError, web
from aiohttp.test_utils import TestServer

import fastsio
import fastsio.attach
from fastsio import engineio
from fastsio.attach import attach
from harness import until

HANDSHAKE = "?EIO=4&transport=polling"
WEBSOCKET = "?EIO=4&transport=websocket"
# aiohttp's own default means a binary payload, which Engine.IO 4 has no more.
TEXT = {"Content-Type": "text/plain"}


class Site:
    """An aiohttp application with Socket.IO attached, on a server, and a client's session."""

    def __init__(self, sio: Any, server: TestServer, client: ClientSession) -> None:
        self.sio = sio
        self.server = server
        self.client = client
        self.ends: list[str] = []
        sio.on("disconnect", lambda sid, reason: self.ends.append(reason))
        sio.on("echo", lambda sid, *args: args)

    def url(self, query: str, path: str = "/socket.io/") -> str:
        return str(self.server.make_url(path)) + query

    async def open(self) -> str:
        """Handshake over polling and join "/"; the query of further requests."""
        async with self.client.get(self.url(HANDSHAKE)) as response:
            sid = json.loads((await response.text())[1:])["sid"]
        query = f"{HANDSHAKE}&sid={sid}"
        async with self.client.post(self.url(query), data=b"40", headers=TEXT) as response:
            assert (response.status, await response.text()) == (200, "ok")
        async with self.client.get(self.url(query)) as response:
            assert (await response.text()).startswith("40")
        return query


@pytest_asyncio.fixture
async def make_site(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    """`site = await make_site(path, **options)`"""
    monkeypatch.setattr(fastsio.attach, "LOOK_S", 0.01)
    sites: list[Site] = []

    async def make(path: str = "socket.io", **options: Any) -> Site:
        sio, app = fastsio.AsyncServer(**options), web.Application()
        attach(sio, app, path)
        server = TestServer(app)
        await server.start_server()
        sites.append(Site(sio, server, ClientSession()))
        return sites[-1]

    yield make
    for site in sites:
        await site.client.close()
        await site.server.close()
        assert site.sio.hub.engine is None


@pytest.mark.parametrize("app", [object(), None, fastsio.AsyncServer()])
def test_other_application_is_named(app: Any) -> None:
    with pytest.raises(TypeError, match=r"no aiohttp or sanic application; .* ASGIApp"):
        attach(fastsio.AsyncServer(), app)


def test_sanic_gets_a_route_of_the_path() -> None:
    app = sanic.Sanic("test_attach")
    attach(fastsio.AsyncServer(), app, "/deep/path")
    routes = {"/" + route.path for route in app.router.routes}
    assert routes == {"/deep/path"}
    assert app.websocket_enabled


@pytest.mark.feature("1.3 serve client bundle")
async def test_client_bundle_is_served_where_it_is_asked_for(make_site: Any) -> None:
    site = await make_site(serve_client=True)
    for method in ("GET", "HEAD"):
        async with site.client.request(
            method, site.url("", "/socket.io/socket.io.min.js")
        ) as response:
            assert (response.status, response.headers["ETag"]) == (200, '"4.8.4"')
            assert bool(await response.read()) is (method == "GET")
    site = await make_site()
    async with site.client.get(site.url("", "/socket.io/socket.io.min.js")) as response:
        assert response.status == 404


@pytest.mark.parametrize("path", ["a/b", "/a/b/"])
async def test_path_may_be_any(make_site: Any, path: str) -> None:
    site = await make_site(path)
    async with site.client.get(site.url(HANDSHAKE, "/a/b/")) as response:
        assert response.status == 200
    async with site.client.get(site.url(HANDSHAKE)) as response:
        assert response.status == 404


async def test_answers_have_their_headers_and_methods(make_site: Any) -> None:
    site = await make_site(cors_allowed_origins="*")
    origin = {"Origin": "https://a.example", "Access-Control-Request-Headers": "x-y"}
    async with site.client.options(site.url(HANDSHAKE), headers=origin) as response:
        assert response.status == 204
        assert response.headers["Access-Control-Allow-Headers"] == "x-y"
    async with site.client.get(site.url(HANDSHAKE), headers=origin) as response:
        assert response.headers["Access-Control-Allow-Origin"] == "https://a.example"
        assert response.headers["Content-Type"] == "text/plain; charset=UTF-8"
    async with site.client.put(site.url(HANDSHAKE)) as response:
        assert (response.status, (await response.json())["code"]) == (400, 2)


async def test_engineio_server_is_attached_too() -> None:
    eio, app = engineio.AsyncServer(), web.Application()

    @eio.on("message")
    async def message(sid: str, data: Any) -> None:
        await eio.send(sid, data)

    attach(eio, app, "engine.io")
    async with TestServer(app) as server, ClientSession() as client:
        url = str(server.make_url("/engine.io/")) + WEBSOCKET
        async with client.ws_connect(url) as websocket:
            assert (await websocket.receive_str()).startswith("0{")
            await websocket.send_str("4hello")
            assert await websocket.receive_str() == "4hello"
            await websocket.send_bytes(b"\x00")
            assert await websocket.receive_bytes() == b"\x00"


async def test_held_get_is_answered_and_its_loss_noticed(make_site: Any) -> None:
    site = await make_site()
    query = await site.open()
    (session,) = [s for s in site.sio.hub.engine.sessions.values() if s.id in query]
    held = asyncio.ensure_future(site.client.get(site.url(query)))
    await until(lambda: session.polling.is_writable, "a held GET")
    await site.sio.emit("news", 1)
    assert await (await held).text() == '42["news",1]'
    held = asyncio.ensure_future(site.client.get(site.url(query)))
    await until(lambda: session.polling.is_writable, "a held GET")
    held.cancel()
    await until(lambda: site.ends, "the end")
    assert site.ends == ["transport error"]


async def test_post_in_pieces_and_one_that_is_cut_off(make_site: Any) -> None:
    site = await make_site()
    query = await site.open()

    async def pieces() -> AsyncIterator[bytes]:
        yield b'420["echo",'
        await asyncio.sleep(0)
        yield b"1]"

    async with site.client.post(site.url(query), data=pieces(), headers=TEXT) as response:
        assert response.status == 200
    async with site.client.get(site.url(query)) as response:
        assert await response.text() == "430[1]"
    _, writer = await asyncio.open_connection(site.server.host, site.server.port)
    head = f"POST /socket.io/{query} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n4"
    writer.write(head.encode())
    session = next(iter(site.sio.hub.engine.sessions.values()))
    await until(lambda: session.polling._post is not None, "a POST that is coming")
    writer.transport.abort()
    await until(lambda: site.ends, "the end")
    assert site.ends == ["transport error"]


async def test_websocket_has_its_subprotocol_headers_and_messages(make_site: Any) -> None:
    site = await make_site(cors_allowed_origins="*")
    headers = {"Origin": "https://a.example"}
    async with site.client.ws_connect(
        site.url(WEBSOCKET), protocols=["one", "two"], headers=headers
    ) as websocket:
        assert websocket.protocol == "one"
        response = websocket._response
        assert response.headers["Access-Control-Allow-Origin"] == "https://a.example"
        assert (await websocket.receive_str()).startswith("0{")
        await websocket.send_str("40")
        await websocket.receive_str()
        await websocket.send_str('451-1["echo",{"_placeholder":true,"num":0}]')
        await websocket.send_bytes(b"\x01")
        assert await websocket.receive_str() == '461-1[{"_placeholder":true,"num":0}]'
        assert await websocket.receive_bytes() == b"\x01"
    await until(lambda: site.ends, "the end")
    assert site.ends == ["transport close"]


async def test_refused_websocket_has_the_engines_answer(make_site: Any) -> None:
    site = await make_site()
    with pytest.raises(WSServerHandshakeError) as refused:
        await site.client.ws_connect(site.url("?EIO=4&transport=pigeon"))
    assert refused.value.status == 400


@pytest.mark.parametrize(("size", "reason"), [(1001, "transport error"), (2001, "transport close")])
async def test_too_large_message_is_closed_with_1009(
    make_site: Any, size: int, reason: str
) -> None:
    site = await make_site(max_http_buffer_size=1000)
    async with site.client.ws_connect(site.url(WEBSOCKET)) as websocket:
        await websocket.send_str("40")
        await websocket.receive_str()
        await websocket.receive_str()
        await websocket.send_str("4" * size)
        message = await websocket.receive()
        assert (message.type, message.data) == (WSMsgType.CLOSE, 1009)
    await until(lambda: site.ends, "the end")
    assert site.ends == [reason]


async def test_stop_of_the_application_ends_sessions_with_their_reason(make_site: Any) -> None:
    site = await make_site()
    query = await site.open()
    held = asyncio.ensure_future(site.client.get(site.url(query)))
    websocket = await site.client.ws_connect(site.url(WEBSOCKET))
    await websocket.send_str("40")
    await websocket.receive_str()
    await websocket.receive_str()
    (session,) = [s for s in site.sio.hub.engine.sessions.values() if s.transport == "polling"]
    await until(lambda: session.polling.is_writable, "a held GET")
    closing = asyncio.ensure_future(site.server.close())
    assert await (await held).text() == "1"
    assert (await websocket.receive()).type == WSMsgType.CLOSE
    await websocket.close()
    await closing
    assert site.ends == ["server disconnect"] * 2

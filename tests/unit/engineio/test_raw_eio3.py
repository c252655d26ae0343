"""engineio.AsyncServer with clients of Engine.IO v3: the raw API knows nothing of the difference."""

from __future__ import annotations

import json

import pytest

from eio3_peer import MemoryEio3Peer
from harness import http, until

TRANSPORTS = pytest.mark.parametrize("transport", ["polling", "websocket"])


async def join(app, transport, **query):
    return await MemoryEio3Peer.of(app.server, transport, path="/engine.io/", query=query).open()


@TRANSPORTS
@pytest.mark.parametrize("query", [{}, {"b64": "1"}])
async def test_messages_go_both_ways(stage, transport, query):
    app = await stage()
    app.note("disconnect")

    @app.eio.on("message")
    async def message(sid, data):
        await app.eio.send(sid, data)

    peer = await join(app, transport, **query)
    await peer.send('4{"a":"€"}', "4text", b"\x00\xff")
    assert json.loads((await peer.receive())[1:]) == {"a": "€"}
    assert await peer.receive() == "4text"
    as_text = transport == "websocket" and query
    assert await peer.receive() == ("b4AP8=" if as_text else b"\x00\xff")
    assert app.eio.transport(peer.handshake["sid"]) == transport
    await peer.close()
    await until(lambda: app.events, "the end")


@TRANSPORTS
async def test_connect_handler_is_asked_first(stage, transport):
    app = await stage()
    seen = []

    @app.eio.on("connect")
    async def connect(sid, environ):
        seen.append(environ["QUERY_STRING"].split("&")[0])
        await app.eio.send(sid, "welcome")

    peer = await join(app, transport)
    assert await peer.receive() == "4welcome"
    assert seen == ["EIO=3"]
    await peer.close()


@TRANSPORTS
async def test_client_is_sent_away(stage, transport):
    app = await stage()
    app.note("connect", "disconnect")
    peer = await join(app, transport)
    await app.eio.disconnect(peer.handshake["sid"])
    assert app.events[-1] == ("disconnect", "server disconnect")
    assert await peer.receive() == "1"
    peer.handshake.pop("sid")
    await peer.close()


async def test_old_clients_are_refused_where_the_application_says_so(stage):
    app = await stage(allow_eio3=False)
    answer = await http(app.server.url, "GET", "/engine.io/?EIO=3&transport=polling")
    assert answer.json()["code"] == 5

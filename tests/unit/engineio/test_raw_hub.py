"""Coming and going: what a connect handler's answer does, and what disconnect handlers hear."""

from __future__ import annotations

import asyncio

import pytest

from harness import CLOSE, TEXT, FakePeer, RawConnection, request_bytes, until
from memory_conn import connect_in_memory

IN_MEMORY = pytest.mark.asyncio(loop_factories=["asyncio"])
ON_A_CLOCK = pytest.mark.asyncio(loop_factories=["clock"])
TRANSPORTS = pytest.mark.parametrize("transport", ["polling", "websocket"])
TARGET = "/engine.io/?EIO=4&transport="
WEBSOCKET = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


async def handshake(server, transport):
    connection = connect_in_memory(server)
    headers = WEBSOCKET if transport == "websocket" else {}
    try:
        return await connection.request("GET", TARGET + transport, None, headers)
    finally:
        await connection.close()


@IN_MEMORY
@TRANSPORTS
@pytest.mark.parametrize("answer", [None, True])
@pytest.mark.parametrize("is_coroutine", [False, True])
async def test_connect_handler_lets_a_client_in(stage, transport, answer, is_coroutine):
    app = await stage()
    seen = []

    def connect(sid, environ):
        seen.append((sid, environ["REMOTE_ADDR"], environ["QUERY_STRING"]))
        return answer

    async def later(sid, environ):
        await asyncio.sleep(0)
        return connect(sid, environ)

    app.eio.on("connect", later if is_coroutine else connect)
    peer = await app.client(transport)
    sid = peer.handshake["sid"]
    assert seen == [(sid, "192.0.2.7", f"EIO=4&transport={transport}")]
    assert app.eio.transport(sid) == transport
    assert app.eio.sockets[sid].connected
    await peer.close()


@IN_MEMORY
@TRANSPORTS
async def test_without_a_connect_handler_everyone_is_let_in(stage, transport):
    app = await stage()
    peer = await app.client(transport)
    await peer.close()


@IN_MEMORY
@TRANSPORTS
@pytest.mark.parametrize("is_coroutine", [False, True])
@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (False, b'"Unauthorized"'),
        (0, b'"Unauthorized"'),
        ("", b'"Unauthorized"'),
        ("go away", b'"go away"'),
        ({"code": 7, "why": ["x"]}, b'{"code":7,"why":["x"]}'),
        (1, b"1"),
    ],
)
async def test_any_other_answer_refuses_with_401_and_that_answer(
    stage, transport, is_coroutine, answer, body
):
    app = await stage()
    app.note("disconnect")

    async def later(sid, environ):
        await asyncio.sleep(0)
        return answer

    app.eio.on("connect", later if is_coroutine else lambda sid, environ: answer)
    response = await handshake(app.server, transport)
    assert (response.status, response.body) == (401, body)
    assert response.headers["content-type"] == "application/json"
    assert not app.eio.sockets
    assert app.events == []


@IN_MEMORY
async def test_answer_that_is_no_json_is_logged_and_not_told(stage, watch):
    app = await stage()
    app.eio.on("connect", lambda sid, environ: object())
    response = await handshake(app.server, "polling")
    assert (response.status, response.body) == (401, b'"Unauthorized"')
    watch.expect_error("what the connect handler returned is no JSON")


@IN_MEMORY
@TRANSPORTS
async def test_connect_handler_that_raises_refuses_and_is_logged(stage, watch, transport):
    app = await stage()

    @app.eio.on("connect")
    async def connect(sid, environ):
        raise RuntimeError("no database")

    response = await handshake(app.server, transport)
    assert (response.status, response.body) == (401, b'"Unauthorized"')
    watch.expect_error("handler of 'connect' failed", "no database")
    assert app.eio.hub.messages.handler_errors == 1


@TRANSPORTS
async def test_client_that_leaves_during_connect_is_let_in_and_gone(stage, transport):
    """The handler may have noted it, so it hears the end."""
    app = await stage()
    app.note("disconnect")
    go_on = asyncio.Event()
    sids = []

    @app.eio.on("connect")
    async def connect(sid, environ):
        sids.append(sid)
        await go_on.wait()

    connection = await RawConnection.open(app.server.url)
    headers = WEBSOCKET if transport == "websocket" else {}
    connection.write(request_bytes("GET", TARGET + transport, None, headers))
    await until(lambda: sids, "the handler runs")
    admission = app.eio.sockets[sids[0]].admission
    connection.abort()
    await until(lambda: not admission.is_pending, "the end is noticed")
    go_on.set()
    await until(lambda: app.events, "the disconnect handler has run")
    assert app.events == [("disconnect", "transport close")]
    assert not app.eio.sockets


@TRANSPORTS
async def test_client_that_leaves_during_connect_and_is_refused_has_no_end(stage, transport):
    app = await stage()
    app.note("disconnect")
    go_on = asyncio.Event()
    sids = []

    @app.eio.on("connect")
    async def connect(sid, environ):
        sids.append(sid)
        await go_on.wait()
        return False

    connection = await RawConnection.open(app.server.url)
    headers = WEBSOCKET if transport == "websocket" else {}
    connection.write(request_bytes("GET", TARGET + transport, None, headers))
    await until(lambda: sids, "the handler runs")
    connection.abort()
    go_on.set()
    await until(lambda: not app.eio.sockets, "the client is forgotten")
    assert app.events == []


@IN_MEMORY
@TRANSPORTS
async def test_client_disconnected_in_its_connect_handler_is_let_in_and_sent_away(stage, transport):
    app = await stage()
    app.note("disconnect")

    @app.eio.on("connect")
    async def connect(sid, environ):
        await app.eio.send(sid, "sorry")
        await app.eio.disconnect(sid)

    peer = await app.client(transport)
    assert await peer.receive() == "4sorry"
    assert await peer.receive() == "1"
    assert app.events == [("disconnect", "server disconnect")]
    assert not app.eio.sockets
    if transport == "websocket":
        assert await peer.ws.receive() == (CLOSE, b"")
        await peer.close()


@IN_MEMORY
async def test_shutdown_while_a_connect_handler_waits_refuses_the_client(stage):
    app = await stage(served={"shutdown_timeout": 0.01})
    app.note("disconnect")
    begun = asyncio.Event()

    @app.eio.on("connect")
    async def connect(sid, environ):
        begun.set()
        await asyncio.Event().wait()

    asking = asyncio.ensure_future(handshake(app.server, "polling"))
    await begun.wait()
    await app.server.close()
    assert (await asking).status == 401
    assert app.events == []
    assert not app.eio.sockets


# --- reasons ---------------------------------------------------------------------------------


@IN_MEMORY
@pytest.mark.parametrize(
    ("transport", "packet", "reason"),
    [
        ("polling", "1", "client disconnect"),
        ("polling", "2", "transport error"),
        ("websocket", "2", "transport error"),
        ("websocket", "x", "transport error"),  # Node: "parse error"
    ],
)
async def test_reasons_are_python_engineios(stage, transport, packet, reason):
    app = await stage()
    app.note("disconnect")
    peer = await app.client(transport)
    await peer.send(packet)
    await until(lambda: app.events, "the session has ended")
    assert app.events == [("disconnect", reason)]
    if transport == "websocket":
        await peer.close()


@IN_MEMORY
async def test_websocket_that_closes_is_a_transport_close_and_after_a_close_packet_the_clients(
    stage,
):
    app = await stage()
    app.note("disconnect")
    silent, polite = await app.client(), await app.client()
    silent.ws.send(CLOSE)
    await until(lambda: len(app.events) == 1, "the first has ended")
    polite.ws.send(TEXT, b"1")
    polite.ws.send(CLOSE)
    await until(lambda: len(app.events) == 2, "the second has ended")
    assert app.events == [("disconnect", "transport close"), ("disconnect", "client disconnect")]
    await silent.close()
    await polite.close()


@ON_A_CLOCK
async def test_client_that_is_silent_ends_with_a_ping_timeout(stage):
    app = await stage(ping_interval=1.0, ping_timeout=1.0)
    app.note("disconnect")
    peer = await app.client(answers_pings=False)
    assert await peer.receive() == "2"
    await until(lambda: app.events, "the ping times out")
    assert app.events == [("disconnect", "ping timeout")]
    await peer.close()


async def test_server_that_stops_disconnects_everyone(stage):
    app = await stage()
    app.note("disconnect")
    peers = [
        await FakePeer(app.server.url, t, path="/engine.io/").open()
        for t in ("polling", "websocket")
    ]
    await app.server.close()
    assert app.events == [("disconnect", "server disconnect")] * 2
    for peer in peers:
        if peer.ws is not None:
            await peer.close()


@IN_MEMORY
async def test_disconnect_handler_may_take_the_sid_alone(stage):
    app = await stage()
    gone = []

    @app.eio.on("disconnect")
    async def disconnect(sid):
        gone.append(sid)

    peer = await app.client()
    await peer.close()
    await until(lambda: gone, "the handler has run")
    assert gone == [peer.handshake["sid"]]


@IN_MEMORY
async def test_session_is_there_until_the_disconnect_handler_has_ended(stage):
    app = await stage()
    found = []

    @app.eio.on("disconnect")
    async def disconnect(sid, reason):
        await asyncio.sleep(0)
        found.append((await app.eio.get_session(sid), app.eio.sockets[sid].connected))

    peer = await app.client()
    sid = peer.handshake["sid"]
    await app.eio.save_session(sid, {"user": "ann"})
    await peer.close()
    await until(lambda: sid not in app.eio.sockets, "the client is forgotten")
    assert found == [({"user": "ann"}, False)]
    with pytest.raises(KeyError, match="Session not found"):
        await app.eio.get_session(sid)


@IN_MEMORY
async def test_disconnect_handler_that_raises_is_logged_and_the_client_forgotten(stage, watch):
    app = await stage()

    @app.eio.on("disconnect")
    def disconnect(sid, reason):
        raise RuntimeError("oops")

    peer = await app.client()
    await peer.close()
    await until(lambda: not app.eio.sockets, "the client is forgotten")
    watch.expect_error("handler of 'disconnect' failed", "oops")


@pytest.mark.parametrize(
    ("event", "handler"),
    [
        ("connect", lambda sid: None),
        ("connect", lambda sid, environ, auth: None),
        ("message", lambda sid: None),
        ("message", lambda sid, data, more: None),
        ("disconnect", lambda: None),
        ("disconnect", lambda sid, reason, more: None),
    ],
)
async def test_handler_that_can_not_be_called_is_refused_when_it_is_registered(
    stage, event, handler
):
    app = await stage()
    with pytest.raises(TypeError, match=f"of '{event}' is called with"):
        app.eio.on(event, handler)


@pytest.mark.parametrize("event", ["connect", "message", "disconnect"])
async def test_handler_may_take_more_than_it_is_given_where_that_has_defaults(stage, event):
    app = await stage()
    app.eio.on(event, lambda sid, other, more=1: None)
    app.eio.on(event, lambda *args: None)


@IN_MEMORY
async def test_upgrade_keeps_the_client(stage):
    app = await stage()
    app.note("connect", "message", "disconnect")
    peer = await app.client("polling")
    sid = peer.handshake["sid"]
    await app.eio.send(sid, "before")
    assert await peer.receive() == "4before"
    await peer.upgrade()
    await until(lambda: app.eio.transport(sid) == "websocket", "the upgrade is done")
    await peer.send("4over", b"\x00")
    await app.eio.send(sid, b"\x01")
    assert await peer.receive() == b"\x01"
    assert app.events[1:] == [("message", "over"), ("message", b"\x00")]
    await peer.close()

"""The test client: connecting, being refused, namespaces, and every way to go."""

from __future__ import annotations

import asyncio

import pytest

import fastsio
from fastsio.testing import ConnectionRefused, TestClient, TestServer

MS = 0.001
TRANSPORTS = pytest.mark.parametrize("transport", ["websocket", "polling"])


async def test_handshake_is_what_the_application_sees(sio):
    options = {
        "auth": {"token": "x"},
        "headers": {"Cookie": "a=b"},
        "query": {"q": "1 2"},
        "address": "192.0.2.7",
    }
    async with TestClient(sio, **options) as client:
        session = await sio.get_session(client.sid)
        environ = session["environ"]
        assert session["auth"] == {"token": "x"}
        assert environ["HTTP_COOKIE"] == "a=b"
        assert "q=1+2" in environ["QUERY_STRING"]
        assert environ["REMOTE_ADDR"] == "192.0.2.7"
        assert sio.transport(client.sid) == "websocket"
        assert client.eio_sid in sio.hub.engine.sessions


@TRANSPORTS
async def test_refused_connect_raises_with_message_and_data(sio, transport):
    with pytest.raises(ConnectionRefused, match="not you") as caught:
        await TestClient(sio, auth={"refuse": {"code": 7}}, transport=transport).connect()
    assert (caught.value.message, caught.value.data, caught.value.status) == (
        "not you",
        {"code": 7},
        None,
    )
    assert sio.hub.engine is None


@TRANSPORTS
async def test_refused_handshake_has_the_http_status(transport):
    sio = fastsio.AsyncServer(cors_allowed_origins=["https://a.example"], check_origin=True)
    client = TestClient(sio, headers={"Origin": "https://b.example"}, transport=transport)
    with pytest.raises(
        ConnectionRefused, match=r"https://b.example is not an accepted origin"
    ) as caught:
        await client.connect()
    assert caught.value.status == 403


async def test_namespaces_are_joined_left_and_refused(sio):
    @sio.on("connect", namespace="/admin")
    async def join(sid, environ, auth):
        if auth != {"key": 1}:
            raise fastsio.exceptions.ConnectionRefusedError("no key")

    reasons = []
    sio.on("disconnect", lambda sid, reason: reasons.append(reason), namespace="/admin")
    async with TestClient(sio) as client:
        for name, message in (("/admin", "no key"), ("/nowhere", "Invalid namespace")):
            with pytest.raises(ConnectionRefused, match=message):
                await client.join_namespace(name)
        admin = await client.join_namespace("admin", auth={"key": 1})
        with pytest.raises(ValueError, match="'/admin' is joined already"):
            await client.join_namespace("/admin")
        await sio.emit("x", namespace="/admin")
        await admin.expect("x")
        assert await client.nothing()
        await admin.disconnect()
        assert (admin.is_connected, client.is_connected) == (False, True)
        assert (admin.disconnect_reason, reasons) == ("io client disconnect", ["client disconnect"])
        again = await client.join_namespace("/admin", auth={"key": 1})
        assert again.sid != admin.sid
    assert reasons == ["client disconnect"] * 2


@TRANSPORTS
async def test_disconnect_returns_when_the_handler_has_ended(sio, transport):
    async with TestClient(sio, transport=transport) as client:
        await client.disconnect()
        assert sio.left == ["client disconnect"]
        assert (client.is_connected, client.disconnect_reason) == (False, "io client disconnect")
        assert not sio.hub.engine.sessions
        with pytest.raises(
            fastsio.exceptions.DisconnectedError, match="not connected to '/': io client"
        ):
            await client.emit("chat", "x")
        await client.disconnect()
    assert len(sio.left) == 1


async def test_disconnect_waits_for_a_handler_that_waits_for_another(sio):
    sio = fastsio.AsyncServer(async_handlers=False)
    order = []

    @sio.event
    async def slow(sid):
        await asyncio.sleep(20 * MS)
        order.append("slow")

    @sio.event
    async def disconnect(sid):
        order.append("disconnect")

    async with TestClient(sio) as client:
        await client.emit("slow")
        await client.disconnect()
        assert order == ["slow", "disconnect"]


async def test_disconnect_handler_that_does_not_end_is_named(sio):
    sio = fastsio.AsyncServer()

    @sio.event
    async def disconnect(sid):
        await asyncio.Event().wait()

    client = await TestClient(sio, timeout=300 * MS).connect()
    with pytest.raises(
        AssertionError, match=r"not ended within 0.3 s of the disconnect: .*run_disconnect"
    ):
        await client.disconnect()
    await client.close()
    assert not sio.hub.tasks


@pytest.mark.parametrize(
    ("transport", "reason"), [("websocket", "transport close"), ("polling", "transport error")]
)
async def test_lost_connection(sio, transport, reason):
    async with TestClient(sio, transport=transport) as client:
        await client.drop()
        assert (sio.left, client.disconnect_reason) == ([reason], "transport close")


@TRANSPORTS
async def test_client_that_the_server_disconnects(sio, transport):
    async with TestClient(sio, transport=transport) as client:
        await sio.emit("last", to=client.sid)
        await sio.disconnect(client.sid)
        assert await client.expect_disconnect() == "io server disconnect"
        await client.expect("last")
        with pytest.raises(
            AssertionError, match=r"no 'x' before the client was disconnected \(io server"
        ):
            await client.expect("x")
    assert sio.left == ["server disconnect"]


@TRANSPORTS
async def test_client_that_was_put_out_may_join_again(sio, transport):
    async with TestClient(sio, transport=transport) as client:
        await sio.disconnect(client.sid)
        await client.expect_disconnect()
        again = await client.join_namespace("/")
        assert await again.call("echo", 1) == 1


@TRANSPORTS
async def test_session_that_the_server_ends(sio, transport):
    io = fastsio.IO()
    sockets = []
    io.on("connection", sockets.append)
    async with TestClient(io, transport=transport) as client:
        calling = asyncio.ensure_future(client.call("unheard"))
        await client.settle()
        sockets[0].disconnect(close=True)
        assert await client.expect_disconnect() in ("io server disconnect", "transport close")
        with pytest.raises(fastsio.exceptions.DisconnectedError, match="before the answer came"):
            await calling


async def test_io_style(sio):
    io = fastsio.IO()
    reasons = []

    @io.on("connection")
    def connection(socket):
        socket.on("add", lambda a, b: a + b)
        socket.on("disconnect", lambda reason, _: reasons.append(reason))

        @socket.on("others")
        def others(text):
            socket.broadcast.emit("said", text)

    async with TestServer(io) as server:
        one, two = await server.connect(), await server.connect(transport="polling")
        assert await one.call("add", 1, 2) == 3
        await one.emit("others", "hi")
        await two.expect("said", "hi")
        assert await one.nothing()
        await one.disconnect()
        assert reasons == ["client namespace disconnect"]


async def test_heartbeats_do_not_disturb(sio):
    sio = fastsio.AsyncServer(ping_interval=0.1, ping_timeout=0.3)
    async with TestServer(sio) as server:
        clients = [await server.connect(transport=name) for name in ("websocket", "polling")]
        sessions = [sio.hub.engine.sessions[client.eio_sid] for client in clients]
        await asyncio.sleep(0.5)
        assert all(session.is_open for session in sessions)
        assert all([await client.nothing() for client in clients])

"""io.sio and sio.io: one application in both styles, with one set of clients, rooms and namespaces."""

from __future__ import annotations

import asyncio

import pytest

import fastsio
from fastsio.testing import ConnectionRefused, TestClient, TestServer
from harness import until


def from_io():
    io = fastsio.IO()
    return io, io.sio, io


def from_sio():
    sio = fastsio.AsyncServer()
    return sio.io, sio, sio


@pytest.fixture(params=[from_io, from_sio])
def both(request):
    """(io, sio, the one that is served)."""
    return request.param()


def test_each_is_the_other_ones_other(both):
    io, sio, served = both
    assert io.sio is sio and sio.io is io
    assert io.hub is sio.hub is served.hub
    assert isinstance(io, fastsio.IO) and isinstance(sio, fastsio.AsyncServer)


async def test_events_rooms_and_data_are_the_same(both):
    io, sio, served = both
    gone = []

    @io.on("connection")
    def connected(socket):
        socket.data["name"] = socket.handshake.auth["name"]
        socket.join("all")
        socket.on("io", lambda value: ["io", value])

    @sio.on("sio")
    async def handler(sid, value):
        session = await sio.get_session(sid)
        return [session["name"], value]

    @sio.event
    async def disconnect(sid, reason):
        gone.append((sid, reason))

    async with TestServer(served) as server:
        client = await server.connect(auth={"name": "Ann"})
        assert await client.call("io", 1) == ["io", 1]
        assert await client.call("sio", 2) == ["Ann", 2]
        assert "all" in sio.rooms(client.sid)
        await sio.emit("from sio", 1, to="all")
        io.to("all").emit("from io", 2)
        assert [(event.name, event.data) for event in await client.received()] == [
            ("from sio", 1),
            ("from io", 2),
        ]
        await client.disconnect()
        assert gone == [(client.sid, "client disconnect")]


async def test_both_guard_the_door_in_the_order_in_which_they_were_given(both):
    io, sio, served = both
    log = []

    @io.use
    async def middleware(socket):
        log.append("middleware")
        if socket.handshake.auth.get("refuse") == "io":
            raise fastsio.exceptions.ConnectionRefusedError("io", {"by": "io"})

    @sio.event
    async def connect(sid, environ, auth):
        log.append("connect")
        if auth and auth.get("refuse") == "sio":
            raise fastsio.exceptions.ConnectionRefusedError("sio", {"by": "sio"})

    io.on("connection", lambda socket: log.append("connection"))
    async with TestServer(served) as server:
        await server.connect()
        assert log == ["middleware", "connect", "connection"]
        for name in ("io", "sio"):
            with pytest.raises(ConnectionRefused, match=name) as refused:
                await server.connect(auth={"refuse": name})
            assert refused.value.data == {"by": name}


async def test_event_that_both_handle_goes_to_the_function_first_and_has_one_answer(both):
    io, sio, served = both
    log = []

    @sio.on("x")
    async def handler(sid, value):
        log.append("function")
        return "function"

    @io.on("connection")
    def connected(socket):
        @socket.on("x")
        def listener(value):
            log.append("listener")
            return "listener"

    async with TestClient(served) as client:
        assert await client.call("x", 1) == "function"
    assert log == ["function", "listener"]


async def test_namespaces_of_either_are_accepted(both):
    io, sio, served = both
    io.of("/io")

    @sio.on("connect", namespace="/sio")
    def connect(sid, environ): ...

    async with TestServer(served) as server:
        for name in ("/", "/io", "/sio"):
            client = await server.connect(name)
            assert client.sid in io.of(name).sockets


async def test_engine_events_are_heard_though_io_is_asked_for_late():
    sio = fastsio.AsyncServer()
    async with TestServer(sio) as server:
        headers = []
        sio.io.engine.on("initial_headers", lambda answer, request: headers.append(request.path))
        await server.connect()
        assert headers == ["/socket.io/"]
        assert sio.io.engine.clients_count == 1


async def test_manager_is_initialized_though_sio_is_asked_for_late(serve):
    io = fastsio.IO()
    await serve(io)
    assert io.sio.manager_initialized


def test_namespaces_say_whose_they_are(both):
    io, _sio, _served = both
    assert io.sockets.server is io
    assert io.of("/room/{id}").create_child("/room/1").server is io


def test_namespace_of_a_server_without_io_is_the_servers():
    sio = fastsio.AsyncServer()
    assert sio.hub.root.server is sio


async def test_either_is_enough_for_a_stop(both):
    io, _sio, served = both
    reasons = []
    io.on("connection", lambda socket: socket.on("disconnect", reasons.append))
    async with TestServer(served) as server:
        client = await server.connect()
        await io.close()
        assert await client.expect_disconnect() == "transport close"
    assert reasons == ["server shutting down"]


@pytest.mark.feature("1.1 create on a port")
async def test_io_listens_on_a_port_until_it_is_closed():
    io = fastsio.IO()
    reasons = []
    io.on("connection", lambda socket: socket.on("disconnect", reasons.append))
    running = await io.listen(0)
    client = fastsio.AsyncClient()
    await client.connect(running.url)
    await until(lambda: io.sockets.sockets, "the client has joined")
    await io.close()
    assert reasons == ["server shutting down"]
    await client.disconnect()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", running.port)
    await io.close()  # once more does nothing


def test_io_is_attached_to_frameworks_only():
    with pytest.raises(TypeError, match="no aiohttp or sanic application"):
        fastsio.IO().attach(object())


@pytest.mark.feature("1.1 settings via getters")
def test_connect_timeout_can_be_read():
    assert fastsio.IO(connect_timeout=7).connect_timeout == 7

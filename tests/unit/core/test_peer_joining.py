"""Joining a namespace: the pipeline of a CONNECT, and clients that go before its end.

Source: socket.io-protocol v5, "Connection to a namespace"; socketio.md 3.
"""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

import fastsio
from clock_loop import pass_time
from harness import CLOSE, until
from memory_conn import MemoryPeer

CLOCK = pytest.mark.asyncio(loop_factories=["clock"])


async def turns(count: int = 10) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def closed(peer: MemoryPeer) -> None:
    assert await peer.ws.receive() == (CLOSE, b"")


@pytest.fixture
def slow(io):
    """A middleware that waits until it may go on; `slow.sockets` are those that it has."""

    slow = SimpleNamespace(sockets=[], go_on=asyncio.Event())

    @io.use
    async def guard(socket):
        slow.sockets.append(socket)
        await slow.go_on.wait()

    return slow


@pytest.mark.parametrize(
    ("payload", "auth"),
    [("", {}), ("{}", {}), ('{"token":"t","n":[1]}', {"token": "t", "n": [1]})],
)
async def test_auth_is_what_the_client_sent_along(io, join, payload, auth):
    peer = await join.open(io)
    await peer.send("40" + payload)
    assert (await peer.receive()).startswith('40{"sid":"')
    (socket,) = io.sockets.sockets.values()
    assert socket.handshake.auth == auth


async def test_reply_names_the_sockets_id_and_nothing_else(io, join):
    peer = await join.open(io)
    reply = await peer.connect()
    assert list(reply) == ["sid"]
    assert list(io.sockets.sockets) == [reply["sid"]]


async def test_unknown_namespace_is_refused_and_the_connection_stays(io, join):
    peer = await join.open(io)
    await peer.send("40/nowhere,", '40/nowhere?x=1,{"a":1}')
    assert await peer.receive() == '44/nowhere,{"message":"Invalid namespace"}'
    assert await peer.receive() == '44/nowhere?x=1,{"message":"Invalid namespace"}'
    await peer.connect()
    assert set(io.hub.namespaces) == {"/"}


async def test_several_namespaces_share_one_connection(join):
    io = fastsio.IO(namespaces=["/a", "b"])
    peer = await join.open(io)
    sids = [(await peer.connect(name))["sid"] for name in ("/a", "/", "/b")]
    assert len(set(sids)) == 3
    for name in ("/a", "/", "/b"):
        (socket,) = io.of(name).sockets.values()
        socket.on("who", lambda name=name: name)
    await peer.send('420["who"]', '42/b,1["who"]', '42/a,2["who"]')
    assert [await peer.receive() for _ in range(3)] == ['430["/"]', '43/b,1["/b"]', '43/a,2["/a"]']


async def test_client_that_left_may_join_again_and_is_another(io, join):
    peer, socket = await join(io)
    await peer.send("41")
    sid = (await peer.connect())["sid"]
    assert sid != socket.id
    assert list(io.sockets.sockets) == [sid]
    assert not socket.connected


async def test_second_connect_to_a_joined_namespace_closes_the_connection(io, join):
    """socketio.md 3: "forced close"."""
    peer, socket = await join(io)
    reasons = []
    socket.on("disconnect", lambda reason: reasons.append(reason))
    await peer.send("40")
    await closed(peer)
    assert reasons == ["forced close"]


@pytest.mark.fault("a namespace is joined twice at once", "the connection is closed")
async def test_second_connect_while_the_first_is_asked_closes_the_connection(
    io, join, slow, caplog
):
    joined = []
    io.on("connection", lambda socket: joined.append(socket))
    peer = await join.open(io)
    await peer.send("40")
    await until(lambda: slow.sockets, "the middleware runs")
    await peer.send("40")
    await closed(peer)
    slow.go_on.set()
    await turns()
    assert joined == []
    assert (io.sockets.sockets, io.sockets.joining) == ({}, {})
    assert "second CONNECT to /: was the client's connect() called" in caplog.text


async def test_event_before_the_connect_reply_closes_the_connection(io, join, slow):
    """socketio.md 3: a client waits for the reply."""
    peer = await join.open(io)
    await peer.send("40", '42["early"]')
    await closed(peer)
    slow.go_on.set()
    await turns()
    assert io.sockets.sockets == {}


async def test_client_that_is_admitted_late_is_in(io, join, slow):
    peer = await join.open(io)
    await peer.send("40")
    await until(lambda: slow.sockets, "the middleware runs")
    assert io.sockets.sockets == {}
    slow.go_on.set()
    assert (await peer.receive()).startswith('40{"sid":"')
    assert slow.sockets[0].connected


async def test_emit_to_a_socket_that_is_being_admitted_comes_before_the_reply(io, join, slow):
    """socketio.md 3: packets may precede the reply, clients buffer them."""
    peer = await join.open(io)
    await peer.send("40")
    await until(lambda: slow.sockets, "the middleware runs")
    slow.sockets[0].emit("early", 1)
    io.to(slow.sockets[0].id).emit("early", 2)
    io.emit("to those who are in")
    slow.go_on.set()
    assert await peer.receive() == '42["early",1]'
    assert await peer.receive() == '42["early",2]'
    assert (await peer.receive()).startswith('40{"sid":"')


async def test_one_client_that_is_being_admitted_holds_up_no_other(io, join, slow):
    waiting = await join.open(io)
    await waiting.send("40")
    await until(lambda: slow.sockets, "the middleware runs")
    io.of("/n")
    await waiting.connect("/n")  # not even itself in another namespace
    slow.go_on.set()


@pytest.mark.parametrize("way", ["cut", "leaves by a close"])
@pytest.mark.fault(
    "a client goes while middleware is asked about it",
    "it is never seen by the application, nothing is left",
)
async def test_client_that_goes_while_middleware_runs_is_never_seen(io, join, slow, way):
    log = []
    io.on("connection", lambda socket: log.append("connection"))
    peer = await join.open(io)
    await peer.send("40")
    await until(lambda: slow.sockets, "the middleware runs")
    slow.sockets[0].on("disconnect", lambda reason: log.append(reason))
    slow.sockets[0].join("r")
    if way == "cut":
        peer.abort()
    else:
        peer.ws.send(CLOSE)
    server = await join.server(io)
    await until(lambda: not server.engine.sessions, "the session has ended")
    slow.go_on.set()
    await turns()
    assert log == []
    assert (io.sockets.sockets, io.sockets.joining, io.sockets.adapter.rooms) == ({}, {}, {})
    assert not slow.sockets[0].connected


@pytest.mark.fault(
    "a client goes while its connect handler runs",
    "one `disconnect` once the handler has ended",
)
async def test_connect_handler_of_a_client_that_has_gone_has_its_disconnect(join):
    """python-socketio's `connect` may have noted the client, so its `disconnect` runs."""
    sio = fastsio.AsyncServer()
    go_on, log = asyncio.Event(), []

    @sio.event
    async def connect(sid, environ):
        log.append(("connect", sid))
        await go_on.wait()

    @sio.event
    def disconnect(sid, reason):
        log.append((reason, sid))

    peer = await join.open(sio)
    await peer.send("40")
    await until(lambda: log, "the handler runs")
    peer.abort()
    server = await join.server(sio)
    await until(lambda: not server.engine.sessions, "the session has ended")
    go_on.set()
    await turns()
    sid = log[0][1]
    assert log == [("connect", sid), ("transport close", sid)]


async def test_disconnect_of_a_client_that_went_during_connect_sees_what_connect_saved(join):
    sio = fastsio.AsyncServer()
    go_on, log = asyncio.Event(), []

    @sio.event
    async def connect(sid, environ):
        await sio.save_session(sid, {"name": "ann"})
        log.append("connect")
        await go_on.wait()

    @sio.event
    async def disconnect(sid, reason):
        log.append(await sio.get_session(sid))

    peer = await join.open(sio)
    await peer.send("40")
    await until(lambda: log, "the handler runs")
    peer.abort()
    server = await join.server(sio)
    await until(lambda: not server.engine.sessions, "the session has ended")
    go_on.set()
    await turns()
    assert log == ["connect", {"name": "ann"}]
    assert sio.hub.namespaces["/"].find("anyone") is None


@CLOCK
@pytest.mark.fault("a connect handler hangs while the server stops", "it is cancelled")
async def test_admission_that_does_not_end_is_cancelled_at_the_stop(io, join):
    stuck = asyncio.get_running_loop().create_future()

    @io.use
    async def guard(socket):
        await stuck

    peer = await join.open(io)
    await peer.send("40")
    await until(lambda: io.sockets.joining, "the middleware runs")
    closing = asyncio.ensure_future((await join.server(io)).close())
    await closed(peer)
    await peer.close()
    await closing
    assert stuck.cancelled()
    assert (io.sockets.joining, io.sockets.sockets, io.hub.tasks) == ({}, {}, set())


async def test_refused_client_that_has_gone_has_no_disconnect(join):
    sio = fastsio.AsyncServer()
    go_on, log = asyncio.Event(), []

    @sio.event
    async def connect(sid, environ):
        log.append("connect")
        await go_on.wait()
        return False

    @sio.event
    def disconnect(sid, reason):
        log.append(reason)

    peer = await join.open(sio)
    await peer.send("40")
    await until(lambda: log, "the handler runs")
    peer.abort()
    server = await join.server(sio)
    await until(lambda: not server.engine.sessions, "the session has ended")
    go_on.set()
    await turns()
    assert log == ["connect"]


@CLOCK
async def test_client_that_is_being_admitted_is_under_connect_timeout(join):
    io = fastsio.IO(connect_timeout=2)
    go_on = asyncio.Event()

    @io.use
    async def guard(socket):
        await go_on.wait()

    peer = await join.open(io)
    await peer.send("40")
    await pass_time(3)
    await closed(peer)
    go_on.set()
    await turns()
    assert io.sockets.sockets == {}

"""A socket's conn: what it says of the connection, its end, and its events.

Source: engine.io's Socket.
"""

from __future__ import annotations

import asyncio

import pytest

import fastsio
from harness import CLOSE, until
from memory_conn import probed, switch


@pytest.mark.feature("1.10 socket.conn and socket.client")
@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_conn_says_how_the_client_is_connected(io, join, transport):
    peer, socket = await join(io, transport=transport)
    conn = socket.conn
    assert conn is socket.conn is socket.client.conn
    assert conn.id == peer.handshake["sid"] != socket.id
    assert conn.protocol == 4
    assert conn.transport.name == transport
    assert conn.upgraded is (transport == "websocket")
    assert conn.ready_state == "open"
    assert conn.remote_address == socket.handshake.address == "192.0.2.7"
    assert conn.request is socket.request is socket.client.request


async def test_sockets_of_one_client_share_it(join):
    io = fastsio.IO(namespaces=["/a"])
    peer, socket = await join(io)
    await peer.connect("/a")
    (other,) = io.of("/a").sockets.values()
    assert other.conn is socket.conn


@pytest.mark.feature("1.10 conn events upgrade and close")
async def test_upgrade_and_close_are_told(io, join):
    log = []

    @io.on("connection")
    def connected(socket):
        socket.conn.on("upgrade", lambda transport: log.append(("upgrade", transport.name)))
        socket.conn.on("close", lambda reason, description: log.append(("close", reason)))
        socket.on("disconnect", lambda reason: log.append(("disconnect", reason)))

    peer, socket = await join(io, transport="polling")
    switch(peer, await probed(io, peer))
    await until(lambda: log, "the upgrade is told")
    assert socket.conn.transport.name == "websocket" and socket.conn.upgraded
    await peer.close()
    await until(lambda: not socket.connected, "it has gone")
    assert log == [
        ("upgrade", "websocket"),
        ("disconnect", "transport close"),
        ("close", "transport close"),
    ]
    assert socket.conn.ready_state == "closed"


async def test_upgrade_is_told_beside_an_observer_that_comes_and_goes(io, join):
    class Observer:
        watches_events = False
        upgraded = 0

        def session_upgraded(self, session):
            self.upgraded += 1

        def __getattr__(self, name):
            return lambda *args: None

    log = []
    observer = Observer()
    io.on("connection", lambda socket: socket.conn.once("upgrade", log.append))
    io.hub.observe(observer)
    for count in (1, 2):
        peer, _ = await join(io, transport="polling")
        switch(peer, await probed(io, peer))
        await until(lambda count=count: len(log) == count, "the upgrade is told")
        assert observer.upgraded == 1
        io.hub.observe(None)


async def test_listener_that_fails_is_logged_and_the_others_run(io, join, watch):
    log = []

    def bad(reason):
        raise ValueError("on purpose")

    async def good(reason):
        log.append(reason)

    peer, socket = await join(io)
    socket.conn.on("close", bad)
    socket.conn.on("close", good)
    await peer.close()
    await until(lambda: log, "the second listener has run")
    watch.expect_error("conn's 'close'", "on purpose")


@pytest.mark.parametrize("event", ["packet", "data", "drain", "x"])
async def test_other_event_is_refused(io, join, event):
    _, socket = await join(io)
    with pytest.raises(ValueError, match="one of close, upgrade"):
        socket.conn.on(event, print)


async def test_close_is_behind_what_was_sent_and_ends_all_sockets(join):
    io = fastsio.IO(namespaces=["/a"])
    peer, socket = await join(io)
    await peer.connect("/a")
    reasons = []
    socket.on("disconnect", reasons.append)
    next(iter(io.of("/a").sockets.values())).on("disconnect", reasons.append)
    socket.emit("last")
    socket.conn.close()
    assert await peer.receive() == '42["last"]'
    assert (await peer.ws.receive())[0] == CLOSE
    assert reasons == ["forced close"] * 2
    socket.conn.close()  # once more does nothing


async def test_close_may_discard_what_was_sent(io, join):
    peer, socket = await join(io, transport="polling")
    socket.emit("lost")
    socket.conn.close(discard=True)
    assert not socket.connected
    assert (await peer.get()).status == 400


async def test_message_past_socketio_is_sent_as_it_is(io, join):
    peer, socket = await join(io)
    socket.conn.send("raw")
    socket.conn.write({"a": 1})
    assert [await peer.receive() for _ in range(2)] == ["4raw", '4{"a":1}']
    with pytest.raises(TypeError):
        socket.conn.send(b"bytes")
    await peer.close()
    await until(lambda: not socket.connected, "it has gone")
    socket.conn.send("nobody")


async def test_other_threads_may_send_and_close(io, join):
    peer, socket = await join(io)
    await asyncio.to_thread(socket.conn.send, "raw")
    assert await peer.receive() == "4raw"
    await asyncio.to_thread(socket.conn.close)
    await until(lambda: not socket.connected, "it is closed")

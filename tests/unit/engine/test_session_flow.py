"""A session that is not read for a while: its heartbeat, its transports, its end. The clock is the test's.

What sockets make of it is in core/test_flow.py.
"""

from __future__ import annotations

import asyncio

import pytest

from clock_loop import pass_time
from eio3_peer import MemoryEio3Peer
from harness import until

pytestmark = pytest.mark.asyncio(loop_factories=["clock"])

BEAT = {"ping_interval": 1.0, "ping_timeout": 2.0, "upgrade_timeout": 1.0}


def end_of(peer):
    """The server's end of a client's connection."""
    return peer.ws.connection.writer.server_end


@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_a_client_that_is_not_read_is_pinged_and_never_judged(echo_server, transport):
    app = await echo_server(**BEAT)
    peer = await app.client(transport, answers_pings=False)
    session = app.session(peer)
    session.flow_control().stop_reading("test")
    for _ in range(10):
        assert await peer.receive() == "2"
    assert session.is_open
    assert app.ends == []
    session.flow.start_reading("test")
    await pass_time(1.5)
    assert session.is_open, "it gets a ping and the time to answer it"
    assert await peer.receive() == "2"
    await until(lambda: app.ends == ["ping timeout"], "the end of who is silent then", 60)


async def test_pongs_that_waited_are_read_with_the_rest(echo_server):
    app = await echo_server(**BEAT)
    peer = await app.client()
    app.session(peer).flow_control().stop_reading("test")
    for _ in range(5):
        assert await peer._next_packet() == "2"
        await peer.send("3")
    await peer.send('42["echo",1]')
    await pass_time(0.1)
    assert app.heard == []
    app.session(peer).flow.start_reading("test")
    await pass_time(0.1)
    assert app.heard == [(1,)]
    await peer.close()


async def test_it_is_read_when_the_last_reason_is_gone(echo_server):
    app = await echo_server()
    peer = await app.client()
    flow = app.session(peer).flow_control()
    for reason in ("a", "b", "c"):
        flow.stop_reading(reason)
    flow.start_reading("a")
    flow.start_reading("never given")
    assert not end_of(peer).is_reading()
    flow.read_in_spite_of_all_but("c")
    assert not end_of(peer).is_reading()
    flow.start_reading("c")
    assert end_of(peer).is_reading()
    await peer.close()


async def test_an_upgrade_keeps_it_unread(echo_server):
    app = await echo_server()
    peer = await app.client("polling")
    session = app.session(peer)
    session.flow_control().stop_reading("test")
    await peer.upgrade()
    await until(lambda: session.transport == "websocket", "upgraded")
    await peer.send('42["echo",1]')
    await pass_time(1)
    assert app.heard == []
    session.flow.start_reading("test")
    await pass_time(0.1)
    assert app.heard == [(1,)]
    await peer.close()


async def test_a_post_that_is_held_is_answered_by_an_upgrade(echo_server):
    app = await echo_server()
    peer = await app.client("polling")
    session = app.session(peer)
    session.flow_control().stop_reading("test")
    posting = asyncio.ensure_future(peer.post(b'42["echo",1]'))
    await pass_time(0.1)
    assert not posting.done()
    await peer.upgrade()
    assert (await posting).body == b"ok"
    session.flow.start_reading("test")
    await peer.close()


async def test_a_client_whose_held_post_is_cut_off_has_gone(echo_server):
    app = await echo_server()
    peer = await app.client("polling")
    app.session(peer).flow_control().stop_reading("test")
    posting = asyncio.ensure_future(peer.post(b'42["echo",1]'))
    await pass_time(0.1)
    posting.cancel()
    await until(lambda: app.ends == ["transport error"], "the end")


async def test_the_end_lets_everything_go_on(echo_server):
    app = await echo_server()
    peer = await app.client()
    session = app.session(peer)
    flow = session.flow_control()
    flow.stop_reading("test")
    reading = asyncio.ensure_future(flow.readable())
    end_of(peer).stall()
    session.outlet.max_buffered_bytes = 1 << 24
    for _ in range(20):
        app.sockets[0].emit("more", "x" * 2000)
    draining = asyncio.ensure_future(flow.drain())
    await pass_time(0.1)
    assert not reading.done()
    assert not draining.done()
    end_of(peer).abort()
    await reading
    assert await draining is False
    assert (flow.unsent_bytes, flow.is_paused) == (0, False)
    assert await flow.drain() is False
    flow.stop_reading("late")
    assert not flow.is_paused


async def test_a_client_of_v3_is_read_on_as_it_would_give_up_without_pongs(echo_server):
    app = await echo_server(**BEAT)
    peer = await MemoryEio3Peer.of(app.server, "websocket").open()
    assert await peer.receive() == "40"
    socket = app.sockets[0]
    socket.pause()
    assert not socket.session.flow.is_paused
    await peer.send('42["echo",1]')
    for _ in range(10):
        await pass_time(0.8)
        await peer.send("2")
        assert await peer.receive() == "3"
    assert (app.heard, app.ends) == ([], [])
    socket.resume()
    assert await peer.receive() == '42["echo",1]'
    await peer.close()

"""The server of shared connections: its set of them, and who is dropped at the end."""

from __future__ import annotations

import asyncio
import sys

import fastsio
from asgi_pages import Pages
from fastsio._frames import build_frame
from fastsio.asgi import ASGIApp
from fastsio.doors.shared import Connections
from harness import MS, FakePeer, RawWebSocket


async def test_set_of_connections_tells_when_it_is_empty():
    connections = Connections()
    assert await connections.wait_until_empty(0)
    connections |= {1, 2}
    waiting = asyncio.ensure_future(connections.wait_until_empty(60))
    await asyncio.sleep(0)
    connections.discard(1)
    await asyncio.sleep(0)
    assert not waiting.done()
    connections.remove(2)
    assert await waiting


async def test_set_that_does_not_become_empty_is_given_up():
    connections = Connections()
    connections.add(1)
    assert not await connections.wait_until_empty(5 * MS)


async def test_set_that_was_empty_for_a_moment_is_waited_for_again():
    connections = Connections()
    connections.add(1)
    waiting = asyncio.ensure_future(connections.wait_until_empty(60))
    await asyncio.sleep(0)
    connections.discard(1)
    connections.add(2)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not waiting.done()
    connections.discard(2)
    assert await waiting


async def test_clients_that_do_not_answer_a_close_are_dropped(serve):
    server = await serve(ASGIApp(fastsio.AsyncServer(), Pages()))
    ours = await FakePeer(server.url).open()
    await ours.connect()
    theirs = await RawWebSocket.open(server.url, "/ws")
    loop = asyncio.get_running_loop()
    began_at = loop.time()
    await server.close()
    assert loop.time() - began_at < 4
    assert not server.connections
    await ours.ws.receive_close()
    await theirs.receive_close()
    await ours.close()
    await theirs.connection.close()


async def test_event_on_a_shared_connection_runs_no_python_frame_but_the_handlers(serve):
    """The other application is paid for at the heads of requests, not per message."""
    sio = fastsio.AsyncServer()

    @sio.event
    def echo(sid, value):
        return value

    server = await serve(ASGIApp(sio, Pages()))
    peer = await FakePeer(server.url).open()
    await peer.connect()
    (conn,) = server.connections
    calls = []
    frame = build_frame(1, b'427["echo","hello"]', b"\x37\xfa\x21\x3d")
    sys.setprofile(lambda frame, event, _: event == "call" and calls.append(frame.f_code.co_name))
    try:
        conn.data_received(frame)
    finally:
        sys.setprofile(None)
    assert calls == ["echo"]
    assert await peer.receive() == '437["hello"]'
    await peer.close()

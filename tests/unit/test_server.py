"""The server's joints: one engine for all front doors of an application."""

from __future__ import annotations

import asyncio

import pytest

import fastsio
from fastsio.server import engine_of, release_engine
from harness import FakePeer


async def test_engine_is_made_once_for_an_application(watch):
    hub = fastsio.AsyncServer().hub
    assert hub.engine is None
    engine = engine_of(hub)
    assert hub.engine is engine
    assert engine_of(hub) is engine
    assert engine.loop is asyncio.get_running_loop()
    release_engine(hub)


async def test_released_engine_is_closed_and_the_next_is_a_new_one(watch):
    hub = fastsio.IO().hub
    first = engine_of(hub)
    release_engine(hub)
    assert not first.is_open
    assert hub.engine is None
    second = engine_of(hub)
    assert second is not first
    assert second.is_open
    release_engine(hub)


async def test_release_without_an_engine_does_nothing(watch):
    hub = fastsio.IO().hub
    release_engine(hub)
    assert hub.engine is None


def test_engine_of_a_loop_that_has_ended_is_replaced():
    hub = fastsio.AsyncServer().hub

    async def engine():
        return engine_of(hub)

    first, second = asyncio.run(engine()), asyncio.run(engine())
    assert first is not second
    assert hub.engine is second


async def test_application_that_another_running_loop_serves_is_refused(watch):
    hub = fastsio.AsyncServer().hub
    engine_of(hub)

    def elsewhere():
        async def engine():
            return engine_of(hub)

        return asyncio.run(engine())

    with pytest.raises(RuntimeError, match="served on another event loop"):
        await asyncio.to_thread(elsewhere)
    release_engine(hub)


async def test_release_ends_sessions_with_the_reason(serve):
    sio = fastsio.AsyncServer()
    reasons = []
    sio.on("disconnect", lambda sid, reason: reasons.append(reason))
    server = await serve(sio)
    assert server.engine is sio.hub.engine
    peer = await FakePeer(server.url).open()
    await peer.connect()
    release_engine(sio.hub, "gone fishing")
    assert reasons == ["gone fishing"]
    await peer.ws.receive_close()
    await peer.close()


# --- two servers of one application ---------------------------------------------------------------


async def test_closing_one_of_two_servers_ends_only_its_own_connections(serve):
    sio = fastsio.AsyncServer()
    reasons = []
    sio.on("disconnect", lambda sid, reason: reasons.append((sid, reason)))
    sio.on("echo", lambda sid, value: value)
    first, second = await serve(sio), await serve(sio)
    assert first.engine is second.engine
    peers = [await FakePeer(server.url).open() for server in (first, second)]
    sids = [(await peer.connect())["sid"] for peer in peers]
    closing = asyncio.ensure_future(first.close())
    await peers[0].ws.receive_close()
    await peers[0].close()
    await closing
    assert reasons == [(sids[0], "server disconnect")]
    assert second.engine.is_open
    await peers[1].send('420["echo",1]')
    assert await peers[1].receive() == "430[1]"
    late = await FakePeer(second.url).open()
    await late.connect()
    closing = asyncio.ensure_future(second.close())
    for peer in (peers[1], late):
        await peer.ws.receive_close()
        await peer.close()
    await closing
    assert len(reasons) == 3
    assert not second.engine.is_open


async def test_background_tasks_go_on_while_another_server_serves_the_application(serve):
    sio = fastsio.AsyncServer()
    first, second = await serve(sio), await serve(sio)

    async def forever():
        await asyncio.get_running_loop().create_future()

    task = sio.start_background_task(forever)
    await first.close()
    assert not task.cancelled()
    await second.close()
    assert task.cancelled()

"""io.bus, and the events bus_up and bus_down, in all styles; over a bus in memory that is told to go down."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

import fastsio
from fastsio.adapters import MemoryHub
from fastsio.adapters.protocol.messages import Kind, Message
from fastsio.testing import TestServer
from harness import until


async def down_and_up(server: Any, before: int = 0, lost: int = 3) -> None:
    cluster = server.hub.cluster
    cluster.bus_changed(False, before)
    await asyncio.sleep(0.01)
    cluster.bus_changed(True, lost)


async def test_both_events_tell_what_was_lost_and_how_long_it_took():
    io = fastsio.IO(adapter=MemoryHub().bus())
    told: list[Any] = []
    io.on("bus_up", lambda lost, seconds: told.append(("up", lost, seconds)))

    @io.of("/chat").on("bus_down")
    async def down(lost, seconds, *more):
        told.append(("down", lost, seconds, *more))

    io.once("bus_down", lambda: told.append("once"))
    async with TestServer(io):
        await io.bus.ready()
        assert told == [("up", 0, told[0][2])]
        told.clear()
        await down_and_up(io, 0, 3)
        await down_and_up(io, 4, 6)
    assert [one if isinstance(one, str) else one[:2] for one in told] == [
        "once", ("down", 0), ("up", 3), ("down", 1), ("up", 2),
    ]  # fmt: skip
    assert told[2][2] > 0.005


async def test_in_pythons_style_they_are_functions_without_a_sid_and_no_client_reaches_them():
    sio = fastsio.AsyncServer(adapter=MemoryHub().bus())
    told: list[Any] = []

    @sio.event
    async def bus_down(lost, seconds):
        told.append("replaced")

    @sio.on("bus_down")
    async def down(lost):
        told.append(("down", lost))

    @sio.event
    def bus_up():
        told.append("up")

    @sio.on("*")
    async def anything(event, sid, *args):
        told.append((event, args))

    async with TestServer(sio) as server:
        await sio.bus.ready()
        client = await server.connect()
        await client.emit("bus_down", "from a client")
        await server.settle()
        await down_and_up(sio)
        await server.settle()
    assert told == ["up", ("bus_down", ("from a client",)), ("down", 0), "up"]


async def test_without_an_adapter_it_is_an_event_like_any_other():
    sio = fastsio.AsyncServer()
    told: list[Any] = []
    sio.on("bus_up", lambda sid, *args: told.append(args))
    async with TestServer(sio) as server:
        client = await server.connect()
        await client.emit("bus_up", 1)
        await server.settle()
    assert told == [(1,)]
    assert sio.bus is None


async def test_a_server_of_threads_calls_them_in_its_pool(serve):
    sio = fastsio.Server(adapter=MemoryHub().bus(), async_mode="threading")
    told: list[Any] = []

    @sio.on("bus_down")
    def down(lost, seconds):
        told.append((lost, threading.current_thread() is threading.main_thread()))

    running = await serve(sio)
    await sio.bus.ready()
    await down_and_up(sio)
    await until(lambda: told, "it is called")
    assert told == [(0, False)]
    with pytest.raises(RuntimeError, match="presence=True"):
        await asyncio.to_thread(sio.count, "room")
    await running.close()


async def test_what_a_listener_raises_is_logged_and_the_next_is_called(caplog):
    io = fastsio.IO(adapter=MemoryHub().bus())
    told: list[Any] = []
    io.on("bus_down", lambda: 1 / 0)
    io.on("bus_down", lambda: told.append("second"))
    async with TestServer(io):
        await io.bus.ready()
        await down_and_up(io)
    assert told == ["second"]
    assert "listener of 'bus_down'" in caplog.text


@pytest.mark.parametrize("event", ["bus_up", "bus_down", "connection", "new_namespace"])
@pytest.mark.fault(
    "another server sends an event of a server's own (bus_down, connection)",
    "it is logged, and no listener is called",
)
async def test_no_other_server_can_send_them(event, caplog):
    io = fastsio.IO(adapter=MemoryHub().bus())
    told: list[Any] = []
    io.on(event, lambda *args: told.append(args))
    async with TestServer(io):
        await io.bus.ready()
        told.clear()
        with pytest.raises(ValueError, match="reserved"):
            io.server_side_emit(event)
        message = Message(Kind.SERVER_SIDE_EMIT, "f" * 16, "/", {"packet": [event, 1]})
        io.hub.cluster.receive(message)
    assert told == []
    assert "SERVER_SIDE_EMIT of server" in caplog.text


async def test_a_bus_says_how_it_is():
    hub = MemoryHub()
    ios = [fastsio.IO(adapter=hub.bus()) for _ in "ab"]
    state = ios[0].bus
    assert (state.is_up, state.down_s) == (False, 0.0)
    async with TestServer(ios[0]) as a, TestServer(ios[1]):
        for io in ios:
            await io.bus.ready()
        await a.settle()
        assert state is ios[0].bus
        assert (state.is_up, state.lost, state.waiting, state.waiting_bytes) == (True, 0, 0, 0)
        assert (state.replayed, state.gaps, state.is_behind) == (0, 0, False)
        assert state.uid == ios[0].hub.cluster.uid != ios[1].bus.uid
        assert await state.server_count() == 2
        ios[0].hub.cluster.bus_changed(False, 0)
        await asyncio.sleep(0.05)
        assert state.down_s > 0.04
        assert "down for" in repr(state)
    assert (state.is_up, state.down_s) == (False, 0.0)


async def test_who_watches_and_presence_are_both_told_of_clients():
    from fastsio.adapters.memory import MemoryBus

    class Bus(MemoryBus):
        presence = True

    io = fastsio.IO(adapter=Bus(MemoryHub()))
    seen: list[Any] = []
    io.sockets.adapter.on("join-room", lambda room, sid: seen.append(room == sid))
    async with TestServer(io) as server:
        client = await server.connect()
        presence = io.hub.cluster.presence
        assert presence._count == 1
        io.sockets.adapter.off("join-room")
        await client.disconnect()
        assert presence._count == 0 == presence.digest
    assert seen == [True]

"""concurrency=n: how many events of one socket a handler has at a time, and those that wait for it.

Source: issue 5, "Flow"; Flask-SocketIO#1420 (order of events whose handlers wait).
"""

from __future__ import annotations

import asyncio
import gc

import pytest

import fastsio
from fastsio.core.peer import Peer
from fastsio.core.socket import Socket
from fastsio.core.turns import concurrency
from fastsio.engine.flow import SessionFlow
from fastsio.testing import TestClient, TestServer
from harness import until


class Gates:
    """A handler's body whose ends the test decides: begun and ended in order, `open(i)` lets one end."""

    def __init__(self):
        self.begun, self.ended = [], []
        self._open = {}

    async def pass_(self, i):
        self.begun.append(i)
        self._open[i] = asyncio.Event()
        await self._open[i].wait()
        self.ended.append(i)
        return i

    def open(self, i):
        self._open[i].set()


@pytest.fixture
def gates():
    return Gates()


def asks(client, count, event="work"):
    return [asyncio.ensure_future(client.call(event, i)) for i in range(count)]


def by_listener(gates, count):
    io = fastsio.IO()
    io.on("connection", lambda socket: socket.on("work", gates.pass_, concurrency=count))
    return io


def by_decorated_listener(gates, count):
    io = fastsio.IO()

    @io.on("connection")
    def connection(socket):
        @socket.on("work", concurrency=count)
        async def work(i):
            return await gates.pass_(i)

    return io


def by_handler(gates, count):
    sio = fastsio.AsyncServer()

    @sio.on("work", concurrency=count)
    async def work(sid, i):
        return await gates.pass_(i)

    return sio


def by_fallback(gates, count):
    sio = fastsio.AsyncServer()

    @sio.on("*", concurrency=count)
    async def anything(event, sid, i):
        return await gates.pass_(i)

    return sio


def by_method(gates, count):
    class Work(fastsio.AsyncNamespace):
        @concurrency(count)
        async def on_work(self, sid, i):
            return await gates.pass_(i)

    sio = fastsio.AsyncServer()
    sio.register_namespace(Work("/"))
    return sio


def by_declared_event(gates, count):
    io = fastsio.IO()

    @io.event("work", concurrency=count)
    async def work(socket, i: int):
        return await gates.pass_(i)

    return io


def by_typed_handler(gates, count):
    sio = fastsio.AsyncServer()

    @sio.on("work", typed=True, concurrency=count)
    async def work(sid, i: int):
        return await gates.pass_(i)

    return sio


WAYS = [
    by_listener, by_decorated_listener, by_handler, by_fallback, by_method, by_declared_event, by_typed_handler,
]  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
async def test_at_most_so_many_run_and_the_others_follow_in_order(watch, gates, way):
    async with TestClient(way(gates, 2)) as client:
        answers = asks(client, 5)
        await client.settle()
        assert gates.begun == [0, 1]
        gates.open(1)
        await client.settle()
        assert (gates.begun, gates.ended) == ([0, 1, 2], [1])
        for i in (0, 2):
            gates.open(i)
        await client.settle()
        for i in (3, 4):
            gates.open(i)
        assert await asyncio.gather(*answers) == [0, 1, 2, 3, 4]
        assert gates.begun == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("way", WAYS)
async def test_one_is_strictly_one_after_the_other(watch, gates, way):
    async with TestClient(way(gates, 1)) as client:
        answers = asks(client, 4)
        for i in range(4):
            await client.settle()
            assert gates.begun == list(range(i + 1))
            assert gates.ended == list(range(i))
            gates.open(i)
        assert await asyncio.gather(*answers) == [0, 1, 2, 3]


async def test_other_events_and_other_clients_do_not_wait(watch, gates):
    sio = by_handler(gates, 1)
    sio.on("quick", lambda sid: "quick")
    async with TestServer(sio) as server:
        one, two = await server.connect(), await server.connect()
        first = asks(one, 1)
        await one.settle()
        assert await one.call("quick") == "quick"
        second = asyncio.ensure_future(two.call("work", 7))
        await two.settle()
        assert gates.begun == [0, 7]
        gates.open(0)
        gates.open(7)
        assert await asyncio.gather(*first, second) == [0, 7]


@pytest.mark.fault("a handler that others wait for fails or is cancelled", "the next has its turn")
async def test_a_handler_that_fails_or_is_cancelled_makes_room_for_the_next(watch):
    sio = fastsio.AsyncServer()
    log, tasks = [], []

    @sio.on("work", concurrency=1)
    async def work(sid, how):
        log.append(how)
        tasks.append(asyncio.current_task())
        if how == "raise at once":
            raise RuntimeError(how)
        await asyncio.sleep(0)
        if how == "raise":
            raise RuntimeError(how)
        if how == "cancel":
            tasks[-1].cancel()
            await asyncio.sleep(0)

    hows = ["raise", "raise at once", "cancel", "raise", "end"]
    async with TestClient(sio) as client:
        for how in hows:
            await client.emit("work", how)
        assert log == hows
    for _ in range(3):
        watch.expect_error("handler of 'work'", "raise")


async def test_plain_functions_never_wait_for_each_other(watch):
    io, log = fastsio.IO(), []
    io.on("connection", lambda socket: socket.on("e", log.append, concurrency=1))
    async with TestClient(io) as client:
        for i in range(3):
            await client.emit("e", i)
        assert log == [0, 1, 2]


async def test_an_ack_parameter_waits_for_its_turn_too(watch, gates):
    io = fastsio.IO()

    @io.on("connection")
    def connection(socket):
        @socket.on("work", concurrency=1)
        async def work(i, ack):
            await gates.pass_(i)
            ack("ack", i)

    async with TestClient(io) as client:
        answers = asks(client, 2)
        await client.settle()
        assert gates.begun == [0]
        gates.open(0)
        await client.settle()
        gates.open(1)
        assert await asyncio.gather(*answers) == [("ack", 0), ("ack", 1)]


async def test_several_listeners_answer_with_the_first_value_that_is_not_none(watch, gates):
    io = fastsio.IO()

    @io.on("connection")
    def connection(socket):
        socket.on("work", lambda i: None)
        socket.on("work", gates.pass_, concurrency=1)

    async with TestClient(io) as client:
        answers = asks(client, 2)
        for i in range(2):
            await client.settle()
            gates.open(i)
        assert await asyncio.gather(*answers) == [0, 1]


async def test_once_with_concurrency_runs_once(watch):
    io, log = fastsio.IO(), []

    @concurrency(1)
    def only(i):
        log.append(i)

    io.on("connection", lambda socket: socket.once("e", only))
    async with TestClient(io) as client:
        await client.emit("e", 1)
        await client.emit("e", 2)
    assert log == [1]


async def test_what_waits_is_handled_though_the_client_goes_but_not_of_who_is_put_out(watch, gates):
    sio = by_handler(gates, 1)
    async with TestServer(sio) as server:
        gone, put_out = await server.connect(), await server.connect()
        for i in (0, 1):
            await gone.emit("work", i)
        for i in (10, 11):
            await put_out.emit("work", i)
        await gone.disconnect()
        await sio.disconnect(put_out.sid)
        for i in (0, 10):
            gates.open(i)
        await until(lambda: gates.begun == [0, 10, 1], "the next one has begun")
        gates.open(1)
        await until(lambda: gates.ended == [0, 10, 1], "the last one has ended")


@pytest.mark.parametrize("count", [0, -1, True, 1.5, "2"])
async def test_what_is_no_number_of_handlers_is_named(count):
    message = f"concurrency={count!r}"
    with pytest.raises(ValueError, match=message):
        fastsio.AsyncServer().on("x", lambda sid: None, concurrency=count)
    with pytest.raises(ValueError, match=message):
        concurrency(count)
    with pytest.raises(ValueError, match="'connect' comes once"):
        fastsio.AsyncServer().on("connect", lambda sid, environ: None, concurrency=1)


@pytest.mark.parametrize("options", [{}, {"async_handlers": False}])
async def test_a_socket_that_has_gone_is_freed_without_the_collector(watch, options):
    sio = fastsio.AsyncServer(**options)
    sio.on("e", lambda sid: None, concurrency=1)
    sio.limit(rate=100)
    async with TestServer(sio) as server:
        client = await server.connect()
        await client.emit("e")
        gc.collect()
        gc.disable()
        try:
            await client.disconnect()
            await until(lambda: not sio.hub.engine.sessions, "the session has ended")
            left = [one for one in gc.get_objects() if isinstance(one, (Peer, Socket, SessionFlow))]
            assert left == []
        finally:
            gc.enable()

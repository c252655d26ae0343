"""Calls from other threads, with and without a loop of their own, in both styles: done on the engine's loop.

Also the same calls on a server that nothing serves yet.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

import fastsio
from fastsio import exceptions
from harness import until


@pytest.fixture
def elsewhere():
    """`await elsewhere(fn, *args)` runs a function in another thread, `fn` may be a coroutine function."""
    pool = ThreadPoolExecutor(1)

    async def run(fn, *args):
        def call():
            if asyncio.iscoroutinefunction(fn):
                return asyncio.run(fn(*args))
            return fn(*args)

        return await asyncio.get_running_loop().run_in_executor(pool, call)

    yield run
    pool.shutdown()


# --- AsyncServer ----------------------------------------------------------------------------------


async def test_emits_of_another_thread_reach_the_clients_in_order(sio, join, elsewhere):
    peer, socket = await join(sio)

    async def work():
        for i in range(50):
            await sio.emit("x", i, to=socket.id)
        await sio.send("last")

    await elsewhere(work)
    assert [await peer.receive() for _ in range(51)] == [
        *(f'42["x",{i}]' for i in range(50)), '42["message","last"]',
    ]  # fmt: skip


async def test_error_of_an_emit_is_the_callers_in_any_thread(sio, join, elsewhere):
    await join(sio)
    with pytest.raises(TypeError):
        await elsewhere(lambda: asyncio.run(sio.emit("x", object())))
    with pytest.raises(ValueError, match="reserved"):
        await elsewhere(lambda: asyncio.run(sio.emit("connect")))


async def test_callback_of_another_threads_emit_is_called_on_the_engines_loop(sio, join, elsewhere):
    peer, socket = await join(sio)
    got = []

    async def work():
        await sio.emit(
            "x", to=socket.id, callback=lambda *args: got.append((threading.get_ident(), args))
        )

    await elsewhere(work)
    assert await peer.receive() == '420["x"]'
    await peer.send("430[1,2]")
    await until(lambda: got, "the callback")
    assert got == [(threading.get_ident(), (1, 2))]


async def test_rooms_are_entered_left_and_closed_from_another_thread(sio, join, elsewhere):
    peer, socket = await join(sio)
    sid = socket.id

    async def work():
        await sio.enter_room(sid, "a")
        await sio.enter_room(sid, "b")
        await sio.enter_room(sid, "c")
        await sio.leave_room(sid, "b")
        await sio.close_room("c")
        with pytest.raises(ValueError, match="not connected"):
            await sio.enter_room("nobody", "a")
        return sio.rooms(sid)

    assert sorted(await elsewhere(work)) == sorted([sid, "a"])
    await sio.emit("x", room="a")
    assert await peer.receive() == '42["x"]'


async def test_call_of_another_thread_returns_the_answer_there(sio, join, elsewhere):
    peer, socket = await join(sio)
    asking = asyncio.ensure_future(elsewhere(lambda: asyncio.run(sio.call("ask", to=socket.id))))
    assert await peer.receive() == '420["ask"]'
    await peer.send('430["answer"]')
    assert await asking == "answer"


async def test_call_of_another_thread_fails_there_when_the_client_goes(sio, join, elsewhere):
    peer, socket = await join(sio)
    asking = asyncio.ensure_future(elsewhere(lambda: asyncio.run(sio.call("ask", to=socket.id))))
    assert await peer.receive() == '420["ask"]'
    await peer.send("41")
    with pytest.raises(exceptions.ClientGoneError):
        await asking


async def test_client_is_disconnected_from_another_thread(sio, join, elsewhere):
    threads = []
    sio.on("disconnect", lambda sid: threads.append(threading.get_ident()))
    peer, socket = await join(sio)
    await elsewhere(lambda: asyncio.run(sio.disconnect(socket.id)))
    assert await peer.receive() == "41"
    assert threads == [threading.get_ident()]


async def test_many_threads_at_once(sio, join):
    peer, socket = await join(sio)

    def work(number):
        async def emits():
            for i in range(100):
                await sio.emit("x", (number, i), to=socket.id)

        asyncio.run(emits())

    with ThreadPoolExecutor(8) as pool:
        working = [pool.submit(work, number) for number in range(8)]
        got = [await peer.receive() for _ in range(800)]
    for one in working:
        one.result()
    for number in range(8):
        of_one = [packet for packet in got if packet.startswith(f'42["x",{number},')]
        assert of_one == [f'42["x",{number},{i}]' for i in range(100)]


async def test_server_that_nothing_serves_is_nobodys(sio, elsewhere):
    await elsewhere(lambda: asyncio.run(sio.emit("x", 1)))
    await sio.emit("x", 1)
    with pytest.raises(exceptions.ClientGoneError):
        await elsewhere(lambda: asyncio.run(sio.call("x", to="nobody")))


async def test_server_that_was_stopped_belongs_to_no_thread(sio, serve, elsewhere):
    server = await serve(sio)
    assert sio.hub.engine is server.engine
    await server.close()
    assert sio.hub.engine is None
    await elsewhere(lambda: asyncio.run(sio.emit("x", 1)))


async def test_server_whose_loop_was_closed_under_it_belongs_to_no_thread(sio, elsewhere):
    """As a test client does that runs each request on a loop of its own."""

    async def served():
        sio.hub.engine = SimpleNamespace(flusher=SimpleNamespace(loop=asyncio.get_running_loop()))

    await elsewhere(served)
    assert sio.hub.is_elsewhere()
    await sio.emit("x", 1)
    assert sio.hub.engine is None
    with pytest.raises(exceptions.ClientGoneError):
        await sio.call("x", to="nobody")


# --- IO -------------------------------------------------------------------------------------------


async def test_io_emits_from_another_thread_in_order(io, join, elsewhere):
    peer, socket = await join(io)

    def work():
        for i in range(20):
            io.emit("all", i)
            io.to(socket.id).emit("room", i)
            socket.emit("one", i)

    await elsewhere(work)
    assert [await peer.receive() for _ in range(60)] == [
        packet for i in range(20) for packet in (f'42["all",{i}]', f'42["room",{i}]', f'42["one",{i}]')
    ]  # fmt: skip


async def test_io_errors_are_the_callers_in_any_thread(io, join, elsewhere):
    _, socket = await join(io)
    for emit in (io.emit, io.to("r").emit, socket.emit):
        with pytest.raises(TypeError):
            await elsewhere(emit, "x", object())
        with pytest.raises(ValueError, match="reserved"):
            await elsewhere(emit, "disconnect")


async def test_io_sends_what_was_given_though_it_is_changed_later(io, join, elsewhere):
    peer, socket = await join(io)

    def work():
        data = [1]
        io.emit("x", data)
        socket.emit("y", data)
        data.append(2)

    await elsewhere(work)
    assert [await peer.receive(), await peer.receive()] == ['42["x",[1]]', '42["y",[1]]']


async def test_io_sockets_join_leave_and_disconnect_from_another_thread(io, join, elsewhere):
    peer, socket = await join(io)
    await elsewhere(
        lambda: (socket.join(["a", "b"]), socket.leave("b"), io.in_("a").sockets_join("c"))
    )
    await until(lambda: socket.rooms == {socket.id, "a", "c"}, "the rooms")
    await elsewhere(io.sockets_leave, "a")
    await until(lambda: socket.rooms == {socket.id, "c"}, "the room is left")
    await elsewhere(io.to("c").disconnect_sockets)
    assert await peer.receive() == "41"
    other, other_socket = await join(io)
    await elsewhere(other_socket.disconnect)
    assert await other.receive() == "41"


async def test_io_emit_with_ack_of_another_thread(io, join, elsewhere):
    peer, socket = await join(io)
    asking = asyncio.ensure_future(elsewhere(lambda: asyncio.run(socket.emit_with_ack("ask"))))
    assert await peer.receive() == '420["ask"]'
    await peer.send('430["answer"]')
    assert await asking == "answer"
    with pytest.raises(exceptions.TimeoutError):
        await elsewhere(lambda: asyncio.run(socket.timeout(0.01).emit_with_ack("ask")))


def test_io_in_the_thread_of_no_loop_is_not_elsewhere():
    io = fastsio.IO()
    io.emit("x", 1)
    assert not io.hub.is_elsewhere()

"""Flow control by sid: AsyncServer's methods, and Server's, which block a thread.

What they do is tested on sockets, in core/test_flow.py; python-socketio has none of it.
"""

from __future__ import annotations

import asyncio
import inspect
import threading

import pytest

import fastsio
from fastsio.api.flow import FlowMethods, SyncFlowMethods
from fastsio.core.errors import DisconnectedError
from harness import until

TEXT = "x" * 1024


async def turns(count: int = 6) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def end_of(peer):
    """The server's end of a client's connection."""
    return peer.ws.connection.writer.server_end


async def test_methods_are_the_sockets(join):
    sio = fastsio.AsyncServer(max_buffered_bytes=1 << 20)
    heard = []
    sio.on("e", lambda sid, i: heard.append(i))
    sio.on("high_water", lambda sid, size: heard.append("high"))
    peer, socket = await join(sio)
    sid = socket.id
    sio.set_water_marks(sid, 4096, 1024)
    sio.set_buffer_policy(sid, "drop_newest")
    assert socket.buffer_policy == "drop_newest"
    end_of(peer).stall()
    for _ in range(8):
        await sio.emit("more", TEXT, to=sid)
    assert sio.buffered_bytes(sid) == socket.buffered_bytes > 8 * 1024
    await turns()
    assert heard == ["high"]
    draining = asyncio.ensure_future(sio.drain(sid))
    await turns()
    assert not draining.done()
    end_of(peer).flow()
    await asyncio.wait_for(draining, 1)
    sio.pause(sid)
    await peer.send('42["e",1]')
    await turns()
    assert heard == ["high"]
    sio.resume(sid)
    await turns()
    assert heard == ["high", 1]


async def test_emit_latest_replaces_what_is_queued(join):
    sio = fastsio.AsyncServer()
    peer, _socket = await join(sio)
    other, other_socket = await join(sio)
    end_of(peer).stall()
    await sio.emit("first")
    await turns()
    for price in range(5):
        await sio.emit_latest("BTC", "price", ("BTC", price), skip_sid=other_socket.id)
        await sio.emit_latest("BTC", "price", price, to=other_socket.id)
    end_of(peer).flow()
    assert [await peer.receive() for _ in range(2)] == ['42["first"]', '42["price","BTC",4]']
    assert [await other.receive() for _ in range(2)] == ['42["first"]', '42["price",4]']
    await sio.emit_latest("BTC", "price", namespace="/nobody")
    with pytest.raises(TypeError, match="unhashable"):
        await sio.emit_latest([], "price")


@pytest.mark.parametrize("method", ["buffered_bytes", "pause", "resume"])
async def test_a_sid_that_is_not_there_is_named(method):
    with pytest.raises(KeyError, match="'nobody' is not connected to '/'"):
        getattr(fastsio.AsyncServer(), method)("nobody")


def test_both_servers_have_the_same_methods():
    def shapes(cls):
        return {
            name: [(p.name, p.default) for p in inspect.signature(fn).parameters.values()]
            for name, fn in vars(cls).items()
            if inspect.isfunction(fn) and not name.startswith("_")
        }

    assert shapes(FlowMethods) == shapes(SyncFlowMethods)


# --- threads --------------------------------------------------------------------------------------


class Work:
    """Handlers in threads that end when the test lets them."""

    def __init__(self):
        self.begun, self.ended = [], []
        self.running = self.most = 0
        self._lock = threading.Lock()
        self._gate = threading.Semaphore(0)

    def handle(self, sid, i):
        with self._lock:
            self.begun.append(i)
            self.running += 1
            self.most = max(self.most, self.running)
        assert self._gate.acquire(timeout=10)
        with self._lock:
            self.running -= 1
            self.ended.append(i)
        return i

    def let(self, count):
        for _ in range(count):
            self._gate.release()


@pytest.mark.parametrize("count", [1, 2])
async def test_threads_are_taken_so_many_at_a_time(join, count):
    sio, work = fastsio.Server(), Work()
    sio.on("work", work.handle, concurrency=count)
    peer, _ = await join(sio)
    for i in range(6):
        await peer.send(f'42{i}["work",{i}]')
    await until(lambda: len(work.begun) == count, "the first have begun")
    work.let(6)
    answers = [await peer.receive() for _ in range(6)]
    assert sorted(answers) == [f"43{i}[{i}]" for i in range(6)]
    assert work.most == count
    if count == 1:
        assert work.begun == list(range(6))


async def test_what_waits_for_threads_is_bounded(join):
    sio, work = fastsio.Server(handler_threads=1, max_waiting_handlers=8), Work()
    sio.on("work", work.handle)
    peer, _socket = await join(sio)
    for i in range(40):
        await peer.send(f'42{i}["work",{i}]')
    await until(lambda: not end_of(peer).is_reading(), "the client is read later")
    assert sio._pool.backlog <= 5
    work.let(40)
    assert [await peer.receive() for _ in range(40)] == [f"43{i}[{i}]" for i in range(40)]
    assert sio.flow_counts().keys() == {"dropped", "reading stopped"}
    await until(lambda: end_of(peer).is_reading(), "read again")


async def test_a_thread_may_wait_for_a_slow_client(join):
    sio = fastsio.Server()
    log = []

    def produce(sid):
        for i in range(60):
            sio.emit("more", (i, TEXT), to=sid)
            sio.drain(sid)
            log.append(sio.buffered_bytes(sid))
        return len(log)

    sio.on("produce", produce)
    peer, _ = await join(sio)
    end_of(peer).stall()
    await peer.send('427["produce"]')
    await until(lambda: len(log) >= 14, "some were sent")
    await asyncio.sleep(0.05)
    assert len(log) < 20, "it waits"
    end_of(peer).flow()
    packets = [await peer.receive() for _ in range(61)]
    assert packets[-1] == "437[60]"
    assert max(log) <= 16 * 1024


async def test_a_thread_that_waits_hears_that_the_client_has_gone(join):
    sio = fastsio.Server()
    errors = []

    def produce(sid):
        for _ in range(60):
            sio.emit("more", TEXT, to=sid)
        try:
            sio.drain(sid)
        except (DisconnectedError, KeyError) as error:
            errors.append(type(error))

    sio.on("produce", produce)
    peer, _ = await join(sio)
    end_of(peer).stall()
    await peer.send('42["produce"]')
    await until(lambda: len(end_of(peer)._unsent) > 0, "it has begun")
    peer.abort()
    await until(lambda: errors, "told")
    assert errors[0] in (DisconnectedError, KeyError)


async def test_a_thread_pauses_and_resumes(join):
    sio = fastsio.Server()
    heard = []
    sio.on("e", lambda sid, i: heard.append(i))
    sio.on("stop", lambda sid: sio.pause(sid))
    peer, socket = await join(sio)
    await peer.send('427["stop"]')
    assert await peer.receive() == "437[]"
    await peer.send('42["e",1]')
    await asyncio.sleep(0.02)
    assert heard == []
    await asyncio.to_thread(sio.resume, socket.id)
    await until(lambda: heard == [1], "heard")


def test_before_it_is_served_there_is_nobody_to_wait_for():
    sio = fastsio.Server()
    with pytest.raises(KeyError, match="'nobody'"):
        sio.drain("nobody")
    assert sio.flow_counts() == {"dropped": 0}
    assert sio.limit(rate=5).burst == 5

"""One socket with flags: they go along the chain, to this client and to others.

Time limits are in test_acks.py and test_gather.py. Source: Node's Socket flags; features.md 1.7.
"""

from __future__ import annotations

import asyncio
import threading

import pytest

from clock_loop import pass_time
from fastsio.exceptions import PartialAnswersError, TimeoutError
from harness import until

CLOCK = pytest.mark.asyncio(loop_factories=["clock"])


async def test_flagged_socket_sends_to_this_client_alone(io, join):
    peer, socket = await join(io)
    other_peer, _ = await join(io)
    socket.volatile.emit("a", 1)
    socket.compress(False).emit("b")
    socket.timeout(1).volatile.compress(True).send("c")
    io.emit("end")
    assert [await peer.receive() for _ in range(4)] == [
        '42["a",1]', '42["b"]', '42["message","c"]', '42["end"]',
    ]  # fmt: skip
    assert await other_peer.receive() == '42["end"]'


async def test_flagged_socket_broadcasts_to_all_but_this_client(io, join):
    peer, socket = await join(io)
    other_peer, other = await join(io)
    other.join("r")
    socket.join("r")
    socket.volatile.broadcast.emit("1")
    socket.volatile.to("r").emit("2")
    socket.volatile.in_("r").emit("3")
    socket.compress(True).except_("nobody").emit("4")
    socket.local.emit("5")
    socket.volatile.local.emit("6")
    io.emit("end")
    assert await peer.receive() == '42["end"]'
    assert [await other_peer.receive() for _ in range(7)] == [
        *(f'42["{i}"]' for i in range(1, 7)), '42["end"]',
    ]  # fmt: skip


async def test_answers_come_with_any_flags(io, join):
    peer, socket = await join(io)
    got = []
    socket.volatile.emit("x", ack=lambda *values: got.append(values))
    waiting = asyncio.ensure_future(socket.volatile.timeout(5).emit_with_ack("y"))
    assert [await peer.receive(), await peer.receive()] == ['420["x"]', '421["y"]']
    await peer.send("430[1,2]", "431[3]")
    assert await waiting == 3
    assert got == [(1, 2)]


@CLOCK
async def test_flags_are_the_chains_own(io, join):
    _, socket = await join(io)
    await join(io)
    timed = socket.timeout(1)
    untimed = asyncio.ensure_future(socket.volatile.emit_with_ack("x"))
    with pytest.raises(TimeoutError):
        await timed.volatile.emit_with_ack("x")
    with pytest.raises(PartialAnswersError):
        await timed.broadcast.emit_with_ack("x")
    await pass_time(10)
    assert not untimed.done()
    untimed.cancel()


async def test_other_threads_may_send_and_ask(io, join):
    peer, socket = await join(io)
    got = []

    def ask():
        socket.volatile.emit("a")
        socket.timeout(5).emit("b", ack=lambda *result: got.append(result))
        got.append(asyncio.run(socket.timeout(5).emit_with_ack("c")))

    thread = threading.Thread(target=ask)
    thread.start()
    assert [await peer.receive() for _ in range(3)] == ['42["a"]', '420["b"]', '421["c"]']
    await peer.send("430[1]")
    await until(lambda: got, "the first answer")
    await peer.send("431[2]")
    await until(lambda: len(got) == 2, "the second answer")
    thread.join()
    assert got == [(None, 1), 2]


async def test_wrong_events_are_the_callers_error(io, join):
    _, socket = await join(io)
    with pytest.raises(ValueError, match="reserved"):
        socket.volatile.emit("disconnect")
    with pytest.raises(ValueError, match="reserved"):
        await socket.timeout(1).emit_with_ack("connect")
    with pytest.raises(TypeError):
        socket.volatile.emit("x", object())
    assert not socket.acks

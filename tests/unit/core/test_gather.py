"""The answers of many clients to one broadcast: all, some in time, none, and of clients that go.

Source: Node's BroadcastOperator.emitWithAck(); features.md 1.7.
"""

from __future__ import annotations

import asyncio
import threading

import pytest

from clock_loop import pass_time
from fastsio.exceptions import ClientGoneError, PartialAnswersError, TimeoutError
from harness import until

CLOCK = pytest.mark.asyncio(loop_factories=["clock"])


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def crowd(io, join, count=3):
    joined = [await join(io) for _ in range(count)]
    return [peer for peer, _ in joined], [socket for _, socket in joined]


async def test_answers_of_all_come_in_the_order_in_which_they_were_given(io, join):
    peers, _ = await crowd(io, join)
    waiting = asyncio.ensure_future(io.emit_with_ack("ask", 1))
    for peer in peers:
        assert await peer.receive() == '420["ask",1]'
    for i, answer in ((2, '["c"]'), (0, "[]"), (1, "[1,2]")):
        await peers[i].send(f"430{answer}")
        await turns()
    assert await waiting == ["c", None, (1, 2)]


async def test_without_a_timeout_it_waits_for_all(io, join):
    peers, _ = await crowd(io, join, 2)
    waiting = asyncio.ensure_future(io.emit_with_ack("ask"))
    await turns()
    await peers[0].send("430[1]")
    await turns()
    assert not waiting.done()
    await peers[1].send("430[2]")
    assert await waiting == [1, 2]


async def test_only_the_chosen_are_asked(io, join):
    peers, sockets = await crowd(io, join)
    sockets[0].join("r")
    sockets[1].join("r")
    waiting = asyncio.ensure_future(io.to("r").except_(sockets[1].id).emit_with_ack("ask"))
    await turns()
    io.emit("end")
    assert await peers[0].receive() == '420["ask"]'
    for peer in peers:
        assert await peer.receive() == '42["end"]'
    await peers[0].send("430[1]")
    assert await waiting == [1]


async def test_sender_of_a_broadcast_is_not_asked(io, join):
    peers, sockets = await crowd(io, join, 2)
    waiting = asyncio.ensure_future(sockets[0].broadcast.emit_with_ack("ask"))
    assert await peers[1].receive() == '420["ask"]'
    await peers[1].send("430[1]")
    assert await waiting == [1]


async def test_nobody_to_ask_is_an_empty_list_at_once(io, join):
    assert await io.emit_with_ack("ask") == []
    await join(io)
    assert await io.to("empty").timeout(1).emit_with_ack("ask") == []
    assert await io.to([]).emit_with_ack("ask") == []


async def test_ids_are_not_mixed_with_those_of_single_emits(io, join):
    (peer, other), (socket, _) = await crowd(io, join, 2)
    single = asyncio.ensure_future(socket.emit_with_ack("single"))
    assert await peer.receive() == '420["single"]'
    first = asyncio.ensure_future(io.emit_with_ack("first"))
    second = asyncio.ensure_future(io.emit_with_ack("second"))
    for one in (peer, other):  # the same id for both: it is encoded once
        assert [await one.receive(), await one.receive()] == ['421["first"]', '422["second"]']
    last = asyncio.ensure_future(socket.emit_with_ack("last"))
    assert await peer.receive() == '423["last"]'
    await peer.send('433["d"]', '432["c"]', '431["b"]', '430["a"]')
    await other.send('432["C"]', '431["B"]')
    assert [await single, await last] == ["a", "d"]
    assert [sorted(await first), sorted(await second)] == [["B", "b"], ["C", "c"]]


@CLOCK
@pytest.mark.fault(
    "of many who are asked some never answer",
    "the timeout's error has the answers that came",
)
async def test_timeout_raises_with_the_answers_that_came(io, join):
    peers, sockets = await crowd(io, join)
    waiting = asyncio.ensure_future(io.timeout(5).emit_with_ack("ask"))
    await turns()
    await peers[1].send('430["in time"]')
    await pass_time(4.9)
    assert not waiting.done()
    await pass_time(0.2)
    with pytest.raises(PartialAnswersError, match="operation has timed out") as raised:
        await waiting
    assert raised.value.responses == ["in time"]
    assert isinstance(raised.value, TimeoutError)
    await peers[0].send('430["late"]')  # ignored
    await turns()
    assert raised.value.responses == ["in time"]
    assert not any(socket.acks for socket in sockets)


@CLOCK
async def test_timeout_is_kept_along_the_chain_and_stopped_by_the_last_answer(io, join):
    peers, sockets = await crowd(io, join, 2)
    sockets[0].join("r")
    operator = io.timeout(5).to("r").except_("x").volatile
    waiting = asyncio.ensure_future(operator.emit_with_ack("ask"))
    await turns()
    await peers[0].send("430[1]")
    assert await waiting == [1]
    waiting = asyncio.ensure_future(operator.emit_with_ack("ask"))
    await pass_time(5.1)
    with pytest.raises(PartialAnswersError):
        await waiting


async def test_client_that_goes_is_no_longer_waited_for(io, join):
    peers, sockets = await crowd(io, join)
    waiting = asyncio.ensure_future(io.emit_with_ack("ask"))
    await turns()
    await peers[0].send("41")
    await peers[1].send("430[1]")
    await until(lambda: not sockets[0].connected, "the client is gone")
    assert not waiting.done()
    sockets[2].disconnect()
    assert await waiting == [1]


async def test_cancelled_wait_leaves_nothing_behind(io, join):
    peers, sockets = await crowd(io, join, 2)
    waiting = asyncio.ensure_future(io.emit_with_ack("ask"))
    await turns()
    waiting.cancel()
    await turns()
    assert waiting.cancelled()
    assert not any(socket.acks for socket in sockets)
    await peers[0].send("430[1]")  # ignored
    await turns()


async def test_callback_gets_no_error_and_all_answers(io, join):
    peers, _ = await crowd(io, join, 2)
    got = []
    io.emit("ask", 1, ack=lambda *result: got.append(result))
    for peer in peers:
        assert await peer.receive() == '420["ask",1]'
        await peer.send('430["yes"]')
        await turns()
    assert got == [(None, ["yes", "yes"])]


@CLOCK
async def test_callback_gets_the_error_and_the_answers_that_came(io, join):
    peers, _ = await crowd(io, join, 2)
    got = []

    async def ended(error, answers):
        await asyncio.sleep(0)
        got.append((error, answers))

    io.sockets.timeout(2).emit("ask", ack=ended)
    await turns()
    await peers[0].send("430[1]")
    await pass_time(2.1)
    ((error, answers),) = got
    assert isinstance(error, PartialAnswersError)
    assert answers == error.responses == [1]


async def test_callback_that_fails_is_logged_and_clients_go_all_the_same(io, join, watch):
    _, (socket,) = await crowd(io, join, 1)

    def fail(error, answers):
        raise RuntimeError("on purpose")

    io.emit("ask", ack=fail)
    gone = []
    socket.on("disconnect", lambda reason: gone.append(reason))
    socket.disconnect()
    assert gone == ["server namespace disconnect"]
    watch.expect_error("on purpose")


async def test_what_cant_be_sent_is_the_callers_error(io, join):
    _, (socket,) = await crowd(io, join, 1)
    with pytest.raises(TypeError):
        await io.emit_with_ack("ask", object())
    with pytest.raises(TypeError):
        io.emit("ask", object(), ack=print)
    with pytest.raises(ValueError, match="reserved"):
        await io.emit_with_ack("disconnect")
    assert not socket.acks


async def test_other_threads_may_ask(io, join):
    peers, _ = await crowd(io, join, 1)
    got = []

    def ask():
        io.emit("callback", ack=lambda *result: got.append(result))
        got.append(asyncio.run(io.emit_with_ack("awaited")))

    thread = threading.Thread(target=ask)
    thread.start()
    assert [await peers[0].receive(), await peers[0].receive()] == [
        '420["callback"]', '421["awaited"]',
    ]  # fmt: skip
    await peers[0].send("430[0]")
    await turns()
    await peers[0].send("431[1]")
    await until(lambda: len(got) == 2, "both answers")
    thread.join()
    assert got == [(None, [0]), [1]]


# --- one client -----------------------------------------------------------------------------------


@CLOCK
async def test_callback_with_a_timeout_gets_the_error_first(io, join):
    (peer,), (socket,) = await crowd(io, join, 1)
    got = []
    socket.timeout(1).emit("ask", ack=lambda *result: got.append(result))
    await turns()
    await peer.send("430[1,2]")
    await turns()
    assert got.pop() == (None, 1, 2)
    socket.timeout(1).emit("ask", ack=lambda *result: got.append(result))
    await pass_time(1.1)
    ((error,),) = got
    assert isinstance(error, TimeoutError)
    got.clear()
    socket.timeout(1).emit("ask", ack=lambda *result: got.append(result))
    socket.timeout(1).emit("no question")
    socket.disconnect()
    await turns()
    ((error,),) = got
    assert isinstance(error, ClientGoneError)

"""Waiting for a client's answer: it comes, it does not, it comes late, the client goes.

Source: socket.io-protocol v5, "Acknowledgement"; socketio.md 4.
"""

from __future__ import annotations

import asyncio
import gc

import pytest

from clock_loop import pass_time
from fastsio.exceptions import DisconnectedError, SocketIOError, TimeoutError
from harness import until

CLOCK = pytest.mark.asyncio(loop_factories=["clock"])


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ("430[]", None),
        ("430[null]", None),
        ("430[1]", 1),
        ("430[[1,2]]", [1, 2]),
        ("430[1,2]", (1, 2)),
        ('430["a",null,{"b":[]}]', ("a", None, {"b": []})),
    ],
)
async def test_awaited_answer_is_none_one_value_or_a_tuple(io, join, answer, value):
    peer, socket = await join(io)
    waiting = asyncio.ensure_future(socket.emit_with_ack("ask", 1, "two"))
    assert await peer.receive() == '420["ask",1,"two"]'
    await peer.send(answer)
    assert await waiting == value


async def test_binary_answer_is_waited_for_to_its_last_attachment(io, join):
    peer, socket = await join(io)
    waiting = asyncio.ensure_future(socket.emit_with_ack("ask", b"\x01"))
    assert await peer.receive() == '451-0["ask",{"_placeholder":true,"num":0}]'
    assert await peer.receive() == b"\x01"
    await peer.send('461-0[{"_placeholder":true,"num":0}]', b"\x02")
    assert await waiting == b"\x02"


async def test_callback_gets_the_values_of_the_answer(io, join):
    peer, socket = await join(io)
    got = []
    socket.emit("a", ack=lambda *values: got.append(values))
    socket.emit("b", 1, ack=lambda *values: got.append(values))
    assert [await peer.receive(), await peer.receive()] == ['420["a"]', '421["b",1]']
    await peer.send('431["x","y"]', "430[]")
    await turns()
    assert got == [("x", "y"), ()]


async def test_callback_may_be_a_coroutine_function(io, join):
    peer, socket = await join(io)
    got = []

    async def callback(value):
        await asyncio.sleep(0)
        got.append(value)

    socket.emit("a", ack=callback)
    await peer.receive()
    await peer.send("430[5]")
    await until(lambda: got, "the callback has run")
    assert got == [5]


async def test_error_of_a_callback_is_logged_and_harms_nobody(io, join, watch):
    peer, socket = await join(io)

    def callback(value):
        raise RuntimeError("on purpose")

    socket.emit("a", ack=callback)
    await peer.receive()
    await peer.send("430[5]")
    await turns()
    watch.expect_error("on purpose")
    socket.emit("b")
    assert await peer.receive() == '42["b"]'


async def test_error_of_a_coroutine_callback_is_logged(io, join, watch):
    peer, socket = await join(io)

    async def callback(value):
        await asyncio.sleep(0)
        raise RuntimeError("on purpose")

    socket.emit("a", ack=callback)
    await peer.receive()
    await peer.send("430[5]")
    await turns(10)
    gc.collect()  # a task whose exception nobody fetched says so when it is freed
    watch.expect_error("fastsio.core", "on purpose")


async def test_ids_are_a_sockets_own_and_count_from_0(io, join):
    peer, socket = await join(io)
    other_peer, other = await join(io)
    for i in range(3):
        socket.emit("a", ack=lambda: None)
        assert await peer.receive() == f'42{i}["a"]'
    other.emit("a", ack=lambda: None)
    assert await other_peer.receive() == '420["a"]'


@pytest.mark.parametrize("answer", ["431[1]", "43[1]", "43999999999999999999[1]", "431", "43"])
async def test_answer_that_nobody_waits_for_is_ignored(io, join, answer):
    """socketio.md 4: never an error."""
    peer, socket = await join(io)
    got = []
    socket.emit("a", ack=got.append)
    await peer.receive()
    await peer.send(answer, "430[5]")
    await turns()
    assert got == [5]


async def test_second_answer_is_ignored(io, join):
    peer, socket = await join(io)
    got = []
    socket.emit("a", ack=got.append)
    await peer.receive()
    await peer.send("430[1]", "430[2]")
    await turns()
    assert got == [1]
    assert socket.acks == {}


async def test_answer_of_another_client_with_the_same_id_does_not_count(io, join):
    peer, socket = await join(io)
    other_peer, _ = await join(io)
    got = []
    socket.emit("a", ack=got.append)
    await other_peer.send("430[1]", "430[1]")
    await turns()
    assert got == []
    await peer.receive()
    await peer.send("430[2]")
    await turns()
    assert got == [2]


# --- no answer ------------------------------------------------------------------------------------


@CLOCK
async def test_answer_that_does_not_come_in_time_is_a_timeouterror(io, join):
    peer, socket = await join(io)
    began_at = asyncio.get_running_loop().time()
    with pytest.raises(TimeoutError, match="operation has timed out"):
        await socket.timeout(2.5).emit_with_ack("ask", 1)
    assert asyncio.get_running_loop().time() - began_at == pytest.approx(2.5)
    assert await peer.receive() == '420["ask",1]'
    assert socket.acks == {}


@CLOCK
async def test_answer_just_in_time_is_one(io, join):
    peer, socket = await join(io)
    waiting = asyncio.ensure_future(socket.timeout(2.5).emit_with_ack("ask"))
    await peer.receive()
    await pass_time(2.4)
    await peer.send("430[1]")
    assert await waiting == 1


@CLOCK
async def test_answer_after_the_timeout_is_ignored_and_the_next_is_its_own(io, join):
    peer, socket = await join(io)
    with pytest.raises(TimeoutError):
        await socket.timeout(1).emit_with_ack("ask")
    await peer.receive()
    await peer.send("430[1]")
    waiting = asyncio.ensure_future(socket.timeout(1).emit_with_ack("ask"))
    assert await peer.receive() == '421["ask"]'
    await peer.send("431[2]")
    assert await waiting == 2


@CLOCK
async def test_without_a_timeout_there_is_no_limit(io, join):
    peer, socket = await join(io)
    waiting = asyncio.ensure_future(socket.emit_with_ack("ask"))
    assert await peer.receive() == '420["ask"]'
    for _ in range(20):
        await pass_time(20)
        await peer.send("3")
    assert not waiting.done()
    await peer.send("430[1]")
    assert await waiting == 1


async def test_timeout_of_zero_seconds_fails_at_once_but_sends(io, join):
    peer, socket = await join(io)
    with pytest.raises(TimeoutError):
        await socket.timeout(0).emit_with_ack("ask")
    assert await peer.receive() == '420["ask"]'


@pytest.mark.parametrize("way", ["packet", "cut", "server"])
async def test_client_that_goes_before_it_answers_is_a_disconnectederror(io, join, way):
    peer, socket = await join(io)
    waiting = asyncio.ensure_future(socket.emit_with_ack("ask"))
    assert await peer.receive() == '420["ask"]'
    if way == "packet":
        await peer.send("41")
    elif way == "cut":
        peer.abort()
    else:
        socket.disconnect()
    with pytest.raises(DisconnectedError, match="the client disconnected before it answered"):
        await waiting


@pytest.mark.fault("an answer is wanted of a client that has gone", "`DisconnectedError` at once")
async def test_client_that_has_gone_already_is_a_disconnectederror(io, join):
    peer, socket = await join(io)
    await peer.send("41")
    await until(lambda: not socket.connected, "the client is gone")
    with pytest.raises(DisconnectedError):
        await socket.emit_with_ack("ask")
    with pytest.raises(DisconnectedError):
        await socket.timeout(1).emit_with_ack("ask")


@pytest.mark.fault(
    "a client goes that owes an answer",
    "its callback is forgotten and never called",
)
async def test_callback_of_a_client_that_goes_is_never_called(io, join):
    """python-socketio and Node."""
    peer, socket = await join(io)
    got = []
    socket.emit("a", ack=lambda *values: got.append(values))
    await peer.send("41")
    await until(lambda: not socket.connected, "the client is gone")
    socket.emit("a", ack=lambda *values: got.append(values))
    await turns()
    assert got == []


@pytest.mark.fault("who waits for a client's answer is cancelled", "the pending ack is forgotten")
async def test_waiting_that_is_cancelled_leaves_nothing_behind(io, join):
    peer, socket = await join(io)
    waiting = asyncio.ensure_future(socket.emit_with_ack("ask"))
    await peer.receive()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert socket.acks == {}
    await peer.send("430[1]")
    socket.emit("still here")
    assert await peer.receive() == '42["still here"]'


async def test_what_cant_be_encoded_is_the_callers_error_and_no_ack_waits(io, join):
    _, socket = await join(io)
    with pytest.raises(TypeError):
        await socket.emit_with_ack("ask", object())
    with pytest.raises(ValueError, match="reserved"):
        await socket.emit_with_ack("disconnect")
    with pytest.raises(ValueError, match="reserved"):
        await socket.timeout(1).emit_with_ack("connect")
    assert not socket.acks


async def test_handler_may_wait_for_its_own_clients_answer(io, join):
    peer, socket = await join(io)

    @socket.on("start")
    async def start():
        return ["got", await socket.timeout(5).emit_with_ack("question")]

    await peer.send('429["start"]')
    assert await peer.receive() == '420["question"]'
    await peer.send('430["answer"]')
    assert await peer.receive() == '439[["got","answer"]]'


def test_errors_of_the_api_are_socketioerrors_and_not_the_builtins():
    assert issubclass(TimeoutError, SocketIOError)
    assert issubclass(DisconnectedError, SocketIOError)

"""AsyncServer: handlers that raise, exception handlers that answer for them, and calls whose client goes."""

from __future__ import annotations

import asyncio

import pytest

import fastsio
from clock_loop import pass_time
from fastsio import exceptions
from harness import until

CLOCK = pytest.mark.asyncio(loop_factories=["clock"])


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


class OwnError(Exception):
    pass


@pytest.fixture(params=["plain", "at once", "later"])
def fails(request, sio):
    """The event "x" raises OwnError with its argument; "y" raises a KeyError."""

    def plain(sid, value=None):
        raise OwnError(value)

    async def at_once(sid, value=None):
        raise OwnError(value)

    async def later(sid, value=None):
        await asyncio.sleep(0)
        raise OwnError(value)

    sio.on("x", {"plain": plain, "at once": at_once, "later": later}[request.param])


async def test_handler_that_raises_is_logged_with_event_namespace_and_sid_and_sends_no_ack(
    sio, join, watch, fails
):
    sio.on("y", lambda sid: "y")
    peer, socket = await join(sio)
    await peer.send('421["x"]', '422["y"]')
    assert await peer.receive() == '432["y"]'
    await until(lambda: watch.errors, "the log line")
    text = watch.expect_error("handler of 'x' in '/' failed", "OwnError")
    assert f"sid={socket.id[:6]}…" in text
    assert socket.id not in text


@pytest.mark.feature("1.6 sync & async handlers")
@pytest.mark.parametrize("is_async", [False, True])
async def test_exception_handler_answers_the_ack(sio, join, fails, is_async):
    got = []

    def answer(exc, event, sid, *args):
        got.append((type(exc), event, sid, args))
        return {"error": str(exc)}

    @sio.exception_handler
    async def later(exc, event, sid, *args):
        await asyncio.sleep(0)
        return answer(exc, event, sid, *args)

    if not is_async:
        assert sio.exception_handler(answer) is answer
    peer, socket = await join(sio)
    await peer.send('421["x","value",2]')
    assert await peer.receive() == '431[{"error":"value"}]'
    assert got == [(OwnError, "x", socket.id, ("value", 2))]
    assert sio.hub.root.handler_errors == 1


@pytest.mark.parametrize(
    ("result", "ack"), [(None, "431[]"), ((1, 2), "431[1,2]"), ([1], "431[[1]]")]
)
async def test_what_the_exception_handler_returns_is_the_ack(sio, join, fails, result, ack):
    sio.exception_handler(OwnError)(lambda exc, event, sid: result)
    peer, _ = await join(sio)
    await peer.send('421["x"]')
    assert await peer.receive() == ack


async def test_exception_handler_is_asked_by_the_class_of_the_exception(sio, join, watch):
    @sio.event
    def x(sid, name):
        raise {"own": OwnError, "key": KeyError, "value": ValueError, "type": TypeError}[name]

    sio.exception_handler(OwnError)(lambda exc, event, sid: "own")
    sio.exception_handler(LookupError, ValueError)(lambda exc, event, sid: "lookup or value")
    peer, _ = await join(sio)
    await peer.send('421["x","own"]', '422["x","key"]', '423["x","value"]', '424["x","type"]')
    assert [await peer.receive() for _ in range(3)] == [
        '431["own"]', '432["lookup or value"]', '433["lookup or value"]',
    ]  # fmt: skip
    await until(lambda: watch.errors, "the log line")
    watch.expect_error("handler of 'x'", "TypeError")


async def test_exception_handler_of_a_namespace_is_for_that_one(sio, join, watch):
    def x(sid):
        raise OwnError

    sio.on("x", x)
    sio.on("x", x, namespace="/n")
    sio.exception_handler(namespace="/n")(lambda exc, event, sid: "n")
    peer, _ = await join(sio)
    await peer.connect("/n")
    await peer.send('421["x"]', '42/n,2["x"]')
    assert await peer.receive() == '43/n,2["n"]'
    watch.expect_error("handler of 'x' in '/'")


async def test_event_without_ack_is_not_answered_but_handled(sio, join, fails):
    got = []
    sio.exception_handler(lambda exc, event, sid: got.append(event))
    sio.on("y", lambda sid: "y")
    peer, _ = await join(sio)
    await peer.send('42["x"]', '421["y"]')
    assert await peer.receive() == '431["y"]'
    await until(lambda: got, "the exception handler")
    assert got == ["x"]


async def test_exception_handler_that_raises_is_logged_with_both(sio, join, watch, fails, caplog):
    @sio.exception_handler
    async def wrong(exc, event, sid):
        raise RuntimeError("the handler's own")

    peer, _ = await join(sio)
    await peer.send('421["x"]')
    await until(lambda: watch.errors, "the log line")
    watch.expect_error("handler of 'x' in '/' failed", "the handler's own")
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert isinstance(record.exc_info[1].__context__, OwnError)


async def test_exception_handler_is_for_disconnect_too(sio, join):
    got = []

    @sio.event
    async def disconnect(sid, reason):
        raise OwnError

    sio.exception_handler(lambda exc, event, sid, *args: got.append((event, args)))
    peer, _ = await join(sio)
    await peer.send("41")
    await until(lambda: got, "the exception handler")
    assert got == [("disconnect", ("client disconnect",))]


async def test_exception_handler_covers_strictly_ordered_handlers(join):
    sio = fastsio.AsyncServer(async_handlers=False)

    @sio.event
    async def x(sid):
        await asyncio.sleep(0)
        raise OwnError

    sio.exception_handler(lambda exc, event, sid: "answer")
    peer, _ = await join(sio)
    await peer.send('421["x"]')
    assert await peer.receive() == '431["answer"]'


def test_what_is_no_exception_handler_is_refused_where_it_is_given(sio):
    with pytest.raises(TypeError, match="takes 2 arguments, it is called with 3"):
        sio.exception_handler(lambda exc, event: None)
    with pytest.raises(TypeError, match="a subclass of Exception"):
        sio.exception_handler(int)(lambda exc, event, sid: None)


# --- calls ----------------------------------------------------------------------------------------


def test_error_of_a_client_that_went_is_what_is_caught_today():
    assert issubclass(exceptions.ClientGoneError, exceptions.DisconnectedError)
    assert issubclass(exceptions.ClientGoneError, exceptions.TimeoutError)
    assert issubclass(exceptions.BadNamespaceError, exceptions.SocketIOError)


@pytest.mark.feature("1.7 ack (server to client)")
@CLOCK
@pytest.mark.parametrize("error", [exceptions.TimeoutError, exceptions.DisconnectedError])
async def test_call_fails_at_once_when_the_client_goes(sio, join, error):
    peer, socket = await join(sio)
    call = asyncio.ensure_future(sio.call("ask", to=socket.id))
    assert await peer.receive() == '420["ask"]'
    await peer.send("41")
    with pytest.raises(error):
        await call


async def test_call_of_a_room_returns_the_first_answer(sio, join):
    peers = []
    for _ in range(3):
        peer, socket = await join(sio)
        await sio.enter_room(socket.id, "r")
        peers.append(peer)
    call = asyncio.ensure_future(sio.call("ask", to="r"))
    for peer in peers:
        assert await peer.receive() == '420["ask"]'
    await peers[0].send("41")  # one that goes is no answer while others may give one
    await turns()
    assert not call.done()
    await peers[2].send('430["third"]')
    assert await call == "third"
    await peers[1].send('430["late"]')
    await sio.emit("x")
    assert await peers[1].receive() == '42["x"]'


async def test_call_of_a_room_fails_when_all_are_gone(sio, join):
    peers = []
    for _ in range(2):
        peer, socket = await join(sio)
        await sio.enter_room(socket.id, "r")
        peers.append(peer)
    call = asyncio.ensure_future(sio.call("ask", to="r"))
    for peer in peers:
        assert await peer.receive() == '420["ask"]'
        await peer.send("41")
    with pytest.raises(exceptions.ClientGoneError):
        await call


@CLOCK
async def test_call_of_a_room_that_does_not_answer_times_out(sio, join):
    _, socket = await join(sio)
    await sio.enter_room(socket.id, "r")
    call = asyncio.ensure_future(sio.call("ask", to="r", timeout=5))
    await turns()
    await pass_time(5.1)
    with pytest.raises(exceptions.TimeoutError) as raised:
        await call
    assert not isinstance(raised.value, exceptions.DisconnectedError)

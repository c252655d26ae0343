"""Middleware in Node's form that is late, fails after next(), or calls it from another thread.

What both forms do when all goes well is in test_namespace.py. Source: Node's Namespace.run().
"""

from __future__ import annotations

import asyncio
import logging
import threading

import pytest

import fastsio
from clock_loop import pass_time
from fastsio.core.errors import ConnectionRefusedError
from fastsio.core.middleware import Next, as_error, make_step
from fastsio.testing import ConnectionRefused, TestClient, TestServer
from harness import until

CLOCK = pytest.mark.asyncio(loop_factories=["clock"])


def test_function_that_needs_more_or_takes_nothing_is_refused_where_it_is_given(io):
    for fn in (lambda a, b, c: None, lambda: None):
        with pytest.raises(TypeError, match=r"a middleware takes \(socket\) or \(socket, next\)"):
            io.use(fn)


def test_function_without_next_is_called_as_it_is():
    def fn(socket, more=1): ...

    assert make_step(fn, 1.0, set(), "socket") is fn


@CLOCK
@pytest.mark.feature("1.5 namespace middleware")
@pytest.mark.fault(
    "a middleware never calls `next`",
    "the client is refused after middleware_timeout, with a warning",
)
async def test_one_that_never_calls_next_is_warned_of_and_the_client_refused_in_time(caplog):
    io = fastsio.IO(middleware_timeout=3)

    @io.use
    def forgetful(socket, next):
        return socket.request.query  # as the sample of a tutorial does

    loop = asyncio.get_running_loop()
    began_at = loop.time()
    with pytest.raises(ConnectionRefused, match="middleware timeout"):
        await TestClient(io, timeout=5).connect()
    assert loop.time() - began_at == pytest.approx(3, abs=0.1)
    assert "forgetful" in caplog.text and "returned without calling next()" in caplog.text
    caplog.clear()
    with pytest.raises(ConnectionRefused, match="middleware timeout"):
        await TestClient(io, timeout=5).connect()
    assert "returned without" not in caplog.text  # once is enough
    assert "did not call next() within 3 s" in caplog.text


@CLOCK
async def test_next_that_comes_within_the_time_admits(io):
    @io.use
    def later(socket, next):
        asyncio.get_running_loop().call_later(9, next)

    async with TestClient(io, timeout=20) as client:
        assert client.is_connected


@CLOCK
async def test_coroutine_that_returns_without_next_is_late_too_but_one_at_work_is_not(io):
    @io.use
    async def works(socket, next):
        await asyncio.sleep(30)
        if "forget" not in socket.handshake.auth:
            next()

    async with TestClient(io, timeout=100) as client:
        assert client.is_connected
    with pytest.raises(ConnectionRefused, match="middleware timeout"):
        await TestClient(io, auth={"forget": 1}, timeout=100).connect()


@CLOCK
async def test_what_a_coroutine_does_after_next_holds_nobody_up(io):
    ended = []

    @io.use
    async def goes_on(socket, next):
        next()
        await asyncio.sleep(5)
        ended.append(socket)

    async with TestServer(io) as server:
        await server.connect()
        assert ended == []
        await pass_time(6)
        assert len(ended) == 1


async def test_coroutine_that_raises_before_next_refuses_and_after_it_is_logged(io, watch):
    @io.use
    async def raises(socket, next):
        if "early" in socket.handshake.auth:
            raise ValueError("too early")
        next()
        raise ValueError("too late")

    with pytest.raises(ConnectionRefused, match="too early"):
        await TestClient(io, auth={"early": True}).connect()
    async with TestClient(io) as client:
        assert client.is_connected
    watch.expect_error("failed after it had called next()", "too late")


async def test_next_may_be_called_in_another_thread(io):
    threads = []

    @io.use
    def in_a_thread(socket, next):
        thread = threading.Thread(target=next, args=(ConnectionRefusedError("no", {"code": 7}),))
        threads.append(thread)
        thread.start()

    with pytest.raises(ConnectionRefused, match="no") as refused:
        await TestClient(io).connect()
    assert refused.value.data == {"code": 7}
    threads[0].join()


@CLOCK
@pytest.mark.feature("1.5 namespace middleware")
async def test_client_that_goes_while_it_waits_for_next_is_never_seen(io, join):
    seen, calls = [], []
    io.use(lambda socket, next: calls.append((socket, next)))
    io.on("connection", seen.append)
    peer = await join.open(io)
    await peer.send("40")
    await until(lambda: calls, "it is asked about")
    await peer.close()
    ((socket, next_),) = calls
    await until(lambda: not socket.session.is_open, "it has gone")
    next_()
    await pass_time(1)
    assert seen == []
    assert not socket.connected
    assert not io.sockets.sockets and not io.sockets.joining


@pytest.mark.parametrize("nothing", [None, False, 0, ""])
def test_what_is_false_in_javascript_is_no_error(nothing):
    assert as_error(nothing) is None


def test_what_next_is_given_becomes_an_exception():
    error = ValueError("x")
    assert as_error(error) is error
    assert isinstance(as_error(KeyError), KeyError)
    assert str(as_error("text")) == "text"


async def test_only_the_first_call_of_next_counts():
    call = Next()
    call(None, True)
    call(ValueError("late"))
    assert call.called.result() == (None, True)


# --- what the log has of a refusal ----------------------------------------------------------------


def by_next(socket, next):
    next(ValueError("not today"))


async def by_next_later(socket, next):
    await asyncio.sleep(0)
    next(ValueError("not today"))


def by_text(socket, next):
    next("not today")


def by_refusal(socket):
    raise ConnectionRefusedError("not today", {"code": 1})


def by_refusal_beside_next(socket, next):
    raise ConnectionRefusedError("not today")


@pytest.mark.parametrize(
    "middleware", [by_next, by_next_later, by_text, by_refusal, by_refusal_beside_next]
)
async def test_a_refusal_that_is_meant_is_a_line_of_info_without_a_traceback(
    io, caplog, middleware
):
    caplog.set_level(logging.INFO, "fastsio.core")
    io.use(middleware)
    with pytest.raises(ConnectionRefused, match="not today"):
        await TestClient(io).connect()
    [record] = [one for one in caplog.records if "not today" in one.getMessage()]
    assert (record.levelno, record.exc_info) == (logging.INFO, None)
    assert "refused in '/'" in record.getMessage()


def mistake(socket):
    raise KeyError("no such thing")


async def mistake_later(socket):
    await asyncio.sleep(0)
    raise KeyError("no such thing")


async def mistake_before_next(socket, next):
    await asyncio.sleep(0)
    raise KeyError("no such thing")


@pytest.mark.parametrize("middleware", [mistake, mistake_later, mistake_before_next])
async def test_what_middleware_raises_by_mistake_keeps_its_traceback(io, caplog, middleware):
    io.use(middleware)
    with pytest.raises(ConnectionRefused, match="no such thing"):
        await TestClient(io).connect()
    [record] = [one for one in caplog.records if "no such thing" in one.getMessage()]
    assert record.levelno == logging.WARNING
    assert record.exc_info is not None
    assert record.exc_info[1].__traceback__ is not None


async def test_a_refusal_s_text_can_t_end_the_line_of_the_log(io, caplog):
    caplog.set_level(logging.INFO, "fastsio.core")
    io.use(lambda socket, next: next(socket.handshake.auth["says"]))
    with pytest.raises(ConnectionRefused):
        await TestClient(io, auth={"says": "a\nb"}).connect()
    [record] = [one for one in caplog.records if "refused" in one.getMessage()]
    assert record.getMessage().endswith(r"a\nb")

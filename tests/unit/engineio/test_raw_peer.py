"""Messages of one client: in which order they are handled, and what happens when that takes too long."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest

from harness import BINARY, CLOSE, TEXT, frame_bytes, until

IN_MEMORY = pytest.mark.asyncio(loop_factories=["asyncio"])
TRANSPORTS = pytest.mark.parametrize("transport", ["polling", "websocket"])


class Gates:
    """Message handlers that begin, and end when they are let: `begun`, `ended`, `open(data)`."""

    def __init__(self, eio: Any) -> None:
        self.begun: list[Any] = []
        self.ended: list[Any] = []
        self._events: dict[Any, asyncio.Event] = {}
        eio.on("message", self.message)

    async def message(self, sid: str, data: Any) -> None:
        self.begun.append(data)
        await self._events.setdefault(data, asyncio.Event()).wait()
        self.ended.append(data)

    def open(self, *data: Any) -> None:
        for one in data:
            self._events.setdefault(one, asyncio.Event()).set()


@IN_MEMORY
@TRANSPORTS
async def test_every_message_is_handled_on_its_own(stage, transport):
    app = await stage()
    gates = Gates(app.eio)
    peer = await app.client(transport)
    await peer.send("4a", "4b", b"c")
    await until(lambda: gates.begun == ["a", "b", b"c"], "all have begun, in their order")
    gates.open(b"c")
    await until(lambda: gates.ended == [b"c"], "the last may be the first to end")
    gates.open("a", "b")
    await until(lambda: len(gates.ended) == 3, "all have ended")
    assert not app.eio.hub.tasks
    await peer.close()


@IN_MEMORY
@TRANSPORTS
async def test_without_async_handlers_one_follows_the_other(stage, transport):
    app = await stage(async_handlers=False)
    gates = Gates(app.eio)
    peer, other = await app.client(transport), await app.client(transport)
    await peer.send("4a", "4b", b"c")
    await other.send("4of another")
    await until(lambda: len(gates.begun) == 2, "one of each client has begun")
    assert sorted(gates.begun) == ["a", "of another"]
    gates.open("a")
    await until(lambda: gates.begun[-1] == "b", "the next begins")
    assert gates.ended == ["a"]
    gates.open("b", b"c", "of another")
    await until(lambda: len(gates.ended) == 4, "all have ended")
    assert [data for data in gates.ended if data != "of another"] == ["a", "b", b"c"]
    await peer.close()
    await other.close()


@IN_MEMORY
async def test_disconnect_handler_waits_for_the_messages_before_it(stage):
    app = await stage(async_handlers=False)
    app.note("disconnect")
    gates = Gates(app.eio)
    peer = await app.client()
    await peer.send("4a", "4b")
    peer.ws.send(CLOSE)
    await until(lambda: not app.server.engine.sessions, "the session has ended")
    assert app.events == []
    gates.open("a", "b")
    await until(lambda: app.events, "the disconnect handler has run")
    assert gates.ended == ["a", "b"]
    await peer.close()


@IN_MEMORY
async def test_failing_handler_ends_nothing(stage, watch):
    app = await stage(async_handlers=False)
    heard = []

    @app.eio.on("message")
    async def message(sid, data):
        if data == "bad now":
            raise RuntimeError("oops now")
        await asyncio.sleep(0)
        if data == "bad later":
            raise RuntimeError("oops later")
        heard.append(data)

    peer = await app.client()
    await peer.send("4bad later", "4bad now", "4good")
    await until(lambda: heard, "the good one is handled")
    watch.expect_error("handler of 'message' failed", "oops later")
    watch.expect_error("handler of 'message' failed", "oops now")
    assert app.eio.hub.messages.handler_errors == 2
    await peer.close()


@IN_MEMORY
async def test_cancelled_handler_is_no_failure_and_the_next_follows(stage):
    app = await stage(async_handlers=False)
    heard = []

    @app.eio.on("message")
    async def message(sid, data):
        heard.append(data)
        if data == "a":
            await asyncio.sleep(0)
            raise asyncio.CancelledError
        if data == "b":
            raise asyncio.CancelledError

    peer = await app.client()
    await peer.send("4a", "4b", "4c")
    await until(lambda: heard == ["a", "b", "c"], "all were handled")
    assert app.eio.hub.messages.handler_errors == 0
    await peer.close()


@IN_MEMORY
async def test_messages_that_are_too_many_are_read_later_and_none_is_lost(stage):
    app = await stage(async_handlers=False, max_waiting_events=8)
    gates = Gates(app.eio)
    peer = await app.client()
    (session,) = app.server.engine.sessions.values()
    names = [f"a{n}" for n in range(20)]
    for name in names:
        await peer.send(f"4{name}")
    await until(lambda: session.flow is not None and session.flow.is_paused, "not read")
    gates.open(*names)
    await until(lambda: gates.ended == names, "all are handled, in order")
    assert not session.flow.is_paused
    await peer.close()


@IN_MEMORY
async def test_messages_that_pile_up_in_number_end_the_session(stage, caplog):
    app = await stage(async_handlers=False, max_waiting_events=8)
    gates = Gates(app.eio)
    peer = await app.client("polling")
    await peer.post(b"\x1e".join(b"4a%d" % n for n in range(20)))
    await until(lambda: not app.server.engine.sessions, "the session has ended")
    assert "over 8 messages wait for its message handler (max_waiting_events)" in caplog.text
    gates.open(*(f"a{n}" for n in range(20)))


@IN_MEMORY
async def test_messages_that_pile_up_end_the_session(stage, caplog):
    app = await stage(async_handlers=False, max_buffered_bytes=1000)
    app.note("disconnect")
    gates = Gates(app.eio)
    peer = await app.client()
    await peer.send("4a")
    for n in range(5):
        await peer.send("4" + str(n) * 300)
    await until(lambda: not app.server.engine.sessions, "the session has ended")
    assert "wait for its message handler (max_buffered_bytes)" in caplog.text
    gates.open("a", *(str(n) * 300 for n in range(5)))
    await until(lambda: app.events, "what had come is handled, and then its end")
    assert app.events == [("disconnect", "transport error")]
    assert gates.ended[0] == "a"
    await peer.close()


@IN_MEMORY
async def test_plain_function_may_return_an_awaitable(stage):
    app = await stage()
    heard = []
    app.eio.on("message", lambda sid, data: asyncio.ensure_future(note(data)))

    async def note(data):
        await asyncio.sleep(0)
        heard.append(data)

    peer = await app.client()
    await peer.send("4a")
    await until(lambda: heard == ["a"], "it was awaited")
    await peer.close()


@IN_MEMORY
async def test_message_without_a_handler_is_dropped(stage):
    app = await stage()
    peer = await app.client()
    await peer.send("4a", b"b")
    app.note("message")
    await peer.send("4c")
    await until(lambda: app.events, "the handler that came later is called")
    assert app.events[-1] == ("message", "c")
    await peer.close()


@IN_MEMORY
async def test_two_hundred_messages_in_one_post_are_handled_in_order(stage):
    """python-engineio's server refuses more than 16."""
    app = await stage()
    app.note("message")
    peer = await app.client("polling")
    await peer.send(*(f"4m{n}" for n in range(200)))
    assert app.events == [("message", f"m{n}") for n in range(200)]
    await peer.close()


@pytest.mark.parametrize("is_coroutine", [False, True])
async def test_message_runs_no_python_frame_but_the_handlers(stage, is_coroutine):
    app = await stage()

    def message(sid, data):
        pass

    async def later(sid, data):
        pass

    app.eio.on("message", later if is_coroutine else message)
    peer = await app.client()
    (conn,) = app.server.connections
    calls = []

    def profile(frame, event, _arg):
        if event == "call":
            calls.append(frame.f_code.co_name)

    frames = [
        frame_bytes(TEXT, b"4text"),
        frame_bytes(TEXT, b'4{"a":1}'),
        frame_bytes(BINARY, b"x"),
    ]
    conn.data_received(frames[0])  # so that a task is prepared
    sys.setprofile(profile)
    try:
        for frame in frames:
            conn.data_received(frame)
    finally:
        sys.setprofile(None)
    assert calls == ["later" if is_coroutine else "message"] * 3
    await peer.close()


@IN_MEMORY
@pytest.mark.fault(
    "message handlers of a raw engineio client hang and it sends on",
    "past max_running_events messages wait, past max_waiting_events it is not read; none is lost",
)
async def test_messages_wait_where_as_many_handlers_as_may_have_not_ended(stage):
    app = await stage(max_running_events=3, max_waiting_events=8)
    gates = Gates(app.eio)
    peer = await app.client()
    (session,) = app.server.engine.sessions.values()
    names = [f"a{n}" for n in range(20)]
    for name in names:
        await peer.send(f"4{name}")
    await until(lambda: session.flow is not None and session.flow.is_paused, "not read")
    assert len(app.eio.hub.tasks) == 3
    gates.open(*names)
    await until(lambda: sorted(gates.ended) == sorted(names), "all are handled")
    assert not session.flow.is_paused
    await peer.close()


@IN_MEMORY
async def test_client_that_goes_while_messages_wait_for_handlers_has_one_end(stage):
    app = await stage(max_running_events=2)
    app.note("disconnect")
    gates = Gates(app.eio)
    peer = await app.client()
    for n in range(5):
        await peer.send(f"4a{n}")
    await until(lambda: len(app.eio.hub.tasks) == 2, "two are at work")
    await peer.close()
    gates.open(*(f"a{n}" for n in range(5)))
    await until(lambda: len(gates.ended) == 5 and not app.eio.hub.peers, "all are handled")
    assert [name for name, *_ in app.events] == ["disconnect"]

"""fastsio._dispatch: from a packet's text to the handler and back to the ack, without a transport."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest

from fastsio._dispatch import Handler, NamespaceBase, SocketBase
from fastsio._fanout import Flusher, Outlet, SessionBase
from fastsio._json import Json
from fastsio._peer import PeerBase
from fastsio.core.emitter import Emitter
from fastsio.core.handlers import PREFIX_EVENT, PREFIX_SID

WITH_NAMESPACE = 2


class Sink(Outlet):
    """Keeps what it is given; nothing is ever flushed."""

    def __init__(self) -> None:
        self.set_flusher(Flusher(lambda call: None))
        self.max_buffered_bytes = 1 << 20
        self.is_writable = True

    @property
    def texts(self) -> list[bytes]:
        return [encoded.text for encoded in self.queue]


class Peer(PeerBase):
    """Notes what can't be decoded; all else of it is in test_peer.py."""

    def __init__(self, session: SessionBase, json: Json) -> None:
        self.errors: list[Exception] = []

    def malformed(self, error: Exception) -> None:
        self.errors.append(error)


class Socket(Emitter, SocketBase):
    """Has listeners."""

    __slots__ = ()


class World:
    """One peer with a socket in "/" and one in "/chat"."""

    def __init__(self, json: Json | None = None) -> None:
        session = SessionBase()
        session.outlet = self.outlet = Sink()
        json = json or Json()
        self.peer = Peer(session, json)
        self.tasks: set[asyncio.Task[Any]] = set()
        self.sockets = []
        for name in ("/", "/chat"):
            socket = Socket(f"sid-of-{name}", session, NamespaceBase(name, json, self.tasks))
            socket.is_connected = True
            self.peer.attach(socket)
            self.sockets.append(socket)
        self.root, self.chat = self.sockets

    def on(self, event: str, fn: Any, prefix: int = PREFIX_SID, **how: Any) -> None:
        self.root.namespace.handlers[event] = Handler(fn, prefix=prefix, **how)

    def listen(self, event: str, *fns: Any, **how: Any) -> None:
        self.root.by_event = {event: tuple(Handler(fn, **how) for fn in fns)}

    def text(self, data: bytes) -> list[bytes]:
        """Feed one packet; the Engine.IO packets that came of it."""
        self.peer.receive_text(data)
        return [encoded.text for encoded in self.outlet.take_queue()]


@pytest.fixture
def world() -> World:
    return World()


def test_a_handler_gets_the_sid_and_the_arguments_and_its_result_is_the_ack(world):
    world.on("add", lambda sid, a, b: [sid, a + b])
    assert world.text(b'25["add",1,2]') == [b'435[["sid-of-/",3]]']


@pytest.mark.parametrize(
    ("result", "ack"),
    [
        (None, b"431[]"),
        ((1, "b"), b'431[1,"b"]'),
        ([1], b"431[[1]]"),
        (0, b"431[0]"),
        ((), b"431[]"),
    ],
)
def test_none_is_no_value_and_a_tuple_several(world, result, ack):
    world.on("x", lambda sid: result)
    assert world.text(b'21["x"]') == [ack]


def test_an_event_without_id_is_not_answered(world):
    world.on("x", lambda sid: "unwanted")
    assert world.text(b'2["x"]') == []


def test_an_event_that_nobody_handles_is_not_answered(world):
    assert world.text(b'21["x"]') == []


@pytest.mark.parametrize(
    ("prefix", "before"),
    [
        (0, []),
        (PREFIX_SID, ["sid-of-/"]),
        (PREFIX_EVENT | PREFIX_SID, ["x", "sid-of-/"]),
        (PREFIX_EVENT | WITH_NAMESPACE | PREFIX_SID, ["x", "/", "sid-of-/"]),
    ],
)
@pytest.mark.parametrize("count", [0, 1, 12, 13, 40])
def test_what_precedes_the_arguments_is_as_the_handler_asks(world, prefix, before, count):
    got: list[Any] = []
    world.on("x", lambda *args: got.extend(args), prefix)
    numbers = list(range(count))
    world.peer.receive_text(b"2" + Json().dumps(["x", *numbers]))
    assert got == before + numbers


def test_more_arguments_than_a_handler_takes_are_cut_off(world):
    world.on("x", lambda sid, a: a, max_args=1)
    assert world.text(b'21["x",1,2,3]') == [b"431[1]"]


def test_fewer_arguments_than_it_needs_are_an_error_of_the_handler(world, caplog):
    world.on("x", lambda sid, a: a)
    with caplog.at_level(logging.ERROR, "fastsio.core"):
        assert world.text(b'21["x"]') == []
    assert "'x' in '/'" in caplog.text
    assert world.root.namespace.handler_errors == 1


@pytest.mark.fault(
    "a handler raises",
    "logged with event, namespace and six characters of the sid, counted, not answered",
)
def test_what_a_handler_raises_is_logged_counted_and_not_answered(world, caplog):
    def fail(sid):
        raise RuntimeError("broken on purpose")

    world.on("x", fail)
    with caplog.at_level(logging.ERROR, "fastsio.core"):
        assert world.text(b'21["x"]') == []
    assert "broken on purpose" in caplog.text
    assert "sid-of-/" not in caplog.text, "a whole sid is never logged"
    assert world.peer.errors == []


@pytest.mark.fault(
    "a handler returns what JSON can't hold",
    "logged as the handler's error, the connection stays",
)
def test_a_result_that_json_can_not_hold_is_an_error_of_the_handler(world, caplog):
    world.on("x", lambda sid: object())
    with caplog.at_level(logging.ERROR, "fastsio.core"):
        assert world.text(b'21["x"]') == []
    assert "not JSON serializable" in caplog.text


def test_an_ack_that_the_json_module_can_not_write_closes_nothing(caplog):
    class Broken:
        @staticmethod
        def dumps(value):
            if value:
                raise RuntimeError("the module is broken")
            return "[]"

        loads = staticmethod(json.loads)

    world = World(Json(Broken))
    world.on("x", lambda sid: "answer")
    with caplog.at_level(logging.ERROR, "fastsio.core"):
        assert world.text(b'21["x"]') == []
    assert "the module is broken" in caplog.text
    assert world.peer.errors == []


def test_the_fallback_handles_what_has_no_handler(world):
    world.root.namespace.fallback = Handler(
        lambda event, sid, a: [event, a], prefix=PREFIX_EVENT | PREFIX_SID
    )
    world.on("known", lambda sid: "known")
    assert world.text(b'21["other",5]') == [b'431[["other",5]]']
    assert world.text(b'22["known"]') == [b'432["known"]']


# --- listeners of a socket ---------------------------------------------------------------------


def test_a_listeners_result_is_the_ack(world):
    world.listen("x", lambda a: a + 1)
    assert world.text(b'21["x",1]') == [b"431[2]"]


def test_of_several_listeners_the_first_result_that_is_not_none_is_the_ack(world):
    calls = []
    world.listen("x", lambda: calls.append(1), lambda: "second", lambda: calls.append(3) or "third")
    assert world.text(b'21["x"]') == [b'431["second"]']
    assert calls == [1, 3]


def test_a_namespace_handler_runs_before_the_listeners(world):
    calls = []
    world.on("x", lambda sid: calls.append("handler"))
    world.listen("x", lambda: calls.append("listener"))
    assert world.text(b'21["x"]') == [b"431[]"]
    assert calls == ["handler", "listener"]


def test_a_listener_with_ack_answers_by_calling_it_and_only_once(world):
    def listener(value, ack):
        assert ack
        ack(value, "more")
        assert not ack
        ack("again")
        return "ignored"

    world.listen("x", listener, max_args=1, takes_ack=True)
    assert world.text(b'21["x",5]') == [b'431[5,"more"]']


def test_an_ack_that_nobody_asked_for_is_false_and_does_nothing(world):
    seen = []

    def listener(ack):
        seen.append(bool(ack))
        ack("x")

    world.listen("x", listener, max_args=0, takes_ack=True)
    assert world.text(b'2["x"]') == []
    assert seen == [False]


def test_with_an_ack_parameter_somewhere_the_results_of_the_others_are_no_answer(world):
    acks = []
    world.root.by_event = {
        "x": (
            Handler(lambda: "result"),
            Handler(lambda ack: acks.append(ack), max_args=0, takes_ack=True),
        )
    }
    assert world.text(b'21["x"]') == []
    acks[0]("late")
    assert world.outlet.texts == [b'431["late"]']


def test_once_is_once(world):
    world.listen("x", lambda: "answer", once=True)
    assert world.text(b'21["x"]') == [b'431["answer"]']
    assert world.text(b'22["x"]') == []
    assert world.root.by_event == {}


# --- coroutines --------------------------------------------------------------------------------


async def test_a_coroutine_that_does_not_suspend_answers_at_once(world):
    async def handler(sid, value):
        assert asyncio.current_task() is not None
        return value

    world.on("x", handler)
    assert world.text(b'21["x",1]') == [b"431[1]"]
    assert world.tasks == set()


async def test_a_coroutine_that_suspends_answers_when_it_ends_and_is_kept_until_then(world):
    gate = asyncio.Event()

    async def handler(sid):
        await gate.wait()
        return "late"

    world.on("x", handler)
    assert world.text(b'21["x"]') == []
    (task,) = world.tasks
    gate.set()
    await task
    await asyncio.sleep(0)
    assert world.outlet.texts == [b'431["late"]']
    assert world.tasks == set()


async def test_events_start_in_their_order_though_coroutines_suspend(world):
    order = []
    gate = asyncio.Event()

    async def handler(sid, number):
        order.append(number)
        await gate.wait()

    world.on("x", handler)
    for number in range(5):
        world.peer.receive_text(b'2["x",%d]' % number)
    assert order == [0, 1, 2, 3, 4]
    gate.set()
    await asyncio.gather(*world.tasks)


async def test_a_coroutine_that_raises_after_suspending_is_logged_and_not_answered(world, caplog):
    async def handler(sid):
        await asyncio.sleep(0)
        raise RuntimeError("late and broken")

    world.on("x", handler)
    with caplog.at_level(logging.ERROR, "fastsio.core"):
        world.text(b'21["x"]')
        await asyncio.gather(*world.tasks, return_exceptions=True)
        await asyncio.sleep(0)
    assert "late and broken" in caplog.text
    assert world.outlet.texts == []


async def test_a_plain_function_that_returns_a_coroutine_is_awaited(world):
    async def answer():
        return 5

    world.on("x", lambda sid: answer())
    assert world.text(b'21["x"]') == [b"431[5]"]


async def test_any_awaitable_that_a_handler_returns_is_awaited(world):
    class Answer:
        def __await__(self):
            yield from asyncio.sleep(0).__await__()
            return "awaited"

    future = asyncio.get_running_loop().create_future()
    world.on("future", lambda sid: future)
    world.on("own", lambda sid: Answer())
    assert world.text(b'21["future"]') == []
    assert world.text(b'22["own"]') == []
    future.set_result("done")
    await asyncio.gather(*world.tasks)
    await asyncio.sleep(0)
    assert sorted(world.outlet.texts) == [b'431["done"]', b'432["awaited"]']


@pytest.mark.fault("a handler is cancelled", "not answered, nothing else happens")
async def test_a_cancelled_handler_is_not_answered(world):
    async def handler(sid):
        await asyncio.Event().wait()

    world.on("x", handler)
    world.text(b'21["x"]')
    (task,) = world.tasks
    task.cancel()
    await asyncio.wait([task])
    await asyncio.sleep(0)
    assert (world.outlet.texts, world.tasks) == ([], set())


# --- acks, binary, control ---------------------------------------------------------------------


class Pending:
    def __init__(self) -> None:
        self.answers: list[Any] = []

    def resolve(self, args: list[Any]) -> None:
        self.answers.append(args)


def test_an_ack_resolves_what_waits_for_it_once(world):
    pending = Pending()
    world.root.acks = {3: pending}
    world.peer.receive_text(b'33["a",1]')
    world.peer.receive_text(b'33["again"]')
    world.peer.receive_text(b"399[]")
    assert pending.answers == [["a", 1]]
    assert world.peer.errors == []


def test_a_disconnected_socket_does_not_answer(world):
    def leave(sid):
        world.root.is_connected = False
        return "too late"

    world.on("x", leave)
    assert world.text(b'21["x"]') == []

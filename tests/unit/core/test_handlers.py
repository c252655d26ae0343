"""Users' functions as handlers: what is read from a signature, what is refused, how they are called."""

from __future__ import annotations

import asyncio
import functools

import pytest

from fastsio.core.handlers import (
    PREFIX_EVENT,
    PREFIX_NONE,
    PREFIX_SID,
    check_event_name,
    make_handler,
    positional_count,
)
from harness import until


def nothing(): ...
def one(a): ...
def two_with_default(a, b=1): ...
def many(*args): ...
def one_and_many(a, *args): ...
def keyword_only(a, *, b=1): ...
def keywords(a, **kwargs): ...
def positional_only(a, /, b): ...


class Callable:
    def __call__(self, a, b): ...
    def method(self, a): ...

    @staticmethod
    def static(a, b, c): ...

    @classmethod
    def of_class(cls, a): ...


@pytest.mark.parametrize(
    ("fn", "needed_and_taken"),
    [
        (nothing, (0, 0)),
        (one, (1, 1)),
        (two_with_default, (1, 2)),
        (many, (0, -1)),
        (one_and_many, (1, -1)),
        (keyword_only, (1, 1)),
        (keywords, (1, 1)),
        (positional_only, (2, 2)),
        (Callable(), (2, 2)),
        (Callable().method, (1, 1)),
        (Callable.static, (3, 3)),
        (Callable.of_class, (1, 1)),
        (functools.partial(two_with_default, 1), (0, 1)),
        (lambda a, b, c: None, (3, 3)),
        (print, (0, -1)),
        (max, (0, -1)),  # a builtin that has no signature takes everything
    ],
)
def test_positional_arguments_are_counted(fn, needed_and_taken):
    assert positional_count(fn) == needed_and_taken


@pytest.mark.parametrize("fn", [None, 42, "handler"])
def test_what_cant_be_called_is_refused(fn):
    with pytest.raises(TypeError, match=f"{fn!r} is not callable"):
        make_handler(fn)


@pytest.mark.parametrize(
    ("fn", "prefix", "max_args"),
    [
        (nothing, PREFIX_NONE, 0),
        (two_with_default, PREFIX_NONE, 2),
        (many, PREFIX_NONE, -1),
        (one, PREFIX_SID, 0),
        (two_with_default, PREFIX_SID, 1),
        (one_and_many, PREFIX_SID, -1),
        (many, PREFIX_SID | PREFIX_EVENT, -1),
        (positional_only, PREFIX_SID | PREFIX_EVENT, 0),
        (keyword_only, PREFIX_SID, 0),
    ],
)
def test_handler_takes_as_many_arguments_as_its_signature_leaves(fn, prefix, max_args):
    handler = make_handler(fn, prefix)
    assert (handler.fn, handler.prefix, handler.max_args) == (fn, prefix, max_args)
    assert not handler.takes_ack
    assert not handler.once


@pytest.mark.parametrize(
    ("fn", "prefix", "message"),
    [
        (nothing, PREFIX_SID, "'nothing' takes 0 arguments, it is called with 1"),
        (nothing, PREFIX_SID | PREFIX_EVENT, "'nothing' takes 0 arguments, it is called with 2"),
        (one, PREFIX_SID | PREFIX_EVENT, "'one' takes 1 arguments, it is called with 2"),
        (
            Callable().method, PREFIX_SID | PREFIX_EVENT,
            "'Callable.method' takes 1 arguments, it is called with 2",
        ),
    ],
)  # fmt: skip
def test_function_that_cant_take_what_comes_first_is_refused_when_it_is_registered(
    fn, prefix, message
):
    with pytest.raises(TypeError) as refused:
        make_handler(fn, prefix)
    assert str(refused.value) == message


def ack_last(a, ack): ...
def ack_alone(ack): ...
def ack_keyword(a, b, *, ack): ...
def ack_optional(a, ack=None): ...
def ack_behind_many(*args, ack): ...
def ack_positional_only(ack, /): ...
def acknowledge(a, acknowledgement): ...


@pytest.mark.parametrize(
    ("fn", "takes_ack", "max_args"),
    [
        (ack_last, True, 1),
        (ack_alone, True, 0),
        (ack_keyword, True, 2),
        (ack_optional, True, 1),
        (ack_behind_many, True, -1),
        (ack_positional_only, False, 1),
        (acknowledge, False, 2),
    ],
)
def test_parameter_named_ack_is_no_argument_of_the_event(fn, takes_ack, max_args):
    handler = make_handler(fn)
    assert (handler.takes_ack, handler.max_args) == (takes_ack, max_args)


def test_handler_for_one_call_says_so():
    assert make_handler(one, once=True).once


@pytest.mark.parametrize(
    "event", ["chat", "", "message", "connection", "error", "*", 5, 1.5, "\x1e"]
)
def test_event_may_be_any_string_or_number(event):
    check_event_name(event)


@pytest.mark.parametrize(
    "event",
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"],
)
def test_reserved_event_name_is_a_valueerror(event):
    """socketio.md 4: the clients' parsers refuse them."""
    with pytest.raises(ValueError, match=f'"{event}" is a reserved event name'):
        check_event_name(event)


@pytest.mark.parametrize("event", [None, True, b"chat", ["chat"], {"a": 1}, ("a",)])
def test_event_name_that_is_no_string_or_number_is_a_typeerror(event):
    with pytest.raises(TypeError, match="a string or a number"):
        check_event_name(event)


# --- how they are called --------------------------------------------------------------------------


async def ask(peer, *packets: str) -> list:
    """The answers to as many packets as ask for one."""
    await peer.send(*packets)
    return [await peer.receive() for packet in packets if packet[2:3].isdigit()]


async def test_arguments_that_a_listener_does_not_take_are_dropped_as_in_javascript(io, join):
    peer, socket = await join(io)
    socket.on("none", lambda: "none")
    socket.on("one", lambda a: a)
    socket.on("two", lambda a, b=9: (a, b))
    socket.on("all", lambda *args: len(args))
    assert await ask(
        peer, '420["none",1,2]', '421["one",1,2]', '422["two",1]', '423["two",1,2,3]',
        '424["all",1,2,3]',
    ) == ['430["none"]', "431[1]", "432[1,9]", "433[1,2]", "434[3]"]  # fmt: skip


async def test_call_with_too_few_arguments_is_logged_and_harms_nobody(io, join, watch):
    peer, socket = await join(io)
    socket.on("two", lambda a, b: None)
    socket.on("ok", lambda: "ok")
    assert await ask(peer, '42["two",1]', '421["ok"]') == ['431["ok"]']
    watch.expect_error("handler of 'two' in '/' failed", "missing 1 required positional argument")
    assert socket.nsp.handler_errors == 1


@pytest.mark.parametrize("count", [11, 12, 13, 50])
async def test_event_may_have_any_number_of_arguments(io, join, count):
    peer, socket = await join(io)
    values = ",".join(map(str, range(count)))
    socket.on("many", lambda *args: args)
    socket.on("first", lambda a: a)

    @socket.on("ack")
    def with_ack(*args, ack):
        ack(*args)

    assert await ask(
        peer, f'420["many",{values}]', f'421["first",{values}]', f'422["ack",{values}]'
    ) == [f"430[{values}]", "431[0]", f"432[{values}]"]  # fmt: skip


async def test_listener_with_ack_answers_by_calling_it_and_its_result_is_none(io, join):
    peer, socket = await join(io)

    @socket.on("x")
    def x(value, ack):
        ack(value, "and more")
        return "ignored"

    assert await ask(peer, '427["x",1,2,3]') == ['437[1,"and more"]']


async def test_ack_may_be_called_later_and_only_the_first_call_counts(io, join):
    peer, socket = await join(io)
    acks = []
    socket.on("x", lambda ack: acks.append(ack))
    await peer.send('423["x"]')
    await peer.send('424["x"]')
    await until(lambda: len(acks) == 2, "the handlers have run")
    assert bool(acks[0])
    acks[1]()
    acks[0]("first")
    acks[0]("second")
    assert not acks[0]
    socket.emit("end")
    assert [await peer.receive() for _ in range(3)] == ["434[]", '433["first"]', '42["end"]']


async def test_ack_that_nobody_asked_for_is_false_and_does_nothing(io, join):
    peer, socket = await join(io)
    seen = []

    @socket.on("x")
    def x(ack):
        seen.append(bool(ack))
        ack("nobody wants this")

    await peer.send('42["x"]', '421["x"]')
    assert await peer.receive() == '431["nobody wants this"]'
    assert seen == [False, True]


async def test_ack_after_the_client_has_gone_does_nothing(io, join):
    peer, socket = await join(io)
    acks = []
    socket.on("x", lambda ack: acks.append(ack))
    await peer.send('421["x"]', "41")
    await until(lambda: not socket.connected, "the client is gone")
    acks[0]("too late")


@pytest.mark.parametrize("value", [object(), {1, 2}, 1j])
async def test_result_that_json_cant_hold_is_logged_and_harms_nobody(io, join, watch, value):
    peer, socket = await join(io)
    socket.on("bad", lambda: value)
    socket.on("ok", lambda: "ok")
    assert await ask(peer, '42["bad"]', '421["ok"]') == ['431["ok"]']
    await peer.send('422["bad"]', '423["ok"]')
    assert await peer.receive() == '433["ok"]'
    watch.expect_error("handler of '(ack)' in '/' failed")


async def test_coroutine_with_ack_may_answer_before_it_ends(io, join):
    peer, socket = await join(io)
    release = asyncio.Event()

    @socket.on("x")
    async def x(value, ack):
        ack(value)
        await release.wait()
        socket.emit("done")

    assert await ask(peer, '420["x",5]') == ["430[5]"]
    release.set()
    assert await peer.receive() == '42["done"]'


@pytest.mark.parametrize(
    ("result", "answer"),
    [
        (None, "430[]"),
        (0, "430[0]"),
        (False, "430[false]"),
        ("", '430[""]'),
        ([1, 2], "430[[1,2]]"),
        ((1, 2), "430[1,2]"),
        ((), "430[]"),
        ((None,), "430[null]"),
        ({"a": 1}, '430[{"a":1}]'),
    ],
)
@pytest.mark.parametrize("is_async", [False, True])
async def test_result_is_the_answer(io, join, result, answer, is_async):
    """None is no value, a tuple several, anything else one."""
    peer, socket = await join(io)

    async def later():
        await asyncio.sleep(0)
        return result

    socket.on("x", later if is_async else lambda: result)
    assert await ask(peer, '420["x"]') == [answer]


async def test_binary_result_comes_with_its_attachment(io, join):
    peer, socket = await join(io)
    socket.on("x", lambda data: data[::-1])
    await peer.send('451-3["x",{"_placeholder":true,"num":0}]', b"\x01\x02")
    assert await peer.receive() == '461-3[{"_placeholder":true,"num":0}]'
    assert await peer.receive() == b"\x02\x01"


@pytest.mark.parametrize("is_async", [False, True])
async def test_exception_of_a_listener_is_logged_counted_and_harms_nobody(
    io, join, watch, is_async
):
    peer, socket = await join(io)

    async def later():
        await asyncio.sleep(0)
        raise RuntimeError("on purpose")

    def at_once():
        raise RuntimeError("on purpose")

    socket.on("bad", later if is_async else at_once)
    socket.on("ok", lambda: "ok")
    await peer.send('420["bad"]', '421["ok"]')
    assert await peer.receive() == '431["ok"]'
    await until(lambda: watch.errors, "the failure is logged")
    watch.expect_error("handler of 'bad' in '/' failed", "on purpose", f"sid={socket.id[:6]}")
    assert io.sockets.handler_errors == 1
    socket.emit("end")
    assert await peer.receive() == '42["end"]'


async def test_events_start_in_the_order_in_which_they_came(io, join):
    peer, socket = await join(io)
    log = []

    @socket.on("slow")
    async def slow(n):
        log.append(("begin", n))
        for _ in range(5 - n):
            await asyncio.sleep(0)
        log.append(("end", n))

    await peer.send(*[f'42["slow",{n}]' for n in range(5)])
    await until(lambda: len(log) == 10, "the handlers have run")
    assert [n for step, n in log if step == "begin"] == list(range(5))

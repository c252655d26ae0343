"""The watchdog: a blocked loop is told, by whom and for how long; a loop that runs, or is stopped, is not.

The blocks are real ones, of tenths of a second: what looks at them is another thread.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import re
import threading
import time
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from fastsio import watchdog as module
from fastsio.watchdog import Watchdog, calls_of, culprit_of, handler_of, stack_of
from harness import MS, until

LIMIT_S = 40 * MS


def ask_database(seconds: float) -> None:
    time.sleep(seconds)


def on_message(seconds: float) -> None:
    """What an application's handler may look like."""
    ask_database(seconds)


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Any:
    caplog.set_level(logging.WARNING, "fastsio.watchdog")
    return lambda: [record.getMessage() for record in caplog.records]


@pytest.fixture
def watching() -> Iterator[Any]:
    """`dog = watching(limit_s)`, stopped at the end."""
    dogs: list[Watchdog] = []

    def start(limit_s: float = LIMIT_S) -> Watchdog:
        dogs.append(Watchdog(asyncio.get_running_loop(), limit_s))
        return dogs[-1]

    yield start
    for dog in dogs:
        dog.stop()


async def settled(dog: Watchdog) -> None:
    """The loop has answered a question of the watchdog, so that it knows the stack."""
    await until(lambda: dog._depth, "an answer")


@pytest.mark.fault(
    "a handler blocks the event loop", "a log line names it, its file and line, and how long"
)
@pytest.mark.parametrize("kind", ["callback", "task"])
async def test_who_blocks_the_loop_is_named_with_file_and_line(watching, lines, kind):
    dog = watching()
    await settled(dog)

    async def handler() -> None:
        on_message(4 * LIMIT_S)

    if kind == "task":
        await asyncio.ensure_future(handler())
    else:
        asyncio.get_running_loop().call_soon(on_message, 4 * LIMIT_S)
    await until(lambda: len(lines()) == 2, "both lines")
    name = r"\S*handler" if kind == "task" else "on_message"
    first, last = lines()
    assert re.match(
        rf"the event loop has been blocked for 0\.\d s, and no client is served: by {name}"
        rf" \(\S+test_watchdog\.py:\d+\), in ask_database \(\S+test_watchdog\.py:\d+\)\n",
        first,
    )
    assert first.splitlines()[-1].lstrip().startswith("ask_database ")
    assert re.match(rf"the event loop goes on after 0\.\d s: by {name} ", last)
    assert dog.blocks == 1


async def test_how_long_it_was_is_right_to_the_limit(watching, lines):
    dog = watching()
    await settled(dog)
    on_message(10 * LIMIT_S)
    await until(lambda: len(lines()) == 2, "both lines")
    told_s = float(re.findall(r"after (\d+\.\d) s", lines()[1])[0])
    assert 10 * LIMIT_S - LIMIT_S - 0.06 <= told_s <= 10 * LIMIT_S + 0.15


async def test_a_loop_that_serves_is_not_reported(watching, lines):
    dog = watching()
    await settled(dog)
    for _ in range(40):
        ask_database(LIMIT_S / 8)
        await asyncio.sleep(0)
    assert (dog.blocks, lines()) == (0, [])


async def test_blocks_by_one_handler_are_counted_and_told_once_in_ten_seconds(watching, lines):
    dog = watching(20 * MS)
    await settled(dog)
    for n in range(1, 4):
        on_message(100 * MS)
        await until(lambda n=n: dog.blocks == n, f"block {n}")
        await asyncio.sleep(40 * MS)
    assert len(lines()) == 2


async def test_what_blocks_without_python_code_is_told_too(watching, lines):
    dog = watching()
    await settled(dog)
    asyncio.get_running_loop().call_soon(time.sleep, 4 * LIMIT_S)
    await until(lambda: len(lines()) == 2, "both lines")
    # uvloop runs it without any Python around it, asyncio from its own.
    assert "compiled code" in lines()[0] or "asyncio" in lines()[0]


async def test_a_stopped_watchdog_says_nothing_and_its_thread_ends(watching, lines):
    dog = watching()
    await settled(dog)
    dog.stop()
    on_message(3 * LIMIT_S)
    await until(lambda: not dog._thread.is_alive(), "the thread's end")
    assert lines() == []


def run_once(factory: Any) -> tuple[Any, Watchdog]:
    loop = factory()
    dog = loop.run_until_complete(_make(loop))
    return loop, dog


async def _make(loop: Any) -> Watchdog:
    dog = Watchdog(loop, LIMIT_S)
    await settled(dog)
    return dog


def test_a_loop_that_does_not_run_is_not_blocked(lines):
    loop, dog = run_once(asyncio.SelectorEventLoop)
    time.sleep(5 * LIMIT_S)
    assert (dog.blocks, lines()) == (0, [])
    dog.stop()
    loop.close()


@pytest.mark.parametrize("is_asked", [False, True])
def test_the_thread_ends_with_its_loop_even_if_nobody_stops_it(is_asked):
    loop, dog = run_once(asyncio.SelectorEventLoop)
    if is_asked:  # a question that will never be answered
        deadline = time.monotonic() + 5
        while dog._answered.is_set() and time.monotonic() < deadline:
            time.sleep(MS)
    loop.close()
    dog._thread.join(5)
    assert not dog._thread.is_alive()


def test_it_keeps_no_frames_of_what_it_has_seen():
    class Held:
        """Something in a handler's frame."""

    kept: list[Any] = []

    def handler(is_in: threading.Event, may_go: threading.Event) -> None:
        held = Held()
        kept.append(weakref.ref(held))
        is_in.set()
        may_go.wait(5)

    is_in, may_go = threading.Event(), threading.Event()
    thread = threading.Thread(target=handler, args=(is_in, may_go))
    thread.start()
    is_in.wait(5)
    calls = calls_of(thread.ident or 0, 0)
    assert "handler" in stack_of(calls)
    may_go.set()
    thread.join(5)
    gc.collect()
    assert kept[0]() is None


def test_the_handler_is_the_outermost_call_that_is_neither_asyncios_nor_ours():
    def code_in(filename: str, name: str) -> Any:
        space: dict[str, Any] = {}
        exec(compile(f"def {name}(): pass", filename, "exec"), space)
        return space[name].__code__

    plumbing = (code_in(f"{module.PLUMBING[1]}/events.py", "_run"), 1)
    ours = (code_in(f"{module.PACKAGE}/core/peer.py", "join"), 2)
    handler, query = (code_in("/app/chat.py", "on_join"), 3), (code_in("/app/db.py", "query"), 4)
    assert handler_of([plumbing, ours, handler, ours, query]) == handler
    assert (
        culprit_of([plumbing, ours, handler, query])
        == "by on_join (/app/chat.py:3), in query (/app/db.py:4)"
    )
    assert culprit_of([plumbing, handler]) == "by on_join (/app/chat.py:3)"
    assert culprit_of([plumbing, ours]).startswith("by _run ")
    assert "compiled" in culprit_of([])


def test_a_thread_that_has_gone_has_no_calls():
    assert calls_of(1, 0) == []

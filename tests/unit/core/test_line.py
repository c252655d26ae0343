"""Lines: calls one after the other, the next begins when the former has ended."""

from __future__ import annotations

import asyncio

import pytest

from fastsio.core.line import Line


@pytest.fixture
def tasks():
    return set()


@pytest.fixture
def line(watch, tasks):
    return Line(tasks)


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_calls_that_do_not_wait_run_at_once_and_in_order(line, tasks):
    log = []

    async def one(value):
        log.append(value)

    for value in range(3):
        line.add(one, value)
    line.add(log.append, "plain")
    assert log == [0, 1, 2, "plain"]
    assert tasks == set()


async def test_next_call_begins_when_the_former_has_ended(line, tasks):
    log, gates = [], [asyncio.Event() for _ in range(3)]

    async def one(number):
        log.append(f"begin {number}")
        await gates[number].wait()
        log.append(f"end {number}")

    for number in range(3):
        line.add(one, number)
    assert log == ["begin 0"]
    assert len(tasks) == 1
    gates[1].set()
    await turns()
    assert log == ["begin 0"]
    gates[0].set()
    await turns()
    assert log == ["begin 0", "end 0", "begin 1", "end 1", "begin 2"]
    gates[2].set()
    await turns()
    assert log[-1] == "end 2"
    assert tasks == set()


async def test_call_that_is_added_by_a_call_comes_last(line):
    log = []

    async def first():
        line.add(log.append, "third")
        log.append("first")

    line.add(first)
    line.add(log.append, "later")
    assert log == ["first", "third", "later"]


async def test_on_empty_is_called_when_all_that_was_added_has_ended(tasks, watch):
    log, gate = [], asyncio.Event()
    line = Line(tasks, lambda: log.append("empty"))
    line.add(gate.wait)
    line.add(log.append, "second")
    await turns()
    assert log == []
    gate.set()
    await turns()
    assert log == ["second", "empty"]
    line.add(log.append, "third")
    assert log == ["second", "empty", "third", "empty"]


async def test_call_that_awaits_what_was_cancelled_ends_alone(line):
    log = []
    future = asyncio.get_running_loop().create_future()

    async def waits():
        await future

    line.add(waits)
    line.add(log.append, "next")
    future.cancel()
    await turns()
    assert log == ["next"]


async def test_calls_behind_one_that_is_cancelled_with_its_task_have_their_turn(line, tasks):
    """A stop cancels handlers that take too long; the disconnect handlers behind them run all the same."""
    log = []
    line.add(asyncio.Event().wait)
    line.add(log.append, "disconnect")
    (task,) = tasks
    task.cancel()
    await turns()
    assert log == ["disconnect"]
    assert tasks == set()


async def test_error_of_a_call_is_logged_and_the_line_goes_on(line, watch):
    """Calls log their own errors; one that does not is a mistake here, and must not stop a client for good."""
    log = []

    def wrong():
        raise RuntimeError("on purpose")

    line.add(wrong)
    line.add(log.append, "next")
    assert log == ["next"]
    watch.expect_error("calls one after the other failed", "on purpose")

"""The wheel: when entries are called, moved and dropped, under a clock that the tests turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from clock_loop import pass_time
from fastsio._wheel import LATE_S, MAX_TICK_S, MIN_TICK_S, Wheel

pytestmark = pytest.mark.asyncio(loop_factories=["clock"])


class Entry:
    """Notes when it is called; `then` is what on_due() returns."""

    def __init__(self, then: Callable[[], float] = lambda: 0) -> None:
        self.wheel_slot: Any = None
        self.calls: list[float] = []
        self.then = then

    def on_due(self) -> float:
        self.calls.append(asyncio.get_running_loop().time())
        return self.then()


def now() -> float:
    return asyncio.get_running_loop().time()


def make_wheel(shortest_s: float = 1.0) -> Wheel:
    return Wheel(asyncio.get_running_loop(), shortest_s)


@pytest.mark.parametrize("shortest_s", [0.05, 1.0, 25.0])
@pytest.mark.parametrize("delay_s", [0.0, 0.01, 0.31, 1.0, 1.9999, 20.0])
@pytest.mark.parametrize("phase_s", [0.0, 0.037, 0.4999])
async def test_entry_is_called_once_and_never_early(shortest_s, delay_s, phase_s):
    wheel, entry = make_wheel(shortest_s), Entry()
    tick_s = min(MAX_TICK_S, max(MIN_TICK_S, shortest_s / 10))
    await pass_time(phase_s)
    due_at = now() + delay_s
    wheel.add(entry, delay_s)
    await pass_time(delay_s + 3 * tick_s)
    (called_at,) = entry.calls
    assert due_at <= called_at


async def test_entry_is_at_most_a_tick_late_wherever_in_a_tick_it_was_added():
    """The class's own promise; a tick of this wheel is 1 s."""
    lateness = []
    for began in range(10):
        for added in range(10):
            wheel, keeper, entry = make_wheel(10.0), Entry(), Entry()
            await pass_time(1 - now() % 1 + began / 10 + 0.01)
            wheel.add(keeper, 100)  # from now on the wheel turns once a second
            await pass_time(1 - now() % 1 + added / 10 + 0.02)
            due_at = now() + 2.0
            wheel.add(entry, 2.0)
            await pass_time(5)
            lateness.append(entry.calls[0] - due_at)
            wheel.close()
    assert min(lateness) >= 0
    assert max(lateness) <= 1 + 1e-6


async def test_entry_is_called_again_after_what_on_due_returns():
    wheel = make_wheel()
    entry = Entry(lambda: 2.0 if len(entry.calls) < 3 else 0)
    wheel.add(entry, 2.0)
    await pass_time(30)
    assert len(entry.calls) == 3
    gaps = [b - a for a, b in zip(entry.calls, entry.calls[1:], strict=False)]
    assert all(2.0 <= gap <= 2.15 for gap in gaps)


async def test_removed_entry_is_not_called():
    wheel, entry, other = make_wheel(), Entry(), Entry()
    wheel.add(entry, 1.0)
    wheel.add(other, 1.0)
    wheel.remove(entry)
    await pass_time(3)
    assert (entry.calls, len(other.calls), entry.wheel_slot) == ([], 1, None)


async def test_removing_what_is_not_there_does_nothing():
    wheel, entry = make_wheel(), Entry()
    wheel.remove(entry)
    wheel.add(entry, 1.0)
    wheel.remove(entry)
    wheel.remove(entry)
    assert wheel.count == 0
    await pass_time(3)
    assert entry.calls == []


async def test_entry_that_is_added_again_is_moved_and_called_once():
    wheel, entry = make_wheel(), Entry()
    began_at = now()
    wheel.add(entry, 1.0)
    wheel.add(entry, 5.0)
    assert wheel.count == 1
    await pass_time(10)
    assert len(entry.calls) == 1
    assert entry.calls[0] - began_at >= 5.0


async def test_entry_may_remove_another_that_is_due_in_the_same_tick():
    wheel, a, b = make_wheel(), Entry(), Entry()
    a.then = lambda: wheel.remove(b) or 0
    b.then = lambda: wheel.remove(a) or 0
    wheel.add(a, 1.0)
    wheel.add(b, 1.0)
    await pass_time(3)
    assert len(a.calls) + len(b.calls) == 1
    assert wheel.count == 0


async def test_entry_that_adds_itself_in_on_due_is_kept_once():
    wheel = make_wheel()

    def again() -> float:
        wheel.add(entry, 9.0)
        return 1.0

    entry = Entry(again)
    wheel.add(entry, 1.0)
    await pass_time(1.5)
    assert wheel.count == 1
    wheel.remove(entry)
    assert wheel.count == 0


@pytest.mark.fault("a deadline's function raises", "logged, all other deadlines hold")
async def test_failure_of_one_entry_is_logged_and_stops_no_other(watch):
    wheel, others = make_wheel(), [Entry() for _ in range(5)]

    def fail() -> float:
        raise RuntimeError("its own fault")

    broken = Entry(fail)
    for entry in (*others[:3], broken, *others[3:]):
        wheel.add(entry, 1.0)
    await pass_time(3)
    assert [len(entry.calls) for entry in others] == [1] * 5
    assert len(broken.calls) == 1
    watch.expect_error("deadline of", "its own fault")


async def test_empty_wheel_keeps_no_timer_and_starts_again_with_the_next_entry():
    loop: Any = asyncio.get_running_loop()
    wheel, entry = make_wheel(), Entry()
    wheel.add(entry, 1.0)
    await pass_time(3)
    assert not [timer for timer in loop._scheduled if not timer.cancelled()]
    wheel.add(entry, 1.0)
    await pass_time(3)
    assert len(entry.calls) == 2


@pytest.mark.feature("1.2 monitor task")
async def test_ten_thousand_entries_share_one_timer():
    loop: Any = asyncio.get_running_loop()
    wheel = make_wheel()
    entries = [Entry() for _ in range(10_000)]
    for i, entry in enumerate(entries):
        wheel.add(entry, 1.0 + i / 1_000)
    assert len([timer for timer in loop._scheduled if not timer.cancelled()]) == 1
    await pass_time(15)
    assert all(len(entry.calls) == 1 for entry in entries)


async def test_closed_wheel_calls_nothing():
    wheel, entry = make_wheel(), Entry()
    wheel.add(entry, 1.0)
    wheel.close()
    await pass_time(5)
    assert entry.calls == []
    wheel.close()


async def test_a_loop_that_was_blocked_for_long_calls_what_is_overdue_once():
    loop: Any = asyncio.get_running_loop()
    wheel = make_wheel()
    entry, late = Entry(), Entry()
    wheel.add(entry, 1.0)
    wheel.add(late, 50.0)
    loop._jumping.now += 30  # no callback ran meanwhile
    await pass_time(0.2)
    assert (len(entry.calls), len(late.calls)) == (1, 0)
    await pass_time(25)
    assert len(late.calls) == 1


# --- a loop that was blocked ----------------------------------------------------------------------


@pytest.mark.fault(
    "the event loop was blocked", "what waited in the sockets is read before anybody's time is up"
)
async def test_after_a_block_the_loop_looks_at_its_sockets_before_anything_is_due():
    """uvloop's timers may come first, with a pong still in the socket's buffer."""
    loop: Any = asyncio.get_running_loop()
    wheel, entry = make_wheel(), Entry()
    order: list[str] = []
    # A callback that the loop finds only when it has looked at its sockets again.
    wheel.on_stall = lambda late_s: loop.call_soon(loop.call_soon, order.append, "read")
    entry.then = lambda: order.append("due") or 0
    wheel.add(entry, 1.0)
    loop._jumping.now += 30
    await pass_time(0.2)
    assert order == ["read", "due"]


async def test_a_block_is_told_with_its_length():
    loop: Any = asyncio.get_running_loop()
    wheel, told = make_wheel(), []
    wheel.on_stall = told.append
    wheel.add(Entry(), 50.0)
    await pass_time(5)
    assert told == []
    began_at = now()
    loop._jumping.now += 30
    await pass_time(0.2)
    # From when the turn was due, which was a tick after the block began at most.
    assert len(told) == 1
    assert 30 - 0.1 - 1e-6 <= told[0] <= now() - began_at


@pytest.mark.parametrize("late_s", [0.05, LATE_S])
async def test_a_loop_that_is_a_little_late_is_not_blocked(late_s):
    loop: Any = asyncio.get_running_loop()
    wheel, told = make_wheel(0.1), []  # ticks of 10 ms
    wheel.on_stall = told.append
    wheel.add(Entry(), 5.0)
    await pass_time(1)
    loop._jumping.now += late_s
    await pass_time(1)
    assert told == []


@pytest.mark.fault(
    "the event loop is too busy to be in time", "heartbeats and deadlines go on, late"
)
async def test_a_loop_that_is_always_late_comes_to_its_turns_all_the_same():
    loop: Any = asyncio.get_running_loop()
    wheel, entry = make_wheel(), Entry(lambda: 1.0)
    wheel.add(entry, 1.0)
    for _ in range(20):
        loop._jumping.now += 5
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    wheel.remove(entry)
    assert 8 <= len(entry.calls) <= 20


async def test_a_wheel_that_waits_for_reads_can_be_closed():
    loop: Any = asyncio.get_running_loop()
    wheel, entry = make_wheel(), Entry()
    wheel.add(entry, 1.0)
    wheel.on_stall = lambda late_s: wheel.close()
    loop._jumping.now += 30
    await pass_time(1)
    assert entry.calls == []

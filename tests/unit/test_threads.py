"""Threads: the loop in a thread of its own, calls to it from many others, and the pool of handlers."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import os
import threading
import time

import pytest

from fastsio import threads
from fastsio.threads import Bridge, HandlerPool, LoopThread, run_inline
from harness import DEADLINE_S

QUIET_S = 0.2  # long enough for what must not happen


@pytest.fixture
def thread():
    before = set(threading.enumerate())
    loop_thread = LoopThread()
    yield loop_thread
    loop_thread.stop()
    assert set(threading.enumerate()) <= before


@pytest.fixture
def bridge(thread):
    return Bridge(thread.loop)


@pytest.fixture
def pool():
    handler_pool = HandlerPool(3)
    yield handler_pool
    assert handler_pool.join(DEADLINE_S)


def wait(event: threading.Event) -> None:
    assert event.wait(DEADLINE_S)


# --- the loop's thread ----------------------------------------------------------------------------


def test_loop_runs_in_a_daemon_thread_of_its_own(thread, bridge):
    runner = bridge.call(threading.current_thread)
    assert runner is not threading.current_thread()
    assert runner.daemon
    assert runner.name == "fastsio-loop"


def test_stopped_loop_is_closed_and_its_thread_has_ended(thread, bridge):
    runner = bridge.call(threading.current_thread)
    thread.stop()
    assert thread.loop.is_closed()
    assert not thread.is_alive
    assert not runner.is_alive()
    thread.stop()  # may be repeated


def test_stop_lets_calls_made_before_it_run(thread, bridge):
    seen = []
    for i in range(100):
        bridge.post(seen.append, i)
    thread.stop()
    assert seen == list(range(100))


def test_loop_thread_is_not_alive_in_a_forked_child(thread):
    pid = os.fork()
    if pid == 0:
        os._exit(7 if thread.is_alive else 0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert thread.is_alive


# --- calls to it ----------------------------------------------------------------------------------


def test_call_returns_what_the_function_returns(bridge):
    assert bridge.call(lambda a, b: a + b, 1, 2) == 3


def test_call_raises_what_the_function_raises(bridge):
    with pytest.raises(ZeroDivisionError):
        bridge.call(lambda: 1 / 0)


def test_a_timeout_error_of_the_function_is_no_endless_waiting(bridge):
    def fail():
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        bridge.call(fail)


def test_call_on_the_loops_own_thread_is_made_at_once(bridge):
    assert bridge.call(lambda: bridge.call(threading.current_thread)) == bridge.call(
        threading.current_thread
    )


def test_run_waits_for_a_coroutine(bridge):
    async def double(x: int, *, times: int) -> int:
        await asyncio.sleep(0)
        return x * times

    assert bridge.run(double, 21, times=2) == 42


def test_run_raises_what_the_coroutine_raises(bridge):
    async def fail() -> None:
        raise LookupError("in the loop")

    with pytest.raises(LookupError, match="in the loop"):
        bridge.run(fail)


def test_run_on_the_loops_own_thread_says_that_it_would_wait_for_itself(bridge):
    async def nothing() -> None: ...

    with pytest.raises(
        RuntimeError, match=r"nothing can't be waited for on the event loop's thread"
    ):
        bridge.call(bridge.run, nothing)


def test_posts_of_a_thread_keep_their_order_among_those_of_many(bridge):
    seen: list[tuple[int, int]] = []
    start = threading.Barrier(8)

    def poster(number: int) -> None:
        start.wait()
        for i in range(500):
            bridge.post(seen.append, (number, i))

    posters = [threading.Thread(target=poster, args=(n,)) for n in range(8)]
    for one in posters:
        one.start()
    for one in posters:
        one.join()
    bridge.call(lambda: None)
    assert len(seen) == 8 * 500
    for number in range(8):
        assert [i for n, i in seen if n == number] == list(range(500))


def test_call_comes_behind_what_the_same_thread_posted(bridge):
    seen: list[int] = []
    for i in range(50):
        bridge.post(seen.append, i)
    assert bridge.call(lambda: len(seen)) == 50


def test_post_waits_while_too_many_calls_are_due(bridge, monkeypatch):
    monkeypatch.setattr(threads, "MAX_CALLS", 10)
    gate = threading.Event()
    bridge.post(gate.wait)
    count = 0

    def post_many() -> None:
        nonlocal count
        for _ in range(100):
            bridge.post(lambda: None)
            count += 1

    poster = threading.Thread(target=post_many)
    poster.start()
    poster.join(QUIET_S)
    assert poster.is_alive()
    assert count <= 11
    gate.set()
    poster.join(DEADLINE_S)
    assert count == 100


def test_failure_of_a_posted_call_is_logged_and_stops_no_other(bridge, caplog):
    seen = []
    with caplog.at_level(logging.ERROR, "fastsio.threads"):
        bridge.post(lambda: 1 / 0)
        bridge.post(seen.append, 1)
        bridge.call(lambda: None)
    assert seen == [1]
    assert "ZeroDivisionError" in caplog.text


def test_closed_loop_takes_no_post_and_fails_who_waits(thread, bridge, monkeypatch):
    monkeypatch.setattr(threads, "LOOK_S", 0.01)
    thread.stop()
    bridge.post(pytest.fail)
    with pytest.raises(RuntimeError, match="the event loop has stopped"):
        bridge.call(pytest.fail)


def test_loop_that_ends_while_somebody_waits_fails_them(thread, bridge, monkeypatch):
    monkeypatch.setattr(threads, "LOOK_S", 0.01)
    errors = []

    async def never() -> None:
        await asyncio.Event().wait()

    def wait_for_it() -> None:
        try:
            bridge.run(never)
        except RuntimeError as error:
            errors.append(str(error))

    waiter = threading.Thread(target=wait_for_it)
    waiter.start()
    bridge.call(lambda: None)
    thread.stop()
    waiter.join(DEADLINE_S)
    assert errors == ["the event loop has stopped"]


def test_run_inline_is_for_coroutines_that_wait_for_nothing():
    async def answer() -> int:
        return 42

    async def waits() -> None:
        await asyncio.sleep(0)

    assert run_inline(answer()) == 42
    with pytest.raises(RuntimeError, match="has to wait"):
        run_inline(waits())


# --- the pool -------------------------------------------------------------------------------------


def test_function_runs_in_a_thread_of_the_pool_and_its_result_reaches_the_loop(bridge, pool):
    async def main() -> tuple[str, int]:
        name = await pool.run(bridge, lambda: threading.current_thread().name, ())
        return name, await pool.run(bridge, lambda a, b: a - b, (5, 3))

    name, result = bridge.run(main)
    assert name.startswith("fastsio-handler-")
    assert result == 2


def test_exception_of_a_function_reaches_the_loop(bridge, pool):
    async def main() -> None:
        await pool.run(bridge, int, ("x",))

    with pytest.raises(ValueError, match="invalid literal"):
        bridge.run(main)


def test_calls_have_contexts_of_their_own(bridge):
    var: contextvars.ContextVar[int] = contextvars.ContextVar("var", default=0)
    one = HandlerPool(1)

    async def main() -> list[int]:
        await one.run(bridge, var.set, (7,))
        return [await one.run(bridge, var.get, ())]

    assert bridge.run(main) == [0]
    assert one.join(DEADLINE_S)


@pytest.mark.parametrize("error", [SystemExit(3), StopIteration(4)])
def test_exceptions_that_no_future_takes_become_runtime_errors(bridge, pool, error):
    def fail() -> None:
        raise error

    async def main() -> None:
        await pool.run(bridge, fail, ())

    with pytest.raises(RuntimeError, match=type(error).__name__):
        bridge.run(main)


def test_result_that_nobody_waits_for_any_more_is_dropped(bridge, pool, caplog):
    release, ended = threading.Event(), threading.Event()

    def slow() -> None:
        wait(release)
        ended.set()

    async def main() -> None:
        pool.run(bridge, slow, ()).cancel()

    bridge.run(main)
    release.set()
    wait(ended)
    assert pool.join(DEADLINE_S)
    bridge.call(lambda: None)
    assert not caplog.records


def test_pool_has_no_more_threads_than_allowed_and_what_waits_begins_in_order(pool):
    release = threading.Event()
    begun: list[int] = []
    three = threading.Semaphore(0)

    def job(number: int) -> None:
        begun.append(number)
        three.release()
        wait(release)

    for number in range(3):
        pool.submit(lambda number=number: job(number))
        assert three.acquire(timeout=DEADLINE_S)
    for number in range(3, 10):
        pool.submit(lambda number=number: job(number))
    assert len(pool.threads) == 3
    assert not three.acquire(timeout=QUIET_S)
    assert begun == [0, 1, 2]
    release.set()
    assert pool.join(DEADLINE_S)
    assert sorted(begun) == list(range(10))
    assert begun[3] == 3


def test_free_thread_is_used_again(pool):
    for _ in range(20):
        done = threading.Event()
        pool.submit(done.set)
        wait(done)
        while pool._idle == 0:
            time.sleep(0.001)
    assert len(pool.threads) == 1


def test_thread_with_nothing_to_do_ends_by_itself(pool, monkeypatch):
    monkeypatch.setattr(threads, "IDLE_S", 0.01)
    done = threading.Event()
    pool.submit(done.set)
    wait(done)
    ends_at = time.monotonic() + DEADLINE_S
    while pool.threads:
        assert time.monotonic() < ends_at
        time.sleep(0.001)


def test_join_ends_idle_threads_and_says_when_one_is_still_at_work(pool):
    release = threading.Event()
    pool.submit(lambda: wait(release))
    assert not pool.join(0.01)
    release.set()
    assert pool.join(DEADLINE_S)
    assert not pool.threads
    again = threading.Event()
    pool.submit(again.set)
    wait(again)


def test_job_that_raises_is_logged_and_its_thread_lives_on(pool, caplog):
    done = threading.Event()
    with caplog.at_level(logging.ERROR, "fastsio.threads"):
        pool.submit(lambda: 1 / 0)
        pool.submit(done.set)
        wait(done)
        assert pool.join(DEADLINE_S)
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("count", [0, -1, 1.5, "8", True, None])
def test_number_of_threads_is_checked(count):
    with pytest.raises(ValueError, match=f"handler_threads={count!r}"):
        HandlerPool(count)

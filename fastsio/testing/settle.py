"""When an event loop has nothing more to do: no task can run, and no bytes have moved for some turns.

A task that waits for time, a thread or a lock is not ready, and nobody waits for it here.
"""

import asyncio
import weakref
from collections.abc import Callable

# How far a result may travel by callbacks alone, a loop turn each (gather() in a wait_for() needs three).
QUIET_TURNS = 8

# Tasks in settle(): they run every turn, and must not keep each other from ending.
_settling: "weakref.WeakSet[asyncio.Task[object]]" = weakref.WeakSet()


async def settle(moved: Callable[[], int], timeout_s: float) -> None:
    """Run the loop until no other task is ready to run and `moved()` stands still.

    Raises AssertionError, naming the tasks, if some are still busy after `timeout_s` seconds.
    """
    task = asyncio.current_task()
    assert task is not None
    _settling.add(task)
    try:
        await _wait_for_quiet(moved, timeout_s)
    finally:
        _settling.discard(task)


async def _wait_for_quiet(moved: Callable[[], int], timeout_s: float) -> None:
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + timeout_s
    quiet, seen = 0, moved()
    while quiet < QUIET_TURNS:
        await asyncio.sleep(0)
        busy = ready_tasks()
        now = moved()
        quiet = 0 if busy or now != seen else quiet + 1
        seen = now
        if not quiet and loop.time() > ends_at:
            tasks = ", ".join(map(describe, busy)) or "bytes go to and fro"
            raise AssertionError(f"not settled within {timeout_s:g} s: {tasks}")


def ready_tasks() -> list["asyncio.Task[object]"]:
    """The tasks of the running loop that will run in its next turn; not those that settle."""
    return [task for task in asyncio.all_tasks() if task not in _settling and _is_ready(task)]


def _is_ready(task: "asyncio.Task[object]") -> bool:
    # What a task waits for: CPython's and uvloop's tasks both have it, under no public name.
    waits_for = getattr(task, "_fut_waiter", None)
    return waits_for is None or waits_for.done()


def describe(task: "asyncio.Task[object]") -> str:
    """The names of the coroutines of a task, each awaiting the next."""
    names = []
    coroutine: object = task.get_coro()
    while (name := getattr(coroutine, "__qualname__", None)) is not None:
        names.append(name)
        coroutine = getattr(coroutine, "cr_await", None)
    return " > ".join(names) or repr(task)

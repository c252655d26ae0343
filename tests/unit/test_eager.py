"""Eager tasks: whatever a coroutine does, it must see what it would see in a Task of its own.

The oracle is asyncio: each scenario runs in a Task made by it and in an eager one, and what both noted is compared.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import subprocess
import sys
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from fastsio._eager import start_eager

Note = Callable[[Any], None]
variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


def current() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None
    return task


class Scenarios:
    """Each notes what it sees; what it keeps in `kept` is looked at when all is over."""

    def __init__(self) -> None:
        self.noted: list[Any] = []
        self.kept: list[asyncio.Task[Any]] = []

    def keep(self) -> asyncio.Task[Any]:
        self.kept.append(current())
        return current()

    async def returns_at_once(self) -> str:
        self.keep()
        return "result"

    async def returns_a_tuple_at_once(self) -> tuple[int, int]:
        self.keep()
        return 1, 2

    async def raises_at_once(self) -> None:
        self.keep()
        raise ValueError("at once")

    async def raises_stop_iteration(self) -> None:
        self.keep()
        raise StopIteration("no")

    async def waits_and_returns(self) -> str:
        self.keep()
        await asyncio.sleep(0)
        await asyncio.sleep(0.001)
        assert current() is self.kept[0]
        return "result"

    async def waits_and_raises(self) -> None:
        self.keep()
        await asyncio.sleep(0)
        raise ValueError("later")

    async def yields_what_no_task_can_wait_for(self) -> None:
        self.keep()
        await Rubbish()

    async def is_cancelled_by_itself_and_returns(self) -> str:
        self.keep().cancel("message")
        return "result"

    async def is_cancelled_by_itself_and_raises(self) -> None:
        self.keep().cancel()
        raise ValueError("anyway")

    async def is_cancelled_by_itself_and_waits(self) -> None:
        future = asyncio.get_running_loop().create_future()
        self.keep().cancel("message")
        try:
            await future
        except asyncio.CancelledError as error:
            self.noted.append((error.args, current().cancelling(), future.cancelled()))
            raise

    async def is_cancelled_by_itself_and_survives(self) -> str:
        task = self.keep()
        task.cancel()
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError:
            self.noted.append((task.cancelling(), task.uncancel()))
        await asyncio.sleep(0)
        return "survived"

    async def takes_a_cancellation_back(self) -> str:
        task = self.keep()
        task.cancel()
        self.noted.append(task.uncancel())
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            return "cancelled all the same"
        return "not cancelled"

    async def raises_cancelled_error(self) -> None:
        self.keep()
        raise asyncio.CancelledError("by itself")

    async def times_out(self) -> str:
        self.keep()
        try:
            async with asyncio.timeout(0.001):
                await asyncio.Event().wait()
        except TimeoutError:
            return "timeout"
        return "no timeout"

    async def has_a_timeout_that_is_over_already(self) -> str:
        self.keep()
        try:
            async with asyncio.timeout(-1):
                await asyncio.Event().wait()
        except TimeoutError:
            return "timeout"
        return "no timeout"

    async def has_a_task_group(self) -> list[Any]:
        self.keep()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(asyncio.sleep(0, i)) for i in range(3)]
        return [task.result() for task in tasks]

    async def has_a_task_group_that_fails(self) -> str:
        self.keep()

        async def fail() -> None:
            raise ValueError("in the group")

        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(fail())
                await asyncio.sleep(1)
        except* ValueError as group_error:
            self.noted.append(str(group_error.exceptions[0]))
        return "over"

    async def has_a_callback(self) -> str:
        self.keep().add_done_callback(lambda task: self.noted.append(task.result()))
        return "result"

    async def has_a_name(self) -> str:
        self.keep().set_name("my name")
        return current().get_name()

    async def sets_a_variable(self) -> str:
        self.noted.append(variable.get())
        variable.set("changed")
        self.keep()
        await asyncio.sleep(0)
        return variable.get()

    async def sets_a_variable_and_returns(self) -> str:
        self.keep()
        self.noted.append(variable.get())
        variable.set("changed")
        return variable.get()

    async def hands_its_context_on(self) -> str:
        self.keep()
        variable.set("for my tasks")

        async def read() -> str:
            return variable.get()

        return await asyncio.create_task(read())

    async def is_found_among_all_tasks_once_it_waited(self) -> bool:
        self.keep()
        await asyncio.sleep(0)
        return current() in asyncio.all_tasks()

    def outcome(self) -> list[Any]:
        return [*self.noted, *(_outcome(task) for task in self.kept)]


def _outcome(task: asyncio.Task[Any]) -> Any:
    if not task.done():
        return "pending"
    if task.cancelled():
        return "cancelled"
    error = task.exception()
    return task.result() if error is None else repr(error)


class Rubbish:
    def __await__(self) -> Any:
        yield 17


NAMES = [name for name in vars(Scenarios) if not name.startswith("_")]
NAMES = [name for name in NAMES if name not in ("keep", "outcome")]


async def ended(tasks: set[asyncio.Task[Any]]) -> None:
    if tasks:
        await asyncio.wait(tasks, timeout=5)
    await asyncio.sleep(0)


@pytest.mark.parametrize("name", NAMES)
async def test_a_coroutine_sees_what_it_sees_in_a_task_of_asyncio(name):
    expected, seen = Scenarios(), Scenarios()
    await ended({asyncio.get_running_loop().create_task(getattr(expected, name)())})
    for _ in range(2):  # the second is lent the task that the first left, if it left one
        seen = Scenarios()
        tasks: set[asyncio.Task[Any]] = set()
        start_eager(getattr(seen, name)(), tasks, name)
        await ended(tasks)
        assert seen.outcome() == expected.outcome()
        assert tasks == set()
    assert variable.get() == "unset"
    assert asyncio.all_tasks() == {current()}


class TaskCounter(asyncio.SelectorEventLoop):
    """Counts the Tasks that are prepared: for each its call_soon is replaced once."""

    prepared = 0

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        self.__dict__["prepared"] = self.prepared + (name == "call_soon")


def test_coroutines_that_end_at_once_share_one_task_and_leave_no_trace():
    seen: list[Any] = []

    async def look() -> None:
        seen.append((variable.get(), current().get_name(), current().cancelling()))

    async def wait() -> None:
        await asyncio.sleep(0)

    async def main() -> int:
        loop = asyncio.get_running_loop()
        for _ in range(3):
            assert start_eager(look(), set(), "look") is None
        assert loop.prepared == 1
        await start_eager(wait(), set(), "wait")
        for _ in range(3):
            start_eager(look(), set(), "look")
        return loop.prepared

    with asyncio.Runner(loop_factory=TaskCounter) as runner:
        assert runner.run(main()) == 2
    assert seen == [("unset", "fastsio handler", 0)] * 6


WITHOUT_LENDING = """
import asyncio
class Other(asyncio.Task): pass
asyncio.Task = Other
from fastsio._eager import start_eager
async def at_once(): seen.append(type(asyncio.current_task()).__name__)
async def waits(): await asyncio.sleep(0); await at_once()
async def main():
    assert start_eager(at_once(), set(), "") is None
    await start_eager(waits(), set(), "")
seen = []
asyncio.run(main())
print(seen)
"""


if sys.version_info >= (3, 12):  # asyncio has no eager tasks before

    def test_with_another_kind_of_task_each_coroutine_has_one_of_its_own():
        run = subprocess.run(
            [sys.executable, "-c", WITHOUT_LENDING], capture_output=True, text=True
        )
        assert (run.stdout, run.stderr) == ("['Other', 'Other']\n", "")


@pytest.mark.parametrize("change", ["keep", "watch", "name", "callback", "cancel", "variable"])
async def test_a_task_that_was_touched_is_not_lent_again(change):
    kept: list[Any] = []

    async def touch() -> None:
        match change:
            case "keep":
                kept.append(current())
            case "watch":
                kept.append(weakref.ref(current()))
            case "name":
                current().set_name("touched")
            case "callback":
                current().add_done_callback(lambda task: None)
            case "cancel":
                current().cancel()
            case "variable":
                variable.set("touched")

    async def look() -> None:
        kept.append((current().get_name(), current().cancelling(), variable.get()))

    async def clean() -> None:
        pass

    start_eager(clean(), set(), "clean")
    start_eager(touch(), set(), "touch")
    start_eager(look(), set(), "look")
    assert kept[-1] == ("fastsio handler", 0, "unset")
    await asyncio.sleep(0)


async def test_the_current_context_is_what_a_coroutine_begins_with():
    seen: list[str] = []

    async def look() -> None:
        seen.append(variable.get())

    def start() -> None:
        start_eager(look(), set(), "look")

    start()
    token = variable.set("outside")
    start()
    variable.reset(token)
    start()
    contextvars.copy_context().run(lambda: (variable.set("elsewhere"), start()))
    assert seen == ["unset", "outside", "unset", "elsewhere"]


async def test_one_inside_another_is_current_for_its_first_step_only():
    outer = current()
    seen: list[Any] = []

    async def inner() -> None:
        seen.append(current())
        await asyncio.sleep(0)
        seen.append(current())

    async def middle() -> None:
        mine = current()
        tasks: set[asyncio.Task[Any]] = set()
        start_eager(inner(), tasks, "inner")
        assert current() is mine
        await ended(tasks)
        assert seen == [seen[0], seen[0]]
        assert seen[0] is not mine

    tasks: set[asyncio.Task[Any]] = set()
    start_eager(middle(), tasks, "middle")
    assert current() is outer
    await ended(tasks)
    assert len(seen) == 2


async def test_one_inside_another_that_both_end_at_once():
    seen: list[int] = []

    async def inner() -> None:
        seen.append(id(current()))

    async def middle() -> None:
        start_eager(inner(), set(), "inner")
        seen.append(id(current()))

    start_eager(middle(), set(), "middle")
    assert len(set(seen)) == 2


async def test_what_it_raises_is_logged_with_the_line_that_raised(caplog):
    async def fail() -> None:
        raise RuntimeError("at once")

    async def fail_later() -> None:
        await asyncio.sleep(0)
        raise RuntimeError("later")

    tasks: set[asyncio.Task[Any]] = set()
    with caplog.at_level(logging.ERROR, "fastsio.core"):
        assert start_eager(fail(), tasks, "the work") is None
        start_eager(fail_later(), tasks, "the later work")
        await ended(tasks)
    assert "the work failed" in caplog.text
    assert "the later work failed" in caplog.text
    assert 'raise RuntimeError("at once")' in caplog.text
    assert "call_soon" not in vars(asyncio.get_running_loop())


async def test_tools_can_look_at_the_coroutine_of_a_task():
    async def look() -> None:
        await asyncio.sleep(0)

    task = start_eager(look(), set(), "look")
    assert task is not None
    assert "look" in repr(task)
    assert "test_eager.py" in repr(task)
    assert task.get_coro().cr_frame is not None
    await task


def test_each_loop_has_tasks_of_its_own(caplog):
    loops: list[Any] = []

    async def look() -> None:
        loops.append(current().get_loop())

    async def main() -> None:
        start_eager(look(), set(), "look")
        loops.append(asyncio.get_running_loop())

    for _ in range(2):
        asyncio.run(main())
        gc.collect()
    assert loops[0] is loops[1]
    assert loops[2] is loops[3]
    assert loops[0] is not loops[2]
    assert "destroyed" not in caplog.text


async def test_a_task_that_is_dropped_while_it_waits_says_so(caplog):
    """The warning of asyncio that a lent task does not give must come back once the task is the coroutine's own."""

    async def wait_for_ever() -> None:
        await asyncio.get_running_loop().create_future()

    tasks: set[asyncio.Task[Any]] = set()
    start_eager(wait_for_ever(), tasks, "waiting")
    with caplog.at_level(logging.ERROR, "asyncio"):
        tasks.clear()
        gc.collect()
    assert "Task was destroyed but it is pending" in caplog.text

"""A line of calls that run one after the other: a client's events where handlers must not overlap."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from fastsio._eager import start_eager


class Line:
    """The next call begins when the former has ended, with what it awaits; each logs its own errors.

    One task works as long as calls wait, and its first step runs at once: without waiting handlers, events
    are answered in the read that brought them.
    """

    __slots__ = ("_is_busy", "_on_empty", "_tasks", "_waiting")

    def __init__(self, tasks: set[Any], on_empty: Callable[[], None] | None = None) -> None:
        """`tasks` keeps the task that works; `on_empty` is called whenever all that was added has ended."""
        self._tasks = tasks
        self._on_empty = on_empty
        self._waiting: deque[tuple[Callable[..., Awaitable[None] | None], tuple[Any, ...]]] = (
            deque()
        )
        self._is_busy = False

    def add(self, call: Callable[..., Awaitable[None] | None], *args: Any) -> None:
        """Call `call(*args)` when all that were added before have ended, and await what it returns, if anything."""
        self._waiting.append((call, args))
        if not self._is_busy:
            self._start()

    def _start(self) -> None:
        self._is_busy = True
        start_eager(self._work(), self._tasks, "calls one after the other")

    async def _work(self) -> None:
        try:
            while self._waiting:
                call, args = self._waiting.popleft()
                await _run(call, args)
        finally:
            self._is_busy = False
            # This task was cancelled, as a stop does: the others still have their turn.
            if self._waiting:
                self._start()
            elif self._on_empty is not None:
                self._on_empty()


async def _run(call: Callable[..., Awaitable[None] | None], args: tuple[Any, ...]) -> None:
    try:
        awaitable = call(*args)
        if awaitable is not None:
            await awaitable
    except asyncio.CancelledError:
        # A handler that awaits what was cancelled ends by that; only the task's own cancellation ends the line.
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise

"""A line of calls that run one after the other: a client's events where handlers must not overlap."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from fastsio._eager import start_eager

if TYPE_CHECKING:
    from fastsio.core.waiting import Crowd


class Line:
    """The next call begins when the former has ended, with what it awaits; each logs its own errors.

    One task works as long as calls wait, and its first step runs at once: without waiting handlers, events
    are answered in the read that brought them. While it has `holders` no call begins.
    """

    __slots__ = ("_crowd", "_is_busy", "_on_empty", "_tasks", "_waiting", "holders")

    def __init__(
        self, tasks: set[Any], on_empty: Callable[[], None] | None = None, crowd: "Crowd | None" = None
    ) -> None:  # fmt: skip
        """`tasks` keeps the task that works; `on_empty` is called whenever all that was added has ended.

        `crowd` is told when the line gets shorter; whether it is full its caller asks before add().
        """
        self._tasks = tasks
        self._on_empty = on_empty
        self._waiting: deque[tuple[Callable[..., Awaitable[None] | None], tuple[Any, ...]]] = (
            deque()
        )
        self._is_busy = False
        self._crowd = crowd
        self.holders: set[Any] = set()

    def __len__(self) -> int:
        """How many calls wait."""
        return len(self._waiting)

    def __bool__(self) -> bool:
        return True  # also an empty one

    @property
    def is_at_work(self) -> bool:
        """Whether a call has begun and not ended."""
        return self._is_busy

    def hold(self, holder: Any) -> None:
        """Begin no call any more, until let_go() of every holder. The one at work goes on."""
        self.holders.add(holder)

    def let_go(self, holder: Any) -> None:
        """hold() of this holder is over; nothing happens if there was none."""
        if holder in self.holders:
            self.holders.discard(holder)
            if not self._is_busy:
                self._go_on()

    def add(self, call: Callable[..., Awaitable[None] | None], *args: Any) -> None:
        """Call `call(*args)` when all that were added before have ended, and await what it returns, if anything."""
        self._waiting.append((call, args))
        if not self._is_busy and not self.holders:
            self._start()

    def _go_on(self) -> None:
        """Begin what waits, unless it is held, or be empty."""
        if self.holders:
            return
        if self._waiting:
            self._start()
        elif self._on_empty is not None:
            self._on_empty()

    def _start(self) -> None:
        self._is_busy = True
        start_eager(self._work(), self._tasks, "calls one after the other")

    async def _work(self) -> None:
        try:
            while self._waiting and not self.holders:
                call, args = self._waiting.popleft()
                if self._crowd is not None:
                    self._crowd.shrunk(len(self._waiting))
                await _run(call, args)
        finally:
            self._is_busy = False
            # If this task was cancelled, as a stop does, the others still have their turn.
            self._go_on()


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

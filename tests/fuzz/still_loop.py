"""An asyncio loop for a fuzzer: nothing outside of the program is waited for, so a turn of it makes no system call."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import clock_loop


class _StillSelector(clock_loop._JumpingSelector):
    def select(self, timeout: float | None = None) -> list[Any]:
        assert timeout is not None, "no timer, nothing to do: what is waited for can't happen"
        self.now += max(timeout, 0)
        return []


class StillLoop(clock_loop.ClockLoop):
    """While it is `running()`, `turns()` takes some turns of it.

    Time moves only by `pass_time()`, or where something waits for its end.
    """

    def __init__(self) -> None:
        self._jumping = _StillSelector()
        asyncio.SelectorEventLoop.__init__(self, self._jumping)

    def _write_to_self(self) -> None:
        """Nobody waits in select(), so nobody has to be woken."""

    def pass_time(self, seconds: float) -> None:
        self._jumping.now += seconds

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """What is called meanwhile is called by the loop, as far as it can see."""
        self._thread_id = threading.get_ident()  # is_running()
        asyncio._set_running_loop(self)
        try:
            yield
        finally:
            asyncio._set_running_loop(None)
            self._thread_id = None

    def turns(self, most: int) -> None:
        """While running(): do what is ready or due, until nothing is or `most` turns have been taken."""
        for _ in range(most):
            if not self._ready and not self._is_due():
                break
            self._run_once()

    def _is_due(self) -> bool:
        return bool(self._scheduled) and self._scheduled[0]._when <= self._jumping.now

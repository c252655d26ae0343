"""An asyncio loop with a clock of its own: when nothing is left to do, time jumps to the next timer.

A test under it waits 30 seconds in no time, and exactly. For tests in memory: what a real socket has on
its way does not stop the clock. Choose it with `pytest.mark.asyncio(loop_factories=["clock"])`.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Mapping
from typing import Any

import pytest

# How long a loop without timers waits for a real event before the test fails instead of hanging.
STUCK_S = 2.0


class _JumpingSelector(selectors.DefaultSelector):
    """Where the loop would wait for `timeout`, `now` moves by it instead."""

    now = 1_000.0

    def select(self, timeout: float | None = None) -> list[Any]:
        events = super().select(0)
        if events or (timeout is not None and timeout <= 0):
            return events
        if timeout is None:
            events = super().select(STUCK_S)
            assert events, "no timer, no event: the test waits for something that can't happen"
            return events
        self.now += timeout
        return []


class ClockLoop(asyncio.SelectorEventLoop):
    """`time()` moves only when everything that is ready has run."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


async def pass_time(seconds: float) -> None:
    """Let `seconds` of the loop's clock go by, with everything that is due in them."""
    await asyncio.sleep(seconds)


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Any] | None:
    """For a conftest to import: the loop named "clock", for tests that ask for it."""
    marker = item.get_closest_marker("asyncio")
    if marker is None or "clock" not in (marker.kwargs.get("loop_factories") or ()):
        return None
    return {"clock": ClockLoop}

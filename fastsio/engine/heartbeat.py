"""The wheel: one coarse timer for all heartbeats and deadlines of a server.

An entry is any object with `wheel_slot` (the wheel's own mark, None at first) and `on_due()`, which
returns the seconds until it wants to be called again, or 0. No timer exists per connection: ten
thousand idle clients cost one callback a tick.
"""

import asyncio
import logging
from typing import Any

logger = logging.getLogger("fastsio.engine")

MIN_TICK_S = 0.01
MAX_TICK_S = 1.0


class Wheel:
    """Calls entries when they are due, not before they are due and at most a tick later."""

    def __init__(self, loop: asyncio.AbstractEventLoop, shortest_s: float) -> None:
        """`shortest_s`: the shortest delay that matters; a tick is a tenth of it, 10 ms to 1 s."""
        self._loop = loop
        self._tick_s = min(MAX_TICK_S, max(MIN_TICK_S, shortest_s / 10))
        self._slots: dict[int, set[Any]] = {}
        self._next_slot = 0
        self._timer: asyncio.TimerHandle | None = None
        self.count = 0

    def add(self, entry: Any, delay_s: float) -> None:
        """Call entry.on_due() after `delay_s`; an entry that waits already is moved."""
        if entry.wheel_slot is not None:
            self.remove(entry)
        now = self._loop.time()
        number = int((now + delay_s) / self._tick_s) + 1
        slot = self._slots.get(number)
        if slot is None:
            slot = self._slots[number] = set()
        slot.add(entry)
        entry.wheel_slot = slot
        self.count += 1
        if self._timer is None:
            self._next_slot = int(now / self._tick_s) + 1
            self._start_timer()

    def remove(self, entry: Any) -> None:
        slot = entry.wheel_slot
        if slot is not None:
            entry.wheel_slot = None
            self.count -= 1
            slot.discard(entry)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _start_timer(self) -> None:
        self._timer = self._loop.call_at(self._next_slot * self._tick_s, self._turn)

    def _turn(self) -> None:
        # A loop's timer may fire a moment early: the slot that it was set for is due all the same.
        now_slot = max(self._next_slot, int(self._loop.time() / self._tick_s))
        while self._next_slot <= now_slot:
            self._fire(self._next_slot)
            self._next_slot += 1
        if self.count:
            self._start_timer()
        else:
            self._timer = None
            self._slots.clear()

    def _fire(self, slot: int) -> None:
        due = self._slots.get(slot)
        while due:
            entry = next(iter(due))
            self.remove(entry)
            try:
                delay_s = entry.on_due()
            except Exception:
                logger.exception("deadline of %r failed", entry)
                continue
            if delay_s:
                self.add(entry, delay_s)
        self._slots.pop(slot, None)

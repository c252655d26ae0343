"""The wheel: one coarse timer for all heartbeats and deadlines of a server.

An entry is any object with `wheel_slot` (the wheel's own mark, None at first) and `on_due()`, which
returns the seconds until it wants to be called again, or 0. No timer exists per connection: ten
thousand idle clients cost one callback a tick. Compiled, because every connection comes and goes here
twice: that is 2,000 instructions, and was 10,000 in Python.
"""
import logging

from libc.stdint cimport int64_t

logger = logging.getLogger("fastsio.engine")

MIN_TICK_S = 0.01
MAX_TICK_S = 1.0


cdef class Wheel:
    """Calls entries when they are due, not before they are due and at most a tick later."""

    cdef object loop
    cdef object time                # the loop's
    cdef double tick_s
    cdef dict slots                 # number -> set of entries; an entry's wheel_slot is the set that it is in
    cdef int64_t next_slot
    cdef object timer
    cdef readonly Py_ssize_t count

    def __cinit__(self, loop, double shortest_s):
        """`shortest_s`: the shortest delay that matters; a tick is a tenth of it, 10 ms to 1 s."""
        self.loop = loop
        self.time = loop.time
        self.tick_s = min(MAX_TICK_S, max(MIN_TICK_S, shortest_s / 10))
        self.slots = {}

    def add(self, entry, double delay_s) -> None:
        """Call entry.on_due() after `delay_s`; an entry that waits already is moved."""
        cdef double now = self.time()
        cdef set slot
        self.remove(entry)
        number = <int64_t> ((now + delay_s) / self.tick_s) + 1
        slot = self.slots.get(number)
        if slot is None:
            slot = self.slots[number] = set()
        slot.add(entry)
        entry.wheel_slot = slot
        self.count += 1
        if self.timer is None:
            self.next_slot = <int64_t> (now / self.tick_s) + 1
            self.start_timer()

    cpdef remove(self, entry):
        cdef set slot = entry.wheel_slot
        if slot is not None:
            entry.wheel_slot = None
            self.count -= 1
            slot.discard(entry)

    def close(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    cdef int start_timer(self) except -1:
        self.timer = self.loop.call_at(self.next_slot * self.tick_s, self.turn)
        return 0

    def turn(self) -> None:
        """The timer's call: all that is due by now."""
        # A loop's timer may fire a moment early: the slot that it was set for is due all the same.
        cdef int64_t last_slot = max(self.next_slot, <int64_t> (<double> self.time() / self.tick_s))
        while self.next_slot <= last_slot:
            self.fire(self.next_slot)
            self.next_slot += 1
        if self.count:
            self.start_timer()
        else:
            self.timer = None
            self.slots.clear()

    cdef int fire(self, int64_t number) except -1:
        cdef set due = self.slots.get(number)
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
        self.slots.pop(number, None)
        return 0

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
# A turn that is later than this, and than a tick, was held up: the loop was blocked.
LATE_S = 0.1


cdef class Wheel:
    """Calls entries when they are due, not before they are due and at most a tick later.

    After a time in which the loop was blocked it first lets the loop read what has waited in the sockets' buffers:
    nobody's time is up because of a pong, or a request, that is there. uvloop's timers may come before that.
    `on_stall`, if there is one, is then called with how late it is, in seconds.
    """

    cdef object loop
    cdef object time                # the loop's
    cdef double tick_s
    cdef dict slots                 # number -> set of entries; an entry's wheel_slot is the set that it is in
    cdef int64_t next_slot
    cdef object timer
    cdef readonly Py_ssize_t count
    cdef public object on_stall
    cdef bint has_waited            # this turn is late, and what waited has been read

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
        cdef double now = self.time()
        cdef double late_s = now - self.next_slot * self.tick_s
        # A loop's timer may fire a moment early: the slot that it was set for is due all the same.
        cdef int64_t last_slot = max(self.next_slot, <int64_t> (now / self.tick_s))
        if late_s > LATE_S and late_s > self.tick_s and not self.has_waited:
            return self.wait_for_reads(late_s)
        self.has_waited = False
        while self.next_slot <= last_slot:
            self.fire(self.next_slot)
            self.next_slot += 1
        if self.count:
            self.start_timer()
        else:
            self.timer = None
            self.slots.clear()

    def wait_for_reads(self, double late_s) -> None:
        """Turn after the loop has looked at its sockets once. Only once: else a busy loop would never come to it."""
        self.has_waited = True
        self.timer = self.loop.call_later(MIN_TICK_S, self.turn)
        if self.on_stall is not None:
            self.on_stall(late_s)

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

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
# When an entry whose call has raised is called again: a session must not live on without anybody who ends it.
AGAIN_S = 5.0


cdef class Wheel:
    """Calls entries when they are due, not before they are due and at most a tick later.

    After a time in which the loop was blocked it first lets the loop read what has waited in the sockets' buffers:
    nobody's time is up because of a pong, or a request, that is there. uvloop's timers may come before that.
    `on_stall`, if there is one, is then called with how late it is, in seconds.
    """

    def __cinit__(self, loop, double shortest_s):
        """`shortest_s`: the shortest delay that matters; a tick is a tenth of it, 10 ms to 1 s."""
        self.loop = loop
        self.time = loop.time
        self.tick_s = min(MAX_TICK_S, max(MIN_TICK_S, shortest_s / 10))
        self.slots = {}

    def add(self, entry, double delay_s) -> None:
        """Call entry.on_due() after `delay_s`; an entry that waits already is moved, or stays if memory runs out."""
        self.put(entry, delay_s)

    cdef double put(self, object entry, double delay_s) except? -1:
        """add(); returns what time it is."""
        cdef double now = self.time()
        cdef set slot
        cdef set before
        number = <int64_t> ((now + delay_s) / self.tick_s) + 1
        slot = self.slots.get(number)
        if slot is None:
            slot = self.slots[number] = set()
        if self.timer is None:
            self.next_slot = <int64_t> (now / self.tick_s) + 1
            self.start_timer()
        before = entry.wheel_slot
        if before is slot:
            return now
        slot.add(entry)
        entry.wheel_slot = slot
        if before is None:
            self.count += 1
        else:
            before.discard(entry)
        return now

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
        if late_s > LATE_S and late_s > self.tick_s and not self.has_waited and self.waits_for_reads(late_s):
            return
        self.has_waited = False
        try:
            if last_slot - self.next_slot > <int64_t> len(self.slots):  # the clock has jumped
                self.skip_to_used_slot(last_slot)
            while self.next_slot <= last_slot:
                self.fire(self.next_slot)
                self.next_slot += 1
        finally:
            # Whatever happens, there is a next turn: without one nothing on this server would ever time out.
            self.timer = None
            if self.count:
                self.start_timer()
            else:
                self.slots.clear()

    cdef int skip_to_used_slot(self, int64_t last_slot) except -1:
        """Fire what is due by `last_slot` in its order, without a look at the slots that nobody is in.

        A process that was stopped, or a clock that jumps, may leave millions of these.
        """
        cdef int64_t number
        for number in sorted(self.slots):
            if self.next_slot <= number <= last_slot:
                self.next_slot = number
                self.fire(number)
        self.next_slot = last_slot
        return 0

    cdef int put_back(self, entry, double delay_s, set due) except -1:
        """add() for an entry that was called; if memory runs out it is due still."""
        try:
            self.add(entry, delay_s)
        except MemoryError:
            due.add(entry)
            entry.wheel_slot = due
            self.count += 1
            raise
        return 0

    cdef bint waits_for_reads(self, double late_s) except -1:
        """Turn after the loop has looked at its sockets once. Only once: else a busy loop would never come to it.

        False if memory runs out: then there is this turn, or none.
        """
        try:
            self.timer = self.loop.call_later(MIN_TICK_S, self.turn)
        except MemoryError:
            return False
        self.has_waited = True
        if self.on_stall is not None:
            self.on_stall(late_s)
        return True

    cdef int fire(self, int64_t number) except -1:
        cdef set due = self.slots.get(number)
        while due:
            entry = next(iter(due))
            self.remove(entry)
            delay_s = AGAIN_S
            try:
                delay_s = entry.on_due()
            except Exception:
                logger.exception("deadline of %r failed; it is called again in %g s", entry, AGAIN_S)
            if delay_s:
                self.put_back(entry, delay_s, due)
        self.slots.pop(number, None)
        return 0

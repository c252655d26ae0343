"""Fan-out: one encoded packet to many clients, one write per client and loop turn.

Holds the base layouts that the compiled layers share: Outlet (where a session's bytes go), SessionBase,
Member (a socket as the fan-out sees it) and the MessageHandler port. Knows nothing of transports, of
Engine.IO's states or of Socket.IO.
"""
import logging
import sys

from cpython.ref cimport PyObject

from fastsio._encoded cimport Encoded, forget_joined

cdef extern from "Python.h":
    int PyDict_Next(object p, Py_ssize_t* position, PyObject** key, PyObject** value) noexcept

logger = logging.getLogger("fastsio.conn")


cdef class MessageHandler:
    """Port: who takes a session's messages. Implemented by _peer.PeerBase."""

    cdef int text(self, const char* data, Py_ssize_t n) except -1:
        """A text message without Engine.IO's type; the pointer dies with the call."""
        raise NotImplementedError

    cdef int binary(self, bytes data) except -1:
        raise NotImplementedError

    def receive_text(self, bytes data) -> None:
        """text() for callers in Python, such as the polling transport."""
        self.text(data, len(data))

    def receive_binary(self, bytes data) -> None:
        self.binary(data)


cdef class SessionBase:
    """What the compiled layers see of an Engine.IO session (engine/session.py)."""

    def write_failed(self, error) -> None:
        """Its outlet could not write, and has been closed."""
        raise NotImplementedError


cdef class Member:
    """What the fan-out sees of a socket: an id and the session that carries it."""


cdef class Sends:
    """Port: who sends for many outlets at once. Implemented by _batch.Batch."""

    cdef int send(self, Flusher flusher, list waiting) except -1:
        """flush() for some of those that wait: each for which it was done is None in the list afterwards."""
        raise NotImplementedError


cdef class Flusher:
    """Collects the outlets that were written to in a loop turn and flushes each once, at its end.

    Eight frames to a client cost 7 us joined and 50 us written one by one: the system call is what
    costs. `call_soon` is the loop's; `loop` is for those who start tasks while it runs. With `is_counting`,
    the connections sum up here what all sessions receive and send (`packets_in`, `bytes_out`…).
    """

    def __cinit__(self, call_soon, loop=None):
        self.call_soon = call_soon
        self.loop = loop
        self.waiting = []
        self.spare = []
        self.direct_reads = DIRECT_READS
        self.run_bound = self.run

    cdef int add(self, Outlet outlet) except -1:
        # Marks come last: if memory runs out here, the next call tries again, for this outlet and for all.
        if not self.is_scheduled:
            self.call_soon(self.run_bound)
            self.is_scheduled = True
        self.waiting.append(outlet)
        outlet.is_waiting = True
        return 0

    cdef bint is_busy(self) noexcept:
        """Whether the answer to a read should wait for others: many did in the last turn, or it is time to look."""
        if self.sends is None:
            return False
        if self.direct_reads == 0:
            return True
        self.direct_reads -= 1
        return False

    cdef int add_answer(self, Outlet outlet) except -1:
        """add() for the answers to a read. What answers alone wait for is short: the first MOST_ANSWERS go at once."""
        self.add(outlet)
        self.answers += 1
        if self.answers % MOST_ANSWERS == 0 and len(self.waiting) == MOST_ANSWERS and not self.is_flushing:
            self.flush_waiting()
        return 0

    def run(self) -> None:
        """The end of a loop turn: flush all that wait, and note whether many reads were answered."""
        self.is_scheduled = False
        self.direct_reads = 0 if self.answers >= FEWEST_SENDS else DIRECT_READS
        self.answers = 0
        self.flush_waiting()

    cdef int flush_waiting(self) except -1:
        """Flush all that wait; the failure of one is logged, counted, ends its session, and stops no other."""
        cdef list waiting = self.waiting
        cdef Sends sends = self.sends  # a reference: it may be given up while it is at work
        cdef Outlet outlet
        # Two lists in turn: a new one might not be had, and then nobody would be flushed any more.
        self.waiting, self.spare = self.spare, waiting
        self.is_flushing = True
        if sends is not None and len(waiting) >= FEWEST_SENDS:
            sends.send(self, waiting)
        for outlet in waiting:
            if outlet is None:
                continue
            outlet.is_waiting = False
            try:
                outlet.flush()
            except Exception:
                self.give_up(outlet, sys.exc_info()[1])
        waiting.clear()
        self.is_flushing = False
        forget_joined()
        return 0

    def give_up(self, Outlet outlet, error) -> None:
        """The flush of an outlet has raised."""
        self.failures += 1
        try:
            logger.error("flush of %r failed", outlet, exc_info=error)
            outlet.flush_failed(error)
        except Exception as second:
            logger.error("%r could not be ended", outlet, exc_info=second)


cdef class FlowControl:
    """Port: who watches an outlet's buffer, and decides when it is full. Implemented by _flow.Flow."""

    cdef bint put(self, Outlet outlet, Encoded encoded, bint is_volatile) except -1:
        """Outlet.put() in its place."""
        raise NotImplementedError

    cdef bint make_room(self, Outlet outlet) except -1:
        """The buffer is full of what must be queued all the same: drop something else; False if that can't be."""
        raise NotImplementedError

    cpdef int flushed(self, Outlet outlet) except -1:
        """What was queued has gone to the transport, all of it or as much as it takes."""
        raise NotImplementedError


cdef class Outlet:
    """Port: where a session's bytes go. put() queues; flush() is the transport's and sends.

    `is_writable` is False while the transport can take nothing: a stalled connection, or long-polling
    without an open GET. `max_buffered_bytes` bounds the queue, in which a packet counts with PACKET_BYTES at the least
    once there are many: what is already over it refuses more.
    """

    def __cinit__(self, *args, **kwargs):
        self.queue = []

    cdef bint put(self, Encoded encoded, bint is_volatile=False) except -1:
        """Queue a packet; False if it was dropped (volatile, or the buffer is full, or closed).

        Never calls user code, so that a fan-out may run over live dictionaries.
        """
        if self.dialect:  # unlikely
            return self.put_spoken(encoded, is_volatile)
        if self.flow is not None or encoded.key is not None:  # unlikely
            return self.put_watched(encoded, is_volatile)
        if self.is_closed or self.buffered_bytes > self.max_buffered_bytes:
            return self.refuse(is_volatile)
        if not self.is_writable:
            if is_volatile or has_too_many(self):
                return self.refuse(is_volatile)
        elif not self.is_waiting:
            if self.flusher.is_scheduled:  # add() without the call: 2 % of a delivery to many
                self.flusher.waiting.append(self)
                self.is_waiting = True
            else:
                self.flusher.add(self)
        self.queue.append(encoded)
        self.buffered_bytes += encoded.size
        return True

    cdef bint put_spoken(self, Encoded encoded, bint is_volatile) except -1:
        """put() for a client of another dialect than plain Engine.IO v4."""
        cdef int dialect = self.dialect
        self.dialect = 0  # what is queued now is in it
        try:
            return self.put(encoded.spoken(dialect), is_volatile)
        finally:
            self.dialect = dialect

    cdef bint put_watched(self, Encoded encoded, bint is_volatile) except -1:
        """put() where somebody watches the buffer; a packet with a key makes its session do that."""
        if self.is_closed:
            return self.refuse(is_volatile)
        if self.flow is None:
            session = getattr(self, "session", None)
            if session is not None:
                session.flow_control()
        if self.flow is not None:
            return self.flow.put(self, encoded, is_volatile)
        self.enqueue(encoded)
        return True

    cdef int enqueue(self, Encoded encoded) except -1:
        """Queue a packet without a look at the buffer."""
        self.queue.append(encoded)
        self.buffered_bytes += encoded.size
        if not self.is_waiting and self.is_writable:
            self.flusher.add(self)
        return 0

    cdef bint refuse(self, bint is_volatile) except -1:
        """Drop and count; a full buffer that is asked to take a packet it must not drop ends the session."""
        self.dropped += 1
        self.flusher.dropped += 1
        if not is_volatile and not self.is_closed and not self.is_overflowing:
            self.is_overflowing = True
            self.flusher.call_soon(self.overflow)
        return False

    cdef int flush(self) except -1:
        """Send what is queued, as far as the transport takes it now."""
        self.drain()
        return 0

    cdef bytes begin_send(self, list empty, int* fd):
        """flush() in two steps: take all that is queued, for one send() to `fd`, and let `empty` be the queue.

        None if this can't be, now or at all: then nothing has changed, and flush() is to be called. Runs no code of
        others.
        """
        return None

    cdef int end_send(self, bytes data, Py_ssize_t sent) except -1:
        """So much of begin_send()'s data was sent; 0 or less: nothing, for whatever reason."""
        raise NotImplementedError

    def drain(self) -> None:
        """flush() for transports written in Python."""
        raise NotImplementedError

    def flush_failed(self, error) -> None:
        """A flush has raised, and what it took off the queue may be lost: end the session, for nothing can follow."""
        self.overflow()

    def overflow(self) -> None:
        """Called in a turn of its own when the buffer was full: end the session."""
        raise NotImplementedError

    def set_flusher(self, Flusher flusher) -> None:
        self.flusher = flusher

    def send(self, Encoded encoded, bint is_volatile=False) -> bool:
        """put() for callers in Python."""
        return self.put(encoded, is_volatile)

    def take_queue(self) -> list:
        """Everything queued, in order; the queue is empty afterwards."""
        cdef list queue = self.queue
        self.queue = []
        self.buffered_bytes = 0
        return queue

    def adopt_queue(self, list queue) -> None:
        """Put another outlet's queue before anything queued here (the transport was upgraded)."""
        cdef Encoded encoded
        if self.dialect:
            queue = [encoded.spoken(self.dialect) for encoded in queue]
        self.queue = queue + self.queue
        for encoded in queue:
            self.buffered_bytes += encoded.size
        if self.queue and not self.is_waiting and self.is_writable:
            self.flusher.add(self)


cpdef Py_ssize_t fan_out(dict members, Encoded encoded, object skip=None, bint is_volatile=False) except -1:
    """Queue `encoded` for every Member in `members` (id to Member), but for those whose id is in `skip`.

    Returns how many took it. No task, no copy, no call into Python per member; each client's order
    is that of the calls.
    """
    cdef Py_ssize_t position = 0
    cdef Py_ssize_t count = 0
    cdef PyObject* key
    cdef PyObject* value
    cdef Outlet outlet
    while PyDict_Next(members, &position, &key, &value):
        if skip is not None and <object> key in skip:
            continue
        outlet = (<Member> value).session.outlet
        if outlet is not None and outlet.put(encoded, is_volatile):
            count += 1
    return count

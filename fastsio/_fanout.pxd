"""C interface of _fanout: where bytes go (Outlet), who gets them (Session, Member), fan_out."""
from libc.stdint cimport int64_t

from fastsio._encoded cimport Encoded
from fastsio._flag cimport flag

cdef enum:
    # What a queued packet takes at the least, however little it carries: it is an object, and in a list. Counted from
    # so many packets on as one read of small events may bring answers for.
    PACKET_BYTES = 64
    FEW_PACKETS = 32768


cdef class Flusher


cdef class MessageHandler:
    cdef int text(self, const char* data, Py_ssize_t n) except -1
    cdef int binary(self, bytes data) except -1


cdef enum:
    # Outlets that wait, from which on it pays to send for them together; see _batch.
    FEWEST_SENDS = 8
    # Answers to reads that wait for each other. 32 and 256 cost the same, and the first waits for the last.
    MOST_ANSWERS = 64
    # Reads that answer by themselves until it is looked again how many do in a turn.
    DIRECT_READS = 32


cdef class Sends:
    cdef int send(self, Flusher flusher, list waiting) except -1


cdef class Flusher:
    cdef object call_soon
    cdef readonly object loop
    cdef object run_bound
    cdef list waiting
    cdef list spare                 # what `waiting` is next; empty
    cdef Py_ssize_t answers         # to this turn's reads, that waited for its end
    cdef int direct_reads           # reads that may still answer by themselves
    cdef bint is_flushing
    cdef readonly bint is_scheduled
    cdef readonly Py_ssize_t failures
    cdef public int64_t dropped     # packets that clients did not get: volatile ones, and those of full buffers
    cdef public double send_timeout_s   # see the option send_timeout; 0: none
    cdef public Sends sends             # who sends for many outlets at once; None: each for itself
    # Of all sessions, while is_counting is set: packets of Engine.IO, and the bytes that carried them.
    cdef public bint is_counting
    cdef public int64_t packets_in
    cdef public int64_t packets_out
    cdef public int64_t bytes_in
    cdef public int64_t bytes_out
    cdef int add(self, Outlet outlet) except -1
    cdef bint is_busy(self) noexcept
    cdef int add_answer(self, Outlet outlet) except -1
    cdef int flush_waiting(self) except -1


cdef class Outlet


cdef class FlowControl:
    cdef bint put(self, Outlet outlet, Encoded encoded, bint is_volatile) except -1
    cdef bint make_room(self, Outlet outlet) except -1
    cpdef int flushed(self, Outlet outlet) except -1


cdef class Outlet:
    cdef readonly list queue
    cdef readonly Py_ssize_t buffered_bytes
    cdef public Py_ssize_t max_buffered_bytes
    cdef public Py_ssize_t dropped
    cdef Flusher flusher
    cdef public FlowControl flow    # who watches the buffer; None: nobody
    cdef public flag is_writable
    cdef public flag is_closed
    cdef flag is_waiting            # in the flusher's list, or about to be flushed by its own read
    cdef readonly flag is_overflowing
    cdef public unsigned char dialect   # how binary messages go over it (_dialects.pxd); 0: as Engine.IO v4 has them
    cdef bint put(self, Encoded encoded, bint is_volatile=*) except -1
    cdef bint put_spoken(self, Encoded encoded, bint is_volatile) except -1
    cdef bint put_watched(self, Encoded encoded, bint is_volatile) except -1
    cdef int enqueue(self, Encoded encoded) except -1
    cdef bint refuse(self, bint is_volatile) except -1
    cdef int flush(self) except -1
    cdef bytes begin_send(self, list empty, int* fd)
    cdef int end_send(self, bytes data, Py_ssize_t sent) except -1


cdef inline bint has_too_many(Outlet outlet) noexcept:
    cdef Py_ssize_t count = len(outlet.queue)
    return count > FEW_PACKETS and count * PACKET_BYTES > outlet.max_buffered_bytes


cdef inline bint is_full(Outlet outlet) noexcept:
    """Whether the queue is over max_buffered_bytes."""
    return outlet.buffered_bytes > outlet.max_buffered_bytes or has_too_many(outlet)


cdef class SessionBase:
    cdef public str id
    cdef public Outlet outlet
    cdef public MessageHandler handler
    cdef public object flow         # engine.flow.SessionFlow; None until somebody asks for it
    # As doubles they are part of it: a float of Python's would be 32 bytes for each session.
    cdef public double ping_at      # when the next ping is due, or the last one was sent
    cdef public int at_work         # how many handlers of its events have been begun and not ended
    cdef public flag is_open
    cdef public flag heard          # any byte came since it was last cleared
    cdef public flag is_crowded     # at_work is large: each event is asked about (core/waiting.py)


cdef class Member:
    cdef readonly str id
    cdef readonly SessionBase session


cpdef Py_ssize_t fan_out(dict members, Encoded encoded, object skip=*, bint is_volatile=*) except -1

"""Batch: what many connections send at the end of a loop turn, with one system call for 256 of them (ring.h).

A delivery to many is all system calls. A ring of io_uring costs one for all instead of one for each, and the rest of
each send is the same: it is done in this call, on this thread. Knows of outlets only what _fanout does.
FASTSIO_NO_IO_URING=1 in the environment: there is no Batch.
"""
import os

from cpython.bytes cimport PyBytes_AS_STRING

from fastsio._fanout cimport Flusher, Outlet, Sends

cdef extern from "Python.h":
    int PyGC_Disable() noexcept
    int PyGC_Enable() noexcept

cdef extern from "ring.h":
    enum:
        FASTSIO_RING_SENDS
    ctypedef struct fastsio_ring_t:
        pass
    ctypedef struct fastsio_send_t:
        int fd
        const char* data
        size_t size
        Py_ssize_t sent
    fastsio_ring_t* fastsio_ring_open() noexcept
    void fastsio_ring_close(fastsio_ring_t* ring) noexcept
    int fastsio_ring_send(fastsio_ring_t* ring, fastsio_send_t* sends, int count) noexcept


def new_batch() -> Batch | None:
    """A Batch for a Flusher, None where it was forbidden (FASTSIO_NO_IO_URING)."""
    return Batch() if os.environ.get("FASTSIO_NO_IO_URING", "0") in ("", "0") else None


cdef class Batch(Sends):
    """The ring of one Flusher, opened when it is first needed; a system that has none is asked once.

    `calls` and `sends_made` count what went through it.
    """
    cdef fastsio_ring_t* ring
    cdef fastsio_send_t sends[FASTSIO_RING_SENDS]
    # By place in `sends`; they have their full length always, so that no memory is needed on the way.
    cdef list outlets
    cdef list data
    cdef list queues            # what was queued; before that the empty list that the outlet gets for it
    cdef list errors
    cdef bint is_at_work
    cdef readonly long long calls
    cdef readonly long long sends_made

    def __cinit__(self):
        self.outlets = [None] * FASTSIO_RING_SENDS
        self.data = [None] * FASTSIO_RING_SENDS
        self.errors = [None] * FASTSIO_RING_SENDS
        self.queues = []
        for _ in range(FASTSIO_RING_SENDS):
            self.queues.append([])

    def __dealloc__(self):
        fastsio_ring_close(self.ring)

    cdef int send(self, Flusher flusher, list waiting) except -1:
        cdef Py_ssize_t at = 0
        cdef int count, was_collecting
        if self.is_at_work:  # by code that a failure has called
            return 0
        self.is_at_work = True
        try:
            while at < len(waiting):
                # Until all is sent no code of others may run, or it could send before what is collected here. So
                # nothing is let go of, and the garbage collector, which calls finalizers, waits.
                was_collecting = PyGC_Disable()
                count = self.begin(waiting, &at)
                self.submit(flusher, count)
                if was_collecting:
                    PyGC_Enable()
                self.end(flusher, count)
        finally:
            self.is_at_work = False
        return 0

    cdef int begin(self, list waiting, Py_ssize_t* at) noexcept:
        """Begin the sends of those that wait, from `at` on, as many as one call takes; returns how many."""
        cdef Outlet outlet
        cdef list queue
        cdef bytes data
        cdef int count = 0
        while at[0] < len(waiting) and count < FASTSIO_RING_SENDS:
            outlet = waiting[at[0]]
            at[0] += 1
            if outlet is None:  # of a turn that was broken off (SystemExit), whose rest is flushed in this one
                continue
            queue = outlet.queue
            try:
                data = outlet.begin_send(self.queues[count], &self.sends[count].fd)
            except Exception:
                data = None  # it can't be joined: flush() will say so
            if data is not None:
                self.sends[count].data = PyBytes_AS_STRING(data)
                self.sends[count].size = len(data)
                self.outlets[count] = outlet
                self.data[count] = data
                self.queues[count] = queue
                outlet.is_waiting = False
                waiting[at[0] - 1] = None
                count += 1
        return count

    cdef int submit(self, Flusher flusher, int count) noexcept:
        """Send what was begun. Without a ring nothing is sent, and there will be none any more."""
        cdef int i
        if count == 0:
            return 0
        if self.ring == NULL:
            self.ring = fastsio_ring_open()
        if self.ring != NULL and fastsio_ring_send(self.ring, self.sends, count) == 0:
            self.calls += 1
            self.sends_made += count
            return 0
        if self.ring == NULL:
            for i in range(count):
                self.sends[i].sent = -1
        flusher.sends = None
        return 0

    cdef int end(self, Flusher flusher, int count) except -1:
        """Leave to the outlets what was not sent, first for all; then let go of what was, and report failures."""
        cdef int i
        cdef Outlet outlet
        for i in range(count):
            outlet = self.outlets[i]
            if self.sends[i].sent != <Py_ssize_t> self.sends[i].size or outlet.flow is not None:  # unlikely
                try:
                    outlet.end_send(self.data[i], self.sends[i].sent)
                except Exception as error:
                    self.errors[i] = error
        for i in range(count):
            outlet, error = self.outlets[i], self.errors[i]
            self.outlets[i] = self.data[i] = self.errors[i] = None
            (<list> self.queues[i]).clear()
            if error is not None:
                flusher.give_up(outlet, error)
        return 0

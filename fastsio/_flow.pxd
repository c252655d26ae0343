"""C interface of _flow: one client's send buffer, watched."""
from fastsio._encoded cimport Encoded
from fastsio._fanout cimport FlowControl, Outlet


cdef enum Policy:
    # What happens when an event comes for a full buffer.
    CLOSE = 0
    DROP_OLDEST = 1
    DROP_NEWEST = 2
    KEEP_LATEST = 3


cdef class Flow(FlowControl):
    cdef Policy policy_
    cdef readonly Py_ssize_t high   # the marks, in bytes; high is 0 where nobody asked for events
    cdef readonly Py_ssize_t low
    cdef readonly bint is_high      # the high mark was passed, and the low one not reached since
    cdef list waiters               # Futures of those who wait until the buffer is low
    cdef dict latest                # key -> (the queued packet that has it, its place); None until one comes
    cdef bint has_news              # report() is due
    cdef bint replace(self, Outlet outlet, Encoded encoded) except -1
    cdef int conflate(self, Outlet outlet) except -1
    cdef int free(self, Outlet outlet, bint from_end) except -1
    cdef int keep_only(self, Outlet outlet, list kept) except -1
    cdef int note_dropped(self, Outlet outlet, Py_ssize_t count) except -1
    cdef int wake(self, bint is_there) except -1


cdef Py_ssize_t unsent(Outlet outlet) except -1

"""C interface of _stream: the writing side of a connection."""
from fastsio._deflate cimport Deflate
from fastsio._fanout cimport Outlet, SessionBase
from fastsio._flag cimport flag


cdef enum:
    # How often a paused connection is looked at in send_timeout seconds.
    LOOKS = 4


cdef class Stream(Outlet):
    cdef object router              # who is asked to watch(), and has what all connections of a server share
    cdef public object wheel_slot   # the wheel's own mark
    cdef readonly object transport
    cdef readonly Deflate deflate   # None unless permessage-deflate was agreed
    cdef public SessionBase session
    cdef public object receiver     # gets what is no message for the session, and hears how this ends
    cdef Py_ssize_t seen_taken      # what taken_bytes() was when too little began to be taken
    cdef float stalled_s            # how long ago that was; below 0: nobody has looked since the pause
    cdef int fd                     # for direct sends; -1 where the transport must do it (TLS)
    cdef readonly flag is_secure
    cdef flag closes_when_drained
    cdef flag ends_now              # what is sent now is the last
    cdef int begin_writing(self, transport) except -2
    cdef int take_descriptor(self) except -2
    cdef int descriptor(self) noexcept
    cdef int queue_raw(self, bytes data) except -1
    cdef int end_of_read(self) except -1
    cdef bint sends_little(self) noexcept
    cdef bytes take_some(self)
    cdef int count_out(self, Py_ssize_t packets, Py_ssize_t size) noexcept
    cdef int write(self, bytes data) except -1
    cdef bint reads_too_slowly(self, double passed_s, double limit_s, Py_ssize_t least) except -1
    cdef bint is_overdue(self, double passed_s) except -1
    cdef Py_ssize_t taken_bytes(self) except? -1
    cdef int forget_bytes(self) except -1


cdef int most_descriptors

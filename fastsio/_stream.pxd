"""C interface of _stream: the writing side of a connection."""
from fastsio._deflate cimport Deflate
from fastsio._fanout cimport Outlet, SessionBase
from fastsio._flag cimport flag


cdef class Stream(Outlet):
    cdef readonly object transport
    cdef readonly Deflate deflate   # None unless permessage-deflate was agreed
    cdef public SessionBase session
    cdef int fd                     # for direct sends; -1 where the transport must do it (TLS)
    cdef readonly flag is_secure
    cdef flag closes_when_drained
    cdef flag ends_now              # what is sent now is the last
    cdef int begin_writing(self, transport) except -2
    cdef int queue_raw(self, bytes data) except -1
    cdef int end_of_read(self) except -1
    cdef bytes take_some(self)
    cdef int count_out(self, Py_ssize_t packets, Py_ssize_t size) noexcept
    cdef int write(self, bytes data) except -1
    cdef int forget_bytes(self) except -1


cdef bint CAN_SEND_DIRECTLY
cdef int most_descriptors

"""C interface of _conn: the connection that a raw server makes for each client."""
from fastsio._flag cimport flag
from fastsio._frames cimport Reader
from fastsio._http cimport Request, RequestReader
from fastsio._stream cimport Stream


cdef enum Phase:
    HTTP = 0
    WEBSOCKET = 1
    CLOSING = 2         # our Close or last response is out; waiting for the peer to end it
    CLOSED = 3


cdef class Conn(Stream):
    cdef readonly RequestReader http    # None unless requests came in pieces or ahead of their turn
    cdef Reader reader
    cdef public object on_abort     # called if the client goes before its request is answered
    cdef Py_ssize_t seen_body_bytes
    cdef short idle_checks          # how many looks of the wheel found it idle, or in the same request
    cdef unsigned char phase        # a Phase
    cdef readonly flag is_busy      # a request is being answered
    cdef flag keep_alive
    cdef readonly flag has_served   # its first request has come
    cdef flag is_broken             # what came is not HTTP; answered when its turn comes
    cdef flag in_requests           # next_requests() is at work
    cdef int received(self, bytes data) except -1
    cdef bint is_in_request(self) noexcept
    cdef object look_at_requests(self, double seconds)
    cdef object look_at_reader(self, double seconds)
    cdef bint body_advances(self) except -1
    cdef int read_http(self, bytes data) except -1
    cdef bytes read_requests(self, bytes data, RequestReader http)
    cdef int read_stream(self, bytes data) except -1
    cdef int drop_reader(self) except -1
    cdef int cut_request_off(self) except -1
    cdef int serve(self, Request request) except -1
    cdef int turn_away(self, int status, str option, str text) except -1
    cdef int read_frames(self, bytes data) except -1


cdef class SecureConn(Conn):
    pass


cdef object view_to_fill()
cdef bytes what_was_filled(Py_ssize_t n)

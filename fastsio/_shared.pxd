"""C interface of _shared: connections whose requests are either ours or another server's beside us."""
from fastsio._conn cimport Conn


cdef enum Part:
    NOTHING = 0         # between requests
    LENGTH = 1          # `left` bytes are the rest of the body
    DATA = 2            # `left` bytes are the rest of a chunk, its line end included
    SIZE = 3            # in a chunk's size, of which `left` is what was read
    EXTENSION = 4       # behind the size, up to the end of its line
    TRAILER = 5         # behind the last chunk, in a line that is empty while `digits` is 0
    OPEN = 6            # no chunk: all that comes is for the parser to refuse


cdef struct Body:
    # What is still to come of a request's body.
    Part part
    Py_ssize_t left
    int digits


cdef struct Head:
    Py_ssize_t size     # with the blank line behind it
    Py_ssize_t path_at
    Py_ssize_t path_size
    bint is_upgrade
    Body body


cdef class SharedConn(Conn):
    cdef readonly object beside     # the other server's protocol, while the connection is lent to it
    cdef public object on_status    # called once with the status of the next answer
    cdef readonly bytes held                 # an incomplete head, or what came ahead of its turn
    cdef Body body
    cdef bint is_judging            # read_http() is at work
    cdef bint has_paused            # too much is held: nothing is read for now
    cdef bytes next_request(self, bytes data)
    cdef bytes serve_ours(self, bytes data, Head* head)
    cdef bytes serve_beside(self, bytes data, Head* head)
    cdef bytes go_on_with_body(self, bytes data)
    cdef int deliver(self, bytes data) except -1
    cdef bint is_clear(self) except -1
    cdef int lend(self) except -1
    cdef int take_back(self) except -1
    cdef int give_away(self, bytes data) except -1
    cdef int hold(self, bytes data) except -1


cdef class SecureSharedConn(SharedConn):
    pass

"""C interface of _wire: a connection's transport on libuv."""
from fastsio._flag cimport flag
from fastsio._handles cimport Handle


cdef class Listener(Handle):
    cdef object make
    cdef object context
    cdef int open(self, sock, int backlog) except -1
    cdef int accept(self) except -1


ctypedef int (*receive_t)(object protocol, bytes data) except -1


cdef class Wire(Handle):
    cdef object protocol
    cdef receive_t receive          # its data_received() without Python's call, 2 % of an event; or NULL
    cdef object context
    cdef object error               # what connection_lost() is to be called with
    cdef list queue                 # bytes that wait for those that libuv has; None: nothing
    cdef Py_ssize_t unsent          # bytes of both
    cdef Py_ssize_t high
    cdef Py_ssize_t low
    cdef flag is_connected          # connection_made() was called
    cdef flag is_ending             # nothing is received any more, and nothing new is written
    cdef flag is_read
    cdef flag is_at_eof
    cdef flag is_held               # pause_reading()
    cdef flag is_paused             # the protocol, as to writing
    cdef flag has_eof               # write_eof()
    cdef flag is_writing            # libuv has a write
    cdef int introduce(self, make) except -1
    cdef int open(self) except -1
    cdef int start_reading(self) except -1
    cdef int stop_reading(self) except -1
    cdef int received(self, bytes data) except -1
    cdef int eof(self) except -1
    cdef int fail(self, error) except -1
    cdef int close_with(self, error) except -1
    cdef int send(self, data) except -1
    cdef int push(self) except -1
    cdef bytes next_piece(self)
    cdef int write_later(self, bytes piece, Py_ssize_t sent) except -1
    cdef int pause_if_full(self) except -1
    cdef int shut_down(self) except -1
    cdef int drained(self) except -1
    cdef int limit(self, Py_ssize_t high, Py_ssize_t low) except -1

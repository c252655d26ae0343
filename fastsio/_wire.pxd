"""C interface of _wire: a connection's transport on libuv."""
from fastsio._flag cimport flag

cdef extern from "wire.h":
    ctypedef struct fastsio_handle_t:
        void* owner
        char* read_buffer


cdef class Wires:
    cdef object __weakref__
    cdef object loop
    cdef object loop_close          # the loop's own close()
    cdef object report              # the loop's call_exception_handler()
    cdef void* uv_loop
    cdef char* read_buffer
    cdef Handle first               # of the open handles
    cdef int failed(self, error, str message, Handle handle) except -1


cdef class Handle:
    cdef fastsio_handle_t handle
    cdef Wires wires
    cdef Handle before              # the open ones, in a list
    cdef Handle behind
    cdef object sock                # a socket object for `fd`, which does not own it; None until somebody asks for it
    cdef readonly int fd            # -1: closed
    cdef flag is_pipe
    cdef int begin(self, Wires wires, bint is_pipe) except -1
    cdef int end(self) except -1
    cdef int ended(self) except -1


cdef class Listener(Handle):
    cdef object make
    cdef object context
    cdef int accept(self) except -1


cdef class Wire(Handle):
    cdef object protocol
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

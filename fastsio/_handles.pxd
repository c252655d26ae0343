"""C interface of _handles: what is open on a loop's libuv."""
from fastsio._flag cimport flag
from fastsio._uv cimport fastsio_handle_t, fastsio_uv_t

cdef fastsio_uv_t uv            # once there are Wires


cdef class Wires:
    cdef object __weakref__
    cdef object loop            # None: it is closed, or about to be
    cdef object loop_close      # its own close()
    cdef object report          # its call_exception_handler()
    cdef void* uv_loop
    cdef char* read_buffer
    cdef Handle first           # of the open handles
    cdef int failed(self, error, str message, Handle handle) except -1


cdef class Handle:
    cdef fastsio_handle_t handle
    cdef Wires wires
    cdef Handle before          # the open ones, in a list
    cdef Handle behind
    cdef object sock            # a socket object of this descriptor; None until there is one
    cdef readonly int fd        # -1: closed
    cdef flag is_pipe
    cdef int begin(self, Wires wires, bint is_pipe) except -1
    cdef int use(self, int fd) except -1
    cdef int end(self) except -1
    cdef int ended(self) except -1


cdef object os_error(int status)

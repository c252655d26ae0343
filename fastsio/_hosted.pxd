"""C interface of _hosted: a WebSocket that another server carries."""
from fastsio._fanout cimport Outlet, SessionBase


cdef enum Phase:
    HANDSHAKE = 0       # not answered yet
    ACCEPTED = 1        # by the engine; the server is being told
    OPEN = 2
    CLOSING = 3         # our close is queued or sent
    CLOSED = 4


cdef class HostedSocket(Outlet):
    cdef readonly str remote
    cdef readonly bint is_secure
    cdef public SessionBase session
    cdef public object receiver     # gets what is no message for the session
    cdef public object on_abort     # called if the client goes before its handshake is answered
    cdef public object wheel_slot   # the wheel's own mark
    cdef readonly object refusal    # (status, headers, body) if the engine refused the handshake
    cdef readonly list headers      # for the handshake's answer
    cdef readonly bint is_interrupted
    cdef object engine
    cdef object asgi_send
    cdef object decision            # a Future while the driver waits for the engine's answer
    cdef object driver              # the task that receives
    cdef object sending             # the task of a send that has to wait
    cdef Phase phase
    cdef Py_ssize_t taken           # packets that the server was given
    cdef Py_ssize_t seen_taken      # how many it was when somebody last looked
    cdef Py_ssize_t max_message_bytes
    cdef int close_code
    cdef bint has_sent_close
    cdef list batch                 # taken off the queue, from `position` on not sent yet
    cdef Py_ssize_t position
    cdef list buffers               # attachments of the packet whose text was sent last, from `buffer` on
    cdef Py_ssize_t buffer
    cdef bint has_text_buffers
    cdef dict next_message(self)
    cdef bint transmit(self, dict message) except -1
    cdef bint begin(self, object sent) except -1
    cdef int watch_reader(self) except -1
    cdef object look_at_reader(self)
    cdef int count_in(self, Py_ssize_t n) noexcept
    cdef int end_of_read(self) except -1
    cdef int finish(self) except -1
    cdef int tell_driver(self) except -1

"""C interface of _codec: packet heads by cursor, packets, and Encoded."""
from libc.stdint cimport int64_t

from fastsio._json cimport Json


cdef enum PacketType:
    CONNECT = 0
    DISCONNECT = 1
    EVENT = 2
    ACK = 3
    CONNECT_ERROR = 4
    BINARY_EVENT = 5
    BINARY_ACK = 6


cdef struct Head:
    # A packet's parts; pointers into the text it was parsed from.
    int type
    int attachments
    const char* namespace       # NULL for "/"
    Py_ssize_t namespace_size
    int64_t id                  # -1 if there is none
    const char* json
    Py_ssize_t json_size        # 0 if there is none


cdef class Encoded:
    cdef bytes frame            # the WebSocket frame of the packet's text; the canonical form
    cdef Py_ssize_t text_at     # where in it the text starts
    cdef list buffers           # attachments, None if there are none
    cdef bytes all_frames
    cdef bytes polling
    cdef str string
    cdef readonly Py_ssize_t size
    cdef str string_(self)
    cdef bytes frames_(self)
    cdef bytes payload_(self)


cpdef object check_event_name(object event)
cdef bytes join_frames(list packets)
cdef void forget_joined() noexcept
cdef int parse_head(const char* p, Py_ssize_t n, Head* head) except -1
cdef str namespace_of(Head* head)
cdef object load_data(Head* head, Json json)
cdef object reconstruct(object data, list buffers)
cdef Encoded encode(int type, bytes namespace, int64_t id, object data, Json json)
cdef bytes namespace_prefix(str namespace)

"""C interface of _codec: packet heads by cursor, packets, and the port for other forms of them."""
from libc.stdint cimport int64_t

from fastsio._encoded cimport Encoded
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


cdef class Packet:
    cdef readonly int type
    cdef readonly int attachments
    cdef readonly str namespace
    cdef readonly object id
    cdef public object data


cdef class Parser(Json):
    cpdef Encoded encode(self, int type, str namespace, int64_t id, object data)
    cpdef MessageDecoder new_decoder(self)


cdef class MessageDecoder:
    cpdef Packet decode(self, object message)


cdef object no_data           # NO_DATA
cpdef object check_event_name(object event)
cdef int parse_head(const char* p, Py_ssize_t n, Head* head, int max_attachments) except -1
cdef str namespace_of(Head* head)
cdef object load_data(Head* head, Json json)
cdef object reconstruct(object data, list buffers)
cdef Encoded encode(int type, bytes namespace, int64_t id, object data, Json json)
cdef Encoded encode_one(int type, bytes namespace, int64_t id, object value, Json json)
cdef bytes namespace_prefix(str namespace)
cpdef Packet checked_packet(object type_, object namespace, object id, object data)

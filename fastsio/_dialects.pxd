"""C interface of _dialects."""


cdef enum Dialect:
    # How a client wants binary messages over WebSocket; text is the same for all.
    EIO4 = 0            # as they are
    IN_BASE64 = 1       # a bit: as text
    EIO3 = 2            # a bit: with the packet's type before them


cdef enum Form:
    # Of a packet in a polling payload; numbered behind the dialects.
    TEXT_PAYLOAD = 4
    OCTETS = 5


cdef bytes payload_of(bytes text, list buffers, int form)
cdef bytes binary_in(bytes data, int dialect)

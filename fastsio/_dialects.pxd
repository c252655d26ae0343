"""C interface of _dialects."""


cdef enum Dialect:
    # How a client wants binary messages over WebSocket; text is the same for all.
    EIO4 = 0            # as they are
    IN_BASE64 = 1       # a bit: as text
    EIO3 = 2            # a bit: with the packet's type before them


cdef enum Form:
    # Of a packet, besides its frames in a dialect.
    TEXT_PAYLOAD = 4
    OCTETS = 5
    FORMS = 6


cdef bytes form_of(bytes text, list buffers, int form)
cdef object binary_in(bytes data, int dialect)

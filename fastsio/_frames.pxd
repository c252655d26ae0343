"""C interface of _frames: the frame reader over a table of callbacks, and the frame head writer."""
from libc.stdint cimport uint32_t, uint64_t

from fastsio._flag cimport flag


cdef enum Opcode:
    CONTINUATION = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA
    # Or-ed to the opcode of a message that permessage-deflate compressed: RSV1 of its first frame.
    COMPRESSED = 0x40


cdef struct Utf8:
    # Continuation bytes still due, and the bounds that the next one must keep.
    unsigned char due
    unsigned char low
    unsigned char high


cdef struct Sink:
    # What a reader calls. The pointers die when the call returns, and earlier if the callee
    # lets another reader run (it shares the scratch): copy before calling user code.
    # With takes_compressed a message's opcode may have COMPRESSED: its data then is as it came.
    int (*message)(object owner, int opcode, const unsigned char* data, Py_ssize_t n) except -1
    int (*ping)(object owner, const unsigned char* data, Py_ssize_t n) except -1
    int (*pong)(object owner, const unsigned char* data, Py_ssize_t n) except -1
    # code is -1 when the Close frame carries none.
    int (*closed)(object owner, int code, const unsigned char* reason, Py_ssize_t n) except -1


cdef struct Reader:
    Py_ssize_t max_message_bytes
    unsigned char* message          # owned; NULL unless a message came in more than one piece
    Py_ssize_t message_size
    Py_ssize_t message_capacity
    unsigned char* control          # owned; NULL unless a control frame is cut by a read
    Py_ssize_t frame_size           # payload bytes of the frame being read
    Py_ssize_t frame_done           # how many of them came already
    unsigned char head[14]
    unsigned char head_size
    unsigned char mask[4]
    uint32_t max_frames             # of one message; 0: any number
    uint32_t frames                 # of the message that is open, with the one being read
    unsigned char opcode            # of the frame being read
    unsigned char message_opcode    # of the message that is open, with COMPRESSED; 0 if none is
    flag is_final
    flag in_payload
    flag expects_mask
    flag takes_compressed           # permessage-deflate was agreed
    flag is_stopped                 # after a Close or an error: the rest is ignored
    Utf8 utf8


cdef void reader_init(Reader* r, Py_ssize_t max_message_bytes, bint expects_mask) noexcept
cdef void reader_clear(Reader* r) noexcept
cdef int reader_feed(Reader* r, const unsigned char* data, Py_ssize_t n, object owner, const Sink* sink) except -1

cdef bint utf8_feed(Utf8* state, const unsigned char* data, Py_ssize_t n) noexcept


cdef inline Py_ssize_t head_size(Py_ssize_t n) noexcept:
    """Bytes of an unmasked frame head before a payload of n bytes (RFC 6455 5.2)."""
    if n < 126:
        return 2
    return 4 if n < 65536 else 10


cdef inline unsigned char* write_head(unsigned char* out, int first_byte, Py_ssize_t n) noexcept:
    """Write an unmasked frame head; returns where the payload goes."""
    cdef int shift
    out[0] = <unsigned char> first_byte
    if n < 126:
        out[1] = <unsigned char> n
        return out + 2
    if n < 65536:
        out[1] = 126
        out[2] = <unsigned char> (n >> 8)
        out[3] = <unsigned char> (n & 0xFF)
        return out + 4
    out[1] = 127
    for shift in range(8):
        out[2 + shift] = <unsigned char> ((<uint64_t> n >> (56 - 8 * shift)) & 0xFF)
    return out + 10


cdef bytes frame_of(int opcode, const unsigned char* data, Py_ssize_t n)

"""WebSocket frames: an incremental reader, a frame builder, the UTF-8 check.

Pure: bytes in, callbacks or bytes out. Knows nothing of sockets, HTTP or Engine.IO.
Source: RFC 6455 sections 5 (framing), 7.4 (close codes), 8.1 (UTF-8); RFC 7692 6 (the bit of a compressed message;
what is in one: _deflate.pyx).
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy, memset


cdef extern from "mask.h":
    bint fastsio_xor_mask(unsigned char* out, const unsigned char* data, size_t n,
                          const unsigned char* key, unsigned int at) noexcept


class ProtocolError(Exception):
    """The peer sent bytes that break a protocol; `close_code` is the WebSocket code that says so.

    size: the bytes of a message that is too large (1009), as far as its frames have told; else None. option: the one
    whose limit was met, None where it is a rule that was broken.
    Raised by the pure layers (_frames, _codec) and caught in one place per transport.
    """

    size = None
    option = None

    def __init__(self, close_code: int, reason: str) -> None:
        super().__init__(close_code, reason)
        self.close_code = close_code
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.reason} ({self.close_code})"


class OverLimit(ProtocolError):
    """The peer sent more than an option of the server allows; `option` is its name, which the reason ends with."""

    def __init__(self, close_code: int, reason: str, option: str) -> None:
        super().__init__(close_code, f"{reason} ({option})")
        self.option = option

    def __str__(self) -> str:
        return self.reason


cdef enum:
    PROTOCOL_ERROR = 1002
    INVALID_DATA = 1007
    # RFC 6455 7.4.1: for what no other code is meant for.
    POLICY_VIOLATION = 1008
    TOO_BIG = 1009
    MAX_CONTROL = 125
    # Covers what one read of uvloop or asyncio brings (256 KiB); a larger piece gets a buffer of its own.
    SCRATCH = 262144

# Where a message that lies whole in one read is unmasked: never into the received bytes, which
# others may hold. Shared by all readers: the GIL is held and a Sink copies before it calls out.
cdef unsigned char scratch[SCRATCH]


cdef int broken(Reader* r, int code, str reason) except -1:
    r.is_stopped = True
    raise ProtocolError(code, reason)


# --- UTF-8 -----------------------------------------------------------------------------------

cdef bint utf8_feed(Utf8* s, const unsigned char* p, Py_ssize_t n) noexcept:
    """Check n more bytes of a text; False at the first byte that no valid text can have there.

    Unicode 3.9 table 3-7: the lead byte bounds the second byte (no overlong forms, no surrogates,
    nothing over U+10FFFF). A text may end only when s.due is 0.
    """
    cdef const unsigned char* end = p + n
    cdef unsigned char c
    cdef uint64_t word
    while p < end:
        if s.due == 0:
            while end - p >= 8:
                memcpy(&word, p, 8)
                if word & <uint64_t> 0x8080808080808080:
                    break
                p += 8
            if p == end:
                break
            c = p[0]
            p += 1
            if c < 0x80:
                continue
            s.low = 0x80
            s.high = 0xBF
            if 0xC2 <= c <= 0xDF:
                s.due = 1
            elif 0xE0 <= c <= 0xEF:
                s.due = 2
                if c == 0xE0:
                    s.low = 0xA0
                elif c == 0xED:
                    s.high = 0x9F
            elif 0xF0 <= c <= 0xF4:
                s.due = 3
                if c == 0xF0:
                    s.low = 0x90
                elif c == 0xF4:
                    s.high = 0x8F
            else:
                return False
        else:
            c = p[0]
            p += 1
            if c < s.low or c > s.high:
                return False
            s.low = 0x80
            s.high = 0xBF
            s.due -= 1
    return True


def utf8_valid(data: bytes) -> bool:
    """True if `data` is exactly a UTF-8 text (RFC 6455 8.1 asks no less and no more)."""
    cdef Utf8 state
    memset(&state, 0, sizeof(Utf8))
    return utf8_feed(&state, <const unsigned char*> PyBytes_AS_STRING(data), len(data)) and state.due == 0


# --- reader ----------------------------------------------------------------------------------

cdef void reader_init(Reader* r, Py_ssize_t max_message_bytes, bint expects_mask) noexcept:
    memset(r, 0, sizeof(Reader))
    r.max_message_bytes = max_message_bytes
    r.expects_mask = expects_mask


cdef void reader_clear(Reader* r) noexcept:
    """Free what the reader holds and ignore whatever is fed later."""
    free(r.message)
    free(r.control)
    r.message = NULL
    r.control = NULL
    r.is_stopped = True


cdef int check_first(Reader* r, unsigned char first) except -1:
    """The rules that a head's first byte can break."""
    cdef int opcode = first & 0x0F
    if first & 0x70 and (first & 0x30 or not r.takes_compressed or opcode & 0x8 or opcode == CONTINUATION):
        # RFC 6455 5.2: RSV bits are 0 unless an extension that uses them was agreed. RFC 7692 6.1: that is RSV1
        # of a message's first frame; control frames are never compressed.
        broken(r, PROTOCOL_ERROR, "reserved bits set")
    if opcode & 0x8:
        if opcode > PONG:
            broken(r, PROTOCOL_ERROR, f"reserved opcode {opcode}")
        # RFC 6455 5.5: control frames carry at most 125 bytes and are not fragmented.
        if not first & 0x80:
            broken(r, PROTOCOL_ERROR, "fragmented control frame")
    elif opcode > BINARY:
        broken(r, PROTOCOL_ERROR, f"reserved opcode {opcode}")
    elif opcode == CONTINUATION:
        if r.message_opcode == 0:
            broken(r, PROTOCOL_ERROR, "continuation without a message")
    elif r.message_opcode != 0:
        # RFC 6455 5.4: fragments of one message are not interleaved with another's.
        broken(r, PROTOCOL_ERROR, "new message inside a fragmented one")
    return 0


cdef int check_start(Reader* r, unsigned char first, unsigned char second) except -1:
    """The rules that the first two bytes can break; returns the head's size."""
    cdef int length = second & 0x7F
    check_first(r, first)
    if first & 0x8 and length > MAX_CONTROL:
        broken(r, PROTOCOL_ERROR, "control frame over 125 bytes")
    if (second & 0x80 != 0) != r.expects_mask:
        # RFC 6455 5.1: a client masks every frame, a server none.
        broken(r, PROTOCOL_ERROR, "frame not masked" if r.expects_mask else "masked frame from a server")
    return 2 + (0 if length < 126 else 2 if length == 126 else 8) + (4 if second & 0x80 else 0)


cdef int start_frame(Reader* r, const unsigned char* head) except -1:
    """Take over a complete head that check_start() let pass."""
    cdef int length = head[1] & 0x7F
    cdef const unsigned char* p = head + 2
    cdef uint64_t size = length
    cdef int i
    if length == 126:
        size = (p[0] << 8) | p[1]
        p += 2
    elif length == 127:
        size = 0
        for i in range(8):
            size = (size << 8) | p[i]
        p += 8
        if size >> 63:
            # RFC 6455 5.2: the most significant bit of the 64-bit length is 0.
            broken(r, PROTOCOL_ERROR, "frame length over 63 bits")
    if head[1] & 0x80:
        memcpy(r.mask, p, 4)
    r.opcode = head[0] & 0x0F
    r.is_final = head[0] & 0x80 != 0
    if not r.opcode & 0x8:
        # Before anything is buffered: a length alone must not cost memory.
        if size > <uint64_t> (r.max_message_bytes - r.message_size):
            r.is_stopped = True
            error = ProtocolError(TOO_BIG, f"message over {r.max_message_bytes} bytes")
            error.size = <uint64_t> r.message_size + size
            raise error
        if r.opcode != CONTINUATION:
            r.message_opcode = head[0] & (0x0F | COMPRESSED)
            memset(&r.utf8, 0, sizeof(Utf8))
            r.frames = 1
        elif r.frames == r.max_frames:
            # What is empty counts as well: by their bytes alone frames of one message could come for ever.
            r.is_stopped = True
            raise OverLimit(POLICY_VIOLATION, f"message of over {r.max_frames} frames", "max_frames_per_message")
        else:
            r.frames += 1
    r.frame_size = <Py_ssize_t> size
    r.frame_done = 0
    r.in_payload = True
    r.head_size = 0
    return 0


cdef const unsigned char* take_head(Reader* r, const unsigned char* p, const unsigned char* end) except NULL:
    """Read a frame head from p on; in_payload says whether it is complete."""
    cdef int size
    if r.head_size == 0 and end - p >= 2:
        size = check_start(r, p[0], p[1])
        if end - p >= size:  # nearly always: the head lies whole in this read
            start_frame(r, p)
            return p + size
    while p < end:
        r.head[r.head_size] = p[0]
        r.head_size += 1
        p += 1
        if r.head_size == 1:
            check_first(r, r.head[0])
        elif r.head_size == check_start(r, r.head[0], r.head[1]):
            start_frame(r, r.head)
            break
    return p


cdef int take_text(Reader* r, const unsigned char* data, Py_ssize_t n, bint is_end) except -1:
    # RFC 6455 8.1; fail fast, on the first byte that can't be valid.
    if not utf8_feed(&r.utf8, data, n) or (is_end and r.utf8.due):
        broken(r, INVALID_DATA, "text is not UTF-8")
    return 0


cdef int take_control(Reader* r, const unsigned char* p, Py_ssize_t n, object owner, const Sink* sink) except -1:
    """n more bytes of a control frame's payload; acts when it is complete."""
    cdef unsigned char whole[MAX_CONTROL]
    if r.control == NULL and n < r.frame_size:
        r.control = <unsigned char*> malloc(MAX_CONTROL)
        if r.control == NULL:
            raise MemoryError()
    cdef unsigned char* out = (r.control if r.control != NULL else whole) + r.frame_done
    if r.expects_mask:
        fastsio_xor_mask(out, p, n, r.mask, r.frame_done & 3)
    else:
        memcpy(out, p, n)
    r.frame_done += n
    if r.frame_done < r.frame_size:
        return 0
    r.in_payload = False
    if r.control != NULL:
        memcpy(whole, r.control, r.frame_size)
        free(r.control)
        r.control = NULL
    if r.opcode == PING:
        return sink.ping(owner, whole, r.frame_size)
    if r.opcode == PONG:
        return sink.pong(owner, whole, r.frame_size)
    return take_close(r, whole, r.frame_size, owner, sink)


cdef int take_close(Reader* r, const unsigned char* p, Py_ssize_t n, object owner, const Sink* sink) except -1:
    cdef int code = -1
    cdef Utf8 utf8
    if n == 1:
        broken(r, PROTOCOL_ERROR, "close frame with one byte")
    if n >= 2:
        code = (p[0] << 8) | p[1]
        # RFC 6455 7.4: what may be on the wire, with 1012-1014 as registered since.
        if not (1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999):
            broken(r, PROTOCOL_ERROR, f"close code {code}")
        memset(&utf8, 0, sizeof(Utf8))
        if not utf8_feed(&utf8, p + 2, n - 2) or utf8.due:
            broken(r, INVALID_DATA, "close reason is not UTF-8")
    r.is_stopped = True
    return sink.closed(owner, code, p + 2 if n >= 2 else p, n - 2 if n >= 2 else 0)


cdef int grow_message(Reader* r, Py_ssize_t more) except -1:
    """Room for `more` bytes that are here now: memory follows what came, not what was announced.

    There is some even for none: an empty first fragment's bytes go somewhere, too (C99 7.21.1: not to NULL).
    """
    cdef Py_ssize_t wanted = r.message_size + more
    cdef Py_ssize_t capacity = max(wanted, 2 * r.message_capacity, 512)
    cdef unsigned char* moved
    if wanted > r.message_capacity or r.message == NULL:
        moved = <unsigned char*> realloc(r.message, capacity)
        if moved == NULL:
            raise MemoryError()
        r.message = moved
        r.message_capacity = capacity
    return 0


cdef int finish_message(Reader* r, object owner, const Sink* sink) except -1:
    """Hand over the buffered message; the buffer is this call's own meanwhile."""
    cdef unsigned char* message = r.message
    cdef Py_ssize_t n = r.message_size
    cdef int opcode = r.message_opcode
    r.message = NULL
    r.message_size = r.message_capacity = 0
    r.message_opcode = 0
    try:
        return sink.message(owner, opcode, message if message != NULL else scratch, n)
    finally:
        free(message)


cdef int take_data(Reader* r, const unsigned char* p, Py_ssize_t n, object owner, const Sink* sink) except -1:
    """n more bytes of a data frame's payload; n is at most what the frame still lacks."""
    cdef const unsigned char* plain = p
    cdef unsigned char* out
    cdef bint is_frame_end = r.frame_done + n == r.frame_size
    cdef bint is_end = is_frame_end and r.is_final
    cdef int opcode = r.message_opcode
    cdef bint is_ascii = False
    # Likely: an unfragmented message that lies whole in this read. It is not copied twice.
    if is_end and r.message == NULL and n == r.frame_size and n <= SCRATCH:
        if r.expects_mask:
            is_ascii = fastsio_xor_mask(scratch, p, n, r.mask, 0)
            plain = scratch
        if opcode == TEXT and not is_ascii:
            take_text(r, plain, n, True)
        r.in_payload = False
        r.message_opcode = 0
        return sink.message(owner, opcode, plain, n)
    grow_message(r, n)
    out = r.message + r.message_size
    if r.expects_mask:
        fastsio_xor_mask(out, p, n, r.mask, r.frame_done & 3)
    else:
        memcpy(out, p, n)
    r.message_size += n
    r.frame_done += n
    if opcode == TEXT:
        take_text(r, out, n, is_end)
    if is_frame_end:
        r.in_payload = False
    return finish_message(r, owner, sink) if is_end else 0


cdef int reader_feed(Reader* r, const unsigned char* p, Py_ssize_t n, object owner, const Sink* sink) except -1:
    """Read n bytes of the stream, split anywhere, and call the sink for all that is complete.

    Raises ProtocolError at the first broken rule; what came before it was handed over. The sink may
    stop the reader (reader_clear); the rest is ignored then.
    """
    cdef const unsigned char* end = p + n
    cdef Py_ssize_t piece
    while not r.is_stopped:
        if not r.in_payload:
            if p == end:
                break
            p = take_head(r, p, end)
            if not r.in_payload:
                break
        piece = min(end - p, r.frame_size - r.frame_done)
        if piece == 0 and r.frame_size > r.frame_done:
            break
        p += piece
        if r.opcode & 0x8:
            take_control(r, p - piece, piece, owner, sink)
        else:
            take_data(r, p - piece, piece, owner, sink)
    return 0


# --- builder ---------------------------------------------------------------------------------

cdef bytes frame_of(int opcode, const unsigned char* data, Py_ssize_t n):
    """One unmasked, final frame."""
    cdef bytes frame = PyBytes_FromStringAndSize(NULL, head_size(n) + n)
    memcpy(write_head(<unsigned char*> PyBytes_AS_STRING(frame), 0x80 | opcode, n), data, n)
    return frame


def build_frame(opcode: int, payload: bytes, mask: bytes | None = None, fin: bool = True) -> bytes:
    """One frame as bytes; masked with the 4 bytes of `mask` if they are given (a client's frame).

    Raises ValueError for an opcode over 15 or a mask that is not 4 bytes. Deliberately builds frames
    that break other rules too: tests and clients under test need them.
    """
    cdef Py_ssize_t n = len(payload)
    cdef Py_ssize_t head = head_size(n)
    cdef bytes frame
    cdef unsigned char* out
    if not 0 <= opcode <= 15:
        raise ValueError(f"opcode {opcode} does not fit 4 bits")
    if mask is not None and len(mask) != 4:
        raise ValueError(f"a mask has 4 bytes, not {len(mask)}")
    frame = PyBytes_FromStringAndSize(NULL, head + n + (4 if mask is not None else 0))
    out = <unsigned char*> PyBytes_AS_STRING(frame)
    write_head(out, (0x80 if fin else 0) | opcode, n)
    if mask is None:
        memcpy(out + head, PyBytes_AS_STRING(payload), n)
        return frame
    out[1] |= 0x80
    memcpy(out + head, PyBytes_AS_STRING(mask), 4)
    fastsio_xor_mask(out + head + 4, <const unsigned char*> PyBytes_AS_STRING(payload), n,
                     <const unsigned char*> PyBytes_AS_STRING(mask), 0)
    return frame


# --- the reader as a Python object -----------------------------------------------------------

cdef class FrameReader:
    """Reads a WebSocket stream into `events`; for tests, tools and clients.

    `events` collects ("text", bytes), ("binary", bytes), ("ping", bytes), ("pong", bytes) and
    ("close", code or None, reason) in the order in which they were complete. With `take_compressed` there are
    "compressed text" and "compressed binary" too, whose bytes are as they came.
    """

    cdef Reader reader
    cdef readonly list events

    def __cinit__(
        self, max_message_bytes: int, expect_mask: bool = True, take_compressed: bool = False, max_frames: int = 0
    ):
        """`max_frames`: of one message; 0 is any number."""
        reader_init(&self.reader, max_message_bytes, expect_mask)
        self.reader.takes_compressed = take_compressed
        self.reader.max_frames = max_frames
        self.events = []

    def __dealloc__(self):
        reader_clear(&self.reader)

    def feed(self, data) -> None:
        """Parse more of the stream. Raises ProtocolError; after that, or a Close, input is ignored."""
        cdef Py_buffer view
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        try:
            reader_feed(&self.reader, <const unsigned char*> view.buf, view.len, self, &COLLECT)
        finally:
            PyBuffer_Release(&view)


cdef int collect_message(object owner, int opcode, const unsigned char* data, Py_ssize_t n) except -1:
    cdef str kind = "text" if opcode & 0x0F == TEXT else "binary"
    (<FrameReader> owner).events.append(("compressed " + kind if opcode & COMPRESSED else kind, data[:n]))
    return 0

cdef int collect_ping(object owner, const unsigned char* data, Py_ssize_t n) except -1:
    (<FrameReader> owner).events.append(("ping", data[:n]))
    return 0

cdef int collect_pong(object owner, const unsigned char* data, Py_ssize_t n) except -1:
    (<FrameReader> owner).events.append(("pong", data[:n]))
    return 0

cdef int collect_closed(object owner, int code, const unsigned char* reason, Py_ssize_t n) except -1:
    (<FrameReader> owner).events.append(("close", None if code < 0 else code, reason[:n].decode()))
    return 0


cdef Sink COLLECT
COLLECT.message = collect_message
COLLECT.ping = collect_ping
COLLECT.pong = collect_pong
COLLECT.closed = collect_closed

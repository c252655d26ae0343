"""A client's bytes: packets to masked WebSocket frames, and what a server sends to packets.

Pure: bytes in, callbacks or bytes out. Knows nothing of transports, and of Engine.IO only what a message is.
Source: RFC 6455 5.3 (a client masks every frame); engine.io-protocol v4; socket.io-protocol v5.
"""
from os import urandom

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.string cimport memcpy

from fastsio._codec cimport Head, load_data, namespace_of, parse_head, reconstruct
from fastsio._encoded cimport Encoded
from fastsio._frames cimport (
    BINARY, CLOSE, PING, PONG, TEXT, Reader, Sink, head_size, reader_clear, reader_feed, reader_init, write_head,
)
from fastsio._json cimport Json

from fastsio._frames import ProtocolError
from fastsio._json import DEFAULT_JSON


cdef extern from "mask.h":
    bint fastsio_xor_mask(unsigned char* out, const unsigned char* data, size_t n,
                          const unsigned char* key, unsigned int at) noexcept


cdef enum:
    INVALID_DATA = 1007
    MASK = 4
    # A call of urandom() costs as much as a small frame: masks are drawn by the thousand.
    POOL = 4096


# --- what goes out -----------------------------------------------------------------------------

cdef bytes pool = b""
cdef Py_ssize_t pool_at = 0


cdef const unsigned char* next_mask() except NULL:
    """Four bytes that nobody can foretell (RFC 6455 5.3); they stay valid until the next call."""
    global pool, pool_at
    if pool_at + MASK > len(pool):
        pool = urandom(POOL)
        pool_at = 0
    pool_at += MASK
    return <const unsigned char*> PyBytes_AS_STRING(pool) + (pool_at - MASK)


cdef inline Py_ssize_t masked_size(Py_ssize_t n) noexcept:
    return head_size(n) + MASK + n


cdef unsigned char* write_masked(
    unsigned char* out, int opcode, const unsigned char* data, Py_ssize_t n
) except NULL:
    """Write one final frame; returns where the next one goes."""
    cdef const unsigned char* mask = next_mask()
    cdef unsigned char* at = write_head(out, 0x80 | opcode, n)
    out[1] |= 0x80
    memcpy(at, mask, MASK)
    fastsio_xor_mask(at + MASK, data, n, mask, 0)
    return at + MASK + n


cdef Py_ssize_t packet_size(object packet) except -1:
    cdef Encoded encoded
    cdef bytes data
    cdef Py_ssize_t size
    if isinstance(packet, bytes):
        return masked_size(len(<bytes> packet))
    encoded = <Encoded?> packet
    size = masked_size(len(encoded.frame) - encoded.text_at)
    if encoded.buffers is not None:
        for data in encoded.buffers:
            size += masked_size(len(data))
    return size


def masked_packets(list packets) -> bytes:
    """The masked frames of packets in a row: an Encoded (text first, then its attachments), or bytes of their own."""
    cdef Py_ssize_t size = 0
    cdef Encoded encoded
    cdef bytes data, frames
    cdef unsigned char* out
    for packet in packets:
        size += packet_size(packet)
    frames = PyBytes_FromStringAndSize(NULL, size)
    out = <unsigned char*> PyBytes_AS_STRING(frames)
    for packet in packets:
        if isinstance(packet, bytes):
            data = <bytes> packet
            out = write_masked(out, BINARY, <const unsigned char*> PyBytes_AS_STRING(data), len(data))
            continue
        encoded = <Encoded> packet
        out = write_masked(
            out, TEXT, <const unsigned char*> PyBytes_AS_STRING(encoded.frame) + encoded.text_at,
            len(encoded.frame) - encoded.text_at,
        )
        if encoded.buffers is not None:
            for data in encoded.buffers:
                out = write_masked(out, BINARY, <const unsigned char*> PyBytes_AS_STRING(data), len(data))
    return frames


def masked_frame(int opcode, bytes payload) -> bytes:
    """One masked frame, for control frames."""
    cdef bytes frame = PyBytes_FromStringAndSize(NULL, masked_size(len(payload)))
    write_masked(
        <unsigned char*> PyBytes_AS_STRING(frame), opcode,
        <const unsigned char*> PyBytes_AS_STRING(payload), len(payload),
    )
    return frame


# --- what comes in -----------------------------------------------------------------------------

cdef object invalid(str reason):
    return ProtocolError(INVALID_DATA, reason)


cdef class PacketReader:
    """What a server sends on one connection, read into calls of the four functions given.

    on_packet(type, namespace, id, data): a Socket.IO packet, with its attachments in place; id and data are None
    where it has none. on_message(data): instead of it the raw message, str or bytes, if `is_raw`.
    on_engine(type, data): any other Engine.IO packet, its type as a str, data as bytes.
    on_control(opcode, payload): a WebSocket ping, pong or close frame (close: (code or None, reason)).
    Bytes that break a protocol raise ProtocolError; the connection is of no use after it.
    """

    cdef Reader reader
    cdef Json json
    cdef object on_packet, on_message, on_engine, on_control
    cdef bint is_raw
    cdef bint is_stopped
    # The binary packet whose attachments are missing; buffers is None if there is none.
    cdef list buffers
    cdef int partial_type
    cdef int due
    cdef object partial_namespace, partial_id, partial_data

    def __cinit__(
        self, on_packet, on_message, on_engine, on_control, Py_ssize_t max_message_bytes, json=None, bint is_raw=False,
    ):
        reader_init(&self.reader, max_message_bytes, False)
        self.on_packet = on_packet
        self.on_message = on_message
        self.on_engine = on_engine
        self.on_control = on_control
        self.json = DEFAULT_JSON if json is None else json
        self.is_raw = is_raw

    def __dealloc__(self):
        reader_clear(&self.reader)

    def feed(self, data) -> None:
        """Bytes of a WebSocket connection, split anywhere."""
        cdef Py_buffer view
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        try:
            reader_feed(&self.reader, <const unsigned char*> view.buf, view.len, self, &CALL)
        finally:
            PyBuffer_Release(&view)

    def take_text(self, bytes packet) -> None:
        """One Engine.IO packet as text, type first; for transports that have packets and not frames."""
        if not self.is_stopped:
            self.text(PyBytes_AS_STRING(packet), len(packet))

    def take_binary(self, bytes data) -> None:
        """One binary message."""
        if not self.is_stopped:
            self.binary(data)

    def stop(self) -> None:
        """Ignore whatever comes later, and let go of what was called."""
        reader_clear(&self.reader)
        self.is_stopped = True
        self.buffers = None
        self.partial_data = None

    cdef int text(self, const char* p, Py_ssize_t n) except -1:
        if n == 0:
            raise invalid("empty Engine.IO packet")
        if p[0] != c"4":
            self.on_engine(chr(<unsigned char> p[0]), p[1:n])
        elif self.is_raw:
            self.on_message(p[1:n].decode("utf-8", "replace"))
        else:
            self.packet(p + 1, n - 1)
        return 0

    cdef int packet(self, const char* p, Py_ssize_t n) except -1:
        """One Socket.IO packet's text."""
        cdef Head head
        cdef object data, id
        if self.buffers is not None:
            raise invalid("got plaintext data when reconstructing a packet")
        parse_head(p, n, &head, self.json.max_attachments)
        namespace = "/" if head.namespace == NULL else namespace_of(&head)
        id = None if head.id < 0 else head.id
        data = load_data(&head, self.json) if head.json_size else None
        if not head.attachments:
            self.on_packet(head.type, namespace, id, data)
            return 0
        self.partial_type = head.type
        self.partial_namespace = namespace
        self.partial_id = id
        self.partial_data = data
        self.due = head.attachments
        self.buffers = []
        return 0

    cdef int binary(self, bytes data) except -1:
        cdef list buffers = self.buffers
        if self.is_raw:
            self.on_message(data)
            return 0
        if buffers is None:
            raise invalid("got binary data when not reconstructing a packet")
        buffers.append(data)
        if len(buffers) < self.due:
            return 0
        self.buffers = None
        whole = reconstruct(self.partial_data, buffers)
        self.partial_data = None
        self.on_packet(self.partial_type, self.partial_namespace, self.partial_id, whole)
        return 0


cdef int call_message(object owner, int opcode, const unsigned char* data, Py_ssize_t n) except -1:
    if opcode == TEXT:
        return (<PacketReader> owner).text(<const char*> data, n)
    return (<PacketReader> owner).binary((<const char*> data)[:n])

cdef int call_ping(object owner, const unsigned char* data, Py_ssize_t n) except -1:
    (<PacketReader> owner).on_control(PING, data[:n])
    return 0

cdef int call_pong(object owner, const unsigned char* data, Py_ssize_t n) except -1:
    (<PacketReader> owner).on_control(PONG, data[:n])
    return 0

cdef int call_closed(object owner, int code, const unsigned char* reason, Py_ssize_t n) except -1:
    (<PacketReader> owner).on_control(CLOSE, (None if code < 0 else code, reason[:n].decode()))
    return 0


cdef Sink CALL
CALL.message = call_message
CALL.ping = call_ping
CALL.pong = call_pong
CALL.closed = call_closed

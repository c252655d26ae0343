"""permessage-deflate: what a connection sends compressed, what it gets inflated.

Pure: packets in, frames out; a message's bytes in, its text out. Knows nothing of sockets, nor of how the parameters
were agreed on (engine/deflate.py). The deflate algorithm is Python's zlib module.
Source: RFC 7692 7.2 (compression and decompression), 8 (what may be compressed), RFC 1951 (blocks).
"""
import zlib

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.string cimport memcpy, memset

from fastsio._encoded cimport DEFLATED, Encoded
from fastsio._frames cimport (
    BINARY,
    COMPRESSED,
    TEXT,
    Utf8,
    frame_of,
    head_size,
    utf8_feed,
    write_head,
)

from fastsio._frames import ProtocolError

cdef enum:
    INVALID_DATA = 1007
    TOO_BIG = 1009
    TAIL_BYTES = 4
    # Of a message whose blocks are marked as the last ones. Each costs a new stream, and takes two bytes.
    MAX_STREAMS = 8

# RFC 7692 7.2.1: the empty block that ends every message, and is not sent.
cdef bytes TAIL = b"\x00\x00\xff\xff"

cdef bytes PING = b"\x81\x012"
cdef bytes PONG = b"\x81\x013"

# Aligns to a byte, and keeps what was sent as context for what follows.
cdef int SYNC_FLUSH = zlib.Z_SYNC_FLUSH
# The same, and nothing that follows refers to it: byte for byte what a new compressor would write, which takes 48 us
# and 256 KB to make. So one compressor serves all connections without context: 24 us instead of 82 for 2.8 KB.
cdef int FULL_FLUSH = zlib.Z_FULL_FLUSH


cdef class Compression:
    """How a server compresses, and what its connections share. Belongs to one event loop.

    threshold: bytes from which on a message is compressed. level, mem_level: zlib's (1 to 9).
    """

    def __init__(self, Py_ssize_t threshold, int level, int mem_level):
        self.threshold = max(threshold, 1)  # An empty message has nothing to compress.
        self.level = level
        self.mem_level = mem_level
        self.compressors = {}

    cdef object make_compressor(self, int window_bits):
        return zlib.compressobj(self.level, zlib.DEFLATED, -window_bits, self.mem_level)

    cdef bytes shared_frames(self, Encoded encoded, int window_bits):
        """A packet's frames for every client whose window is at least so large: compressed once for all of them."""
        cdef bytes frames = encoded.kept(DEFLATED)
        if frames is None or encoded.deflated_bits > window_bits:
            compressor = self.compressors.get(window_bits)
            if compressor is None:
                self.compressors[window_bits] = compressor = self.make_compressor(window_bits)
            try:
                frames = self.frames_by(compressor, FULL_FLUSH, encoded)
            except BaseException:
                # Half of this packet would be in front of the next one, which may be another client's.
                del self.compressors[window_bits]
                raise
            encoded.keep(DEFLATED, frames)
            encoded.deflated_bits = window_bits
        return frames

    cdef bytes frames_by(self, object compressor, int flush, Encoded encoded):
        """A packet's frames; each message of it is compressed, or not, by itself."""
        cdef bytes data
        cdef int opcode = BINARY if encoded.is_binary_() else TEXT
        cdef bytes first = self.frame_by(compressor, flush, opcode, encoded.frame[encoded.text_at:])
        if encoded.buffers is None:
            return first
        opcode = TEXT if encoded.has_text_buffers else BINARY
        return first + b"".join([self.frame_by(compressor, flush, opcode, data) for data in encoded.buffers])

    cdef bytes frame_by(self, object compressor, int flush, int opcode, bytes data):
        cdef bytes begun, rest, frame
        cdef Py_ssize_t n
        cdef unsigned char* out
        if len(data) < self.threshold:
            return frame_of(opcode, <const unsigned char*> PyBytes_AS_STRING(data), len(data))
        begun = compressor.compress(data)
        rest = compressor.flush(flush)
        n = len(begun) + len(rest) - TAIL_BYTES
        if flush == FULL_FLUSH and n >= len(data):
            # Nobody will refer to it, so it may as well go as it is. With a context the peer has to see it inflated.
            return frame_of(opcode, <const unsigned char*> PyBytes_AS_STRING(data), len(data))
        frame = PyBytes_FromStringAndSize(NULL, head_size(n) + n)
        out = write_head(<unsigned char*> PyBytes_AS_STRING(frame), 0x80 | COMPRESSED | opcode, n)
        memcpy(out, PyBytes_AS_STRING(begun), len(begun))
        memcpy(out + len(begun), PyBytes_AS_STRING(rest), len(rest) - TAIL_BYTES)
        return frame


cdef class Deflate:
    """What one connection has agreed on, and its contexts, which are made with the first message that needs them.

    A compressor with context takes 256 KB at the defaults, an inflater up to 40 KB; without context there is neither
    between messages. A compressor that had nothing to do from one heartbeat to the next is let go as well: a new one
    refers to nothing, so the peer need not know. Its inflater stays, the peer may refer to whatever it has sent.
    window_bits: 9 to 15, of what is sent; peer_window_bits: 8 to 15, of what comes.
    """

    def __init__(self, Compression compression, int window_bits, bint has_context,
                 int peer_window_bits, bint peer_has_context):
        self.compression = compression
        self.window_bits = window_bits
        self.has_context = has_context
        self.peer_window_bits = peer_window_bits
        self.peer_has_context = peer_has_context

    @property
    def holds_memory(self) -> bool:
        """A context lives on between messages."""
        return self.compressor is not None or self.inflater is not None

    # --- sending -----------------------------------------------------------------------------

    cdef bytes frames_of(self, Encoded encoded):
        """A packet as it goes out. To be called in the order in which they are sent, once for each."""
        cdef Compression compression = self.compression
        if encoded.is_plain or encoded.size < compression.threshold:
            if self.compressor is not None:
                self.note_plain(encoded)
            return encoded.frames_()
        if not self.has_context:
            return compression.shared_frames(encoded, self.window_bits)
        if self.compressor is None:
            self.compressor = compression.make_compressor(self.window_bits)
        self.has_compressed = True
        try:
            return compression.frames_by(self.compressor, SYNC_FLUSH, encoded)
        except BaseException:
            self.compressor = None  # a new one refers to nothing that was lost
            raise

    cdef int note_plain(self, Encoded encoded) except -1:
        """Let go of a compressor that was idle since the heartbeat before this one (Engine.IO's packets 2 and 3)."""
        if encoded.frame == PING or encoded.frame == PONG:
            if not self.has_compressed:
                self.compressor = None
            self.has_compressed = False
        return 0

    cdef bytes join(self, list packets):
        """The frames of packets in a row, which are sent now."""
        cdef Encoded encoded
        if len(packets) == 1:
            return self.frames_of(<Encoded> packets[0])
        return b"".join([self.frames_of(encoded) for encoded in packets])

    def compress(self, list packets) -> bytes:
        """join() for callers in Python."""
        return self.join(packets)

    # --- receiving ---------------------------------------------------------------------------

    cdef bytes inflate(self, int opcode, const unsigned char* data, Py_ssize_t n, Py_ssize_t max_bytes):
        """A whole message that came compressed.

        Raises ProtocolError: 1009 as soon as it is over max_bytes, of which no more than that is ever made; 1007 for
        what is no deflated data, or a text that is not UTF-8.
        """
        cdef bytes packed = PyBytes_FromStringAndSize(NULL, n + TAIL_BYTES)
        cdef bytes plain
        cdef Utf8 utf8
        # RFC 7692 7.2.2: the tail that was not sent.
        memcpy(PyBytes_AS_STRING(packed), data, n)
        memcpy(PyBytes_AS_STRING(packed) + n, PyBytes_AS_STRING(TAIL), TAIL_BYTES)
        try:
            plain = self.inflate_all(packed, max_bytes + 1)
        except zlib.error as error:
            raise ProtocolError(INVALID_DATA, f"message that can't be inflated: {error}") from None
        if len(plain) > max_bytes:
            raise ProtocolError(TOO_BIG, f"message over {max_bytes} bytes")
        if opcode == TEXT:
            memset(&utf8, 0, sizeof(Utf8))
            if not utf8_feed(&utf8, <const unsigned char*> PyBytes_AS_STRING(plain), len(plain)) or utf8.due:
                raise ProtocolError(INVALID_DATA, "text is not UTF-8")
        return plain

    def inflate_all(self, bytes packed, Py_ssize_t max_bytes) -> bytes:
        """At most max_bytes of what is in a message."""
        inflater = self.inflater
        if inflater is None:
            inflater = self.make_inflater()
        plain = inflater.decompress(packed, max_bytes)
        if inflater.eof:
            # RFC 7692 7.2.3.4: a block may be marked as the last one; what follows is another stream.
            plain, inflater = self.inflate_streams(plain, inflater.unused_data, max_bytes)
        self.inflater = inflater if self.peer_has_context else None
        return plain

    def inflate_streams(self, bytes plain, bytes rest, Py_ssize_t max_bytes) -> tuple:
        """What follows the first stream of a message; returns all of it, and the inflater for the next message."""
        cdef list parts = [plain]
        cdef Py_ssize_t left = max_bytes - len(plain)
        cdef int count = 1
        inflater = None
        # Our own tail alone, or a part of it, is no stream: then the message has ended with its last block.
        while len(rest) > TAIL_BYTES and left > 0:
            count += 1
            if count > MAX_STREAMS:
                raise ProtocolError(INVALID_DATA, f"message of over {MAX_STREAMS} deflate streams")
            inflater = self.make_inflater()
            plain = inflater.decompress(rest, left)
            parts.append(plain)
            left -= len(plain)
            if not inflater.eof:
                break
            rest = inflater.unused_data
            inflater = None
        return b"".join(parts), inflater

    def make_inflater(self):
        # A larger window than the peer's is right for all that it sends; zlib's own compressor has none below 9.
        return zlib.decompressobj(-max(self.peer_window_bits, 9))

    def decompress(self, bint is_text, bytes data, Py_ssize_t max_bytes) -> bytes:
        """inflate() for callers in Python."""
        return self.inflate(
            TEXT if is_text else BINARY, <const unsigned char*> PyBytes_AS_STRING(data), len(data), max_bytes
        )

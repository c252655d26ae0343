"""Encoded: a packet as the bytes that transports send, made once and shared by all who send it.

Pure: knows nothing of Socket.IO's packets, of sessions or of sockets; takes from _frames the frame head, so that an
event is framed once for all who get it. Source: engine.io-protocol v4, "Packet encoding".
"""
import binascii

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.string cimport memcpy

from fastsio._dialects cimport EIO4, IN_BASE64, OCTETS, TEXT_PAYLOAD, binary_in, payload_of
from fastsio._frames cimport BINARY, TEXT, frame_of, head_size, write_head

cdef extern from "Python.h":
    Py_ssize_t Py_REFCNT(object o) noexcept
    str PyUnicode_DecodeUTF8(const char* text, Py_ssize_t size, const char* errors)


@cython.freelist(1024)
@cython.no_gc
cdef class Encoded:
    """One packet, encoded once: every form that a transport may need, shared by all who send it.

    The text's WebSocket frame is made with it; attachments' frames, the polling payload and the text as a str on
    first use.
    `size` is what it counts for in a send buffer, in bytes; `is_event` and `key` say what a full one does with it.
    `is_plain`: not to be compressed on its way.
    """

    @property
    def is_binary(self) -> bool:
        """The first message is a binary one, without Engine.IO's type (see Parser): what `text` has is no text."""
        return self.is_binary_()

    @property
    def text(self) -> bytes:
        """The Engine.IO packet: type 4 and the Socket.IO text."""
        return self.frame[self.text_at:]

    @property
    def attachments(self) -> list:
        return list(self.buffers) if self.buffers is not None else []

    @property
    def frames(self) -> bytes:
        """All WebSocket frames from a server, text first: nothing may come in between."""
        return self.frames_()

    @property
    def payload(self) -> bytes:
        """The packets as a polling payload carries them."""
        return self.payload_()

    cdef str string_(self):
        """The text as ASGI servers take it."""
        cdef object text = self.kept(AS_STR)
        if text is None:
            text = PyUnicode_DecodeUTF8(
                PyBytes_AS_STRING(self.frame) + self.text_at, len(self.frame) - self.text_at, NULL
            )
            self.keep(AS_STR, text)
        return text

    cdef bytes frames_(self):
        cdef bytes data
        cdef unsigned char* out
        if self.buffers is None:  # nearly always
            return self.frame
        if self.all_frames is None:
            # Each attachment is copied once, to where it is sent from.
            self.all_frames = PyBytes_FromStringAndSize(NULL, self.size)
            out = <unsigned char*> PyBytes_AS_STRING(self.all_frames)
            memcpy(out, PyBytes_AS_STRING(self.frame), len(self.frame))
            out += len(self.frame)
            for data in self.buffers:
                out = write_head(out, 0x80 | (TEXT if self.has_text_buffers else BINARY), len(data))
                memcpy(out, PyBytes_AS_STRING(data), len(data))
                out += len(data)
        return self.all_frames

    cdef bint is_binary_(self) noexcept:
        return PyBytes_AS_STRING(self.frame)[0] & 0x0F == BINARY

    cdef bytes payload_(self):
        cdef bytes first
        if self.polling is None:
            first = self.frame[self.text_at:]
            if self.is_binary_():
                first = b"b" + binascii.b2a_base64(first, newline=False)
            self.polling = b"\x1eb".join(
                [first]
                + [binascii.b2a_base64(data, newline=False) for data in self.buffers or ()]
            )
        return self.polling

    # --- for clients of other dialects (_dialects.pxd)

    @property
    def has_binary(self) -> bool:
        """A message of it is binary."""
        return self.buffers is not None or self.is_binary_()

    @property
    def payload3(self) -> bytes:
        """The packets as a text payload of Engine.IO v3 carries them."""
        return self.other(TEXT_PAYLOAD)

    @property
    def octets3(self) -> bytes:
        """The packets as a binary payload of Engine.IO v3 carries them."""
        return self.other(OCTETS)

    def in_dialect(self, int dialect) -> Encoded:
        """spoken() for callers in Python."""
        return self.spoken(dialect)

    cdef Encoded spoken(self, int dialect):
        """The packet for a WebSocket's client of that dialect: this one, where it has no binary messages."""
        if dialect == EIO4 or (self.buffers is None and not self.is_binary_()):  # likely
            return self
        return self.other(dialect)

    cdef object other(self, int form):
        """The packet in a Form, or for a Dialect, made when it is first asked for."""
        cdef object made = self.kept(form)
        if made is None:
            if form < TEXT_PAYLOAD:
                made = translated(self, form)
            elif self.is_binary_():
                made = payload_of(None, [self.frame[self.text_at:]] + (self.buffers or []), form)
            else:
                made = payload_of(self.frame[self.text_at:], self.buffers or [], form)
            self.keep(form, made)
        return made

    cdef object kept(self, int which):
        """One of `others`, None if it has not been made."""
        return None if self.others is None else self.others[which]

    cdef int keep(self, int which, object made) except -1:
        if self.others is None:
            self.others = [None] * KEPT
        self.others[which] = made
        return 0


cdef Encoded translated(Encoded encoded, int dialect):
    """A packet with binary messages, for clients of another dialect."""
    cdef Encoded made = Encoded.__new__(Encoded)
    cdef bytes first = encoded.frame[encoded.text_at:]
    cdef bytes data
    made.has_text_buffers = dialect & IN_BASE64 != 0
    made.is_event = encoded.is_event
    made.key = encoded.key
    made.is_plain = encoded.is_plain
    if encoded.is_binary_():
        first = binary_in(first, dialect)
        made.frame = frame_of(
            TEXT if made.has_text_buffers else BINARY, <const unsigned char*> PyBytes_AS_STRING(first), len(first)
        )
        made.text_at = head_size(len(first))
    else:
        made.frame = encoded.frame
        made.text_at = encoded.text_at
    made.size = len(made.frame)
    if encoded.buffers is not None:
        # No comprehension: Cython 3.3's lets go of a value twice if memory runs out as it is appended.
        made.buffers = []
        for data in encoded.buffers:
            data = binary_in(data, dialect)
            made.buffers.append(data)
            made.size += len(data) + head_size(len(data))
    return made


cdef Encoded new_encoded():
    """Encoded.__new__() for other modules: 30 instructions less than through the type (make gate)."""
    return Encoded.__new__(Encoded)


# What was joined last: (packets, their frames). One object, as loops may run in several threads.
cdef tuple NOTHING_JOINED = ([], b"")
cdef tuple joined = NOTHING_JOINED


cdef bytes join_frames(list packets):
    """The WebSocket frames of packets in a row.

    The members of a room are due the same packets at the end of a loop turn. They are joined for the first
    member, and the next ones get the same bytes: 54 ns -> 30 ns a delivery with four packets in a turn.
    """
    global joined
    cdef Encoded encoded
    cdef tuple last = joined
    cdef Py_ssize_t n = len(packets)
    if n == 1:  # likely
        return (<Encoded> packets[0]).frames_()
    if Py_REFCNT(packets[0]) == 1:  # an ack: nobody else is due it
        return b"".join([encoded.frames_() for encoded in packets])
    if n != len(<list> last[0]) or not have_same_items(packets, <list> last[0]):
        joined = last = (list(packets), b"".join([encoded.frames_() for encoded in packets]))
    return <bytes> last[1]


cdef bint have_same_items(list a, list b) noexcept:
    """Two lists of one length, compared by identity."""
    cdef Py_ssize_t i
    for i in range(len(a)):
        if a[i] is not b[i]:
            return False
    return True


cdef void forget_joined() noexcept:
    """The loop turn is over: let go of what join_frames() has kept."""
    global joined
    joined = NOTHING_JOINED


cpdef Encoded encode_engine_packet(bytes packet):
    """An Engine.IO packet given as its text (b"2", b"6", b'0{"sid":…}')."""
    cdef Encoded encoded = Encoded.__new__(Encoded)
    encoded.frame = frame_of(TEXT, <const unsigned char*> PyBytes_AS_STRING(packet), len(packet))
    encoded.text_at = head_size(len(packet))
    encoded.size = len(encoded.frame)
    return encoded


cdef Encoded binary_message(bytes data):
    """One binary Engine.IO message."""
    cdef Encoded encoded = Encoded.__new__(Encoded)
    encoded.frame = frame_of(BINARY, <const unsigned char*> PyBytes_AS_STRING(data), len(data))
    encoded.text_at = head_size(len(data))
    encoded.size = len(encoded.frame)
    return encoded


def encode_messages(list messages) -> Encoded:
    """Engine.IO messages that stay together, text (str) or binary (bytes). Only the first may be text.

    Raises TypeError for another that is.
    """
    cdef object first = messages[0]
    cdef Encoded encoded
    if isinstance(first, str):
        encoded = encode_engine_packet(b"4" + first.encode())
    else:
        encoded = binary_message(bytes(first))
    if len(messages) > 1:
        encoded.buffers = []
        for message in messages[1:]:
            if isinstance(message, str):
                raise TypeError(f"message {message!r} behind the first: only that one may be text")
            encoded.buffers.append(bytes(message))
            encoded.size += len(message) + head_size(len(message))
    return encoded


cpdef Encoded wrap(bytes raw):
    """Bytes that go out as they are (a control frame, an HTTP response), queued among packets."""
    cdef Encoded encoded = Encoded.__new__(Encoded)
    encoded.frame = raw
    encoded.size = len(raw)
    encoded.is_plain = True
    return encoded

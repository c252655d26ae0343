"""Engine.IO v4 and Socket.IO v5 packets: text to values, values to bytes that are shared.

Pure: knows nothing of sessions, sockets or transports; takes from _frames only the frame head, so
that an event is framed once for all who get it.
Source: engine.io-protocol v4 and socket.io-protocol v5; what they leave open is decided as
socket.io-parser 4.2.7 decides it. Stricter than that parser, because no client sends it: blanks as a
type or in ack ids, and ack ids over 18 digits.
"""
import binascii
import math
import re

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport int64_t
from libc.string cimport memchr, memcpy

cdef extern from "Python.h":
    Py_ssize_t Py_REFCNT(object o) noexcept
    str PyUnicode_DecodeUTF8(const char* text, Py_ssize_t size, const char* errors)

from fastsio._frames cimport BINARY, TEXT, frame_of, head_size, write_head
from fastsio._json cimport Json, is_plain, name_text, strings_size, write_strings

from fastsio._frames import ProtocolError
from fastsio._json import DEFAULT_JSON


cdef enum:
    # socket.io-parser's maxAttachments: more closes the connection, on either side.
    MAX_ATTACHMENTS = 10
    MAX_ID_DIGITS = 18
    INVALID_DATA = 1007

NO_DATA = type("NoData", (), {"__repr__": lambda self: "NO_DATA", "__slots__": ()})()
RESERVED_EVENTS = frozenset(
    ("connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener")
)


cpdef object check_event_name(object event):
    """Raise for a name that can't be emitted: the clients' parsers refuse the reserved ones."""
    if type(event) is not str and (not isinstance(event, (str, int, float)) or isinstance(event, bool)):
        raise TypeError(f"event name {event!r}: a string or a number")
    if event in RESERVED_EVENTS:
        raise ValueError(f'"{event}" is a reserved event name')


cdef object invalid(str reason):
    return ProtocolError(INVALID_DATA, reason)


# --- decoding --------------------------------------------------------------------------------

cdef Py_ssize_t digits(const char* p, const char* end, int64_t* value) except -1:
    """How many decimal digits stand at p; their value in `value`."""
    cdef const char* start = p
    value[0] = 0
    while p < end and c"0" <= p[0] <= c"9":
        if p - start == MAX_ID_DIGITS:
            raise invalid(f"number over {MAX_ID_DIGITS} digits")
        value[0] = value[0] * 10 + (p[0] - c"0")
        p += 1
    return p - start


_JS_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)
# ECMA-262 12.2, 12.3: what Number() skips; str.strip() alone would skip U+001C to U+001F too.
_JS_BLANKS = "\t\n\v\f\r \xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000\ufeff"
_JS_BASES = {"0x": 16, "0o": 8, "0b": 2}


def _js_number(text):
    """What JavaScript's Number() makes of a string, as a float; NaN if it is no number."""
    text = text.strip(_JS_BLANKS)
    base = _JS_BASES.get(text[:2].lower())
    try:
        if base is not None:
            return float(int(text[2:], base)) if text[2:].isalnum() else math.nan
        return float(text) if _JS_DECIMAL.fullmatch(text) else math.nan
    except (ValueError, OverflowError):
        return math.nan


cdef const char* parse_attachments(const char* p, const char* end, Head* head) except NULL:
    """Read a binary packet's count and the "-" behind it; returns what follows."""
    cdef const char* dash = <const char*> memchr(p, c"-", end - p)
    if dash == NULL or dash == p:
        raise invalid("illegal attachments")
    if dash - p == 1 and c"1" <= p[0] <= c"9":  # likely
        head.attachments = p[0] - c"0"
        return dash + 1
    count = _js_number(p[: dash - p].decode("utf-8", "replace"))
    if not (math.isfinite(count) and count >= 1 and count == math.floor(count)):
        raise invalid("illegal attachments")
    if count > MAX_ATTACHMENTS:
        raise invalid(f"too many attachments: {count:g} > {MAX_ATTACHMENTS}")
    head.attachments = <int> count
    return dash + 1


cdef int parse_head(const char* p, Py_ssize_t n, Head* head) except -1:
    """Cut a Socket.IO packet's text into its parts: type [count "-"] [namespace ","] [id] [JSON].

    Does not look into the JSON. Raises ProtocolError as socket.io-parser throws.
    """
    cdef const char* end = p + n
    cdef const char* comma
    cdef int64_t number
    cdef Py_ssize_t length
    if n == 0 or p[0] < c"0" or p[0] > c"6":
        raise invalid(f"unknown packet type {p[:min(n, 1)]!r}")
    head.type = p[0] - c"0"
    head.attachments = 0
    head.namespace = NULL
    head.namespace_size = 0
    head.id = -1
    p += 1
    if head.type >= BINARY_EVENT:
        p = parse_attachments(p, end, head)
    if p < end and p[0] == c"/":
        comma = <const char*> memchr(p, c",", end - p)
        if comma == NULL:
            comma = end
        if comma - p > 1:  # "/" itself is the namespace that is nearly always left out
            head.namespace = p
            head.namespace_size = comma - p
        p = comma + 1 if comma < end else end
    length = digits(p, end, &number)
    if length:
        head.id = number
    head.json = p + length
    head.json_size = end - head.json
    if head.json_size and (head.json[0] == c" " or c"\t" <= head.json[0] <= c"\r"):
        raise invalid("blank in the ack id")
    return 0


cdef str namespace_of(Head* head):
    """The namespace's name, None for "/"."""
    if head.namespace == NULL:
        return None
    if is_plain(<const unsigned char*> head.namespace, head.namespace_size):  # likely
        return name_text(head.namespace, head.namespace_size)
    try:
        return head.namespace[: head.namespace_size].decode()
    except UnicodeDecodeError as error:
        raise invalid("namespace is not UTF-8") from error


cdef object load_data(Head* head, Json json):
    """The packet's JSON, checked for its type; NO_DATA if there is none."""
    cdef object data, first
    if head.json_size == 0:
        return NO_DATA
    data = json.load(head.json, head.json_size)
    if head.type == EVENT or head.type == BINARY_EVENT:
        if type(data) is not list or not data:
            raise invalid("invalid payload: an event is a non-empty array")
        first = (<list> data)[0]
        if type(first) is str:
            if first in RESERVED_EVENTS:
                raise invalid(f"invalid payload: reserved event {first!r}")
        elif type(first) is not int and type(first) is not float:
            raise invalid("invalid payload: an event's name is a string or a number")
    elif head.type == ACK or head.type == BINARY_ACK:
        if type(data) is not list:
            raise invalid("invalid payload: an ack is an array")
    elif head.type == CONNECT:
        if type(data) is not dict:
            raise invalid("invalid payload: auth is an object")
    elif head.type == CONNECT_ERROR:
        if type(data) is not dict and type(data) is not str:
            raise invalid("invalid payload: an error is an object or a string")
    else:
        raise invalid("invalid payload: a disconnect carries none")
    return data


cdef object reconstruct(object data, list buffers):
    """`data` with its placeholders replaced by `buffers`, in place where it can be.

    Raises ProtocolError for a placeholder that names no buffer.
    """
    cdef object key, value, index
    cdef Py_ssize_t i
    if type(data) is list:
        for i in range(len(<list> data)):
            if type((<list> data)[i]) is not str:
                (<list> data)[i] = reconstruct((<list> data)[i], buffers)
    elif type(data) is dict:
        if (<dict> data).get("_placeholder") is True:
            index = (<dict> data).get("num")
            if (type(index) is not int and type(index) is not float) or not 0 <= index < len(buffers):
                raise invalid(f"illegal attachments: placeholder {index!r}")
            # JavaScript has one kind of number: 0.0 is 0, and 0.5 names nothing.
            return buffers[int(index)] if index == int(index) else None
        for key, value in (<dict> data).items():
            (<dict> data)[key] = reconstruct(value, buffers)
    return data


cdef class Packet:
    """A decoded Socket.IO packet. `data` is NO_DATA where the packet carries no JSON."""

    cdef readonly int type
    cdef readonly int attachments
    cdef readonly str namespace
    cdef readonly object id
    cdef public object data

    def __repr__(self):
        return f"Packet(type={self.type}, namespace={self.namespace!r}, id={self.id}, data={self.data!r})"


cdef class Decoder:
    """Packets of one connection, from text and binary messages in their order.

    A binary packet is complete with its last attachment; nothing else may come in between.
    Raises ProtocolError; the connection is of no use after it.
    """

    cdef Json json
    cdef Packet partial
    cdef list buffers

    def __cinit__(self, json=None):
        self.json = DEFAULT_JSON if json is None else Json(json)

    def add_text(self, text) -> Packet | None:
        """One packet's text, without Engine.IO's type; None while attachments are missing."""
        cdef Head head
        cdef bytes data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else bytes(text)
        cdef Packet packet = Packet.__new__(Packet)
        if self.partial is not None:
            raise invalid("got plaintext data when reconstructing a packet")
        parse_head(PyBytes_AS_STRING(data), len(data), &head)
        packet.type = head.type
        packet.attachments = head.attachments
        packet.namespace = namespace_of(&head) or "/"
        packet.id = None if head.id < 0 else head.id
        packet.data = load_data(&head, self.json)
        if not head.attachments:
            return packet
        self.partial = packet
        self.buffers = []
        return None

    def add_binary(self, data: bytes) -> Packet | None:
        """The next attachment; the packet if it was the last one."""
        cdef Packet packet = self.partial
        if packet is None:
            raise invalid("got binary data when not reconstructing a packet")
        self.buffers.append(bytes(data))
        if len(self.buffers) < packet.attachments:
            return None
        self.partial = None
        packet.data = reconstruct(packet.data, self.buffers)
        return packet


# --- encoding --------------------------------------------------------------------------------

@cython.freelist(1024)
@cython.no_gc
cdef class Encoded:
    """One packet, encoded once: every form that a transport may need, shared by all who send it.

    The text's WebSocket frame is made with it; attachments' frames, the polling payload and the text as a str on
    first use.
    `size` is what it counts for in a send buffer, in bytes. A raw binary message has no frame, only its buffer.
    """

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
        if self.string is None:
            self.string = PyUnicode_DecodeUTF8(
                PyBytes_AS_STRING(self.frame) + self.text_at, len(self.frame) - self.text_at, NULL
            )
        return self.string

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
                out = write_head(out, 0x80 | BINARY, len(data))
                memcpy(out, PyBytes_AS_STRING(data), len(data))
                out += len(data)
        return self.all_frames

    cdef bytes payload_(self):
        if self.polling is None:
            self.polling = b"\x1eb".join(
                [self.frame[self.text_at:]]
                + [binascii.b2a_base64(data, newline=False) for data in self.buffers or ()]
            )
            if not self.frame:  # a binary message without a packet before it
                self.polling = self.polling[1:]
        return self.polling


cdef list joined_packets = []
cdef bytes joined_frames = b""


cdef bytes join_frames(list packets):
    """The WebSocket frames of packets in a row.

    The members of a room are due the same packets at the end of a loop turn. They are joined for the first
    member, and the next ones get the same bytes: 54 ns -> 30 ns a delivery with four packets in a turn.
    """
    global joined_packets, joined_frames
    cdef Encoded encoded
    cdef Py_ssize_t n = len(packets)
    if n == 1:  # likely
        return (<Encoded> packets[0]).frames_()
    if Py_REFCNT(packets[0]) == 1:  # an ack: nobody else is due it
        return b"".join([encoded.frames_() for encoded in packets])
    if n != len(joined_packets) or not have_same_items(packets, joined_packets):
        joined_frames = b"".join([encoded.frames_() for encoded in packets])
        joined_packets = list(packets)
    return joined_frames


cdef bint have_same_items(list a, list b) noexcept:
    """Two lists of one length, compared by identity."""
    cdef Py_ssize_t i
    for i in range(len(a)):
        if a[i] is not b[i]:
            return False
    return True


cdef void forget_joined() noexcept:
    """The loop turn is over: let go of what join_frames() has kept."""
    global joined_packets, joined_frames
    joined_packets = []
    joined_frames = b""


cdef int decimal(int64_t number, char* out) noexcept:
    """Write a number's digits; returns how many."""
    cdef char turned[20]
    cdef int n = 0
    cdef int i
    while True:
        turned[n] = <char> (c"0" + number % 10)
        n += 1
        number //= 10
        if number == 0:
            break
    for i in range(n):
        out[i] = turned[n - 1 - i]
    return n


cdef Encoded encode(int type, bytes namespace, int64_t id, object data, Json json):
    """A Socket.IO packet; `namespace` is its prefix on the wire (b"" or b"/chat,"), id -1 for none.

    `data` is an array, object or string for JSON, or NO_DATA. Raises TypeError for what JSON can't
    hold and ValueError for more than 10 binary values.
    """
    cdef Encoded encoded = Encoded.__new__(Encoded)
    cdef list buffers = None
    cdef bytes body = b""
    cdef int attachments = 0
    cdef Py_ssize_t body_size = strings_size(data, &attachments) if json.is_builtin else 0
    cdef bint is_strings = body_size > 0
    cdef char head[32]
    cdef int n = 2
    cdef Py_ssize_t size
    cdef unsigned char* out
    if attachments and is_strings:
        buffers = [item for item in <list> data if isinstance(item, bytes)]
    elif data is not NO_DATA and not is_strings:
        buffers = []
        body = json.dump(data, buffers)
        body_size = len(body)
    head[0] = c"4"
    head[1] = <char> (c"0" + type)
    if buffers:
        n += attach(encoded, buffers, head)
    cdef int prefix = n
    if id >= 0:
        n += decimal(id, head + n)
    size = n + len(namespace) + body_size
    encoded.text_at = head_size(size)
    encoded.frame = PyBytes_FromStringAndSize(NULL, encoded.text_at + size)
    out = write_head(<unsigned char*> PyBytes_AS_STRING(encoded.frame), 0x80 | TEXT, size)
    memcpy(out, head, prefix)
    memcpy(out + prefix, PyBytes_AS_STRING(namespace), len(namespace))
    memcpy(out + prefix + len(namespace), head + prefix, n - prefix)
    out += n + len(namespace)
    if is_strings:
        write_strings(<list> data, <char*> out)
    else:
        memcpy(out, PyBytes_AS_STRING(body), body_size)
    encoded.size += encoded.text_at + size
    return encoded


cdef int attach(Encoded encoded, list buffers, char* head) except -1:
    """Make it a binary packet: the type, the count, the buffers. Returns the count's length."""
    cdef bytes data
    if len(buffers) > MAX_ATTACHMENTS:
        raise ValueError(
            f"{len(buffers)} binary values in one packet: the official parsers refuse more than {MAX_ATTACHMENTS}"
        )
    if head[1] == c"0" + EVENT or head[1] == c"0" + ACK:
        head[1] += BINARY_EVENT - EVENT
    else:
        raise TypeError("only events and acks carry binary values")
    encoded.buffers = buffers
    for data in buffers:
        encoded.size += len(data) + head_size(len(data))
    cdef int n = decimal(len(buffers), head + 2)
    head[2 + n] = c"-"
    return n + 1


cdef bytes namespace_prefix(str namespace):
    return b"" if namespace == "/" else namespace.encode() + b","


cdef int64_t check_id(object id) except -1:
    if id < 0:
        raise ValueError(f"ack id {id} is below 0")
    return id


def encode_packet(int type, data=NO_DATA, str namespace="/", id=None, json=None) -> Encoded:
    """Encode one Socket.IO packet; EVENT and ACK become their binary types when bytes are inside."""
    if type < 0 or type > CONNECT_ERROR:
        raise ValueError(f"packet type {type}: give 0 to 4, the binary types follow from the data")
    return encode(
        type, namespace_prefix(namespace), -1 if id is None else check_id(id), data,
        DEFAULT_JSON if json is None else json if isinstance(json, Json) else Json(json),
    )


def encode_engine_packet(bytes packet) -> Encoded:
    """An Engine.IO packet given as its text (b"2", b"6", b'0{"sid":…}')."""
    cdef Encoded encoded = Encoded.__new__(Encoded)
    encoded.frame = frame_of(TEXT, <const unsigned char*> PyBytes_AS_STRING(packet), len(packet))
    encoded.text_at = head_size(len(packet))
    encoded.size = len(encoded.frame)
    return encoded


def encode_engine_binary(bytes data) -> Encoded:
    """A binary Engine.IO message that belongs to no Socket.IO packet."""
    cdef Encoded encoded = Encoded.__new__(Encoded)
    encoded.frame = b""
    encoded.buffers = [data]
    encoded.size = len(data) + head_size(len(data))
    return encoded


def wrap(bytes raw) -> Encoded:
    """Bytes that go out as they are (a control frame, an HTTP response), queued among packets."""
    cdef Encoded encoded = Encoded.__new__(Encoded)
    encoded.frame = raw
    encoded.size = len(raw)
    return encoded


# --- Engine.IO polling payloads ---------------------------------------------------------------

_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_NOT_BASE64 = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"))


def decode_base64(data: bytes) -> bytes:
    """Base64 as Node's Buffer reads it: padding may be missing, the url-safe alphabet is taken, the rest skipped."""
    try:
        return binascii.a2b_base64(data, strict_mode=True)
    except binascii.Error:
        data = data.partition(b"=")[0].translate(_URL_SAFE).translate(None, _NOT_BASE64)
        if len(data) % 4 == 1:
            data = data[: len(data) - 1]
        return binascii.a2b_base64(data + b"===")


def decode_payload(body: bytes) -> list:
    """The Engine.IO v4 packets of a POST body: (type, data) with type "0" to "6", or "b" for binary.

    Bytes that are not UTF-8 are replaced, as Node does. Raises ProtocolError at the first packet that
    is none; its attribute `packets` has those before it, which count.
    """
    cdef list packets = []
    cdef bytes packet
    try:
        body.decode()
    except UnicodeDecodeError:
        body = body.decode("utf-8", "replace").encode()
    for packet in body.split(b"\x1e"):
        if packet[:1] == b"b":
            packets.append(("b", decode_base64(packet[1:])))
        elif packet[:1] in (b"0", b"1", b"2", b"3", b"4", b"5", b"6"):
            packets.append((chr(packet[0]), packet[1:]))
        else:
            error = invalid(f"unknown Engine.IO packet {packet[:1]!r}")
            error.packets = packets
            raise error
    return packets

"""Socket.IO v5 packets: text to values, values to bytes that are shared; and the port for other forms (Parser).

Pure: knows nothing of sessions, sockets or transports; takes from _frames only the frame head, so
that an event is framed once for all who get it.
Source: socket.io-protocol v5, engine.io-protocol v4 for what is around a packet; what they leave open is decided
as socket.io-parser 4.2.7 decides it. Stricter than that parser, because no client sends it: blanks as a
type or in ack ids, and ack ids over 18 digits.
"""
import math
import re

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport int64_t
from libc.string cimport memchr, memcpy

from fastsio._encoded cimport Encoded, new_encoded
from fastsio._frames cimport TEXT, head_size, write_head
from fastsio._json cimport Json, is_plain, name_text, string_size, strings_size, write_strings

from fastsio._frames import OverLimit, ProtocolError
from fastsio._json import DEFAULT_JSON

cdef extern from "Python.h":
    Py_ssize_t PyUnicode_GET_LENGTH(object text) noexcept
    void* PyUnicode_DATA(object text) noexcept

cdef enum:
    # What the official clients take: socket.io-parser's maxAttachments. How many are read here: Json.max_attachments.
    MAX_ATTACHMENTS = 10
    MAX_ID_DIGITS = 18
    INVALID_DATA = 1007

cdef object OVER_ID = 10**MAX_ID_DIGITS
NO_DATA = type("NoData", (), {"__repr__": lambda self: "NO_DATA", "__slots__": ()})()
RESERVED_EVENTS = frozenset(
    ("connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener")
)
# A name of Python's is looked up at each use, from Python 3.12 on.
cdef object no_data = NO_DATA
cdef unsigned int RESERVED_LENGTHS = sum({1 << len(name) for name in RESERVED_EVENTS})


cdef inline bint has_bit(unsigned int bits, Py_ssize_t which) noexcept:
    return which < 32 and bits >> which & 1


cpdef object check_event_name(object event):
    """Raise for a name that can't be emitted: the clients' parsers refuse the reserved ones."""
    if type(event) is str and not has_bit(RESERVED_LENGTHS, PyUnicode_GET_LENGTH(event)):  # likely
        return
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


cdef const char* parse_attachments(const char* p, const char* end, Head* head, int most) except NULL:
    """Read a binary packet's count, `most` at most, and the "-" behind it; returns what follows."""
    cdef const char* dash = <const char*> memchr(p, c"-", end - p)
    if dash == NULL or dash == p:
        raise invalid("illegal attachments")
    if dash - p == 1 and c"1" <= p[0] <= c"9" and p[0] - c"0" <= most:  # likely
        head.attachments = p[0] - c"0"
        return dash + 1
    count = _js_number(p[: dash - p].decode("utf-8", "replace"))
    if not (math.isfinite(count) and count >= 1 and count == math.floor(count)):
        raise invalid("illegal attachments")
    if count > most:
        raise OverLimit(INVALID_DATA, f"too many attachments: {count:g} > {most}", "max_attachments")
    head.attachments = <int> count
    return dash + 1


cdef int parse_head(const char* p, Py_ssize_t n, Head* head, int max_attachments) except -1:
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
        p = parse_attachments(p, end, head, max_attachments)
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
    if head.json_size == 0:
        return no_data
    data = json.load(head.json, head.json_size)
    check_data(head.type, data)
    return data


cdef inline int check_data(int type_, object data) except -1:
    """Raise for data that a packet of this type can't have."""
    cdef object first
    if type_ == EVENT or type_ == BINARY_EVENT:
        if type(data) is not list or not data:
            raise invalid("invalid payload: an event is a non-empty array")
        first = (<list> data)[0]
        if type(first) is str:
            # A look-up in the set only for what is as long as one of them: it would be 1 % of an event.
            if has_bit(RESERVED_LENGTHS, PyUnicode_GET_LENGTH(first)) and first in RESERVED_EVENTS:
                raise invalid(f"invalid payload: reserved event {first!r}")
        elif type(first) is not int and type(first) is not float:
            raise invalid("invalid payload: an event's name is a string or a number")
    elif type_ == ACK or type_ == BINARY_ACK:
        if type(data) is not list:
            raise invalid("invalid payload: an ack is an array")
    elif type_ == CONNECT:
        if type(data) is not dict:
            raise invalid("invalid payload: auth is an object")
    elif type_ == CONNECT_ERROR:
        if type(data) is not dict and type(data) is not str:
            raise invalid("invalid payload: an error is an object or a string")
    else:
        raise invalid("invalid payload: a disconnect carries none")
    return 0


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

    def __repr__(self):
        return f"Packet(type={self.type}, namespace={self.namespace!r}, id={self.id}, data={self.data!r})"


cdef Packet packet_of(object text, Json json):
    """A packet's text as its parts; whether the data fits the type is not looked at."""
    cdef Head head
    cdef bytes data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else bytes(text)
    cdef Packet packet = Packet.__new__(Packet)
    parse_head(PyBytes_AS_STRING(data), len(data), &head, json.max_attachments)
    packet.type = head.type
    packet.attachments = head.attachments
    packet.namespace = namespace_of(&head) or "/"
    packet.id = None if head.id < 0 else head.id
    packet.data = json.load(head.json, head.json_size) if head.json_size else NO_DATA
    return packet


def split_packet(text, json=None) -> Packet:
    """A packet's text as its parts, for packet.Packet. Raises ProtocolError for a head or a JSON that is none."""
    return packet_of(text, as_json(json))


cdef class Decoder:
    """Packets of one connection, from text and binary messages in their order.

    A binary packet is complete with its last attachment; nothing else may come in between.
    Raises ProtocolError; the connection is of no use after it.
    """

    cdef Json json
    cdef Packet partial
    cdef list buffers

    def __cinit__(self, json=None):
        self.json = as_json(json)

    def add_text(self, text) -> Packet | None:
        """One packet's text, without Engine.IO's type; None while attachments are missing."""
        cdef Packet packet
        if self.partial is not None:
            raise invalid("got plaintext data when reconstructing a packet")
        packet = packet_of(text, self.json)
        if packet.data is not NO_DATA:
            check_data(packet.type, packet.data)
        if not packet.attachments:
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
    hold and ValueError for more than 10 binary values, or than max_attachments where that is more.
    """
    cdef Encoded encoded
    cdef list buffers = None
    cdef bytes body = b""
    cdef int attachments = 0
    cdef Py_ssize_t body_size = 0
    if json.is_builtin:  # likely
        body_size = strings_size(data, &attachments)
    elif isinstance(json, Parser):
        encoded = (<Parser> json).encode(type, namespace[: len(namespace) - 1].decode() or "/", id, data)
        encoded.is_event = type == EVENT and id < 0
        return encoded
    encoded = new_encoded()
    encoded.is_event = type == EVENT and id < 0
    cdef bint is_strings = body_size > 0
    cdef char head[32]
    cdef int n = 2
    cdef unsigned char* out
    if attachments and is_strings:
        buffers = [item for item in <list> data if isinstance(item, bytes)]
    elif data is not no_data and not is_strings:
        buffers = []
        body = json.dump(data, buffers)
        body_size = len(body)
    head[0] = c"4"
    head[1] = <char> (c"0" + type)
    if buffers:
        n += attach(encoded, buffers, head, json.max_attachments)
    out = write_start(encoded, head, n, namespace, id, body_size)
    if is_strings:
        write_strings(<list> data, <char*> out)
    else:
        memcpy(out, PyBytes_AS_STRING(body), body_size)
    return encoded


cdef inline unsigned char* write_start(
    Encoded encoded, char* head, int prefix, bytes namespace, int64_t id, Py_ssize_t body_size
) except NULL:
    """Make a packet's frame: type and count (`prefix` bytes of `head`), namespace, id; returns where the body goes."""
    cdef int digits_size = decimal(id, head + prefix) if id >= 0 else 0
    cdef Py_ssize_t name_size = len(namespace)
    cdef Py_ssize_t size = prefix + name_size + digits_size + body_size
    cdef unsigned char* out
    encoded.text_at = head_size(size)
    encoded.frame = PyBytes_FromStringAndSize(NULL, encoded.text_at + size)
    encoded.size += encoded.text_at + size
    out = write_head(<unsigned char*> PyBytes_AS_STRING(encoded.frame), 0x80 | TEXT, size)
    memcpy(out, head, prefix)
    memcpy(out + prefix, PyBytes_AS_STRING(namespace), name_size)
    memcpy(out + prefix + name_size, head + prefix, digits_size)
    return out + prefix + name_size + digits_size


cdef Encoded encode_one(int type, bytes namespace, int64_t id, object value, Json json):
    """encode() of [value]; of a plain text, as many acks have, without that list: 4 % of an event."""
    cdef Py_ssize_t n = string_size(value) if json.is_builtin else -1
    cdef Encoded encoded
    cdef char head[32]
    cdef unsigned char* out
    if n < 0:
        return encode(type, namespace, id, [value], json)
    encoded = new_encoded()
    encoded.is_event = type == EVENT and id < 0
    head[0] = c"4"
    head[1] = <char> (c"0" + type)
    out = write_start(encoded, head, 2, namespace, id, n + 4)
    out[0] = c"["
    out[1] = c'"'
    memcpy(out + 2, PyUnicode_DATA(value), n)
    out[n + 2] = c'"'
    out[n + 3] = c"]"
    return encoded


cdef int attach(Encoded encoded, list buffers, char* head, int most) except -1:
    """Make it a binary packet: the type, the count, the buffers. Returns the count's length.

    A server that reads fewer than the clients may still send as many as they read.
    """
    cdef bytes data
    if len(buffers) > max(most, MAX_ATTACHMENTS):
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


cdef Json as_json(object json):
    """A Json, or a module that is given as json=, as a Json."""
    return DEFAULT_JSON if json is None else json if isinstance(json, Json) else Json(json)


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
        type, namespace_prefix(namespace), -1 if id is None else check_id(id), data, as_json(json)
    )


# --- other forms of packets ------------------------------------------------------------------

cdef class Parser(Json):
    """Port: packets in a form of their own, in place of text with JSON; what `serializer=` names.

    It stands where a Json stands, so that nobody pays for the choice: encode() asks it only where the JSON is not
    the built-in one, and PeerBase reads through its decoder. Implemented by _msgpack and core/parsers.py.
    """

    cpdef Encoded encode(self, int type, str namespace, int64_t id, object data):
        """A packet of type 0 to 4; id -1 for none, data NO_DATA for none. Raises TypeError or ValueError for what
        it can't hold."""
        raise NotImplementedError

    cpdef MessageDecoder new_decoder(self):
        """The decoder of one connection; they may share one that remembers nothing."""
        raise NotImplementedError


cdef class MessageDecoder:
    """Port: one connection's messages as packets."""

    cpdef Packet decode(self, object message):
        """The packet that is complete with this message (str or bytes), None while parts are missing.

        Raises ProtocolError for what is none; the connection is of no use after it.
        """
        raise NotImplementedError


cpdef Packet checked_packet(object type_, object namespace, object id, object data):
    """A decoded packet for a MessageDecoder, under the rules that hold for JSON too. Raises ProtocolError."""
    cdef Packet packet = Packet.__new__(Packet)
    cdef str name
    if type(type_) is not int or not 0 <= type_ <= BINARY_ACK:
        raise invalid(f"unknown packet type {type_!r}")
    # What JSON's form can't name can't be made: "," ends a name there.
    name = namespace if type(namespace) is str else ""
    if name != "/" and (not name or name[0] != "/" or "," in name):
        raise invalid(f"invalid namespace {namespace!r}")
    if id is not None and (type(id) is not int or not 0 <= id < OVER_ID):
        raise invalid(f"invalid ack id {id!r}")
    if data is not NO_DATA:
        check_data(type_, data)
    elif type_ != CONNECT and type_ != DISCONNECT:
        raise invalid(f"invalid payload: packet type {type_} without one")
    packet.type = type_
    packet.namespace = name
    packet.id = id
    packet.data = data
    return packet

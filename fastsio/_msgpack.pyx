"""Packets as MessagePack: one map in one binary message, as socket.io-msgpack-parser 3 has them.

Pure, on msgspec (the extra `msgpack`), which is imported when the first parser is made.
Source: socket.io-msgpack-parser 3.0.2 for the map {type, data, nsp[, id]}; notepack.io 2.2 for what JavaScript has and
MessagePack has not: undefined is extension 0 with one zero byte, a Date extension 0 with its milliseconds, an
ArrayBuffer extension 0 with its bytes. A datetime is written so, and the three are read as None, an aware datetime and
bytes. An ArrayBuffer of 8 bytes that is a date of the years 1 to 9999 is read as one: the two look the same here.
"""
import datetime
from typing import Any, NamedTuple

from libc.stdint cimport int64_t

from fastsio._codec cimport MessageDecoder, Packet, Parser, checked_packet
from fastsio._encoded cimport Encoded, binary_message
from fastsio._json cimport is_deeper

from fastsio._codec import NO_DATA
from fastsio._frames import ProtocolError
from fastsio.models import as_builtins

try:
    import msgspec
except ImportError:
    msgspec = None

try:
    # Applications that used MessagePack with python-socketio know its types.
    from msgpack import ExtType, Timestamp
except ImportError:
    Timestamp = ()

    class ExtType(NamedTuple):
        """A value of a type of the application's own: its code, 0 to 127, and its bytes."""

        code: int
        data: bytes


cdef enum:
    INVALID_DATA = 1007
    # msgspec's own limit is the interpreter's.
    MAX_DEPTH = 900
    MAX_LOAD_DEPTH = 1024
    CONNECT_ERROR = 4
    NODE_TYPE = 0
    TIMESTAMP = -1

cdef object no_data = NO_DATA
UNDEFINED = b"\xd4\0\0"
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
KEPT_TYPES = (datetime.datetime, bytes, bytearray, memoryview)


def require_msgspec() -> None:
    """Raises ImportError if msgspec is not installed."""
    if msgspec is None:
        raise ImportError('serializer="msgpack" needs msgspec: pip install "fastsio[msgpack]"')


# --- reading ---------------------------------------------------------------------------------

cdef object fields_reader(object data_type, object ext_hook):
    fields = [("type", int), ("nsp", str), ("data", data_type, msgspec.UNSET), ("id", Any, msgspec.UNSET)]
    return msgspec.msgpack.Decoder(msgspec.defstruct("Fields", fields), ext_hook=ext_hook).decode


def node_value(int code, data):
    """An extension as notepack.io means it, the default `ext_hook` of a server; others are an ExtType."""
    cdef bytes raw = bytes(data)
    if code != NODE_TYPE:
        return ExtType(code, raw)
    if raw == b"\0":
        return None
    if len(raw) == 8:
        try:
            return EPOCH + datetime.timedelta(milliseconds=int.from_bytes(raw, "big", signed=True))
        except OverflowError:
            return raw
    return raw


cdef class MsgPackDecoder(MessageDecoder):
    """Messages as packets. Remembers nothing from one to the next: all connections, and threads, share one."""

    cdef object read_fields
    cdef object read_data       # for the packet's data, where the hook is the user's

    def __init__(self, ext_hook=None):
        require_msgspec()
        if ext_hook is None:
            self.read_fields = fields_reader(Any, node_value)
            return

        def hook(int code, data):
            return ext_hook(code, bytes(data))

        # Undefined in the place of the data is none, whatever the user's hook makes of it elsewhere.
        self.read_fields = fields_reader(msgspec.Raw, hook)
        self.read_data = msgspec.msgpack.Decoder(ext_hook=hook).decode

    cpdef tuple fields(self, message):
        """(type, namespace, data, id) as they are there; None for what is absent, nil or undefined.

        Raises ValueError for what is not MessagePack or not a packet, and what the user's ext_hook raises.
        """
        try:
            found = self.read_fields(message)
            data = None if found.data is msgspec.UNSET else found.data
            if data is not None and self.read_data is not None:
                data = None if memoryview(data) == UNDEFINED else self.read_data(data)
        except msgspec.MsgspecError as error:  # no ValueError before msgspec 0.19
            raise ValueError(str(error)) from error
        except RecursionError:
            raise ValueError("nested too deeply") from None
        if len(message) > MAX_LOAD_DEPTH and is_deeper(data, MAX_LOAD_DEPTH):  # of fewer bytes it can't be so deep
            raise ValueError(f"nested over {MAX_LOAD_DEPTH} levels")
        return found.type, found.nsp, data, None if found.id is msgspec.UNSET else found.id

    cpdef Packet decode(self, object message):
        if isinstance(message, str):
            raise ProtocolError(INVALID_DATA, "a text message where packets are MessagePack")
        try:
            type_, namespace, data, id = self.fields(message)
        except Exception as error:  # the user's ext_hook may raise anything
            raise ProtocolError(INVALID_DATA, f"invalid payload: not a packet in MessagePack ({error!r})") from error
        if type_ > CONNECT_ERROR:
            raise ProtocolError(INVALID_DATA, f"unknown packet type {type_}")
        return checked_packet(type_, namespace, id, no_data if data is None else data)


# --- writing ---------------------------------------------------------------------------------

cdef bint is_basic(object value, int depth) except -1:
    """Whether msgspec writes it as msgpack and notepack.io do: then it is left as it is."""
    cdef object key, item
    kind = type(value)
    if value is None or kind is str or kind is int or kind is float or kind is bool or kind is bytes:
        return True
    if depth > MAX_DEPTH:
        raise ValueError(f"nested over {MAX_DEPTH} levels, or circular")
    if kind is list:
        for item in <list> value:
            if not is_basic(item, depth + 1):
                return False
        return True
    if kind is dict:
        for key, item in (<dict> value).items():
            if type(key) is not str or not is_basic(item, depth + 1):
                return False
        return True
    return False


cdef class MsgPack(Parser):
    """The parser of `serializer="msgpack"`.

    `dumps_default(value)` is asked for values that msgpack has no form for, and returns one that it has, or an ExtType.
    Without it, datetimes are written as JavaScript's, and what msgspec knows (dataclasses, UUIDs, sets...) as it does.
    `ext_hook(code, data)` makes the value of an extension that a client sends; see node_value().
    """

    cdef object dumps_default
    cdef object write           # msgspec's encode()
    cdef readonly MsgPackDecoder decoder

    def __init__(self, dumps_default=None, ext_hook=None):
        self.decoder = MsgPackDecoder(ext_hook)
        self.dumps_default = dumps_default
        self.write = msgspec.msgpack.Encoder().encode

    cpdef MessageDecoder new_decoder(self):
        return self.decoder

    cpdef Encoded encode(self, int type, str namespace, int64_t id, object data):
        return binary_message(self.pack(type, namespace, None if id < 0 else id, data))

    cpdef bytes pack(self, type, namespace, id, data):
        """A packet as MessagePack; id None and data NO_DATA for none: the official parser refuses nil there.

        Raises TypeError for what has no form, ValueError for what is nested too deeply or no text, OverflowError for an
        integer over 64 bits.
        """
        fields = {"type": type}
        if data is not no_data:
            fields["data"] = data if is_basic(data, 0) else self.converted(data, 0)
        fields["nsp"] = namespace
        if id is not None:
            fields["id"] = id
        try:
            return self.write(fields)
        except OverflowError:
            if self.dumps_default is None:
                raise
            fields["data"] = self.converted(data, 0)
            return self.write(fields)
        except RecursionError:  # the stack was deep already
            raise ValueError("nested too deeply") from None

    cdef object converted(self, object value, int depth):
        """A copy of `value` in msgspec's types, subclasses of them as what they are derived from."""
        if depth > MAX_DEPTH:
            raise ValueError(f"nested over {MAX_DEPTH} levels, or circular")
        if value is None or isinstance(value, (bool, msgspec.msgpack.Ext)):
            return value
        if isinstance(value, ExtType):
            return msgspec.msgpack.Ext(value.code, bytes(value.data))
        if isinstance(value, Timestamp):
            return msgspec.msgpack.Ext(TIMESTAMP, value.to_bytes())
        if isinstance(value, str):
            return str.__str__(value)
        if isinstance(value, float):
            return float.__float__(value)
        if isinstance(value, int) and (self.dumps_default is None or -(2**63) <= value < 2**64):
            return int.__int__(value)
        if isinstance(value, (bytes, bytearray, memoryview)):
            return bytes(value)
        if isinstance(value, dict):
            return {self.key(key, depth + 1): self.converted(item, depth + 1) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.converted(item, depth + 1) for item in value]
        return self.converted(self.simplified(value), depth + 1)

    cdef object key(self, object key, int depth):
        value = self.converted(key, depth)
        return tuple(value) if isinstance(value, list) else value

    cdef object simplified(self, object value):
        """Any other value as one that has a form."""
        if self.dumps_default is not None:
            return self.dumps_default(value)
        if isinstance(value, datetime.datetime):
            milliseconds = round(value.timestamp() * 1000)
            return msgspec.msgpack.Ext(NODE_TYPE, milliseconds.to_bytes(8, "big", signed=True))
        simple = msgspec.to_builtins(value, builtin_types=KEPT_TYPES, enc_hook=as_builtins)
        if type(simple) is type(value):
            raise TypeError(f"Object of type {type(value).__name__} has no form in MessagePack")
        return simple

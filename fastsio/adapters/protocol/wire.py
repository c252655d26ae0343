"""Messages as bytes: JSON, or MessagePack where there is binary data. Source: Node's sharded Redis adapter."""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from fastsio._codec import encode_packet
from fastsio._json import DEFAULT_JSON, Json, is_nested_too_deeply
from fastsio.adapters.protocol.messages import Kind, Message, json_of
from fastsio.models import as_builtins

if TYPE_CHECKING:
    from fastsio._encoded import Encoded

EVENT = 2
# How JSON of a broadcast begins, as Node's adapter and this one write it.
BROADCAST_HEAD = b'{"type":3,'
# Whose data is the application's, and may have bytes in it.
MAY_HAVE_BYTES = frozenset(
    (
        Kind.BROADCAST,
        Kind.FETCH_SOCKETS_RESPONSE,
        Kind.SERVER_SIDE_EMIT,
        Kind.SERVER_SIDE_EMIT_RESPONSE,
        Kind.BROADCAST_ACK,
    )
)


_write = msgspec.msgpack.Encoder(enc_hook=as_builtins).encode


class Packed:
    """[event, *args] as a broadcast carries it: JSON, or MessagePack if `is_binary`.

    `encoded` is the packet with just these; its text has the JSON already, unless a Parser makes packets, which has no
    dumps().
    """

    __slots__ = ("data", "is_binary")

    def __init__(self, args: list[Any], encoded: "Encoded", json: Json) -> None:
        self.is_binary: bool = encoded.has_binary
        if self.is_binary:
            self.data = pack(args)
        elif json.dumps is None:
            self.data = dumps(json, args)
        else:
            self.data = json_of(encoded.text[2:])  # types are in front: Engine.IO's, Socket.IO's


def dumps(json: Json, value: Any) -> bytes:
    """JSON as bytes, whatever module makes it; a Parser has none. TypeError for what it can't hold, bytes among it."""
    try:
        text: str | bytes = (json.dumps or DEFAULT_JSON.dumps)(value)
    except TypeError:
        # Such as keys that are numbers, and models: packets may have them.
        encoded = encode_packet(EVENT, value, json=None if json.dumps is None else json)
        if encoded.attachments:
            raise TypeError("bytes where there is only JSON") from None
        return encoded.text[2:]  # the types are in front, and no namespace
    return text.encode() if isinstance(text, str) else text


def pack(value: Any) -> bytes:
    """A value as MessagePack. Raises TypeError for what it can't hold."""
    try:
        return _write(value)
    except OverflowError:
        return _write(_with_floats(value))


def _with_floats(value: Any) -> Any:
    """Integers over 64 bits as JavaScript has them, which is what clients make of them in JSON."""
    if isinstance(value, dict):
        return {key: _with_floats(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_with_floats(one) for one in value]
    is_long = isinstance(value, int) and not -(1 << 63) <= value < 1 << 64
    return float(value) if is_long else value


def encode(message: Message, json: Json) -> bytes:
    """A message, with the packet of a broadcast as pack() has made it."""
    packed: Packed | None = message.packet
    is_binary = (
        packed.is_binary
        if packed is not None
        else message.kind in MAY_HAVE_BYTES and has_bytes(message.data)
    )
    if is_binary:
        data = dict(message.data)
        if packed is not None:
            data["packet"] = {"type": EVENT, "data": msgspec.Raw(packed.data)}
        return pack(
            {"type": int(message.kind), "data": data, "uid": message.uid, "nsp": message.nsp}
        )
    data_text = dumps(json, message.data) if packed is None else with_packet(packed, message, json)
    return b'{"type":%d,"data":%b%b' % (message.kind, data_text, tail(message.uid, message.nsp))


def with_packet(packed: Packed, message: Message, json: Json) -> bytes:
    """The data of a broadcast as JSON."""
    return b'{"packet":{"type":2,"data":%b},%b' % (packed.data, dumps(json, message.data)[1:])


@functools.lru_cache(maxsize=1024)
def tail(uid: str, nsp: str) -> bytes:
    """How JSON of a server's messages about a namespace ends."""
    return b',"uid":%b,"nsp":%b}' % (msgspec.json.encode(uid), msgspec.json.encode(nsp))


def decode(data: bytes, json: Json) -> Message:
    """The message that another server has encoded. Raises what a wrong one makes: KeyError, TypeError, ValueError."""
    read = json.loads(data) if data[:1] == b"{" else unpack(data)
    return message_of(read)


class _Event(msgspec.Struct, gc=False):
    data: msgspec.Raw


class _Content(msgspec.Struct, gc=False):
    packet: _Event
    opts: dict[str, Any] | None = None
    requestId: str | None = None


class _Broadcast(msgspec.Struct, gc=False):
    data: _Content
    uid: str
    nsp: str


_read_broadcast = msgspec.json.Decoder(_Broadcast).decode
_read_content = msgspec.json.Decoder(_Content).decode


def read_event(data: bytes) -> tuple[str, str, bytes, Any] | None:
    """Who sent it, the namespace, [event, *args] as its JSON, and opts; None if it wants answers.

    Of a message that begins with BROADCAST_HEAD. The packet is not read but for its grammar, and is the clients' as it
    is. Raises ValueError for what is none.
    """
    found = _decoded(_read_broadcast, data)
    if found.data.requestId is not None:
        return None
    return found.uid, found.nsp, _text(found.data), found.data.opts


def read_event_content(data: bytes) -> tuple[bytes, Any] | None:
    """The same of a message's data alone: [event, *args], and opts."""
    content = _decoded(_read_content, data)
    return None if content.requestId is not None else (_text(content), content.opts)


def _decoded(decode: Callable[[bytes], Any], data: bytes) -> Any:
    try:
        return decode(data)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _text(content: _Content) -> bytes:
    text = bytes(content.packet.data)
    # msgspec goes as deep as Python lets C go: a thousand calls in 3.11, and ten thousand since.
    if is_nested_too_deeply(text):
        raise ValueError("JSON nested too deeply")
    if not text.isascii():
        text.decode()  # msgspec does not look whether what it leaves is UTF-8; clients do
    return text


def unpack(data: bytes) -> Any:
    """What is in MessagePack. Raises ValueError for what is none, or nested too deeply."""
    try:
        return msgspec.msgpack.decode(data)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def message_of(read: dict[str, Any]) -> Message:
    """A message from Node's {type, data, uid, nsp}."""
    content: dict[str, Any] = read.get("data") or {}
    kind = Kind(read["type"])
    packet = content["packet"]["data"] if kind == Kind.BROADCAST else None
    return Message(kind, read["uid"], read["nsp"], content, packet)


def has_bytes(value: Any) -> bool:
    """Whether there are bytes anywhere in it."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return True
    if isinstance(value, dict):
        return any(has_bytes(one) for one in value.values())
    return isinstance(value, (list, tuple)) and any(has_bytes(one) for one in value)

"""Messages as bytes: JSON, or MessagePack where there is binary data. Source: Node's sharded Redis adapter."""

from typing import TYPE_CHECKING, Any

import msgspec

from fastsio._codec import encode_packet
from fastsio._json import Json
from fastsio.adapters.messages import Kind, Message
from fastsio.models import as_builtins

if TYPE_CHECKING:
    from fastsio._encoded import Encoded

EVENT = 2
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
    """[event, *args] as a broadcast carries it: JSON, or MessagePack if `is_binary`."""

    __slots__ = ("data", "is_binary")

    def __init__(self, args: list[Any], encoded: "Encoded", json: Json) -> None:
        self.is_binary: bool = encoded.has_binary
        if self.is_binary:
            self.data = pack(args)
        elif type(json) is Json:  # a Parser's packets have another form
            self.data = _json_of(encoded)
        else:
            self.data = dumps(json, args)


def _json_of(encoded: "Encoded") -> bytes:
    """The JSON of an event without attachments: what is behind 42, or 42/chat, (a comma ends a namespace's name)."""
    text = encoded.text
    return text[text.index(b",") + 1 :] if text[2:3] == b"/" else text[2:]


def dumps(json: Json, value: Any) -> bytes:
    """JSON as bytes, whatever module makes it. Raises TypeError for what it can't hold, bytes among it."""
    try:
        text: str | bytes = json.dumps(value)
    except TypeError:
        # Such as keys that are numbers, and models: packets may have them.
        encoded = encode_packet(EVENT, value, json=json if type(json) is Json else None)
        if encoded.attachments:
            raise TypeError("bytes where there is only JSON") from None
        return _json_of(encoded)
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


def encode(message: Message, json: "Json") -> bytes:
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
    head = b'{"type":%d,"data":' % message.kind
    tail = b',"uid":%b,"nsp":%b}' % (dumps(json, message.uid), dumps(json, message.nsp))
    data_text = dumps(json, message.data)
    if packed is not None:
        packet = b'{"packet":{"type":%d,"data":%b},' % (EVENT, packed.data)
        data_text = packet + data_text[1:]
    return head + data_text + tail


def decode(data: bytes, json: "Json") -> Message:
    """The message that another server has encoded. Raises what a wrong one makes: KeyError, TypeError, ValueError."""
    read = json.loads(data) if data[:1] == b"{" else unpack(data)
    return message_of(read)


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

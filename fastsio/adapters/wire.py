"""Messages as bytes: JSON, or MessagePack where there is binary data. Source: Node's sharded Redis adapter."""

from typing import TYPE_CHECKING, Any

import msgspec

from fastsio.adapters.messages import Kind, Message

if TYPE_CHECKING:
    from fastsio._encoded import Encoded
    from fastsio._json import Json

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


class Packed:
    """[event, *args] as a broadcast carries it: JSON, or MessagePack if `is_binary`."""

    __slots__ = ("data", "is_binary")

    def __init__(self, args: list[Any], encoded: "Encoded", json: "Json") -> None:
        self.is_binary: bool = encoded.has_binary
        self.data = msgspec.msgpack.encode(args) if self.is_binary else dumps(json, args)


def dumps(json: "Json", value: Any) -> bytes:
    """JSON as bytes, whatever module makes it."""
    text: str | bytes = json.dumps(value)
    return text.encode() if isinstance(text, str) else text


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
        return msgspec.msgpack.encode(
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

"""The form of packets on the wire, by the options `json` and `serializer`: a Json, or a Parser in its place.

A class of packets (python-socketio's way to have a form of one's own) is asked to encode() and decode() each packet, in
Python. MsgPackPacket and what configure() makes of it are compiled (_msgpack), the default has no parser at all.
"""

from typing import Any

from fastsio._codec import NO_DATA, MessageDecoder, Packet, Parser, checked_packet
from fastsio._encoded import Encoded, encode_messages
from fastsio._frames import OverLimit, ProtocolError
from fastsio._json import Json
from fastsio.options import Options

BINARY_EVENT = 5
PLAIN_TYPES = {BINARY_EVENT: 2, BINARY_EVENT + 1: 3}
INVALID_DATA = 1007

# What makes a subclass of a packet class a form of its own.
_CODING = frozenset((
    "__init__", "encode", "decode", "add_attachment", "reconstruct_binary", "deconstruct_binary",
    "data_is_binary", "uses_binary_events", "_to_dict",
))  # fmt: skip


def make_json(options: Options) -> Json:
    """What a hub's packets are made and read with. Raises ImportError if a package is missing."""
    json = (
        Json(options.json)
        if options.serializer == "default"
        else parser_of(packet_class(options), options.json)
    )
    json.max_depth = options.max_json_depth
    json.max_attachments = options.max_attachments
    return json


def packet_class(options: Options) -> Any:
    """The class that `serializer` names: packet.Packet, msgpack_packet.MsgPackPacket or the application's own."""
    if options.serializer == "default":
        from fastsio.packet import Packet

        return Packet
    if options.serializer == "msgpack":
        # Only now: it looks for packages that are optional.
        from fastsio.msgpack_packet import MsgPackPacket

        return MsgPackPacket
    return options.serializer


def parser_of(cls: Any, json: Any = None) -> Json:
    """The compiled form of a packet class where it has one."""
    from fastsio.msgpack_packet import MsgPackPacket
    from fastsio.packet import Packet as DefaultPacket

    if _codes_as(cls, MsgPackPacket):
        parser: Parser = cls.parser()
        return parser
    if _codes_as(cls, DefaultPacket):
        own = None if cls.json is DefaultPacket.json else cls.json
        return Json(own if json is None else json)
    return PacketClassParser(cls, json)


def _codes_as(cls: Any, base: type) -> bool:
    """Whether `cls` is `base` or a subclass that encodes and decodes as it does."""
    if not isinstance(cls, type) or not issubclass(cls, base):
        return False
    between = cls.__mro__[: cls.__mro__.index(base)]
    return not any(_CODING & vars(one).keys() for one in between)


class PacketClassParser(Parser):
    """A class with python-socketio's contract as a parser.

    `cls(packet_type, data=, namespace=, id=).encode()` returns str, bytes or a list of them (the first may be text, the
    others are binary); `cls(encoded_packet=message)` reads a message, after which `packet_type`, `namespace`, `id`,
    `data` and, with attachments due, `attachment_count` say what it was; these come through `add_attachment(bytes)`.
    """

    def __init__(self, cls: Any, json: Any = None) -> None:
        # python-socketio writes `json` into the class itself: two servers would share the last one given.
        self.cls = cls if json is None else type(cls.__name__, (cls,), {"json": json})

    def encode(self, type: int, namespace: str, id: int, data: Any) -> Encoded:
        packet = self.cls(
            type,
            data=None if data is NO_DATA else data,
            namespace=namespace,
            id=None if id < 0 else id,
        )
        encoded = packet.encode()
        messages = encoded if isinstance(encoded, list) else [encoded]
        for message in messages:
            if not isinstance(message, (str, bytes, bytearray)):
                raise TypeError(f"{self.cls.__name__}.encode() returned {message!r}: str or bytes")
        return encode_messages(messages)

    def new_decoder(self) -> "PacketClassDecoder":
        return PacketClassDecoder(self.cls, self.max_attachments)


class PacketClassDecoder(MessageDecoder):
    """One connection's messages through the application's packet class; one packet may wait for attachments."""

    def __init__(self, cls: Any, max_attachments: int) -> None:
        self._cls = cls
        self._max_attachments = max_attachments
        self._partial: Any = None

    def decode(self, message: str | bytes) -> Packet | None:
        try:
            packet = self._next(message)
            if packet is None:
                return None
            kind = PLAIN_TYPES.get(packet.packet_type, packet.packet_type)
            namespace, data = packet.namespace, packet.data
        except ProtocolError:
            raise
        except Exception as error:
            raise ProtocolError(
                INVALID_DATA, f"{self._cls.__name__} can't decode it: {error!r}"
            ) from error
        return checked_packet(
            kind,
            "/" if namespace is None else namespace,
            packet.id,
            NO_DATA if data is None else data,
        )

    def _next(self, message: str | bytes) -> Any:
        """The packet that is complete with this message, None if one waits for more."""
        packet = self._partial
        if packet is not None:
            if isinstance(message, str):
                raise ProtocolError(INVALID_DATA, "a text message in place of an attachment")
            if not packet.add_attachment(message):
                return None
            self._partial = None
            return packet
        packet = self._cls(encoded_packet=message)
        due = getattr(packet, "attachment_count", 0)
        if due > self._max_attachments:
            message = f"too many attachments: {due} > {self._max_attachments}"
            raise OverLimit(INVALID_DATA, message, "max_attachments")
        if packet.packet_type in PLAIN_TYPES and due:
            self._partial = packet
            return None
        return packet

"""python-socketio's `msgpack_packet` module: packets as MessagePack, for `serializer="msgpack"`.

Needs msgspec (the extra `msgpack`) when a packet is made or read. The server itself uses the compiled parser
(_msgpack.pyx) with what is configured here. Signatures and contracts: python-socketio 5.
"""

import functools
from collections.abc import Callable
from typing import Any, ClassVar

from fastsio import packet
from fastsio._codec import NO_DATA
from fastsio._msgpack import ExtType, MsgPack

__all__ = ["ExtType", "MsgPackPacket"]


class MsgPackPacket(packet.Packet):
    """A packet that is encoded as MessagePack, bytes within it."""

    uses_binary_events: ClassVar[bool] = False
    dumps_default: ClassVar[Callable[[Any], Any] | None] = None
    ext_hook: ClassVar[Any] = ExtType

    @classmethod
    def configure(
        cls, dumps_default: Callable[[Any], Any] | None = None, ext_hook: Any = ExtType
    ) -> type["MsgPackPacket"]:
        """A class like this one with hooks of its own, for `serializer=`.

        dumps_default(value) is called for a value that MessagePack has no form for; it returns one that has, or an
        ExtType. ext_hook(code, data) returns the value of an extension that was received.
        """
        hooks = {"dumps_default": dumps_default, "ext_hook": ext_hook}
        return type("CustomMsgPackPacket", (MsgPackPacket,), hooks)

    def encode(self) -> bytes:
        """The packet as MessagePack. Raises TypeError, ValueError or OverflowError for what has no form in it.

        Without `data` there is no such field, where python-socketio has nil: the official client refuses that.
        """
        data = NO_DATA if self.data is None else self.data
        return self._parser().pack(self.packet_type, self.namespace, self.id, data)

    def decode(self, encoded_packet: Any) -> None:
        """Take over what the message says. Raises ValueError if it is no packet, and what the ext_hook raises."""
        fields = self._parser(self.__class__.ext_hook).decoder.fields(encoded_packet)
        self.packet_type, self.namespace, self.data, self.id = fields

    @classmethod
    def parser(cls) -> MsgPack:
        """What a server with this serializer encodes and decodes with.

        Without an ext_hook of its own it reads JavaScript's dates and undefined as Python's: see _msgpack.node_value.
        """
        # One of its own: a server has limits of its own.
        return MsgPack(cls.dumps_default, None if cls.ext_hook is ExtType else cls.ext_hook)

    @classmethod
    def _parser(cls, ext_hook: Any = None) -> MsgPack:
        return _parser_of(cls.dumps_default, ext_hook)


@functools.lru_cache(maxsize=32)
def _parser_of(dumps_default: Any, ext_hook: Any) -> MsgPack:
    return MsgPack(dumps_default, ext_hook)

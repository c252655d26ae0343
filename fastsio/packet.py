"""python-socketio's `packet` module: a Socket.IO packet as an object, on the compiled codec.

For applications and tests that use it, and as the base of a class of one's own for `serializer=`. The server
itself does not go through it. Signatures and contracts: python-socketio 5; the wire: socket.io-protocol v5.
"""

import functools
import json as _json
from typing import Any, ClassVar

from fastsio._codec import NO_DATA, encode_packet, split_packet
from fastsio._frames import ProtocolError
from fastsio._json import DEFAULT_JSON, Json

CONNECT, DISCONNECT, EVENT, ACK, CONNECT_ERROR, BINARY_EVENT, BINARY_ACK = range(7)
packet_names = [
    "CONNECT",
    "DISCONNECT",
    "EVENT",
    "ACK",
    "CONNECT_ERROR",
    "BINARY_EVENT",
    "BINARY_ACK",
]

# The type that goes on the wire without attachments, by the one that has them.
_PLAIN = {BINARY_EVENT: EVENT, BINARY_ACK: ACK}
_BINARY = {EVENT: BINARY_EVENT, ACK: BINARY_ACK}


class Packet:
    """A Socket.IO packet: packet_type, data, namespace, id, attachment_count and attachments.

    `uses_binary_events`: bytes in the data become attachments, as text with JSON needs it. `json`: a module with dumps
    and loads; as long as it is the standard library's, orjson does the work.
    """

    uses_binary_events: ClassVar[bool] = True
    json: ClassVar[Any] = _json

    def __init__(
        self,
        packet_type: Any = EVENT,
        data: Any = None,
        namespace: str | None = None,
        id: int | None = None,
        binary: bool | None = None,
        encoded_packet: Any = None,
    ) -> None:
        """A packet of its parts, or of the text of one (`encoded_packet`).

        binary: True makes an event or an ack one with attachments, False one without, None looks into the data. Raises
        ValueError for bytes in another kind of packet and for text that is none.
        """
        self.packet_type = packet_type
        self.data = data
        self.namespace = namespace
        self.id = id
        self.attachment_count = 0
        self.attachments: list[Any] = []
        if self.uses_binary_events and (
            binary or (binary is None and self.data_is_binary(self.data))
        ):
            if packet_type not in _BINARY:
                raise ValueError("Packet does not support binary payload.")
            self.packet_type = _BINARY[packet_type]
        if encoded_packet:
            self.attachment_count = self.decode(encoded_packet) or 0

    def encode(self) -> Any:
        """The packet's text; of one with attachments a list of the text and the attachments.

        Raises TypeError for data that JSON can't hold, ValueError for a type that is none and for more than 10
        attachments, which the official clients refuse.
        """
        if self.packet_type not in range(7):
            raise ValueError(f"packet type {self.packet_type!r}: 0 to 6")
        plain_type = _PLAIN.get(self.packet_type, self.packet_type)
        encoded = encode_packet(
            plain_type, NO_DATA if self.data is None else self.data, self.namespace or "/", self.id, self._codec()
        )  # fmt: skip
        text, attachments = encoded.text[1:].decode(), encoded.attachments
        if self.packet_type == plain_type:
            if attachments:
                raise TypeError(f"bytes in a packet of type {plain_type}, which has no attachments")
            return text
        if not attachments:  # it was said to be binary, and is not
            text = f"{self.packet_type}0-{text[1:]}"
        return [text, *attachments]

    def decode(self, encoded_packet: Any) -> int | None:
        """Take over what the text says; returns how many attachments are due. Raises ValueError if it is no packet."""
        try:
            found = split_packet(encoded_packet, self._codec())
        except ProtocolError as error:
            raise ValueError(error.reason) from error
        self.packet_type = found.type
        # Clients of python-socketio put the URL's query behind the name.
        namespace = found.namespace.partition("?")[0]
        self.namespace = None if namespace == "/" else namespace
        if found.id is not None:
            self.id = found.id
        self.data = None if found.data is NO_DATA else found.data
        return found.attachments

    def add_attachment(self, attachment: Any) -> bool:
        """The next attachment; True with the last one, when the data is complete.

        Raises ValueError for one that is not due.
        """
        if self.attachment_count <= len(self.attachments):
            raise ValueError("Unexpected binary attachment")
        self.attachments.append(attachment)
        if len(self.attachments) < self.attachment_count:
            return False
        self.data = self.reconstruct_binary(self.data, self.attachments)
        return True

    @classmethod
    def reconstruct_binary(cls, data: Any, attachments: Any) -> Any:
        """A copy of `data` with its placeholders replaced. Raises ValueError for one that names no attachment."""
        if isinstance(data, list):
            return [cls.reconstruct_binary(item, attachments) for item in data]
        if not isinstance(data, dict):
            return data
        if data.get("_placeholder") and "num" in data:
            number = data["num"]
            if type(number) is not int or not 0 <= number < len(attachments):
                raise ValueError(f"placeholder {number!r} of {len(attachments)} attachments")
            return attachments[number]
        return {key: cls.reconstruct_binary(value, attachments) for key, value in data.items()}

    @classmethod
    def deconstruct_binary(cls, data: Any) -> tuple[Any, list[Any]]:
        """A copy of `data` with placeholders for its binary values, and these."""
        attachments: list[Any] = []
        return _without_binary(data, attachments), attachments

    @classmethod
    def data_is_binary(cls, data: Any) -> bool:
        """Whether there are binary values in `data`."""
        if isinstance(data, dict):
            return any(cls.data_is_binary(value) for value in data.values())
        if isinstance(data, (list, tuple)):
            return any(cls.data_is_binary(item) for item in data)
        return isinstance(data, (bytes, bytearray, memoryview))

    @classmethod
    def _codec(cls) -> Json:
        return DEFAULT_JSON if cls.json is _json else _json_of(cls.json)

    def _to_dict(self) -> dict[str, Any]:
        """The packet as the map that the msgpack parser writes."""
        fields = {"type": self.packet_type, "data": self.data, "nsp": self.namespace}
        return fields if self.id is None else {**fields, "id": self.id}


@functools.lru_cache(maxsize=32)
def _json_of(module: Any) -> Json:
    return Json(module)


def _without_binary(data: Any, attachments: list[Any]) -> Any:
    if isinstance(data, (bytes, bytearray, memoryview)):
        attachments.append(data)
        return {"_placeholder": True, "num": len(attachments) - 1}
    if isinstance(data, (list, tuple)):
        return [_without_binary(item, attachments) for item in data]
    if isinstance(data, dict):
        return {key: _without_binary(value, attachments) for key, value in data.items()}
    return data

"""Engine.IO packets under python-engineio's names: to send one by hand, or to take one apart.

Source: engine.io-protocol v4, "Packet encoding".
"""

from typing import Any

from fastsio._json import DEFAULT_JSON, Json
from fastsio._payload import decode_base64
from fastsio._raw import decode_message, encode_base64, json_text

OPEN, CLOSE, PING, PONG, MESSAGE, UPGRADE, NOOP = range(7)
packet_names = ["OPEN", "CLOSE", "PING", "PONG", "MESSAGE", "UPGRADE", "NOOP"]
binary_types = (bytes, bytearray)


class Packet:
    """One packet: `packet_type` 0 to 6, `data`, and `binary` if that is bytes.

    json: None for fastsio's own JSON, or a module with dumps and loads.
    """

    json: Any = None

    def __init__(
        self, packet_type: int = NOOP, data: Any = None, encoded_packet: str | bytes | None = None
    ) -> None:
        """With `encoded_packet` it is decoded from that. Raises ValueError for bytes in any but a MESSAGE."""
        self.packet_type = packet_type
        self.data = data
        self.binary = isinstance(data, binary_types)
        if self.binary and packet_type != MESSAGE:
            raise ValueError("Binary packets can only be of type MESSAGE")
        if encoded_packet is not None:
            self.decode(encoded_packet)

    def encode(self, b64: bool = False) -> str | bytes:
        """The packet as a WebSocket message; `b64`: as polling has it, text in any case.

        A list or dict becomes JSON, None nothing, any other value its text.
        """
        if self.binary:
            return f"b{encode_base64(self.data)}" if b64 else bytes(self.data)
        if isinstance(self.data, (list, dict)):
            return f"{self.packet_type}{json_text(self.data, self._codec())}"
        return f"{self.packet_type}{'' if self.data is None else self.data}"

    def decode(self, encoded_packet: str | bytes) -> None:
        """Take a packet from the wire. Raises ValueError for text that is none."""
        if not isinstance(encoded_packet, str):
            self.packet_type, self.data, self.binary = MESSAGE, bytes(encoded_packet), True
        elif encoded_packet[:1] == "b":
            self.packet_type, self.binary = MESSAGE, True
            self.data = decode_base64(encoded_packet[1:].encode())
        elif encoded_packet[:1] and encoded_packet[0] in "0123456":
            self.packet_type, self.binary = int(encoded_packet[0]), False
            self.data = decode_message(encoded_packet[1:].encode(), self._codec())
        else:
            raise ValueError(f"no Engine.IO packet: {encoded_packet[:20]!r}")

    def _codec(self) -> Json:
        return DEFAULT_JSON if self.json is None else Json(self.json)

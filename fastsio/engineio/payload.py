"""Polling payloads under python-engineio's names.

Source: engine.io-protocol v4, "Payload encoding".
"""

import sys
from collections.abc import Iterable

from fastsio.engineio.packet import Packet

SEPARATOR = "\x1e"


class Payload:
    """Packets in one HTTP body.

    max_decode_packets: how many decode() takes. fastsio's server does not decode with this class and has no limit but
    max_http_buffer_size, so that applications which raise python-engineio's limit of 16 need not, and may.
    """

    max_decode_packets: int = sys.maxsize

    def __init__(
        self, packets: Iterable[Packet] | None = None, encoded_payload: str | None = None
    ) -> None:
        self.packets: list[Packet] = list(packets or ())
        if encoded_payload is not None:
            self.decode(encoded_payload)

    def encode(self) -> str:
        """The packets as one text, binary ones in Base64."""
        return SEPARATOR.join(str(packet.encode(b64=True)) for packet in self.packets)

    def decode(self, encoded_payload: str) -> None:
        """Take a body apart. Raises ValueError for more than max_decode_packets, or what is no packet."""
        parts = encoded_payload.split(SEPARATOR) if encoded_payload else []
        if len(parts) > self.max_decode_packets:
            raise ValueError(
                f"Too many packets in payload: {len(parts)}, max_decode_packets is {self.max_decode_packets}"
            )
        self.packets = [Packet(encoded_packet=part) for part in parts]

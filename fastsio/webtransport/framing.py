"""Engine.IO packets on a WebTransport stream: a head of 1, 3 or 9 bytes with the length, then the packet.

The head is that of a WebSocket frame without its first byte, and the highest bit says that the packet is binary.
Source: engine.io-protocol v4, "WebTransport"; engine.io 6.6 on the wire for what it refuses: an empty packet, one over
maxPayload. An empty binary one is taken here: it is what the official client sends for an empty attachment.
"""

import json

from fastsio._encoded import Encoded
from fastsio._frames import ProtocolError

BINARY_BIT = 0x80
PROTOCOL_ERROR = 1002
INVALID_DATA = 1007
TOO_BIG = 1009


class PacketReader:
    """Takes a stream apart: feed() what came, then next() until it returns None.

    It holds what is no whole packet yet: at most `max_bytes`, and what one feed() brings.
    """

    __slots__ = ("_at", "_buffer", "_max_bytes")

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._buffer = bytearray()
        self._at = 0

    def __len__(self) -> int:
        """Bytes that are here and not read."""
        return len(self._buffer) - self._at

    def feed(self, data: bytes) -> None:
        if self._at:
            del self._buffer[: self._at]
            self._at = 0
        self._buffer += data

    def next(self) -> tuple[bool, bytes] | None:
        """(is binary, packet), or None if the next one is not whole yet.

        Raises ProtocolError for an empty text packet, and for one over max_bytes as soon as its head is here.
        """
        buffer, at = self._buffer, self._at
        if len(buffer) <= at:
            return None
        size = buffer[at] & 0x7F
        start = at + 1
        if size >= 126:
            start += 2 if size == 126 else 8
            if len(buffer) < start:
                return None
            size = int.from_bytes(buffer[at + 1 : start])
        if size == 0 and buffer[at] < BINARY_BIT:
            raise ProtocolError(PROTOCOL_ERROR, "empty packet")
        if size > self._max_bytes:
            error = ProtocolError(TOO_BIG, f"packet of {size} bytes, over {self._max_bytes}")
            error.size = size
            raise error
        end = start + size
        if len(buffer) < end:
            return None
        self._at = end
        with memoryview(buffer) as view:
            return buffer[at] >= BINARY_BIT, bytes(view[start:end])


def packet_head(size: int, is_binary: bool) -> bytes:
    """The head of a packet of `size` bytes."""
    bit = BINARY_BIT if is_binary else 0
    if size < 126:
        return bytes((bit | size,))
    if size < 65536:
        return bytes((bit | 126,)) + size.to_bytes(2)
    return bytes((bit | 127,)) + size.to_bytes(8)


def stream_bytes(encoded: Encoded) -> bytes:
    """A packet, with its attachments, as the stream carries it."""
    if not encoded.has_binary:  # likely: its WebSocket frame, made once for all who get it
        return encoded.frames[1:]
    text = encoded.text
    parts = [packet_head(len(text), encoded.is_binary), text]
    for data in encoded.attachments:
        # A length of 0 is an error to clients: nothing, in Base64, is as short as "b".
        parts += [packet_head(len(data), True), data] if data else [b"\x01b"]
    return b"".join(parts)


def handshake_sid(is_binary: bool, packet: bytes) -> str | None:
    """What the first packet of a stream asks for: "" a new session, else the id of one to take over; None: neither.

    Source: engine.io's Server.onWebTransportSession(): `0`, or `0{"sid":"…"}`.
    """
    if is_binary or packet[:1] != b"0":
        return None
    if packet == b"0":
        return ""
    try:
        asked = json.loads(packet[1:])
    except (ValueError, RecursionError):
        return None
    sid = asked.get("sid") if isinstance(asked, dict) else None
    return sid if isinstance(sid, str) and sid else None

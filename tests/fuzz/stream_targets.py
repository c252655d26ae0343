"""Target: the framing of WebTransport's streams."""

from __future__ import annotations

from typing import Any

from fastsio._encoded import encode_messages
from fastsio._frames import ProtocolError
from fastsio.webtransport.framing import PacketReader, handshake_sid, stream_bytes
from fuzz.tools import few_pieces, pieces

STREAM_LIMITS = (1000, 0, 70_000)


def stream(data: bytes) -> None:
    """A WebTransport stream: the same packets however it is cut, and what is written is read."""
    if len(data) < 2:
        return
    flags, how, content = data[0], data[1], data[2:]
    limit = STREAM_LIMITS[flags % 3]
    whole = packets_of([content], limit)
    assert packets_of(pieces(content, how), limit) == whole
    for is_binary, packet in whole[0]:
        sid = handshake_sid(is_binary, packet)
        assert sid is None or (packet[:1] == b"0" and not is_binary)
        if not is_binary and packet[:1] == b"4":
            text = packet[1:].decode("utf-8", "replace")
            written = stream_bytes(encode_messages([text, packet]))
            assert packets_of([written], 1 << 20) == (
                [(False, b"4" + text.encode()), (True, packet)],
                None,
            )


def quick_stream(data: bytes) -> None:
    """The same with fewer cuts, and without writing it."""
    if len(data) < 2:
        return
    how, content, limit = data[1], data[2:], STREAM_LIMITS[data[0] % 3]
    whole = packets_of([content], limit)
    assert packets_of(few_pieces(content, how), limit) == whole
    for is_binary, packet in whole[0]:
        sid = handshake_sid(is_binary, packet)
        assert sid is None or (packet[:1] == b"0" and not is_binary)


def packets_of(cut: list[bytes], limit: int) -> tuple[list[Any], str | None]:
    reader = PacketReader(limit)
    found: list[Any] = []
    for piece in cut:
        reader.feed(piece)
        try:
            while (packet := reader.next()) is not None:
                found.append(packet)
        except ProtocolError as error:
            return found, str(error)
        # At most one packet that is not whole, and its head.
        assert len(reader) <= limit + 9
    return found, None

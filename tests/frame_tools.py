"""Frames by hand, and what a frame reader makes of them: for tests of `_frames` and its reference.

Independent of what is tested: `client_frame` builds broken frames as readily as good ones.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

MASK = b"\x37\xfa\x21\x3d"  # RFC 6455 5.7
LIMIT = 1_000_000
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


def in_one_piece(data: bytes) -> list[bytes]:
    return [data]


def byte_by_byte(data: bytes) -> list[bytes]:
    return [data[i : i + 1] for i in range(len(data))]


def client_frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    mask: bytes | None = MASK,
    length: bytes | None = None,
) -> bytes:
    """A frame; `length` replaces the length bytes (the first one without the mask bit)."""
    n = len(payload)
    if length is None and n < 126:
        length = bytes([n])
    elif length is None:
        length = b"\x7e" + n.to_bytes(2, "big") if n < 65_536 else b"\x7f" + n.to_bytes(8, "big")
    mask_bit = 0 if mask is None else 0x80
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode, mask_bit | length[0]]) + length[1:]
    if mask is None:
        return head + payload
    return head + mask + masked(payload, mask)


def masked(payload: bytes, mask: bytes) -> bytes:
    """RFC 6455 5.3; as one large number, for megabytes."""
    n = len(payload)
    key = (mask * (n // 4 + 1))[:n]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(n, "big")


def read(
    frames: ModuleType, pieces: list[bytes], limit: int = LIMIT, expect_mask: bool = True
) -> tuple[list[tuple], int | None, int]:
    """(events, close code of the error if one came, bytes fed until then)"""
    reader = frames.FrameReader(limit, expect_mask)
    fed = 0
    for piece in pieces:
        fed += len(piece)
        try:
            reader.feed(piece)
        except frames.ProtocolError as error:
            assert isinstance(error.reason, str)
            assert error.reason
            return list(reader.events), error.close_code, fed
    return list(reader.events), None, fed


def assert_reads(frames: ModuleType, pieces: list[bytes], *events: tuple, **options: Any) -> None:
    assert read(frames, pieces, **options)[:2] == (list(events), None)

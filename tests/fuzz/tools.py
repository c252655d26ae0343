"""What the targets share: how an input is cut into reads, and verdicts that can be compared."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

# Longer pieces than this say no more about a parser that may be cut anywhere.
LARGEST_PIECE = 40
# Cuts of few_pieces().
FEW = 8


def pieces(data: bytes, how: int) -> list[bytes]:
    """`data` as reads may bring it. how: 0 in one piece, 1 to 63 in pieces of that size, else irregular ones."""
    if how == 0 or not data:
        return [data]
    if how < 64:
        return [data[at : at + how] for at in range(0, len(data), how)]
    cut = []
    at, state = 0, how
    while at < len(data):
        state = (state * 75 + 74) % 65_537  # Lehmer's generator, as the ZX81 had it
        size = 1 + state % LARGEST_PIECE
        cut.append(data[at : at + size])
        at += size
    return cut


def few_pieces(data: bytes, how: int) -> list[bytes]:
    """Some of the cuts of pieces(): up to eight, somewhere."""
    size = len(data)
    if how == 0 or size < 2:
        return [data]
    if how < 64:
        # Neighbours: a field in the middle comes byte by byte, or nearly.
        first = 1 + how * 37 % (size - 1)
        step = 1 + how % 3
        at = range(first, min(first + FEW * step, size), step)
    else:
        step = 1 + size // FEW
        at = range(1 + how % step, size, step)
    begun, cut = 0, []
    for end in at:
        cut.append(data[begun:end])
        begun = end
    cut.append(data[begun:])
    return cut


def parts(data: bytes) -> Iterator[tuple[int, bytes]]:
    """`data` as a list of (a byte, up to 255 bytes): each has its byte and its length in front."""
    at = 0
    while at + 1 < len(data):
        size = data[at + 1]
        yield data[at], data[at + 2 : at + 2 + size]
        at += 2 + size


def part(first: int, data: bytes) -> bytes:
    """One of parts(), as it is written."""
    assert len(data) <= 255, f"{len(data)} bytes in one part"
    return bytes([first, len(data)]) + data


def count_bytes(value: Any) -> int:
    """How many binary values are in it."""
    if isinstance(value, bytes):
        return 1
    if isinstance(value, dict):
        return sum(map(count_bytes, value.values()))
    return sum(map(count_bytes, value)) if isinstance(value, list) else 0


def as_json_keeps_it(value: Any) -> Any:
    """A value after it has gone through JSON: two halves of a surrogate pair are one character, infinities null."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    if isinstance(value, float) and value - value != 0:
        return None
    if isinstance(value, list):
        return [as_json_keeps_it(item) for item in value]
    if isinstance(value, dict):
        return {as_json_keeps_it(key): as_json_keeps_it(item) for key, item in value.items()}
    return value

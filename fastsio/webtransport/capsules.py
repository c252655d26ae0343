"""Capsules on the stream of a CONNECT: what a WebTransport session is told beside its own streams.

Source: RFC 9297 3.2 (capsules); draft-ietf-webtrans-http3, "Session Termination" (CLOSE_WEBTRANSPORT_SESSION);
RFC 9000 16 (variable-length integers).
"""

from typing import NamedTuple

CLOSE_SESSION = 0x2843
MAX_REASON_BYTES = 1024
CODE_BYTES = 4


class Close(NamedTuple):
    """The other side has closed the session; the code and the reason are the application's."""

    code: int
    reason: str


class BadCapsule(ValueError):
    """What came is no capsule."""


def encode_integer(value: int) -> bytes:
    """RFC 9000 16: two bits say how many bytes there are."""
    for bits, size in ((6, 1), (14, 2), (30, 4), (62, 8)):
        if value < 1 << bits:
            return (value | (size.bit_length() - 1) << (size * 8 - 2)).to_bytes(size)
    raise ValueError(f"{value}: over 62 bits")


def decode_integer(data: bytes | bytearray, at: int) -> tuple[int, int] | None:
    """The integer at `at` and where it ends, None if it is not whole."""
    if at >= len(data):
        return None
    size = 1 << (data[at] >> 6)
    if at + size > len(data):
        return None
    return int.from_bytes(data[at : at + size]) & ((1 << (size * 8 - 2)) - 1), at + size


def close_capsule(code: int, reason: str) -> bytes:
    """Ends the session. A reason may have 1,024 bytes; what is longer is cut between characters."""
    text = reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore").encode()
    value = code.to_bytes(CODE_BYTES) + text
    return encode_integer(CLOSE_SESSION) + encode_integer(len(value)) + value


class CapsuleReader:
    """Finds the close in what comes on the stream; other capsules are skipped and never held."""

    __slots__ = ("_buffer", "_skip")

    def __init__(self) -> None:
        self._buffer = bytearray()
        # Bytes of a capsule that nobody wants, still to come.
        self._skip = 0

    def feed(self, data: bytes) -> Close | None:
        """The close, once it is whole. Raises BadCapsule for one that can't be."""
        skipped = min(self._skip, len(data))
        self._skip -= skipped
        self._buffer += data[skipped:]
        while True:
            head = decode_integer(self._buffer, 0)
            length = None if head is None else decode_integer(self._buffer, head[1])
            if head is None or length is None:
                return None
            kind, (size, start) = head[0], length
            if kind == CLOSE_SESSION:
                return self._close(size, start)
            end = start + size
            self._skip = max(0, end - len(self._buffer))
            del self._buffer[:end]

    def _close(self, size: int, start: int) -> Close | None:
        if not CODE_BYTES <= size <= CODE_BYTES + MAX_REASON_BYTES:
            raise BadCapsule(f"CLOSE_WEBTRANSPORT_SESSION of {size} bytes")
        if len(self._buffer) < start + size:
            return None
        value = bytes(self._buffer[start : start + size])
        return Close(
            int.from_bytes(value[:CODE_BYTES]), value[CODE_BYTES:].decode(errors="replace")
        )

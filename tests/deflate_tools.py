"""permessage-deflate for tests: RFC 7692's own examples, and a peer with zlib alone."""

from __future__ import annotations

import zlib
from typing import Any

from harness import BINARY, TEXT, RawWebSocket

TAIL = b"\x00\x00\xff\xff"
RSV1 = 0x4
HELLO = bytes.fromhex("f248cdc9c90700")  # RFC 7692 7.2.3.1
HELLO_AGAIN = bytes.fromhex("f200110000")  # 7.2.3.2: refers to the one before
HELLO_STORED = bytes.fromhex("000500faff48656c6c6f00")  # 7.2.3.3
HELLO_FINAL = bytes.fromhex("f348cdc9c9070000")  # 7.2.3.4: a last block, and an empty one
HELLO_IN_TWO = bytes.fromhex("f248050000 00ffffcac9c90700")  # 7.2.3.5
NOTHING = b"\x00"  # 7.2.3.6


def deflated(data: bytes, compressor: Any = None) -> bytes:
    """A message as its sender compresses it; without a compressor by itself."""
    compressor = compressor or zlib.compressobj(wbits=-15)
    packed = compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH)
    assert packed.endswith(TAIL)
    return packed[:-4]


def inflated(data: bytes, inflater: Any = None) -> bytes:
    return (inflater or zlib.decompressobj(-15)).decompress(data + TAIL)


class Inflating:
    """The messages in a server's stream: (opcode, payload, was it compressed); with one context, or one for each."""

    def __init__(self, has_context: bool = True, window_bits: int = 15) -> None:
        self._bits = -window_bits
        self._inflater = zlib.decompressobj(self._bits) if has_context else None

    def read(self, data: bytes) -> list[tuple[int, bytes, bool]]:
        messages = []
        while data:
            size, at = data[1], 2
            if size == 126:
                size, at = int.from_bytes(data[2:4], "big"), 4
            elif size == 127:
                size, at = int.from_bytes(data[2:10], "big"), 10
            messages.append(self.message(data[0], data[at : at + size]))
            assert len(data) >= at + size, "half a frame"
            data = data[at + size :]
        return messages

    def message(self, first: int, payload: bytes) -> tuple[int, bytes, bool]:
        assert first & 0x80, "a fragment"
        assert not first & 0x30, "RSV2 or RSV3"
        is_compressed = bool(first & 0x40)
        if is_compressed:
            payload = inflated(payload, self._inflater or zlib.decompressobj(self._bits))
        return first & 0x0F, payload, is_compressed


class DeflatingWebSocket(RawWebSocket):
    """A client's end that has agreed; `was_compressed` tells of the message that came last."""

    inflating: Inflating
    was_compressed = False

    @classmethod
    def over(cls, ws: RawWebSocket) -> DeflatingWebSocket:
        """The same WebSocket, from now on."""
        answer = ws.response.headers["sec-websocket-extensions"]
        assert answer.startswith("permessage-deflate")
        own = cls(ws.connection, ws.response)
        own.inflating = Inflating("server_no_context_takeover" not in answer)
        return own

    async def receive(self) -> tuple[int, bytes]:
        first, second = await self.connection.read_exactly(2)
        size = second
        if second == 126:
            size = int.from_bytes(await self.connection.read_exactly(2), "big")
        elif second == 127:
            size = int.from_bytes(await self.connection.read_exactly(8), "big")
        payload = await self.connection.read_exactly(size)
        opcode, payload, is_compressed = self.inflating.message(first, payload)
        if opcode in (TEXT, BINARY):
            self.was_compressed = is_compressed
        return opcode, payload

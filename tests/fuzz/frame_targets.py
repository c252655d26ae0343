"""Targets: the WebSocket frame reader and builder, permessage-deflate, and what a client reads."""

from __future__ import annotations

import zlib
from typing import Any

import reference
from deflate_tools import TAIL, Inflating
from fastsio._client import PacketReader, masked_frame
from fastsio._deflate import Compression, Deflate
from fastsio._encoded import encode_messages
from fastsio._frames import FrameReader, ProtocolError, build_frame
from fuzz.tools import few_pieces, parts, pieces

LIMITS = (1000, 125, 70_000, 0)
TOO_BIG = 1009
# What the longest unfinished head still lacks before its first broken rule is seen.
REST_OF_HEAD = bytes(13)
LARGEST_BUILT = 300_000
# Where the frame's form is another: in quick runs only there, and in shorter ones.
SHORT_BUILT = 1000


def read(
    stream: list[bytes], limit: int, expect_mask: bool, take_compressed: bool = False
) -> tuple[list[tuple[Any, ...]], int | None]:
    """The events in a stream that comes in pieces, and the close code of the rule that it broke."""
    reader = FrameReader(limit, expect_mask, take_compressed)
    for piece in stream:
        try:
            reader.feed(piece)
        except ProtocolError as error:
            reader.feed(b"\x81\x00")  # ignored
            return list(reader.events), error.close_code
    return list(reader.events), None


def frames(data: bytes) -> None:
    """Any stream of frames: the same however it is cut, and what the reference reads in it."""
    if len(data) < 2:
        return
    flags, how, stream = data[0], data[1], data[2:]
    limit, expect_mask, take_compressed = LIMITS[flags & 3], not flags & 4, bool(flags & 8)
    whole = read([stream], limit, expect_mask, take_compressed)
    assert read(pieces(stream, how), limit, expect_mask, take_compressed) == whole
    if take_compressed:
        return
    events, error = reference.read_frames(stream, limit, expect_mask)
    theirs = events, None if error is None else error.close_code
    if whole != theirs:
        # The reader may wait for the whole head (and a Close's payload) where the length alone says it all.
        assert whole == (theirs[0], None), (whole, theirs)
        assert read([stream, REST_OF_HEAD], limit, expect_mask) == theirs


def quick_frames(data: bytes) -> None:
    """The same without the reference, and with fewer cuts."""
    if len(data) < 2:
        return
    flags, how, stream = data[0], data[1], data[2:]
    given = LIMITS[flags & 3], not flags & 4, bool(flags & 8)
    whole = read([stream], *given)
    if how:
        assert read(few_pieces(stream, how), *given) == whole


def builder(data: bytes) -> None:
    """A frame of any size up to 300,000 bytes, built, and read in pieces."""
    if len(data) < 8:
        return
    flags, mask, seed = data[0], data[4:8], data[8:]
    opcode, fin, is_masked = flags & 15, bool(flags & 16), bool(flags & 32)
    payload = seed
    if flags & 64:
        size = int.from_bytes(data[1:4], "big") % LARGEST_BUILT
        payload = ((seed or b"\0") * (size // max(len(seed), 1) + 1))[:size]
    frame = build_frame(opcode, payload, mask if is_masked else None, fin)
    if len(payload) <= 2000:
        assert frame == reference.build_frame(opcode, payload, mask if is_masked else None, fin)
        assert read([frame], 1 << 20, is_masked) == read(pieces(frame, data[1]), 1 << 20, is_masked)
    if fin and opcode in (reference.TEXT, reference.BINARY):
        kind = reference.KINDS[opcode]
        good = opcode == reference.BINARY or is_utf8(payload)
        expected = ([(kind, payload)], None) if good else ([], 1007)
        cut = min(len(frame), data[1] << 8 | data[2])
        assert read([frame[:cut], frame[cut:]], 1 << 20, is_masked) == expected
        assert read([frame], len(payload), is_masked) == expected
        if payload:
            assert read([frame], len(payload) - 1, is_masked) == ([], TOO_BIG)
    if len(payload) <= 125:
        ping = masked_frame(reference.PING, payload)
        assert read([ping], 0, True) == ([("ping", payload)], None)


def quick_builder(data: bytes) -> None:
    """The same with a short payload, read in two pieces."""
    if len(data) < 8:
        return
    flags, mask, payload = data[0], data[4:8], data[8:]
    opcode, fin, is_masked = flags & 15, bool(flags & 16), bool(flags & 32)
    if flags & 64:
        size = (data[2] << 8 | data[3]) % SHORT_BUILT
        payload = ((payload or b"\0") * (size // max(len(payload), 1) + 1))[:size]
    frame = build_frame(opcode, payload, mask if is_masked else None, fin)
    limit = max(len(payload) - (data[1] & 1), 0)
    cut = min(len(frame), data[1])
    found = read([frame[:cut], frame[cut:]], limit, is_masked)
    if fin and opcode in (reference.TEXT, reference.BINARY):
        if limit < len(payload):
            assert found == ([], TOO_BIG)
        elif opcode == reference.BINARY or is_utf8(payload):
            assert found == ([(reference.KINDS[opcode], payload)], None)
        else:
            assert found == ([], 1007)
    if len(payload) <= 125:
        ping = masked_frame(reference.PING, payload)
        assert read([ping], 0, True) == ([("ping", payload)], None)


def is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


# --- permessage-deflate ------------------------------------------------------------------------

COMPRESSIONS = [Compression(threshold, level, 8) for threshold in (1, 64) for level in (1, 9)]
INFLATED_LIMITS = (100, 5000, 1 << 20)


class SlowInflater:
    """One side of RFC 7692 with zlib alone and no limits: what Deflate must make of the same messages."""

    def __init__(self, bits: int, has_context: bool) -> None:
        self._bits, self._has_context = bits, has_context
        self._inflater: Any = None

    def message(self, packed: bytes) -> bytes | None:
        """What is in it; None for what can't be inflated, or is more than 8 streams."""
        inflater, rest, plain = self._inflater or self._new(), packed + TAIL, b""
        for _ in range(8):
            try:
                plain += inflater.decompress(rest)
            except zlib.error:
                return None
            if not inflater.eof:
                break
            rest = inflater.unused_data
            if len(rest) <= len(TAIL):
                inflater = None
                break
            inflater = self._new()
        else:
            return None
        self._inflater = inflater if self._has_context else None
        return plain

    def _new(self) -> Any:
        return zlib.decompressobj(-max(self._bits, 9))


def deflate(data: bytes) -> None:
    """A connection that compresses: what a peer may send it, and what a peer makes of what it sends."""
    if len(data) < 3:
        return
    flags, limit = data[0], INFLATED_LIMITS[data[2] % 3]
    window_bits, peer_bits = 9 + data[1] % 7, 8 + data[1] // 7 % 8
    has_context, peer_has_context = bool(flags & 1), bool(flags & 2)
    ours = Deflate(
        COMPRESSIONS[flags >> 2 & 3], window_bits, has_context, peer_bits, peer_has_context
    )
    peer = SlowInflater(peer_bits, peer_has_context)
    reading = Inflating(has_context, window_bits)
    for kind, message in parts(data[3:]):
        if kind & 1:
            message *= 1 + kind // 2 % 32
            encoded = encode_messages([message])
            assert reading.read(ours.compress([encoded]))[0][:2] == (reference.BINARY, message)
        elif not inflates_alike(ours, peer, bool(kind & 2), message, limit):
            return


def quick_deflate(data: bytes) -> None:
    """The same without zlib beside it: what is inflated is within its limit, and our own messages are compressed."""
    if len(data) < 3:
        return
    flags, limit = data[0], INFLATED_LIMITS[data[2] % 3]
    window_bits, peer_bits = 9 + data[1] % 7, 8 + data[1] // 7 % 8
    ours = Deflate(
        COMPRESSIONS[flags >> 2 & 3], window_bits, bool(flags & 1), peer_bits, bool(flags & 2)
    )
    is_packed = False
    for kind, message in parts(data[3:]):
        if kind & 1:
            # Most of the time that this takes is a compressor's beginning.
            if not is_packed:
                is_packed = True
                assert ours.compress([encode_messages([message * (1 + kind // 2 % 4)])])
            continue
        try:
            plain = ours.decompress(bool(kind & 2), message, limit)
        except ProtocolError:
            return
        assert len(plain) <= limit
        assert not kind & 2 or is_utf8(plain)


def inflates_alike(
    ours: Deflate, peer: SlowInflater, is_text: bool, packed: bytes, limit: int
) -> bool:
    """False if both refuse: the connection ends."""
    try:
        plain = ours.decompress(is_text, packed, limit)
    except ProtocolError as error:
        expected = peer.message(packed)
        if error.close_code == TOO_BIG:
            # What is wrong may come behind what is too much.
            assert expected is None or len(expected) > limit
        else:
            assert expected is None or (is_text and not is_utf8(expected))
        return False
    assert plain == peer.message(packed)
    assert len(plain) <= limit
    assert not is_text or is_utf8(plain)
    return True


# --- a client's reader -------------------------------------------------------------------------


def client_reads(stream: list[bytes], limit: int, is_raw: bool) -> tuple[list[Any], str | None]:
    heard: list[Any] = []
    reader = PacketReader(
        lambda *packet: heard.append(packet),
        lambda message: heard.append(("message", message)),
        lambda kind, data: heard.append(("engine", kind, data)),
        lambda opcode, data: heard.append(("control", opcode, data)),
        limit,
        None,
        is_raw,
    )
    failure = None
    for piece in stream:
        try:
            reader.feed(piece)
        except ProtocolError as error:
            failure = str(error)
            break
    reader.stop()
    reader.feed(b"\x81\x014")  # ignored
    return heard, failure


def client(data: bytes) -> None:
    """What a server may send a client: the same packets however it is cut."""
    if len(data) < 2:
        return
    flags, how, stream = data[0], data[1], data[2:]
    limit, is_raw = LIMITS[flags & 3], bool(flags & 4)
    whole = client_reads([stream], limit, is_raw)
    # repr: values may be NaN's like, and lists of them are compared.
    assert repr(client_reads(pieces(stream, how), limit, is_raw)) == repr(whole)
    texts = [data for kind, *data in read([stream], limit, False)[0] if kind == "text"]
    if is_raw and whole[1] is None:
        messages = [text[0][1:].decode() for text in texts if text[0][:1] == b"4"]
        assert [m[1] for m in whole[0] if m[0] == "message" and isinstance(m[1], str)] == messages


def quick_client(data: bytes) -> None:
    """The same with fewer cuts, and without the frame reader."""
    if len(data) < 2:
        return
    flags, how, stream = data[0], data[1], data[2:]
    limit, is_raw = LIMITS[flags & 3], bool(flags & 4)
    whole = client_reads([stream], limit, is_raw)
    if how:
        again = client_reads(few_pieces(stream, how), limit, is_raw)
        # repr: NaN is not equal to itself.
        assert again == whole or repr(again) == repr(whole)

"""WebSocket frames as they are built, byte for byte (RFC 6455 5.2, 5.3, 5.7)."""

import pytest

from fastsio import _frames
from frame_tools import (
    BINARY,
    CLOSE,
    CONTINUATION,
    MASK,
    PING,
    PONG,
    TEXT,
    assert_reads,
)


@pytest.mark.parametrize(
    ("size", "length"),
    [
        (0, "00"),
        (1, "01"),
        (125, "7d"),
        (126, "7e007e"),
        (127, "7e007f"),
        (65_535, "7effff"),
        (65_536, "7f0000000000010000"),
    ],
)
def test_built_frame_has_the_shortest_length(frames, size, length):
    payload = bytes(i % 251 for i in range(size))
    assert frames.build_frame(TEXT, payload) == b"\x81" + bytes.fromhex(length) + payload
    masked_length = bytes([0x80 | int(length[:2], 16)]) + bytes.fromhex(length[2:])
    masked = bytes(byte ^ MASK[i % 4] for i, byte in enumerate(payload))
    assert frames.build_frame(BINARY, payload, mask=MASK) == b"\x82" + masked_length + MASK + masked


@pytest.mark.parametrize(
    ("opcode", "fin", "first"),
    [
        (CONTINUATION, True, 0x80),
        (CONTINUATION, False, 0x00),
        (TEXT, True, 0x81),
        (TEXT, False, 0x01),
        (BINARY, True, 0x82),
        (BINARY, False, 0x02),
        (CLOSE, True, 0x88),
        (PING, True, 0x89),
        (PONG, True, 0x8A),
    ],
)
def test_built_frame_starts_with_fin_and_opcode(frames, opcode, fin, first):
    assert frames.build_frame(opcode, b"ab", fin=fin) == bytes([first, 2]) + b"ab"


def test_built_frames_match_the_examples_of_the_rfc(frames):
    assert frames.build_frame(TEXT, b"Hello") == bytes.fromhex("810548656c6c6f")
    assert frames.build_frame(TEXT, b"Hello", mask=MASK) == bytes.fromhex("818537fa213d7f9f4d5158")
    assert frames.build_frame(CLOSE, b"") == bytes.fromhex("8800")


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
@pytest.mark.parametrize("mask", [None, MASK])
def test_built_frame_is_read_back(frames, size, mask):
    payload = b"\xfe" * size
    assert_reads(
        frames,
        [frames.build_frame(BINARY, payload, mask=mask)],
        ("binary", payload),
        expect_mask=mask is not None,
    )


@pytest.mark.parametrize("mask", [b"", b"123", b"12345"])
def test_mask_that_is_not_four_bytes_is_a_value_error(mask):
    with pytest.raises(ValueError, match="mask"):
        _frames.build_frame(TEXT, b"x", mask=mask)


@pytest.mark.parametrize("opcode", [-1, 16])
def test_opcode_that_does_not_fit_is_a_value_error(opcode):
    with pytest.raises(ValueError, match="opcode"):
        _frames.build_frame(opcode, b"x")

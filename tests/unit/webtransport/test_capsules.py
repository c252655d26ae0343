"""Capsules: the close of a session found among others, however it is cut.

Source: RFC 9297 3.2; RFC 9000 16 and A.1 (its examples of integers); draft-ietf-webtrans-http3, "Session Termination".
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastsio.webtransport.capsules import (
    BadCapsule,
    CapsuleReader,
    Close,
    close_capsule,
    decode_integer,
    encode_integer,
)


def read(data: bytes, piece: int) -> Close | None:
    reader = CapsuleReader()
    for at in range(0, len(data), piece):
        close = reader.feed(data[at : at + piece])
        if close is not None:
            return close
    return None


@pytest.mark.parametrize(
    ("value", "wire"),
    [
        (37, "25"),
        (15_293, "7bbd"),
        (494_878_333, "9d7f3e7d"),
        (151_288_809_941_952_652, "c2197c5eff14e88c"),
    ],
)
def test_integers_are_those_of_rfc_9000_a1(value, wire):
    assert encode_integer(value).hex() == wire
    assert decode_integer(bytes.fromhex(wire), 0) == (value, len(wire) // 2)


@given(st.integers(0, 2**62 - 1))
def test_integer_is_read_as_it_was_written(value):
    wire = encode_integer(value)
    assert decode_integer(b"x" + wire, 1) == (value, 1 + len(wire))
    assert decode_integer(wire[:-1], 0) is None


def test_integer_over_62_bits_is_refused():
    with pytest.raises(ValueError, match="over 62 bits"):
        encode_integer(2**62)


@pytest.mark.parametrize("piece", [1, 2, 7, 2000])
@pytest.mark.parametrize(("code", "reason"), [(0, ""), (7, "bye"), (2**32 - 1, "é" * 512)])
def test_close_is_found(code, reason, piece):
    assert read(close_capsule(code, reason), piece) == Close(code, reason)


@pytest.mark.parametrize("piece", [1, 3, 10_000])
def test_other_capsules_are_skipped(piece):
    datagram = encode_integer(0) + encode_integer(5000) + b"\x28\x43" * 2500
    grease = encode_integer(0x17 + 0x29 * 1000) + encode_integer(0)
    assert read(datagram + grease + datagram + close_capsule(1, "end"), piece) == Close(1, "end")


def test_endless_capsule_is_held_nowhere():
    reader = CapsuleReader()
    reader.feed(encode_integer(0) + encode_integer(2**62 - 1))
    for _ in range(1000):
        assert reader.feed(bytes(1000)) is None
    assert len(reader._buffer) == 0


@pytest.mark.parametrize("size", [0, 3, 4 + 1025, 2**40])
def test_close_of_a_wrong_size_is_refused_at_its_head(size):
    with pytest.raises(BadCapsule, match=str(size)):
        CapsuleReader().feed(encode_integer(0x2843) + encode_integer(size))


def test_reason_that_is_too_long_is_cut_between_characters():
    close = read(close_capsule(0, "a" + "é" * 600), 5000)
    assert close == Close(0, "a" + "é" * 511)


def test_reason_that_is_not_utf8_does_no_harm():
    value = bytes(4) + b"\xff\xfe"
    assert CapsuleReader().feed(
        encode_integer(0x2843) + encode_integer(len(value)) + value
    ) == Close(0, "\ufffd\ufffd")

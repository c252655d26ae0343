"""What becomes of a raw message: values to packets, text to values."""

from __future__ import annotations

import json

import pytest

from fastsio._encoded import encode_messages
from fastsio._json import DEFAULT_JSON, Json
from fastsio._raw import decode_message, encode_message, encode_raw_packet


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"", ""),
        (b"hello", "hello"),
        (b"5", "5"),  # python-engineio leaves numbers alone
        (b"5.5", "5.5"),
        ("²".encode(), "²"),
        (b"-5", -5),
        (b"true", True),
        (b"false", False),
        (b"null", None),
        (b"nullable", "nullable"),
        (b"true \n", True),
        (b"true x", "true x"),
        (b"fals", "fals"),
        (b"[1,2]", [1, 2]),
        (b' {"a": 1}', {"a": 1}),
        (b'"text"', "text"),
        (b'["a","b"]', ["a", "b"]),
        (b"{broken", "{broken"),
        (b"[" * 3000, "[" * 3000),
        ("é€😀".encode(), "é€😀"),
        (b"\xff", "\ufffd"),
    ],
)
def test_text_is_json_where_it_is_some_and_begins_with_no_digit(text, value):
    assert decode_message(text, DEFAULT_JSON) == value


def test_json_module_of_the_server_is_used():
    assert decode_message(b"[1.50]", Json(json)) == [1.5]

    class Own:
        dumps = staticmethod(lambda value: "own")
        loads = staticmethod(lambda text: ("own", text))

    assert decode_message(b"[x", Json(Own)) == ("own", "[x")
    assert encode_message({}, Json(Own)).payload == b"4own"


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, 300_000])
def test_binary_message_is_a_frame_of_its_own_and_base64_in_a_payload(size):
    encoded = encode_message(b"\x01" * size, DEFAULT_JSON)
    assert encoded.frames[0] == 0x82
    assert encoded.frames.endswith(b"\x01" * size)
    assert encoded.size == len(encoded.frames)
    assert encoded.payload[:1] == b"b"
    assert b"\x1e" not in encoded.payload
    assert encoded.is_binary


def test_text_message_is_a_packet_in_both():
    encoded = encode_message("é", DEFAULT_JSON)
    assert encoded.frames == b"\x81\x03" + "4é".encode()
    assert encoded.payload == "4é".encode()


def test_text_with_half_a_character_is_refused_at_the_call():
    with pytest.raises(UnicodeEncodeError):
        encode_message("\ud800", DEFAULT_JSON)


def test_bytes_in_json_are_refused_by_name():
    with pytest.raises(TypeError, match="bytes in a list or dict"):
        encode_message({"a": [b"x"]}, DEFAULT_JSON)


def test_raw_packets_are_taken_as_they_are():
    assert encode_raw_packet("2probe").payload == b"2probe"
    assert encode_raw_packet(b"\x00").frames == b"\x82\x01\x00"
    assert encode_messages([b"\x00"]).payload == b"bAA=="

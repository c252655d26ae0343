"""Packets for clients that do not speak plain Engine.IO v4: v3's payloads both ways, frames, Base64.

Source: engine.io-protocol v3, "Payload encoding"; engineio.md 13.1 to 13.3.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deflate_tools import Inflating
from eio3_peer import js_length, octet_packets, octets, text_packets, text_payload
from fastsio._deflate import Compression, Deflate
from fastsio._dialects import decode_octets, decode_text_payload, dialect_of
from fastsio._encoded import Encoded, encode_engine_packet, encode_messages
from fastsio._frames import ProtocolError
from harness import BINARY, TEXT, frame_bytes

EIO4, EIO4_BASE64 = dialect_of(4, False), dialect_of(4, True)
EIO3, EIO3_BASE64 = dialect_of(3, False), dialect_of(3, True)
BLOB = b"\x00\x01\xff"


def server_frame(opcode: int, data: bytes) -> bytes:
    return frame_bytes(opcode, data, mask=None)


def kinds_of(packets: list[str | bytes]) -> list[tuple[str, bytes]]:
    """Packets as the decoders give them."""
    return [
        ("b", packet) if isinstance(packet, bytes) else (packet[0], packet[1:].encode())
        for packet in packets
    ]


# --- out ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "length"), [("2", 1), ("4hello", 6), ("4é", 2), ("4€", 2), ("4😀", 3), ("4a\U0010ffff", 4)]
)  # fmt: skip
def test_length_counts_utf16_units_in_text_and_bytes_in_octets(text, length):
    encoded = encode_engine_packet(text.encode())
    assert encoded.payload3 == f"{length}:{text}".encode()
    assert encoded.octets3 == octets(text)
    assert octet_packets(encoded.octets3) == [text]


@pytest.mark.parametrize("size", [0, 1, 8, 9, 99, 998, 12345])
def test_binary_packet_has_its_type_in_its_length(size):
    encoded = encode_messages([bytes(size)])
    assert encoded.octets3 == octets(bytes(size))
    assert encoded.payload3 == text_payload(bytes(size))


def test_packet_with_attachments_is_one_piece_after_the_other():
    encoded = encode_messages(["text", BLOB, b""])
    assert encoded.has_binary
    assert encoded.payload3 == text_payload("4text", BLOB, b"")
    assert encoded.octets3 == octets("4text", BLOB, b"")


def test_packet_of_binary_alone_has_no_text():
    """As msgpack's packets are."""
    encoded = encode_messages([BLOB])
    assert encoded.has_binary
    assert encoded.payload3 == text_payload(BLOB)
    assert encoded.octets3 == octets(BLOB)
    assert encoded.in_dialect(EIO3).frames == server_frame(BINARY, b"\x04" + BLOB)
    assert encoded.in_dialect(EIO3_BASE64).frames == server_frame(TEXT, b"b4AAH/")


@pytest.mark.parametrize(
    ("dialect", "attachment"),
    [
        (EIO4, server_frame(BINARY, BLOB)),
        (EIO4_BASE64, server_frame(TEXT, b"bAAH/")),
        (EIO3, server_frame(BINARY, b"\x04" + BLOB)),
        (EIO3_BASE64, server_frame(TEXT, b"b4AAH/")),
    ],
)
def test_text_is_framed_alike_in_all_dialects_and_binary_as_each_wants_it(dialect, attachment):
    text = server_frame(TEXT, b"4text")
    assert encode_messages(["text", BLOB]).in_dialect(dialect).frames == text + attachment
    assert encode_messages(["text"]).in_dialect(dialect).frames == text


def test_text_frame_is_shared_by_all_dialects_and_other_forms_are_made_once():
    encoded = encode_messages(["text"])
    assert encoded.in_dialect(EIO3) is encoded
    encoded = encode_messages(["text", BLOB])
    assert encoded.in_dialect(EIO4) is encoded
    for dialect in (EIO4_BASE64, EIO3, EIO3_BASE64):
        other = encoded.in_dialect(dialect)
        assert other is encoded.in_dialect(dialect)
        assert other.size == len(other.frames)
        assert other.frames is other.frames
    assert encoded.payload3 is encoded.payload3
    assert encoded.octets3 is encoded.octets3


@pytest.mark.parametrize("has_context", [True, False])
@pytest.mark.parametrize(
    ("dialect", "kind", "first"),
    [
        (EIO4, BINARY, b"\x00"),
        (EIO4_BASE64, TEXT, b"bAAAA"),
        (EIO3, BINARY, b"\x04\x00"),
        (EIO3_BASE64, TEXT, b"b4AAAA"),
    ],
)
def test_messages_of_all_dialects_are_compressed(dialect, kind, first, has_context):
    deflate = Deflate(Compression(100, 6, 8), 15, has_context, 15, has_context)
    encoded = encode_messages(["text", bytes(3000)]).in_dialect(dialect)
    peer = Inflating(has_context)
    for _ in range(2):
        text, binary = peer.read(deflate.compress([encoded]))
        assert text == (TEXT, b"4text", False)
        assert (binary[0], binary[2]) == (kind, True)
        assert binary[1].startswith(first)


def test_packet_that_is_not_to_be_compressed_is_so_in_all_dialects():
    encoded = encode_messages(["text", bytes(3000)])
    encoded.is_plain = True
    assert encoded.in_dialect(EIO3).is_plain


# --- in -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "packets",
    [
        ["4hello", "2", "4"],
        ["4€", "4😀", "4é", "4\x00\n:"],
        ["4a", b"\x01\x02\x03\x04", b"", "4z"],
        ["0", "1", "5", "6probe"],
    ],
)
def test_payloads_are_taken_apart(packets):
    assert decode_text_payload(text_payload(*packets)) == kinds_of(packets)
    assert decode_octets(octets(*packets)) == kinds_of(packets)


packet_lists = st.lists(
    st.text(max_size=40).map(lambda text: "4" + text) | st.binary(max_size=40), min_size=1
)


@given(packet_lists)
def test_what_goes_out_comes_in_again(packets):
    encoded = [
        encode_messages([packet[1:] if isinstance(packet, str) else packet])
        for packet in packets
    ]  # fmt: skip
    payload = b"".join([one.payload3 for one in encoded])
    assert text_packets(payload) == packets
    assert decode_text_payload(payload) == kinds_of(packets)
    assert decode_octets(b"".join([one.octets3 for one in encoded])) == kinds_of(packets)


@pytest.mark.parametrize(
    "body",
    [
        b"", b":4a", b"x:4a", b"-1:4a", b"5:4a", b"4a", b"2", b"2.0:4a", b" 2:4a", b"+2:4a", b"1e0:4",
        b"2:9a", b"1:B", b"2: 4", b"9999999999999999999:4a", "3:4€a:".encode(), "2:4😀".encode(),
    ],
)  # fmt: skip
def test_text_payload_that_is_none_is_refused(body):
    with pytest.raises(ProtocolError):
        decode_text_payload(body)


@pytest.mark.parametrize(
    "body",
    [
        b"\x00", b"\x00\xff4a", b"\x00\x02", b"\x00\x024a", b"\x00\x0a\xff4a", b"\x01" + b"\x09" * 20 + b"\xff4",
        octets("9a"), octets(""), b"\x00\x03\xff4\xff\xfe", b"4a",
    ],
)  # fmt: skip
def test_binary_payload_that_is_none_is_refused(body):
    with pytest.raises(ProtocolError):
        decode_octets(body)


@pytest.mark.parametrize(
    ("decode", "body"),
    [
        (decode_text_payload, text_payload("4a", BLOB) + b"2:9x" + text_payload("4never")),
        (decode_octets, octets("4a", BLOB, "9x", "4never")),
    ],
)
def test_packets_before_a_mistake_count(decode, body):
    with pytest.raises(ProtocolError) as refused:
        decode(body)
    assert refused.value.packets == [("4", b"a"), ("b", BLOB)]


def test_empty_packets_of_a_text_payload_and_an_empty_binary_one_are_nothing():
    assert decode_text_payload(b"0:2:4a0:") == [("4", b"a")]
    assert decode_text_payload(b"0:") == []
    assert decode_octets(b"") == []


def test_bytes_that_are_not_utf8_are_replaced_in_text():
    """As Node's server does, whose lengths then count the replacement."""
    assert decode_text_payload(b"3:4\xffa") == [("4", "\ufffda".encode())]


def test_half_a_surrogate_pair_is_replaced_in_octets():
    """The clients' utf8.js lets it through; no UTF-8 has it."""
    packet = "4a\ud83d".encode("utf-8", "surrogatepass")
    body = b"\x00" + bytes([len(packet)]) + b"\xff" + packet
    assert decode_octets(body) == [("4", "a\ufffd".encode())]


def test_binary_packet_of_another_type_than_message_keeps_it():
    assert decode_octets(b"\x01\x01\xff\x02") == [("2", b"")]
    assert decode_text_payload(b"2:b2") == [("2", b"")]


@pytest.mark.parametrize("body", [b"\x01\x01\xff\x07", b"\x01\x00\xff", b"\x01\x01\xff4"])
def test_binary_packet_of_an_unknown_type_is_left_out(body):
    assert decode_octets(body + octets("4a")) == [("4", b"a")]


@pytest.mark.parametrize("packet", ["b", "b9AQ==", "bAQ=="])
def test_base64_of_an_unknown_type_is_left_out(packet):
    assert decode_text_payload(text_payload(packet, "4a")) == [("4", b"a")]


def test_length_beyond_a_binary_payload_is_cut():
    assert decode_octets(b"\x01\x09\xff\x04ab") == [("b", b"ab")]


@given(st.binary(max_size=60))
def test_any_bytes_are_packets_or_a_protocol_error(body):
    for decode in (decode_text_payload, decode_octets):
        try:
            packets = decode(body)
        except ProtocolError as error:
            packets = error.packets
        for kind, data in packets:
            assert kind in "0123456b"
            assert len(data) <= 3 * len(body)


def test_lengths_of_the_helper_are_javascripts():
    assert js_length("4😀") == 3
    assert isinstance(encode_engine_packet(b"2"), Encoded)

"""Engine.IO packets on a stream: heads of all sizes, whole or byte by byte, and what is refused.

Source: engine.io-protocol v4, "WebTransport"; engineio.md 14.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastsio._encoded import encode_engine_packet, encode_messages
from fastsio._frames import ProtocolError
from fastsio.webtransport.framing import (
    PacketReader,
    handshake_sid,
    packet_head,
    stream_bytes,
)
from webtransport_peer import framed

MAX_BYTES = 100_000
EDGES = [1, 2, 125, 126, 127, 255, 256, 65_535, 65_536, MAX_BYTES]


def read(data: bytes, piece: int, max_bytes: int = MAX_BYTES) -> list[tuple[bool, bytes]]:
    """All packets of a stream that comes in pieces of so many bytes."""
    reader, packets = PacketReader(max_bytes), []
    for at in range(0, len(data), piece):
        reader.feed(data[at : at + piece])
        while (packet := reader.next()) is not None:
            packets.append(packet)
    return packets


@pytest.mark.parametrize("is_binary", [False, True])
@pytest.mark.parametrize("size", EDGES)
def test_packet_of_any_size_is_read_as_it_was_written(size, is_binary):
    packet = b"4" * size
    wire = framed(packet if is_binary else packet.decode())
    assert packet_head(size, is_binary) + packet == wire
    for piece in (len(wire), 1 if size < 1000 else 997):
        assert read(wire, piece) == [(is_binary, packet)]


@given(st.lists(st.tuples(st.booleans(), st.binary(min_size=1, max_size=300))), st.integers(1, 50))
def test_packets_in_a_row_come_out_one_by_one_however_they_are_cut(packets, piece):
    wire = b"".join(packet_head(len(data), is_binary) + data for is_binary, data in packets)
    assert read(wire, piece) == packets


def test_reader_knows_what_is_left():
    reader = PacketReader(MAX_BYTES)
    reader.feed(b"\x022a\x03")
    assert reader.next() == (False, b"2a")
    assert len(reader) == 1
    reader.feed(b"2bc")
    assert reader.next() == (False, b"2bc")
    assert len(reader) == 0
    assert reader.next() is None


@pytest.mark.parametrize("head", [b"\x00", b"\x7e\x00\x00", b"\x7f" + bytes(8)])
def test_empty_packet_is_refused(head):
    """Node: "parse error"."""
    with pytest.raises(ProtocolError, match="empty packet"):
        read(head, 1)


def test_empty_binary_packet_is_taken():
    """The official client's empty attachment. (Node refuses that too.)"""
    assert read(b"\x80\x80\x022a", 1) == [(True, b""), (True, b""), (False, b"2a")]


@pytest.mark.parametrize(
    ("head", "size"),
    [
        (b"\x7e\x03\xe9", 1001),
        (b"\xfe\xff\xff", 65_535),
        (b"\x7f" + (1001).to_bytes(8, "big"), 1001),
        (b"\x7f" + b"\xff" * 8, 2**64 - 1),
    ],
)
def test_packet_over_the_limit_is_refused_when_its_head_is_here(head, size):
    with pytest.raises(ProtocolError, match="over 1000") as caught:
        read(head, 1, max_bytes=1000)
    assert caught.value.size == size
    assert caught.value.close_code == 1009


def test_packet_of_exactly_the_limit_is_taken():
    assert read(framed("4" * 1000), 400, max_bytes=1000) == [(False, b"4" * 1000)]


def test_text_goes_out_as_its_websocket_frame_without_the_first_byte():
    for size in (1, 125, 126, 65_536):
        text = "4" + "x" * (size - 1)
        assert stream_bytes(encode_engine_packet(text.encode())) == framed(text)


def test_attachments_follow_their_packet_as_binary_ones():
    encoded = encode_messages(["51-[]", b"\x01\x02\x03", b"\xff" * 200])
    assert stream_bytes(encoded) == framed("451-[]") + framed(b"\x01\x02\x03") + framed(
        b"\xff" * 200
    )


def test_binary_message_has_no_type():
    assert stream_bytes(encode_messages([b"\x01\x02\x03"])) == b"\x83\x01\x02\x03"


def test_empty_attachment_is_said_in_base64_as_clients_refuse_an_empty_packet():
    assert stream_bytes(encode_messages(["51-[]", b""])) == framed("451-[]") + framed("b")


@pytest.mark.parametrize(
    ("packet", "sid"),
    [
        (b"0", ""),
        (b'0{"sid":"abc"}', "abc"),
        (b'0{"sid":"abc","more":1}', "abc"),
        (b'0{"sid":""}', None),
        (b'0{"sid":1}', None),
        (b'0{"sid":null}', None),
        (b"0{}", None),
        (b"0[]", None),
        (b'0"abc"', None),
        (b"0nothing", None),
        (b"0" + b"[" * 100_000, None),
        (b"0\xff", None),
        (b"2probe", None),
        (b"40", None),
    ],
)
def test_first_packet_says_whether_a_client_is_new(packet, sid):
    assert handshake_sid(False, packet) == sid


def test_first_packet_is_text():
    assert handshake_sid(True, b"0") is None

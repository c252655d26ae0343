"""permessage-deflate: what is compressed, what it inflates to, what is refused, and what stays in memory.

The peer is zlib alone (deflate_tools.py), and the other library's implementation in the property at the end.
Source: RFC 7692 7.2, with its examples.
"""

from __future__ import annotations

import random
import tracemalloc
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode

from deflate_tools import (
    HELLO,
    HELLO_AGAIN,
    HELLO_FINAL,
    HELLO_IN_TWO,
    HELLO_STORED,
    NOTHING,
    Inflating,
    deflated,
)
from fastsio._deflate import Compression, Deflate
from fastsio._encoded import Encoded, encode_engine_packet, encode_messages, wrap
from fastsio._frames import ProtocolError
from harness import BINARY, TEXT

LIMIT = 1_000_000
PING = encode_engine_packet(b"2")
PONG = encode_engine_packet(b"3")


def made(
    threshold: int = 0, bits: int = 15, has_context: bool = True, peer_bits: int = 15,
    peer_has_context: bool = True, compression: Compression | None = None,
) -> Deflate:  # fmt: skip
    compression = compression or Compression(threshold, 6, 8)
    return Deflate(compression, bits, has_context, peer_bits, peer_has_context)


def event(text: str, *attachments: bytes) -> Encoded:
    return encode_messages([text, *attachments])


def long_text(seed: int = 0, size: int = 5000) -> str:
    words = random.Random(seed).choices(["alpha", "beta", "gamma", "delta"], k=size)
    return " ".join(words)[:size]


def noise(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


# --- receiving ------------------------------------------------------------------------------------


@pytest.mark.parametrize("payload", [HELLO, HELLO_STORED, HELLO_FINAL, HELLO_IN_TWO])
@pytest.mark.parametrize("peer_has_context", [True, False])
def test_message_is_inflated_however_its_blocks_are_made(payload, peer_has_context):
    """RFC 7692 7.2.3.1, 7.2.3.3 to 7.2.3.5; each twice, as what is left of one must not spoil the next."""
    deflate = made(peer_has_context=peer_has_context)
    for _ in range(3):
        assert deflate.decompress(True, payload, LIMIT) == b"Hello"


def test_empty_message_is_inflated():
    """RFC 7692 7.2.3.6."""
    deflate = made()
    assert deflate.decompress(True, NOTHING, LIMIT) == b""
    assert deflate.decompress(False, deflated(b""), LIMIT) == b""
    assert deflate.decompress(True, HELLO, LIMIT) == b"Hello"


def test_message_may_refer_to_the_one_before_it():
    """RFC 7692 7.2.3.2."""
    deflate = made()
    assert deflate.decompress(True, HELLO, LIMIT) == b"Hello"
    assert deflate.decompress(True, HELLO_AGAIN, LIMIT) == b"Hello"


def test_message_that_refers_to_one_before_it_is_refused_where_the_peer_agreed_not_to():
    deflate = made(peer_has_context=False)
    assert deflate.decompress(True, HELLO, LIMIT) == b"Hello"
    with pytest.raises(ProtocolError) as refused:
        deflate.decompress(True, HELLO_AGAIN, LIMIT)
    assert refused.value.close_code == 1007


def test_last_block_without_another_behind_it_ends_the_message_and_the_context():
    """zlib's Z_FINISH, as some clients use it for each message."""
    deflate = made()
    compressor = zlib.compressobj(wbits=-15)
    finished = compressor.compress(b"whole") + compressor.flush(zlib.Z_FINISH)
    for _ in range(2):
        assert deflate.decompress(True, finished, LIMIT) == b"whole"
    assert deflate.decompress(True, HELLO, LIMIT) == b"Hello"


@pytest.mark.parametrize(
    "payload", [b"\xff\xff\xff\xff", b"\x07", b"\x01\x05\x00\x00\x00Hello", b"\xed\xfd\x01\x00garbage"]
)  # fmt: skip
def test_what_is_no_deflated_data_is_refused(payload):
    with pytest.raises(ProtocolError, match="inflated") as refused:
        made().decompress(False, payload, LIMIT)
    assert refused.value.close_code == 1007


def test_message_of_many_streams_is_refused():
    """Each is two bytes, and would cost us a new stream."""
    assert made().decompress(True, HELLO_FINAL[:7] * 8, LIMIT) == b"Hello" * 8
    with pytest.raises(ProtocolError, match="streams") as refused:
        made().decompress(True, b"\x03\x00" * 500_000, LIMIT)
    assert refused.value.close_code == 1007


def test_message_of_just_the_limit_is_taken_and_one_more_byte_is_not():
    deflate = made()
    assert deflate.decompress(False, deflated(bytes(1000)), 1000) == bytes(1000)
    with pytest.raises(ProtocolError) as refused:
        deflate.decompress(False, deflated(bytes(1001)), 1000)
    assert refused.value.close_code == 1009


def test_limit_is_of_all_streams_of_a_message_together():
    one = HELLO_FINAL[:7]
    assert made().decompress(True, one * 3, 15) == b"Hello" * 3
    for payload in (one * 3, one * 2 + HELLO, one + deflated(bytes(5000))):
        with pytest.raises(ProtocolError) as refused:
            made().decompress(True, payload, 14)
        assert refused.value.close_code == 1009


@pytest.mark.parametrize("peer_has_context", [True, False])
def test_bomb_takes_no_more_memory_than_the_limit(peer_has_context):
    bomb = deflated(bytes(200_000_000))
    assert len(bomb) < 200_000
    deflate = made(peer_has_context=peer_has_context)
    tracemalloc.start()
    try:
        with pytest.raises(ProtocolError) as refused:
            deflate.decompress(False, bomb, LIMIT)
        assert refused.value.close_code == 1009
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 * LIMIT


@pytest.mark.parametrize(
    ("data", "is_valid"),
    [("ä€😀".encode(), True), ("ä€😀".encode()[:-1], False), (b"\xed\xa0\x80", False), (b"\xc0\x80", False)],
)  # fmt: skip
def test_text_is_utf_8_after_inflating(data, is_valid):
    """RFC 7692 6.2, RFC 6455 8.1."""
    deflate = made()
    assert deflate.decompress(False, deflated(data), LIMIT) == data
    deflate = made()
    if is_valid:
        assert deflate.decompress(True, deflated(data), LIMIT) == data
        return
    with pytest.raises(ProtocolError, match="UTF-8") as refused:
        deflate.decompress(True, deflated(data), LIMIT)
    assert refused.value.close_code == 1007


@pytest.mark.parametrize("peer_bits", range(9, 16))
def test_peers_window_may_be_smaller(peer_bits):
    deflate = made(peer_bits=peer_bits)
    compressor = zlib.compressobj(wbits=-peer_bits)
    for seed in range(5):
        data = long_text(seed).encode() + noise(600, seed)
        assert deflate.decompress(False, deflated(data, compressor), LIMIT) == data


def test_reference_farther_back_than_the_peers_window_is_refused():
    block = noise(4000)
    compressor = zlib.compressobj(wbits=-15)
    first, second = deflated(block, compressor), deflated(block, compressor)
    right, wrong = made(peer_bits=15), made(peer_bits=9)
    assert right.decompress(False, first, LIMIT) == right.decompress(False, second, LIMIT) == block
    assert wrong.decompress(False, first, LIMIT) == block
    with pytest.raises(ProtocolError, match="too far back") as refused:
        wrong.decompress(False, second, LIMIT)
    assert refused.value.close_code == 1007


# --- sending --------------------------------------------------------------------------------------


@pytest.mark.parametrize("has_context", [True, False])
def test_hello_is_compressed_as_the_rfc_shows(has_context):
    """RFC 7692 7.2.3.1 and 7.2.3.2; the packet's type makes it a byte longer."""
    deflate = made(has_context=has_context)
    compressor = zlib.compressobj(wbits=-15)
    for text in ("Hello Hello Hello",) * 3:
        compressor = compressor if has_context else zlib.compressobj(wbits=-15)
        payload = deflated(b"4" + text.encode(), compressor)
        assert deflate.compress([event(text)]) == bytes([0xC1, len(payload)]) + payload


def test_what_is_sent_without_context_is_what_a_new_compressor_would_write():
    compression = Compression(0, 6, 8)
    for seed in range(20):
        text = long_text(seed, random.Random(seed).randrange(50, 90_000))
        sent = made(has_context=False, compression=compression).compress([event(text)])
        assert sent.endswith(deflated(b"4" + text.encode()))


@pytest.mark.parametrize("bits", range(9, 16))
@pytest.mark.parametrize("has_context", [True, False])
def test_what_is_sent_keeps_to_its_window(bits, has_context):
    peer = Inflating(has_context, window_bits=bits)
    deflate = made(bits=bits, has_context=has_context)
    block = noise(3000).hex()
    for text in (block, block, long_text(), block):
        assert peer.read(deflate.compress([event(text)])) == [(TEXT, b"4" + text.encode(), True)]


def test_threshold_is_of_a_message_with_its_packet_type():
    for has_context in (True, False):
        deflate = made(threshold=100, has_context=has_context)
        peer = Inflating(has_context)
        for size, is_compressed in ((98, False), (99, True), (100, True)):
            text = "x" * size
            [message] = peer.read(deflate.compress([event(text)]))
            assert message == (TEXT, b"4" + text.encode(), is_compressed)


def test_each_message_of_a_packet_is_judged_by_itself():
    small, large = b"s" * 10, b"l" * 2000
    for has_context in (True, False):
        deflate = made(threshold=1000, has_context=has_context)
        peer = Inflating(has_context)
        assert peer.read(deflate.compress([event("t", small, large, b"", large)])) == [
            (TEXT, b"4t", False),
            (BINARY, small, False),
            (BINARY, large, True),
            (BINARY, b"", False),
            (BINARY, large, True),
        ]


def test_empty_attachment_is_sent_as_it_is():
    """zlib gives nothing for a flush after nothing, and RFC 7692 asks for none."""
    for has_context in (True, False):
        deflate, peer = made(has_context=has_context), Inflating(has_context)
        messages = peer.read(deflate.compress([event("t" * 50, b"", b"", b"y" * 50)]))
        assert [payload for _, payload, _ in messages] == [b"4" + b"t" * 50, b"", b"", b"y" * 50]


def test_binary_message_is_compressed():
    data = b"\x00" * 5000
    [message] = Inflating().read(made().compress([encode_messages([data])]))
    assert message == (BINARY, data, True)


def test_what_does_not_shrink_goes_as_it_is_where_nothing_refers_to_it():
    data = noise(5000)
    [message] = Inflating(False).read(made(has_context=False).compress([encode_messages([data])]))
    assert message == (BINARY, data, False)
    # With a context the peer has to see it, as what follows refers to it.
    deflate, peer = made(), Inflating()
    assert peer.read(deflate.compress([encode_messages([data])])) == [(BINARY, data, True)]
    second = deflate.compress([encode_messages([data])])
    assert len(second) < 500
    assert peer.read(second) == [(BINARY, data, True)]


def test_packet_that_is_plain_and_raw_bytes_are_left_alone():
    plain = event(long_text())
    plain.is_plain = True
    raw = wrap(b"\x88\x02\x03\xe8" * 1000)
    for has_context in (True, False):
        deflate = made(has_context=has_context)
        assert deflate.compress([plain]) == plain.frames
        assert deflate.compress([raw, plain]) == raw.frames + plain.frames


@pytest.mark.parametrize("has_context", [True, False])
def test_packets_in_a_row_are_joined_in_their_order(has_context):
    packets = [event(long_text(seed)) for seed in range(4)]
    packets.insert(2, PING)
    messages = Inflating(has_context).read(made(has_context=has_context).compress(packets))
    assert [payload for _, payload, _ in messages] == [packet.text for packet in packets]
    assert [was for _, _, was in messages] == [True, True, has_context, True, True]


def test_level_and_memory_are_those_asked_for():
    text = long_text(size=50_000)
    sizes = {}
    for level, mem_level in ((1, 8), (9, 9), (6, 1)):
        deflate = made(compression=Compression(0, level, mem_level))
        sizes[level, mem_level] = len(deflate.compress([event(text)]))
        compressor = zlib.compressobj(level, zlib.DEFLATED, -15, mem_level)
        assert sizes[level, mem_level] == 4 + len(deflated(b"4" + text.encode(), compressor))
    assert sizes[9, 9] < sizes[1, 8]


# --- one compression for all ----------------------------------------------------------------------


def test_packet_is_compressed_once_for_all_clients_without_context():
    compression = Compression(0, 6, 8)
    packet = event(long_text(), b"a" * 4000)
    clients = [made(has_context=False, compression=compression) for _ in range(10)]
    first = clients[0].compress([packet])
    assert all(client.compress([packet]) is first for client in clients)
    assert Inflating(False).read(first)[1] == (BINARY, b"a" * 4000, True)


def test_what_was_compressed_for_a_small_window_does_for_larger_ones_and_not_the_other_way():
    compression = Compression(0, 6, 8)
    block = noise(2000).hex()
    packet = event(block + block)
    large = made(bits=15, has_context=False, compression=compression).compress([packet])
    small = made(bits=9, has_context=False, compression=compression).compress([packet])
    assert len(small) > len(large)
    assert Inflating(False, window_bits=9).read(small)[0][1] == b"4" + (block + block).encode()
    assert made(bits=15, has_context=False, compression=compression).compress([packet]) is small


def test_clients_with_and_without_context_get_the_same_packet():
    compression = Compression(0, 6, 8)
    own, shared = made(compression=compression), made(has_context=False, compression=compression)
    own_peer, shared_peer = Inflating(True), Inflating(False)
    for seed in (1, 1, 2):
        packet = event(long_text(seed))
        expected = [(TEXT, packet.text, True)]
        assert shared_peer.read(shared.compress([packet])) == expected
        assert own_peer.read(own.compress([packet])) == expected


# --- memory ---------------------------------------------------------------------------------------


def test_contexts_are_made_with_the_first_message_that_needs_them():
    deflate = made(threshold=100)
    assert not deflate.holds_memory
    deflate.compress([event("short")])
    assert not deflate.holds_memory
    deflate.compress([event(long_text())])
    assert deflate.holds_memory
    deflate = made()
    deflate.decompress(True, HELLO, LIMIT)
    assert deflate.holds_memory


def test_nothing_is_kept_between_messages_without_context():
    deflate = made(has_context=False, peer_has_context=False)
    deflate.compress([event(long_text())])
    deflate.decompress(True, HELLO, LIMIT)
    assert not deflate.holds_memory


@pytest.mark.parametrize("heartbeat", [PING, PONG])
def test_compressor_that_is_idle_from_one_heartbeat_to_the_next_is_let_go(heartbeat):
    deflate, peer = made(threshold=100), Inflating()

    def send(packet: Encoded) -> None:
        [message] = peer.read(deflate.compress([packet]))
        assert message[1] == packet.text

    send(event(long_text(1)))
    send(heartbeat)
    assert deflate.holds_memory
    send(event("short"))
    assert deflate.holds_memory
    send(heartbeat)
    assert not deflate.holds_memory
    # The peer goes on with its context, of which nothing is used any more.
    send(event(long_text(1)))
    send(heartbeat)
    send(event(long_text(1)))
    send(heartbeat)
    assert deflate.holds_memory


class FailingZlib:
    """zlib whose memory is at an end with the first flush of each kind of compressor."""

    def __init__(self) -> None:
        self.has_failed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(zlib, name)

    def compressobj(self, *args: Any) -> Any:
        real, outer = zlib.compressobj(*args), self

        class Compressor:
            compress = real.compress

            def flush(self, mode: int) -> bytes:
                if not outer.has_failed:
                    outer.has_failed = True
                    raise MemoryError
                return real.flush(mode)

        return Compressor()


@pytest.mark.parametrize("has_context", [True, False])
def test_packet_that_could_not_be_compressed_leaves_nothing_in_front_of_the_next(
    monkeypatch, has_context
):
    monkeypatch.setattr("fastsio._deflate.zlib", FailingZlib())
    deflate = made(has_context=has_context)
    with pytest.raises(MemoryError):
        deflate.compress([event("a secret " * 100)])
    [message] = Inflating(has_context).read(deflate.compress([event(long_text())]))
    assert message == (TEXT, b"4" + long_text().encode(), True)


@given(st.binary(max_size=300), st.booleans(), st.booleans())
def test_any_bytes_are_a_message_or_refused(data, is_text, peer_has_context):
    deflate = made(peer_has_context=peer_has_context)
    for _ in range(2):
        try:
            plain = deflate.decompress(is_text, data, 5000)
        except ProtocolError as refused:
            assert refused.close_code in (1007, 1009)
            return
        assert len(plain) <= 5000


# --- against another implementation ---------------------------------------------------------------

messages = st.lists(
    st.tuples(st.sampled_from(["text", "noise", "same"]), st.integers(0, 70_000), st.booleans()),
    max_size=8,
)


@given(messages, st.booleans(), st.booleans(), st.integers(9, 15), st.integers(9, 15))
@settings(max_examples=60, deadline=None)
def test_the_library_websockets_understands_us_and_we_understand_it(
    messages, has_context, peer_has_context, bits, peer_bits
):
    deflate = made(threshold=1000, bits=bits, has_context=has_context,
                   peer_bits=peer_bits, peer_has_context=peer_has_context)  # fmt: skip
    peer = PerMessageDeflate(not has_context, not peer_has_context, bits, peer_bits)
    for kind, size, is_text in messages:
        data = {
            "same": b"a" * size,
            "noise": noise(size, size),
            "text": long_text(size, size).encode(),
        }[kind]
        is_text = is_text and kind != "noise"
        sent = peer.encode(Frame(Opcode.TEXT if is_text else Opcode.BINARY, data))
        assert sent.rsv1
        assert deflate.decompress(is_text, bytes(sent.data), LIMIT) == data
        packet = encode_messages([data.decode() if is_text else data])
        raw = deflate.compress([packet])
        at = {126: 4, 127: 10}.get(raw[1], 2)
        frame = Frame(Opcode(raw[0] & 0x0F), raw[at:], rsv1=bool(raw[0] & 0x40))
        assert bytes(peer.decode(frame).data) == (b"4" + data if is_text else data)

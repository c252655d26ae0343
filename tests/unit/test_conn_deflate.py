"""Connections that have agreed on permessage-deflate: which frames are taken, what is refused, what is sent.

Source: RFC 7692 6 (RSV1), 7.2 (messages). The algorithm: test_deflate.py; the parameters: engine/test_deflate.py.
"""

from __future__ import annotations

import sys
from typing import Any

import pytest

from deflate_tools import HELLO, HELLO_AGAIN, RSV1, Inflating, deflated
from fastsio._encoded import encode_engine_packet, encode_messages
from fastsio._fanout import SessionBase
from fastsio.engine.deflate import Deflation
from fastsio.options import Options
from frame_tools import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, client_frame
from memory_conn import WEBSOCKET_REQUEST, MemoryTransport, Receiver, Router

OFFER = b"permessage-deflate; client_max_window_bits"
LONG = "a long text " * 200


def open_websocket(
    offer: bytes | None = OFFER, router: Router | None = None, limit: int = 1_000_000, **settings: Any
) -> tuple[Router, MemoryTransport, Receiver]:  # fmt: skip
    """A connection that was accepted; `settings` are per_message_deflate's, False for none."""
    receiver = Receiver()
    if router is None:
        router = Router(max_message_bytes=limit)
        router.deflate = Deflation(Options(per_message_deflate=settings or True).per_message_deflate)  # fmt: skip
    router.serve = lambda conn, request: conn.accept_websocket(request, [], receiver)
    transport = router.connect()
    lines = b"" if offer is None else b"Sec-WebSocket-Extensions: " + offer + b"\r\n"
    transport.feed(WEBSOCKET_REQUEST[:-2] + lines + b"\r\n")
    router.end_turn()
    transport.head, _, transport.sent = transport.sent.partition(b"\r\n\r\n")
    return router, transport, receiver


def compressed(opcode: int, payload: bytes, **kinds: Any) -> bytes:
    return client_frame(opcode, payload, rsv=RSV1, **kinds)


def close_code(transport: MemoryTransport) -> int:
    sent = transport.take()
    assert sent[:2] == b"\x88\x02", sent
    return int.from_bytes(sent[2:], "big")


# --- the handshake --------------------------------------------------------------------------------


def test_answer_says_what_was_agreed():
    _, transport, _ = open_websocket()
    assert transport.head.endswith(b"\r\nSec-WebSocket-Extensions: permessage-deflate")


@pytest.mark.parametrize("offer", [None, b"permessage-deflate; server_max_window_bits=8", b"foo"])
def test_client_that_offers_nothing_that_fits_is_served_without(offer):
    router, transport, receiver = open_websocket(offer)
    assert b"Extensions" not in transport.head
    transport.conn.send_text(LONG.encode())
    router.end_turn()
    transport.conn.send(encode_engine_packet(LONG.encode()))
    router.end_turn()
    assert [was for _, _, was in Inflating().read(transport.take())] == [False, False]
    transport.feed(compressed(TEXT, HELLO))
    assert close_code(transport) == 1002
    assert receiver.got == [("failed", 1002)]


def test_server_without_the_option_declines():
    _, transport, _ = open_websocket(router=Router())
    assert b"Extensions" not in transport.head
    transport.feed(compressed(TEXT, HELLO))
    assert close_code(transport) == 1002


# --- what comes -----------------------------------------------------------------------------------


def test_compressed_and_plain_messages_are_read_in_order_however_they_are_cut(cut):
    """RFC 7692 6: a message of a connection that agreed may be compressed or not."""
    _, transport, receiver = open_websocket()
    data = compressed(TEXT, HELLO) + client_frame(TEXT, b"plain") + compressed(TEXT, HELLO_AGAIN)
    data += compressed(BINARY, deflated(b"\x00\xff"), mask=b"\x01\x02\x03\x04")
    for piece in cut(data):
        transport.feed(piece)
    expected = [("text", b"Hello"), ("text", b"plain"), ("text", b"Hello"), ("binary", b"\x00\xff")]
    assert receiver.got == expected


@pytest.mark.parametrize("at", [0, 1, 3, 7])
def test_compressed_message_may_be_fragmented_anywhere_with_control_frames_between(cut, at):
    """RFC 7692 6.1: the first frame alone has RSV1; the parts need not be inflatable by themselves."""
    router, transport, receiver = open_websocket()
    data = (
        compressed(TEXT, HELLO[:at], fin=False) + client_frame(PING, b"p") + client_frame(CONTINUATION, b"", fin=False)
        + client_frame(PONG, b"") + client_frame(CONTINUATION, HELLO[at:])
        + client_frame(TEXT, b"pl", fin=False) + client_frame(CONTINUATION, b"ain")
    )  # fmt: skip
    for piece in cut(data):
        transport.feed(piece)
    router.end_turn()
    assert receiver.got == [("text", b"Hello"), ("text", b"plain")]
    assert transport.take() == b"\x8a\x01p"


@pytest.mark.parametrize("payload", [b"\x00", b"\x02\x00", b"\x01\x00\x00\xff\xff\x00"])
def test_compressed_message_may_be_empty(payload):
    _, transport, receiver = open_websocket()
    transport.feed(compressed(TEXT, payload) + compressed(BINARY, payload))
    assert receiver.got == [("text", b""), ("binary", b"")]


@pytest.mark.parametrize("opcode", [PING, PONG, CLOSE])
def test_control_frame_with_rsv1_is_refused(opcode):
    """RFC 7692 6.1."""
    _, transport, receiver = open_websocket()
    transport.feed(compressed(opcode, b""))
    assert close_code(transport) == 1002
    assert receiver.got == [("failed", 1002)]


@pytest.mark.parametrize("rsv", [RSV1, 2, 1])
@pytest.mark.parametrize("first", [0, RSV1])
def test_later_frame_of_a_message_with_a_reserved_bit_is_refused(first, rsv):
    _, transport, _ = open_websocket()
    start = client_frame(BINARY, HELLO[:3], fin=False, rsv=first)
    transport.feed(start + client_frame(CONTINUATION, HELLO[3:], rsv=rsv))
    assert close_code(transport) == 1002


@pytest.mark.parametrize("rsv", [1, 2, 3, 5, 6, 7])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_other_reserved_bits_are_refused(opcode, rsv):
    _, transport, _ = open_websocket()
    transport.feed(client_frame(opcode, HELLO, rsv=rsv))
    assert close_code(transport) == 1002


@pytest.mark.parametrize("opcode", [3, 7, 11])
def test_reserved_opcode_with_rsv1_is_refused(opcode):
    _, transport, _ = open_websocket()
    transport.feed(compressed(opcode, HELLO))
    assert close_code(transport) == 1002


@pytest.mark.parametrize(
    ("payload", "opcode", "code"),
    [
        (b"\xff\xff\xff", BINARY, 1007),
        (deflated(b"\xff"), TEXT, 1007),
        (deflated(bytes(1001)), BINARY, 1009),
        (deflated(bytes(50_000_000)), TEXT, 1009),
    ],
)
def test_message_that_is_no_good_fails_the_connection(payload, opcode, code):
    _, transport, receiver = open_websocket(limit=1000 if len(payload) < 1000 else 100_000)
    transport.feed(compressed(opcode, payload) + compressed(TEXT, HELLO))
    assert close_code(transport) == code
    assert receiver.got == [("failed", code)]


def test_message_whose_compressed_bytes_are_over_the_limit_is_refused_at_its_head():
    """Before anything of it is kept."""
    _, transport, _ = open_websocket(limit=1000)
    transport.feed(compressed(BINARY, b"", length=b"\x7e\x03\xe9"))
    assert close_code(transport) == 1009


def test_compressed_message_behind_a_close_is_ignored():
    _, transport, receiver = open_websocket()
    transport.conn.close_websocket(1000)
    transport.feed(compressed(TEXT, b"\xff\xff") + client_frame(CLOSE, b"\x03\xe8"))
    assert receiver.got == [("lost", None)]


# --- what is sent ---------------------------------------------------------------------------------


def test_long_messages_are_sent_compressed_and_short_ones_as_they_are():
    router, transport, _ = open_websocket()
    for data in (LONG, "short", LONG):
        transport.conn.send(encode_messages([data]))
    router.end_turn()
    sent = transport.take()
    assert len(transport.writes) == 2, "the handshake, and all three in one write"
    assert len(sent) < 150
    assert Inflating().read(sent) == [
        (TEXT, b"4" + LONG.encode(), True),
        (TEXT, b"4short", False),
        (TEXT, b"4" + LONG.encode(), True),
    ]


def test_control_frames_are_never_compressed():
    """RFC 7692 6.1."""
    _, transport, _ = open_websocket(threshold=0)
    transport.feed(client_frame(PING, b"p" * 125) + client_frame(CLOSE, b"\x03\xe8"))
    assert transport.take() == b"\x8a\x7d" + b"p" * 125 + b"\x88\x02\x03\xe8"


def test_packets_that_waited_for_a_slow_reader_are_compressed_in_their_order():
    router, transport, _ = open_websocket()
    peer = Inflating()
    transport.stall()
    packets = [encode_messages([LONG + str(i), b"\x00" * 100_000]) for i in range(10)]
    for packet in packets:
        transport.conn.send(packet)
        router.end_turn()
    transport.flow()
    router.end_turn()
    payloads = [payload for _, payload, _ in peer.read(transport.take())]
    assert payloads == [part for packet in packets for part in (packet.text, bytes(100_000))]


def test_bytes_are_counted_as_they_are_sent():
    router, transport, _ = open_websocket()
    transport.conn.session = SessionBase()
    router.flusher.is_counting = True
    transport.conn.send(encode_messages([LONG]))
    router.end_turn()
    assert router.flusher.bytes_out == len(transport.take()) < 100
    assert router.flusher.packets_out == 1


def test_broadcast_is_compressed_once_for_all_who_have_no_context():
    router, *_ = open_websocket(server_no_context_takeover=True)
    ends = [open_websocket(router=router)[1] for _ in range(20)]
    assert all(b"; server_no_context_takeover" in end.head for end in ends)
    packet = encode_messages([LONG])
    for end in ends:
        end.conn.send(packet)
    router.end_turn()
    sent = [end.writes[-1] for end in ends]
    assert len(set(sent)) == 1
    assert Inflating(False).read(sent[0]) == [(TEXT, b"4" + LONG.encode(), True)]
    # Again, and with another: what was sent before is not referred to.
    for text in (LONG, LONG[::-1]):
        for end in ends:
            end.take()
            end.conn.send(encode_messages([text]))
        router.end_turn()
        for end in ends:
            assert Inflating(False).read(end.take()) == [(TEXT, b"4" + text.encode(), True)]


# --- memory ---------------------------------------------------------------------------------------


def test_contexts_go_with_the_connection():
    made = []

    class Noting(Deflation):
        def agree(self, request: Any) -> Any:
            made.append(super().agree(request))
            return made[-1]

    router = Router(deflate=Noting(Options(per_message_deflate=True).per_message_deflate))
    _, transport, _ = open_websocket(router=router)
    transport.conn.send(encode_messages([LONG]))
    router.end_turn()
    [(_, deflate)] = made
    assert deflate.holds_memory
    references = sys.getrefcount(deflate)
    transport.lose()
    assert sys.getrefcount(deflate) == references - 1

"""Connections as WebSocket: messages to their receiver, control frames, closing from either side, limits.

Bytes in and out through a transport in memory; router and receiver are the test's.
Source: RFC 6455 5.5 (control frames) and 7 (closing). Which frames are valid: test_frames.py.
"""

from __future__ import annotations

from typing import Any

import pytest

from frame_tools import BINARY, CLOSE, PING, PONG, TEXT, client_frame, read
from memory_conn import WEBSOCKET_REQUEST, MemoryTransport, Receiver, Router


def open_websocket(after: bytes = b"", **limits: int) -> tuple[Router, MemoryTransport, Receiver]:
    """A connection that was accepted, with `after` in the same read as its handshake."""
    receiver = Receiver()
    router = Router(
        serve=lambda conn, request: conn.accept_websocket(request, [("X", "y")], receiver), **limits
    )
    transport = router.connect()
    transport.feed(WEBSOCKET_REQUEST + after)
    router.end_turn()
    head, _, transport.sent = transport.sent.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert b"\r\nX: y" in head
    transport.writes.clear()
    return router, transport, receiver


def frames_of(transport: MemoryTransport) -> list[tuple[Any, ...]]:
    """The frames that were sent, by the reader of the frames' own tests."""
    import reference

    events, error, _ = read(reference, [transport.take()], limit=1 << 24, expect_mask=False)
    assert error is None
    return events


# --- opening --------------------------------------------------------------------------------------


def test_connection_in_a_websocket_is_not_watched_as_http():
    router, transport, _ = open_websocket()
    assert router.watched == {}
    assert transport.conn.on_due() == 0


def test_frames_in_the_same_read_as_the_handshake_are_read():
    """RFC 6455 4.1: what follows the blank line is WebSocket."""
    _, _, receiver = open_websocket(client_frame(TEXT, b"early") + client_frame(BINARY, b"\x00"))
    assert receiver.got == [("text", b"early"), ("binary", b"\x00")]


def test_handshake_may_come_cut_anywhere(cut):
    receiver = Receiver()
    router = Router(serve=lambda conn, request: conn.accept_websocket(request, [], receiver))
    transport = router.connect()
    for piece in cut(WEBSOCKET_REQUEST + client_frame(TEXT, b"hello")):
        transport.feed(piece)
    assert receiver.got == [("text", b"hello")]


def test_handshake_that_breaks_a_rule_is_answered_and_ends_the_connection():
    receiver, accepted = Receiver(), []
    router = Router(
        serve=lambda conn, request: accepted.append(conn.accept_websocket(request, [], receiver))
    )
    transport = router.connect()
    transport.feed(WEBSOCKET_REQUEST.replace(b"Version: 13", b"Version: 7"))
    router.end_turn()
    assert accepted == [False]
    assert transport.sent.startswith(b"HTTP/1.1 426 Upgrade Required\r\n")
    assert b"Sec-WebSocket-Version: 13\r\n" in transport.sent
    assert transport.has_ended
    assert receiver.got == []


@pytest.mark.fault(
    "a client goes before its handshake is answered",
    "it is not accepted, no session is made",
)
def test_handshake_of_a_client_that_has_gone_is_not_accepted():
    router = Router()
    transport = router.connect()
    transport.feed(WEBSOCKET_REQUEST)
    transport.lose()
    assert transport.conn.accept_websocket(router.requests[0], [], Receiver()) is False


# --- messages and control frames ------------------------------------------------------------------


def test_messages_reach_the_receiver_in_order_however_they_are_cut(cut):
    _, transport, receiver = open_websocket()
    stream = b"".join(client_frame(TEXT, b"%d" % i) for i in range(10))
    stream += client_frame(TEXT, b"a", fin=False) + client_frame(0, b"b") + client_frame(TEXT)
    for piece in cut(stream):
        transport.feed(piece)
    expected = [b"%d" % i for i in range(10)] + [b"ab", b""]
    assert receiver.got == [("text", data) for data in expected]


@pytest.mark.parametrize("payload", [b"", b"are you there", b"\x00" * 125])
def test_ping_is_answered_by_a_pong_with_its_payload(cut, payload):
    """RFC 6455 5.5.3."""
    _, transport, receiver = open_websocket()
    for piece in cut(client_frame(PING, payload)):
        transport.feed(piece)
    assert frames_of(transport) == [("pong", payload)]
    assert receiver.got == []


def test_pong_is_ignored():
    """RFC 6455 5.5.3: an unsolicited pong needs no answer."""
    _, transport, receiver = open_websocket()
    transport.feed(client_frame(PONG, b"x"))
    assert (transport.sent, receiver.got) == (b"", [])


def test_ping_inside_a_fragmented_message_is_answered_before_it():
    _, transport, receiver = open_websocket()
    transport.feed(client_frame(TEXT, b"a", fin=False) + client_frame(PING, b"p"))
    assert frames_of(transport) == [("pong", b"p")]
    transport.feed(client_frame(0, b"b"))
    assert receiver.got == [("text", b"ab")]


def test_all_answers_of_a_read_are_one_write():
    _, transport, _ = open_websocket()
    transport.feed(b"".join(client_frame(PING, b"%d" % i) for i in range(50)))
    assert len(transport.writes) == 1
    assert frames_of(transport) == [("pong", b"%d" % i) for i in range(50)]


def test_text_that_is_sent_by_hand_is_a_text_frame():
    router, transport, _ = open_websocket()
    transport.conn.send_text(b"3probe")
    assert transport.sent == b""
    router.end_turn()
    assert frames_of(transport) == [("text", b"3probe")]


# --- closing --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payload", "echoed", "code"),
    [
        (b"", ("close", None, ""), -1),
        (b"\x03\xe8", ("close", 1000, ""), 1000),
        (b"\x03\xe9bye", ("close", 1001, ""), 1001),
        (b"\x0f\xa0", ("close", 4000, ""), 4000),
    ],
)
def test_close_is_answered_with_its_code_and_the_connection_ends(payload, echoed, code):
    """RFC 6455 5.5.1 and 7.1.1."""
    _, transport, receiver = open_websocket()
    transport.feed(client_frame(CLOSE, payload))
    assert frames_of(transport) == [echoed]
    assert transport.is_lost
    assert receiver.got == [("closed", code), ("lost", None)]


@pytest.mark.fault("frames come behind a close frame", "ignored")
def test_what_comes_after_a_close_is_ignored():
    _, transport, receiver = open_websocket()
    transport.feed(client_frame(CLOSE) + client_frame(TEXT, b"late") + client_frame(PING))
    assert frames_of(transport) == [("close", None, "")]
    assert ("text", b"late") not in receiver.got


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (client_frame(TEXT, b"x", mask=None), 1002),
        (client_frame(TEXT, b"x", rsv=4), 1002),
        (client_frame(3, b"x"), 1002),
        (client_frame(CLOSE, b"\x03"), 1002),
        (client_frame(TEXT, b"\xff"), 1007),
        (client_frame(TEXT, b"x" * 1001), 1009),
    ],
)
def test_broken_rule_is_answered_by_a_close_with_its_code_and_our_side_ends(frame, code):
    """RFC 6455 7.1.7."""
    router, transport, receiver = open_websocket(max_message_bytes=1000)
    transport.feed(client_frame(TEXT, b"good") + frame + client_frame(TEXT, b"late"))
    router.end_turn()
    assert frames_of(transport) == [("close", code, "")]
    assert transport.has_ended
    assert receiver.got == [("text", b"good"), ("failed", code)]
    transport.feed(client_frame(TEXT, b"later") + client_frame(PING))
    router.end_turn()
    assert transport.sent == b""
    assert receiver.got[2:] == []


def test_client_that_broke_a_rule_and_does_not_close_is_cut_off():
    router, transport, _ = open_websocket()
    transport.feed(client_frame(TEXT, b"x", mask=None))
    router.end_turn()
    assert router.watched == {transport.conn: 5}
    assert not transport.is_lost
    assert transport.conn.on_due() == 0
    assert transport.is_lost


def test_our_close_goes_behind_what_is_queued_and_the_connection_waits_for_the_answer():
    router, transport, receiver = open_websocket()
    transport.conn.send_text(b"1")
    transport.conn.send_text(b"2")
    transport.conn.close_websocket()
    router.end_turn()
    assert frames_of(transport) == [("text", b"1"), ("text", b"2"), ("close", None, "")]
    assert not transport.is_lost
    transport.feed(client_frame(CLOSE))
    assert transport.sent == b""  # RFC 6455 5.5.1: an answer is not answered
    assert transport.is_lost
    assert receiver.got == [("lost", None)]


def test_our_close_may_have_a_code_and_is_sent_once():
    router, transport, _ = open_websocket()
    transport.conn.close_websocket(1001)
    transport.conn.close_websocket(1011)
    router.end_turn()
    assert frames_of(transport) == [("close", 1001, "")]


def test_messages_and_pings_after_our_close_are_ignored():
    router, transport, receiver = open_websocket()
    transport.conn.close_websocket()
    router.end_turn()
    transport.take()
    transport.feed(client_frame(TEXT, b"late") + client_frame(PING, b"late"))
    router.end_turn()
    assert (transport.sent, receiver.got) == (b"", [])


@pytest.mark.fault("a client does not answer our close frame", "cut off in time")
def test_client_that_does_not_answer_our_close_is_cut_off():
    router, transport, _ = open_websocket()
    transport.conn.close_websocket()
    router.end_turn()
    assert router.watched == {transport.conn: 5}
    assert transport.conn.on_due() == 0
    assert transport.is_lost


def test_receiver_hears_of_a_lost_connection_once():
    _, transport, receiver = open_websocket()
    error = ConnectionResetError()
    transport.lose(error)
    transport.lose()
    assert receiver.got == [("lost", error)]
    assert transport.conn.receiver is None


# --- back-pressure --------------------------------------------------------------------------------


def test_client_that_reads_nothing_is_cut_off_when_its_buffer_is_full():
    router, transport, receiver = open_websocket(max_buffered_bytes=10_000)
    transport.stall()
    sent = 0
    while not transport.is_lost:
        transport.conn.send_text(b"x" * 1000)
        router.end_turn()
        sent += 1
    assert 10 < sent < 15
    assert receiver.got[:1] == [("overflowed",)]
    assert receiver.got.count(("overflowed",)) == 1
    assert transport.is_lost
    assert transport.conn.buffered_bytes == 0


@pytest.mark.fault("a client floods pings and reads nothing", "cut off, memory stays bounded")
def test_client_that_floods_pings_and_reads_nothing_is_cut_off():
    router, transport, receiver = open_websocket(max_buffered_bytes=10_000)
    transport.stall()
    for _ in range(300):
        transport.feed(client_frame(PING, b"x" * 100))
        router.end_turn()
    assert receiver.got[:1] == [("overflowed",)]
    assert transport.is_lost


def test_buffer_is_measured_in_bytes_not_yet_sent():
    router, transport, receiver = open_websocket(max_buffered_bytes=10_000)
    for _ in range(100):
        transport.conn.send_text(b"x" * 1000)
        router.end_turn()
    assert transport.conn.buffered_bytes == 0
    assert receiver.got == []

"""Clients that read slowly or not at all: how long a connection bears with them, in each of its states.

Bytes in and out through a transport in memory; the router is the test's, and so are the looks of the wheel.
What the kernel says of a real client: test_stream_taken.py.
"""

from __future__ import annotations

from typing import Any

import pytest

from memory_conn import WEBSOCKET_REQUEST, MemoryTransport, Receiver, Router, answer

GET = b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n"
# A quarter of it is from one look to the next.
SEND_TIMEOUT_S = 8.0
LOOK_S = SEND_TIMEOUT_S / 4
LEAST = 16 * 1024
MUCH = b"x" * 200_000


def open_websocket(
    send_timeout_s: float = SEND_TIMEOUT_S,
) -> tuple[Router, MemoryTransport, Receiver]:
    receiver = Receiver()
    router = Router(serve=lambda conn, request: conn.accept_websocket(request, [], receiver))
    router.flusher.send_timeout_s = send_timeout_s
    transport = router.connect()
    transport.feed(WEBSOCKET_REQUEST)
    router.end_turn()
    transport.take()
    return router, transport, receiver


def stalled_websocket(*packets: bytes, **options: Any) -> tuple[Router, MemoryTransport, Receiver]:
    """One whose client has stopped reading, with `packets` unsent."""
    router, transport, receiver = open_websocket(**options)
    transport.stall()
    for packet in packets or (MUCH,):
        transport.conn.send_text(packet)
    router.end_turn()
    return router, transport, receiver


def look(router: Router, transport: MemoryTransport) -> float:
    """What the wheel does: seconds to the next look, 0 if it is off the wheel."""
    router.watched.pop(transport.conn, None)
    seconds = transport.conn.on_due()
    if seconds:
        router.watched[transport.conn] = seconds
    router.end_turn()
    return seconds


# --- WebSockets -----------------------------------------------------------------------------------


def test_a_websocket_is_on_the_wheel_only_while_its_client_takes_nothing():
    router, transport, receiver = open_websocket()
    assert transport.conn not in router.watched
    transport.stall()
    transport.conn.send_text(MUCH)
    router.end_turn()
    assert router.watched[transport.conn] == LOOK_S
    transport.flow()
    assert look(router, transport) == 0
    assert receiver.got == []


@pytest.mark.fault("a client stops reading", "it is cut off after send_timeout, its session ends")
def test_a_client_that_takes_nothing_is_cut_off_within_five_quarters_of_the_time():
    router, transport, receiver = stalled_websocket()
    looks = 0
    while not transport.is_lost:
        assert looks < 5
        look(router, transport)
        looks += 1
    assert looks == 5
    assert receiver.got == [("stalled",), ("lost", None)]


def test_what_the_client_sends_meanwhile_does_not_help_it():
    router, transport, _ = stalled_websocket()
    for _ in range(5):
        transport.feed(b"\x8a\x80abcd")  # a pong
        look(router, transport)
    assert transport.is_lost


@pytest.mark.fault(
    "a client reads slowly", "it is served on, as long as it takes 16 KiB in send_timeout"
)
def test_a_client_that_takes_enough_is_never_cut_off():
    router, transport, receiver = stalled_websocket(*[MUCH] * 3)
    for _ in range(30):
        for _ in range(4):
            assert look(router, transport) == LOOK_S
        transport.drip(LEAST)
    assert not transport.is_lost
    assert receiver.got == []


@pytest.mark.fault("a client reads a byte now and then", "it is cut off after send_timeout")
@pytest.mark.parametrize("size", [1, LEAST // 10])
def test_a_client_that_takes_a_little_now_and_then_is_cut_off(size):
    router, transport, receiver = stalled_websocket()
    for _ in range(5):
        transport.drip(size)
        look(router, transport)
    assert transport.is_lost
    assert receiver.got[0] == ("stalled",)


def test_the_time_starts_anew_when_all_was_taken():
    router, transport, _ = stalled_websocket(b"a little")
    for n in range(12):
        assert look(router, transport) == LOOK_S
        transport.flow()  # the client takes all that waits, and then no more
        transport.stall()
        transport.conn.send_text(b"%d" % n)
        router.end_turn()
    assert not transport.is_lost


def test_without_send_timeout_nobody_looks():
    router, transport, _ = stalled_websocket(send_timeout_s=0)
    assert router.watched == {}
    assert not transport.is_lost


def test_pausing_again_while_on_the_wheel_moves_nothing():
    router, transport, _ = stalled_websocket(b"a")
    watched: list[Any] = []
    router.watch = lambda conn, seconds: watched.append(conn)  # type: ignore[method-assign]
    transport.conn.wheel_slot = object()
    for _ in range(5):
        transport.flow()
        transport.stall()
        transport.conn.send_text(b"b")
        router.end_turn()
    assert watched == []


# --- closing ---------------------------------------------------------------------------------------


def test_a_closing_client_that_takes_what_is_left_gets_its_time():
    router, transport, _ = stalled_websocket()
    transport.conn.close_websocket()
    router.end_turn()
    for _ in range(20):
        assert look(router, transport) == 5
        transport.drip(4096)
    assert not transport.is_lost
    transport.flow()
    router.end_turn()
    assert look(router, transport) == 0, "it has its 5 seconds, and did not answer the Close"
    assert transport.is_lost


def test_a_closing_client_that_takes_nothing_is_dropped_after_ten_seconds():
    router, transport, _ = stalled_websocket()
    transport.conn.close_websocket()
    router.end_turn()
    assert [look(router, transport), look(router, transport)] == [5, 0]
    assert transport.is_lost


def test_a_closing_client_with_nothing_unsent_is_dropped_at_the_first_look():
    router, transport, _ = open_websocket()
    transport.conn.close_websocket()
    router.end_turn()
    assert look(router, transport) == 0
    assert transport.is_lost


# --- HTTP answers -----------------------------------------------------------------------------------


def slow_download(keep_alive: bool, send_timeout_s: float = 30.0) -> tuple[Router, MemoryTransport]:
    router = Router(
        serve=lambda conn, request: conn.respond(200, [], MUCH * 20, keep_alive=keep_alive)
    )
    router.flusher.send_timeout_s = send_timeout_s
    transport = router.connect()
    transport.stall()
    transport.feed(GET % 1)
    router.end_turn()
    return router, transport


@pytest.mark.parametrize("keep_alive", [True, False])
def test_an_answer_may_take_as_long_as_its_client_reads_it(keep_alive):
    router, transport = slow_download(keep_alive)
    for _ in range(60):
        assert look(router, transport) == (10 if keep_alive else 5)
        transport.drip(LEAST)
    assert not transport.is_lost


@pytest.mark.fault(
    "a client does not read its HTTP answer", "the connection is cut off after send_timeout"
)
def test_an_answer_that_nobody_reads_is_cut_off(caplog):
    caplog.set_level("INFO", "fastsio.conn")
    router, transport = slow_download(keep_alive=True)
    looks = 0
    while not transport.is_lost:
        assert looks < 10
        look(router, transport)
        looks += 1
    assert looks == 4  # 30 seconds, and one look to see it
    assert "send_timeout" in caplog.text


def test_an_idle_client_whose_answer_was_read_is_closed_as_before():
    router = Router(serve=answer)
    router.flusher.send_timeout_s = 30.0
    transport = router.connect()
    transport.feed(GET % 1)
    looks = 0
    while not transport.is_lost:
        look(router, transport)
        looks += 1
    assert looks == 8


def test_without_send_timeout_a_client_that_does_not_read_is_closed_as_an_idle_one():
    router, transport = slow_download(keep_alive=True, send_timeout_s=0)
    looks = 0
    while not transport.is_lost:
        assert looks < 12
        look(router, transport)
        looks += 1
    assert looks == 10  # 75 idle seconds, and two looks of a closing one

"""Connections as HTTP: bodies that are still coming, and how long a client may take for what.

Bytes in and out through a transport in memory; the router is the test's, and so is the time.
Source: RFC 9112 9.5 (failures and timeouts).
"""

from __future__ import annotations

import pytest

from memory_conn import LateRouter, Router, answer, responses

GET = b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n"


# --- bodies that are still coming ---------------------------------------------------------------


POST = b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"


def test_request_whose_body_is_still_coming_is_announced_once(cut):
    router = Router(serve=answer)
    transport = router.connect()
    for piece in cut(GET % 1 + POST + b"12345"):
        transport.feed(piece)
    assert [(r.method, r.path, r.body) for r in router.announced] == [("POST", "/p", b"")]
    transport.feed(b"67890")
    assert [r.body for r in router.requests] == [b"", b"1234567890"]
    assert len(router.announced) == 1


def test_request_that_came_whole_is_not_announced():
    router = Router(serve=answer)
    transport = router.connect()
    transport.feed(POST + b"1234567890" + GET % 1)
    assert (len(router.requests), router.announced) == (2, [])


def test_request_that_is_lost_in_its_body_is_reported(cut):
    router = Router(serve=answer)
    transport = router.connect()
    for piece in cut(POST + b"123"):
        transport.feed(piece)
    transport.lose()
    assert [(r.method, r.path) for r in router.cut] == [("POST", "/p")]
    assert router.requests == []


@pytest.mark.parametrize("data", [b"", b"POST /p HTTP/1.1\r\nHo", POST + b"1234567890", GET % 1])
def test_connection_that_is_lost_elsewhere_cuts_no_request_off(data):
    router = Router(serve=answer)
    transport = router.connect()
    transport.feed(data)
    transport.lose()
    assert router.cut == []


# --- time -----------------------------------------------------------------------------------------


def test_connection_that_sends_nothing_is_timed_out_at_its_first_look():
    router = Router(head_timeout_s=10)
    transport = router.connect()
    assert transport.conn.on_due() == 5  # seconds to close in
    router.end_turn()
    assert transport.sent.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert transport.has_ended


def test_head_that_is_not_complete_after_two_looks_is_timed_out():
    router = Router(serve=answer)
    transport = router.connect()
    transport.feed(GET % 1)
    transport.take()
    transport.feed(b"GET / HT")
    assert transport.conn.on_due() == 10
    transport.feed(b"TP/1.1\r\nX: ")  # a byte now and then does not help
    assert transport.sent == b""
    transport.conn.on_due()
    router.end_turn()
    assert transport.sent.startswith(b"HTTP/1.1 408 Request Timeout\r\n")


@pytest.mark.fault(
    "a browser's spare connection has waited for head_timeout when its first request begins",
    "the request gets its time, and its session goes on",
)
@pytest.mark.parametrize("begun", [POST[:20], POST, POST + b"12345"])
def test_first_request_that_has_just_begun_at_the_first_look_is_served(begun):
    router = Router(serve=answer)
    transport = router.connect()
    transport.feed(begun)
    assert transport.conn.on_due() == 10
    transport.feed((POST + b"1234567890")[len(begun) :])
    assert [r.body for r in router.requests] == [b"1234567890"]
    assert (router.cut, b"408" in transport.sent) == ([], False)


def test_first_request_that_is_not_complete_after_two_looks_is_timed_out():
    router = Router(serve=answer)
    transport = router.connect()
    transport.feed(POST[:20])
    assert transport.conn.on_due() == 10
    transport.feed(POST[20:25])
    transport.conn.on_due()
    router.end_turn()
    assert transport.sent.startswith(b"HTTP/1.1 408 Request Timeout\r\n")


def test_head_that_is_complete_in_time_is_served():
    router = Router(serve=answer)
    transport = router.connect()
    transport.feed(GET % 1)
    for i in range(2, 30):
        transport.feed(b"GET /%d HTTP/1.1\r\nHost: x\r\n" % i)
        assert transport.conn.on_due() == 10
        transport.feed(b"\r\n")
    assert len(responses(transport.sent)) == 29
    assert b"408" not in transport.sent


def test_body_may_take_its_time_while_it_keeps_coming():
    router = Router(serve=answer)
    transport = router.connect()
    transport.feed(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 50000\r\n\r\n" + b"x" * 1024)
    for _ in range(40):
        assert transport.conn.on_due() == 10
        transport.feed(b"x" * 1024)
    transport.feed(b"x" * (50000 - 41 * 1024))
    assert len(router.requests[0].body) == 50000
    assert b"408" not in transport.sent


def test_body_that_trickles_is_timed_out():
    router = Router(serve=answer)
    transport = router.connect()
    transport.feed(GET % 1)
    transport.take()
    transport.feed(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 50000\r\n\r\n" + b"x" * 2000)
    looks = 0
    while not transport.sent:
        transport.feed(b"x" * 100)
        transport.conn.on_due()
        router.end_turn()
        looks += 1
        assert looks < 10
    assert transport.sent.startswith(b"HTTP/1.1 408 Request Timeout\r\n")


def test_request_that_is_being_served_is_never_timed_out():
    """A poll is held for as long as a ping interval."""
    router = LateRouter()
    transport = router.connect()
    transport.feed(GET % 1)
    for _ in range(100):
        assert transport.conn.on_due() == 10
    router.conns[0].respond(200, [], b"at last")
    router.end_turn()
    assert responses(transport.sent) == [b"at last"]


@pytest.mark.parametrize(("head_timeout_s", "looks"), [(10, 8), (75, 1), (5, 15), (100, 1)])
def test_idle_connection_is_closed_after_75_seconds(head_timeout_s, looks):
    router = Router(serve=answer, head_timeout_s=head_timeout_s)
    transport = router.connect()
    transport.feed(GET % 1)
    for _ in range(looks - 1):
        assert transport.conn.on_due() == head_timeout_s
        assert not transport.is_lost
    assert transport.conn.on_due() == 0
    assert transport.is_lost


def test_each_request_starts_the_idle_time_anew():
    router = Router(serve=answer)
    transport = router.connect()
    for i in range(50):
        transport.feed(GET % i)
        for _ in range(7):
            transport.conn.on_due()
    assert not transport.is_lost
    assert len(responses(transport.sent)) == 50


def test_slow_head_after_a_long_idle_time_gets_its_two_looks():
    router = Router(serve=answer)
    transport = router.connect()
    transport.feed(GET % 1)
    for _ in range(7):
        transport.conn.on_due()
    transport.take()
    transport.feed(b"GET / HTTP/1.1\r\nHost: x\r\n")
    assert transport.conn.on_due() == 10
    transport.feed(b"\r\n")
    assert responses(transport.sent) == [b"</>"]


def test_client_that_does_not_close_after_the_last_answer_is_cut_off():
    router = Router(serve=lambda conn, request: conn.respond(400, [], b"", keep_alive=False))
    transport = router.connect()
    transport.feed(GET % 1)
    router.end_turn()
    assert router.watched[transport.conn] == 5
    assert not transport.is_lost
    assert transport.conn.on_due() == 0
    assert transport.is_lost

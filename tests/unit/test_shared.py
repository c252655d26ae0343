"""Connections that two servers share: which bytes go to whom, in which order, and what is left alone.

Bytes in and out through a transport in memory; the router and the server beside are the test's.
Source: RFC 9112 2.2, 6.3, 7.1 (where requests end), 9.3.2 (answers in order).
"""

from __future__ import annotations

import pytest

from memory_conn import answer, responses
from shared_tools import SharedRouter

OURS = b"GET /ours/%d HTTP/1.1\r\nHost: x\r\n\r\n"
THEIRS = b"GET /page/%d HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /page/form HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b"
CHUNKED_HEAD = b"POST /page/form HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


def feed(transport, data: bytes, step: int) -> None:
    """Bytes as the network may cut them; 0 is all at once."""
    for at in range(0, len(data), step or len(data)):
        transport.feed(data[at : at + (step or len(data))])


# --- whose a request is ---------------------------------------------------------------------------


@pytest.mark.parametrize("step", [0, 1, 7])
def test_request_of_ours_is_served_and_the_other_server_is_never_made(step):
    router = SharedRouter(serve=answer)
    transport = router.connect()
    feed(transport, OURS % 1 + OURS % 2, step)
    assert responses(transport.sent) == [b"</ours/1>", b"</ours/2>"]
    assert not router.besides


@pytest.mark.parametrize("step", [0, 1, 7])
def test_request_of_the_other_server_reaches_it_byte_for_byte(step):
    router = SharedRouter()
    transport = router.connect()
    feed(transport, THEIRS % 1, step)
    assert router.beside.got == THEIRS % 1
    router.beside.answer(b"page")
    assert responses(transport.sent) == [b"page"]
    assert not router.requests


def test_one_protocol_serves_several_requests_of_the_other_server():
    router = SharedRouter()
    transport = router.connect()
    for i in range(3):
        transport.feed(THEIRS % i)
        assert router.beside.take() == THEIRS % i
        router.beside.answer(b"%d" % i)
    assert len(router.besides) == 1
    assert responses(transport.sent) == [b"0", b"1", b"2"]


def test_connection_goes_back_and_forth():
    router = SharedRouter(serve=answer)
    transport = router.connect()
    for i in range(3):
        transport.feed(OURS % i)
        transport.feed(THEIRS % i)
        router.beside.answer(b"page %d" % i)
    assert responses(transport.sent) == [
        b"</ours/0>", b"page 0", b"</ours/1>", b"page 1", b"</ours/2>", b"page 2",
    ]  # fmt: skip
    # Each was let go of when the next request of ours came.
    assert [beside.is_lost for beside in router.besides] == [True, True, False]


def test_limits_of_the_transport_are_those_of_who_has_it():
    router = SharedRouter(serve=answer)
    transport = router.connect()
    assert transport.limits == (1, 0)
    transport.feed(THEIRS % 1)
    assert transport.limits == (None, None)
    router.beside.answer(b"")
    transport.feed(OURS % 1)
    assert transport.limits == (1, 0)


def test_query_is_no_part_of_the_path():
    router = SharedRouter(serve=answer)
    transport = router.connect()
    transport.feed(b"GET /page?x=/ours/ HTTP/1.1\r\nHost: x\r\n\r\n")
    assert router.besides
    router.beside.answer(b"")
    transport.feed(b"GET /ours/?x=/page HTTP/1.1\r\nHost: x\r\n\r\n")
    assert len(router.requests) == 1


def test_empty_lines_before_a_request_are_ignored():
    """RFC 9112 2.2."""
    router = SharedRouter(serve=answer)
    transport = router.connect()
    for byte in b"\r\n\r\n" + OURS % 1 + b"\r\n" + THEIRS % 1:
        transport.feed(bytes([byte]))
    assert responses(transport.sent) == [b"</ours/1>"]
    assert router.beside.got.endswith(THEIRS % 1)


# --- bodies ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [0, 1, 50])
def test_body_of_a_known_length_ends_where_it_ends(step):
    router = SharedRouter(serve=answer)
    transport = router.connect()
    request = POST % (9, b"a b\r\n\r\n\0c")
    feed(transport, request + OURS % 1, step)
    assert router.beside.got == request
    router.beside.answer(b"done")
    router.end_turn()
    assert responses(transport.sent) == [b"done", b"</ours/1>"]


@pytest.mark.parametrize("step", [0, 1, 60])
@pytest.mark.parametrize(
    "body",
    [
        b"0\r\n\r\n",
        b"5\r\nhello\r\n0\r\n\r\n",
        b"5;name=value\r\nhello\r\n1A\r\n" + b"0\r\n\r\n" * 5 + b"x\r\n0;last\r\n\r\n",
        b"5\r\nhello\r\n0\r\nTrailer: 1\r\nAnother: 2\r\n\r\n",
        b"000005\r\nhello\r\n000\r\n\r\n",
    ],
)
def test_body_in_chunks_ends_behind_its_trailer(body, step):
    """RFC 9112 7.1."""
    router = SharedRouter(serve=answer)
    transport = router.connect()
    feed(transport, CHUNKED_HEAD + body + OURS % 1, step)
    assert router.beside.got == CHUNKED_HEAD + body
    router.beside.answer(b"done")
    router.end_turn()
    assert responses(transport.sent) == [b"done", b"</ours/1>"]


@pytest.mark.parametrize("body", [b"x\r\nhello", b"\r\nhello", b"-1\r\n", b"1234567890abcdef0\r\n"])
def test_what_is_no_chunk_is_all_for_the_parser_of_the_other_server_to_refuse(body):
    router = SharedRouter(serve=answer)
    transport = router.connect()
    transport.feed(CHUNKED_HEAD + body + OURS % 1)
    transport.feed(OURS % 2)
    assert router.beside.got == CHUNKED_HEAD + body + OURS % 1 + OURS % 2
    assert not router.requests


@pytest.mark.parametrize("step", [0, 1, 30])
@pytest.mark.parametrize("is_chunked", [False, True])
def test_body_of_a_request_of_ours_is_handed_over_whole(is_chunked, step):
    router = SharedRouter(serve=answer)
    transport = router.connect()
    body = b"0123456789" * 30
    if is_chunked:
        head = b"POST /ours/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        request = head + b"".join(b"1e\r\n%b\r\n" % body[i : i + 30] for i in range(0, 300, 30))
        request += b"0\r\n\r\n"
    else:
        request = b"POST /ours/ HTTP/1.1\r\nHost: x\r\nContent-Length: 300\r\n\r\n" + body
    feed(transport, request + THEIRS % 1, step)
    assert [got.body for got in router.requests] == [body]
    assert router.beside.got == THEIRS % 1


def test_large_body_is_passed_on_as_it_comes():
    router = SharedRouter(max_message_bytes=1000)
    transport = router.connect()
    transport.feed(b"POST /page/up HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
    for _ in range(10):
        transport.feed(b"x" * 10_000)
    assert router.beside.got.endswith(b"x" * 100_000)
    assert len(router.beside.pieces) == 11


def test_rest_of_a_body_goes_to_the_other_server_though_it_has_answered():
    router = SharedRouter(serve=answer)
    transport = router.connect()
    transport.feed(POST % (10, b"01234"))
    router.beside.answer(b"enough")
    router.end_turn()
    transport.feed(b"56789" + OURS % 1)
    assert router.beside.got == POST % (10, b"0123456789")
    assert responses(transport.sent) == [b"enough", b"</ours/1>"]


# --- order ----------------------------------------------------------------------------------------


def test_requests_behind_one_that_is_not_answered_wait_their_turn():
    router = SharedRouter(serve=answer)
    transport = router.connect()
    transport.feed(THEIRS % 1 + OURS % 1 + THEIRS % 2)
    transport.feed(OURS % 2)
    assert router.beside.take() == THEIRS % 1
    assert not router.requests
    router.beside.answer(b"page 1")
    assert not router.requests, "not inside the other server's own work"
    router.end_turn()
    assert router.beside.take() == THEIRS % 2
    router.beside.answer(b"page 2")
    router.end_turn()
    assert responses(transport.sent) == [b"page 1", b"</ours/1>", b"page 2", b"</ours/2>"]


def test_request_behind_one_of_ours_that_waits_is_served_behind_it():
    waiting = []
    router = SharedRouter(serve=lambda conn, request: waiting.append(conn))
    transport = router.connect()
    transport.feed(OURS % 1 + THEIRS % 1 + OURS % 2)
    assert not router.besides
    waiting.pop().respond(200, [], b"late")
    assert router.beside.got == THEIRS % 1
    assert responses(transport.sent) == [b"late"], (
        "ours is written before the other server may write"
    )
    router.beside.answer(b"page")
    router.end_turn()
    waiting.pop().respond(200, [], b"later")
    router.end_turn()
    assert responses(transport.sent) == [b"late", b"page", b"later"]


def test_many_requests_in_one_read_do_not_recurse():
    router = SharedRouter(serve=answer)
    transport = router.connect()
    transport.feed(b"".join(OURS % i for i in range(5000)))
    assert responses(transport.sent) == [b"</ours/%d>" % i for i in range(5000)]


def test_other_server_gets_nothing_while_our_answers_are_unsent():
    router = SharedRouter(serve=answer)
    transport = router.connect()
    transport.feed(OURS % 1)
    transport.stall()
    transport.feed(OURS % 2)
    transport.feed(OURS % 3 + THEIRS % 1)
    assert not router.besides
    transport.flow()
    assert router.beside.got == THEIRS % 1
    router.beside.answer(b"page")
    assert responses(transport.sent) == [b"</ours/1>", b"</ours/2>", b"</ours/3>", b"page"]


def test_our_answer_waits_until_what_the_other_server_wrote_is_sent():
    router = SharedRouter(serve=answer)
    transport = router.connect()
    transport.feed(THEIRS % 1)
    transport.stall()
    router.beside.answer(b"page")
    assert router.beside.is_paused
    transport.feed(OURS % 1)
    router.end_turn()
    assert transport.sent == b""
    transport.flow()
    assert responses(transport.sent) == [b"page", b"</ours/1>"]


def test_other_server_that_comes_while_the_client_does_not_read_is_told():
    router = SharedRouter()
    transport = router.connect()
    transport.conn.pause_writing()
    transport.feed(THEIRS % 1)
    assert router.beside.is_paused
    transport.conn.resume_writing()
    assert not router.beside.is_paused


def test_client_that_sends_too_much_ahead_is_not_read_until_its_turn_comes():
    router = SharedRouter(serve=answer)
    transport = router.connect()
    transport.feed(THEIRS % 1 + OURS % 1 + POST % (70_000, b"x" * 70_000))
    assert not transport.is_reading()
    router.beside.answer(b"page")
    router.end_turn()
    assert transport.is_reading()
    assert router.beside.got == POST % (70_000, b"x" * 70_000)
    assert responses(transport.sent) == [b"page", b"</ours/1>"]


def test_reading_goes_on_when_what_is_left_of_the_much_is_the_beginning_of_a_request():
    router = SharedRouter(serve=answer)
    transport = router.connect()
    transport.feed(THEIRS % 1 + (OURS % 1) * 3000 + b"GET /ours/2 HTT")
    assert not transport.is_reading()
    router.beside.answer(b"page")
    router.end_turn()
    assert transport.is_reading()
    transport.feed(b"P/1.1\r\nHost: x\r\n\r\n")
    assert responses(transport.sent)[-1] == b"</ours/2>"


def test_other_server_may_stop_the_reading_though_we_have_just_begun_again():
    router = SharedRouter(serve=answer)
    transport = router.connect()
    transport.feed(THEIRS % 1 + POST % (200_000, b"x" * 100_000))
    router.beside.pauses_at = 50_000
    router.beside.answer(b"page")
    router.end_turn()
    assert router.beside.got.endswith(b"x" * 100_000)
    assert not transport.is_reading()


def test_answer_over_head_timeout_of_the_other_server_is_waited_for():
    router = SharedRouter()
    transport = router.connect()
    transport.feed(THEIRS % 1)
    for _ in range(20):
        assert transport.conn.on_due() == 10
    router.beside.answer(b"at last")
    assert responses(transport.sent) == [b"at last"]


def test_head_that_never_ends_is_a_408_on_a_connection_that_was_used_before():
    router = SharedRouter(serve=answer)
    transport = router.connect()
    transport.feed(OURS % 1)
    transport.feed(b"GET /page HTTP/1.1\r\nX: ")
    transport.conn.on_due()
    transport.conn.on_due()
    router.end_turn()
    assert b"HTTP/1.1 408 " in transport.sent
    assert transport.has_ended


# --- what is given away ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /page HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        b"GET /page HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\n\r\n",
        b"GET /ours/ HTTP/1.0\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://x/ours/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET  /ours/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"get /ours/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
        b"GET /ours/ HTTP/1.1\nHost: x\n\n",
        b"GET /ours/ HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n",
        b"GET /ours/ HTTP/1.1\r\nHost: x\r\nA: b\r\n c: folded\r\n\r\n",
        b"POST /ours/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        b"POST /ours/ HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\nhello",
        b"POST /ours/ HTTP/1.1\r\nHost: x\r\nContent-Length: 12345678901\r\n\r\nhello",
        b"POST /ours/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /ours/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
        b"POST /ours/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"POST /ours/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n",
    ],
)
def test_what_is_not_of_the_usual_form_is_given_away_with_all_that_follows(request_bytes):
    router = SharedRouter(serve=answer)
    transport = router.connect()
    transport.feed(OURS % 1)
    transport.feed(request_bytes + OURS % 2)
    transport.feed(OURS % 3)
    (beside,) = router.given_away
    assert beside.got == request_bytes + OURS % 2 + OURS % 3
    assert transport.conn is beside
    assert transport.limits == (None, None)
    assert len(router.requests) == 1
    assert not router.open
    assert not router.watched


def test_connection_that_is_given_away_is_first_taken_back():
    router = SharedRouter()
    transport = router.connect()
    transport.feed(THEIRS % 1)
    router.beside.answer(b"")
    transport.feed(b"GET /page HTTP/1.1\r\nUpgrade: x\r\n\r\n")
    assert router.besides[0].is_lost
    assert len(router.given_away) == 1


def test_given_away_behind_answers_that_are_unsent_waits_for_them():
    router = SharedRouter(serve=answer)
    transport = router.connect()
    transport.feed(OURS % 1)
    transport.stall()
    transport.feed(OURS % 2)
    transport.feed(OURS % 3)
    transport.feed(b"GET / HTTP/1.0\r\n\r\n")
    assert not router.given_away
    transport.flow()
    assert router.given_away[0].got == b"GET / HTTP/1.0\r\n\r\n"
    assert len(responses(transport.sent)) == 3


def test_client_that_does_not_read_is_told_of_when_its_connection_is_given_away():
    router = SharedRouter()
    transport = router.connect()
    transport.conn.pause_writing()
    transport.feed(b"GET / HTTP/1.0\r\n\r\n")
    assert router.given_away[0].is_paused


@pytest.mark.parametrize("step", [0, 1000])
def test_head_over_the_limit_is_a_431(step):
    router = SharedRouter()
    transport = router.connect()
    feed(transport, b"GET /page HTTP/1.1\r\nX: " + b"x" * 70_000, step)
    assert transport.sent.startswith(b"HTTP/1.1 431 ")
    assert transport.has_ended
    assert not router.besides


@pytest.mark.parametrize("body", [b"x\r\nhello", b"5\r\nhello, world\r\n0\r\n\r\n"])
def test_what_is_no_chunk_is_a_400_for_a_request_of_ours(body):
    router = SharedRouter(serve=answer)
    transport = router.connect()
    head = b"POST /ours/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    transport.feed(head + body + OURS % 1)
    assert transport.sent.startswith(b"HTTP/1.1 400 ")
    assert transport.has_ended
    assert not router.requests


def test_client_of_ours_that_waits_for_100_continue_gets_it():
    router = SharedRouter(serve=answer)
    transport = router.connect()
    transport.feed(
        b"POST /ours/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    )
    assert transport.take() == b"HTTP/1.1 100 Continue\r\n\r\n"
    transport.feed(b"hello")
    assert router.requests[0].body == b"hello"


# --- WebSockets of ours ---------------------------------------------------------------------------

UPGRADE = (
    b"GET /ours/ HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
PING = b"\x89\x82\0\0\0\0hi"
PONG = b"\x8a\x02hi"


@pytest.mark.parametrize("step", [0, 1])
def test_connection_may_become_our_websocket_after_a_page(step):
    router = SharedRouter(serve=lambda conn, request: conn.accept_websocket(request, [], None))
    transport = router.connect()
    transport.feed(THEIRS % 1)
    router.beside.answer(b"page")
    transport.take()
    feed(transport, UPGRADE + PING, step)
    assert transport.sent.startswith(b"HTTP/1.1 101 ")
    assert transport.sent.endswith(b"\r\n\r\n" + PONG)


def test_status_of_an_answer_is_told_once():
    told = []

    def serve(conn, request):
        conn.on_status = told.append
        if request.is_upgrade:
            conn.accept_websocket(request, [], None)
        else:
            conn.respond(404, [], b"")

    router = SharedRouter(serve=serve)
    transport = router.connect()
    transport.feed(OURS % 1)
    transport.feed(UPGRADE)
    assert told == [404, 101]


# --- the end --------------------------------------------------------------------------------------


def test_loss_of_the_connection_is_told_to_the_other_server_and_forgets_what_is_held():
    router = SharedRouter(serve=answer)
    transport = router.connect()
    transport.feed(THEIRS % 1 + OURS % 1)
    transport.lose(ConnectionResetError())
    assert router.beside.is_lost
    router.end_turn()
    assert not router.requests
    assert not router.open


def test_shutdown_reaches_the_other_server_while_it_has_the_connection():
    router = SharedRouter()
    transport = router.connect()
    transport.feed(THEIRS % 1)
    transport.conn.shutdown()
    assert router.beside.is_shut_down
    assert not transport.is_lost
    assert router.stops == 1


def test_shutdown_closes_an_idle_connection():
    router = SharedRouter(serve=answer)
    transport = router.connect()
    transport.feed(OURS % 1)
    transport.conn.shutdown()
    assert transport.is_lost
    assert router.stops == 1


def test_other_server_that_closes_has_its_answer_sent_however_long_that_takes():
    router = SharedRouter()
    transport = router.connect()
    transport.feed(THEIRS % 1)
    transport.stall()
    router.beside.transport.write(b"a long answer")
    transport.conn.close_beside()
    assert transport.conn not in router.watched, "nothing ends it in time"
    transport.flow()
    assert transport.sent == b"a long answer"

"""Connections as HTTP: answers in order, how a connection ends.

Bytes in and out through a transport in memory; the router is the test's.
Times: test_conn_time.py; as WebSocket: test_conn_websocket.py; how answers are written: test_stream.py.
Source: RFC 9112 9 (connection management).
"""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from fastsio._conn import Conn
from memory_conn import ADDRESS, LateRouter, MemoryTransport, Router, answer, responses

GET = b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n"


# --- answers --------------------------------------------------------------------------------------


def test_answer_is_one_write_of_head_and_body():
    router = Router(serve=answer)
    transport = router.connect()
    transport.feed(GET % 1)
    assert transport.writes == [
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: keep-alive\r\n\r\n</1>"
    ]
    assert not transport.has_ended


def test_requests_in_one_read_are_answered_in_order_in_one_write():
    router = Router(serve=answer)
    transport = router.connect()
    transport.feed(b"".join(GET % i for i in range(5)))
    assert responses(transport.sent) == [b"</%d>" % i for i in range(5)]
    assert len(transport.writes) == 1


def test_next_request_is_handed_over_when_the_one_before_is_answered():
    """RFC 9112 9.3.2: answers in the order of the requests."""
    router = LateRouter()
    transport = router.connect()
    transport.feed(GET % 1 + GET % 2)
    transport.feed(GET % 3)
    assert [request.target for request in router.requests] == [b"/1"]
    for i in (1, 2, 3):
        router.conns.pop().respond(200, [], b"%d" % i)
        router.end_turn()
        assert len(router.requests) == min(i + 1, 3)
    assert responses(transport.sent) == [b"1", b"2", b"3"]


def test_many_requests_that_are_answered_at_once_do_not_recurse():
    router = Router(serve=answer)
    transport = router.connect()
    transport.feed(b"".join(GET % i for i in range(5000)))
    router.end_turn()
    assert responses(transport.sent) == [b"</%d>" % i for i in range(5000)]


@pytest.mark.fault(
    "a client sends thousands of requests ahead",
    "64 are served in a turn: the others are not held up",
)
def test_of_many_requests_in_one_read_some_are_served_in_each_turn():
    router = Router(serve=answer)
    transport = router.connect()
    transport.feed(b"".join(GET % i for i in range(150)))
    served = [len(router.requests)]
    while router.turn:
        router.turn.pop(0)()
        served.append(len(router.requests))
    assert [count for i, count in enumerate(served) if count not in served[:i]] == [64, 128, 150]
    assert responses(transport.sent) == [b"</%d>" % i for i in range(150)]
    transport.feed(GET % 150)
    assert responses(transport.sent)[150:] == [b"</150>"]


def test_refusal_of_what_is_no_request_comes_behind_the_answers_of_all_turns():
    router = Router(serve=answer)
    transport = router.connect()
    transport.feed(b"".join(GET % i for i in range(150)) + b"no request\r\n\r\n")
    router.end_turn()
    assert responses(transport.sent)[:150] == [b"</%d>" % i for i in range(150)]
    assert transport.sent.count(b"HTTP/1.1 400 ") == 1
    assert transport.has_ended


def test_client_that_goes_between_two_turns_of_its_requests_is_served_no_more():
    router = Router(serve=answer)
    transport = router.connect()
    transport.feed(b"".join(GET % i for i in range(150)))
    transport.lose()
    router.end_turn()
    assert len(router.requests) == 64


def test_answer_in_a_later_turn_is_written_at_its_end():
    router = LateRouter()
    transport = router.connect()
    transport.feed(GET % 1)
    router.conns[0].respond(200, [], b"late")
    assert transport.sent == b""
    router.end_turn()
    assert responses(transport.sent) == [b"late"]


def test_client_that_sends_many_requests_ahead_is_not_read_until_some_are_answered():
    router = LateRouter()
    transport = router.connect()
    transport.feed(GET % 0)
    transport.feed(b"".join(GET % i for i in range(1, 9)))
    assert not transport.is_reading()
    transport.feed(GET % 9)
    for i in range(10):
        router.conns.pop(0).respond(200, [], b"%d" % i)
        router.end_turn()
    assert transport.is_reading()
    assert responses(transport.sent) == [b"%d" % i for i in range(10)]


def test_answer_to_head_has_its_length_and_no_body():
    router = Router(serve=lambda conn, request: conn.respond(200, [], b"12345", is_head=True))
    transport = router.connect()
    transport.feed(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"Content-Length: 5\r\n" in transport.sent
    assert transport.sent.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("asked", [b"Connection: close\r\n", b""])
def test_last_answer_ends_our_side_and_ignores_what_still_comes(asked):
    router = Router(
        serve=lambda conn, request: conn.respond(400, [], b"no", keep_alive=bool(asked))
    )
    transport = router.connect()
    transport.feed(b"GET / HTTP/1.1\r\nHost: x\r\n" + asked + b"\r\n")
    router.end_turn()
    assert b"Connection: close\r\n" in transport.sent
    assert transport.sent.endswith(b"no")
    assert transport.has_ended
    transport.feed(GET % 2)
    router.end_turn()
    assert len(router.requests) == 1
    assert not transport.is_lost  # the client may still read: closing with unread input would reset


def test_request_after_one_that_ended_the_connection_is_not_served():
    """RFC 9112 9.6."""
    router = Router(serve=answer)
    transport = router.connect()
    transport.feed(b"GET /1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" + GET % 2)
    router.end_turn()
    assert responses(transport.sent) == [b"</1>"]
    assert transport.has_ended


def test_answer_to_a_client_that_has_gone_is_dropped():
    router = LateRouter()
    transport = router.connect()
    transport.feed(GET % 1)
    transport.lose()
    router.conns[0].respond(200, [], b"late")
    router.end_turn()
    assert transport.sent == b""


def test_client_that_goes_before_its_answer_is_reported_once():
    router = LateRouter()
    transport = router.connect()
    transport.feed(GET % 1)
    aborts: list[str] = []
    router.conns[0].on_abort = lambda: aborts.append("gone")
    transport.lose()
    assert aborts == ["gone"]
    assert router.conns[0].on_abort is None


def test_client_that_goes_after_its_answer_is_not_reported():
    router = LateRouter()
    transport = router.connect()
    transport.feed(GET % 1)
    aborts: list[str] = []
    router.conns[0].on_abort = lambda: aborts.append("gone")
    router.conns[0].respond(200, [], b"")
    transport.lose()
    assert aborts == []


def test_router_hears_of_every_connection_and_its_end():
    router = Router()
    transport = router.connect()
    assert router.open == {transport.conn}
    assert router.watched == {transport.conn: 10.0}
    transport.lose()
    assert (router.open, router.watched) == (set(), {})


def test_good_request_before_a_bad_one_is_answered_first(cut):
    router = Router(serve=answer)
    transport = router.connect()
    for piece in cut(GET % 1 + b"\x00nonsense\r\n\r\n"):
        transport.feed(piece)
    router.end_turn()
    assert transport.sent.startswith(b"HTTP/1.1 200 OK\r\n")
    assert transport.sent.count(b"HTTP/1.1 400 Bad Request\r\n") == 1
    assert transport.has_ended


def test_bad_bytes_while_a_request_is_served_are_answered_behind_it():
    router = LateRouter()
    transport = router.connect()
    transport.feed(GET % 1)
    transport.feed(b"\x00nonsense\r\n\r\n")
    transport.feed(GET % 2)
    router.end_turn()
    assert transport.sent == b""
    router.conns[0].respond(200, [], b"first")
    router.end_turn()
    assert responses(transport.sent) == [b"first", b""]
    assert b"HTTP/1.1 400 Bad Request\r\n" in transport.sent
    assert transport.has_ended
    assert len(router.requests) == 1


def test_client_that_has_reset_the_connection_when_it_is_to_be_ended_is_dropped():
    router = Router(serve=lambda conn, request: conn.respond(200, [], b"", keep_alive=False))
    transport = router.connect()

    def write_eof():
        raise OSError(107, "Transport endpoint is not connected")

    transport.write_eof = write_eof
    transport.feed(GET % 1)
    router.end_turn()
    assert transport.is_lost


def test_client_that_ends_its_side_is_closed():
    router = Router(serve=answer)
    transport = router.connect()
    assert transport.conn.eof_received() is False  # the event loop closes then


@pytest.mark.parametrize(
    ("peername", "remote"),
    [(("192.0.2.7", 80), "192.0.2.7"), (("2001:db8::1", 80, 0, 0), "2001:db8::1"), ("", ""), (None, "")],
)  # fmt: skip
def test_remote_is_the_clients_address_and_empty_on_a_unix_socket(peername, remote):
    conn = Conn(Router())
    transport = MemoryTransport(conn)
    transport._extra["peername"] = peername
    conn.connection_made(transport)
    assert conn.remote == remote
    transport.lose()
    assert conn.remote == ""


# --- the end --------------------------------------------------------------------------------------


def test_retire_closes_an_idle_connection():
    router = Router(serve=answer)
    transport = router.connect()
    transport.feed(GET % 1)
    transport.conn.retire()
    assert transport.is_lost


def test_retire_lets_a_request_be_answered_and_closes_then():
    router = LateRouter()
    transport = router.connect()
    transport.feed(GET % 1)
    transport.conn.retire()
    assert not transport.is_lost
    router.conns[0].respond(200, [], b"goodbye")
    router.end_turn()
    assert b"Connection: close\r\n" in transport.sent
    assert transport.sent.endswith(b"goodbye")
    assert transport.has_ended


def test_close_sends_what_is_queued_and_happens_once():
    router = LateRouter()
    transport = router.connect()
    transport.feed(GET % 1)
    router.conns[0].respond(200, [], b"goodbye")
    transport.conn.close()
    assert transport.sent.endswith(b"goodbye")
    assert transport.is_lost
    transport.conn.close()
    transport.conn.abort()


def test_abort_drops_what_is_queued():
    router = LateRouter()
    transport = router.connect()
    transport.feed(GET % 1)
    router.conns[0].respond(200, [], b"never sent")
    transport.conn.abort()
    router.end_turn()
    assert transport.sent == b""
    assert transport.is_lost


def test_connection_is_known_as_secure_only_under_tls():
    conn = Conn(Router())
    transport = MemoryTransport(conn)
    conn.connection_made(transport)
    assert conn.is_secure
    assert conn.remote == ADDRESS[0]
    ours, theirs = socket.socketpair()
    with ours, theirs:
        plain = Conn(Router())
        plain_transport = MemoryTransport(plain)
        plain_transport._extra.update(sslcontext=None, socket=ours)
        plain.connection_made(plain_transport)
        assert not plain.is_secure


# Serves one read full of requests for another protocol in a thread whose stack is small.
STACK_SCRIPT = """
import asyncio, sys, threading
sys.path[:0] = sys.argv[1:]
from fastsio._conn import Conn
from memory_conn import MemoryTransport, Router

REQUEST = b"GET / HTTP/1.1\\r\\nHost: x\\r\\nConnection: upgrade\\r\\nUpgrade: other\\r\\n\\r\\n"

def serve():
    conn = Conn(Router(serve=lambda conn, request: conn.respond(200, [], b"")))
    transport = MemoryTransport(conn)
    conn.connection_made(transport)
    conn.data_received(REQUEST * 4000)
    print(transport.sent.count(b"200 OK"))

threading.stack_size(256 * 1024)
thread = threading.Thread(target=serve)
thread.start()
thread.join()
"""


def test_thousands_of_upgrades_in_one_read_need_no_deep_stack():
    tests = Path(__file__).resolve().parents[1]
    command = [sys.executable, "-c", STACK_SCRIPT, str(tests.parent), str(tests)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "4000"), done.stderr

"""What a connection writes: in order, with as few writes as can be, no more than the client takes.

Bytes in and out through a transport in memory, or a socket where the kernel takes part; the router is the test's.
What is written compressed: test_conn_deflate.py.
"""

from __future__ import annotations

import socket

import pytest

from fastsio._conn import Conn
from frame_tools import TEXT, client_frame
from memory_conn import WEBSOCKET_REQUEST, MemoryTransport, Receiver, Router, answer, responses

GET = b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n"


def open_websocket() -> tuple[Router, MemoryTransport]:
    """A connection that was accepted, and has written nothing since."""
    router = Router(serve=lambda conn, request: conn.accept_websocket(request, [], Receiver()))
    transport = router.connect()
    transport.feed(WEBSOCKET_REQUEST)
    router.end_turn()
    transport.take()
    transport.writes.clear()
    return router, transport


def framed(payloads: list[bytes]) -> bytes:
    return b"".join(client_frame(TEXT, data, mask=None) for data in payloads)


def test_answers_to_a_client_that_does_not_read_wait_and_keep_their_order():
    router = Router(serve=answer)
    transport = router.connect()
    transport.stall()
    for i in range(20):
        transport.feed(GET % i)
    assert transport.sent == b""
    transport.flow()
    router.end_turn()
    assert responses(transport.sent) == [b"</%d>" % i for i in range(20)]


def test_last_answer_reaches_a_slow_reader_before_our_side_ends():
    router = Router(serve=lambda conn, request: conn.respond(400, [], b"no", keep_alive=False))
    transport = router.connect()
    transport.stall()
    transport.feed(GET % 1)
    router.end_turn()
    assert transport.sent == b""
    transport.flow()
    router.end_turn()
    assert transport.sent.endswith(b"no")
    assert transport.has_ended


@pytest.mark.parametrize(
    ("listens_at", "comes_from"),
    [("127.0.0.1", "127.0.0.1"), ("127.0.0.1", "127.3.2.1"), ("::1", "::1"), ("::", "127.0.0.1")],
)
def test_remote_is_asked_of_the_socket_and_what_python_has_for_it(listens_at, comes_from):
    family = socket.AF_INET6 if ":" in listens_at else socket.AF_INET
    with socket.socket(family) as listening:
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        try:
            listening.bind((listens_at, 0))
        except OSError:
            pytest.skip(f"{listens_at} is no address here")
        listening.listen()
        port = listening.getsockname()[1]
        at = comes_from if listens_at == "::" else listens_at
        theirs = socket.create_connection((at, port), source_address=(comes_from, 0))
        ours, name = listening.accept()
        with ours, theirs:
            conn = Conn(Router())
            transport = MemoryTransport(conn)
            transport._extra.update(sslcontext=None, socket=ours, peername=("not asked", 0))
            conn.connection_made(transport)
            assert conn.remote == name[0]
            assert conn.remote.endswith(comes_from)
            transport.lose()
            assert conn.remote == ""


@pytest.mark.parametrize(("size", "is_too_much"), [(100, False), (3_000_000, True)])
def test_kernel_takes_what_it_can_and_the_transport_gets_the_rest_in_order(size, is_too_much):
    """Without TLS the connection sends by itself; the transport never sees what the kernel took."""
    body = bytes(i % 251 for i in range(size))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        router = Router(serve=lambda conn, request: conn.respond(200, [], body))
        conn = Conn(router)
        transport = MemoryTransport(conn)
        transport._extra.update(sslcontext=None, socket=ours)
        conn.connection_made(transport)
        transport.feed(GET % 1)
        received = theirs.recv(1 << 24)
        head, _, rest = received.partition(b"\r\n\r\n")
        while len(rest) < size - len(transport.sent):
            rest += theirs.recv(1 << 24)
        assert rest + transport.sent == body
        assert b"Content-Length: %d" % size in head
        assert bool(transport.sent) is is_too_much
        transport.lose()


@pytest.mark.fault(
    "the connection breaks before a send",
    "dropped at the first send, the receiver is told once",
)
def test_broken_connection_is_dropped_at_the_first_send():
    ours, theirs = socket.socketpair()
    router = Router(serve=answer)
    conn = Conn(router)
    transport = MemoryTransport(conn)
    transport._extra.update(sslcontext=None, socket=ours)
    conn.connection_made(transport)
    theirs.close()
    with ours:
        transport.feed(GET % 1)
        assert transport.is_lost
        assert transport.writes == []


def test_frames_to_a_client_that_does_not_read_wait_and_keep_their_order():
    router, transport = open_websocket()
    transport.stall()
    for i in range(200):
        transport.conn.send_text(b"%d" % i)
        router.end_turn()
    assert transport.sent == b""
    transport.flow()
    router.end_turn()
    assert transport.sent == framed([b"%d" % i for i in range(200)])


def test_more_than_the_kernel_takes_at_once_is_written_in_pieces_of_bounded_size():
    router, transport = open_websocket()
    payloads = [bytes([65 + i]) * 100_000 for i in range(20)]
    for payload in payloads:
        transport.conn.send_text(payload)
    router.end_turn()
    assert max(map(len, transport.writes)) < 500_000
    assert len(transport.writes) <= 10
    assert transport.sent == framed(payloads)


@pytest.mark.fault("the kernel takes only a part of a flush", "the rest follows in its order")
def test_stall_in_the_middle_of_a_flush_loses_nothing():
    router, transport = open_websocket()
    payloads = [bytes([65 + i]) * 100_000 for i in range(20)]
    transport.stall()
    for payload in payloads:
        transport.conn.send_text(payload)
    router.end_turn()
    assert len(transport.writes) == 1  # the rest stays with the connection
    transport.flow()
    router.end_turn()
    assert transport.sent == framed(payloads)


def test_all_that_a_turn_queued_is_one_write():
    router, transport = open_websocket()
    payloads = [b"a", b"b" * 200, b"c" * 70_000]
    for payload in payloads:
        transport.conn.send_text(payload)
    assert transport.writes == []
    router.end_turn()
    assert transport.writes == [framed(payloads)]


def test_nothing_is_written_to_a_connection_that_is_gone():
    router, transport = open_websocket()
    transport.conn.send_text(b"late")
    transport.lose()
    router.end_turn()
    transport.conn.resume_writing()
    transport.conn.end_writing()
    assert transport.writes == []
    assert not transport.conn.is_writable

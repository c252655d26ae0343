"""uvicorn's protocol beside ours: what it may do to a connection that is lent to it, and what not any more."""

from __future__ import annotations

import asyncio

import pytest
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from asgi_pages import Pages
from fastsio.doors.beside import LentTransport, beside_for, protocol_class
from memory_conn import answer, responses
from shared_tools import SharedRouter


def lent():
    transport = SharedRouter(serve=answer).connect()
    return transport, LentTransport(transport.conn)


def test_lent_transport_writes_to_the_connection():
    transport, given = lent()
    given.write(b"one ")
    given.writelines([b"two ", b"three"])
    assert transport.sent == b"one two three"
    assert given.get_extra_info("peername") == transport.get_extra_info("peername")
    assert given.get_extra_info("nothing", 42) == 42


def test_lent_transport_stops_and_starts_the_reading():
    transport, given = lent()
    given.pause_reading()
    assert not transport.is_reading()
    assert not given.is_reading()
    given.resume_reading()
    assert transport.is_reading()
    assert given.is_reading()


@pytest.mark.parametrize("end", ["close", "abort"])
def test_lent_transport_ends_the_connection(end):
    transport, given = lent()
    assert not given.is_closing()
    getattr(given, end)()
    assert transport.is_lost
    assert given.is_closing()


def test_nothing_reaches_the_connection_once_it_is_taken_back():
    transport, given = lent()
    given.detach()
    given.write(b"late")
    given.writelines([b"later"])
    given.pause_reading()
    given.set_write_buffer_limits(10)
    given.write_eof()
    given.close()
    given.abort()
    assert transport.sent == b""
    assert transport.is_reading()
    assert transport.limits == (1, 0)
    assert not transport.has_ended
    assert not transport.is_lost
    assert given.is_closing()


def test_class_that_can_share_no_connection_is_refused():
    with pytest.raises(
        TypeError, match=r"Protocol'> is no protocol of uvicorn .* no on_response_c"
    ):
        protocol_class(asyncio.Protocol)


@pytest.mark.parametrize("base", [HttpToolsProtocol, H11Protocol])
async def test_protocol_of_uvicorn_serves_between_requests_of_ours(watch, base):
    """The same with each of its classes; `connections` has each connection once at every moment."""
    connections = set()
    beside = beside_for(Pages(), {}, connections)
    beside = type(beside)(beside._make.keywords["config"], beside.state, {}, base)
    router = BesideRouter(beside)
    transport = router.connect()
    for i in range(3):
        transport.feed(b"GET /ours/%d HTTP/1.1\r\nHost: x\r\n\r\n" % i)
        assert connections == {transport.conn}
        transport.feed(b"POST /size HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n12345")
        assert connections == {transport.conn.beside}
        await asyncio.wait(list(beside.state.tasks))
    assert responses(transport.sent) == [b"</ours/0>", b"5", b"</ours/1>", b"5", b"</ours/2>", b"5"]
    transport.lose()
    assert not connections


async def test_idle_timer_of_uvicorns_protocol_does_not_close_what_was_taken_back(watch):
    connections = set()
    beside = beside_for(Pages(), {}, connections)
    router = BesideRouter(beside)
    transport = router.connect()
    transport.feed(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
    protocol = transport.conn.beside
    await asyncio.wait(list(beside.state.tasks))
    timer = protocol.timeout_keep_alive_task
    assert not timer.cancelled()
    transport.feed(b"GET /ours/1 HTTP/1.1\r\nHost: x\r\n\r\n")
    assert timer.cancelled()
    assert not transport.is_lost


class BesideRouter(SharedRouter):
    """A router over a real Beside."""

    def __init__(self, real):
        super().__init__(serve=answer)
        self.real = real
        self.opened = real.state.connections.add
        self.closed = real.state.connections.discard

    def lend(self, conn):
        return self.real.lend(conn, self)

    def take_back(self, conn, protocol):
        self.real.take_back(conn, protocol)

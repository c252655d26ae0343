"""fastsio._wire: what a protocol of a Wire raises, whose context it runs in, and what is left of it."""

from __future__ import annotations

import asyncio
import contextvars
import errno
import gc
import os
import socket
import weakref
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

import fastsio
from fastsio._handles import wires_of
from fastsio._wire import adopt, listen
from harness import LoopWatch
from wire_stage import BIG, Pair, Recorder, Stage, fails, reports, until

uvloop = pytest.importorskip("uvloop", reason="there is none for Windows")

pytestmark = pytest.mark.asyncio(loop_factories=["uvloop"])

DESCRIPTORS = "/dev/fd"

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="nobody's")


@pytest_asyncio.fixture(params=["tcp", "unix"])
async def stage(request, tmp_path, watch: LoopWatch) -> AsyncIterator[Stage]:
    """With a Wire."""
    made = Stage(request.param, True, tmp_path)
    await made.listen()
    yield made
    await made.close()


@pytest_asyncio.fixture(params=["ours", "uvloop"])
async def either(request, tmp_path, watch: LoopWatch) -> AsyncIterator[Stage]:
    """With a Wire, and with a transport of uvloop's."""
    made = Stage("tcp", request.param == "ours", tmp_path)
    await made.listen()
    yield made
    await made.close()


# --- failures -------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["data_received", "eof_received"])
async def test_a_failing_protocol_is_reported_and_its_connection_ends(either, where):
    pair = await either.pair(**{where: fails})
    with reports() as seen:
        await pair.says(b"x")
        pair.client.shutdown(socket.SHUT_WR)
        await pair.is_over()
    assert [type(one["exception"]) for one in seen] == [ZeroDivisionError]
    assert seen[0]["transport"] is pair.transport
    assert isinstance(pair.protocol.error, ZeroDivisionError)


async def test_a_failing_connection_made_ends_the_connection(stage):
    with reports() as seen:
        pair = await stage.pair(connection_made=fails)
        await pair.is_over()
        assert await pair.hears() == b""
    assert [type(one["exception"]) for one in seen] == [ZeroDivisionError]


async def test_a_failing_connection_lost_is_reported(either):
    with reports() as seen:
        pair = await either.pair(connection_lost=fails)
        pair.transport.abort()
        await pair.is_over()
        await asyncio.sleep(0)
    assert [type(one["exception"]) for one in seen] == [ZeroDivisionError]


@pytest.mark.parametrize("where", ["pause_writing", "resume_writing"])
async def test_a_failing_pause_or_resume_is_reported_and_no_more(either, where):
    pair = await either.pair(**{where: fails})
    with reports() as seen:
        pair.transport.write(BIG * 2)
        assert len(await pair.hears(2 * len(BIG))) == 2 * len(BIG)
        await until(lambda: "resume_writing" in pair.protocol.told)
    assert [type(one["exception"]) for one in seen] == [ZeroDivisionError]
    assert not pair.transport.is_closing()


async def test_a_factory_that_fails_ends_the_connection_and_not_the_listener(tmp_path):
    stage = Stage("tcp", True, tmp_path)
    answers: list[Any] = [ZeroDivisionError("on purpose"), Recorder()]

    def make() -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        stage.protocols.append(answer)
        return answer

    await stage.listen(make)
    with reports() as seen:
        first = Pair(Recorder(), await stage.connect())
        assert await first.hears() == b""
    assert [type(one["exception"]) for one in seen] == [ZeroDivisionError]
    await stage.connect()
    await until(lambda: bool(stage.protocols))
    await stage.close()


# --- contexts -------------------------------------------------------------------------------


async def test_each_connection_has_a_context_of_its_own(stage):
    """uvloop's own share the listener's."""
    seen: list[str] = []

    def received(transport: Any, data: bytes) -> None:
        seen.append(variable.get())
        variable.set(data.decode())

    variable.set("the listener's")
    first = await stage.pair(data_received=received)
    second = await stage.pair(
        data_received=received, connection_lost=lambda _: seen.append(variable.get())
    )
    for pair, word in ((first, b"a"), (second, b"b"), (first, b"c")):
        await pair.says(word)
        await until(lambda pair=pair, word=word: pair.protocol.data.endswith(word))
    assert seen == ["nobody's", "nobody's", "a"]
    second.transport.abort()
    await second.is_over()
    assert seen[-1] == "b"
    assert variable.get() == "the listener's"


async def test_a_connection_begins_with_the_listeners_context(tmp_path, watch):
    variable.set("the listener's")
    stage = Stage("tcp", True, tmp_path)
    await stage.listen()
    seen: list[str] = []
    await stage.pair(connection_made=lambda _: seen.append(variable.get()))
    assert seen == ["the listener's"]
    await stage.close()


# --- connections that somebody else has accepted --------------------------------------------


async def test_an_adopted_connection_begins_with_its_adopters_context(tmp_path, watch):
    variable.set("the adopter's")
    stage = Stage("adopted", True, tmp_path)
    await stage.listen()
    seen: list[str] = []
    pair = await stage.pair(connection_made=lambda _: seen.append(variable.get()))
    assert seen == ["the adopter's"]
    assert pair.transport.get_extra_info("socket").getsockopt(
        socket.IPPROTO_TCP, socket.TCP_NODELAY
    )
    await stage.close()


async def test_an_adopted_connection_that_no_protocol_can_be_made_for_is_closed(watch):
    near, far = socket.socketpair()
    far.settimeout(5)
    with reports() as seen:
        assert adopt(wires_of(asyncio.get_running_loop()), near, fails) is None
        await asyncio.sleep(0.01)
    assert [type(one["exception"]) for one in seen] == [ZeroDivisionError]
    assert near.fileno() == -1
    assert far.recv(1) == b""
    far.close()


async def test_what_cant_be_adopted_stays_with_its_owner(stage):
    wires = wires_of(asyncio.get_running_loop())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        with pytest.raises(ValueError, match="no stream socket"):
            adopt(wires, datagrams, Recorder)
        assert datagrams.fileno() >= 0
    pair = await stage.pair()
    known = socket.socket(fileno=pair.transport.fd)
    with pytest.raises(OSError, match=os.strerror(errno.EEXIST)):  # libuv has that descriptor
        adopt(wires, known, Recorder)
    assert known.detach() == pair.transport.fd
    await pair.says(b"still there")
    await until(lambda: pair.protocol.data == b"still there")


# --- what it says of itself -----------------------------------------------------------------


async def test_it_has_asyncios_extra_info(stage):
    pair = await stage.pair()
    sock = pair.transport.get_extra_info("socket")
    assert sock.fileno() == pair.transport.fd
    assert pair.transport.get_extra_info("sockname") == stage.address
    assert pair.transport.get_extra_info("peername") == pair.client.getsockname()
    assert pair.transport.get_extra_info("sslcontext") is None
    assert pair.transport.get_extra_info("sslcontext", 5) == 5
    assert sock.family == pair.client.family
    assert not hasattr(sock, "close")  # it is not the caller's
    assert f"fd={pair.transport.fd} " in repr(pair.transport)


async def test_tcp_waits_for_no_more_bytes(tmp_path, watch):
    stage = Stage("tcp", True, tmp_path)
    await stage.listen()
    pair = await stage.pair()
    sock = pair.transport.get_extra_info("socket")
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    await stage.close()


async def test_another_protocol_may_take_over(either):
    second = Recorder()
    pair = await either.pair(data_received=lambda transport, data: transport.set_protocol(second))
    await pair.says(b"1")
    await until(lambda: pair.protocol.data == b"1")
    assert pair.transport.get_protocol() is second
    await pair.says(b"2")
    await until(lambda: second.data == b"2")
    pair.client.close()
    await until(lambda: second.is_lost)
    assert pair.protocol.told == ["connection_made", "data_received"]
    pair.protocol.told.append("connection_lost")  # for the stage


# --- lifetimes ------------------------------------------------------------------------------


async def test_nothing_is_left_of_a_connection_that_has_ended(stage):
    pair = await stage.pair()
    protocol = weakref.ref(pair.protocol)
    before = len(os.listdir(DESCRIPTORS))
    pair.transport.abort()
    await pair.is_over()
    assert len(os.listdir(DESCRIPTORS)) == before - 1
    stage.protocols.clear()
    del pair
    gc.collect()
    await asyncio.sleep(0)
    assert protocol() is None


async def test_a_connection_lives_though_nobody_holds_it(stage):
    class Holds(Recorder):
        def connection_made(self, transport: Any) -> None:
            self.told.append("connection_made")

        def data_received(self, data: bytes) -> None:
            heard.append(data)

    heard: list[bytes] = []
    stage.next.append(Holds())
    client = await stage.connect()
    await until(lambda: bool(stage.protocols and stage.protocols[0].told))
    stage.protocols.clear()
    gc.collect()
    await Pair(Recorder(), client).says(b"x")
    await until(lambda: heard == [b"x"])


async def test_a_closed_listener_accepts_no_more_and_keeps_what_came(stage):
    pair = await stage.pair()
    assert [one.getsockname() for one in stage.listener.sockets] == [stage.address]
    stage.listener.close()
    stage.listener.close()
    assert stage.listener.sockets == []
    with pytest.raises(ConnectionRefusedError):
        await stage.connect()
    await pair.says(b"x")
    await until(lambda: pair.protocol.data == b"x")


async def test_a_socket_that_cant_listen_is_refused():
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with pytest.raises(OSError, match="rotocol"):
        listen(wires_of(asyncio.get_running_loop()), one, Recorder, 5)
    one.close()


async def test_nothing_is_sent_to_a_descriptor_that_is_anothers_by_now(serve):
    server = await serve(fastsio.AsyncServer())
    client = socket.create_connection(("127.0.0.1", server.port))
    await until(lambda: server.connections)
    (conn,) = server.connections
    number = conn.transport.fd
    assert number >= 0
    conn.transport.abort()  # as libuv does at the client's end: the connection hears of it a moment later
    taken, others = socket.socketpair()
    while taken.fileno() != number:
        taken, others = socket.socketpair() if others.fileno() != number else (others, taken)
    conn.send_text(b"not yours")
    conn.resume_writing()  # flushes
    others.setblocking(False)
    with pytest.raises(BlockingIOError):
        others.recv(100)
    await until(lambda: not server.connections)
    for one in (client, taken, others):
        one.close()


async def test_the_server_is_on_wires(serve):
    server = await serve(fastsio.AsyncServer())
    client = socket.create_connection(("127.0.0.1", server.port))
    await until(lambda: server.connections)
    (conn,) = server.connections
    assert type(conn.transport).__name__ == "Wire"
    assert conn.remote == "127.0.0.1"
    client.close()
    await until(lambda: not server.connections)

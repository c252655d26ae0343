"""fastsio._wire: transports on uvloop's libuv, with real sockets. Each test that can is run with uvloop's own too.

What asyncio's documentation says of transports and protocols is the rule; where both differ, the test says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from fastsio._conn import Conn
from harness import LoopWatch
from memory_conn import Router, answer
from wire_stage import BIG, Stage, until

uvloop = pytest.importorskip("uvloop", reason="there is none for Windows")

pytestmark = pytest.mark.asyncio(loop_factories=["uvloop"])

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: keep-alive\r\n\r\n</y>"


@pytest_asyncio.fixture(params=["tcp", "unix", "adopted"])
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


# --- reading and writing --------------------------------------------------------------------


async def test_bytes_go_both_ways(stage):
    pair = await stage.pair(data_received=lambda transport, data: transport.write(data.upper()))
    await pair.says(b"hello")
    assert await pair.hears(5) == b"HELLO"
    await pair.says(b" again")
    assert await pair.hears(6) == b" AGAIN"
    assert pair.protocol.data == b"hello again"


async def test_more_than_a_read_takes_arrives_whole(stage):
    pair = await stage.pair()
    await pair.says(BIG)
    await until(lambda: len(pair.protocol.data) == len(BIG))
    assert pair.protocol.data == BIG


@pytest.mark.parametrize("kind", [bytes, memoryview])
async def test_what_the_kernel_does_not_take_follows_in_order(either, kind):
    pair = await either.pair()
    for at in range(0, len(BIG), 700_000):
        pair.transport.write(kind(BIG[at : at + 700_000]))
    pair.transport.writelines([b"the", b" ", b"end"])
    assert pair.transport.get_write_buffer_size() > 0
    assert await pair.hears(len(BIG) + 7) == BIG + b"the end"
    await until(lambda: pair.transport.get_write_buffer_size() == 0)


async def test_bytearray_is_the_callers_again_at_once(stage):
    """So asyncio has it since 3.12; uvloop keeps a view of it."""
    pair = await stage.pair()
    for at in range(0, len(BIG), 700_000):
        piece = bytearray(BIG[at : at + 700_000])
        pair.transport.write(piece)
        piece[:] = bytes(len(piece))
    assert await pair.hears(len(BIG)) == BIG


async def test_many_small_writes_behind_a_full_buffer_arrive_in_order(stage):
    pair = await stage.pair()
    pair.transport.write(BIG)
    numbers = [b"%d " % i for i in range(50_000)]
    for number in numbers:
        pair.transport.write(number)
    all_of_it = BIG + b"".join(numbers)
    assert await pair.hears(len(all_of_it)) == all_of_it


async def test_unsent_bytes_are_counted_down_as_they_go(stage):
    pair = await stage.pair()
    pair.transport.write(BIG)
    before = pair.transport.get_write_buffer_size()
    await pair.hears(len(BIG) // 2)
    await until(lambda: pair.transport.get_write_buffer_size() < before)
    assert pair.transport.get_write_buffer_size() > 0


async def test_writing_pauses_and_resumes_at_the_limits(either):
    pair = await either.pair()
    pair.transport.set_write_buffer_limits(high=1_000_000, low=10)
    assert pair.transport.get_write_buffer_limits() == (10, 1_000_000)
    pair.transport.write(BIG[:100])
    assert pair.protocol.told == ["connection_made"]
    pair.transport.write(BIG * 5)
    pair.transport.write(BIG)
    assert pair.protocol.told == ["connection_made", "pause_writing"]
    await pair.hears(100 + 6 * len(BIG))
    await until(lambda: "resume_writing" in pair.protocol.told)
    assert pair.transport.get_write_buffer_size() <= 10
    assert pair.protocol.told == ["connection_made", "pause_writing", "resume_writing"]


async def test_a_lower_limit_pauses_at_once(either):
    pair = await either.pair()
    pair.transport.set_write_buffer_limits(100_000_000)
    pair.transport.write(BIG * 3)
    assert "pause_writing" not in pair.protocol.told
    pair.transport.set_write_buffer_limits(0, 0)
    assert "pause_writing" in pair.protocol.told


async def test_limits_that_make_no_sense_are_refused(either):
    pair = await either.pair()
    with pytest.raises(ValueError, match="high"):
        pair.transport.set_write_buffer_limits(high=1, low=2)
    pair.transport.set_write_buffer_limits(low=100)
    assert pair.transport.get_write_buffer_limits() == (100, 400)


async def test_paused_reading_reads_nothing_until_it_is_resumed(either):
    pair = await either.pair()
    assert pair.transport.is_reading()
    pair.transport.pause_reading()
    pair.transport.pause_reading()
    assert not pair.transport.is_reading()
    await pair.says(b"x")
    for _ in range(5):
        await asyncio.sleep(0.001)
    assert pair.protocol.data == b""
    pair.transport.resume_reading()
    await until(lambda: pair.protocol.data == b"x")


async def test_reading_can_be_paused_before_it_begins(stage):
    """uvloop's own reads all the same."""
    pair = await stage.pair(connection_made=lambda transport: transport.pause_reading())
    assert not pair.transport.is_reading()
    await pair.says(b"x")
    await asyncio.sleep(0.005)
    assert pair.protocol.data == b""
    pair.transport.resume_reading()
    await until(lambda: pair.protocol.data == b"x")


async def test_connection_of_ours_behind_another_protocol_gets_what_that_gives_it(stage):
    """One that is itself the transport's protocol is called without Python's method."""
    conn = Conn(Router(serve=answer))
    told = []
    pair = await stage.pair(
        connection_made=conn.connection_made,
        data_received=lambda transport, data: conn.data_received(data.replace(b"/x", b"/y")),
        eof_received=lambda transport: told.append(conn.eof_received()),
        connection_lost=lambda transport: conn.connection_lost(None),
    )
    for count in (1, 2):
        await pair.says(b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await pair.hears(len(ANSWER)) == ANSWER
        assert pair.protocol.told.count("data_received") == count
    pair.client.close()
    await pair.is_over()
    assert told == [False] and conn.is_closed


# --- the end --------------------------------------------------------------------------------


async def test_clients_end_is_eof_and_then_the_connections(either):
    pair = await either.pair()
    pair.client.close()
    await pair.is_over()
    assert pair.protocol.told == ["connection_made", "eof_received", "connection_lost"]
    assert pair.protocol.error is None


async def test_eof_received_may_keep_our_side_open(either):
    pair = await either.pair(eof_received=lambda transport: True)
    pair.client.shutdown(socket.SHUT_WR)
    await until(lambda: "eof_received" in pair.protocol.told)
    await asyncio.sleep(0.002)
    assert not pair.transport.is_closing()
    pair.transport.write(b"more")
    assert await pair.hears(4) == b"more"
    pair.transport.close()
    assert await pair.hears() == b""
    await pair.is_over()
    assert pair.protocol.told.count("eof_received") == 1


async def test_close_sends_what_is_queued_first(either):
    pair = await either.pair()
    pair.transport.write(BIG)
    pair.transport.close()
    pair.transport.close()
    assert pair.transport.is_closing()
    await asyncio.sleep(0.002)
    assert not pair.protocol.is_lost
    assert await pair.hears() == BIG
    await pair.is_over()
    assert pair.protocol.told.count("connection_lost") == 1


async def test_abort_sends_nothing_more(either):
    pair = await either.pair()
    pair.transport.write(BIG * 4)
    pair.transport.abort()
    assert not pair.protocol.is_lost
    await pair.is_over()
    heard = b""
    with contextlib.suppress(ConnectionResetError):
        heard = await pair.hears()
    assert len(heard) < len(BIG) * 4
    assert pair.protocol.error is None


async def test_abort_ends_a_close_that_waits(either):
    pair = await either.pair()
    pair.transport.write(BIG * 4)
    pair.transport.close()
    await asyncio.sleep(0.002)
    assert not pair.protocol.is_lost
    pair.transport.abort()
    await pair.is_over()


@pytest.mark.parametrize("how", ["close", "abort"])
@pytest.mark.parametrize("where", ["connection_made", "data_received", "outside"])
async def test_connection_is_lost_once_and_never_inside_the_call(either, how, where):
    seen: list[bool] = []

    def end(transport: Any, *args: Any) -> None:
        getattr(transport, how)()
        getattr(transport, how)()
        seen.append(transport.get_protocol().is_lost)

    pair = await either.pair(**{where: end})
    if where == "data_received":
        await pair.says(b"x")
    elif where == "outside":
        end(pair.transport)
    await pair.is_over()
    await asyncio.sleep(0.002)
    assert seen == [False]
    assert pair.protocol.told.count("connection_lost") == 1
    assert pair.transport.is_closing()


async def test_nothing_is_delivered_after_close(either):
    pair = await either.pair(data_received=lambda transport, data: transport.close())
    pair.transport.pause_reading()
    await pair.says(b"1" * 400_000 if either.kind == "tcp" else b"1")
    pair.transport.resume_reading()
    await pair.is_over()
    assert pair.protocol.told.count("data_received") == 1


async def test_a_lost_connection_can_still_be_asked_and_told(stage):
    """Code that holds a transport must not fall over it a moment later."""
    pair = await stage.pair()
    transport = pair.transport
    sock = transport.get_extra_info("socket")
    transport.abort()
    await pair.is_over()
    transport.write(b"x")
    transport.writelines([b"x"])
    transport.write_eof()
    transport.close()
    transport.abort()
    transport.pause_reading()
    transport.resume_reading()
    transport.set_write_buffer_limits(1)
    assert transport.is_closing() and not transport.is_reading()
    assert transport.get_write_buffer_size() == 0
    assert transport.get_extra_info("socket") is None
    assert transport.get_extra_info("peername", "gone") == "gone"
    assert sock.fileno() == -1
    assert transport.fd == -1


async def test_write_eof_ends_our_side_behind_what_was_written(either):
    pair = await either.pair()
    assert pair.transport.can_write_eof()
    pair.transport.write(BIG)
    pair.transport.write_eof()
    pair.transport.write_eof()
    with pytest.raises(RuntimeError, match="write_eof"):
        pair.transport.write(b"x")
    assert await pair.hears() == BIG
    await pair.says(b"still read")
    await until(lambda: pair.protocol.data == b"still read")


async def test_a_reset_is_told_with_its_error(tmp_path, watch):
    stage = Stage("tcp", True, tmp_path)
    await stage.listen()
    pair = await stage.pair()
    pair.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    pair.client.close()
    await pair.is_over()
    assert isinstance(pair.protocol.error, ConnectionResetError)
    assert "eof_received" not in pair.protocol.told
    await stage.close()


async def test_writing_to_who_has_gone_ends_the_connection(either):
    pair = await either.pair(eof_received=lambda transport: True)
    pair.client.close()
    await until(lambda: "eof_received" in pair.protocol.told)
    for _ in range(20):
        if pair.transport.is_closing():
            break
        pair.transport.write(b"x")
        await asyncio.sleep(0.001)
    await pair.is_over()
    assert isinstance(pair.protocol.error, (BrokenPipeError, ConnectionResetError))

"""fastsio._wire: transports on uvloop's libuv, with real sockets. Each test that can is run with uvloop's own too.

What asyncio's documentation says of transports and protocols is the rule; where both differ, the test says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import os
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from fastsio._wire import is_uvloop, wires_of
from harness import LoopWatch
from harness import until as until_true

uvloop = pytest.importorskip("uvloop", reason="there is none for Windows")
resource = pytest.importorskip("resource")

pytestmark = pytest.mark.asyncio(loop_factories=["uvloop"])

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="nobody's")
BIG = bytes(range(251)) * 12_000
# Of the kernel's buffers, so that BIG does not fit.
BUFFER_BYTES = 65_536


async def until(condition: Callable[[], Any]) -> None:
    await until_true(condition, "what the test waits for")


class Recorder(asyncio.Protocol):
    """Notes what it is told; `on` are functions to call then, by the method's name, with the transport."""

    def __init__(self, **on: Callable[..., Any]) -> None:
        self.on = on
        self.told: list[Any] = []
        self.data = b""
        self.transport: Any = None

    def _tell(self, name: str, *args: Any) -> Any:
        self.told.append(name)
        return self.on[name](self.transport, *args) if name in self.on else None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self._tell("connection_made")

    def data_received(self, data: bytes) -> None:
        self.data += data
        self._tell("data_received", data)

    def eof_received(self) -> Any:
        return self._tell("eof_received")

    def pause_writing(self) -> None:
        self._tell("pause_writing")

    def resume_writing(self) -> None:
        self._tell("resume_writing")

    def connection_lost(self, error: Exception | None) -> None:
        self.error = error
        self._tell("connection_lost")

    @property
    def is_lost(self) -> bool:
        return "connection_lost" in self.told


class Pair:
    """A protocol of ours and the socket of who has connected to it."""

    def __init__(self, protocol: Recorder, client: socket.socket) -> None:
        self.protocol = protocol
        self.client = client

    @property
    def transport(self) -> Any:
        return self.protocol.transport

    async def says(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.client, data)

    async def hears(self, n: int = -1) -> bytes:
        """`n` bytes, or all until the end."""
        heard = bytearray()
        while len(heard) != n:
            most = 1 << 20 if n < 0 else n - len(heard)
            more = await asyncio.get_running_loop().sock_recv(self.client, most)
            if not more:
                break
            heard += more
        return bytes(heard)

    async def is_over(self) -> None:
        await until(lambda: self.protocol.is_lost)


class Stage:
    """Listens, and makes pairs. `kind`: "tcp" or "unix"; with `is_ours` False by uvloop's own transports."""

    def __init__(self, kind: str, is_ours: bool, folder: Path) -> None:
        self.kind, self.is_ours, self.folder = kind, is_ours, folder
        self.protocols: list[Recorder] = []
        self.next: list[Recorder] = []
        self.clients: list[socket.socket] = []
        self.listener: Any = None

    async def listen(self, make: Callable[[], Any] | None = None) -> None:
        loop = asyncio.get_running_loop()
        family = socket.AF_UNIX if self.kind == "unix" else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
        sock.bind(str(self.folder / "s") if self.kind == "unix" else ("127.0.0.1", 0))
        self.address = sock.getsockname()
        made = make or self._make
        if self.is_ours:
            self.listener = wires_of(loop).listen(sock, made, 100)
        else:
            create: Any = (
                loop.create_unix_server if self.kind == "unix" else loop.create_server
            )
            self.listener = await create(made, sock=sock)

    def _make(self) -> Recorder:
        self.protocols.append(self.next.pop(0) if self.next else Recorder())
        return self.protocols[-1]

    async def connect(self) -> socket.socket:
        client = socket.socket(socket.AF_UNIX if self.kind == "unix" else socket.AF_INET)
        client.setblocking(False)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        self.clients.append(client)
        await asyncio.get_running_loop().sock_connect(client, self.address)
        return client

    async def pair(self, **on: Callable[..., Any]) -> Pair:
        """A connection that is there."""
        protocol = Recorder(**on)
        self.next.append(protocol)
        client = await self.connect()
        await until(lambda: bool(protocol.told))
        return Pair(protocol, client)

    async def close(self) -> None:
        self.listener.close()
        for client in self.clients:
            client.close()
        for protocol in self.protocols:
            if protocol.transport is not None:
                protocol.transport.abort()
        await until(lambda: all(p.is_lost or p.transport is None for p in self.protocols))


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


@contextlib.contextmanager
def reports() -> Any:
    """What the loop's exception handler is called with."""
    loop = asyncio.get_running_loop()
    seen: list[dict[str, Any]] = []
    before = loop.get_exception_handler()
    loop.set_exception_handler(lambda _, context: seen.append(context))
    try:
        yield seen
    finally:
        loop.set_exception_handler(before)


# --- which loops have it --------------------------------------------------------------------


@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_asyncios_own_loop_has_none():
    assert not is_uvloop(asyncio.get_running_loop())
    assert wires_of(asyncio.get_running_loop()) is None


async def test_uvloops_loop_has_one_wires(stage):
    loop = asyncio.get_running_loop()
    assert wires_of(loop) is wires_of(loop) is not None


def test_environment_forbids_it(monkeypatch):
    loop = uvloop.new_event_loop()
    try:
        monkeypatch.setenv("FASTSIO_NO_LIBUV", "1")
        assert wires_of(loop) is None
        monkeypatch.setenv("FASTSIO_NO_LIBUV", "0")
        assert wires_of(loop) is not None
    finally:
        loop.close()


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


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
async def test_what_the_kernel_does_not_take_follows_in_order(either, kind):
    pair = await either.pair()
    for at in range(0, len(BIG), 700_000):
        piece = kind(BIG[at : at + 700_000])
        pair.transport.write(piece)
        if kind is bytearray:
            piece[:] = bytes(len(piece))  # it is the caller's again, says asyncio since 3.12
            if not either.is_ours:
                pytest.skip("uvloop keeps a view of it")
    pair.transport.writelines([b"the", b" ", b"end"])
    assert pair.transport.get_write_buffer_size() > 0
    assert await pair.hears(len(BIG) + 7) == BIG + b"the end"
    await until(lambda: pair.transport.get_write_buffer_size() == 0)


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


# --- failures -------------------------------------------------------------------------------


def fails(*args: Any) -> None:
    raise ZeroDivisionError("on purpose")


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


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
@pytest.mark.parametrize("where", ["connection_made", "data_received", "connection_lost"])
def test_what_ends_a_program_reaches_who_runs_the_loop(tmp_path, kind, where):
    """uvloop's own does so for some of the methods, and reports others."""

    def end(*args: Any) -> None:
        raise kind(3)

    async def main() -> None:
        stage = Stage("tcp", True, tmp_path)
        await stage.listen()
        pair = await stage.pair(**{where: end})
        await pair.says(b"x")
        pair.client.close()
        await asyncio.sleep(5)

    loop = uvloop.new_event_loop()
    with pytest.raises(kind):
        loop.run_until_complete(main())
    for task in asyncio.all_tasks(loop):
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(task)
    with pytest.warns(ResourceWarning, match="open connections"):
        loop.close()


# --- contexts -------------------------------------------------------------------------------


async def test_each_connection_has_a_context_of_its_own(stage):
    """uvloop's own share the listener's."""
    seen: list[str] = []

    def received(transport: Any, data: bytes) -> None:
        seen.append(variable.get())
        variable.set(data.decode())

    variable.set("the listener's")
    first = await stage.pair(data_received=received)
    second = await stage.pair(data_received=received, connection_lost=lambda _: seen.append(variable.get()))
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
    before = len(os.listdir("/proc/self/fd")) if Path("/proc").exists() else 0
    pair.transport.abort()
    await pair.is_over()
    if before:
        assert len(os.listdir("/proc/self/fd")) == before - 1
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
    with pytest.raises(OSError):
        wires_of(asyncio.get_running_loop()).listen(one, Recorder, 5)
    one.close()


# --- the loop's end, in processes of their own: a mistake here ends the interpreter ------------

LOOPS_END = """
import asyncio, gc, os, socket, sys, threading, warnings
import uvloop
from fastsio._wire import wires_of
lost = []
class P(asyncio.Protocol):
    def connection_made(self, t): self.t = t
    def data_received(self, data): self.t.write(data)
    def connection_lost(self, error): lost.append(error)

async def main(end):
    loop = asyncio.get_running_loop()
    sock = socket.socket(); sock.bind(("127.0.0.1", 0))
    made = []
    def make():
        made.append(P()); return made[-1]
    listener = wires_of(loop).listen(sock, make, 100)
    clients = []
    for _ in range(20):
        c = socket.socket(); c.setblocking(False); clients.append(c)
        await loop.sock_connect(c, sock.getsockname())
        await loop.sock_sendall(c, b"x"); assert await loop.sock_recv(c, 10) == b"x"
    made[0].t.write(bytes(20_000_000))     # in libuv's hands
    made[1].t.write(bytes(20_000_000)); made[1].t.close()
    made[2].t.abort()                      # ends in the same turn as the loop
    end(loop, made, listener, clients)
    return clients

def run(end=lambda *a: None):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        loop = uvloop.new_event_loop()
        clients = loop.run_until_complete(main(end))
        loop.close()
        assert loop.is_closed()
        loop.close()
        assert any("open connections" in str(one.message) for one in caught), caught
    for c in clients[3:]:                  # closed for the clients too
        c.setblocking(True); c.settimeout(5)
        try: assert c.recv(10) == b""
        except ConnectionResetError: pass
        c.close()
    del loop
    gc.collect()
"""


def in_process(code: str, **environ: str) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", LOOPS_END + code], capture_output=True, text=True, timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environ},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", done.stderr


@pytest.mark.parametrize("debug", ["", "1"])
def test_a_loop_may_be_closed_over_open_connections(debug):
    in_process("run()\nassert len(lost) <= 1, lost\nrun()", PYTHONASYNCIODEBUG=debug)


def test_so_may_loops_in_threads():
    in_process(
        """
threads = [threading.Thread(target=run) for _ in range(4)]
class Quiet:  # catch_warnings() is for one thread
    def __init__(self, **k): pass
    def __enter__(self): return [type("W", (), {"message": "open connections"})]
    def __exit__(self, *a): pass
warnings.catch_warnings = Quiet
warnings.simplefilter = lambda *a: None
warnings.warn = lambda *a, **k: None
for one in threads: one.start()
for one in threads: one.join()
"""
    )


def test_asyncio_run_may_end_over_open_connections():
    in_process(
        """
warnings.simplefilter("ignore")
for _ in range(2):
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(lambda *a: None))
gc.collect()
"""
    )


def test_a_loop_that_is_never_closed_leaves_in_peace():
    in_process(
        """
loop = uvloop.new_event_loop()
clients = loop.run_until_complete(main(lambda *a: None))
"""
    )


def test_a_warning_that_is_an_error_leaves_no_handle_behind():
    in_process(
        """
warnings.simplefilter("error")
loop = uvloop.new_event_loop()
clients = loop.run_until_complete(main(lambda *a: None))
for c in clients: c.close()
try: loop.close()
except ResourceWarning: pass
else: raise SystemExit("no warning")
assert loop.is_closed()
warnings.simplefilter("ignore")
"""
    )


def test_without_descriptors_clients_are_shed_and_the_listener_goes_on():
    in_process(
        """
import resource
async def shed():
    loop = asyncio.get_running_loop()
    sock = socket.socket(); sock.bind(("127.0.0.1", 0))
    made = []
    def make():
        made.append(P()); return made[-1]
    listener = wires_of(loop).listen(sock, make, 100)
    clients = [socket.socket() for _ in range(8)]
    spare = []
    used = max(int(name) for name in os.listdir("/proc/self/fd")) + 1
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (used, hard))
    while True:
        try: spare.append(os.open("/dev/null", os.O_RDONLY))
        except OSError: break
    for c in clients:
        c.setblocking(False)
        try: c.connect(sock.getsockname())
        except BlockingIOError: pass
    await asyncio.sleep(0.05)
    assert not made
    for c in clients:
        c.setblocking(True); c.settimeout(2)
        try: assert c.recv(1) == b""
        except ConnectionResetError: pass
        c.close()
    for fd in spare: os.close(fd)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    c = socket.socket(); c.connect(sock.getsockname())
    await asyncio.sleep(0.05)
    assert len(made) == 1
    made[0].t.abort(); listener.close()
    await asyncio.sleep(0)
loop = uvloop.new_event_loop()
loop.run_until_complete(shed())
loop.close()
"""
    )


async def test_loops_in_two_threads_have_wires_of_their_own(tmp_path, watch):
    own = wires_of(asyncio.get_running_loop())
    others: list[Any] = []

    def other() -> None:
        loop = uvloop.new_event_loop()
        others.append(wires_of(loop))
        loop.close()

    thread = threading.Thread(target=other)
    thread.start()
    await asyncio.to_thread(thread.join)
    assert others[0] is not own

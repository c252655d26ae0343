"""fastsio._batch: sends of many connections with one system call; what it does not send goes the usual way, in order.

The sockets are real (Unix socket pairs), the transports and the event loop are the test's. Where the system has no
io_uring, what needs it is skipped, and the rest shows that nothing is missed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fastsio._batch import Batch, new_batch
from fastsio._encoded import encode_engine_packet, wrap
from fastsio._fanout import SessionBase
from fastsio._flow import Flow
from frame_tools import TEXT, client_frame
from memory_conn import MemoryTransport
from socket_stage import FEWEST, Client, Stage, needs_ring

resource = pytest.importorskip("resource", reason="Windows has no io_uring")

MOST = 256  # FASTSIO_RING_SENDS of ring.h
BIG = bytes(i % 251 for i in range(200_000))


@pytest.fixture
def stage() -> Iterator[Stage]:
    made = Stage()
    yield made
    for client in made.clients:
        client.close()


def descriptors() -> set[str]:
    """What is open, by name; the folder's own is left out."""
    found = set()
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            found.add(fd + " " + os.readlink(f"/proc/self/fd/{fd}"))
    return {name for name in found if "/proc/" not in name}


# --- what is sent ---------------------------------------------------------------------------


@needs_ring
@pytest.mark.parametrize(
    ("count", "calls"), [(FEWEST, 1), (MOST, 1), (MOST + 1, 2), (MOST + FEWEST, 2)]
)
def test_many_that_wait_are_sent_to_with_few_calls(stage, count, calls):
    stage.add(count)
    stage.tell(b"a")
    stage.turn()
    assert [client.received() for client in stage.clients] == [b"a%d" % i for i in range(count)]
    assert stage.counts == (calls, count)


def test_few_are_sent_to_one_by_one(stage):
    stage.add(FEWEST - 1)
    stage.tell(b"a")
    stage.turn()
    assert [client.received() for client in stage.clients] == [
        b"a%d" % i for i in range(FEWEST - 1)
    ]
    assert stage.counts == (0, 0)


def test_what_is_queued_in_a_turn_is_joined_and_keeps_its_order_from_turn_to_turn(stage):
    stage.add(20)
    for turn in range(3):
        for i in range(4):
            stage.tell(b"<%d%d>" % (turn, i))
        stage.turn()
    for i, client in enumerate(stage.clients):
        assert client.received() == b"".join(
            b"<%d%d>%d" % (turn, k, i) for turn in range(3) for k in range(4)
        )


def test_shared_packets_are_the_same_bytes_for_all(stage):
    stage.add(20)
    packets = [encode_engine_packet(b"4%d" % i) for i in range(4)]
    for client in stage.clients:
        assert all(client.conn.send(packet) for packet in packets)
    stage.turn()
    expected = b"".join(client_frame(TEXT, b"4%d" % i, mask=None) for i in range(4))
    assert {client.received() for client in stage.clients} == {expected}


def test_an_answer_sent_directly_before_the_end_of_the_turn_keeps_its_place(stage):
    """A close flushes at once; what was queued for that client goes with it, and nothing of it again."""
    stage.add(20)
    stage.tell(b"a")
    stage.clients[3].conn.close()
    stage.turn()
    assert [client.received() for client in stage.clients] == [b"a%d" % i for i in range(20)]
    assert stage.clients[3].transport.is_lost


def test_the_last_answer_is_sent_before_our_side_ends(stage):
    """respond() without keep-alive ends the connection when it is drained, among others that go on."""
    stage.router.serve = lambda conn, request: conn.respond(400, [], b"no", keep_alive=False)
    stage.add(20)
    stage.tell(b"")
    stage.clients[5].transport.feed(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    stage.turn()
    assert stage.clients[5].received().endswith(b"no")
    assert stage.clients[5].transport.has_ended
    assert not any(
        client.transport.has_ended for client in stage.clients if client is not stage.clients[5]
    )


def test_connections_whose_transport_must_send_are_flushed_among_the_others(stage):
    stage.add(10)
    beside = [stage.router.connect() for _ in range(10)]  # they say that they are TLS
    stage.add(10)
    for i, transport in enumerate(beside):
        transport.conn.send(wrap(b"t%d" % i))
    stage.tell(b"a")
    stage.turn()
    assert [client.received() for client in stage.clients] == [b"a%d" % i for i in range(20)]
    assert [transport.sent for transport in beside] == [b"t%d" % i for i in range(10)]


def test_sessions_packets_and_bytes_are_counted_as_for_single_sends(stage):
    stage.router.flusher.is_counting = True
    for client in stage.add(20):
        client.conn.session = SessionBase()
    for _ in range(3):
        for client in stage.clients:
            client.conn.send(encode_engine_packet(b"4x"))
    stage.turn()
    assert stage.router.flusher.packets_out == 60
    assert stage.router.flusher.bytes_out == 60 * 4
    for client in stage.clients:
        client.conn.session = None


async def test_who_waits_for_an_empty_buffer_is_told_when_it_was_sent(stage):
    clients = stage.add(20)
    told = asyncio.get_running_loop().create_future()
    clients[7].conn.flow = Flow("close", 0, 0)
    stage.tell(b"a")
    clients[7].conn.flow.wait(clients[7].conn, told)
    assert not told.done()
    stage.turn()
    assert told.result() is True


# --- what is not sent at once ---------------------------------------------------------------


@pytest.mark.fault(
    "a client takes a part of what was sent to many with one call",
    "the transport gets the rest, in order; the others have theirs",
)
def test_what_the_kernel_does_not_take_is_the_transports(stage):
    clients = stage.add(20)
    slow = clients[4::5]
    for client in slow:
        client.ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        client.transport.stall()
        client.queue(BIG)
    stage.tell(b"a")
    stage.turn()
    assert [client.conn.is_writable for client in clients] == [c not in slow for c in clients]
    stage.tell(b"b")
    stage.turn()
    for i, client in enumerate(clients):
        if client not in slow:
            assert client.received() == b"a%db%d" % (i, i)
            continue
        (left,) = client.transport.writes
        taken = client.received()
        assert taken
        assert taken + left == BIG + b"a%d" % i
        client.transport.flow()  # what has waited goes to the socket, once the transport is empty
        assert client.transport.take() == left
        assert client.received() == b"b%d" % i


@pytest.mark.fault(
    "a client takes nothing of what was sent to many with one call",
    "the transport gets it; the others have theirs",
)
def test_a_client_whose_buffer_is_full_gets_it_from_the_transport(stage):
    clients = stage.add(20)
    full = clients[6]
    with contextlib.suppress(BlockingIOError):
        while True:
            full.ours.send(b"\0" * 4096)
    full.transport.stall()
    stage.tell(b"a")
    stage.turn()
    assert full.transport.writes == [b"a6"]
    assert not full.conn.is_writable
    assert [client.received() for client in clients if client is not full] == [
        b"a%d" % i for i in range(20) if i != 6
    ]


@pytest.mark.fault(
    "some of many clients that are sent to with one call have gone",
    "these connections end, once each; the others have theirs",
)
def test_clients_that_have_gone_are_dropped_and_the_others_served(stage):
    clients = stage.add(40)
    gone = clients[::7]
    for client in gone:
        client.theirs.close()
    stage.tell(b"a")
    stage.turn()
    assert [client.transport.is_lost for client in clients] == [c in gone for c in clients]
    for i, client in enumerate(clients):
        if client not in gone:
            assert client.received() == b"a%d" % i


class Raising(MemoryTransport):
    def write(self, data: Any) -> None:
        raise OSError("no more")


@pytest.mark.fault(
    "the rest of a send to one of many can't be left to its transport",
    "that connection ends, the failure is logged and counted; the others have theirs",
)
def test_the_failure_of_one_stops_no_other(stage, caplog):
    stage.add(10)
    (failing,) = stage.add(1, Raising)
    failing.ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    failing.queue(BIG)
    stage.add(10)
    stage.tell(b"a")
    stage.turn()
    assert stage.router.flusher.failures == 1
    assert failing.transport.is_lost
    assert "flush of" in caplog.text
    for i, client in enumerate(stage.clients):
        if client is not failing:
            assert client.received() == b"a%d" % i
            assert not client.transport.is_lost


def test_a_turn_that_was_broken_off_is_finished_by_the_next(stage, monkeypatch):
    """A listener that is called on the way may end the program, and what is left is sent while the loop stops."""
    before = stage.add(FEWEST)
    beside = stage.router.connect()  # which the transport must send to
    stage.tell(b"a")
    assert beside.conn.send(wrap(b"x"))
    behind = stage.add(1)[0]
    behind.queue(b"behind")
    with monkeypatch.context() as patched, pytest.raises(SystemExit):
        patched.setattr(beside, "write", lambda data: sys.exit())
        stage.turn()
    for _ in range(3):
        stage.tell(b"b")
        stage.turn()
    expected = [b"a%d" % i + b"b%d" % i * 3 for i in range(FEWEST)]
    assert [client.received() for client in before] == expected
    assert behind.received() == b"behind" + b"b%d" % FEWEST * 3


@pytest.mark.fault(
    "memory runs out while many are sent to with one call",
    "each client gets all or its connection ends; what comes later is sent",
)
def test_memory_that_runs_out_costs_nobody_a_part(stage):
    nomemory = pytest.importorskip("_testcapi")
    expected: dict[Client, bytes] = {}
    for nth in range(60):
        alive = [client for client in stage.clients if not client.transport.is_lost]
        for client in alive + stage.add(12 - len(alive)):
            client.queue(b"a%d" % nth)
            client.queue(b"b%d" % nth)
            expected[client] = expected.get(client, b"") + b"a%db%d" % (nth, nth)
        flush = stage.router.turn.pop(0)
        nomemory.set_nomemory(nth, nth + 4)
        try:
            flush()
        finally:
            nomemory.remove_mem_hooks()
        stage.turn()
    for client, text in expected.items():
        got = client.received()
        assert text.startswith(got) if client.transport.is_lost else text == got
    lost = sum(client.transport.is_lost for client in stage.clients)
    assert 0 < lost == stage.router.flusher.failures


# --- where there is no ring -----------------------------------------------------------------


@pytest.mark.fault(
    "no descriptor is left for io_uring",
    "each client is sent to by itself, from then on",
)
def test_without_a_descriptor_for_it_all_is_sent_and_nobody_asks_again(stage):
    stage.add(20)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    stage.tell(b"a")
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        stage.turn()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert not stage.is_in_use
    stage.tell(b"b")
    stage.turn()
    assert [client.received() for client in stage.clients] == [
        b"a%db%d" % (i, i) for i in range(20)
    ]
    assert stage.counts == (0, 0)


REFUSING = """
import ctypes, struct, sys
# seccomp(2): the call 425, io_uring_setup, fails with EPERM; any other is let through.
code = [(0x20, 0, 0, 0), (0x15, 0, 1, 425), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7FFF0000)]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in code))
program = struct.pack("HxxxxxxP", 4, ctypes.addressof(code))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, program, 0, 0) == 0, ctypes.get_errno()
assert libc.syscall(425, 1, None) == -1 and ctypes.get_errno() == 1
from test_batch import Stage
stage = Stage()
stage.add(20)
stage.tell(b"a")
stage.turn()
assert not stage.is_in_use
assert [client.received() for client in stage.clients] == [b"a%d" % i for i in range(20)]
"""


@pytest.mark.skipif(sys.platform != "linux", reason="seccomp is Linux's")
@pytest.mark.fault(
    "the system forbids io_uring (seccomp, as containers do)",
    "each client is sent to by itself",
)
def test_where_io_uring_is_refused_all_is_sent():
    here = Path(__file__).resolve().parent
    path = os.pathsep.join([str(here), str(here.parent), *sys.path])
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, "-c", REFUSING], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("value", "is_made"), [("1", False), ("0", True), ("", True)])
def test_the_environment_may_forbid_it(monkeypatch, value, is_made):
    monkeypatch.setenv("FASTSIO_NO_IO_URING", value)
    assert (new_batch() is not None) is is_made


@needs_ring
@pytest.mark.fault(
    "a process forks, and its child goes on with the parent's connections",
    "the child sends for itself, and does not touch the parent's ring",
)
def test_a_child_does_not_use_its_parents_ring(stage):
    stage.add(20)
    stage.tell(b"a")
    stage.turn()
    child = os.fork()
    if child == 0:
        try:
            stage.tell(b"b")
            stage.turn()
            os._exit(0 if not stage.is_in_use and stage.counts == (1, 20) else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    stage.tell(b"c")
    stage.turn()
    assert stage.counts == (2, 40)
    assert [client.received() for client in stage.clients] == [
        b"a%db%dc%d" % (i, i, i) for i in range(20)
    ]


def test_a_loop_that_goes_on_in_another_thread_sends_all(stage):
    stage.add(20)
    stage.tell(b"a")
    stage.turn()
    stage.tell(b"b")
    other = threading.Thread(target=stage.turn)
    other.start()
    other.join()
    stage.tell(b"c")
    stage.turn()
    assert [client.received() for client in stage.clients] == [
        b"a%db%dc%d" % (i, i, i) for i in range(20)
    ]


# --- what is left ---------------------------------------------------------------------------


@needs_ring
def test_the_ring_takes_one_descriptor_at_the_first_need_and_gives_it_back():
    stage = Stage()
    stage.add(20)
    before = descriptors()
    for text in (b"a", b"b"):
        stage.tell(text)
        stage.turn()
        (added,) = descriptors() - before
        assert "io_uring" in added
    stage.router.flusher.sends = None
    stage.batch = None
    assert descriptors() == before
    for client in stage.clients:
        client.close()


def test_nothing_that_was_sent_is_held(stage):
    stage.add(20)
    packet = encode_engine_packet(b"4x")
    references = sys.getrefcount(packet), sys.getrefcount(stage.clients[0].conn)
    for client in stage.clients:
        client.conn.send(packet)
    stage.turn()
    assert (sys.getrefcount(packet), sys.getrefcount(stage.clients[0].conn)) == references


async def test_a_server_that_was_closed_has_no_ring(serve, monkeypatch):
    import fastsio

    monkeypatch.delenv("FASTSIO_NO_IO_URING", raising=False)
    server = await serve(fastsio.AsyncServer())
    flusher = server.engine.flusher
    assert isinstance(flusher.sends, Batch)
    await server.close()
    assert flusher.sends is None

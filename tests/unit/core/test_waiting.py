"""How many events wait: from half of the bound on the client is not read, what is over it is refused.

Source: issue 5, "Flow".
"""

from __future__ import annotations

import asyncio

import pytest

import fastsio
from harness import frame_bytes, until

MOST = 8
TOO_MANY = '{"error":{"code":"too_many_waiting","event":"e","message":"too many events wait"}}'


async def turns(count: int = 8) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def end_of(peer):
    """The server's end of a client's connection."""
    return peer.ws.connection.writer.server_end


def feed(peer, *packets):
    """What the server receives in one read."""
    end_of(peer).feed(b"".join(frame_bytes(1, packet.encode()) for packet in packets))


class Slow:
    """A handler that waits until the test lets it go on."""

    def __init__(self):
        self.begun = []
        self.gate = asyncio.Semaphore(0)

    async def handle(self, sid, i):
        self.begun.append(i)
        await self.gate.acquire()
        return i

    def let(self, count):
        for _ in range(count):
            self.gate.release()


@pytest.fixture
def slow():
    return Slow()


def serial(slow):
    sio = fastsio.AsyncServer(async_handlers=False, max_waiting_events=MOST)
    sio.on("e", slow.handle)
    return sio


def in_turns(slow):
    sio = fastsio.AsyncServer(max_waiting_events=MOST)
    sio.on("e", slow.handle, concurrency=1)
    return sio


def behind_middleware(slow):
    """Events wait for packet middleware, not for their handler."""
    io = fastsio.IO(max_waiting_events=MOST)

    @io.on("connection")
    def connection(socket):
        socket.on("e", lambda i: i)

        @socket.use
        async def middleware(packet):
            await slow.handle("", packet[1])

    io.heard = slow.begun
    return io


WAYS = pytest.mark.parametrize("way", [serial, in_turns, behind_middleware])


@WAYS
@pytest.mark.fault(
    "a client sends faster than its handlers run",
    "it is read later; nothing is lost, memory stays bounded",
)
async def test_a_client_that_sends_too_much_is_read_later_and_nothing_is_lost(join, slow, way):
    sio = way(slow)
    peer, _ = await join(sio)
    for i in range(40):
        await peer.send(f'42{i}["e",{i}]')
    await turns()
    assert not end_of(peer).is_reading()
    slow.let(40)
    answers = [await peer.receive() for _ in range(40)]
    assert answers == [f"43{i}[{i}]" for i in range(40)]
    assert slow.begun == list(range(40))
    assert end_of(peer).is_reading()
    assert sio.flow_counts().keys() == {"dropped", "reading stopped"}, "nothing is refused"


@WAYS
async def test_what_one_read_brings_too_much_is_refused_with_an_answer(join, slow, way, caplog):
    sio = way(slow)
    peer, socket = await join(sio)
    feed(peer, *(f'42{i}["e",{i}]' for i in range(MOST + 4)))
    await turns()
    refused = [await peer.receive() for _ in range(3)]
    answer = f"[{TOO_MANY}]"
    assert refused == [f"43{i}{answer}" for i in range(MOST + 1, MOST + 4)]
    assert sio.flow_counts()["too many events wait"] == 3
    lines = [r.getMessage() for r in caplog.records if "too many events wait" in r.getMessage()]
    assert len(lines) == 1
    assert f"sid={socket.id[:6]}…" in lines[0]
    slow.let(100)
    assert [await peer.receive() for _ in range(MOST + 1)] == [
        f"43{i}[{i}]" for i in range(MOST + 1)
    ]


async def test_who_owes_an_answer_is_read_all_the_same(join):
    io = fastsio.IO(max_waiting_events=MOST)
    log = []

    @io.on("connection")
    def connection(socket):
        @socket.on("e", concurrency=1)
        async def e(i):
            log.append((i, await socket.emit_with_ack("question")))

    peer, _ = await join(io)
    feed(peer, '42["e",0]')
    assert await peer.receive() == '420["question"]'
    for i in range(1, MOST - 1):
        await peer.send(f'42["e",{i}]')
    await turns()
    assert end_of(peer).is_reading(), "the answer has to be read"
    await peer.send('430["yes"]')
    await turns()
    assert log == [(0, "yes")]
    for i in range(1, MOST - 1):
        assert await peer.receive() == f'42{i}["question"]'
        await peer.send(f'43{i}["yes"]')
    await until(lambda: len(log) == MOST - 1, "all are answered")


async def test_a_question_makes_the_server_read_again(join, slow):
    """The reading was stopped before anybody waited for an answer."""
    io = fastsio.IO(max_waiting_events=MOST)
    log = []

    @io.on("connection")
    def connection(socket):
        @socket.on("e", concurrency=1)
        async def e(i):
            await slow.handle("", i)
            if i == 1:
                log.append(await socket.emit_with_ack("question"))

    peer, _ = await join(io)
    feed(peer, *(f'42["e",{i}]' for i in range(MOST)))
    await turns()
    assert not end_of(peer).is_reading()
    slow.let(2)
    assert await peer.receive() == '420["question"]'
    assert end_of(peer).is_reading()
    await peer.send('430["yes"]')
    await turns()
    assert log == ["yes"]
    slow.let(100)


async def test_a_pause_of_the_application_outlasts_the_bounds(join, slow):
    sio = in_turns(slow)
    peer, socket = await join(sio)
    feed(peer, *(f'42["e",{i}]' for i in range(MOST)))
    await turns()
    socket.pause()
    slow.let(100)
    await turns(30)
    assert slow.begun == list(range(MOST))
    assert not end_of(peer).is_reading()
    socket.resume()
    assert end_of(peer).is_reading()


async def test_the_bound_of_all_clients_together(join):
    """What Server has for its threads: hub.bound()."""
    sio = fastsio.AsyncServer()
    waiting, heard = [0], []
    sio.on("e", lambda sid, i: heard.append(i))
    sio.hub.bound(lambda: waiting[0], MOST)
    peer, _ = await join(sio)
    await peer.send('42["e",0]')
    await turns()
    assert heard == [0]
    waiting[0] = MOST // 2
    await peer.send('42["e",1]', '42["e",2]')
    await turns()
    assert heard == [0, 1], "handled, but nothing more is read"
    waiting[0] = MOST // 4
    await until(lambda: heard == [0, 1, 2], "read again")
    waiting[0] = MOST
    feed(peer, '421["e",3]')
    assert await peer.receive() == f"431[{TOO_MANY}]"
    assert heard == [0, 1, 2]
    waiting[0] = 0
    await until(lambda: end_of(peer).is_reading(), "read again")


@pytest.mark.parametrize("most", [1, 0, True, "9", 2.5])
async def test_bounds_that_can_not_be_are_named(most):
    with pytest.raises(ValueError, match=f"max_waiting_events={most!r}"):
        fastsio.IO(max_waiting_events=most)
    with pytest.raises(ValueError, match=f"max_waiting_handlers={most!r}"):
        fastsio.Server(max_waiting_handlers=most)

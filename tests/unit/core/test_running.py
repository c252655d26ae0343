"""How many coroutine handlers of one client may be at work: from half on it is not read, what is over it is refused."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import fastsio
from harness import frame_bytes, until

MOST = 8
TOO_MANY = '{"error":{"code":"too_many_running","event":"e","message":"too many events are being handled"}}'


async def turns(count: int = 8) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def feed(peer: Any, *packets: str) -> None:
    """What the server receives in one read, if it reads."""
    end = peer.ws.connection.writer.server_end
    end.feed(b"".join(frame_bytes(1, packet.encode()) for packet in packets))


def is_read(peer: Any) -> bool:
    return peer.ws.connection.writer.server_end.is_reading()


class Hanging:
    """Handlers that wait until the test lets them go."""

    def __init__(self) -> None:
        self.begun: list[Any] = []
        self.gate = asyncio.Semaphore(0)

    async def handle(self, sid: str, i: int) -> int:
        self.begun.append(i)
        await self.gate.acquire()
        return i

    def let(self, count: int) -> None:
        for _ in range(count):
            self.gate.release()


@pytest.fixture
def hanging() -> Hanging:
    return Hanging()


@pytest.fixture
def sio(hanging: Hanging) -> fastsio.AsyncServer:
    sio = fastsio.AsyncServer(max_running_events=MOST)
    sio.on("e", hanging.handle)
    return sio


@pytest.mark.fault(
    "handlers hang and their client sends on",
    "past max_running_events it is not read and what was read is refused, others are served",
)
async def test_a_client_whose_handlers_hang_is_not_read_any_further(sio, join, hanging, caplog):
    peer, _ = await join(sio)
    other, _ = await join(sio)
    feed(peer, *[f'42{i}["e",{i}]' for i in range(MOST + 3)])
    await turns()
    assert hanging.begun == list(range(MOST))
    assert not is_read(peer)
    for i in range(MOST, MOST + 3):
        assert await peer.receive() == f"43{i}[{TOO_MANY}]"
    assert sio.flow_counts()["too many events are being handled (max_running_events)"] == 3
    lines = [text for text in caplog.messages if "max_running_events" in text]
    assert len(lines) == 1
    feed(other, '421["e",100]')
    await turns()
    assert hanging.begun[-1] == 100
    hanging.let(MOST + 1)
    answers = {await peer.receive() for _ in range(MOST)}
    assert answers == {f"43{i}[{i}]" for i in range(MOST)}
    assert is_read(peer)
    feed(peer, '4299["e",99]')
    hanging.let(1)
    assert await peer.receive() == "4399[99]"


async def test_it_is_read_again_when_a_quarter_is_left(sio, join, hanging):
    peer, _ = await join(sio)
    feed(peer, *[f'42["e",{i}]' for i in range(MOST // 2)])
    await turns()
    assert not is_read(peer)
    feed(peer, '42["e",4]', '42["e",5]')
    hanging.let(1)
    await turns()
    assert hanging.begun == [0, 1, 2, 3]
    hanging.let(1)
    await turns()
    assert hanging.begun == [0, 1, 2, 3, 4, 5]  # with which it is half again
    assert not is_read(peer)
    hanging.let(10)
    await turns()
    assert is_read(peer)


async def test_handlers_that_end_at_once_are_no_crowd(join):
    sio = fastsio.AsyncServer(max_running_events=2)
    heard = []

    @sio.on("e")
    async def handle(sid: str, i: int) -> None:
        heard.append(i)

    peer, socket = await join(sio)
    feed(peer, *[f'42["e",{i}]' for i in range(100)])
    await turns()
    assert heard == list(range(100))
    assert socket.session.at_work == 0
    assert is_read(peer)


async def test_all_namespaces_of_a_client_count_together(join, hanging):
    sio = fastsio.AsyncServer(max_running_events=4, namespaces="*")
    sio.on("e", hanging.handle)
    sio.on("e", hanging.handle, namespace="/other")
    peer, _ = await join(sio)
    await peer.connect("/other")
    feed(
        peer, '42["e",0]', '42/other,["e",1]', '42["e",2]', '42/other,["e",3]', '42/other,5["e",4]'
    )
    assert await peer.receive() == f"43/other,5[{TOO_MANY}]"
    assert hanging.begun == [0, 1, 2, 3]
    hanging.let(4)
    await turns()


@pytest.mark.fault(
    "a client goes while a crowd of its handlers hangs",
    "one disconnect, and the handlers end by themselves",
)
async def test_handlers_of_a_client_that_has_gone_do_no_harm(sio, join, hanging, watch):
    ends = []
    sio.on("disconnect", lambda sid, reason: ends.append(reason))
    peer, socket = await join(sio)
    feed(peer, *[f'42["e",{i}]' for i in range(MOST)])
    await turns()
    peer.abort()
    await until(lambda: ends, "the end")
    hanging.let(MOST)
    await until(lambda: socket.session.at_work == 0, "all handlers have ended")
    assert ends == ["transport close"]


async def test_a_handler_that_is_cancelled_or_raises_is_at_work_no_longer(join, watch):
    sio = fastsio.AsyncServer()
    tasks: list[Any] = []

    @sio.on("e")
    async def handle(sid: str, raises: bool) -> None:
        tasks.append(asyncio.current_task())
        await asyncio.sleep(0)
        if raises:
            raise ValueError("as planned")
        await asyncio.sleep(1000)

    peer, socket = await join(sio)
    feed(peer, '42["e",true]', '42["e",false]')
    await turns()
    assert socket.session.at_work == 1
    watch.expect_error("handler of 'e'", "as planned")
    for task in sio.hub.tasks:
        task.cancel()
    await turns()
    assert socket.session.at_work == 0

"""Managers on a real RabbitMQ, in python-socketio's format: aio_pika and kombu, theirs and ours in one cluster."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

import fastsio
from fastsio.testing import TestServer
from harness import until

from .python_peers import CHAT, Both, Programs, script
from .rabbitmq import RabbitMQ

pytestmark = pytest.mark.asyncio(loop_factories=["uvloop"])

BYTES = {"$bytes": "010203"}
THEIR_PIKA, OUR_PIKA = "socketio async AsyncAioPikaManager", "fastsio async AsyncAioPikaManager"
THEIR_KOMBU, OUR_KOMBU = "socketio sync KombuManager", "fastsio sync KombuManager"
# "a" does something, and the client of "b" takes part.
PAIRS = {
    "their aio_pika, ours": (THEIR_PIKA, OUR_PIKA),
    "our aio_pika, theirs": (OUR_PIKA, THEIR_PIKA),
    "their kombu, our aio_pika": (THEIR_KOMBU, OUR_PIKA),
    "our aio_pika, their kombu": (OUR_PIKA, THEIR_KOMBU),
    "our kombu, their aio_pika": (OUR_KOMBU, THEIR_PIKA),
    "their aio_pika, our kombu": (THEIR_PIKA, OUR_KOMBU),
}


@pytest.fixture(scope="module")
def rabbit() -> Iterator[RabbitMQ]:
    rabbit = RabbitMQ()
    rabbit.start()
    yield rabbit
    rabbit.close()


@pytest.fixture(scope="module")
def programs(rabbit: RabbitMQ) -> Iterator[Programs]:
    programs = Programs(rabbit.url, THEIR_PIKA, OUR_PIKA, THEIR_KOMBU, OUR_KOMBU)
    yield programs
    programs.stop()


@pytest_asyncio.fixture(params=PAIRS)
async def both(programs: Programs, request: pytest.FixtureRequest) -> AsyncIterator[Both]:
    both = await Both.join(*(programs[name] for name in PAIRS[request.param]))
    yield both
    await both.leave()


async def test_what_the_format_can_say_spans_both(both: Both):
    for n in range(20):
        await both.a.do("emit", "n", n)
    await both.a.do("emit", "several", {"$tuple": ["x", {"a": BYTES}]})
    await both.a.do("emit", "you", "ü", to=both.on_b.sid)
    await both.a.do("emit", "not you", skip_sid=both.on_b.sid)
    await both.a.do("emit", "chat", namespace=CHAT)
    numbers = [("n", n) for n in range(20)]
    several = ("several", "x", {"a": b"\1\2\3"})
    await both.on_b.until(*numbers, several, ("you", "ü"))
    await both.on_a.until(*numbers, several, ("not you",))
    await both.quiet()
    assert both.on_b.chat == [("chat",)]


async def test_callbacks_rooms_and_disconnects_span_both(both: Both):
    both.on_b.answer = "yes"
    await both.a.do("emit_for_answer", "question", 5, to=both.on_b.sid)
    await both.a.do("enter_room", both.on_b.sid, "club")
    await both.quiet()
    await both.quiet()
    assert await both.a.do("take_answers") == [["yes"]]
    assert set(await both.b.do("rooms", both.on_b.sid)) == {both.on_b.sid, "club"}
    await both.a.do("close_room", "club")
    await both.a.do("disconnect", both.on_b.chat_sid, namespace=CHAT)
    await both.quiet()
    assert await both.b.do("rooms", both.on_b.sid) == [both.on_b.sid]
    assert await both.b.do("rooms", both.on_b.chat_sid, namespace=CHAT) == []


async def test_many_messages_keep_their_order(rabbit: RabbitMQ):
    """They are confirmed many at a time."""
    sios = [
        fastsio.AsyncServer(client_manager=fastsio.AsyncAioPikaManager(rabbit.url)) for _ in "ab"
    ]
    async with TestServer(sios[0]), TestServer(sios[1]) as serving:
        for sio in sios:
            await asyncio.wait_for(sio.hub.cluster.ready(), 20)
        client = await serving.connect()
        for n in range(2000):
            await sios[0].emit("n", n)
        await until(lambda: not sios[0].hub.cluster.bus.is_behind, "all are confirmed", 60)
        await sios[0].emit("last")
        await client.expect("last", timeout=60)
        assert [event.args[0] for event in await client.received()] == list(range(2000))
        assert sios[0].hub.cluster.bus.lost == 0


EMITS = """
library.KombuManager(args[0], write_only=True).emit("script", ("x", b"\\x01"), room=args[1])
"""
ASYNC_EMITS = """
import asyncio
async def main():
    await library.AsyncAioPikaManager(args[0], write_only=True).emit("script", ("x", b"\\x01"), room=args[1])
asyncio.run(main())
"""


FORKS = """
import os
manager = library.KombuManager(args[0], write_only=True)
manager.emit("before", 1)
if os.fork() == 0:
    manager.emit("script", ("x", b"\\x01"), room=args[1])
    os._exit(0)
assert os.wait()[1] == 0
"""


@pytest.mark.parametrize("both", ["their aio_pika, our kombu"], indirect=True)
async def test_a_process_that_has_forked_publishes(both: Both, rabbit: RabbitMQ):
    await asyncio.to_thread(script, FORKS, rabbit.url, both.on_b.sid)
    await both.on_b.until(("before", 1), ("script", "x", b"\1"))


@pytest.mark.parametrize("code", [EMITS, ASYNC_EMITS], ids=["kombu", "aio_pika"])
@pytest.mark.parametrize("both", ["their aio_pika, our kombu"], indirect=True)
async def test_scripts_reach_both(both: Both, rabbit: RabbitMQ, code: str):
    for client in (both.on_a, both.on_b):
        await asyncio.to_thread(script, code, rabbit.url, client.sid)
        await client.until(("script", "x", b"\1"))


@pytest.mark.fault(
    "RabbitMQ is killed and started again",
    "servers serve their own clients, connect again by themselves, and what was lost is counted and logged",
)
async def test_managers_find_each_other_again(rabbit: RabbitMQ, caplog):
    caplog.set_level(logging.INFO, "fastsio.adapters")
    a = fastsio.AsyncServer(client_manager=fastsio.AsyncAioPikaManager(rabbit.url))
    b = fastsio.Server(client_manager=fastsio.KombuManager(rabbit.url))
    running = await fastsio.start(b, port=0)
    on_b = fastsio.AsyncSimpleClient()
    async with TestServer(a) as serving:
        for sio in (a, b):
            await asyncio.wait_for(sio.hub.cluster.ready(), 20)
        on_a = await serving.connect()
        await on_b.connect(f"http://127.0.0.1:{running.port}")
        await a.emit("before", 1)
        assert await on_b.receive(10) == ["before", 1]
        rabbit.stop()
        await until(lambda: not (a.hub.cluster.is_up or b.hub.cluster.is_up), "both are down", 20)
        await a.emit("alone", 2)
        assert (await on_a.expect("alone")).args == (2,)
        await asyncio.to_thread(b.emit, "alone", 3)
        assert await on_b.receive(10) == ["alone", 3]
        for sio in (a, b):
            await until(lambda sio=sio: sio.hub.cluster.bus.lost >= 1, "one is lost", 20)
        await asyncio.to_thread(rabbit.start)
        await until(lambda: a.hub.cluster.is_up and b.hub.cluster.is_up, "both are up", 30)
        await a.emit("together", 4)
        assert await on_b.receive(10) == ["together", 4]
        await asyncio.to_thread(b.emit, "together", 5)
        while (await on_a.expect("together", timeout=10)).args != (5,):
            pass
    for manager in ("asyncaiopika", "kombu"):
        assert f"{manager}: messages are lost" in caplog.text
    await on_b.disconnect()
    await running.close()

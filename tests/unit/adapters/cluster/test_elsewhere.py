"""AsyncServer's methods for clients of other servers, whatever joins these."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

import fastsio
from fastsio.adapters import MemoryHub
from fastsio.testing import TestServer
from harness import until


class Two:
    """Two servers, and a client of `b`, which alone has "/chat"."""

    def __init__(self) -> None:
        hub = MemoryHub()
        self.a, self.b = (fastsio.AsyncServer(adapter=hub.bus()) for _ in "ab")
        self.b.on("connect", lambda *args: None, namespace="/chat")
        self.servers = [TestServer(self.a), TestServer(self.b)]

    async def start(self) -> Two:
        for server in self.servers:
            await server.__aenter__()
        for sio in (self.a, self.b):
            await sio.hub.cluster.ready()
        await self.settle()
        self.client = await self.servers[1].connect()
        self.chat = await self.client.join_namespace("/chat")
        return self

    async def settle(self) -> None:
        for _ in range(2):
            for server in self.servers:
                await server.settle()


@pytest_asyncio.fixture
async def two() -> AsyncIterator[Two]:
    two = await Two().start()
    yield two
    for server in reversed(two.servers):
        await server.close()


@pytest.mark.parametrize(
    ("answer", "expected"), [("yes", "yes"), (None, None), (["a", 1], ["a", 1])]
)
async def test_call_returns_what_the_client_answers(two: Two, answer: object, expected: object):
    two.client.on("question", lambda *args: answer)
    assert await two.a.call("question", ("x", b"1"), to=two.client.sid, timeout=5) == expected
    assert not two.a.hub.cluster.requests


async def test_call_in_a_namespace_that_is_not_here(two: Two):
    two.chat.on("question", lambda: "chat")
    assert await two.a.call("question", to=two.chat.sid, namespace="/chat", timeout=5) == "chat"


async def test_call_fails_at_once_when_no_server_has_the_client(two: Two):
    with pytest.raises(fastsio.exceptions.TimeoutError) as caught:
        await asyncio.wait_for(two.a.call("question", to="nobody", timeout=60), 5)
    assert type(caught.value).__name__ == "ClientGoneError"
    assert not two.a.hub.cluster.requests


async def test_call_gives_up_in_time(two: Two):
    with pytest.raises(fastsio.exceptions.TimeoutError, match="timed out"):
        await two.a.call("question", to=two.client.sid, timeout=0.05)
    assert not two.a.hub.cluster.requests


async def test_rooms_and_disconnects_reach_it(two: Two):
    for namespace, socket in ((None, two.client), ("/chat", two.chat)):
        await two.a.enter_room(socket.sid, "club", namespace)
        await two.a.enter_room(socket.sid, "other", namespace)
        await two.a.leave_room(socket.sid, "other", namespace)
        await two.settle()
        assert set(two.b.rooms(socket.sid, namespace)) == {socket.sid, "club"}
        await two.a.close_room("club", namespace)
        await two.settle()
        assert two.b.rooms(socket.sid, namespace) == [socket.sid]
        await two.a.disconnect(socket.sid, namespace)
        assert await socket.expect_disconnect() == "io server disconnect"


async def test_a_namespace_that_is_not_here_is_emitted_to(two: Two):
    await two.a.emit("e", ("x", b"1"), namespace="/chat")
    await two.a.emit("to one", to=two.chat.sid, namespace="/chat")
    await two.a.emit("but one", skip_sid=two.chat.sid, namespace="/chat")
    await two.settle()
    events = [(event.name, *event.args) for event in await two.chat.received()]
    assert events == [("e", "x", b"1"), ("to one",)]
    answers: list[object] = []
    two.chat.on("question", lambda: "yes")
    await two.a.emit("question", to=two.chat.sid, namespace="/chat", callback=answers.append)
    await until(lambda: answers == ["yes"], "the callback was called")
    assert "/chat" not in two.a.hub.namespaces


async def test_ignore_queue_is_for_clients_here_alone(two: Two):
    await two.a.emit("e", ignore_queue=True)
    await two.a.disconnect(two.client.sid, ignore_queue=True)
    with pytest.raises(fastsio.exceptions.TimeoutError):
        await two.a.call("question", to=two.client.sid, timeout=5, ignore_queue=True)
    await two.b.emit("here", 1, ignore_queue=True)
    answers: list[object] = []
    two.client.on("question", lambda: "yes")
    await two.b.emit("question", to=two.client.sid, callback=answers.append, ignore_queue=True)
    await until(lambda: answers == ["yes"], "the callback was called")
    await two.settle()
    assert [event.name for event in await two.client.received()] == ["here"]


async def test_what_cannot_be_sent_is_the_callers_error(two: Two):
    with pytest.raises(ValueError, match="reserved"):
        await two.a.emit("connect", namespace="/chat")
    with pytest.raises(TypeError):
        await two.a.emit("e", object(), namespace="/chat")
    with pytest.raises(TypeError):
        await two.a.emit("e", object(), ignore_queue=True)


async def test_without_other_servers_an_unknown_sid_is_an_error_as_before():
    sio = fastsio.AsyncServer()
    async with TestServer(sio):
        with pytest.raises(ValueError, match="not connected"):
            await sio.enter_room("nobody", "club")
        await sio.leave_room("nobody", "club")
        await sio.disconnect("nobody")
        await sio.emit("e", namespace="/chat")
        await sio.emit("e", ignore_queue=True)
        with pytest.raises(fastsio.exceptions.TimeoutError):
            await sio.call("question", to="nobody")

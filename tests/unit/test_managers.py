"""Managers for message queues of one's own, and what servers joined in python-socketio's format have in common."""

from __future__ import annotations

import asyncio
import json
import queue
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio

import fastsio
from fastsio.core.errors import PartialAnswersError
from fastsio.testing import TestServer
from harness import until


class Wire:
    """A message queue: what is published goes into the queues of all who listen. `said`: all messages."""

    def __init__(self) -> None:
        self.said: list[dict[str, Any]] = []
        self.ears: list[Any] = []
        self.is_broken = False

    def publish(self, data: dict[str, Any]) -> None:
        if self.is_broken:
            raise ConnectionError("broken")
        self.said.append(data)
        for ear in list(self.ears):
            ear.put_nowait(json.dumps(data))

    def of(self, method: str) -> list[dict[str, Any]]:
        return [one for one in self.said if one["method"] == method]


class WireManager(fastsio.AsyncPubSubManager):
    """As an application makes one for python-socketio."""

    name = "wire"

    def __init__(self, wire: Wire, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.wire = wire

    async def _publish(self, data: dict[str, Any]) -> None:
        self.wire.publish(data)

    async def _listen(self) -> AsyncIterator[str]:
        ear: asyncio.Queue[str] = asyncio.Queue()
        self.wire.ears.append(ear)
        try:
            while True:
                yield await ear.get()
        finally:
            self.wire.ears.remove(ear)


class ThreadedManager(fastsio.PubSubManager):
    """The same for a Server."""

    name = "threaded wire"

    def __init__(self, wire: Wire, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.wire = wire

    def _publish(self, data: dict[str, Any]) -> None:
        self.wire.publish(data)

    def _listen(self) -> Iterator[str]:
        ear: queue.Queue[str] = queue.Queue()
        self.wire.ears.append(ear)
        while True:
            yield ear.get()


@pytest.fixture
def wire() -> Wire:
    return Wire()


class Two:
    """Servers `a` and `b` on one wire, with the clients `on_a` and `on_b`."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.a, self.b = (fastsio.AsyncServer(client_manager=WireManager(wire)) for _ in "ab")
        self.servers = [TestServer(self.a), TestServer(self.b)]

    async def start(self) -> Two:
        for server in self.servers:
            await server.__aenter__()
        for sio in (self.a, self.b):
            await sio.hub.cluster.ready()
        await until(lambda: len(self.wire.ears) == 2, "both listen")
        await self.heartbeats()
        self.on_a, self.on_b = [await server.connect() for server in self.servers]
        return self

    async def heartbeats(self) -> None:
        """Each knows of the other."""
        for sio in (self.a, self.b):
            sio.hub.cluster.send(1, "/")
        await until(lambda: all(s.hub.cluster.members.alive for s in (self.a, self.b)), "heard")

    async def close(self) -> None:
        for server in reversed(self.servers):
            await server.close()


@pytest_asyncio.fixture
async def two(wire: Wire) -> AsyncIterator[Two]:
    two = await Two(wire).start()
    yield two
    await two.close()


async def test_a_manager_of_ones_own_joins_servers(two: Two):
    await two.a.emit("e", ("x", b"\1"))
    assert (await two.on_b.expect("e")).args == ("x", b"\1")
    assert (await two.on_a.expect("e")).args == ("x", b"\1")
    await two.a.enter_room(two.on_b.sid, "club")
    await until(lambda: "club" in two.b.rooms(two.on_b.sid), "it has entered")
    assert two.a.manager.name == "wire"
    assert two.a.manager.bus is two.a.hub.cluster.bus


async def test_what_python_socketio_does_not_have_spans_servers_of_fastsio(two: Two):
    found = await two.a.io.fetch_sockets()
    assert {one.id for one in found} == {two.on_a.sid, two.on_b.sid}
    two.b.io.on("hello", lambda *args: ["b", *args])
    assert await two.a.io.server_side_emit_with_ack("hello", 1, {"x": b"\2"}) == [
        ["b", 1, {"x": b"\2"}]
    ]
    for client, answer in ((two.on_a, "a"), (two.on_b, b"\3")):
        client.on("question", lambda *args, answer=answer: answer)
    answers = await two.a.io.timeout(5).emit_with_ack("question", {"x": b"\1"})
    assert sorted(answers, key=repr) == ["a", b"\3"]


async def test_each_client_gets_a_broadcast_with_answers_once(two: Two, wire: Wire):
    """It is told twice, once for python-socketio."""
    two.on_a.on("question", lambda: 1)
    two.on_b.on("question", lambda: 2)
    before = len(wire.of("emit"))
    assert sorted(await two.a.io.timeout(5).emit_with_ack("question")) == [1, 2]
    assert len(wire.of("emit")) == before + 1
    await two.a.emit("after")
    for client in (two.on_a, two.on_b):
        assert [event.name for event in await client.received()] == ["after"]


async def test_who_does_not_answer_leaves_the_others_answers(two: Two):
    two.on_a.on("question", lambda: 1)
    with pytest.raises(PartialAnswersError) as caught:
        await two.a.io.timeout(0.2).emit_with_ack("question")
    assert caught.value.responses == [1]


async def test_nodes_words_for_rooms_span_servers_of_fastsio(two: Two, wire: Wire):
    two.a.io.sockets_join(["all", "x"])
    await until(lambda: "x" in two.b.rooms(two.on_b.sid), "they have joined")
    two.a.io.in_("all").sockets_leave("x")
    await until(lambda: "x" not in two.b.rooms(two.on_b.sid), "they have left")
    two.a.io.to("all").except_(two.on_a.sid).emit("e")
    assert (await two.on_b.expect("e")).args == ()
    two.a.io.in_(two.on_b.sid).disconnect_sockets()
    assert await two.on_b.expect_disconnect() == "io server disconnect"
    # As python-socketio has it, for those that it knows by their sid.
    assert [one["sid"] for one in wire.of("disconnect")] == [two.on_b.sid]


async def test_flags_reach_servers_of_fastsio(two: Two, wire: Wire):
    two.a.io.volatile.emit("soon gone")
    await two.on_b.expect("soon gone")
    assert wire.of("emit")[-1]["fastsio_flags"] == {"volatile": True}


async def test_a_sid_is_no_room_where_python_means_a_client(two: Two):
    """disconnect("club") disconnects nobody, though there is a room of that name elsewhere."""
    await two.b.enter_room(two.on_b.sid, "club")
    await two.a.disconnect("club")
    await two.a.emit("after")
    await two.on_b.expect("after")
    assert two.on_b.is_connected


async def test_a_namespace_that_is_not_here_is_reached_elsewhere(wire: Wire):
    a, b = (fastsio.AsyncServer(client_manager=WireManager(wire)) for _ in "ab")
    b.on("connect", lambda *args: None, namespace="/chat")
    async with TestServer(a), TestServer(b) as serving:
        await until(lambda: len(wire.ears) == 2, "both listen")
        client = await serving.connect("/chat")
        await a.emit("e", 1, namespace="/chat")
        assert (await client.expect("e")).args == (1,)
        client.on("question", lambda: "yes")
        assert await a.call("question", to=client.sid, namespace="/chat", timeout=5) == "yes"
        await a.enter_room(client.sid, "club", namespace="/chat")
        await until(lambda: "club" in b.rooms(client.sid, "/chat"), "it has entered")
        await a.close_room("club", namespace="/chat")
        await until(lambda: "club" not in b.rooms(client.sid, "/chat"), "it has left")
        await a.disconnect(client.sid, namespace="/chat")
        await client.expect_disconnect()
        with pytest.raises(ValueError, match="reserved"):
            await a.emit("connect", namespace="/chat")
        assert "/chat" not in a.hub.namespaces


async def test_a_client_that_asks_for_a_namespace_emitted_to_is_refused(wire: Wire):
    """Emitting to a namespace does not make one."""
    a = fastsio.AsyncServer(client_manager=WireManager(wire))
    async with TestServer(a) as serving:
        await a.emit("e", namespace="/chat")
        with pytest.raises(fastsio.exceptions.ConnectionError):
            await serving.connect("/chat")


async def test_presence_goes_along(wire: Wire):
    managers = [WireManager(wire) for _ in "ab"]
    for manager in managers:
        manager.bus.presence = True
    a, b = (fastsio.AsyncServer(client_manager=manager) for manager in managers)
    async with TestServer(a), TestServer(b) as serving:
        await until(lambda: len(wire.ears) == 2, "both listen")
        await serving.connect()
        async with asyncio.timeout(10):
            while await a.io.count() != 1:  # noqa: ASYNC110 - what is replicated is not told
                await asyncio.sleep(0.01)


# --- without a server ------------------------------------------------------------------------------


async def test_a_manager_without_a_server_publishes(wire: Wire):
    manager = WireManager(wire, write_only=True)
    await manager.emit("e", ("x", b"\1"), room="r", skip_sid=["s"])
    await manager.disconnect("sid", "/chat")
    await manager.enter_room("sid", "/", "r")
    await manager.leave_room("sid", "/", "r")
    await manager.close_room("r")
    assert await manager.can_disconnect("sid", "/") is False
    methods = [one["method"] for one in wire.said]
    assert methods == ["emit", "disconnect", "enter_room", "leave_room", "close_room", "disconnect"]
    assert wire.said[0]["data"] == [["x", {"_placeholder": True, "num": 0}], "AQ=="]
    assert {one["host_id"] for one in wire.said} == {manager.host_id}
    with pytest.raises(RuntimeError, match="context of a server"):
        await manager.emit("e", 1, callback=print)


def test_a_plain_manager_without_a_server_publishes(wire: Wire):
    manager = ThreadedManager(wire, write_only=True)
    manager.emit("e", [1, 2], to="r", namespace="/chat")
    manager.disconnect("sid")
    manager.enter_room("sid", "/", "r")
    manager.leave_room("sid", "/", "r")
    manager.close_room("r")
    assert manager.can_disconnect("sid", "/") is False
    methods = [one["method"] for one in wire.said]
    assert methods == ["emit", "disconnect", "enter_room", "leave_room", "close_room", "disconnect"]
    assert (wire.said[0]["data"], wire.said[0]["namespace"]) == ([[1, 2]], "/chat")
    with pytest.raises(RuntimeError, match="context of a server"):
        manager.emit("e", 1, callback=print)
    with pytest.raises(TypeError):
        manager.emit("e", object())
    with pytest.raises(ValueError, match="reserved"):
        manager.emit("connect", 1)


def test_what_cannot_be_published_is_logged(wire: Wire, caplog):
    wire.is_broken = True
    ThreadedManager(wire, write_only=True).emit("e", 1)
    assert "Cannot publish to threaded wire: ConnectionError('broken')" in caplog.text


def test_a_logger_of_ones_own_gets_it(wire: Wire, caplog):
    import logging

    wire.is_broken = True
    ThreadedManager(wire, write_only=True, logger=logging.getLogger("mine")).emit("e", 1)
    assert [one.name for one in caplog.records] == ["mine"]


async def test_a_server_that_is_not_served_publishes_at_once_and_in_order(wire: Wire):
    """A Celery task that imports the web application, and emits by its server."""
    sio = fastsio.AsyncServer(client_manager=WireManager(wire))
    for n in range(5):
        await sio.emit("n", n)
    await until(lambda: len(wire.said) == 5, "all are published")
    assert [one["data"] for one in wire.said] == [0, 1, 2, 3, 4]


async def test_what_is_emitted_without_a_loop_goes_when_the_server_is_served(wire: Wire):
    io = fastsio.IO(adapter=WireManager(wire).bus)
    await asyncio.to_thread(io.emit, "early", 1)
    assert not wire.said
    async with TestServer(io):
        await until(lambda: wire.of("emit"), "it is published")
    assert [one["event"] for one in wire.of("emit")] == ["early"]


def test_a_plain_server_that_is_not_served_publishes_at_once(wire: Wire):
    sio = fastsio.Server(client_manager=ThreadedManager(wire))
    sio.emit("e", 1)
    sio.manager.emit("f", 2, room="r")
    assert [(one["event"], one["room"]) for one in wire.said] == [("e", None), ("f", "r")]


# --- with a Server ---------------------------------------------------------------------------------


async def test_a_threaded_manager_joins_a_server(wire: Wire):
    a = fastsio.AsyncServer(client_manager=WireManager(wire))
    b = fastsio.Server(client_manager=ThreadedManager(wire))
    running = await fastsio.start(b, port=0)
    async with TestServer(a) as serving:
        await until(lambda: len(wire.ears) == 2, "both listen")
        on_a = await serving.connect()
        on_b = fastsio.AsyncSimpleClient()
        await on_b.connect(f"http://127.0.0.1:{running.port}")
        await a.emit("to b", 1)
        assert await on_b.receive(5) == ["to b", 1]
        await asyncio.to_thread(b.emit, "to a", 2, on_a.sid)
        assert (await on_a.expect("to a")).args == (2,)
        on_a.on("question", lambda: "yes")
        assert await asyncio.to_thread(b.call, "question", to=on_a.sid, timeout=5) == "yes"
        answers: list[Any] = []
        await asyncio.to_thread(b.emit, "question", to=on_a.sid, callback=answers.append)
        await until(lambda: answers == ["yes"], "the callback was called")
        await on_b.disconnect()
    await running.close()


async def test_a_thread_pipe_that_breaks_is_up_again(wire: Wire, caplog):
    class Breaking(ThreadedManager):
        def _listen(self) -> Iterator[str]:
            for one in super()._listen():
                if "break" in one:
                    raise ConnectionError("it breaks")
                yield one

    sio = fastsio.Server(client_manager=Breaking(wire))
    states: list[bool] = []
    sio.hub.cluster.listeners.append(lambda is_up, lost: states.append(is_up))
    running = await fastsio.start(sio, port=0)
    await until(lambda: states == [True] and wire.ears, "it is up, and listens")
    wire.publish({"method": "break"})
    await until(lambda: states == [True, False, True], "it is up again")
    assert "nothing is heard" in caplog.text
    wire.is_broken = True
    await asyncio.to_thread(sio.emit, "e", 1)
    await until(lambda: sio.hub.cluster.bus.lost == 1, "one is lost")
    await running.close()


# --- what is refused -------------------------------------------------------------------------------


def test_a_manager_goes_with_its_kind_of_server(wire: Wire):
    with pytest.raises(TypeError, match=r"such as fastsio\.AsyncRedisManager"):
        fastsio.AsyncServer(client_manager=ThreadedManager(wire))
    with pytest.raises(TypeError, match=r"such as fastsio\.RedisManager"):
        fastsio.Server(client_manager=WireManager(wire))


def test_a_manager_joins_one_server(wire: Wire):
    manager = WireManager(wire)
    fastsio.AsyncServer(client_manager=manager)
    with pytest.raises(RuntimeError, match="give each its own"):
        fastsio.AsyncServer(client_manager=manager)


def test_two_things_that_join_servers_are_one_too_many(wire: Wire):
    from fastsio.adapters import MemoryHub

    with pytest.raises(ValueError, match="only one can join servers"):
        fastsio.AsyncServer(client_manager=WireManager(wire), adapter=MemoryHub().bus())


def test_a_method_that_would_not_be_called_is_refused(wire: Wire):
    class Own(WireManager):
        async def emit(self, *args: Any, **kwargs: Any) -> None:
            raise AssertionError

    with pytest.raises(TypeError, match=r"its emit\(\) would never be called"):
        fastsio.AsyncServer(client_manager=Own(wire))


async def test_a_base_class_has_no_queue():
    with pytest.raises(NotImplementedError):
        fastsio.PubSubManager()._publish({})
    with pytest.raises(NotImplementedError):
        await fastsio.AsyncPubSubManager()._publish({})


async def test_a_write_only_manager_makes_a_server_that_does_not_listen(wire: Wire):
    a = fastsio.AsyncServer(client_manager=WireManager(wire, write_only=True))
    b = fastsio.AsyncServer(client_manager=WireManager(wire))
    async with TestServer(a) as first, TestServer(b) as second:
        await until(lambda: len(wire.ears) == 1, "one listens")
        on_a, on_b = await first.connect(), await second.connect()
        await b.emit("from b")
        await a.emit("from a")
        await on_b.expect("from a")
        assert [event.name for event in await on_a.received()] == ["from a"]


async def test_ios_adapter_may_be_a_managers_bus(wire: Wire):
    io = fastsio.IO(adapter=WireManager(wire).bus)
    sio = fastsio.AsyncServer(client_manager=WireManager(wire))
    async with TestServer(io), TestServer(sio) as serving:
        await until(lambda: len(wire.ears) == 2, "both listen")
        client = await serving.connect()
        io.emit("e", 1)
        assert (await client.expect("e")).args == (1,)


async def test_a_server_can_be_served_again(wire: Wire):
    sio = fastsio.AsyncServer(client_manager=WireManager(wire))
    for _ in range(2):
        async with TestServer(sio) as serving:
            await sio.hub.cluster.ready()
            await until(lambda: len(wire.ears) == 1, "it listens")
            client = await serving.connect()
            wire.publish({"method": "emit", "event": "e", "data": 1})
            await client.expect("e")
        await until(lambda: not wire.ears, "it listens no longer")

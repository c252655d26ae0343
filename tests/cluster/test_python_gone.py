"""Managers in python-socketio's format when things go wrong: Redis goes, or what comes is no message."""

from __future__ import annotations

import asyncio
import json
import logging
import pickle
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio

import fastsio
from fastsio.testing import TestServer
from harness import until

from .python_peers import script
from .servers import Redis

pytestmark = pytest.mark.asyncio(loop_factories=["uvloop"])


@pytest.fixture
def mortal() -> Iterator[Redis]:
    redis = Redis()
    redis.start()
    yield redis
    redis.close()


class Pair:
    """Two servers in this process, each with a client; `reasons`: why clients have left, by sid."""

    def __init__(self, url: str) -> None:
        self.sios = [
            fastsio.AsyncServer(client_manager=fastsio.AsyncRedisManager(url)) for _ in "ab"
        ]
        self.a, self.b = self.sios
        self.servers = [TestServer(sio) for sio in self.sios]
        self.came: list[str] = []
        self.reasons: list[tuple[str, str]] = []
        for sio in self.sios:
            sio.on("connect", lambda sid, environ: self.came.append(sid))
            sio.on("disconnect", lambda sid, reason: self.reasons.append((sid, reason)))

    async def start(self) -> None:
        for server, sio in zip(self.servers, self.sios, strict=True):
            await server.__aenter__()
            await sio.hub.cluster.ready()
        self.clients = [await server.connect() for server in self.servers]

    @property
    def bus(self) -> Any:
        return self.a.hub.cluster.bus

    async def write(self, data: bytes) -> None:
        await self.bus._pipe._link.client.publish("socketio", data)

    async def state(self, is_up: bool) -> None:
        what = f"is_up is {is_up}"
        await until(lambda: all(sio.hub.cluster.is_up is is_up for sio in self.sios), what, 30)

    async def close(self) -> None:
        for server in reversed(self.servers):
            await server.close()
        # Every accepted connect has its one disconnect, with a reason.
        assert sorted(self.came) == sorted(sid for sid, _ in self.reasons)
        assert all(reason for _, reason in self.reasons)


@pytest_asyncio.fixture
async def pair(mortal: Redis) -> AsyncIterator[Pair]:
    pair = Pair(mortal.url)
    await pair.start()
    yield pair
    await pair.close()


@pytest.mark.fault(
    "Redis is killed and started again, with python-socketio's managers",
    "servers serve their own clients, connect again by themselves, and what was lost is counted and logged",
)
async def test_managers_find_each_other_again(pair: Pair, mortal: Redis, caplog):
    caplog.set_level(logging.INFO, "fastsio.adapters")
    told: list[tuple[str, int]] = []
    pair.a.on("bus_down", lambda lost: told.append(("down", lost)))
    pair.a.on("bus_up", lambda lost: told.append(("up", lost)))
    mortal.stop(kill=True)
    await pair.state(False)
    for n in range(7):
        await pair.a.emit("alone", n)
        assert (await pair.clients[0].expect("alone")).args == (n,)
    await until(lambda: pair.bus.lost == 7, "seven are lost")
    mortal.start()
    await pair.state(True)
    await until(lambda: not pair.bus.is_behind, "all is sent")
    await pair.a.emit("together", 1)
    assert (await pair.clients[1].expect("together", timeout=10)).args == (1,)
    assert told == [("down", 0), ("up", 7)]
    assert pair.a.bus.is_up and pair.a.bus.lost == 7
    assert "the adapter is down" in caplog.text and "the adapter is up" in caplog.text
    assert "messages are lost" in caplog.text


@pytest.mark.fault(
    "Redis is killed and started again under load, with python-socketio's managers",
    "nothing comes twice or out of order; what is missing was counted, or came while the other did not hear",
)
async def test_what_comes_under_load_comes_once_and_in_order(pair: Pair, mortal: Redis):
    numbers = iter(range(1_000_000))
    done = asyncio.Event()

    async def emit() -> None:
        while not done.is_set():
            await pair.a.emit("n", next(numbers))
            await asyncio.sleep(0.001)

    emitting = asyncio.create_task(emit())
    await pair.clients[1].expect("n", timeout=10)
    mortal.stop(kill=True)
    await pair.state(False)
    await until(lambda: pair.bus.lost > 0, "some are lost")
    mortal.start()
    await pair.state(True)
    done.set()
    await emitting
    await until(lambda: not pair.bus.is_behind, "all is sent")
    await pair.a.emit("last")
    await pair.clients[1].expect("last", timeout=10)
    sent = next(numbers)
    got = [0, *(event.args[0] for event in await pair.clients[1].received())]
    assert got == sorted(set(got))
    assert len(got) <= sent - pair.bus.lost
    assert len(await pair.clients[0].received()) == sent + 1


@pytest.mark.fault(
    "Redis ends the connection of a subscription",
    "the server subscribes again by itself",
)
async def test_a_subscription_that_is_cut_is_made_again(pair: Pair):
    states: list[bool] = []
    for sio in pair.sios:
        sio.hub.cluster.listeners.append(lambda is_up, lost: states.append(is_up))
    await pair.bus._pipe._link.client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    await until(lambda: sorted(states) == [False, False, True, True], "both are up again", 20)
    await pair.a.emit("e", 1)
    assert (await pair.clients[1].expect("e", timeout=10)).args == (1,)


async def test_a_manager_may_be_used_from_many_threads(pair: Pair, mortal: Redis):
    manager = fastsio.RedisManager(mortal.url, write_only=True)

    def emit(thread: int) -> None:
        for n in range(25):
            manager.emit("n", (thread, n, b"\x01"))

    await asyncio.gather(*(asyncio.to_thread(emit, thread) for thread in range(8)))
    got = [(await pair.clients[0].expect("n", timeout=10)).args for _ in range(200)]
    for thread in range(8):
        assert [n for one, n, _ in got if one == thread] == list(range(25))


FORKS = """
import os
manager = library.RedisManager(args[0], write_only=True)
manager.emit("parent", 1)
child = os.fork()
manager.emit("child" if child == 0 else "parent", 2)
if child == 0:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
manager.emit("parent", 3)
"""


@pytest.mark.fault(
    "a process that has published forks, as Celery's workers do",
    "parent and child publish, each by a connection of its own",
)
async def test_a_manager_survives_a_fork(pair: Pair, mortal: Redis):
    await asyncio.to_thread(script, FORKS, mortal.url)
    for n in (1, 2, 3):
        assert (await pair.clients[0].expect("parent", timeout=10)).args == (n,)
    assert (await pair.clients[0].expect("child", timeout=10)).args == (2,)


@pytest.mark.fault(
    "Redis goes while a client of another server is asked for an answer",
    "call() raises TimeoutError in its time",
)
async def test_a_call_without_redis_ends_in_time(pair: Pair, mortal: Redis):
    mortal.stop(kill=True)
    await pair.state(False)
    with pytest.raises(fastsio.exceptions.TimeoutError):
        await pair.a.call("question", to=pair.clients[1].sid, timeout=0.2)
    assert not pair.bus._calls


EMIT = {"method": "emit", "event": "e", "data": [1], "namespace": "/"}
HOSTILE: dict[str, Any] = {
    "nothing": b"",
    "half an object": b'{"method": "emit", ',
    "no JSON": b"\x00\xff\xfe",
    "a number": b"5",
    "two values": b'{"method": "emit"}, {"method": "emit"}',
    "a list": b"[]",
    "no method": b"{}",
    "a method that is none": {**EMIT, "method": "eval"},
    "a method that is no text": {**EMIT, "method": ["emit"]},
    "no event": {**EMIT, "event": None},
    "an event that is no text": {**EMIT, "event": {"a": 1}},
    "a reserved event": {**EMIT, "event": "connect_error"},
    "no data": {"method": "emit", "event": "e", "namespace": "/"},
    "a room that is an object": {**EMIT, "room": {"a": 1}},
    "rooms that are lists": {**EMIT, "room": [["a"]]},
    "a skip_sid that is an object": {**EMIT, "skip_sid": {"a": 1}},
    "a namespace that is a number": {**EMIT, "namespace": 5},
    "a host that is a list": {**EMIT, "host_id": []},
    "flags that are a list": {**EMIT, "fastsio_flags": [1]},
    "binary that is none": {**EMIT, "binary": True, "data": "x"},
    "binary without anything": {**EMIT, "binary": True, "data": []},
    "a placeholder too many": {**EMIT, "binary": True, "data": [[{"_placeholder": True, "num": 3}], "AQID"]},
    "a negative placeholder": {**EMIT, "binary": True, "data": [[{"_placeholder": True, "num": -1}], "AQID"]},
    "Base64 that is none": {**EMIT, "binary": True, "data": [[{"_placeholder": True, "num": 0}], "AQI"]},
    "attachments that are numbers": {**EMIT, "binary": True, "data": [[], 5]},
    "a disconnect of nobody": {"method": "disconnect", "namespace": "/"},
    "a disconnect of a list": {"method": "disconnect", "namespace": "/", "sid": []},
    "a room to enter that is null": {"method": "enter_room", "namespace": "/", "sid": "x", "room": None},
    "a kind that is none": {"method": "fastsio", "type": 99, "content": {}, "namespace": "/", "host_id": "x"},
    "a server without a name": {"method": "fastsio", "type": 2, "content": {}, "namespace": "/"},
    "content that is a list": {"method": "fastsio", "type": 3, "content": [], "namespace": "/", "host_id": "x"},
    "10 MB of nothing": b"x" * 10_000_000,
    "a list of 10 MB": b"[" + b"1," * 5_000_000 + b"1]",
    "10,000 levels": b'{"method":"emit","event":"e","data":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    "1,000 levels": b'{"method":"emit","event":"e","binary":true,"data":[' + b"[" * 1_000 + b"]" * 1_000 + b"]}",
}  # fmt: skip


@pytest.mark.fault(
    "something that is no message is written to python-socketio's channel",
    "one line in the log in ten seconds says so, it is counted, and everything goes on",
)
@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
async def test_what_is_no_message_is_logged_and_left(pair: Pair, caplog, data: Any):
    await pair.write(data if isinstance(data, bytes) else json.dumps(data).encode())
    await pair.write(json.dumps({**EMIT, "event": "after"}).encode())
    for client in pair.clients:
        assert (await client.expect("after", timeout=10)).args == (1,)
    assert pair.bus.counts == {"invalid": 1}
    [line] = [one for one in caplog.records if "no message of a server" in one.message][:1]
    assert len(line.message) < 500
    assert all(client.is_connected for client in pair.clients)


class Trap:
    """What a pickle of which does when it is read."""

    def __reduce__(self) -> Any:
        return print, ("unpickled!",)


@pytest.mark.fault(
    "a pickle comes, as python-socketio 5.13 and older publish, or as an attacker does",
    "it is never read: a line in the log names the versions, it is counted",
)
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
async def test_a_pickle_is_not_read(pair: Pair, caplog, capfd, protocol: int):
    await pair.write(pickle.dumps({**EMIT, "data": Trap()}, protocol))
    await pair.write(json.dumps({**EMIT, "event": "after"}).encode())
    await pair.clients[1].expect("after", timeout=10)
    assert pair.bus.counts == {"pickle": 1}
    assert "python-socketio 5.13 and older" in caplog.text
    assert "unpickled!" not in capfd.readouterr().out


async def test_a_large_message_arrives(pair: Pair):
    await pair.a.emit("large", "x" * 9_000_000)
    assert len((await pair.clients[1].expect("large", timeout=20)).args[0]) == 9_000_000


@pytest.mark.parametrize("room", [[], ["nobody"]])
async def test_an_emit_to_no_room_reaches_nobody(pair: Pair, room: list[str]):
    """An empty list is not everyone."""
    await pair.write(json.dumps({**EMIT, "room": room}).encode())
    await pair.write(json.dumps({**EMIT, "event": "after"}).encode())
    assert (await pair.clients[1].receive(timeout=10)).name == "after"
    assert pair.bus.counts == {}


@pytest.mark.fault(
    "a client never answers a callback of a server that is not its own",
    "what is waited for is bounded: of 10,000 the oldest is given up",
)
async def test_callbacks_that_wait_are_bounded(pair: Pair, monkeypatch):
    monkeypatch.setattr("fastsio.adapters.pubsub.bus.MAX_CALLS", 3)
    for n in range(5):
        await pair.a.emit("question", n, to="nobody", callback=lambda *args: None)
    assert sorted(pair.bus._calls) == [3, 4, 5]


@pytest.mark.fault(
    "Redis is away while a script publishes",
    "emit() logs an error and returns, as python-socketio's does; the next one connects again",
)
async def test_a_script_goes_on_without_redis(mortal: Redis, caplog):
    manager = fastsio.RedisManager(mortal.url, write_only=True)
    await asyncio.to_thread(manager.emit, "a", 1)
    mortal.stop(kill=True)
    await asyncio.to_thread(manager.emit, "b", 2)
    assert caplog.text.count("Cannot publish to redis") == 1
    mortal.start()
    server = fastsio.AsyncServer(client_manager=fastsio.AsyncRedisManager(mortal.url))
    async with TestServer(server) as serving:
        await server.hub.cluster.ready()
        client = await serving.connect()
        await asyncio.to_thread(manager.emit, "c", 3)
        assert (await client.expect("c", timeout=10)).args == (3,)
    assert caplog.text.count("Cannot publish to redis") == 1


@pytest.mark.fault(
    "Redis stands still while a script publishes",
    "emit() logs an error after 10 seconds, or what redis_options say, and returns",
)
async def test_a_script_does_not_wait_for_ever(caplog):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}"
        given = fastsio.RedisManager(url, write_only=True)
        assert given.redis.connection_pool.connection_kwargs["socket_timeout"] == 10
        options = {"socket_timeout": 0.2}
        manager = fastsio.RedisManager(url, write_only=True, redis_options=options)
        await asyncio.wait_for(asyncio.to_thread(manager.emit, "e", 1), 5)
        coroutines = fastsio.AsyncRedisManager(url, write_only=True, redis_options=options)
        await asyncio.wait_for(coroutines.emit("e", 1), 5)
    assert "Cannot publish to redis" in caplog.text and "publish to aioredis" in caplog.text


async def test_a_missing_extra_is_named(monkeypatch):
    for name in ("redis", "redis.asyncio", "aio_pika", "kombu", "kafka"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    for manager, extra in (
        (fastsio.RedisManager, "redis"),
        (fastsio.AsyncRedisManager, "redis"),
        (fastsio.AsyncAioPikaManager, "aio_pika"),
        (fastsio.KombuManager, "kombu"),
        (fastsio.KafkaManager, "kafka"),
    ):
        with pytest.raises(ImportError, match=rf"fastsio\[{extra}\]"):
            manager()

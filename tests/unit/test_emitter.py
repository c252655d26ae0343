"""Emitters: what they write to Redis, what they refuse, and what becomes of errors. Real servers: tests/cluster."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
from typing import Any

import msgspec
import pytest

import fastsio
from fastsio.adapters.protocol.messages import EMITTER

FORMATS = ("redis", "sharded", "streams")


class Redis:
    """A client that keeps its commands."""

    def __init__(self) -> None:
        self.sent: list[tuple[Any, ...]] = []

    def execute_command(self, *command: Any) -> int:
        self.sent.append(command)
        return 1


class AsyncRedis:
    """One of redis.asyncio, which raises `error` if there is one."""

    nodes_manager = None  # as a cluster's: no pipelines

    def __init__(self) -> None:
        self.sent: list[tuple[Any, ...]] = []
        self.error: Exception | None = None

    async def execute_command(self, *command: Any) -> int:
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        self.sent.append(command)
        return 1


@pytest.fixture
def redis() -> Redis:
    return Redis()


def broadcast(**opts: Any) -> dict[str, Any]:
    return {"rooms": [], "except": [], "flags": {}} | opts


def test_a_broadcast_is_the_classic_adapters_array(redis: Redis):
    fastsio.Emitter(redis).emit("hello", 1, b"\x01")
    [(command, channel, payload)] = redis.sent
    assert (command, channel) == ("PUBLISH", "socket.io#/#")
    packet = {"type": 2, "data": ["hello", 1, b"\x01"], "nsp": "/"}
    assert msgspec.msgpack.decode(payload) == ["emitter", packet, broadcast()]


def test_one_room_has_its_channel_and_several_have_not(redis: Redis):
    emitter = fastsio.Emitter(redis, key="mine").of("chat")
    emitter.to("a").except_(["b", 7]).volatile.compress(False).emit("x")
    emitter.to("a").in_(["b", "a"]).emit("x")
    channels = [channel for _, channel, _ in redis.sent]
    assert channels == ["mine#/chat#a#", "mine#/chat#"]
    opts = [msgspec.msgpack.decode(payload)[2] for *_, payload in redis.sent]
    flags = {"volatile": True, "compress": False}
    assert opts == [
        {"rooms": ["a"], "except": ["b", 7], "flags": flags}, broadcast(rooms=["a", "b"]),
    ]  # fmt: skip


def test_requests_are_the_classic_adapters_json(redis: Redis):
    emitter = fastsio.Emitter(redis)
    emitter.to("a").sockets_join(["x", "y"])
    emitter.except_("a").sockets_leave("x")
    emitter.disconnect_sockets(True)
    emitter.server_side_emit("told", 1)
    assert {channel for _, channel, _ in redis.sent} == {"socket.io-request#/#"}
    requests = [msgspec.json.decode(payload) for *_, payload in redis.sent]
    assert [request.pop("uid") for request in requests] == [EMITTER] * 4
    assert requests == [
        {"type": 2, "opts": {"rooms": ["a"], "except": []}, "rooms": ["x", "y"]},
        {"type": 3, "opts": {"rooms": [], "except": ["a"]}, "rooms": ["x"]},
        {"type": 4, "opts": {"rooms": [], "except": []}, "close": True},
        {"type": 6, "data": ["told", 1]},
    ]


def test_sharded_messages_are_the_cluster_adapters(redis: Redis):
    emitter = fastsio.Emitter(redis, adapter="sharded", channel_prefix="p")
    emitter.to("a").emit("hello", 1)
    emitter.to("a" * 20).emit("to a client")
    emitter.to("a").disconnect_sockets()
    assert redis.sent[0] == (
        "SPUBLISH", "p#/#a#",
        b'{"type":3,"data":{"packet":{"type":2,"data":["hello",1]},"opts":{"rooms":["a"],"except":[],"flags":{}}},'
        b'"uid":"emitter","nsp":"/"}',
    )  # fmt: skip
    assert [command[:2] for command in redis.sent[1:]] == [("SPUBLISH", "p#/#")] * 2


def test_a_sharded_message_with_bytes_is_msgpack(redis: Redis):
    emitter = fastsio.Emitter(redis, adapter="sharded", subscription_mode="static")
    emitter.to("a").emit("bin", b"\x01")
    [(_, channel, payload)] = redis.sent
    assert channel == "socket.io#/#"
    data = {"packet": {"type": 2, "data": ["bin", b"\x01"]}, "opts": broadcast(rooms=["a"])}
    read = msgspec.msgpack.decode(payload)
    assert read == {"type": 3, "data": data, "uid": "emitter", "nsp": "/"}


def test_streams_get_entries_and_servers_questions(redis: Redis):
    emitter = fastsio.Emitter(redis, adapter="streams", stream_name="s", max_len=5, channel_prefix="p")  # fmt: skip
    emitter.emit("hello", 1)
    emitter.of("/chat").emit("bin", b"\x01")
    emitter.server_side_emit("told")
    text, binary, told = redis.sent
    head = ("XADD", "s", "MAXLEN", "~", 5, "*", "uid", "emitter", "nsp")
    assert text == (
        *head, "/", "type", "3", "data",
        b'{"packet":{"type":2,"data":["hello",1]},"opts":{"rooms":[],"except":[],"flags":{}}}',
    )  # fmt: skip
    assert binary[:-1] == (*head, "/chat", "type", "3", "data")
    read = msgspec.msgpack.decode(base64.b64decode(binary[-1]))
    assert read == {"packet": {"type": 2, "data": ["bin", b"\x01"]}, "opts": broadcast()}
    assert told[:2] == ("PUBLISH", "p#/#")
    data = {"packet": ["told"]}
    assert msgspec.msgpack.decode(told[2]) == {
        "type": 9, "data": data, "uid": "emitter", "nsp": "/",
    }  # fmt: skip


def payload_args(command: tuple[Any, ...], adapter: str) -> Any:
    payload = command[-1]
    if adapter == "redis":
        return msgspec.msgpack.decode(payload)[1]["data"]
    read = msgspec.json.decode(payload) if payload[:1] == b"{" else None
    if read is None:
        is_text = adapter == "streams"
        read = msgspec.msgpack.decode(base64.b64decode(payload) if is_text else payload)
    return (read if adapter == "streams" else read["data"])["packet"]["data"]


@dataclasses.dataclass
class Model:
    name: str
    blob: bytes | None = None


class Struct(msgspec.Struct):
    name: str


@pytest.mark.parametrize("adapter", FORMATS)
@pytest.mark.parametrize("more", [(), (b"\x01",)], ids=["text", "binary"])
@pytest.mark.parametrize(
    ("value", "read"),
    [
        (1 << 70, float(1 << 70)),
        ({1: "a"}, {"1": "a"}),
        (Model("m"), {"name": "m", "blob": None}),
        (Struct("s"), {"name": "s"}),
        ([{"deep": Struct("s")}, 1 << 70], [{"deep": {"name": "s"}}, float(1 << 70)]),
        ("日本", "日本"),
    ],
)
def test_what_packets_may_hold_emitters_may_send(redis: Redis, adapter, more, value, read):
    fastsio.Emitter(redis, adapter=adapter).emit("x", value, *more)
    got = payload_args(redis.sent[0], adapter)[1]
    assert got == read or got == {1: "a"}  # JavaScript's keys are text anyway


@pytest.mark.parametrize("adapter", FORMATS)
def test_what_packets_may_hold_servers_may_be_told(redis: Redis, adapter: str):
    values = [{1: "a", "b": [Struct("s")]}, 1 << 70, "ünï"]
    fastsio.Emitter(redis, adapter=adapter).server_side_emit("x", *values)
    payload = redis.sent[0][-1]
    decode = msgspec.json.decode if payload[:1] == b"{" else msgspec.msgpack.decode
    read = decode(payload)
    told = read["data"] if adapter == "redis" else read["data"]["packet"]
    assert told == ["x", {"1": "a", "b": [{"name": "s"}]}, 1 << 70, "ünï"]


def test_servers_are_told_bytes_where_there_is_more_than_json(redis: Redis):
    for adapter in ("sharded", "streams"):
        fastsio.Emitter(redis, adapter=adapter).server_side_emit("x", b"\x01")
    told = [msgspec.msgpack.decode(command[-1])["data"]["packet"] for command in redis.sent]
    assert told == [["x", b"\x01"]] * 2
    with pytest.raises(TypeError, match="bytes where there is only JSON"):
        fastsio.Emitter(redis).server_side_emit("x", b"\x01")


@pytest.mark.parametrize("adapter", FORMATS)
def test_nobody_gets_nothing(redis: Redis, adapter: str):
    emitter = fastsio.Emitter(redis, adapter=adapter).to([])
    emitter.emit("x")
    emitter.sockets_join("a")
    emitter.disconnect_sockets()
    assert redis.sent == []


def test_a_choice_may_be_kept_and_is_not_changed_by_its_steps(redis: Redis):
    room = fastsio.Emitter(redis).to("a")
    room.to("b").volatile.emit("x")
    room.emit("x")
    assert [msgspec.msgpack.decode(payload)[2] for *_, payload in redis.sent] == [
        broadcast(rooms=["a", "b"], flags={"volatile": True}), broadcast(rooms=["a"]),
    ]  # fmt: skip


@pytest.mark.parametrize("adapter", FORMATS)
@pytest.mark.parametrize(
    ("act", "error", "text"),
    [
        (lambda e: e.emit(None), TypeError, "event name None"),
        (lambda e: e.emit("disconnect"), ValueError, '"disconnect" is a reserved'),
        (lambda e: e.emit("x", object()), TypeError, "object"),
        (lambda e: e.emit("x", lambda: 1), TypeError, "function"),
        (lambda e: e.emit("x", {1, 2}), TypeError, "set"),
        (lambda e: e.emit("x", *[b"1"] * 11), ValueError, "10"),
        (lambda e: e.to(("a", "b")), TypeError, r"room \('a', 'b'\)"),
        (lambda e: e.to(None), TypeError, "room None"),
        (lambda e: e.except_([b"a"]), TypeError, "room b'a'"),
        (lambda e: e.sockets_join(1.5), TypeError, "room 1.5"),
        (lambda e: e.server_side_emit("connection"), ValueError, '"connection" is a reserved'),
        (lambda e: e.server_side_emit("x", object()), TypeError, "object"),
        (lambda e: e.of("a,b"), ValueError, "namespace 'a,b'"),
        (lambda e: e.of(7), TypeError, "namespace 7"),
    ],
)
def test_what_can_t_be_sent_is_refused(redis: Redis, adapter: str, act, error, text: str):
    with pytest.raises(error, match=text):
        act(fastsio.Emitter(redis, adapter=adapter))
    assert redis.sent == []


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"adapter": "stream"}, ValueError, "adapter='stream': one of 'redis', 'sharded', 'streams'"),
        ({"key": "a", "adapter": "streams"}, ValueError, "key='a': adapter='streams' has stream_name"),
        ({"max_len": 5}, ValueError, "max_len=5: adapter='redis' has key"),
        ({"adapter": "sharded", "subscription_mode": "x"}, ValueError, "subscription_mode='x'"),
        ({"password": "p"}, TypeError, "password: for the connections to a URL"),
        ({"json": 7}, TypeError, "json=7"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["Emitter", "AsyncEmitter"])
def test_options_that_can_t_be_are_refused(kind: str, options, error, text: str):
    client = Redis() if kind == "Emitter" else AsyncRedis()
    with pytest.raises(error, match=text) as caught:
        getattr(fastsio, kind)(client, **options)
    assert "'p'" not in str(caught.value)


def test_clients_of_the_other_kind_are_refused():
    import redis

    with pytest.raises(TypeError, match=r"not redis\.asyncio's"):
        fastsio.Emitter(AsyncRedis())
    with pytest.raises(TypeError, match=r"not redis\.asyncio's"):
        fastsio.Emitter(redis.asyncio.Redis())
    with pytest.raises(TypeError, match=r"a client of redis\.asyncio"):
        fastsio.AsyncEmitter(Redis())
    with pytest.raises(TypeError, match=r"redis=None"):
        fastsio.Emitter(None)
    with pytest.raises(ValueError, match="Unsupported Redis URL scheme: localhost"):
        fastsio.Emitter("localhost")


@pytest.mark.parametrize("kind", ["Emitter", "AsyncEmitter"])
def test_urls_may_be_of_valkey_and_of_sentinels(kind: str):
    emitter = getattr(fastsio, kind)("valkey://localhost:7000", socket_timeout=1)
    settings = emitter._line.client.connection_pool.connection_kwargs
    assert (settings["port"], settings["socket_timeout"]) == (7000, 1)
    assert settings["retry"]._retries == 0
    emitter = getattr(fastsio, kind)("redis+sentinel://a:26379,b:26379/0/mine")
    pool = emitter._line.client.connection_pool
    assert pool.service_name == "mine"
    assert pool.connection_kwargs["retry"]._retries == 0


def test_a_missing_extra_is_named(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(ImportError, match=r"fastsio\[redis\]"):
        fastsio.Emitter()


def test_importing_fastsio_takes_no_redis():
    import subprocess
    import sys

    code = "import fastsio, sys; sys.exit(bool({'redis', 'msgspec'} & sys.modules.keys()))"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_pipeline_of_redis_py_takes_many_at_once():
    import redis

    pipeline = redis.Redis().pipeline(transaction=False)
    emitter = fastsio.Emitter(pipeline)
    emitter.emit("a")
    emitter.emit("b")
    assert len(pipeline) == 2


# --- AsyncEmitter ----------------------------------------------------------------------------


async def test_async_emits_are_sent_in_the_order_of_the_calls():
    redis = AsyncRedis()
    async with fastsio.AsyncEmitter(redis) as emitter:
        for n in range(5):
            emitter.emit("n", n)
        await emitter.of("/chat").emit("n", 5)
        emitter.to("room").emit("n", 6)
    assert [msgspec.msgpack.decode(payload)[1]["data"][1] for *_, payload in redis.sent] == [*range(7)]  # fmt: skip


async def test_async_emits_are_snapshots():
    redis = AsyncRedis()
    emitter = fastsio.AsyncEmitter(redis)
    value = {"n": 1}
    sent = emitter.emit("x", value)
    value["n"] = 2
    await sent
    assert payload_args(redis.sent[0], "redis") == ["x", {"n": 1}]


async def test_an_awaited_error_is_raised_and_the_next_emit_is_sent():
    redis = AsyncRedis()
    emitter = fastsio.AsyncEmitter(redis)
    redis.error = ConnectionError("away")
    with pytest.raises(ConnectionError, match="away"):
        await emitter.emit("x")
    redis.error = None
    await emitter.emit("y")
    assert len(redis.sent) == 1


async def test_an_error_that_nobody_awaits_is_told_by_the_loop():
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))
    redis = AsyncRedis()
    redis.error = ConnectionError("away")
    async with fastsio.AsyncEmitter(redis) as emitter:
        emitter.emit("x")
    await asyncio.sleep(0)
    assert [str(context["exception"]) for context in told] == ["away"]


async def test_async_emits_to_nobody_are_done_at_once():
    emitter = fastsio.AsyncEmitter(AsyncRedis())
    assert emitter.to([]).emit("x").done()


async def test_too_many_that_wait_are_refused():
    emitter = fastsio.AsyncEmitter(AsyncRedis())
    sent = [emitter.emit("x") for _ in range(10_000)]
    with pytest.raises(RuntimeError, match="10000 messages wait"):
        emitter.emit("x")
    await asyncio.gather(*sent)
    await emitter.emit("x")


async def test_a_caller_that_is_cancelled_keeps_nobody_else_from_sending():
    redis = AsyncRedis()
    emitter = fastsio.AsyncEmitter(redis)
    first, second = emitter.emit("a"), emitter.emit("b")
    first.cancel()
    await second
    assert len(redis.sent) == 2


async def test_what_is_not_sent_when_the_program_ends_is_cancelled():
    emitter = fastsio.AsyncEmitter(AsyncRedis())
    sent = emitter.emit("a")
    emitter._line._sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sent


def test_an_async_emitter_needs_a_loop():
    with pytest.raises(RuntimeError, match="no running event loop"):
        fastsio.AsyncEmitter(AsyncRedis()).emit("x")

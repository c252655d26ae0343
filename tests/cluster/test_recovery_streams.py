"""Clients that lose their connection to one server and come back to another, over a real Redis stream.

Two servers in this process, whose clients are fastsio.testing's; processes, Node's among them: test_recovery_nodes.py.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio
import redis.asyncio

import fastsio
from fastsio.adapters import RedisStreamsAdapter
from fastsio.adapters.recovery import in_flight as in_flight_module
from fastsio.adapters.recovery import stream as stream_module
from fastsio.exceptions import ConnectionRefusedError
from fastsio.testing import TestServer
from harness import until

from .servers import Redis

pytestmark = pytest.mark.asyncio(loop_factories=["uvloop"])


class App:
    """A server of the cluster, and what its listeners were told: (sid, what, detail)."""

    def __init__(self, url: str, recovery: dict[str, Any] | None = None, **options: Any) -> None:
        adapter_options = options.pop("adapter_options", {})
        self.url = url
        self.io = fastsio.IO(
            adapter=RedisStreamsAdapter(url, **adapter_options),
            connection_state_recovery={} if recovery is None else recovery, **options,
        )  # fmt: skip
        self.told: list[tuple[str, str, Any]] = []
        self.sockets: dict[str, Any] = {}
        self.io.on("connection", self.connected)
        self.server = TestServer(self.io)

    def connected(self, socket: Any) -> None:
        self.told.append((socket.id, "connect", socket.recovered))
        self.sockets[socket.id] = socket
        socket.on("disconnect", lambda why, *_: self.told.append((socket.id, "disconnect", why)))

    @property
    def recovery(self) -> Any:
        return self.io.hub.cluster.bus._recovery

    async def start(self) -> None:
        await self.server.__aenter__()
        await self.io.hub.cluster.ready()

    async def die(self) -> None:
        """Stop as kill -9 would, as far as Redis sees it: nothing more is written, no connection is left."""
        bus = self.io.hub.cluster.bus
        bus._recovery.keeper._calls._add = lambda commands: (
            asyncio.get_running_loop().create_future()
        )
        bus._link.queue.put = lambda *command, **how: None
        bus._reader._task.cancel()
        for task in bus._link._tasks:
            task.cancel()

    async def quiet(self) -> None:
        """All that was sent until now has come here."""
        await until(lambda: not self.io.hub.cluster.bus.is_behind, "it is sent", 10)
        # A connection of its own: the server's may be one to a Redis that was killed.
        async with redis.asyncio.Redis.from_url(self.url) as client:
            newest = await client.xrevrange("socket.io", count=1)
        position = (
            fastsio.adapters.recovery.sessions.position_of(newest[0][0].decode()) if newest else 0
        )
        await until(lambda: self.recovery.position >= position, "it has come", 10)
        await self.server.settle()


@pytest.fixture
def own_redis() -> Iterator[Redis]:
    redis = Redis()
    redis.start()
    yield redis
    redis.close()


@pytest_asyncio.fixture
async def apps(own_redis: Redis, request: pytest.FixtureRequest) -> AsyncIterator[list[App]]:
    options = getattr(request, "param", {})
    apps = [App(own_redis.url, **options) for _ in "ab"]
    for app in apps:
        await app.start()
    yield apps
    for app in reversed(apps):
        with contextlib.suppress(asyncio.CancelledError):
            await app.server.close()
    for app in apps:  # every accepted connect has its disconnect
        for sid in {sid for sid, _, _ in app.told}:
            kinds = [what for one, what, _ in app.told if one == sid]
            assert kinds == ["connect", "disconnect"] * (len(kinds) // 2), (sid, app.told)


def names(events: list[Any]) -> list[Any]:
    """What came, without the offsets: names, and for those with an argument (name, argument)."""
    return [(event.name, *event.args[:-1]) for event in events]


async def test_a_client_is_who_it_was_on_another_server_and_has_all_it_missed(apps):
    a, b = apps
    lost = await a.server.connect()
    socket = a.sockets[lost.sid]
    socket.join(["room", "other"])
    socket.data["name"] = "Änn"
    a.io.emit("first", 1)
    await lost.expect("first")
    await lost.drop()
    a.io.emit("to all", 2)
    a.io.to("room").emit("to room", b"\x01\x02")
    b.io.to(lost.sid).emit("to sid")
    b.io.to("elsewhere").emit("not for it")
    b.io.except_("room").emit("nor this")
    socket.emit("by its socket", {"a": [1]})
    await a.quiet()
    await b.quiet()
    client = await b.server.connect(auth=lost.recovery)
    assert (client.sid, client.pid) == (lost.sid, lost.pid)
    again = b.sockets[client.sid]
    assert again.recovered and again.rooms == {client.sid, "room", "other"}
    assert again.data == {"name": "Änn"}
    b.io.to("room").emit("later")
    await b.quiet()
    got = names(await client.received())
    assert sorted(got[:-1], key=str) == sorted(
        [("to all", 2), ("to room", b"\x01\x02"), ("to sid",), ("by its socket", {"a": [1]})], key=str
    )  # fmt: skip
    assert got[-1] == ("later",)


async def test_all_servers_clients_get_the_same_events_in_the_same_order_with_the_same_offsets(
    apps,
):
    a, b = apps
    clients = [await app.server.connect() for app in apps for _ in "12"]
    for n in range(100):
        a.io.emit("n", "a", n)
        b.io.emit("n", "b", n)
        if n % 10 == 0:
            await asyncio.sleep(0.001)
    await a.quiet()
    await b.quiet()
    got = [[event.args for event in await client.received()] for client in clients]
    assert len(got[0]) == 200 and all(one == got[0] for one in got)
    for who in "ab":
        assert [n for name, n, _ in got[0] if name == who] == list(range(100))
    offsets = [tuple(map(int, offset.split("-"))) for _, _, offset in got[0]]
    assert offsets == sorted(set(offsets))


async def test_what_is_sent_while_a_client_comes_back_is_neither_lost_nor_doubled(apps):
    a, b = apps
    sent = 0
    stop = asyncio.Event()

    async def keep_sending() -> None:
        nonlocal sent
        while not stop.is_set():
            for app in apps:
                app.io.emit("n", sent)
                sent += 1
            await asyncio.sleep(0.003)

    client = await a.server.connect()
    sending = asyncio.create_task(keep_sending())
    got: list[Any] = []
    for n in range(12):
        await asyncio.sleep(0.01)
        await client.drop()
        got += await client.received()
        where = apps[(n + 1) % 2]
        sid = client.sid
        client = await where.server.connect(auth=client.recovery)
        assert client.sid == sid
    stop.set()
    await sending
    await a.quiet()
    await b.quiet()
    got += await client.received()
    numbers = [event.args[0] for event in got]
    # Messages of two servers have no order among each other but the stream's.
    assert sorted(numbers) == list(range(sent))
    offsets = [tuple(map(int, event.args[1].split("-"))) for event in got]
    assert offsets == sorted(offsets)


@pytest.mark.fault(
    "a server is killed, with connection state recovery over Redis streams",
    "its clients are themselves on another server: rooms, data, and what they have missed, each once",
)
async def test_clients_of_a_server_that_is_killed_are_recovered(apps):
    a, b = apps
    lost = await a.server.connect()
    a.sockets[lost.sid].join("room")
    a.sockets[lost.sid].data = {"n": 1}
    a.io.emit("seen")
    await lost.expect("seen")
    await until(lambda: a.recovery.keeper._saved.get(lost.pid) is not None, "it is saved")
    await asyncio.sleep(0.6)  # so much later data is saved
    await a.die()
    b.io.to("room").emit("missed", 1)
    await b.quiet()
    client = await b.server.connect(auth=lost.recovery)
    assert client.sid == lost.sid
    assert b.sockets[client.sid].data == {"n": 1}
    assert names(await client.received()) == [("missed", 1)]
    await lost.drop()


@pytest.mark.fault(
    "a client is back on another server while its old one still thinks that it is there",
    "the old connection ends at once, its handlers are told, and it does not overwrite the session",
)
async def test_a_connection_that_seems_to_live_on_another_server_is_ended(apps):
    a, b = apps
    lost = await a.server.connect()
    a.io.emit("seen")
    await lost.expect("seen")
    await until(lambda: a.recovery.keeper._saved.get(lost.pid) is not None, "it is saved")
    client = await b.server.connect(auth=lost.recovery)
    assert client.sid == lost.sid and b.sockets[client.sid].recovered
    await until(lambda: not a.io.sockets.sockets, "the old one has gone")
    assert a.told[-1] == (lost.sid, "disconnect", "transport close")
    b.io.emit("once")
    await b.quiet()
    assert names(await client.received()) == [("once",)]
    b.sockets[client.sid].join("later")
    await client.drop()
    third = await a.server.connect(auth=client.recovery)
    assert third.sid == lost.sid and "later" in a.sockets[third.sid].rooms


async def test_a_client_that_was_lost_before_its_first_event_is_recovered(apps):
    a, b = apps
    a.io.emit("before")
    await a.quiet()
    await b.quiet()
    lost = await a.server.connect()
    await lost.drop()
    assert "offset" not in lost.recovery
    b.io.emit("missed")
    await b.quiet()
    client = await b.server.connect(auth=lost.recovery)
    assert client.sid == lost.sid and names(await client.received()) == [("missed",)]


async def test_of_a_room_it_gets_what_was_sent_after_it_joined(apps):
    a, b = apps
    lost = await a.server.connect()
    a.io.emit("seen")
    await lost.expect("seen")
    b.io.to("room").emit("too early")
    await b.quiet()
    await a.quiet()
    a.sockets[lost.sid].join("room")
    b.io.to("room").emit("in time")
    await b.quiet()
    await a.quiet()
    await lost.drop()  # without having read it, as far as its offset says
    client = await b.server.connect(auth={"pid": lost.pid, "offset": lost.recovery["offset"]})
    assert ("too early",) not in names(await client.received())


async def test_volatile_events_those_with_acks_and_latest_are_not_sent_again(apps):
    a, b = apps
    lost = await a.server.connect()
    a.io.emit("seen")
    await lost.expect("seen")
    await lost.drop()
    a.io.volatile.emit("volatile", "text")
    a.io.latest("key").emit("latest", "text")
    a.io.timeout(0.05).emit("asks", ack=lambda error, answers: None)
    a.io.emit("kept")
    await a.quiet()
    await b.quiet()
    client = await b.server.connect(auth=lost.recovery)
    assert names(await client.received()) == [("kept",)]


async def test_a_text_at_the_end_of_what_is_not_kept_is_no_offset(apps):
    a, _ = apps
    client = await a.server.connect()
    a.io.emit("seen")
    a.io.volatile.emit("volatile", "text")
    a.io.local.emit("local", "text")
    a.io.latest("key").emit("latest", "text")
    await a.quiet()
    got = {event.name: event.args for event in await client.received()}
    assert got["volatile"] == got["local"] == got["latest"] == ("text", None)
    assert got["seen"][0] == client.recovery["offset"]


@pytest.mark.parametrize("is_acked", [False, True])
async def test_order_holds_for_all_that_is_sent_to_one_client(apps, is_acked):
    a, _ = apps
    client = await a.server.connect()
    socket = a.sockets[client.sid]
    expected = []
    for n in range(10):
        a.io.emit("all", n)
        socket.emit("one", n)
        a.io.to(client.sid).volatile.emit("volatile", n)
        a.io.local.emit("local", n)
        expected += [("all", n), ("one", n), ("volatile", n), ("local", n)]
        if is_acked:
            socket.emit("ack", n, ack=lambda *answer: None)
            a.io.timeout(5).emit("acks", n, ack=lambda *answer: None)
            expected += [("ack", n), ("acks", n)]
    await a.quiet()
    got = [(event.name, event.args[0]) for event in await client.received()]
    assert got == expected


async def test_what_was_sent_before_a_disconnect_comes_before_it(apps):
    a, _ = apps
    client = await a.server.connect()
    a.io.emit("all")
    a.sockets[client.sid].emit("bye")
    a.sockets[client.sid].disconnect()
    assert [event.name for event in await client.received()] == ["all", "bye"]
    await a.quiet()
    other = await a.server.connect()
    a.io.emit("bye", 2)
    a.io.disconnect_sockets(close=True)
    await until(lambda: not a.io.sockets.sockets, "all have gone")
    assert [event.name for event in await other.received()] == ["bye"]
    assert a.told[-1] == (other.sid, "disconnect", "server namespace disconnect")


async def test_a_client_is_back_before_its_disconnect_handler_has_ended(own_redis: Redis):
    sio = fastsio.AsyncServer(
        adapter=RedisStreamsAdapter(own_redis.url), connection_state_recovery={}
    )
    may_end = asyncio.Event()
    told: list[tuple[str, str]] = []

    @sio.event
    async def connect(sid: str, environ: dict[str, Any], auth: Any) -> None:
        told.append(("connect", sid))
        if sio.is_recovered(sid):
            assert (await sio.get_session(sid))["name"] == "Ann"
        else:
            await sio.save_session(sid, {"name": "Ann"})

    @sio.event
    async def disconnect(sid: str, reason: str) -> None:
        told.append(("disconnect", sid))
        await may_end.wait()

    async with TestServer(sio) as server:
        await sio.hub.cluster.ready()
        lost = await server.connect()
        await sio.emit("seen")
        await lost.expect("seen")
        client = await comes_back_at_once(server, lost)
        assert client.sid == lost.sid
        assert told == [("connect", lost.sid), ("disconnect", lost.sid), ("connect", lost.sid)]
        may_end.set()
    assert told[-1] == ("disconnect", lost.sid) and len(told) == 4


async def comes_back_at_once(server: TestServer, lost: Any) -> Any:
    """A client whose connection ends, and whose handlers are still at work when it is back."""
    lost._wire.lose()
    await asyncio.sleep(0.05)
    return await server.connect(auth=lost.recovery)


async def test_who_leaves_does_not_come_back(apps):
    a, b = apps
    client = await a.server.connect()
    a.io.emit("seen")
    await client.expect("seen")
    await until(lambda: a.recovery.keeper._saved.get(client.pid) is not None, "it is saved")
    a.sockets[client.sid].disconnect()
    assert (await b.server.connect(auth=client.recovery)).sid != client.sid


async def test_of_many_who_come_back_as_one_client_one_stays(apps):
    lost = await apps[0].server.connect()
    apps[0].io.emit("seen")
    await lost.expect("seen")
    await lost.drop()
    clients = await asyncio.gather(
        *(app.server.connect(auth=lost.recovery) for app in apps for _ in "123")
    )
    assert lost.sid in [client.sid for client in clients]

    def living() -> int:
        return sum(lost.sid in app.io.sockets.sockets for app in apps)

    await until(lambda: living() == 1, "the last one has taken over")
    assert len({client.pid for client in clients} - {lost.pid}) >= 3


async def test_who_is_refused_when_it_is_back_may_try_again_but_no_longer_than_before(apps):
    a, b = apps
    refuses = True

    @b.io.use
    async def guard(socket: Any) -> None:
        await asyncio.sleep(0)
        if refuses:
            raise ConnectionRefusedError("not now")

    for app in apps:
        app.io.sockets.recovery._skips_middlewares = False
    lost = await a.server.connect()
    a.io.emit("seen")
    await lost.expect("seen")
    await lost.drop()
    with pytest.raises(Exception, match="not now"):
        await b.server.connect(auth=lost.recovery)
    left_ms = await b.io.hub.cluster.bus._link.client.pttl(f"sio:session:{lost.pid}")
    assert 0 < left_ms <= 120_000
    refuses = False
    assert (await b.server.connect(auth=lost.recovery)).sid == lost.sid


async def test_namespaces_are_recovered_each_by_itself(apps):
    a, b = apps
    for app in apps:
        app.io.of("/chat").on("connection", app.connected)
    lost = await a.server.connect("/chat")
    a.io.of("/chat").emit("seen")
    await lost.expect("seen")
    await lost.drop()
    a.io.emit("other namespace")
    a.io.of("/chat").emit("missed")
    await a.quiet()
    await b.quiet()
    client = await b.server.connect("/chat", auth=lost.recovery)
    assert client.sid == lost.sid and names(await client.received()) == [("missed",)]


async def test_a_server_that_began_later_reads_what_was_missed_from_the_stream(
    apps, own_redis: Redis, monkeypatch
):
    monkeypatch.setattr(stream_module, "PAGE", 7)
    a, _ = apps
    lost = await a.server.connect()
    a.sockets[lost.sid].join("room")
    a.io.emit("seen")
    await lost.expect("seen")
    await lost.drop()
    for n in range(50):
        a.io.emit("n", n)
        a.io.to("nobody").emit("x", n)
        a.io.of("/other").emit("y", n)
        a.io.to("room").volatile.emit("v", n)
    await a.quiet()
    late = App(own_redis.url)
    await late.start()
    for n in range(50, 60):
        a.io.emit("n", n)
    await late.quiet()
    client = await late.server.connect(auth=lost.recovery)
    assert client.sid == lost.sid
    assert names(await client.received()) == [("n", n) for n in range(60)]
    await late.server.close()


@pytest.mark.fault(
    "what a client has missed is in the Redis stream no longer (maxlen)", "it is somebody new"
)
@pytest.mark.parametrize("apps", [{"adapter_options": {"max_len": 10}}], indirect=True)
async def test_what_the_stream_has_no_longer_cannot_be_recovered(apps, own_redis: Redis):
    a, _ = apps
    lost = await a.server.connect()
    a.io.emit("seen")
    await lost.expect("seen")
    await lost.drop()
    for n in range(500):
        a.io.emit("n", n)
    await a.quiet()
    late = App(own_redis.url)
    await late.start()
    client = await late.server.connect(auth=lost.recovery)
    assert client.sid != lost.sid and not late.sockets[client.sid].recovered
    await late.server.close()


@pytest.mark.parametrize("apps", [{"recovery": {"max_disconnection_duration": 0.3}}], indirect=True)
async def test_sessions_expire_in_redis_but_not_while_their_clients_are_there(apps):
    a, b = apps
    lost = await a.server.connect()
    a.io.emit("seen")
    await lost.expect("seen")
    client = a.io.hub.cluster.bus._link.client
    await asyncio.sleep(1)
    assert await client.exists(f"sio:session:{lost.pid}")
    await lost.drop()
    await asyncio.sleep(0.5)
    assert not await client.exists(f"sio:session:{lost.pid}")
    assert (await b.server.connect(auth=lost.recovery)).sid != lost.sid


PID = "A" * 20


def packed(**told: Any) -> bytes:
    told = {"sid": "s" * 20, "pid": PID, "rooms": [], "data": {}, **told}
    return base64.b64encode(msgspec.msgpack.encode(told))


HOSTILE = {
    "no Base64": b"%%%",
    "empty": b"",
    "no MessagePack": base64.b64encode(b"\xc1"),
    "nested": base64.b64encode(b"\x91" * 100_000),
    "no map": base64.b64encode(b"\x90"),
    "another pid": packed(pid="B" * 20),
    "sid is no text": packed(sid=7),
    "sid is empty": packed(sid=""),
    "rooms is a text": packed(rooms="room"),
    "rooms is none": packed(rooms=None),
    "a room is a map": packed(rooms=[{}]),
    "data is a list": packed(data=[1]),
    "since is no entry": packed(since="yesterday"),
    "since is a number": packed(since=17),
    "joined is too short": packed(rooms=["a"], joined=[]),
    "joined is no list": packed(rooms=["a"], joined="1-1"),
}


@pytest.mark.fault(
    "what stands in Redis in the place of a client's session is none",
    "the client is somebody new, and one line in the log says why",
)
@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE)
async def test_what_is_no_session_ends_in_a_fresh_one(one_app, raw: bytes, caplog):
    await one_app.io.hub.cluster.bus._link.client.set(f"sio:session:{PID}", raw)
    one_app.io.emit("seen")
    await one_app.quiet()
    offset = fastsio.adapters.recovery.sessions.entry_at(one_app.recovery.position)
    caplog.clear()
    client = await one_app.server.connect(auth={"pid": PID, "offset": offset})
    assert client.pid != PID and not one_app.sockets[client.sid].recovered
    records = [one for one in caplog.records if one.levelno >= logging.WARNING]
    assert len(records) == 1 and "can't be recovered" in records[0].message
    one_app.io.emit("works")
    await client.expect("works")


async def test_a_key_of_another_type_ends_in_a_fresh_session(one_app, caplog):
    await one_app.io.hub.cluster.bus._link.client.lpush(f"sio:session:{PID}", b"x")
    client = await one_app.server.connect(auth={"pid": PID, "offset": "1-1"})
    assert client.pid != PID and "can't be recovered" in caplog.text


@pytest.mark.parametrize("pid", ["", "x" * 65, "a b", "../..", "ä" * 20, PID])
@pytest.mark.parametrize("offset", [None, "", "abc", "1-", "-1", "1-1-1", "9" * 40 + "-1", "1-1"])
async def test_a_wrong_pid_or_offset_ends_in_a_fresh_session(one_app, pid: str, offset: Any):
    auth = {"pid": pid} if offset is None else {"pid": pid, "offset": offset}
    client = await one_app.server.connect(auth=auth)
    assert client.pid not in (pid, None) and not one_app.sockets[client.sid].recovered


async def test_the_sid_of_somebody_else_is_not_taken(one_app):
    other = await one_app.server.connect()
    one_app.io.emit("seen")
    await other.expect("seen")
    redis_client = one_app.io.hub.cluster.bus._link.client
    await redis_client.set(f"sio:session:{PID}", packed(sid=other.sid))
    client = await one_app.server.connect(auth={**other.recovery, "pid": PID})
    assert client.sid != other.sid


@pytest_asyncio.fixture
async def one_app(redis: Redis) -> AsyncIterator[App]:
    app = App(redis.url)
    await app.start()
    yield app
    await app.server.close()


@pytest.mark.fault(
    "Redis can't be reached when a client comes back to another server",
    "it is somebody new, within five seconds, and not kept waiting",
)
@pytest.mark.parametrize("is_silent", [False, True])
async def test_a_client_that_comes_back_while_redis_is_away_is_somebody_new(
    apps, own_redis: Redis, is_silent: bool, monkeypatch, caplog
):
    monkeypatch.setattr(stream_module, "RESTORE_S", 0.5)
    monkeypatch.setattr(in_flight_module, "LATE_S", 0.2)
    a, b = apps
    lost = await a.server.connect()
    a.io.emit("seen")
    await lost.expect("seen")
    await lost.drop()
    await a.quiet()
    own_redis.pause() if is_silent else own_redis.stop(kill=True)
    client = await asyncio.wait_for(b.server.connect(auth=lost.recovery), 5)
    assert client.sid != lost.sid
    assert caplog.text.count("can't be recovered") == 1
    b.io.emit("own clients are served")
    await client.expect("own clients are served", timeout=5)
    own_redis.go_on() if is_silent else own_redis.start()


@pytest.mark.fault(
    "Redis is away while a server sends, with connection state recovery over streams",
    "its own clients get it at most five seconds later, those of others when Redis is back, in order",
)
async def test_what_is_sent_while_redis_is_away_comes_once_and_in_order(
    apps, own_redis: Redis, monkeypatch
):
    monkeypatch.setattr(in_flight_module, "LATE_S", 0.3)
    a, b = apps
    here, there = await a.server.connect(), await b.server.connect()
    own_redis.stop(kill=True)
    for n in range(50):
        a.io.emit("n", n)
    for n in range(50):
        assert (await here.expect("n", timeout=5)).args[0] == n
    a.io.emit("n", 50)
    assert (await here.expect("n", timeout=1)).args[0] == 50
    own_redis.start()
    for n in range(51):
        assert (await there.expect("n", timeout=20)).args[0] == n
    a.io.emit("n", 51)
    await a.quiet()
    assert [event.args[0] for event in await here.received()] == [51]
    assert not a.recovery.in_flight.is_ahead


async def test_data_that_cannot_be_saved_is_logged_and_its_client_somebody_new(apps, caplog):
    a, b = apps
    lost = await a.server.connect()
    a.io.emit("seen")
    await lost.expect("seen")
    a.sockets[lost.sid].data["lock"] = object()
    await lost.drop()
    await a.quiet()
    assert "can't come back" in caplog.text
    client = await b.server.connect(auth=lost.recovery)
    assert client.sid != lost.sid or b.sockets[client.sid].data == {}


async def test_events_that_are_written_twice_come_once(apps):
    a, b = apps
    client = await b.server.connect()
    redis_client = b.io.hub.cluster.bus._link.client
    a.io.emit("n", 1)
    await a.quiet()
    (entry,) = await redis_client.xrevrange("socket.io", count=1)
    await redis_client.xadd("socket.io", entry[1])
    a.io.emit("n", 2)
    await a.quiet()
    await b.quiet()
    assert names(await client.received()) == [("n", 1), ("n", 2)]


async def test_joins_and_leaves_of_many_keep_their_place_among_the_events(apps):
    a, b = apps
    clients = [await app.server.connect() for app in apps]
    a.io.sockets_join("room")
    a.io.to("room").emit("in")
    a.io.sockets_leave("room")
    a.io.to("room").emit("out")
    a.io.emit("end")
    await a.quiet()
    await b.quiet()
    for client in clients:
        assert names(await client.received()) == [("in",), ("end",)]


async def test_what_other_threads_send_comes_in_order_too(apps):
    a, b = apps
    client = await a.server.connect()
    socket = a.sockets[client.sid]

    def send() -> None:
        for n in range(20):
            a.io.emit("all", n)
            socket.emit("one", n)
            socket.data["n"] = n

    await asyncio.to_thread(send)
    await a.server.settle()
    await a.quiet()
    got = names(await client.received())
    assert got == [(name, n) for n in range(20) for name in ("all", "one")]
    await client.drop()
    again = await b.server.connect(auth=client.recovery)
    assert b.sockets[again.sid].data == {"n": 19}


@pytest.mark.parametrize("is_back", [False, True])
async def test_what_is_sent_while_a_client_is_asked_about_comes_once(apps, is_back: bool):
    a, b = apps
    asked, may_go = asyncio.Event(), asyncio.Event()
    lost = await a.server.connect()
    a.io.emit("seen")
    await lost.expect("seen")
    await lost.drop()
    await b.quiet()

    @b.io.use
    async def guard(socket: Any) -> None:
        asked.set()
        await may_go.wait()

    b.io.sockets.recovery._skips_middlewares = False
    coming = asyncio.create_task(b.server.connect(auth=lost.recovery if is_back else None))
    await asked.wait()
    before = b.recovery.position
    a.io.emit("meanwhile")
    await until(lambda: b.recovery.position > before, "it is there", 10)
    may_go.set()
    client = await coming
    a.io.emit("later")
    await a.quiet()
    await b.quiet()
    assert (client.sid == lost.sid) == is_back
    assert names(await client.received()) == [("meanwhile",), ("later",)]

"""ClusterAdapter over a bus in memory: two servers in one process behave as one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

import fastsio
from fastsio._json import DEFAULT_JSON
from fastsio.adapters import MemoryHub
from fastsio.adapters.protocol import wire
from fastsio.adapters.protocol.messages import Kind, Message
from fastsio.core.errors import ClientGoneError, PartialAnswersError
from fastsio.testing import TestServer


class Pair:
    """Two servers of one cluster, each with clients of its own."""

    def __init__(self, **options: object) -> None:
        self.hub = MemoryHub()
        self.ios = [fastsio.IO(adapter=self.hub.bus(), **options) for _ in "ab"]
        self.a, self.b = self.ios
        self.servers = [TestServer(io) for io in self.ios]

    async def start(self) -> None:
        for server in self.servers:
            await server.__aenter__()
        for io in self.ios:
            await io.hub.cluster.ready()
        await self.settle()

    async def settle(self) -> None:
        for _ in range(2):
            for server in self.servers:
                await server.settle()

    async def close(self) -> None:
        for server in reversed(self.servers):
            await server.close()


@pytest_asyncio.fixture
async def pair() -> AsyncIterator[Pair]:
    pair = Pair()
    await pair.start()
    yield pair
    await pair.close()


async def test_a_broadcast_reaches_the_clients_of_both_servers_once(pair):
    here, there = await pair.servers[0].connect(), await pair.servers[1].connect()
    pair.a.emit("news", {"n": 1}, b"\x01")
    await pair.settle()
    for client in (here, there):
        assert [event.args for event in await client.received()] == [({"n": 1}, b"\x01")]


async def test_a_room_spans_servers_and_those_left_out_are_left_out_everywhere(pair):
    @pair.a.on("connection")
    @pair.b.on("connection")
    def connection(socket):
        @socket.on("join")
        def join(*rooms):
            socket.join(list(rooms))

    clients = [await server.connect() for server in pair.servers for _ in "12"]
    for client, rooms in zip(clients, (["x"], ["x", "y"], ["x"], ["x", "y"]), strict=True):
        await client.emit("join", *rooms)
    pair.a.to("x").except_("y").emit("to x")
    await pair.settle()
    pair.b.to(["x", "y"]).emit("to both")
    pair.a.to([]).emit("to nobody")
    await pair.settle()
    got = [[event.name for event in await client.received()] for client in clients]
    assert got == [["to x", "to both"], ["to both"], ["to x", "to both"], ["to both"]]


async def test_packets_of_one_server_keep_their_order_on_the_other(pair):
    there = await pair.servers[1].connect()
    for n in range(20):
        pair.a.emit("n", n)
    pair.a.to(there.sid).emit("n", 20)
    pair.a.emit("n", 21, ack=lambda error, answers: None)
    pair.a.emit("n", 22)
    await pair.settle()
    assert [event.args[0] for event in await there.received()] == list(range(23))


async def test_local_stays_here(pair):
    here, there = await pair.servers[0].connect(), await pair.servers[1].connect()
    pair.a.local.emit("here")
    assert len(await pair.a.local.fetch_sockets()) == 1
    await pair.settle()
    assert [event.name for event in await here.received()] == ["here"]
    assert await there.nothing()


async def test_answers_come_from_both_servers(pair):
    clients = [await server.connect() for server in pair.servers for _ in "12"]
    for number, client in enumerate(clients):
        client.on("question", lambda number=number: number)
    assert sorted(await pair.a.timeout(1).emit_with_ack("question")) == [0, 1, 2, 3]


async def test_an_answer_of_several_values_is_a_tuple_wherever_the_client_is(pair):
    there = await pair.servers[1].connect()
    asked = asyncio.ensure_future(pair.a.timeout(1).emit_with_ack("question"))
    await (await there.expect("question")).answer(1, [2])
    assert await asked == [(1, [2])]


async def test_a_client_elsewhere_that_goes_is_not_waited_for(pair):
    stays, goes = await pair.servers[0].connect(), await pair.servers[1].connect()
    stays.on("question", lambda: "stays")
    asked = asyncio.ensure_future(pair.a.emit_with_ack("question"))
    await goes.expect("question")
    await goes.disconnect()
    await pair.settle()
    assert await asyncio.wait_for(asked, 1) == ["stays"]


async def test_a_server_that_dies_is_not_waited_for(pair):
    stays, dies = await pair.servers[0].connect(), await pair.servers[1].connect()
    stays.on("question", lambda: "stays")
    asked = asyncio.ensure_future(pair.a.emit_with_ack("question"))
    await dies.expect("question")
    cluster = pair.a.hub.cluster
    cluster.members.expire(cluster.loop.time() + 11)
    assert await asyncio.wait_for(asked, 1) == ["stays"]
    assert cluster.requests == {}


async def test_answers_that_do_not_come_in_time_leave_those_that_came(pair):
    answers, _silent = await pair.servers[0].connect(), await pair.servers[1].connect()
    answers.on("question", lambda: "yes")
    with pytest.raises(PartialAnswersError) as caught:
        await pair.a.timeout(0.05).emit_with_ack("question")
    assert caught.value.responses == ["yes"]
    await pair.settle()
    assert pair.a.hub.cluster.requests == {}


async def test_fetch_sockets_shows_those_elsewhere_and_reaches_them(pair):
    await pair.servers[0].connect()
    there = await pair.servers[1].connect(auth={"name": "Bob"}, headers={"X-Some": "1"})
    pair.b.sockets.sockets[there.sid].data["score"] = 7
    found = {socket.id: socket for socket in await pair.a.fetch_sockets()}
    assert len(found) == 2
    remote = found[there.sid]
    assert remote.data == {"score": 7}
    assert remote.handshake.auth == {"name": "Bob"}
    assert remote.handshake.headers["x-some"] == "1"
    assert remote.rooms == {there.sid}

    there.on("question", lambda: "fine")
    assert await remote.timeout(1).emit_with_ack("question") == "fine"
    remote.join("club")
    await pair.settle()
    assert [one.id for one in await pair.a.in_("club").fetch_sockets()] == [there.sid]
    remote.leave("club")
    remote.disconnect()
    await pair.settle()
    assert there.disconnect_reason == "io server disconnect"
    assert await pair.a.in_("club").fetch_sockets() == []
    with pytest.raises(ClientGoneError):
        await remote.emit_with_ack("question")


async def test_join_leave_and_disconnect_are_done_on_both_servers(pair):
    clients = [await server.connect() for server in pair.servers]
    pair.a.sockets_join(["x", "y"])
    await pair.settle()
    assert len(await pair.b.in_("x").fetch_sockets()) == 2
    pair.b.in_("x").sockets_leave("x")
    await pair.settle()
    assert await pair.a.in_("x").fetch_sockets() == []
    pair.a.in_("y").disconnect_sockets()
    await pair.settle()
    assert [client.disconnect_reason for client in clients] == ["io server disconnect"] * 2


async def test_servers_hear_each_others_events_and_answer(pair):
    heard = []
    pair.a.on("sum", lambda *numbers: heard.append("a"))

    @pair.b.on("sum")
    async def total(*numbers):
        heard.append("b")
        return sum(numbers)

    pair.a.server_side_emit("sum", 1, 2)
    assert await pair.a.server_side_emit_with_ack("sum", 1, 2) == [3]
    await pair.settle()
    assert heard == ["b", "b"]
    answers = []
    pair.b.server_side_emit("sum", 4, ack=lambda error, values: answers.append((error, values)))
    await pair.settle()
    assert answers == [(None, [None])]


async def test_a_server_event_can_be_answered_by_calling_ack(pair):
    @pair.b.on("ask")
    def ask(what, ack):
        ack(f"{what}!", "dropped: Node takes one value")
        ack("second")

    assert await pair.a.server_side_emit_with_ack("ask", "x") == ["x!"]


async def test_server_count_is_how_many_there_are(pair):
    assert pair.a.sockets.adapter.server_count() == 2
    await pair.servers[1].close()
    await pair.servers[0].settle()
    assert pair.a.sockets.adapter.server_count() == 1
    assert pair.a.hub.cluster.members.alive == {}


async def test_a_silent_server_is_forgotten_after_the_heartbeat_timeout(pair):
    cluster = pair.a.hub.cluster
    cluster.members.expire(cluster.loop.time() + 9)
    assert pair.a.sockets.adapter.server_count() == 2
    cluster.members.expire(cluster.loop.time() + 11)
    assert pair.a.sockets.adapter.server_count() == 1


async def test_namespaces_are_apart_and_one_that_a_server_lacks_is_nobody_there(pair):
    pair.a.of("/chat")
    here, there = await pair.servers[0].connect("/chat"), await pair.servers[1].connect()
    here.on("question", lambda: 1)
    pair.a.of("/chat").emit("hello")
    assert await pair.a.of("/chat").timeout(1).emit_with_ack("question") == [1]
    assert len(await pair.a.of("/chat").fetch_sockets()) == 1
    await pair.settle()
    assert await there.nothing()
    assert pair.b.hub.get("/chat") is None


async def test_the_newest_of_a_key_is_that_elsewhere_too(pair):
    there = await pair.servers[1].connect()
    pair.a.latest("price").emit("price", 1)
    pair.a.latest("price").emit("price", 2)
    await pair.settle()
    assert [event.args for event in await there.received()][-1] == (2,)


async def test_pythons_style_reaches_rooms_and_calls_back_from_anywhere():
    hub = MemoryHub()
    sios = [fastsio.AsyncServer(adapter=hub.bus()) for _ in "ab"]
    async with TestServer(sios[0]) as a, TestServer(sios[1]) as b:
        for sio in sios:
            await sio.hub.cluster.ready()
        there = await b.connect()
        await a.connect()
        await sios[0].emit("x", 1, to=there.sid)
        assert (await there.expect("x")).data == 1
        there.on("question", lambda: ("a", "b"))
        called = []
        await sios[0].emit("question", to=there.sid, callback=lambda *values: called.append(values))
        for server in (b, a, b, a):
            await server.settle()
        assert called == [("a", "b")]
        await sios[0].emit("left out", skip_sid=there.sid)
        await a.settle()
        await b.settle()
        assert [event.name for event in await there.received()] == []


async def test_clients_that_come_back_miss_nothing_that_came_from_elsewhere():
    pair = Pair(connection_state_recovery={})
    await pair.start()
    there = await pair.servers[1].connect()
    pair.a.emit("before", 1)
    await pair.settle()
    assert (await there.expect("before")).args[0] == 1
    await there.drop()
    pair.a.emit("missed", 2)
    await pair.settle()
    back = await pair.servers[1].connect(auth=there.recovery)
    assert (await back.expect("missed")).args[0] == 2
    assert back.sid == there.sid
    await pair.close()


@pytest.mark.fault("another server's message nested too deeply", "ValueError, which buses log")
@pytest.mark.parametrize("data", [b"\x91" * 100_000, b'{"a":' + b"[" * 100_000])
def test_a_message_that_is_too_deep_is_a_wrong_one(data):
    with pytest.raises(ValueError, match=r"nested|depth"):
        wire.decode(data, DEFAULT_JSON)


@pytest.mark.fault("another server's message that is none", "logged; the server serves on")
@pytest.mark.parametrize(
    "message",
    [
        Message(Kind.SERVER_SIDE_EMIT, "other", "/", {"packet": []}),
        Message(Kind.HEARTBEAT, [], "/"),  # type: ignore[arg-type]
        Message(Kind.ADAPTER_CLOSE, {}, "/"),  # type: ignore[arg-type]
    ],
)
async def test_what_the_fuzzer_found_is_logged_and_nothing_else(pair, message, caplog):
    pair.a.on("news", lambda *args: None)
    pair.a.hub.cluster.receive(message)
    assert caplog.text.count("is no message") == 1
    client = await pair.servers[1].connect()
    pair.a.emit("still", "here")
    await pair.settle()
    assert [event.args for event in await client.received()] == [("here",)]


async def test_what_is_no_message_is_logged_and_nothing_else(pair, caplog):
    there = await pair.servers[1].connect()
    cluster = pair.b.hub.cluster
    for message in (
        Message(Kind.BROADCAST, "f" * 16, "/", {"opts": 5}, ["x"]),
        Message(Kind.BROADCAST, "f" * 16, "/", {"opts": {"rooms": [{}]}}, ["x"]),
        Message(Kind.SOCKETS_JOIN, "f" * 16, "/", {}),
        Message(Kind.SERVER_SIDE_EMIT, "f" * 16, "/", {}),
    ):
        cluster.receive(message)
    assert cluster.broken.count == 4
    assert caplog.text.count("is no message") == 3  # two were broadcasts: a flood has few lines
    pair.a.emit("still")
    await pair.settle()
    assert [event.name for event in await there.received()] == ["still"]


async def test_what_is_in_a_message_that_is_none_is_not_in_the_log(pair, caplog):
    caplog.set_level("DEBUG")
    cluster = pair.b.hub.cluster
    opts = {"rooms": [{"secret": "secret"}]}
    cluster.receive(Message(Kind.BROADCAST, "line\nbreak", "/", {"opts": opts}, ["secret"]))
    cluster.receive(Message(Kind.SOCKETS_JOIN, "x", "/", {"secret": "secret" * 1000}))
    cluster.broken.bytes_came(b"socket.io#/#", 77, ValueError("secret"))
    assert "secret" not in caplog.text
    assert "BROADCAST of server line\\nbreak in /" in caplog.text
    assert "SOCKETS_JOIN of server x in / is no message: 60" in caplog.text
    assert "on socket.io#/#: 77 bytes (ValueError)" in caplog.text


async def test_a_server_without_the_namespace_answers_for_it(pair):
    only_here = pair.a.of("/only-here")
    assert await only_here.server_side_emit_with_ack("x") == [None]
    assert await only_here.timeout(1).emit_with_ack("x") == []
    assert await only_here.fetch_sockets() == []


async def test_other_servers_messages_make_no_namespace_here(pair):
    for io in pair.ios:
        io.of("/room-{n:int}").on("connection", lambda socket: None)
    there = await pair.servers[1].connect(namespace="/room-1")
    for n in range(3):
        pair.a.of(f"/room-{n}").emit("into", n)
        pair.a.of(f"/room-{n}").in_("x").sockets_join("y")
    await pair.settle()
    assert [event.args for event in await there.received()] == [(1,)]
    assert set(pair.b.hub.namespaces) == {"/", "/room-1"}


async def test_its_own_messages_that_come_back_are_nothing(pair):
    here = await pair.servers[0].connect()
    cluster = pair.a.hub.cluster
    cluster.receive(Message(Kind.BROADCAST, cluster.uid, "/", {}, ["twice"]))
    await pair.settle()
    assert await here.nothing()


def test_a_bus_is_for_one_server_and_an_adapter_must_be_one():
    bus = MemoryHub().bus()
    fastsio.IO(adapter=bus)
    with pytest.raises(RuntimeError, match="each its own"):
        fastsio.IO(adapter=bus)
    with pytest.raises(ValueError, match="adapter='redis'"):
        fastsio.IO(adapter="redis")
    with pytest.raises(RuntimeError, match="no server's adapter"):
        _ = MemoryHub().bus().cluster

"""Presence over a bus in memory: what each server knows of the others' clients, whatever gets lost on the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

import fastsio
from fastsio.adapters import MemoryHub
from fastsio.adapters.memory import MemoryBus
from fastsio.adapters.presence.state import MAX_SIDS, Replica, Server, in_parts, mark
from fastsio.adapters.protocol.messages import Kind, Message
from fastsio.testing import TestServer
from harness import until


class LossyBus(MemoryBus):
    """A bus in memory with presence, quick heartbeats, and messages that can be lost."""

    presence = True
    presence_interval = 0.05
    heartbeat_timeout = 0.3

    loses: Callable[[Message], bool] = staticmethod(lambda message: False)

    def _deliver(self, message: Message) -> None:
        if not self.loses(message):
            super()._deliver(message)


class Servers:
    """Some servers of one cluster, each with its clients."""

    def __init__(self, count: int, **options: Any) -> None:
        self.hub = MemoryHub()
        self.buses = [LossyBus(self.hub) for _ in range(count)]
        self.ios = [fastsio.IO(adapter=bus, **options) for bus in self.buses]
        self.servers = [TestServer(io) for io in self.ios]
        for io in self.ios:
            io.on("connection", self._connection)

    def _connection(self, socket: Any) -> None:
        socket.on("join", lambda *rooms: socket.join(list(rooms)))
        socket.on("leave", lambda *rooms: socket.leave(list(rooms)))

    async def start(self) -> Servers:
        for server in self.servers:
            await server.__aenter__()
        for io in self.ios:
            await io.bus.ready()
        return self

    async def close(self) -> None:
        for server in reversed(self.servers):
            await server.close()

    async def equal(self) -> None:
        """Wait until each server knows the same, and that is what is there."""
        await until(
            lambda: all(self.view(io) == self.truth() for io in self.ios), "all are equal", 10
        )

    def truth(self) -> set[tuple[str, Any, str]]:
        return {one for io in self.ios for one in memberships(io)}

    def view(self, io: Any) -> set[tuple[str, Any, str]]:
        presence = io.hub.cluster.presence
        found = memberships(io)
        for server in presence._living():
            for nsp, places in server.state.places.items():
                found |= {(nsp, None, sid) for sid in places.sids}
                found |= {(nsp, room, sid) for room, sids in places.rooms.items() for sid in sids}
        return found


def memberships(io: Any) -> set[tuple[str, Any, str]]:
    found = set()
    for name, namespace in io.hub.namespaces.items():
        found |= {(name, None, sid) for sid in namespace.sockets}
        found |= {(name, room, sid) for room, sids in namespace.rooms.items() for sid in sids}
    return found


@pytest_asyncio.fixture
async def three() -> AsyncIterator[Servers]:
    servers = await Servers(3).start()
    yield servers
    await servers.close()


async def test_each_server_answers_for_all_of_them(three):
    clients = [await server.connect() for server in three.servers for _ in "12"]
    for client, rooms in zip(clients, (["x"], ["x", "y"], ["x"], [], ["y"], [7]), strict=True):
        await client.emit("join", *rooms)
    await three.equal()
    for io in three.ios:
        assert await io.count() == 6
        assert await io.count("x") == 3
        assert await io.count(["x", "y"]) == 4
        assert await io.members("y") == {clients[1].sid, clients[4].sid}
        assert await io.members() == {client.sid for client in clients}
        assert await io.rooms() == await io.of("/").all_rooms() == {"x", "y", 7}
        assert await io.count("nobody's") == 0
        assert await io.members(clients[4].sid) == {clients[4].sid}
        assert await io.count(clients[0].sid) == 1
        assert await io.of("/other").count() == 0


async def test_who_leaves_a_room_or_goes_is_in_it_no_longer(three):
    stays, leaves, goes = [await server.connect() for server in three.servers]
    for client in (stays, leaves, goes):
        await client.emit("join", "x", "y")
    await three.equal()
    await leaves.emit("leave", "x")
    await goes.disconnect()
    await three.equal()
    for io in three.ios:
        assert await io.members("x") == {stays.sid}
        assert await io.members("y") == {stays.sid, leaves.sid}
        assert await io.count() == 2
    three.ios[0].sockets_leave(["x", "y"])
    await three.equal()
    assert [await io.rooms() for io in three.ios] == [set()] * 3


async def test_namespaces_are_apart(three):
    for io in three.ios:
        io.of("/chat")
    await three.servers[0].connect("/chat")
    await three.servers[1].connect()
    await three.equal()
    assert [await io.of("/chat").count() for io in three.ios] == [1, 1, 1]
    assert [await io.count() for io in three.ios] == [1, 1, 1]


@pytest.mark.parametrize("what", ["change", "state", "beat", "hello", "ask"])
@pytest.mark.fault(
    "messages of presence between servers are lost, of whatever kind",
    "the servers know the same again a few heartbeats after messages get through",
)
async def test_whatever_is_lost_all_become_equal(three, what):
    clients = [await server.connect() for server in three.servers for _ in "12"]
    lost = []

    def loses(message: Message) -> bool:
        is_lost = message.kind == Kind.PRESENCE and message.data["what"] == what
        lost.append(is_lost)
        return is_lost

    for bus in three.buses:
        bus.loses = loses
    for client in clients:
        await client.emit("join", "x", f"own {client.sid}")
    await asyncio.sleep(0.1)
    await clients[0].disconnect()
    await asyncio.sleep(0.1)
    for bus in three.buses:
        bus.loses = lambda message: False
    await three.equal()
    assert any(lost) or what in ("state", "hello", "ask")


@pytest.mark.fault(
    "a server dies without a word",
    "its clients are counted no longer than one heartbeat time-out",
)
async def test_the_clients_of_a_dead_server_go_within_the_timeout(three):
    for server in three.servers:
        await server.connect()
    await three.equal()
    a, dies = three.ios[0], three.buses[2]
    three.hub.buses.remove(dies)  # it neither hears nor is heard
    dies.publish = dies.respond = lambda *args: None
    assert await a.count() == 3
    await asyncio.sleep(dies.heartbeat_timeout + 0.02)
    assert await a.count() == 2 == len(await a.members())


async def test_a_server_that_ends_is_forgotten_at_once(three):
    for server in three.servers:
        await server.connect()
    await three.equal()
    await three.servers[2].close()
    for server in three.servers[:2]:
        await server.settle()
    assert [await io.count() for io in three.ios[:2]] == [2, 2]


async def test_a_server_that_comes_later_is_told_what_is_there(three):
    clients = [await server.connect() for server in three.servers]
    for client in clients:
        await client.emit("join", "x")
    await three.equal()
    late = fastsio.IO(adapter=LossyBus(three.hub))
    async with TestServer(late):
        await until(lambda: three.view(late) == three.truth(), "it knows them")
        assert await late.members("x") == {client.sid for client in clients}


@pytest.mark.fault(
    "what a server has noted of another's clients is not what is there",
    "their digests differ, and it asks for all of it",
)
async def test_a_wrong_copy_is_noticed_and_mended(three, caplog):
    await three.servers[0].connect()
    await three.equal()
    of_a = three.ios[1].hub.cluster.presence.servers[three.ios[0].bus.uid]
    of_a.state.enter("/", "ghosts", ["a ghost"])
    assert await three.ios[1].count("ghosts") == 1
    await three.equal()
    assert await three.ios[1].rooms() == set()
    assert "another digest" in caplog.text


async def test_a_server_whose_own_notes_are_wrong_mends_them(three, caplog):
    await three.servers[0].connect()
    await three.equal()
    three.ios[0].hub.cluster.presence.entered("/", "ghosts", "a ghost")
    await until(lambda: "memberships noted" in caplog.text, "it is noticed")
    await three.equal()


async def test_a_state_larger_than_a_message_comes_in_parts(three):
    client = await three.servers[0].connect()
    socket = three.ios[0].sockets.sockets[client.sid]
    three.buses[0].loses = three.buses[1].loses = lambda message: (
        message.data.get("what") == "change"
    )
    for n in range(MAX_SIDS // 2):
        socket.namespace.adapter.add(socket, f"room {n}")
        socket._joined = (socket._joined or set()) | {f"room {n}"}
    for n in range(3 * MAX_SIDS):
        socket.namespace.adapter.local.rooms.setdefault("crowd", {})
        socket.namespace.hub.cluster.presence.entered("/", "crowd", f"sid {n}")
        socket.namespace.rooms["crowd"][f"sid {n}"] = socket
    await three.equal()
    assert await three.ios[2].count("crowd") == 3 * MAX_SIDS
    del socket.namespace.rooms["crowd"]


async def test_changes_that_come_while_a_state_is_on_its_way_are_not_lost():
    server = Server(0.0)
    server.asked_at = 0.0
    assert not server.take(5, 0, False, [["/", None, ["a"]]])
    server.hold(5, [["/", None, ["never: it is in the state"], []]])
    server.hold(6, [["/", None, ["b"], []], ["/", "x", ["b"], []]])
    assert server.take(5, 1, True, [["/", "x", ["a"]]])
    assert server.catch_up()
    assert set(server.state.places["/"].members("x")) == {"a", "b"}
    assert server.state.seq == 6
    server.hold(9, [])
    assert not server.catch_up()


def test_parts_that_do_not_fit_together_are_dropped():
    server = Server(0.0)
    server.take(5, 0, False, [["/", None, ["a"]]])
    assert not server.take(6, 1, True, [])
    assert server.taking is None
    assert not server.take(5, 1, True, [])


def test_a_digest_is_what_is_there_and_not_how_it_came():
    one, other = Replica(0), Replica(0)
    one.enter("/", "x", ["a", "b", "c"])
    one.enter("/", "y", ["a"])
    one.leave("/", "x", ["b", "nobody"])
    other.enter("/", "y", ["a"])
    other.enter("/", "x", ["c", "a", "a"])
    assert one.digest == other.digest != 0
    other.leave("/", "x", ["a", "c"])
    other.leave("/", "y", ["a"])
    assert (other.digest, other.places) == (0, {})
    assert len({mark("/", room, "a") for room in (None, "None", 1, "1", "")}) == 5


def test_parts_have_at_most_so_many_sids():
    rows = [["/", f"r{n}", [f"{n} {i}" for i in range(100)]] for n in range(100)]
    rows.append(["/", "big", [str(i) for i in range(2 * MAX_SIDS)]])
    parts = list(in_parts(rows))
    assert all(sum(len(sids) + 1 for _, _, sids in part) <= MAX_SIDS for part in parts)
    found: dict[str, list[str]] = {}
    for part in parts:
        for _, room, sids in part:
            found.setdefault(room, []).extend(sids)
    assert found == {room: sids for _, room, sids in rows}
    assert list(in_parts([])) == [[]]


@pytest.mark.parametrize(
    "data",
    [{}, {"what": "fly"}, {"what": "change", "seq": "x"}, {"what": "beat", "seq": 1, "digest": 5, "count": 0}],
)  # fmt: skip
@pytest.mark.fault("a message of presence that is none", "logged; the server serves on")
async def test_what_is_no_message_is_logged_and_nothing_else(three, data, caplog):
    three.ios[0].hub.cluster.receive(Message(Kind.PRESENCE, "f" * 16, "/", data))
    assert "is no message" in caplog.text
    await three.servers[1].connect()
    await three.equal()


async def test_without_an_adapter_it_is_what_is_here():
    io = fastsio.IO()
    async with TestServer(io) as server:
        client = await server.connect()
        io.sockets_join("x")
        assert (await io.count(), await io.count("x"), await io.members("x")) == (
            1,
            1,
            {client.sid},
        )
        assert await io.rooms() == {"x"}
        assert io.bus is None


async def test_an_adapter_without_presence_says_what_to_do():
    io = fastsio.IO(adapter=MemoryHub().bus())
    async with TestServer(io):
        for asked in (io.count(), io.members("x"), io.rooms()):
            with pytest.raises(RuntimeError, match="presence=True"):
                await asked


def test_a_bus_that_cannot_carry_it_refuses():
    class Foreign(LossyBus):
        carries_presence = False

    with pytest.raises(ValueError, match="can't carry"):
        fastsio.IO(adapter=Foreign(MemoryHub()))


async def test_pythons_style_has_the_same():
    hub = MemoryHub()
    sios = [fastsio.AsyncServer(adapter=LossyBus(hub)) for _ in "ab"]
    async with TestServer(sios[0]) as a, TestServer(sios[1]) as b:
        client = await b.connect()
        await sios[1].enter_room(client.sid, "x")
        presence = sios[0].hub.cluster.presence
        await until(lambda: any(presence.elsewhere("/", "x")), "it is known")
        await a.settle()
        assert await sios[0].count("x") == 1
        assert await sios[0].members("x") == {client.sid}
        assert await sios[0].all_rooms() == {"x"}
        assert await sios[0].count(namespace="/nowhere") == 0
        assert await sios[0].members(namespace="/nowhere") == set()


async def test_without_anybody_to_hear_it_nothing_is_published():
    hub = MemoryHub()
    published = []
    bus = LossyBus(hub)
    publish = bus.publish
    bus.publish = lambda message: (published.append(message), publish(message))
    io = fastsio.IO(adapter=bus)
    async with TestServer(io) as server:
        for _ in range(10):
            await server.connect()
        await asyncio.sleep(0.1)
        kinds = {one.data.get("what") for one in published if one.kind == Kind.PRESENCE}
        assert kinds <= {"hello", "beat"}


async def test_one_that_comes_back_to_its_session_is_counted_once():
    servers = await Servers(2, connection_state_recovery={}).start()
    there = await servers.servers[1].connect()
    await there.emit("join", "x")
    await servers.equal()
    await there.drop()
    await servers.equal()
    assert await servers.ios[0].count("x") == 0
    back = await servers.servers[1].connect(auth=there.recovery)
    await servers.equal()
    assert await servers.ios[0].members("x") == {back.sid}
    await servers.close()

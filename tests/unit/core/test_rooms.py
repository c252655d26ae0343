"""Rooms and whom an emit reaches: joining, leaving, unions, exceptions, everybody once.

adapter.py, operator.py and the rooms' part of socket.py. Source: Node's rooms and BroadcastOperator.
"""

from __future__ import annotations

import asyncio

import pytest

from fastsio.core.operator import as_rooms
from harness import until


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


class Crowd:
    """Clients by name; `reached()` says who got what since it was last asked."""

    def __init__(self, peers, sockets) -> None:
        self.peers, self.sockets = peers, sockets

    def __getitem__(self, name):
        return self.sockets[name]

    async def reached(self) -> str:
        """Names of the clients that got "x", one letter for each time. Ends with a mark to all."""
        got = ""
        for name, socket in self.sockets.items():
            socket.emit("mark")
            while (packet := await self.peers[name].receive()) != '42["mark"]':
                assert packet == '42["x"]', packet
                got += name
        return got


@pytest.fixture
async def crowd(io, join):
    """a, b, c, d: a and b in room 1, b and c in room 2, d in none."""
    peers, sockets = {}, {}
    for name in "abcd":
        peers[name], sockets[name] = await join(io)
    sockets["a"].join("1")
    sockets["b"].join(["1", "2"])
    sockets["c"].join({"2"})
    return Crowd(peers, sockets)


# --- whom an emit reaches -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("emit", "reached"),
    [
        (lambda io, s: io.emit("x"), "abcd"),
        (lambda io, s: io.to("1").emit("x"), "ab"),
        (lambda io, s: io.in_("1").emit("x"), "ab"),
        (lambda io, s: io.to("1").to("2").emit("x"), "abc"),
        (lambda io, s: io.to(["1", "2"]).emit("x"), "abc"),
        (lambda io, s: io.to({"1", "2"}).emit("x"), "abc"),
        (lambda io, s: io.to(frozenset(("1", "2"))).emit("x"), "abc"),
        (lambda io, s: io.to("nobody's").emit("x"), ""),
        (lambda io, s: io.to("1").to("nobody's").emit("x"), "ab"),
        (lambda io, s: io.to([]).emit("x"), ""),
        (lambda io, s: io.to([]).to("1").emit("x"), "ab"),
        (lambda io, s: io.to(("1", "2")).emit("x"), ""),  # one room, which is a tuple
        (lambda io, s: io.except_("1").emit("x"), "cd"),
        (lambda io, s: io.except_("1").except_("2").emit("x"), "d"),
        (lambda io, s: io.except_(["1", "2"]).emit("x"), "d"),
        (lambda io, s: io.except_([]).emit("x"), "abcd"),
        (lambda io, s: io.except_("nobody's").emit("x"), "abcd"),
        (lambda io, s: io.to("1").except_("2").emit("x"), "a"),
        (lambda io, s: io.except_("2").to("1").emit("x"), "a"),
        (lambda io, s: io.to("1").except_("1").emit("x"), ""),
        (lambda io, s: io.to(s["a"].id).emit("x"), "a"),
        (lambda io, s: io.to([s["a"].id, "2"]).emit("x"), "abc"),
        (lambda io, s: io.to([s["a"].id, "1"]).emit("x"), "ab"),
        (lambda io, s: io.except_(s["a"].id).emit("x"), "bcd"),
        (lambda io, s: io.except_([s["a"].id, "2"]).emit("x"), "d"),
        (lambda io, s: io.volatile.emit("x"), "abcd"),
        (lambda io, s: io.volatile.to("1").emit("x"), "ab"),
        (lambda io, s: io.to("1").volatile.except_("2").emit("x"), "a"),
        (lambda io, s: s["a"].broadcast.emit("x"), "bcd"),
        (lambda io, s: s["a"].to("1").emit("x"), "b"),
        (lambda io, s: s["a"].in_("1").emit("x"), "b"),
        (lambda io, s: s["d"].to("1").emit("x"), "ab"),
        (lambda io, s: s["a"].broadcast.to("1").to("2").emit("x"), "bc"),
        (lambda io, s: s["a"].except_("2").emit("x"), "d"),
        (lambda io, s: s["a"].broadcast.except_("2").emit("x"), "d"),
        (lambda io, s: s["a"].to(s["b"].id).emit("x"), "b"),
        (lambda io, s: s["a"].to(s["a"].id).emit("x"), ""),
        (lambda io, s: s["a"].volatile.emit("x"), "a"),
        (lambda io, s: s["a"].emit("x"), "a"),
        (lambda io, s: io.of("/").to("1").emit("x"), "ab"),
        (lambda io, s: io.of("/").emit("x"), "abcd"),
        (lambda io, s: io.of("/").except_("1").emit("x"), "cd"),
        (lambda io, s: io.sockets.in_("1").emit("x"), "ab"),
        (lambda io, s: io.of("/other").emit("x"), ""),
        (lambda io, s: io.of("/other").to("1").emit("x"), ""),
    ],
)
async def test_emit_reaches_whom_it_names_each_once(io, crowd, emit, reached):
    emit(io, crowd)
    assert await crowd.reached() == reached


async def test_send_is_emit_of_message(io, join):
    peer, socket = await join(io)
    socket.join("r")
    io.send(1)
    io.to("r").send(2, 3)
    io.of("/").send()
    assert [await peer.receive() for _ in range(3)] == [
        '42["message",1]', '42["message",2,3]', '42["message"]',
    ]  # fmt: skip


async def test_choice_may_be_kept_and_every_step_is_a_new_one(io, crowd):
    one = io.to("1")
    both = one.to("2")
    fewer = both.except_("1")
    one.emit("x")
    assert await crowd.reached() == "ab"
    fewer.emit("x")
    assert await crowd.reached() == "c"
    both.emit("x")
    assert await crowd.reached() == "abc"
    crowd["d"].join("1")
    one.emit("x")
    assert await crowd.reached() == "abd"


async def test_packets_of_different_emits_keep_the_order_of_the_calls(io, join):
    peer, socket = await join(io)
    socket.join("r")
    for i in range(0, 60, 4):
        socket.emit("n", i)
        io.emit("n", i + 1)
        io.to("r").emit("n", i + 2)
        io.to([socket.id, "r"]).emit("n", i + 3)
    assert [await peer.receive() for _ in range(60)] == [f'42["n",{i}]' for i in range(60)]


async def test_broadcast_reaches_polling_and_websocket_clients_alike(io, join):
    websocket, _ = await join(io)
    polling, _ = await join(io, transport="polling")
    io.emit("x", b"\x01", "é")
    text = '451-["x",{"_placeholder":true,"num":0},"é"]'
    for peer in (websocket, polling):
        assert [await peer.receive(), await peer.receive()] == [text, b"\x01"]


@pytest.mark.parametrize("room", ["1", "nobody's"])
@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("disconnect",), ValueError),
        ((None,), TypeError),
        (("x", object()), TypeError),
        (("x", *[b""] * 11), ValueError),
    ],
)
async def test_what_cant_be_sent_is_the_callers_error_even_where_nobody_listens(
    io, crowd, room, arguments, error
):
    with pytest.raises(error):
        io.to(room).emit(*arguments)
    assert await crowd.reached() == ""


# --- joining and leaving --------------------------------------------------------------------------


async def test_rooms_are_those_joined_and_the_sockets_own(io, join):
    _, socket = await join(io)
    assert socket.rooms == {socket.id}
    socket.join("a")
    socket.join(["b", "c"])
    socket.join([])
    assert socket.rooms == {socket.id, "a", "b", "c"}
    socket.leave("a")
    socket.leave(["b", "never joined"])
    assert socket.rooms == {socket.id, "c"}


@pytest.mark.feature("1.8 room names")
@pytest.mark.parametrize("room", ["", 0, None, 1.5, ("a", 1), b"x", True, frozenset(("f",))])
async def test_room_may_be_anything_hashable(io, join, room):
    peer, socket = await join(io)
    await join(io)
    if isinstance(room, frozenset):
        socket.join([room])
        target = io.to([room])
    else:
        socket.join(room)
        target = io.to(room)
    assert room in socket.rooms
    target.emit("x")
    assert await peer.receive() == '42["x"]'


async def test_rooms_that_are_returned_are_a_copy(io, join):
    _, socket = await join(io)
    socket.rooms.add("sneaked in")
    assert socket.rooms == {socket.id}


async def test_joining_twice_is_joining_once(io, join):
    peer, socket = await join(io)
    socket.join("a")
    socket.join("a")
    io.to("a").emit("x")
    socket.leave("a")
    io.to("a").emit("x")
    socket.emit("end")
    assert [await peer.receive(), await peer.receive()] == ['42["x"]', '42["end"]']


async def test_own_room_can_not_be_left_and_joining_it_changes_nothing(io, join):
    peer, socket = await join(io)
    socket.join(socket.id)
    socket.leave(socket.id)
    io.to(socket.id).emit("x")
    assert await peer.receive() == '42["x"]'
    assert socket.rooms == {socket.id}
    assert io.sockets.adapter.rooms == {}


async def test_one_socket_may_join_the_room_of_another(io, join):
    """Node allows it: to a socket's id then reaches both."""
    peer, socket = await join(io)
    other_peer, other = await join(io)
    other.join(socket.id)
    io.to(socket.id).emit("x")
    assert await other_peer.receive() == '42["x"]'
    assert await peer.receive() == '42["x"]'
    io.except_(socket.id).emit("y")
    io.emit("end")
    assert await peer.receive() == '42["end"]'
    assert await other_peer.receive() == '42["end"]'


async def test_room_exists_while_somebody_is_in_it(io, join):
    _, socket = await join(io)
    peer, other = await join(io)
    rooms = io.sockets.adapter.rooms
    socket.join(["a", "b"])
    other.join(["b", "c"])
    assert set(rooms) == {"a", "b", "c"}
    socket.leave(["a", "b"])
    assert set(rooms) == {"b", "c"}
    await peer.send("41")
    await until(lambda: not other.connected, "the client is gone")
    assert rooms == {}


async def test_client_that_has_gone_is_in_no_room_and_can_not_join(io, join):
    peer, socket = await join(io)
    socket.join("a")
    await peer.send("41")
    await until(lambda: not socket.connected, "the client is gone")
    assert socket.rooms == set()
    socket.join("b")
    socket.leave("a")
    assert socket.rooms == set()
    assert io.sockets.adapter.rooms == {}


async def test_room_that_cant_be_one_is_a_typeerror(io, join):
    _, socket = await join(io)
    for call in (socket.join, socket.leave, io.to, io.except_):
        with pytest.raises(TypeError, match="unhashable"):
            call([["a list in a list"]])
        with pytest.raises(TypeError, match="unhashable"):
            call({"a": "dict"})


async def test_rooms_of_two_namespaces_with_one_name_are_two(io, join):
    io.of("/n")
    peer, socket = await join(io)
    await peer.connect("/n")
    (other,) = io.of("/n").sockets.values()
    socket.join("r")
    other.join("r")
    io.of("/n").to("r").emit("x")
    assert await peer.receive() == '42/n,["x"]'
    io.to("r").emit("x")
    assert await peer.receive() == '42["x"]'


# --- many at once ---------------------------------------------------------------------------------


async def test_sockets_join_and_leave_move_all_that_are_chosen(io, crowd):
    io.to("1").sockets_join(["3", "4"])
    io.to("3").emit("x")
    assert await crowd.reached() == "ab"
    io.except_("1").sockets_join("5")
    io.to("5").emit("x")
    assert await crowd.reached() == "cd"
    io.sockets_leave(["1", "2", "3", "5"])
    io.to(["1", "2", "3", "5"]).emit("x")
    assert await crowd.reached() == ""
    io.to("4").sockets_leave("4")
    assert io.sockets.adapter.rooms == {}
    io.sockets_join("6")
    io.of("/").to("6").emit("x")
    assert await crowd.reached() == "abcd"
    io.of("/").sockets_leave("6")
    io.of("/").sockets_join("7")
    assert {room for s in crowd.sockets.values() for room in s.rooms - {s.id}} == {"7"}


@pytest.mark.feature("1.11 disconnectSockets")
async def test_disconnect_sockets_disconnects_those_that_are_chosen(io, crowd):
    crowd["a"].broadcast.to("1").disconnect_sockets()
    assert [name for name in "abcd" if crowd[name].connected] == ["a", "c", "d"]
    assert await crowd.peers["b"].receive() == "41"
    io.except_("2").disconnect_sockets(close=True)
    assert [name for name in "abcd" if crowd[name].connected] == ["c"]
    io.disconnect_sockets()
    assert not any(crowd[name].connected for name in "abcd")
    assert io.sockets.sockets == {}


async def test_disconnect_sockets_of_a_namespace_leaves_the_others(io, join):
    io.of("/n")
    peer, socket = await join(io)
    await peer.connect("/n")
    io.of("/n").disconnect_sockets()
    assert await peer.receive() == "41/n,"
    assert socket.connected


@pytest.mark.parametrize(
    ("room", "rooms"),
    [
        ("a", {"a"}),
        ("abc", {"abc"}),
        (["a", "b"], {"a", "b"}),
        (set(), set()),
        (("a", "b"), {("a", "b")}),
        (None, {None}),
        (5, {5}),
    ],
)
def test_room_or_rooms_are_always_a_set(room, rooms):
    assert as_rooms(room) == frozenset(rooms)

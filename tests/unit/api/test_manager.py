"""AsyncManager: who is connected and in which rooms, as python-socketio's applications look it up."""

from __future__ import annotations

import asyncio
import inspect

import pytest
import socketio

import fastsio
from fastsio.api.manager import AsyncManager
from harness import until


def shape(fn):
    return [(p.name, p.kind, p.default) for p in inspect.signature(fn).parameters.values()]


METHODS = [
    name
    for name, value in inspect.getmembers(AsyncManager, inspect.isfunction)
    if not name.startswith("_")
]


@pytest.mark.parametrize("name", METHODS)
def test_signatures_are_python_socketios(name):
    theirs, ours = getattr(socketio.AsyncManager, name), getattr(AsyncManager, name)
    assert shape(ours) == shape(theirs)
    assert inspect.iscoroutinefunction(ours) == inspect.iscoroutinefunction(theirs)


def test_what_is_left_out_is_what_connects_clients():
    """The core does that; applications look and emit."""
    theirs = {name for name, _ in inspect.getmembers(socketio.AsyncManager, inspect.isfunction)}
    assert {name for name in theirs if not name.startswith("_")} - set(METHODS) == {
        "connect", "pre_connect", "pre_disconnect", "trigger_callback",
        "basic_close_room", "basic_disconnect", "basic_enter_room", "basic_leave_room",
    }  # fmt: skip


@pytest.fixture
async def clients(sio, join):
    """A client in "/" and in "/n", and another in "/"; both of "/" in room "r"."""
    sio.on("x", print, namespace="/n")
    peer, socket = await join(sio)
    sid_n = (await peer.connect("/n"))["sid"]
    other_peer, other = await join(sio)
    await sio.enter_room(socket.id, "r")
    await sio.enter_room(other.id, "r")
    await sio.enter_room(other.id, "s")
    eio = peer.handshake["sid"], other_peer.handshake["sid"]
    return {"a": socket.id, "b": other.id, "n": sid_n, "eio": eio, "peer": peer}


@pytest.mark.feature("1.8 list all rooms")
async def test_rooms_are_namespace_room_sid_and_session(sio, clients):
    a, b, n, (eio_a, eio_b) = (clients[name] for name in ("a", "b", "n", "eio"))
    rooms = sio.manager.rooms
    assert {
        name: {room: dict(members) for room, members in of.items()} for name, of in rooms.items()
    } == {
        "/": {None: {a: eio_a, b: eio_b}, a: {a: eio_a}, b: {b: eio_b}, "r": {a: eio_a, b: eio_b}, "s": {b: eio_b}},
        "/n": {None: {n: eio_a}, n: {n: eio_a}},
    }  # fmt: skip
    assert len(rooms["/"]["r"]) == 2
    assert a in rooms["/"][None]
    for wrong in (
        lambda: rooms["/none"],
        lambda: rooms["/"]["nobody's"],
        lambda: rooms["/"]["s"][a],
    ):
        with pytest.raises(KeyError):
            wrong()


@pytest.mark.feature("1.8 members")
async def test_participants_are_those_of_a_room_of_several_or_of_all(sio, clients):
    a, b, (eio_a, eio_b) = clients["a"], clients["b"], clients["eio"]

    def participants(room, namespace="/"):
        return sorted(sio.manager.get_participants(namespace, room))

    both = sorted([(a, eio_a), (b, eio_b)])
    assert participants("r") == participants(None) == participants(["r", "s"]) == both
    assert participants(("s", a)) == both
    assert participants("s") == [(b, eio_b)]
    assert participants(a) == [(a, eio_a)]
    assert participants("nobody's") == participants("r", "/never") == participants([]) == []


async def test_room_that_is_a_tuple_has_its_participants(sio, clients):
    await sio.enter_room(clients["a"], ("r", "s"))
    assert [sid for sid, _ in sio.manager.get_participants("/", ("r", "s"))] == [clients["a"]]


async def test_sids_and_sessions_lead_to_each_other(sio, clients):
    a, n, (eio_a, _) = clients["a"], clients["n"], clients["eio"]
    manager = sio.manager
    assert manager.eio_sid_from_sid(a, "/") == manager.eio_sid_from_sid(n, "/n") == eio_a
    assert manager.sid_from_eio_sid(eio_a, "/") == a
    assert manager.sid_from_eio_sid(eio_a, "/n") == n
    assert manager.eio_sid_from_sid(a, "/n") is None
    assert manager.eio_sid_from_sid(a, "/never") is None
    assert manager.sid_from_eio_sid("nobody", "/") is None
    assert manager.sid_from_eio_sid(eio_a, "/never") is None


async def test_who_is_connected(sio, clients):
    manager = sio.manager
    assert manager.is_connected(clients["a"], "/")
    assert await manager.can_disconnect(clients["a"], "/")
    assert not manager.is_connected(clients["a"], "/n")
    assert not manager.is_connected("nobody", "/never")
    assert manager.is_sid_room("/", clients["a"])
    assert not manager.is_sid_room("/", "r")
    assert sorted(manager.get_namespaces()) == ["/", "/n"]
    assert sorted(manager.get_rooms(clients["b"], "/"), key=str) == sorted([clients["b"], "r", "s"])
    assert manager.get_rooms("nobody", "/") == []


async def test_manager_does_what_the_server_does(sio, clients):
    peer, a = clients["peer"], clients["a"]
    await sio.manager.emit("x", (1, 2), "/", room="r", skip_sid=clients["b"])
    assert await peer.receive() == '42["x",1,2]'
    await sio.manager.enter_room(a, "/", "t")
    assert "t" in sio.rooms(a)
    await sio.manager.leave_room(a, "/", "t")
    await sio.manager.close_room("r", "/")
    assert sio.rooms(a) == [a]
    await sio.manager.disconnect(a, "/")
    assert await peer.receive() == "41"


async def test_client_that_comes_or_goes_is_a_participant_but_not_connected(sio, join):
    """As in python-socketio: an application counts those who stay from its disconnect handler."""
    gate, seen = asyncio.Event(), []

    def look(sid):
        participants = [sid for sid, _ in sio.manager.get_participants("/", "r")]
        seen.append((sio.manager.is_connected(sid, "/"), sid in participants))

    @sio.event
    async def connect(sid, environ):
        await sio.enter_room(sid, "r")
        look(sid)
        assert sio.manager.is_pre_connected(sid, "/")
        assert sio.manager.pending_connect == {"/": [sid]}
        assert sio.manager.sid_from_eio_sid(sio.manager.eio_sid_from_sid(sid, "/"), "/") == sid

    @sio.event
    async def disconnect(sid):
        await gate.wait()
        look(sid)
        assert sio.manager.pending_disconnect == {"/": [sid]}

    peer, socket = await join(sio)
    assert sio.manager.pending_connect == {}
    await peer.send("41")
    await until(lambda: not socket.connected, "the client is gone")
    gate.set()
    await until(lambda: len(seen) == 2, "the disconnect handler")
    assert seen == [(False, True), (False, True)]
    assert dict(sio.manager.rooms) == {}


# --- client_manager= ------------------------------------------------------------------------------


async def test_manager_that_is_given_is_the_servers_and_is_told_when_it_is_served(join):
    class Told(AsyncManager):
        calls = 0

        def initialize(self):
            self.calls += 1

    manager = Told()
    with pytest.raises(RuntimeError, match="no server yet"):
        manager.rooms  # noqa: B018
    sio = fastsio.AsyncServer(client_manager=manager)
    assert sio.manager is manager
    assert manager.server is sio
    assert (manager.calls, sio.manager_initialized) == (0, False)
    await join(sio)
    assert (manager.calls, sio.manager_initialized) == (1, True)


def test_manager_that_would_do_more_is_refused():
    class Own(AsyncManager):
        async def emit(self, *args, **kwargs):
            raise AssertionError

    with pytest.raises(TypeError, match=r"its emit\(\) would never be called"):
        fastsio.AsyncServer(client_manager=Own())


def test_python_socketios_own_manager_is_refused():
    with pytest.raises(TypeError, match=r"a fastsio\.AsyncManager, or one of"):
        fastsio.AsyncServer(client_manager=socketio.AsyncManager())

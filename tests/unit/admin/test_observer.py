"""What admins are told of clients, in order and shape, and what they may do.

Source: the events and commands of @socket.io/admin-ui 0.5.
"""

from __future__ import annotations

import asyncio
import socket as network
from typing import Any

import pytest

from admin_page import FEATURES, LOGIN, TIME
from harness import until

# --- what an admin is told ------------------------------------------------------------------------


async def test_a_new_admin_is_told_what_there_is(join, enter, sio):
    sio.instrument(LOGIN, server_id="one")
    _, socket = await join(sio, headers={"User-Agent": "test", "X-Forwarded-For": "198.51.100.1"})
    socket.join(["a room", ("a", 1)])
    page = await enter(sio, is_told=False)
    await page.next("session")
    namespace, room, sid = await page.next("room_joined")
    assert (namespace, room) == ("/admin", sid)
    assert (await page.next("socket_connected"))["id"] == sid
    assert await page.next("config") == {"supportedFeatures": FEATURES}
    first, own = await page.next("all_sockets")
    assert own["id"] == sid
    handshake = first.pop("handshake")
    assert sorted(map(str, first.pop("rooms"))) == sorted([socket.id, "a room", "('a', 1)"])
    assert first == {
        "id": socket.id, "clientId": socket.session.id[:12], "transport": "websocket", "nsp": "/", "data": {},
    }  # fmt: skip
    assert handshake["headers"]["user-agent"] == "test"
    assert handshake["query"] == {"EIO": "4", "transport": "websocket"}
    assert handshake["address"] == "192.0.2.7"  # no proxy is trusted
    assert handshake["issued"] == socket.handshake.issued
    assert TIME.fullmatch(handshake["time"])
    assert (handshake["secure"], handshake["xdomain"]) == (True, False)
    assert handshake["url"].startswith("/socket.io/?EIO=4")
    stats = await page.next("server_stats")
    assert (stats["serverId"], stats["hostname"]) == ("one", network.gethostname())


async def test_clients_that_come_and_go_are_told_in_order(join, enter, sio):
    sio.instrument(LOGIN)
    page = await enter(sio)
    peer, socket = await join(sio)
    assert await page.next("room_joined") == ["/", socket.id, socket.id]
    connected = await page.next("socket_connected")
    assert (connected["id"], connected["rooms"]) == (socket.id, [socket.id])
    await sio.enter_room(socket.id, "a")
    await sio.enter_room(socket.id, "a")
    await sio.enter_room(socket.id, "b")
    await sio.leave_room(socket.id, "b")
    await sio.leave_room(socket.id, "unknown")
    assert await page.next("room_joined") == ["/", "a", socket.id]
    assert await page.next("room_joined") == ["/", "b", socket.id]
    assert await page.next("room_left") == ["/", "b", socket.id]
    await peer.send("41")
    assert await page.next("room_left") == ["/", "a", socket.id]
    assert await page.next("room_left") == ["/", socket.id, socket.id]
    assert await page.next("socket_disconnected") == ["/", socket.id, "client disconnect"]


async def test_who_is_refused_has_not_been_connected(join, enter, sio):
    @sio.event
    async def connect(sid: str, environ: Any) -> bool:
        await sio.enter_room(sid, "early")
        return False

    sio.instrument(LOGIN)
    page = await enter(sio)
    peer = await join.open(sio)
    await peer.send("40")
    assert (await page.next("room_joined"))[:2] == ["/", "early"]
    assert (await page.next("room_left"))[:2] == ["/", "early"]
    assert (await peer.receive()).startswith("44")
    _, socket = await join(sio, "/admin", LOGIN)
    assert await page.next("room_joined") == ["/admin", socket.id, socket.id]


async def test_events_of_clients_are_told_with_their_arguments_handled_or_not(join, enter, sio):
    @sio.event
    def known(sid: str, *args: Any) -> int:
        return len(args)

    sio.instrument(LOGIN)
    early, socket = await join(sio)
    page = await enter(sio)
    await early.send('427["known",1,{"a":[]}]', '42["unknown"]')
    assert await early.receive() == "437[2]"
    assert await page.next("event_received") == ["/", socket.id, ["known", 1, {"a": []}]]
    assert await page.next("event_received") == ["/", socket.id, ["unknown"]]
    await early.send('451-["known",{"_placeholder":true,"num":0}]', b"\x01")
    packet = await page.peer.receive()
    assert packet.startswith(f'451-/admin,["event_received","/","{socket.id}",["known",{{"_pla')
    assert await page.peer.receive() == b"\x01"


async def test_what_is_sent_is_told_for_each_recipient_whatever_way_it_goes(join, enter, sio):
    sio.instrument(LOGIN)
    (_, one), (_, two) = await join(sio), await join(sio)
    one.join("r")
    page = await enter(sio)

    async def sent() -> Any:
        namespace, sid, args = await page.next("event_sent")
        assert namespace == "/"
        return sid, args

    await sio.emit("e", (1, "x"), to=one.id)
    assert await sent() == (one.id, ["e", 1, "x"])
    await sio.emit("e", to="r")
    assert await sent() == (one.id, ["e"])
    await sio.emit("e", [2], to=[one.id, two.id], skip_sid=one.id)
    assert await sent() == (two.id, ["e", [2]])
    await sio.emit("all")
    assert {(await sent())[0], (await sent())[0]} == {one.id, two.id}
    await sio.emit("asked", to="r", callback=lambda *args: None)
    assert await sent() == (one.id, ["asked"])
    calling = asyncio.ensure_future(sio.call("called", sid=two.id, timeout=60))
    assert await sent() == (two.id, ["called"])
    calling.cancel()
    two.emit("own", 3)
    assert await sent() == (two.id, ["own", 3])
    two.broadcast.emit("others")
    assert await sent() == (one.id, ["others"])
    await asyncio.to_thread(one.emit, "from a thread")
    assert await sent() == (one.id, ["from a thread"])
    await asyncio.to_thread(one.broadcast.emit, "also")
    assert await sent() == (two.id, ["also"])
    await sio.emit("nobody", to="empty")
    await sio.emit("admins", namespace="/admin")
    assert (await page.event()) == ["admins"]  # and no event_sent of it, nor of the one before


async def test_an_upgrade_is_told_when_it_is_done(join, enter, sio):
    sio.instrument(LOGIN)
    peer, socket = await join(sio, transport="polling")
    page = await enter(sio)
    await peer.upgrade()
    assert await page.next("socket_updated") == {
        "id": socket.id, "nsp": "/", "transport": "websocket",
    }  # fmt: skip


async def test_what_json_cant_hold_is_in_nobodys_way(join, enter, sio, caplog):
    sio.instrument(LOGIN)
    page = await enter(sio)
    _, socket = await join(sio)
    await page.next("room_joined")
    await page.next("socket_connected")
    room = object()
    socket.join(room)
    assert await page.next("room_joined") == ["/", str(room), socket.id]
    sio.hub.observer.event_received(socket, ["e", object()])
    assert "admins are not told of an event_received" in caplog.text
    await sio.emit("on", to=socket.id)
    assert (await page.next("event_sent"))[2] == ["on"]


async def test_several_admins_hear_the_same_and_one_that_went_is_missed_by_nobody(join, enter, sio):
    sio.instrument(LOGIN)
    one, two = await enter(sio), await enter(sio)
    for _ in range(2):  # of the second admin's coming
        await one.event()
    await one.peer.send("41/admin,")
    await until(lambda: len(sio.hub.namespaces["/admin"].sockets) == 1, "one admin left")
    assert (await two.next("room_left"))[0] == "/admin"
    assert (await two.next("socket_disconnected"))[0] == "/admin"
    _, socket = await join(sio)
    assert await two.next("room_joined") == ["/", socket.id, socket.id]


# --- production -----------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["production", True, False])
async def test_in_production_only_figures_are_sent(join, enter, sio, mode):
    @sio.event
    def e(sid: str) -> str:
        return "done"

    sio.instrument(LOGIN, mode=mode, server_stats_interval=0.05)
    page = await enter(sio, is_told=False)
    await page.next("session")
    assert (await page.event()) == ["config", {"supportedFeatures": FEATURES[:-1]}]
    peer, socket = await join(sio)
    assert not socket.peer.is_diverted
    await peer.send('421["e"]')
    assert await peer.receive() == '431["done"]'
    await sio.emit("news")
    await sio.enter_room(socket.id, "room")
    await peer.send("41")
    for _ in range(3):
        assert (await page.event())[0] == "server_stats"


# --- what an admin may do -------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["development", "production"])
async def test_commands_reach_those_they_name(join, enter, sio, mode):
    sio.instrument(LOGIN, mode=mode)
    (peer, one), (other, two) = await join(sio), await join(sio)
    page = await enter(sio)
    await page.ask("emit", "/", one.id, "hello", 1, "x")
    assert await peer.receive() == '42["hello",1,"x"]'
    await page.ask("emit", "/", None, "all")
    assert [await peer.receive(), await other.receive()] == ['42["all"]'] * 2
    await page.ask("join", "/", "r")
    await until(lambda: "r" in one.rooms and "r" in two.rooms, "both in the room")
    await page.ask("leave", "/", "r", one.id)
    await until(lambda: "r" not in one.rooms, "one has left")
    assert "r" in two.rooms
    await page.ask("join", "/", "s", "r")
    await until(lambda: "s" in two.rooms, "who was in r is in s")
    assert "s" not in one.rooms
    await page.ask("emit", "/", "s", "to s")
    assert await other.receive() == '42["to s"]'
    await page.ask("leave", "/", "s")
    await until(lambda: "s" not in two.rooms, "the room is empty")
    await page.ask("_disconnect", "/", False, one.id)
    assert await peer.receive() == "41"
    await page.ask("_disconnect", "/", True, two.id)
    assert await other.receive() == "41"
    with pytest.raises((AssertionError, asyncio.IncompleteReadError)):  # a Close, then the end
        await other.receive()


async def test_commands_that_cant_be_done_are_logged_and_harm_nobody(join, enter, sio, caplog):
    sio.instrument(LOGIN)
    _, socket = await join(sio)
    page = await enter(sio)
    for command in (
        ["emit", "/", None, "connect"], ["emit", "/"], ["emit", 5, None, "e"], ["emit", "/", {}, "e"],
        ["join", "/", {"a": 1}], ["join", "/", socket.id], ["join"], ["leave", "/", [[]], socket.id],
        ["_disconnect", None], ["_disconnect", "/", True, [{}]],
    ):  # fmt: skip
        caplog.clear()
        await page.ask(*command)
        await until(lambda: "asked for" in caplog.text, f"a word on {command}")
        assert f"asked for {command[0]!r} with {command[1:]!r}" in caplog.text
    await page.ask("join", "/unknown", "r")
    await page.ask("emit", "/", socket.id, "still here")
    assert (await page.next("event_sent"))[2] == ["still here"]
    assert socket.rooms == {socket.id}


async def test_read_only_admins_change_nothing(join, enter, sio):
    sio.instrument(LOGIN, read_only=True)
    peer, socket = await join(sio)
    page = await enter(sio, is_told=False)
    for name in ("session", "room_joined", "socket_connected"):
        await page.next(name)
    assert await page.next("config") == {"supportedFeatures": ["AGGREGATED_EVENTS", "ALL_EVENTS"]}
    await page.next("all_sockets")
    for command in (["emit", "/", None, "e"], ["join", "/", "r"], ["_disconnect", "/", True]):
        await page.ask(*command)
    await peer.send('42["last"]')
    await page.ask("emit", "/", None, "e")
    assert (await page.next("event_received"))[2] == ["last"]
    assert socket.rooms == {socket.id}
    assert socket.connected

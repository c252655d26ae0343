"""instrument(): what admins are told and may do, in order and shape; who may be one; what is left afterwards.

Source: the events and commands of @socket.io/admin-ui 0.5; python-socketio 5.18's signature and texts.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket as network
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

import fastsio
from clock_loop import pass_time
from harness import until
from memory_conn import Clients, MemoryPeer

LOGIN = {"username": "admin", "password": "pw"}
FEATURES = [
    "AGGREGATED_EVENTS", "EMIT", "JOIN", "LEAVE", "DISCONNECT", "MJOIN", "MLEAVE", "MDISCONNECT", "ALL_EVENTS",
]  # fmt: skip
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


class AdminPage:
    """An admin by hand: `await page.next(name)` is the next event, which has to be that one."""

    def __init__(self, peer: MemoryPeer, namespace: str) -> None:
        self.peer = peer
        self._head = f"42{namespace},"

    async def event(self) -> list[Any]:
        packet = await self.peer.receive()
        assert isinstance(packet, str)
        assert packet.startswith(self._head), packet
        return json.loads(packet.removeprefix(self._head))

    async def next(self, name: str) -> Any:
        """The arguments of the next event but for figures; the time at its end is checked and left out."""
        event = await self.event()
        while event[0] == "server_stats" != name:
            event = await self.event()
        assert event[0] == name, event
        args = event[1:]
        if isinstance(args[-1], str) and TIME.fullmatch(args[-1]):
            args.pop()
        return args[0] if len(args) == 1 else args

    async def ask(self, event: str, *args: Any) -> None:
        await self.peer.send(self._head + json.dumps([event, *args]))


@pytest_asyncio.fixture
async def join(serve: Any) -> AsyncIterator[Clients]:
    clients = Clients(serve)
    yield clients
    await clients.close()


@pytest.fixture
def enter(join: Clients) -> Callable[..., Any]:
    """`page = await enter(sio, auth)`: an admin, who has been told all that one is told at first."""

    async def enter(
        sio: Any, auth: Any = LOGIN, namespace: str = "/admin", is_told: bool = True
    ) -> AdminPage:
        peer, _ = await join(sio, namespace, auth)
        page = AdminPage(peer, namespace)
        while is_told and (await page.event())[0] != "server_stats":
            pass
        return page

    return enter


@pytest.fixture
def sio() -> fastsio.AsyncServer:
    return fastsio.AsyncServer()


# --- who may be an admin --------------------------------------------------------------------------


async def refusal(join: Clients, sio: Any, auth: Any) -> Any:
    """What an admin's CONNECT_ERROR says, None if there is none."""
    peer = await join.open(sio)
    await peer.send("40/admin," + json.dumps(auth))
    packet = await peer.receive()
    return json.loads(packet[9:]) if packet.startswith("44/admin,") else None


async def by_coroutine(given: Any) -> bool:
    await asyncio.sleep(0)
    return given == LOGIN


OTHER = {"username": "other", "password": "pw2"}


@pytest.mark.parametrize(
    "auth",
    [LOGIN, [LOGIN, OTHER], (OTHER, LOGIN), lambda given: given == LOGIN, by_coroutine],
    ids=["dict", "list", "tuple", "function", "coroutine"],
)
async def test_only_who_has_the_login_may_be_an_admin(join, sio, auth):
    sio.instrument(auth)
    for wrong in (
        {"username": "admin", "password": "p"}, {"username": "admin"}, {**LOGIN, "more": 1}, {},
        {"sessionId": None}, {"sessionId": "0123456789abcdef"}, {"sessionId": 1}, {"sessionId": ["x"]},
    ):  # fmt: skip
        assert await refusal(join, sio, wrong) == {"message": "invalid credentials"}
    assert await refusal(join, sio, LOGIN) is None


async def test_without_authentication_everybody_is_an_admin(join, sio):
    sio.instrument(auth=False)
    for auth in ({}, {"sessionId": None}, LOGIN):
        assert await refusal(join, sio, auth) is None


async def test_a_login_is_remembered_for_the_page_that_is_loaded_again(join, enter, sio):
    sio.instrument(LOGIN)
    page = await enter(sio, is_told=False)
    session_id = await page.next("session")
    assert re.fullmatch("[0-9a-f]{16}", session_id)
    again = await enter(sio, {"sessionId": session_id}, is_told=False)
    assert (await again.event())[0] == "room_joined"  # and no session once more
    assert await refusal(join, sio, {"sessionId": session_id[::-1] + "0"}) is not None


async def test_a_function_that_fails_admits_nobody(join, sio, watch):
    def fails(given: Any) -> bool:
        raise RuntimeError("no database")

    sio.instrument(auth=fails)
    said = await refusal(join, sio, LOGIN)
    assert said == {"message": "Connection rejected by server"}
    watch.expect_error("handler of 'connect' in '/admin' failed", "no database")


async def test_who_is_refused_under_always_connect_hears_nothing(join, enter):
    sio = fastsio.AsyncServer(always_connect=True)
    asked = asyncio.get_running_loop().create_future()

    async def slow(given: Any) -> bool:
        return given == LOGIN or await asked

    sio.instrument(auth=slow)
    peer = await join.open(sio)
    assert (await peer.connect("/admin", {"password": "?"}))["sid"]
    page = await enter(sio)
    await sio.emit("news")
    await join(sio, "/")
    await page.next("room_joined")
    asked.set_result(False)
    assert await peer.receive() == "41/admin,"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({}, "auth must be specified"),
        ({"auth": None}, "auth must be specified"),
        ({"auth": {}}, r"auth=\{\}: a dict such as"),
        ({"auth": []}, r"auth=\[\]: a dict such as"),
        ({"auth": [{}]}, "auth=a list: a dict such as"),
        ({"auth": "secret"}, "auth=a str: a dict such as"),
        ({"auth": True}, "auth=a bool: a dict such as"),
        ({"auth": LOGIN, "mode": "debug"}, "mode='debug': \"development\" or \"production\""),
        ({"auth": LOGIN, "namespace": "/"}, "namespace='/': one of its own"),
        ({"auth": LOGIN, "namespace": "*"}, r"namespace='\*': one of its own"),
        ({"auth": LOGIN, "namespace": None}, "namespace=None: one of its own"),
        ({"auth": LOGIN, "server_stats_interval": 0}, "server_stats_interval=0: a number of seconds"),
        ({"auth": LOGIN, "server_stats_interval": "2"}, "server_stats_interval='2': a number of sec"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("cls", [fastsio.AsyncServer, fastsio.Server])
def test_values_that_cant_be_are_refused_and_secrets_are_not_repeated(cls, arguments, text):
    sio = cls()
    with pytest.raises(ValueError, match=text) as caught:
        sio.instrument(**arguments)
    assert "secret" not in str(caught.value)
    assert sio.hub.observer is None
    assert "/admin" not in sio.hub.namespaces


def test_a_server_is_instrumented_once_at_a_time(sio):
    first = sio.instrument(LOGIN)
    with pytest.raises(RuntimeError, match="there is an observer already"):
        sio.instrument(LOGIN, namespace="/other")
    assert "/other" not in sio.hub.namespaces
    first.uninstrument()
    first.uninstrument()
    sio.instrument(LOGIN, namespace="/other")


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


async def test_several_admins_hear_the_same_and_one_that_went_is_missed_by_nobody(
    join, enter, sio
):
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


# --- modes ----------------------------------------------------------------------------------------


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
    assert not peer_is_diverted(socket)
    await peer.send('421["e"]')
    assert await peer.receive() == '431["done"]'
    await sio.emit("news")
    await sio.enter_room(socket.id, "room")
    await peer.send("41")
    for _ in range(3):
        assert (await page.event())[0] == "server_stats"


def peer_is_diverted(socket: Any) -> bool:
    return bool(socket.peer.is_diverted)


@pytest.mark.asyncio(loop_factories=["clock"])
async def test_figures_come_at_once_and_at_their_interval_and_only_to_admins(enter, sio, join):
    handle = sio.instrument(LOGIN, server_stats_interval=4)
    await join(sio, transport="polling")
    assert sio.hub.background == set()
    page = await enter(sio)
    loop = asyncio.get_running_loop()
    at = loop.time()
    await join(sio)
    for name in ("room_joined", "socket_connected"):
        await page.next(name)
    stats = await page.next("server_stats")
    assert loop.time() - at == pytest.approx(4, abs=0.01)
    assert (stats["clientsCount"], stats["pollingClientsCount"]) == (3, 1)
    assert stats["namespaces"] == [
        {"name": "/", "socketsCount": 2}, {"name": "/admin", "socketsCount": 1},
    ]  # fmt: skip
    counted = {entry["type"]: entry["count"] for entry in stats["aggregatedEvents"]}
    assert counted["rawConnection"] == 1
    assert counted["packetsIn"] == 1  # the CONNECT
    assert counted["packetsOut"] >= 4
    assert counted["bytesIn"] > 0
    assert counted["bytesOut"] > counted["bytesIn"]
    assert all(entry["timestamp"] % 1000 == 0 for entry in stats["aggregatedEvents"])
    await handle.shutdown()
    assert sio.hub.background == set()
    await pass_time(20)  # before the first ping
    await sio.emit("end", to=None, namespace="/admin")
    assert await page.event() == ["end"]


async def test_figures_say_why_connections_ended(join, enter, sio):
    sio.instrument(LOGIN, server_stats_interval=0.05)
    page = await enter(sio)
    peer, _ = await join(sio)
    peer.abort()

    async def ends() -> list[Any]:
        while True:
            event = await page.event()
            if event[0] == "server_stats":
                for entry in event[1]["aggregatedEvents"]:
                    if entry["type"] == "rawDisconnection":
                        return [entry["subType"], entry["count"]]

    assert await asyncio.wait_for(ends(), 5) == ["transport close", 1]


async def test_while_nobody_looks_figures_do_not_pile_up(join, sio, monkeypatch):
    sio.instrument(LOGIN)
    counts = sio.hub.observer.figures.counts
    now = 1_000_000.0
    monkeypatch.setattr("fastsio.admin.figures.time.time", lambda: now)
    for _ in range(1000):
        now += 1
        counts.add("rawConnection")
        counts.add("rawConnection")
    taken = counts.take()
    assert [entry["count"] for entry in taken] == [2] * len(taken)
    assert len(taken) <= 4
    assert counts.take() == []


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
        await until(lambda: f"asked for {command[0]!r}" in caplog.text, f"a word on {command}")
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


# --- the end --------------------------------------------------------------------------------------


async def test_uninstrument_leaves_nothing_behind(join, enter, sio):
    before = vars(sio.hub).copy()
    handle = sio.instrument(LOGIN)
    peer, socket = await join(sio)
    page = await enter(sio)
    assert peer_is_diverted(socket)
    handle.uninstrument()
    assert await page.peer.receive() == "41/admin,"
    assert list(sio.handlers) == []
    assert list(sio.hub.namespaces) == ["/"]
    assert (sio.hub.observer, sio.hub.notes_events, sio.hub.diverts) == (None, False, False)
    assert sio.hub.namespaces["/"].observer is None
    assert sio.hub.engine.on_upgrade is None
    assert sio.hub.background == set()
    assert not peer_is_diverted(socket)
    assert vars(sio.hub).keys() == before.keys()
    await page.peer.send("40/admin," + json.dumps(LOGIN))
    assert await page.peer.receive() == '44/admin,{"message":"Invalid namespace"}'
    await peer.send("41")
    await until(lambda: not socket.connected, "the client has left")


async def test_what_the_application_has_in_the_namespace_stays_its_own(join, enter, sio):
    said = []

    @sio.on("mine", namespace="/admin")
    def mine(sid: str, word: str) -> None:
        said.append(word)

    handle = sio.instrument(LOGIN)
    page = await enter(sio)
    await page.ask("mine", "one")
    await until(lambda: said, "the application's own event")
    handle.uninstrument()
    assert await page.peer.receive() == "41/admin,"
    assert list(sio.handlers["/admin"]) == ["mine"]
    peer, _ = await join(sio, "/admin")
    await peer.send('42/admin,["mine","two"]')
    await until(lambda: said == ["one", "two"], "it is still handled")


async def test_a_server_that_runs_already_is_instrumented_with_its_clients(join, enter):
    sio = fastsio.AsyncServer(async_handlers=False)
    peer, socket = await join(sio)
    handle = sio.instrument(LOGIN)
    page = await enter(sio)
    await peer.send('42["e",1]')
    assert await page.next("event_received") == ["/", socket.id, ["e", 1]]
    handle.uninstrument()
    assert peer_is_diverted(socket)  # one after the other, as before


async def test_handlers_still_wait_for_each_other_where_they_have_to(join, enter):
    sio = fastsio.AsyncServer(async_handlers=False)
    order = []

    @sio.event
    async def slow(sid: str) -> None:
        await asyncio.sleep(0.01)
        order.append("slow")

    @sio.event
    async def quick(sid: str) -> None:
        order.append("quick")

    sio.instrument(LOGIN)
    peer, _ = await join(sio)
    await peer.send('42["slow"]', '42["quick"]')
    await until(lambda: order == ["slow", "quick"], "both, in order")


async def test_the_servers_stop_ends_the_figures(join, enter, sio):
    sio.instrument(LOGIN)
    page = await enter(sio)
    server = await join.server(sio)
    await server.close()
    assert sio.hub.background == set()
    assert sio.hub.observer._admins == {}
    del page

"""A client that comes back: what it gets, what the application sees, and when it is somebody new.

Clients are fastsio.testing's; the official client is in tests/interop/test_recovery.py.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

import fastsio
from clock_loop import pass_time
from eio3_peer import MemoryEio3Peer
from fastsio.exceptions import ConnectionRefusedError
from fastsio.testing import ConnectionRefused, TestClient, TestServer
from harness import until

LASTS_S = 120
TRANSPORTS = pytest.mark.parametrize("transport", ["websocket", "polling"])


class App:
    """An IO with recovery, and what its listeners were told."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("connection_state_recovery", {})
        self.io = fastsio.IO(**options)
        self.seen: list[tuple[Any, ...]] = []
        self.sockets: list[Any] = []
        self.io.on("connection", self.connected)

    def connected(self, socket: Any) -> None:
        self.sockets.append(socket)
        self.seen.append(("connection", socket.id, socket.recovered))
        socket.on("disconnect", lambda reason, description=None: self.left(socket, reason))

    def left(self, socket: Any, reason: str) -> None:
        self.seen.append(("disconnect", socket.id, reason))


@pytest.fixture
def app() -> App:
    return App()


async def back(server: TestServer, lost: Any, namespace: str = "/", **options: Any) -> TestClient:
    """The client `lost` on another connection, as the official client comes back."""
    return await server.connect(namespace, auth=lost.recovery, **options)


async def events_of(client: Any) -> list[tuple[Any, ...]]:
    """What came, each as (name, *arguments) without its offset."""
    return [(event.name, *event.args[:-1]) for event in await client.received()]


# --- what it gets ----------------------------------------------------------------------------


@pytest.mark.feature("1.12 restore")
@TRANSPORTS
async def test_client_that_comes_back_is_who_it_was(app, transport):
    async with TestServer(app.io) as server:
        lost = await server.connect(transport=transport)
        (socket,) = app.sockets
        socket.join(["a", "b"])
        socket.data["name"] = "Ann"
        await lost.drop()
        assert app.io.sockets.adapter.rooms == {}
        client = await back(server, lost, transport=transport)
        again = app.sockets[-1]
        assert (client.sid, client.pid) == (lost.sid, lost.pid)
        assert again is not socket
        assert again.recovered is True and socket.recovered is False
        assert again.rooms == {client.sid, "a", "b"}
        assert again.data == {"name": "Ann"}
        assert again.handshake.auth == lost.recovery
        # The request that polled was lost, which is no close.
        reason = "transport error" if transport == "polling" else "transport close"
        assert app.seen == [
            ("connection", lost.sid, False),
            ("disconnect", lost.sid, reason),
            ("connection", lost.sid, True),
        ]
        app.io.to("a").to("b").emit("both")
        assert await events_of(client) == [("both",)]


@pytest.mark.feature("1.12 wire")
@TRANSPORTS
async def test_what_was_missed_comes_in_order_and_in_front_of_the_answer(app, transport):
    async with TestServer(app.io) as server:
        lost = await server.connect()
        other = await server.connect()
        app.sockets[0].join("room")
        app.io.emit("first")
        assert await events_of(lost) == [("first",)]
        await lost.drop()
        app.io.emit("to all", 1, {"two": [3]})
        app.io.to("room").emit("to a room")
        app.io.to(lost.sid).emit("to its id", b"\x00\xff", [b"more"])
        app.sockets[0].emit("to its socket")
        app.sockets[1].broadcast.emit("of another")
        app.io.to(["room", lost.sid]).emit("once")
        app.io.except_("room").emit("not in the room")
        app.io.to("elsewhere").emit("nor there")
        app.sockets[0].broadcast.emit("its own broadcast")
        app.io.to(other.sid).emit("for another")
        sids = []
        client = TestClient(app.io, auth=lost.recovery, transport=transport)
        for name in ("to all", "once"):
            client.on(name, lambda *args: sids.append((args[:-1], client.sid)))
        async with client:
            assert sids == [((1, {"two": [3]}), None), ((), None)]
            assert await events_of(client) == [
                ("to a room",),
                ("to its id", b"\x00\xff", [b"more"]),
                ("to its socket",),
                ("of another",),
            ]


@pytest.mark.feature("1.12 wire")
async def test_events_have_their_offset_as_last_argument(app):
    async with TestServer(app.io) as server:
        client = await server.connect()
        other = await server.connect()
        (socket, _) = app.sockets
        socket.join("room")
        app.io.emit("all", 1)
        app.io.to("room").emit("room")
        socket.emit("direct", "text")
        socket.compress(False).emit("flagged")
        socket.send({"a": 1})
        app.io.in_("room").except_("none").emit("binary", b"x")
        events = await client.received()
        offsets = [event.args[-1] for event in events]
        assert [event.args[:-1] for event in events] == [
            (1,), (), ("text",), (), ({"a": 1},), (b"x",),
        ]  # fmt: skip
        assert all(isinstance(offset, str) for offset in offsets)
        assert len(set(offsets)) == 6
        assert client.recovery == {"pid": client.pid, "offset": offsets[-1]}
        # Of one broadcast everyone has the same.
        assert (await other.received())[0].args == (1, offsets[0])


@pytest.mark.feature("1.12 wire")
async def test_events_with_an_ack_have_no_offset_and_are_not_kept(app):
    async with TestServer(app.io) as server:
        client = await server.connect()
        (socket,) = app.sockets
        client.on("ask", lambda *args: args)
        assert await socket.emit_with_ack("ask", "one") == "one"
        assert await app.io.emit_with_ack("ask", "two") == ["two"]
        answers = []
        socket.emit("ask", "three", ack=answers.append)
        await client.settle()
        assert answers == ["three"]
        assert client.offset is None
        assert len(app.io.sockets.adapter.log) == 0


@pytest.mark.feature("1.12 wire")
async def test_volatile_events_are_not_kept_and_do_not_pass_for_offsets(app):
    async with TestServer(app.io) as server:
        client = await server.connect()
        (socket,) = app.sockets
        app.io.emit("kept")
        offset = (await client.received())[0].args[-1]
        app.io.volatile.emit("volatile", 1)
        socket.volatile.emit("volatile", "text")
        app.io.volatile.emit("volatile")
        # The official client takes a string at the end for an offset, and be it the event's name.
        assert [event.args for event in await client.received()] == [(1,), ("text", None), (None,)]
        assert client.offset == offset
        await client.drop()
        app.io.volatile.emit("missed and gone")
        app.io.emit("missed")
        again = await back(server, client)
        assert await events_of(again) == [("missed",)]


async def test_other_servers_are_as_they_were():
    io = fastsio.IO()
    async with TestServer(io) as server:
        client = await server.connect(auth={"pid": "x" * 20, "offset": "y"})
        assert client.pid is None
        io.emit("news", "text")
        io.volatile.emit("news", "text")
        assert [event.args for event in await client.received()] == [("text",), ("text",)]
        assert io.sockets.recovery is None


async def test_a_broadcast_is_encoded_once_with_its_offset():
    class Json:
        count = 0

        @staticmethod
        def loads(text):
            return __import__("json").loads(text)

        @classmethod
        def dumps(cls, data, **kwargs):
            cls.count += 1
            return __import__("json").dumps(data, separators=(",", ":"))

    app = App(json=Json)
    async with TestServer(app.io) as server:
        clients = [await server.connect() for _ in range(3)]
        await clients[0].drop()
        Json.count = 0
        app.io.emit("news", {"a": 1})
        assert Json.count == 1
        for client in clients[1:]:
            assert await events_of(client) == [("news", {"a": 1})]
        again = await back(server, clients[0])
        assert await events_of(again) == [("news", {"a": 1})]
        # Its CONNECT, which is another packet, and the client's own.
        assert Json.count <= 3


# --- from where ------------------------------------------------------------------------------


@pytest.mark.feature("1.12 limits")
async def test_client_that_has_never_had_an_event_comes_back_too(app):
    async with TestServer(app.io) as server:
        app.io.emit("before its time")
        lost = await server.connect()
        assert lost.recovery == {"pid": lost.pid}
        await lost.drop()
        app.io.emit("missed")
        client = await back(server, lost)
        assert client.sid == lost.sid
        assert await events_of(client) == [("missed",)]


async def test_client_with_the_offset_of_an_earlier_life_gets_only_what_came_in_this_one(app):
    # The official client keeps the offset when the server has made somebody new of it.
    async with TestServer(app.io) as server:
        first = await server.connect()
        app.io.emit("one")
        await first.settle()
        app.io.emit("two")
        second = await server.connect()
        await second.drop()
        app.io.emit("three")
        client = await server.connect(auth={"pid": second.pid, "offset": first.offset})
        assert client.sid == second.sid
        assert await events_of(client) == [("three",)]


async def test_it_gets_nothing_twice_however_often_it_comes_back(app):
    async with TestServer(app.io) as server:
        client = await server.connect()
        app.sockets[-1].join("room")
        came = []
        for number in range(4):
            app.io.to("room").emit("while here", number)
            came += await events_of(client)
            await client.drop()
            app.io.to("room").emit("while away", number)
            client = await back(server, client)
            came += await events_of(client)
        names = ("while here", "while away")
        assert came == [(name, number) for number in range(4) for name in names]


@pytest.mark.fault(
    "the connection is lost again while missed events are sent again",
    "they come the next time",
)
async def test_what_was_sent_again_and_lost_again_is_not_lost(app):
    # The second connection ends before anything of it has reached the client: it has the offset that it had.
    async with TestServer(app.io) as server:
        lost = await server.connect()
        app.sockets[-1].join("room")
        app.io.emit("one")
        await lost.settle()
        await lost.drop()
        app.io.to("room").emit("two")
        unheard = await back(server, lost)
        app.sockets[-1].join("another")
        app.io.to("another").emit("three")
        await unheard.drop()
        client = await back(server, lost)
        assert await events_of(client) == [("two",), ("three",)]


async def test_what_a_room_was_sent_before_it_was_joined_is_not_missed(app):
    async with TestServer(app.io) as server:
        lost = await server.connect()
        (socket,) = app.sockets
        app.io.to("room").emit("secret")
        socket.join("room")
        app.io.to("room").emit("known")
        socket.join(["room", "second"])
        socket.leave("second")
        app.io.to("second").emit("left")
        await lost.drop()
        app.io.to("room").emit("missed")
        client = await server.connect(auth={"pid": lost.pid})
        assert await events_of(client) == [("known",), ("missed",)]


async def test_namespaces_are_recovered_each_by_itself(app):
    chat = app.io.of("/chat")
    async with TestServer(app.io) as server:
        lost = await server.connect()
        lost_chat = await lost.join_namespace("/chat")
        await lost.drop()
        chat.emit("in chat")
        app.io.emit("in root")
        client = await back(server, lost)
        again = await client.join_namespace("/chat", auth=lost_chat.recovery)
        assert (client.sid, again.sid) == (lost.sid, lost_chat.sid)
        assert await events_of(client) == [("in root",)]
        assert await events_of(again) == [("in chat",)]


async def test_a_pid_counts_in_its_own_namespace_only(app):
    app.io.of("/chat")
    async with TestServer(app.io) as server:
        lost = await server.connect()
        await lost.drop()
        client = await server.connect("/chat", auth=lost.recovery)
        assert client.sid != lost.sid


async def test_a_namespace_that_was_made_for_a_client_waits_for_it():
    app = App(cleanup_empty_child_namespaces=True)
    parent = app.io.of("/room/{id}", app.connected)
    async with TestServer(app.io) as server:
        lost = await server.connect("/room/7")
        await lost.drop()
        assert list(parent.children) == ["/room/7"]
        parent.emit("to all rooms")
        app.io.of("/room/7").emit("to this one")
        client = await back(server, lost, "/room/7")
        assert client.sid == lost.sid
        assert await events_of(client) == [("to all rooms",), ("to this one",)]
        await client.disconnect()
        assert not parent.children


async def test_clients_of_socket_io_2_get_offsets_and_no_pid(app, serve):
    # As at Node's server. Their CONNECT carries nothing, so they can't come back.
    server = await serve(app.io)
    peer = await MemoryEio3Peer.of(server, "websocket", query={}).open()
    assert await peer.receive() == "40"
    (socket,) = app.sockets
    app.io.emit("news", 1)
    packet = await peer.receive()
    assert packet.startswith('42["news",1,"')
    assert socket.pid is None
    assert app.io.sockets.recovery.living == {}
    await peer.close()
    await until(lambda: len(app.seen) == 2, "its end")
    assert len(app.io.hub.lost_sessions) == 0


@pytest.mark.parametrize(
    "auth", [{"pid": 7}, {"pid": None}, {"pid": "nobody's"}, {"pid": ["x"]}, {"offset": "x"}]
)
async def test_who_has_no_right_pid_is_somebody_new(app, auth):
    async with TestServer(app.io) as server:
        client = await server.connect(auth=auth)
        assert not app.sockets[0].recovered
        assert len(client.pid) == 20


@pytest.mark.parametrize("offset", [7, None, [], "unknown"])
async def test_an_offset_that_is_none_is_as_good_as_no_offset(app, offset):
    async with TestServer(app.io) as server:
        lost = await server.connect()
        await lost.drop()
        app.io.emit("missed")
        client = await server.connect(auth={"pid": lost.pid, "offset": offset})
        assert client.sid == lost.sid
        assert await events_of(client) == [("missed",)]


# --- too late, too much ----------------------------------------------------------------------


@pytest.mark.asyncio(loop_factories=["clock"])
@pytest.mark.feature("1.12 option")
async def test_client_that_comes_too_late_is_somebody_new():
    app = App(connection_state_recovery={"max_disconnection_duration": 10})
    async with TestServer(app.io) as server:
        clients = [await server.connect() for _ in range(2)]
        app.io.emit("news")
        for client in clients:
            await client.received()
            await client.drop()
        await pass_time(9.5)
        early = await back(server, clients[0])
        await pass_time(0.5)
        late = await back(server, clients[1])
        assert early.sid == clients[0].sid
        assert late.sid != clients[1].sid and late.pid != clients[1].pid
        assert app.sockets[-1].data == {}
        assert app.sockets[-1].rooms == {late.sid}


@pytest.mark.asyncio(loop_factories=["clock"])
async def test_client_that_heard_nothing_for_hours_comes_back_all_the_same(app):
    # Node has forgotten the offset by then.
    async with TestServer(app.io) as server:
        lost = await server.connect()
        app.io.emit("long ago")
        assert await events_of(lost) == [("long ago",)]
        await pass_time(3600)
        await lost.drop()
        app.io.emit("missed")
        client = await back(server, lost)
        assert client.sid == lost.sid
        assert await events_of(client) == [("missed",)]


@pytest.mark.asyncio(loop_factories=["clock"])
@pytest.mark.fault(
    "events are sent to a connection that is dead already",
    "the client gets them when it is back",
)
async def test_what_was_sent_to_a_connection_that_was_dead_already_is_not_lost():
    app = App(
        ping_interval=25, ping_timeout=20,
        connection_state_recovery={"max_disconnection_duration": 60},
    )  # fmt: skip
    async with TestServer(app.io) as server:
        lost = await server.connect()
        app.io.emit("known")
        await lost.settle()
        offset = lost.offset
        app.io.emit("never arrived")
        await pass_time(44)
        await lost.drop()
        await pass_time(59)
        client = await server.connect(auth={"pid": lost.pid, "offset": offset})
        assert await events_of(client) == [("never arrived",)]


@pytest.mark.feature("1.12 limits")
@pytest.mark.parametrize("limit", [{"max_packets": 4}, {"max_bytes": 3300}])
async def test_client_that_missed_more_than_is_kept_is_somebody_new(limit):
    app = App(connection_state_recovery=limit)
    async with TestServer(app.io) as server:
        first, second = [await server.connect() for _ in range(2)]
        app.io.emit("known")
        for client in (first, second):
            await client.settle()
        await first.drop()
        app.io.emit("kept no longer")
        await second.settle()
        await second.drop()
        for number in range(3):
            app.io.emit("kept", number)
        again = await back(server, first)
        assert again.sid != first.sid
        assert await events_of(again) == []
        again = await back(server, second)
        assert again.sid == second.sid
        assert await events_of(again) == [("kept", 0), ("kept", 1), ("kept", 2)]


async def test_client_that_missed_more_than_its_queue_takes_is_somebody_new():
    # It would be put out for that, come back, be put out…
    app = App(max_buffered_bytes=10_000)
    async with TestServer(app.io) as server:
        lost = await server.connect()
        await lost.drop()
        for _ in range(11):
            app.io.emit("much", "x" * 1000)
        client = await back(server, lost)
        assert client.sid != lost.sid
        assert await client.nothing()


async def test_nothing_is_kept_where_nobody_could_miss_it(app):
    log = app.io.sockets.adapter.log
    app.io.emit("to nobody")
    async with TestServer(app.io) as server:
        app.io.emit("to nobody")
        assert len(log) == 0
        client = await server.connect()
        await client.disconnect()
        app.io.emit("to nobody")
        assert len(log) == 0
        client = await server.connect()
        await client.drop()
        app.io.emit("missed")
        assert len(log) == 1


# --- why it went -----------------------------------------------------------------------------


@pytest.mark.feature("1.12 saved when")
async def test_who_leaves_on_purpose_is_somebody_new(app):
    async with TestServer(app.io) as server:
        gone = await server.connect()
        await TestClient.leave(gone, [gone], lambda: gone.put(1), "io client disconnect")
        assert app.seen[-1][-1] == "client namespace disconnect"
        client = await back(server, gone)
        assert client.sid != gone.sid


@pytest.mark.feature("1.12 saved when")
@pytest.mark.parametrize("close", [False, True])
async def test_who_was_put_out_is_somebody_new(app, close):
    async with TestServer(app.io) as server:
        gone = await server.connect()
        app.sockets[0].disconnect(close)
        await gone.expect_disconnect()
        assert app.seen[-1][-1] == "server namespace disconnect"
        client = await back(server, gone)
        assert client.sid != gone.sid


@pytest.mark.feature("1.12 saved when")
@TRANSPORTS
@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (lambda session: session.close(), "forced close"),
        (lambda session: session.abort("transport error"), "transport error"),
        (lambda session: session.abort("ping timeout"), "ping timeout"),
        (lambda session: session.shut_down("server shutting down"), "server shutting down"),
    ],
)
async def test_whose_connection_was_closed_comes_back(app, transport, end, reason):
    async with TestServer(app.io) as server:
        lost = await server.connect(transport=transport)
        end(app.sockets[0].session)
        await lost.expect_disconnect()
        assert app.seen[-1][-1] == reason
        client = await back(server, lost, transport=transport)
        assert client.sid == lost.sid


async def test_who_sent_a_broken_engine_packet_is_somebody_new(app):
    async with TestServer(app.io) as server:
        lost = await server.connect()
        app.sockets[0].session.abort("parse error", "unknown Engine.IO packet")
        client = await back(server, lost)
        assert client.sid != lost.sid


async def test_a_server_that_stops_and_serves_again_knows_its_clients(app):
    async with TestServer(app.io) as server:
        lost = await server.connect()
        app.sockets[0].join("room")
        app.io.emit("news")
        await lost.settle()
        recovery = lost.recovery
        await server.settle()
        engine = app.io.hub.engine
        app.io.hub.engine = None
        engine.close("server shutting down")
        app.io.emit("meanwhile")
    assert app.seen[-1][-1] == "server shutting down"
    async with TestServer(app.io) as server:
        client = await server.connect(auth=recovery)
        assert client.sid == lost.sid
        assert await events_of(client) == [("meanwhile",)]


# --- while the old connection seems to live --------------------------------------------------


@pytest.mark.feature("1.12 limits")
@TRANSPORTS
async def test_client_that_is_back_takes_over_from_a_connection_that_seems_to_live(app, transport):
    async with TestServer(app.io) as server:
        lost = await server.connect(transport=transport)
        (socket,) = app.sockets
        socket.join("room")
        socket.data["name"] = "Ann"
        app.io.emit("one")
        await lost.received()
        recovery = lost.recovery
        app.io.emit("on its way, and never there")
        client = await server.connect(auth=recovery, transport=transport)
        assert client.sid == lost.sid
        assert await events_of(client) == [("on its way, and never there",)]
        # One life ends before the next begins.
        assert app.seen == [
            ("connection", lost.sid, False),
            ("disconnect", lost.sid, "transport close"),
            ("connection", lost.sid, True),
        ]
        assert app.sockets[-1].rooms == {lost.sid, "room"}
        assert app.sockets[-1].data == {"name": "Ann"}
        assert not lost.is_connected
        assert len(app.io.hub.engine.sessions) == 1
        app.io.emit("two")
        assert await events_of(client) == [("two",)]
        assert "two" not in [event.name for event in await lost.received()]


async def test_a_connection_that_is_taken_over_ends_in_all_namespaces(app):
    app.io.of("/chat").on("connection", app.connected)
    async with TestServer(app.io) as server:
        lost = await server.connect()
        lost_chat = await lost.join_namespace("/chat")
        client = await back(server, lost)
        app.io.of("/chat").emit("missed")
        again = await client.join_namespace("/chat", auth=lost_chat.recovery)
        assert again.sid == lost_chat.sid
        assert await events_of(again) == [("missed",)]
        ids = lost.sid, lost_chat.sid
        assert [one[:2] for one in app.seen if one[0] == "disconnect"] == [
            ("disconnect", sid) for sid in ids
        ]


async def test_what_is_done_to_the_socket_that_it_was_does_not_concern_the_client(app):
    async with TestServer(app.io) as server:
        lost = await server.connect()
        app.sockets[0].join("room")
        client = await back(server, lost)
        old, new = app.sockets
        old.leave("room")
        old.join("elsewhere")
        old.disconnect()
        old.disconnect(close=True)
        await client.settle()
        assert new.rooms == {client.sid, "room"}
        assert old.rooms == set()
        app.io.to("room").emit("still here")
        app.io.to("elsewhere").emit("not there")
        assert await events_of(client) == [("still here",)]
        # What is emitted by it reaches the client: it has the same id.
        old.emit("hello")
        assert await events_of(client) == [("hello",)]


@pytest.mark.fault("two connections come back as one client", "they are never in at once")
async def test_two_connections_with_one_pid_are_never_in_at_once(app):
    async with TestServer(app.io) as server:
        lost = await server.connect()
        await lost.drop()
        clients = [await back(server, lost) for _ in range(4)]
        assert [client.is_connected for client in clients] == [False, False, False, True]
        assert [client.sid for client in clients] == [lost.sid] * 4
        assert list(app.io.sockets.sockets) == [lost.sid]
        kinds = [one[0] for one in app.seen]
        assert kinds == ["connection", "disconnect"] * 4 + ["connection"]


async def test_disconnect_handler_may_close_the_connection_that_takes_over(app):
    async with TestServer(app.io) as server:
        lost = await server.connect()

        @app.sockets[0].on("disconnecting")
        def disconnecting(reason, description):
            assert description == "the client has come back on another connection"
            for session in list(app.io.hub.engine.sessions.values()):
                session.close()

        with pytest.raises(fastsio.exceptions.ConnectionError):
            await back(server, lost)
        assert app.io.sockets.sockets == {}
        client = await back(server, lost)
        assert client.sid == lost.sid


# --- middleware and connect handlers ---------------------------------------------------------


@pytest.mark.feature("1.12 option")
@pytest.mark.parametrize("skips", [True, False])
async def test_middleware_is_asked_again_only_where_it_shall(skips):
    app = App(connection_state_recovery={"skip_middlewares": skips})
    asked = []
    app.io.use(lambda socket: asked.append((socket.recovered, sorted(socket.rooms), socket.data)))
    async with TestServer(app.io) as server:
        lost = await server.connect()
        app.sockets[0].join("room")
        app.sockets[0].data["name"] = "Ann"
        await lost.drop()
        client = await back(server, lost)
        first, *more = asked
        assert first[0] is False
        assert more == ([] if skips else [(True, sorted([client.sid, "room"]), {"name": "Ann"})])
        assert client.sid == lost.sid


class Gate:
    """A server whose middleware lets those wait who come back."""

    def __init__(self, is_admitted: bool = True) -> None:
        self.app = App(connection_state_recovery={"skip_middlewares": False})
        self.open = asyncio.Event()
        self.asked: list[Any] = []
        self.is_admitted = is_admitted
        self.app.io.use(self.ask)

    async def ask(self, socket: Any) -> None:
        if socket.recovered:
            self.asked.append(socket)
            await self.open.wait()
            if not self.is_admitted:
                raise ConnectionRefusedError("no longer")

    async def lose_and_return(self, server: TestServer) -> tuple[TestClient, Any]:
        """A client that was lost, and the task of its return."""
        lost = await server.connect()
        self.app.sockets[0].join("room")
        await lost.drop()
        self.app.io.emit("missed")
        return lost, await self.return_of(server, lost)

    async def return_of(self, server: TestServer, lost: Any) -> Any:
        count = len(self.asked)
        task = asyncio.ensure_future(back(server, lost))
        async with asyncio.timeout(5):
            while len(self.asked) == count:
                await server.settle()
        return task


async def test_what_is_emitted_while_it_is_asked_about_comes_behind_what_it_missed():
    gate = Gate()
    io = gate.app.io
    async with TestServer(io) as server:
        lost, task = await gate.lose_and_return(server)
        (socket,) = gate.asked
        io.emit("to all")
        socket.join("second")
        socket.leave("nowhere")
        io.to("room").emit("to its room")
        io.to("second").emit("to its new room")
        socket.emit("to its socket")
        io.except_("room").emit("not to it")
        io.volatile.emit("volatile")
        socket.emit("with an ack", ack=lambda *args: None)
        assert io.sockets.adapter.rooms == {}
        gate.open.set()
        client = await task
        names = [event.name for event in await client.received()]
        assert names == [
            "missed", "to all", "to its room", "to its new room", "to its socket", "with an ack",
        ]  # fmt: skip
        assert gate.app.sockets[-1].rooms == {client.sid, "room", "second"}
        await client.drop()
        # Each was kept once.
        again = await back(server, client)
        assert await again.nothing()
        assert again.sid == lost.sid


async def test_who_is_refused_gets_nothing_of_what_it_missed_and_may_try_again():
    gate = Gate(is_admitted=False)
    async with TestServer(gate.app.io) as server:
        lost, task = await gate.lose_and_return(server)
        gate.app.io.to("room").emit("meanwhile")
        gate.open.set()
        with pytest.raises(ConnectionRefused, match="no longer"):
            await task
        assert gate.app.io.sockets.adapter.returning == {}
        assert [one[0] for one in gate.app.seen] == ["connection", "disconnect"]
        gate.is_admitted = True
        client = await back(server, lost)
        assert client.sid == lost.sid
        assert await events_of(client) == [("missed",), ("meanwhile",)]


async def test_who_is_lost_while_it_is_asked_about_comes_back_later():
    gate = Gate()
    async with TestServer(gate.app.io) as server:
        lost, task = await gate.lose_and_return(server)
        gate.asked[0].session.abort("transport close")
        gate.open.set()
        with pytest.raises(fastsio.exceptions.ConnectionError):
            await task
        client = await back(server, lost)
        assert client.sid == lost.sid
        assert await events_of(client) == [("missed",)]
        assert gate.app.sockets[-1].rooms == {client.sid, "room"}


async def test_who_is_asked_about_on_one_connection_may_come_back_on_another():
    gate = Gate()
    async with TestServer(gate.app.io) as server:
        lost, first = await gate.lose_and_return(server)
        second = await gate.return_of(server, lost)
        gate.app.io.emit("meanwhile")
        gate.open.set()
        with pytest.raises(fastsio.exceptions.ConnectionError):
            await first
        client = await second
        assert client.sid == lost.sid
        assert await events_of(client) == [("missed",), ("meanwhile",)]
        assert list(gate.app.io.sockets.sockets) == [lost.sid]
        assert [one[0] for one in gate.app.seen] == ["connection", "disconnect", "connection"]
        await client.drop()
        again = await back(server, client)
        assert again.sid == lost.sid


async def test_a_new_client_that_is_lost_while_it_is_asked_about_leaves_nothing():
    app = App()
    begun, gate = asyncio.Event(), asyncio.Event()

    @app.io.use
    async def ask(socket):
        begun.set()
        await gate.wait()

    async with TestServer(app.io) as server:
        task = asyncio.ensure_future(server.connect())
        await begun.wait()
        assert len(app.io.sockets.recovery.living) == 1
        next(iter(app.io.hub.engine.sessions.values())).abort("transport close")
        gate.set()
        with pytest.raises(fastsio.exceptions.ConnectionError):
            await task
        assert app.io.sockets.recovery.living == {}
        assert len(app.io.hub.lost_sessions) == 0


# --- who looks on ----------------------------------------------------------------------------


async def test_the_adapter_tells_of_rooms_that_are_joined_again(app):
    told = []
    for event in ("create-room", "join-room", "leave-room", "delete-room"):
        app.io.sockets.adapter.on(event, lambda *args, event=event: told.append((event, *args)))
    async with TestServer(app.io) as server:
        lost = await server.connect()
        app.sockets[0].join("room")
        await lost.drop()
        told.clear()
        client = await back(server, lost)
        assert told == [
            ("create-room", client.sid),
            ("join-room", client.sid, client.sid),
            ("create-room", "room"),
            ("join-room", "room", client.sid),
        ]


async def test_listeners_of_what_is_sent_hear_it_without_its_offset(app):
    async with TestServer(app.io) as server:
        client = await server.connect()
        sent = []
        app.sockets[0].on_any_outgoing(lambda *args: sent.append(args))
        app.io.emit("to all", 1)
        app.sockets[0].emit("direct", 2)
        await client.settle()
        assert sent == [("to all", 1), ("direct", 2)]


# --- forms of packets, threads ---------------------------------------------------------------


async def test_msgpack_packets_are_recovered():
    app = App(serializer="msgpack")
    async with TestServer(app.io) as server:
        lost = await server.connect()
        app.io.emit("known", b"x")
        assert await events_of(lost) == [("known", b"x")]
        await lost.drop()
        app.io.emit("missed", {"a": b"\x00"}, 1)
        client = await back(server, lost)
        assert client.sid == lost.sid
        assert await events_of(client) == [("missed", {"a": b"\x00"}, 1)]


@pytest.mark.feature("1.12 restore")
async def test_what_other_threads_emit_is_kept_as_it_was_when_they_did(app):
    async with TestServer(app.io) as server:
        lost = await server.connect()
        here = await server.connect()
        socket = app.sockets[0]
        await lost.drop()

        def emit() -> None:
            data = {"n": 0}
            app.io.emit("to all", data)
            app.io.to(lost.sid).emit("to its id", data)
            socket.emit("to its socket", data)
            data["n"] = 1
            with pytest.raises(TypeError):
                app.io.emit("what JSON has not", object())
            with pytest.raises(TypeError):
                socket.emit("what JSON has not", object())

        thread = threading.Thread(target=emit)
        thread.start()
        await asyncio.get_running_loop().run_in_executor(None, thread.join)
        assert await events_of(here) == [("to all", {"n": 0})]
        client = await back(server, lost)
        assert await events_of(client) == [
            ("to all", {"n": 0}), ("to its id", {"n": 0}), ("to its socket", {"n": 0}),
        ]  # fmt: skip


async def test_threads_that_emit_at_once_lose_and_repeat_nothing(app):
    count, threads = 300, 4
    async with TestServer(app.io) as server:
        client = await server.connect()

        def emit(number: int) -> None:
            for i in range(count):
                app.io.emit("n", number, i)

        workers = [threading.Thread(target=emit, args=(number,)) for number in range(threads)]
        for worker in workers:
            worker.start()
        came = []
        while any(worker.is_alive() for worker in workers):
            await client.drop()
            came += await events_of(client)
            client = await back(server, client)
        came += await events_of(client)
        for number in range(threads):
            assert [i for _, n, i in came if n == number] == list(range(count))


async def test_a_binary_event_that_was_missed_comes_with_its_attachments(app):
    async with TestServer(app.io) as server:
        for transport in ("websocket", "polling"):
            lost = await server.connect(transport=transport)
            await lost.drop()
            app.io.to(lost.sid).emit("file", b"one", {"two": b"two"})
            client = await back(server, lost, transport=transport)
            assert await events_of(client) == [("file", b"one", {"two": b"two"})]

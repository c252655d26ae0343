"""Connection state recovery in python-socketio's style: sids, session dicts, connect and disconnect handlers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import fastsio
from fastsio.testing import ConnectionRefused, TestServer
from fastsio.testing.client import TestClient


class App:
    """An AsyncServer with recovery, and what its handlers were told."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("connection_state_recovery", {})
        self.sio = sio = fastsio.AsyncServer(**options)
        self.seen: list[tuple[Any, ...]] = []
        self.on_connect: Any = None

        @sio.event
        async def connect(sid, environ, auth):
            self.seen.append(("connect", sid, sio.is_recovered(sid)))
            if self.on_connect is not None:
                await self.on_connect(sid)

        @sio.event
        async def disconnect(sid, reason):
            self.seen.append(("disconnect", sid, reason))


@pytest.fixture
def app() -> App:
    return App()


async def events_of(client: Any) -> list[tuple[Any, ...]]:
    """What came, each as (name, *arguments) without its offset."""
    return [(event.name, *event.args[:-1]) for event in await client.received()]


@pytest.mark.feature("1.12 restore")
async def test_client_has_its_sid_rooms_and_session_again(app):
    sio = app.sio
    async with TestServer(sio) as server:
        lost = await server.connect()
        await sio.enter_room(lost.sid, "room")
        await sio.save_session(lost.sid, {"name": "Ann"})
        async with sio.session(lost.sid) as session:
            session["age"] = 7
        assert not sio.is_recovered(lost.sid)
        await lost.drop()
        assert not sio.is_recovered(lost.sid)
        with pytest.raises(KeyError):
            await sio.get_session(lost.sid)
        await sio.emit("all", 1)
        await sio.emit("room", (2, 3), room="room")
        await sio.emit("sid", to=lost.sid)
        await sio.emit("list", to=["room", lost.sid])
        await sio.emit("skipped", skip_sid=lost.sid)
        await sio.emit("skipped", room="room", skip_sid=[lost.sid, "another"])
        await sio.send("message", to=lost.sid)
        client = await server.connect(auth=lost.recovery)
        assert client.sid == lost.sid
        assert sio.is_recovered(client.sid)
        assert await events_of(client) == [
            ("all", 1), ("room", 2, 3), ("sid",), ("list",), ("message", "message"),
        ]  # fmt: skip
        assert set(sio.rooms(client.sid)) == {client.sid, "room"}
        assert await sio.get_session(client.sid) == {"name": "Ann", "age": 7}
        assert app.seen == [
            ("connect", lost.sid, False),
            ("disconnect", lost.sid, "transport close"),
            ("connect", lost.sid, True),
        ]
        await sio.emit("to it", to=client.sid)
        assert await events_of(client) == [("to it",)]


async def test_is_recovered_is_asked_for_a_namespace(app):
    async with TestServer(app.sio) as server:

        @app.sio.on("connect", namespace="/chat")
        def connect(sid, environ):
            pass

        lost = await server.connect("/chat")
        await lost.drop()
        client = await server.connect("/chat", auth=lost.recovery)
        assert app.sio.is_recovered(client.sid, "/chat")
        assert app.sio.is_recovered(client.sid, namespace="/chat")
        assert not app.sio.is_recovered(client.sid)
        assert not app.sio.is_recovered("nobody", "/nowhere")


async def test_what_a_connect_handler_emits_comes_behind_what_was_missed(app):
    sio = app.sio

    async def on_connect(sid):
        await sio.emit("everybody", "of the handler")
        await sio.emit("welcome", to=sid)
        await asyncio.sleep(0)
        await sio.emit("again", to=sid)

    async with TestServer(sio) as server:
        lost = await server.connect()
        other = await server.connect()
        await lost.drop()
        await sio.emit("missed")
        await other.received()
        app.on_connect = on_connect
        client = await server.connect(auth=lost.recovery)
        assert await events_of(client) == [
            ("missed",), ("everybody", "of the handler"), ("welcome",), ("again",),
        ]  # fmt: skip
        assert await events_of(other) == [("everybody", "of the handler")]
        await client.drop()
        app.on_connect = None
        again = await server.connect(auth=client.recovery)
        assert await again.nothing()


async def test_what_was_held_for_a_new_client_is_not_sent_again_when_it_is_back(app):
    # It comes with the admission, behind what was sent to it alone: in another order than it was emitted in.
    sio = app.sio

    async def on_connect(sid):
        await sio.emit("everybody")
        await sio.emit("both", to=[sid, "nobody"])

    app.on_connect = on_connect
    async with TestServer(sio) as server:
        await server.connect()
        lost = await server.connect()
        assert sorted(await events_of(lost)) == [("both",), ("everybody",)]
        app.on_connect = None
        await lost.drop()
        client = await server.connect(auth=lost.recovery)
        assert client.sid == lost.sid
        assert await client.nothing()


async def test_connect_handler_may_refuse_who_comes_back(app):
    async def refuse(sid):
        raise fastsio.exceptions.ConnectionRefusedError("not again")

    async with TestServer(app.sio) as server:
        lost = await server.connect()
        await lost.drop()
        await app.sio.emit("missed")
        app.on_connect = refuse
        with pytest.raises(ConnectionRefused, match="not again"):
            await server.connect(auth=lost.recovery)
        app.on_connect = None
        client = await server.connect(auth=lost.recovery)
        assert client.sid == lost.sid
        assert await events_of(client) == [("missed",)]


async def test_connect_handler_is_asked_and_middleware_is_not(app):
    asked = []
    app.sio.hub.root.use(lambda socket: asked.append(socket.id))
    async with TestServer(app.sio) as server:
        lost = await server.connect()
        await lost.drop()
        await server.connect(auth=lost.recovery)
        assert asked == [lost.sid]
        assert [one[0] for one in app.seen] == ["connect", "disconnect", "connect"]


async def test_client_is_back_while_the_disconnect_handler_of_its_former_life_works():
    app = App()
    sio, gate, sessions = app.sio, asyncio.Event(), []

    @sio.event
    async def disconnect(sid, reason):
        await gate.wait()
        sessions.append(dict(await sio.get_session(sid)))

    async with TestServer(sio) as server:
        lost = await server.connect()
        await sio.save_session(lost.sid, {"name": "Ann"})
        await sio.enter_room(lost.sid, "room")
        client = await server.connect(auth=lost.recovery)
        assert client.sid == lost.sid
        assert list(sio.hub.root.leaving) == [lost.sid]
        assert set(sio.rooms(client.sid)) == {client.sid, "room"}
        (sid, eio_sid), *others = sio.manager.get_participants("/", None)
        assert (sid, eio_sid, others) == (client.sid, client.eio_sid, [])
        # Its second life ends too, with the handler of the first one still at work.
        third = await server.connect(auth=client.recovery)
        assert len(sio.hub.tasks) == 2
        gate.set()
        await third.settle()
        assert sio.hub.root.leaving == {}
        assert sessions == [{"name": "Ann"}] * 2
        await sio.emit("here", to=third.sid)
        assert await events_of(third) == [("here",)]


async def test_what_a_disconnect_handler_writes_into_the_session_is_there_again(app):
    sio = app.sio

    @sio.event
    async def disconnect(sid, reason):
        await asyncio.sleep(0)
        async with sio.session(sid) as session:
            session["left"] = reason

    async with TestServer(sio) as server:
        lost = await server.connect()
        await lost.drop()
        client = await server.connect(auth=lost.recovery)
        assert await sio.get_session(client.sid) == {"left": "transport close"}


async def test_always_connect_lets_it_in_before_its_handler_is_asked():
    app = App(always_connect=True)
    async with TestServer(app.sio) as server:
        lost = await server.connect()
        await lost.drop()
        await app.sio.emit("missed")
        client = await server.connect(auth=lost.recovery)
        assert client.sid == lost.sid
        assert await events_of(client) == [("missed",)]
        assert app.seen[-1] == ("connect", lost.sid, True)


async def test_serial_handlers_run_for_it_as_before():
    app = App(async_handlers=False)
    async with TestServer(app.sio) as server:
        lost = await server.connect()
        client = await server.connect(auth=lost.recovery)
        assert client.sid == lost.sid
        assert [one[0] for one in app.seen] == ["connect", "disconnect", "connect"]


async def test_call_and_callbacks_are_not_kept(app):
    async with TestServer(app.sio) as server:
        client = await server.connect()
        client.on("ask", lambda *args: args)
        answers = []
        assert await app.sio.call("ask", 1, to=client.sid) == 1
        await app.sio.emit(
            "ask", (2, 3), to=client.sid, callback=lambda *args: answers.append(args)
        )
        await client.settle()
        assert answers == [(2, 3)]
        await client.drop()
        again = await server.connect(auth={"pid": client.pid})
        assert again.sid == client.sid
        assert await again.nothing()


async def test_a_namespace_that_clients_name_waits_for_them_and_no_longer():
    app = App(namespaces="*")
    hub = app.sio.hub
    async with TestServer(app.sio) as server:
        lost = await server.connect("/made-up")
        await lost.drop()
        assert "/made-up" in hub.namespaces
        client = await server.connect("/made-up", auth=lost.recovery)
        assert client.sid == lost.sid
        await TestClient.leave(client, [client], lambda: client.put(1), "io client disconnect")
        assert "/made-up" not in hub.namespaces


async def test_a_namespace_that_nobody_came_back_to_is_forgotten():
    app = App(namespaces="*", connection_state_recovery={"max_sessions": 1})
    hub = app.sio.hub
    async with TestServer(app.sio) as server:
        for name in ("/one", "/two"):
            client = await server.connect(name)
            await client.drop()
        assert "/one" not in hub.namespaces
        assert "/two" in hub.namespaces

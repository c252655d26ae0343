"""What applications look into: sio.eio, environ, handlers, namespace_handlers. All of it is the core's state."""

from __future__ import annotations

import asyncio
import json

import pytest

import fastsio
from fastsio.api.namespace import AsyncNamespace
from harness import until


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


# --- handlers -------------------------------------------------------------------------------------


def test_handlers_are_the_functions_by_namespace_and_event(sio):
    def connect(sid, environ):
        pass

    def x(sid):
        pass

    sio.on("connect", connect)
    sio.on("x", x, namespace="/n")
    sio.on("*", print, namespace="*")
    assert {name: dict(events) for name, events in sio.handlers.items()} == {
        "/": {"connect": connect}, "/n": {"x": x}, "*": {"*": print},
    }  # fmt: skip
    assert len(sio.handlers) == 3
    assert "/other" not in sio.handlers
    assert repr(sio.handlers["*"]) == repr({"*": print})
    with pytest.raises(KeyError):
        sio.handlers["/other"]


async def test_handler_that_is_deleted_is_forgotten_and_one_that_is_set_is_registered(sio, join):
    sio.on("x", lambda sid: "x")
    sio.on("y", lambda sid: "y")
    del sio.handlers["/"]["x"]
    sio.handlers["/"]["y"] = lambda sid: "new"
    peer, _ = await join(sio)
    await peer.send('420["x"]', '421["y"]')
    assert await peer.receive() == '431["new"]'
    with pytest.raises(KeyError):
        del sio.handlers["/"]["x"]


def test_namespace_handlers_are_the_objects(sio):
    root, every = AsyncNamespace(), AsyncNamespace("*")
    sio.register_namespace(root)
    sio.register_namespace(every)
    assert dict(sio.namespace_handlers) == {"/": root, "*": every}


# --- environ --------------------------------------------------------------------------------------


async def test_environ_is_by_session_and_what_is_written_into_it_stays(sio, join):
    seen = []

    @sio.event
    def connect(sid, environ):
        environ["app.user"] = "ann"
        seen.append(environ)

    assert dict(sio.environ) == {}
    peer, socket = await join(sio, headers={"X-Token": "t"})
    environ = sio.get_environ(socket.id)
    assert environ is seen[0] is sio.environ[socket.session.id]
    assert (environ["app.user"], environ["HTTP_X_TOKEN"]) == ("ann", "t")
    assert list(sio.environ) == [socket.session.id]
    await peer.close()
    await until(lambda: not sio.environ, "the client is gone")
    assert sio.get_environ(socket.id) is None


async def test_environ_can_be_looked_up_in_the_disconnect_handler(sio, join):
    seen = []

    @sio.event
    async def disconnect(sid):
        await asyncio.sleep(0)
        seen.append(sio.get_environ(sid)["REQUEST_METHOD"])

    peer, _ = await join(sio)
    await peer.close()
    await until(lambda: seen, "the handler")
    assert seen == ["GET"]


# --- eio ------------------------------------------------------------------------------------------


def test_eio_of_a_server_that_is_not_served_is_empty(sio):
    assert dict(sio.eio.sockets) == {}


def test_eio_has_the_options_as_attributes():
    sio = fastsio.AsyncServer(ping_interval=(20, 5), ping_timeout=7, transports=["websocket"])
    assert (sio.eio.ping_interval, sio.eio.ping_interval_grace_period, sio.eio.ping_timeout) == (
        20,
        5,
        7,
    )
    assert sio.eio.transports == ("websocket",)
    assert (sio.eio.async_mode, sio.eio.is_asyncio_based()) == ("asgi", True)
    assert sio.eio.reason.PING_TIMEOUT == "ping timeout"
    with pytest.raises(AttributeError, match="eio has no attribute 'nothing'"):
        sio.eio.nothing  # noqa: B018


async def test_eio_sockets_are_the_sessions(sio, join):
    peer, socket = await join(sio)
    polling, _ = await join(sio, transport="polling")
    eio_sid = peer.handshake["sid"]
    assert sio.manager.eio_sid_from_sid(socket.id, "/") == eio_sid
    assert set(sio.eio.sockets) == {eio_sid, polling.handshake["sid"]}
    one = sio.eio.sockets[eio_sid]
    assert (one.sid, one.connected, one.closed, one.upgraded, one.upgrading) == (
        eio_sid, True, False, True, False,
    )  # fmt: skip
    assert one.server.sockets[eio_sid].sid == eio_sid
    assert not sio.eio.sockets[polling.handshake["sid"]].upgraded
    assert (sio.eio.transport(eio_sid), sio.eio.transport(polling.handshake["sid"])) == (
        "websocket",
        "polling",
    )
    with pytest.raises(KeyError):
        sio.eio.transport("nobody")


async def test_eio_disconnect_closes_one_connection_or_all(sio, join):
    reasons = []
    sio.on("disconnect", lambda sid, reason: reasons.append((sid, reason)))
    peer, socket = await join(sio)
    _, other = await join(sio)
    _, third = await join(sio)
    await sio.eio.disconnect(peer.handshake["sid"])
    await sio.eio.disconnect("nobody")
    assert reasons == [(socket.id, "server disconnect")]
    await sio.eio.disconnect()
    assert {sid for sid, _ in reasons} == {socket.id, other.id, third.id}


@pytest.mark.parametrize(
    ("abort", "reason", "told"),
    [
        (False, None, "server disconnect"),
        (True, None, "server disconnect"),
        (True, "kicked", "kicked"),
    ],
)
async def test_eio_socket_can_be_closed(sio, join, abort, reason, told):
    reasons = []
    sio.on("disconnect", lambda sid, reason: reasons.append(reason))
    peer, _ = await join(sio)
    await sio.eio.sockets[peer.handshake["sid"]].close(abort=abort, reason=reason)
    assert reasons == [told]


async def test_eio_send_is_a_message_past_socketio(sio, join):
    peer, _ = await join(sio)
    await sio.eio.send(peer.handshake["sid"], '2["raw",1]')
    await sio.eio.send(peer.handshake["sid"], {"a": 1})
    await sio.eio.send("nobody", "nothing")
    assert await peer.receive() == '42["raw",1]'
    packet = await peer.receive()
    assert packet[0] == "4"
    assert json.loads(packet[1:]) == {"a": 1}
    with pytest.raises(TypeError, match="a message of bytes"):
        await sio.eio.send(peer.handshake["sid"], b"binary")


async def test_eio_makes_what_async_code_needs(sio):
    queue = sio.eio.create_queue()
    with pytest.raises(sio.eio.get_queue_empty_exception()):
        queue.get_nowait()
    assert isinstance(sio.eio.create_event(), asyncio.Event)
    assert len({sio.eio.generate_id() for _ in range(10)}) == 10
    done = []

    async def work(value):
        await sio.eio.sleep(0)
        done.append(value)

    await sio.eio.start_background_task(work, 5)
    assert done == [5]

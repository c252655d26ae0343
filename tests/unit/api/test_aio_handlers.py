"""AsyncServer: "*" events and namespaces, which namespaces clients may join, and what handlers are called with.

The order of preference is in core/test_registry.py.
"""

from __future__ import annotations

import asyncio
import builtins

import pytest

import fastsio
from harness import until


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


# --- the namespace "*" ----------------------------------------------------------------------------


@pytest.fixture
def sio():
    return fastsio.AsyncServer(namespaces="*")


@pytest.mark.feature("1.6 catch-all namespace")
@pytest.mark.feature("1.9 access child socket's ns")
async def test_handlers_of_any_namespace_get_its_name(sio, join):
    log = []

    @sio.on("connect", namespace="*")
    async def connect(namespace, sid, environ, auth):
        log.append(("connect", namespace, sid, environ["REQUEST_METHOD"], auth))

    @sio.on("disconnect", namespace="*")
    def disconnect(namespace, sid, reason):
        log.append(("disconnect", namespace, sid, reason))

    @sio.on("x", namespace="*")
    def x(namespace, sid, *args):
        return ["x", namespace, sid, *args]

    @sio.on("*", namespace="*")
    async def anything(event, namespace, sid, *args):
        return [event, namespace, sid, *args]

    peer = await join.open(sio)
    sid = (await peer.connect("/any", {"a": 1}))["sid"]
    await peer.send('42/any,0["x",1]', '42/any,1["y",2,3]')
    assert await peer.receive() == f'43/any,0[["x","/any","{sid}",1]]'
    assert await peer.receive() == f'43/any,1[["y","/any","{sid}",2,3]]'
    await peer.send("41/any,")
    await until(lambda: len(log) == 2, "the disconnect handler")
    assert log == [
        ("connect", "/any", sid, "GET", {"a": 1}), ("disconnect", "/any", sid, "client disconnect"),
    ]  # fmt: skip


async def test_connect_of_any_namespace_can_refuse(sio, join):
    sio.on("connect", lambda namespace, sid, environ: namespace != "/no", namespace="*")
    peer = await join.open(sio)
    await peer.connect("/yes")
    await peer.send("40/no,")
    assert await peer.receive() == '44/no,{"message":"Connection rejected by server"}'


async def test_connect_of_the_namespace_itself_comes_first(sio, join):
    log = []
    sio.on("connect", lambda sid, environ: log.append("own"), namespace="/n")
    sio.on("connect", lambda namespace, sid, environ: log.append("any"), namespace="*")
    peer = await join.open(sio)
    await peer.connect("/n")
    await peer.connect("/m")
    assert log == ["own", "any"]


# --- which namespaces there are -------------------------------------------------------------------


async def accepted(sio, join, *names) -> list[str]:
    """Those of the namespaces that a client can join."""
    peer = await join.open(sio)
    found = []
    for name in names:
        prefix = "" if name == "/" else f"{name},"
        await peer.send(f"40{prefix}")
        if (await peer.receive()).startswith(f"40{prefix}"):
            found.append(name)
    return found


@pytest.mark.parametrize(
    ("given", "handled", "expected"),
    [
        (None, [], ["/"]),
        (None, ["/a"], ["/", "/a"]),
        ([], [], ["/"]),
        (["/"], ["/a"], ["/", "/a"]),
        (["/a"], [], ["/a"]),
        (["/a"], ["/b"], ["/a", "/b"]),
        (["/a"], ["/"], ["/", "/a"]),
        (["/a", "/"], [], ["/", "/a"]),
        ("*", [], ["/", "/a", "/b"]),
        # As in python-socketio, handlers for any namespace do not open all: namespaces="*" does.
        (None, ["*"], ["/"]),
    ],
)
async def test_namespaces_are_those_that_are_named_and_those_with_handlers(
    join, given, handled, expected
):
    sio = fastsio.AsyncServer(namespaces=given)
    for name in handled:
        sio.on("x", lambda *args: None, namespace=name)
    assert await accepted(sio, join, "/", "/a", "/b") == expected


# --- arguments ------------------------------------------------------------------------------------


async def test_handler_may_call_an_argument_ack(sio, join):
    """The name means something in Node's style only."""
    sio.on("x", lambda sid, ack: ["got", ack])
    peer, _ = await join(sio)
    await peer.send('427["x","an argument"]')
    assert await peer.receive() == '437[["got","an argument"]]'


@pytest.mark.parametrize("auth", [None, {}])
async def test_connect_without_auth_gets_none(sio, join, auth):
    got = []
    sio.on("connect", lambda sid, environ, auth: got.append(auth))
    await join(sio, auth=auth)
    assert got == [None]


async def test_pythons_own_connectionrefusederror_refuses_too(sio, join):
    @sio.event
    async def connect(sid, environ):
        raise builtins.ConnectionRefusedError("no entry")

    peer = await join.open(sio)
    await peer.send("40")
    assert await peer.receive() == '44{"message":"Connection refused by server"}'


@pytest.mark.parametrize("is_async", [False, True])
async def test_connect_that_raises_anything_else_refuses_and_is_logged(sio, join, watch, is_async):
    """What went wrong is in the log; the client is told no more than that it can't come in."""

    def at_once(sid, environ):
        raise KeyError("a secret of the server")

    async def later(sid, environ):
        await asyncio.sleep(0)
        at_once(sid, environ)

    sio.on("connect", later if is_async else at_once)
    peer = await join.open(sio)
    await peer.send("40")
    assert await peer.receive() == '44{"message":"Connection rejected by server"}'
    watch.expect_error("handler of 'connect' in '/' failed for sid=", "a secret of the server")
    assert sio.hub.root.handler_errors == 1


async def test_static_and_partial_functions_are_handlers_like_any(sio, join):
    import functools

    class Handlers:
        @staticmethod
        async def x(sid, value):
            return ["static", value]

        def __call__(self, sid, value):
            return ["object", value]

    sio.on("x", Handlers.x)
    sio.on("y", Handlers())
    sio.on("z", functools.partial(lambda given, sid, value: [given, value], "partial"))
    peer, _ = await join(sio)
    await peer.send('420["x",1]', '421["y",2]', '422["z",3]')
    assert [await peer.receive() for _ in range(3)] == [
        '430[["static",1]]', '431[["object",2]]', '432[["partial",3]]',
    ]  # fmt: skip


# --- rooms that are clients -----------------------------------------------------------------------


async def test_another_clients_own_room_cant_be_entered_or_closed(sio, join):
    _, socket = await join(sio)
    _, other = await join(sio)
    with pytest.raises(ValueError, match="cannot enter a sid room"):
        await sio.enter_room(socket.id, other.id)
    with pytest.raises(ValueError, match="cannot close a sid room"):
        await sio.close_room(other.id)
    await sio.enter_room(socket.id, socket.id)
    assert sio.rooms(socket.id) == [socket.id]


# --- shutdown -------------------------------------------------------------------------------------


async def test_shutdown_ends_every_session_and_waits_for_its_handlers(sio, join):
    ended = []

    @sio.event
    async def disconnect(sid, reason):
        await asyncio.sleep(0)
        ended.append(reason)

    await sio.shutdown()  # not served yet
    _, socket = await join(sio)
    await sio.shutdown()
    assert ended == ["server disconnect"]
    assert dict(sio.eio.sockets) == {}
    await join(sio)  # it is served on
    assert len(sio.eio.sockets) == 1
    assert not socket.connected

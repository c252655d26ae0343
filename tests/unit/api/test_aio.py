"""AsyncServer: registering handlers, and letting clients in, as python-socketio's applications do it.

Sending is in test_aio_sending.py, rooms, sessions and tasks in test_aio_clients.py.
Source: python-socketio 5's signatures; Node's wire.
"""

from __future__ import annotations

import asyncio
import json
import weakref

import pytest

import fastsio
from fastsio.exceptions import ConnectionRefusedError
from harness import until

CLOCK = pytest.mark.asyncio(loop_factories=["clock"])


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def refusal(peer, packet: str = "40") -> dict:
    await peer.send(packet)
    answer = await peer.receive()
    assert answer[:2] == "44", answer
    return json.loads(answer[answer.index("{") :])


# --- registering ----------------------------------------------------------------------------------


async def test_event_registers_a_function_under_its_name(sio, join):
    @sio.event
    def one(sid, value):
        return [sid, value]

    @sio.event
    async def two(sid):
        return "two"

    peer, socket = await join(sio)
    await peer.send('420["one",1]', '421["two"]')
    assert await peer.receive() == f'430[["{socket.id}",1]]'
    assert await peer.receive() == '431["two"]'


async def test_on_registers_as_a_decorator_or_with_the_handler(sio, join):
    @sio.on("my event")
    def anything(sid):
        return "decorated"

    def handler(sid):
        return "given"

    assert sio.on("other", handler) is handler
    assert callable(anything)
    peer, _ = await join(sio)
    await peer.send('420["my event"]', '421["other"]')
    assert [await peer.receive(), await peer.receive()] == ['430["decorated"]', '431["given"]']


async def test_handlers_of_a_namespace_hear_only_that(sio, join):
    @sio.event(namespace="/n")
    def x(sid):
        return "n"

    @sio.on("x", namespace="m")
    def other(sid):
        return "m"

    peer, _ = await join(sio)
    await peer.connect("/n")
    await peer.connect("/m")
    await peer.send('42/n,0["x"]', '42["x"]', '42/m,0["x"]')
    assert [await peer.receive(), await peer.receive()] == ['43/n,0["n"]', '43/m,0["m"]']


async def test_last_handler_of_an_event_wins(sio, join):
    sio.on("x", lambda sid: "first")
    sio.on("x", lambda sid: "last")
    peer, _ = await join(sio)
    await peer.send('420["x"]')
    assert await peer.receive() == '430["last"]'


@pytest.mark.feature("1.6 catch-all in")
async def test_star_hears_what_has_no_handler(sio, join):
    sio.on("*", lambda event, sid, *args: [event, sid, *args])
    sio.on("known", lambda sid: "known")
    peer, socket = await join(sio)
    await peer.send('420["known"]', '421["unknown",1,2]', '422["*"]')
    assert [await peer.receive() for _ in range(3)] == [
        '430["known"]', f'431[["unknown","{socket.id}",1,2]]', f'432[["*","{socket.id}"]]',
    ]  # fmt: skip


async def test_star_does_not_hear_connect_and_disconnect(sio, join):
    log = []
    sio.on("*", lambda event, sid, *args: log.append(event))
    peer, socket = await join(sio)
    await peer.send("41")
    await until(lambda: not socket.connected, "the client is gone")
    await turns()
    assert log == []


@pytest.mark.parametrize(
    ("event", "handler", "message"),
    [
        ("x", lambda: None, "takes 0 arguments, it is called with 1"),
        ("*", lambda event: None, "takes 1 arguments, it is called with 2"),
        ("disconnect", lambda: None, "takes 0 arguments, it is called with 1"),
        ("connect", lambda: None, r"a connect handler takes \(sid, environ\) or \(sid, environ, auth\)"),
        ("connect", lambda sid: None, r"a connect handler takes \(sid, environ\)"),
        ("connect", "no function", "is not callable"),
        ("x", "no function", "is not callable"),
    ],
)  # fmt: skip
def test_handler_that_cant_be_called_so_is_refused_where_it_is_given(sio, event, handler, message):
    with pytest.raises(TypeError, match=message):
        sio.on(event, handler)


def test_connect_handler_that_needs_more_than_there_is_is_refused_where_it_is_given(sio):
    with pytest.raises(TypeError, match=r"a connect handler takes \(sid, environ\)"):
        sio.on("connect", lambda sid, environ, auth, more: None)


# --- connect --------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("auth", [None, {"token": "t"}])
async def test_connect_gets_sid_environ_and_auth(sio, join, auth, is_async):
    got = []

    async def later(sid, environ, auth):
        await asyncio.sleep(0)
        got.append((sid, environ["HTTP_X_TOKEN"], auth))

    def at_once(sid, environ, auth):
        got.append((sid, environ["HTTP_X_TOKEN"], auth))

    sio.on("connect", later if is_async else at_once)
    _, socket = await join(sio, auth=auth, headers={"X-Token": "h"})
    assert got == [(socket.id, "h", auth)]


@pytest.mark.feature("1.5 connect handler signature")
@pytest.mark.parametrize(
    ("make", "count"),
    [
        (lambda got: lambda sid, environ: got.append(2), 2),
        (lambda got: lambda *args: got.append(len(args)), 3),
        (lambda got: lambda sid, *args: got.append(1 + len(args)), 3),
        (lambda got: lambda sid, environ, auth=None, more="no": got.append((3, more)), (3, "no")),
    ],
)
async def test_connect_gets_as_much_as_it_takes(sio, join, make, count):
    got = []
    sio.on("connect", make(got))
    await join(sio, auth={"token": "t"})
    assert got == [count]


@pytest.mark.parametrize("result", [None, True, 0, "", [], "anything"])
async def test_connect_admits_whatever_it_returns_but_false(sio, join, result):
    sio.on("connect", lambda sid, environ: result)
    await join(sio)


def raises(error):
    def connect(sid, environ):
        raise error

    return connect


@pytest.mark.feature("1.5 refuse with data")
@pytest.mark.parametrize(
    ("connect", "said"),
    [
        (lambda sid, environ: False, {"message": "Connection rejected by server"}),
        (raises(ConnectionRefusedError()), {"message": "Connection rejected by server"}),
        (raises(ConnectionRefusedError("no")), {"message": "no"}),
        (raises(ConnectionRefusedError("no", {"a": 1})), {"message": "no", "data": {"a": 1}}),
        (raises(ConnectionRefusedError("no", 1, 2)), {"message": "no", "data": [1, 2]}),
        (raises(ConnectionRefusedError({"a": 1})), {"message": "{'a': 1}"}),
    ],
)
@pytest.mark.parametrize("is_async", [False, True])
async def test_connect_refuses_by_false_or_by_raising_and_the_client_is_told_as_by_node(
    sio, join, connect, said, is_async
):
    """socketio.md 3: {"message": …, "data": …}; the connection stays."""
    log = []

    async def later(sid, environ):
        await asyncio.sleep(0)
        return connect(sid, environ)

    sio.on("connect", later if is_async else connect)
    sio.on("disconnect", lambda sid: log.append(sid))
    peer = await join.open(sio)
    assert await refusal(peer) == said
    assert await refusal(peer) == said  # it may ask again
    await peer.close()
    await turns()
    assert log == []
    assert sio.hub.namespaces["/"].sockets == {}


async def test_connect_of_a_namespace_is_its_own(sio, join):
    sio.on("connect", lambda sid, environ: False, namespace="/n")
    peer, _ = await join(sio)
    assert await refusal(peer, "40/n,") == {"message": "Connection rejected by server"}


async def test_last_connect_handler_wins_and_keeps_the_place_of_the_first(sio, join):
    log = []
    sio.on("connect", lambda sid, environ: log.append("first"))
    sio.hub.namespaces["/"].use(lambda socket: log.append("middleware"))
    sio.on("connect", lambda sid, environ: log.append("last"))
    await join(sio)
    assert log == ["last", "middleware"]


async def test_connect_may_save_a_session_enter_rooms_and_emit(sio, join):
    @sio.event
    async def connect(sid, environ, auth):
        await sio.save_session(sid, {"user": auth["user"]})
        await sio.enter_room(sid, "members")
        await sio.emit("welcome", auth["user"], to=sid)

    peer = await join.open(sio)
    await peer.send('40{"user":"ann"}')
    assert await peer.receive() == '42["welcome","ann"]'
    sid = json.loads((await peer.receive())[2:])["sid"]
    assert await sio.get_session(sid) == {"user": "ann"}
    await sio.emit("x", room="members")
    assert await peer.receive() == '42["x"]'


async def test_namespace_without_handlers_does_not_exist(sio, join):
    sio.on("x", print, namespace="/n")
    peer, _ = await join(sio)
    await peer.connect("/n")
    assert await refusal(peer, "40/other,") == {"message": "Invalid namespace"}


async def test_asking_about_a_namespace_does_not_make_it(sio, join):
    """A typing error in a call must not open the namespace to clients."""
    await sio.emit("x", namespace="/never")
    sio.rooms("nobody", namespace="/never")
    await sio.leave_room("nobody", "r", namespace="/never")
    await sio.disconnect("nobody", namespace="/never")
    peer = await join.open(sio)
    assert await refusal(peer, "40/never,") == {"message": "Invalid namespace"}


def test_an_application_may_keep_things_with_its_server():
    class Mine(fastsio.AsyncServer):
        pass

    for server in (fastsio.AsyncServer(), Mine()):
        server.database = "db"
        assert server.database == "db"
        assert weakref.ref(server)() is server

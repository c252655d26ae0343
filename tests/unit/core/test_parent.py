"""Parent namespaces: who makes a child, what it has of its parent, and when it goes.

Source: Node's ParentNamespace, Server.of() and Server._checkNamespace().
"""

from __future__ import annotations

import asyncio
import re

import pytest

import fastsio
from clock_loop import pass_time
from fastsio.exceptions import ConnectionRefusedError
from fastsio.testing import ConnectionRefused, TestClient, TestServer
from harness import until

CLOCK = pytest.mark.asyncio(loop_factories=["clock"])


# --- which names there are ------------------------------------------------------------------------


@pytest.mark.parametrize("names", ["/room/{id:int}", re.compile(r"^/room/(?P<id>\d+)$")])
@pytest.mark.feature("1.9 dynamic namespaces by regular expression")
async def test_namespace_is_made_when_a_client_asks_for_one_that_fits(io, names):
    joined = []
    parent = io.of(names, joined.append)
    async with TestServer(io) as server:
        one = await server.connect("/room/7")
        two = await server.connect("/room/7")
        other = await server.connect("/room/8")
        with pytest.raises(ConnectionRefused, match="Invalid namespace"):
            await server.connect("/room/x")
        assert [socket.nsp.name for socket in joined] == ["/room/7", "/room/7", "/room/8"]
        assert [int(socket.params["id"]) for socket in joined] == [7, 7, 8]
        assert joined[0].nsp is joined[1].nsp is io.of("/room/7")
        assert list(parent.children) == ["/room/7", "/room/8"]
        io.of("/room/7").emit("news", 1)
        assert (await one.expect("news")).data == (await two.expect("news")).data == 1
        assert await other.nothing()


def allows(name, auth):
    return name.startswith("/ok") and auth.get("token") == "secret"


async def allows_later(name, auth):
    await asyncio.sleep(0)
    return allows(name, auth)


def allows_with_next(name, auth, next):
    next(None, allows(name, auth))


def allows_with_next_later(name, auth, next):
    asyncio.get_running_loop().call_soon(next, None, allows(name, auth))


async def allows_with_next_in_a_coroutine(name, auth, next):
    await asyncio.sleep(0)
    next(None, allows(name, auth))


@pytest.mark.parametrize(
    "function",
    [
        allows,
        allows_later,
        allows_with_next,
        allows_with_next_later,
        allows_with_next_in_a_coroutine,
    ],
)
@pytest.mark.feature("1.9 dynamic namespaces by function")
async def test_function_says_which_namespaces_there_are(io, function):
    joined = []
    io.of(function, joined.append)
    async with TestServer(io) as server:
        await server.connect("/ok-1", auth={"token": "secret"})
        for name, auth in (("/ok-2", None), ("/bad", {"token": "secret"})):
            with pytest.raises(ConnectionRefused, match="Invalid namespace"):
                await server.connect(name, auth=auth)
        assert [socket.nsp.name for socket in joined] == ["/ok-1"]
        assert joined[0].params == {}
        # Once it is there, nobody is asked any more.
        await server.connect("/ok-1")
        assert len(joined) == 2


async def test_function_may_look_at_the_name_alone(io):
    io.of(lambda name: name == "/x")
    async with TestClient(io, "/x") as client:
        assert client.is_connected


def raises(name, auth):
    raise ValueError("on purpose")


def refuses(name, auth):
    raise ConnectionRefusedError("no")


def fails(name, auth, next):
    next("no", True)


async def raises_in_a_coroutine(name, auth, next):
    raise ValueError("on purpose")


def says_nothing(name, auth, next):
    next()


@pytest.mark.parametrize("function", [raises, raises_in_a_coroutine, refuses, fails, says_nothing])
async def test_after_a_function_that_fails_the_next_parent_is_asked(io, function, caplog):
    io.of(function)
    second = io.of(re.compile("^/x"))
    third = io.of(lambda name, auth: True)
    async with TestServer(io) as server:
        await server.connect("/x1")
        await server.connect("/y")
    assert list(second.children) == ["/x1"]
    assert list(third.children) == ["/y"]
    assert ("on purpose" in caplog.text) is function.__name__.startswith("raises")


@CLOCK
@pytest.mark.fault(
    "a namespace's function never calls `next`",
    "the client is refused in time, with a warning",
)
async def test_function_that_never_calls_next_does_not_hang_the_client(caplog):
    io = fastsio.IO(middleware_timeout=4)
    io.of(lambda name, auth, next: None)
    with pytest.raises(ConnectionRefused, match="Invalid namespace"):
        await TestClient(io, "/x", timeout=10).connect()
    assert "did not call next() within 4 s" in caplog.text


@CLOCK
async def test_function_is_not_waited_for_after_it_has_called_next(io):
    ended = []

    @io.of
    async def function(name, auth, next):
        next(None, True)
        await asyncio.sleep(5)
        ended.append(name)

    async with TestServer(io) as server:
        await server.connect("/x")
        assert ended == []
        await pass_time(6)
        assert ended == ["/x"]


def test_function_that_takes_something_else_is_refused_where_it_is_given(io):
    for fn in (lambda: True, lambda a, b, c, d: True):
        with pytest.raises(TypeError, match="it takes \\(name, auth\\)"):
            io.of(fn)


async def test_two_clients_that_ask_at_once_share_one_child(io):
    gate = asyncio.Event()
    made = []
    io.on("new_namespace", lambda namespace: made.append(namespace.name))

    @io.of
    async def function(name, auth):
        await gate.wait()
        return True

    async with TestServer(io) as server:
        connecting = [asyncio.ensure_future(server.connect("/x")) for _ in range(2)]
        await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(*connecting)
        assert made == ["/x"]
        assert len(io.of("/x").sockets) == 2


async def test_client_that_goes_while_a_function_is_asked_is_never_seen(io, join):
    asked, seen = [], []
    gate = asyncio.Event()

    async def function(name, auth):
        asked.append(name)
        await gate.wait()
        return True

    io.of(function, seen.append)
    peer = await join.open(io)
    await peer.send("40/x,")
    await until(lambda: asked, "it is asked")
    await peer.close()
    await until(lambda: not io.hub.engine.sessions, "it has gone")
    gate.set()
    await until(lambda: not io.hub.tasks, "the function has ended")
    assert seen == []


async def test_second_connect_while_a_function_is_asked_closes_the_connection(io, join):
    gate = asyncio.Event()

    async def function(name, auth):
        return await gate.wait()

    io.of(function)
    peer = await join.open(io)
    await peer.send("40/x,", "40/x,")
    assert (await peer.ws.receive())[0] == 8
    gate.set()
    await until(lambda: not io.hub.tasks, "the function has ended")


async def test_namespace_that_code_names_first_is_a_child_if_a_pattern_fits(io):
    joined = []
    parent = io.of(re.compile(r"^/d-\d+$"), joined.append)
    io.of(lambda name, auth: True)  # functions are asked for clients only
    assert parent.children == {"/d-1": io.of("/d-1")}
    assert io.of("/e").parent is None
    async with TestClient(io, "/d-1"):
        assert len(joined) == 1


async def test_static_namespace_is_nobodys_child(io):
    static = io.of("/d-1")
    parent = io.of(re.compile(r"^/d-\d+$"))
    async with TestClient(io, "/d-1"):
        assert len(static.sockets) == 1
    assert parent.children == {}
    with pytest.raises(ValueError, match="'/d-1' is there already"):
        parent.create_child("/d-1")


async def test_create_child_makes_one_whatever_its_name(io):
    parent = io.of(re.compile(r"^/d-\d+$"))
    child = parent.create_child("other")
    assert child.name == "/other" and child.parent is parent
    assert parent.create_child("/other") is child
    async with TestClient(io, "/other"):
        assert len(child.sockets) == 1


def test_pattern_that_cant_be_is_refused_where_it_is_given(io):
    with pytest.raises(ValueError, match="no field"):
        io.of("/{a:b}")


@pytest.mark.feature("1.1 new_namespace event")
async def test_new_namespace_is_told_of_children_that_have_all_of_their_parents(io):
    said = []
    parent = io.of("/room/{id}", lambda socket: None)
    parent.use(lambda socket: None)

    @io.on("new_namespace")
    def made(namespace):
        said.append((namespace.name, len(namespace.guards), namespace.params))
        namespace.use(lambda socket: said.append(socket.nsp.name))

    async with TestClient(io, "/room/a"):
        assert said == [("/room/a", 1, {"id": "a"}), "/room/a"]


# --- what a child has of its parent ---------------------------------------------------------------


@pytest.mark.feature("1.9 middleware and listeners of a parent namespace")
async def test_children_have_the_middleware_and_listeners_that_were_there_when_they_were_made(io):
    log = []
    parent = io.of("/room/{id}")
    parent.use(lambda socket: log.append(("use", socket.params["id"])))
    parent.on("connection", lambda socket: log.append(("connection", socket.params["id"])))
    parent.on("connect", lambda socket: log.append(("connect", socket.params["id"])))
    async with TestServer(io) as server:
        await server.connect("/room/1")
        assert log == [("use", "1"), ("connect", "1"), ("connection", "1")]
        parent.use(lambda socket, next: next(ValueError("closed")))
        await server.connect("/room/1")  # as in Node: what is added later is for later children
        with pytest.raises(ConnectionRefused, match="closed"):
            await server.connect("/room/2")


async def test_child_may_have_more_of_its_own(io):
    log = []
    parent = io.of("/room/{id}")
    parent.use(lambda socket: log.append("parent"))
    io.of("/room/1").use(lambda socket: log.append("child"))
    async with TestServer(io) as server:
        await server.connect("/room/1")
        await server.connect("/room/2")
    assert log == ["parent", "child", "parent"]


def test_parent_has_no_other_event(io):
    with pytest.raises(ValueError, match="event 'chat' of a parent namespace"):
        io.of("/room/{id}").on("chat", print)


def test_middleware_that_cant_be_is_refused_at_the_parent(io):
    with pytest.raises(TypeError, match="a middleware takes"):
        io.of("/room/{id}").use(lambda a, b, c: None)


async def test_listeners_of_a_parent_can_be_taken_back(io):
    log = []
    parent = io.of("/room/{id}")
    fn = parent.on("connection", lambda socket: log.append("kept"))
    other = parent.on("connection", lambda socket: log.append("removed"))
    parent.off("connection", other)
    assert parent.listeners("connection") == [fn]
    async with TestClient(io, "/room/1"):
        assert log == ["kept"]


@CLOCK
async def test_middleware_that_forgets_next_is_warned_of_once_for_all_children(caplog):
    io = fastsio.IO(middleware_timeout=1)
    io.of("/room/{id}").use(lambda socket, next: None)
    for name in ("/room/1", "/room/2"):
        with pytest.raises(ConnectionRefused, match="middleware timeout"):
            await TestClient(io, name, timeout=5).connect()
    assert caplog.text.count("returned without calling next()") == 1


# --- when it goes ---------------------------------------------------------------------------------


@pytest.mark.feature("1.9 cleanupEmptyChildNamespaces")
async def test_child_goes_with_its_last_client_if_that_is_wanted():
    io = fastsio.IO(cleanup_empty_child_namespaces=True)
    joined = []
    parent = io.of("/room/{id}", joined.append)
    io.of("/static")
    async with TestServer(io) as server:
        one, two = await server.connect("/room/1"), await server.connect("/room/1")
        await one.disconnect()
        assert list(parent.children) == ["/room/1"]
        await two.drop()
        assert parent.children == {}
        assert set(io.hub.namespaces) == {"/", "/static"}
        await server.connect("/room/1")
        assert joined[2].nsp is not joined[0].nsp
    assert parent.children == {}


@pytest.mark.feature("1.9 cleanupEmptyChildNamespaces")
async def test_child_goes_too_when_its_only_client_was_refused():
    io = fastsio.IO(cleanup_empty_child_namespaces=True)
    parent = io.of("/room/{id}")
    parent.use(lambda socket, next: next("no"))
    with pytest.raises(ConnectionRefused, match="no"):
        await TestClient(io, "/room/1").connect()
    assert parent.children == {} and set(io.hub.namespaces) == {"/"}


async def test_child_stays_while_others_are_asked_about():
    io = fastsio.IO(cleanup_empty_child_namespaces=True)
    parent = io.of("/room/{id}")
    gate = asyncio.Event()

    @parent.use
    async def middleware(socket):
        if "slow" in socket.handshake.auth:
            await gate.wait()

    async with TestServer(io) as server:
        one = await server.connect("/room/1")
        connecting = asyncio.ensure_future(server.connect("/room/1", auth={"slow": 1}))
        await until(lambda: io.of("/room/1").joining, "the second is asked about")
        await one.disconnect()
        child = parent.children["/room/1"]
        gate.set()
        await connecting
        assert len(child.sockets) == 1


async def test_child_stays_otherwise(io):
    parent = io.of("/room/{id}")
    async with TestClient(io, "/room/1"):
        pass
    assert list(parent.children) == ["/room/1"]


async def test_child_goes_after_the_other_styles_disconnect_handler():
    sio = fastsio.AsyncServer(cleanup_empty_child_namespaces=True)
    parent = sio.io.of("/room/{id}")
    gate = asyncio.Event()

    @sio.on("disconnect", namespace="*")
    async def disconnect(namespace, sid, reason):
        await gate.wait()
        assert sio.rooms(sid, namespace) == [sid]

    async with TestServer(sio) as server:
        client = await server.connect("/room/1")
        child = parent.children["/room/1"]
        dropping = asyncio.ensure_future(client.drop())
        await until(lambda: child.leaving, "the handler is at work")
        assert parent.children == {"/room/1": child}
        gate.set()
        await dropping
        assert parent.children == {}


async def test_client_that_went_while_it_was_asked_about_can_still_be_looked_up(join):
    sio = fastsio.AsyncServer(cleanup_empty_child_namespaces=True)
    parent = sio.io.of("/room/{id}")
    gate = asyncio.Event()
    log = []

    @sio.on("connect", namespace="*")
    async def connect(namespace, sid, environ):
        await sio.save_session(sid, {"namespace": namespace}, namespace)
        await gate.wait()

    @sio.on("disconnect", namespace="*")
    async def disconnect(namespace, sid, reason):
        log.append((await sio.get_session(sid, namespace), reason))

    peer = await join.open(sio)
    await peer.send("40/room/1,")
    await until(lambda: parent.children, "it is asked about")
    await peer.close()
    await until(lambda: not sio.hub.engine.sessions, "it has gone")
    gate.set()
    await until(lambda: log, "its disconnect handler has run")
    assert log == [({"namespace": "/room/1"}, "transport close")]
    await until(lambda: not parent.children, "the child has gone")


# --- python-socketio's handlers -------------------------------------------------------------------


async def test_handlers_of_any_namespace_handle_children():
    sio = fastsio.AsyncServer()
    sio.io.of("/room/{id:int}")
    log = []

    @sio.on("connect", namespace="*")
    async def connect(namespace, sid, environ, auth):
        log.append(("connect", namespace))

    @sio.on("add", namespace="*")
    async def add(namespace, sid, a, b):
        return [namespace, a + b]

    async with TestServer(sio) as server:
        client = await server.connect("/room/5")
        assert await client.call("add", 1, 2) == ["/room/5", 3]
        with pytest.raises(ConnectionRefused):
            await server.connect("/room/x")
    assert log == [("connect", "/room/5")]


async def test_functions_of_a_pattern_make_its_namespaces_and_handle_their_events():
    sio = fastsio.AsyncServer()
    log = []

    @sio.on("connect", namespace="/room/{id:int}")
    async def connect(namespace, sid, environ, auth):
        if auth == {"refuse": True}:
            return False
        return log.append(("connect", namespace, sio.io.of(namespace).params))

    @sio.on("add", namespace="room/{id:int}")
    async def add(namespace, sid, a, b):
        return a + b

    @sio.on("*", namespace="/room/{id:int}")
    async def others(event, namespace, sid):
        return event

    @sio.on("add", namespace="/room/8")
    async def add_in_eight(sid, a, b):
        return "eight"

    @sio.on("disconnect", namespace="/room/{id:int}")
    async def disconnect(namespace, sid, reason):
        log.append(("disconnect", namespace, reason))

    assert len(sio.hub.parents._parents) == 1
    async with TestServer(sio) as server:
        client = await server.connect("/room/7")
        assert await client.call("add", 1, 2) == 3
        assert await client.call("anything") == "anything"
        assert await (await server.connect("/room/8")).call("add", 1, 2) == "eight"
        with pytest.raises(ConnectionRefused, match="rejected"):
            await server.connect("/room/9", auth={"refuse": True})
        with pytest.raises(ConnectionRefused, match="Invalid namespace"):
            await server.connect("/room/x")
        await client.disconnect()
    assert log[:2] == [("connect", "/room/7", {"id": 7}), ("connect", "/room/8", {"id": 8})]
    assert log[2] == ("disconnect", "/room/7", "client disconnect")


async def test_functions_of_a_pattern_that_come_later_reach_children_that_are_there():
    sio = fastsio.AsyncServer()
    sio.io.of("/room/{id}")
    async with TestServer(sio) as server:
        client = await server.connect("/room/7")
        sio.on("late", lambda namespace, sid: [namespace, sid], namespace="/room/{id}")
        assert await client.call("late") == ["/room/7", client.sid]


async def test_class_of_a_pattern_handles_its_namespaces():
    class Rooms(fastsio.AsyncNamespace):
        async def on_connect(self, namespace, sid, environ): ...

        async def on_where(self, namespace, sid):
            return namespace

    sio = fastsio.AsyncServer()
    sio.register_namespace(Rooms("/room/{id}"))
    async with TestServer(sio) as server:
        assert await (await server.connect("/room/7")).call("where") == "/room/7"
        assert await (await server.connect("/room/8")).call("where") == "/room/8"


async def test_all_namespaces_are_accepted_after_the_parents_were_asked():
    sio = fastsio.AsyncServer(namespaces="*")
    parent = sio.io.of("/room/{id}")
    async with TestServer(sio) as server:
        await server.connect("/room/1")
        await server.connect("/else")
        assert list(parent.children) == ["/room/1"]
        assert sio.hub.namespaces["/else"].parent is None
    assert "/else" not in sio.hub.namespaces


async def test_root_that_is_not_wanted_is_no_ones_child():
    sio = fastsio.AsyncServer(namespaces=["/a"])
    sio.io.of(re.compile("."))
    async with TestServer(sio) as server:
        with pytest.raises(ConnectionRefused, match="Invalid namespace"):
            await server.connect("/")
        await server.connect("/b")
        await pass_time(0)

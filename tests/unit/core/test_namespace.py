"""Namespaces: middleware in both forms, the connection event, and what can be asked of one.

Emitting is in test_rooms.py. Source: Node's Namespace; socketio.md 3.
"""

from __future__ import annotations

import asyncio
import json

import pytest

import fastsio
from harness import until


async def refusal(peer, namespace: str = "/", auth=None) -> dict:
    """The CONNECT_ERROR's JSON."""
    prefix = "" if namespace == "/" else namespace + ","
    await peer.send("40" + prefix + ("" if auth is None else json.dumps(auth)))
    packet = await peer.receive()
    assert packet.startswith("44" + prefix), packet
    return json.loads(packet[2 + len(prefix) :])


class WithData(Exception):
    def __init__(self, message, data) -> None:
        super().__init__(message)
        self.data = data


# --- middleware -----------------------------------------------------------------------------------


def plain(log):
    def middleware(socket):
        log.append(("plain", socket.id))

    return middleware


def coroutine(log):
    async def middleware(socket):
        await asyncio.sleep(0)
        log.append(("coroutine", socket.id))

    return middleware


def with_next(log):
    def middleware(socket, next):
        log.append(("with next", socket.id))
        next()

    return middleware


def with_next_later(log):
    def middleware(socket, next):
        asyncio.get_running_loop().call_soon(next)
        log.append(("with next later", socket.id))

    return middleware


def coroutine_with_next(log):
    async def middleware(socket, next):
        await asyncio.sleep(0)
        log.append(("coroutine with next", socket.id))
        next()

    return middleware


FORMS = [plain, coroutine, with_next, with_next_later, coroutine_with_next]


@pytest.mark.parametrize("form", FORMS)
async def test_middleware_admits_by_returning_or_by_next(io, join, form):
    log = []
    middleware = form(log)
    assert io.use(middleware) is middleware
    _, socket = await join(io)
    assert log == [(form.__name__.replace("_", " "), socket.id)]


async def test_middleware_runs_in_the_order_in_which_it_was_added_one_after_the_other(io, join):
    log = []
    for form in FORMS:
        io.use(form(log))
    await join(io)
    assert [name for name, _ in log] == [form.__name__.replace("_", " ") for form in FORMS]


ERRORS = [
    (Exception("no"), {"message": "no"}),
    (ValueError(""), {"message": ""}),
    (WithData("no", {"retry": 5}), {"message": "no", "data": {"retry": 5}}),
    (WithData("no", None), {"message": "no"}),
    (WithData("no", 0), {"message": "no", "data": 0}),
    (fastsio.exceptions.ConnectionRefusedError(), {"message": "Connection rejected by server"}),
    (fastsio.exceptions.ConnectionRefusedError("no"), {"message": "no"}),
    (fastsio.exceptions.ConnectionRefusedError("no", 1), {"message": "no", "data": 1}),
    (fastsio.exceptions.ConnectionRefusedError("no", 1, "x"), {"message": "no", "data": [1, "x"]}),
]


@pytest.mark.parametrize(("error", "said"), ERRORS, ids=lambda value: repr(value)[:40])
@pytest.mark.parametrize("form", ["plain", "coroutine", "next", "raises beside next"])
async def test_middleware_refuses_by_raising_or_by_next_with_an_error(io, join, form, error, said):
    def raising(socket):
        raise error

    async def raising_later(socket):
        await asyncio.sleep(0)
        raise error

    def next_with_error(socket, next):
        next(error)

    def raises_beside_next(socket, next):
        raise error

    io.use(
        {
            "plain": raising,
            "coroutine": raising_later,
            "next": next_with_error,
            "raises beside next": raises_beside_next,
        }[form]
    )
    joined = []
    io.on("connection", lambda socket: joined.append(socket))
    peer = await join.open(io)
    assert await refusal(peer) == said
    assert joined == []
    assert (io.sockets.sockets, io.sockets.joining, io.sockets.adapter.rooms) == ({}, {}, {})


async def test_next_with_something_that_is_no_error_refuses_with_its_text(io, join):
    io.use(lambda socket, next: next("not today"))
    assert await refusal(await join.open(io)) == {"message": "not today"}


async def test_only_the_first_call_of_next_counts(io, join):
    def middleware(socket, next):
        next()
        next(Exception("too late"))

    io.use(middleware)
    await join(io)


async def test_middleware_after_one_that_refuses_does_not_run(io, join):
    log = []

    def refuse(socket):
        log.append("refuse")
        raise Exception("no")

    io.use(refuse)
    io.use(lambda socket: log.append("never"))
    await refusal(await join.open(io))
    assert log == ["refuse"]


async def test_refused_client_may_try_again_on_the_same_connection(io, join):
    def middleware(socket):
        if socket.handshake.auth.get("token") != "right":
            raise Exception("wrong token")

    io.use(middleware)
    peer = await join.open(io)
    assert await refusal(peer, auth={"token": "wrong"}) == {"message": "wrong token"}
    assert await refusal(peer) == {"message": "wrong token"}
    await peer.connect("/", {"token": "right"})


async def test_middleware_is_a_namespaces_own(io, join):
    def refuse(socket):
        raise Exception("no")

    io.of("/private").use(refuse)
    peer, _ = await join(io)
    assert await refusal(peer, "/private") == {"message": "no"}


async def test_middleware_added_while_a_client_is_asked_is_for_the_next(io, join):
    log = []

    def middleware(socket):
        log.append("first")
        io.use(lambda socket: log.append("second"))

    io.use(middleware)
    await join(io)
    assert log == ["first"]


async def test_middleware_may_put_the_socket_into_rooms_and_write_its_data(io, join):
    def middleware(socket):
        assert not socket.connected
        socket.data["user"] = "ann"
        socket.join("members")

    io.use(middleware)
    peer, socket = await join(io)
    assert socket.data == {"user": "ann"}
    assert socket.rooms == {socket.id, "members"}
    io.to("members").emit("x")
    assert await peer.receive() == '42["x"]'


@pytest.mark.parametrize("fn", [lambda a, b, c: None, lambda a, b, c, *d: None])
async def test_middleware_that_needs_more_is_refused_where_it_is_given(io, fn):
    with pytest.raises(TypeError, match=r"a middleware takes \(socket\) or \(socket, next\)"):
        io.use(fn)


async def test_middleware_that_cant_be_called_is_refused_where_it_is_given(io):
    with pytest.raises(TypeError, match="is not callable"):
        io.use("middleware")


async def test_refusal_that_json_cant_hold_is_still_a_refusal(io, join, watch):
    def refuse(socket):
        raise WithData("no", object())

    io.use(refuse)
    peer = await join.open(io)
    await peer.send("40")
    assert (await peer.receive()).startswith('44{"message":')
    watch.errors.clear()  # what is logged of it is not said


# --- the connection event -------------------------------------------------------------------------


@pytest.mark.parametrize("event", ["connection", "connect"])
async def test_connection_is_told_when_the_client_is_in(io, join, event):
    seen = []

    @io.on(event)
    def connection(socket):
        seen.append((socket, socket.connected, io.sockets.sockets.get(socket.id) is socket))
        socket.emit("welcome")

    peer, socket = await join(io)
    assert seen == [(socket, True, True)]
    assert await peer.receive() == '42["welcome"]'  # behind the CONNECT reply, which join() took


async def test_several_connection_handlers_run_in_order_and_may_be_coroutines(io, join):
    log = []

    @io.on("connection")
    async def first(socket):
        log.append("first begins")
        await asyncio.sleep(0)
        log.append("first ends")

    io.on("connection", lambda socket: log.append("second"))
    await join(io)
    await until(lambda: len(log) == 3, "all three have run")
    assert log == ["first begins", "second", "first ends"]


async def test_connection_handler_of_of_is_that_namespaces(io, join):
    log = []
    assert io.of("/n", lambda socket: log.append(socket.nsp.name)) is io.of("/n")
    peer, _ = await join(io)
    await peer.connect("/n")
    assert log == ["/n"]


@pytest.mark.fault("a connection handler raises", "logged and counted, the client stays")
async def test_failure_of_a_connection_handler_is_logged_and_the_client_stays(io, join, watch):
    def fail(socket):
        raise RuntimeError("on purpose")

    io.on("connection", fail)
    io.on("connection", lambda socket: socket.emit("welcome"))
    peer, socket = await join(io)
    assert await peer.receive() == '42["welcome"]'
    assert socket.connected
    watch.expect_error("handler of 'connection' in '/' failed", "on purpose")


@pytest.mark.parametrize("event", ["chat", "message"])
async def test_listener_of_what_only_servers_send_never_hears_a_client(io, join, caplog, event):
    heard = []
    io.on(event, heard.append)
    assert "events of clients go to their sockets, socket.on()" in caplog.text
    peer, socket = await join(io)
    socket.on("done", lambda: True)
    await peer.send(f'42["{event}",1]', '421["done"]')
    assert await peer.receive() == "431[true]"
    assert heard == []
    io.server_side_emit(event, 1)
    assert heard == []  # as in Node: a server does not hear itself


# --- which there are ------------------------------------------------------------------------------


@pytest.mark.parametrize(("given", "name"), [("/a", "/a"), ("a", "/a"), ("/", "/"), ("", "/")])
def test_leading_slash_of_a_name_may_be_left_out(io, given, name):
    assert io.of(given).name == name
    assert io.of(given) is io.of(name)


def test_comma_can_not_be_in_a_name(io):
    with pytest.raises(ValueError, match='"," ends a name on the wire'):
        io.of("/a,b")


async def test_sockets_are_those_that_joined_by_id(io, join):
    io.of("/n")
    peer, socket = await join(io)
    await peer.connect("/n")
    assert io.sockets.sockets == {socket.id: socket}
    (other,) = io.of("/n").sockets.values()
    assert other.id != socket.id
    assert io.of("/n").find(other.id) is other
    assert io.of("/n").find(socket.id) is None
    assert io.of("/n").find("nobody") is None

"""Listeners of namespaces and of IO; those of sockets are in test_listening.py."""

from __future__ import annotations

import pytest

import fastsio
from fastsio.core.emitter import Emitter
from fastsio.testing import TestServer


class Owner(Emitter):
    def __init__(self):
        self.by_event = None


@pytest.fixture(params=["owner", "io", "namespace", "parent"])
def emitter(request, io):
    return {
        "owner": Owner(),
        "io": io,
        "namespace": io.of("/a"),
        "parent": io.of("/room/{id}"),
    }[request.param]


def test_listeners_are_kept_in_their_order_and_can_be_looked_at(emitter):
    first, second, third = (lambda socket, number=number: number for number in range(3))
    assert emitter.listeners("connection") == [] and emitter.event_names() == []
    assert emitter.on("connection", second) is second
    assert emitter.once("connection", third) is third
    assert emitter.prepend("connection", first) is first
    assert emitter.listeners("connection") == [first, second, third]
    assert emitter.listener_count("connection") == 3
    assert emitter.event_names() == ["connection"]


def test_every_way_to_listen_works_as_a_decorator(emitter):
    names = []
    for listen in (emitter.on, emitter.once, emitter.prepend, emitter.prepend_once):

        @listen("connect")
        def listener(socket): ...

        names.append(listener)
    on, once, prepend, prepend_once = names
    assert emitter.listeners("connect") == [prepend_once, prepend, on, once]


def test_off_removes_the_last_of_a_function_or_all_of_an_event(emitter):
    def one(socket): ...

    def two(socket): ...

    for fn in (one, two, one):
        emitter.on("connection", fn)
    emitter.on("connect", two)
    emitter.off("connection", one)
    assert emitter.listeners("connection") == [one, two]
    emitter.off("connection", print)
    assert emitter.listener_count("connection") == 2
    emitter.off("connection")
    assert emitter.event_names() == ["connect"]
    emitter.remove_all_listeners()
    assert emitter.event_names() == []


def test_remove_all_listeners_of_one_event_leaves_the_others(emitter):
    emitter.on("connection", print)
    emitter.on("connect", print)
    emitter.remove_all_listeners("connect")
    assert emitter.event_names() == ["connection"]


@pytest.mark.parametrize("bad", [5, "fn"])
def test_what_cant_be_called_is_refused(emitter, bad):
    with pytest.raises(TypeError, match="not callable"):
        emitter.on("connection", bad)


async def test_once_is_for_the_next_client_and_off_for_none(io):
    log = []
    io.once("connection", lambda socket: log.append("once"))
    io.prepend_once("connect", lambda socket: log.append("first"))
    removed = io.on("connection", lambda socket: log.append("removed"))
    io.on("connection", lambda socket: log.append("always"))
    io.off("connection", removed)
    async with TestServer(io) as server:
        await server.connect()
        await server.connect()
    assert log == ["first", "once", "always", "always"]


async def test_listeners_of_connect_run_before_those_of_connection(io):
    log = []
    io.on("connection", lambda socket: log.append("connection"))
    io.on("connect", lambda socket: log.append("connect"))
    async with TestServer(io) as server:
        await server.connect()
    assert log == ["connect", "connection"]


async def test_listener_may_stop_listening_while_it_is_called(io):
    log = []

    def listener(socket):
        log.append(socket.id)
        io.off("connection", listener)

    io.on("connection", listener)
    io.on("connection", log.append)
    async with TestServer(io) as server:
        one = await server.connect()
        await server.connect()
    assert log[0] == one.sid and len(log) == 3


@pytest.mark.feature("1.1 new_namespace event")
def test_new_namespace_may_be_listened_to_once_and_no_more(io):
    made = []
    io.once("new_namespace", made.append)
    kept = io.on("new_namespace", made.append)
    one = io.of("/a")
    assert made == [one, one]
    io.off("new_namespace", kept)
    io.of("/b")
    assert made == [one, one]


def test_coroutine_function_is_no_listener_of_new_namespace(io):
    async def fn(namespace): ...

    with pytest.raises(TypeError, match="a plain function"):
        io.on("new_namespace", fn)
    with pytest.raises(TypeError, match="a plain function"):
        io.of("/").once("new_namespace", fn)
    assert io.listeners("new_namespace") == []


def test_io_and_its_root_namespace_have_the_same_listeners(io):
    fn = io.on("connection", lambda socket: None)
    assert io.of("/").listeners("connection") == [fn] == fastsio.IO.listeners(io, "connection")
    io.of("/").off("connection")
    assert io.listeners("connection") == []

"""The hub: which namespaces there are, and waiting for handlers at the end."""

from __future__ import annotations

import asyncio
import logging

import pytest

import fastsio
from fastsio.core.hub import Hub
from fastsio.options import Options
from harness import until

CLOCK = pytest.mark.asyncio(loop_factories=["clock"])


def test_root_is_always_there_and_others_are_made_when_they_are_named():
    hub = Hub(Options(namespaces=["/a", "b"]))
    assert set(hub.namespaces) == {"/", "/a", "/b"}
    assert hub.namespace("c") is hub.namespace("/c")
    assert set(hub.namespaces) == {"/", "/a", "/b", "/c"}


def test_client_gets_no_namespace_that_was_not_named():
    hub = Hub(Options())
    assert hub.find_namespace("/") is hub.namespaces["/"]
    assert hub.find_namespace("/x") is None
    assert set(hub.namespaces) == {"/"}


def test_with_a_star_a_client_gets_any_namespace():
    hub = Hub(Options(namespaces="*"))
    assert set(hub.namespaces) == {"/"}
    made = hub.find_namespace("/x")
    assert made is hub.namespaces["/x"]
    assert made is hub.find_namespace("/x")


@pytest.mark.feature("1.2 namespaces")
async def test_with_a_star_a_client_joins_whatever_it_names(join):
    io = fastsio.IO(namespaces="*")
    peer = await join.open(io)
    await peer.connect("/made/up?x=1")
    assert set(io.hub.namespaces) == {"/", "/made/up?x=1"}


async def test_drain_with_no_handler_at_work_returns_at_once():
    await Hub(Options()).drain(0)


@CLOCK
async def test_drain_waits_for_handlers_and_no_longer():
    hub = Hub(Options())
    log = []

    async def handler():
        await asyncio.sleep(2)
        log.append("done")

    task = asyncio.ensure_future(handler())
    hub.tasks.add(task)
    began_at = asyncio.get_running_loop().time()
    await hub.drain(5)
    assert log == ["done"]
    assert asyncio.get_running_loop().time() - began_at == pytest.approx(2)


@CLOCK
@pytest.mark.fault(
    "a handler does not end when the server stops",
    "it is cancelled after the timeout, and the log names it",
)
async def test_drain_cancels_what_is_late_and_says_so(caplog):
    hub = Hub(Options())

    async def handler():
        await asyncio.sleep(100)

    task = asyncio.ensure_future(handler())
    hub.tasks.add(task)
    with caplog.at_level(logging.WARNING, "fastsio.core"):
        await hub.drain(5)
    assert task.cancelled()
    assert "did not end within 5 s" in caplog.text
    assert "handler" in caplog.text


@CLOCK
@pytest.mark.fault("a handler ignores its cancellation", "the server stops all the same")
async def test_drain_does_not_wait_for_ever_for_what_ignores_its_cancellation():
    hub = Hub(Options())
    go_on = asyncio.Event()

    async def stubborn():
        while not go_on.is_set():
            try:
                await go_on.wait()
            except asyncio.CancelledError:
                pass

    task = asyncio.ensure_future(stubborn())
    hub.tasks.add(task)
    began_at = asyncio.get_running_loop().time()
    await hub.drain(5)
    assert asyncio.get_running_loop().time() - began_at < 10
    go_on.set()
    await task


@CLOCK
async def test_drain_from_a_handler_does_not_wait_for_itself():
    hub = Hub(Options())

    async def handler():
        await hub.drain(5)

    task = asyncio.ensure_future(handler())
    hub.tasks.add(task)
    await asyncio.wait_for(task, 1)


async def test_json_that_is_given_is_used_both_ways(join):
    import json

    class Loud:
        @staticmethod
        def dumps(value):
            return json.dumps(value, separators=(",", ":")).upper()

        @staticmethod
        def loads(text):
            return json.loads(text)

    io = fastsio.IO(json=Loud)
    peer = await join.open(io)
    await peer.send("40")
    assert (await peer.receive()).startswith('40{"SID":"')
    (socket,) = io.sockets.sockets.values()
    socket.on("x", lambda value: value)
    await peer.send('420["x","quiet"]')
    assert await peer.receive() == '430["QUIET"]'


async def test_namespace_that_only_clients_asked_for_goes_with_the_last_of_them(join):
    """With namespaces="*" a client could fill the memory with names."""
    io = fastsio.IO(namespaces="*")
    peer, _ = await join(io, namespace="/one")
    other, _ = await join(io, namespace="/one")
    await peer.connect("/two")
    io.of("/two")  # the application's own now
    await peer.send("41/one,", "41/two,")
    await until(lambda: not io.of("/two").sockets, "the leave")
    assert set(io.hub.namespaces) == {"/", "/one", "/two"}
    await other.send("41/one,")
    await until(lambda: set(io.hub.namespaces) == {"/", "/two"}, "nobody is left")


async def test_refused_client_leaves_no_namespace_behind(join):
    sio = fastsio.AsyncServer(namespaces="*")
    sio.on("connect", lambda namespace, sid, environ: False, namespace="*")
    peer = await join.open(sio)
    await peer.send("40/x,")
    assert (await peer.receive()).startswith("44/x,")
    assert set(sio.hub.namespaces) == {"/"}


async def test_namespace_stays_until_its_disconnect_handler_has_ended(join):
    sio = fastsio.AsyncServer(namespaces="*")
    gate, sessions = asyncio.Event(), []

    @sio.on("disconnect", namespace="*")
    async def disconnect(namespace, sid):
        await gate.wait()
        sessions.append(await sio.get_session(sid, namespace=namespace))

    peer, socket = await join(sio, namespace="/x")
    socket.data["user"] = "ann"
    await peer.send("41/x,")
    await until(lambda: not socket.connected, "the client is gone")
    gate.set()
    await until(lambda: "/x" not in sio.hub.namespaces, "the handler has ended")
    assert sessions == [{"user": "ann"}]

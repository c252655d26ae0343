"""instrument() and its end: once, from any thread, at any time, and nothing is left behind."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import fastsio
from admin_page import LOGIN
from harness import until
from thread_stage import Stage, eventually


def test_a_server_is_instrumented_once_at_a_time(sio):
    first = sio.instrument(LOGIN)
    with pytest.raises(RuntimeError, match="there is an observer already"):
        sio.instrument(LOGIN, namespace="/other")
    assert "/other" not in sio.hub.namespaces
    first.uninstrument()
    first.uninstrument()
    sio.instrument(LOGIN, namespace="/other")


# --- from other threads ---------------------------------------------------------------------------


async def test_another_thread_may_instrument_a_server_that_runs(join, enter, sio):
    peer, socket = await join(sio)
    handle = await asyncio.to_thread(sio.instrument, LOGIN)
    await until(lambda: sio.hub.observer is not None, "it is instrumented")
    with pytest.raises(RuntimeError, match="there is an observer already"):
        await asyncio.to_thread(sio.instrument, LOGIN)
    page = await enter(sio)
    await peer.send('42["e"]')
    assert await page.next("event_received") == ["/", socket.id, ["e"]]
    await asyncio.to_thread(asyncio.run, handle.shutdown())
    assert sio.hub.background == set()
    await asyncio.to_thread(handle.uninstrument)
    assert await page.peer.receive() == "41/admin,"


@pytest.fixture
def stage() -> Iterator[Stage]:
    one = Stage()
    yield one
    one.close()


def test_a_sync_server_is_instrumented_while_it_runs_and_its_function_may_block(stage):
    sio = fastsio.Server()
    threads = []

    def judge(given: Any) -> bool:
        threads.append(threading.current_thread().name)
        return bool(given == LOGIN)

    url = stage.serve(sio)
    client, sid = stage.peers.join(url)
    handle = sio.instrument(judge)
    page, _ = stage.peers.join(url, namespace="/admin", auth=LOGIN)
    sio.emit("to one", {"a": 1}, to=sid)
    assert client.receive() == '42["to one",{"a":1}]'
    heard = []
    while not heard or heard[-1][0] != "event_sent":
        heard.append(json.loads(page.receive().removeprefix("42/admin,")))
    assert heard[-1][1:-1] == ["/", sid, ["to one", {"a": 1}]]
    assert [name for name, *_ in heard[:5]] == [
        "session", "room_joined", "socket_connected", "config", "all_sockets",
    ]  # fmt: skip
    assert threads != [threading.current_thread().name]
    assert len(threads) == 1
    handle.shutdown()
    eventually(lambda: not sio.hub.background, "no figures any more")
    handle.uninstrument()
    while (packet := page.receive()) != "41/admin,":
        assert packet.startswith("42/admin,")
    assert (sio.hub.observer, list(sio.handlers)) == (None, [])


async def coroutine_function(given: Any) -> bool:
    return True


def test_a_sync_server_takes_no_coroutine_function():
    with pytest.raises(TypeError, match="is a coroutine function"):
        fastsio.Server().instrument(coroutine_function)


# --- the end --------------------------------------------------------------------------------------


async def test_uninstrument_leaves_nothing_behind(join, enter, sio):
    before = vars(sio.hub).copy()
    handle = sio.instrument(LOGIN)
    peer, socket = await join(sio)
    page = await enter(sio)
    assert socket.peer.is_diverted
    handle.uninstrument()
    assert await page.peer.receive() == "41/admin,"
    assert list(sio.handlers) == []
    assert list(sio.hub.namespaces) == ["/"]
    assert (sio.hub.observer, sio.hub.notes_events, sio.hub.diverts) == (None, False, False)
    assert sio.hub.namespaces["/"].observer is None
    assert sio.hub.engine.on_upgrade is None
    assert sio.hub.background == set()
    assert not socket.peer.is_diverted
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
    assert socket.peer.is_diverted  # one after the other, as before


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
    await enter(sio)
    server = await join.server(sio)
    await server.close()
    assert sio.hub.background == set()
    assert sio.hub.observer._admins == {}

"""server_stats: when they come, and what they count."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from admin_page import LOGIN
from asgi_tools import Client
from clock_loop import pass_time


@pytest.mark.asyncio(loop_factories=["clock"])
async def test_figures_come_at_once_and_at_their_interval_and_only_to_admins(enter, sio, join):
    handle = sio.instrument(LOGIN, server_stats_interval=4)
    await join(sio, transport="polling")
    assert sio.hub.background == set()
    page = await enter(sio)
    loop = asyncio.get_running_loop()
    at = loop.time()
    await join(sio)
    for name in ("room_joined", "socket_connected"):
        await page.next(name)
    stats = await page.next("server_stats")
    assert loop.time() - at == pytest.approx(4, abs=0.01)
    assert (stats["clientsCount"], stats["pollingClientsCount"]) == (3, 1)
    assert stats["namespaces"] == [
        {"name": "/", "socketsCount": 2}, {"name": "/admin", "socketsCount": 1},
    ]  # fmt: skip
    counted = {entry["type"]: entry["count"] for entry in stats["aggregatedEvents"]}
    assert counted["rawConnection"] == 1
    assert counted["packetsIn"] == 1  # the CONNECT
    assert counted["packetsOut"] >= 4
    assert counted["bytesIn"] > 0
    assert counted["bytesOut"] > counted["bytesIn"]
    assert all(entry["timestamp"] % 1000 == 0 for entry in stats["aggregatedEvents"])
    await handle.shutdown()
    assert sio.hub.background == set()
    await pass_time(20)  # before the first ping
    await sio.emit("end", to=None, namespace="/admin")
    assert await page.event() == ["end"]


async def test_figures_say_why_connections_ended(join, enter, sio):
    sio.instrument(LOGIN, server_stats_interval=0.05)
    page = await enter(sio)
    peer, _ = await join(sio)
    peer.abort()

    async def ends() -> list[Any]:
        while True:
            event = await page.event()
            if event[0] == "server_stats":
                for entry in event[1]["aggregatedEvents"]:
                    if entry["type"] == "rawDisconnection":
                        return [entry["subType"], entry["count"]]

    assert await asyncio.wait_for(ends(), 5) == ["transport close", 1]


async def test_while_nobody_looks_figures_do_not_pile_up(join, sio, monkeypatch):
    sio.instrument(LOGIN)
    counts = sio.hub.observer.figures.counts
    now = 1_000_000.0
    monkeypatch.setattr("fastsio.admin.figures.time.time", lambda: now)
    for _ in range(1000):
        now += 1
        counts.add("rawConnection")
        counts.add("rawConnection")
    taken = counts.take()
    assert [entry["count"] for entry in taken] == [2] * len(taken)
    assert len(taken) <= 4
    assert counts.take() == []


async def counted_of(client: Any, sio: Any, send: Any) -> dict[str, int]:
    """What is counted while a client sends `send` and gets an answer."""
    flusher = sio.hub.engine.flusher
    names = ("packets_in", "bytes_in", "packets_out", "bytes_out")
    before = [getattr(flusher, name) for name in names]
    await client.send(send)
    await client.receive()
    return {name: getattr(flusher, name) - old for name, old in zip(names, before, strict=True)}


async def test_packets_and_bytes_are_counted_on_every_transport_while_somebody_looks(join, sio):
    @sio.event
    def e(sid: str, text: str) -> str:
        return text

    ask = '420["e","x"]'
    for transport, in_size, out_size in (("websocket", 12 + 6, 8 + 2), ("polling", 12, 8)):
        client, _ = await join(sio, transport=transport)
        counted = await counted_of(client, sio, ask)
        assert set(counted.values()) == {0}
        handle = sio.instrument(LOGIN)
        assert await counted_of(client, sio, ask) == {
            "packets_in": 1, "bytes_in": in_size, "packets_out": 1, "bytes_out": out_size,
        }  # fmt: skip
        handle.uninstrument()
        assert set((await counted_of(client, sio, ask)).values()) == {0}


async def test_packets_and_bytes_are_counted_behind_an_asgi_server_too(hosted):
    app = await hosted()
    client = Client(app)
    call = client.websocket()
    await call.next("websocket.accept")
    await call.hear()
    call.say("40")
    await call.hear()
    flusher = app.io.hub.engine.flusher
    flusher.is_counting = True
    call.say('420["echo","x"]')
    assert await call.hear() == '430["x"]'
    assert (flusher.packets_in, flusher.bytes_in, flusher.packets_out) == (1, 15, 1)
    assert flusher.bytes_out >= 8
    call.hang_up()
    await call.done()

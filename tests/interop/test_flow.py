"""Slow clients and quick ones: real sockets that are not read, and the official client against bounds.

The slow client is a raw WebSocket whose end is not read, so that the kernel's buffers fill up. JavaScript:
scenarios/flow.js.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import Counter as Count
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

import fastsio
from apps import Counter
from fastsio.core.errors import DisconnectedError
from harness import FakePeer, until

KB = 1024
TEXT = "x" * (16 * KB)
# More than the kernel takes for one connection, so that the rest waits here.
MANY = 2000

STYLES = pytest.mark.parametrize("style", ["io", "aio"])
MODES = pytest.mark.parametrize("mode", ["websocket", "polling"])


@pytest_asyncio.fixture
async def slow(serve: Any) -> AsyncIterator[Any]:
    """`peer, socket = await slow(io)`: a WebSocket that is not read before read_again(peer)."""
    peers = []

    async def join(io: fastsio.IO) -> tuple[FakePeer, Any]:
        server = await serve(io)
        peer = await FakePeer(server.url).open()
        sid = (await peer.connect())["sid"]
        peers.append(peer)
        peer.ws.connection.writer.transport.pause_reading()
        return peer, io.sockets.sockets[sid]

    yield join
    for peer in peers:
        peer.abort()


def read_again(peer: FakePeer) -> None:
    peer.ws.connection.writer.transport.resume_reading()


async def ticks_of(peer: FakePeer) -> list[int]:
    """The numbers of the events "tick" that come before "end"."""
    read_again(peer)
    found = []
    while True:
        packet = str(await peer.receive())
        event = json.loads(packet[2:])
        if event[0] == "end":
            return found
        found.append(event[1])


async def stuff(socket: Any, most: int = MANY) -> int:
    """Emit until a megabyte waits here, which the kernel won't take; returns how many events there were."""
    for i in range(most):
        if socket.session.outlet.buffered_bytes > 1024 * KB:
            return i
        socket.emit("tick", i, TEXT)
        await asyncio.sleep(0)
    raise AssertionError("the kernel takes everything")


async def test_buffered_bytes_count_what_the_transport_holds(slow: Any) -> None:
    peer, socket = await slow(fastsio.IO())
    while not (held := socket.buffered_bytes):
        socket.emit("tick", 0, TEXT)
        await asyncio.sleep(0)
    assert socket.session.outlet.buffered_bytes == 0
    socket.emit("tick", 0, TEXT)
    assert socket.buffered_bytes > held + 16 * KB
    socket.emit("end")
    await ticks_of(peer)
    assert socket.buffered_bytes == 0


async def test_a_producer_that_drains_keeps_little_in_memory(slow: Any) -> None:
    peer, socket = await slow(fastsio.IO(high_water=256 * KB, low_water=64 * KB))
    most = 0

    async def produce() -> None:
        nonlocal most
        for i in range(MANY):
            socket.emit("tick", i, TEXT)
            most = max(most, socket.buffered_bytes)
            await socket.drain()
        socket.emit("end")

    producer = asyncio.ensure_future(produce())
    await until(lambda: socket.buffered_bytes > 64 * KB, "it waits for the client")
    reading = asyncio.ensure_future(ticks_of(peer))
    await producer
    assert await reading == list(range(MANY))
    assert most < 128 * KB, "32 MB went through"


async def test_drain_fails_when_the_slow_client_is_cut_off(slow: Any) -> None:
    peer, socket = await slow(fastsio.IO())
    await stuff(socket)
    draining = asyncio.ensure_future(socket.drain())
    await asyncio.sleep(0)
    assert not draining.done()
    peer.abort()
    with pytest.raises(DisconnectedError):
        await asyncio.wait_for(draining, 5)


async def test_marks_are_passed_once_each_way(slow: Any) -> None:
    peer, socket = await slow(fastsio.IO(high_water=512 * KB))
    log: list[str] = []
    socket.on("high_water", lambda size: log.append(f"high {size > 512 * KB}"))
    socket.on("low_water", lambda size: log.append(f"low {size <= 128 * KB}"))
    for i in range(MANY):
        socket.emit("tick", i, TEXT)
        if log:
            break
        await asyncio.sleep(0)
    assert log == ["high True"]
    socket.emit("end")
    await ticks_of(peer)
    await until(lambda: len(log) > 1, "the low mark")
    assert log == ["high True", "low True"]


@pytest.mark.parametrize("policy", ["close", "drop_oldest", "drop_newest", "keep_latest"])
async def test_a_client_that_does_not_read_gets_what_the_policy_keeps(
    slow: Any, policy: str
) -> None:
    io = fastsio.IO(max_buffered_bytes=512 * KB, buffer_policy=policy)
    peer, socket = await slow(io)
    reasons: list[tuple[str, str]] = []
    socket.on("disconnect", lambda *why: reasons.append(why))
    for i in range(MANY):
        socket.emit("tick", i, TEXT)
        await asyncio.sleep(0)
        assert socket.buffered_bytes < 2000 * KB
    if policy == "close":
        assert reasons == [("transport error", "client reads too slowly (max_buffered_bytes)")]
        return
    assert reasons == []
    dropped = socket.dropped
    assert io.flow_counts()["dropped"] == dropped > 100
    reading = asyncio.ensure_future(ticks_of(peer))
    await socket.drain()
    socket.emit("end")
    ticks = await reading
    assert len(ticks) == MANY - dropped
    assert ticks == sorted(set(ticks)), "in order, none twice"
    gaps = sum(after != before + 1 for before, after in itertools.pairwise(ticks))
    if policy == "drop_newest":
        assert gaps == 0
        assert ticks[-1] < MANY - 1
    else:
        assert gaps == 1, "one gap, between what the kernel had and what was kept"
        assert ticks[-1] == MANY - 1


async def test_binary_packets_are_dropped_whole(slow: Any) -> None:
    io = fastsio.IO(max_buffered_bytes=512 * KB, buffer_policy="drop_oldest")
    peer, socket = await slow(io)
    blobs = [bytes(8 * KB), bytes([1]) * 8 * KB]
    for i in range(MANY):
        socket.emit("blobs", i, *blobs)
        await asyncio.sleep(0)
    assert socket.dropped > 100
    read_again(peer)
    reading = asyncio.ensure_future(peer.receive())
    await socket.drain()
    socket.emit("end")
    count = 0
    packet = await reading
    while packet != '42["end"]':
        assert str(packet).startswith('452-["blobs",'), packet
        assert [await peer.receive(), await peer.receive()] == blobs
        count += 1
        packet = await peer.receive()
    assert count == MANY - socket.dropped


async def test_the_newest_price_is_what_a_slow_client_gets(slow: Any) -> None:
    io = fastsio.IO()
    peer, socket = await slow(io)
    first = await stuff(socket)
    before = socket.buffered_bytes
    for price in range(1000):
        for name in ("BTC", "ETH"):
            io.latest(name).emit("price", name, price, TEXT)
    assert socket.buffered_bytes < before + 64 * KB
    assert socket.dropped == 1998
    socket.emit("end")
    read_again(peer)
    packets = []
    while not packets or packets[-1][0] != "end":
        packets.append(json.loads(str(await peer.receive())[2:]))
    assert Count(packet[0] for packet in packets) == {"tick": first, "price": 2, "end": 1}
    assert [packet[1:3] for packet in packets[-3:-1]] == [["BTC", 999], ["ETH", 999]]


# --- the official client --------------------------------------------------------------------------


class AtWork:
    """Handlers that take a while: in which order they begin, and how many there are at a time."""

    def __init__(self) -> None:
        self.begun: dict[str, list[int]] = {}
        self.running: Count[str] = Count()
        self.most: dict[str, int] = {}

    def handler(self, event: str) -> Any:
        async def work(*args: int) -> int:
            self.begun.setdefault(event, []).append(args[-1])
            self.running[event] += 1
            self.most[event] = max(self.most.get(event, 0), self.running[event])
            for _ in range(3):
                await asyncio.sleep(0.001)
            self.running[event] -= 1
            return args[-1]

        return work

    def report(self) -> dict[str, Any]:
        return {"begun": self.begun, "most": self.most}


def application(style: str) -> Any:
    """The scenarios' server in either style."""
    at_work, counter = AtWork(), Counter()
    plain = {
        "report": at_work.report,
        "echo": lambda value: value,
        "limited": lambda value: value,
        "deadly": lambda value: value,
        "counted": lambda i, data: counter.add(i),
        "count": counter.report,
    }
    slow = {"one at a time": 1, "three at a time": 3}
    if style == "io":
        app: Any = fastsio.IO(ping_interval=0.2, ping_timeout=0.2)

        @app.on("connection")
        def connection(socket: Any) -> None:
            for event, fn in plain.items():
                socket.on(event, fn)
            for event, count in slow.items():
                socket.on(event, at_work.handler(event), concurrency=count)
            socket.on("pause", socket.pause)

    else:
        app = fastsio.AsyncServer(ping_interval=0.2, ping_timeout=0.2)
        for event, fn in plain.items():
            app.on(event, lambda sid, *args, fn=fn: fn(*args))
        for event, count in slow.items():
            app.on(event, at_work.handler(event), concurrency=count)
        app.on("pause", lambda sid: app.pause(sid))
    app.limit("limited", rate=0.1, burst=3)
    app.limit("deadly", rate=0.1, beyond="disconnect")
    app.counter = counter
    return app


@STYLES
@MODES
async def test_events_are_handled_so_many_at_a_time(
    serve: Any, node: Any, style: str, mode: str
) -> None:
    server = await serve(application(style))
    await node.play("oneAfterTheOther", server.url, mode)


@STYLES
@MODES
async def test_events_beyond_a_limit_are_answered_with_an_error(
    serve: Any, node: Any, style: str, mode: str
) -> None:
    app = application(style)
    server = await serve(app)
    await node.play("beyondALimit", server.url, mode)
    counts = app.flow_counts()
    assert counts["limit of 0.1/s (burst 3) for event 'limited' per socket"] == 3
    assert counts["limit of 0.1/s (burst 1) for event 'deadly' per socket"] == 1


@STYLES
@MODES
async def test_a_paused_client_is_neither_heard_nor_closed(
    serve: Any, node: Any, style: str, mode: str
) -> None:
    app = application(style)
    server = await serve(app)
    run = node.start("sendsWhilePaused", server.url, mode)
    await run.note("sent")
    (socket,) = app.hub.namespaces["/"].sockets.values()
    # Some times as long as a client may be silent.
    await asyncio.sleep(1.5)
    assert socket.is_connected
    assert app.counter.count == 0
    socket.resume()
    await run.result()

"""Slow and paused clients through other front doors: TLS, and uvicorn's ways to speak WebSocket.

Behind an ASGI server the transport is that server's: it makes send() wait, and reads as receive() is called.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
import uvicorn

import fastsio
from harness import FakePeer, until

KB = 1024
TEXT = "x" * (16 * KB)
MANY = 1500
DOORS = ("tls", "wsproto", "websockets-sansio")

Open = Callable[[fastsio.IO], Awaitable[str]]


@pytest_asyncio.fixture(params=DOORS)
async def door(
    request: pytest.FixtureRequest, serve: Any, certificate: tuple[str, str]
) -> AsyncIterator[Open]:
    """`url = await door(io)`."""
    running: list[tuple[Any, asyncio.Task[None]]] = []

    async def open_(io: fastsio.IO) -> str:
        if request.param == "tls":
            cert, key = certificate
            return str((await serve(io, ssl_certfile=cert, ssl_keyfile=key)).url)
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        config = uvicorn.Config(fastsio.ASGIApp(io), log_level="error", ws=request.param)
        server = uvicorn.Server(config)
        running.append((server, asyncio.ensure_future(server.serve([listening]))))
        await until(lambda: server.started, "uvicorn serves")
        return f"http://127.0.0.1:{listening.getsockname()[1]}"

    yield open_
    for server, task in running:
        server.should_exit = True
        await task


def transport_of(peer: FakePeer) -> Any:
    assert peer.ws is not None
    return peer.ws.connection.writer.transport


async def ticks_of(peer: FakePeer) -> list[int]:
    """The numbers of the events "tick" that come before "end"."""
    found = []
    while (event := json.loads(str(await peer.receive())[2:]))[0] != "end":
        found.append(event[1])
    return found


async def test_a_client_that_does_not_read_is_waited_for_and_gets_the_newest(door: Open) -> None:
    io = fastsio.IO(max_buffered_bytes=512 * KB, high_water=256 * KB, buffer_policy="drop_oldest")
    peer = await FakePeer(await door(io)).open()
    sock = io.sockets.sockets[(await peer.connect())["sid"]]
    marks: list[str] = []
    sock.on("high_water", lambda size: marks.append("high"))
    sock.on("low_water", lambda size: marks.append("low"))
    transport_of(peer).pause_reading()
    for i in range(MANY):
        sock.emit("tick", i, TEXT)
        await asyncio.sleep(0)
    assert sock.is_connected
    assert marks == ["high"]
    assert sock.dropped > 100
    transport_of(peer).resume_reading()
    reading = asyncio.ensure_future(ticks_of(peer))
    await sock.drain()
    sock.emit("end")
    ticks = await reading
    assert (len(ticks), ticks[-1]) == (MANY - sock.dropped, MANY - 1)
    assert ticks == sorted(set(ticks))
    await until(lambda: len(marks) == 2, "the low mark")
    await peer.close()
    await until(lambda: not io.sockets.sockets, "the client has left")


async def test_a_paused_client_stays_and_is_heard_when_it_is_resumed(door: Open) -> None:
    io = fastsio.IO(ping_interval=0.2, ping_timeout=0.2)
    heard: list[int] = []
    io.on("connection", lambda sock: sock.on("e", lambda i, text: heard.append(i)))
    peer = await FakePeer(await door(io)).open()
    sock = io.sockets.sockets[(await peer.connect())["sid"]]
    sock.pause()
    # 8 MB are more than what the kernel takes for a client that is not read.
    for i in range(500):
        await peer.send(json.dumps(["e", i, TEXT]).join(("42", "")))
    pings = 0
    while pings < 6:
        if await peer._next_packet() == "2":
            pings += 1
            await peer.send("3")
    if transport_of(peer).get_extra_info("sslcontext") is None:  # else it keeps that to itself
        assert transport_of(peer).get_write_buffer_size() > 0, "the client has to wait"
    assert (heard, sock.is_connected) == ([], True)
    sock.resume()
    await until(lambda: heard == list(range(500)), "all are heard, in order")
    assert sock.is_connected
    await peer.close()
    await until(lambda: not io.sockets.sockets, "the client has left")

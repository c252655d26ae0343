"""Slowloris: many clients that send heads, bodies and frames a byte at a time, among one that works.

One at a time and with the exact answers: tests/conformance/test_limits.py, tests/unit/test_conn_time.py.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

import fastsio
from harness import MS, FakePeer, RawConnection, frame_bytes, request_bytes, until

COUNT = 50
HEAD_TIMEOUT_S = 300 * MS
PAUSE_S = HEAD_TIMEOUT_S / 10


class Served:
    """A server, and for each socket that it accepted the reasons of its ends."""

    def __init__(self, io: fastsio.IO) -> None:
        self.io = io
        self.ends: dict[str, list[str]] = {}
        self.server: Any = None
        io.on("connection", self._accepted)

    def _accepted(self, socket: Any) -> None:
        self.ends[socket.id] = []
        socket.on("disconnect", self.ends[socket.id].append)
        socket.on("echo", lambda value: value)


@pytest.fixture
def served(serve: Any) -> Any:
    async def start(**options: Any) -> Served:
        served = Served(fastsio.IO(**options))
        served.server = await serve(served.io, head_timeout=HEAD_TIMEOUT_S)
        return served

    return start


async def drip(connection: RawConnection, data: bytes) -> bytes:
    """Send a byte at a time, until the server has ended the connection; what it sent."""
    reading = asyncio.ensure_future(connection.read_to_end())
    for i in range(len(data)):
        if reading.done():
            break
        connection.write(data[i : i + 1])
        await asyncio.wait([reading], timeout=PAUSE_S)
    return await reading


async def works(peer: FakePeer, dripping: asyncio.Future[Any]) -> int:
    """Ask for echoes as long as the others drip; how many came."""
    count = 0
    while not dripping.done():
        await peer.send(f'42{count}["echo",{count}]')
        assert await peer.receive() == f"43{count}[{count}]"
        count += 1
        await asyncio.sleep(5 * MS)
    return count


async def play(served: Served, data: list[bytes], at_once: int = 0) -> list[bytes]:
    """What each client got that dripped its `data`, from byte `at_once` on, while another one worked."""
    peer = await FakePeer(served.server.url).open()
    await peer.connect()
    connections = [await RawConnection.open(served.server.url) for _ in data]
    for connection, whole in zip(connections, data, strict=True):
        connection.write(whole[:at_once])
    dripping = asyncio.gather(*map(drip, connections, (whole[at_once:] for whole in data)))
    assert await works(peer, dripping) > 20
    for connection in connections:
        await connection.close()
    await until(lambda: len(served.server.connections) == 1, "only the good client is left")
    await peer.close()
    return await dripping


@pytest.mark.fault(
    "many clients send their request's head a byte at a time",
    "each gets a 408 and is closed, the others are served meanwhile",
)
async def test_heads_that_drip_in_are_cut_and_hold_nobody_up(served: Any) -> None:
    app = await served()
    head = request_bytes("GET", "/socket.io/?EIO=4&transport=polling", None, {"X": "y" * 500})
    answers = await play(app, [head] * COUNT)
    assert all(answer.startswith(b"HTTP/1.1 408 ") for answer in answers)
    assert len(app.ends) == 1


@pytest.mark.fault(
    "many clients send a POST's body a byte at a time", "each is cut, its session ends once"
)
async def test_bodies_that_drip_in_are_cut_and_end_their_sessions_once(served: Any) -> None:
    app = await served()
    peers = [await FakePeer(app.server.url, "polling").open() for _ in range(COUNT)]
    sids = [(await peer.connect())["sid"] for peer in peers]
    body = b'42["echo","%s"]' % (b"x" * 500)
    posts = [request_bytes("POST", peer.target("polling"), body) for peer in peers]
    answers = await play(app, posts, at_once=len(posts[0]) - len(body))
    assert all(answer.startswith(b"HTTP/1.1 408 ") for answer in answers)
    assert [app.ends[sid] for sid in sids] == [["transport error"]] * COUNT


@pytest.mark.fault(
    "many clients send a WebSocket frame a byte at a time",
    "they cost what has come, and nobody waits",
)
async def test_frames_that_drip_in_hold_nobody_up(served: Any) -> None:
    app = await served(ping_interval=200 * MS, ping_timeout=200 * MS)
    good = await FakePeer(app.server.url).open()
    await good.connect()
    slow = [await FakePeer(app.server.url, answers_pings=False).open() for _ in range(COUNT)]
    sids = [(await peer.connect())["sid"] for peer in slow]
    frame = frame_bytes(0x1, b'42["echo","%s"]' % (b"x" * 30))

    async def send_slowly(peer: FakePeer) -> None:
        assert peer.ws is not None
        for i in range(len(frame)):
            peer.ws.connection.write(frame[i : i + 1])
            await asyncio.sleep(PAUSE_S)

    dripping = asyncio.gather(*map(send_slowly, slow))
    assert await works(good, dripping) > 20
    assert [app.ends[sid] for sid in sids] == [[]] * COUNT, "any byte is a sign of life"
    for peer in slow:
        with contextlib.suppress(OSError):
            await peer.close()
    await good.close()
    await until(lambda: all(app.ends.values()), "each has its end")
    assert [len(ends) for ends in app.ends.values()] == [1] * (COUNT + 1)

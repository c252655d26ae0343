"""The raw client and the leak checks of tests/harness.py, which other tests rely on.

Also what only a raw client shows: when pings come, and what counts as life (engineio.md 10).
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from harness import (
    DEADLINE_S,
    MS,
    PING,
    PONG,
    TEXT,
    FakePeer,
    LoopWatch,
    RawConnection,
    RawWebSocket,
    assert_clean,
    http,
    request_bytes,
    until,
)

TRANSPORTS = ("polling", "websocket", "upgrade")


async def _peer(stage: Any, transport: str, **options: Any) -> FakePeer:
    """An open peer that has not joined a namespace."""
    first = "websocket" if transport == "websocket" else "polling"
    peer = await FakePeer(stage.server.url, first, **options).open()
    if transport == "upgrade":
        await peer.upgrade()
    return peer


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> str:
    return request.param


async def test_peer_gets_acks_with_their_attachments(stage: Any, transport: str) -> None:
    await stage.open()
    peer = await _peer(stage, transport)
    await peer.connect("/chat", {"token": "x"})
    await peer.send('42/chat,7["echo","é😀",1]')
    assert await peer.receive() == '43/chat,7["é😀",1]'
    await peer.send('451-/chat,8["echo",{"_placeholder":true,"num":0}]', b"\x00\xff")
    assert await peer.receive() == '461-/chat,8[{"_placeholder":true,"num":0}]'
    assert await peer.receive() == b"\x00\xff"
    await peer.close()


async def test_handshake_announces_what_was_configured(stage: Any, transport: str) -> None:
    """engineio.md 3: exactly these five keys; milliseconds and bytes are integers."""
    await stage.open(ping_interval=1.5, ping_timeout=2.25, max_http_buffer_size=54_321)
    peer = await _peer(stage, transport)
    sid = peer.handshake.pop("sid")
    assert len(sid) == 20
    assert peer.handshake == {
        "upgrades": [] if transport == "websocket" else ["websocket"],
        "pingInterval": 1500,
        "pingTimeout": 2250,
        "maxPayload": 54_321,
    }
    peer.handshake["sid"] = sid
    await peer.close()


async def test_first_ping_comes_after_the_interval(stage: Any, transport: str) -> None:
    await stage.open(ping_interval=200 * MS, ping_timeout=DEADLINE_S)
    loop = asyncio.get_running_loop()
    peer = await _peer(stage, transport, answers_pings=False)
    opened_at = loop.time()
    await peer.connect()
    assert await peer.receive() == "2"
    # The wheel is coarse: late by a slot is right, early by more than one is not.
    assert 100 * MS < loop.time() - opened_at < 1_000 * MS
    await peer.close()


async def test_silent_peer_is_closed_after_interval_and_timeout(stage: Any, transport: str) -> None:
    await stage.open(ping_interval=100 * MS, ping_timeout=200 * MS)
    peer = await _peer(stage, transport, answers_pings=False)
    await peer.connect()
    assert await peer.receive() == "2"
    await until(lambda: stage.log.reasons(), "the disconnect handler")
    assert stage.log.reasons() == ["ping timeout"]
    await stage.all_gone()
    await peer.close() if transport != "polling" else None


async def test_any_bytes_count_as_life(stage: Any, transport: str) -> None:
    """A peer that talks but never pongs outlives many timeouts."""
    await stage.open(ping_interval=100 * MS, ping_timeout=300 * MS)
    loop = asyncio.get_running_loop()
    peer = await _peer(stage, transport, answers_pings=False)
    await peer.connect()
    ends_at = loop.time() + 1_000 * MS
    count = 0
    while loop.time() < ends_at:
        await peer.send(f'42["count",{count}]')
        count += 1
        await asyncio.wait_for(_until_ping(peer), DEADLINE_S)
    assert stage.log.reasons() == []
    await peer.send('421["counted",""]')
    answer = await _next_but_pings(peer)
    assert json.loads(answer[3:]) == [{"count": count, "wrong": None}]
    await peer.close()


async def _until_ping(peer: FakePeer) -> None:
    while await peer.receive() != "2":
        pass


async def _next_but_pings(peer: FakePeer) -> str:
    while (packet := await peer.receive()) == "2":
        pass
    assert isinstance(packet, str)
    return packet


async def test_peer_that_joins_nothing_is_closed(stage: Any, transport: str) -> None:
    """connect_timeout: a client that never joins a namespace does not stay (socketio.md 3)."""
    await stage.open(connect_timeout=200 * MS)
    peer = await _peer(stage, transport)
    assert len(stage.server.engine.sessions) == 1
    if transport == "polling":
        # Told by the poll; without one the session would wait for it (engineio.md 8).
        assert (await peer.get()).body == b"1"
    await stage.all_gone()
    assert stage.log.entries == []


async def test_aborted_websocket_is_a_transport_close(stage: Any) -> None:
    await stage.open()
    peer = await _peer(stage, "websocket")
    await peer.connect()
    peer.abort()
    await stage.all_gone()
    assert stage.log.reasons() == ["transport close"]


async def test_aborted_poll_is_a_transport_error(stage: Any) -> None:
    """engineio.md 7.3: a client that aborts a pending GET loses its session."""
    await stage.open()
    peer = await _peer(stage, "polling")
    await peer.connect()
    poll = await RawConnection.open(stage.server.url)
    poll.write(request_bytes("GET", peer.target()))
    await peer.send('42["echo"]')
    poll.abort()
    await stage.all_gone()
    assert stage.log.reasons() == ["transport error"]


async def test_session_closed_during_its_upgrade_ends_with_it(stage: Any) -> None:
    """A client that has seen `3probe` no longer polls: the probing WebSocket must tell it.

    If that is closed before the client's `5`, the official client neither polls nor has a WebSocket
    and hangs until its ping timeout. Node closes it after the `5`.
    """
    await stage.open()
    peer = await _peer(stage, "polling")
    await peer.connect()
    probe = await RawWebSocket.open(stage.server.url, peer.target("websocket"))
    probe.send(TEXT, b"2probe")
    assert await probe.receive() == (TEXT, b"3probe")
    await peer.send("42{}")
    await until(lambda: stage.log.reasons(), "the end of the namespace")
    probe.send(PING, b"still there?")
    assert await probe.receive() == (PONG, b"still there?")
    probe.send(TEXT, b"5")
    assert await probe.receive_close() == (None, b"")
    await stage.all_gone()
    await probe.connection.close()


async def test_assert_clean_sees_a_session_that_is_left(stage: Any, transport: str) -> None:
    await stage.open()
    peer = await _peer(stage, transport)
    sid = (await peer.connect())["sid"]
    with pytest.raises(AssertionError, match=sid):
        await assert_clean(stage.server, 20 * MS)
    with pytest.raises(AssertionError, match=peer.handshake["sid"]):
        await assert_clean(stage.server, 20 * MS)
    await peer.close()


async def test_http_of_the_server_is_read_whatever_its_length(stage: Any) -> None:
    await stage.open()
    refused = await http(stage.server.url, "GET", "/socket.io/?EIO=4&transport=nothing")
    assert (refused.status, refused.json()) == (400, {"code": 0, "message": "Transport unknown"})


async def _watched(leave: Callable[[], Awaitable[None]]) -> None:
    async with LoopWatch() as watch:
        watch.patience_s = 20 * MS
        await leave()


async def test_watch_sees_a_task_that_is_left() -> None:
    tasks = []

    async def leave() -> None:
        tasks.append(asyncio.ensure_future(asyncio.Event().wait()))

    with pytest.raises(AssertionError, match="tasks left behind"):
        await _watched(leave)
    tasks[0].cancel()


async def test_watch_sees_an_exception_that_nobody_retrieved() -> None:
    async def fails() -> None:
        raise LookupError("lost")

    async def leave() -> None:
        await asyncio.wait([asyncio.ensure_future(fails())])

    with pytest.raises(AssertionError, match="lost"):
        await _watched(leave)


async def test_watch_sees_an_exception_in_a_callback() -> None:
    def fails() -> None:
        raise LookupError("in a callback")

    async def leave() -> None:
        asyncio.get_running_loop().call_soon(fails)
        await asyncio.sleep(0)

    with pytest.raises(AssertionError, match="in a callback"):
        await _watched(leave)


async def test_watch_sees_a_logged_error_unless_it_was_expected() -> None:
    async def leave() -> None:
        logging.getLogger("fastsio.core").error("handler of %s failed", "x")

    with pytest.raises(AssertionError, match="handler of x failed"):
        await _watched(leave)
    async with LoopWatch() as watch:
        await leave()
        watch.expect_error("fastsio.core", "handler of x")
        with pytest.raises(AssertionError, match="no error with"):
            watch.expect_error("handler of x")

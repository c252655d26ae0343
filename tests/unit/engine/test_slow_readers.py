"""Sessions whose clients do not take what is sent to them, and those that outlive a blocked loop: to the tick.

The clock is the test's. How a connection sees that too little is taken: ../test_conn_slow.py.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from clock_loop import pass_time
from eio3_peer import MemoryEio3Peer
from harness import TEXT, until
from memory_conn import MemoryPeer, probed, switch

pytestmark = pytest.mark.asyncio(loop_factories=["clock"])

BEAT = {"ping_interval": 2.0, "ping_timeout": 2.0, "upgrade_timeout": 2.0, "connect_timeout": 30.0}
SEND_TIMEOUT_S = 8.0
TICK_S = 0.2
LATE_S = TICK_S + 0.05


def now() -> float:
    return asyncio.get_running_loop().time()


def block(seconds: float) -> None:
    """The loop stands still for so long: no callback runs."""
    loop: Any = asyncio.get_running_loop()
    loop._jumping.now += seconds


def end_of(peer: MemoryPeer) -> Any:
    """The server's end of a client's connection."""
    assert peer.ws is not None
    return peer.ws.connection.writer.server_end  # type: ignore[attr-defined]


async def talk(peer: MemoryPeer, app: Any) -> None:
    """Send on and on, as a client that wants to be taken for a live one; until its session has ended."""
    sid = peer.handshake["sid"]
    while sid in app.sessions and app.sessions[sid].is_open:
        await peer.send("3")
        await pass_time(0.5)


# --- slow readers -----------------------------------------------------------------------------------


@pytest.mark.fault(
    "a client talks and does not read", "its session ends after send_timeout with its reason"
)
async def test_a_client_that_talks_and_does_not_read_is_ended(echo_server, caplog):
    app = await echo_server(send_timeout=SEND_TIMEOUT_S, **BEAT)
    good, peer = await app.client(), await app.client(answers_pings=False)
    told: list[tuple[Any, ...]] = []
    app.sockets[1].conn.on("close", lambda *args: told.append(args))
    end_of(peer).stall()
    app.sockets[1].emit("news", "x" * 100_000)
    began_at = now()
    reading = asyncio.ensure_future(good.receive())
    await talk(peer, app)
    assert SEND_TIMEOUT_S <= now() - began_at <= 1.25 * SEND_TIMEOUT_S + 5 * LATE_S + 0.5
    assert app.ends == ["transport error"]
    assert told == [
        ("transport error", "client reads too slowly: too little for 8 s (send_timeout)")
    ]
    assert "reads too slowly: too little for 8 s (send_timeout)" in caplog.text
    assert peer.handshake["sid"] not in caplog.text
    await good.send('42["echo",1]')
    assert await reading == '42["echo",1]'
    await good.close()


@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_a_client_that_reads_is_never_ended(echo_server, transport):
    app = await echo_server(send_timeout=SEND_TIMEOUT_S, **BEAT)
    peer = await app.client(transport)
    for n in range(20):
        app.sockets[0].emit("news", n)
        assert await peer.receive() == f'42["news",{n}]'
        await pass_time(1.5)
    assert app.ends == []
    await peer.close()


async def test_without_send_timeout_only_the_buffer_is_a_limit(echo_server):
    app = await echo_server(send_timeout=None, **BEAT)
    peer = await app.client(answers_pings=False)
    end_of(peer).stall()
    app.sockets[0].emit("news", "x" * 100_000)
    talking = asyncio.ensure_future(talk(peer, app))
    await pass_time(600)
    assert app.ends == []
    peer.abort()
    await talking


@pytest.mark.fault("a client polls and never fetches", "its session ends after send_timeout")
async def test_a_polling_client_that_posts_and_never_fetches_is_ended(echo_server, caplog):
    app = await echo_server(send_timeout=SEND_TIMEOUT_S, **BEAT)
    peer = await app.client("polling", answers_pings=False)
    app.sockets[0].emit("news", 1)
    began_at = now()
    await talk(peer, app)
    assert SEND_TIMEOUT_S <= now() - began_at <= SEND_TIMEOUT_S + BEAT["ping_interval"] + 5 * LATE_S
    assert app.ends == ["transport error"]
    assert "send_timeout" in caplog.text
    assert (await peer.get()).json() == {"code": 1, "message": "Session ID unknown"}


async def test_a_polling_client_that_fetches_late_but_in_time_stays(echo_server):
    app = await echo_server(send_timeout=SEND_TIMEOUT_S, **BEAT)
    peer = await app.client("polling", answers_pings=False)
    for n in range(6):
        app.sockets[0].emit("news", n)
        for _ in range(10):
            await peer.send("3")
            await pass_time(0.6)
        assert b'42["news",%d]' % n in (await peer.get()).body
    assert app.ends == []
    await peer.close()


async def test_a_websocket_that_probes_and_does_not_read_leaves_its_session_alone(echo_server):
    app = await echo_server(send_timeout=1.0, **BEAT | {"upgrade_timeout": 60.0})
    peer = await app.client("polling")
    ws = await probed(app, peer)
    server_end = ws.connection.writer.server_end
    server_end.stall()
    ws.send(0x9, b"x" * 100)  # a ping, whose pong is not taken
    await until(lambda: server_end.is_lost, "cut off", 10)
    assert app.ends == []
    app.sockets[0].emit("news")
    assert await peer.receive() == '42["news"]'
    await peer.close()


# --- a loop that was blocked --------------------------------------------------------------------------


@pytest.mark.fault(
    "the event loop was blocked past ping_timeout", "no client whose answer comes then is timed out"
)
@pytest.mark.parametrize("transport", ["websocket", "polling"])
@pytest.mark.parametrize("blocked_s", [1.0, 10.0, 3600.0])
async def test_a_pong_that_comes_after_the_block_is_in_time(echo_server, transport, blocked_s):
    """Its ping may have left only then."""
    app = await echo_server(**BEAT)
    peer = await app.client(transport, answers_pings=False)
    assert await peer.receive() == "2"
    await pass_time(1.5)
    block(blocked_s)
    await pass_time(min(blocked_s, BEAT["ping_timeout"]) - 2 * TICK_S)
    assert app.ends == []
    await peer.send("3")
    await pass_time(1.0)
    assert app.ends == []
    await peer.close()


async def test_a_client_that_is_silent_after_the_block_too_is_closed_a_ping_timeout_later(
    echo_server,
):
    app = await echo_server(**BEAT)
    peer = await app.client(answers_pings=False)
    assert await peer.receive() == "2"
    await pass_time(1.5)
    block(3600)
    unblocked_at = now()
    await until(lambda: app.ends, "the end", 10)
    assert BEAT["ping_timeout"] <= now() - unblocked_at <= BEAT["ping_timeout"] + 3 * LATE_S
    assert app.ends == ["ping timeout"]


async def test_a_ping_that_is_due_goes_out_right_after_the_block(echo_server):
    """Clients expect one within ping_interval + ping_timeout, whatever our loop was doing."""
    app = await echo_server(**BEAT)
    peer = await app.client(answers_pings=False)
    block(3.5)
    unblocked_at = now()
    assert await peer.receive() == "2"
    assert now() - unblocked_at <= 0.1
    await peer.close()


async def test_a_client_of_the_old_protocol_whose_ping_comes_after_the_block_stays(echo_server):
    app = await echo_server(**BEAT)
    peer = await MemoryEio3Peer.of(app.server, "websocket").open()
    sid = peer.handshake["sid"]
    await pass_time(3.0)
    block(60)
    await pass_time(1.5)
    assert app.sessions[sid].is_open
    await peer.send("2")
    await pass_time(2.5)
    assert app.sessions[sid].is_open
    await peer.close()


@pytest.mark.fault(
    "the event loop was blocked past connect_timeout", "a client that joins then is let in"
)
async def test_a_client_that_joins_after_the_block_is_let_in(echo_server):
    app = await echo_server(**BEAT | {"connect_timeout": 5.0, "ping_timeout": 3.0})
    peer = await MemoryPeer.of(app.server).open()
    block(60)
    await pass_time(1.0)
    await peer.connect()
    assert len(app.sockets) == 1
    await peer.close()


async def test_a_client_that_does_not_join_after_the_block_is_closed(echo_server):
    app = await echo_server(**BEAT | {"connect_timeout": 5.0})
    peer = await MemoryPeer.of(app.server).open()
    session = app.session(peer)
    block(60)
    await until(lambda: not session.is_open, "closed", BEAT["ping_timeout"] + 5 * LATE_S)


async def test_an_upgrade_that_is_finished_after_the_block_is_taken(echo_server):
    app = await echo_server(**BEAT)
    peer = await app.client("polling")
    ws = await probed(app, peer)
    block(60)
    await pass_time(1.0)
    switch(peer, ws)
    app.sockets[0].emit("news")
    assert await ws.receive() == (TEXT, b"2"), "it was due in the block"
    assert await ws.receive() == (TEXT, b'42["news"]')
    await peer.close()


async def test_a_block_is_told_in_the_log_with_a_word_on_how_to_find_its_cause(echo_server, caplog):
    app = await echo_server(**BEAT)
    peer = await app.client()
    block(0.6)
    await pass_time(1.0)
    assert "blocked" not in caplog.text
    block(12.0)
    await pass_time(0.5)
    assert "the event loop was blocked for about 1" in caplog.text
    assert "watchdog" in caplog.text
    await peer.close()


async def test_blocks_are_not_told_more_often_than_every_ten_seconds(echo_server, caplog):
    app = await echo_server(**BEAT)
    peer = await app.client()
    for _ in range(6):
        block(1.5)
        await pass_time(0.1)
    assert caplog.text.count("was blocked") == 1
    assert app.server.engine.rare_log.counts["blocked"] >= 3
    await peer.close()

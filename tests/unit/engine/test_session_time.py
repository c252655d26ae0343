"""Heartbeat and deadlines of a session, to the tick, under a clock that the tests turn.

Source: engine.io-protocol v4, "Heartbeat"; the rule that any byte is life is this server's own.
"""

from __future__ import annotations

import asyncio

import pytest

from clock_loop import pass_time
from harness import BINARY, CLOSE, PING, PONG, TEXT, frame_bytes, until
from memory_conn import MemoryPeer

pytestmark = pytest.mark.asyncio(loop_factories=["clock"])

# ping_interval and ping_timeout in seconds; which of the two is longer decides when a session is looked at.
INTERVALS = [(1.0, 3.0), (3.0, 1.0), (2.0, 2.0)]
LATE_S = 0.25  # two ticks of the wheel, which are a tenth of the shortest time here, and a little


def now() -> float:
    return asyncio.get_running_loop().time()


async def join(echo_server, transport="websocket", **options):
    app = await echo_server(**{"upgrade_timeout": 1.0, **options})
    began_at = now()
    peer = await app.client(transport, answers_pings=False)
    return app, peer, began_at


@pytest.mark.feature("1.2 ping interval")
@pytest.mark.parametrize(("interval", "timeout"), INTERVALS)
async def test_first_ping_comes_after_ping_interval(echo_server, interval, timeout):
    _, peer, began_at = await join(echo_server, ping_interval=interval, ping_timeout=timeout)
    assert await peer.receive() == "2"
    assert interval <= now() - began_at <= interval + LATE_S
    await peer.close()


@pytest.mark.feature("1.2 ping timeout")
@pytest.mark.feature("1.13 heartbeat")
@pytest.mark.parametrize(("interval", "timeout"), INTERVALS)
async def test_silent_client_is_closed_ping_timeout_after_the_ping(echo_server, interval, timeout):
    app, peer, _ = await join(echo_server, ping_interval=interval, ping_timeout=timeout)
    assert await peer.receive() == "2"
    pinged_at = now()
    assert await peer.ws.receive_close() == (None, b"")
    assert timeout <= now() - pinged_at <= timeout + LATE_S
    assert app.ends == ["ping timeout"]
    assert not app.sessions


@pytest.mark.parametrize(("interval", "timeout"), INTERVALS)
async def test_client_that_answers_is_pinged_once_an_interval_and_never_closed(
    echo_server, interval, timeout
):
    app, peer, began_at = await join(echo_server, ping_interval=interval, ping_timeout=timeout)
    for _ in range(20):
        assert await peer.receive() == "2"
        await peer.send("3")
    assert 20 * interval <= now() - began_at <= 20 * (interval + LATE_S)
    assert app.ends == []
    await peer.close()


@pytest.mark.parametrize(("interval", "timeout"), INTERVALS)
async def test_pong_at_the_last_moment_is_in_time(echo_server, interval, timeout):
    app, peer, _ = await join(echo_server, ping_interval=interval, ping_timeout=timeout)
    for _ in range(5):
        assert await peer.receive() == "2"
        await pass_time(timeout - 0.01)
        await peer.send("3")
    assert app.ends == []
    await peer.close()


@pytest.mark.parametrize(
    "sign_of_life",
    [
        frame_bytes(TEXT, b"3"),
        frame_bytes(TEXT, b'42["echo"]'),
        frame_bytes(PING, b"still here"),
        frame_bytes(PONG),
        frame_bytes(BINARY, b"x" * 200)[:1],
    ],
    ids=["pong", "event", "websocket ping", "websocket pong", "first byte of a frame"],
)
@pytest.mark.parametrize(("interval", "timeout"), INTERVALS)
async def test_any_bytes_after_a_ping_count_as_life(echo_server, interval, timeout, sign_of_life):
    app, peer, _ = await join(echo_server, ping_interval=interval, ping_timeout=timeout)
    assert await peer.receive() == "2"
    await pass_time(timeout * 0.9)
    peer.ws.connection.write(sign_of_life)
    pinged_again = asyncio.ensure_future(_next_engine_ping(peer))
    await pass_time(timeout * 0.5)
    assert app.ends == []
    await pinged_again
    peer.abort()
    await until(lambda: app.ends == ["transport close"], "the client is gone")


async def _next_engine_ping(peer: MemoryPeer) -> None:
    while await peer.ws.receive() != (TEXT, b"2"):
        pass


async def test_a_large_upload_that_trickles_in_is_life(echo_server):
    app, peer, _ = await join(echo_server, ping_interval=1.0, ping_timeout=1.0)
    frame = frame_bytes(TEXT, b'42["echo","%s"]' % (b"x" * 30))
    for i in range(len(frame)):
        peer.ws.connection.write(frame[i : i + 1])
        await pass_time(0.7)
    assert app.ends == []
    assert app.heard == [("x" * 30,)]
    await peer.close()


@pytest.mark.parametrize(("interval", "timeout"), INTERVALS)
async def test_bytes_from_before_the_ping_are_no_answer_to_it(echo_server, interval, timeout):
    app, peer, _ = await join(echo_server, ping_interval=interval, ping_timeout=timeout)
    await pass_time(interval * 0.9)
    await peer.send("3", '42["echo"]')
    assert await peer.receive() == '42["echo"]'
    assert await peer.receive() == "2"
    pinged_at = now()
    await peer.ws.receive_close()
    assert now() - pinged_at <= timeout + LATE_S
    assert app.ends == ["ping timeout"]


async def test_client_that_falls_silent_later_is_closed_too(echo_server):
    app, peer, _ = await join(echo_server, ping_interval=1.0, ping_timeout=3.0)
    for _ in range(3):
        assert await peer.receive() == "2"
        await peer.send("3")
    heard_at = now()
    assert await peer.receive() == "2"
    await peer.ws.receive_close()
    assert 4.0 - LATE_S <= now() - heard_at <= 4.0 + 2 * LATE_S
    assert app.ends == ["ping timeout"]


async def test_a_silent_client_is_pinged_only_once(echo_server):
    """engine.io-protocol v4, "Heartbeat": the next ping follows a pong."""
    app, peer, _ = await join(echo_server, ping_interval=1.0, ping_timeout=4.0)
    assert await peer.receive() == "2"
    assert await peer.ws.receive() == (CLOSE, b"")
    assert app.ends == ["ping timeout"]


async def test_ping_answers_the_held_get_and_a_post_is_life(echo_server):
    app, peer, began_at = await join(echo_server, "polling", ping_interval=1.0, ping_timeout=1.0)
    for i in range(1, 6):
        assert (await peer.get()).body == b"2"
        assert i <= now() - began_at <= i * (1 + LATE_S)
        await peer.send("3")
    assert app.ends == []
    await peer.close()


async def test_a_get_is_life_even_without_a_pong(echo_server):
    app, peer, _ = await join(echo_server, "polling", ping_interval=1.0, ping_timeout=1.0)
    for _ in range(5):
        assert (await peer.get()).body == b"2"
    assert app.ends == []
    await peer.close()


async def test_polling_client_that_sends_no_request_is_closed_and_its_id_forgotten(echo_server):
    app, peer, began_at = await join(echo_server, "polling", ping_interval=1.0, ping_timeout=2.0)
    await until(lambda: app.ends, "the client is given up")
    assert 3.0 <= now() - began_at <= 3.0 + 2 * LATE_S
    assert app.ends == ["ping timeout"]
    assert (await peer.get()).json() == {"code": 1, "message": "Session ID unknown"}


async def test_held_get_of_a_silent_client_gets_a_close(echo_server):
    app, peer, _ = await join(echo_server, "polling", ping_interval=1.0, ping_timeout=1.0)
    assert (await peer.get()).body == b"2"
    held = await peer.held_get()
    session = app.session(peer)
    session.heard = False  # as if the GET had been there when the ping went out
    assert (await held).body == b"1"
    assert app.ends == ["ping timeout"]


async def test_heartbeat_goes_on_across_an_upgrade(echo_server):
    app, peer, began_at = await join(echo_server, "polling", ping_interval=2.0, ping_timeout=1.0)
    await pass_time(1.5)
    await peer.upgrade()
    assert await peer.receive() == "2"
    assert 2.0 <= now() - began_at <= 2.0 + LATE_S
    await peer.ws.receive_close()
    assert 3.0 <= now() - began_at <= 3.0 + 2 * LATE_S
    assert app.ends == ["ping timeout"]


async def test_closed_session_is_never_pinged_again(echo_server):
    app, peer, _ = await join(echo_server, ping_interval=1.0, ping_timeout=1.0)
    app.sockets[0].disconnect(close=True)
    assert await peer.receive() == "41"
    assert await peer.ws.receive() == (CLOSE, b"")
    peer.ws.send(CLOSE)
    assert await peer.ws.connection.read_to_end() == b""
    assert app.server.engine.wheel.count == 0


# --- deadlines ------------------------------------------------------------------------------------


@pytest.mark.feature("1.1 connectTimeout")
@pytest.mark.feature("1.13 never joined")
@pytest.mark.parametrize("connect_timeout", [0.5, 2.0, 4.0])
@pytest.mark.parametrize("ping_interval", [1.0, 25.0])
async def test_client_that_joins_no_namespace_is_closed_after_connect_timeout(
    echo_server, connect_timeout, ping_interval
):
    app = await echo_server(connect_timeout=connect_timeout, ping_interval=ping_interval)
    began_at = now()
    peer = await MemoryPeer.of(app.server).open()
    with pytest.raises(AssertionError, match="frame 0x8"):
        while True:
            await peer.receive()  # answers pings, which is not joining
    tick_s = min(connect_timeout, ping_interval, 10) / 10
    assert connect_timeout <= now() - began_at <= connect_timeout + 2 * tick_s + 0.01
    assert not app.sessions


async def test_polling_client_that_joins_no_namespace_is_closed_after_connect_timeout(echo_server):
    app = await echo_server(connect_timeout=1.0)
    peer = await MemoryPeer.of(app.server, "polling").open()
    began_at = now()
    assert (await peer.get()).body == b"1"
    assert 1.0 <= now() - began_at <= 1.0 + LATE_S
    assert (await peer.get()).json()["code"] == 1


async def test_client_that_joined_in_time_stays_after_connect_timeout(echo_server):
    app = await echo_server(connect_timeout=1.0)
    peer = await MemoryPeer.of(app.server).open()
    await pass_time(0.9)
    await peer.connect()
    await pass_time(5)
    await peer.send('42["echo"]')
    assert await peer.receive() == '42["echo"]'
    await peer.close()


async def test_client_that_left_every_namespace_again_is_not_under_connect_timeout(echo_server):
    """socketio.md 3: the deadline is not armed again."""
    app = await echo_server(connect_timeout=1.0)
    peer = await app.client()
    await peer.send("41")
    await pass_time(5)
    assert len(app.sessions) == 1
    await peer.close()


async def test_client_that_was_refused_everywhere_is_closed_after_connect_timeout(echo_server):
    app = await echo_server(connect_timeout=1.0)
    peer = await MemoryPeer.of(app.server).open()
    await peer.send("40/nowhere,")
    assert await peer.receive() == '44/nowhere,{"message":"Invalid namespace"}'
    began_at = now()
    assert await peer.ws.receive_close() == (None, b"")
    assert now() - began_at <= 1.0 + LATE_S


async def test_client_that_fetches_its_end_late_still_gets_it(echo_server):
    """engineio.md 8: the id of a closed polling session is valid for 30 s."""
    app, peer, _ = await join(echo_server, "polling", ping_interval=100.0)
    app.sockets[0].disconnect(close=True)
    assert app.ends == ["server namespace disconnect"]
    await pass_time(29)
    assert (await peer.get()).body == b"41"
    assert (await peer.get()).body == b"6\x1e1"
    assert (await peer.get()).json()["code"] == 1


async def test_id_of_a_closed_polling_session_is_forgotten_after_30_seconds(echo_server):
    app, peer, _ = await join(echo_server, "polling", ping_interval=100.0)
    app.sockets[0].disconnect(close=True)
    await pass_time(29)
    assert len(app.sessions) == 1
    await pass_time(2)
    assert not app.sessions
    assert app.server.engine.wheel.count == 0
    assert (await peer.get()).json()["code"] == 1


async def test_polling_client_closed_by_connect_timeout_may_fetch_its_end_for_30_seconds(
    echo_server,
):
    app = await echo_server(connect_timeout=1.0, ping_interval=100.0)
    peer = await MemoryPeer.of(app.server, "polling").open()
    await pass_time(20)
    assert (await peer.get()).body == b"6\x1e1"
    assert not app.sessions


async def test_session_closed_by_connect_timeout_and_never_fetched_is_forgotten(echo_server):
    app = await echo_server(connect_timeout=1.0, ping_interval=100.0)
    await MemoryPeer.of(app.server, "polling").open()
    await pass_time(29)
    assert len(app.sessions) == 1
    await pass_time(4)
    assert not app.sessions
    assert app.server.engine.wheel.count == 0

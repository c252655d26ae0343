"""Sessions that end while their client is on its way from polling to WebSocket.

Source: engineio.md 8 and 9; the upgrade itself is in test_upgrade.py.
"""

from __future__ import annotations

import asyncio

import pytest

from clock_loop import pass_time
from harness import CLOSE, TEXT, until
from memory_conn import probed

CLOCK = pytest.mark.asyncio(loop_factories=["clock"])
BAD_REQUEST = {"code": 3, "message": "Bad request"}


@CLOCK
async def test_session_closed_by_the_server_with_a_held_get_closes_the_probe(echo_server):
    app = await echo_server()
    peer = await app.client("polling")
    ws = await peer.open_websocket()
    held = await peer.held_get()
    app.session(peer).close()
    assert await ws.receive() == (CLOSE, b"")
    await ws.connection.close()
    assert app.ends == ["forced close"]
    assert (await held).body == b"1"
    assert not app.sessions


@CLOCK
async def test_session_closed_while_the_client_is_between_its_transports_ends_by_the_next_get(
    echo_server,
):
    app = await echo_server()
    peer = await app.client("polling")
    ws = await probed(app, peer)
    app.session(peer).close()
    assert app.ends == ["forced server close"]
    assert (await peer.get()).body == b"6\x1e1"
    assert await ws.receive() == (CLOSE, b"")
    await ws.connection.close()
    assert not app.sessions


@CLOCK
async def test_session_closed_while_the_client_is_between_its_transports_ends_by_the_switch(
    echo_server,
):
    """What was queued, and then the end: the client polls no more."""
    app = await echo_server()
    peer = await app.client("polling")
    ws = await probed(app, peer)
    app.sockets[0].emit("last")
    app.session(peer).close()
    app.sockets[0].emit("too late")
    ws.send(TEXT, b"5")
    assert await ws.receive() == (TEXT, b'42["last"]')
    assert await ws.receive() == (CLOSE, b"")
    ws.send(TEXT, b'42["echo"]')
    await ws.connection.close()
    assert app.ends == ["forced server close"]
    assert app.heard == []
    assert not app.sessions
    assert (await peer.get()).json()["code"] == 1


@CLOCK
async def test_probe_of_a_closed_session_that_never_switches_is_closed_in_time(echo_server):
    app = await echo_server(upgrade_timeout=1.0, ping_interval=100.0)
    peer = await app.client("polling")
    ws = await probed(app, peer)
    app.session(peer).close()
    assert await ws.receive() == (CLOSE, b"")
    await ws.connection.close()
    await pass_time(32)
    assert not app.sessions
    assert app.server.engine.wheel.count == 0


@CLOCK
@pytest.mark.fault(
    "a client closes in the middle of an upgrade",
    "session and probe end, one `disconnect`",
)
async def test_client_that_closes_while_probing_ends_the_session_and_the_probe(echo_server):
    app = await echo_server()
    peer = await app.client("polling")
    ws = await probed(app, peer)
    assert (await peer.post(b"1")).body == b"ok"
    assert await ws.receive() == (CLOSE, b"")
    await ws.connection.close()
    assert app.ends == ["transport close"]
    assert not app.sessions


@CLOCK
@pytest.mark.fault(
    "a client falls silent in the middle of an upgrade",
    "ping timeout, the probe is closed too",
)
async def test_session_that_times_out_while_probing_closes_the_probe(echo_server):
    app = await echo_server(ping_interval=1.0, ping_timeout=1.0)
    peer = await app.client("polling")
    ws = await peer.open_websocket()
    assert await ws.receive() == (CLOSE, b"")
    assert app.ends == ["ping timeout"]
    await ws.connection.close()


@CLOCK
async def test_bytes_on_a_probing_websocket_are_no_life_of_the_session(echo_server):
    """Nothing of a probe reaches the session before packet 5."""
    app = await echo_server(ping_interval=1.0, ping_timeout=1.0)
    peer = await app.client("polling")
    ws = await peer.open_websocket()
    for _ in range(4):
        await pass_time(0.6)
        if not app.ends:
            ws.send(TEXT, b"2probe")
            assert await ws.receive() == (TEXT, b"3probe")
    assert app.ends == ["ping timeout"]
    await ws.connection.close()


@CLOCK
async def test_websocket_that_ends_after_the_upgrade_ends_the_session(echo_server):
    app = await echo_server()
    peer = await app.client("polling")
    await peer.upgrade()
    await until(lambda: app.sockets[0].transport == "websocket", "the switch")
    peer.abort()
    await until(lambda: app.ends == ["transport close"], "the end")
    assert (await peer.get()).json()["code"] == 1


@CLOCK
async def test_server_stop_while_probing_tells_the_handler_once(echo_server):
    app = await echo_server()
    peer = await app.client("polling")
    ws = await probed(app, peer)
    closing = asyncio.ensure_future(app.server.close())
    assert await ws.receive() == (CLOSE, b"")
    await ws.connection.close()
    await closing
    assert app.ends == ["server shutting down"]

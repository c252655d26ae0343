"""Sessions of Engine.IO v3: the client's heartbeat to the tick, upgrades, who is let in and what the log says.

The bytes are compared with Node's in tests/conformance/test_eio3.py. Source: engineio.md 13.
"""

from __future__ import annotations

import asyncio
import logging

import pytest

import fastsio
from clock_loop import pass_time
from eio3_peer import MemoryEio3Peer, text_payload
from harness import TEXT, RawWebSocket, http, until
from memory_conn import switch

INTERVAL_S, TIMEOUT_S = 2.0, 1.0
LATE_S = 0.25
PATH = "/socket.io/"
TRANSPORTS = ["websocket", "polling"]
on_the_clock = pytest.mark.asyncio(loop_factories=["clock"])


def now() -> float:
    return asyncio.get_running_loop().time()


async def join(echo_server, transport="websocket", query=None, **options):
    app = await echo_server(
        ping_interval=INTERVAL_S, ping_timeout=TIMEOUT_S, upgrade_timeout=1.0, **options
    )
    peer = await MemoryEio3Peer.of(app.server, transport, query=query or {}).open()
    assert await peer.receive() == "40"
    return app, peer


# --- the heartbeat --------------------------------------------------------------------------------


@on_the_clock
@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_client_that_never_pings_is_closed_after_interval_and_timeout(echo_server, transport):
    app, peer = await join(echo_server, transport)
    began_at = now()
    await until(lambda: app.ends, "its end", within_s=10)
    assert INTERVAL_S + TIMEOUT_S <= now() - began_at <= INTERVAL_S + TIMEOUT_S + LATE_S
    assert app.ends == ["ping timeout"]
    assert not app.sessions
    if peer.ws is not None:
        assert await peer.ws.receive_close() == (None, b"")


@on_the_clock
@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_client_that_pings_is_never_closed_and_gets_no_pings(echo_server, transport):
    app, peer = await join(echo_server, transport)
    for _ in range(20):
        await pass_time(INTERVAL_S + TIMEOUT_S - 0.01)
        await peer.send("2")
        assert await peer.receive() == "3"
    assert app.ends == []
    await peer.close()


@on_the_clock
async def test_time_counts_from_the_last_ping(echo_server):
    app, peer = await join(echo_server)
    await pass_time(1.0)
    await peer.send("2")
    assert await peer.receive() == "3"
    pinged_at = now()
    await peer.ws.receive_close()
    assert INTERVAL_S + TIMEOUT_S <= now() - pinged_at <= INTERVAL_S + TIMEOUT_S + LATE_S
    assert app.ends == ["ping timeout"]


@on_the_clock
async def test_whatever_comes_is_life_for_another_ping_timeout(echo_server):
    """Its ping may be queued behind a large upload."""
    app, peer = await join(echo_server)
    for _ in range(5):
        await pass_time(TIMEOUT_S - 0.1)
        await peer.send('42["echo"]')
        assert await peer.receive() == '42["echo"]'
    heard_at = now()
    await peer.ws.receive_close()
    assert TIMEOUT_S <= now() - heard_at <= 2 * TIMEOUT_S + LATE_S
    assert app.ends == ["ping timeout"]


@on_the_clock
async def test_grace_that_the_client_is_told_is_waited_for(echo_server):
    app = await echo_server(ping_interval=(1.0, 2.0), ping_timeout=1.0)
    peer = await MemoryEio3Peer.of(app.server).open()
    assert peer.handshake["pingInterval"] == 3000
    await peer.receive()
    began_at = now()
    await peer.ws.receive_close()
    assert 4.0 <= now() - began_at <= 4.0 + LATE_S


@on_the_clock
async def test_upgraded_client_is_still_judged(echo_server):
    """Node's server stops its timer at an upgrade, and never closes a silent v3 client then."""
    app, peer = await join(echo_server, "polling")
    await peer.upgrade()
    began_at = now()
    await peer.ws.receive_close()
    assert now() - began_at <= INTERVAL_S + TIMEOUT_S + LATE_S
    assert app.ends == ["ping timeout"]


@on_the_clock
async def test_client_refused_by_the_root_is_closed_after_connect_timeout(echo_server, serve):
    io = fastsio.IO(connect_timeout=2.0, ping_interval=50)

    @io.use
    async def refuse(socket):
        raise fastsio.exceptions.ConnectionRefusedError("no")

    peer = await MemoryEio3Peer.of(await serve(io)).open()
    assert await peer.receive() == '44"no"'
    began_at = now()
    assert await peer.ws.receive_close() == (None, b"")
    assert 1.9 <= now() - began_at <= 2.5


# --- transports -----------------------------------------------------------------------------------


async def test_upgrade_frees_the_poll_at_once_and_keeps_the_order(echo_server):
    app, peer = await join(echo_server, "polling")
    held = await peer.held_get()
    ws = await peer.open_websocket()
    ws.send(TEXT, b"2probe")
    assert await ws.receive() == (TEXT, b"3probe")
    assert (await held).body == b"1:6"
    app.sockets[0].emit("while", "it changes")
    switch(peer, ws)
    app.sockets[0].emit("behind", b"\x01")
    assert await peer.receive() == '42["while","it changes"]'
    assert await peer.receive() == '451-["behind",{"_placeholder":true,"num":0}]'
    assert await peer.receive() == b"\x01"
    await peer.close()


@pytest.mark.parametrize(
    ("of_session", "of_websocket", "received"),
    [({}, {"b64": "1"}, "b4AQ=="), ({"b64": "1"}, {"b64": ""}, b"\x01")],
)
async def test_websocket_of_an_upgrade_is_as_its_own_request_asks(
    echo_server, of_session, of_websocket, received
):
    app, peer = await join(echo_server, "polling", of_session)
    ws = await peer.open_websocket(**of_websocket)
    ws.send(TEXT, b"2probe")
    assert await ws.receive() == (TEXT, b"3probe")
    app.sockets[0].emit("waits for it", b"\x01")
    switch(peer, ws)
    app.sockets[0].emit("blob", b"\x01")
    for _ in range(2):
        await peer.receive()
        assert await peer.receive() == received
    await peer.close()


@pytest.mark.parametrize("end", ["text", "close"])
async def test_server_that_closes_says_so_in_v3s_payloads(echo_server, end):
    app, peer = await join(echo_server, "polling")
    if end == "text":
        app.sockets[0].emit("last")
    app.sockets[0].disconnect(close=True)
    first = (await peer.get()).body
    assert first == text_payload(*(['42["last"]'] if end == "text" else []), "41")
    assert (await peer.get()).body == text_payload("6", "1")


@pytest.mark.parametrize("b64", ["1", "yes"])
async def test_base64_of_v4_over_websocket(serve, b64):
    """engineio.md 6: with b64 in the query binary goes out as text."""
    io = fastsio.IO()
    io.on("connection", lambda socket: socket.on("echo", lambda *args: args))
    server = await serve(io)
    ws = await RawWebSocket.open(server.url, f"{PATH}?EIO=4&transport=websocket&b64={b64}")
    await ws.receive()
    ws.send(TEXT, b"40")
    await ws.receive()
    ws.send(TEXT, b'451-1["echo",{"_placeholder":true,"num":0}]')
    ws.send(TEXT, b"bAQID")
    await ws.receive()
    assert await ws.receive() == (TEXT, b"bAQID")
    await ws.connection.close()


# --- who is let in --------------------------------------------------------------------------------

REFUSED_OF = [
    ("EIO=3&", "Engine.IO 3, EIO='3'"),
    ("", "Engine.IO 3, no EIO in its query"),
    ("EIO=5&", "Engine.IO 3, EIO='5'"),
]


@pytest.mark.feature("1.15 detection: refused with code 5, and a readable reason in the log")
@pytest.mark.parametrize(("version", "said"), REFUSED_OF)
async def test_without_allow_eio3_the_answer_is_nodes_and_the_log_says_who_it_was(
    serve, caplog, version, said
):
    server = await serve(fastsio.IO(allow_eio3=False))
    with caplog.at_level(logging.WARNING, logger="fastsio.engine"):
        answer = await http(server.url, "GET", f"{PATH}?{version}transport=polling")
    assert answer.json() == {"code": 5, "message": "Unsupported protocol version"}
    (record,) = caplog.records
    assert "it is of Socket.IO 1.x or 2.x" in record.getMessage()
    assert said in record.getMessage()
    assert "allow_eio3=True" in record.getMessage()


async def test_old_clients_are_let_in_unless_the_option_says_no(serve):
    assert fastsio.IO().hub.options.allow_eio3 is True
    assert fastsio.AsyncServer().hub.options.allow_eio3 is True
    server = await serve(fastsio.AsyncServer(allow_eio3=False))
    assert (await http(server.url, "GET", f"{PATH}?EIO=3&transport=polling")).status == 400


async def test_octets_of_a_v4_client_are_refused_as_ever(serve):
    server = await serve(fastsio.IO())
    opened = await http(server.url, "GET", f"{PATH}?EIO=4&transport=polling&j=0")
    sid = opened.body.split(b'\\"sid\\":\\"')[1][:20].decode()
    headers = {"Content-Type": "application/octet-stream"}
    target = f"{PATH}?EIO=4&transport=polling&j=0&sid={sid}"
    assert (await http(server.url, "POST", target, b"4", headers)).status == 400

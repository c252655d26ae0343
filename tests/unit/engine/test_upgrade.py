"""From polling to WebSocket: the probe, the release of the held GET, the switch, and all that can go wrong.

Source: engine.io-protocol v4, "Upgrade"; engineio.md 9 (engine.io 6.6 on the wire).
"""

from __future__ import annotations

import asyncio

import pytest

from clock_loop import pass_time
from harness import BINARY, CLOSE, PING, TEXT, FakePeer, until
from memory_conn import probed, switch

CLOCK = pytest.mark.asyncio(loop_factories=["clock"])
BAD_REQUEST = {"code": 3, "message": "Bad request"}


async def test_client_moves_to_a_websocket_and_stays_the_same_client(echo_server):
    app = await echo_server()
    peer = await FakePeer(app.server.url, "polling").open()
    await peer.connect()
    socket = app.sockets[0]
    assert socket.transport == "polling"
    await peer.upgrade()
    await peer.send('42["echo",1]')
    assert await peer.receive() == '42["echo",1]'
    assert socket.transport == "websocket"
    assert list(app.sessions) == [peer.handshake["sid"]]
    socket.emit("news", 2)
    assert await peer.receive() == '42["news",2]'
    await peer.close()
    await until(lambda: app.ends == ["transport close"], "the end")


@CLOCK
async def test_held_get_is_released_at_once_when_the_probe_is_answered(echo_server):
    """Node takes up to 100 ms for it: here no time may pass."""
    app = await echo_server()
    peer = await app.client("polling")
    held = await peer.held_get()
    ws = await peer.open_websocket()
    began_at = asyncio.get_running_loop().time()
    ws.send(TEXT, b"2probe")
    assert (await held).body == b"6"
    assert await ws.receive() == (TEXT, b"3probe")
    assert asyncio.get_running_loop().time() == began_at
    switch(peer, ws)
    await peer.close()


@CLOCK
async def test_get_that_comes_after_the_probe_is_answered_at_once(echo_server):
    app = await echo_server()
    peer = await app.client("polling")
    ws = await probed(app, peer)
    began_at = asyncio.get_running_loop().time()
    for _ in range(3):
        assert (await peer.get()).body == b"6"
    assert asyncio.get_running_loop().time() == began_at
    switch(peer, ws)
    await peer.close()


@CLOCK
async def test_get_that_is_held_when_the_switch_comes_gets_a_noop(echo_server):
    """A client need not probe (engineio.md 9): its GET must not hang for ever."""
    app = await echo_server()
    peer = await app.client("polling")
    held = await peer.held_get()
    ws = await peer.open_websocket()
    switch(peer, ws)
    assert (await held).body == b"6"
    await peer.send('42["echo"]')
    assert await peer.receive() == '42["echo"]'
    await peer.close()


@CLOCK
async def test_probe_answers_the_held_get_with_what_is_queued(echo_server):
    app = await echo_server()
    peer = await app.client("polling")
    held = await peer.held_get()
    ws = await peer.open_websocket()
    app.session(peer).outlet.is_writable = False  # nothing leaves before the probe comes
    app.sockets[0].emit("queued")
    ws.send(TEXT, b"2probe")
    assert (await held).body == b'42["queued"]'
    assert await ws.receive() == (TEXT, b"3probe")
    switch(peer, ws)
    await peer.close()


@CLOCK
async def test_packets_queued_before_during_and_after_the_switch_arrive_once_in_order(echo_server):
    app = await echo_server()
    peer = await app.client("polling")
    socket = app.sockets[0]
    socket.emit("n", 0)
    socket.emit("n", 1)
    ws = await peer.open_websocket()
    socket.emit("n", 2)
    ws.send(TEXT, b"2probe")
    assert await ws.receive() == (TEXT, b"3probe")
    socket.emit("n", 3)
    ws.send(TEXT, b"5")
    await until(lambda: socket.transport == "websocket", "the switch")
    socket.emit("n", 4)
    peer.ws, peer.transport = ws, "websocket"
    assert [await peer.receive() for _ in range(5)] == [f'42["n",{i}]' for i in range(5)]
    await peer.close()


@CLOCK
@pytest.mark.parametrize("polls_meanwhile", [0, 1, 2])
async def test_nothing_is_lost_or_reordered_while_emits_never_stop(echo_server, polls_meanwhile):
    app = await echo_server()
    peer = await app.client("polling")
    socket = app.sockets[0]

    async def emit_all() -> None:
        for i in range(500):
            socket.emit("n", i)
            await asyncio.sleep(0)

    emitting = asyncio.ensure_future(emit_all())
    got = []
    ws = await probed(app, peer)
    for _ in range(polls_meanwhile):
        got += (await peer.get()).body.decode().split("\x1e")
    switch(peer, ws)
    got += [await peer.receive() for _ in range(500 - len([p for p in got if p != "6"]))]
    await emitting
    assert [packet for packet in got if packet != "6"] == [f'42["n",{i}]' for i in range(500)]
    await peer.close()


@CLOCK
async def test_binary_packet_stays_whole_across_the_switch(echo_server):
    app = await echo_server()
    peer = await app.client("polling")
    app.sockets[0].emit("b", b"\x01", b"\x02")
    ws = await probed(app, peer)
    switch(peer, ws)
    text = '452-["b",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]'
    assert [await peer.receive() for _ in range(3)] == [text, b"\x01", b"\x02"]
    await peer.close()


@CLOCK
async def test_binary_packet_that_began_over_polling_may_end_on_the_websocket(echo_server):
    app = await echo_server()
    peer = await app.client("polling")
    await peer.send('452-["echo",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]')
    await peer.send(b"\x01")
    ws = await probed(app, peer)
    switch(peer, ws)
    await peer.send(b"\x02")
    await until(lambda: app.heard, "the event")
    assert app.heard == [(b"\x01", b"\x02")]
    await peer.close()


@CLOCK
async def test_post_while_probing_is_served(echo_server):
    app = await echo_server()
    peer = await app.client("polling")
    ws = await probed(app, peer)
    await peer.send('42["echo",1]')
    assert app.heard == [(1,)]
    assert (await peer.get()).body == b'42["echo",1]'
    switch(peer, ws)
    await peer.close()


@CLOCK
@pytest.mark.parametrize("first", [b"2probe", b""])
async def test_switch_needs_no_probe(echo_server, first):
    app = await echo_server()
    peer = await app.client("polling")
    ws = await peer.open_websocket()
    if first:
        ws.send(TEXT, first)
        await ws.receive()
    switch(peer, ws)
    await peer.send('42["echo"]')
    assert await peer.receive() == '42["echo"]'
    await peer.close()


@CLOCK
async def test_probe_may_be_repeated(echo_server):
    app = await echo_server()
    peer = await app.client("polling")
    ws = await probed(app, peer)
    ws.send(TEXT, b"2probe")
    assert await ws.receive() == (TEXT, b"3probe")
    switch(peer, ws)
    await peer.close()


@CLOCK
@pytest.mark.parametrize("after_probe", [False, True])
@pytest.mark.parametrize(
    ("opcode", "payload"),
    [
        (TEXT, b'42["echo"]'),
        (TEXT, b"2"),
        (TEXT, b"2prob"),
        (TEXT, b"3"),
        (TEXT, b"1"),
        (TEXT, b"6"),
        (TEXT, b""),
        (BINARY, b"5"),
        (BINARY, b"2probe"),
    ],
)
async def test_anything_else_on_a_probing_websocket_closes_it_and_polling_goes_on(
    echo_server, after_probe, opcode, payload
):
    app = await echo_server()
    peer = await app.client("polling")
    ws = await probed(app, peer) if after_probe else await peer.open_websocket()
    ws.send(opcode, payload)
    assert await ws.receive() == (CLOSE, b"")
    await ws.connection.close()
    assert app.heard == []
    held = await peer.held_get()  # held again, not released
    await peer.send('42["echo",1]')
    assert (await held).body == b'42["echo",1]'
    assert app.ends == []
    await peer.close()


@CLOCK
@pytest.mark.parametrize("after_probe", [False, True])
@pytest.mark.parametrize("way", ["close frame", "cut", "broken frame"])
@pytest.mark.fault(
    "a WebSocket vanishes in the middle of an upgrade",
    "the session polls on, nothing is lost",
)
async def test_probing_websocket_that_ends_leaves_the_session_polling(
    echo_server, after_probe, way
):
    app = await echo_server()
    peer = await app.client("polling")
    ws = await probed(app, peer) if after_probe else await peer.open_websocket()
    if way == "close frame":
        ws.send(CLOSE)
    elif way == "broken frame":
        ws.send(TEXT, b"5", reserved=4)
    else:
        ws.connection.abort()
    await until(lambda: app.session(peer).probe is None, "the probe is dropped")
    await ws.connection.close()
    held = await peer.held_get()
    app.sockets[0].emit("still", "here")
    assert (await held).body == b'42["still","here"]'
    await peer.upgrade()  # and it may try again
    await peer.send('42["echo"]')
    assert await peer.receive() == '42["echo"]'
    await peer.close()


@CLOCK
@pytest.mark.parametrize("after_probe", [False, True])
async def test_upgrade_that_is_not_finished_in_time_is_dropped_and_polling_goes_on(
    echo_server, after_probe
):
    app = await echo_server(upgrade_timeout=2.0)
    peer = await app.client("polling")
    began_at = asyncio.get_running_loop().time()
    ws = await probed(app, peer) if after_probe else await peer.open_websocket()
    assert await ws.receive() == (CLOSE, b"")
    assert 2.0 <= asyncio.get_running_loop().time() - began_at <= 2.5
    ws.send(TEXT, b"5")  # too late
    held = await peer.held_get()
    await pass_time(1)
    assert not held.done()
    app.sockets[0].emit("x")
    assert (await held).body == b'42["x"]'
    await ws.connection.close()
    await peer.close()


@CLOCK
async def test_finished_upgrade_is_not_closed_by_upgrade_timeout(echo_server):
    app = await echo_server(upgrade_timeout=1.0)
    peer = await app.client("polling")
    await peer.upgrade()
    await pass_time(10)
    await peer.send('42["echo"]')
    assert await peer.receive() == '42["echo"]'
    await peer.close()


@CLOCK
@pytest.mark.fault(
    "two WebSockets want to take one session over",
    "the second is closed, the first may finish",
)
async def test_second_websocket_while_one_probes_is_closed_and_the_first_may_finish(echo_server):
    app = await echo_server()
    peer = await app.client("polling")
    ws = await probed(app, peer)
    second = await peer.open_websocket()
    assert await second.receive_close() == (None, b"")
    await second.connection.close()
    assert (await peer.get()).body == b"6"  # still releasing
    switch(peer, ws)
    await peer.send('42["echo"]')
    assert await peer.receive() == '42["echo"]'
    await peer.close()


@CLOCK
async def test_second_websocket_after_the_upgrade_is_closed_and_the_session_unharmed(echo_server):
    app = await echo_server()
    peer = await app.client("polling")
    await peer.upgrade()
    second = await peer.open_websocket()
    second.send(TEXT, b"5")
    assert await second.receive_close() == (None, b"")
    await second.connection.close()
    await peer.send('42["echo"]')
    assert await peer.receive() == '42["echo"]'
    await peer.close()


@CLOCK
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_polling_after_the_upgrade_is_a_bad_request_and_the_session_unharmed(
    echo_server, method
):
    app = await echo_server()
    peer = await app.client("polling")
    await peer.upgrade()
    response = await peer._ask(method, b'42["echo"]', {})
    assert (response.status, response.json()) == (400, BAD_REQUEST)
    assert app.heard == []
    await peer.send('42["echo",1]')
    assert await peer.receive() == '42["echo",1]'
    await peer.close()


@CLOCK
async def test_upgrade_that_is_not_allowed_is_closed_and_polling_goes_on(echo_server):
    app = await echo_server(allow_upgrades=False)
    peer = await app.client("polling")
    ws = await peer.open_websocket()
    assert await ws.receive_close() == (None, b"")
    await ws.connection.close()
    await peer.send('42["echo"]')
    assert await peer.receive() == '42["echo"]'
    await peer.close()


@CLOCK
async def test_probing_websocket_that_reads_nothing_is_cut_off_and_polling_goes_on(echo_server):
    app = await echo_server(max_buffered_bytes=10_000)
    peer = await app.client("polling")
    ws = await peer.open_websocket()
    ws.connection.writer.server_end.stall()
    for _ in range(200):
        ws.send(PING, b"x" * 100)
    await until(lambda: app.session(peer).probe is None, "the probe is dropped")
    await ws.connection.close()
    await peer.send('42["echo"]')
    assert await peer.receive() == '42["echo"]'
    assert app.ends == []
    await peer.close()

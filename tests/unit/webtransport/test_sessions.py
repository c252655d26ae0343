"""Clients over WebTransport: new ones, those that come over from another transport, what they see and how they end.

Source: engine.io-protocol v4, "WebTransport", "Upgrade", "Heartbeat"; engineio.md 9, 10, 14 (engine.io 6.6).
"""

from __future__ import annotations

import asyncio
import gc

import pytest

from harness import FakePeer, until

KEYS = {"sid", "upgrades", "pingInterval", "pingTimeout", "maxPayload"}


# --- new clients ---------------------------------------------------------------------------------


@pytest.mark.feature("1.4 WebTransport")
async def test_client_gets_a_session_and_talks(webtransport_app):
    app = await webtransport_app()
    async with app.peer() as peer:
        await peer.open()
        assert set(peer.handshake) == KEYS
        assert peer.handshake["upgrades"] == []
        assert list(app.sessions) == [peer.handshake["sid"]]
        await peer.join()
        socket = app.sockets[0]
        assert socket.transport == "webtransport"
        assert socket.conn.transport.name == "webtransport"
        assert socket.conn.upgraded
        peer.send('42["echo","häl☺",{"a":[1,null]}]')
        assert await peer.receive() == '42["echo","häl☺",{"a":[1,null]}]'
        peer.close_session()
        await app.ended("transport close")


async def test_binary_goes_both_ways_as_binary_packets(webtransport_app):
    app = await webtransport_app()
    async with app.peer() as peer:
        await (await peer.open()).join()
        peer.send('451-["echo",{"_placeholder":true,"num":0}]', b"\x01\x02\xff")
        assert await peer.receive() == '451-["echo",{"_placeholder":true,"num":0}]'
        assert await peer.receive() == b"\x01\x02\xff"
        assert app.heard == [(b"\x01\x02\xff",)]
        # As Base64 in a text packet, which Node takes as well.
        peer.send('451-["echo",{"_placeholder":true,"num":0}]', "bAQI=")
        await peer.receive()
        assert await peer.receive() == b"\x01\x02"


@pytest.mark.parametrize("size", [125, 126, 65_535, 65_536, 900_000])
async def test_messages_of_all_sizes_go_both_ways(webtransport_app, size):
    app = await webtransport_app()
    async with app.peer() as peer:
        await (await peer.open()).join()
        packet = '42["echo","' + "x" * (size - 13) + '"]'
        assert len(packet) == size
        peer.send(packet)
        assert await peer.receive() == packet


async def test_many_packets_in_one_write_are_handled_in_order(webtransport_app):
    app = await webtransport_app()
    async with app.peer() as peer:
        await (await peer.open()).join()
        peer.send(*(f'42["echo",{number}]' for number in range(500)))
        for number in range(500):
            assert await peer.receive() == f'42["echo",{number}]'


async def test_handshake_tells_of_the_request(webtransport_app):
    app = await webtransport_app()
    async with app.peer() as peer:
        await peer.open("/socket.io/?EIO=4&room=7", user_agent="test", origin="https://there")
        await peer.join()
        handshake = app.sockets[0].handshake
        assert handshake.address == "127.0.0.1"
        assert handshake.secure
        assert handshake.query["room"] == "7"
        assert handshake.headers["user-agent"] == "test"
        assert handshake.headers["origin"] == "https://there"
        assert handshake.headers["host"] == f"127.0.0.1:{app.server.port}"
        assert app.sockets[0].request.method == "CONNECT"


async def test_namespaces_and_rooms_reach_webtransport_and_websocket_alike(webtransport_app):
    app = await webtransport_app()
    app.io.of("/chat").on("connection", lambda socket: socket.join("all"))
    other = await FakePeer(app.server.url, "websocket").open()
    await other.send("40/chat,")
    await other.receive()
    async with app.peer() as peer:
        await (await peer.open()).join("/chat")
        app.io.of("/chat").to("all").emit("news", b"\x00", 1)
        assert await peer.receive() == '451-/chat,["news",{"_placeholder":true,"num":0},1]'
        assert await peer.receive() == b"\x00"
        assert await other.receive() == '451-/chat,["news",{"_placeholder":true,"num":0},1]'
        assert await other.receive() == b"\x00"
    await other.close()


async def test_initial_packet_follows_the_handshake(webtransport_app):
    app = await webtransport_app(initial_packet="hi")
    async with app.peer() as peer:
        await peer.open()
        assert await peer.receive() == "4hi"


async def test_packets_sent_with_the_handshake_are_not_lost(webtransport_app):
    app = await webtransport_app()
    async with app.peer() as peer:
        assert await peer.connect() == 200
        peer.open_stream()
        peer.send("0", "40", '42["echo",1]')
        assert (await peer.receive())[0] == "0"
        assert (await peer.receive()).startswith("40{")
        assert await peer.receive() == '42["echo",1]'


async def test_packets_and_bytes_are_counted_when_somebody_looks_on(webtransport_app):
    app = await webtransport_app()
    flusher = app.server.engine.flusher
    async with app.peer() as peer:
        await (await peer.open()).join()
        flusher.is_counting = True
        peer.send('42["echo",1]')
        await peer.receive()
        assert (flusher.packets_in, flusher.packets_out) == (1, 1)
        assert flusher.bytes_in == 13
        assert flusher.bytes_out >= 13
        flusher.is_counting = False


async def test_clients_that_have_gone_leave_nothing_behind(webtransport_app):
    from fastsio.webtransport.connection import Connection
    from fastsio.webtransport.stream import Stream

    app = await webtransport_app()
    for _ in range(10):
        async with app.peer() as peer:
            await (await peer.open()).join()
    await until(lambda: len(app.ends) == 10, "the ends")
    await app.gone()
    app.sockets.clear()
    app.ends.clear()
    gc.collect()
    left = [one for one in gc.get_objects() if isinstance(one, (Connection, Stream))]
    assert left == []


# --- who is told of it ---------------------------------------------------------------------------


@pytest.mark.feature("1.4 WebTransport: upgrades")
async def test_client_that_polls_is_told_that_it_may_go_over(webtransport_app):
    app = await webtransport_app()
    peer = await FakePeer(app.server.url, "polling").open()
    assert peer.handshake["upgrades"] == ["websocket", "webtransport"]
    assert app.io.engine.upgrades("polling") == ["websocket", "webtransport"]
    other = await FakePeer(app.server.url, "websocket").open()
    assert other.handshake["upgrades"] == []
    await peer.close()
    await other.close()


async def test_nobody_is_told_of_what_nobody_listens_for(serve):
    import fastsio

    server = await serve(fastsio.IO(transports=["polling", "webtransport"]), webtransport=False)
    assert server.webtransport is None
    peer = await FakePeer(server.url, "polling").open()
    assert peer.handshake["upgrades"] == []
    await peer.close()


async def test_without_upgrades_none_is_told_and_none_taken(webtransport_app):
    app = await webtransport_app(allow_upgrades=False)
    polling = await FakePeer(app.server.url, "polling").open()
    assert polling.handshake["upgrades"] == []
    async with app.peer() as peer:
        await refused(peer, polling.handshake["sid"])
    await polling.close()


# --- going over ----------------------------------------------------------------------------------


async def refused(peer, sid):
    """A stream that wants to take `sid` over, and is closed."""
    assert await peer.connect() == 200
    peer.open_stream()
    peer.send(f'0{{"sid":"{sid}"}}')
    assert await peer.closed_by_server() == (0, b"")


async def probed(peer, sid):
    assert await peer.connect() == 200
    peer.open_stream()
    peer.send(f'0{{"sid":"{sid}"}}', "2probe")
    assert await peer.receive() == "3probe"


async def joined(app, transport):
    client = await FakePeer(app.server.url, transport).open()
    await client.connect()
    return client


@pytest.mark.feature("1.4 WebTransport: upgrade from polling")
async def test_client_that_polls_goes_over_and_stays_the_same(webtransport_app):
    app = await webtransport_app()
    client = await joined(app, "polling")
    socket, names = app.sockets[0], []
    socket.conn.on("upgrade", lambda transport: names.append(transport.name))
    async with app.peer() as peer:
        await probed(peer, client.handshake["sid"])
        assert socket.transport == "polling"
        socket.emit("queued", 1)
        peer.send("5")
        assert await peer.receive() == '42["queued",1]'
        assert socket.transport == "webtransport"
        assert names == ["webtransport"]
        peer.send('42["echo",2]')
        assert await peer.receive() == '42["echo",2]'
        assert list(app.sessions) == [client.handshake["sid"]]
        answer = await client.get()
        assert (answer.status, answer.json()["code"]) == (400, 3)
        peer.close_session()
        await app.ended("transport close")


async def test_held_get_is_released_by_the_probe(webtransport_app):
    app = await webtransport_app()
    client = await joined(app, "polling")
    held = asyncio.ensure_future(client.get())
    async with app.peer() as peer:
        await probed(peer, client.handshake["sid"])
        assert (await held).body == b"6"
        peer.send("5")
        await until(lambda: app.sockets[0].transport == "webtransport", "the switch")


async def test_client_goes_over_from_a_websocket_that_it_began_with(webtransport_app):
    app = await webtransport_app()
    client = await joined(app, "websocket")
    socket = app.sockets[0]
    async with app.peer() as peer:
        await probed(peer, client.handshake["sid"])
        socket.emit("before", 1)
        assert await client.receive() == '42["before",1]'
        peer.send("5")
        await until(lambda: socket.transport == "webtransport", "the switch")
        socket.emit("after", 2)
        assert await peer.receive() == '42["after",2]'
        await client.close()  # the server has closed it, which ends no session
        peer.send('42["echo",3]')
        assert await peer.receive() == '42["echo",3]'
        assert app.ends == []


async def test_client_goes_over_once(webtransport_app):
    app = await webtransport_app()
    client = await joined(app, "polling")
    async with app.peer() as first, app.peer() as second, app.peer() as third:
        await probed(first, client.handshake["sid"])
        await refused(second, client.handshake["sid"])  # one at a time
        first.send("5", '42["echo",1]')
        assert await first.receive() == '42["echo",1]'
        await refused(third, client.handshake["sid"])
        first.send('42["echo",2]')
        assert await first.receive() == '42["echo",2]'


async def test_client_that_went_over_to_a_websocket_stays_there(webtransport_app):
    app = await webtransport_app()
    client = await joined(app, "polling")
    await client.upgrade()
    async with app.peer() as peer:
        await refused(peer, client.handshake["sid"])
    await client.send('42["echo",1]')
    assert await client.receive() == '42["echo",1]'
    await client.close()


@pytest.mark.parametrize("sid", ["nobody", "constructor", "x" * 5000])
async def test_unknown_session_can_not_be_taken_over(webtransport_app, sid):
    app = await webtransport_app()
    async with app.peer() as peer:
        await refused(peer, sid)
        await app.gone()


@pytest.mark.fault(
    "a WebTransport stream takes a session over and does not finish",
    "it is closed; the client polls on",
)
async def test_upgrade_that_is_not_finished_ends_the_stream_alone(webtransport_app):
    app = await webtransport_app()
    client = await joined(app, "polling")
    async with app.peer() as peer:
        assert await peer.connect() == 200
        peer.open_stream()
        # Only now: a handshake may take longer than that.
        object.__setattr__(app.server.engine.options, "upgrade_timeout", 0.1)
        peer.send(f'0{{"sid":"{client.handshake["sid"]}"}}', "2probe")
        assert await peer.receive() == "3probe"
        assert await peer.closed_by_server() == (0, b"")
        await app.gone()
    await client.send('42["echo",1]')
    assert await client.receive() == '42["echo",1]'
    await client.close()


@pytest.mark.parametrize("packet", ['42["echo",1]', "2", b"\x01", "6", "2probe2"])
async def test_other_packet_than_a_probe_ends_the_stream_alone(webtransport_app, packet):
    app = await webtransport_app()
    client = await joined(app, "polling")
    async with app.peer() as peer:
        await probed(peer, client.handshake["sid"])
        peer.send(packet)
        assert await peer.closed_by_server() == (0, b"")
    assert app.heard == []
    await client.send('42["echo",1]')
    assert await client.receive() == '42["echo",1]'
    await client.close()


@pytest.mark.fault(
    "a client goes while its WebTransport stream is taking the session over", "it polls on"
)
async def test_stream_that_is_lost_while_it_probes_leaves_the_session_alone(webtransport_app):
    app = await webtransport_app()
    client = await joined(app, "polling")
    async with app.peer() as peer:
        await probed(peer, client.handshake["sid"])
    await app.gone()
    assert app.sockets[0].conn.ready_state == "open"
    async with app.peer() as again:
        await probed(again, client.handshake["sid"])
        again.send("5", '42["echo",1]')
        assert await again.receive() == '42["echo",1]'


async def test_session_that_ends_during_the_upgrade_takes_the_stream_with_it(webtransport_app):
    app = await webtransport_app()
    client = await joined(app, "polling")
    async with app.peer() as peer:
        await probed(peer, client.handshake["sid"])
        app.sockets[0].conn.close(True)
        assert await peer.closed_by_server() == (0, b"")
        await app.ended("forced close")
    await client.close()


# --- heartbeat -----------------------------------------------------------------------------------


async def test_client_is_pinged_and_its_pongs_are_heard(webtransport_app):
    app = await webtransport_app(ping_interval=0.05, ping_timeout=5.0)
    async with app.peer() as peer:
        await (await peer.open()).join()
        for _ in range(8):
            assert await peer.http.until(peer._next, "a ping") == "2"
            peer.send("3")
        assert app.ends == []


@pytest.mark.fault("a WebTransport client does not answer pings", 'it ends, "ping timeout"')
async def test_silent_client_ends(webtransport_app):
    app = await webtransport_app(ping_interval=0.05, ping_timeout=0.4)
    async with app.peer() as peer:
        await (await peer.open()).join()
        assert await peer.http.until(peer._next, "a ping") == "2"
        assert await peer.closed_by_server() == (0, b"")
        await app.ended("ping timeout")


@pytest.mark.fault(
    "a WebTransport client vanishes without a word",
    'it ends, "ping timeout", and nothing of it is kept',
)
async def test_client_that_vanishes_ends_and_leaves_nothing(webtransport_app, monkeypatch):
    from fastsio.webtransport import connection

    monkeypatch.setattr(connection, "CLOSE_S", 0.05)
    app = await webtransport_app(ping_interval=0.05, ping_timeout=0.4)
    async with app.peer() as peer:
        await (await peer.open()).join()
        peer.vanish()
        await app.ended("ping timeout")


async def test_ping_from_a_client_is_the_wrong_direction(webtransport_app):
    app = await webtransport_app()
    async with app.peer() as peer:
        await (await peer.open()).join()
        peer.send("2")
        await app.ended("transport error")


# --- ends ----------------------------------------------------------------------------------------


@pytest.mark.fault(
    "a WebTransport client ends its session, stream or connection, in any way",
    "exactly one disconnect",
)
@pytest.mark.parametrize("how", ["capsule", "fin of CONNECT", "fin", "reset", "stop", "connection"])
async def test_client_that_leaves_ends_once(webtransport_app, how):
    app = await webtransport_app()
    async with app.peer() as peer:
        await (await peer.open()).join()
        quic = peer.http._quic
        if how == "capsule":
            peer.close_session(7, b"bye")
        elif how == "fin of CONNECT":
            quic.send_stream_data(peer.session_id, b"", end_stream=True)
        elif how == "fin":
            quic.send_stream_data(peer.stream_id, b"", end_stream=True)
        elif how == "reset":
            quic.reset_stream(peer.stream_id, 1)
        elif how == "stop":
            quic.stop_stream(peer.stream_id, 1)
        else:
            quic.close(error_code=0x100)
        peer.http.transmit()
        await app.ended("transport close")


async def test_last_packet_before_a_client_leaves_is_heard(webtransport_app):
    app = await webtransport_app()
    async with app.peer() as peer:
        await (await peer.open()).join()
        peer.send('42["echo","last"]')
        peer.close_session()
        await app.ended("transport close")
        assert app.heard == [("last",)]


async def test_server_ends_a_client_behind_what_it_has_sent(webtransport_app):
    app = await webtransport_app()
    async with app.peer() as peer:
        await (await peer.open()).join()
        for number in range(100):
            app.sockets[0].emit("news", number, "x" * 1000)
        app.sockets[0].disconnect(True)
        for number in range(100):
            assert (await peer.receive()).startswith(f'42["news",{number},')
        assert await peer.receive() == "41"
        assert await peer.closed_by_server() == (0, b"")
        end = await peer.http.ended_by_server()
        assert end.error_code == 0x100  # H3_NO_ERROR
        await app.ended("server namespace disconnect")


@pytest.mark.fault(
    "the server stops while WebTransport clients are connected", "their handlers and they are told"
)
async def test_server_that_stops_ends_its_clients(webtransport_app):
    app = await webtransport_app()
    async with app.peer() as peer, app.peer() as halfway:
        await (await peer.open()).join()
        assert await halfway.connect() == 200
        await app.server.close()
        assert app.ends == ["server shutting down"]
        assert await peer.closed_by_server() == (0, b"")
        await halfway.http.ended_by_server()
        assert not app.door.connections


async def test_recovery_brings_a_client_back(webtransport_app):
    app = await webtransport_app(connection_state_recovery={})
    async with app.peer() as peer:
        answer = await (await peer.open()).join()
        app.sockets[0].emit("news", 1)
        packet = await peer.receive()
        offset = packet.split('"')[-2]
    await until(lambda: app.ends, "the end")
    app.io.emit("missed", 2)
    async with app.peer() as again:
        await again.open()
        again.send(f'40{{"pid":"{answer["pid"]}","offset":"{offset}"}}')
        assert (await again.receive()).startswith('42["missed",2,')
        assert f'"sid":"{answer["sid"]}"' in await again.receive()

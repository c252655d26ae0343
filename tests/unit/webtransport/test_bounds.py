"""What one client can make the server hold or wait for: buffers both ways, streams, handshakes, connections.

Source: RFC 9000 4 (flow control), 8.1.2 (Retry); draft-ietf-webtrans-http3.
"""

from __future__ import annotations

import asyncio

import pytest

from harness import MS, until
from webtransport_peer import Http3Client, framed

# asyncio's own loop has its turn in test_sessions.py.
pytestmark = pytest.mark.asyncio(loop_factories=["uvloop"])


def stop_granting(http: Http3Client) -> None:
    """From now on the client lets the server send no more than it has been allowed to."""
    http._quic._write_connection_limits = lambda *args, **kwargs: None
    http._quic._write_stream_limits = lambda *args, **kwargs: None


@pytest.mark.fault(
    "a WebTransport client does not read",
    "max_buffered_bytes, then it is cut off; QUIC holds send_buffer",
)
async def test_client_that_does_not_read_is_bounded_and_cut_off(webtransport_app):
    app = await webtransport_app({"send_buffer": 65_536}, max_buffered_bytes=500_000)
    async with app.peer(max_data=200_000, max_stream_data=100_000) as peer:
        stop_granting(peer.http)
        await (await peer.open()).join()
        socket = app.sockets[0]
        connection = next(iter(app.door.connections))
        sent = 0
        while not app.ends and sent < 5000:
            socket.emit("news", "x" * 1000)
            sent += 1
            assert socket.buffered_bytes < 600_000 + 2 * 65_536
            assert connection.get_write_buffer_size() < 3 * 65_536
            await asyncio.sleep(0)
        assert app.ends == ["transport error"]
        assert 500 < sent < 1000
        await peer.http.ended_by_server()
    await app.gone()


@pytest.mark.fault(
    "a WebTransport client reads next to nothing", "it is cut off after send_timeout"
)
async def test_client_that_takes_too_little_is_cut_off(webtransport_app):
    app = await webtransport_app({"send_buffer": 4096}, send_timeout=0.2)
    async with app.peer(max_data=50_000, max_stream_data=20_000) as peer:
        stop_granting(peer.http)
        await (await peer.open()).join()
        for _ in range(50):
            app.sockets[0].emit("news", "x" * 1000)
        end = await peer.http.ended_by_server()
        assert end.error_code == 0x10B
        await app.ended("transport error")


@pytest.mark.fault(
    "a WebTransport client that does not read is told to go", "it is cut off some seconds later"
)
async def test_client_that_is_closed_and_does_not_read_is_cut_off(webtransport_app, monkeypatch):
    from fastsio.webtransport import connection

    monkeypatch.setattr(connection, "CLOSE_S", 0.1)
    app = await webtransport_app({"send_buffer": 4096})
    async with app.peer(max_data=50_000, max_stream_data=20_000) as peer:
        stop_granting(peer.http)
        await (await peer.open()).join()
        for _ in range(50):
            app.sockets[0].emit("news", "x" * 1000)
        await until(lambda: not app.sockets[0].volatile.emit("x"), "a full window")
        app.sockets[0].conn.close()
        assert app.ends == ["forced close"]
        await peer.http.ended_by_server()
        await app.gone()


async def test_client_that_takes_enough_is_not_cut_off(webtransport_app):
    app = await webtransport_app({"send_buffer": 4096}, send_timeout=1.0)
    async with app.peer(max_data=50_000, max_stream_data=20_000) as peer:
        await (await peer.open()).join()
        for number in range(400):
            app.sockets[0].emit("news", number, "x" * 1000)
            if number % 40 == 0:
                await asyncio.sleep(0.05)
        for number in range(400):
            assert (await peer.receive()).startswith(f'42["news",{number},')
        assert app.ends == []


@pytest.mark.fault(
    "more clients of one address than max_connections_per_address",
    "the next is refused over WebTransport too",
)
async def test_clients_of_one_address_are_counted(webtransport_app):
    app = await webtransport_app(max_connections_per_address=1)
    async with app.peer() as peer:
        await (await peer.open()).join()
        async with app.peer() as second:
            assert await second.connect() == 200
            second.open_stream()
            second.send("0")
            end = await second.http.ended_by_server()
            assert "max_connections_per_address" in end.reason_phrase
        peer.close_session()
        await app.ended("transport close")
    async with app.peer() as third:
        await third.open()


async def test_slow_reader_gets_everything_in_order_once_it_reads(webtransport_app):
    app = await webtransport_app({"send_buffer": 4096}, high_water=100_000, low_water=1000)
    async with app.peer(max_data=50_000, max_stream_data=20_000) as peer:
        quic = peer.http._quic
        limits = quic._write_connection_limits, quic._write_stream_limits
        stop_granting(peer.http)
        await (await peer.open()).join()
        socket, marks = app.sockets[0], []
        socket.on("high_water", lambda size: marks.append("high"))
        socket.on("low_water", lambda size: marks.append("low"))
        for number in range(300):
            socket.emit("news", number, "x" * 1000)
        await until(lambda: marks == ["high"], "the high mark")
        assert not socket.volatile.emit("dropped")
        assert socket.buffered_bytes > 200_000
        quic._write_connection_limits, quic._write_stream_limits = limits
        peer.http._quic.send_ping(1)
        peer.http.transmit()
        for number in range(300):
            assert (await peer.receive()).startswith(f'42["news",{number},')
        await until(lambda: marks == ["high", "low"], "the low mark")
        await asyncio.wait_for(socket.drain(), 5)


@pytest.mark.fault(
    "the application reads a WebTransport client no more (pause)",
    "the client is stopped by QUIC's window",
)
async def test_client_that_is_not_read_can_send_a_window_and_no_more(webtransport_app):
    window = 256 * 1024
    app = await webtransport_app({"receive_window": window})
    async with app.peer() as peer:
        await (await peer.open()).join()
        socket = app.sockets[0]
        socket.pause()
        packet = framed('42["echo","' + "x" * 10_000 + '"]')
        peer.send_raw(packet * 200)  # 2 MB
        await asyncio.sleep(0.2)  # nothing tells that nothing more comes
        assert len(app.heard) * len(packet) <= window
        received = len(app.heard)
        socket.resume()
        await until(lambda: len(app.heard) == 200, "the rest")
        assert received < 30


async def test_window_moves_as_a_client_is_read(webtransport_app):
    """aioquic would double it: after 8 MB the client could have 16 MB on the way."""
    window = 128 * 1024
    app = await webtransport_app({"receive_window": window})
    async with app.peer() as peer:
        await (await peer.open()).join()
        packet = framed('42["echo","' + "x" * 50_000 + '"]')
        for _ in range(4):
            peer.send_raw(packet * 20)
            wanted = len(app.heard) + 20
            await until(lambda wanted=wanted: len(app.heard) >= wanted, "the packets")
        stream = peer.http._quic._streams[peer.stream_id]
        assert stream.sender.highest_offset > 4_000_000
        assert stream.max_stream_data_remote - stream.sender.highest_offset <= window
        quic = peer.http._quic
        assert quic._remote_max_data - quic._remote_max_data_used <= window


async def test_other_streams_are_turned_away(webtransport_app):
    app = await webtransport_app()
    async with app.peer() as peer:
        await (await peer.open()).join()
        http = peer.http.http
        for is_unidirectional in (False, True):
            stream_id = http.create_webtransport_stream(peer.session_id, is_unidirectional)
            peer.http.send(stream_id, framed("0"))
            await peer.http.until(lambda one=stream_id: one in peer.http.resets, "the answer")
        foreign = http.create_webtransport_stream(peer.session_id + 400)
        peer.http.send(foreign, framed("0"))
        await peer.http.until(lambda: foreign in peer.http.resets, "the answer")
        http.send_datagram(peer.session_id, b"unheard")
        peer.send('42["echo",1]')
        assert await peer.receive() == '42["echo",1]'
        assert len(app.sessions) == 1


async def test_connection_has_one_session(webtransport_app):
    app = await webtransport_app()
    async with app.peer() as peer:
        await (await peer.open()).join()
        second = peer.http.request(peer.connect_headers())
        assert await peer.http.status(second) == 429
        peer.send('42["echo",1]')
        assert await peer.receive() == '42["echo",1]'


@pytest.mark.fault(
    "QUIC or an application's hook fails over a WebTransport client",
    "it alone ends; a line says where",
)
async def test_failure_ends_one_client_and_is_logged_with_its_place(
    webtransport_app, monkeypatch, caplog
):
    app = await webtransport_app()
    async with app.peer() as peer, app.peer() as failing:
        await (await peer.open()).join()
        await (await failing.open()).join()
        stream = next(
            one.stream for one in app.door.connections if one.session.id == failing.handshake["sid"]
        )

        def fail(data):
            raise LookupError("what nobody thought of")

        monkeypatch.setattr(stream._reader.__class__, "feed", lambda reader, data: fail(data))
        failing.send('42["echo",1]')
        end = await failing.http.ended_by_server()
        monkeypatch.undo()
        assert end.error_code == 0x102  # H3_INTERNAL_ERROR
        assert app.ends == ["transport close"]
        peer.send('42["echo",2]')
        assert await peer.receive() == '42["echo",2]'
    assert app.door.failures == 1
    app.door.failures = 0
    assert "LookupError('what nobody thought of') was raised at" in caplog.text
    assert "test_bounds.py:" in caplog.text


async def test_client_has_few_streams(webtransport_app):
    app = await webtransport_app()
    async with app.peer() as peer:
        await peer.open()
        assert peer.http._quic._remote_max_streams_bidi == 16
        assert peer.http._quic._remote_max_streams_uni == 16


@pytest.mark.fault(
    "a WebTransport client does not say what it wants", "it ends after upgrade_timeout"
)
@pytest.mark.parametrize("step", ["handshake", "connect", "stream", "half a packet"])
async def test_client_that_waits_too_long_is_ended(webtransport_app, step):
    app = await webtransport_app(upgrade_timeout=600 * MS)
    async with app.peer() as peer:
        if step != "handshake":
            assert await peer.connect() == 200
        if step in ("stream", "half a packet"):
            peer.open_stream()
        if step == "half a packet":
            peer.send_raw(b"\x020")
        peer.http.transmit()
        await peer.http.ended_by_server()
    await app.gone()


@pytest.mark.fault(
    "more WebTransport connections than max_connections",
    "the next get no answer; those that are there stay",
)
async def test_connections_are_counted(webtransport_app):
    app = await webtransport_app({"max_connections": 1})
    async with app.peer() as peer:
        await (await peer.open()).join()
        second = app.peer(idle_timeout=0.3)
        with pytest.raises((ConnectionError, TimeoutError)):
            async with second:
                pass
        peer.send('42["echo",1]')
        assert await peer.receive() == '42["echo",1]'
    await app.gone()
    async with app.peer() as peer:
        await peer.open()


async def test_clients_show_their_address_when_many_shake_hands(webtransport_app, monkeypatch):
    """RFC 9000 8.1.2: they are asked to come again with a token, which costs nothing to make."""
    app = await webtransport_app({"max_handshakes": 2})
    app.door.handshakes.add(object())
    async with app.peer() as peer:
        await (await peer.open()).join()
        assert peer.http._quic._retry_source_connection_id is not None
        peer.send('42["echo",1]')
        assert await peer.receive() == '42["echo",1]'
        app.door.handshakes.add(object())
        with pytest.raises((ConnectionError, TimeoutError)):
            async with app.peer(idle_timeout=0.3):
                pass
    app.door.handshakes.clear()
    await app.gone()


@pytest.mark.fault(
    "a WebTransport client talks and does not read", "its session ends after send_timeout"
)
async def test_client_that_talks_and_does_not_read_is_ended(webtransport_app):
    send_timeout_s = 300 * MS
    app = await webtransport_app({"send_buffer": 65_536}, send_timeout=send_timeout_s)
    async with app.peer(max_data=200_000, max_stream_data=100_000) as peer:
        stop_granting(peer.http)
        await (await peer.open()).join()
        for _ in range(100):
            app.sockets[0].emit("news", "x" * 10_000)
        loop = asyncio.get_running_loop()
        began_at = loop.time()
        while not app.ends:
            assert loop.time() - began_at < 10 * send_timeout_s
            peer.send('42["echo",1]')
            await asyncio.sleep(20 * MS)
        assert loop.time() - began_at >= send_timeout_s
        assert app.ends == ["transport error"]
        await peer.http.ended_by_server()
    await app.gone()
    assert app.server.engine.rare_log.counts["send_timeout"] == 1

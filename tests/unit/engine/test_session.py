"""Sessions on a WebSocket: which packets mean what, and which end gets which reason.

Source: engine.io-protocol v4, "Packet encoding"; engineio.md 4, 6 and 11. Times are in test_session_time.py.
"""

from __future__ import annotations

import pytest

from harness import BINARY, CLOSE, TEXT, FakePeer, until
from memory_conn import MemoryPeer

IN_MEMORY = pytest.mark.asyncio(loop_factories=["asyncio"])


async def gone(app, reason: str) -> None:
    await until(lambda: app.ends, "the session has ended")
    assert app.ends == [reason]
    assert not app.sessions


@IN_MEMORY
@pytest.mark.parametrize("packet", [b"0", b"04a", b"1", b"3", b"3x", b"5", b"6"])
async def test_packets_that_mean_nothing_on_a_websocket_are_ignored(echo_server, packet):
    """engineio.md 4: Node ignores a 1 on a WebSocket too."""
    app = await echo_server()
    peer = await app.client()
    peer.ws.send(TEXT, packet)
    await peer.send('42["echo"]')
    assert await peer.receive() == '42["echo"]'
    await peer.close()


@IN_MEMORY
@pytest.mark.parametrize("packet", [b"", b"7", b"abc", b" 4", b"B", b"\xc3\xa9"])
async def test_packet_of_no_known_type_is_a_parse_error_and_closes_without_status(
    echo_server, packet
):
    """engineio.md 6."""
    app = await echo_server()
    peer = await app.client()
    peer.ws.send(TEXT, packet)
    assert await peer.ws.receive() == (CLOSE, b"")
    await gone(app, "parse error")
    await peer.close()


@IN_MEMORY
@pytest.mark.parametrize("packet", [b"2", b"2probe"])
async def test_ping_from_the_client_is_a_transport_error(echo_server, packet):
    """engineio.md 10, "invalid heartbeat direction"."""
    app = await echo_server()
    peer = await app.client()
    peer.ws.send(TEXT, packet)
    assert await peer.ws.receive() == (CLOSE, b"")
    await gone(app, "transport error")
    await peer.close()


@IN_MEMORY
@pytest.mark.parametrize("attachment", [(TEXT, b"bAP8e"), (BINARY, b"\x00\xff\x1e")])
async def test_binary_comes_as_a_frame_or_as_base64_text(echo_server, attachment):
    app = await echo_server()
    peer = await app.client()
    peer.ws.send(TEXT, b'451-["echo",{"_placeholder":true,"num":0}]')
    peer.ws.send(*attachment)
    assert await peer.receive() == '451-["echo",{"_placeholder":true,"num":0}]'
    assert await peer.receive() == b"\x00\xff\x1e"
    await peer.close()


@IN_MEMORY
async def test_empty_binary_message_is_one(echo_server):
    app = await echo_server()
    peer = await app.client()
    peer.ws.send(TEXT, b'452-["echo",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]')
    peer.ws.send(BINARY, b"")
    peer.ws.send(TEXT, b"b")
    await until(lambda: app.heard, "the event")
    assert app.heard == [(b"", b"")]
    await peer.close()


@IN_MEMORY
async def test_message_without_data_is_no_socketio_packet_and_forces_a_close(echo_server):
    """socketio.md 5: Engine packet `4` with no data."""
    app = await echo_server()
    peer = await app.client()
    peer.ws.send(TEXT, b"4")
    assert await peer.ws.receive() == (CLOSE, b"")
    await gone(app, "forced close")
    await peer.close()


async def test_cut_connection_is_a_transport_close(echo_server):
    app = await echo_server()
    peer = await FakePeer(app.server.url).open()
    await peer.connect()
    peer.abort()
    await gone(app, "transport close")


async def test_close_frame_is_a_transport_close(echo_server):
    app = await echo_server()
    peer = await FakePeer(app.server.url).open()
    await peer.connect()
    peer.ws.send(CLOSE, b"\x03\xe9")
    assert await peer.ws.receive_close() == (1001, b"")
    await gone(app, "transport close")
    assert await peer.ws.connection.read_to_end() == b""
    await peer.close()


async def test_broken_frame_is_a_transport_error(echo_server):
    app = await echo_server()
    peer = await FakePeer(app.server.url).open()
    await peer.connect()
    peer.ws.send(TEXT, b"4", mask=None)
    assert await peer.ws.receive_close() == (1002, b"")
    await gone(app, "transport error")
    await peer.close()


async def test_message_over_the_limit_is_a_transport_error(echo_server):
    app = await echo_server(max_http_buffer_size=1000)
    peer = await FakePeer(app.server.url).open()
    await peer.connect()
    text = "x" * (1000 - len('42["echo",""]'))
    await peer.send(f'42["echo","{text}"]')
    assert await peer.receive() == f'42["echo","{text}"]'
    await peer.send(f'42["echo","{text}+"]')
    assert await peer.ws.receive_close() == (1009, b"")
    await gone(app, "transport error")
    await peer.close()


async def test_server_that_closes_sends_what_is_queued_and_then_a_close(echo_server):
    app = await echo_server()
    peer = await FakePeer(app.server.url).open()
    await peer.connect()
    for i in range(20):
        app.sockets[0].emit("last", i)
    app.session(peer).close()
    app.sockets[0].emit("too late")
    assert [await peer.receive() for _ in range(20)] == [f'42["last",{i}]' for i in range(20)]
    assert await peer.ws.receive() == (CLOSE, b"")
    await gone(app, "forced close")
    await peer.close()


async def test_closed_session_is_not_listened_to(echo_server):
    app = await echo_server()
    peer = await FakePeer(app.server.url).open()
    await peer.connect()
    app.session(peer).close()
    await peer.send('42["echo"]')
    assert await peer.ws.receive() == (CLOSE, b"")
    peer.ws.send(CLOSE)
    assert await peer.ws.connection.read_to_end() == b""
    assert app.heard == []
    await gone(app, "forced close")
    await peer.close()


@IN_MEMORY
async def test_only_the_first_end_counts(echo_server):
    app = await echo_server()
    peer = await app.client()
    session = app.session(peer)
    session.close()
    session.abort("parse error")
    session.end("transport close")
    session.shut_down("server shutting down")
    await peer.close()
    await gone(app, "forced close")


@IN_MEMORY
async def test_shut_down_tells_the_handler_its_reason_and_the_client_only_the_end(echo_server):
    app = await echo_server()
    peer = await app.client()
    app.session(peer).shut_down("server shutting down")
    assert await peer.ws.receive() == (CLOSE, b"")  # socketio.md 6: no packet is sent
    await gone(app, "server shutting down")
    await peer.close()


async def test_client_that_reads_nothing_is_cut_off_at_max_buffered_bytes(echo_server):
    app = await echo_server(max_buffered_bytes=100_000)
    slow = await FakePeer(app.server.url).open()
    await slow.connect()
    other = await FakePeer(app.server.url).open()
    await other.connect()
    slow.ws.connection.reader._transport.pause_reading()
    for _ in range(2000):
        app.sockets[0].emit("big", "x" * 10_000)
        if app.ends:
            break
        await until(lambda: True, "a turn")
        await other.send('42["echo"]')
        assert await other.receive() == '42["echo"]'
    assert app.ends == ["transport error"]
    assert len(app.sessions) == 1
    slow.abort()
    await other.close()


@IN_MEMORY
async def test_session_knows_its_client_and_its_request(echo_server):
    app = await echo_server()
    peer = await MemoryPeer.of(
        app.server, query={"token": "a b&c"}, headers={"X-Test": "1", "Origin": "http://a.example"}
    ).open()
    session = app.session(peer)
    assert (session.id, session.transport) == (peer.handshake["sid"], "websocket")
    assert (session.remote, session.is_secure) == ("192.0.2.7", True)
    assert session.request.query["token"] == "a b&c"
    assert session.request.headers["x-test"] == "1"
    await peer.close()

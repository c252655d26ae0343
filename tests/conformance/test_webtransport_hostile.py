"""Hostile clients over WebTransport: wrong packets, wrong HTTP/3, garbage. Each ends alone, once; others are served on.

Source: engine.io-protocol v4, "WebTransport"; RFC 9114 4.1.2, 7, 8.1; RFC 9204 2.1.3, 4.3, 7.1.3; RFC 9000 14.1.
"""

from __future__ import annotations

import asyncio
import os
import random
import socket

import pytest
import pytest_asyncio

import fastsio
from harness import MS, until
from webtransport_peer import WebTransportPeer, framed

# A handshake is slow in Python: asyncio's own loop has its turn in tests/unit/webtransport.
pytestmark = pytest.mark.asyncio(loop_factories=["uvloop"])

MAX_BYTES = 10_000
QPACK_ENCODER_STREAM_ERROR = 0x201


class App:
    def __init__(self, upgrade_timeout: float) -> None:
        self.io = fastsio.IO(
            transports=["polling", "webtransport"],
            max_http_buffer_size=MAX_BYTES,
            upgrade_timeout=upgrade_timeout,
        )
        self.came = 0
        self.ends: list[tuple[str, str | None]] = []

        @self.io.on("connection")
        def connection(client):
            self.came += 1
            client.on("disconnect", lambda reason, why=None: self.ends.append((reason, why)))
            client.on("echo", lambda *values: client.emit("echo", *values))

    async def serves_on(self) -> None:
        """A new client is served, and nothing of those before it is left."""
        door = self.server.webtransport
        await until(lambda: not door.connections, "the end of the hostile ones")
        assert self.came == len(self.ends)
        async with WebTransportPeer.at(self.server) as peer:
            await (await peer.open()).join()
            peer.send('42["echo",1]')
            assert await peer.receive() == '42["echo",1]'
            peer.close_session()
            await until(lambda: not door.connections, "the end")
        assert self.came == len(self.ends)
        assert not door.by_id and not door.handshakes


@pytest_asyncio.fixture
async def start(serve, certificate):
    """`app = await start(upgrade_timeout)`: at the end it still serves."""
    apps = []

    async def start(upgrade_timeout: float) -> App:
        app = App(upgrade_timeout)
        files = {"certfile": certificate[0], "keyfile": certificate[1]}
        app.server = await serve(app.io, webtransport=files)
        apps.append(app)
        return app

    yield start
    for app in apps:
        await app.serves_on()


@pytest_asyncio.fixture
async def app(start):
    return await start(10.0)


@pytest_asyncio.fixture
async def hasty_app(start):
    """One that does not wait long for a client's first packet."""
    return await start(1000 * MS)


# --- the session's stream ------------------------------------------------------------------------

FIRST = {
    "a message": framed("40"),
    "binary": framed(b"0"),
    "a probe": framed("2probe"),
    "nothing": b"\x00",
    "a head over the limit": b"\x7f" + (MAX_BYTES + 1).to_bytes(8, "big"),
    "a sid that is no text": framed('0{"sid":["a"]}'),
    "a sid of a prototype": framed('0{"sid":"__proto__"}'),
    "deep JSON": framed("0" + "[" * 9000),
    "no UTF-8": b"\x02" + b"0\xff",
}


async def test_wrong_first_packet_closes_the_session(app):
    for what, packet in FIRST.items():
        async with WebTransportPeer.at(app.server) as peer:
            assert await peer.connect() == 200
            peer.open_stream()
            peer.send_raw(packet)
            assert await peer.closed_by_server() == (0, b""), what
    assert app.came == 0


LATER = {
    "an empty packet": (b"\x00", "parse error"),
    "a length of 64 bits": (b"\x7f" + b"\xff" * 8, "parse error"),
    "a packet over the limit": (framed("4" * (MAX_BYTES + 1)), "parse error"),
    "no UTF-8": (b"\x02" + b"4\xff", "parse error"),
    "an unknown type": (framed("9"), "parse error"),
    "blanks": (framed(" 4"), "parse error"),
    "a ping": (framed("2"), "transport error"),
    "no Socket.IO": (framed("4x"), "forced close"),
    "binary that was not announced": (framed(b"\x01"), "forced close"),
    "text in place of an attachment": (
        framed('451-["echo",{"_placeholder":true,"num":0}]') + framed('42["echo"]'),
        "forced close",
    ),
}


@pytest.mark.fault(
    "a WebTransport client sends packets that are none", "it ends with the reason that Node gives"
)
@pytest.mark.parametrize("piece", [1_000_000, 1])
async def test_wrong_packet_ends_the_client_with_nodes_reason(app, piece):
    for what, (packet, reason) in LATER.items():
        app.ends.clear()
        async with WebTransportPeer.at(app.server) as peer:
            await (await peer.open()).join()
            for at in range(0, min(len(packet), 40), piece):
                peer.send_raw(packet[at : min(at + piece, 40)])
            peer.send_raw(packet[40:])
            await until(lambda: app.ends, f"the end of {what}")
        assert [end[0] for end in app.ends] == [reason], what
    app.came = 1  # of the last one, whose end is noted still


async def test_packet_over_the_limit_is_named_in_the_reason(app, caplog):
    async with WebTransportPeer.at(app.server) as peer:
        await (await peer.open()).join()
        peer.send("4" * (MAX_BYTES + 1))
        await until(lambda: app.ends, "the end")
    why = f"message too large: {MAX_BYTES + 1} > max_http_buffer_size {MAX_BYTES}"
    assert why in str(app.ends[0][1])
    assert why in caplog.text


async def test_packet_that_means_nothing_here_is_passed_over(app):
    """As Node does on a WebSocket."""
    async with WebTransportPeer.at(app.server) as peer:
        await (await peer.open()).join()
        for packet in ("1", "0", "5", "6", "3"):
            peer.send(packet, f'42["echo",{packet}]')
            assert await peer.receive() == f'42["echo",{packet}]'


# --- HTTP/3 --------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [b"a\r\nx-injected: 1", b"a\nb", b"a\0b"])
@pytest.mark.parametrize("where", [b"x-header", b":path", b":authority"])
async def test_nothing_can_be_injected_into_a_head(app, where, value):
    seen = []
    app.io.engine.use(lambda request, response: seen.append(request.headers))
    # As aioquic looks for these too, what we do by ourselves is in test_connect.py.
    async with WebTransportPeer.at(app.server) as peer:
        prefix = b"/socket.io/?" if where == b":path" else b""
        headers = [one for one in peer.connect_headers() if one[0] != where]
        at = len(headers) if not where.startswith(b":") else 0
        headers.insert(at, (where, prefix + value))
        stream_id = peer.http.request(headers)
        http = peer.http
        await until(lambda: http.termination or stream_id in http.headers, "the answer")
        if stream_id in http.headers:
            assert http.headers[stream_id][b":status"] == b"400"
    assert seen == []


async def test_many_headers_are_refused(app):
    async with WebTransportPeer.at(app.server) as peer:
        many = [(b"x-%d" % number, b"1") for number in range(200)]
        stream_id = peer.http.request(peer.connect_headers() + many)
        assert await peer.http.status(stream_id) == 431


@pytest.mark.fault("a head over HTTP/3 has no end", "64 KiB at most are held; the client ends")
@pytest.mark.parametrize("kind", [0x01, 0x21])  # HEADERS, and what nobody knows
async def test_endless_frame_is_held_to_the_streams_window(hasty_app, kind):
    async with WebTransportPeer.at(hasty_app.server) as peer:
        quic = peer.http._quic
        stream_id = quic.get_next_available_stream_id()
        length = (0xC0 << 56 | 1 << 40).to_bytes(8, "big")
        peer.http.send(stream_id, bytes((kind,)) + length + bytes(500_000))
        await peer.http.ended_by_server()
        assert quic._streams[stream_id].sender.highest_offset <= 65_536


async def test_qpack_has_no_table_to_fill(app):
    """RFC 9204 4.3.1: a capacity above the one that was allowed is an error of the connection."""
    async with WebTransportPeer.at(app.server) as peer:
        await peer.connect()
        peer.http.send(peer.http.http._local_encoder_stream_id, b"\x3f\xe1\x1f")  # 4,096 bytes
        end = await peer.http.ended_by_server()
        assert end.error_code == QPACK_ENCODER_STREAM_ERROR


async def test_settings_allow_no_table(app):
    async with WebTransportPeer.at(app.server) as peer:
        await peer.connect()
        settings = peer.http.http.received_settings
        assert settings[0x1] == 0  # QPACK_MAX_TABLE_CAPACITY
        assert settings[0x7] == 0  # QPACK_BLOCKED_STREAMS


@pytest.mark.parametrize("seed", range(10))
async def test_random_streams_end_one_connection_at_most(app, seed):
    """Streams of all kinds with frames of all kinds, some of them right: whatever happens, happens to this client."""
    rng = random.Random(seed)
    async with WebTransportPeer.at(app.server) as peer:
        await (await peer.open()).join()
        quic = peer.http._quic
        for _ in range(rng.randrange(1, 8)):
            is_unidirectional = rng.random() < 0.5
            stream_id = quic.get_next_available_stream_id(is_unidirectional=is_unidirectional)
            kind = rng.choice([0, 1, 2, 3, 4, 5, 7, 0xD, 0x21, 0x41, 0x54])
            data = bytes((kind,)) if kind < 64 else b"\x40" + bytes((kind,))
            data += bytes((rng.randrange(64),)) + rng.randbytes(rng.randrange(300))
            peer.http.send(stream_id, data, ends=rng.random() < 0.3)
            if rng.random() < 0.3:
                quic.reset_stream(stream_id, rng.randrange(1 << 20))
            if rng.random() < 0.3:
                peer.http.send(peer.session_id, rng.randbytes(rng.randrange(1, 50)))
            if rng.random() < 0.2:
                quic.send_datagram_frame(rng.randbytes(rng.randrange(1, 100)))
            peer.http.transmit()
            await asyncio.sleep(0)


# --- UDP -----------------------------------------------------------------------------------------


@pytest.mark.fault(
    "garbage comes to the WebTransport port",
    "it is dropped, or answered once; clients are served on",
)
async def test_garbage_is_dropped(hasty_app):
    rng = random.Random(7)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(("127.0.0.1", hasty_app.server.port))
        for size in (0, 1, 5, 20, 100, 1199, 1200, 1500, 9000):
            for first in (0x00, 0x40, 0x80, 0xC0, 0xD0, 0xE0, 0xF0, 0xFF):
                data = bytes((first,)) + rng.randbytes(size)
                sender.send(data)
                # The same as a version that is known, with connection ids of a right length.
                sender.send(bytes((first,)) + b"\x00\x00\x00\x01\x08" + rng.randbytes(size))
        await asyncio.sleep(50 * MS)
    door = hasty_app.server.webtransport
    async with WebTransportPeer.at(hasty_app.server) as peer:
        await peer.open()
    assert len(door.connections) < 100


async def test_unknown_version_is_answered_with_those_that_are_spoken(app):
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        sender.connect(("127.0.0.1", app.server.port))
        cids = b"\x08" + os.urandom(8) + b"\x08" + os.urandom(8)
        hello = b"\xc0" + b"\x1a\x2a\x3a\x4a" + cids
        await loop.sock_sendall(sender, hello + bytes(100))  # too short to be answered
        await loop.sock_sendall(sender, hello + bytes(1200))
        answer = await asyncio.wait_for(loop.sock_recv(sender, 2000), 5)
    assert answer[0] & 0x80
    assert answer[1:5] == bytes(4)  # RFC 9000 17.2.1: version negotiation
    assert b"\x00\x00\x00\x01" in answer[23:]
    assert len(answer) < 100


@pytest.mark.fault(
    "a flood of QUIC first packets that lead nowhere",
    "at most max_handshakes are held, and not for long",
)
async def test_flood_of_first_packets_is_bounded(serve, certificate):
    io = fastsio.IO(transports=["webtransport"], upgrade_timeout=300 * MS)
    server = await serve(
        io,
        webtransport={"certfile": certificate[0], "keyfile": certificate[1], "max_handshakes": 8},
    )
    door = server.webtransport
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(("127.0.0.1", server.port))
        for _ in range(50):
            cids = b"\x08" + os.urandom(8) + b"\x08" + os.urandom(8)
            sender.send(b"\xc0\x00\x00\x00\x01" + cids + b"\x00" + b"\x44\xd0" + os.urandom(1250))
        await asyncio.sleep(50 * MS)
        assert len(door.handshakes) <= 8
        assert len(door.connections) <= 8
    await until(lambda: not door.connections, "the end of all of them")
    assert not door.by_id
    async with WebTransportPeer.at(server) as peer:
        await peer.open()
    await until(lambda: not door.connections, "the end")

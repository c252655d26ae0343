"""Clients that read slowly, over real sockets: who takes nothing is ended, who takes a little for ever stays.

What the kernel says of a client (TCP_INFO) decides; so this is where TLS, whose buffers hide it, is looked at.
To the tick and in memory: tests/unit/engine/test_slow_readers.py, tests/unit/test_conn_slow.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

import fastsio
from harness import MS, FakePeer, RawConnection, frame_bytes, until

KB = 1024
# Times are short here; what counts is their relation.
SEND_TIMEOUT_S = 400 * MS
TEXT = "x" * (512 * KB)
# What the kernel keeps for one that does not read is less.
MANY = 40
FEW_BYTES = 16 * KB
DOORS = ["plain", "tls"]


@contextlib.asynccontextmanager
async def slow_client(url: str) -> AsyncIterator[tuple[socket.socket | ssl.SSLSocket, str]]:
    """A WebSocket client that has joined, on a socket of its own that nobody reads; and its sid."""
    loop = asyncio.get_running_loop()
    host, port = url.split("//")[1].split(":")

    def connect() -> tuple[Any, str]:
        plain = socket.socket()
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * KB)
        plain.settimeout(5)
        plain.connect((host, int(port)))
        sock: Any = plain
        if url.startswith("https"):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            sock = context.wrap_socket(plain)
        sock.sendall(
            b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
            b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        sock.sendall(frame_bytes(0x1, b"40"))
        received = b""
        while b'40{"sid":"' not in received or not received.endswith(b"}"):
            received += sock.recv(4096)
        return sock, received.rpartition(b'40{"sid":"')[2][:-2].decode()

    sock, sid = await loop.run_in_executor(None, connect)
    try:
        yield sock, sid
    finally:
        sock.close()


@pytest.fixture(params=DOORS)
def served(request: pytest.FixtureRequest, serve: Any, certificate: tuple[str, str]) -> Any:
    """`server, ends = await served(**options)`: `ends` has the reasons of each socket's ends, by sid."""

    async def start(**options: Any) -> tuple[Any, dict[str, list[str]]]:
        ends: dict[str, list[str]] = {}
        io = fastsio.IO(**options)

        @io.on("connection")
        def connection(sock: Any) -> None:
            ends[sock.id] = []
            sock.on("disconnect", ends[sock.id].append)

        tls = {"ssl_certfile": certificate[0], "ssl_keyfile": certificate[1]}
        server = await serve(io, **(tls if request.param == "tls" else {}))
        server.io = io
        return server, ends

    return start


async def keep_sending(sock: Any, until_: Callable[[], Any], within_s: float) -> float:
    """Send pongs until `until_()` is true; the seconds that it took."""
    loop = asyncio.get_running_loop()
    began_at = loop.time()
    while not until_():
        assert loop.time() - began_at < within_s, "it was never ended"
        with contextlib.suppress(OSError):
            sock.sendall(frame_bytes(0x1, b"3"))
        await asyncio.sleep(20 * MS)
    return loop.time() - began_at


@pytest.mark.fault(
    "a client sends pongs and never reads",
    "its session ends after send_timeout, once; others get all",
)
async def test_who_takes_nothing_is_ended_and_others_lose_nothing(served: Any) -> None:
    server, ends = await served(send_timeout=SEND_TIMEOUT_S, max_buffered_bytes=64 * KB * KB)
    good = await FakePeer(server.url).open()
    await good.connect()
    async with slow_client(server.url) as (sock, sid):
        for _ in range(MANY):
            server.io.sockets.to(sid).emit("much", TEXT)
        took_s = await keep_sending(sock, lambda: ends[sid], 10 * SEND_TIMEOUT_S)
        assert took_s >= SEND_TIMEOUT_S
        for n in range(5):
            server.io.emit("news", n)
            assert await good.receive() == f'42["news",{n}]'
        assert ends[sid] == ["transport error"]
        await until(lambda: len(server.connections) == 1, "its connection is gone")
    await good.close()


@pytest.mark.fault(
    "a client is on a very slow link", "it stays, as long as it takes 16 KiB in send_timeout"
)
async def test_who_takes_a_little_for_ever_stays(served: Any) -> None:
    server, ends = await served(send_timeout=SEND_TIMEOUT_S, max_buffered_bytes=64 * KB * KB)
    loop = asyncio.get_running_loop()
    async with slow_client(server.url) as (sock, sid):
        for _ in range(MANY):
            server.io.sockets.to(sid).emit("much", TEXT)
        session = next(iter(server.engine.sessions.values()))
        await until(lambda: not session.outlet.is_writable, "the server has to wait")
        began_at, taken = loop.time(), 0
        while loop.time() - began_at < 5 * SEND_TIMEOUT_S:
            taken += len(await loop.run_in_executor(None, sock.recv, 4 * FEW_BYTES))
            await asyncio.sleep(SEND_TIMEOUT_S / 8)
        assert not session.outlet.is_writable, "all was taken: nothing was shown"
        assert ends[sid] == []
    await until(lambda: ends[sid] == ["transport close"], "its end")


@pytest.mark.fault(
    "a client asks for much over HTTP and reads none of it", "the connection is cut off"
)
async def test_an_http_answer_that_nobody_reads_is_cut_off(serve: Any, tmp_path: Any) -> None:
    (tmp_path / "large").write_bytes(b"x" * (16 * KB * KB))
    server = await serve(
        fastsio.IO(send_timeout=SEND_TIMEOUT_S),
        static_files={"/large": str(tmp_path / "large")},
        head_timeout=SEND_TIMEOUT_S / 2,
    )
    connection = await RawConnection.open(server.url)
    transport: Any = connection.writer.transport
    transport.pause_reading()
    connection.write(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
    await until(lambda: server.connections, "it is served")
    await until(lambda: not server.connections, "cut off", 20 * SEND_TIMEOUT_S)
    transport.abort()


@pytest.mark.fault("a client never finishes its TLS handshake", "it is cut off after head_timeout")
async def test_a_tls_handshake_that_is_not_finished_is_cut_off(
    serve: Any, certificate: Any
) -> None:
    cert, key = certificate
    server = await serve(
        fastsio.IO(), ssl_certfile=cert, ssl_keyfile=key, head_timeout=SEND_TIMEOUT_S
    )
    loop = asyncio.get_running_loop()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"\x16\x03\x01\x02\x00\x01")  # the first bytes of a ClientHello
    began_at = loop.time()
    with contextlib.suppress(ConnectionError):
        assert await asyncio.wait_for(reader.read(), 20 * SEND_TIMEOUT_S) == b""
    assert loop.time() - began_at >= SEND_TIMEOUT_S * 0.9
    writer.close()
    good = await FakePeer(server.url).open()
    await good.connect()
    await good.close()

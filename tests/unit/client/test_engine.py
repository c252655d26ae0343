"""engine.py, dial.py and websocket.py: Engine.IO of a client against a server by hand."""

from __future__ import annotations

import asyncio
import sys

import pytest

from fake_server import CONNECTED, FakeServer, open_packet
from fastsio import exceptions
from fastsio._frames import build_frame
from fastsio.client import AsyncClient
from fastsio.client.errors import OpenError
from harness import DEADLINE_S, until


async def test_the_request_is_a_websocket_handshake(fake: FakeServer, client: AsyncClient) -> None:
    """RFC 6455 4.1."""
    connection = await fake.connect(client, headers={"X-A": "b", "user-agent": "me"})
    path, _, query = connection.target.partition("?")
    assert path == "/socket.io/"
    assert query.startswith("transport=websocket&EIO=4&t=")
    assert connection.header("Upgrade") == "websocket"
    assert connection.header("Sec-WebSocket-Version") == "13"
    assert connection.header("Host") == fake.url.removeprefix("http://")
    assert (connection.header("X-A"), connection.header("User-Agent")) == ("b", "me")


async def test_without_timestamps_the_query_is_the_same_each_time(fake: FakeServer) -> None:
    client = AsyncClient(handle_sigint=False, reconnection=False, timestamp_requests=False)
    connection = await fake.connect(client)
    assert connection.target == "/socket.io/?transport=websocket&EIO=4"
    connection.cut()
    await client.wait()


async def test_user_and_password_in_the_url_are_basic_auth(
    fake: FakeServer, client: AsyncClient
) -> None:
    url = fake.url.replace("http://", "http://me:a%40b@")
    connecting = asyncio.create_task(client.connect(url, transports=["websocket"]))
    connection = await fake.accept()
    assert connection.header("Authorization") == "Basic bWU6YUBi"
    connection.send(CONNECTED)
    await connecting


async def test_a_header_with_a_line_break_is_refused(client: AsyncClient) -> None:
    with pytest.raises(ValueError, match="line break"):
        await client.connect("http://localhost", {"X": "a\r\nB: c"}, transports=["websocket"])
    assert client.eio.state == "disconnected"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: bm90IG91cnM=\r\n\r\n",
        b"HTTP/1.1 101 x\r\nUpgrade: tls\r\nConnection: Upgrade\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        b"HTTP/1.1 101 " + b"x" * 70_000,
    ],
)
async def test_answers_that_are_no_websocket_are_refused(
    fake: FakeServer, client: AsyncClient, answer: bytes
) -> None:
    fake.answer = answer
    with pytest.raises(exceptions.ConnectionError, match=r"^Connection error$"):
        await client.connect(fake.url, transports=["websocket"])
    assert client.eio.state == "disconnected"


@pytest.mark.parametrize(
    ("first", "text"),
    [
        ([b"6"], "no OPEN packet"),
        ([b"0{}"], "Unexpected response from server"),
        ([b"0no json"], "Unexpected response from server"),
        ([b""], "Connection error"),
    ],
)
async def test_a_first_packet_that_is_no_handshake_is_refused(
    fake: FakeServer, client: AsyncClient, first: list[bytes], text: str
) -> None:
    fake.first = first
    with pytest.raises(exceptions.ConnectionError, match=text):
        await client.connect(fake.url, transports=["websocket"])
    assert client.eio.state == "disconnected"


async def test_a_server_that_says_nothing_is_left_after_request_timeout(fake: FakeServer) -> None:
    fake.first = []
    client = AsyncClient(handle_sigint=False, request_timeout=0.05)
    with pytest.raises(exceptions.ConnectionError, match="Connection error"):
        await client.connect(fake.url, transports=["websocket"])


async def test_pings_are_answered(fake: FakeServer, client: AsyncClient) -> None:
    connection = await fake.connect(client)
    connection.send(b"2", b"2probe")
    assert await connection.next() == ("text", b"3")
    assert await connection.next() == ("text", b"3probe")
    connection.write(build_frame(9, b"ws"))
    assert await connection.next() == ("pong", b"ws")


async def test_a_connection_without_pings_is_given_up(
    fake: FakeServer, client: AsyncClient
) -> None:
    """engine.io-protocol v4 "Heartbeat": no ping within pingInterval + pingTimeout."""
    fake.first = [open_packet(pingInterval=30, pingTimeout=20)]
    reasons: list[str] = []
    client.on("disconnect", reasons.append)
    connection = await fake.connect(client)
    connection.send(b"2")
    assert await connection.next() == ("text", b"3")
    await asyncio.wait_for(client.wait(), DEADLINE_S)
    assert reasons == ["transport error"]
    assert await connection.next() == ("eof",)


async def test_a_turns_packets_are_one_write_in_their_order(
    fake: FakeServer, client: AsyncClient
) -> None:
    connection = await fake.connect(client)
    for i in range(3):
        await client.emit("e", i)
    assert [await connection.next() for _ in range(3)] == [
        ("text", b'42["e",0]'),
        ("text", b'42["e",1]'),
        ("text", b'42["e",2]'),
    ]


async def test_leaving_says_so_to_socketio_engineio_and_websocket(
    fake: FakeServer, client: AsyncClient
) -> None:
    connection = await fake.connect(client)
    leaving = asyncio.create_task(client.disconnect())
    assert await connection.next() == ("text", b"41")
    assert await connection.next() == ("text", b"1")
    assert await connection.next() == ("close", 1000, "")
    assert not leaving.done()
    connection.close()
    await leaving
    assert client.eio.state == "disconnected"


async def test_a_server_that_closes_is_answered_and_it_is_a_loss(
    fake: FakeServer, client: AsyncClient
) -> None:
    """RFC 6455 5.5.1: a Close frame is answered with one."""
    reasons: list[str] = []
    client.on("disconnect", reasons.append)
    connection = await fake.connect(client)
    connection.write(build_frame(8, b"\x03\xe9going"))
    assert await connection.next() == ("close", 1001, "")
    await asyncio.wait_for(client.wait(), DEADLINE_S)
    assert reasons == ["transport error"]


@pytest.mark.parametrize(
    ("data", "code"),
    [(build_frame(1, b"42{}"), 1007), (b"\x83\x00", 1002), (build_frame(2, b"x"), 1007)],
)
async def test_wrong_bytes_close_the_connection_with_their_code(
    fake: FakeServer, client: AsyncClient, data: bytes, code: int
) -> None:
    connection = await fake.connect(client)
    connection.write(data)
    assert (await connection.next())[:2] == ("close", code)
    await asyncio.wait_for(client.wait(), DEADLINE_S)
    assert not client.connected


async def test_emit_waits_for_a_server_that_does_not_read(
    fake: FakeServer, client: AsyncClient
) -> None:
    connection = await fake.connect(client)
    sent = 0

    async def flood() -> None:
        nonlocal sent
        while True:
            await client.emit("e", bytes(100_000))
            sent += 1

    flooding = asyncio.create_task(flood())
    before = -1

    async def settled() -> None:
        nonlocal before
        while before != sent:
            before = sent
            await asyncio.sleep(0.05)

    await asyncio.wait_for(settled(), DEADLINE_S)
    assert 0 < sent < 1_000, "emit() did not wait"
    while (await connection.next())[0] == "text" and sent == before:
        await connection.next()
    await until(lambda: sent > before, "it goes on when the server reads")
    flooding.cancel()
    connection.cut()
    await asyncio.wait([flooding])


async def test_a_client_can_be_used_again_after_every_end(
    fake: FakeServer, client: AsyncClient
) -> None:
    for end in ("cut", "close", "leave"):
        connection = await fake.connect(client)
        if end == "leave":
            leaving = asyncio.create_task(client.disconnect())
            while (await connection.next())[0] != "close":
                pass
            connection.close()
            await leaving
        else:
            getattr(connection, end)()
            await asyncio.wait_for(client.wait(), DEADLINE_S)
        assert client.eio.state == "disconnected" and not client.connected


async def test_a_second_connect_at_the_same_time_is_refused(
    fake: FakeServer, client: AsyncClient
) -> None:
    first = asyncio.create_task(client.connect(fake.url, transports=["websocket"]))
    connection = await fake.accept()
    with pytest.raises(ValueError, match="not in a disconnected state"):
        await client.connect(fake.url)
    connection.send(CONNECTED)
    await first


async def test_an_attempt_that_is_ended_before_its_first_step_leaves_the_client_free(
    fake: FakeServer, client: AsyncClient
) -> None:
    connecting = asyncio.create_task(client.eio.connect(fake.url, transports=["websocket"]))
    await asyncio.sleep(0)
    assert client.eio.state == "connecting"
    await client.eio.disconnect()
    with pytest.raises(OpenError, match="Disconnected while connecting"):
        await connecting
    assert client.eio.state == "disconnected"


async def test_without_aiohttp_there_is_websocket_and_a_clear_error_for_polling(
    fake: FakeServer, client: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    with pytest.raises(ImportError, match=r'pip install "fastsio\[client\]"'):
        await client.connect(fake.url)
    assert client.eio.state == "disconnected"
    await fake.connect(client)
    assert client.transport() == "websocket"


@pytest.mark.parametrize("url", ["localhost:5000", "ftp://host", "http://", ""])
async def test_what_is_no_url_is_named(client: AsyncClient, url: str) -> None:
    with pytest.raises(ValueError, match="give http://host"):
        await client.connect(url)
    assert client.eio.state == "disconnected"


async def test_transports_that_do_not_exist_are_named(client: AsyncClient) -> None:
    with pytest.raises(ValueError, match=r"No valid transports provided: \['carrier pigeon'\]"):
        await client.connect("http://localhost", transports=["carrier pigeon"])

"""The end of a WebSocket's TCP connection when the client has sent its Close, on real sockets.

Source: RFC 6455 5.5.1 (a Close is answered), 7.1.1 (the connection is closed cleanly, trailing bytes are dropped).
"""

from __future__ import annotations

from typing import Any

import pytest

import fastsio
from clients import Client, barrier, packet_frame
from harness import frame_bytes, until

CLOSE = 0x8
SAY = packet_frame('42["say",1]')
EMPTY_CLOSE = b"\x88\x00"


def build_app(gone: list[str], heard: list[Any], at_the_end: Any = None) -> fastsio.IO:
    io = fastsio.IO()

    def serve(socket: Any) -> None:
        def left(reason: str) -> None:
            gone.append(reason)
            if at_the_end is not None:
                at_the_end()

        socket.on("say", heard.append)
        socket.on("disconnect", left)

    io.on("connection", serve)
    return io


@pytest.mark.fault(
    "frames of a client arrive between its close frame and our answer",
    "ignored; the answer reaches the client",
)
async def test_close_is_answered_though_more_comes_before_the_connection_ends(serve: Any) -> None:
    """A socket that is closed with something unread is reset, and what it had to send is lost."""
    gone: list[str] = []
    heard: list[Any] = []
    clients: list[Client] = []

    def say_more() -> None:
        # While the server is at the Close: it has not answered, and will not read again in this turn.
        assert clients[0].wire is not None
        assert clients[0].wire.sock.send(SAY) == len(SAY)

    server = await serve(build_app(gone, heard, say_more))
    client = await Client.open(server.url, "websocket")
    clients.append(client)
    assert client.wire is not None
    await client.wire.send(frame_bytes(CLOSE))
    assert await client.wire.read_to_end() == EMPTY_CLOSE
    assert (gone, heard) == (["transport close"], [])
    client.wire.close()
    await until(lambda: not server.connections, "no connection open")


@pytest.mark.fault(
    "a client goes on sending when the server has answered its close frame",
    "dropped, and the connection is not reset",
)
async def test_what_comes_after_the_end_of_our_side_is_dropped_without_a_reset(serve: Any) -> None:
    gone: list[str] = []
    heard: list[Any] = []
    server = await serve(build_app(gone, heard))
    client = await Client.open(server.url, "websocket")
    assert client.wire is not None
    await client.wire.send(frame_bytes(CLOSE))
    assert await client.wire.read_to_end() == EMPTY_CLOSE
    for _ in range(3):
        client.wire.sock.send(SAY)  # raises ConnectionError after a reset
        await barrier(server.url)
    assert client.wire.sock.recv(1) == b""
    assert (gone, heard) == (["transport close"], [])
    client.wire.close()
    await until(lambda: not server.connections, "no connection open")

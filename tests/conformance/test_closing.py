"""The end of a WebSocket's TCP connection when the client has sent its Close, on real sockets.

Source: RFC 6455 5.5.1 (a Close is answered), 7.1.1 (the server closes TCP first).
"""

from __future__ import annotations

from typing import Any

import pytest

import fastsio
from clients import Client, packet_frame
from harness import frame_bytes, until

CLOSE = 0x8
SAY = packet_frame('42["say",1]')
EMPTY_CLOSE = b"\x88\x00"


@pytest.mark.fault(
    "frames of a client arrive between its close frame and our answer",
    "ignored; the answer reaches the client",
)
@pytest.mark.parametrize("more", [0, 1, 1000])
async def test_close_is_answered_though_more_comes_before_the_connection_ends(
    serve: Any, more: int
) -> None:
    """A socket that is closed with something unread is reset, and what it still had to send is lost."""
    gone: list[str] = []
    heard: list[Any] = []
    clients: list[Client] = []
    io = fastsio.IO()

    def left(reason: str) -> None:
        gone.append(reason)
        # While the server is at the Close: it has not answered, and will not read again in this turn.
        assert clients[0].wire is not None
        for _ in range(more):
            assert clients[0].wire.sock.send(SAY) == len(SAY)

    @io.on("connection")
    def serve_one(socket: Any) -> None:
        socket.on("say", heard.append)
        socket.on("disconnect", left)

    server = await serve(io)
    client = await Client.open(server.url, "websocket")
    clients.append(client)
    assert client.wire is not None
    await client.wire.send(frame_bytes(CLOSE))
    assert await client.wire.read_to_end() == EMPTY_CLOSE
    assert (gone, heard) == (["transport close"], [])
    client.wire.close()
    await until(lambda: not server.connections, "no connection open")

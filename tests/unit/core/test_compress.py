"""The flag `compress`: which packets of a connection that compresses go as they are, and which polling answers.

Source: Node's Socket and BroadcastOperator, compress(); what is compressed otherwise: test_deflate.py.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import pytest_asyncio

import fastsio
from deflate_tools import DeflatingWebSocket

OFFER = {"Sec-WebSocket-Extensions": "permessage-deflate"}
LONG = "a long text " * 300
SETTINGS = [{}, {"server_no_context_takeover": True}]


@pytest_asyncio.fixture(params=SETTINGS, ids=["context", "no context"])
async def pair(request: Any, join: Any) -> tuple[Any, Any, fastsio.IO]:
    """A client that has agreed to compress, the server's socket for it, and the server."""
    io = fastsio.IO(per_message_deflate=request.param)
    peer, socket = await join(io, headers=OFFER)
    peer.ws = DeflatingWebSocket.over(peer.ws)
    return peer, socket, io


EMITS = {
    "socket": lambda socket, io, flag: socket.compress(flag).emit("e", LONG),
    "socket.send": lambda socket, io, flag: socket.compress(flag).send(LONG),
    "socket, flags": lambda socket, io, flag: socket.compress(flag).volatile.timeout(1).emit("e", LONG),
    "socket, flags before": lambda socket, io, flag: socket.volatile.timeout(1).compress(flag).emit("e", LONG),
    "ack": lambda socket, io, flag: socket.compress(flag).emit("e", LONG, ack=print),
    "all": lambda socket, io, flag: io.compress(flag).emit("e", LONG),
    "room": lambda socket, io, flag: io.to(socket.id).compress(flag).emit("e", LONG),
    "room after": lambda socket, io, flag: io.compress(flag).to(socket.id).volatile.local.emit("e", LONG),
    "namespace": lambda socket, io, flag: io.of("/").compress(flag).emit("e", LONG),
    "all, ack": lambda socket, io, flag: io.compress(flag).emit("e", LONG, ack=print),
}  # fmt: skip


@pytest.mark.feature("1.4 compress flag")
@pytest.mark.feature("1.7 compress")
@pytest.mark.parametrize("how", EMITS)
@pytest.mark.parametrize("flag", [True, False])
async def test_packet_is_compressed_as_the_flag_says(pair: Any, how: str, flag: bool):
    peer, socket, io = pair
    for is_wanted in (True, flag, True):
        EMITS[how](socket, io, is_wanted)
        assert LONG in await peer.receive()
        assert peer.ws.was_compressed == is_wanted


@pytest.mark.parametrize("flag", [True, False])
async def test_packets_that_ask_for_answers_obey_the_flag(pair: Any, flag: bool):
    peer, socket, io = pair
    asks = (
        socket.compress(flag).emit_with_ack("e", LONG),
        socket.timeout(5).compress(flag).emit_with_ack("e", LONG),
        io.compress(flag).emit_with_ack("e", LONG),
    )
    for ask in asks:
        waiting = asyncio.ensure_future(ask)
        packet = await peer.receive()
        assert peer.ws.was_compressed == flag
        await peer.send("43" + packet[2 : packet.index("[")] + "[]")
        await waiting


async def test_flag_holds_from_another_thread(pair: Any):
    peer, socket, io = pair

    def emit() -> None:
        socket.compress(False).emit("e", LONG)
        io.compress(False).emit("e", LONG)
        socket.compress(False).emit("e", LONG, ack=print)
        io.compress(False).emit("e", LONG, ack=print)
        io.emit("e", LONG)

    await asyncio.to_thread(emit)
    was_compressed = []
    for _ in range(5):
        assert LONG in await peer.receive()
        was_compressed.append(peer.ws.was_compressed)
    assert was_compressed == [False, False, False, False, True]


async def test_broadcast_excluding_its_sender_obeys_the_flag(pair: Any, join: Any):
    peer, _, io = pair
    _, sender = await join(io)
    for flag in (False, True):
        sender.compress(flag).broadcast.emit("e", LONG)
        assert LONG in await peer.receive()
        assert peer.ws.was_compressed == flag


async def test_polling_answer_is_compressed_if_one_of_its_packets_may_be(io: Any, join: Any):
    """As Node: `compress: false` of all of them."""
    peer, socket = await join(io, transport="polling", headers={"Accept-Encoding": "gzip"})
    for flags, encoding in (([False, False], None), ([False, True], "gzip"), ([True], "gzip")):
        for flag in flags:
            socket.compress(flag).emit("e", LONG)
        await asyncio.sleep(0)
        assert (await peer.get()).headers.get("content-encoding") == encoding

"""Two connections as one: bytes to and fro, ends, and who reads slowly."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from fastsio.doors.relay import Introduction, Origin, RelayedTransport, client_side, relay
from harness import until


class Kept(asyncio.Protocol):
    """What has come, and whether it has ended."""

    def __init__(self) -> None:
        self.data = b""
        self.is_lost = False
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.data += data

    def connection_lost(self, error: Exception | None) -> None:
        self.is_lost = True


class Relayed:
    """client <-> [transport | relay | near] <-> far."""

    @classmethod
    async def make(cls, before: bytes = b"") -> Relayed:
        made = cls()
        loop = asyncio.get_running_loop()
        made.client, ours = socket.socketpair()
        near, made.far = socket.socketpair()
        for one in (made.client, ours, near, made.far):
            one.setblocking(False)
        transport, _ = await loop.create_unix_connection(asyncio.Protocol, sock=ours)
        made.far.send(before)
        await relay(client_side(transport), near)
        return made

    client: socket.socket
    far: socket.socket

    def close(self) -> None:
        self.client.close()
        self.far.close()


async def received(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = await asyncio.get_running_loop().sock_recv(sock, size - len(data))
        assert more, data
        data += more
    return data


async def test_bytes_go_to_and_fro() -> None:
    made = await Relayed.make()
    made.client.send(b"ask")
    assert await received(made.far, 3) == b"ask"
    made.far.send(b"answer")
    assert await received(made.client, 6) == b"answer"
    made.close()


async def test_an_answer_that_is_there_before_the_relay_is_not_lost() -> None:
    made = await Relayed.make(before=b"early")
    assert await received(made.client, 5) == b"early"
    made.close()


async def test_either_ones_end_is_the_others_behind_what_was_sent() -> None:
    for first, second in (("client", "far"), ("far", "client")):
        made = await Relayed.make()
        getattr(made, first).send(b"last")
        getattr(made, first).close()
        other = getattr(made, second)
        assert await received(other, 4) == b"last"
        assert await asyncio.get_running_loop().sock_recv(other, 1) == b""
        made.close()


async def test_who_does_not_read_stops_the_other() -> None:
    """Not by how much it buffers, which is the kernel's and a little more."""
    made = await Relayed.make()
    sent = 0
    stalled = 0
    while stalled < 50:
        try:
            sent += made.far.send(b"x" * 65536)
            stalled = 0
        except BlockingIOError:
            stalled += 1
        await asyncio.sleep(0)
    assert sent < 8_000_000
    assert await received(made.client, sent) == b"x" * sent
    made.far.send(b"more")
    assert await received(made.client, 4) == b"more"
    made.close()


async def test_what_came_with_a_connection_comes_before_what_it_brings() -> None:
    client, ours = socket.socketpair()
    ours.setblocking(False)
    client.send(b" and more")
    origin = Origin.read(["1.2.3.4", True])
    made = Kept()
    await asyncio.get_running_loop().connect_accepted_socket(
        lambda: Introduction(lambda: made, origin, lambda one: one.data_received(b"first")), ours
    )
    await until(lambda: made.data == b"first and more", "all of it")
    assert isinstance(made.transport, RelayedTransport)
    assert made.transport.get_extra_info("peername") == "1.2.3.4"
    assert made.transport.get_extra_info("sslcontext") is not None
    assert made.transport.get_extra_info("cipher", "none") in ("none", None)
    client.close()
    await until(lambda: made.is_lost, "its end")


def test_an_address_is_what_it_was() -> None:
    assert Origin.read([["::1", 5, 0, 0], False]) == Origin(("::1", 5, 0, 0), False)
    assert Origin.read(["", False]) == Origin("", False)

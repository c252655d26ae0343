"""Good clients: one over WebSocket, one over polling, and the two bystanders of every row.

Source: engine.io-protocol v4; socket.io-protocol v5, "Connection to a namespace".
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from harness import MS, until
from harness import frame_bytes as frame
from targets import Target
from wire import HttpAnswer, Wire, get, post

TEXT, BINARY, CLOSE = 0x1, 0x2, 0x8
SEPARATOR = "\x1e"


async def exchange(url: str, data: bytes) -> HttpAnswer:
    """One request on a connection of its own."""
    wire = await Wire.open(url)
    try:
        await wire.send(data)
        return await wire.read_answer()
    finally:
        wire.close()


async def barrier(url: str) -> None:
    """Return when the server has read what was sent to it before, on whatever connection."""
    answer = await exchange(url, get("transport=barrier"))
    assert answer.status == "400 Bad Request", answer


@dataclass
class Client:
    """An Engine.IO session that has joined "/"; packets are `str`, or `bytes` for binary ones."""

    url: str
    transport: str
    eio_sid: str = ""
    sid: str = ""
    wire: Wire | None = None
    _received: list[str | bytes] = field(default_factory=list)
    _echoes: int = 0

    @classmethod
    async def open(cls, url: str, transport: str, joins: bool = True) -> Client:
        client = cls(url, transport)
        if transport == "websocket":
            client.wire = await Wire.open(url)
            await client.wire.open_websocket("EIO=4&transport=websocket")
            packet = await client.receive()
        else:
            packet = (await exchange(url, get("EIO=4&transport=polling"))).body.decode()
        assert isinstance(packet, str) and packet[0] == "0", packet
        client.eio_sid = json.loads(packet[1:])["sid"]
        if joins:
            await client.send("40")
            reply = await client.receive()
            assert isinstance(reply, str) and reply.startswith('40{"sid"'), reply
            client.sid = json.loads(reply[2:])["sid"]
        return client

    @property
    def query(self) -> str:
        return f"EIO=4&transport=polling&sid={self.eio_sid}"

    async def send(self, *packets: str | bytes) -> None:
        if self.wire is not None:
            await self.wire.send(b"".join(map(packet_frame, packets)))
            return
        answer = await exchange(self.url, post(self.query, payload(*packets)))
        assert (answer.status, answer.body) == ("200 OK", b"ok"), answer

    async def receive(self) -> str | bytes:
        """The next packet that is no noop and no ping."""
        while True:
            if self.wire is not None:
                packet = frame_packet(await self.wire.read_frame())
            else:
                if not self._received:
                    answer = await exchange(self.url, get(self.query))
                    assert answer.status == "200 OK", answer
                    self.receive_payload(answer.body)
                packet = self._received.pop(0)
            if packet not in ("6", "2"):
                return packet

    def receive_payload(self, body: bytes) -> None:
        self._received += body.decode().split(SEPARATOR)

    async def hold_get(self) -> Wire:
        """A connection whose GET waits at the server for something to carry."""
        wire = await Wire.open(self.url)
        await wire.send(get(self.query))
        await barrier(self.url)
        return wire

    async def echo(self) -> None:
        """One event with an acknowledgement: the session is alive and has nothing else to say."""
        self._echoes += 1
        await self.send(f'42{self._echoes}["echo",{self._echoes}]')
        assert await self.receive() == f"43{self._echoes}[{self._echoes}]"

    async def upgrade(self) -> None:
        """Go on over WebSocket: probe, then the upgrade packet."""
        wire = await Wire.open(self.url)
        await wire.open_websocket(f"EIO=4&transport=websocket&sid={self.eio_sid}")
        await wire.send(packet_frame("2probe"))
        assert frame_packet(await wire.read_frame()) == "3probe"
        await wire.send(packet_frame("5"))
        self.wire, self.transport = wire, "websocket"
        await barrier(self.url)

    async def close(self) -> None:
        if self.wire is not None:
            self.wire.close()
        else:
            await exchange(self.url, post(self.query, b"1"))


def packet_frame(packet: str | bytes) -> bytes:
    """The client's WebSocket frame for one packet."""
    if isinstance(packet, bytes):
        return frame(BINARY, packet)
    return frame(TEXT, packet.encode("utf-8", "surrogatepass"))


def payload(*packets: str | bytes) -> bytes:
    """The polling payload for packets."""
    return SEPARATOR.encode().join(
        b"b" + base64.b64encode(packet) if isinstance(packet, bytes) else packet.encode()
        for packet in packets
    )


def frame_packet(data: bytes) -> str | bytes:
    """The packet in a server's frame (see Wire.read_frame)."""
    start = {126: 4, 127: 10}.get(data[1], 2)
    assert data[0] in (0x80 | TEXT, 0x80 | BINARY), f"not a packet: {data!r}"
    return data[start:].decode() if data[0] & 0x0F == TEXT else data[start:]


@contextlib.asynccontextmanager
async def bystanders(target: Target) -> AsyncIterator[None]:
    """Two clients that must not notice what happens inside the `async with`.

    One echoes over WebSocket all the time, the other waits on a GET. At the end a fresh client shouts,
    and both must hear exactly that.
    """
    busy = await Client.open(target.url, "websocket")
    quiet = await Client.open(target.url, "polling")
    waiting = await quiet.hold_get()
    is_over = asyncio.Event()
    talking = asyncio.create_task(_talk(busy, is_over))
    try:
        yield
        is_over.set()
        assert await talking > 0
        await _fresh_client_is_served(target.url)
        answer = await waiting.read_answer()
        assert (answer.status, answer.body) == ("200 OK", b'42["shouted","hear me"]')
        assert await busy.receive() == '42["shouted","hear me"]'
        await busy.echo()
        await quiet.echo()
        for client in (busy, quiet):
            assert target.reasons[client.sid] == [], "a bystander was cut off"
    finally:
        is_over.set()  # Python 3.11's wait_for may swallow the cancellation.
        talking.cancel()
        await asyncio.gather(talking, return_exceptions=True)
        waiting.close()
        busy.wire.close() if busy.wire else None
    await quiet.close()
    for client in (busy, quiet):
        await until_gone(target, client.sid, "transport close")


async def _talk(client: Client, is_over: asyncio.Event) -> int:
    """Echo until told to stop; how many echoes came back, each in its turn."""
    count = 0
    while not is_over.is_set():
        await client.echo()
        count += 1
        await asyncio.sleep(1 * MS)
    return count


async def _fresh_client_is_served(url: str) -> None:
    fresh = await Client.open(url, "websocket")
    await fresh.echo()
    await fresh.send('42["shout","hear me"]')
    assert await fresh.receive() == '42["shouted","hear me"]'
    await fresh.close()


async def until_gone(target: Target, sid: str, reason: str) -> None:
    """Wait for the socket's disconnect handler: called once, with `reason`."""
    await until(lambda: target.reasons[sid], f"disconnect handler, expected {reason!r}")
    assert target.reasons[sid] == [reason]


def expect(actual: Any, expected: Any, what: str) -> None:
    assert actual == expected, f"{what}: got {actual!r}, expected {expected!r}"

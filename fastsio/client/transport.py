"""What the three transports of a client have in common, and what they tell the engine that they work for."""

import asyncio
from typing import Any, Protocol

from fastsio._client import PacketReader
from fastsio._encoded import Encoded
from fastsio.client.errors import OpenError

# How long a server may take to answer our goodbye before the connection is cut.
CLOSE_TIMEOUT_S = 2.0


class TransportOwner(Protocol):
    """The engine, as its transports see it."""

    # Set by a transport whenever something came.
    is_heard: bool

    def make_reader(self, transport: Any) -> PacketReader: ...

    def receive_engine(self, transport: Any, kind: str, data: bytes) -> None: ...

    def transport_ready(self, transport: Any) -> None: ...

    def transport_lost(self, transport: Any, why: str) -> None: ...


class Transport:
    """Reads packets until it is lost or closed; the owner hears of a loss once."""

    name = ""

    def __init__(self, owner: TransportOwner) -> None:
        self.owner = owner
        # None once nothing more is to be read.
        self.reader: PacketReader | None = owner.make_reader(self)

    def receive_engine(self, kind: str, data: bytes) -> None:
        """An Engine.IO packet that is no message."""
        self.owner.receive_engine(self, kind, data)

    def receive_control(self, opcode: int, payload: Any) -> None:
        """A WebSocket control frame, where the transport has to care for them."""

    def _lose(self, why: str) -> None:
        if self.reader is None:
            return
        self._stop_reading()
        self._cut()
        self.owner.transport_lost(self, why)

    def send(self, packets: list[Encoded | bytes]) -> None:
        """Send packets in order; only while is_writable."""
        raise NotImplementedError

    async def close(self) -> None:
        """Say goodbye, behind what was sent, and wait until it is over: CLOSE_TIMEOUT_S at most."""
        raise NotImplementedError

    def abort(self) -> None:
        """Cut the connection without a word."""
        raise NotImplementedError

    def _cut(self) -> None:
        """Close what is still open below."""

    def _stop_reading(self) -> None:
        if self.reader is not None:
            self.reader.stop()
            self.reader = None


class FramedTransport(Transport):
    """A WebSocket. Until expect() was answered its first Engine.IO packet goes there and not to the owner."""

    name = "websocket"

    def __init__(self, owner: TransportOwner) -> None:
        super().__init__(owner)
        self._expected: asyncio.Future[tuple[str, bytes]] | None = None

    def expect(self) -> asyncio.Future[tuple[str, bytes]]:
        """The next Engine.IO packet that is no message, as (type, data); OpenError if the connection goes."""
        self._expected = asyncio.get_running_loop().create_future()
        return self._expected

    def receive_engine(self, kind: str, data: bytes) -> None:
        expected, self._expected = self._expected, None
        if expected is None:
            self.owner.receive_engine(self, kind, data)
        elif not expected.done():
            expected.set_result((kind, data))

    def _lose(self, why: str) -> None:
        expected, self._expected = self._expected, None
        if expected is not None and not expected.done():
            expected.set_exception(OpenError(why))
        super()._lose(why)

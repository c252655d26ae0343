"""A connection whose descriptor can't be passed: its bytes go to and fro between the client and who serves it.

That is one over TLS, whose state is in this process, or one with something unsent. The other process gets one end of a
pair of sockets instead, and is told what that does not know: whose the connection is, and that it was secure.
Knows nothing of HTTP.
"""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

# Above it the side that sends is not read.
MAX_BUFFERED_BYTES = 65536


class Origin(NamedTuple):
    """Where a relayed connection comes from: its client's address as the system has it, and whether it is over TLS."""

    peer: Any
    is_secure: bool

    @classmethod
    def of(cls, transport: Any, is_secure: bool) -> "Origin":
        """That of a client's own connection, or of one that was relayed to here."""
        return cls(transport.get_extra_info("peername"), is_secure)

    @classmethod
    def read(cls, told: Any) -> "Origin":
        """As another process has told it in JSON. Raises TypeError or ValueError for what is none."""
        peer, is_secure = told
        return cls(tuple(peer) if isinstance(peer, list) else peer, bool(is_secure))


class RelayedTransport(asyncio.Transport):
    """The transport of a connection that is relayed from another process, as if it were the client's own."""

    def __init__(self, transport: Any, origin: Origin) -> None:
        super().__init__()
        self.inner = transport
        self.origin = origin

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == "peername":
            return self.origin.peer
        if name in ("sslcontext", "ssl_object") and self.origin.is_secure:
            return self.origin  # there is one, and not here
        return self.inner.get_extra_info(name, default)

    def write(self, data: Any) -> None:
        self.inner.write(data)

    def writelines(self, list_of_data: Any) -> None:
        self.inner.writelines(list_of_data)

    def write_eof(self) -> None:
        self.inner.write_eof()

    def can_write_eof(self) -> bool:
        return bool(self.inner.can_write_eof())

    def close(self) -> None:
        self.inner.close()

    def abort(self) -> None:
        self.inner.abort()

    def is_closing(self) -> bool:
        return bool(self.inner.is_closing())

    def is_reading(self) -> bool:
        return bool(self.inner.is_reading())

    def pause_reading(self) -> None:
        self.inner.pause_reading()

    def resume_reading(self) -> None:
        self.inner.resume_reading()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.inner.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        return int(self.inner.get_write_buffer_size())

    def get_write_buffer_limits(self) -> tuple[int, int]:
        limits: tuple[int, int] = self.inner.get_write_buffer_limits()
        return limits

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.inner.set_protocol(protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        protocol: asyncio.BaseProtocol = self.inner.get_protocol()
        return protocol


class Introduction(asyncio.Protocol):
    """Gives a connection from another process to a protocol of `make()`, with what was told of it, if anything.

    `feed(protocol)` is called before anything is read: what came with the connection comes first.
    """

    def __init__(
        self, make: Callable[[], Any], origin: Origin | None, feed: Callable[[Any], None]
    ) -> None:
        self._make = make
        self._origin = origin
        self._feed = feed

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        made = self._make()
        transport.set_protocol(made)
        made.connection_made(
            transport if self._origin is None else RelayedTransport(transport, self._origin)
        )
        self._feed(made)


class Side(asyncio.Protocol):
    """One of the two connections of a relay; what comes here goes out on `other`, once that is there."""

    def __init__(self) -> None:
        self.transport: Any = None
        self.other: Side | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.transport.set_write_buffer_limits(MAX_BUFFERED_BYTES)

    def data_received(self, data: bytes) -> None:
        if self.other is not None and not self.other.transport.is_closing():
            self.other.transport.write(data)

    def eof_received(self) -> bool:
        return False  # who ends half of it ends it: as Conn has it

    def pause_writing(self) -> None:
        if self.other is not None and not self.other.transport.is_closing():
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and not self.other.transport.is_closing():
            self.other.transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        other, self.other = self.other, None
        if other is not None:
            other.other = None
            other.transport.close()  # behind what was written to it


def client_side(transport: Any) -> Side:
    """The side of a client's transport, whose protocol has let go of it; nothing is read until relay()."""
    client = Side()
    transport.set_protocol(client)
    client.connection_made(transport)
    transport.pause_reading()
    return client


async def relay(client: Side, near: Any) -> None:
    """Join a client's side with the socket `near`; returns once they are.

    Either one's end is the other's. Raises OSError if `near` can't be used: the client's connection is closed then.
    """
    inner, transport = Side(), client.transport
    # The answer may be there already: it is read at once.
    inner.other = client
    try:
        await asyncio.get_running_loop().create_unix_connection(lambda: inner, sock=near)
    except BaseException:
        transport.close()
        raise
    client.other = inner
    if transport.is_closing() or inner.other is None:
        client.connection_lost(None)
        transport.close()
    else:
        transport.resume_reading()

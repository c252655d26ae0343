"""A client's WebTransport session as the engine sees it: the Exchange of its CONNECT, then the outlet of its session.

Knows Engine.IO's packets and nothing of QUIC: `link` is the connection that carries it (connection.py). Its answers are
Node's where the protocol has one; where Node leaves a client without a word (refused, or out of its stream), this ends
the connection, so that the client tries again at once.
Source: engine.io-protocol v4, "WebTransport"; engine.io's Server.onWebTransportSession() and transports/webtransport.
"""

import logging
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Protocol

from fastsio._encoded import Encoded, encode_engine_packet
from fastsio._fanout import Outlet
from fastsio._frames import ProtocolError
from fastsio._http import Request
from fastsio.engine.engine import Engine
from fastsio.engine.ports import Headers
from fastsio.options import WEBTRANSPORT
from fastsio.webtransport.framing import (
    INVALID_DATA,
    PacketReader,
    handshake_sid,
    stream_bytes,
)

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger("fastsio.webtransport")

# Given to QUIC in one piece, as far as packets may be joined.
JOIN_BYTES = 65_536
# What a client must take in send_timeout seconds, as over the other transports (_stream.pyx).
MIN_TAKEN_BYTES = 16_384


class Link(Protocol):
    """What a stream asks of its connection. Nothing of it calls back before it returns."""

    remote: str

    def accept(self, headers: Headers) -> None:
        """Answer CONNECT with 200."""

    def refuse(self, status: int, headers: Headers, body: bytes) -> None:
        """Answer CONNECT with anything else, and end the connection."""

    def begun(self) -> None:
        """The stream's first packet has come: nothing is overdue."""

    def write(self, data: bytes) -> None: ...
    def acknowledged_bytes(self) -> int:
        """How much of what was written the client has, in all."""

    def has_room(self) -> bool:
        """Whether QUIC is to have more: what it has and the client has not acknowledged is below the limit."""

    def must_end(self) -> None:
        """The connection ends in some seconds, whatever the client does."""

    def finish(self, code: int, reason: str) -> None:
        """Send what was written, then close the session with `code`, then the connection."""

    def reject(self, code: int, reason: str) -> None:
        """End the connection at once, with an error."""

    # As asyncio's transports have them, for engine/flow.py and _flow.pyx.
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def is_closing(self) -> bool: ...
    def get_write_buffer_size(self) -> int: ...


class Phase(IntEnum):
    """Where a stream is; later ones have higher numbers."""

    CONNECTING = 0  # CONNECT is not answered
    WAITING = 1  # for the first packet
    ASKED = 2  # it has come, and the application is asked about the client
    OPEN = 3  # it has a session, or wants to take one over
    CLOSING = 4
    CLOSED = 5


class Stream(Outlet):
    """One client. `receiver` gets what is no message for `session`, as with a WebSocket's connection."""

    __slots__ = (
        "_is_reading", "_reader", "_taken", "engine", "is_secure", "on_abort", "phase", "receiver", "request",
        "session", "transport", "wheel_slot",
    )  # fmt: skip

    def __init__(self, engine: Engine, link: Link, request: Request) -> None:
        self.engine = engine
        self.set_flusher(engine.flusher)
        self.max_buffered_bytes = engine.options.max_buffered_bytes
        self.transport = link
        self.request = request
        self.phase = Phase.CONNECTING
        self.is_secure = True
        self.session: Any = None
        self.receiver: Any = None
        self.on_abort: Callable[[], None] | None = None
        self._reader = PacketReader(engine.options.max_http_buffer_size)
        self._is_reading = False
        # What the client had acknowledged when the wheel looked last.
        self._taken = 0
        self.wheel_slot = None

    @property
    def remote(self) -> str:
        return self.transport.remote

    # --- the engine's answers ----------------------------------------------------------------

    def accept_webtransport(self, headers: Headers) -> None:
        """The CONNECT is right: the client may open its stream."""
        if self.phase == Phase.CONNECTING:
            self.phase = Phase.WAITING
            self.on_abort = None
            self.transport.accept(headers)

    def accept_websocket(self, request: Request, headers: Headers, receiver: Any) -> bool:
        """Never: it is no WebSocket."""
        return False

    def respond(
        self, status: int, headers: Headers, body: bytes, *, keep_alive: bool = True, is_head: bool = False
    ) -> None:  # fmt: skip
        """Refuse the client. Once CONNECT is answered there is no status to give: the connection ends with an error."""
        if self.phase == Phase.CONNECTING:
            self._finish()
            self.transport.refuse(status, headers, body)
        elif self.phase == Phase.ASKED:
            self._finish()
            self.transport.reject(status, body[:200].decode(errors="replace"))

    def open_webtransport(self) -> bool:
        """The client gets a session; False if it has gone meanwhile."""
        if self.phase != Phase.ASKED:
            return False
        self.phase = Phase.OPEN
        self.on_abort = None
        self.is_writable = True
        self.transport.resume_reading()
        if len(self._reader) and not self._is_reading:
            self.engine.loop.call_soon(self._read_on)
        return True

    # --- receiving ---------------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        """What the client has sent on its stream."""
        if Phase.WAITING <= self.phase <= Phase.OPEN:
            if self.session is not None:
                self.session.heard = True
                if self.engine.flusher.is_counting:
                    self.engine.flusher.bytes_in += len(data)
            self._reader.feed(data)
            self._read_on()

    def _read_on(self) -> None:
        """Take what is whole. While the application is asked the rest waits, and the client's window stays closed."""
        self._is_reading = True
        try:
            while self.phase == Phase.OPEN or self.phase == Phase.WAITING:
                packet = self._reader.next()
                if packet is None:
                    return
                self._take(*packet)
        except ProtocolError as error:
            self._fail(error)
        finally:
            self._is_reading = False

    def _take(self, is_binary: bool, packet: bytes) -> None:
        session = self.session
        if self.phase == Phase.WAITING:
            self._begin(is_binary, packet)
        elif session is None:
            self.receiver.websocket_message(self, not is_binary, packet)
        elif session.is_open:
            if self.engine.flusher.is_counting:
                self.engine.flusher.packets_in += 1
            if is_binary:
                session.handler.receive_binary(packet)
            elif packet == b"3":  # a pong: that something came is all it says
                return
            elif packet[:1] == b"4" and len(packet) > 1:  # likely
                check_text(packet)
                session.handler.receive_text(packet[1:])
            else:
                check_text(packet)
                self.receiver.websocket_message(self, True, packet)

    def _begin(self, is_binary: bool, packet: bytes) -> None:
        """The first packet: a new client, or one of ours that comes over from another transport."""
        sid = handshake_sid(is_binary, packet)
        self.transport.begun()
        if sid == "":
            self.phase = Phase.ASKED
            self.transport.pause_reading()
            self.engine.open(WEBTRANSPORT, self.request, self, 4)
            return
        self.phase = Phase.OPEN
        self.is_writable = True
        if sid is None or not self.engine.upgrade_to_webtransport(sid, self):
            why = "no handshake" if sid is None else "no session, or none that may move"
            logger.info("%s: WebTransport refused: %s", self.remote, why)
            self.close_websocket()

    def _fail(self, error: ProtocolError) -> None:
        """The client broke a rule of the stream: a "parse error", as in Node."""
        session, receiver = self.session, self.receiver
        logger.info("%s: %s", self.remote, error.reason)
        if session is not None and session.is_open:
            is_large = error.size is not None
            session.abort(
                "parse error", session.too_large(error.size) if is_large else error.reason
            )
        elif receiver is not None and session is None:
            receiver.websocket_failed(self, error)
        self.close_websocket()

    # --- sending -----------------------------------------------------------------------------

    def send_text(self, packet: bytes) -> None:
        """Queue one packet that belongs to no session (an upgrade's probe)."""
        self.send(encode_engine_packet(packet))

    def drain(self) -> None:
        """Give QUIC what is queued, until it has enough; the rest waits for the client's acknowledgements."""
        while self.is_writable and self.queue:
            self.transport.write(self._take_some())
            self.is_writable = self.transport.has_room()
        if not self.is_writable and self.wheel_slot is None and self.engine.options.send_timeout:
            self._taken = self.transport.acknowledged_bytes()
            self.engine.wheel.add(self, self.engine.options.send_timeout)
        if self.flow is not None:
            self.flow.flushed(self)
        if self.phase == Phase.CLOSING and not self.queue:
            self.is_writable = False
            self.transport.finish(0, "")

    def _take_some(self) -> bytes:
        """The first packets of the queue, off it, as the stream has them."""
        queue: list[Encoded] = self.take_queue()
        size = count = 0
        for encoded in queue:
            size += encoded.size
            count += 1
            if size >= JOIN_BYTES:
                break
        if count < len(queue):
            self.is_writable = False  # else the flusher would be called for the rest
            self.adopt_queue(queue[count:])
            self.is_writable = True
        flusher = self.engine.flusher
        if flusher.is_counting:
            flusher.packets_out += count
            flusher.bytes_out += size
        return b"".join([stream_bytes(encoded) for encoded in queue[:count]])

    def acknowledged(self) -> None:
        """The client has some of what QUIC had: there may be room for more."""
        waits = not self.is_writable and Phase.OPEN <= self.phase <= Phase.CLOSING
        if waits and self.transport.has_room() and not self.transport.is_closing():
            self.is_writable = True
            self.drain()

    def on_due(self) -> float:
        """The wheel's call, while there is no room: a client that takes too little is cut off (send_timeout)."""
        timeout = self.engine.options.send_timeout
        if self.is_writable or self.phase != Phase.OPEN or timeout is None:
            return 0
        before, self._taken = self._taken, self.transport.acknowledged_bytes()
        if self._taken - before >= MIN_TAKEN_BYTES:
            return timeout
        if self.receiver is not None:
            self.receiver.connection_stalled(self)
        self.abort()
        return 0

    def overflow(self) -> None:
        """The client reads too slowly: its buffer is over max_buffered_bytes."""
        if self.phase == Phase.CLOSED:
            return
        logger.warning(
            "%s: cut off, over %d bytes unread (max_buffered_bytes)",
            self.remote,
            self.max_buffered_bytes,
        )
        if self.receiver is not None:
            self.receiver.connection_overflowed(self)
        self.abort()

    # --- the end -----------------------------------------------------------------------------

    def close_websocket(self, code: int = -1) -> None:
        """Close behind what is queued. (The name is that of the other outlets.)"""
        if self.phase >= Phase.CLOSING:
            return
        can_drain = self.is_writable or self.phase < Phase.OPEN
        self.phase = Phase.CLOSING
        self.is_closed = True
        self.transport.must_end()
        if can_drain:  # else its time comes when the client has read
            self.engine.loop.call_soon(self.drain)

    def abort(self) -> None:
        """End the connection; what is queued is lost."""
        if self.phase != Phase.CLOSED:
            self.gone(None)
            self.transport.reject(0, "")

    def gone(self, error: Exception | None) -> None:
        """There is no client any more: tell whoever waits for it. Nothing happens if that is known."""
        receiver, on_abort = self.receiver, self.on_abort
        if self.phase == Phase.CLOSED:
            return
        self._finish()
        if on_abort is not None:
            on_abort()
        if receiver is not None:
            receiver.connection_lost(self, error)

    def _finish(self) -> None:
        self.phase = Phase.CLOSED
        self.is_closed = True
        self.is_writable = False
        self.take_queue()
        self.engine.wheel.remove(self)
        self.session = self.receiver = self.on_abort = None


def check_text(packet: bytes) -> None:
    """Raises ProtocolError for text that is not UTF-8. (Node puts U+FFFD in its place.)"""
    if not packet.isascii():
        try:
            packet.decode()
        except UnicodeDecodeError as error:
            raise ProtocolError(INVALID_DATA, f"text that is not UTF-8: {error.reason}") from None

"""Engine.IO sessions: identity, heartbeat, transport, end.

Knows nothing of Socket.IO: messages go to `handler`. A session is its WebSocket's receiver: it gets what is
no message. Source: engine.io-protocol v4, "Heartbeat", "Upgrade"; reasons as engine.io 6.6 gives them.
"""

import logging
from typing import TYPE_CHECKING, Any

from fastsio._encoded import encode_engine_packet
from fastsio._frames import ProtocolError
from fastsio._payload import decode_base64
from fastsio._session import SessionCore
from fastsio.engine.flow import SessionFlow
from fastsio.engine.origin import Origin, origin_of
from fastsio.engine.polling import CLOSE, NOOP, PollingTransport
from fastsio.engine.ports import Request
from fastsio.engine.upgrade import Outcast, Probe

if TYPE_CHECKING:
    from fastsio.engine.engine import Engine

logger = logging.getLogger("fastsio.engine")

PING = encode_engine_packet(b"2")
NEVER = float("inf")
# How long a closed polling session may wait for the GET that fetches its last packets.
POLLING_CLOSE_S = 30.0
# RFC 6455 7.4.1: the code of a WebSocket that ends over a message's size.
MESSAGE_TOO_BIG = 1009


class Session(SessionCore):
    """One client, over whatever transport it uses now.

    `request` is the handshake's; `transport` "polling", "websocket" or "webtransport". The session's id is a secret
    between server and client: whoever has it can speak as the client. `has_said_goodbye`: the client sent a Close
    packet. `protocol`: the Engine.IO revision that the client speaks, 4, or 3 (eio3.py).
    """

    __slots__ = ()

    protocol = 4

    engine: "Engine"
    request: Request
    polling: PollingTransport | None
    probe: Probe | None

    @property
    def origin(self) -> Origin:
        """The handshake's client as trusted proxies tell it (option trusted_proxies), else the peer."""
        trusted = self.engine.trusted_proxies
        return origin_of(self.request, self.remote, self.is_secure, trusted)

    def start_polling(self) -> PollingTransport:
        self.transport = "polling"
        self.outlet = self.polling = polling = PollingTransport(self)
        return polling

    def flow_control(self) -> SessionFlow:
        """The flow of this session, made if there is none."""
        if self.flow is None:
            self.flow = SessionFlow(self)
            if self.outlet is not None:
                self.flow.attach(self.outlet)
        flow: SessionFlow = self.flow
        return flow

    @property
    def can_move(self) -> bool:
        """Whether a WebTransport stream may take it over; a WebSocket takes over what polls alone, as in Node."""
        if not self.is_open or self.probe is not None or self.protocol != 4:
            return False
        began_with = self.request.argument("transport")
        return self.polling is not None or self.transport == began_with == "websocket"

    def switch_to(self, conn: Any, transport: str = "websocket") -> None:
        """Finish an upgrade: what is queued goes over in its order, before anything sent later."""
        polling = self.polling
        if polling is None:
            self._leave_websocket()
            queue = []
        else:
            polling.end_poll(NOOP)
            queue = polling.take_queue()
            conn.dropped = polling.dropped
            polling.is_closed = True
            self.polling = None
        if self.is_open:
            self.start_websocket(conn, transport)
            if self.flow is not None:
                self.flow.attach(conn)
        conn.adopt_queue(queue)
        if polling is not None:
            # One that came in the same read, behind the one that was answered.
            polling.end_poll(NOOP)
        if not self.is_open:
            # Closed during the upgrade, with the client between its transports: its end goes this way.
            conn.close_websocket()
            self.forget()
        elif self.engine.on_upgrade is not None:
            self.engine.on_upgrade(self)

    def _leave_websocket(self) -> None:
        """What was queued for it goes its way still, in front of the end."""
        websocket: Any = self.outlet
        websocket.session = None
        websocket.receiver = Outcast()
        websocket.close_websocket()

    # --- what comes in -----------------------------------------------------------------------

    def receive(self, kind: str, data: bytes) -> None:
        """A packet that the compiled path did not take: its type, or "b" for a binary message."""
        if kind == "4":
            self.handler.receive_text(data)
        elif kind == "b":
            self.handler.receive_binary(data)
        elif kind == "1":
            self.has_said_goodbye = True
            if self.polling is not None:  # Node ignores it on a WebSocket
                self.polling.end_poll(NOOP)
                self.end("transport close")
        elif kind == "2":
            self.abort("transport error", "invalid heartbeat direction")

    def websocket_message(self, conn: Any, is_text: bool, data: bytes) -> None:
        first = data[:1]
        if first == b"b":
            self.handler.receive_binary(decode_base64(data[1:]))
        elif first and first in b"0123456":
            self.receive(first.decode(), data[1:])
        else:
            self.abort("parse error", f"unknown Engine.IO packet {first!r}")

    def websocket_failed(self, conn: Any, error: ProtocolError) -> None:
        is_too_large = error.close_code == MESSAGE_TOO_BIG
        if error.option is not None:
            self.note_limit(error.option, str(error))
        self.end("transport error", self.too_large(error.size) if is_too_large else str(error))

    def too_large(self, size: int | None) -> str:
        """Note that a message was over the limit; returns what to say of it. size: its bytes, None if unknown."""
        limit = self.engine.options.max_http_buffer_size
        over = "over" if size is None else f"{size} >"
        description = f"message too large: {over} max_http_buffer_size {limit}"
        self.note_limit("max_http_buffer_size", description)
        return description

    def note_limit(self, option: str, description: str) -> None:
        """The client has met the limit of an option; the log has a line about that now and then, with `description`."""
        text = "%s (session %.6s…, from %s)"
        self.engine.rare_log.note(option, text, description, self.id, self.origin.address)

    def write_failed(self, error: BaseException) -> None:
        self.end("transport error", f"write failed: {error!r}")

    def connection_overflowed(self, conn: Any) -> None:
        self.end("transport error", "client reads too slowly (max_buffered_bytes)")

    def connection_stalled(self, conn: Any) -> None:
        self.end("transport error", self.too_slow())

    def too_slow(self) -> str:
        """Note that the client takes too little of what is sent to it; returns what to say of it."""
        timeout = self.engine.options.send_timeout
        description = f"client reads too slowly: too little for {timeout:g} s (send_timeout)"
        self.note_limit("send_timeout", description)
        return description

    # --- time --------------------------------------------------------------------------------

    def hold_heartbeat(self) -> None:
        """No ping until start_heartbeat(): the client has not been told its session yet."""
        self.ping_at = NEVER

    def start_heartbeat(self) -> None:
        """The first ping is due a ping_interval from now."""
        interval = self.engine.options.ping_interval
        self.ping_at = self.engine.now() + interval
        self.engine.wheel.add(self, interval)

    def on_due(self) -> float:
        """The wheel's call: deadline, ping, or the end of a client that is silent."""
        if not self.is_open:
            self.forget()
            return 0
        now = self.engine.now()
        if now >= self._deadline_at and self._deadline is not None:
            self._meet_deadline(now)
            if not self.is_open:
                return self._time_to_fetch()
        beat = self._beat(now)
        if self.polling is not None and self.polling.queue:
            beat = min(beat, self._must_fetch(now))
        return (
            max(0.001, min(beat, self._deadline_at) - now)
            if self.is_open
            else self._time_to_fetch()
        )

    def _meet_deadline(self, now: float) -> None:
        """The deadline has come; later, if the loop was blocked: what would have cleared it may have come meanwhile."""
        if now < self.engine.judges_from:
            self._deadline_at = self.engine.judges_from
            return
        call = self._deadline
        assert call is not None
        self.clear_deadline()
        call()

    def _must_fetch(self, now: float) -> float:
        """Until when a client that polls must fetch what is queued (send_timeout); one that has not is ended."""
        polling, timeout = self.polling, self.engine.options.send_timeout
        if polling is None or timeout is None:
            return NEVER
        ends_at = max(polling.unfetched_since(now) + timeout, self.engine.judges_from)
        if now < ends_at:
            return ends_at
        self.abort("transport error", self.too_slow())
        return NEVER

    def _beat(self, now: float) -> float:
        """Ping when it is time, or judge the client; returns when to look again."""
        interval, timeout = self.engine.options.ping_interval, self.engine.options.ping_timeout
        if self._awaits_pong:
            # Anything that came is life: a pong may be queued behind a large upload.
            if self.heard or (self.flow is not None and self.flow.is_paused):
                self._awaits_pong = False
                self.ping_at += interval
            elif now >= max(self.ping_at + timeout, self.engine.judges_from):
                self.abort("ping timeout")
                return NEVER
        if not self._awaits_pong and now >= self.ping_at:
            self.ping_at = now
            self._awaits_pong = True
            self.heard = False
            self.outlet.send(PING)
        if not self._awaits_pong:
            return self.ping_at
        first_look = self.ping_at + min(interval, timeout)
        if now < first_look:
            return first_look
        return max(self.ping_at + timeout, self.engine.judges_from)

    def _time_to_fetch(self) -> float:
        """How long the wheel keeps a closed session: until its last packets must have been fetched."""
        return POLLING_CLOSE_S if self.id in self.engine.sessions else 0

    # --- the end -----------------------------------------------------------------------------

    def close(
        self, deferred: str = "forced server close", description: str | None = None, reason: str = "forced close"
    ) -> None:  # fmt: skip
        """End the session from this side, behind everything that was sent.

        A client that polls and has no GET open fetches the rest and its end with the next ones; the handler is told
        at once, with the reason `deferred`. (Node names it so where the client is at fault by the order of its
        packets; for one that can't be decoded, and for conn.close(), it is "forced close" then too.)
        """
        if not self.is_open:
            return
        if self.polling is None:
            try:
                self._close_websocket()
            finally:
                self.end(reason, description)
        elif not self.polling.queue and self.polling.end_poll(CLOSE):
            self.end(reason, description)
        else:
            self.polling.end_poll(CLOSE)
            self.polling.is_closed = True
            self._finish(deferred, description)
            self.engine.wheel.add(self, POLLING_CLOSE_S)

    def abort(self, reason: str, description: str | None = None) -> None:
        """End the session at once: the client broke the protocol, or is gone."""
        try:
            if self.polling is not None:
                self.polling.take_queue()
                self.polling.end_poll(CLOSE)
            elif self.outlet is not None:
                self._close_websocket()
        finally:
            self.end(reason, description)

    def _close_websocket(self) -> None:
        try:
            self.outlet.close_websocket()
        except Exception:
            self.outlet.abort()  # it must not stay without a session
            raise

    def shut_down(self, reason: str) -> None:
        """The server stops: tell the handler why, then the client that the transport ends."""
        if self.is_open:
            self._finish(reason, None)
        self.abort(reason)

    def answer_last_poll(self, polling: PollingTransport) -> None:
        """One that came in the same read, behind the one that was answered."""
        polling.end_poll(CLOSE)

"""Sessions that speak Engine.IO v3, as the clients of Socket.IO 1.x and 2.x do: the client pings, the server answers.

Source: engine.io-protocol v3; engine.io 6.6 with `allowEIO3` for what a v3 client may do wrong. Payloads and binary
messages of v3 are in payloads.py and _dialects.pyx.
"""

from typing import Any

from fastsio._encoded import encode_engine_packet
from fastsio._payload import decode_base64
from fastsio.engine.session import NEVER, Session

PONG = encode_engine_packet(b"3")
TYPES = frozenset("0123456")


class Eio3Session(Session):
    """A client of Engine.IO v3: `ping_at` is when a ping of its own is due, `_awaits_pong` that it is overdue."""

    __slots__ = ()

    protocol = 3

    def receive(self, kind: str, data: bytes) -> None:
        if kind == "2":
            # Without its data: "3probe" is said by a WebSocket that takes over alone, see Probe.
            self.ping_at = self.engine.now() + self.engine.options.ping_interval
            self._awaits_pong = False
            self.outlet.send(PONG)
        elif kind == "3":
            self.abort("transport error", "invalid heartbeat direction")
        else:
            super().receive(kind, data)

    def websocket_message(self, conn: Any, is_text: bool, data: bytes) -> None:
        """A message that the compiled path did not take: text but a plain message, or binary but a message."""
        if is_text and data[:1] != b"b":
            super().websocket_message(conn, is_text, data)
            return
        if is_text:
            kind, content = data[1:2].decode("latin-1"), decode_base64(data[2:])
        else:
            kind, content = str(data[0]) if data else "", data[1:]
        if kind == "4":
            self.handler.receive_binary(content)
        elif kind in TYPES:  # others Node leaves alone
            self.receive(kind, content)

    def _beat(self, now: float) -> float:
        """End a client that has not pinged for ping_interval + ping_timeout; returns when to look again."""
        options = self.engine.options
        if now < self.ping_at:
            return self.ping_at
        if not self._awaits_pong:
            self._awaits_pong = True
            self.heard = False
        ends_at = self.ping_at + options.ping_grace + options.ping_timeout
        ends_at = max(ends_at, self.engine.judges_from)
        if now < ends_at:
            return ends_at
        # As with v4: anything that came is life, as the ping may be queued behind a large upload.
        if self.heard:
            self.heard = False
            self.ping_at = now - options.ping_grace
            return now + options.ping_timeout
        self.abort("ping timeout")
        return NEVER

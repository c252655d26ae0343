"""Taking a session over to a WebSocket or a WebTransport stream: probe, release of the held GET, switch.

Source: engine.io-protocol v4, "Upgrade"; engine.io 6.6 on the wire. Unlike Node, which waits for a 100 ms
timer, the held GET is released in the same loop turn as the answer to the probe.
"""

from typing import TYPE_CHECKING, Any

from fastsio._frames import ProtocolError

if TYPE_CHECKING:
    from fastsio.engine.session import Session


class Probe:
    """A WebSocket, or what `transport` names, that wants to take over `session`: its connection's receiver until then.

    Nothing of it reaches the session before packet 5, and whatever goes wrong ends the WebSocket only.
    """

    __slots__ = ("conn", "session", "transport", "wheel_slot")

    def __init__(self, session: "Session", conn: Any, transport: str = "websocket") -> None:
        self.session = session
        self.conn = conn
        self.transport = transport
        self.wheel_slot = None
        session.probe = self
        session.engine.wheel.add(self, session.engine.options.upgrade_timeout)

    def websocket_message(self, conn: Any, is_text: bool, data: bytes) -> None:
        polling = self.session.polling
        if is_text and data == b"2probe":
            conn.send_text(b"3probe")
            if polling is not None:
                polling.release()
        elif is_text and data[:1] == b"5":
            self._leave()
            self.session.switch_to(conn, self.transport)
        else:
            self.drop()

    def drop(self) -> None:
        """Give up: the session keeps polling."""
        self._leave()
        if self.session.polling is not None:
            self.session.polling.is_releasing = False
        self.conn.close_websocket()

    def on_due(self) -> float:
        """The wheel's call: its time is up, unless the loop was blocked in it (see Engine.judges_from)."""
        engine = self.session.engine
        left = engine.judges_from - engine.now()
        if left > 0:
            return left
        seconds = self.session.engine.options.upgrade_timeout
        self.session.note_limit(
            "upgrade_timeout", f"upgrade not finished within {seconds} s (upgrade_timeout)"
        )
        self.drop()
        return 0

    def _leave(self) -> None:
        self.session.engine.wheel.remove(self)
        if self.session.probe is self:
            self.session.probe = None

    def websocket_closed(self, conn: Any, code: int) -> None:
        self.drop()

    def websocket_failed(self, conn: Any, error: ProtocolError) -> None:
        if error.size is not None:
            self.session.too_large(error.size)
        elif error.option is not None:
            self.session.note_limit(error.option, str(error))
        self.drop()

    def connection_overflowed(self, conn: Any) -> None:
        self.drop()

    connection_stalled = connection_overflowed

    def connection_lost(self, conn: Any, error: Exception | None) -> None:
        self.drop()


class Outcast:
    """Receiver of a WebSocket that was accepted only to be closed, as Node answers some requests."""

    def websocket_message(self, conn: Any, is_text: bool, data: bytes) -> None:
        """Ignored: the connection is closing."""

    def websocket_closed(self, conn: Any, code: int) -> None:
        """Nothing belongs to it."""

    websocket_failed = websocket_closed
    connection_lost = websocket_closed

    def connection_overflowed(self, conn: Any) -> None:
        """Nothing belongs to it."""

    connection_stalled = connection_overflowed

"""One client as a raw application has it: its messages in their order, and its end.

The way of a message to the application's function is compiled (_raw.pyx); what is rare is here.
"""

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Any

from fastsio._encoded import encode_engine_packet
from fastsio._raw import RawHandler

if TYPE_CHECKING:
    from fastsio.engine.admission import Admission
    from fastsio.engineio.hub import RawHub

logger = logging.getLogger("fastsio.engineio")

CLOSE_PACKET = encode_engine_packet(b"1")
SERVER_DISCONNECT = "server disconnect"
CLIENT_DISCONNECT = "client disconnect"
# The engine's reasons, which are Node's, as python-engineio names them; the others are the same.
REASONS = {
    "forced close": SERVER_DISCONNECT,
    "forced server close": SERVER_DISCONNECT,
    "server shutting down": SERVER_DISCONNECT,
    "parse error": "transport error",
}


class RawPeer(RawHandler):
    """A client of engineio.AsyncServer: what `sockets[sid]` is.

    sid; session: the application's dict; connected: admitted and not gone; upgraded: over a WebSocket now.
    admission: not None until the connect handler has ended. ending: the disconnect handler's task while it waits.
    """

    __slots__ = (
        "_backlog", "_backlog_bytes", "_end", "_hub", "_is_stopping", "admission", "ending", "session",
    )  # fmt: skip

    def __init__(self, hub: "RawHub", admission: "Admission") -> None:
        super().__init__(hub.messages, admission.session, admission.session.engine.loop)
        self._hub = hub
        self.admission: Admission | None = admission
        self.session: dict[str, Any] = {}
        self.ending: asyncio.Task[Any] | None = None
        self._backlog: deque[Any] = deque()
        self._backlog_bytes = 0
        self._is_stopping = False
        self._end: str | None = None

    @property
    def connected(self) -> bool:
        return self.admission is None and not self.is_closing

    @property
    def upgraded(self) -> bool:
        return bool(self.engine_session.transport == "websocket")

    # --- from the application ----------------------------------------------------------------

    def close(self) -> None:
        """End the client's session. Of one that is not admitted yet: as soon as it is."""
        self.is_closing = True
        if self.admission is not None or not self.engine_session.is_open:
            return
        if self.upgraded:
            # Node closes the WebSocket without a word. This lets python-engineio's clients name the reason.
            self.engine_session.outlet.send(CLOSE_PACKET)
        self.engine_session.close()

    # --- from the engine ---------------------------------------------------------------------

    def opened(self) -> None:
        """A client of Engine.IO v3 knows its session; without Socket.IO there is nothing to say to that."""

    def keep(self, data: Any, size: int) -> None:
        """The handler of an earlier message has not ended (async_handlers=False), or max_running_events of them."""
        self._backlog.append(data)
        self._backlog_bytes += size
        options = self.engine_session.engine.options
        if not self.engine_session.is_open:
            return
        if len(self._backlog) * 2 >= options.max_waiting_events and not self._is_stopping:
            # Not all at once: the client is read again when a quarter is left.
            self._is_stopping = True
            self.engine_session.flow_control().stop_reading("backlog")
        if self._backlog_bytes > options.max_buffered_bytes:
            self._give_up(f"over {options.max_buffered_bytes} bytes", "max_buffered_bytes")
        elif len(self._backlog) > options.max_waiting_events:
            self._give_up(f"over {options.max_waiting_events} messages", "max_waiting_events")

    def _give_up(self, what: str, option: str) -> None:
        self.engine_session.note_limit(
            option, f"session closed: {what} wait for its message handler ({option})"
        )
        description = f"messages are handled too slowly ({option})"
        self.engine_session.abort("transport error", description)

    def resume(self) -> None:
        while self._backlog and not self.is_busy:
            self.call(self._backlog.popleft())
        most = self.engine_session.engine.options.max_waiting_events
        if self._is_stopping and len(self._backlog) * 4 <= most:
            self._is_stopping = False
            self.engine_session.flow_control().start_reading("backlog")
        if self._backlog:
            return
        self._backlog_bytes = 0
        if self._end is not None and not self.is_busy:
            self._hub.leave(self, self._end)

    def closed(self, reason: str, description: str | None) -> None:
        """The session has ended; the disconnect handler runs behind those of the messages that came before."""
        if reason == "transport close" and self.engine_session.has_said_goodbye:
            reason = CLIENT_DISCONNECT
        self.is_closing = True
        self._end = REASONS.get(reason, reason)
        logger.info(
            "session %.6s… ended: %s%s", self.sid, reason, f", {description}" if description else ""
        )
        if not self.is_busy:
            self._hub.leave(self, self._end)

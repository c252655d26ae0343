"""Admission: the layer above is asked before a client gets its session, and may take its time to answer.

Only for an EngineHandler that has admit(); without one a handshake is answered at once. Until the answer nobody
finds the session by its id, it has no heartbeat, and what is sent to it waits.
"""

import logging
from typing import TYPE_CHECKING

from fastsio._fanout import Outlet
from fastsio.engine.ports import Exchange, Headers

if TYPE_CHECKING:
    from fastsio.engine.session import Session

logger = logging.getLogger("fastsio.engine")

UNAVAILABLE = 503


class Waiting(Outlet):
    """The outlet of a session that is not admitted yet: keeps what is sent."""

    __slots__ = ("_admission",)

    def __init__(self, admission: "Admission") -> None:
        engine = admission.session.engine
        self._admission = admission
        self.max_buffered_bytes = engine.options.max_buffered_bytes
        self.set_flusher(engine.flusher)

    def drain(self) -> None:
        """Never called: it is not writable."""

    def overflow(self) -> None:
        if self._admission.is_pending:
            self._admission.session.note_limit(
                "max_buffered_bytes",
                "more than max_buffered_bytes sent before the client was admitted",
            )
            self._admission.refuse(UNAVAILABLE, b'"Too much was sent before connect"')


class Admission:
    """One handshake that waits: call accept() or refuse(), now or later. `session` is the client's if it gets in.

    A client that leaves and the engine's connect_timeout end it too: then accept() returns False.
    """

    __slots__ = ("_exchange", "is_pending", "session")

    def __init__(self, session: "Session", transport: str, exchange: Exchange) -> None:
        self.session = session
        self.is_pending = True
        self._exchange = exchange
        session.transport = transport
        session.outlet = Waiting(self)
        session.hold_heartbeat()
        session.set_deadline(session.engine.options.connect_timeout, self._expired)
        exchange.on_abort = self._leave

    def accept(self) -> bool:
        """Open the session, with all that was sent meanwhile; False if the client does not get it any more."""
        session, waiting = self.session, self.session.outlet
        if not self.is_pending:
            return False
        if not session.engine.is_open:
            self.refuse(UNAVAILABLE, b'"The server is shutting down"')
            return False
        self.is_pending = False
        self._exchange.on_abort = None
        session.clear_deadline()
        session.start_heartbeat()
        if not session.engine.begin(session, session.transport, self._exchange):
            session.is_open = False
            session.forget()
            return False
        for encoded in waiting.take_queue():
            session.outlet.send(encoded)
        return True

    def refuse(self, status: int, body: bytes, content_type: str = "application/json") -> None:
        """Answer the handshake with an HTTP status instead of a session; nothing happens if it is over already."""
        if not self.is_pending:
            return
        self._leave()
        request = self.session.request
        headers: Headers = [
            ("Content-Type", content_type),
            *self.session.engine.answer_headers(request),
        ]
        logger.info("refused session from %s: %d %r", self.session.remote, status, body[:80])
        self._exchange.on_abort = None
        self._exchange.respond(status, headers, body, keep_alive=not request.is_upgrade)

    def _leave(self) -> None:
        self.is_pending = False
        self.session.is_open = False
        self.session.clear_deadline()  # which refers back to this
        self.session.forget()

    def _expired(self) -> None:
        seconds = self.session.engine.options.connect_timeout
        self.session.note_limit(
            "connect_timeout", f"refused: not admitted within {seconds} s (connect_timeout)"
        )
        self.refuse(UNAVAILABLE, b'"The server took too long to admit the client"')

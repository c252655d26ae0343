"""The part of an Engine.IO session that every WebSocket goes through: it begins, has a deadline, and ends.

What a session does besides, and what it may change to, is in engine/session.py; whom the engine asks before it lets a
client in, in engine/engine.py. In Python this was a fifth of what it costs to come, join and go. Knows nothing of
transports and of Socket.IO.
"""
from fastsio._encoded cimport encode_engine_packet

cdef double NEVER = float("inf")


cdef class EngineBase:
    """The compiled base of engine.engine.Engine; `session_class` is what it makes."""

    def use_open_packet(self, bytes packet) -> None:
        """What a WebSocket's client is told first, with "%s" in the place of the session's id."""
        self.open_head, self.open_tail = packet.split(b"%s")

    def serve_plainly(self, Request request, exchange) -> bool:
        """Serve what nearly all requests are, where nobody else need be asked or told: one of a session that polls, or
        a WebSocket's handshake.

        False for all else, and nothing has happened: handle() has the rest. It does the same for these.
        """
        if self.front is not None or request.method == "OPTIONS":
            return False
        if not request.is_upgrade:
            return self.poll(request, exchange)
        if not self.opens_plainly(request):
            return False
        if self._checks_origin:
            origin = request.header("origin")
            if origin is not None and not self.accepts_origin(request, origin, exchange):
                return False
        self.open_websocket(request, exchange)
        return True

    cdef bint poll(self, Request request, object exchange) except -1:
        cdef SessionCore session = self.sessions.get(request.argument_("sid"))
        if session is None or session.polling is None or request.argument_("transport") != "polling":
            return False
        if (4 if request.argument_("EIO") == "4" else 3) != session.protocol:
            return False
        session.polling.handle(request, exchange)
        return True

    cdef int open_websocket(self, Request request, object exchange) except -1:
        cdef list headers = self.cors_headers(request) if self._has_cors else []
        cdef str sid = self.new_id()
        cdef SessionCore session = self.session_class(self, sid, request, exchange.remote, exchange.is_secure)
        if not exchange.accept_websocket(request, headers, session):  # which has been answered
            session.forget()
            return 0
        session.start_websocket(exchange)
        exchange.send(encode_engine_packet(b"".join((self.open_head, sid.encode(), self.open_tail))))
        self.sessions[sid] = session
        session.handler = self.handler.open(session)
        return 0

    cdef bint opens_plainly(self, Request request) except -1:
        if self._hooks is not None or self._questions is not None or self._ask is not None or self._initial is not None:
            return False
        if self.arrivals is not None or self.watches_flow or not self._opens_websockets or request.method != "GET":
            return False
        if request.argument_("transport") != "websocket" or request.argument_("EIO") != "4":
            return False
        return not request.argument_("sid") and not request.argument_("b64")

    def cors_headers(self, Request request) -> list:
        raise NotImplementedError

    def accepts_origin(self, Request request, str origin, exchange) -> bool:
        raise NotImplementedError


cdef class SessionCore(SessionBase):
    """The compiled base of engine.session.Session."""

    def __init__(self, EngineBase engine, str sid, request, str remote, bint is_secure):
        self.engine = engine
        self.id = sid
        self.request = request
        self.remote = remote
        self.is_secure = is_secure
        self.is_open = True
        self.transport = ""
        self._deadline_at = NEVER
        self.ping_at = engine.wheel.put(self, engine.ping_interval_s) + engine.ping_interval_s

    def start_websocket(self, conn, str transport="websocket") -> None:
        """Messages of `conn` go to the handler from now on, and everything sent goes to it."""
        self.transport = transport
        self.outlet = conn
        conn.session = self
        conn.receiver = self

    # --- time --------------------------------------------------------------------------------

    def set_deadline(self, double seconds, call) -> None:
        """Call `call` after `seconds`, unless clear_deadline() comes first. There is one at a time."""
        cdef double now = self.engine.now()
        self._deadline = call
        self._deadline_at = now + seconds
        # Else the wheel looks in time, for the next ping.
        if self._awaits_pong or self._deadline_at < self.ping_at:
            self.engine.wheel.put(self, min(seconds, max(0.0, self.ping_at - now)))

    def clear_deadline(self) -> None:
        self.drop_deadline()

    cdef int drop_deadline(self) except -1:
        self._deadline = None
        self._deadline_at = NEVER
        return 0

    # --- the end -----------------------------------------------------------------------------

    def websocket_closed(self, conn, int code) -> None:
        self.end("transport close")

    def connection_lost(self, conn, error) -> None:
        self.end("transport close", None if error is None else str(error))

    def end(self, str reason, description=None) -> None:
        """The transport is gone or told: forget the session and tell the handler, once.

        That it does even if the client's other connection can't be closed, or the handler raises.
        """
        self.engine.sessions.pop(self.id, None)
        try:
            if self.probe is not None:
                self.probe.drop()
        finally:
            if self.polling is not None:
                self.polling.is_closed = True
            try:
                if self.is_open:
                    self._finish(reason, description)
            finally:
                self.forget()

    def _finish(self, str reason, description) -> None:
        """Tell the handler."""
        if description is None and self.polling is not None:
            description = self.polling.complaint
        self.is_open = False
        self.drop_deadline()
        handler = self.handler
        self.handler = None
        try:
            if self.flow is not None:
                self.flow.end()
        finally:
            if handler is not None:  # None: the handshake itself has failed
                handler.closed(reason, description)

    def forget(self) -> None:
        """The id is known no longer, and nothing refers back to this: it is freed without the cyclic collector."""
        cdef EngineBase engine = self.engine
        engine.wheel.remove(self)
        engine.sessions.pop(self.id, None)
        if engine.arrivals is not None:
            engine.arrivals.left(self)
        if not self.is_open:
            polling = self.polling
            self.polling = self.outlet = None
            if polling is not None:
                self.answer_last_poll(polling)

    def answer_last_poll(self, polling) -> None:
        raise NotImplementedError  # one that came in the same read as what ended the session

"""The engine: which request is whose, and what is wrong with it.

One per server. Makes sessions, finds them again, refuses what is none. Knows nothing of Socket.IO.
Source: engine.io-protocol v4, "Handshake"; order and texts of the checks as in engine.io 6.6.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import orjson

from fastsio._batch import new_batch
from fastsio._dialects import dialect_of
from fastsio._encoded import encode_engine_packet, encode_messages
from fastsio._fanout import Flusher
from fastsio._ids import new_id
from fastsio._session import EngineBase
from fastsio._wheel import Wheel
from fastsio.engine.admission import Admission
from fastsio.engine.bundle import Bundle
from fastsio.engine.cors import (
    checks_origins,
    cors_headers,
    is_accepted,
    origin_to_check,
    preflight_headers,
)
from fastsio.engine.eio3 import Eio3Session
from fastsio.engine.errors import (
    BAD_HANDSHAKE_METHOD,
    BAD_REQUEST,
    FORBIDDEN,
    UNKNOWN_SID,
    UNKNOWN_TRANSPORT,
    UNSUPPORTED_PROTOCOL_VERSION,
    Refusal,
    context_of,
)
from fastsio.engine.front import Front
from fastsio.engine.headers import cookie_header, payload_headers
from fastsio.engine.hints import hint
from fastsio.engine.limits import Arrivals
from fastsio.engine.polling import PollingTransport
from fastsio.engine.ports import EngineHandler, Exchange, Headers, Hooks, Request
from fastsio.engine.questions import Questions
from fastsio.engine.session import Session
from fastsio.engine.upgrade import Outcast, Probe
from fastsio.logged import one_line
from fastsio.options import WEBTRANSPORT, Options
from fastsio.rarely import RareLog
from fastsio.watchdog import Watchdog

logger = logging.getLogger("fastsio.engine")

# A loop that was blocked for so long is worth a line in the log.
BLOCKED_S = 1.0


class Engine(EngineBase):
    """Sessions by id (`sessions`), one timer for all (`wheel`), one flush a loop turn (`flusher`).

    It belongs to `loop`, and serves until it is closed (`is_open`); `doors` are the servers that bring it clients.
    """

    session_class = Session
    # Asked about requests of sessions that are not here: True if it answers them. Both are of the class: an engine with
    # more attributes of its own is 2 % slower, as Python shares the keys of 30 at most.
    elsewhere: Callable[[Request, Exchange], bool] | None = None
    # What ids end with, those of an application too.
    sid_suffix = ""

    def __init__(
        self, options: Options, handler: EngineHandler, loop: asyncio.AbstractEventLoop, head_timeout_s: float
    ) -> None:  # fmt: skip
        """`head_timeout_s`: the shortest delay that connections will put on the wheel."""
        self.options = options
        self._checks_origin = checks_origins(options)
        self._has_cors = options.cors_allowed_origins is not None
        self._opens_websockets = "websocket" in options.transports
        # WebTransport has a request of its own: see handle_connect().
        self._transports = tuple(name for name in options.transports if name != WEBTRANSPORT)
        self.handler = handler
        # What the handler may have besides open(); see ports.py.
        self.new_id: Callable[[], str] = getattr(handler, "generate_id", new_id)
        self._ask: Callable[[Admission], None] | None = getattr(handler, "admit", None)
        self.bundle = Bundle.of(options)
        self.use_hooks(getattr(handler, "events", None))
        self.loop = loop
        self.is_open = True
        self.doors: set[object] = set()
        # Whose X-Forwarded-For is believed: the option, unless the server beneath has a list of its own.
        self.trusted_proxies: Any = options.trusted_proxies
        self.sessions: dict[str, Session] = {}
        self.ping_interval_s = options.ping_interval
        # Called with a session that has gone from polling to a WebSocket.
        self.on_upgrade: Callable[[Session], None] | None = None
        self.now = loop.time
        self.rare_log = RareLog(logger, loop.time)
        # Nobody's time is up before this: see loop_was_blocked().
        self.judges_from = 0.0
        self._watchdog = None if options.watchdog is None else Watchdog(loop, options.watchdog)
        # None where new clients are bound by nothing.
        self.arrivals = Arrivals.of(self)
        # Every session's buffer is watched; else only where somebody asks for it.
        self.watches_flow = options.buffer_policy != "close" or options.high_water is not None
        self.flusher = Flusher(loop.call_soon, loop)
        self.flusher.sends = new_batch()
        self.flusher.send_timeout_s = options.send_timeout or 0.0
        delays = (
            options.ping_interval,
            options.ping_timeout,
            options.upgrade_timeout,
            options.connect_timeout,
        )
        shortest_s = min(*delays, head_timeout_s, options.send_timeout or head_timeout_s)
        self.wheel = Wheel(loop, shortest_s)
        self.wheel.on_stall = self.loop_was_blocked
        first = options.initial_packet
        self._initial = None if first is None else encode_messages([first])
        self._open_packets: dict[str, bytes] = {}
        self.offer_webtransport(False)

    def offer_webtransport(self, is_served: bool) -> None:
        """Whether clients that poll are told that they may go over to WebTransport: once somebody listens for it."""
        self.serves_webtransport = is_served
        options = self.options
        upgrades = ["websocket"] if self._opens_websockets else []
        if is_served:
            upgrades.append(WEBTRANSPORT)
        self._open_packets = {
            "polling": _open_packet(options, upgrades if options.allow_upgrades else []),
            "websocket": _open_packet(options, []),
        }
        self.use_open_packet(self._open_packets["websocket"])

    def mark_ids(self, suffix: str) -> None:
        """Let the ids of new sessions end with that: they say whose they are."""
        made, self.sid_suffix = self.new_id, suffix
        self.new_id = lambda: made() + suffix

    def use_hooks(self, hooks: Hooks | None) -> None:
        """What the application has hung in: see ports.py. Clients may be here already."""
        if hooks is not None and not hooks.is_used:
            hooks = None
        self._hooks = hooks
        self.front = Front.of(self, hooks)
        self._questions = Questions.of(self, hooks)

    def handle(self, request: Request, exchange: Exchange) -> None:
        """Serve one request on the engine's path; its answer may come later."""
        if self.serve_plainly(request, exchange):  # as nearly all are
            return
        if self.front is not None and self.front.takes(request, exchange):
            return
        if request.method == "OPTIONS" and self.options.cors_allowed_origins is not None:
            status = self.options.cors.options_success_status
            headers = preflight_headers(self.options, request)
            exchange.respond(status, headers + self.added_headers(request), b"")
            return
        transport = request.argument("transport")
        sid = request.argument("sid")
        session = self.sessions.get(sid) if sid else None
        # Node takes every other version, and none, for 3.
        protocol = 4 if request.argument("EIO") == "4" else 3
        is_upgrade = asks_for_websocket(request)
        refusal = self._refusal(request, transport, sid, is_upgrade, protocol)
        if refusal is not None:
            if refusal is UNKNOWN_SID:
                if self.elsewhere is None or not self.elsewhere(request, exchange):
                    self.refuse(refusal, request, exchange)
            # A file's request names no transport.
            elif self.bundle is None or not self.bundle.answers(request, exchange):
                self.refuse(refusal, request, exchange)
            return
        assert transport is not None
        if is_upgrade and transport == "polling":
            self._accept_and_close(request, exchange)
        elif session is None:
            self.open(transport, request, exchange, protocol)
        elif is_upgrade:
            self._upgrade(session, request, exchange)
        elif session.polling is not None:
            session.polling.handle(request, exchange)
        else:  # transport=websocket without an Upgrade, on a session that is one
            self.refuse(BAD_REQUEST, request, exchange)

    def cors_headers(self, request: Request) -> Headers:
        return cors_headers(self.options, request)

    def accepts_origin(self, request: Request, origin: str, exchange: Exchange) -> bool:
        """For serve_plainly(); False also where the application's function is to be asked: once, and not here."""
        if callable(self.options.cors_allowed_origins):
            return False
        return is_accepted(self.options, request, origin, exchange.is_secure)

    def handle_connect(self, request: Request, exchange: Any) -> None:
        """Serve WebTransport's CONNECT: the session comes later, with the first packet of the stream."""
        if self.front is not None and self.front.takes(request, exchange):
            return
        origin = request.header("origin") if self._checks_origin else None
        if origin is not None and not is_accepted(self.options, request, origin, True):
            self._refuse_origin(origin, request, exchange)
        else:
            exchange.accept_webtransport(self.answer_headers(request))

    def announce(self, request: Request, exchange: Exchange) -> None:
        """A request whose body is still coming. Of a session's POSTs there may be one at a time."""
        polling = self._polling_of_post(request)
        if polling is not None:
            polling.expect_post(request, exchange)

    def cut_off(self, request: Request) -> None:
        """A request was lost in the middle of its body: the packets of a session's POST with it."""
        polling = self._polling_of_post(request)
        if polling is not None:
            polling.session.abort("transport error", "data request connection closed prematurely")

    def _polling_of_post(self, request: Request) -> PollingTransport | None:
        """The transport of the session that a POST will reach, None for one that will be refused."""
        sid = request.argument("sid")
        session = self.sessions.get(sid) if sid and request.method == "POST" else None
        if session is None:
            return None
        protocol = 4 if request.argument("EIO") == "4" else 3
        transport = request.argument("transport")
        is_refused = self._refusal(request, transport, sid, False, protocol) is not None
        return None if is_refused else session.polling

    def release_post(self, request: Request, exchange: Exchange) -> None:
        """A request that was answered, or lost, before its session got it: another POST may come."""
        session = self.sessions.get(request.argument("sid") or "")
        if session is not None and session.polling is not None:
            session.polling.release_post(exchange)

    def _refusal(
        self, request: Request, transport: str | None, sid: str | None, is_upgrade: bool, protocol: int
    ) -> Refusal | None:  # fmt: skip
        """What is wrong with a request: the official server's checks in its order."""
        if transport not in self._transports:
            return UNKNOWN_TRANSPORT
        if sid:
            session = self.sessions.get(sid)
            if session is None:
                return UNKNOWN_SID
            if not is_upgrade and session.transport != transport:
                return BAD_REQUEST
            return None if protocol == session.protocol else BAD_REQUEST
        if request.method != "GET":
            return BAD_HANDSHAKE_METHOD
        if transport == "websocket" and not is_upgrade:
            return BAD_REQUEST
        is_served = protocol == 4 or self.options.allow_eio3
        return None if is_served else UNSUPPORTED_PROTOCOL_VERSION

    def refuse(
        self, refusal: Refusal, request: Request, exchange: Exchange, context: dict[str, Any] | None = None
    ) -> None:  # fmt: skip
        """Answer with `refusal`; `context` is what listeners are told of it."""
        message = one_line(refusal.message)
        logger.info("refused %s from %s: %s", request.method, exchange.remote, message)
        why = hint(refusal, request, self.options)
        if why:
            about = f"refusal {refusal.code}"
            self.rare_log.note(about, "can't serve a client from %s: %s", exchange.remote, why)
        if self._hooks is not None:
            session = self.sessions.get(request.argument("sid") or "")
            context = context or context_of(refusal, request, session)
            message = "Forbidden" if refusal.code == FORBIDDEN else refusal.message
            self._hooks.refused(request, refusal.code, message, context)
        headers = self.answer_headers(request)
        if asks_for_websocket(request):
            # Plain text, and always 400: so Node answers what asked to be upgraded.
            headers.append(("Content-Type", "text/html"))
            exchange.respond(400, headers, refusal.message.encode(), keep_alive=False)
        else:
            headers.append(("Content-Type", "application/json"))
            is_head = request.method == "HEAD"
            exchange.respond(refusal.status, headers, refusal.body, is_head=is_head)

    def refuse_unknown(self, request: Request, exchange: Exchange) -> None:
        """Answer a request whose session nobody knows."""
        self.refuse(UNKNOWN_SID, request, exchange)

    def tell_refused(self, request: Request, message: str, context: dict[str, Any]) -> None:
        """Somebody was refused who broke no rule of the protocol: listeners shall know."""
        if self._hooks is not None:
            self._hooks.refused(request, FORBIDDEN, message, context)

    def _refuse_origin(self, origin: str, request: Request, exchange: Exchange) -> None:
        message = f"{origin} is not an accepted origin."
        self.rare_log.note(
            "origin", "refused a client from %s: %s See cors_allowed_origins and check_origin.",
            exchange.remote, one_line(message),
        )  # fmt: skip
        self.tell_refused(request, message, {"name": "INVALID_ORIGIN", "origin": origin})
        # RFC 6455 4.2.2: 403 for an Origin that is not acceptable.
        body = orjson.dumps({"code": FORBIDDEN, "message": message})
        headers = [("Content-Type", "application/json")]
        exchange.respond(403, headers, body, keep_alive=not request.is_upgrade)

    def open(
        self, transport: str, request: Request, exchange: Exchange, protocol: int, sid: str | None = None
    ) -> None:  # fmt: skip
        """A handshake: make the session, and open it unless the layer above is to be asked first.

        `sid` is given once the application has been asked for it and whether the client may come in.
        """
        arrivals = self.arrivals
        if sid is None:
            if arrivals is not None and arrivals.refuse(request, exchange):
                return
            # Only here: whoever knows a session's id has been let in.
            if self._checks_origin:
                # Not origin_to_check() for nearly all: a call more is 0.5 % of a connect.
                origin = (
                    request.header("origin")
                    if transport == "websocket"
                    else origin_to_check(self.options, request, transport)
                )
                if origin is not None and not is_accepted(
                    self.options, request, origin, exchange.is_secure
                ):
                    self._refuse_origin(origin, request, exchange)
                    return
            if self._questions is not None:
                self._questions.ask(transport, request, exchange, protocol)
                return
            sid = self.new_id()
        elif not self.is_open:
            exchange.respond(503, [], b"The server is shutting down", keep_alive=False)
            return
        elif arrivals is not None and arrivals.refuse_late(request, exchange):
            return
        kind = Session if protocol == 4 else Eio3Session
        session = kind(self, sid, request, exchange.remote, exchange.is_secure)
        if arrivals is not None:
            arrivals.came(session)
        if self._ask is None:
            if not self.begin(session, transport, exchange):
                session.forget()
        else:
            self._ask(Admission(session, transport, exchange))

    def begin(self, session: Session, transport: str, exchange: Exchange) -> bool:
        """Tell the client its session's id; False if the WebSocket's handshake is not valid, which was said then."""
        request = session.request
        if transport != "websocket":
            if transport == WEBTRANSPORT:
                return self._begin_webtransport(session, exchange)
            self._begin_polling(session, request, exchange)
            return True
        protocol = session.protocol
        # Not told(): the two calls would be 1 % of a connect.
        headers = cors_headers(self.options, request) if self._has_cors else []
        if self.front is not None:
            headers = self.front.told(request, headers)
        if not exchange.accept_websocket(request, headers, session):
            return False
        in_base64 = request.argument("b64")
        if in_base64 or protocol == 3:
            exchange.dialect = dialect_of(protocol, bool(in_base64))  # type: ignore[attr-defined]
        session.start_websocket(exchange)
        sid = session.id
        open_packet = encode_engine_packet(self._open_packets["websocket"] % sid.encode())
        exchange.send(open_packet)  # type: ignore[attr-defined]
        if self._initial is not None:
            exchange.send(self._initial)  # type: ignore[attr-defined]
        self.sessions[sid] = session
        session.handler = self.handler.open(session)
        if self.watches_flow:
            session.flow_control()
        if protocol == 3 or self._hooks is not None:
            self._opened(session)
        return True

    def _begin_polling(self, session: Session, request: Request, exchange: Exchange) -> None:
        # Under some WSGI servers a connection can't become a WebSocket, so none is offered.
        upgrades_of = "polling" if getattr(exchange, "can_upgrade", True) else "websocket"
        open_packet = self._open_packets[upgrades_of] % session.id.encode()
        polling = session.start_polling()
        self.sessions[session.id] = session
        session.handler = self.handler.open(session)
        if self.watches_flow:
            session.flow_control()
        body, content_type = polling.open_answer(open_packet, self._initial)
        headers = payload_headers(request, content_type) + cors_headers(self.options, request)
        if self.options.cookie is not None:
            headers += cookie_header(self.options, session.id, session.origin.scheme == "https")
        exchange.respond(200, self.told(request, headers), body)
        if session.protocol == 3 or self._hooks is not None:
            self._opened(session)

    def _begin_webtransport(self, session: Session, exchange: Any) -> bool:
        """False if the client has gone. Its stream is open already, and headers went with the answer to CONNECT."""
        if not exchange.open_webtransport():
            return False
        session.start_websocket(exchange, WEBTRANSPORT)
        exchange.send(encode_engine_packet(self._open_packets["websocket"] % session.id.encode()))
        if self._initial is not None:
            exchange.send(self._initial)
        self.sessions[session.id] = session
        session.handler = self.handler.open(session)
        if self.watches_flow:
            session.flow_control()
        if self._hooks is not None:
            self._opened(session)
        return True

    def upgrade_to_webtransport(self, sid: str, stream: Any) -> bool:
        """A WebTransport stream wants to take the session `sid` over; False if there is none, or none that may move.

        A client may go over once, from polling or from a WebSocket that it began with, and speaks Engine.IO v4.
        """
        session = self.sessions.get(sid)
        if session is None or not session.can_move or not self.options.allow_upgrades:
            return False
        stream.receiver = Probe(session, stream, WEBTRANSPORT)
        return True

    def answer_headers(self, request: Request) -> Headers:
        """What an answer has whatever it says: CORS, and the headers that middleware has set."""
        return cors_headers(self.options, request) + self.added_headers(request)

    def added_headers(self, request: Request) -> Headers:
        """What middleware has set."""
        return [] if self.front is None else self.front.added_headers(request)

    def told(self, request: Request, headers: Headers) -> Headers:
        """The headers of an answer that opens a session or begins a WebSocket, after all who listen were asked."""
        return headers if self.front is None else self.front.told(request, headers)

    def _opened(self, session: Session) -> None:
        """A client has been told its session."""
        if session.protocol == 3 and session.handler is not None:
            session.handler.opened()
        if self._hooks is not None and session.is_open:
            self._hooks.tell("connection", session)

    def _upgrade(self, session: Session, request: Request, exchange: Exchange) -> None:
        is_free = session.polling is not None and session.probe is None and session.is_open
        if not is_free or not self.options.allow_upgrades:
            self._accept_and_close(request, exchange)
        elif exchange.accept_websocket(
            request, self.told(request, cors_headers(self.options, request)), None
        ):
            # As this request asks for it, whatever the session's own did.
            dialect = dialect_of(session.protocol, bool(request.argument("b64")))
            exchange.dialect = dialect  # type: ignore[attr-defined]
            exchange.receiver = Probe(session, exchange)

    def _accept_and_close(self, request: Request, exchange: Exchange) -> None:
        """Node takes such a WebSocket and closes it; the session it names is unharmed."""
        headers = self.told(request, cors_headers(self.options, request))
        if exchange.accept_websocket(request, headers, Outcast()):
            exchange.close_websocket()  # type: ignore[attr-defined]

    def loop_was_blocked(self, late_s: float) -> None:
        """The wheel is so late: nothing was read meanwhile, and what was sent before may not have left.

        So clients get that time again to answer, ping_timeout at most. Pings that are due go out at once: clients have
        their own idea of when one must come.
        """
        self.judges_from = self.now() + min(late_s, self.options.ping_timeout)
        if late_s >= BLOCKED_S and self._watchdog is None:
            self.rare_log.note(
                "blocked", "the event loop was blocked for about %.1f s, and no client was served; "
                "the option watchdog tells by what", late_s,
            )  # fmt: skip

    def close(self, reason: str) -> None:
        """End every session: handlers get `reason`, clients a Close or the end of their poll."""
        self.is_open = False
        if self._watchdog is not None:
            self._watchdog.stop()
        for session in list(self.sessions.values()):
            session.shut_down(reason)
        self.wheel.close()
        self.flusher.sends = None  # it may have a descriptor


def asks_for_websocket(request: Request) -> bool:
    """Whether a request is to become a WebSocket, as far as its head says."""
    return request.is_upgrade and (
        request.argument("transport") == "websocket"
        or (request.header("upgrade") or "").lower() == "websocket"
    )


def _open_packet(options: Options, upgrades: list[str]) -> bytes:
    """The handshake's answer, for `%` with the session's id."""
    packet = b"0" + orjson.dumps({
        "sid": "",
        "upgrades": upgrades,
        "pingInterval": round((options.ping_interval + options.ping_grace) * 1000),
        "pingTimeout": round(options.ping_timeout * 1000),
        "maxPayload": options.max_http_buffer_size,
    })  # fmt: skip
    return packet.replace(b'""', b'"%s"', 1)

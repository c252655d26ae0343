"""The engine: which request is whose, and what is wrong with it.

One per server. Makes sessions, finds them again, refuses what is none. Knows nothing of Socket.IO.
Source: engine.io-protocol v4, "Handshake"; order and texts of the checks as in engine.io 6.6.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import orjson

from fastsio._encoded import encode_engine_packet
from fastsio._fanout import Flusher
from fastsio._ids import new_id
from fastsio._wheel import Wheel
from fastsio.engine.admission import Admission
from fastsio.engine.cors import cors_headers, is_accepted, preflight_headers
from fastsio.engine.errors import (
    BAD_HANDSHAKE_METHOD,
    BAD_REQUEST,
    FORBIDDEN,
    UNKNOWN_SID,
    UNKNOWN_TRANSPORT,
    UNSUPPORTED_PROTOCOL_VERSION,
    Refusal,
)
from fastsio.engine.headers import cookie_header, payload_headers
from fastsio.engine.polling import PollingTransport
from fastsio.engine.ports import EngineHandler, Exchange, Headers, Hooks, Request
from fastsio.engine.session import Session
from fastsio.engine.upgrade import Outcast, Probe
from fastsio.options import Options
from fastsio.rarely import RareLog

logger = logging.getLogger("fastsio.engine")


class Engine:
    """Sessions by id (`sessions`), one timer for all (`wheel`), one flush a loop turn (`flusher`).

    It belongs to `loop`, and serves until it is closed (`is_open`); `doors` are the servers that bring it clients.
    """

    def __init__(
        self, options: Options, handler: EngineHandler, loop: asyncio.AbstractEventLoop, head_timeout_s: float
    ) -> None:  # fmt: skip
        """`head_timeout_s`: the shortest delay that connections will put on the wheel."""
        self.options = options
        self._checks_origin = options.check_origin
        self.handler = handler
        # What the handler may have besides open(); see ports.py.
        self._new_id: Callable[[], str] = getattr(handler, "generate_id", new_id)
        self._ask: Callable[[Admission], None] | None = getattr(handler, "admit", None)
        self._events: Hooks | None = getattr(handler, "events", None)
        self.loop = loop
        self.is_open = True
        self.doors: set[object] = set()
        # Whose X-Forwarded-For is believed: the option, unless the server beneath has a list of its own.
        self.trusted_proxies: Any = options.trusted_proxies
        self.sessions: dict[str, Session] = {}
        # Called with a session that has gone from polling to a WebSocket.
        self.on_upgrade: Callable[[Session], None] | None = None
        self.now = loop.time
        self.rare_log = RareLog(logger, loop.time)
        # Every session's buffer is watched; else only where somebody asks for it.
        self.watches_flow = options.buffer_policy != "close" or options.high_water is not None
        self.flusher = Flusher(loop.call_soon, loop)
        delays = (
            options.ping_interval,
            options.ping_timeout,
            options.upgrade_timeout,
            options.connect_timeout,
        )
        self.wheel = Wheel(loop, min(*delays, head_timeout_s))
        upgrades = options.allow_upgrades and "websocket" in options.transports
        self._open_packets = {
            "polling": _open_packet(options, ["websocket"] if upgrades else []),
            "websocket": _open_packet(options, []),
        }

    def handle(self, request: Request, exchange: Exchange) -> None:
        """Serve one request on the engine's path; its answer may come later."""
        if request.method == "OPTIONS" and self.options.cors_allowed_origins is not None:
            exchange.respond(204, preflight_headers(self.options, request), b"")
            return
        transport = request.argument("transport")
        sid = request.argument("sid")
        is_upgrade = request.is_upgrade and (
            transport == "websocket" or (request.header("upgrade") or "").lower() == "websocket"
        )
        refusal = self._refusal(request, transport, sid, is_upgrade)
        if refusal is not None:
            self._refuse(refusal, request, exchange, is_upgrade)
            return
        assert transport is not None
        session = self.sessions.get(sid) if sid else None
        if is_upgrade and transport == "polling":
            self._accept_and_close(request, exchange)
        elif session is None:
            self._open(transport, request, exchange)
        elif is_upgrade:
            self._upgrade(session, request, exchange)
        elif session.polling is not None:
            session.polling.handle(request, exchange)
        else:  # transport=websocket without an Upgrade, on a session that is one
            self._refuse(BAD_REQUEST, request, exchange, False)

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
        if (
            session is None
            or self._refusal(request, request.argument("transport"), sid, False) is not None
        ):
            return None
        return session.polling

    def _refusal(
        self, request: Request, transport: str | None, sid: str | None, is_upgrade: bool
    ) -> Refusal | None:
        """What is wrong with a request: the official server's checks in its order."""
        if transport not in self.options.transports:
            return UNKNOWN_TRANSPORT
        is_eio4 = request.argument("EIO") == "4"
        if sid:
            session = self.sessions.get(sid)
            if session is None:
                return UNKNOWN_SID
            if not is_upgrade and session.transport != transport:
                return BAD_REQUEST
            return None if is_eio4 else BAD_REQUEST
        if request.method != "GET":
            return BAD_HANDSHAKE_METHOD
        if transport == "websocket" and not is_upgrade:
            return BAD_REQUEST
        return None if is_eio4 else UNSUPPORTED_PROTOCOL_VERSION

    def _refuse(
        self, refusal: Refusal, request: Request, exchange: Exchange, is_upgrade: bool
    ) -> None:
        logger.info("refused %s from %s: %s", request.method, exchange.remote, refusal.message)
        if self._events is not None:
            self._events.refused(request, refusal.code, refusal.message)
        headers = cors_headers(self.options, request)
        if is_upgrade:
            # Plain text, and always 400: so Node answers what asked to be upgraded.
            headers.append(("Content-Type", "text/html"))
            exchange.respond(400, headers, refusal.message.encode(), keep_alive=False)
        else:
            headers.append(("Content-Type", "application/json"))
            is_head = request.method == "HEAD"
            exchange.respond(refusal.status, headers, refusal.body, is_head=is_head)

    def _refuse_origin(self, origin: str, request: Request, exchange: Exchange) -> None:
        message = f"{origin} is not an accepted origin."
        logger.warning(
            "refused a client from %s: %s See cors_allowed_origins.", exchange.remote, message
        )
        if self._events is not None:
            self._events.refused(request, FORBIDDEN, message)
        # RFC 6455 4.2.2: 403 for an Origin that is not acceptable.
        body = orjson.dumps({"code": FORBIDDEN, "message": message})
        headers = [("Content-Type", "application/json")]
        exchange.respond(403, headers, body, keep_alive=not request.is_upgrade)

    def _open(self, transport: str, request: Request, exchange: Exchange) -> None:
        """A handshake: make the session, and open it unless the layer above is to be asked first."""
        # Only here: whoever knows a session's id has been let in.
        origin = request.header("origin") if self._checks_origin else None
        if origin is not None and not is_accepted(
            self.options, request, origin, exchange.is_secure
        ):
            self._refuse_origin(origin, request, exchange)
            return
        session = Session(self, self._new_id(), request, exchange.remote, exchange.is_secure)
        if self._ask is None:
            if not self.begin(session, transport, exchange):
                session.forget()
        else:
            self._ask(Admission(session, transport, exchange))

    def begin(self, session: Session, transport: str, exchange: Exchange) -> bool:
        """Tell the client its session's id; False if the WebSocket's handshake is not valid, which was said then."""
        request = session.request
        # Under some WSGI servers a connection can't become a WebSocket, so none is offered.
        upgrades_of = transport if getattr(exchange, "can_upgrade", True) else "websocket"
        open_packet = self._open_packets[upgrades_of] % session.id.encode()
        if transport == "polling":
            session.start_polling()
            self._admit(session)
            headers = payload_headers(request) + self._initial_headers(request)
            headers += cookie_header(self.options, session.id)
            exchange.respond(200, headers, open_packet)
            return True
        headers = self._initial_headers(request)
        if not exchange.accept_websocket(request, headers, session):
            return False
        session.start_websocket(exchange)
        session.outlet.send(encode_engine_packet(open_packet))
        self._admit(session)
        return True

    def _initial_headers(self, request: Request) -> Headers:
        """What the answer that opens a session has besides its content's headers."""
        headers = cors_headers(self.options, request)
        if self._events is not None and self._events.adds_headers:
            headers += self._events.initial_headers(request)
        return headers

    def _admit(self, session: Session) -> None:
        self.sessions[session.id] = session
        session.handler = self.handler.open(session)
        if self.watches_flow:
            session.flow_control()

    def _upgrade(self, session: Session, request: Request, exchange: Exchange) -> None:
        is_free = session.polling is not None and session.probe is None and session.is_open
        if not is_free or not self.options.allow_upgrades:
            self._accept_and_close(request, exchange)
        elif exchange.accept_websocket(request, cors_headers(self.options, request), None):
            exchange.receiver = Probe(session, exchange)

    def _accept_and_close(self, request: Request, exchange: Exchange) -> None:
        """Node takes such a WebSocket and closes it; the session it names is unharmed."""
        if exchange.accept_websocket(request, cors_headers(self.options, request), Outcast()):
            exchange.close_websocket()  # type: ignore[attr-defined]

    def close(self, reason: str) -> None:
        """End every session: handlers get `reason`, clients a Close or the end of their poll."""
        self.is_open = False
        for session in list(self.sessions.values()):
            session.shut_down(reason)
        self.wheel.close()


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

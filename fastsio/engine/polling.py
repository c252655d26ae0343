"""HTTP long-polling: a GET held until there is something to say, POSTs with many packets.

Source: engine.io-protocol v4, "HTTP long-polling"; engine.io 6.6 on the wire for what it leaves open. Bodies in other
forms than v4's are written and read by `payloads`, see payloads.py.
"""

from typing import TYPE_CHECKING

from fastsio._encoded import Encoded, encode_engine_packet
from fastsio._fanout import Outlet
from fastsio._frames import ProtocolError
from fastsio._payload import decode_payload
from fastsio.engine.cors import cors_headers
from fastsio.engine.headers import compress, payload_headers
from fastsio.engine.payloads import OCTETS, TEXT, TextPayloads, payloads_of
from fastsio.engine.ports import Exchange, Headers, Request

if TYPE_CHECKING:
    from fastsio.engine.flow import SessionFlow
    from fastsio.engine.session import Session

CLOSE = encode_engine_packet(b"1")
NOOP = encode_engine_packet(b"6")


class PollingTransport(Outlet):
    """A session's outlet while it polls. Writable while a GET is held."""

    __slots__ = (
        "_poll", "_post", "_request", "_unfetched_since", "complaint", "is_releasing", "options", "payloads", "session",
    )  # fmt: skip

    def __init__(self, session: "Session") -> None:
        engine = session.engine
        self.session = session
        self.options = engine.options
        self.max_buffered_bytes = engine.options.max_buffered_bytes
        self.set_flusher(engine.flusher)
        # None for Engine.IO v4's text, which nearly all clients have.
        self.payloads = payloads_of(session.protocol, session.request)
        self._poll: Exchange | None = None
        self._request: Request | None = None
        # The exchange of a POST whose body is still coming.
        self._post: Exchange | None = None
        # What was wrong with the last POST: most clients give up over it, and are heard no more.
        self.complaint: str | None = None
        # An upgrade has probed: GETs are answered at once, so that the client can go over.
        self.is_releasing = False
        # When what is queued was first seen to wait; 0: not since the last GET was answered.
        self._unfetched_since = 0.0

    @property
    def held(self) -> Exchange | None:
        """The GET that waits for something to say, None if there is none."""
        return self._poll

    def handle(self, request: Request, exchange: Exchange) -> None:
        """Serve a GET or POST of this session."""
        self.session.heard = True
        if request.method == "GET":
            self._handle_get(request, exchange)
        elif request.method == "POST":
            self._handle_post(request, exchange)
        else:
            exchange.respond(500, self.session.engine.answer_headers(request), b"")

    def open_answer(self, open_packet: bytes, initial: Encoded | None) -> tuple[bytes, str]:
        """The body and the Content-Type of the answer that opens the session; with `initial`, if there is one."""
        if self.payloads is None and initial is None:  # likely
            return open_packet, TEXT
        payloads = TextPayloads() if self.payloads is None else self.payloads
        packets = [encode_engine_packet(open_packet), *(() if initial is None else (initial,))]
        return payloads.encode(packets)

    def _handle_get(self, request: Request, exchange: Exchange) -> None:
        if self._poll is not None:
            exchange.respond(400, self.session.engine.answer_headers(request), b"")
            self.session.abort("transport error", "overlap from client")
            return
        self._poll = exchange
        self._request = request
        exchange.on_abort = self._aborted
        if self.queue:
            self.drain()
        elif not self.session.is_open:
            self._answer([NOOP, CLOSE])
            self.session.end("transport close")
        elif self.is_releasing:
            self._answer([NOOP])
        else:
            self.is_writable = True

    def expect_post(self, request: Request, exchange: Exchange) -> bool:
        """A POST has begun; False if there is one already: then both end, and the session."""
        if self._post is None or self._post is exchange:
            self._post = exchange
            return True
        exchange.respond(400, self.session.engine.answer_headers(request), b"", keep_alive=False)
        self._post.on_abort = None
        self._post.abort()
        self.session.abort("transport error", "data request overlap from client")
        return False

    def release_post(self, exchange: Exchange) -> None:
        """The POST of `exchange` does not reach this: it was answered, or has gone, before."""
        if self._post is exchange:
            self._post = None

    def _handle_post(self, request: Request, exchange: Exchange) -> None:
        if not self.expect_post(request, exchange):
            return
        self._post = None
        headers = cors_headers(self.options, request)
        if request.is_too_large:
            size = request.header("content-length")
            self.complaint = self.session.too_large(int(size) if size is not None else None)
            exchange.respond(413, headers, b"")
            return
        self.complaint = None
        content_type = request.header("content-type")
        if content_type == OCTETS and self.session.protocol == 4:
            exchange.respond(400, headers, b"")
            self.session.abort("transport error", "invalid content")
            return
        error = None
        try:
            packets = (
                decode_payload(request.body)
                if self.payloads is None
                else self.payloads.decode(request.body, content_type)
            )
        except ProtocolError as caught:
            error, packets = caught, caught.packets
        flusher = self.session.engine.flusher
        if flusher.is_counting:
            flusher.bytes_in += len(request.body)
            flusher.packets_in += len(packets)
        for kind, data in packets:
            if self.session.is_open:
                self.session.receive(kind, data)
        if error is not None and self.session.is_open:
            self.session.abort("parse error", error.reason)
        # Node answers so even where a packet was none.
        ok = [("Content-Type", "text/html"), ("Cache-Control", "no-store"), *headers]
        front = self.session.engine.front
        ok = ok if front is None else front.told(request, ok)
        flow = self.session.flow
        if flow is not None and flow.is_paused:
            self._hold_post(flow, exchange, ok)
        else:
            exchange.respond(200, ok, b"ok")

    def _hold_post(self, flow: "SessionFlow", exchange: Exchange, headers: Headers) -> None:
        """Its client is not read for now: it sends the next POST when this one is answered."""
        self._post = exchange
        exchange.on_abort = self._post_aborted

        def answer() -> None:
            if self._post is exchange:
                self._post = None
                exchange.respond(200, headers, b"ok")

        flow.hold(answer)

    def _post_aborted(self) -> None:
        self._post = None
        self.session.abort("transport error", "data request connection closed prematurely")

    def drain(self) -> None:
        """Answer the held GET with all that is queued."""
        if self._poll is not None and self.queue:
            self._answer(self.take_queue())
            if self.flow is not None:
                self.flow.flushed(self)

    def release(self) -> None:
        """An upgrade has probed: answer the held GET and, until it is finished or dropped, each next one."""
        self.is_releasing = True
        self.end_poll(NOOP)

    def end_poll(self, packet: Encoded) -> bool:
        """Answer the held GET with what is queued, or else with `packet`; False if none is held."""
        if self._poll is None:
            return False
        if self.queue:
            self.drain()
        else:
            self._answer([packet])
        return True

    def unfetched_since(self, now: float) -> float:
        """When the heartbeat first found packets for a client that has no GET open; `now`, if it does just now."""
        if not self._unfetched_since:
            self._unfetched_since = now
        return self._unfetched_since

    def _answer(self, packets: list[Encoded]) -> None:
        self._unfetched_since = 0.0
        exchange, request = self._poll, self._request
        content_type = TEXT
        if self.payloads is None:  # likely
            payload = b"\x1e".join([encoded.payload for encoded in packets])
        else:
            payload, content_type = self.payloads.encode(packets)
        flusher = self.session.engine.flusher
        if flusher.is_counting:
            flusher.bytes_out += len(payload)
            flusher.packets_out += len(packets)
        assert exchange is not None and request is not None
        self._poll = self._request = None
        self.is_writable = False
        # As Node: compressed if one of them may be.
        is_plain = packets[0].is_plain and all(encoded.is_plain for encoded in packets)
        encoding, body = ([], payload) if is_plain else compress(self.options, request, payload)
        headers: Headers = [
            *payload_headers(request, content_type),
            *encoding,
            *cors_headers(self.options, request),
        ]
        front = self.session.engine.front
        exchange.respond(200, headers if front is None else front.told(request, headers), body)

    def _aborted(self) -> None:
        self._poll = self._request = None
        self.is_writable = False
        self.session.abort("transport error", "poll connection closed prematurely")

    def flush_failed(self, error: BaseException) -> None:
        self.session.abort("transport error", f"write failed: {error!r}")

    def overflow(self) -> None:
        description = "client reads too slowly (max_buffered_bytes)"
        self.session.note_limit("max_buffered_bytes", description)
        self.session.abort("transport error", description)

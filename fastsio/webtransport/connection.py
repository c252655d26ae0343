"""One QUIC connection: HTTP/3 with one WebTransport session, the link of a Stream (stream.py).

It answers one CONNECT, hands the first stream that the client opens in it to the engine's side, and ends when that
does. What else a client sends (requests, other streams, datagrams) is answered or dropped, never kept.
Source: RFC 9114; RFC 9220 (extended CONNECT); draft-ietf-webtrans-http3, on the beginning and the end of sessions.
"""

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from aioquic.h3.events import DataReceived, HeadersReceived, WebTransportStreamDataReceived
from aioquic.quic import events

from fastsio._http import Request
from fastsio.engine.ports import Headers
from fastsio.webtransport.capsules import BadCapsule, CapsuleReader, close_capsule
from fastsio.webtransport.quic import BoundedQuic, Http3
from fastsio.webtransport.stream import Phase, Stream

if TYPE_CHECKING:
    from fastsio.webtransport.door import Door

logger = logging.getLogger("fastsio.webtransport")

# RFC 9114 8.1.
NO_ERROR = 0x100
INTERNAL_ERROR = 0x102
REQUEST_REJECTED = 0x10B
# draft-ietf-webtrans-http3: a stream that its session has no use for.
STREAM_REJECTED = 0x3994BD84
# How long the end may take: ours, with the client's acknowledgements.
CLOSE_S = 5.0
# How long a client that knows of the session's end may take to end the connection.
LEAVE_S = 0.5
MAX_HEADERS = 128
# What no header, path or method has: RFC 9110 5.5.
FORBIDDEN = frozenset(b"\0\r\n")
TEXT: Headers = [("content-type", "text/plain; charset=utf-8")]


class Connection:
    """`stream` is None until there was a CONNECT. A timer of its own, as QUIC has its deadlines to the millisecond."""

    __slots__ = (
        "_capsules", "_door", "_ending", "_flushes", "_h3", "_is_over", "_loop", "_quic", "_session_id", "_stream_id",
        "_timer", "_timer_at", "address", "ids", "remote", "stream", "transport", "wheel_slot",
    )  # fmt: skip

    def __init__(self, door: "Door", quic: BoundedQuic, transport: Any, address: Any) -> None:
        self._door = door
        self._quic = quic
        self._loop = door.engine.loop
        self.transport = transport
        self.address = address
        self.remote: str = address[0]
        # The connection ids by which the listener knows it.
        self.ids: set[bytes] = set()
        self.stream: Stream | None = None
        self.wheel_slot = None
        self._h3: Http3 | None = None
        self._capsules = CapsuleReader()
        self._session_id = -1
        self._stream_id = -1
        # What waits to be acknowledged at the end: "stream", then "session"; "told" when the client has it all, then
        # "connection"; "" before that.
        self._ending = ""
        self._is_over = False
        self._flushes = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._allow(door.engine.options.upgrade_timeout)

    @property
    def session(self) -> Any:
        """The Engine.IO session that it carries, None if it has none."""
        return None if self.stream is None else self.stream.session

    # --- datagrams and time ------------------------------------------------------------------

    def receive(self, data: bytes, address: Any) -> None:
        """A datagram has come. Raises nothing: what aioquic fails over ends this connection alone."""
        self._guarded(self._quic.receive_datagram, data, address, self._loop.time())

    def _on_timer(self) -> None:
        self._timer = None
        now = self._loop.time()
        due = self._quic.get_timer()
        if due is not None and now < due:  # it was put off meanwhile
            self._set_timer()
        elif due is not None:
            self._guarded(self._quic.handle_timer, now)

    def _guarded(self, call: Any, *args: Any) -> None:
        try:
            call(*args)
            self._take_events()
            if self.stream is not None:
                self.stream.acknowledged()
            self._advance_end()
        except Exception as error:  # noqa: BLE001  hostile datagrams find what aioquic did not think of
            self._door.note_failure(self, error)
            self._end_connection(INTERNAL_ERROR, "")
        self.flush_soon()

    def flush_soon(self) -> None:
        """Send at the end of the loop turn, once for all that was written in it."""
        if not self._flushes and not self._is_over:
            self._flushes = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushes = False
        if self._is_over:
            return
        try:
            for data, address in self._quic.datagrams_to_send(self._loop.time()):
                self.transport.sendto(data, address)
            self._set_timer()
        except Exception as error:  # noqa: BLE001  see _guarded()
            self._door.note_failure(self, error)
            self.over()

    def _set_timer(self) -> None:
        """A timer that is set for an earlier moment looks again then: cheaper than a new one for each datagram."""
        due = self._quic.get_timer()
        if due is None:
            self._cancel_timer()
            return
        if self._timer is not None and self._timer_at > due:
            self._cancel_timer()
        if self._timer is None:
            self._timer_at = due
            self._timer = self._loop.call_at(due, self._on_timer)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _allow(self, seconds: float) -> None:
        """What comes next has to come within so many seconds."""
        if self._door.engine.is_open and not self._is_over:
            self._door.engine.wheel.add(self, seconds)

    def on_due(self) -> float:
        """The wheel's call: no first packet within upgrade_timeout, or an end that takes too long."""
        if self.stream is None or self.stream.phase < Phase.CLOSING:
            logger.info(
                "%s: no WebTransport handshake within %s s (upgrade_timeout)",
                self.remote, self._door.engine.options.upgrade_timeout,
            )  # fmt: skip
        self.reject(0, "")
        return 0

    # --- what QUIC and HTTP/3 tell -----------------------------------------------------------

    def _take_events(self) -> None:
        while (event := self._quic.next_event()) is not None:
            if isinstance(event, events.ConnectionIdIssued):
                self._door.add_id(self, event.connection_id)
            elif isinstance(event, events.ConnectionIdRetired):
                self._door.remove_id(self, event.connection_id)
            elif isinstance(event, events.ConnectionTerminated):
                self._terminated(event)
            elif isinstance(event, events.ProtocolNegotiated):
                self._h3 = Http3(self._quic)
            elif isinstance(event, events.HandshakeCompleted):
                self._door.handshakes.discard(self)
            elif self._h3 is not None:
                for http_event in self._h3.handle_event(event):
                    self._on_http(http_event)
                is_end = isinstance(event, (events.StreamReset, events.StopSendingReceived))
                if is_end and event.stream_id in (self._session_id, self._stream_id):  # type: ignore[attr-defined]
                    self._client_left()

    def _on_http(self, event: Any) -> None:
        if isinstance(event, WebTransportStreamDataReceived):
            self._on_stream(event)
        elif isinstance(event, HeadersReceived):
            self._on_headers(event)
        elif isinstance(event, DataReceived) and event.stream_id == self._session_id:
            self._on_capsules(event.data, event.stream_ended)

    def _on_headers(self, event: HeadersReceived) -> None:
        if event.stream_id == self._session_id:  # trailers
            if event.stream_ended:
                self._client_left()
            return
        status, request = read_connect(event.headers)
        if self._ending:
            status = 503
        elif status == 200 and self.stream is not None:
            status = 429  # one session a connection: browsers open a connection for each
        elif status == 200 and not self._door.is_engine_path(request.path):  # type: ignore[union-attr]
            status = 404
        if status != 200 or request is None:
            self._answer(event.stream_id, status, TEXT, b"", ends=True)
            return
        self._session_id = event.stream_id
        self.stream = Stream(self._door.engine, self, request)
        self._door.engine.wheel.remove(self)  # middleware has its own time
        self._door.engine.handle_connect(request, self.stream)
        if event.stream_ended:
            self._client_left()

    def _on_stream(self, event: WebTransportStreamDataReceived) -> None:
        stream = self.stream
        if event.stream_id == self._stream_id:
            if stream is not None and not self._ending:
                # Before it is read: what comes of it may stop the reading.
                self._quic.taken(len(event.data))
                stream.feed(event.data)
            if event.stream_ended:
                self._client_left()
        elif (
            self._stream_id < 0
            and stream is not None
            and stream.phase == Phase.WAITING
            and event.session_id == self._session_id
            and event.stream_id % 4 == 0  # RFC 9000 2.1: the client's, in both directions
        ):
            self._stream_id = event.stream_id
            self._quic.read_stream(event.stream_id)
            self._on_stream(event)
        else:
            self._turn_away(event.stream_id)

    def _turn_away(self, stream_id: int) -> None:
        """A stream that nobody reads: Engine.IO has one."""
        self._quic.stop_stream(stream_id, STREAM_REJECTED)
        if stream_id % 4 == 0:
            self._quic.reset_stream(stream_id, STREAM_REJECTED)

    def _on_capsules(self, data: bytes, has_ended: bool) -> None:
        try:
            close = self._capsules.feed(data)
        except BadCapsule as error:
            logger.info("%s: %s", self.remote, error)
            self._client_left()
            return
        if close is not None:
            logger.debug(
                "%s: session closed by the client: %d %r", self.remote, close.code, close.reason
            )
        if close is not None or has_ended:
            self._client_left()

    def _client_left(self) -> None:
        """The client has ended its session, or a stream without which there is none."""
        if self.stream is not None:
            self.stream.gone(None)
        if self._ending in ("session", "told"):  # which is the client's answer to our end of it
            self._let_leave()
        elif self._ending != "connection":
            self._end_connection(NO_ERROR, "")

    def _terminated(self, event: events.ConnectionTerminated) -> None:
        """The connection is over: closed by one of the sides, or silent for too long."""
        if self.stream is not None and self.stream.phase < Phase.CLOSED:
            reason = event.reason_phrase or f"QUIC error {event.error_code:#x}"
            self.stream.gone(None if event.error_code in (0, NO_ERROR) else ConnectionError(reason))
        self.over()

    def over(self) -> None:
        """Nothing comes or goes any more."""
        if self._is_over:
            return
        self._is_over = True
        if self.stream is not None:
            self.stream.gone(None)
        self._cancel_timer()
        self._door.engine.wheel.remove(self)
        self._door.gone(self)

    # --- what the stream asks for ------------------------------------------------------------

    def accept(self, headers: Headers) -> None:
        self._allow(self._door.engine.options.upgrade_timeout)
        draft = ("sec-webtransport-http3-draft", "draft02")  # browsers that speak it look for this
        self._answer(self._session_id, 200, [draft, *headers], b"")

    def refuse(self, status: int, headers: Headers, body: bytes) -> None:
        self._answer(self._session_id, status, headers, body, ends=True)
        self._ending = "session"
        self.must_end()

    def _answer(
        self, stream_id: int, status: int, headers: Headers, body: bytes, ends: bool = False
    ) -> None:
        assert self._h3 is not None
        fields = [(b":status", b"%d" % status)]
        fields += [
            (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers
        ]
        self._h3.send_headers(stream_id, fields, end_stream=ends and not body)
        if body:
            self._h3.send_data(stream_id, body, end_stream=ends)
        self.flush_soon()

    def begun(self) -> None:
        self._door.engine.wheel.remove(self)

    def write(self, data: bytes) -> None:
        if not self._ending and self._quic.can_write(self._stream_id):
            self._quic.send_stream_data(self._stream_id, data)
            self.flush_soon()

    def has_room(self) -> bool:
        return self.get_write_buffer_size() < self._door.settings.send_buffer

    def get_write_buffer_size(self) -> int:
        """Bytes that the client has not acknowledged."""
        return self._quic.unacknowledged(self._stream_id)

    def acknowledged_bytes(self) -> int:
        return self._quic.acknowledged(self._stream_id)

    def is_closing(self) -> bool:
        return bool(self._ending) or self._is_over

    def pause_reading(self) -> None:
        self._quic.is_paused = True

    def resume_reading(self) -> None:
        if self._quic.is_paused:
            self._quic.is_paused = False
            self.flush_soon()  # the window moves

    # --- the end -----------------------------------------------------------------------------

    def must_end(self) -> None:
        self._allow(CLOSE_S)

    def finish(self, code: int, reason: str) -> None:
        """Close the session once the client has all that was written: a close overtakes what it has not read."""
        if self._ending or self._is_over:
            return
        self._ending = "stream"
        self.must_end()
        if self._stream_id >= 0 and self._quic.can_write(self._stream_id):
            self._quic.send_stream_data(self._stream_id, b"", end_stream=True)
        self._advance_end()
        self.flush_soon()

    def _advance_end(self) -> None:
        """Take the next step of finish(), once the client has acknowledged the one before."""
        if self._ending == "stream" and (
            self._stream_id < 0 or self._quic.is_delivered(self._stream_id)
        ):
            self._end_session()
        elif self._ending == "session" and self._quic.is_delivered(self._session_id):
            self._let_leave()

    def _let_leave(self) -> None:
        """Chromium takes the connection's end for an error if it comes right behind the session's: so it goes first."""
        if self._ending != "told":
            self._ending = "told"
            self._loop.call_later(LEAVE_S, self._end_told)

    def _end_told(self) -> None:
        """The client knows that the session has ended, and has kept the connection."""
        if self._ending == "told" and not self._is_over:
            self._end_connection(NO_ERROR, "")

    def _end_session(self) -> None:
        self._ending = "session"
        if (
            self._session_id >= 0
            and self._h3 is not None
            and self._quic.can_write(self._session_id)
        ):
            self._h3.send_data(self._session_id, close_capsule(0, ""), end_stream=True)
        self.flush_soon()

    def reject(self, code: int, reason: str) -> None:
        """End the connection with an error: a browser's WebTransport then fails instead of closing."""
        logger.debug("%s: connection ended: %d %s", self.remote, code, reason)
        self._end_connection(REQUEST_REJECTED, reason)

    def _end_connection(self, error_code: int, reason: str) -> None:
        self._ending = "connection"
        if self.stream is not None:
            self.stream.gone(None)
        self._door.engine.wheel.remove(self)
        self._quic.close(error_code=error_code, reason_phrase=reason)
        self.flush_soon()

    def retire(self, reason: str) -> None:
        """The server stops: the session ends with `reason`, and then the connection."""
        session, stream = self.session, self.stream
        if session is not None and session.is_open:
            session.shut_down(reason)
        elif stream is not None and stream.phase <= Phase.CLOSING:
            stream.close_websocket()  # does nothing to one that is on its way
        elif not self._ending:
            self._end_connection(NO_ERROR, "")

    def cut(self) -> None:
        """No more patience: say what is left to say without waiting for an answer, and be over."""
        if self._ending in ("", "stream"):
            self._guarded(self._end_session)
            self._flush()
        self._end_connection(NO_ERROR, "")
        self._flush()
        self.over()


def read_connect(headers: list[tuple[bytes, bytes]]) -> tuple[int, Request | None]:
    """(200, the request) for a CONNECT of WebTransport, else (the status that refuses it, None).

    The engine gets an HTTP/1 head, with :authority as its Host: nothing may be in a header that would end a line there.
    """
    if len(headers) > MAX_HEADERS:
        return 431, None
    pseudo: dict[bytes, bytes] = {}
    fields: list[tuple[bytes, bytes]] = []
    for name, value in headers:
        if not FORBIDDEN.isdisjoint(name) or not FORBIDDEN.isdisjoint(value):
            return 400, None
        if name.startswith(b":"):
            pseudo[name] = value
        elif name != b"host":
            fields.append((name, value))
    path = pseudo.get(b":path", b"")
    if pseudo.get(b":method") != b"CONNECT" or pseudo.get(b":protocol") != b"webtransport":
        return 404, None
    if pseudo.get(b":scheme") != b"https" or not path.startswith(b"/") or b" " in path:
        return 400, None
    fields.insert(0, (b"host", pseudo.get(b":authority", b"")))
    return 200, Request("CONNECT", path, fields)

"""Connections of the raw server: an asyncio protocol that begins as HTTP and may become a WebSocket.

Owns the bytes: what was received and is not yet a whole message, and (_stream.pyx) what is queued and not yet sent.
Knows nothing of Engine.IO's states or of Socket.IO: a router takes the requests, a session's handler the
messages, a receiver the rest. The router is injected; it has
  handle(conn, request)      answer now or later: conn.respond() or conn.accept_websocket()
  announce(conn, request)    a request whose body is not here yet: it will be handled, or
  cut_off(conn, request)     the connection is lost before that
  opened(conn), closed(conn) the connection came and went
  lacks_descriptors(conn, fd)              it is among the last that the process may have
  watch(conn, seconds), unwatch(conn)      call conn.on_due() then
and the attributes flusher, max_message_bytes, max_frames (of one message), max_buffered_bytes, max_head_bytes,
max_headers, head_timeout_s, rare_log (a RareLog, for what many clients may do) and deflate, which is None or agrees on
permessage-deflate (engine/deflate.py).
Source: RFC 6455 5.5.1, 7 (closing); RFC 9112 9 (connection management).
"""
import logging

import httptools

from cpython.bytearray cimport PyByteArray_AS_STRING
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.pythread cimport PyThread_get_thread_ident

from fastsio._dialects cimport EIO3
from fastsio._fanout cimport MessageHandler, SessionBase
from fastsio._frames cimport CLOSE, COMPRESSED, PONG, TEXT, Sink, frame_of, reader_clear, reader_feed, reader_init
from fastsio._handshake cimport accept_key, chosen_protocol, switch_head
from fastsio._http cimport Request, RequestReader, response_head, whole_request
from fastsio._stream cimport LOOKS, Stream, most_descriptors
from fastsio._wire cimport Wire

from fastsio._frames import ProtocolError

logger = logging.getLogger("fastsio.conn")
PLAIN_TEXT = [("Content-Type", "text/plain; charset=utf-8")]

cdef enum:
    # Requests of one client that may wait for their turn before it is no longer read.
    MAX_PIPELINED = 8
    MAX_A_TURN = 64             # of those how many are served at once
    # How long an idle kept-alive connection stays, and how long a closing one may take.
    KEEP_ALIVE_S = 75
    MOST_IDLE_CHECKS = 32767    # a head_timeout of less than 2.3 ms
    CLOSE_S = 5
    # What a closing one must take in that time of what is still unsent, to get as much time again.
    MIN_CLOSING_BYTES = 4096
    # What a request's body must bring between two looks of the wheel.
    MIN_BODY_BYTES = 1024
    SECURE_BYTES = 262144       # what a read of a TLS connection brings at most


cdef int receive(object conn, bytes data) except -1:
    return (<Conn> conn).received(data)


cdef class Conn(Stream):
    """One client connection. The event loop calls the methods with asyncio's protocol names."""

    def __dealloc__(self):
        reader_clear(&self.reader)

    # --- the event loop's side ---------------------------------------------------------------

    def connection_made(self, transport) -> None:
        cdef int fd
        try:
            fd = self.begin_writing(transport)
            if type(transport) is Wire and (<Wire> transport).protocol is self:  # likely, on uvloop
                (<Wire> transport).receive = receive
            self.router.opened(self)
            self.router.watch(self, self.router.head_timeout_s)
            if fd > most_descriptors:  # unlikely
                self.router.lacks_descriptors(self, fd)
        except BaseException:
            transport.abort()  # the event loop would go on with a connection that nobody watches
            raise

    def data_received(self, bytes data) -> None:
        self.received(data)

    cdef int received(self, bytes data) except -1:
        cdef SessionBase session = self.session
        if session is not None:
            session.heard = True
            if self.flusher.is_counting:
                self.flusher.bytes_in += len(data)
        if self.is_waiting:
            # Written to earlier in this turn: the flusher sends these answers with that.
            return self.read_frames(data) if self.phase != HTTP else self.read_http(data)
        self.is_waiting = True
        try:
            if self.phase == HTTP:
                self.read_http(data)
            else:
                self.read_frames(data)
        finally:
            self.end_of_read()
        return 0

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error) -> None:
        self.phase = CLOSED
        self.is_closed = True
        self.forget_bytes()
        reader_clear(&self.reader)
        self.router.unwatch(self)
        try:
            self.router.closed(self)
            self.cut_request_off()
        finally:  # whatever has failed, nobody else will tell a session that its client has gone
            on_abort, receiver = self.on_abort, self.receiver
            self.on_abort = self.receiver = self.session = None
            try:
                if on_abort is not None:
                    on_abort()
            finally:
                if receiver is not None:
                    receiver.connection_lost(self, error)

    cdef int cut_request_off(self) except -1:
        if self.http is not None:
            request = self.http.unfinished()
            self.drop_reader()
            if request is not None:
                self.router.cut_off(self, request)
        return 0

    def on_due(self) -> float:
        """The wheel's call: seconds until the next one, 0 for none.

        Costs nothing per request: a head gets between one and two times head_timeout_s.
        """
        if self.phase == HTTP:
            return self.look_at_requests(self.router.head_timeout_s)
        if self.phase == WEBSOCKET:
            return self.look_at_reader(self.flusher.send_timeout_s / LOOKS)
        if self.phase == CLOSING:
            # What is unsent may still go, as long as it goes.
            if not self.is_writable and not self.reads_too_slowly(CLOSE_S, CLOSE_S, MIN_CLOSING_BYTES):
                return CLOSE_S
            self.abort()
        return 0

    cdef object look_at_reader(self, double seconds):
        """A WebSocket is on the wheel since its client took no more; not if it does again."""
        if self.is_overdue(seconds):
            self.cut_off()
            return 0
        return 0 if self.is_writable else seconds

    cdef object look_at_requests(self, double seconds):
        if self.is_overdue(seconds):
            self.cut_off()
            return 0
        if self.is_busy or self.body_advances() or (not self.is_writable and self.flusher.send_timeout_s > 0):
            self.idle_checks = 0
        elif not self.has_served or self.is_in_request():
            # Below 0 it counts the looks that found one request unfinished, above 0 the idle ones.
            self.idle_checks = min(self.idle_checks, 0) - 1
            # What a browser's spare connection brings first may have begun a moment ago: the 408 would end a session.
            if self.idle_checks <= -2 or not self.is_in_request():
                # Not in the rare log: browsers open connections that they may need, and let them wait.
                text = f"no complete request within {seconds} s (head_timeout)"
                logger.info("%s: %s", self.remote, text)
                self.respond(408, PLAIN_TEXT, text.encode(), keep_alive=False)
        else:
            self.idle_checks = max(self.idle_checks, 0) + 1
            if self.idle_checks * seconds >= KEEP_ALIVE_S or self.idle_checks == MOST_IDLE_CHECKS:
                self.close()
        return 0 if self.phase == CLOSED else CLOSE_S if self.phase == CLOSING else seconds

    cdef bint is_in_request(self) noexcept:
        """True if a request has begun to come and is not complete."""
        return self.http is not None and self.http.is_reading

    cdef bint body_advances(self) except -1:
        """A body may take longer than a head, as long as it keeps coming."""
        cdef Py_ssize_t seen = self.seen_body_bytes
        self.seen_body_bytes = self.http.body_bytes if self.http is not None and self.http.is_reading else 0
        return self.seen_body_bytes - seen >= MIN_BODY_BYTES

    # --- HTTP --------------------------------------------------------------------------------

    cdef int read_http(self, bytes data) except -1:
        cdef Request request
        if self.http is None:
            if not self.is_busy:
                router = self.router
                request = whole_request(data, router.max_head_bytes, router.max_headers, router.max_message_bytes)
                if request is not None:  # likely
                    return self.serve(request)
        return self.read_stream(data)

    cdef int read_stream(self, bytes data) except -1:
        """Serve what is complete. A loop: one read may hold thousands of requests for other protocols."""
        cdef bytes rest = data
        while rest and self.phase == HTTP and not self.is_broken:
            if self.http is None:
                router = self.router
                self.http = RequestReader(router.max_head_bytes, router.max_headers, router.max_message_bytes)
            rest = self.read_requests(rest, self.http)
        if self.http is not None and self.http.is_idle() and not self.is_broken:
            self.drop_reader()
        # RFC 6455 4.1: what follows the request's blank line is WebSocket already.
        return self.read_frames(rest) if rest and self.phase == WEBSOCKET else 0

    cdef int drop_reader(self) except -1:
        """An idle connection has none: it would be a kilobyte for each."""
        if self.http is not None:
            self.http.close()
            self.http = None
        return 0

    cdef bytes read_requests(self, bytes data, RequestReader http):
        """Feed the parser and serve; returns what follows a request for another protocol, else None."""
        cdef bytes rest = None
        try:
            rest = http.feed(data)
        except httptools.HttpParserError as error:
            logger.debug("%s: bad request: %s", self.remote, error)
            self.is_broken = True
        if http.wants_continue and not self.is_busy:
            http.wants_continue = False
            self.queue_raw(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.next_requests()
        if self.phase == HTTP:
            request = http.announce()
            if request is not None:
                self.router.announce(self, request)
        if self.phase == HTTP and rest is not None:
            http.start_over()
        return rest

    cdef int serve(self, Request request) except -1:
        self.is_busy = self.has_served = True
        self.idle_checks = 0
        self.keep_alive = request.keep_alive
        self.router.handle(self, request)
        return 0

    def next_requests(self) -> None:
        """Hand over the requests that are complete, one at a time (RFC 9112 9.3.2: answers in order)."""
        cdef int turn = MAX_A_TURN
        self.in_requests = True
        while self.phase == HTTP and not self.is_busy and self.http is not None and self.http.ready and turn:
            self.serve(self.http.ready.pop(0))
            turn -= 1
        self.in_requests = False
        if not turn:  # unlikely: others have their turn first
            self.flusher.call_soon(self.next_requests)
        elif self.is_broken and self.phase == HTTP and not self.is_busy:  # behind the answers to what came before
            if self.http.option is None:
                self.respond(400, [], b"", keep_alive=False)
            else:
                self.turn_away(431, self.http.option, self.http.complaint)
        if self.phase == HTTP:
            if self.http is not None and len(self.http.ready) >= MAX_PIPELINED:
                self.transport.pause_reading()
            elif not self.transport.is_reading():
                self.transport.resume_reading()

    def respond(self, int status, headers, bytes body, *, bint keep_alive=True, bint is_head=False) -> None:
        """Answer the request being served; `is_head`: leave the body out, as the answer to HEAD.

        Nothing happens if the client has gone meanwhile.
        """
        if self.phase != HTTP:
            return
        self.keep_alive = self.keep_alive and keep_alive
        self.on_abort = None
        self.is_busy = False
        head = response_head(status, headers, len(body), self.keep_alive)
        self.queue_raw(head if is_head else head + body)
        if not self.keep_alive:
            # The client may still be sending: end our side only, so that it can read the answer.
            self.end_after_flush()
        elif self.http is not None and not self.in_requests and (self.http.ready or self.is_broken):
            self.next_requests()

    cdef int turn_away(self, int status, str option, str text) except -1:
        """Answer a request that met a limit with its name, and close."""
        self.router.rare_log.note(option, "%s: refused, %s (%s)", self.remote, text, option)
        self.respond(status, PLAIN_TEXT, f"{text} ({option})".encode(), keep_alive=False)
        return 0

    def accept_websocket(self, Request request, headers, receiver) -> bool:
        """Switch to WebSocket; `receiver` gets what is no message for `session`.

        False if the handshake is not valid: then it has been answered.
        """
        accept = accept_key(request)
        if self.phase != HTTP:
            return False
        if type(accept) is tuple:
            status, text, extra = accept
            self.respond(status, [("Content-Type", "text/html"), *extra], text.encode(), keep_alive=False)
            return False
        self.phase = WEBSOCKET
        self.is_busy = False
        self.on_abort = None
        self.receiver = receiver
        self.router.unwatch(self)
        reader_init(&self.reader, self.router.max_message_bytes, True)
        self.reader.max_frames = self.router.max_frames
        if self.router.deflate is not None:
            headers = headers + self.agree_on_deflate(request)
        self.queue_raw(switch_head(headers + chosen_protocol(request), accept))
        self.drop_reader()
        return True

    def agree_on_deflate(self, Request request) -> list:
        """The header that says what was agreed; none if nothing was."""
        agreed = self.router.deflate.agree(request)
        if agreed is None:
            return []
        answer, self.deflate = agreed
        self.reader.takes_compressed = True
        return [("Sec-WebSocket-Extensions", answer)]

    # --- WebSocket ---------------------------------------------------------------------------

    cdef int read_frames(self, bytes data) except -1:
        if self.phase == CLOSED:
            return 0
        try:
            return reader_feed(
                &self.reader, <const unsigned char*> PyBytes_AS_STRING(data), len(data), self,
                &CONN_SINK if self.deflate is None else &DEFLATE_SINK,
            )
        except ProtocolError as error:
            self.fail(error)
        return 0

    def fail(self, error) -> None:
        """The peer broke the WebSocket protocol: say so with a Close, end our side, tell the session."""
        receiver = self.receiver
        logger.info("%s: %s", self.remote, error)
        if self.phase != WEBSOCKET:
            return
        self.queue_raw(close_frame(error.close_code))
        self.end_after_flush()
        if receiver is not None:
            receiver.websocket_failed(self, error)

    def close_websocket(self, int code=-1) -> None:
        """Send a Close (without status if code is -1) behind what is queued, and wait for the peer's."""
        if self.phase != WEBSOCKET:
            return
        self.queue_raw(close_frame(code))
        self.is_closed = True
        self.phase = CLOSING
        self.router.watch(self, CLOSE_S)

    def answer_close(self, int code) -> None:
        """The peer sent a Close: answer it unless it is an answer, and end the connection."""
        receiver = self.receiver
        if self.phase == WEBSOCKET:
            # RFC 6455 5.5.1: usually the code that was received is sent back.
            self.queue_raw(close_frame(code))
            self.phase = CLOSING
            if receiver is not None:
                receiver.websocket_closed(self, code)
        # RFC 6455 7.1.1: the server closes TCP first.
        self.close()
        if not self.is_writable and self.phase != CLOSED:  # what the client does not read keeps it from closing
            self.router.watch(self, CLOSE_S)

    # --- closing -----------------------------------------------------------------------------

    def end_after_flush(self) -> None:
        """Close our side once all is sent, and ignore what still comes, until the peer closes too."""
        self.is_closed = True
        self.phase = CLOSING
        reader_clear(&self.reader)
        self.router.watch(self, CLOSE_S)
        self.closes_when_drained = True
        if not self.is_waiting:
            self.flush()

    def close(self) -> None:
        """Send what is queued and close; nothing more is received."""
        if self.phase == CLOSED:
            return
        self.is_closed = True
        self.phase = CLOSING
        reader_clear(&self.reader)
        self.ends_now = True
        self.flush()
        self.transport.close()

    def retire(self) -> None:
        """The server stops: close what only waits for a next request; answers that are due still go out."""
        self.keep_alive = False
        if self.phase == HTTP and not self.is_busy:
            self.close()


# (buffer, a view of it) by thread: loops run in several.
cdef dict secure_buffers = {}


cdef class SecureConn(Conn):
    """A connection over TLS: to uvloop a buffered protocol, with one buffer that all of a thread share.

    As a plain protocol it would get each read as a bytes object that the TLS layer makes for 256 KiB and then
    cuts: mmap, mremap and munmap beside the one read and one write that an echo needs (strace -c).
    Between get_buffer() and buffer_updated() the TLS layer calls nobody, so one buffer does (not for two threads: it
    lets others run meanwhile). asyncio's own loop
    takes only subclasses of its BufferedProtocol for one, and calls data_received() here.
    """

    def get_buffer(self, sizehint) -> memoryview:
        return view_to_fill()

    def buffer_updated(self, Py_ssize_t n) -> None:
        self.data_received(what_was_filled(n))


cdef object view_to_fill():
    """The one buffer of a thread's TLS connections; what is in it is what_was_filled()'s until the next call."""
    cdef tuple pair = secure_buffers.get(PyThread_get_thread_ident())
    if pair is None:
        buffer = bytearray(SECURE_BYTES)
        pair = (buffer, memoryview(buffer))  # whose slices are no copies
        secure_buffers[PyThread_get_thread_ident()] = pair
    return pair[1]


cdef bytes what_was_filled(Py_ssize_t n):
    cdef tuple pair = secure_buffers[PyThread_get_thread_ident()]
    return PyBytes_FromStringAndSize(PyByteArray_AS_STRING(<bytearray> pair[0]), n)


cdef bytes close_frame(int code):
    """A Close frame; without status for -1, as Engine.IO closes."""
    cdef bytes payload = b"" if code < 0 else bytes(((code >> 8) & 0xFF, code & 0xFF))
    return frame_of(CLOSE, <const unsigned char*> PyBytes_AS_STRING(payload), len(payload))


# --- what the frame reader calls ---------------------------------------------------------------

cdef int on_message(object owner, int opcode, const unsigned char* data, Py_ssize_t n) except -1:
    cdef Conn conn = <Conn> owner
    cdef SessionBase session = conn.session
    cdef MessageHandler handler
    if conn.phase != WEBSOCKET:
        return 0
    if session is not None:
        if not session.is_open:
            return 0
        if conn.flusher.is_counting:
            conn.flusher.packets_in += 1
        # A reference of our own: the session lets go of its handler when it ends, maybe in this call.
        handler = session.handler
        if opcode != TEXT:
            if not conn.dialect & EIO3:  # likely
                return handler.binary(data[:n])
            if n and data[0] == 4:
                return handler.binary(data[1:n])
        elif n > 1 and data[0] == c"4":  # likely: a message
            return handler.text(<const char*> data + 1, n - 1)
        elif n == 1 and data[0] == c"3" and not conn.dialect & EIO3:  # a pong: that something came is all it says
            return 0
    conn.receiver.websocket_message(conn, opcode == TEXT, data[:n])
    return 0


cdef int on_compressible(object owner, int opcode, const unsigned char* data, Py_ssize_t n) except -1:
    """on_message() where permessage-deflate was agreed: RFC 7692 6, each message may be compressed or not."""
    cdef Conn conn = <Conn> owner
    cdef bytes plain
    if not opcode & COMPRESSED:
        return on_message(owner, opcode, data, n)
    if conn.phase != WEBSOCKET or conn.deflate is None:
        return 0
    opcode &= 0x0F
    plain = conn.deflate.inflate(opcode, data, n, conn.reader.max_message_bytes)
    return on_message(owner, opcode, <const unsigned char*> PyBytes_AS_STRING(plain), len(plain))


cdef int on_ping(object owner, const unsigned char* data, Py_ssize_t n) except -1:
    if (<Conn> owner).phase == WEBSOCKET:
        # RFC 6455 5.5.3: a Pong with the Ping's payload.
        (<Conn> owner).queue_raw(frame_of(PONG, data, n))
    return 0


cdef int on_pong(object owner, const unsigned char* data, Py_ssize_t n) except -1:
    return 0


cdef int on_closed(object owner, int code, const unsigned char* reason, Py_ssize_t n) except -1:
    (<Conn> owner).answer_close(code)
    return 0


cdef Sink CONN_SINK
CONN_SINK.message = on_message
CONN_SINK.ping = on_ping
CONN_SINK.pong = on_pong
CONN_SINK.closed = on_closed

cdef Sink DEFLATE_SINK
DEFLATE_SINK.message = on_compressible
DEFLATE_SINK.ping = on_ping
DEFLATE_SINK.pong = on_pong
DEFLATE_SINK.closed = on_closed

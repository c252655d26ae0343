"""Connections that two servers share: each request is ours, or another server's on the same connection.

Finds where requests begin and end, and hands each whole to one side, one at a time: the next is judged
when the answer to the one before is written. Knows nothing of what the other server is: it is an asyncio
protocol, made by the router, to which this is the event loop. The router has, besides what _conn asks for,
  owns(path)                        True if a request for that path is ours
  lend(conn)                        a protocol for the other side, on a transport that writes through this connection
  take_back(conn, protocol)         the connection is ours again: let go of that protocol
  give_away(transport, data, is_writable)  the rest of a connection, of which we take no further notice
  stop()                            the server that owns the listening socket stops
Whatever is not of the usual form (another version, an upgrade, lengths that contradict) is given away: this
decides about nothing that a parser should decide. Source: RFC 9112 2 (messages), 6 (body length), 7.1 (chunks).
"""
from cpython.bytes cimport PyBytes_AS_STRING
from libc.string cimport memchr, memcmp

from fastsio._conn cimport HTTP, WEBSOCKET, Conn, view_to_fill, what_was_filled
from fastsio._http cimport Field, Request, decimal_of, is_named, read_field

cdef extern from "Python.h":
    Py_ssize_t PY_SSIZE_T_MAX

cdef enum:
    # Bytes that may wait for their turn before the client is no longer read.
    MAX_HELD_BYTES = 65536
    VERSION_BYTES = 11  # " HTTP/1.1\r\n"
    MAX_SIZE_DIGITS = 15
    HEAD_TOO_BIG = 431

cdef enum Form:
    INCOMPLETE = 0
    USUAL = 1
    UNUSUAL = 2


cdef class SharedConn(Conn):
    """A connection that is lent to the protocol beside for each request that is not ours.

    Outside HTTP, that is once it is one of our WebSockets, it is a Conn and nothing else.
    """

    # --- the event loop's side ---------------------------------------------------------------

    def pause_writing(self) -> None:
        if self.beside is None:
            Conn.pause_writing(self)
        else:
            self.is_writable = False
            self.beside.pause_writing()

    def resume_writing(self) -> None:
        Conn.resume_writing(self)
        if self.beside is not None:
            self.beside.resume_writing()
        self.go_on()

    def connection_lost(self, error) -> None:
        beside, self.beside = self.beside, None
        self.held = self.on_status = None
        Conn.connection_lost(self, error)
        if beside is not None:
            beside.connection_lost(error)

    # --- requests ----------------------------------------------------------------------------

    cdef int read_http(self, bytes data) except -1:
        cdef bytes rest
        if self.has_paused:
            # First of all: what is served now may stop the reading for reasons of its own.
            self.has_paused = False
            self.transport.resume_reading()
        rest = data if self.held is None else self.held + data
        self.held = None
        self.is_judging = True
        try:
            while rest and self.phase == HTTP:
                if self.body.part != NOTHING:
                    rest = self.go_on_with_body(rest)
                elif self.is_busy:
                    self.hold(rest)
                    return 0
                else:
                    rest = self.next_request(rest)
        finally:
            self.is_judging = False
        # RFC 6455 4.1: what follows the request's blank line is WebSocket already.
        return self.read_frames(rest) if rest and self.phase == WEBSOCKET else 0

    cdef bint is_overdue(self, double passed_s) except -1:
        """How slowly its own answers may be read is the other server's to say."""
        return self.beside is None and Conn.is_overdue(self, passed_s)

    cdef bint is_in_request(self) noexcept:
        return self.held is not None or Conn.is_in_request(self)

    cdef int hold(self, bytes data) except -1:
        """Keep what can't be served yet; too much of it stops the reading."""
        self.held = data
        if len(data) > MAX_HELD_BYTES and self.transport is not None:
            self.has_paused = True
            self.transport.pause_reading()
        return 0

    def go_on(self) -> None:
        """Serve what came ahead of its turn, which has come."""
        if self.held is not None and not self.is_busy and not self.is_judging and self.phase == HTTP:
            self.read_http(b"")

    cdef bytes next_request(self, bytes data):
        """Judge the request that begins here and hand it over; returns what follows it."""
        cdef Head head
        cdef Form form = read_head(data, &head)
        if form == USUAL:
            if self.router.owns(data[head.path_at : head.path_at + head.path_size].decode("latin-1")):
                return self.serve_ours(data, &head)
            if not head.is_upgrade:
                return self.serve_beside(data, &head)
        elif form == INCOMPLETE and len(data) <= self.router.max_head_bytes:
            self.held = data
            return None
        elif form == INCOMPLETE:
            self.turn_away(HEAD_TOO_BIG, "max_header_bytes", f"head of over {self.router.max_head_bytes} bytes")
            return None
        self.give_away(data)
        return None

    cdef bytes serve_ours(self, bytes data, Head* head):
        cdef Py_ssize_t size = head.size
        if self.beside is not None:
            self.take_back()
        self.body = head.body
        size += take_body(&self.body, PyBytes_AS_STRING(data) + size, len(data) - size)
        if size == len(data):  # likely
            Conn.read_http(self, data)
            return b""
        # Whoever serves this can see that there is more.
        self.held = data[size:]
        Conn.read_http(self, data[:size])
        self.held = None
        return data[size:]

    cdef bytes serve_beside(self, bytes data, Head* head):
        cdef Py_ssize_t size = head.size
        if not self.is_clear():
            self.hold(data)
            return None
        if self.beside is None:
            self.lend()
        self.is_busy = self.has_served = True
        self.idle_checks = 0
        self.body = head.body
        size += take_body(&self.body, PyBytes_AS_STRING(data) + size, len(data) - size)
        self.deliver(data if size == len(data) else data[:size])
        return data[size:]

    cdef bytes go_on_with_body(self, bytes data):
        cdef Py_ssize_t size = take_body(&self.body, PyBytes_AS_STRING(data), len(data))
        cdef bytes part = data if size == len(data) else data[:size]
        if self.beside is None:
            Conn.read_http(self, part)
        else:
            self.deliver(part)
        return data[size:]

    cdef int deliver(self, bytes data) except -1:
        self.beside.data_received(data)
        return 0

    def respond(self, int status, headers, bytes body, *, bint keep_alive=True, bint is_head=False) -> None:
        self.tell_status(status)
        Conn.respond(self, status, headers, body, keep_alive=keep_alive, is_head=is_head)
        self.go_on()

    def accept_websocket(self, Request request, headers, receiver) -> bool:
        if not Conn.accept_websocket(self, request, headers, receiver):
            return False
        self.tell_status(101)
        return True

    def tell_status(self, int status) -> None:
        on_status, self.on_status = self.on_status, None
        if on_status is not None and self.phase <= WEBSOCKET:
            on_status(status)

    # --- the other server's turn -------------------------------------------------------------

    cdef bint is_clear(self) except -1:
        """True if our answers are all with the transport, so that what is written to it now follows them."""
        self.flush()
        return not self.queue

    cdef int lend(self) except -1:
        """Answers go through the transport until take_back(): no direct sends, and its own limits."""
        self.fd = -1
        self.transport.set_write_buffer_limits()
        self.beside = self.router.lend(self)
        if not self.is_writable:
            self.beside.pause_writing()
        return 0

    def answered_beside(self) -> None:
        """The other server has written the whole answer to the request that it was given."""
        self.is_busy = False
        if self.held is not None:
            # Not at once: the caller is in the middle of its own work.
            self.flusher.call_soon(self.go_on)

    def close_beside(self) -> None:
        """The other server closes: its answer is sent to the end, however long the client takes to read it."""
        self.router.unwatch(self)
        self.close()

    cdef int take_back(self) except -1:
        beside, self.beside = self.beside, None
        self.router.take_back(self, beside)
        if not self.transport.is_reading():
            self.transport.resume_reading()
        # Pauses us at once if anything of the answers beside is unsent, so that direct sends can't overtake it.
        self.transport.set_write_buffer_limits(1 if self.is_secure else 0, 0)
        self.take_descriptor()
        return 0

    cdef int give_away(self, bytes data) except -1:
        """The rest of the connection is the other server's: an upgrade, or what is not of the usual form."""
        if not self.is_clear():
            return self.hold(data)
        transport, is_writable = self.transport, self.is_writable
        beside, self.beside = self.beside, None
        if beside is not None:
            self.router.take_back(self, beside)
        Conn.connection_lost(self, None)
        transport.set_write_buffer_limits()
        if not transport.is_reading():
            transport.resume_reading()
        self.router.give_away(transport, data, is_writable)
        return 0

    # --- the end -----------------------------------------------------------------------------

    def retire(self) -> None:
        if self.beside is not None and self.phase == HTTP:
            self.beside.shutdown()
        else:
            Conn.retire(self)

    def shutdown(self) -> None:
        """uvicorn's name for retire(): it stops, and so do we."""
        self.router.stop()
        self.retire()


cdef class SecureSharedConn(SharedConn):
    """The same over TLS; see _conn.SecureConn."""

    def get_buffer(self, sizehint) -> memoryview:
        return view_to_fill()

    def buffer_updated(self, Py_ssize_t n) -> None:
        self.data_received(what_was_filled(n))


# --- where requests begin and end --------------------------------------------------------------

cdef Form read_head(bytes data, Head* head) noexcept:
    """Where the head at the beginning of `data` ends, its path, and how its body's length is told."""
    cdef const char* start = PyBytes_AS_STRING(data)
    cdef const char* end = start + len(data)
    cdef const char* p = start
    cdef Form form
    # RFC 9112 2.2: an empty line before a request is ignored.
    while end - p >= 2 and p[0] == c"\r" and p[1] == c"\n":
        p += 2
    form = read_request_line(start, &p, end, head)
    return read_fields(start, p, end, head) if form == USUAL else form


cdef Form read_request_line(const char* start, const char** cursor, const char* end, Head* head) noexcept:
    cdef const char* p = cursor[0]
    cdef const char* line_end
    if p == end or (p[0] == c"\r" and p + 1 == end):
        return INCOMPLETE
    while p < end and c"A" <= p[0] <= c"Z":
        p += 1
    # Before the line is complete: what is not HTTP at all may never end it.
    if p < end and (p == cursor[0] or p[0] != c" "):
        return UNUSUAL
    line_end = <const char*> memchr(p, c"\n", end - p)
    if line_end == NULL:
        return INCOMPLETE
    p += 1
    if p[0] != c"/":
        return UNUSUAL
    head.path_at = p - start
    while p < line_end and p[0] != c"?" and p[0] != c" ":
        p += 1
    head.path_size = p - start - head.path_at
    p = <const char*> memchr(p, c" ", line_end - p)
    if p == NULL or line_end + 1 - p != VERSION_BYTES or memcmp(p, b" HTTP/1.1\r\n", VERSION_BYTES) != 0:
        return UNUSUAL
    cursor[0] = line_end + 1
    return USUAL


cdef Form read_fields(const char* start, const char* p, const char* end, Head* head) noexcept:
    cdef const char* line
    cdef Field field
    cdef Py_ssize_t body_size = -1
    cdef bint is_chunked = False
    head.is_upgrade = False
    while True:
        line = p
        if p == end or (p[0] == c"\r" and p + 1 == end):
            return INCOMPLETE
        if p[0] == c"\r" and p[1] == c"\n":
            break
        p = read_field(p, end, &field)
        if p == NULL:
            return INCOMPLETE if memchr(line, c"\n", end - line) == NULL else UNUSUAL
        # A line that begins with a blank continues the one before it (RFC 9112 5.2).
        if line[0] == c" " or line[0] == c"\t":
            return UNUSUAL
        if is_named(&field, "content-length", 14):
            if body_size >= 0 or is_chunked or decimal_of(&field) == PY_SSIZE_T_MAX:
                return UNUSUAL
            body_size = decimal_of(&field)
        elif is_named(&field, "transfer-encoding", 17):
            if body_size >= 0 or is_chunked or not is_chunked_coding(&field):
                return UNUSUAL
            is_chunked = True
        elif is_named(&field, "upgrade", 7):
            head.is_upgrade = True
    head.size = p + 2 - start
    head.body.part = SIZE if is_chunked else LENGTH if body_size > 0 else NOTHING
    head.body.left = 0 if is_chunked else body_size
    head.body.digits = 0
    return USUAL


cdef bint is_chunked_coding(const Field* field) noexcept:
    """True if a Transfer-Encoding is "chunked" and nothing else."""
    cdef Field value
    value.name = field.value
    value.name_size = field.value_size
    return is_named(&value, "chunked", 7)


cdef Py_ssize_t take_body(Body* body, const char* start, Py_ssize_t n) noexcept:
    """How many of n bytes belong to the body; `body.part` is NOTHING once it is complete."""
    cdef const char* p = start
    cdef const char* end = start + n
    cdef Py_ssize_t step
    while p < end and body.part != NOTHING:
        if body.part == LENGTH or body.part == DATA:
            step = min(body.left, end - p)
            p += step
            body.left -= step
            if body.left == 0:
                body.part = NOTHING if body.part == LENGTH else SIZE
                body.digits = 0
        elif body.part == OPEN:
            p = end
        else:
            read_chunk_line(body, p[0])
            p += 1
    return p - start


cdef void read_chunk_line(Body* body, char c) noexcept:
    """The next character of a chunk's size line or of a trailer (RFC 9112 7.1)."""
    cdef int digit = hex_digit(c)
    if body.part == TRAILER:
        if c != c"\n":
            body.digits |= c != c"\r"
        elif body.digits == 0:
            body.part = NOTHING
        else:
            body.digits = 0
    elif body.part == SIZE and digit >= 0 and body.digits < MAX_SIZE_DIGITS:
        body.left = body.left * 16 + digit
        body.digits += 1
    elif body.part == SIZE and (digit >= 0 or body.digits == 0):
        body.part = OPEN
    elif c != c"\n":
        body.part = EXTENSION
    elif body.left > 0:
        body.part = DATA
        body.left += 2
    else:
        body.part = TRAILER
        body.digits = 0


cdef int hex_digit(char c) noexcept:
    if c"0" <= c <= c"9":
        return c - c"0"
    if c"a" <= (c | 0x20) <= c"f":
        return (c | 0x20) - c"a" + 10
    return -1

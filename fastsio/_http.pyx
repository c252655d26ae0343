"""HTTP/1.1 requests on httptools, and response heads.

Pure: bytes in, Request objects out. Knows nothing of sockets or Engine.IO. HTTP is parsed by httptools
(llhttp) alone; this collects what it reports and keeps the limits.
Source: RFC 9112 (messages).
"""
from http import HTTPStatus
from urllib.parse import parse_qsl

import httptools

from cpython.bytes cimport PyBytes_AS_STRING
from libc.string cimport memchr, memcmp

cdef extern from "Python.h":
    Py_ssize_t PY_SSIZE_T_MAX
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size) except NULL

cdef enum:
    VERSION_BYTES = 11  # " HTTP/1.1\r\n"

cdef dict STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}
STATUS_LINES[413] = "HTTP/1.1 413 Payload Too Large\r\n"  # its phrase changes with Python's version; this is Node's


# --- requests --------------------------------------------------------------------------------

cdef const char* read_field(const char* p, const char* end, Field* field) noexcept:
    """Take the header line at p apart; returns what follows it, NULL if there is none."""
    cdef const char* line_end = NULL
    cdef const char* colon = NULL
    if p < end:
        line_end = <const char*> memchr(p, c"\n", end - p)
    if line_end == NULL or line_end == p or (line_end - 1)[0] != c"\r":
        return NULL
    colon = <const char*> memchr(p, c":", line_end - p)
    if colon == NULL:
        return NULL
    field.name = p
    field.name_size = colon - p
    p = line_end + 1
    # RFC 9112 5.1: blanks around a value are no part of it.
    line_end -= 1
    colon += 1
    while colon < line_end and (colon[0] == c" " or colon[0] == c"\t"):
        colon += 1
    while line_end > colon and ((line_end - 1)[0] == c" " or (line_end - 1)[0] == c"\t"):
        line_end -= 1
    field.value = colon
    field.value_size = line_end - colon
    return p


cdef bint is_named(const Field* field, const char* name, Py_ssize_t n) noexcept:
    """True if that is the header's name, given with n lower-case letters and "-"."""
    cdef Py_ssize_t i
    cdef char c
    if field.name_size != n:
        return False
    for i in range(n):
        c = field.name[i]
        if c != name[i] and (not c"A" <= c <= c"Z" or c | 0x20 != name[i]):
            return False
    return True


cdef inline unsigned int size_bit(Py_ssize_t n) noexcept:
    return <unsigned int> 1 << min(n, 31)


cdef class Request:
    """One HTTP request: its head as it came, in one piece, taken apart when somebody asks.

    A session keeps its handshake's as long as it lives: with a Python object for each header that would be 1 KB.
    Header names are lower case; repeated headers are joined by ", ". Attributes of one's own may be set.
    """

    def __init__(self, str method, bytes target, list raw_headers, bytes body=b"",
                 bint is_upgrade=False, bint keep_alive=True, bint is_too_large=False):
        self.method = method
        self.target_at = len(method) + 1
        self.target_size = len(target)
        self.head = b"%s %s HTTP/1.1\r\n%s" % (
            method.encode(), target, b"".join([b"%s:%s\r\n" % pair for pair in raw_headers])
        )
        self.body = body
        self.is_upgrade = is_upgrade
        self.keep_alive = keep_alive
        self.is_too_large = is_too_large

    @property
    def target(self) -> bytes:
        return self.head[self.target_at : self.target_at + self.target_size]

    @property
    def url(self) -> str:
        """Path and query as the client wrote them; of a proxy's absolute form, what follows the host."""
        target = self.target.decode("latin-1")
        if not target.startswith("/") and "://" in target:
            slash = target.find("/", target.index("://") + 3)
            return target[slash:] if slash >= 0 else "/"
        return target

    @property
    def path(self) -> str:
        """The path, still percent-encoded."""
        cdef const char* start = PyBytes_AS_STRING(self.head) + self.target_at
        cdef const char* mark = <const char*> memchr(start, c"?", self.target_size)
        if start[0] != c"/":
            return self.url.partition("?")[0]
        return start[: self.target_size if mark == NULL else mark - start].decode("latin-1")

    @property
    def query_string(self) -> str:
        return self.url.partition("?")[2]

    @property
    def query(self) -> dict:
        """The query's fields, decoded as a form's; of a repeated one the last value."""
        if self.fields is None:
            self.fields = dict(parse_qsl(self.query_string, keep_blank_values=True))
        return self.fields

    @property
    def _query(self) -> dict:
        """query, by the name that ported applications know (Node's `socket.request._query`)."""
        return self.query

    def argument(self, str name) -> str | None:
        """query.get(name), without the others; `name` is ASCII."""
        return self.argument_(name)

    cdef str argument_(self, str name):
        cdef Py_ssize_t n
        cdef const char* wanted = PyUnicode_AsUTF8AndSize(name, &n)
        cdef const char* p = PyBytes_AS_STRING(self.head) + self.target_at
        cdef const char* end = p + self.target_size
        cdef const char* pair_end
        cdef Py_ssize_t size
        cdef str found = None
        # As it is written wherever nothing is encoded; parse_qsl() alone takes 2.4 us.
        if p[0] != c"/" or memchr(p, c"%", end - p) != NULL or memchr(p, c"+", end - p) != NULL:
            return self.query.get(name)
        p = <const char*> memchr(p, c"?", end - p)
        while p != NULL:
            p += 1
            pair_end = <const char*> memchr(p, c"&", end - p)
            size = (end if pair_end == NULL else pair_end) - p
            if size >= n and memcmp(p, wanted, n) == 0 and (size == n or p[n] == c"="):
                found = p[min(n + 1, size) : size].decode("latin-1")
            p = pair_end
        return found

    cdef const char* first_field(self) noexcept:
        """Where the header lines begin: behind the target and the version."""
        return PyBytes_AS_STRING(self.head) + self.target_at + self.target_size + VERSION_BYTES

    @property
    def raw_headers(self) -> list:
        """[(lower-case name, value)], both bytes, in order."""
        cdef const char* end = PyBytes_AS_STRING(self.head) + len(self.head)
        cdef Field field
        cdef list found = []
        cdef const char* p = read_field(self.first_field(), end, &field)
        while p != NULL:
            found.append((field.name[: field.name_size].lower(), field.value[: field.value_size]))
            p = read_field(p, end, &field)
        return found

    @property
    def headers(self) -> dict:
        if self._headers is None:
            joined = {}
            for name, value in self.raw_headers:
                name, value = name.decode("latin-1"), value.decode("latin-1")
                joined[name] = f"{joined[name]}, {value}" if name in joined else value
            self._headers = joined
        return self._headers

    def header(self, str name) -> str | None:
        """headers.get(name), without the others; `name` is of lower-case letters and "-"."""
        cdef Py_ssize_t n
        cdef const char* wanted = PyUnicode_AsUTF8AndSize(name, &n)
        cdef bytes value = self.header_(wanted, n)
        return None if value is None else value.decode("latin-1")

    cdef bytes header_(self, const char* name, Py_ssize_t n):
        cdef const char* end = PyBytes_AS_STRING(self.head) + len(self.head)
        cdef Field field
        cdef bytes found = None
        cdef const char* p
        if self.name_sizes and not self.name_sizes & size_bit(n):  # most that are asked for are not there
            return None
        p = read_field(self.first_field(), end, &field)
        while p != NULL:
            if is_named(&field, name, n):
                value = field.value[: field.value_size]
                found = value if found is None else b"%s, %s" % (found, value)
            p = read_field(p, end, &field)
        return found


# --- reading them ----------------------------------------------------------------------------

cdef object HttpParserUpgrade = httptools.HttpParserUpgrade


cdef class Judge:
    """Has httptools say whether the requests that it is given whole are valid. It is its protocol.

    No header is reported, so that a request costs a fraction of what RequestReader takes; and as it
    keeps nothing, one does for all connections: to it they are requests that follow one another.
    """

    def __cinit__(self):
        self.parser = httptools.HttpRequestParser(self)

    cdef bint accepts(self, bytes data) except -1:
        """True if `data` is one valid request; whatever else it is, ask no more."""
        cdef Py_ssize_t size = len(data)
        self.completed = 0
        try:
            self.parser.feed_data(data)
        except HttpParserUpgrade as upgrade:
            size = upgrade.args[0]
        except httptools.HttpParserError:
            return False
        return self.completed == 1 and size == len(data)

    def on_message_complete(self) -> None:
        self.completed += 1
        self.is_upgrade = self.parser.should_upgrade()
        self.keep_alive = self.parser.should_keep_alive()


# None while it is at work: meanwhile another thread makes its own.
cdef Judge spare_judge = None


cdef Request whole_request(bytes data, Py_ssize_t max_head_bytes, int max_headers, Py_ssize_t max_body_bytes):
    """The request that `data` is, if it is exactly one of the usual form; None is RequestReader's work.

    Only looks for where the parts are and for what takes more than one read; what is valid httptools says.
    """
    global spare_judge
    cdef Request request = Request.__new__(Request)
    cdef Py_ssize_t head_size = find_parts(data, request, max_headers, max_body_bytes)
    cdef Judge judge = spare_judge
    if head_size == 0 or head_size > max_head_bytes:
        return None
    spare_judge = None
    if judge is None:
        judge = Judge()
    if not judge.accepts(data):
        judge.parser = None
        return None
    request.head = data
    request.body = data[head_size:]
    request.is_upgrade = judge.is_upgrade
    request.keep_alive = judge.keep_alive
    if judge.keep_alive:
        spare_judge = judge
    else:
        judge.parser = None  # it would refuse what follows a "Connection: close"
    return request


cdef Py_ssize_t find_parts(bytes data, Request request, int max_headers, Py_ssize_t max_body_bytes):
    """Note method and target; returns the head's size, 0 if this is no whole request of the usual form."""
    cdef const char* start = PyBytes_AS_STRING(data)
    cdef const char* p = start
    cdef const char* end = start + len(data)
    cdef Field field
    cdef int count = 0, hosts = 0
    cdef Py_ssize_t body_size = -1
    if memcmp(p, b"GET /", min(end - p, 5)) == 0:
        request.method = "GET"
    elif memcmp(p, b"POST /", min(end - p, 6)) == 0:
        request.method = "POST"
    else:
        return 0
    request.target_at = len(request.method) + 1
    p += request.target_at
    if p >= end:
        return 0
    p = <const char*> memchr(p, c" ", end - p)
    if (p == NULL or end - p < VERSION_BYTES or memcmp(p, b" HTTP/1.1\r\n", VERSION_BYTES) != 0
            or memchr(start, c"\n", p - start) != NULL):  # HTTP/0.9: the first line has no version
        return 0
    request.target_size = p - start - request.target_at
    p += VERSION_BYTES
    while end - p >= 2 and p[0] != c"\r":
        # A line that begins with a blank continues the one before it (RFC 9112 5.2).
        if p[0] == c" " or p[0] == c"\t" or count == max_headers:
            return 0
        p = read_field(p, end, &field)
        if p == NULL or is_named(&field, "transfer-encoding", 17) or is_named(&field, "expect", 6):
            return 0
        count += 1
        request.name_sizes |= size_bit(field.name_size)
        if is_named(&field, "host", 4):
            hosts += 1
        elif is_named(&field, "content-length", 14):
            if body_size >= 0:
                return 0
            body_size = decimal_of(&field)
    # RFC 9112 3.2: exactly one Host.
    if end - p < 2 or p[1] != c"\n" or hosts != 1:
        return 0
    if end - p - 2 != max(body_size, 0) or body_size > max_body_bytes:
        return 0
    return p + 2 - start


cdef Py_ssize_t decimal_of(const Field* field) noexcept:
    """A header's value as a number; of one that is none or of over 9 digits, what no length equals."""
    cdef Py_ssize_t number = 0
    cdef Py_ssize_t i
    if not 0 < field.value_size < 10:
        return PY_SSIZE_T_MAX
    for i in range(field.value_size):
        if not c"0" <= field.value[i] <= c"9":
            return PY_SSIZE_T_MAX
        number = number * 10 + field.value[i] - c"0"
    return number


cdef class RequestReader:
    """Collects requests from a connection's bytes. It is httptools' protocol: the on_… methods are its."""

    def __cinit__(self, Py_ssize_t max_head_bytes, int max_headers, Py_ssize_t max_body_bytes):
        self.max_head_bytes = max_head_bytes
        self.max_headers = max_headers
        self.max_body_bytes = max_body_bytes
        self.ready = []
        self.parser = httptools.HttpRequestParser(self)

    cdef bytes feed(self, bytes data):
        """Parse; returns what follows a request for another protocol, None while it is HTTP.

        Raises httptools.HttpParserError; `option` and `complaint` tell of a limit that was met.
        """
        cdef Py_ssize_t reports = self.reports
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            (end,) = upgrade.args
            return data[end:]
        if self.is_reading and not self.in_body:
            # A header that never ends is not reported, so the bytes are counted as they come.
            if reports == self.reports:
                self.unreported_bytes += len(data)
            else:
                # Only the unfinished line of a header; of an unfinished request line all was reported.
                newline = data.rfind(b"\n")
                self.unreported_bytes = len(data) - newline - 1 if newline > data.rfind(self.url) else 0
            self.check_head()
        return None

    def check_head(self) -> None:
        if self.head_bytes + self.unreported_bytes > self.max_head_bytes:
            self.too_big("max_header_bytes", f"head of over {self.max_head_bytes} bytes")
        if len(self.headers) > self.max_headers:
            self.too_big("max_headers", f"over {self.max_headers} headers")

    cdef int too_big(self, str option, str complaint) except -1:
        self.option = option
        self.complaint = complaint
        raise httptools.HttpParserError(complaint)

    def announce(self) -> Request | None:
        """A request whose body is still coming, without it; None if there is none, or it was announced."""
        if self.has_announced:
            return None
        request = self.unfinished()
        self.has_announced = request is not None
        return request

    def unfinished(self) -> Request | None:
        """The request whose body is still coming, without it; None if there is none."""
        if not self.is_reading or not self.in_body or self.is_discarding:
            return None
        return Request(self.parser.get_method().decode(), self.url, self.headers)

    cdef bint is_idle(self) noexcept:
        """True if nothing of it is needed any more: what comes next is the beginning of a request."""
        return not self.is_reading and not self.ready

    def close(self) -> None:
        """Let go of the parser, which refers back to this."""
        self.parser = None

    def start_over(self) -> None:
        """Read on as HTTP after a request for a protocol that is not spoken here."""
        self.parser = httptools.HttpRequestParser(self)

    def on_message_begin(self) -> None:
        self.is_reading = True
        self.is_discarding = self.in_body = self.wants_continue = self.has_announced = False
        self.head_bytes = self.body_bytes = self.unreported_bytes = 0
        self.reports += 1
        self.url = b""
        self.headers = []
        self.chunks = []

    def on_url(self, bytes url) -> None:
        self.url += url
        self.head_bytes += len(url)
        self.reports += 1
        self.check_head()

    def on_header(self, bytes name, bytes value) -> None:
        # RFC 9112 5.1: blanks around a value are no part of it; httptools leaves those behind.
        self.headers.append((name.lower(), value.strip(b" \t")))
        self.head_bytes += len(name) + len(value) + 4
        self.unreported_bytes = 0
        self.reports += 1
        self.check_head()

    def on_headers_complete(self) -> None:
        hosts = 0
        self.in_body = True
        for name, value in self.headers:
            hosts += name == b"host"
            if name == b"content-length" and len(value) < 20 and int(value) > self.max_body_bytes:
                self.finish(True)
            elif name == b"expect" and value.lower() == b"100-continue" and not self.is_discarding:
                self.wants_continue = True
        # RFC 9112 3.2: exactly one Host, unless the client is older than HTTP/1.1.
        if hosts > 1 or (hosts == 0 and self.parser.get_http_version() == "1.1"):
            raise httptools.HttpParserError("no Host, or several")

    def on_body(self, bytes chunk) -> None:
        self.body_bytes += len(chunk)
        if self.is_discarding:
            return
        if self.body_bytes > self.max_body_bytes:
            self.finish(True)
        else:
            self.chunks.append(chunk)

    def on_message_complete(self) -> None:
        if not self.is_discarding:
            self.finish(False)
        self.is_reading = False

    cdef int finish(self, bint is_too_large) except -1:
        """The request is complete, or too large: then it is answered now and the rest of it ignored."""
        cdef bytes body = b"" if is_too_large else b"".join(self.chunks)
        self.is_discarding = is_too_large
        self.wants_continue = False
        self.chunks = []
        self.ready.append(Request(
            self.parser.get_method().decode(), self.url, self.headers, body,
            self.parser.should_upgrade(), self.parser.should_keep_alive() and not is_too_large, is_too_large,
        ))
        return 0


cpdef bytes response_head(int status, headers, Py_ssize_t content_length, bint keep_alive):
    """A response's head; `headers` are (name, value) strings without Content-Length and Connection."""
    cdef str text = STATUS_LINES.get(status) or f"HTTP/1.1 {status} \r\n"
    cdef str name, value
    for name, value in headers:
        text += f"{name}: {value}\r\n"
    # RFC 9110 8.6: none with 1xx and 204.
    if status >= 200 and status != 204:
        text += f"Content-Length: {content_length}\r\n"
    text += "Connection: keep-alive\r\n\r\n" if keep_alive else "Connection: close\r\n\r\n"
    return text.encode("latin-1")

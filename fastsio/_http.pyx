"""HTTP/1.1 requests on httptools, response heads, and the opening handshake of a WebSocket.

Pure: bytes in, Request objects out. Knows nothing of sockets or Engine.IO. HTTP is parsed by httptools
(llhttp) alone; this collects what it reports and keeps the limits.
Source: RFC 9112 (messages), RFC 6455 4.2 (server's opening handshake).
"""
import base64
import binascii
import hashlib
from http import HTTPStatus
from urllib.parse import parse_qsl

import httptools

cdef enum:
    BAD_REQUEST = 400
    HEAD_TOO_BIG = 431
    MAX_HEADERS = 256

WEBSOCKET_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
REASONS = {status.value: status.phrase.encode() for status in HTTPStatus}
REASONS[413] = b"Payload Too Large"  # its phrase changes with Python's version; this is Node's


cdef class Request:
    """One HTTP request. Header names are lower case; repeated headers are joined by ", "."""

    def __init__(self, str method, bytes target, list raw_headers, bytes body=b"",
                 bint is_upgrade=False, bint keep_alive=True, bint is_too_large=False):
        self.method = method
        self.target = target
        self.raw_headers = raw_headers
        self.body = body
        self.is_upgrade = is_upgrade
        self.keep_alive = keep_alive
        self.is_too_large = is_too_large

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
        return self.url.partition("?")[0]

    @property
    def query_string(self) -> str:
        return self.url.partition("?")[2]

    @property
    def query(self) -> dict:
        """The query's fields, decoded as a form's; of a repeated one the last value."""
        if self._query is None:
            self._query = dict(parse_qsl(self.query_string, keep_blank_values=True))
        return self._query

    @property
    def headers(self) -> dict:
        if self._headers is None:
            joined = {}
            for name, value in self.raw_headers:
                name, value = name.decode("latin-1"), value.decode("latin-1")
                joined[name] = f"{joined[name]}, {value}" if name in joined else value
            self._headers = joined
        return self._headers


cdef class RequestReader:
    """Collects requests from a connection's bytes. It is httptools' protocol: the on_… methods are its."""

    def __cinit__(self, Py_ssize_t max_head_bytes, Py_ssize_t max_body_bytes):
        self.max_head_bytes = max_head_bytes
        self.max_body_bytes = max_body_bytes
        self.ready = []
        self.refusal = BAD_REQUEST
        self.parser = httptools.HttpRequestParser(self)

    cdef bytes feed(self, bytes data):
        """Parse; returns what follows a request for another protocol, None while it is HTTP.

        Raises httptools.HttpParserError; `refusal` is the status to answer then.
        """
        cdef Py_ssize_t reports = self.reports
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            return data[upgrade.args[0]:]
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
        if self.head_bytes + self.unreported_bytes > self.max_head_bytes or len(self.headers) > MAX_HEADERS:
            self.refusal = HEAD_TOO_BIG
            raise httptools.HttpParserError("head over the limit")

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


def response_head(int status, headers, Py_ssize_t content_length, bint keep_alive) -> bytes:
    """A response's head; `headers` are (name, value) strings without Content-Length and Connection."""
    lines = [b"HTTP/1.1 %d %s" % (status, REASONS.get(status, b""))]
    for name, value in headers:
        lines.append(f"{name}: {value}".encode("latin-1"))
    # RFC 9110 8.6: none with 1xx and 204.
    if status >= 200 and status != 204:
        lines.append(b"Content-Length: %d" % content_length)
    lines.append(b"Connection: keep-alive\r\n\r\n" if keep_alive else b"Connection: close\r\n\r\n")
    return b"\r\n".join(lines)


def switch_head(headers, accept: bytes) -> bytes:
    """The response that opens a WebSocket."""
    lines = [
        b"HTTP/1.1 101 Switching Protocols", b"Upgrade: websocket", b"Connection: Upgrade",
        b"Sec-WebSocket-Accept: " + accept,
    ]
    lines += [f"{name}: {value}".encode("latin-1") for name, value in headers]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def chosen_protocol(request: Request):
    """The header that accepts the first subprotocol offered, as Node's server does; none if none is."""
    first = request.headers.get("sec-websocket-protocol", "").partition(",")[0].strip()
    return [("Sec-WebSocket-Protocol", first)] if first else []


def accept_key(request: Request):
    """The Sec-WebSocket-Accept for a request, or why there is none: (status, text, headers).

    RFC 6455 4.2.1 for what is checked, 4.4 for the version; extensions offered are declined.
    """
    headers = request.headers
    if headers.get("upgrade", "").lower() != "websocket":
        return 400, "Invalid Upgrade header", []
    key = headers.get("sec-websocket-key", "")
    try:
        is_valid = len(key) == 24 and len(base64.b64decode(key, validate=True)) == 16
    except binascii.Error:
        is_valid = False
    if not is_valid:
        return 400, "Missing or invalid Sec-WebSocket-Key header", []
    if headers.get("sec-websocket-version") != "13":
        return 426, "Missing or invalid Sec-WebSocket-Version header", [("Sec-WebSocket-Version", "13")]
    return base64.b64encode(hashlib.sha1(key.encode() + WEBSOCKET_GUID).digest())

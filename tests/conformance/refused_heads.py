"""HTTP that is malformed, and HTTP that looks odd but must be served: proxies and old clients send it.

Source: RFC 9110, RFC 9112; llhttp as the official server runs it on Node 20.
"""

from __future__ import annotations

import re

from refused_http import HANDSHAKE, POLL, SOCKET_IO
from rows import NOT_HTTP, OK, OPENED, POLLING, UNKNOWN_TRANSPORT, WAITING, Answer, HttpRow, refused
from wire import chunked, get, post, request


def _head(*lines: str) -> bytes:
    """A GET handshake whose header lines are written as given."""
    return "\r\n".join([f"GET {SOCKET_IO} HTTP/1.1", *lines, "", ""]).encode("latin-1")


def _post_head(*lines: str) -> bytes:
    return _head(*lines).replace(b"GET", b"POST", 1)


# The official server's body is empty; ours names the option.
TOO_BIG_HEAD = Answer(
    "431 Request Header Fields Too Large",
    re.compile(rb"|head of over 65536 bytes \(max_header_bytes\)|over 256 headers \(max_headers\)"),
    headers={"connection": "close"},
    closes=True,
)
CHUNKED = request("POST", f"{SOCKET_IO}&sid={{sid}}", "Transfer-Encoding: chunked")
HOST = "Host: 127.0.0.1"

MALFORMED = [
    HttpRow("no HTTP at all", b"hello\r\n\r\n", NOT_HTTP),
    HttpRow("TLS on the plain port", bytes.fromhex("1603010200010001fc0303"), NOT_HTTP),
    HttpRow(
        "a request line without a version",
        b"GET /socket.io/\r\n\r\n",
        refused(0, "Transport unknown", closes=True),
    ),
    HttpRow("an HTTP version that does not exist", b"GET / HTTP/1.9\r\n\r\n", NOT_HTTP),
    HttpRow("HTTP/2 without having agreed on it", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", NOT_HTTP),
    HttpRow("a method that does not exist", b"STEAL / HTTP/1.1\r\nHost: x\r\n\r\n", NOT_HTTP),
    HttpRow("a method in lower case", b"get / HTTP/1.1\r\nHost: x\r\n\r\n", NOT_HTTP),
    HttpRow(
        "a blank in the path", f"GET /socket.io/ ?{HANDSHAKE} HTTP/1.1\r\n\r\n".encode(), NOT_HTTP
    ),
    HttpRow(
        "a control character in the path",
        f"GET {SOCKET_IO}\x01 HTTP/1.1\r\n\r\n".encode(),
        NOT_HTTP,
    ),
    HttpRow("a header line without a colon", _head(HOST, "Accept"), NOT_HTTP),
    HttpRow("a header without a name", _head(HOST, ": x"), NOT_HTTP),
    HttpRow("a blank before the colon", _head(HOST, "Accept : x"), NOT_HTTP),
    HttpRow("a blank in a header's name", _head(HOST, "Ac cept: x"), NOT_HTTP),
    HttpRow("NUL in a header's value", _head(HOST, "Accept: a\0b"), NOT_HTTP),
    HttpRow("a bare CR in a header's value", _head(HOST, "Accept: a\rb: c"), NOT_HTTP),
    HttpRow("a control character in Origin", _head(HOST, "Origin: a\x07b"), NOT_HTTP),
    HttpRow("no Host in HTTP/1.1", _head("Accept: */*"), NOT_HTTP),
    HttpRow("a length that is no number", _post_head(HOST, "Content-Length: two"), NOT_HTTP),
    HttpRow("a negative length", _post_head(HOST, "Content-Length: -1"), NOT_HTTP),
    HttpRow("a length with a sign", _post_head(HOST, "Content-Length: +2") + b"41", NOT_HTTP),
    HttpRow("an empty length", _post_head(HOST, "Content-Length:"), NOT_HTTP),
    HttpRow("a length over 64 bits", _post_head(HOST, f"Content-Length: {1 << 64}"), NOT_HTTP),
    HttpRow(
        "two lengths that differ",
        _post_head(HOST, "Content-Length: 2", "Content-Length: 3") + b"41x",
        NOT_HTTP,
    ),
    HttpRow(
        "a body of two lengths that agree",
        post(POLL, b'42["say",1]', "Content-Length: 11"),
        NOT_HTTP,
        POLLING,
    ),
    HttpRow(
        "a length beside chunks, which smuggles requests past proxies",
        _post_head(HOST, "Content-Length: 2", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
        NOT_HTTP,
    ),
    HttpRow(
        "a transfer coding whose end nobody knows",
        _post_head(HOST, "Transfer-Encoding: chunked, gzip") + b"0\r\n\r\n",
        NOT_HTTP,
    ),
    HttpRow(
        "a chunk size that is no number",
        CHUNKED + b"zz\r\n41\r\n0\r\n\r\n",
        NOT_HTTP,
        WAITING,
        waiting_gets=b"1",
        reason="transport error",
    ),
    HttpRow(
        "a chunk longer than announced",
        CHUNKED + b"1\r\n41\r\n0\r\n\r\n",
        NOT_HTTP,
        WAITING,
        waiting_gets=b"1",
        reason="transport error",
    ),
    HttpRow("a header of 100 kB", _head(HOST, f"Cookie: {'c' * 100_000}"), TOO_BIG_HEAD),
    HttpRow("a query of 100 kB", get(f"{HANDSHAKE}&t={'t' * 100_000}"), TOO_BIG_HEAD),
    HttpRow(
        "a header that never ends",
        _head(HOST, f"Cookie: {'c' * 100_000}")[:-4],
        TOO_BIG_HEAD,
    ),
    HttpRow(
        "headers without end", _head(HOST, *[f"X-{i}: y" for i in range(20_000)]), TOO_BIG_HEAD
    ),
    HttpRow(
        "a broken request behind a good one",
        (get("transport=x"), b"GET\r\n\r\n"),
        (UNKNOWN_TRANSPORT, NOT_HTTP),
    ),
    HttpRow(
        "a broken request pipelined behind a good one",
        get("transport=x") + b"GET\r\n\r\n",
        (UNKNOWN_TRANSPORT, NOT_HTTP),
        differs="the official server drops the connection, the first answer with it",
    ),
]

ACK_LATER = Answer("200 OK", b"435[]", "text/plain; charset=UTF-8")
SERVED = [
    HttpRow("an empty sid opens a session", get(f"{HANDSHAKE}&sid="), OPENED),
    HttpRow(
        "repeated keys count once, the last",
        get("EIO=3&EIO=4&transport=x&transport=polling"),
        OPENED,
    ),
    HttpRow("percent-encoded letters are letters", get("%45IO=%34&transport=%70olling"), OPENED),
    HttpRow(
        "a broken percent escape elsewhere does no harm", get(f"{HANDSHAKE}&x=%zz&%=1&&=&y"), OPENED
    ),
    HttpRow(
        "what is under the path belongs to it",
        request("GET", f"/socket.io/x/y?{HANDSHAKE}"),
        OPENED,
    ),
    HttpRow("header names in upper case", _head("HOST: x", "ACCEPT-ENCODING: identity"), OPENED),
    HttpRow("header names in lower case", _head("host: x", "connection: keep-alive"), OPENED),
    HttpRow("no blank after the colon", _head("Host:x", "Accept:*/*"), OPENED),
    HttpRow("blanks and tabs around a value", _head("Host: \t x \t", "Accept:  */* "), OPENED),
    HttpRow("an empty header value", _head(HOST, "Cookie:"), OPENED),
    HttpRow("a value in Latin-1 letters", _head(HOST, "Cookie: name=J\xfcrgen"), OPENED),
    HttpRow("the same header twice", _head(HOST, "Cookie: a=1", "Cookie: b=2"), OPENED),
    HttpRow("a GET with a length of 0", _head(HOST, "Content-Length: 0"), OPENED),
    HttpRow("empty lines before the request line", b"\r\n\r\n" + get(HANDSHAKE), OPENED),
    HttpRow(
        "a request in several segments, cut inside a value",
        (get(HANDSHAKE)[:9], get(HANDSHAKE)[9:50], get(HANDSHAKE)[50:-3], get(HANDSHAKE)[-3:]),
        OPENED,
    ),
    HttpRow(
        "Connection: close is done",
        get(HANDSHAKE, "Connection: close"),
        Answer("200 OK", OPENED.body, headers={"connection": "close"}, closes=True),
    ),
    HttpRow(
        "HTTP/1.0 without Host, as old proxies' health checks send it",
        f"GET {SOCKET_IO} HTTP/1.0\r\n\r\n".encode(),
        Answer("200 OK", OPENED.body, headers={"connection": "close"}, closes=True),
    ),
    HttpRow(
        "the absolute form that goes to proxies",
        request("GET", f"http://example.org{SOCKET_IO}"),
        OPENED,
        differs="the official server compares the raw target with its path (RFC 9112 3.2.2: must accept)",
    ),
    HttpRow(
        "an offer to go on with HTTP/2 is declined",
        _head(HOST, "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAM"),
        OPENED,
        differs="the official server takes any Upgrade for a WebSocket's (RFC 9110 7.8: may be ignored)",
    ),
    HttpRow(
        "a chunked POST",
        CHUNKED + chunked(b'42["say","chunked"]', 3),
        OK,
        POLLING,
        heard=(["chunked"],),
    ),
    HttpRow(
        "chunk extensions and trailers",
        CHUNKED + b'B;a=b;c="d"\r\n42["say",1]\r\n0\r\nX-Sum: 1\r\n\r\n',
        OK,
        POLLING,
        heard=([1],),
    ),
    HttpRow(
        "Expect: 100-continue is continued",
        (post(POLL, b'42["say",1]', "Expect: 100-continue")[:-11], b'42["say",1]'),
        (Answer("100 Continue"), OK),
        POLLING,
        heard=([1],),
    ),
    HttpRow(
        "a POST without a content type",
        request("POST", f"{SOCKET_IO}&sid={{sid}}", body=b'42["say",1]'),
        OK,
        POLLING,
        heard=([1],),
    ),
    HttpRow(
        "two POSTs pipelined",
        post(POLL, b'42["say",1]') + post(POLL, b'42["say",2]'),
        (OK, OK),
        POLLING,
        heard=([1], [2]),
        differs="the official server begins the second before it has ended the first: overlap",
    ),
    HttpRow(
        "a POST and the GET for its answer pipelined",
        post(POLL, b'425["echo"]') + get(POLL),
        (OK, ACK_LATER),
        POLLING,
    ),
]

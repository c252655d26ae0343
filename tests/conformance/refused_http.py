"""Requests of long-polling that are refused, and odd ones that must be served all the same.

Source: engine.io 6.6 on Node 20 as seen on the wire; RFC 9110, RFC 9112.
"""

from __future__ import annotations

from rows import (
    BAD_METHOD,
    BAD_REQUEST,
    BAD_VERSION,
    EMPTY_400,
    EMPTY_500,
    OK,
    POLLING,
    UNKNOWN_SID,
    UNKNOWN_TRANSPORT,
    UPGRADED,
    WAITING,
    WEBSOCKET,
    Answer,
    HttpRow,
)
from targets import MAX_HTTP_BUFFER_SIZE
from wire import chunked, get, post, request

POLL = "EIO=4&transport=polling&sid={sid}"
HANDSHAKE = "EIO=4&transport=polling"
SOCKET_IO = f"/socket.io/?{HANDSHAKE}"

HANDSHAKES = [
    HttpRow("no transport at all is unknown", get("EIO=4"), UNKNOWN_TRANSPORT),
    HttpRow(
        "no query at all is an unknown transport", request("GET", "/socket.io/"), UNKNOWN_TRANSPORT
    ),
    HttpRow(
        "a transport that nobody has is unknown", get("EIO=4&transport=pigeon"), UNKNOWN_TRANSPORT
    ),
    HttpRow("an empty transport is unknown", get("EIO=4&transport="), UNKNOWN_TRANSPORT),
    HttpRow(
        "transport names are case-sensitive", get("EIO=4&transport=Polling"), UNKNOWN_TRANSPORT
    ),
    HttpRow(
        "webtransport does not come over HTTP",
        get("EIO=4&transport=webtransport"),
        UNKNOWN_TRANSPORT,
    ),
    HttpRow(
        "a name that every object has is no transport",
        get("EIO=4&transport=constructor"),
        UNKNOWN_TRANSPORT,
    ),
    HttpRow("polling's blanks count", get("EIO=4&transport=polling%20"), UNKNOWN_TRANSPORT),
    HttpRow("no protocol version means 3, which is off", get("transport=polling"), BAD_VERSION),
    HttpRow("protocol version 3 is off", get("EIO=3&transport=polling"), BAD_VERSION),
    HttpRow("protocol version 5 is unknown", get("EIO=5&transport=polling"), BAD_VERSION),
    HttpRow("a protocol version that is no number", get("EIO=four&transport=polling"), BAD_VERSION),
    HttpRow("protocol version 04 is not 4", get("EIO=04&transport=polling"), BAD_VERSION),
    HttpRow(
        "of two protocol versions the last counts",
        get("EIO=4&EIO=3&transport=polling"),
        BAD_VERSION,
    ),
    HttpRow(
        "of two transports the last counts",
        get("EIO=4&transport=polling&transport=x"),
        UNKNOWN_TRANSPORT,
    ),
    HttpRow("POST opens no session", post(HANDSHAKE, b"40"), BAD_METHOD),
    HttpRow("PUT opens no session", request("PUT", SOCKET_IO, body=b"40"), BAD_METHOD),
    HttpRow("DELETE opens no session", request("DELETE", SOCKET_IO), BAD_METHOD),
    HttpRow("OPTIONS opens no session without CORS", request("OPTIONS", SOCKET_IO), BAD_METHOD),
    HttpRow(
        "HEAD opens no session and gets no body",
        request("HEAD", SOCKET_IO),
        Answer("400 Bad Request", b"", "application/json", is_head=True),
    ),
    HttpRow("websocket without an upgrade", get("EIO=4&transport=websocket"), BAD_REQUEST),
    HttpRow(
        "a method is looked at before the version",
        request("POST", "/socket.io/?EIO=3&transport=polling", body=b""),
        BAD_METHOD,
    ),
    HttpRow(
        "a transport is looked at before the sid", get("EIO=4&transport=x&sid=y"), UNKNOWN_TRANSPORT
    ),
]

SIDS = [
    HttpRow("a sid that never was", get(f"{HANDSHAKE}&sid=AAAAAAAAAAAAAAAAAAAA"), UNKNOWN_SID),
    HttpRow("a sid too short", get(f"{HANDSHAKE}&sid=x"), UNKNOWN_SID),
    HttpRow("a sid of four thousand characters", get(f"{HANDSHAKE}&sid={'A' * 4000}"), UNKNOWN_SID),
    HttpRow("a sid that every object has", get(f"{HANDSHAKE}&sid=__proto__"), UNKNOWN_SID),
    HttpRow("a sid with NUL and a broken UTF-8 byte", get(f"{HANDSHAKE}&sid=%00%ff"), UNKNOWN_SID),
    HttpRow("a sid with a broken percent escape", get(f"{HANDSHAKE}&sid=%zz%"), UNKNOWN_SID),
    HttpRow("POST to a sid that never was", post(f"{HANDSHAKE}&sid=x", b"41"), UNKNOWN_SID),
    HttpRow("the sid is looked at before the version", get("transport=polling&sid=x"), UNKNOWN_SID),
    HttpRow(
        "the sid is looked at before the method", request("PUT", f"{SOCKET_IO}&sid=x"), UNKNOWN_SID
    ),
    HttpRow("a websocket session is not polled", get(POLL), BAD_REQUEST, WEBSOCKET),
    HttpRow("a websocket session takes no POST", post(POLL, b'42["say"]'), BAD_REQUEST, WEBSOCKET),
    HttpRow(
        "a polling session is no websocket without an upgrade",
        get("EIO=4&transport=websocket&sid={sid}"),
        BAD_REQUEST,
        POLLING,
    ),
    HttpRow(
        "a session keeps its protocol version",
        get("EIO=3&transport=polling&sid={sid}"),
        BAD_REQUEST,
        POLLING,
    ),
    HttpRow(
        "a session's later requests name the version too",
        post("transport=polling&sid={sid}", b'42["say"]'),
        BAD_REQUEST,
        POLLING,
    ),
    HttpRow(
        "PUT to a session",
        request("PUT", f"{SOCKET_IO}&sid={{sid}}", body=b"41"),
        EMPTY_500,
        POLLING,
    ),
    HttpRow(
        "DELETE of a session", request("DELETE", f"{SOCKET_IO}&sid={{sid}}"), EMPTY_500, POLLING
    ),
    HttpRow(
        "OPTIONS of a session", request("OPTIONS", f"{SOCKET_IO}&sid={{sid}}"), EMPTY_500, POLLING
    ),
    HttpRow(
        "HEAD of a session",
        request("HEAD", f"{SOCKET_IO}&sid={{sid}}"),
        Answer("500 Internal Server Error", is_head=True),
        WAITING,
    ),
]

STATES = [
    HttpRow(
        "a waiting GET that is cut ends the session",
        get(POLL),
        (),
        POLLING,
        then_gets=UNKNOWN_SID,
        reason="transport error",
    ),
    HttpRow(
        "a POST that is cut ends the session",
        post(POLL, b'42["say",1]')[:-3],
        (),
        WAITING,
        waiting_gets=b"1",
        then_gets=UNKNOWN_SID,
        reason="transport error",
    ),
    HttpRow("an upgraded session is not polled", get(POLL), BAD_REQUEST, UPGRADED),
    HttpRow("an upgraded session takes no POST", post(POLL, b'42["say"]'), BAD_REQUEST, UPGRADED),
    HttpRow(
        "a second GET while one waits ends the session",
        get(POLL),
        EMPTY_400,
        WAITING,
        waiting_gets=b"1",
        then_gets=UNKNOWN_SID,
        reason="transport error",
    ),
    HttpRow(
        "binary POST bodies are of protocol 3",
        post(POLL, b"41").replace(b"text/plain;charset=UTF-8", b"application/octet-stream"),
        EMPTY_400,
        WAITING,
        waiting_gets=b"1",
        then_gets=UNKNOWN_SID,
        reason="transport error",
    ),
    HttpRow(
        "a binary content type with a parameter is read as text",
        post(POLL, b'42["say",1]').replace(b"text/plain", b"application/octet-stream"),
        OK,
        POLLING,
        heard=([1],),
    ),
]

STAYS = "the official server answers the same and reads the rest, so that the connection stays open"
TOO_LARGE = Answer("413 Payload Too Large", headers={"connection": "close"}, closes=True)
FILLED = b'42["say","%s"]'


def _body(size: int) -> bytes:
    return FILLED % (b"x" * (size - len(FILLED) + 2))


SIZES = [
    HttpRow(
        "a body of exactly the limit",
        post(POLL, _body(MAX_HTTP_BUFFER_SIZE)),
        OK,
        POLLING,
        heard=(["x" * (MAX_HTTP_BUFFER_SIZE - len(FILLED) + 2)],),
    ),
    HttpRow(
        "a body one byte over the limit is refused and the session lives",
        post(POLL, _body(MAX_HTTP_BUFFER_SIZE + 1)),
        TOO_LARGE,
        WAITING,
        differs=STAYS,
    ),
    HttpRow(
        "a chunked body over the limit is refused and the session lives",
        request("POST", f"{SOCKET_IO}&sid={{sid}}", "Transfer-Encoding: chunked")
        + chunked(_body(MAX_HTTP_BUFFER_SIZE + 1), 1000),
        TOO_LARGE,
        WAITING,
        differs=STAYS,
    ),
    HttpRow(
        "a body that is only announced to be over the limit is refused at once",
        request("POST", f"{SOCKET_IO}&sid={{sid}}", "Content-Length: 20001"),
        TOO_LARGE,
        WAITING,
        differs="the official server reads on until the limit is really passed",
    ),
    HttpRow(
        "a body announced with an absurd length is refused at once",
        request("POST", f"{SOCKET_IO}&sid={{sid}}", "Content-Length: 99999999999999999"),
        TOO_LARGE,
        POLLING,
        differs="the official server reads on until the limit is really passed",
    ),
    HttpRow(
        "a client that asks before it sends a body over the limit",
        request(
            "POST", f"{SOCKET_IO}&sid={{sid}}", "Expect: 100-continue", "Content-Length: 20001"
        ),
        TOO_LARGE,
        WAITING,
        differs="the official server asks for the body",
    ),
]

NOT_FOUND = Answer("404 Not Found", b"Not Found", "text/plain; charset=utf-8")
NO_404 = "the official server leaves unknown paths to the application, which has nothing there"

PATHS = [
    HttpRow("a path of nobody", request("GET", "/favicon.ico"), NOT_FOUND, differs=NO_404),
    HttpRow("the root", request("GET", "/"), NOT_FOUND, differs=NO_404),
    HttpRow(
        "POST to a path of nobody", request("POST", "/x", body=b"42"), NOT_FOUND, differs=NO_404
    ),
    HttpRow(
        "the path without its last slash",
        request("GET", f"/socket.io?{HANDSHAKE}"),
        NOT_FOUND,
        differs=NO_404,
    ),
    HttpRow(
        "a path that only begins like ours",
        request("GET", f"/socket.iox/?{HANDSHAKE}"),
        NOT_FOUND,
        differs=NO_404,
    ),
    HttpRow(
        "two slashes before the path",
        request("GET", f"//socket.io/?{HANDSHAKE}"),
        NOT_FOUND,
        differs=NO_404,
    ),
    HttpRow(
        "paths are case-sensitive",
        request("GET", f"/Socket.io/?{HANDSHAKE}"),
        NOT_FOUND,
        differs=NO_404,
    ),
    HttpRow("the asterisk of OPTIONS", request("OPTIONS", "*"), NOT_FOUND, differs=NO_404),
]

"""A request as a WSGI server hands it over, its answer, and taking its connection from the server.

Knows nothing of Socket.IO and of who answers: Reply is the engine's Exchange.
Source: PEP 3333; werkzeug and gunicorn give the connection in the environ.
"""

import os
import select
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, quote

from fastsio._http import Request
from fastsio.threads import LOOK_S, Bridge

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Headers = list[tuple[str, str]]

TEXT: Headers = [("Content-Type", "text/plain; charset=utf-8")]
NO_ANSWER = (503, TEXT, b"no answer")
# Under which names WSGI servers tell the connection.
SOCKET_KEYS = ("werkzeug.socket", "gunicorn.socket")
# Such a head brings a connection to where it has read a request; which one it was, the environ says.
WEBSOCKET = (
    "101 Switching Protocols",
    b"GET / HTTP/1.1\r\nHost: wsgi\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
)
# What comes next on this connection may be for the WSGI server again, so nothing does.
POLL = ("200 OK", b"GET / HTTP/1.1\r\nHost: wsgi\r\nConnection: close\r\n\r\n")


# --- connections ----------------------------------------------------------------------------------


def socket_of(environ: Environ) -> socket.socket | None:
    """The request's connection, if the WSGI server tells it."""
    for key in SOCKET_KEYS:
        connection = environ.get(key)
        if isinstance(connection, socket.socket) and connection.fileno() >= 0:
            return connection
    return None


def can_be_taken(connection: socket.socket | None) -> bool:
    """Whether take_over() can be had of it."""
    # One over TLS has its state in the WSGI server's library; Windows has no dup2() for sockets.
    is_plain = connection is not None and not isinstance(connection, ssl.SSLSocket)
    return is_plain and sys.platform != "win32"


def has_hung_up(connection: socket.socket) -> bool:
    """Whether the client has closed it. Only Linux can tell without reading from it."""
    if not hasattr(select, "POLLRDHUP") or connection.fileno() < 0:
        return False
    poll = select.poll()
    poll.register(connection, select.POLLRDHUP)
    return bool(poll.poll(0))


def take_over(connection: socket.socket) -> tuple[socket.socket, "Remains"]:
    """The connection as a socket of our own, and what the WSGI server is left with.

    It keeps its descriptor, which now is one end of a pair whose other end has closed for writing: whatever it does
    then (an answer, shutdown(), close(), waiting for the next request) reaches the client no longer.
    """
    taken = socket.socket(fileno=os.dup(connection.fileno()))
    substitute, other_end = socket.socketpair()
    other_end.shutdown(socket.SHUT_WR)
    other_end.setblocking(False)
    os.dup2(substitute.fileno(), connection.fileno(), inheritable=False)
    substitute.close()
    taken.setblocking(False)
    return taken, Remains(other_end)


class Remains:
    """The empty body of the answer that the WSGI server believes it gives."""

    def __init__(self, other_end: socket.socket) -> None:
        self._other_end = other_end

    def __iter__(self) -> "Remains":
        return self

    def __next__(self) -> bytes:
        raise StopIteration

    def close(self) -> None:
        """The WSGI server is done with the request."""
        try:
            # With its head unread the server would see a reset instead of an end.
            self._other_end.recv(65536)
        except BlockingIOError:  # it wrote none
            pass
        self._other_end.close()


# --- requests and answers ------------------------------------------------------------------------


class WSGIRequest(Request):
    """A request as the WSGI server tells it."""

    __slots__ = ("_environ",)

    def __init__(self, environ: Environ, body: bytes = b"", is_too_large: bool = False) -> None:
        super().__init__(
            environ["REQUEST_METHOD"],
            _target(environ),
            _headers(environ),
            body,
            is_upgrade=_asks_for_websocket(environ),
            is_too_large=is_too_large,
        )
        # Without the connection: it may be taken over.
        self._environ = {key: value for key, value in environ.items() if key not in SOCKET_KEYS}

    @property
    def environ(self) -> Environ:
        """What handlers get: the WSGI server's environ, with all that middleware has put into it."""
        return self._environ


def read_body(environ: Environ, limit: int) -> tuple[bytes, bool, bool]:
    """(body, whether it is over `limit` bytes and was not read, whether it came whole)."""
    source = environ.get("wsgi.input")
    length = environ.get("CONTENT_LENGTH") or ""
    if source is None or environ["REQUEST_METHOD"] in ("GET", "HEAD"):
        return b"", False, True
    if length.isdecimal():
        if int(length) > limit:
            return b"", True, True
        body = source.read(int(length))
        return body, False, len(body) == int(length)
    # Of unknown length: only a server that says where it ends can be asked for it.
    body = source.read(limit + 1) if environ.get("wsgi.input_terminated") else b""
    return (b"", True, True) if len(body) > limit else (body, False, True)


def _target(environ: Environ) -> bytes:
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    query = environ.get("QUERY_STRING", "")
    target = quote(path, safe="/:@!$&'()*+,;=~", encoding="latin-1", errors="replace")
    return (f"{target}?{query}" if query else target).encode("latin-1", "replace")


def _headers(environ: Environ) -> list[tuple[bytes, bytes]]:
    headers = []
    for key, value in environ.items():
        if key.startswith("HTTP_") or (key in ("CONTENT_TYPE", "CONTENT_LENGTH") and value):
            name = key.removeprefix("HTTP_").replace("_", "-").lower()
            one_line = str(value).replace("\r", " ").replace("\n", " ")
            headers.append((name.encode("latin-1"), one_line.encode("latin-1", "replace")))
    return headers


def what_takes_long(environ: Environ) -> tuple[str, bytes] | None:
    """WEBSOCKET, or POLL for a GET that may be held; None for what is answered at once."""
    if _asks_for_websocket(environ):
        return WEBSOCKET
    query = dict(parse_qsl(environ.get("QUERY_STRING", "")))
    is_poll = environ["REQUEST_METHOD"] == "GET" and query.get("transport") == "polling"
    return POLL if is_poll and "sid" in query else None


def _asks_for_websocket(environ: Environ) -> bool:
    asks = "upgrade" in environ.get("HTTP_CONNECTION", "").lower()
    return asks and environ.get("HTTP_UPGRADE", "").lower() == "websocket"


class Reply:
    """The answer to one request, given by the event loop and waited for by the WSGI server's thread.

    can_upgrade: this connection could become a WebSocket. Where the connection is known, the thread does not wait
    for a client that has closed it.
    """

    def __init__(
        self, environ: Environ, connection: socket.socket | None = None, can_upgrade: bool = False
    ) -> None:
        self._connection = connection
        self.on_abort: Callable[[], None] | None = None
        self.session: Any = None
        self.receiver: Any = None
        self.can_upgrade = can_upgrade
        self.remote: str = environ.get("REMOTE_ADDR") or ""
        self.is_secure = environ.get("wsgi.url_scheme") == "https"
        self._is_given = threading.Event()
        self._answer: tuple[int, Headers, bytes] | None = None

    def respond(
        self, status: int, headers: Headers, body: bytes, *, keep_alive: bool = True, is_head: bool = False
    ) -> None:  # fmt: skip
        """The answer; only the first one counts. is_head: the body is left out."""
        if self._answer is None:
            length = [] if status == 204 else [("Content-Length", str(len(body)))]
            self._answer = (status, [*headers, *length], b"" if is_head else body)
            self.on_abort = None
            self._is_given.set()

    def abort(self) -> None:
        """The engine drops the request: the WSGI server can't drop a connection, so it is a 400."""
        self.respond(400, [], b"")

    def accept_websocket(self, request: Request, headers: Headers, receiver: Any) -> bool:
        """False: this WSGI server's connection can't be had."""
        self.respond(400, [*headers, *TEXT], b"no WebSocket under this WSGI server")
        return False

    def wait(self, bridge: Bridge, timeout_s: float) -> None:
        """Wait for the answer.

        Without one for `timeout_s` seconds, without a loop that runs, or without a client it is a 503.
        """
        ends_at = time.monotonic() + timeout_s
        while not self._is_given.wait(LOOK_S):
            has_gone = self._connection is not None and has_hung_up(self._connection)
            if has_gone or time.monotonic() > ends_at or not bridge.is_served:
                bridge.post(self._give_up)
                self._is_given.wait(LOOK_S)
                self.respond(*NO_ANSWER)

    def _give_up(self) -> None:
        """On the loop, where an answer may have been given meanwhile."""
        on_abort = self.on_abort
        self.respond(*NO_ANSWER)
        if on_abort is not None:
            on_abort()

    def give(self, start_response: StartResponse) -> list[bytes]:
        """Hand the answer to the WSGI server."""
        assert self._answer is not None
        status, headers, body = self._answer
        start_response(f"{status} {HTTPStatus(status).phrase}", headers)
        return [body]

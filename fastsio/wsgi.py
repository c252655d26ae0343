"""WSGIApp: a sync Server beside a WSGI application (Flask, Django, plain), under a threaded WSGI server.

What takes long, a WebSocket or a poll, takes its TCP connection over: the WSGI server is left with one that the
client seems to have closed, and its thread is free. Other requests are answered by the thread that the WSGI server
gave. So are polls where the connection can't be had (TLS in the WSGI server, Windows, waitress, uWSGI): then each
client that polls keeps a thread for ping_interval seconds at most, and there are no WebSockets.
Source: PEP 3333; werkzeug and gunicorn give the connection in the environ.
"""

import atexit
import logging
import socket
import threading
from collections.abc import Iterable
from email.utils import formatdate
from pathlib import Path
from typing import Any

from fastsio._conn import Conn
from fastsio._http import Request
from fastsio.api.sync import Server, check_threads
from fastsio.asgi import ASGIApp
from fastsio.doors.files import find_file
from fastsio.doors.listening import adopt
from fastsio.doors.wsgi_exchange import (
    TEXT,
    Environ,
    Reply,
    StartResponse,
    WSGIRequest,
    can_be_taken,
    read_body,
    socket_of,
    take_over,
    what_takes_long,
)
from fastsio.server import Server as Router
from fastsio.threads import Bridge, LoopThread

logger = logging.getLogger("fastsio.engine")

# What a thread waits for an answer beyond the time after which the engine must have given one.
GRACE_S = 10.0
# How long handlers get at shutdown().
SHUTDOWN_S = 2.0
# Pages at a time where an ASGI server serves the WSGI application.
PAGE_THREADS = 64

SHUTTING_DOWN = (503, TEXT, b"the server is shutting down")


class WSGIApp:
    """A WSGI application: Socket.IO's requests for `socketio_app`, others for static files or `wsgi_app`.

    static_files: {"/": "index.html", "/static": "./public"}. Serve it with a threaded WSGI server, or with
    fastsio.run(), which is faster and needs no threads for clients.
    """

    def __init__(
        self, socketio_app: Server, wsgi_app: Any = None, static_files: dict[str, Any] | None = None,
        socketio_path: str = "socket.io",
    ) -> None:  # fmt: skip
        self.engineio_app = socketio_app
        self.wsgi_app = wsgi_app
        self.static_files = static_files or {}
        # A slash at both ends.
        self.engineio_path = f"/{socketio_path.strip('/')}/".replace("//", "/")

    def __call__(self, environ: Environ, start_response: StartResponse) -> Any:
        path = environ.get("PATH_INFO") or ""
        if path.startswith(self.engineio_path):
            return self.engineio_app.handle_request(environ, start_response)
        file = self._find_file(environ, path)
        if file is not None:
            return answer_file(file, environ, start_response)
        if self.wsgi_app is not None:
            return self.wsgi_app(environ, start_response)
        return self.not_found(start_response)

    def _find_file(self, environ: Environ, path: str) -> dict[str, Any] | None:
        if not self.static_files or environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return None
        # PEP 3333: a path's bytes are told as Latin-1.
        return find_file(path.encode("latin-1").decode("utf-8", "replace"), self.static_files)

    def not_found(self, start_response: StartResponse) -> list[bytes]:
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"Not Found"]

    def as_asgi(self) -> ASGIApp:
        """The same as an ASGIApp, for fastsio.run() and any ASGI server. Needs a2wsgi if there is a `wsgi_app`."""
        return ASGIApp(
            self.engineio_app,
            None if self.wsgi_app is None else _wsgi_as_asgi(self.wsgi_app),
            static_files=self.static_files,
            socketio_path=self.engineio_path,
        )


class Middleware(WSGIApp):
    """WSGIApp under its old name."""

    def __init__(
        self, socketio_app: Server, wsgi_app: Any = None, socketio_path: str = "socket.io"
    ) -> None:
        super().__init__(socketio_app, wsgi_app, socketio_path=socketio_path)


def answer_file(
    file: dict[str, Any], environ: Environ, start_response: StartResponse
) -> list[bytes]:
    """Answer with a file found by find_file(), or that the client has it already."""
    path = Path(file["filename"])
    status = path.stat()
    etag = f'"{status.st_mtime_ns:x}-{status.st_size:x}"'
    headers = [
        ("Content-Type", file["content_type"]),
        ("ETag", etag),
        ("Last-Modified", formatdate(status.st_mtime, usegmt=True)),
        ("Cache-Control", "no-cache"),
    ]
    if etag in environ.get("HTTP_IF_NONE_MATCH", ""):
        start_response("304 Not Modified", headers)
        return []
    start_response("200 OK", [*headers, ("Content-Length", str(status.st_size))])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [path.read_bytes()]


def _wsgi_as_asgi(wsgi_app: Any) -> Any:
    try:
        from a2wsgi import WSGIMiddleware
    except ImportError:
        raise ImportError(
            'a WSGI application beside an ASGI server needs a2wsgi: pip install "fastsio[wsgi]"'
        ) from None
    return WSGIMiddleware(wsgi_app, workers=PAGE_THREADS)


class Gateway:
    """A Server's door for WSGI requests. The first one starts the event loop's thread, in the process that got it."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._lock = threading.Lock()
        self._thread: LoopThread | None = None
        self._bridge: Bridge | None = None
        self._router: TakenConnections | None = None
        self._is_closed = False

    def handle(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request. A WebSocket's connection is gone from the WSGI server when this returns."""
        bridge, router = self._open()
        if bridge is None or router is None:
            reply = Reply(environ)
            reply.respond(*SHUTTING_DOWN)
            return reply.give(start_response)
        connection = socket_of(environ)
        is_free = can_be_taken(connection)
        if connection is not None and is_free and (long := what_takes_long(environ)) is not None:
            status, head = long
            taken, remains = take_over(connection)
            bridge.post(router.adopt, taken, head, WSGIRequest(environ))
            start_response(status, [])
            return remains
        reply = Reply(environ, connection, is_free)
        options = self._server.hub.options
        body, is_too_large, is_whole = read_body(environ, options.max_http_buffer_size)
        request = WSGIRequest(environ, body, is_too_large)
        bridge.post(router.serve, request, reply, is_whole)
        reply.wait(bridge, options.ping_interval + options.ping_timeout + GRACE_S)
        return reply.give(start_response)

    def _open(self) -> tuple[Bridge | None, "TakenConnections | None"]:
        with self._lock:
            if self._is_closed:
                return None, None
            if self._bridge is None or not self._bridge.is_served:
                self._start()
            return self._bridge, self._router

    def _start(self) -> None:
        """Join the loop that serves, or else start one; what there was is the parent process's, or has ended."""
        check_threads()
        self._thread = None
        bridge = self._server._bridge_to_clients()
        if bridge is None:
            self._server.hub.engine = None
            self._thread = LoopThread()
            bridge = self._server._bridge_of(self._thread.loop)
        self._router = bridge.call(TakenConnections, self._server)
        self._bridge = bridge
        atexit.register(self.close)

    def close(self, timeout_s: float = SHUTDOWN_S) -> None:
        """Tell every client, run `disconnect` handlers, and end the loop's thread, if it is this door's."""
        with self._lock:
            self._is_closed = True
            bridge, router, thread = self._bridge, self._router, self._thread
            self._bridge = self._router = self._thread = None
        atexit.unregister(self.close)
        if bridge is None or router is None or not bridge.is_served:
            return
        bridge.run(router.close, timeout_s)
        if thread is not None:
            thread.stop()


# --- connections that were taken over ---------------------------------------------------------------


class TakenConn(Conn):
    """A connection that was taken over. Its client is who the WSGI server says, behind proxies too."""

    __slots__ = ("_is_https", "_remote", "waiting")

    def carry(self, request: WSGIRequest) -> None:
        """`request` came on it, and waits to be served."""
        self.waiting: WSGIRequest | None = request
        self._remote: str = request.environ.get("REMOTE_ADDR") or ""
        self._is_https = request.environ.get("wsgi.url_scheme") == "https"

    @property
    def remote(self) -> str:
        return self._remote

    @property
    def is_secure(self) -> bool:  # type: ignore[override]
        return self._is_https


class TakenConnections(Router):
    """The connections that were taken over, on the event loop: see server.Server for its end."""

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self._adopting: set[Any] = set()

    def serve(self, request: WSGIRequest, reply: Reply, is_whole: bool) -> None:
        """Answer a request; `is_whole` False: the client went before it had sent its body."""
        if not self.engine.is_open:
            reply.respond(*SHUTTING_DOWN)
        elif is_whole:
            try:
                self.engine.handle(request, reply)
            except Exception:
                logger.exception("request from %s failed", reply.remote)
                reply.respond(500, TEXT, b"Internal Server Error")
        else:
            self.engine.cut_off(request)
            reply.respond(400, [], b"")

    def adopt(self, taken: socket.socket, head: bytes, request: WSGIRequest) -> None:
        """Serve `request`, for which `head` stands, on its connection."""
        task = self.engine.loop.create_task(self._adopt(taken, head, request))
        self._adopting.add(task)
        task.add_done_callback(self._adopting.discard)

    async def _adopt(self, taken: socket.socket, head: bytes, request: WSGIRequest) -> None:
        if not self.engine.is_open:
            taken.close()
            return

        def made() -> TakenConn:
            conn = TakenConn(self)
            conn.carry(request)
            return conn

        try:
            conn = await adopt(made, taken)
        except OSError as error:  # the client has gone
            logger.info("can't take a connection over: %r", error)
            taken.close()
        else:
            conn.data_received(head)

    def handle(self, conn: Conn, request: Request) -> None:
        """A connection has read the head that stands for the request that came with it."""
        assert isinstance(conn, TakenConn)
        own, conn.waiting = conn.waiting, None
        if own is None:  # what comes behind it is nobody's
            conn.respond(404, TEXT, b"Not Found", keep_alive=False)
        else:
            self.engine.handle(own, conn)

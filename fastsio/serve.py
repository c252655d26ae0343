"""The raw front door: listen on a port and serve an application with the compiled connection.

run() for programs, start() for those that have a running loop already.
"""

import asyncio
import contextlib
import functools
import signal
import ssl
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from fastsio._conn import Conn, SecureConn
from fastsio.server import Application, Server

BACKLOG = 2048


class RunningServer:
    """A server that listens. `port` and `url` say where; `engine` and `hub` are for looking inside."""

    def __init__(
        self, server: Server, listener: asyncio.Server, scheme: str, shutdown_timeout: float
    ) -> None:
        self._server = server
        self._listener = listener
        self._shutdown_timeout_s = shutdown_timeout
        self.engine = server.engine
        self.hub = server.hub
        host, self.port = listener.sockets[0].getsockname()[:2]
        self.host: str = host
        self.url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def connections(self) -> set[Conn]:
        """The open TCP connections."""
        return self._server.connections

    async def close(self) -> None:
        """Stop: no new connections, every client told, `disconnect` handlers run ("server shutting down").

        Takes at most shutdown_timeout seconds and three more; handlers still running then are cancelled.
        """
        self._listener.close()
        await self._server.close(self._shutdown_timeout_s)


async def start(
    app: Application, host: str = "127.0.0.1", port: int = 5000, *, socketio_path: str | None = None,
    static_files: dict[str, Any] | None = None, ssl_certfile: str | None = None, ssl_keyfile: str | None = None,
    ssl_context: ssl.SSLContext | None = None, head_timeout: float = 10.0, shutdown_timeout: float = 5.0,
) -> RunningServer:  # fmt: skip
    """Serve `app` (AsyncServer or IO) on the running loop; returns when it listens.

    port 0 takes a free one (see RunningServer.port). socketio_path: None for the application's own, "socket.io" where
    it has none. static_files: {"/": "index.html", "/static": "./public"}.
    head_timeout: seconds a request may take to arrive. shutdown_timeout: seconds that handlers get at close().
    Raises OSError if it can't listen, ValueError for files that do not exist.
    """
    if not 0 <= port <= 65535:
        raise ValueError(f"port {port}: 0 to 65535")
    server = Server(
        app, socketio_path=socketio_path, static_files=static_files, head_timeout=head_timeout
    )
    context = ssl_context
    if context is None and ssl_certfile is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(ssl_certfile, ssl_keyfile)
    loop = asyncio.get_running_loop()
    make = functools.partial(SecureConn if context is not None else Conn, server)
    listener = await loop.create_server(make, host, port, backlog=BACKLOG, ssl=context)
    return RunningServer(server, listener, "https" if context else "http", shutdown_timeout)


def run(
    app: Application, host: str = "127.0.0.1", port: int = 5000, *, loop: str = "auto",
    on_startup: Callable[[], Awaitable[None] | None] | None = None,
    on_shutdown: Callable[[], Awaitable[None] | None] | None = None, **options: Any,
) -> None:  # fmt: skip
    """Serve `app` until SIGINT or SIGTERM, then stop cleanly; prints the address.

    loop: "auto" takes uvloop where it is installed, "uvloop" and "asyncio" say which. on_startup runs before
    it listens, on_shutdown after the last client has gone. The other options are start()'s.
    """
    with asyncio.Runner(loop_factory=_loop_factory(loop)) as runner:
        runner.run(_serve_until_signal(app, host, port, on_startup, on_shutdown, options))


def _loop_factory(name: str) -> Callable[[], asyncio.AbstractEventLoop] | None:
    if name not in ("auto", "uvloop", "asyncio"):
        raise ValueError(f"loop={name!r}: auto, uvloop or asyncio")
    if name == "asyncio":
        return None
    try:
        import uvloop
    except ImportError:
        if name == "uvloop":
            raise
        return None
    return uvloop.new_event_loop


async def _serve_until_signal(
    app: Application,
    host: str,
    port: int,
    on_startup: Any,
    on_shutdown: Any,
    options: dict[str, Any],
) -> None:
    with _stop_signal() as stop:
        await _call(on_startup)
        server = await start(app, host, port, **options)
        print(f"fastsio serves {server.url} (Ctrl+C stops it)", file=sys.stderr, flush=True)
        try:
            await stop.wait()
        finally:
            await server.close()
            await _call(on_shutdown)


async def _call(hook: Any) -> None:
    if hook is not None:
        result = hook()
        if hasattr(result, "__await__"):
            await result


@contextlib.contextmanager
def _stop_signal() -> Any:
    """An event that the first SIGINT or SIGTERM sets; a second one has its usual effect."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    signals = (signal.SIGINT, signal.SIGTERM)

    def on_signal() -> None:
        stop.set()
        remove()

    def remove() -> None:
        for number in signals:
            loop.remove_signal_handler(number)

    try:
        for number in signals:
            loop.add_signal_handler(number, on_signal)
    except NotImplementedError:  # Windows: Ctrl+C cancels the main task instead
        yield stop
        return
    try:
        yield stop
    finally:
        remove()

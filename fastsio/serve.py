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
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from fastsio._conn import Conn, SecureConn
from fastsio._shared import SecureSharedConn, SharedConn
from fastsio.doors.beside import MissingExtra, beside_for
from fastsio.doors.carriers import Carried, find_carried
from fastsio.doors.files import find_file
from fastsio.doors.lifespan import Lifespan
from fastsio.doors.shared import Connections, SharedServer
from fastsio.pages import Pages
from fastsio.server import Server
from fastsio.static import StaticFiles
from fastsio.webtransport.settings import Settings, settings_of

BACKLOG = 2048
SERVABLE = "an AsyncServer, an IO, an engineio.AsyncServer, an ASGIApp or an application with one"


class RunningServer:
    """A server that listens. `port` and `url` say where; `engine` and `hub` are for looking inside."""

    def __init__(
        self, server: Server, listener: asyncio.Server, scheme: str, shutdown_timeout: float,
        lifespan: Lifespan | None = None, webtransport: Any = None,
    ) -> None:  # fmt: skip
        self._server = server
        # A webtransport.door.Door beside it, or None.
        self.webtransport = webtransport
        self._listener = listener
        self._shutdown_timeout_s = shutdown_timeout
        self._lifespan = lifespan
        self.engine = server.engine
        self.hub = server.hub
        host, self.port = listener.sockets[0].getsockname()[:2]
        self.host: str = host
        self.url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def connections(self) -> set[Any]:
        """The open TCP connections, each as the protocol that has it now."""
        return self._server.connections

    async def close(self) -> None:
        """Stop: no new connections, every client told, `disconnect` handlers run ("server shutting down").

        Takes at most shutdown_timeout seconds and three more; handlers still running then are cancelled. The
        shutdown of an ASGI application's lifespan follows, with as much time again.
        """
        self._listener.close()
        if self.webtransport is not None:
            self.webtransport.stop()
        await self._server.close(self._shutdown_timeout_s)
        if self.webtransport is not None:
            await self.webtransport.close()
        if self._lifespan is not None:
            await self._lifespan.shutdown(self._shutdown_timeout_s)


async def start(
    app: Any, host: str = "127.0.0.1", port: int = 5000, *, socketio_path: str | None = None,
    pages: dict[str, Any] | None = None, static_files: dict[str, Any] | None = None,
    ssl_certfile: str | None = None, ssl_keyfile: str | None = None,
    ssl_context: ssl.SSLContext | None = None, head_timeout: float = 10.0, shutdown_timeout: float = 5.0,
    webtransport: Any = None,
) -> RunningServer:  # fmt: skip
    """Serve `app` on the running loop; returns when it listens.

    `app` is an AsyncServer, an IO, an engineio.AsyncServer; an ASGIApp, or an ASGI application that carries one
    (see doors/carriers.py): then what is not Socket.IO's is served by uvicorn's protocol on the same port, from the
    application's lifespan startup to its shutdown.
    port 0 takes a free one (see RunningServer.port). pages: {"/": "It works!", "/index": Path("index.html")}, see
    pages.py. static_files: {"/": "index.html", "/static": "./public"}. socketio_path: None for the application's own,
    "socket.io" where it has none. An ASGIApp has static files and a path of its own, and no pages.
    head_timeout: seconds a request may take to arrive. shutdown_timeout: seconds that handlers get at close().
    webtransport: listen for HTTP/3 too, on the UDP port of the same number. None does so if the application's
    transports name "webtransport"; False does not; a dict says more (webtransport/settings.py). It needs the
    certificate's files and the extra `webtransport`.
    Raises OSError if it can't listen, ValueError for files that do not exist, StartupFailed if the application
    can't start, ImportError where uvicorn is needed and not installed.
    """
    if not 0 <= port <= 65535:
        raise ValueError(f"port {port}: 0 to 65535")
    quic = functools.partial(settings_of, webtransport, ssl_certfile, ssl_keyfile)
    context = ssl_context
    if context is None and ssl_certfile is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(ssl_certfile, ssl_keyfile)
    if hasattr(app, "as_asgi") and not hasattr(app, "hub"):  # a Server needs no ASGI by itself
        app = app.as_asgi()
    carried = find_carried(app)
    if carried is None:
        files = Pages(pages, static_files) if pages else StaticFiles(static_files)
        server = _raw_server(app, socketio_path, files, head_timeout)
        return await _listen(server, None, host, port, context, shutdown_timeout, quic)
    if pages:
        raise ValueError(f"pages={pages!r}: what an ASGIApp shows is its other_asgi_app's to say")
    for name, given in (("socketio_path", socketio_path), ("static_files", static_files)):
        if given:
            raise ValueError(f"{name}={given!r}: give it to the ASGIApp that is served")
    lifespan = Lifespan(app)
    await lifespan.startup()
    try:
        server = _asgi_server(app, carried, lifespan.state, head_timeout)
        return await _listen(server, lifespan, host, port, context, shutdown_timeout, quic)
    except BaseException:
        await lifespan.shutdown(shutdown_timeout)
        raise


def _raw_server(
    app: Any, socketio_path: str | None, files: StaticFiles, head_timeout: float
) -> Server:
    if not hasattr(app, "hub"):
        raise TypeError(f"{app!r} can't be served: give {SERVABLE}")
    server = Server(app, socketio_path=socketio_path, head_timeout=head_timeout)
    server.static = files
    return server


def _asgi_server(app: Any, carried: Carried, state: dict[str, Any], head_timeout: float) -> Server:
    """The server of an ASGIApp; of a plain one without another application it is the raw one."""
    asgi_app = carried.asgi_app
    # A subclass may answer in its own way what is not Socket.IO's.
    is_plain = app is asgi_app and type(asgi_app).__module__.startswith("fastsio.")
    if is_plain and (asgi_app.other_asgi_app is None or asgi_app.engineio_path is None):
        server = Server(
            carried.socketio_server,
            is_engine_path=carried.is_engine_path,
            head_timeout=head_timeout,
        )
        server.static = MappedFiles(asgi_app.static_files)
        return server
    trusted = carried.socketio_server.hub.options.trusted_proxies
    beside = beside_for(app, state, Connections(), trusted)
    return SharedServer(carried.socketio_server, beside, carried.is_engine_path, head_timeout)


async def _listen(
    server: Server, lifespan: Lifespan | None, host: str, port: int, context: ssl.SSLContext | None,
    shutdown_timeout: float, quic: Callable[[tuple[str, ...]], Settings | None],
) -> RunningServer:  # fmt: skip
    conn_class: type[Conn]
    if isinstance(server, SharedServer):
        conn_class = SharedConn if context is None else SecureSharedConn
    else:
        conn_class = Conn if context is None else SecureConn
    make = functools.partial(conn_class, server)
    loop = asyncio.get_running_loop()
    listener = None
    try:
        settings = quic(server.options.transports)
        listener = await loop.create_server(make, host, port, backlog=BACKLOG, ssl=context)
        door = None if settings is None else await _open_webtransport(server, settings, listener)
    except BaseException:
        if listener is not None:
            listener.close()
        await server.close(0)
        raise
    scheme = "http" if context is None else "https"
    return RunningServer(server, listener, scheme, shutdown_timeout, lifespan, door)


async def _open_webtransport(server: Server, settings: Settings, listener: asyncio.Server) -> Any:
    """A door for WebTransport beside the TCP listener. Raises ImportError without the extra."""
    try:
        from fastsio.webtransport.door import open_door
    except ModuleNotFoundError as error:
        raise MissingExtra(
            f'webtransport needs {str(error.name).partition(".")[0]}: pip install "fastsio[webtransport]"'
        ) from error
    return await open_door(server, settings, listener.sockets)


class MappedFiles(StaticFiles):
    """The static files of an ASGIApp, which are looked for when they are asked for."""

    def __init__(self, mapping: dict[str, Any]) -> None:
        super().__init__(None)
        self._mapping = mapping

    def find(self, url_path: str) -> tuple[Path, str | None] | None:
        found = find_file(unquote(url_path), self._mapping)
        return None if found is None else (Path(found["filename"]), found["content_type"])


def run(
    app: Any, host: str = "127.0.0.1", port: int = 5000, *, loop: str = "auto",
    on_startup: Callable[[], Awaitable[None] | None] | None = None,
    on_shutdown: Callable[[], Awaitable[None] | None] | None = None, **options: Any,
) -> None:  # fmt: skip
    """Serve `app` (see start()) until SIGINT or SIGTERM, then stop cleanly; prints the address.

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
    app: Any,
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

"""The raw front door: listen on a port and serve an application with the compiled connection.

run() for programs, start() for those that have a running loop already.
"""

import asyncio
import functools
import logging
import socket
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
from fastsio.doors.handover import Takeover, ask
from fastsio.doors.health import Health, add_health
from fastsio.doors.lifespan import Lifespan
from fastsio.doors.listening import UDS_MODE, Listening, Place, listen
from fastsio.doors.loading import SERVABLE, load
from fastsio.doors.passing import Doorman
from fastsio.doors.running import RunningServer, Stop, call_hook
from fastsio.doors.shared import Connections, SharedServer
from fastsio.doors.signals import StopSignals
from fastsio.doors.sockets import tune
from fastsio.doors.systemd import Notifier, activated_sockets
from fastsio.doors.tls import context_for
from fastsio.pages import Pages
from fastsio.server import Server
from fastsio.static import StaticFiles
from fastsio.webtransport.settings import Settings, settings_of

logger = logging.getLogger("fastsio.serve")

__all__ = ["RunningServer", "run", "start"]


async def start(
    app: Any, host: str = "127.0.0.1", port: int = 5000, *, sock: socket.socket | list[socket.socket] | None = None,
    fd: int | None = None, uds: str | None = None, uds_mode: int = UDS_MODE, socketio_path: str | None = None,
    pages: dict[str, Any] | None = None, static_files: dict[str, Any] | None = None,
    ssl_certfile: str | None = None, ssl_keyfile: str | None = None,
    ssl_keyfile_password: str | bytes | None = None,
    ssl_context: ssl.SSLContext | None = None, head_timeout: float = 10.0, shutdown_timeout: float = 5.0,
    drain_seconds: float = 0.0, drain_delay: float = 0.0,
    on_drain: Callable[[], Awaitable[None] | None] | None = None, health: str | None = None,
    health_bus: float | None = None, handover: str | None = None, webtransport: Any = None, crew: Any = None,
) -> RunningServer:  # fmt: skip
    """Serve `app` on the running loop; returns when it listens.

    `app` is an AsyncServer, an IO, an engineio.AsyncServer; an ASGIApp, or an ASGI application that carries one
    (see doors/carriers.py): then what is not Socket.IO's is served by uvicorn's protocol on the same port, from the
    application's lifespan startup to its shutdown.

    Where: host and port (0 takes a free one, see RunningServer.port); instead of them sock, a socket or several, bound
    or listening; fd, the number of such a socket's descriptor; uds, the path of a Unix socket, which is made with the
    permissions uds_mode. What is given is closed with the server. For TLS: ssl_certfile and ssl_keyfile, PEM files, for
    TLS 1.2 and 1.3 (doors/tls.py), and ssl_keyfile_password; or ssl_context, one of your own, taken as it is.

    What: socketio_path, None for the application's own, "socket.io" where it has none. pages: {"/": "It works!",
    "/index": Path("index.html")}, see pages.py. static_files: {"/": "index.html", "/static": "./public"}. An ASGIApp
    has static files and a path of its own, and no pages. health: the path of a page that says "live", and "draining"
    with 503 from close() on, see doors/health.py; health_bus: also "bus down" with 503, when the adapter has had no
    connection for so many seconds. head_timeout: seconds a request, and a TLS handshake before it, may
    take to arrive.

    webtransport: listen for HTTP/3 too, on the UDP port of the same number. None does so if the application's
    transports name "webtransport"; False does not; a dict says more (webtransport/settings.py). It needs the
    certificate's files and the extra `webtransport`.

    How it stops, in seconds: drain_delay, how long close() goes on accepting connections while `health` says what is
    coming; drain_seconds, over which it closes its clients, evenly and those at work last, 0 for all at once; on_drain
    is called before that, plain or `async`, to tell them; shutdown_timeout, what handlers that still run get then.
    handover: the path at which a new process that is started with the same takes the sockets over; see docs/deploy.md.

    crew: what joins this process with other workers (workers/crew.py).

    Raises OSError if it can't listen or read its certificate, or the process that serves does not hand over;
    ValueError for files that do not exist or are none, and options that make no sense; StartupFailed if the
    application can't start; ImportError where uvicorn is needed and not installed.
    """
    stop = Stop(shutdown_timeout, drain_seconds, drain_delay, on_drain)
    place = Place(host, port, sock, fd, uds, uds_mode)
    place.check()
    context = context_for(ssl_context, ssl_certfile, ssl_keyfile, ssl_keyfile_password)
    files = (ssl_certfile, ssl_keyfile, ssl_keyfile_password)
    quic = functools.partial(settings_of, webtransport, files)
    if hasattr(app, "as_asgi") and not hasattr(app, "hub"):  # a Server needs no ASGI by itself
        app = app.as_asgi()
    carried = find_carried(app)
    if carried is None:
        shown = Pages(pages, static_files) if pages else StaticFiles(static_files)
        server = _raw_server(app, socketio_path, shown, head_timeout, crew)
        return await _listen(
            server, None, place, context, stop, (health, health_bus), handover, quic, crew
        )
    if pages:
        raise ValueError(f"pages={pages!r}: what an ASGIApp shows is its other_asgi_app's to say")
    for name, given in (("socketio_path", socketio_path), ("static_files", static_files)):
        if given:
            raise ValueError(f"{name}={given!r}: give it to the ASGIApp that is served")
    lifespan = Lifespan(app)
    await lifespan.startup()
    try:
        if crew is not None:
            crew.attach(carried.socketio_server)
        server = _asgi_server(app, carried, lifespan.state, head_timeout)
        return await _listen(
            server, lifespan, place, context, stop, (health, health_bus), handover, quic, crew
        )
    except BaseException:
        await lifespan.shutdown(shutdown_timeout)
        raise


def _raw_server(
    app: Any, socketio_path: str | None, files: StaticFiles, head_timeout: float, crew: Any
) -> Server:
    if not hasattr(app, "hub"):
        raise TypeError(f"{app!r} can't be served: give {SERVABLE}")
    if crew is not None:
        crew.attach(app)
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
    server: Server, lifespan: Lifespan | None, place: Place, context: ssl.SSLContext | None, stop: Stop,
    page: tuple[str | None, float | None], handover: str | None,
    quic: Callable[[tuple[str, ...]], Settings | None], crew: Any,
) -> RunningServer:  # fmt: skip
    conn_class: type[Conn]
    if isinstance(server, SharedServer):
        conn_class = SharedConn if context is None else SecureSharedConn
    else:
        conn_class = Conn if context is None else SecureConn
    make = functools.partial(conn_class, server)
    doorman: Doorman = Doorman(server, make) if crew is None else crew.doorman(server, make)
    running: RunningServer | None = None
    takeover: Takeover | None = None
    try:
        settings = quic(server.options.transports)
        if settings is not None and crew is not None:
            raise ValueError(
                "webtransport does not go with workers, its UDP port is one process's: webtransport=False"
            )
        open_door = None if settings is None else _find_webtransport()
        health = _health_of(server, *page)
        takeover = None if handover is None else await ask(handover)
        if takeover is not None and takeover.neighbour is not None:
            doorman.meet_older(takeover.neighbour)
        if crew is not None:
            await crew.join()
        sockets = place.sockets() if takeover is None else takeover.sockets
        listeners = await listen(
            make, place.host, place.port, sockets, context, server.head_timeout_s
        )
        running = RunningServer(server, listeners, doorman, stop, lifespan, health)
        tune(listeners.sockets, server.options)
        if takeover is not None:
            await takeover.confirm()
        if crew is not None:
            crew.listen_with(functools.partial(Listening, make, context, server.head_timeout_s))
        if open_door is not None:
            running.webtransport = await open_door(
                server, settings, listeners.sockets, takes_over=takeover is not None
            )
        if place.uds is not None:
            listeners.own_files()
        if handover is not None:
            _offer(running, handover, takeover)
        return running
    except BaseException:
        if running is not None:
            running.stop_listening()
        doorman.part()
        await doorman.dismiss()
        if takeover is not None:
            takeover.give_up()
        await server.close(0)
        raise


def _health_of(server: Server, path: str | None, bus_s: float | None) -> Health | None:
    if path is not None:
        return add_health(server, path, bus_s)
    if bus_s is not None:
        raise ValueError(f"health_bus={bus_s!r}: give `health` a path")
    return None


def _find_webtransport() -> Any:
    """What opens a door for WebTransport. Raises ImportError without the extra."""
    try:
        from fastsio.webtransport.door import open_door
    except ModuleNotFoundError as error:
        raise MissingExtra(
            f'webtransport needs {str(error.name).partition(".")[0]}: pip install "fastsio[webtransport]"'
        ) from error
    return open_door


def _offer(running: RunningServer, path: str, takeover: Takeover | None) -> None:
    """Let the next process ask at `path`; raises OSError if it can't be bound, unless nobody else serves any more."""
    try:
        running.hand_over_at(path)
    except OSError as error:
        if takeover is None:
            raise
        logger.error("the next process can't take over from this one: %s", error)


class MappedFiles(StaticFiles):
    """The static files of an ASGIApp, which are looked for when they are asked for."""

    def __init__(self, mapping: dict[str, Any]) -> None:
        super().__init__(None)
        self._mapping = mapping

    def find(self, url_path: str) -> tuple[Path, str | None] | None:
        found = find_file(unquote(url_path), self._mapping)
        return None if found is None else (Path(found["filename"]), found["content_type"])


def run(
    app: Any, host: str = "127.0.0.1", port: int = 5000, *, workers: int = 1, loop: str = "auto",
    on_startup: Callable[[], Awaitable[None] | None] | None = None,
    on_shutdown: Callable[[], Awaitable[None] | None] | None = None, **options: Any,
) -> None:  # fmt: skip
    """Serve `app` (see start()) until SIGINT or SIGTERM, or a handover, then stop cleanly; prints the address.

    app may be named, "module:name". With workers > 1 it must be: so many processes import it, each with a loop of its
    own, and serve the one port as one server (docs/workers.md). Then on_startup and on_shutdown are called in each, and
    SIGHUP replaces the workers one by one.

    loop: "auto" takes uvloop where it is installed, "uvloop" and "asyncio" say which. on_startup runs before it
    listens, on_shutdown after the last client has gone. The other options are start()'s. Sockets that systemd has
    opened for this process are served unless sock, fd or uds is given; systemd is told when it serves and when it
    stops.

    A second signal while it drains closes the clients that are left at once; one more, or a second one without
    drain_seconds and drain_delay, has its usual effect.
    """
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise ValueError(f"workers={workers!r}: how many processes, 1 or more")
    factory = loop_factory(loop)
    if workers > 1:
        from fastsio.workers.supervisor import supervise  # that needs this module

        supervise(
            app, host, port, workers, loop=loop, on_startup=on_startup, on_shutdown=on_shutdown, options=options
        )  # fmt: skip
        return
    if isinstance(app, str):
        app = load(app)
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(_serve_until_signal(app, host, port, on_startup, on_shutdown, options))


def loop_factory(name: str) -> Callable[[], asyncio.AbstractEventLoop] | None:
    """What makes the loop of that name, None for asyncio's own. Raises ValueError for another name."""
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
    app: Any, host: str, port: int, on_startup: Any, on_shutdown: Any, options: dict[str, Any]
) -> None:
    notifier = Notifier()
    if all(options.get(name) is None for name in ("sock", "fd", "uds")):
        options = {**options, "sock": activated_sockets() or None}
    with StopSignals() as signals:
        await call_hook(on_startup)
        server = await start(app, host, port, **options)
        urls = " and ".join(server.urls)
        print(f"fastsio serves {urls} (Ctrl+C stops it)", file=sys.stderr, flush=True)
        notifier.ready(f"serving {urls}")
        if server.drains:
            signals.hurry = server.hurry
        try:
            await signals.stop_or(server.replaced)
            if server.replaced.is_set():
                print(f"fastsio: another process serves {urls} now, this one ends", file=sys.stderr)
            notifier.stopping("closing clients", server.stop_takes_s)
            await server.drain()
        finally:
            signals.release()
            await server.close()
            await call_hook(on_shutdown)
            notifier.close()

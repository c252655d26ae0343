"""SioHttpProtocol: uvicorn with our connections, `uvicorn main:app --http fastsio.uvicorn:SioHttpProtocol`.

Socket.IO requests of the ASGIApp that `app` is or carries are served by the compiled connection, all others
by uvicorn's own protocol on the same connection. Everything else is uvicorn's: workers, reload, TLS, lifespan.
With `--workers` they are one server, without sticky sessions: each joins the others with its first connection.
"""

import asyncio
import functools
import logging
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastsio._http import Request
from fastsio._shared import SecureSharedConn, SharedConn
from fastsio.doors import sockets
from fastsio.doors.beside import Beside, missing_uvicorn
from fastsio.doors.carriers import Carried, find_carried
from fastsio.doors.passing import Doorman
from fastsio.doors.shared import SharedServer
from fastsio.doors.signals import ExitWatch
from fastsio.logged import url_without_sid
from fastsio.options import parse_proxies
from fastsio.server import GOODBYE_S

try:
    from uvicorn.config import Config
    from uvicorn.protocols.http.auto import AutoHTTPProtocol
    from uvicorn.server import ServerState
except ModuleNotFoundError as missing:
    raise missing_uvicorn("fastsio.uvicorn", missing) from missing

if TYPE_CHECKING:
    from fastsio.workers.crew import Crew

logger = logging.getLogger("fastsio.serve")
access_logger = logging.getLogger("uvicorn.access")
error_logger = logging.getLogger("uvicorn.error")

# How long handlers may run when uvicorn stops, unless --timeout-graceful-shutdown says it.
SHUTDOWN_S = 5.0


class SioHttpProtocol:
    """uvicorn's `http`: makes a connection of ours for each client. A class only because uvicorn calls it one.

    An application that has its ASGIApp where it can't be found, or behind middleware (see doors/carriers.py), is served
    by uvicorn's protocol alone, Socket.IO included; a warning says so. A subclass may name another protocol
    than httptools', which is the one that uvicorn prefers, such as h11's. `joins_siblings`: whether its process is one
    of several that the same parent has started; None asks uvicorn (--workers), which does not know of gunicorn's.
    """

    beside_class: type = AutoHTTPProtocol
    joins_siblings: bool | None = None

    def __new__(
        cls, config: Config, server_state: ServerState, app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> Any:  # fmt: skip
        try:
            server = server_state.fastsio_server  # type: ignore[attr-defined]
        except AttributeError:
            server = cls._make_server(config, server_state, app_state)
            server_state.fastsio_server = server  # type: ignore[attr-defined]
        if server is None:
            return cls.beside_class(config=config, server_state=server_state, app_state=app_state)
        return SharedConn(server) if config.ssl is None else SecureSharedConn(server)

    @classmethod
    def _make_server(
        cls, config: Config, state: ServerState, app_state: dict[str, Any]
    ) -> "UvicornServer | None":
        """The one of a running server of uvicorn; None for an application that is not to be short-cut."""
        app = _without_uvicorns_middleware(config.loaded_app)
        carried = find_carried(app)
        if carried is None or not carried.is_direct:
            problem = (
                "carries no ASGIApp" if carried is None else "has middleware before its ASGIApp"
            )
            logger.warning(
                "%r %s: Socket.IO goes through ASGI, without fastsio's connection", app, problem
            )
            return None
        crew = cls._make_crew(config, carried.socketio_server)
        server = UvicornServer(config, carried, Beside(config, state, app_state, cls.beside_class))
        if crew is not None:
            conn_class = SharedConn if config.ssl is None else SecureSharedConn
            server.join_crew(crew, functools.partial(conn_class, server))
        return server

    @classmethod
    def _make_crew(cls, config: Config, application: Any) -> "Crew | None":
        """What joins this process with its siblings, None where it has none, or can't be joined with them."""
        joins = (config.workers or 1) > 1 if cls.joins_siblings is None else cls.joins_siblings
        if not joins:
            return None
        try:
            # Here, as they are for Linux.
            from fastsio.workers.crew import Crew
            from fastsio.workers.siblings import siblings_folder

            crew = Crew(siblings_folder(), os.getpid())
        except (ImportError, OSError) as error:
            _warn_alone(error)
            return None
        crew.attach(application)
        return crew


class CrewHttpProtocol(SioHttpProtocol):
    """The same under gunicorn, whose workers uvicorn takes for servers alone."""

    joins_siblings = True


def _warn_alone(error: Exception) -> None:
    logger.error(
        "this worker can't join the others, so clients need sticky sessions, and rooms are its own: %s",
        error,
    )


def _without_uvicorns_middleware(app: Any) -> Any:
    """The application itself: uvicorn wraps it for proxies' headers, and for its trace log."""
    while type(app).__module__.startswith("uvicorn.middleware.") and hasattr(app, "app"):
        app = app.app
    return app


class UvicornServer(SharedServer):
    """The router of connections under a server of uvicorn, which counts and ends them."""

    def __init__(self, config: Config, carried: Carried, beside: Beside) -> None:
        is_engine_path = carried.is_engine_path
        if config.root_path:
            is_engine_path = functools.partial(_owns_below, config.root_path, carried)
        super().__init__(carried.socketio_server, beside, is_engine_path)
        if config.proxy_headers and self.engine.trusted_proxies is None:
            self.engine.trusted_proxies = _proxies_of(config.forwarded_allow_ips)
        self._state = beside.state
        # Its listening sockets are uvicorn's, and unknown here: each connection is told by itself.
        add, user_timeout_s = self.connections.add, sockets.user_timeout_of(self.options)

        def opened(conn: Any) -> None:
            add(conn)
            sockets.set_user_timeout(conn.transport.get_extra_info("socket"), user_timeout_s)

        self.opened = opened
        self._limit = config.limit_concurrency
        self._logs_access = access_logger.hasHandlers()
        self._shutdown_s = (
            SHUTDOWN_S
            if config.timeout_graceful_shutdown is None
            else float(config.timeout_graceful_shutdown)
        )
        self._is_stopping = False
        self._crew: Crew | None = None
        self._joining: asyncio.Task[None] | None = None
        # uvicorn tells its connections that it stops, and there may be none of a client that polls: this one stays. Not
        # where it would be counted against a limit; then signals tell, but no other end of uvicorn's.
        if self._limit is None:
            self._state.connections.add(self)
        self._exit = ExitWatch(self.stop)
        self._exit.arm(self.engine.loop)

    def handle(self, conn: Any, request: Request) -> None:
        if self._logs_access:
            conn.on_status = functools.partial(_log_access, _address(conn), request)
        if not self.engine.is_open:
            conn.respond(503, [], b"Server shutting down", keep_alive=False)
        elif self._is_over_limit() and not request.is_upgrade:
            error_logger.warning("Exceeded concurrency limit.")
            conn.respond(
                503,
                [("Content-Type", "text/plain; charset=utf-8")],
                b"Service Unavailable",
                keep_alive=False,
            )
        else:
            self._state.total_requests += not request.is_upgrade
            self.engine.handle(request, conn)

    def _is_over_limit(self) -> bool:
        return self._limit is not None and (
            len(self._state.connections) >= self._limit or len(self._state.tasks) >= self._limit
        )

    # --- its siblings ------------------------------------------------------------------------

    def join_crew(self, crew: "Crew", make: Callable[[], Any]) -> None:
        """Be one of several workers. Until the others are found, requests wait; `make()`: a connection of ours."""
        self._crew = crew
        doorman = crew.doorman(self, make)
        held: list[tuple[Any, Request]] = []

        def hold(conn: Any, request: Request) -> bool:
            held.append((conn, request))
            return True

        self.divert(hold)
        self._joining = self.engine.loop.create_task(self._join(crew, doorman, held))

    async def _join(self, crew: "Crew", doorman: Doorman, held: list[tuple[Any, Request]]) -> None:
        try:
            await crew.join()
        except OSError as error:
            _warn_alone(error)
            doorman.end()
        for conn, request in held:
            if not conn.is_closed:
                self.handle(conn, request)

    async def _end(self) -> None:
        await self.end_work(self._shutdown_s)
        if self._crew is not None:
            await self._crew.close()

    def shutdown(self) -> None:
        """As one of uvicorn's connections: it stops, and waits until there are none."""
        self._state.connections.discard(self)
        self.stop()

    def stop(self) -> None:
        """uvicorn stops: end the sessions at once, and have it wait for the handlers."""
        if self._is_stopping:
            return
        self._is_stopping = True
        self._exit.disarm()
        if self._crew is not None:
            self._crew.leave()
            self._crew.part()
        self.leave_engine()
        # uvicorn waits for tasks and connections: for those of clients that do not answer our Close, not long.
        task = self.engine.loop.create_task(self._end())
        self._state.tasks.add(task)
        task.add_done_callback(self._state.tasks.discard)
        self.engine.loop.call_later(GOODBYE_S, self._drop_own)

    def _drop_own(self) -> None:
        for conn in list(self.connections):
            if isinstance(conn, SharedConn):
                conn.abort()


def _proxies_of(allowed: str | list[str]) -> tuple[Any, ...]:
    """uvicorn's --forwarded-allow-ips as the option trusted_proxies has it."""
    proxies: list[Any] = []
    for name in allowed.split(",") if isinstance(allowed, str) else allowed:
        try:
            proxies.extend(parse_proxies(name.strip()))
        except ValueError:  # uvicorn takes any text, and no peer's address equals it
            logger.debug("--forwarded-allow-ips: %r is no address", name)
    return tuple(proxies)


def _owns_below(root_path: str, carried: Carried, path: str) -> bool:
    """With --root-path the application knows a path with that before it; what the proxy left is taken too."""
    return carried.is_engine_path(root_path + path) or carried.is_engine_path(path)


def _address(conn: SharedConn) -> str:
    name = conn.transport.get_extra_info("peername")
    return f"{name[0]}:{name[1]}" if isinstance(name, tuple) else ""


def _log_access(address: str, request: Request, status: int) -> None:
    """The lines that uvicorn's protocols write, but for the sessions' ids."""
    url = url_without_sid(request.url)
    if status == 101:
        error_logger.info('%s - "WebSocket %s" [accepted]', address, url)
    else:
        access_logger.info('%s - "%s %s HTTP/%s" %d', address, request.method, url, "1.1", status)

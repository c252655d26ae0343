"""A server: the one place where engine and core are joined, and the router of its connections.

Requests on the engine's path are the engine's; others are static files or a 404. With another application
beside it, a server is a shared.SharedServer.
"""

import asyncio
import contextlib
import functools
import logging
from collections.abc import Callable, Collection
from typing import Any, Protocol

from fastsio._conn import Conn
from fastsio._http import Request
from fastsio.descriptors import Descriptors
from fastsio.engine.deflate import Deflation
from fastsio.engine.engine import Engine
from fastsio.engine.limits import Crowded
from fastsio.engine.ports import SessionHandler
from fastsio.options import Options
from fastsio.static import StaticFiles

logger = logging.getLogger("fastsio.server")

PLAIN = "text/plain; charset=utf-8"
SHUTDOWN_REASON = "server shutting down"
# How long clients get to answer the Close at a stop, once no handler runs any more.
GOODBYE_S = 1.0

# Whether a request's path is the engine's.
IsEnginePath = Callable[[str], bool]


class Hub(Protocol):
    """What an application has behind its API: core.hub.Hub, or engineio.hub.RawHub. It is its engine's handler."""

    options: Options
    engine: Engine | None
    background: set[asyncio.Task[Any]]
    # What reaches other servers; None: nothing does.
    cluster: Any

    def open(self, session: Any) -> SessionHandler: ...
    async def drain(self, timeout_s: float) -> None: ...


class Application(Protocol):
    """What can be served: AsyncServer, IO, engineio.AsyncServer, whatever has a hub.

    A class attribute `default_path` says where, if that is not "socket.io".
    """

    @property
    def hub(self) -> Any: ...


def engine_of(hub: Hub, head_timeout_s: float = 10.0) -> Engine:
    """The engine that serves `hub` on the running loop, made if there is none: one for all its front doors.

    `head_timeout_s`: the shortest delay that the caller's connections will put on its wheel. Raises
    RuntimeError while another running loop serves the hub: its clients could not be reached from here.
    """
    loop = asyncio.get_running_loop()
    engine: Engine | None = hub.engine
    if engine is not None and engine.is_open:
        if engine.loop is loop:
            return engine
        if engine.loop.is_running():
            raise RuntimeError(f"{hub!r} is being served on another event loop, {engine.loop!r}")
    hub.engine = engine = Engine(hub.options, hub, loop, head_timeout_s)
    return engine


def release_engine(hub: Hub, reason: str = SHUTDOWN_REASON) -> None:
    """End every session of `hub` with `reason` and let its engine go; nothing happens without one.

    Handlers are told at once, and may still run when this returns: await hub.drain() next.
    """
    engine: Engine | None = hub.engine
    hub.engine = None
    if engine is not None and engine.is_open:
        engine.close(reason)


async def wind_up(hub: Hub, timeout_s: float) -> None:
    """Let the handlers end, those that run longer than `timeout_s` seconds cancelled, and the background tasks."""
    await hub.drain(timeout_s)
    await end_tasks(hub.background)
    if hub.cluster is not None:
        await hub.cluster.stop()


async def end_tasks(tasks: Collection[asyncio.Task[Any]], timeout_s: float = 0) -> None:
    """Cancel the tasks that have not ended after `timeout_s` seconds."""
    if tasks and timeout_s > 0:
        await asyncio.wait(list(tasks), timeout=timeout_s)
    late = list(tasks)
    for task in late:
        task.cancel()
    if late:
        await asyncio.wait(late, timeout=GOODBYE_S)


class Server:
    """Connections of one application on one event loop. See _conn for what a router has to have."""

    def __init__(
        self, app: Application, *, socketio_path: str | None = None, static_files: dict[str, Any] | None = None,
        head_timeout: float = 10.0, is_engine_path: IsEnginePath | None = None,
    ) -> None:  # fmt: skip
        """Must be made while the loop runs. `head_timeout`: seconds for a request to be complete.

        `is_engine_path` decides instead of socketio_path.
        """
        self.hub: Hub = app.hub
        self.options = app.hub.options
        self.engine = engine_of(self.hub, head_timeout)
        self.engine.doors.add(self)
        self.static = StaticFiles(static_files)
        self.flusher = self.engine.flusher
        self.rare_log = self.engine.rare_log
        self.max_message_bytes = self.options.max_http_buffer_size
        self.max_frames = self.options.max_frames_per_message
        self.max_head_bytes = self.options.max_header_bytes
        self.max_headers = self.options.max_headers
        self.max_buffered_bytes = self.options.max_buffered_bytes
        self.head_timeout_s = head_timeout
        deflate = self.options.per_message_deflate
        self.deflate = Deflation(deflate) if deflate else None
        # As in Node, the last slash belongs to it: "/socket.io?EIO=4" is nobody's.
        if socketio_path is None:
            socketio_path = getattr(app, "default_path", "socket.io")
        self._prefix = f"/{socketio_path.strip('/')}/".replace("//", "/")
        self._decides_path = is_engine_path
        self.lacks_descriptors = Descriptors(self.engine.rare_log).refuse
        self.connections: set[Any]
        self.note_connections_in(set())
        self.watch = self.engine.wheel.add
        self.unwatch = self.engine.wheel.remove

    def note_connections_in(self, connections: set[Any]) -> None:
        """Each connection makes these calls itself, without a frame of ours between."""
        self.connections = connections
        self.opened, self.closed = Crowded.of(self.engine, connections)

    # --- the router's side -------------------------------------------------------------------

    def handle(self, conn: Conn, request: Request) -> None:
        """Answer a request, now or later; with 500 if that fails, by what an application has hung in for instance."""
        path = request.path
        # Not is_engine_path(): a call more is 2 % of a poll.
        decides = self._decides_path
        try:
            if path.startswith(self._prefix) if decides is None else decides(path):
                self.engine.handle(request, conn)
            elif not self.static.handle(request, conn):
                is_head = request.method == "HEAD"
                conn.respond(404, [("Content-Type", PLAIN)], b"Not Found", is_head=is_head)
        except Exception:
            if (
                not conn.is_busy
            ):  # answered, or a WebSocket by now: the event loop ends the connection
                raise
            logger.exception("%s %s from %s failed", request.method, path, conn.remote)
            conn.respond(500, [], b"", keep_alive=False)

    def divert(self, takes: Callable[[Conn, Request], bool] | None) -> None:
        """Let `takes(conn, request)` see each request first; True: it is dealt with. None ends that."""
        if takes is None:
            vars(self).pop("handle", None)
        else:
            self.handle = functools.partial(self._handle_unless, takes)  # type: ignore[method-assign]

    def _handle_unless(
        self, takes: Callable[[Conn, Request], bool], conn: Conn, request: Request
    ) -> None:
        if not takes(conn, request):
            type(self).handle(self, conn, request)

    def is_engine_path(self, path: str) -> bool:
        """Whether requests for that path are the engine's."""
        decides = self._decides_path
        return path.startswith(self._prefix) if decides is None else decides(path)

    def announce(self, conn: Conn, request: Request) -> None:
        """A request is coming whose body is not here yet."""
        if self.is_engine_path(request.path):
            self.engine.announce(request, conn)

    def cut_off(self, conn: Conn, request: Request) -> None:
        """A request ended in the middle of its body."""
        if self.is_engine_path(request.path):
            self.engine.cut_off(request)

    # --- the end -----------------------------------------------------------------------------

    def own_sessions(self) -> list[Any]:
        """The sessions that end with this server: all, or those on our connections if the engine has another door."""
        if self.engine.doors <= {self}:
            return list(self.engine.sessions.values())
        sessions = [getattr(conn, "session", None) for conn in self.connections]
        return [session for session in sessions if session is not None]

    async def close(self, timeout_s: float) -> None:
        """Tell every client, run every `disconnect` handler once, and be done.

        Handlers that run longer than `timeout_s` seconds are cancelled; clients that do not close by
        themselves are dropped. While another server serves the application too, only what came through
        this one ends.
        """
        self.leave_engine()
        for conn in list(self.connections):
            conn.retire()
        await self.end_work(timeout_s)
        await self._wait_for_connections()
        if not self.engine.is_open:
            self.engine.wheel.close()

    def leave_engine(self) -> None:
        """End the sessions: all of them, or those on our connections while the engine has another door."""
        self.engine.doors.discard(self)
        if not self.engine.doors:
            if self.hub.engine is self.engine:
                release_engine(self.hub)
            return
        for conn in list(self.connections):
            session = getattr(conn, "session", None)
            if session is not None:
                session.shut_down(SHUTDOWN_REASON)

    async def end_work(self, timeout_s: float) -> None:
        """Wait for handlers, then end the application's background tasks, if nobody serves it any more."""
        if not self.engine.is_open:
            await wind_up(self.hub, timeout_s)

    async def _wait_for_connections(self) -> None:
        all_gone = asyncio.Event()

        def closed(conn: Conn) -> None:
            self.connections.discard(conn)
            if not self.connections:
                all_gone.set()

        self.closed = closed
        for attempt in ("wait", "abort"):
            if not self.connections:
                return
            if attempt == "abort":
                for conn in list(self.connections):
                    conn.abort()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(all_gone.wait(), GOODBYE_S)

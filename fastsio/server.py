"""A server: the one place where engine and core are joined, and the router of its connections.

Requests below `socketio_path` are the engine's; others are static files or a 404.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Protocol

from fastsio._conn import Conn
from fastsio._http import Request
from fastsio.core.hub import Hub
from fastsio.engine.engine import Engine
from fastsio.static import StaticFiles

SHUTDOWN_REASON = "server shutting down"
# How long clients get to answer the Close at a stop, once no handler runs any more.
GOODBYE_S = 1.0


class Application(Protocol):
    """What can be served: AsyncServer, IO, whatever has a hub."""

    hub: Hub


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
    for task in list(hub.background):
        task.cancel()
    if hub.background:
        await asyncio.wait(list(hub.background), timeout=GOODBYE_S)


class Server:
    """Connections of one application on one event loop. See _conn for what a router has to have."""

    max_head_bytes = 65536

    def __init__(
        self, app: Application, *, socketio_path: str = "socket.io", static_files: dict[str, Any] | None = None,
        head_timeout: float = 10.0,
    ) -> None:  # fmt: skip
        """Must be made while the loop runs. `head_timeout`: seconds for a request to be complete."""
        self.hub = app.hub
        self.options = app.hub.options
        self.engine = engine_of(self.hub, head_timeout)
        self.static = StaticFiles(static_files)
        self.connections: set[Conn] = set()
        self.flusher = self.engine.flusher
        self.max_message_bytes = self.options.max_http_buffer_size
        self.max_buffered_bytes = self.options.max_buffered_bytes
        self.head_timeout_s = head_timeout
        # As in Node, the last slash belongs to it: "/socket.io?EIO=4" is nobody's.
        self._prefix = f"/{socketio_path.strip('/')}/".replace("//", "/")
        # Calls that each connection makes, without a frame of ours between.
        self.opened = self.connections.add
        self.closed: Callable[[Conn], None] = self.connections.discard
        self.watch = self.engine.wheel.add
        self.unwatch = self.engine.wheel.remove

    # --- the router's side -------------------------------------------------------------------

    def handle(self, conn: Conn, request: Request) -> None:
        """Answer a request, now or later."""
        path = request.path
        if path.startswith(self._prefix):
            self.engine.handle(request, conn)
        elif not self.static.handle(request, conn):
            is_head = request.method == "HEAD"
            conn.respond(
                404, [("Content-Type", "text/plain; charset=utf-8")], b"Not Found", is_head=is_head
            )

    def announce(self, conn: Conn, request: Request) -> None:
        """A request is coming whose body is not here yet."""
        if request.path.startswith(self._prefix):
            self.engine.announce(request, conn)

    def cut_off(self, conn: Conn, request: Request) -> None:
        """A request ended in the middle of its body."""
        if request.path.startswith(self._prefix):
            self.engine.cut_off(request)

    # --- the end -----------------------------------------------------------------------------

    async def close(self, timeout_s: float) -> None:
        """Tell every client, run every `disconnect` handler once, and be done.

        Handlers that run longer than `timeout_s` seconds are cancelled; clients that do not close by
        themselves are dropped.
        """
        release_engine(self.hub)
        for conn in list(self.connections):
            conn.retire()
        await wind_up(self.hub, timeout_s)
        await self._wait_for_connections()
        self.engine.wheel.close()

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

"""A server that listens, and how it stops: what serve.start() returns.

Source: the order of a stop is python-socketio's and Node's together; draining and handover are in modules of their own.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from fastsio.doors.draining import FRESH_S, Drain
from fastsio.doors.handover import HandoverPoint
from fastsio.doors.health import Health
from fastsio.doors.lifespan import Lifespan
from fastsio.doors.listening import Listeners
from fastsio.doors.passing import Doorman
from fastsio.server import GOODBYE_S, Server

logger = logging.getLogger("fastsio.serve")

Hook = Callable[[], Awaitable[None] | None]


@dataclass(frozen=True)
class Stop:
    """How a server stops; see start() for the fields."""

    shutdown_timeout_s: float = 5.0
    drain_s: float = 0.0
    delay_s: float = 0.0
    on_drain: Hook | None = None

    def __post_init__(self) -> None:
        for name, seconds in (("drain_seconds", self.drain_s), ("drain_delay", self.delay_s)):
            if not 0 <= seconds < float("inf"):
                raise ValueError(f"{name}={seconds!r}: seconds, 0 or more")

    @property
    def drains(self) -> bool:
        """Whether clients stay for a time."""
        return self.drain_s > 0 or self.delay_s > 0

    @property
    def longest_s(self) -> float:
        """What a stop may take, with the time that clients have to go."""
        return self.delay_s + self.drain_s + 2 * self.shutdown_timeout_s + 2 * GOODBYE_S


class RunningServer:
    """A server that listens. `port` and `url` say where; `engine` and `hub` are for looking inside.

    `replaced` is set when another process has taken the sockets over (start()'s option handover): then this accepts no
    connection any more, and is to be closed.
    """

    def __init__(
        self, server: Server, listeners: Listeners, doorman: Doorman, stop: Stop,
        lifespan: Lifespan | None = None, health: Health | None = None,
    ) -> None:  # fmt: skip
        self._server = server
        self._doorman = doorman
        self._listeners = listeners
        self._stop = stop
        self._lifespan = lifespan
        self._health = health
        self._handover: HandoverPoint | None = None
        self._drain: Drain | None = None
        self._hurry = asyncio.Event()
        self._is_stopping = False
        self.replaced = asyncio.Event()
        # A webtransport.door.Door beside it, or None; and its end, at a handover.
        self.webtransport: Any = None
        self._webtransport_end: asyncio.Task[None] | None = None
        self.engine = server.engine
        self.hub = server.hub
        self.host, self.port = listeners.host, listeners.port
        self.url, self.urls = listeners.url, listeners.urls

    @property
    def connections(self) -> set[Any]:
        """The open TCP connections, each as the protocol that has it now."""
        return self._server.connections

    @property
    def drains(self) -> bool:
        """Whether drain() takes time, so that hurry() makes sense."""
        return self._stop.drains or self._handover is not None

    @property
    def stop_takes_s(self) -> float:
        """How many seconds close() may take."""
        return self._stop.longest_s

    def hand_over_at(self, path: str) -> None:
        """Let another process ask for the sockets at `path`. Raises OSError if it can't be bound."""
        self._handover = HandoverPoint(path, self._listeners.sockets, self._taken)

    def _taken(self, pid: int, channel: socket.socket | None) -> None:
        """Another process accepts connections on our sockets."""
        logger.info("process %d has taken over %s", pid, " and ".join(self.urls))
        self._listeners.disown_files()
        self._listeners.close()
        self._note_draining()
        if channel is not None:
            self._doorman.meet_newer(channel)
        self._doorman.leave()
        if (
            self.webtransport is not None
        ):  # its port can't be shared: those clients come back to the other process
            self.webtransport.stop()
            self._webtransport_end = asyncio.create_task(self.webtransport.close())
        self.replaced.set()

    def _note_draining(self) -> None:
        if self._health is not None:
            self._health.is_draining = True

    def stop_listening(self) -> None:
        """Accept no connection any more; those that are here are not touched, but for WebTransport's."""
        self._listeners.close()
        if self.webtransport is not None:
            self.webtransport.cut()

    async def drain(self) -> None:
        """Take no new clients and close those that are here, spread over drain_seconds: see draining.Drain.

        Returns when they are gone or the time is up, at once if drain_seconds is 0; close() does the rest. After a
        handover it takes at least FRESH_S seconds if there are clients. A second call does nothing.
        """
        if self._is_stopping:
            return
        self._is_stopping = True
        self._note_draining()
        if not self.replaced.is_set():
            await self._wait(self._stop.delay_s)
        if self._handover is not None:
            await self._handover.close()
        self._listeners.close()
        if self.webtransport is not None:
            self.webtransport.stop_accepting()
        self._doorman.leave()
        if self._stop.on_drain is not None:
            await self._tell()
        seconds = max(self._stop.drain_s, FRESH_S) if self.replaced.is_set() else self._stop.drain_s
        if seconds > 0 and not self._hurry.is_set():
            count = len(self._server.own_sessions())
            logger.info("closing %d clients over %g s", count, seconds)
            self._drain = Drain(self._server, seconds)
            await self._drain.run()

    def hurry(self) -> None:
        """Let drain() return now; what is left of the clients is close()'s, in one go."""
        self._hurry.set()
        if self._drain is not None:
            self._drain.hurry()

    async def _wait(self, seconds: float) -> None:
        if seconds > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), seconds)

    async def _tell(self) -> None:
        """Let the application tell its clients, who are all still here."""
        try:
            async with asyncio.timeout(self._stop.shutdown_timeout_s):
                await call_hook(self._stop.on_drain)
        except Exception:  # an application's function may raise anything, and the stop goes on
            logger.exception("on_drain failed")

    async def close(self) -> None:
        """Stop: no new connections, every client told, `disconnect` handlers run ("server shutting down").

        drain() comes first; called again meanwhile, this closes the clients that are left. Then it takes at most
        shutdown_timeout seconds and three more; handlers still running then are cancelled. The shutdown of an ASGI
        application's lifespan follows, with as much time again.
        """
        await self.drain()
        self._doorman.part()
        if self.webtransport is not None:
            self.webtransport.stop()
        await self._server.close(self._stop.shutdown_timeout_s)
        self._doorman.end()
        await self._doorman.dismiss()
        if self.webtransport is not None:
            await self.webtransport.close()
        if self._lifespan is not None:
            await self._lifespan.shutdown(self._stop.shutdown_timeout_s)


async def call_hook(hook: Hook | None) -> None:
    """Call a function of the application's, plain or `async`, if there is one."""
    if hook is not None:
        result: Any = hook()
        if hasattr(result, "__await__"):
            await result

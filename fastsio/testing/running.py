"""The application under test, served in memory: the server of fastsio.run() without a listener.

Clients of one application share it, so that a broadcast reaches them all.
"""

import asyncio
from typing import Any

from fastsio.api.sync import Server as ThreadedServer
from fastsio.core.hub import Hub
from fastsio.doors.carriers import find_carried
from fastsio.doors.lifespan import Lifespan
from fastsio.server import Server
from fastsio.testing.settle import settle

DEFAULT_TIMEOUT_S = 1.0

# Those that run now, by application and loop.
_running: dict[tuple[int, int], "Running"] = {}


class Running:
    """One application served on one loop, as long as somebody holds it: acquire(), then release()."""

    def __init__(self, app: Any) -> None:
        # Kept here, neither can have the id of another one.
        self.app = app
        self.loop = asyncio.get_running_loop()
        carried = find_carried(app)
        self.served = app if carried is None else carried.socketio_server
        hub = getattr(self.served, "hub", None)
        if not isinstance(hub, Hub) or isinstance(self.served, ThreadedServer):
            raise TypeError(
                f"{app!r} can't be tested here: give an AsyncServer, an IO, or an ASGI application that carries one"
            )
        self.hub = hub
        # The path as the application will see it; an ASGIApp with None takes any.
        mount, path = "", "socket.io"
        if carried is not None:
            mount, path = carried.mount, carried.asgi_app.engineio_path or path
        self.path = f"{mount}/{path.strip('/')}/".replace("//", "/")
        self._lifespan = None if carried is None else Lifespan(app)
        self._server: Server | None = None
        self._lock = asyncio.Lock()
        self._holders = 0
        self._moves = 0

    @classmethod
    async def acquire(cls, app: Any) -> "Running":
        """The one that serves `app`, begun if there is none. Raises what the application's startup raises."""
        for old in [key for key, one in _running.items() if one.loop.is_closed()]:
            del _running[old]  # of a test that has closed nothing
        key = (id(app), id(asyncio.get_running_loop()))
        running = _running.get(key)
        if running is None:
            running = _running[key] = cls(app)
        running._holders += 1
        try:
            async with running._lock:
                if running._server is None:
                    await running._start()
        except BaseException:
            running._let_go()
            raise
        return running

    async def _start(self) -> None:
        if self._lifespan is not None:
            await self._lifespan.startup()
        self._server = Server(self.served, socketio_path=self.path)

    async def release(self, timeout_s: float) -> None:
        """The last one ends the server: sessions, handlers (cancelled after `timeout_s`), tasks, lifespan."""
        if not self._let_go():
            return
        assert self._server is not None
        await self._server.close(timeout_s)
        if self._lifespan is not None:
            await self._lifespan.shutdown(timeout_s)

    def _let_go(self) -> bool:
        """True for the last one."""
        self._holders -= 1
        if self._holders == 0:
            _running.pop((id(self.app), id(self.loop)), None)
        return self._holders == 0

    @property
    def server(self) -> Server:
        assert self._server is not None
        return self._server

    def moved(self) -> int:
        """Count that bytes go to or from a client."""
        self._moves += 1
        return self._moves

    async def settle(self, timeout_s: float) -> None:
        """Until the loop has nothing to do; see settle.py."""
        await settle(lambda: self._moves, timeout_s)

    @property
    def handler_errors(self) -> int:
        """How many handlers have raised."""
        return sum(one.handler_errors for one in self.hub.namespaces.values())

"""IO: Node's Socket.IO server in Python's words.

Methods named as Node's, in snake_case, are those of the namespace "/"; of() has the others.
"""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, overload

from fastsio.api.engine_events import EngineEvents
from fastsio.core.attendance import Attendance
from fastsio.core.broadcasting import Broadcasting
from fastsio.core.bus_state import BusState
from fastsio.core.declaring import Declaring
from fastsio.core.emitter import Emitter, Handlers
from fastsio.core.hub import Hub
from fastsio.core.limits import Rule
from fastsio.core.namespace import Namespace
from fastsio.core.operator import BroadcastOperator
from fastsio.core.parent import ParentNamespace
from fastsio.core.patterns import is_pattern
from fastsio.options import Options, node_cookie

if TYPE_CHECKING:
    from fastsio.api.aio import AsyncServer
    from fastsio.serve import RunningServer


class IO(Emitter, Broadcasting, Declaring, Attendance):
    """A Socket.IO server in Node's style. Options: see fastsio.options.Options. `engine`: see EngineEvents.

    Raises TypeError for an option that does not exist, ValueError for one that can't be.
    """

    def __init__(self, **options: Any) -> None:
        if isinstance(options.get("cookie"), dict):
            options["cookie"] = node_cookie(options["cookie"])
        self._take(Hub(Options.of({"serve_client": True} | options)))

    @classmethod
    def over(cls, hub: Hub) -> "IO":
        """Node's style for an application that has a hub already: what AsyncServer.io is."""
        io = cls.__new__(cls)
        io._take(hub)
        return io

    def _take(self, hub: Hub) -> None:
        self.hub = hub
        hub.server = self
        self.engine = EngineEvents.of(hub)
        self._sio: AsyncServer | None = None
        self._running: list[RunningServer] = []

    @property
    def sio(self) -> "AsyncServer":
        """The same application in python-socketio's style: its namespaces, clients and rooms are these.

        Of an event that both styles handle, its function runs first, then the socket's listeners; of a client that
        joins, middleware and the function for "connect" are asked in the order in which they were given.
        """
        if self._sio is None:
            from fastsio.api.aio import AsyncServer

            self._sio = AsyncServer.over(self)
        return self._sio

    # --- namespaces --------------------------------------------------------------------------

    @property
    def sockets(self) -> Namespace:
        """The namespace "/"."""
        return self.hub.namespaces["/"]

    @overload
    def of(self, name: str, fn: Callable[..., Any] | None = None) -> Namespace: ...
    @overload
    def of(
        self, name: "re.Pattern[str] | Callable[..., Any]", fn: Callable[..., Any] | None = None
    ) -> ParentNamespace: ...
    def of(self, name: Any, fn: Callable[..., Any] | None = None) -> Any:
        """The namespace `name`, made if it is new; `fn(socket)` is called for every client that joins it.

        Of many names it is a ParentNamespace, which makes a namespace when a client asks for one that it knows:
        "/room/{id}" (also {id:int} and {rest:path}), a regular expression that is searched for in the name, or a
        function (name, auth), plain or coroutine, that returns whether there is such a namespace; Node's form
        (name, auth, next), with next(error, is_allowed), works too. Parents are asked in the order in which they were
        made, for names that are not there. Raises ValueError for a pattern that can't be.
        """
        if not isinstance(name, str) or is_pattern(name):
            namespace: Any = self.hub.parents.add(name)
        else:
            namespace = self.hub.namespace(name)
        if fn is not None:
            namespace.on("connect", fn)
        return namespace

    def use(self, middleware: Callable[..., Any]) -> Callable[..., Any]:
        """Middleware of "/", and of no other namespace: see Namespace.use()."""
        return self.sockets.use(middleware)

    def on(self, event: str, fn: Callable[..., Any] | None = None) -> Any:
        """Call `fn(socket)` on "connection", of every client that joins "/". Works as a decorator.

        "new_namespace" calls `fn(namespace)`, a plain function, for each namespace that is made after that, by of() or
        for a client: there it can add middleware and listeners in time. "bus_up" and "bus_down" call
        `fn(lost, seconds)` when the adapter has its connection, or has lost it. These, and other events: see
        Namespace.on().
        """
        return self._listen(event, fn)

    def events_of(self) -> Namespace:
        return self.sockets

    def handlers_of(self, event: str) -> Handlers:
        return self.sockets.handlers_of(event)

    def set_listeners(self, event: str, handlers: Handlers) -> None:
        self.sockets.set_listeners(event, handlers)

    def event_names(self) -> list[str]:
        """The events of "/" that somebody listens to."""
        return self.sockets.event_names()

    # --- sending -----------------------------------------------------------------------------

    def chosen(self) -> BroadcastOperator:
        return self.sockets.chosen()

    # --- flow --------------------------------------------------------------------------------

    def limit(
        self, event: str | None = None, *, rate: float, burst: int | None = None, per: str = "socket",
        beyond: str = "drop", namespace: str | None = None,
    ) -> Rule:  # fmt: skip
        """How many events a client may send: `io.limit("chat", rate=5, burst=10)`; see Limits.add().

        Without `namespace` it holds for all of them.
        """
        return self.hub.limit(
            event, rate=rate, burst=burst, per=per, beyond=beyond, namespace=namespace
        )

    def flow_counts(self) -> dict[str, int]:
        """What was too much: see Hub.flow_counts()."""
        return self.hub.flow_counts()

    def server_side_emit(
        self, event: str, *args: Any, ack: Callable[..., Any] | None = None
    ) -> None:
        """Send an event to the other servers: see Namespace.server_side_emit()."""
        self.sockets.server_side_emit(event, *args, ack=ack)

    async def server_side_emit_with_ack(self, event: str, *args: Any) -> list[Any]:
        """Send an event to the other servers and return their answers."""
        return await self.sockets.server_side_emit_with_ack(event, *args)

    # --- other servers -----------------------------------------------------------------------

    @property
    def bus(self) -> BusState | None:
        """How the adapter is that joins this server with others; None without one."""
        return self.hub.bus_state

    async def rooms(self) -> set[Any]:
        """The rooms of "/" that have clients, on all servers: see Namespace.all_rooms()."""
        return await self.all_rooms()

    # --- being served ------------------------------------------------------------------------

    @property
    def connect_timeout(self) -> float:
        """Seconds that a client has for joining its first namespace."""
        return self.hub.options.connect_timeout

    async def listen(
        self, port: int = 5000, host: str = "127.0.0.1", **options: Any
    ) -> "RunningServer":
        """Serve it on the running loop; returns when it listens. Arguments, and errors: see fastsio.start()."""
        from fastsio.serve import start

        running = await start(self, host, port, **options)
        self._running.append(running)
        return running

    def attach(self, app: Any, path: str = "socket.io") -> None:
        """Serve it from an aiohttp or sanic application. Raises TypeError for any other."""
        from fastsio.attach import attach

        attach(self, app, path)

    async def close(self) -> None:
        """End every session ("server shutting down" to their sockets), wait for their handlers, and stop listen()ing.

        A server that something else serves, such as fastsio.run(), is served on. Where listen() was given
        drain_seconds, clients are closed over that time.
        """
        for running in self._running:
            await running.drain()
        await self.hub.shut_down()
        for running in self._running:
            await running.close()
        self._running.clear()

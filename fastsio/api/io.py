"""IO: Node's Socket.IO server in Python's words.

Methods named as Node's, in snake_case, are those of the namespace "/"; of() has the others.
"""

import inspect
from collections.abc import Callable
from typing import Any

from fastsio.api.engine_events import EngineEvents
from fastsio.core.flow import Latest
from fastsio.core.hub import Hub
from fastsio.core.limits import Rule
from fastsio.core.namespace import Namespace
from fastsio.core.operator import BroadcastOperator
from fastsio.core.remote import RemoteSocket
from fastsio.options import Options


class IO:
    """A Socket.IO server in Node's style. Options: see fastsio.options.Options. `engine`: see EngineEvents.

    Raises TypeError for an option that does not exist, ValueError for one that can't be.
    """

    def __init__(self, **options: Any) -> None:
        self.hub = Hub(Options.of(options))
        self.hub.events = self.engine = EngineEvents(self.hub)

    @property
    def sockets(self) -> Namespace:
        """The namespace "/"."""
        return self.hub.namespaces["/"]

    def of(self, name: str, fn: Callable[..., Any] | None = None) -> Namespace:
        """The namespace `name`, made if it is new; `fn(socket)` is called for every client that joins it."""
        namespace = self.hub.namespace(name)
        if fn is not None:
            namespace.on("connection", fn)
        return namespace

    def on(self, event: str, fn: Callable[..., Any] | None = None) -> Any:
        """Call `fn(socket)` on "connection", of every client that joins "/". Works as a decorator.

        "new_namespace" calls `fn(namespace)`, a plain function, for each namespace that is made after that, by of() or
        for a client: there it can add middleware and listeners in time.
        """
        if event != "new_namespace":
            return self.sockets.on(event, fn)
        if fn is None:
            return lambda fn: self.on(event, fn)
        if not callable(fn) or inspect.iscoroutinefunction(fn):
            raise TypeError(f"a listener of new_namespace is a plain function, not {fn!r}")
        self.hub.on_new_namespace.append(fn)
        return fn

    def use(self, middleware: Callable[..., Any]) -> Callable[..., Any]:
        """Middleware of "/": see Namespace.use()."""
        return self.sockets.use(middleware)

    def emit(self, event: str, *args: Any, ack: Callable[..., Any] | None = None) -> None:
        """Send an event to every client in "/": see BroadcastOperator.emit()."""
        self.sockets.emit(event, *args, ack=ack)

    async def emit_with_ack(self, event: str, *args: Any) -> list[Any]:
        """Send an event to every client in "/" and return their answers: see BroadcastOperator.emit_with_ack()."""
        return await self.sockets.emit_with_ack(event, *args)

    def timeout(self, seconds: float) -> BroadcastOperator:
        """Wait for answers that long: `await io.timeout(5).emit_with_ack(…)`."""
        return self.sockets.timeout(seconds)

    def send(self, *args: Any) -> None:
        """emit("message", *args)."""
        self.sockets.send(*args)

    def to(self, room: Any) -> BroadcastOperator:
        """The clients of "/" in a room, or in any room of a list."""
        return self.sockets.to(room)

    in_ = to

    def except_(self, room: Any) -> BroadcastOperator:
        """All clients of "/" but those in a room."""
        return self.sockets.except_(room)

    @property
    def volatile(self) -> BroadcastOperator:
        """All clients of "/" that can take the packet now."""
        return self.sockets.volatile

    @property
    def local(self) -> BroadcastOperator:
        """All clients of "/" on this server."""
        return self.sockets.local

    def compress(self, is_wanted: bool) -> BroadcastOperator:
        """See BroadcastOperator.compress()."""
        return self.sockets.compress(is_wanted)

    def latest(self, key: Any) -> Latest:
        """Of packets with one key, clients that read too slowly get only the newest: see flow.Latest."""
        return self.sockets.latest(key)

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

    async def fetch_sockets(self) -> list[RemoteSocket]:
        """All clients of "/", as they are now."""
        return await self.sockets.fetch_sockets()

    async def all_sockets(self) -> set[str]:
        """The ids of all clients of "/"."""
        return await self.sockets.all_sockets()

    def server_side_emit(
        self, event: str, *args: Any, ack: Callable[..., Any] | None = None
    ) -> None:
        """Send an event to the other servers: see Namespace.server_side_emit()."""
        self.sockets.server_side_emit(event, *args, ack=ack)

    async def server_side_emit_with_ack(self, event: str, *args: Any) -> list[Any]:
        """Send an event to the other servers and return their answers."""
        return await self.sockets.server_side_emit_with_ack(event, *args)

    def sockets_join(self, room: Any) -> None:
        """Make every client of "/" join a room."""
        self.sockets.sockets_join(room)

    def sockets_leave(self, room: Any) -> None:
        self.sockets.sockets_leave(room)

    def disconnect_sockets(self, close: bool = False) -> None:
        """Disconnect every client of "/"."""
        self.sockets.disconnect_sockets(close)

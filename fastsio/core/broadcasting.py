"""Sending to all clients of something: what namespaces, parent namespaces and IO have in common.

Each method is that of the BroadcastOperator that chosen() makes. Source: Node's Namespace.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastsio.core.latest import Latest
from fastsio.core.operator import BroadcastOperator

if TYPE_CHECKING:
    from fastsio.core.remote import RemoteSocket


class Broadcasting:
    """`io.emit(…)`, `nsp.to("room").emit(…)` and so on."""

    __slots__ = ()

    def chosen(self) -> BroadcastOperator:
        """All of its clients."""
        raise NotImplementedError

    def emit(self, event: str, *args: Any, ack: Callable[..., Any] | None = None) -> None:
        """Send an event to every client: see BroadcastOperator.emit()."""
        self.chosen().emit(event, *args, ack=ack)

    async def emit_with_ack(self, event: str, *args: Any) -> list[Any]:
        """Send an event to every client and return their answers: see BroadcastOperator.emit_with_ack()."""
        return await self.chosen().emit_with_ack(event, *args)

    def send(self, *args: Any) -> None:
        """emit("message", *args)."""
        self.chosen().emit("message", *args)

    write = send

    def to(self, room: Any) -> BroadcastOperator:
        """The clients in a room, or in any room of a list."""
        return self.chosen().to(room)

    in_ = to

    def except_(self, room: Any) -> BroadcastOperator:
        """All clients but those in a room."""
        return self.chosen().except_(room)

    @property
    def volatile(self) -> BroadcastOperator:
        """All clients that can take the packet now."""
        return self.chosen().volatile

    @property
    def local(self) -> BroadcastOperator:
        """The clients of this server."""
        return self.chosen().local

    def compress(self, is_wanted: bool) -> BroadcastOperator:
        """See BroadcastOperator.compress()."""
        return self.chosen().compress(is_wanted)

    def timeout(self, seconds: float) -> BroadcastOperator:
        """Wait for answers that long: `await io.timeout(5).emit_with_ack(…)`."""
        return self.chosen().timeout(seconds)

    def latest(self, key: Any) -> Latest:
        """Of packets with one key, clients that read too slowly get only the newest: see Latest."""
        return self.chosen().latest(key)

    async def fetch_sockets(self) -> "list[RemoteSocket]":
        """All clients, as they are now."""
        return await self.chosen().fetch_sockets()

    async def all_sockets(self) -> set[str]:
        """The ids of all clients."""
        return await self.chosen().all_sockets()

    def sockets_join(self, room: Any) -> None:
        """Make every client join a room, or every room of a list."""
        self.chosen().sockets_join(room)

    def sockets_leave(self, room: Any) -> None:
        """Make every client leave a room, or every room of a list."""
        self.chosen().sockets_leave(room)

    def disconnect_sockets(self, close: bool = False) -> None:
        """Disconnect every client; with `close` their whole connections."""
        self.chosen().disconnect_sockets(close)

"""Whom an emit reaches: the chain to().in_().except_().volatile, immutable."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastsio.core.handlers import check_event_name

if TYPE_CHECKING:
    from fastsio.core.namespace import Namespace

Rooms = frozenset[Any]
NOBODY_EXCEPT: Rooms = frozenset()


def as_rooms(room: Any) -> Rooms:
    """One room, or a list or set of them, as a set of rooms. A room may be anything hashable, so a tuple is one."""
    if isinstance(room, (list, set, frozenset)):
        return frozenset(room)
    return frozenset((room,))


class BroadcastOperator:
    """A choice of clients of one namespace; every step returns a new one, which may be kept and reused.

    `rooms` None means everyone in the namespace; a set means the union of these rooms, each client once
    (so an empty one reaches nobody). A socket's id is a room with it alone in it. Every method may be called
    from any thread; from another than the engine's it takes effect soon, in the order of the calls.
    """

    __slots__ = ("_excluded", "_is_volatile", "_namespace", "_rooms")

    def __init__(
        self, namespace: "Namespace", rooms: Rooms | None = None, excluded: Rooms = NOBODY_EXCEPT,
        is_volatile: bool = False,
    ) -> None:  # fmt: skip
        self._namespace = namespace
        self._rooms = rooms
        self._excluded = excluded
        self._is_volatile = is_volatile

    def to(self, room: Any) -> "BroadcastOperator":
        """Also the clients in `room` (or in any room of a list)."""
        rooms = as_rooms(room) | (self._rooms or frozenset())
        return BroadcastOperator(self._namespace, rooms, self._excluded, self._is_volatile)

    in_ = to

    def except_(self, room: Any) -> "BroadcastOperator":
        """But no client that is in `room`."""
        excluded = self._excluded | as_rooms(room)
        return BroadcastOperator(self._namespace, self._rooms, excluded, self._is_volatile)

    @property
    def volatile(self) -> "BroadcastOperator":
        """Only to clients that can take it now: the packet is dropped for the others."""
        return BroadcastOperator(self._namespace, self._rooms, self._excluded, True)

    def emit(self, event: str, *args: Any) -> None:
        """Send an event to all of them. It is encoded once; a client's packets keep the calls' order.

        Raises TypeError for what JSON can't hold, ValueError for a reserved name or over 10 binary values.
        """
        check_event_name(event)
        namespace = self._namespace
        if namespace.is_elsewhere():
            # Encoded here: what can't be is this caller's error, and what is changed later is not sent.
            encoded = namespace.encode_event([event, *args])
            namespace.hub.call_soon(
                namespace.adapter.deliver, encoded, self._rooms, self._excluded, self._is_volatile
            )
            if namespace.observer is not None:
                namespace.hub.call_soon(
                    namespace.tell_sent_to, [event, *args], self._rooms, self._excluded
                )
            return
        namespace.adapter.broadcast([event, *args], self._rooms, self._excluded, self._is_volatile)
        if namespace.observer is not None:
            namespace.tell_sent_to([event, *args], self._rooms, self._excluded)

    def send(self, *args: Any) -> None:
        """emit("message", *args)."""
        self.emit("message", *args)

    def _for_each(self, act: Callable[[Any], None]) -> None:
        """Do it to all of them, as they are now; on the engine's loop, wherever the caller is."""
        if self._namespace.is_elsewhere():
            self._namespace.hub.call_soon(self._for_each, act)
            return
        for socket in list(self._namespace.adapter.members(self._rooms, self._excluded)):
            act(socket)

    def sockets_join(self, room: Any) -> None:
        """Make all of them join a room, or every room of a list."""
        self._for_each(lambda socket: socket.join(room))

    def sockets_leave(self, room: Any) -> None:
        self._for_each(lambda socket: socket.leave(room))

    def disconnect_sockets(self, close: bool = False) -> None:
        """Disconnect all of them; with `close` their whole connections."""
        self._for_each(lambda socket: socket.disconnect(close))

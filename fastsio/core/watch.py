"""Who watches one namespace: its sockets' on_any_outgoing(), its adapter's on(), beside the server's observer.

It takes the observer's place at the namespace while there is anybody, so it costs nothing else.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastsio._dispatch import Handler
from fastsio._eager import start_eager
from fastsio.core.handlers import called
from fastsio.core.observer import Observer

if TYPE_CHECKING:
    from fastsio.core.namespace import Namespace
    from fastsio.core.socket import Socket


class Watch:
    """An Observer of one namespace, which passes on what it is told to `observer`.

    outgoing: by socket id, what hears of events that are sent to it. of_rooms: by event, what hears of rooms.
    """

    def __init__(self, namespace: "Namespace") -> None:
        self._namespace = namespace
        self.observer: Observer | None = None
        self.outgoing: dict[str, tuple[Handler, ...]] = {}
        self.of_rooms: dict[str, tuple[Callable[..., Any], ...]] = {}

    @property
    def is_used(self) -> bool:
        return bool(self.outgoing or self.of_rooms)

    def listen(self, sid: str, handlers: tuple[Handler, ...]) -> None:
        """Let these hear what is sent to a socket, in the place of those that did; none: nobody."""
        if handlers:
            self.outgoing[sid] = handlers
        else:
            self.outgoing.pop(sid, None)
        self._namespace.place_watch()

    def listen_to_rooms(self, event: str, fns: tuple[Callable[..., Any], ...]) -> None:
        """Let these hear of one event of the rooms, in the place of those that did; none: nobody."""
        if fns:
            self.of_rooms[event] = fns
        else:
            self.of_rooms.pop(event, None)
        self._namespace.place_watch()

    def event_received(self, socket: "Socket", args: list[Any]) -> None:
        if self.observer is not None:
            self.observer.event_received(socket, args)

    def event_sent(self, sockets: "list[Socket]", args: list[Any]) -> None:
        if self.observer is not None:
            self.observer.event_sent(sockets, args)
        for socket in sockets:
            for handler in self.outgoing.get(socket.id, ()):
                socket.run_handler(handler, args[0], *args[1:])

    def room_joined(self, socket: "Socket", room: Any) -> None:
        if self.observer is not None:
            self.observer.room_joined(socket, room)
        if self.of_rooms:
            is_new = len(self._namespace.rooms[room]) == 1 and not self._namespace.is_sid(room)
            self._tell_of_join(socket.id, room, is_new)

    def room_left(self, socket: "Socket", room: Any) -> None:
        if self.observer is not None:
            self.observer.room_left(socket, room)
        if self.of_rooms:
            self._tell_of_leave(socket.id, room)

    def socket_joined(self, sid: str) -> None:
        """A client is admitted: it is in the room with its id."""
        if self.of_rooms:
            self._tell_of_join(sid, sid, sid not in self._namespace.rooms)

    def socket_left(self, sid: str) -> None:
        """A client has gone, and left its own room after the others."""
        self.forget(sid)
        if self.of_rooms:
            self._tell_of_leave(sid, sid)

    def forget(self, sid: str) -> None:
        """Nothing is sent to this client any more."""
        if sid in self.outgoing:
            self.listen(sid, ())

    def _tell_of_join(self, sid: str, room: Any, is_new: bool) -> None:
        if is_new:
            self._tell("create-room", room)
        self._tell("join-room", room, sid)

    def _tell_of_leave(self, sid: str, room: Any) -> None:
        self._tell("leave-room", room, sid)
        if room not in self._namespace.rooms and not self._namespace.is_sid(room):
            self._tell("delete-room", room)

    def _tell(self, event: str, *args: Any) -> None:
        for fn in self.of_rooms.get(event, ()):
            # What it raises is logged: the client joins or leaves all the same.
            start_eager(called(fn, *args), self._namespace.tasks, f"listener of {event!r}")

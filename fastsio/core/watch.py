"""Who watches one namespace: its sockets' on_any_outgoing(), beside the server's observer.

It takes the observer's place at the namespace while there is anybody, so it costs nothing else.
"""

from typing import TYPE_CHECKING, Any

from fastsio._dispatch import Handler
from fastsio.core.observer import Observer

if TYPE_CHECKING:
    from fastsio.core.namespace import Namespace
    from fastsio.core.socket import Socket


class Watch:
    """An Observer of one namespace, which passes on what it is told to `observer`.

    outgoing: by socket id, what hears of events that are sent to it.
    """

    def __init__(self, namespace: "Namespace") -> None:
        self._namespace = namespace
        self.observer: Observer | None = None
        self.outgoing: dict[str, tuple[Handler, ...]] = {}

    @property
    def is_used(self) -> bool:
        return bool(self.outgoing)

    def listen(self, sid: str, handlers: tuple[Handler, ...]) -> None:
        """Let these hear what is sent to a socket, in the place of those that did; none: nobody."""
        if handlers:
            self.outgoing[sid] = handlers
        else:
            self.outgoing.pop(sid, None)
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

    def room_left(self, socket: "Socket", room: Any) -> None:
        if self.observer is not None:
            self.observer.room_left(socket, room)

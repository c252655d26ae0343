"""Namespaces: the sockets in one, its middleware, its handlers, and emitting to it.

Source: Node's Namespace; a name's leading "/" may be left out.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastsio._dispatch import Handler, NamespaceBase
from fastsio._encoded import Encoded
from fastsio.core.adapter import Adapter
from fastsio.core.gather import calling
from fastsio.core.handlers import make_handler, positional_count
from fastsio.core.held import Held
from fastsio.core.observer import Observer
from fastsio.core.operator import NOBODY_EXCEPT, BroadcastOperator, Rooms, as_rooms
from fastsio.core.watch import Watch

if TYPE_CHECKING:
    from fastsio.core.flow import Latest
    from fastsio.core.hub import Hub
    from fastsio.core.limits import Rule
    from fastsio.core.remote import RemoteSocket
    from fastsio.core.socket import Socket

# A guard admits a socket by returning and refuses it by raising; it may be a coroutine function.
Guard = Callable[["Socket"], Any]

OWN_EVENTS = ("connection", "connect")


class Namespace(NamespaceBase):
    """One namespace. `name` begins with "/"; `sockets` are those that joined, by id; `adapter` has the rooms.

    `joining`: not yet admitted, but reached by id and in the rooms that a guard put them into.
    """

    def __init__(self, name: str, json: Any, tasks: set[Any], hub: "Hub") -> None:
        self.hub = hub
        # Gone, with a `disconnect` handler still at work: only looked up.
        self.leaving: dict[str, Socket] = {}
        # What those who are joining get when they are admitted, by id.
        self.held: dict[str, Held] = {}
        self.adapter = Adapter(self)
        self.guards: list[Guard] = []
        self._entry_guard: Guard | None = None
        # Who hears of more than the hub's observer does, once there was anybody.
        self.watch: Watch | None = None
        self.connection_handlers: list[Handler] = []

    def observe(self, observer: Observer | None) -> None:
        """Tell `observer` of events and rooms, besides those who watch this namespace alone."""
        if self.watch is None:
            self.observer = observer
        else:
            self.watch.observer = observer
            self.place_watch()

    def watched(self) -> Watch:
        """The Watch of this namespace, made if there is none."""
        if self.watch is None:
            self.watch = Watch(self)
            self.watch.observer = self.observer
        return self.watch

    def place_watch(self) -> None:
        """What is told of events and rooms: the watch while it is used, else the hub's observer, if there is one."""
        assert self.watch is not None
        self.observer = self.watch if self.watch.is_used else self.watch.observer

    def find(self, sid: Any) -> "Socket | None":
        """The socket with that id, also while it joins or leaves."""
        return self.sockets.get(sid) or self.joining.get(sid) or self.leaving.get(sid)

    @property
    def is_deserted(self) -> bool:
        """Whether nobody is in it, comes or leaves."""
        return not (self.sockets or self.joining or self.leaving)

    def everyone_in(self, room: Any) -> "dict[str, Socket]":
        """Who is in a room (None: in the namespace) by id, also those whose handlers are still at work."""
        if room is None:
            return {**self.sockets, **self.joining, **self.leaving}
        found = {**self.rooms.get(room, {})}
        found |= {sid: socket for sid, socket in self.leaving.items() if room in socket.rooms}
        if self.is_sid(room):
            found[room] = self.sockets.get(room) or self.joining[room]
        return found

    def is_sid(self, room: Any) -> bool:
        """Whether a room is the own one of a client that is here."""
        return room in self.sockets or room in self.joining

    # --- Node's API --------------------------------------------------------------------------

    def on(self, event: str, fn: Callable[..., Any] | None = None) -> Any:
        """Call `fn(socket)` for every client that joins; the event is "connection" (or "connect").

        Works as a decorator too. Events of clients are listened to on their sockets: socket.on().
        """
        if event not in OWN_EVENTS:
            raise ValueError(
                f'namespace event {event!r}: "connection"; clients\' events go to socket.on()'
            )
        if fn is None:
            return lambda fn: self.on(event, fn)
        self.connection_handlers.append(make_handler(fn))
        return fn

    def use(self, middleware: Callable[..., Any]) -> Callable[..., Any]:
        """Run `middleware(socket)` before a client is admitted, after those added earlier.

        It refuses by raising: the client's connect_error has the exception's text and, if there is one,
        its `data`. May be a coroutine function. Node's form `(socket, next)` works too: it admits with
        next() and refuses with next(error). Returns `middleware`, so it can decorate.
        """
        needed, _ = positional_count(middleware)
        if needed > 2:
            raise TypeError("a middleware takes (socket) or (socket, next)")
        self.guards.append(_with_next(middleware) if needed == 2 else middleware)
        return middleware

    def emit(self, event: str, *args: Any, ack: Callable[..., Any] | None = None) -> None:
        """Send an event to every client in the namespace: see BroadcastOperator.emit()."""
        BroadcastOperator(self).emit(event, *args, ack=ack)

    async def emit_with_ack(self, event: str, *args: Any) -> list[Any]:
        """Send an event to every client in the namespace and return their answers."""
        return await BroadcastOperator(self).emit_with_ack(event, *args)

    def timeout(self, seconds: float) -> BroadcastOperator:
        """Wait for answers that long: see BroadcastOperator.timeout()."""
        return BroadcastOperator(self).timeout(seconds)

    def send(self, *args: Any) -> None:
        """emit("message", *args)."""
        BroadcastOperator(self).send(*args)

    def to(self, room: Any) -> BroadcastOperator:
        """The clients in a room, or in any room of a list."""
        return BroadcastOperator(self).to(room)

    in_ = to

    def except_(self, room: Any) -> BroadcastOperator:
        """All clients but those in a room."""
        return BroadcastOperator(self).except_(room)

    @property
    def volatile(self) -> BroadcastOperator:
        return BroadcastOperator(self).volatile

    @property
    def local(self) -> BroadcastOperator:
        """The clients of this server."""
        return BroadcastOperator(self).local

    def compress(self, is_wanted: bool) -> BroadcastOperator:
        """See BroadcastOperator.compress()."""
        return BroadcastOperator(self).compress(is_wanted)

    def latest(self, key: Any) -> "Latest":
        """Of packets with one key, clients that read too slowly get only the newest: see flow.Latest."""
        return BroadcastOperator(self).latest(key)

    def limit(
        self, event: str | None = None, *, rate: float, burst: int | None = None, per: str = "socket",
        beyond: str = "drop",
    ) -> "Rule":  # fmt: skip
        """How many events a client of this namespace may send: `limit("chat", rate=5, burst=10)`; see Limits.add()."""
        return self.hub.limit(
            event, rate=rate, burst=burst, per=per, beyond=beyond, namespace=self.name
        )

    async def fetch_sockets(self) -> "list[RemoteSocket]":
        """All clients of the namespace, as they are now."""
        return await BroadcastOperator(self).fetch_sockets()

    async def all_sockets(self) -> set[str]:
        """The ids of all clients of the namespace."""
        return await BroadcastOperator(self).all_sockets()

    def server_side_emit(
        self, event: str, *args: Any, ack: Callable[..., Any] | None = None
    ) -> None:
        """Send an event to the other servers; there are none, so `ack(None, [])` is called at once.

        Raises TypeError for what JSON can't hold, ValueError for the names of a namespace's own events.
        """
        self._check_server_event([event, *args])
        if ack is not None:
            calling(self, ack)(None, [])

    async def server_side_emit_with_ack(self, event: str, *args: Any) -> list[Any]:
        """Send an event to the other servers and return their answers; there are none."""
        self._check_server_event([event, *args])
        return []

    def _check_server_event(self, args: list[Any]) -> None:
        if args[0] in (*OWN_EVENTS, "new_namespace"):
            raise ValueError(f"{args[0]!r} is a reserved event name")
        self.encode_event(args)

    def sockets_join(self, room: Any) -> None:
        BroadcastOperator(self).sockets_join(room)

    def sockets_leave(self, room: Any) -> None:
        BroadcastOperator(self).sockets_leave(room)

    def disconnect_sockets(self, close: bool = False) -> None:
        BroadcastOperator(self).disconnect_sockets(close)

    # --- python-socketio's side --------------------------------------------------------------

    def set_entry_guard(self, guard: Guard | None) -> None:
        """The one guard of the `connect` handler; the last one given takes its predecessor's place."""
        if self._entry_guard is None:
            place = len(self.guards)
        else:
            place = self.guards.index(self._entry_guard)
            del self.guards[place]
        if guard is not None:
            self.guards.insert(place, guard)
        self._entry_guard = guard

    def set_handlers(self, handlers: dict[str, Handler], fallback: Handler | None) -> None:
        """The handlers of events of all sockets, and the one of every event that is not among them."""
        self.handlers.clear()
        self.handlers.update(handlers)
        self.fallback = fallback

    def lookup(self, event: str) -> Handler | None:
        """The handler of a client's event."""
        return self.handlers.get(event) or self.fallback

    def emit_to_rooms(
        self, args: list[Any], room: Any, skip: Any, callback: Callable[..., Any] | None
    ) -> None:
        """emit_to() where it takes sets of rooms. As in python-socketio a tuple is several, unless it is a room."""
        if callback is None:
            self.send_to_rooms(self.encode_event(args), room, skip)
            return
        rooms = None if room is None else self._rooms_of(room)
        excluded = NOBODY_EXCEPT if skip is None else self._rooms_of(skip)
        for socket in self.adapter.members(rooms, excluded):
            socket.send_event(args, socket.pending(callback))

    def tell_sent(self, args: list[Any], room: Any, skip: Any) -> None:
        rooms = None if room is None else self._rooms_of(room)
        excluded = NOBODY_EXCEPT if skip is None else self._rooms_of(skip)
        self.tell_sent_to(args, rooms, excluded)

    def tell_sent_to(self, args: list[Any], rooms: Rooms | None, excluded: Rooms) -> None:
        """An event was sent to these: the observer shall know, if there is one."""
        if self.observer is not None:
            self.observer.event_sent(list(self.adapter.members(rooms, excluded)), args)

    def send_to_rooms(self, encoded: Encoded, room: Any, skip: Any) -> None:
        """emit_to() of an event that is encoded already (sync.py does that in the caller's thread)."""
        rooms = None if room is None else self._rooms_of(room)
        excluded = NOBODY_EXCEPT if skip is None else self._rooms_of(skip)
        if not self.joining or not self._hold(encoded, room, excluded):
            self.adapter.deliver(encoded, rooms, excluded)

    def _hold(self, encoded: Encoded, room: Any, excluded: Rooms) -> bool:
        """Keep a packet to everyone for those who are still asked about; True if it is for nobody else.

        Nor is one that is for such a client alone sent before what it has to wait for.
        """
        if room is None:
            for sid, socket in self.joining.items():
                if sid not in excluded and socket.session.is_open:
                    if sid not in self.held:
                        self.held[sid] = Held(self.hub.options.max_buffered_bytes)
                    if not self.held[sid].add(encoded, False):
                        socket.overflow()
            return False
        # Of a list of rooms nothing is held: it may name others besides.
        if not isinstance(room, str) or room not in self.held or room in self.rooms:
            return False
        if not self.held[room].add(encoded, True):
            self.joining[room].overflow()
        return True

    def release(self, socket: "Socket", is_admitted: bool) -> None:
        """A client that was asked about is admitted or refused: send what was held."""
        held = self.held.pop(socket.id, None)
        for encoded, is_direct in [] if held is None else held.packets:
            if is_admitted or is_direct:
                socket.send_packet(encoded)

    def _rooms_of(self, room: Any) -> frozenset[Any]:
        return (
            frozenset(room)
            if isinstance(room, tuple) and room not in self.rooms
            else as_rooms(room)
        )


def _with_next(middleware: Callable[..., Any]) -> Guard:
    """Node's (socket, next) as a guard: it waits until next is called, with the error if there is one."""

    async def guard(socket: "Socket") -> None:
        called = asyncio.get_running_loop().create_future()

        def next_(error: Any = None) -> None:
            if not called.done():
                called.set_result(error)

        result = middleware(socket, next_)
        if hasattr(result, "__await__"):
            await result
        error = await called
        if error is not None:
            raise error if isinstance(error, BaseException) else Exception(str(error))

    return guard

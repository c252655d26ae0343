"""Namespaces: the sockets in one, its middleware, its handlers, and emitting to it.

Source: Node's Namespace; a name's leading "/" may be left out.
"""

import asyncio
import inspect
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastsio._codec import RESERVED_EVENTS, Parser, check_event_name
from fastsio._dispatch import Handler, NamespaceBase
from fastsio._eager import start_eager
from fastsio._encoded import Encoded, encode_engine_packet
from fastsio.core.adapter import Adapter
from fastsio.core.attendance import Attendance
from fastsio.core.broadcasting import Broadcasting
from fastsio.core.bus_events import BUS_EVENTS
from fastsio.core.declaring import Declaring
from fastsio.core.emitter import Emitter, Handlers
from fastsio.core.gather import calling, setting
from fastsio.core.handlers import heard
from fastsio.core.held import Held
from fastsio.core.middleware import make_step
from fastsio.core.observer import Observer
from fastsio.core.operator import NOBODY_EXCEPT, BroadcastOperator, Rooms, as_rooms
from fastsio.core.recovery import Recovery
from fastsio.core.recovery_adapter import SessionAwareAdapter
from fastsio.core.watch import Watch

if TYPE_CHECKING:
    from fastsio.core.hub import Hub
    from fastsio.core.limits import Rule
    from fastsio.core.parent import ParentNamespace
    from fastsio.core.socket import Socket

# A guard admits a socket by returning and refuses it by raising; it may be a coroutine function.
Guard = Callable[["Socket"], Any]

logger = logging.getLogger("fastsio.core")

OWN_EVENTS = ("connection", "connect", "new_namespace", *BUS_EVENTS)
RESERVED_NAMES = frozenset(name.encode() for name in RESERVED_EVENTS)


def event_head(name: str) -> bytes:
    """Engine.IO's type and Socket.IO's, and the namespace: `42`, `42/chat,`."""
    return b"42" if name == "/" else b"42%b," % name.encode()


def is_plain_event(text: bytes) -> bool:
    """Whether JSON is an array that begins with a string which is no reserved name, as all events do.

    It may say no of one that has blanks, or escapes in its name.
    """
    if not text.startswith(b'["'):
        return False
    name = text[2 : text.index(b'"', 2)]
    return name not in RESERVED_NAMES and b"\\" not in name


class Namespace(Emitter, Broadcasting, Declaring, Attendance, NamespaceBase):
    """One namespace. `name` begins with "/"; `sockets` are those that joined, by id; `adapter` has the rooms.

    `joining`: not yet admitted, but reached by id and in the rooms that a guard put them into.
    """

    guards: list[Guard]
    connection_handlers: Handlers

    def __init__(self, name: str, json: Any, tasks: set[Any], hub: "Hub") -> None:
        self.hub = hub
        # What is in front of an event's JSON in a packet; None where a Parser makes packets.
        self.event_head: bytes | None = None if isinstance(json, Parser) else event_head(name)
        self.max_running = hub.options.max_running_events
        # What those who are joining get when they are admitted, by id.
        self.held: dict[str, Held] = {}
        self.adapter = Adapter(self)
        if hub.lost_sessions is not None:
            self.adapter = SessionAwareAdapter(self, hub.lost_sessions)
            self.recovery = Recovery(self)
            self.asks_adapter = True
        if hub.cluster is not None:
            self.join_cluster(hub.cluster)
        self._entry_guard: Guard | None = None
        # Who hears of more than the hub's observer does, once there was anybody.
        self.watch: Watch | None = None
        # Events that no handler got because of their arguments (typed.py).
        self.invalid_events = 0
        # Events that the server sends, by name, where the application declared them.
        self.declared: dict[str, Any] = {}
        self.by_event = None
        # A child of a parent namespace, and what its name says of it: {"id": "7"} where that is /room/{id}.
        self.parent: ParentNamespace | None = None
        self.params: dict[str, Any] = {}

    def join_cluster(self, cluster: Any) -> None:
        """Let its clients be those of several servers (adapters/cluster)."""
        self.adapter = cluster.adapter_for(self, self.adapter)
        self.asks_adapter = True

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
        others = tuple(one for one in self.attendants or () if one is not self.watch)
        self.attendants = ((*others, self.watch) if self.watch.is_used else others) or None

    def attend(self, attendant: Any) -> None:
        """Tell `attendant` of clients that come and go: socket_joined(sid), socket_left(sid)."""
        self.attendants = (*(self.attendants or ()), attendant)

    def find(self, sid: Any) -> "Socket | None":
        """The socket with that id, also while it joins or leaves."""
        return self.sockets.get(sid) or self.joining.get(sid) or self.leaving.get(sid)

    @property
    def is_deserted(self) -> bool:
        """Whether nobody is in it, comes or leaves, or may come back."""
        store = self.hub.lost_sessions
        is_awaited = store is not None and store.count(self) > 0
        return not (self.sockets or self.joining or self.leaving or is_awaited)

    def everyone_in(self, room: Any) -> "dict[str, Socket]":
        """Who is in a room (None: in the namespace) by id, also those whose handlers are still at work."""
        if room is None:
            return {**self.leaving, **self.joining, **self.sockets}
        found = {**self.rooms.get(room, {})}
        found |= {sid: socket for sid, socket in self.leaving.items() if room in socket.rooms}
        if self.is_sid(room):
            found[room] = self.sockets.get(room) or self.joining[room]
        return found

    def is_sid(self, room: Any) -> bool:
        """Whether a room is the own one of a client that is here."""
        return room in self.sockets or room in self.joining

    # --- Node's API --------------------------------------------------------------------------

    def chosen(self) -> BroadcastOperator:
        return BroadcastOperator(self)

    @property
    def server(self) -> Any:
        """The application that it belongs to, an IO or an AsyncServer."""
        return self.hub.server

    def on(self, event: str, fn: Callable[..., Any] | None = None) -> Any:
        """Call `fn(socket)` on "connection" (or "connect"), for every client that joins. Works as a decorator.

        Of "/", "new_namespace" calls `fn(namespace)`, a plain function, for each namespace that is made after that, by
        the application or for a client. With an adapter, "bus_up" and "bus_down" call `fn(lost, seconds)` when it has
        its connection, or has lost it: how many messages were lost since the event before, and how long it was as it
        was. Any other event is one that another server sends with server_side_emit().
        Events of clients are listened to on their sockets: socket.on().
        """
        return self._listen(event, fn)

    def set_listeners(self, event: str, handlers: Handlers) -> None:
        if event == "new_namespace":
            for handler in handlers:
                if inspect.iscoroutinefunction(handler.fn):
                    raise TypeError(
                        f"a listener of new_namespace is a plain function, not {handler.fn!r}"
                    )
        elif (
            event not in OWN_EVENTS
            and self.hub.cluster is None
            and len(handlers) > self.listener_count(event)
        ):
            logger.warning(
                "%r in %r is listened to, but only server_side_emit() of other servers sends it: events of clients go "
                "to their sockets, socket.on()", event, self.name,
            )  # fmt: skip
        super().set_listeners(event, handlers)
        self.connection_handlers = self.handlers_of("connect") + self.handlers_of("connection")

    def run_connection(self, socket: "Socket") -> None:
        """Tell those who listen to "connect" and "connection" of a client that has joined."""
        for handler in self.connection_handlers:
            if handler.once:
                self.forget("connect", handler)
                self.forget("connection", handler)
            socket.run_handler(handler, "connection", socket)

    def use(self, middleware: Callable[..., Any]) -> Callable[..., Any]:
        """Run `middleware(socket)` before a client is admitted, after those added earlier.

        It refuses by raising: the client's connect_error has the exception's text and, if there is one,
        its `data`. May be a coroutine function. Node's form `(socket, next)` works too: it admits with
        next() and refuses with next(error); a client waits for that at most middleware_timeout seconds after it has
        returned. Returns `middleware`, so it can decorate. Raises TypeError for a function that can't be called so.
        """
        seconds = self.hub.options.middleware_timeout
        self.guards.append(make_step(middleware, seconds, self.tasks, "socket"))
        return middleware

    def limit(
        self, event: str | None = None, *, rate: float, burst: int | None = None, per: str = "socket",
        beyond: str = "drop",
    ) -> "Rule":  # fmt: skip
        """How many events a client of this namespace may send: `limit("chat", rate=5, burst=10)`; see Limits.add()."""
        return self.hub.limit(
            event, rate=rate, burst=burst, per=per, beyond=beyond, namespace=self.name
        )

    def server_side_emit(
        self, event: str, *args: Any, ack: Callable[..., Any] | None = None
    ) -> None:
        """Send an event to the namespace's listeners on the other servers that the adapter reaches: on().

        `ack(error, answers)` is called once with an answer of each, or after 5 seconds with PartialAnswersError and
        those that came. Without other servers that is at once. Raises TypeError for what JSON can't hold, ValueError
        for the names of a namespace's own events.
        """
        self._check_server_event([event, *args])
        done = None if ack is None else calling(self, ack)
        if self.is_elsewhere():
            self.hub.call_soon(self.adapter.server_side_emit, [event, *args], done)
        else:
            self.adapter.server_side_emit([event, *args], done)

    async def server_side_emit_with_ack(self, event: str, *args: Any) -> list[Any]:
        """Send an event to the other servers, return an answer of each; PartialAnswersError after 5 seconds."""
        self._check_server_event([event, *args])
        if self.is_elsewhere():
            there: list[Any] = await self.hub.hand_over(
                self.server_side_emit_with_ack(event, *args)
            )
            return there
        ended = asyncio.get_running_loop().create_future()
        self.adapter.server_side_emit([event, *args], setting(ended))
        answers: list[Any] = await ended
        return answers

    def hear_server(self, args: list[Any], answer: Callable[[Any], None] | None) -> None:
        """Another server's event, for who listens to it. `answer` is given what the first of them has to say.

        That is what it returns, or calls its parameter `ack` with; None where nobody listens.
        """
        if args[0] in OWN_EVENTS:
            raise ValueError(f"another server sends {args[0]!r}, which is this one's own")
        if answer is not None and not self.handlers_of(args[0]):
            answer(None)
        for handler in self.handlers_of(args[0]):
            if handler.once:
                self.forget(args[0], handler)
            start_eager(
                heard(handler, args[1:], answer),
                self.tasks,
                f"listener of {args[0]!r} from a server",
            )
            answer = None

    def _check_server_event(self, args: list[Any]) -> None:
        if args[0] in OWN_EVENTS:
            raise ValueError(f'"{args[0]}" is a reserved event name')
        self.encode_event(args)

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

    @property
    def entry_guards(self) -> list[Guard]:
        """That one as a list, which may be empty."""
        return [] if self._entry_guard is None else [self._entry_guard]

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
            packet, ticket = self.adapter.prepare(args)
            self.send_to_rooms(packet, room, skip, ticket)
            return
        rooms = None if room is None else self._rooms_of(room)
        excluded = NOBODY_EXCEPT if skip is None else self._rooms_of(skip)
        self.adapter.ask(args, rooms, excluded, callback)

    def tell_sent(self, args: list[Any], room: Any, skip: Any) -> None:
        rooms = None if room is None else self._rooms_of(room)
        excluded = NOBODY_EXCEPT if skip is None else self._rooms_of(skip)
        self.tell_sent_to(args, rooms, excluded)

    def tell_sent_to(self, args: list[Any], rooms: Rooms | None, excluded: Rooms) -> None:
        """An event was sent to these: the observer shall know, if there is one."""
        if self.observer is not None:
            self.observer.event_sent(list(self.adapter.members(rooms, excluded)), args)

    def send_to_rooms(self, encoded: Encoded, room: Any, skip: Any, ticket: Any = None) -> None:
        """emit_to() of what the adapter has prepared (sync.py does that in the caller's thread)."""
        rooms = None if room is None else self._rooms_of(room)
        excluded = NOBODY_EXCEPT if skip is None else self._rooms_of(skip)
        if (
            not self.joining
            or self.adapter.has_way_round
            or not self._hold(encoded, room, excluded)
        ):
            self.adapter.deliver(encoded, rooms, excluded, ticket=ticket)
        else:
            self.adapter.publish(rooms, excluded, ticket)

    def deliver_here(
        self, args: list[Any], rooms: Rooms | None, excluded: Rooms, is_volatile: bool, is_plain: bool
    ) -> None:  # fmt: skip
        """Another server's broadcast: give it to the clients that are here."""
        check_event_name(args[0])  # clients close a connection on which a wrong one comes
        encoded, ticket = self.adapter.local.prepare(args, is_volatile)
        encoded.is_plain = is_plain
        self.give_here(encoded, rooms, excluded, is_volatile, ticket)
        if self.observer is not None:
            self.tell_sent_to(args, rooms, excluded)

    def give_here(
        self, encoded: Encoded, rooms: Rooms | None, excluded: Rooms, is_volatile: bool, ticket: Any
    ) -> None:  # fmt: skip
        """deliver_here() of what the adapter of the clients here has prepared."""
        room = None if rooms is None else [*rooms] if len(rooms) != 1 else next(iter(rooms))
        if is_volatile or not self.joining or not self._hold(encoded, room, excluded):
            self.adapter.local.deliver(encoded, rooms, excluded, is_volatile, ticket)

    def deliver_text(
        self, text: bytes, rooms: Rooms | None, excluded: Rooms, is_volatile: bool, is_plain: bool
    ) -> bool:  # fmt: skip
        """deliver_here() of [event, *args] in JSON, which becomes the packet as it is.

        False, and nothing is done, where somebody has to look into it.
        """
        adapter = self.adapter.local
        if (
            type(adapter) is not Adapter
            or self.observer is not None
            or self.joining
            or self.event_head is None
            or not is_plain_event(text)
        ):
            return False
        encoded = encode_engine_packet(self.event_head + text)
        encoded.is_event = True
        encoded.is_plain = is_plain
        adapter.deliver(encoded, rooms, excluded, is_volatile)
        return True

    def _hold(self, encoded: Encoded, room: Any, excluded: Rooms) -> bool:
        """Keep a packet to everyone for those who are still asked about; True if it is for nobody else.

        Nor is one that is for such a client alone sent before what it has to wait for.
        """
        if room is None:
            for sid, socket in self.joining.items():
                # One that comes back gets all it has missed, and this with it.
                if sid not in excluded and socket.session.is_open and not socket.is_returning:
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

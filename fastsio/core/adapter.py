"""Rooms of one namespace in one process, and the broadcast to them.

A socket's own room, named by its id, is not stored: looking the id up finds the socket. A room exists
while somebody is in it. What keeps sessions and packets for clients that come back is in recovery_adapter.py;
adapters that reach the clients of other servers are in fastsio/adapters.
"""

import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from fastsio._encoded import Encoded
from fastsio._fanout import fan_out
from fastsio.core.gather import Done, Gathering, gather
from fastsio.core.operator import Rooms
from fastsio.core.remote import RemoteSocket

if TYPE_CHECKING:
    from fastsio.core.namespace import Namespace
    from fastsio.core.recovery_store import SavedSession
    from fastsio.core.socket import Socket

logger = logging.getLogger("fastsio.core")

ROOM_EVENTS = ("create-room", "delete-room", "join-room", "leave-room")


class Adapter:
    """`rooms`: room to {sid: Socket}.

    `has_way_round`: what is sent here comes to the clients here when it comes back from where others get it too.
    """

    has_way_round = False

    def __init__(self, namespace: "Namespace") -> None:
        self.namespace = namespace
        self.rooms: dict[Any, dict[str, Socket]] = namespace.rooms

    @property
    def local(self) -> "Adapter":
        """The adapter of this server's clients alone."""
        return self

    @property
    def keeping(self) -> "Adapter":
        """The adapter through which a packet for one client goes that is kept for it."""
        return self.local

    def on(self, event: str, fn: Callable[..., Any] | None = None) -> Any:
        """Hear of rooms: "create-room" and "delete-room" call `fn(room)`, "join-room" and "leave-room" `fn(room, sid)`.

        Works as a decorator; `fn` may be a coroutine function. Called when it has happened, also for the room that
        each client has of its own, named by its id. Raises ValueError for another event.
        """
        if fn is None:
            return lambda fn: self.on(event, fn)
        if event not in ROOM_EVENTS:
            raise ValueError(f"adapter event {event!r}: one of {', '.join(ROOM_EVENTS)}")
        if not callable(fn):
            raise TypeError(f"{fn!r} is not callable")
        watch = self.namespace.watched()
        watch.listen_to_rooms(event, (*watch.of_rooms.get(event, ()), fn))
        return fn

    def off(self, event: str, fn: Callable[..., Any] | None = None) -> None:
        """Remove a function given to on(), or all of the event."""
        watch = self.namespace.watched()
        left = [one for one in watch.of_rooms.get(event, ()) if fn is not None and one != fn]
        watch.listen_to_rooms(event, tuple(left))

    def add(self, socket: "Socket", room: Any) -> None:
        self.rooms.setdefault(room, {})[socket.id] = socket

    def remove(self, socket: "Socket", room: Any) -> None:
        members = self.rooms.get(room)
        if members is not None:
            members.pop(socket.id, None)
            if not members:
                del self.rooms[room]

    def broadcast(
        self, args: list[Any], rooms: Rooms | None, excluded: Rooms, is_volatile: bool = False,
        is_plain: bool = False,
    ) -> int:  # fmt: skip
        """Send [event, *args] to everyone (rooms None) or to the union of rooms; returns how many took it.

        Synchronous: packets of this and of later calls reach each client in the calls' order.
        """
        # Also where nobody listens: what can't be encoded is the caller's error.
        encoded = self.namespace.encode_event(args)
        encoded.is_plain = is_plain
        return self.deliver(encoded, rooms, excluded, is_volatile)

    def prepare(self, args: list[Any], is_volatile: bool = False) -> tuple[Encoded, Any]:
        """The first half of broadcast(), which any thread may call: what deliver() is to be given as packet and ticket.

        Raises TypeError for what JSON can't hold, ValueError for over 10 binary values.
        """
        return self.namespace.encode_event(args), None

    def deliver(
        self, encoded: Encoded, rooms: Rooms | None, excluded: Rooms, is_volatile: bool = False, ticket: Any = None
    ) -> int:  # fmt: skip
        """The second half of broadcast(), on the engine's loop; without a ticket it is a packet that nobody keeps."""
        return fan_out(self._union(rooms), encoded, self._ids(excluded), is_volatile)

    def publish(self, rooms: Rooms | None, excluded: Rooms, ticket: Any) -> None:
        """What prepare() has made a ticket for, to the clients of other servers. There are none."""

    def deliver_latest(
        self, encoded: Encoded, args: list[Any], rooms: Rooms | None, excluded: Rooms, is_volatile: bool
    ) -> None:  # fmt: skip
        """Send a packet with a key, and [event, *args] in it, that nobody keeps: see core/latest.py."""
        self.deliver(encoded, rooms, excluded, is_volatile)

    def members(self, rooms: Rooms | None, excluded: Rooms = frozenset()) -> Iterable["Socket"]:
        """The sockets of this server that a broadcast would reach."""
        skip = self._ids(excluded) or ()
        return [socket for sid, socket in self._union(rooms).items() if sid not in skip]

    # --- doing something with all of them ----------------------------------------------------

    def gather(
        self, args: list[Any], rooms: Rooms | None, excluded: Rooms, is_volatile: bool, timeout_s: float | None,
        done: Done, is_plain: bool = False,
    ) -> Gathering:  # fmt: skip
        """broadcast() with answers, which `done` is given: see core/gather.py."""
        return gather(self.namespace, args, rooms, excluded, is_volatile, timeout_s, done, is_plain)

    def ask(
        self, args: list[Any], rooms: Rooms | None, excluded: Rooms, callback: Callable[..., Any]
    ) -> None:  # fmt: skip
        """Send each of them an event of its own, and call `callback(*values)` with each answer (python-socketio's)."""
        for socket in self.members(rooms, excluded):
            socket.send_event(args, socket.pending(callback))

    async def fetch_sockets(
        self, rooms: Rooms | None, excluded: Rooms, timeout_s: float | None = None
    ) -> list[RemoteSocket]:
        """The clients, as they are now. Raises PartialAnswersError if another server does not answer in time."""
        return [RemoteSocket(socket) for socket in self.members(rooms, excluded)]

    def add_sockets(self, rooms: Rooms | None, excluded: Rooms, joined: list[Any]) -> None:
        """Make them join these rooms."""
        for socket in list(self.members(rooms, excluded)):
            socket.try_join(joined)

    def del_sockets(self, rooms: Rooms | None, excluded: Rooms, left: list[Any]) -> None:
        """Make them leave these rooms."""
        for socket in list(self.members(rooms, excluded)):
            socket.leave(left)

    def disconnect_sockets(self, rooms: Rooms | None, excluded: Rooms, close: bool) -> None:
        """Disconnect them; with `close` their whole connections."""
        for socket in list(self.members(rooms, excluded)):
            socket.disconnect(close)

    def server_side_emit(
        self, args: list[Any], done: Done | None, timeout_s: float | None = None
    ) -> None:
        """Send [event, *args] to the other servers, and give `done` their answers. There are none."""
        logger.warning(
            "server_side_emit(%r) in %r: there are no other servers", args[0], self.namespace.name
        )
        if done is not None:
            done(None, [])

    # --- for clients that lose their connection and come back (Node's names) ------------------

    def position(self) -> Any:
        """Where the packets that are kept end now: what is sent later lies behind it."""
        return 0

    def persist_session(self, session: "SavedSession") -> Any:
        """Keep the session of a client that has gone.

        What it returns may be awaitable; then nothing waits for it, and for one client what is called here and in
        restore_session() must take effect in the order of the calls.
        """
        return None

    def restore_session(self, pid: str, offset: str | None) -> Any:
        """The SavedSession with that secret, which then is kept no longer, with its `missed_packets`; or None.

        What it returns may be awaitable. `offset`: the last argument of the last event that the client has had, None if
        it had none since it joined. None if the session or what it has missed is not here, or no longer.
        """
        return None

    def expire(self, now: float) -> int:
        """Let go of packets that are too old; how many are kept."""
        return 0

    # --- who is where ------------------------------------------------------------------------

    def _union(self, rooms: Rooms | None) -> dict[str, "Socket"]:
        """The members of the rooms by id; the live dictionary where it is one room, so do not keep it."""
        if rooms is None:
            return self.namespace.sockets
        found: dict[str, Socket] = {}
        for room in rooms:
            members = self._members_of(room)
            if len(rooms) == 1:
                return members
            found.update(members)
        return found

    def _members_of(self, room: Any) -> dict[str, "Socket"]:
        members = self.rooms.get(room)
        socket = self.namespace.sockets.get(room) or self.namespace.joining.get(room)
        if socket is None:
            return {} if members is None else members
        return {room: socket} if members is None else {**members, room: socket}

    def _ids(self, rooms: Rooms) -> set[str] | None:
        if not rooms:
            return None
        return {sid for room in rooms for sid in self._members_of(room)}

    # --- who is where on all servers ---------------------------------------------------------

    async def count_members(self, rooms: Rooms | None) -> int:
        """How many clients are in any of the rooms (None: in the namespace)."""
        return len(self._union(rooms))

    async def list_members(self, rooms: Rooms | None) -> set[str]:
        """Their ids."""
        return set(self._union(rooms))

    async def list_rooms(self) -> set[Any]:
        """The rooms that have clients, without their own ones."""
        return set(self.rooms)

    # --- what Node's adapter says ------------------------------------------------------------

    @property
    def nsp(self) -> "Namespace":
        return self.namespace

    @property
    def sids(self) -> dict[str, set[Any]]:
        """The rooms of each client that is here, by its id; a new dict each time."""
        return {sid: socket.rooms for sid, socket in self.namespace.sockets.items()}

    def socket_rooms(self, sid: str) -> set[Any] | None:
        """The rooms that a client is in, its own among them; None if it is not here."""
        socket = self.namespace.sockets.get(sid)
        return None if socket is None else socket.rooms

    def sockets(self, rooms: Iterable[Any] = ()) -> set[str]:
        """The ids of the clients in any of these rooms; without rooms, of all."""
        return {socket.id for socket in self.members(frozenset(rooms) or None)}

    def server_count(self) -> int:
        """How many servers share the namespace's clients."""
        return 1

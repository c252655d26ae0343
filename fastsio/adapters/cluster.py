"""Servers that share their clients: the cluster that one is in, and a namespace's adapter there.

What is sent is delivered to the clients here at once, and then published: packets of one server reach each client in
the order of the calls, wherever it is. Source: socket.io-adapter's ClusterAdapter, which waits for the bus first.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from fastsio._encoded import Encoded
from fastsio._json import DEFAULT_JSON, Json
from fastsio.adapters.broken import Broken
from fastsio.adapters.bus import Bus
from fastsio.adapters.elsewhere import Elsewhere
from fastsio.adapters.inbox import Inbox
from fastsio.adapters.members import Members
from fastsio.adapters.messages import Kind, Message, make_opts
from fastsio.adapters.presence import Presence
from fastsio.adapters.presence_adapter import PresentAdapter
from fastsio.adapters.remote import ClusterSocket
from fastsio.adapters.requests import ClusterGathering, Request
from fastsio.core.acks import PendingAck
from fastsio.core.adapter import Adapter
from fastsio.core.bus_state import BusState
from fastsio.core.gather import Done, Gathering, gather, setting
from fastsio.core.operator import Rooms
from fastsio.core.remote import RemoteSocket

if TYPE_CHECKING:
    from fastsio.core.hub import Hub
    from fastsio.core.namespace import Namespace
    from fastsio.core.socket import Socket

logger = logging.getLogger("fastsio.adapters")

LOOK_S = 1.0
# What wrong messages raise where they are worked on.
WRONG = (TypeError, ValueError, KeyError, AttributeError, IndexError, OverflowError)


class Cluster(Elsewhere):
    """One server in its cluster. `uid`: its name there, 16 hex digits; `members`: the others that it has heard of.

    `requests`: what has been asked and is not answered yet, by the request's id.
    """

    def __init__(self, hub: "Hub", bus: Bus) -> None:
        self.hub = hub
        self.bus = bus
        # What servers tell each other, where that is JSON. Packets may have another form, which has none to give.
        self.json: Json = hub.json if hub.json.dumps is not None else DEFAULT_JSON
        self.uid = secrets.token_hex(8)
        self.adapters: dict[str, ClusterAdapter] = {}
        self.requests: dict[str, Request | ClusterGathering] = {}
        self.members = Members(bus.heartbeat_timeout, self._gone)
        # Called with (is_up, lost) when the bus loses its connection or has it again.
        self.listeners: list[Callable[[bool, int], None]] = []
        self.is_up = False
        self.loop: asyncio.AbstractEventLoop | None = None
        if bus.presence and not bus.carries_presence:
            raise ValueError(f"{bus!r}: presence=True, but this bus can't carry it")
        # Who is where on all servers; None: nobody has asked for that.
        self.presence = Presence(self) if bus.presence else None
        self.state = BusState(self)
        self.broken = Broken()
        self._inbox = Inbox(self)
        self._starting: asyncio.Task[None] | None = None
        self._beat: asyncio.TimerHandle | None = None
        self._published_at = 0.0

    def adapter_for(self, namespace: "Namespace", local: Adapter) -> "ClusterAdapter":
        """The adapter of a new namespace; `local` has the clients that are here."""
        adapter = self.adapters[namespace.name] = self.bus.adapter_for(namespace, local, self)
        if self._starting is not None:
            self.bus.namespace_added(namespace.name)
        return adapter

    def forget(self, namespace: "Namespace") -> None:
        """A namespace is there no longer."""
        if self.adapters.pop(namespace.name, None) is not None and self._starting is not None:
            self.bus.namespace_removed(namespace.name)

    # --- being served ------------------------------------------------------------------------

    def served(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """An engine serves the application now, on this loop; None: no longer, and stop() follows."""
        self.bus.serving(loop is not None)
        if loop is not None and self._starting is None:
            self.loop = loop
            if self.presence is not None:
                self.presence.begin()
            self._starting = loop.create_task(self._start())
            self._starting.add_done_callback(_log_failure)

    async def _start(self) -> None:
        self.state.begins()
        for name in list(self.adapters):
            self.bus.namespace_added(name)
        await self.bus.start()
        if not self.bus.tells_state:
            self.bus_changed(True, self.bus.lost)
        if self.presence is not None:
            self.presence.start()
        if self.bus.heartbeat_interval is not None:
            self.send(Kind.INITIAL_HEARTBEAT, "/")
            self._keep_beating(self.bus.heartbeat_interval)

    async def ready(self) -> None:
        """Wait until messages come and go. Raises what the bus could not start for."""
        if self._starting is not None:
            await asyncio.shield(self._starting)

    async def stop(self) -> None:
        """The server has ended: the others are told."""
        starting, self._starting = self._starting, None
        if starting is None:
            return
        if self._beat is not None:
            self._beat.cancel()
        if self.presence is not None:
            self.presence.stop()
        if not starting.done():
            starting.cancel()
            await asyncio.wait([starting])
        elif self.bus.heartbeat_interval is not None:
            self.send(Kind.ADAPTER_CLOSE, "/")
        for request in list(self.requests.values()):
            request.stop()
        self.members.alive.clear()
        self.state.ends()
        await self.bus.stop()
        self.is_up = False

    def _keep_beating(self, interval_s: float) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        self.members.expire(now)
        if now - self._published_at >= interval_s:
            self.send(Kind.HEARTBEAT, "/")
        # Who is silent is noticed a second late at the most.
        self._beat = loop.call_later(min(interval_s, LOOK_S), self._keep_beating, interval_s)

    # --- messages ----------------------------------------------------------------------------

    def send(self, kind: Kind, nsp: str, data: dict[str, Any] | None = None, packet: Any = None) -> None:  # fmt: skip
        """Publish a message of this server; what the bus can't take is logged."""
        if self.bus.heartbeat_interval is not None and self._starting is not None:
            self._published_at = self.bus.loop.time()
        self.bus.publish(Message(kind, self.uid, nsp, data or {}, packet))

    def receive(self, message: Message) -> None:
        """A message has come. What is no proper one is logged, and nothing else happens."""
        if message.uid == self.uid:
            return
        try:
            if self.bus.heartbeat_interval is not None:
                if message.kind == Kind.ADAPTER_CLOSE:
                    self.members.left(message.uid)
                    return
                is_new = self.members.heard(message.uid, self.bus.loop.time())
                if is_new and self.presence is not None:
                    self.presence.met(message.uid)
            if message.kind != Kind.PRESENCE:
                self._inbox.take(message)
            elif self.presence is not None:
                self.presence.take(message)
        except WRONG as error:
            self.broken.message_came(message, error)

    def take(self, message: Message) -> None:
        """Do what a message says that came from where nobody answers requests: its sender becomes no member.

        Raises TypeError, ValueError, KeyError or AttributeError for what is no message.
        """
        self._inbox.take(message)

    def receive_event(self, uid: str, nsp: str, packet: Any, opts: Any) -> None:
        """receive() of a broadcast that wants no answers, as nearly all are, without a Message made for it.

        packet: see Message; opts: as another server has sent them. 3.5 -> 2.4 us (bench/cluster/receive.py).
        """
        if uid == self.uid:
            return
        try:
            if self.bus.heartbeat_interval is not None:
                self.members.heard(uid, self.bus.loop.time())
            self._inbox.event(nsp, packet, opts)
        except WRONG as error:
            message = Message(Kind.BROADCAST, uid, nsp, {"opts": opts}, packet)
            self.broken.message_came(message, error)

    def bus_changed(self, is_up: bool, lost: int) -> None:
        """The bus has its connection, or has it no longer; `lost`: how many messages it could not send so far."""
        self.is_up = is_up
        level, state = (logging.INFO, "up") if is_up else (logging.WARNING, "down")
        logger.log(level, "the adapter is %s; %d messages lost so far", state, lost)
        for fn in list(self.listeners):
            fn(is_up, lost)
        if self.presence is not None:
            self.presence.bus_changed(is_up)
        self.state.changed(is_up, lost)

    def _gone(self, uid: str) -> None:
        if self.presence is not None:
            self.presence.gone(uid)
        self.waits_for_no_more(uid)

    def waits_for_no_more(self, uid: str) -> None:
        """That server will not answer: it is gone, or as good as that."""
        for request in list(self.requests.values()):
            request.gone(uid)


class Ticket:
    """What prepare() of a ClusterAdapter has for deliver()."""

    __slots__ = ("flags", "local", "packed")

    def __init__(self, local: Any, packed: Any, flags: dict[str, Any]) -> None:
        self.local = local
        self.packed = packed
        self.flags = flags


class ClusterAdapter(PresentAdapter):
    """A namespace whose clients are on several servers. `local` is the adapter of those that are here."""

    def __init__(self, namespace: "Namespace", local: Adapter, cluster: Cluster) -> None:
        super().__init__(namespace)
        self._local = local
        self.cluster = cluster
        self._presence = cluster.presence
        if self._presence is not None:
            namespace.attend(self)

    @property
    def local(self) -> Adapter:
        return self._local

    # --- packets -----------------------------------------------------------------------------

    def broadcast(
        self, args: list[Any], rooms: Rooms | None, excluded: Rooms, is_volatile: bool = False,
        is_plain: bool = False,
    ) -> int:  # fmt: skip
        encoded, ticket = self.prepare(args, is_volatile)
        encoded.is_plain = is_plain
        return self.deliver(encoded, rooms, excluded, is_volatile, ticket)

    def prepare(self, args: list[Any], is_volatile: bool = False) -> tuple[Encoded, Any]:
        encoded, ticket = self._local.prepare(args, is_volatile)
        packed = self._pack(args, encoded)
        return encoded, Ticket(ticket, packed, {"volatile": True} if is_volatile else {})

    def _pack(self, args: list[Any], encoded: Encoded) -> Any:
        """[event, *args] for other servers. Here the packet may end with an offset, for clients that come back."""
        shared = encoded if type(self._local) is Adapter else self.namespace.encode_event(args)
        return self.cluster.bus.pack(self.namespace, args, shared)

    def deliver(
        self, encoded: Encoded, rooms: Rooms | None, excluded: Rooms, is_volatile: bool = False, ticket: Any = None
    ) -> int:  # fmt: skip
        if not isinstance(ticket, Ticket):
            return self._local.deliver(encoded, rooms, excluded, is_volatile, ticket)
        if encoded.is_plain:
            ticket.flags["compress"] = False
        count = self._local.deliver(encoded, rooms, excluded, is_volatile, ticket.local)
        self.publish(rooms, excluded, ticket)
        return count

    def deliver_latest(
        self, encoded: Encoded, args: list[Any], rooms: Rooms | None, excluded: Rooms, is_volatile: bool
    ) -> None:  # fmt: skip
        self._local.deliver_latest(encoded, args, rooms, excluded, is_volatile)
        packed = self._pack(args, encoded)
        self.publish(rooms, excluded, Ticket(None, packed, {"latest": encoded.key[1]}))

    def publish(self, rooms: Rooms | None, excluded: Rooms, ticket: Ticket) -> None:
        """What has been prepared, to the clients of other servers."""
        if rooms is None or rooms:
            opts = make_opts(rooms, excluded, ticket.flags)
            self.cluster.send(Kind.BROADCAST, self.namespace.name, {"opts": opts}, ticket.packed)

    # --- doing something with all of them ----------------------------------------------------

    def gather(
        self, args: list[Any], rooms: Rooms | None, excluded: Rooms, is_volatile: bool, timeout_s: float | None,
        done: Done, is_plain: bool = False,
    ) -> Gathering:  # fmt: skip
        if rooms is not None and not rooms:
            return self._local.gather(args, rooms, excluded, is_volatile, timeout_s, done, is_plain)
        request_id = secrets.token_hex(8)
        packed = self.cluster.bus.pack(self.namespace, args, self.namespace.encode_event(args))
        flags = _flags(is_volatile, is_plain)
        if timeout_s is not None:
            flags["timeout"] = round(timeout_s * 1000)
        data = {"opts": make_opts(rooms, excluded, flags), "requestId": request_id}

        def kind(*gathering: Any) -> ClusterGathering:
            return ClusterGathering(
                *gathering, on_end=lambda: self.cluster.forget_request(request_id)
            )

        gathering = gather(
            self.namespace, args, rooms, excluded, is_volatile, timeout_s, done, is_plain, kind
        )
        assert isinstance(gathering, ClusterGathering)

        self.cluster.ask_all(self.namespace.name, gathering, data, packed)
        return gathering

    def ask(
        self, args: list[Any], rooms: Rooms | None, excluded: Rooms, callback: Callable[..., Any]
    ) -> None:  # fmt: skip
        """Here each has an event of its own; of the clients elsewhere there is a broadcast with answers."""
        self._local.ask(args, rooms, excluded, callback)
        if rooms is not None and rooms <= self.namespace.sockets.keys():
            return
        pending = PendingAck(callback, self.namespace.tasks)
        self.cluster.ask_others(self.namespace.name, args, rooms, excluded, pending)

    async def fetch_sockets(
        self, rooms: Rooms | None, excluded: Rooms, timeout_s: float | None = None
    ) -> list[RemoteSocket]:
        here = await self._local.fetch_sockets(rooms, excluded)
        if rooms is not None and not rooms:
            return here
        ended = asyncio.get_running_loop().create_future()
        data = {"opts": make_opts(rooms, excluded, {})}

        def done(error: Any, answers: list[Any]) -> None:
            told = [one for answer in answers for one in answer]
            found = here + [ClusterSocket(self.namespace, one) for one in told]
            if error is not None:
                error.responses = found
            setting(ended)(error, found)

        self.cluster.ask(Kind.FETCH_SOCKETS, self.namespace.name, data, done, timeout_s)
        found: list[RemoteSocket] = await ended
        return found

    def add_sockets(self, rooms: Rooms | None, excluded: Rooms, joined: list[Any]) -> None:
        self._act(Kind.SOCKETS_JOIN, rooms, excluded, {"rooms": joined})
        self._local.add_sockets(rooms, excluded, joined)

    def del_sockets(self, rooms: Rooms | None, excluded: Rooms, left: list[Any]) -> None:
        self._act(Kind.SOCKETS_LEAVE, rooms, excluded, {"rooms": left})
        self._local.del_sockets(rooms, excluded, left)

    def disconnect_sockets(self, rooms: Rooms | None, excluded: Rooms, close: bool) -> None:
        self._act(Kind.DISCONNECT_SOCKETS, rooms, excluded, {"close": close})
        self._local.disconnect_sockets(rooms, excluded, close)

    def _act(self, kind: Kind, rooms: Rooms | None, excluded: Rooms, data: dict[str, Any]) -> None:
        if rooms is None or rooms:
            opts = make_opts(rooms, excluded, {})
            self.cluster.send(kind, self.namespace.name, {"opts": opts, **data})

    def server_side_emit(
        self, args: list[Any], done: Done | None, timeout_s: float | None = None
    ) -> None:
        name, data = self.namespace.name, {"packet": args}
        if done is None:
            self.cluster.send(Kind.SERVER_SIDE_EMIT, name, data)
        else:
            self.cluster.ask(Kind.SERVER_SIDE_EMIT, name, data, done, timeout_s)

    # --- the rest is that of the clients here ------------------------------------------------

    def members(self, rooms: Rooms | None, excluded: Rooms = frozenset()) -> Iterable["Socket"]:
        return self._local.members(rooms, excluded)

    def add(self, socket: "Socket", room: Any) -> None:
        is_new = room not in self.rooms
        if self._presence is not None and (is_new or socket.id not in self.rooms[room]):
            self._presence.entered(self.namespace.name, room, socket.id)
        self._local.add(socket, room)
        if is_new and room in self.rooms:
            self.cluster.bus.room_added(self.namespace.name, room)

    def remove(self, socket: "Socket", room: Any) -> None:
        was_there = room in self.rooms
        if self._presence is not None and was_there and socket.id in self.rooms[room]:
            self._presence.left(self.namespace.name, room, socket.id)
        self._local.remove(socket, room)
        if was_there and room not in self.rooms:
            self.cluster.bus.room_removed(self.namespace.name, room)

    def position(self) -> Any:
        return self._local.position()

    def persist_session(self, session: Any) -> Any:
        return self._local.persist_session(session)

    def restore_session(self, pid: str, offset: str | None) -> Any:
        return self._local.restore_session(pid, offset)

    def expire(self, now: float) -> int:
        return self._local.expire(now)

    def _members_of(self, room: Any) -> dict[str, "Socket"]:
        return self._local._members_of(room)

    def server_count(self) -> int:
        """How many servers there are, this one among them, as far as this one has heard."""
        return 1 + len(self.cluster.members.alive)


def _log_failure(starting: "asyncio.Task[None]") -> None:
    if not starting.cancelled() and starting.exception() is not None:
        logger.error("the adapter could not start", exc_info=starting.exception())


def _flags(is_volatile: bool, is_plain: bool) -> dict[str, Any]:
    flags: dict[str, Any] = {"volatile": True} if is_volatile else {}
    return flags | {"compress": False} if is_plain else flags

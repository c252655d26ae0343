"""ClusterAdapter: a namespace whose clients are on several servers.

What is sent is delivered to the clients here at once, and then published: packets of one server reach each client in
the order of the calls, wherever it is. Source: socket.io-adapter's ClusterAdapter, which waits for the bus first.
"""

import asyncio
import secrets
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from fastsio._encoded import Encoded
from fastsio.adapters.cluster.remote import ClusterSocket
from fastsio.adapters.cluster.requests import ClusterGathering
from fastsio.adapters.presence.adapter import PresentAdapter
from fastsio.adapters.protocol.messages import Kind, make_opts
from fastsio.core.acks import PendingAck
from fastsio.core.adapter import Adapter
from fastsio.core.gather import Done, Gathering, gather, setting
from fastsio.core.operator import Rooms
from fastsio.core.remote import RemoteSocket

if TYPE_CHECKING:
    from fastsio.adapters.cluster.server import Cluster
    from fastsio.core.namespace import Namespace
    from fastsio.core.socket import Socket


class Ticket:
    """What prepare() of a ClusterAdapter has for deliver()."""

    __slots__ = ("flags", "local", "packed")

    def __init__(self, local: Any, packed: Any, flags: dict[str, Any]) -> None:
        self.local = local
        self.packed = packed
        self.flags = flags


class ClusterAdapter(PresentAdapter):
    """A namespace whose clients are on several servers. `local` is the adapter of those that are here."""

    def __init__(self, namespace: "Namespace", local: Adapter, cluster: "Cluster") -> None:
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


def _flags(is_volatile: bool, is_plain: bool) -> dict[str, Any]:
    flags: dict[str, Any] = {"volatile": True} if is_volatile else {}
    return flags | {"compress": False} if is_plain else flags

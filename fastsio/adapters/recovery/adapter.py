"""A namespace whose clients may come back to any of the servers that a Redis stream joins.

What is sent comes to the clients of all servers, this one's too, from the stream, in its order; an entry's id is the
offset that they get with it. So each of them has at any time all that lies before its offset, and nothing else: what
it misses is the rest, whatever server it comes back to. Without connection_state_recovery nothing here is used.
Source: @socket.io/redis-streams-adapter 0.3, which gives its own server's messages to the clients there as soon as
Redis has them, so that these may get two messages in another order than the stream's.
"""

import itertools
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastsio._encoded import Encoded
from fastsio._fanout import fan_out
from fastsio.adapters.cluster.adapter import ClusterAdapter, Ticket
from fastsio.adapters.cluster.server import Cluster
from fastsio.adapters.protocol.messages import Kind, Message, read_opts
from fastsio.adapters.recovery.sessions import pack_session
from fastsio.core.handlers import check_event_name
from fastsio.core.operator import Rooms
from fastsio.core.recovery_adapter import SessionAwareAdapter, without_offset

if TYPE_CHECKING:
    from fastsio.adapters.recovery.stream import StreamRecovery
    from fastsio.core.namespace import Namespace
    from fastsio.core.recovery_socket import RecoverableSocket
    from fastsio.core.recovery_store import SavedSession, SessionStore
    from fastsio.core.socket import Socket

logger = logging.getLogger("fastsio.adapters")

# What a handler does with a client's data is saved so much later.
DATA_S = 0.5
# So many sessions are saved before others on the loop have their turn.
SAVED_A_TURN = 200


class Place:
    """Where a packet has its place: an entry of the stream, or just here and now (`offset` None)."""

    __slots__ = ("offset", "position")

    def __init__(self, offset: str | None, position: int) -> None:
        self.offset = offset
        self.position = position


class SharedSessions(SessionAwareAdapter):
    """The clients that are here. `log` has what the stream had, in short: most who come back need nothing else."""

    def __init__(
        self, namespace: "Namespace", store: "SessionStore", recovery: "StreamRecovery"
    ) -> None:  # fmt: skip
        super().__init__(namespace, store)
        self._recovery = recovery
        self.saves_ahead = recovery.saves_ahead
        self._changed: dict[RecoverableSocket, None] = {}
        self._is_due = self._is_due_soon = False
        if recovery.position is not None:
            self.log.begin(recovery.position)

    # --- packets -----------------------------------------------------------------------------

    def prepare(self, args: list[Any], is_volatile: bool = False) -> tuple[Encoded, Any]:
        """A packet that is for this server alone, or not kept."""
        return self.namespace.encode_event(without_offset(args)), None

    def deliver(
        self, encoded: Encoded, rooms: Rooms | None, excluded: Rooms, is_volatile: bool = False, ticket: Any = None
    ) -> int:  # fmt: skip
        if isinstance(ticket, Place):
            self.keep(encoded, rooms, excluded, ticket)
            return self.give(encoded, rooms, excluded, is_volatile)
        if not self._recovery.in_flight:
            return self.give(encoded, rooms, excluded, is_volatile)
        # Those who are meant now, behind what was sent to them before.
        skip = self._ids(excluded) or ()
        chosen = {sid: one for sid, one in self._union(rooms).items() if sid not in skip}
        self._recovery.in_flight.after(lambda: _give_to(chosen, encoded, is_volatile))
        return len(chosen)

    def keep(
        self, encoded: Encoded, rooms: Rooms | None, excluded: Rooms, place: Place
    ) -> None:  # fmt: skip
        """Have a packet for those who come back."""
        if place.offset is not None:
            if not self.log:
                self.store.watch()
            self.log.append(
                encoded, place.offset, rooms, excluded, self.store.now(), place.position
            )

    def position(self) -> Any:
        return self._recovery.position

    def run_behind(self, call: Callable[[], Any]) -> None:
        self._recovery.in_flight.after(call)

    def hasten(self, socket: "RecoverableSocket") -> None:
        name = self.namespace.name
        for message in self._recovery.in_flight.messages():
            if message.nsp == name and message.kind == Kind.BROADCAST:
                rooms, excluded, _ = read_opts(message.data.get("opts"))
                if socket.is_among(rooms, excluded):
                    args = self._recovery.args_of(message)
                    socket.send_packet(self.namespace.encode_event(args))

    # --- sessions ----------------------------------------------------------------------------

    def persist_session(self, session: "SavedSession") -> Any:
        value = self._packed(session, None)
        if value is None:
            return
        left_s = None if session.expires_at is None else session.expires_at - self.store.now()
        keep_ms = None if left_s is None else round(left_s * 1000)
        self._recovery.keeper.save_for_return(session.pid, value, keep_ms)

    async def restore_session(self, pid: str, offset: str | None) -> "SavedSession | None":
        return await self._recovery.restore(self, pid, offset)

    def forget_session(self, pid: str) -> None:
        self._recovery.keeper.forget(pid)

    def session_changed(self, socket: "RecoverableSocket") -> None:
        if self.saves_ahead:
            self._changed[socket] = None
            if not self._is_due_soon:
                self._is_due_soon = True
                self._recovery.loop.call_soon(self._save_changed)

    def data_touched(self, socket: "RecoverableSocket") -> None:
        if self.namespace.is_elsewhere():
            self.namespace.hub.call_soon(self.data_touched, socket)
        elif socket.is_connected:
            self._changed[socket] = None
            if not (self._is_due or self._is_due_soon):
                self._is_due = True
                self._recovery.loop.call_later(DATA_S, self._save_changed)

    def save_all(self) -> None:
        """Save the sessions of all who are here."""
        for socket in self.namespace.sockets.values():
            self.session_changed(socket)

    def _save_changed(self) -> None:
        self._is_due = self._is_due_soon = False
        changed = list(itertools.islice(self._changed, SAVED_A_TURN))
        for socket in changed:
            del self._changed[socket]
            session = socket.as_session()
            if session is not None:
                value = self._packed(session, self._recovery.uid)
                if value is not None:
                    self._recovery.keeper.save(session.pid, value)
        if self._changed:
            self._is_due_soon = True
            self._recovery.loop.call_soon(self._save_changed)

    def _packed(self, session: "SavedSession", on: str | None) -> bytes | None:
        try:
            return pack_session(session, on)
        except (TypeError, ValueError, OverflowError, RecursionError, UnicodeEncodeError) as error:
            self._recovery.rare_log.note(
                "data", "sid=%.6s… in %r can't come back: its rooms and data can't be saved: %r",
                session.sid, self.namespace.name, error,
            )  # fmt: skip
            return None


def _give_to(chosen: "dict[str, Socket]", encoded: Encoded, is_volatile: bool) -> None:
    fan_out(
        {sid: one for sid, one in chosen.items() if one.is_connected}, encoded, None, is_volatile
    )


class RecoveringAdapter(ClusterAdapter):
    """A namespace of a server that a stream joins with others. `local`: SharedSessions."""

    has_way_round = True
    _local: SharedSessions

    def __init__(
        self, namespace: "Namespace", store: "SessionStore", cluster: Cluster, recovery: "StreamRecovery"
    ) -> None:  # fmt: skip
        super().__init__(namespace, SharedSessions(namespace, store, recovery), cluster)
        self._recovery = recovery

    @property
    def local(self) -> SharedSessions:
        return self._local

    @property
    def keeping(self) -> "RecoveringAdapter":
        return self

    # --- what goes out -----------------------------------------------------------------------

    def prepare(self, args: list[Any], is_volatile: bool = False) -> tuple[Encoded, Any]:
        encoded = self.namespace.encode_event(args)
        packed = self.cluster.bus.pack(self.namespace, args, encoded)
        return encoded, Ticket(None, packed, {"volatile": True} if is_volatile else {})

    def deliver(
        self, encoded: Encoded, rooms: Rooms | None, excluded: Rooms, is_volatile: bool = False, ticket: Any = None
    ) -> int:  # fmt: skip
        """0 for what comes by the stream: nobody has taken it yet."""
        if not isinstance(ticket, Ticket):
            return self._local.deliver(encoded, rooms, excluded, is_volatile, ticket)
        if encoded.is_plain:
            ticket.flags["compress"] = False
        self.publish(rooms, excluded, ticket)
        return 0

    def deliver_latest(
        self, encoded: Encoded, args: list[Any], rooms: Rooms | None, excluded: Rooms, is_volatile: bool
    ) -> None:  # fmt: skip
        packed = self.cluster.bus.pack(self.namespace, args, encoded)
        self.publish(rooms, excluded, Ticket(None, packed, {"latest": encoded.key[1]}))

    def add_sockets(self, rooms: Rooms | None, excluded: Rooms, joined: list[Any]) -> None:
        self._act(Kind.SOCKETS_JOIN, rooms, excluded, {"rooms": joined})

    def del_sockets(self, rooms: Rooms | None, excluded: Rooms, left: list[Any]) -> None:
        self._act(Kind.SOCKETS_LEAVE, rooms, excluded, {"rooms": left})

    def disconnect_sockets(self, rooms: Rooms | None, excluded: Rooms, close: bool) -> None:
        self._act(Kind.DISCONNECT_SOCKETS, rooms, excluded, {"close": close})

    # --- what comes --------------------------------------------------------------------------

    def arrived(self, message: Message, entry: str | None, is_known: bool) -> None:
        """A broadcast, whose place in the stream is `entry` if it has one; `is_known`: to the clients here."""
        rooms, excluded, flags = read_opts(message.data.get("opts"))
        args = self._recovery.args_of(message)
        check_event_name(args[0])  # clients close a connection on which a wrong one comes
        place = Place(entry if is_kept(message, flags) else None, self._recovery.position or 0)
        if place.offset is not None:
            encoded = self.namespace.encode_event([*args, place.offset])
        else:
            encoded = self.namespace.encode_event(without_offset(args))
        if flags.get("latest") is not None:
            encoded.key = (self.namespace.name, flags["latest"])
        encoded.is_plain = flags.get("compress") is False
        if is_known:
            self._local.keep(encoded, rooms, excluded, place)
            return
        is_volatile = bool(flags.get("volatile"))
        self.namespace.give_here(encoded, rooms, excluded, is_volatile, place)
        if message.uid != self.cluster.uid:  # of its own who looks on was told when they were sent
            self.namespace.tell_sent_to(args, rooms, excluded)


def is_kept(message: Message, flags: dict[str, Any]) -> bool:
    """Whether a broadcast is for those, too, who come back: no volatile one, nor one that asks for an answer."""
    packet = message.data.get("packet")
    asks = isinstance(packet, dict) and packet.get("id") is not None
    return not (asks or flags.get("volatile") or flags.get("latest") is not None)

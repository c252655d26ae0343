"""Sockets of clients that can come back: what they have besides others is only there with connection_state_recovery."""

from typing import TYPE_CHECKING, Any, cast

from fastsio._encoded import Encoded
from fastsio.core.acks import PendingAck
from fastsio.core.operator import NOBODY_EXCEPT, Rooms, as_rooms
from fastsio.core.recovery_store import SavedSession
from fastsio.core.socket import Socket

if TYPE_CHECKING:
    from fastsio.core.namespace import Namespace
    from fastsio.core.peer import Peer
    from fastsio.core.recovery_adapter import SessionAwareAdapter


class RecoverableSocket(Socket):
    """A socket whose events are kept for the time when its client is gone.

    `pid`: the client's secret, None for one that can't come back. `recovered`: it has come back. `returned_to`: the
    session that it came back to, until its client is told.
    """

    __slots__ = ("_joined_at", "_since", "_waiting", "pid", "recovered", "returned_to")

    def __init__(
        self, sid: str, session: Any, namespace: "Namespace", peer: "Peer", auth: dict[str, Any] | None
    ) -> None:  # fmt: skip
        super().__init__()  # what it is given, the base has taken when it was made
        self.pid: str | None = None
        self.recovered = False
        self.returned_to: SavedSession | None = None
        self._since: Any = None
        self._joined_at: dict[Any, Any] | None = None
        self._waiting: list[Encoded] | None = None

    # --- coming back -------------------------------------------------------------------------

    def return_to(self, session: SavedSession) -> None:
        """Have the rooms and data of a session that was restored."""
        self.returned_to = session
        self.recovered = True
        self.pid = session.pid
        self._data = session.data
        self._joined = set(session.rooms) - {self.id}

    @property
    def is_returning(self) -> bool:  # type: ignore[override]
        return self.returned_to is not None

    def is_among(self, rooms: Rooms | None, excluded: Rooms) -> bool:
        """Whether a broadcast concerns it."""
        mine = {self.id, *(self._joined or ())}
        return (rooms is None or not mine.isdisjoint(rooms)) and mine.isdisjoint(excluded)

    def catch_up(self) -> None:
        """Be in its rooms, and send what it has missed: all that comes later comes behind that."""
        session, self.returned_to = self.returned_to, None
        position = self.namespace.adapter.local.position()
        if session is None:
            # Its client will know its pid by the CONNECT, and so has had all that was sent before that.
            self._since = position
            return
        # The client has known that for long: what is sent now it may never get, and ask for it once more.
        self._since = session.since
        self._joined_at = {room: session.rooms.get(room, position) for room in self._joined or ()}
        for room in self._joined_at:
            self._take_part_in(room)
        waiting, self._waiting = self._waiting, None
        send = super().send_packet
        for packet in session.missed_packets + (waiting or []):
            send(packet)

    def _take_part_in(self, room: Any) -> None:
        self.namespace.adapter.add(self, room)
        if self.namespace.observer is not None:
            self.namespace.observer.room_joined(self, room)

    def rooms_since(self) -> dict[Any, Any]:
        """Its rooms, its own among them, and the position behind which their packets are its own; see SavedSession."""
        since = dict.fromkeys((self.id, *(self._joined or ())), self._since)
        return since | (self._joined_at or {})

    @property
    def since(self) -> Any:
        """The position behind which packets to everyone are its own."""
        return self._since

    def as_session(self) -> SavedSession | None:
        """What it comes back to, if its connection is lost now; None for one that can't, or has gone."""
        if self.pid is None or not self.is_connected:
            return None
        return SavedSession(self.id, self.pid, self.rooms_since(), self._data or {}, self._since)

    # --- sending -----------------------------------------------------------------------------

    def send_event(
        self, args: list[Any], pending: PendingAck | None = None, is_volatile: bool = False, is_plain: bool = False
    ) -> int:  # fmt: skip
        if pending is not None:
            return super().send_event(args, pending, is_volatile, is_plain)
        # As in Node: a broadcast to its own room, which is kept though the client has gone.
        packet, ticket = self.namespace.adapter.keeping.prepare(args)
        packet.is_plain = is_plain
        if self.namespace.is_elsewhere():
            self.namespace.hub.call_soon(self._send_kept, packet, ticket, args)
        else:
            self._send_kept(packet, ticket, args)
        return -1

    def _send_kept(self, packet: Encoded, ticket: Any, args: list[Any]) -> None:
        namespace = self.namespace
        only = frozenset((self.id,))
        namespace.adapter.keeping.deliver(packet, only, NOBODY_EXCEPT, False, ticket)
        if namespace.observer is not None and self._can_receive:
            namespace.observer.event_sent([self], args)

    def send_packet(self, encoded: Encoded, is_volatile: bool = False) -> bool:
        if self.returned_to is None:
            return super().send_packet(encoded, is_volatile)
        if not is_volatile:
            if self._waiting is None:
                self._waiting = []
            self._waiting.append(encoded)
        return not is_volatile

    def send_in_turn(self, encoded: Encoded, is_volatile: bool = False) -> bool:
        self._keeper.run_behind(lambda: self.send_packet(encoded, is_volatile))
        return True

    def disconnect(self, close: bool = False) -> None:
        if not close and self.is_connected and not self.namespace.is_elsewhere():
            self._keeper.hasten(self)
        super().disconnect(close)

    @property
    def _keeper(self) -> "SessionAwareAdapter":
        return cast("SessionAwareAdapter", self.namespace.adapter.local)

    # --- data --------------------------------------------------------------------------------

    @property
    def data(self) -> dict[str, Any]:
        if self._keeper.saves_ahead:
            self._keeper.data_touched(self)
        if self._data is None:
            self._data = {}
        return self._data

    @data.setter
    def data(self, value: dict[str, Any]) -> None:
        self._data = value
        if self._keeper.saves_ahead:
            self._keeper.data_touched(self)

    # --- rooms -------------------------------------------------------------------------------

    @property
    def _can_receive(self) -> bool:
        return self.is_connected or self.namespace.joining.get(self.id) is self

    def join(self, room: Any) -> None:
        if self.namespace.is_elsewhere() or not self._can_receive:
            super().join(room)
        elif self.is_returning:
            self._joined = (self._joined or set()) | as_rooms(room) - {self.id}
        else:
            joined = self._joined or ()
            new = [one for one in as_rooms(room) if one not in joined and one != self.id]
            try:
                super().join(room)
            finally:  # it may be in some of them, and in one too many
                self._note_joined(new)

    def _note_joined(self, rooms: list[Any]) -> None:
        """From where on packets to these rooms are its own."""
        if self.is_connected and rooms and self._joined:
            if self._joined_at is None:
                self._joined_at = {}
            position = self._keeper.position()
            self._joined_at.update(dict.fromkeys(self._joined.intersection(rooms), position))
            self._keeper.session_changed(self)

    def leave(self, room: Any) -> None:
        if self.is_returning and not self.namespace.is_elsewhere():
            self._joined = (self._joined or set()) - as_rooms(room)
            return
        super().leave(room)
        if self._joined_at is not None and not self.namespace.is_elsewhere():
            for one in as_rooms(room):
                self._joined_at.pop(one, None)
            self._keeper.session_changed(self)

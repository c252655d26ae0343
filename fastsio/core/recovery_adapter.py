"""An adapter that keeps what clients need who lose their connection and come back. Source: Node's SessionAwareAdapter.

An adapter whose clients come back to any server (fastsio/adapters/recovery) overrides prepare() and deliver(),
position(), what is below "sessions", of which restore_session() is a coroutine function there, and `saves_ahead`.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastsio._encoded import Encoded
from fastsio._fanout import fan_out
from fastsio._recovery_log import RecoveryLog
from fastsio.core.adapter import Adapter
from fastsio.core.operator import Rooms

if TYPE_CHECKING:
    from fastsio.core.namespace import Namespace
    from fastsio.core.recovery_socket import RecoverableSocket
    from fastsio.core.recovery_store import SavedSession, SessionStore
    from fastsio.core.socket import Socket


class SessionAwareAdapter(Adapter):
    """Each event gets an offset as its last argument, and is kept under that; not volatile ones, nor those with acks.

    `log`: the packets. `returning`: clients that have come back and are still asked about, by id. They get nothing
    yet: what they have missed has to come first.
    """

    # Sessions are saved while their clients are connected: session_changed() and data_touched() are to be called.
    saves_ahead = False

    def __init__(self, namespace: "Namespace", store: "SessionStore") -> None:
        super().__init__(namespace)
        recovery = namespace.hub.options.connection_state_recovery
        assert isinstance(recovery, dict)
        self.log = RecoveryLog(recovery["max_packets"], recovery["max_bytes"], store.keep_packets_s)
        self.store = store
        self.returning: dict[str, RecoverableSocket] = {}

    # --- packets -----------------------------------------------------------------------------

    def broadcast(
        self, args: list[Any], rooms: Rooms | None, excluded: Rooms, is_volatile: bool = False,
        is_plain: bool = False,
    ) -> int:  # fmt: skip
        encoded, offset = self.prepare(args, is_volatile)
        encoded.is_plain = is_plain
        return self.deliver(encoded, rooms, excluded, is_volatile, offset)

    def prepare(self, args: list[Any], is_volatile: bool = False) -> tuple[Encoded, str | None]:
        """The packet and its offset, None for one that is not kept."""
        if not is_volatile:
            offset = self.log.new_offset()
            return self.namespace.encode_event([*args, offset]), offset
        return self.namespace.encode_event(without_offset(args)), None

    def deliver(
        self, encoded: Encoded, rooms: Rooms | None, excluded: Rooms, is_volatile: bool = False, ticket: Any = None
    ) -> int:  # fmt: skip
        namespace = self.namespace
        # Only where there is a client that could ever miss it.
        if ticket is not None and (
            namespace.sockets or namespace.joining or self.store.count(namespace)
        ):
            if not self.log:
                self.store.watch()
            self.log.append(encoded, ticket, rooms, excluded, self.store.now())
        return self.give(encoded, rooms, excluded, is_volatile)

    def give(
        self, encoded: Encoded, rooms: Rooms | None, excluded: Rooms, is_volatile: bool
    ) -> int:  # fmt: skip
        """Send a packet to those who are here, or come back just now."""
        if self.returning and not is_volatile:
            for socket in self.returning.values():
                if socket.is_among(rooms, excluded):
                    socket.send_packet(encoded)
        skip = self._ids(excluded) if excluded else None
        return fan_out(self._union(rooms), encoded, skip, is_volatile)

    def position(self) -> Any:
        return self.log.position

    def expire(self, now: float) -> int:
        self.log.expire(now)
        return len(self.log)

    # --- sessions ----------------------------------------------------------------------------

    def persist_session(self, session: "SavedSession") -> Any:
        self.store.keep(self.namespace, session)

    def restore_session(self, pid: str, offset: str | None) -> Any:
        session = self.store.take(self.namespace, pid)
        if session is None:
            return None
        missed = self.log.missed(offset, session.since, session.rooms, self.store.now())
        if missed is None:
            return None
        session.missed_packets = missed
        return session

    def forget_session(self, pid: str) -> None:
        """A client has gone that must not come back."""

    def session_changed(self, socket: "RecoverableSocket") -> None:
        """A client has joined, or its rooms are others now."""

    def data_touched(self, socket: "RecoverableSocket") -> None:
        """A client's data may be others now, or soon."""

    def run_behind(self, call: Callable[[], Any]) -> None:
        """Call it when what was sent before is with the clients here: at once, unless that takes a way round."""
        call()

    def hasten(self, socket: "RecoverableSocket") -> None:
        """Send a client at once what is still on such a way: it goes, and does not come back."""

    # --- who is where ------------------------------------------------------------------------

    def add(self, socket: "Socket", room: Any) -> None:
        if self.returning.get(socket.id) is not socket:
            super().add(socket, room)

    def remove(self, socket: "Socket", room: Any) -> None:
        # A client that is back has the same id: what is done to the socket that it had before does not concern it.
        if self.rooms.get(room, {}).get(socket.id) is socket:
            super().remove(socket, room)

    def _members_of(self, room: Any) -> dict[str, "Socket"]:
        if self.returning and room in self.returning:
            return self.rooms.get(room, {})
        return super()._members_of(room)


def without_offset(args: list[Any]) -> list[Any]:
    """[event, *args] of a packet that has no offset.

    The official client takes any string at the end for an offset, even the event's name: then it could not come back.
    Null is none.
    """
    return [*args, None] if isinstance(args[-1], str) else args

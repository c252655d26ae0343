"""Connection state recovery: who a client is that comes back, in one namespace.

A client that joins is told a secret, its pid. When it has lost its connection and joins again with that, it has the id,
the rooms and the data that it had; it gets what it has missed, and then the answer to its CONNECT. Here is who may;
sessions and packets are the adapter's. Source: Node's Namespace and Socket with connectionStateRecovery.
"""

import logging
from typing import TYPE_CHECKING, Any, cast

from fastsio._eager import start_eager
from fastsio._ids import new_id
from fastsio.core.recovery_adapter import SessionAwareAdapter
from fastsio.core.recovery_socket import RecoverableSocket
from fastsio.core.recovery_store import SavedSession

if TYPE_CHECKING:
    from fastsio.core.namespace import Guard, Namespace
    from fastsio.core.peer import Peer
    from fastsio.core.socket import Socket

logger = logging.getLogger("fastsio.core")

CONNECT = 0
# Reasons after which a client may come back. With all others somebody has ended it on purpose.
RECOVERABLE = frozenset((
    "transport error", "transport close", "forced close", "ping timeout", "server shutting down", "forced server close",
))  # fmt: skip
# What the disconnect handlers of a connection are told as description, that was thought to live.
TAKEN_OVER = "the client has come back on another connection"


class Recovery:
    """`living`: the sockets by pid, also those whose client is still asked about. One for each namespace."""

    def __init__(self, namespace: "Namespace") -> None:
        self._namespace = namespace
        self._hub = namespace.hub
        self.living: dict[str, RecoverableSocket] = {}
        recovery = self._hub.options.connection_state_recovery
        assert isinstance(recovery, dict)
        self._skips_middlewares: bool = recovery["skip_middlewares"]

    @property
    def _adapter(self) -> SessionAwareAdapter:
        return cast(SessionAwareAdapter, self._namespace.adapter.local)

    # --- joining -----------------------------------------------------------------------------

    def connect(self, peer: "Peer", auth: dict[str, Any] | None) -> None:
        """A client asks to join: let it be who it was, if it can be, else somebody new."""
        pid = None if auth is None else auth.get("pid")
        if auth is None or not isinstance(pid, str) or not can_recover(peer):
            self.enter_as_new(peer, auth)
            return
        homes = self._hub.homes
        if homes is not None and homes.leads_home(self._namespace, peer, auth):
            return
        offset = auth.get("offset")
        self._let_go_of(pid)
        if not peer.session.is_open:
            return  # by what a disconnect handler has done
        found = self._adapter.restore_session(pid, offset if isinstance(offset, str) else None)
        if hasattr(found, "__await__"):
            peer.reserve(self._namespace.name)
            what = f"recovery in {self._namespace.name!r}"
            start_eager(self._connect_later(peer, auth, found), self._hub.tasks, what)
        else:
            self._enter(peer, auth, found)

    async def _connect_later(self, peer: "Peer", auth: dict[str, Any], found: Any) -> None:
        """connect() where the adapter has to ask elsewhere."""
        session = None
        try:
            session = await found
        except Exception:
            logger.exception("no session could be restored in %r", self._namespace.name)
        finally:
            peer.unreserve(self._namespace.name)
        if peer.session.is_open:
            self._enter(peer, auth, session)
        elif session is not None:
            self._persist(session)

    def _let_go_of(self, pid: str) -> None:
        """End the connection that a client has left without our knowing: its session is saved by that."""
        socket = self.living.get(pid)
        if socket is None:
            return
        if socket.is_returning:
            self.put_back(socket)
        logger.info("sid=%.6s… in %r is taken over", socket.id, self._namespace.name)
        socket.session.abort("transport close", TAKEN_OVER)

    def _enter(self, peer: "Peer", auth: dict[str, Any], session: SavedSession | None) -> None:
        if session is None or self._is_too_much(session):
            self.enter_as_new(peer, auth)
            return
        socket = RecoverableSocket(session.sid, peer.session, self._namespace, peer, auth)
        socket.return_to(session)
        self.living[session.pid] = socket
        self._adapter.returning[socket.id] = socket
        peer.enter(self._namespace, socket)

    def _is_too_much(self, session: SavedSession) -> bool:
        """Whether what was missed is more than a client's queue takes: it would be put out, come back, be put out…"""
        size = sum(packet.size for packet in session.missed_packets)
        return size > self._hub.options.max_buffered_bytes

    def enter_as_new(self, peer: "Peer", auth: dict[str, Any] | None) -> None:
        """Let a client join as somebody whom nobody has seen before."""
        socket = RecoverableSocket(
            peer.new_socket_id(self._namespace), peer.session, self._namespace, peer, auth
        )
        if can_recover(peer):
            socket.pid = new_id() if self._hub.homes is None else self._hub.homes.new_pid()
            self.living[socket.pid] = socket
        peer.enter(self._namespace, socket)

    def guards_of(self, socket: "Socket") -> "list[Guard]":
        """Who is asked about a client. Of one that is back only the `connect` handler, with skip_middlewares."""
        if socket.recovered and self._skips_middlewares:
            return self._namespace.entry_guards
        return self._namespace.guards

    def welcome(self, socket: "Socket") -> None:
        """It is admitted: send what it has missed, then its id and secret."""
        socket = cast(RecoverableSocket, socket)
        self._stop_waiting(socket)
        socket.catch_up()
        if socket.pid is None:
            socket.send_packet(socket.peer.connect_packet(socket))
        else:
            ids = {"sid": socket.id, "pid": socket.pid}
            socket.send_packet(self._namespace.encode_control(CONNECT, ids))
            self._adapter.session_changed(socket)

    def put_back(self, socket: "Socket") -> None:
        """It is not admitted, or went while it was asked about: what it came back to stays as it was."""
        socket = cast(RecoverableSocket, socket)
        session, socket.returned_to = socket.returned_to, None
        self._stop_waiting(socket)
        self._forget(socket)
        if session is not None:
            session.missed_packets = []
            self._persist(session)

    def _stop_waiting(self, socket: RecoverableSocket) -> None:
        if self._adapter.returning.get(socket.id) is socket:
            del self._adapter.returning[socket.id]

    def taken_over(self, pid: str) -> None:
        """A client that is thought to be here has come back to another server, and that has its session."""
        socket = self.living.pop(pid, None)
        if socket is not None:
            logger.info(
                "sid=%.6s… in %r is on another server by now", socket.id, socket.namespace.name
            )
            socket.pid = None
            socket.session.abort("transport close", TAKEN_OVER)

    # --- leaving -----------------------------------------------------------------------------

    def left(self, socket: "Socket", reason: str) -> None:
        """It is about to leave, with its rooms and data still there: save them if it may come back."""
        socket = cast(RecoverableSocket, socket)
        pid = socket.pid
        self._forget(socket)
        if pid is None:
            return
        if reason not in RECOVERABLE:
            self._adapter.forget_session(pid)
            return
        # The dict itself: what a disconnect handler still writes into it is there too.
        self._persist(SavedSession(socket.id, pid, socket.rooms_since(), socket.data, socket.since))

    def _forget(self, socket: RecoverableSocket) -> None:
        if socket.pid is not None and self.living.get(socket.pid) is socket:
            del self.living[socket.pid]
        socket.pid = None

    def _persist(self, session: SavedSession) -> None:
        done = self._adapter.persist_session(session)
        if hasattr(done, "__await__"):
            what = f"saving of a session in {self._namespace.name!r}"
            start_eager(done, self._hub.tasks, what)


def can_recover(peer: "Peer") -> bool:
    """Whether the client knows of this: before Engine.IO 4 a CONNECT carried nothing."""
    is_new: bool = peer.session.protocol != 3
    return is_new

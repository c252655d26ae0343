"""Peers: one session as Socket.IO sees it. Joining and leaving namespaces, and what breaks the rules.

The hot path, events and acks, is in _peer.PeerBase.
Source: socket.io-protocol v5, "Connection to a namespace"; order of events and reasons as in Node's server.
"""

import logging
from typing import TYPE_CHECKING, Any

from fastsio._eager import start_eager
from fastsio._encoded import Encoded
from fastsio._ids import new_id
from fastsio.core.conn import RawSocket
from fastsio.core.errors import ConnectionRefusedError
from fastsio.core.handshake import make_environ
from fastsio.core.line import Line
from fastsio.core.middleware import Refused
from fastsio.core.namespace import Guard, Namespace
from fastsio.core.packets import take_in_turn
from fastsio.core.peer_leaving import LeavingPeer
from fastsio.core.socket import Socket
from fastsio.core.waiting import Crowd
from fastsio.logged import one_line

if TYPE_CHECKING:
    from fastsio.core.hub import Hub

logger = logging.getLogger("fastsio.core")

CONNECT = 0
DISCONNECT = 1
CONNECT_ERROR = 4
INVALID_NAMESPACE = {"message": "Invalid namespace"}
TOO_MANY_NAMESPACES = {"message": "Too many namespaces (max_namespaces)"}
# What a client is told whose admission was cancelled, or failed in a way that is none of its business.
NOT_ADMITTED = ConnectionRefusedError().error_args


class Peer(LeavingPeer):
    """One client: its sockets by namespace (`sockets`), and those still waiting to be admitted."""

    __slots__ = ("_crowd",)

    # The bound of the line; there is one where there is a line.
    _crowd: Crowd

    # Of Socket.IO; Peer4 has the other. Looked at before a call that only that needs: 0.7 % of a connect each.
    protocol = 5

    hub: "Hub"

    socket_class = Socket

    @property
    def environ(self) -> dict[str, Any]:
        """The handshake as a WSGI environ; always the same dict, so what an application puts there stays."""
        if self.environ_made is None:
            self.environ_made = make_environ(self.session)
        return self.environ_made

    @property
    def conn(self) -> RawSocket:
        """The connection, as Node shows it; always the same object."""
        if self._conn is None:
            self._conn = RawSocket(self)
        conn: RawSocket = self._conn
        return conn

    @property
    def request(self) -> Any:
        """The HTTP request that opened the session."""
        return self.session.request

    def upgraded(self) -> None:
        """The session has switched to WebSocket, and somebody may listen."""
        if self._conn is not None:
            self._conn.tell("upgrade", self._conn.transport)

    # --- control packets ---------------------------------------------------------------------

    def control(self, packet_type: int, name: str, data: Any) -> None:
        if packet_type == CONNECT:
            self._connect(name, data)
            return
        socket = self.find(name)
        if packet_type == DISCONNECT and socket is not None:
            self.leave(socket, "client namespace disconnect")
        else:
            # CONNECT_ERROR is the server's alone; a DISCONNECT names a namespace that was joined.
            self.misplaced(packet_type, name)

    def malformed(self, error: Exception) -> None:
        """A packet that can't be decoded, or is over a limit: Node closes the connection, so do we."""
        option = getattr(error, "option", None)
        what = one_line(error)
        logger.info("closing session %.6s…: %s", self.session.id, what)
        if option is not None:
            self.session.note_limit(option, what)
        elif not self.sockets:
            self.session.note_limit(
                "serializer", f"can't understand a client: {what}; the server's `serializer` is "
                f"{self.hub.options.serializer!r}, and the client's parser must be the same",
            )  # fmt: skip
        for socket in self.sockets.values():
            socket.run_listeners("error", error)
        self.session.close("forced close", None if option is None else str(error))

    def misplaced(self, packet_type: int, name: str) -> None:
        """A packet that must not come now: Node closes the connection, so do we."""
        where = one_line(name)
        if packet_type == CONNECT:
            self.session.note_limit(
                "CONNECT", f"second CONNECT to {where}: was the client's connect() called while the "
                "first was under way? (socket.active tells)",
            )  # fmt: skip
        logger.info(
            "closing session %.6s…: packet type %d in %s", self.session.id, packet_type, where
        )
        self.session.close()

    def never_joined(self) -> None:
        """connect_timeout: the client has joined no namespace."""
        seconds = self.hub.options.connect_timeout
        text = f"no namespace joined within {seconds} s (connect_timeout)"
        self.session.note_limit("connect_timeout", text)
        self.session.close(description=text)
        self.hub.admissions.cancel(self.session, seconds)

    def refuse_another(self, name: str) -> None:
        """The client is in as many namespaces as it may."""
        self.session.note_limit("max_namespaces", "namespace refused (max_namespaces)")
        self.hub.refuse(self.session, name, TOO_MANY_NAMESPACES)

    def _ask_parents(self, name: str, auth: dict[str, Any] | None) -> None:
        """A CONNECT to a namespace that is not there."""
        if not self.hub.parents:
            self.hub.refuse(self.session, name, INVALID_NAMESPACE)
            return
        self.reserve(name)
        start_eager(self._find_child(name, auth), self.hub.tasks, f"connect to {name!r}")

    async def _find_child(self, name: str, auth: dict[str, Any] | None) -> None:
        """Join a namespace that a parent namespace has or makes, if one knows it."""
        try:
            namespace = await self.hub.parents.find(name, auth or {})
        finally:
            self.unreserve(name)
        if not self.session.is_open:
            if namespace is not None:
                self.hub.tidy(namespace)
        elif namespace is None:
            self.hub.refuse(self.session, name, INVALID_NAMESPACE)
        else:
            self._connect(name, auth, namespace)

    # --- joining -----------------------------------------------------------------------------

    def enter(self, namespace: Namespace, socket: Socket) -> None:
        """Let a socket join its namespace, if whoever is asked about it admits it."""
        if not self._guards_of(namespace, socket):
            self._welcome(namespace, socket)
            return
        if self.hub.options.always_connect:
            self._welcome(namespace, socket)
            self._hold().add(self._ask_afterwards, namespace, socket)
            return
        self.reserve(namespace.name)
        what = f"connect to {namespace.name!r}"
        task = start_eager(self._admit(namespace, socket), self.hub.tasks, what)
        if task is not None:
            self.hub.admissions.add(self.session, task)

    def _guards_of(self, namespace: Namespace, socket: Socket) -> list[Guard]:
        recovery = namespace.recovery
        return namespace.guards if recovery is None else recovery.guards_of(socket)

    def reserve(self, name: str) -> None:
        """A client is joining this namespace: a second CONNECT would be one too many."""
        if self._joining is None:
            self._joining = set()
        self._joining.add(name)

    def unreserve(self, name: str) -> None:
        assert self._joining is not None
        self._joining.discard(name)

    def new_socket_id(self, namespace: Namespace) -> str:
        """The id of a socket of this client in a namespace."""
        # Never the session's: whoever has that can speak as the client.
        return new_id()

    def connect_packet(self, socket: Socket) -> Encoded:
        """What tells the client that it has joined, and its id."""
        return socket.namespace.encode_connect(socket.id)

    async def _admit(self, namespace: Namespace, socket: Socket) -> None:
        """Guards, then the CONNECT reply, then the connection handlers."""
        namespace.joining[socket.id] = socket
        is_admitted = False
        error: dict[str, Any] | None = NOT_ADMITTED  # if this is cancelled, or what is no Exception
        try:
            error = await self._ask_guards(namespace, socket)
            is_admitted = error is None and self.session.is_open
        except GeneratorExit:  # the loop was closed: nobody can be told
            error = {}
            raise
        finally:
            self.unreserve(namespace.name)
            if not is_admitted:
                self._give_up(namespace, socket, is_refused=error is not None)
                namespace.release(socket, is_admitted=False)
            if error and self.session.is_open:
                self._refuse(namespace, error)
        if is_admitted:
            try:
                namespace.release(socket, is_admitted=True)
                self._welcome(namespace, socket)
            except MemoryError:
                self._let_down(namespace, socket)
                raise
        elif error is None:
            self._leave_unseen(socket)

    def _let_down(self, namespace: Namespace, socket: Socket) -> None:
        """There is no memory for a client that the application has let in: it goes again."""
        namespace.joining.pop(socket.id, None)
        if self.find(namespace.name) is not socket:  # else it leaves with its session
            namespace.sockets.pop(socket.id, None)
            self._leave_unseen(socket)
        self.session.abort("transport error", "out of memory")

    def _give_up(self, namespace: Namespace, socket: Socket, is_refused: bool) -> None:
        """A socket is not admitted: what it was given meanwhile is taken back."""
        socket.stop_receiving()
        if namespace.watch is not None:
            namespace.watch.forget(socket.id)
        # A client that is back has its id again: here may be the socket that it has by now.
        if namespace.joining.get(socket.id) is socket:
            del namespace.joining[socket.id]
        if namespace.recovery is not None:
            namespace.recovery.put_back(socket)
        if is_refused:  # else its `disconnect` handler comes first
            self.hub.tidy(namespace)

    def _refuse(self, namespace: Namespace, error: dict[str, Any]) -> None:
        try:
            packet = namespace.encode_control(CONNECT_ERROR, self._said_of(error))
        except Exception:  # a module given as json= may raise anything
            logger.exception("the data of a refusal in %r can't be sent", namespace.name)
            without_data = {"message": error["message"]}
            packet = namespace.encode_control(CONNECT_ERROR, self._said_of(without_data))
        self.session.outlet.send(packet)

    def _said_of(self, error: dict[str, Any]) -> Any:
        """What the client is told of a refusal."""
        return error

    async def _ask_guards(self, namespace: Namespace, socket: Socket) -> dict[str, Any] | None:
        """None if all admit the socket, else what the client's connect_error says."""
        try:
            for guard in list(self._guards_of(namespace, socket)):
                result = guard(socket)
                if hasattr(result, "__await__"):
                    await result
            if socket.is_dropped:
                raise ConnectionRefusedError
        except Refused as refused:
            return _noted(namespace, socket, refused.error)
        except ConnectionRefusedError as refusal:
            return _noted(namespace, socket, refusal)
        except Exception as refusal:
            # May be meant, or a mistake in the middleware: ConnectionRefusedError and next() say which.
            logger.warning(
                "refused in %r for sid=%.6s…: %r", namespace.name, socket.id, refusal, exc_info=refusal
            )  # fmt: skip
            return _said_by(refusal)
        return None

    async def _ask_afterwards(self, namespace: Namespace, socket: Socket) -> None:
        """always_connect: the guards of a client that is in already; it goes if they refuse it."""
        error = await self._ask_guards(namespace, socket)
        if error is not None and not socket.is_dropped:
            socket.is_refused = True
            # Without what `error` says: a DISCONNECT with data is none to the official clients.
            socket.disconnect()

    def _let_go(self) -> None:
        """Nothing waits, and events that come need not wait any longer."""
        self.line = None
        self.divert_again()

    def divert_again(self) -> None:
        """Find out anew whether events go straight to their handlers."""
        self.is_diverted = self.hub.diverts or self.is_filtered or self.line is not None

    # --- one after the other -----------------------------------------------------------------

    def _hold(self) -> Line:
        """Events wait from now on: for each other, or until a connect handler has ended (see divert())."""
        if self.line is None:
            crowd = self._crowd = Crowd(self.session, self.hub.options.max_waiting_events)
            on_empty = None if self.hub.is_serial else self._let_go
            self.line = Line(self.hub.tasks, on_empty, crowd)
            self.is_diverted = True
        line: Line = self.line
        return line

    def divert(self, socket: Socket, args: list[Any], ack_id: int) -> None:
        """An event, where the log or an observer shall have it or it may have to wait."""
        if self.hub.is_traced:
            logger.info("event %r from sid=%.6s… in %r", args[0], socket.id, socket.namespace.name)
        if self.hub.limits is not None and not self.hub.limits.admits(socket, args, ack_id):
            return
        if self.hub.overload is not None and self.hub.overload.is_full(self):
            self.hub.refusals.too_many(socket, args[0], ack_id)
            return
        if socket.namespace.observer is not None:
            socket.namespace.observer.event_received(socket, args)
        if self.hub.is_serial or self.line is not None:
            line = self._hold()
            if self._crowd.is_full(len(line)):
                self.hub.refusals.too_many(socket, args[0], ack_id)
            else:
                line.add(self._its_turn, socket, args, ack_id)
        else:
            self._deliver(socket, args, ack_id)

    def _deliver(self, socket: Socket, args: list[Any], ack_id: int) -> None:
        if socket.middleware is None:
            socket.take(args, ack_id)
        else:
            socket.middleware.take(args, ack_id)

    def _its_turn(self, socket: Socket, args: list[Any], ack_id: int) -> Any:
        """An event that has waited; not of a client that was put out meanwhile."""
        if socket.is_dropped:
            return None
        if not self.hub.is_serial:
            self._deliver(socket, args, ack_id)
            return None
        return take_in_turn(socket, args, ack_id)

    # --- leaving -----------------------------------------------------------------------------

    def _take_out(self, namespace: Namespace, socket: Socket, reason: str) -> None:
        """Who looks on is told; nobody waits for its answers."""
        for one in namespace.attendants or ():
            one.socket_left(socket.id)
        if self.hub.observer is not None:
            self.hub.observer.socket_left(socket, reason)
        if socket.acks is not None:
            for pending in list(socket.acks.values()):
                pending.fail()
            socket.acks = None

    def disconnect_all(self) -> None:
        """Leave every namespace, telling the client, and close the connection behind it."""
        for socket in self.sockets.values():
            socket.disconnect()
        self.session.close()


def _noted(namespace: Namespace, socket: Socket, refusal: Exception) -> dict[str, Any]:
    """What the client of a refusal is told that is meant: for the log it is no more than news."""
    error = _said_by(refusal)
    logger.info(
        "refused in %r for sid=%.6s…: %s", namespace.name, socket.id, one_line(error["message"])
    )
    return error


def _said_by(refusal: Exception) -> dict[str, Any]:
    """What a client's connect_error has of an exception, as in Node: its text, and its `data` if it has any."""
    if isinstance(refusal, ConnectionRefusedError):
        return refusal.error_args
    error: dict[str, Any] = {"message": str(refusal)}
    data = getattr(refusal, "data", None)
    if data is not None:
        error["data"] = data
    return error

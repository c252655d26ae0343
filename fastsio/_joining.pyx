"""How a client joins a namespace and leaves it, as far as all clients do: the middle of core's Peer.

What only some need, admission, recovery, observers, parents of namespaces, is called where it is there: core/peer.py.
In Python this was a fifth of what it costs to come, join and go.
Source: socket.io-protocol v5, "Connection to a namespace"; order of events and reasons as in Node's server.
"""
import logging

from fastsio._ids cimport new_id
from fastsio._session cimport SessionCore

logger = logging.getLogger("fastsio.core")

cdef enum:
    CONNECT = 0


cdef class HubBase:
    """What peers need of their hub."""


cdef class JoiningPeer(PeerBase):
    """The compiled base of core.peer.Peer, above PeerBase; `socket_class` is what it makes."""

    # --- joining -----------------------------------------------------------------------------

    def _connect(self, str name, auth, NamespaceBase namespace=None) -> None:
        """A CONNECT; `namespace` is what was found for it, where that took time."""
        self.connect(name, auth, namespace)

    cdef int connect(self, str name, object auth, NamespaceBase namespace) except -1:
        cdef HubBase hub = self.hub
        cdef SocketBase socket
        if namespace is None:
            if self.find_(name) is not None or (self._joining and name in self._joining):
                self.misplaced(CONNECT, name)
                return 0
            if name != "/" and self.namespace_count >= hub.options.max_namespaces:
                self.refuse_another(name)
                return 0
            # One that is there, mostly, and need not be looked for.
            namespace = hub.namespaces.get(name)
            if namespace is None or hub.is_root_optional:
                namespace = hub.find_namespace(name)
            if namespace is None:
                self._ask_parents(name, auth)
                return 0
        if namespace.recovery is not None:
            namespace.recovery.connect(self, auth)
            return 0
        sid = new_id() if self.protocol == 5 else self.new_socket_id(namespace)
        socket = self.socket_class(sid, self.session, namespace, self, auth)
        if namespace.guards:
            self.enter(namespace, socket)
        else:
            self.welcome(namespace, socket)
        return 0

    def _welcome(self, NamespaceBase namespace, SocketBase socket) -> None:
        """welcome() for callers in Python."""
        self.welcome(namespace, socket)

    cdef int welcome(self, NamespaceBase namespace, SocketBase socket) except -1:
        """The socket is in: the CONNECT reply, then the connection handlers."""
        cdef str sid = socket.id
        if namespace.joining:
            namespace.joining.pop(sid, None)
        # First of all: from then on the end of the session takes it out again, whatever fails here.
        self.add(socket)
        namespace.sockets[sid] = socket
        socket.is_connected = True
        if isinstance(self.session, SessionCore):  # likely
            (<SessionCore> self.session).drop_deadline()
        else:
            self.session.clear_deadline()
        if namespace.attendants is not None:
            for one in namespace.attendants:
                one.socket_joined(sid)
        if namespace.recovery is not None:
            namespace.recovery.welcome(socket)
        elif self.protocol == 5:  # likely
            if self.session.outlet is not None:
                self.session.outlet.put(namespace.connect_packet(sid))
        else:
            socket.send_packet(self.connect_packet(socket))
        if self.hub.observer is not None:
            self.hub.observer.socket_joined(socket)
        if namespace.connection_handlers:
            namespace.run_connection(socket)
        return 0

    # --- leaving -----------------------------------------------------------------------------

    def leave(self, SocketBase socket, str reason, description=None) -> None:
        """Take a socket out of its namespace and tell its handlers, once.

        Order: "disconnecting" (rooms still joined), the namespace's `disconnect` handler (a coroutine sees
        the rooms and the session until it ends), then, out of all rooms, "disconnect".
        """
        if self.find_(socket.namespace.name) is socket:
            self.take_out(socket, reason, description)

    cdef int take_out(self, SocketBase socket, str reason, object description) except -1:
        cdef NamespaceBase namespace = socket.namespace
        self.remove(socket)
        try:
            if self.line is not None:
                self.resume(socket.id)
            if socket.by_event is not None:
                socket.run_listeners("disconnecting", reason, description)
            if namespace.recovery is not None:
                namespace.recovery.left(socket, reason)
        finally:  # whatever an adapter or an observer raises, it has gone, and its handlers are told
            socket.is_connected = False
            namespace.sockets.pop(socket.id, None)
            try:
                self.end_socket(namespace, socket, reason)
            finally:
                if namespace.is_passing or "disconnect" in namespace.handlers:
                    self._run_disconnect(socket, reason)
                else:
                    namespace.leaving.pop(socket.id, None)
                if socket.by_event is not None:
                    self._tell_listeners(socket, reason, description)
        return 0

    cdef int end_socket(self, NamespaceBase namespace, SocketBase socket, str reason) except -1:
        """It is out of its rooms, and those who look on or wait for it are told."""
        namespace.leaving[socket.id] = socket
        if socket._joined is not None:
            socket.stop_receiving()
        if namespace.attendants is not None or self.hub.observer is not None or socket.acks is not None:
            self._take_out(namespace, socket, reason)
        return 0

    def closed(self, str reason, description) -> None:
        """The session has ended: every socket leaves with the engine's reason, whatever fails for another."""
        cdef SocketBase socket = self.first()
        while socket is not None:
            try:
                self.take_out(socket, reason, description)
            except Exception:
                logger.exception("%r has not left in order", socket)
            socket = self.first()
        self.drop_partial()
        if self._conn is not None:
            self._conn.tell("close", reason, description)
        if self.hub.observer is not None:
            self.hub.observer.session_closed(self.session, reason)

    # --- what core/peer.py and its bases do

    def refuse_another(self, str name) -> None:
        raise NotImplementedError  # the client is in as many namespaces as it may

    def _ask_parents(self, str name, auth) -> None:
        raise NotImplementedError  # a namespace that is not there

    def enter(self, NamespaceBase namespace, SocketBase socket) -> None:
        raise NotImplementedError  # guards are asked first

    def _run_disconnect(self, SocketBase socket, str reason) -> None:
        raise NotImplementedError

    def _tell_listeners(self, SocketBase socket, str reason, description) -> None:
        raise NotImplementedError

    def _take_out(self, NamespaceBase namespace, SocketBase socket, str reason) -> None:
        raise NotImplementedError

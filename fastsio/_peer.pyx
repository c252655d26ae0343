"""Peers: a session's messages to packets, and packets to sockets.

The compiled base of core's Peer. What a socket does with an event is in _dispatch.
Source: socket.io-protocol v5, "Packet encoding".
"""
from cpython.ref cimport PyObject
from libc.stdint cimport int64_t

from fastsio._codec cimport (
    ACK,
    BINARY_ACK,
    BINARY_EVENT,
    EVENT,
    Head,
    Packet,
    Parser,
    load_data,
    namespace_of,
    no_data,
    parse_head,
    reconstruct,
)
from fastsio._dispatch cimport SocketBase
from fastsio._fanout cimport MessageHandler, SessionBase
from fastsio._json cimport Json, is_deeper

from fastsio._frames import OverLimit, ProtocolError

cdef extern from "Python.h":
    int PyDict_Next(object p, Py_ssize_t* position, PyObject** key, PyObject** value) noexcept

cdef enum:
    INVALID_DATA = 1007
    # No form of packets is read deeper than this.
    MAX_DEPTH = 1024


cdef class PeerBase(MessageHandler):
    """The compiled part of a peer: a session's messages to packets, packets to sockets."""

    def __cinit__(self, SessionBase session, Json json):
        self.session = session
        self.json = json
        if isinstance(json, Parser):
            self.decoder = (<Parser> json).new_decoder()

    @property
    def sockets(self) -> dict:
        """The sockets by namespace, in the order in which they joined; a new dict each time."""
        if self.joined is not None:
            return dict(self.joined)
        return {} if self.root is None else {"/": self.root}

    @property
    def namespace_count(self) -> int:
        """How many namespaces besides "/" it is in, or waits to be let into."""
        cdef Py_ssize_t count = 0 if self._joining is None else len(self._joining) - ("/" in self._joining)
        return count if self.joined is None else count + len(self.joined) - ("/" in self.joined)

    def find(self, str namespace) -> SocketBase | None:
        """The socket in a namespace, None if there is none."""
        return self.find_(namespace)

    cdef SocketBase find_(self, str namespace):
        if namespace == "/":
            return self.root
        return None if self.joined is None else self.joined.get(namespace)

    cdef SocketBase first(self):
        """The socket that joined first, None if there is none. Needs no memory."""
        cdef Py_ssize_t position = 0
        cdef PyObject* value = NULL
        if self.joined is None:
            return self.root
        return <SocketBase> value if PyDict_Next(self.joined, &position, NULL, &value) else None

    cdef int text(self, const char* p, Py_ssize_t n) except -1:
        if self.decoder is not None:
            return self.take_message(p[:n].decode("utf-8", "replace"))
        try:
            return self.take_text(p, n)
        except ProtocolError as error:
            self.malformed(error)
        return 0

    cdef int take_message(self, object message) except -1:
        """A message in the form that the server's `serializer` gives to packets."""
        cdef Packet packet
        try:
            packet = self.decoder.decode(message)
            if self.json.max_depth < MAX_DEPTH and packet is not None and is_deeper(packet.data, self.json.max_depth):
                raise OverLimit(INVALID_DATA, f"nested over {self.json.max_depth} levels", "max_json_depth")
        except ProtocolError as error:
            self.malformed(error)
            return 0
        if packet is None:  # more of it is to come
            return 0
        return self.receive(
            packet.type, None if packet.namespace == "/" else packet.namespace,
            -1 if packet.id is None else packet.id, packet.data,
        )

    cdef int take_text(self, const char* p, Py_ssize_t n) except -1:
        cdef Head head
        cdef str namespace
        if self.buffers is not None:
            raise ProtocolError(INVALID_DATA, "got plaintext data when reconstructing a packet")
        parse_head(p, n, &head, self.json.max_attachments)
        data = load_data(&head, self.json)
        namespace = namespace_of(&head)
        if not head.attachments:  # likely
            return self.receive(head.type, namespace, head.id, data)
        self.partial_type = head.type
        self.partial_attachments = head.attachments
        self.partial_namespace = namespace
        self.partial_id = head.id
        self.partial_data = data
        self.buffers = []
        return 0

    cdef int binary(self, bytes data) except -1:
        if self.decoder is not None:
            return self.take_message(data)
        try:
            if self.buffers is None:
                raise ProtocolError(INVALID_DATA, "got binary data when not reconstructing a packet")
            self.buffers.append(data)
            if len(self.buffers) < self.partial_attachments:
                return 0
            packet = reconstruct(self.partial_data, self.buffers)
            self.partial_data = self.buffers = None
            return self.receive(self.partial_type, self.partial_namespace, self.partial_id, packet)
        except ProtocolError as error:
            self.malformed(error)
        return 0

    cdef int receive(self, int type, str namespace, int64_t id, object data) except -1:
        """A complete packet; namespace is None for "/"."""
        cdef SocketBase socket
        if type == EVENT or type == ACK or type == BINARY_EVENT or type == BINARY_ACK:
            socket = self.root if namespace is None else self.find_(namespace)
            if socket is None:
                self.misplaced(type, namespace or "/")
            elif data is not no_data:  # "2" alone decodes, and nothing handles it
                if type == ACK or type == BINARY_ACK:
                    socket.settle(id, data)
                elif self.is_diverted:
                    self.divert(socket, data, id)
                else:
                    socket.dispatch(data, id)
            return 0
        self.control(type, namespace or "/", None if data is no_data else data)
        return 0

    def attach(self, SocketBase socket) -> None:
        """Packets of the socket's namespace reach it from now on."""
        self.add(socket)

    cdef int add(self, SocketBase socket) except -1:
        cdef str name = socket.namespace.name
        if name != "/" and self.joined is None:
            self.joined = self.sockets
        if self.joined is not None:
            self.joined[name] = socket
        if name == "/":
            self.root = socket
        return 0

    def detach(self, SocketBase socket) -> None:
        self.remove(socket)

    cdef int remove(self, SocketBase socket) except -1:
        socket.turns = None  # they refer back
        if socket is self.root:
            self.root = None
        if self.joined is not None:
            self.joined.pop(socket.namespace.name, None)
        return 0

    def drop_partial(self) -> None:
        """Forget a binary packet whose attachments will not come."""
        self.partial_data = self.buffers = None

    # --- what core/peer.py does

    def malformed(self, error) -> None:
        raise NotImplementedError  # a packet that is none

    def misplaced(self, int type, str namespace) -> None:
        raise NotImplementedError  # an event or ack for a namespace that this client has not joined

    def divert(self, SocketBase socket, list args, int64_t id) -> None:
        raise NotImplementedError  # an event, while is_diverted is set

    def control(self, int type, str namespace, data) -> None:
        raise NotImplementedError  # a CONNECT, DISCONNECT or CONNECT_ERROR

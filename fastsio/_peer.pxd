"""C interface of _peer: the compiled base of core's Peer."""
from libc.stdint cimport int64_t

from fastsio._codec cimport MessageDecoder
from fastsio._dispatch cimport SocketBase
from fastsio._fanout cimport MessageHandler, SessionBase
from fastsio._json cimport Json


cdef class PeerBase(MessageHandler):
    cdef readonly SessionBase session
    cdef readonly Json json
    cdef public set _joining        # names of namespaces that it waits to be admitted to; None: never to any
    cdef public object _conn        # core.conn.RawSocket, once somebody asked for it
    cdef MessageDecoder decoder     # None where packets are text with JSON
    cdef SocketBase root            # the socket in "/", None if there is none
    cdef dict joined                # all by namespace; None where there was never one besides "/"
    cdef public bint is_diverted    # events go to divert() and not straight to the socket
    cdef public bint is_filtered    # a socket of it has packet middleware: its events are diverted for good
    cdef public object work         # core.waiting.Crowd of handlers that have not ended; None until there were many
    cdef public object line         # core.line.Line, where events wait for each other; None where they don't have to
    cdef public dict environ_made   # the handshake as a WSGI environ, once somebody asked for it
    # The binary packet whose attachments are still due; buffers is None when there is none.
    cdef list buffers
    cdef int partial_type
    cdef int partial_attachments
    cdef str partial_namespace
    cdef int64_t partial_id
    cdef object partial_data
    cdef SocketBase find_(self, str namespace)
    cdef SocketBase first(self)
    cdef int take_text(self, const char* data, Py_ssize_t n) except -1
    cdef int take_message(self, object message) except -1
    cdef int receive(self, int type, str namespace, int64_t id, object data) except -1
    cdef int add(self, SocketBase socket) except -1
    cdef int remove(self, SocketBase socket) except -1

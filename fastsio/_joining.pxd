"""C interface of _joining."""
from fastsio._dispatch cimport NamespaceBase, SocketBase
from fastsio._peer cimport PeerBase


cdef class HubBase:
    cdef public object options
    cdef public dict namespaces     # by name
    cdef public object observer     # is told who comes and goes (core/observer.py); None: nobody looks
    cdef public bint is_root_optional


cdef class JoiningPeer(PeerBase):
    cdef public HubBase hub
    cdef int connect(self, str name, object auth, NamespaceBase namespace) except -1
    cdef int welcome(self, NamespaceBase namespace, SocketBase socket) except -1
    cdef int take_out(self, SocketBase socket, str reason, object description) except -1
    cdef int end_socket(self, NamespaceBase namespace, SocketBase socket, str reason) except -1

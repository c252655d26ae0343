"""C interface of _dispatch: the compiled bases of core's Socket and Namespace."""
from libc.stdint cimport int64_t

from fastsio._encoded cimport Encoded
from fastsio._fanout cimport Member
from fastsio._flag cimport flag
from fastsio._json cimport Json


cdef enum Prefix:
    # What a handler gets before the event's own arguments, in this order.
    WITH_EVENT = 1
    WITH_NAMESPACE = 2
    WITH_SID = 4
    WITH_SOCKET = 8


cdef class Handler:
    cdef readonly object fn
    cdef readonly object call       # fn, or what is called in its place
    cdef readonly int prefix
    cdef readonly int max_args
    cdef readonly bint takes_ack
    cdef readonly bint once
    cdef readonly int concurrency   # how many of one socket may run at once; 0: any number
    cdef bint is_special            # once, or concurrency


cdef class NamespaceBase:
    cdef readonly str name
    cdef readonly Json json
    cdef readonly dict handlers     # event -> Handler
    cdef readonly dict sockets      # those that joined, by id
    cdef readonly dict joining      # those not yet admitted, by id
    cdef readonly dict rooms        # name -> members by id; the adapter's
    cdef public Handler fallback    # for events that nobody else handles
    cdef readonly set tasks         # handlers that are suspended
    cdef public int max_running     # of one client's handlers; 0: any number
    cdef public Py_ssize_t handler_errors
    cdef public object on_failure   # called with (socket, error, args, id) where a handler raised; None: only log
    cdef public object observer     # is told of events and rooms (core/observer.py); None: nobody looks
    cdef public object recovery     # brings clients back to their sessions (core/recovery.py); None: nobody comes back
    cdef public bint asks_adapter   # each packet is its adapter's, which keeps it or takes it to other servers
    cdef public unsigned long home  # the thread of the loop that serves this; 0 while none does
    cdef public dict leaving        # gone, with a `disconnect` handler still at work, by id: only looked up
    cdef public list guards         # who is asked about those who want to join
    cdef public object connection_handlers  # a tuple of those of "connection"
    cdef public tuple attendants    # who is told that clients come and go, besides the hub's observer; None: nobody
    cdef public bint is_passing     # forgotten when nobody is in it any more: only clients have asked for it
    cdef bytes prefix
    cdef bytes connect_head         # of its CONNECT packets, up to the id
    cdef Encoded connect_packet(self, str sid)
    cdef int emit_to_(self, list args, object room, object skip, object callback) except -1
    cdef bint emit_to_room(self, list args, str room) except -1
    cpdef Encoded encode_event(self, list args, int64_t id=*)


cdef class SocketBase(Member):
    cdef readonly NamespaceBase namespace
    cdef public dict by_event       # its listeners: event -> tuple of Handler; None if there are none
    cdef public tuple of_any        # Handlers of every event, before these; None if there are none
    cdef public dict acks           # id -> core.acks.PendingAck; None if there are none
    cdef public dict turns          # Handler -> core.turns.Turns, Rule -> core.limits.Bucket; None if there are none
    cdef public object middleware   # core.packets.PacketMiddleware; None if there is none
    cdef public object peer         # whose it is
    cdef public object _auth        # what the client sent along with its CONNECT
    cdef public object _handshake   # core.handshake.Handshake, once somebody asked for it
    cdef public set _joined         # the rooms besides its own; None until there was one
    cdef public object _data        # the application's; None until it has any
    cdef public int64_t _ack_count  # of events that ask for an answer
    cdef public double issued       # Unix time in seconds; a float of Python's would be 32 bytes more for each
    cdef public flag is_connected
    cdef public flag is_dropped     # disconnect() was called; if before it was admitted, it will be refused
    cdef public flag is_refused     # always_connect: its connect handler did not want it
    cdef int dispatch(self, list args, int64_t id) except -1
    cpdef int run_any(self, list args, int64_t id) except -1
    cpdef int run_several(self, list handlers, list args, int64_t id) except -1
    cdef object invoke(self, Handler handler, list args, AckSender ack)
    cdef AckSender prepare(self, Handler handler, list args, int64_t id)
    cdef int run(self, Handler handler, list args, int64_t id, Replies replies) except -1
    cdef int run_special(self, Handler handler, list args, int64_t id, Replies replies) except -1
    cdef bint begin(self, Handler handler, list args, int64_t id, Replies replies, object on_end) except -1
    cdef object loop(self)
    cdef int finish(self, object result, int64_t id, Replies replies) except -1
    cdef int fail(self, list args, int64_t id, object error) except -1
    cpdef int note(self, object event, object error) except -1
    cdef int reply(self, int64_t id, object result) except -1
    cdef int settle(self, int64_t id, list args) except -1


cdef class AckSender:
    cdef SocketBase socket
    cdef int64_t id


cdef class Replies:
    cdef public int due
    cdef object result
    cdef int add(self, SocketBase socket, int64_t id, object result) except -1

"""C interface of _session: the compiled bases of the engine and its sessions."""
from fastsio._fanout cimport SessionBase
from fastsio._flag cimport flag
from fastsio._http cimport Request
from fastsio._wheel cimport Wheel


cdef class EngineBase:
    cdef public dict sessions       # by id
    cdef public Wheel wheel
    cdef public object now          # the loop's time
    cdef public object arrivals     # who is asked for new clients; None where they are bound by nothing
    cdef public double ping_interval_s
    cdef public object handler      # engine.ports.EngineHandler
    cdef public object new_id       # makes a session's
    # What may have a say about a new client, or hear of it; None where it is not there.
    cdef public object front        # engine.front.Front
    cdef public object _hooks
    cdef public object _questions   # engine.questions.Questions
    cdef public object _ask
    cdef public object _initial     # an Encoded that each client gets first
    cdef public bint _checks_origin
    cdef public bint _has_cors
    cdef public bint _opens_websockets
    cdef public bint watches_flow   # every session's buffer is watched; else only where somebody asks for it
    cdef bytes open_head            # of a WebSocket's first packet, up to the id
    cdef bytes open_tail            # and what follows that
    cdef bint opens_plainly(self, Request request) except -1
    cdef bint poll(self, Request request, object exchange) except -1
    cdef int open_websocket(self, Request request, object exchange) except -1


cdef class SessionCore(SessionBase):
    cdef public EngineBase engine
    cdef public object request      # the handshake's
    cdef public str remote
    cdef public str transport
    cdef public object polling      # engine.polling.PollingTransport while it polls
    cdef public object probe        # engine.upgrade.Probe while it goes over to another transport
    cdef public object wheel_slot   # the wheel's own mark
    cdef public object _deadline    # called at _deadline_at
    cdef public double _deadline_at
    cdef public flag is_secure
    cdef public flag _awaits_pong
    cdef public flag has_said_goodbye
    cdef int drop_deadline(self) except -1

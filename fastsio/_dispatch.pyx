"""Dispatch: an event to its handlers, and their results back as acks.

The compiled bases of core's Socket and Namespace. Between the bytes and the user's handler, and
back, no Python-level frame runs but the handler's own. Knows nothing of messages, transports and sessions' states.
Source: socket.io-protocol v5, "Acknowledgement".
"""
import asyncio
import logging

from cpython.pythread cimport PyThread_get_thread_ident
from cpython.ref cimport PyObject
from cpython.time cimport time
from libc.stdint cimport int64_t

from fastsio._codec cimport ACK, CONNECT, EVENT, check_event_name, encode, encode_one, namespace_prefix
from fastsio._eager cimport end_loop, start
from fastsio._encoded cimport Encoded, encode_engine_packet
from fastsio._fanout cimport Member, Outlet, SessionBase, fan_out
from fastsio._json cimport Json

from fastsio._codec import NO_DATA

cdef extern from *:
    """
    #define fastsio_is_awaitable(o) (Py_TYPE(o)->tp_as_async != NULL && Py_TYPE(o)->tp_as_async->am_await != NULL)
    """
    bint fastsio_is_awaitable(object o) noexcept

cdef extern from "Python.h":
    bint PyCoro_CheckExact(object o) noexcept
    size_t PY_VECTORCALL_ARGUMENTS_OFFSET
    object PyObject_Vectorcall(object callable, PyObject* const* args, size_t nargsf, PyObject* kwnames)

logger = logging.getLogger("fastsio.core")

cdef enum:
    MAX_STACK_ARGS = 12

cdef tuple ACK_KEYWORD = ("ack",)
cdef object running_loop = asyncio.get_running_loop


# --- handlers --------------------------------------------------------------------------------

cdef class Handler:
    """A user's function and how it wants to be called, inspected once (core/handlers.py).

    `max_args` is how many of the event's arguments it takes, -1 for any number: more are cut off, as
    JavaScript does. `takes_ack`: it has a parameter `ack` and answers by calling it. `call` is called in place of `fn`.
    `concurrency`: how many events of one socket it handles at a time, 0 for any number.
    """

    def __init__(
        self, fn, *, int prefix=0, int max_args=-1, bint takes_ack=False, bint once=False, call=None, int concurrency=0
    ):
        self.fn = fn
        self.call = fn if call is None else call
        self.prefix = prefix
        self.max_args = max_args
        self.takes_ack = takes_ack
        self.once = once
        self.concurrency = concurrency
        self.is_special = once or concurrency > 0


cdef class AckSender:
    """The `ack` that a listener gets: call it with the answer's values. Only the first call counts.

    False if the client asked for no answer; calling it does nothing then.
    """

    def __call__(self, *args):
        cdef int64_t id = self.id
        self.id = -1
        if id >= 0:
            self.socket.reply(id, args)

    def __bool__(self):
        return self.id >= 0


cdef class Replies:
    """The results of `due` handlers of one event: the first that is not None is the answer."""

    cdef int add(self, SocketBase socket, int64_t id, object result) except -1:
        self.due -= 1
        if self.result is None:
            self.result = result
        if self.due == 0:
            socket.reply(id, self.result)
        return 0


cdef class Suspended:
    """Done-callback of a handler's task: answers, or logs what the handler raised."""

    cdef SocketBase socket
    cdef list args
    cdef int64_t id
    cdef Replies replies
    cdef object on_end

    def __call__(self, task):
        self.socket.namespace.tasks.discard(task)
        self.socket.session.at_work -= 1
        if self.socket.session.is_crowded:
            self.socket.work_shrinks()
        if not task.cancelled():
            error = task.exception()
            if error is None:
                self.socket.finish(task.result(), self.id, self.replies)
            elif not isinstance(error, (SystemExit, KeyboardInterrupt)):  # which the task has raised in the loop
                self.socket.fail(self.args, self.id, error)
        if self.on_end is not None:
            self.on_end()


cdef class NamespaceBase:
    """The compiled part of a namespace: its handlers, and how its packets begin."""

    def __cinit__(self, str name, Json json, set tasks, *args, **kwargs):
        self.name = name
        self.json = json
        self.prefix = namespace_prefix(name)
        self.connect_head = b'40%s{"sid":"' % self.prefix
        self.handlers = {}
        self.tasks = tasks
        self.sockets = {}
        self.joining = {}
        self.rooms = {}
        self.leaving = {}
        self.guards = []
        self.connection_handlers = ()

    cpdef Encoded encode_event(self, list args, int64_t id=-1):
        """Encode [name, *arguments] once, for one client or for many.

        Raises TypeError for what JSON can't hold, ValueError for more than 10 binary values.
        """
        return encode(EVENT, self.prefix, id, args, self.json)

    def encode_connect(self, str sid) -> Encoded:
        """The CONNECT packet that tells a client its id."""
        return self.connect_packet(sid)

    cdef Encoded connect_packet(self, str sid):
        if not self.json.is_builtin:
            return encode(CONNECT, self.prefix, -1, {"sid": sid}, self.json)
        return encode_engine_packet(self.connect_head + sid.encode() + b'"}')

    def emit_to(self, list args, room, skip, callback) -> None:
        """Send [event, *args] to a room or a list of them (None: to everyone) but for the clients in `skip`.

        With `callback`, each recipient's answer is given to it. Raises as check_event_name() and encode_event().
        """
        self.emit_to_(args, room, skip, callback)

    cdef int emit_to_(self, list args, object room, object skip, object callback) except -1:
        check_event_name(args[0])
        # Most emits go to one client, named by its sid, or to one room: without sets 1.7 us -> 0.5 us.
        cdef bint is_plain = type(room) is str and skip is None and callback is None and not self.asks_adapter
        if not is_plain or not self.emit_to_room(args, room):
            self.emit_to_rooms(args, room, skip, callback)
        if self.observer is not None and callback is None:  # with one, each socket sends an event of its own
            self.tell_sent(args, room, skip)
        return 0

    cdef bint emit_to_room(self, list args, str room) except -1:
        """Send to the room or to the socket with that id; False, and nothing is sent, if it is neither, or both."""
        cdef dict members = self.rooms.get(room)
        cdef SocketBase socket = self.sockets.get(room)
        if members is None and socket is not None:
            if socket.session.outlet is not None:
                socket.session.outlet.put(encode(EVENT, self.prefix, -1, args, self.json))
            return True
        if members is None or socket is not None or room in self.joining:
            return False
        fan_out(members, encode(EVENT, self.prefix, -1, args, self.json))
        return True

    def emit_to_rooms(self, list args, room, skip, callback) -> None:
        """emit_to() where it takes sets of rooms."""
        raise NotImplementedError

    def tell_sent(self, list args, room, skip) -> None:
        """emit_to() has sent an event, and somebody looks."""
        raise NotImplementedError

    def is_elsewhere(self) -> bool:
        """Whether the caller runs in another thread than what serves this namespace."""
        return self.home != 0 and self.home != <unsigned long> PyThread_get_thread_ident()

    def encode_control(self, int type, data=NO_DATA) -> Encoded:
        """A DISCONNECT or CONNECT_ERROR packet of this namespace."""
        return encode(type, self.prefix, -1, data, self.json)


async def awaiting(awaitable):
    """What is no coroutine of Python's own (a Future, a coroutine of a compiled module) as one."""
    return await awaitable


cdef class SocketBase(Member):
    """The compiled part of a socket: from an event to its handlers, from their result to the ack."""

    def __cinit__(self, str id, SessionBase session, NamespaceBase namespace, peer=None, auth=None):
        self.id = id
        self.session = session
        self.namespace = namespace
        self.peer = peer
        self._auth = auth
        self.issued = time()

    cdef int dispatch(self, list args, int64_t id) except -1:
        """Run the handlers of an event, in order: the namespace's, then this socket's listeners."""
        cdef object event = args[0]
        cdef Handler handler
        cdef tuple listeners = None
        if self.session.is_crowded and self.is_too_much(args, id):  # unlikely
            return 0
        if self.of_any is not None:  # unlikely
            self.run_any(args, id)
        handler = self.namespace.handlers.get(event)
        if self.by_event is not None:
            listeners = self.by_event.get(event)
        if listeners is None:  # likely for one style
            if handler is None:
                handler = self.namespace.fallback
            # Nobody listens: no ack, as Node and python-socketio do.
            return 0 if handler is None else self.run(handler, args, id, None)
        if handler is None and len(listeners) == 1:  # likely for the other
            return self.run(listeners[0], args, id, None)
        return self.run_several(([] if handler is None else [handler]) + list(listeners), args, id)

    cpdef int run_any(self, list args, int64_t id) except -1:
        """What listens to all events; only one that takes `ack` can answer."""
        cdef Handler handler
        for handler in self.of_any:
            self.run(handler, args, id if handler.takes_ack else -1, None)
        return 0

    cpdef int run_several(self, list handlers, list args, int64_t id) except -1:
        cdef Replies replies = Replies.__new__(Replies)
        cdef Handler handler
        # One that takes `ack` answers by itself; what the others return is not an answer then.
        if id >= 0 and any([(<Handler> handler).takes_ack for handler in handlers]):
            for handler in handlers:
                self.run(handler, args, id if handler.takes_ack else -1, None)
            return 0
        replies.due = len(handlers)
        for handler in handlers:
            self.run(handler, args, id, replies)
        return 0

    cdef object invoke(self, Handler handler, list args, AckSender ack):
        """Call handler.call with what it asks for."""
        cdef PyObject* stack[MAX_STACK_ARGS + 5]
        cdef PyObject** argv = stack + 1
        cdef size_t n = 0
        cdef Py_ssize_t i
        cdef Py_ssize_t count = len(args) - 1
        if 0 <= handler.max_args < count:
            count = handler.max_args
        if count > MAX_STACK_ARGS:
            return self.invoke_with_many(handler, args[1 : count + 1], args[0], ack)
        if handler.prefix & WITH_EVENT:
            argv[n] = <PyObject*> args[0]
            n += 1
        if handler.prefix & WITH_NAMESPACE:
            argv[n] = <PyObject*> self.namespace.name
            n += 1
        if handler.prefix & (WITH_SID | WITH_SOCKET):
            argv[n] = <PyObject*> (self.id if handler.prefix & WITH_SID else self)
            n += 1
        for i in range(1, count + 1):
            argv[n] = <PyObject*> args[i]
            n += 1
        if ack is None:
            return PyObject_Vectorcall(handler.call, argv, n | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL)
        argv[n] = <PyObject*> ack
        return PyObject_Vectorcall(handler.call, argv, n | PY_VECTORCALL_ARGUMENTS_OFFSET, <PyObject*> ACK_KEYWORD)

    def invoke_with_many(self, Handler handler, list args, event, ack):
        """invoke() for more arguments than its stack holds."""
        before = [event] if handler.prefix & WITH_EVENT else []
        if handler.prefix & WITH_NAMESPACE:
            before.append(self.namespace.name)
        if handler.prefix & (WITH_SID | WITH_SOCKET):
            before.append(self.id if handler.prefix & WITH_SID else self)
        return handler.call(*before, *args) if ack is None else handler.call(*before, *args, ack=ack)

    cdef AckSender prepare(self, Handler handler, list args, int64_t id):
        """The `ack` that a handler is called with, None if it takes none; it is forgotten if this is its one time."""
        cdef AckSender ack = None
        if handler.once:
            self.forget(args[0], handler)
        if handler.takes_ack:
            ack = AckSender.__new__(AckSender)
            ack.socket = self
            ack.id = id
        return ack

    cdef int run(self, Handler handler, list args, int64_t id, Replies replies) except -1:
        """Call one handler, now or, where only so many may run, when its turn comes."""
        if handler.is_special:  # unlikely
            return self.run_special(handler, args, id, replies)
        self.begin(handler, args, id, replies, None)
        return 0

    cdef int run_special(self, Handler handler, list args, int64_t id, Replies replies) except -1:
        if handler.concurrency:
            if handler.once:
                self.forget(args[0], handler)
            self.wait_for_turn(handler, args, id, replies)
        else:
            self.begin(handler, args, id, replies, None)
        return 0

    cdef bint begin(self, Handler handler, list args, int64_t id, Replies replies, object on_end) except -1:
        """Call one handler; what it returns is awaited if it can be, as a task that starts at once.

        What it raises is logged, not passed on. True if it has not ended: on_end() is called when it has.
        """
        cdef AckSender ack = self.prepare(handler, args, id) if handler.takes_ack or handler.once else None
        cdef Suspended suspended
        cdef bint is_suspended = False
        if ack is not None:
            id = -1
        try:
            result = self.invoke(handler, args, ack)
            if fastsio_is_awaitable(result):
                coroutine = result if PyCoro_CheckExact(result) else awaiting(result)
                result = start(coroutine, self.loop(), &is_suspended)
                if is_suspended:
                    suspended = Suspended.__new__(Suspended)
                    suspended.socket = self
                    suspended.args = args
                    suspended.id = id
                    suspended.replies = replies
                    suspended.on_end = on_end
                    self.namespace.tasks.add(result)
                    result.add_done_callback(suspended)
                    self.session.at_work += 1
                    if 0 < self.namespace.max_running <= 2 * self.session.at_work:
                        self.work_grows()
                    return True
        except asyncio.CancelledError:
            # The handler's own task was cancelled in its first step: it ends without an answer.
            return False
        except BaseException as error:
            if not end_loop(error):
                self.fail(args, id, error)
            return False
        self.finish(result, id, replies)
        return False

    def begin_turn(self, Handler handler, list args, int64_t id, Replies replies, on_end) -> bool:
        """begin() for callers in Python."""
        return self.begin(handler, args, id, replies, on_end)

    def wait_for_turn(self, Handler handler, list args, int64_t id, Replies replies) -> None:
        raise NotImplementedError  # begin_turn() when so many of the handler have ended; core/turns.py

    def work_grows(self) -> None:
        raise NotImplementedError  # half of max_running handlers of the client, or more, have not ended; core/flow.py

    def work_shrinks(self) -> None:
        raise NotImplementedError  # one of them has, while the session is_crowded

    def is_too_much(self, list args, int64_t id) -> bool:
        raise NotImplementedError  # True, and it was answered, if an event is not to be handled now

    def take(self, list args, int64_t id) -> None:  # dispatch() for callers in Python
        self.dispatch(args, id)

    async def answer(self, Handler handler, list args, int64_t id, Replies replies=None):
        """run() for one handler and its end: what waits for this knows that the handler has ended."""
        cdef AckSender ack = self.prepare(handler, args, id)
        if ack is not None:
            id = -1
        try:
            result = self.invoke(handler, args, ack)
            if fastsio_is_awaitable(result):
                result = await result
        except (asyncio.CancelledError, SystemExit, KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:
            self.fail(args, id, error)
        else:
            self.finish(result, id, replies)

    cdef object loop(self):
        """The running loop. asyncio's look-up asks the kernel for the process id before 3.12: 0.15 us."""
        cdef Outlet outlet = self.session.outlet
        if outlet is not None and outlet.flusher is not None and outlet.flusher.loop is not None:
            return outlet.flusher.loop
        return running_loop()

    cdef int finish(self, object result, int64_t id, Replies replies) except -1:
        if replies is not None:
            return replies.add(self, id, result)
        return self.reply(id, result) if id >= 0 else 0

    cdef int reply(self, int64_t id, object result) except -1:
        """Send an ack: None is no value, a tuple several, anything else one."""
        cdef NamespaceBase namespace = self.namespace
        cdef Encoded encoded
        if id < 0 or not self.is_connected or self.session.outlet is None:
            return 0
        try:
            if result is None:
                encoded = encode(ACK, namespace.prefix, id, [], namespace.json)
            elif type(result) is tuple:
                encoded = encode(ACK, namespace.prefix, id, list(<tuple> result), namespace.json)
            else:
                encoded = encode_one(ACK, namespace.prefix, id, result, namespace.json)
            self.session.outlet.put(encoded)
        except Exception as error:  # a module given as json= may raise anything
            self.note("(ack)", error)
        return 0

    def reply_to(self, int64_t id, result) -> None:  # reply() for callers in Python
        self.reply(id, result)

    cdef int fail(self, list args, int64_t id, object error) except -1:
        """A handler raised: whoever registered for that hears of it, else it is logged."""
        if self.namespace.on_failure is not None:
            self.namespace.on_failure(self, error, args, id)
            return 0
        return self.note(args[0], error)

    cpdef int note(self, object event, object error) except -1:
        self.namespace.handler_errors += 1
        logger.error(
            "handler of %r in %r failed for sid=%.6s…", event, self.namespace.name, self.id, exc_info=error
        )
        return 0

    cdef int settle(self, int64_t id, list args) except -1:
        """The client's answer came. One that nobody waits for is ignored: it may be late."""
        if self.acks is not None and id >= 0:
            pending = self.acks.pop(id, None)
            if pending is not None:
                try:
                    pending.resolve(args)
                except BaseException as error:
                    if not end_loop(error):
                        self.note("(ack)", error)
        return 0

    def forget(self, event, Handler handler) -> None:
        raise NotImplementedError  # removes one of its listeners

    def run_handler(self, Handler handler, event, *args) -> None:
        """Run a handler of one of the server's own events (connection, disconnect…)."""
        self.run(handler, [event, *args], -1, None)

    def send_packet(self, Encoded encoded, bint is_volatile=False) -> bool:
        """Queue a packet for this client alone; False if it was dropped."""
        return self.session.outlet is not None and self.session.outlet.put(encoded, is_volatile)

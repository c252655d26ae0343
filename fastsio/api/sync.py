"""Server: python-socketio's API of plain functions, for Flask and other WSGI applications.

The engine and the core run on an event loop, in a thread of its own or wherever the server is served; handlers
run in a pool of threads. Every method may be called from any thread but the loop's. An AsyncServer does the work.
"""

import asyncio
import contextlib
import functools
import inspect
import logging
import sys
import threading
import time
import warnings
from collections.abc import Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from fastsio.api.aio import ARGUMENTS, AsyncServer
from fastsio.api.attendance import SyncAttendanceMethods
from fastsio.api.flow import SyncFlowMethods
from fastsio.api.manager import checked, with_bus
from fastsio.api.namespace import BaseServerNamespace, methods_of
from fastsio.api.sync_namespace import Namespace
from fastsio.api.sync_views import Manager, SyncEngineView
from fastsio.api.views import Environs, Handlers, NamespaceHandlers
from fastsio.core.annotations import EMPTY
from fastsio.core.declared import Event
from fastsio.core.handlers import check_event_name
from fastsio.core.reasons import Reason
from fastsio.core.registry import RESERVED
from fastsio.options import Options, nearest
from fastsio.threads import Bridge, HandlerPool, run_inline

if TYPE_CHECKING:
    from fastsio.admin import InstrumentedServer

__all__ = ["Manager", "Namespace", "Server"]

logger = logging.getLogger("fastsio.core")

T = TypeVar("T")

HANDLER_THREADS = 256
MAX_WAITING_HANDLERS = 10_000
# What threads of the pool with nothing to do need to end, at shutdown().
POOL_END_S = 0.5
GREEN_MODES = ("eventlet", "gevent", "gevent_uwsgi")
# What an event loop in a thread needs as it is.
NEEDED = ("thread", "threading", "socket", "select")


class Server(SyncFlowMethods, SyncAttendanceMethods):
    """A Socket.IO server whose handlers are plain functions that may block.

    The arguments are python-socketio's and AsyncServer's, and `handler_threads`: how many handlers may run at a time,
    256 if it is not given; `max_waiting_handlers`: how many may wait for a thread, 10,000 if it is not given (from half
    of it on, clients that send events are not read; what is over it is refused). Serve it with WSGIApp under a
    threaded WSGI server, or with fastsio.run().
    """

    reserved_events: ClassVar[list[str]] = list(RESERVED)
    reason = Reason

    def __init__(
        self, client_manager: Any = None, logger: Any = False, serializer: Any = "default", json: Any = None,
        async_handlers: bool = True, always_connect: bool = False, namespaces: Any = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        """Raises ValueError for an async_mode of coroutines, RuntimeError where eventlet or gevent patched threads."""
        self.async_mode = _checked_mode(kwargs.pop("async_mode", None))
        self._pool = HandlerPool(kwargs.pop("handler_threads", HANDLER_THREADS))
        most = _checked_most(kwargs.pop("max_waiting_handlers", MAX_WAITING_HANDLERS))
        self._lock = threading.RLock()
        self._bridge: Bridge | None = None
        self._gateway: Any = None
        _drop_unknown(kwargs)
        if serializer != "default":
            kwargs["serializer"] = serializer
        manager = checked(client_manager, Manager)
        self._server = AsyncServer(
            logger=logger, json=json, async_handlers=async_handlers, namespaces=namespaces,
            always_connect=always_connect, **with_bus(kwargs, manager),
        )  # fmt: skip
        self.hub = self._server.hub
        self.hub.registry.adapt = self._in_thread
        self.hub.bound(lambda: self._pool.backlog, most)
        self.hub.on_served = self._served
        self.logger = self._server.logger
        self.engineio_logger = self._server.engineio_logger
        self.not_handled = object()
        self.manager_initialized = False
        self.manager = manager
        self.manager.set_server(self)

    def _served(self) -> None:
        if not self.manager_initialized:
            self.manager_initialized = True
            self.manager.initialize()

    def is_asyncio_based(self) -> bool:
        return False

    # --- what applications look into ---------------------------------------------------------

    @property
    def eio(self) -> SyncEngineView:
        """The engine: `eio.sockets`, `eio.transport(eio_sid)`, its options…"""
        return SyncEngineView(self)

    @property
    def environ(self) -> Environs:
        """The handshakes' environs by the id of the session."""
        return self._server.environ

    @property
    def handlers(self) -> Handlers:
        """The functions by namespace and event."""
        return self._server.handlers

    @property
    def namespace_handlers(self) -> NamespaceHandlers:
        """The class-based namespaces by name."""
        return self._server.namespace_handlers

    @property
    def namespaces(self) -> Any:
        """Those that are accepted besides those with handlers: a list, or "*"."""
        return self._server.namespaces

    @property
    def async_handlers(self) -> bool:
        return self._server.async_handlers

    @property
    def always_connect(self) -> bool:
        return self._server.always_connect

    @property
    def packet_class(self) -> Any:
        """The class of packets on this server's wire; fastsio itself makes no such objects."""
        return self._server.packet_class

    # --- handlers ----------------------------------------------------------------------------

    def on(
        self, event: str, handler: Callable[..., Any] | None = None, namespace: str | None = None,
        *, typed: bool | None = None, concurrency: int | None = None,
    ) -> Any:  # fmt: skip
        """Register the handler of an event; as a decorator when `handler` is left out.

        As AsyncServer.on(), but for plain functions. Raises TypeError for a coroutine function.
        """
        return self._server.on(event, handler, namespace, typed=typed, concurrency=concurrency)

    def event(self, *args: Any, **kwargs: Any) -> Any:
        """`@sio.event` registers a function under its own name; `@sio.event(namespace="/x")` in a namespace."""
        return self._server.event(*args, **kwargs)

    def emits(
        self, event: Any, *types: Any, answer: Any = EMPTY, namespace: str | None = None
    ) -> Event[...]:
        """Declare an event that the server sends: see AsyncServer.emits(). Its emit() may be called from any thread."""
        return self._server.emits(event, *types, answer=answer, namespace=namespace)

    def register_namespace(
        self, namespace_handler: BaseServerNamespace, *, typed: bool | None = None
    ) -> None:
        """Let a Namespace handle a namespace's events: see AsyncServer.register_namespace()."""
        if not isinstance(namespace_handler, BaseServerNamespace):
            raise ValueError("Not a namespace instance")
        if not isinstance(namespace_handler, Namespace):
            raise ValueError("Not a valid namespace class for this server")
        namespace_handler._set_server(self)
        methods = methods_of(namespace_handler, Namespace)
        self.hub.registry.add_object(
            namespace_handler, namespace_handler.namespace, methods, namespace_handler.trigger_event, typed
        )  # fmt: skip

    def exception_handler(self, *errors: Any, namespace: str | None = None) -> Any:
        """Register what answers when a handler raises: see AsyncServer.exception_handler()."""
        if len(errors) == 1 and callable(errors[0]) and not isinstance(errors[0], type):
            return self.exception_handler(namespace=namespace)(errors[0])
        register = self._server.exception_handler(*errors, namespace=namespace)

        def register_threaded(fn: Callable[..., Any]) -> Callable[..., Any]:
            register(self._in_thread(fn))
            return fn

        return register_threaded

    def _in_thread(self, fn: Callable[..., Any]) -> Callable[..., asyncio.Future[Any]]:
        """`fn` for the loop to call: it runs in the pool. What inspects it sees the signature of `fn`."""
        if inspect.iscoroutinefunction(fn):
            raise TypeError(
                f"{fn!r} is a coroutine function: Server calls plain ones, AsyncServer both"
            )

        def run(*args: Any) -> asyncio.Future[Any]:
            return self._pool.run(self._bridge_of(asyncio.get_running_loop()), fn, args)

        with contextlib.suppress(ValueError):  # a builtin that tells nothing
            run.__signature__ = inspect.signature(fn, follow_wrapped=False)  # type: ignore[attr-defined]
        return run

    # --- sending -----------------------------------------------------------------------------

    def emit(
        self, event: str, data: Any = None, to: Any = None, room: Any = None, skip_sid: Any = None,
        namespace: str | None = None, callback: Callable[..., Any] | None = None, ignore_queue: bool = False,
    ) -> None:  # fmt: skip
        """Send an event to a sid or room (`to` or `room`: one or a list), or to everyone.

        data: None for no argument, a tuple for several; it is encoded before this returns. skip_sid: a sid or
        several to leave out. An empty list reaches nobody. `callback(*values)` gets each recipient's answer, in a
        thread of the pool. Packets to a client keep the order of one thread's calls. Raises TypeError for what
        JSON can't hold, ValueError for a reserved name.
        """
        bridge = self._bridge_to_clients()
        target = self.hub.get(namespace or "/")
        is_special = callback is not None or ignore_queue or target is None or self.hub.notes_events
        if bridge is None or bridge.is_here or is_special:
            answer = None if callback is None else self._answer_to(callback)
            self._do(
                self._server.emit, event, data, to, room, skip_sid, namespace, answer, ignore_queue
            )
            return
        assert target is not None
        check_event_name(event)
        packet, ticket = target.adapter.prepare([event, *_arguments(data)])
        recipients = room if to is None else to
        bridge.post(target.send_to_rooms, packet, _frozen(recipients), _frozen(skip_sid), ticket)

    def send(
        self, data: Any, to: Any = None, room: Any = None, skip_sid: Any = None, namespace: str | None = None,
        callback: Callable[..., Any] | None = None, ignore_queue: bool = False,
    ) -> None:  # fmt: skip
        """emit("message", data, …)."""
        self.emit("message", data, to, room, skip_sid, namespace, callback, ignore_queue)

    def call(
        self, event: str, data: Any = None, to: str | None = None, sid: str | None = None,
        namespace: str | None = None, timeout: float | None = 60, ignore_queue: bool = False,
    ) -> Any:  # fmt: skip
        """Send an event to one client and wait for its answer: None, one value, or a tuple of several.

        The calling thread is blocked meanwhile. Raises exceptions.TimeoutError after `timeout` seconds, at once
        when the client goes, ValueError without a sid, RuntimeError with async_handlers=False: the answer could
        not be read before the handler that waits for it has ended.
        """
        if to is None and sid is None:
            raise ValueError("Cannot use call() to broadcast.")
        if not self.async_handlers:
            raise RuntimeError("Cannot use call() when async_handlers is False.")
        bridge = self._bridge_to_clients()
        if bridge is None:
            return run_inline(
                self._server.call(event, data, to, sid, namespace, timeout, ignore_queue)
            )
        return bridge.run(self._server.call, event, data, to, sid, namespace, timeout, ignore_queue)

    def _answer_to(self, callback: Callable[..., Any]) -> Callable[..., None]:
        """`callback` for the loop to call: it runs in the pool."""

        def job(args: tuple[Any, ...]) -> None:
            try:
                callback(*args)
            except Exception:
                logger.exception("callback %r failed", callback)

        return lambda *args: self._pool.submit(functools.partial(job, args))

    # --- rooms -------------------------------------------------------------------------------

    def enter_room(self, sid: str, room: Any, namespace: str | None = None) -> None:
        """Put a client into a room. Raises ValueError if the sid is not connected to the namespace."""
        self._do(self._server.enter_room, sid, room, namespace)

    def leave_room(self, sid: str, room: Any, namespace: str | None = None) -> None:
        """Take a client out of a room; nothing happens if it is not in it."""
        self._do(self._server.leave_room, sid, room, namespace)

    def close_room(self, room: Any, namespace: str | None = None) -> None:
        """Take everyone out of a room."""
        self._do(self._server.close_room, room, namespace)

    def rooms(self, sid: str, namespace: str | None = None) -> list[Any]:
        """The rooms a client is in, its own sid among them."""
        return self._ask(self._server.rooms, sid, namespace)

    # --- one client --------------------------------------------------------------------------

    def get_session(self, sid: str, namespace: str | None = None) -> dict[str, Any]:
        """The client's session dict in a namespace. Raises KeyError once it is gone."""
        return self._do(self._server.get_session, sid, namespace)

    def save_session(self, sid: str, session: dict[str, Any], namespace: str | None = None) -> None:
        """Replace the client's session dict."""
        self._do(self._server.save_session, sid, session, namespace)

    @contextlib.contextmanager
    def session(self, sid: str, namespace: str | None = None) -> Iterator[dict[str, Any]]:
        """`with sio.session(sid) as session:` the client's session dict, saved at the end."""
        session = self.get_session(sid, namespace)
        try:
            yield session
        finally:
            self.save_session(sid, session, namespace)

    def disconnect(
        self, sid: str, namespace: str | None = None, ignore_queue: bool = False
    ) -> None:
        """Make a client leave a namespace; nothing happens if it is not in it.

        Its `disconnect` handler starts in the pool and may still run when this returns.
        """
        self._do(self._server.disconnect, sid, namespace, ignore_queue)

    def get_environ(self, sid: str, namespace: str | None = None) -> dict[str, Any] | None:
        """The WSGI environ of the request that opened the client's connection; None for an unknown sid."""
        return self._ask(self._server.get_environ, sid, namespace)

    def is_recovered(self, sid: str, namespace: str | None = None) -> bool:
        """See AsyncServer.is_recovered()."""
        is_recovered: bool = self._ask(self._server.is_recovered, sid, namespace)
        return is_recovered

    def transport(self, sid: str, namespace: str | None = None) -> str:
        """What the client uses now, as in `transports`. Raises KeyError for an unknown sid."""
        return self._ask(self._server.transport, sid, namespace)

    def instrument(
        self, auth: Any = None, mode: Any = "development", read_only: bool = False, server_id: str | None = None,
        namespace: str = "/admin", server_stats_interval: float = 2,
    ) -> "InstrumentedServer":  # fmt: skip
        """Show this server to the Socket.IO Admin UI: see AsyncServer.instrument().

        A function given as `auth` is a plain one, and runs in the pool.
        """
        from fastsio.admin import InstrumentedServer

        return InstrumentedServer(
            self._ask, self.hub, auth, mode, read_only, server_id, namespace, server_stats_interval
        )

    # --- threads -----------------------------------------------------------------------------

    def start_background_task(
        self, target: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> threading.Thread:
        """Run `target` in a daemon thread of its own; join() waits for it."""
        thread = threading.Thread(target=target, args=args, kwargs=kwargs, daemon=True)
        thread.start()
        return thread

    def sleep(self, seconds: float = 0) -> None:
        """time.sleep()."""
        time.sleep(seconds)

    # --- being served ------------------------------------------------------------------------

    def handle_request(self, environ: dict[str, Any], start_response: Any) -> Any:
        """Serve one WSGI request below the Socket.IO path (see wsgi.Gateway)."""
        return self._door().handle(environ, start_response)

    def as_asgi(self) -> Any:
        """This server as an ASGIApp, for any ASGI server, on whose loop it then is."""
        from fastsio.asgi import ASGIApp

        return ASGIApp(self)

    def shutdown(self) -> None:
        """Tell every client, and run the `disconnect` handlers.

        Under a WSGI server that ends the loop's thread and the pool's too; later requests get a 503. Takes some
        seconds at most: handlers that still run then are left to themselves.
        """
        if self._gateway is not None:
            self._gateway.close()
        bridge = self._bridge_to_clients()
        if bridge is not None:
            bridge.run(self._server.shutdown)
        self._pool.join(POOL_END_S)

    def _door(self) -> Any:
        with self._lock:
            if self._gateway is None:
                from fastsio.wsgi import Gateway

                self._gateway = Gateway(self)
            return self._gateway

    # --- reaching the loop -------------------------------------------------------------------

    def _bridge_of(self, loop: asyncio.AbstractEventLoop) -> Bridge:
        bridge = self._bridge
        if bridge is None or bridge.loop is not loop:
            with self._lock:
                if self._bridge is None or self._bridge.loop is not loop:
                    self._bridge = Bridge(loop)
                bridge = self._bridge
        return bridge

    def _bridge_to_clients(self) -> Bridge | None:
        """To the loop that serves, or that still runs handlers of clients that went; None without one."""
        engine = self.hub.engine
        if engine is not None and engine.is_open:
            bridge: Bridge | None = self._bridge_of(engine.loop)
        else:
            bridge = self._bridge
        return bridge if bridge is not None and bridge.is_served else None

    def _do(self, fn: Callable[..., Coroutine[Any, Any, T]], *args: Any) -> T:
        """Run a coroutine function of the AsyncServer, one that does not wait, where its clients are."""
        bridge = self._bridge_to_clients()
        if bridge is not None and not bridge.is_here:
            return bridge.run(fn, *args)
        with self._lock:  # none of them waits for anything
            return run_inline(fn(*args))

    def _ask(self, fn: Callable[..., T], *args: Any) -> T:
        """_do() for a plain function."""
        bridge = self._bridge_to_clients()
        return fn(*args) if bridge is None else bridge.call(fn, *args)


def _arguments(data: Any) -> tuple[Any, ...]:
    """python-socketio's `data`: None is no argument, a tuple several, anything else one."""
    if data is None:
        return ()
    return data if isinstance(data, tuple) else (data,)


def _frozen(rooms: Any) -> Any:
    """Rooms that the caller may change no more."""
    return frozenset(rooms) if isinstance(rooms, (list, set)) else rooms


def _drop_unknown(kwargs: dict[str, Any]) -> None:
    """One warning for all arguments that are none; they are taken out."""
    known = Options.names() | ARGUMENTS | {"handler_threads", "max_waiting_handlers"}
    unknown = [name for name in kwargs if name not in known]
    if unknown:
        said = ", ".join(f"{name!r}{nearest(name, known)}" for name in unknown)
        # From the application's call, past Server.__init__.
        warnings.warn(f"Server ignores unknown arguments: {said}", stacklevel=3)
    for name in unknown:
        del kwargs[name]


def _checked_most(most: Any) -> int:
    if isinstance(most, bool) or not isinstance(most, int) or most < 2:
        raise ValueError(f"max_waiting_handlers={most!r}: a number of handlers, 2 or more")
    return most


def _checked_mode(mode: str | None) -> str:
    if mode in GREEN_MODES:
        warnings.warn(
            f"async_mode={mode!r}: fastsio's Server uses threads, as with 'threading'",
            RuntimeWarning,
            stacklevel=3,
        )
    elif mode not in (None, "threading"):
        raise ValueError("Invalid async_mode specified")
    check_threads()
    return "threading"


def check_threads() -> None:
    """Raise RuntimeError where there are no real threads."""
    patcher = _who_patched_threads()
    if patcher is not None:
        raise RuntimeError(
            f"{patcher} has replaced the threading module: an event loop in a real thread can't work with it."
            " Leave out its monkey patching, and serve with a threaded WSGI server or fastsio.run()"
        )


def _who_patched_threads() -> str | None:
    gevent = sys.modules.get("gevent.monkey")
    if gevent is not None and (any(gevent.is_module_patched(name) for name in NEEDED)):
        return "gevent"
    eventlet = sys.modules.get("eventlet.patcher")
    if eventlet is not None and any(eventlet.is_monkey_patched(name) for name in NEEDED):
        return "eventlet"
    return None

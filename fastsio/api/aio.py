"""AsyncServer: python-socketio's server. Sids are looked up here; all else is the core's.

Signatures and contracts: python-socketio 5.18. On the wire it behaves as Node's server.
"""

import asyncio
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar, ParamSpec, overload

from fastsio._aio import AsyncServerBase
from fastsio.api import logs
from fastsio.api.attendance import AttendanceMethods
from fastsio.api.flow import FlowMethods
from fastsio.api.manager import checked, with_bus
from fastsio.api.namespace import AsyncNamespace, BaseServerNamespace, methods_of
from fastsio.api.views import EngineView, Environs, Handlers, NamespaceHandlers
from fastsio.core.acks import wait_for_first_ack
from fastsio.core.annotations import EMPTY
from fastsio.core.declared import Event, emits
from fastsio.core.handlers import check_event_name
from fastsio.core.hub import Hub
from fastsio.core.parsers import packet_class
from fastsio.core.reasons import Reason
from fastsio.core.registry import RESERVED
from fastsio.core.socket import Socket
from fastsio.options import Options, nearest

if TYPE_CHECKING:
    from fastsio.admin import InstrumentedAsyncServer
    from fastsio.api.io import IO

P = ParamSpec("P")

ASYNC_MODES = ("aiohttp", "sanic", "tornado", "asgi")
# Arguments besides the options. Clients are always monitored; async_mode is only a name here.
ARGUMENTS = frozenset({"async_mode", "engineio_logger", "monitor_clients"})


class AsyncServer(FlowMethods, AttendanceMethods, AsyncServerBase):
    """A Socket.IO server in python-socketio's style.

    client_manager: an AsyncManager; AsyncRedisManager and its kind join servers. logger, engineio_logger: True prints
    what is noted to stderr, a logger gets it; errors are always logged. json: a module with dumps and loads.
    async_handlers=False: a client's events are handled strictly one after the other. namespaces: those that
    are accepted besides those with handlers ("/" if nothing is given, "*" for all). Further keyword arguments:
    async_mode ("asgi", "aiohttp"…: only kept), monitor_clients (clients always are), and the options of
    fastsio.options.Options. Unknown ones are ignored with one warning that names the nearest known ones.
    Raises ValueError and TypeError for values that can't be.
    """

    # A dict there is only once an application sets an attribute of its own: Python 3.13 then need not look into it for
    # "emit" at each call, a twentieth of it.
    __slots__ = (
        "__dict__", "__weakref__", "_asgi_app", "_io", "async_mode", "engineio_logger", "logger", "manager",
        "manager_initialized", "not_handled",
    )  # fmt: skip

    reserved_events: ClassVar[list[str]] = list(RESERVED)
    reason = Reason

    def __init__(
        self, client_manager: Any = None, logger: Any = False, json: Any = None,
        async_handlers: bool = True, namespaces: Any = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        _warn_of_unknown(kwargs)
        self.async_mode = _checked_mode(kwargs.pop("async_mode", None))
        kwargs.pop("monitor_clients", None)
        engineio_logger = kwargs.pop("engineio_logger", False)
        manager = checked(client_manager)
        options = {name: value for name, value in kwargs.items() if name in Options.names()}
        options = with_bus(options, manager)
        hub = Hub(
            Options.of({"check_origin": True} | options | {
                "json": json, "async_handlers": bool(async_handlers), "namespaces": namespaces or None,
            })
        )  # fmt: skip
        names = hub.options.namespaces
        hub.is_root_optional = names not in (None, "*") and "/" not in (names or ())
        if logs.is_talkative(logger):
            hub.trace()
        hub.server = self
        self._take(hub, manager, logger, engineio_logger)

    @classmethod
    def over(cls, io: "IO") -> "AsyncServer":
        """python-socketio's style for an application in Node's: what IO.sio is."""
        server = cls.__new__(cls)
        server.async_mode = _checked_mode(None)
        server._take(io.hub, checked(None), False, False)
        server._io = io
        if io.hub.engine is not None:
            server._served()
        return server

    def _take(self, hub: Hub, manager: Any, logger: Any, engineio_logger: Any) -> None:
        hub.on_served = self._served
        self.logger = logs.set_logger(logger, logs.CORE_LOGGERS, "logger")
        self.engineio_logger = logs.set_logger(
            engineio_logger, logs.ENGINE_LOGGERS, "engineio_logger"
        )
        super().__init__(hub)
        self._io: IO | None = None
        self._asgi_app: Any = None
        self.not_handled = object()
        self.manager_initialized = False
        self.manager = manager
        self.manager.set_server(self)

    def _served(self) -> None:
        if not self.manager_initialized:
            self.manager_initialized = True
            self.manager.initialize()

    def is_asyncio_based(self) -> bool:
        return True

    @property
    def io(self) -> "IO":
        """The same application in Node's style: see IO.sio."""
        if self._io is None:
            from fastsio.api.io import IO

            self._io = IO.over(self.hub)
            self._io._sio = self
        return self._io

    # --- what applications look into ---------------------------------------------------------

    @property
    def eio(self) -> EngineView:
        """The engine: `eio.sockets`, `eio.transport(eio_sid)`, its options…"""
        return EngineView(self)

    @property
    def environ(self) -> Environs:
        """The handshakes' environs by the id of the session."""
        return Environs(self.hub)

    @property
    def handlers(self) -> Handlers:
        """The functions by namespace and event."""
        return Handlers(self.hub)

    @property
    def namespace_handlers(self) -> NamespaceHandlers:
        """The class-based namespaces by name."""
        return NamespaceHandlers(self.hub)

    @property
    def namespaces(self) -> Any:
        """Those that are accepted besides those with handlers: a list, or "*"."""
        names = self.hub.options.namespaces
        return names if names == "*" else list(names or ["/"])

    @property
    def async_handlers(self) -> bool:
        return self.hub.options.async_handlers

    @property
    def always_connect(self) -> bool:
        return self.hub.options.always_connect

    @property
    def packet_class(self) -> Any:
        """The class of packets on this server's wire; fastsio itself makes no such objects."""
        return packet_class(self.hub.options)

    # --- handlers ----------------------------------------------------------------------------

    def on(
        self, event: str, handler: Callable[..., Any] | None = None, namespace: str | None = None,
        *, typed: bool | None = None, concurrency: int | None = None,
    ) -> Any:  # fmt: skip
        """Register the handler of an event; as a decorator when `handler` is left out.

        connect(sid, environ[, auth]) refuses by returning False or raising; disconnect(sid[, reason]);
        any other event(sid, *args), whose return value answers the client's ack; "*"(event, sid, *args) for
        events without one. In the namespace "*", for every namespace, they get the namespace before the sid; so do
        those of a pattern such as "/room/{id}", whose namespaces clients may join then (see IO.of()). Plain or
        coroutine functions. The last one registered for an event wins. typed: whether annotations validate the
        arguments; None: as the server's option says. concurrency: how many such events of one client are handled at a
        time, others wait in their order. With an adapter, "bus_up" and "bus_down" are called with (lost, seconds), see
        core.namespace.Namespace.on(). Raises TypeError for a function that can't be called so.
        """
        if handler is None:
            return lambda handler: self.on(
                event, handler, namespace, typed=typed, concurrency=concurrency
            )
        self.hub.registry.add(
            event, handler, namespace or "/", typed=typed, concurrency=concurrency
        )
        return handler

    def event(self, *args: Any, **kwargs: Any) -> Any:
        """`@sio.event` registers a function under its own name; `@sio.event(namespace="/x")` in a namespace."""
        if len(args) == 1 and not kwargs and callable(args[0]):
            return self.on(args[0].__name__, args[0])
        return lambda handler: self.on(handler.__name__, handler, *args, **kwargs)

    @overload
    def emits(self, event: Callable[P, Any], *, namespace: str | None = None) -> Event[P]: ...
    @overload
    def emits(
        self, event: str, *types: Any, answer: Any = EMPTY, namespace: str | None = None
    ) -> Event[...]: ...
    def emits(
        self, event: str | Callable[..., Any], *types: Any, answer: Any = EMPTY, namespace: str | None = None
    ) -> Event[...]:  # fmt: skip
        """Declare an event that the server sends in a namespace: see core.namespace.Namespace.emits()."""
        return emits(self.hub.namespace(namespace or "/"), event, types, answer)

    def register_namespace(
        self, namespace_handler: BaseServerNamespace, *, typed: bool | None = None
    ) -> None:
        """Let an AsyncNamespace handle a namespace's events. Raises ValueError for what is none.

        typed: whether its methods' annotations validate the arguments, as in on().
        """
        if not isinstance(namespace_handler, BaseServerNamespace):
            raise ValueError("Not a namespace instance")
        if not isinstance(namespace_handler, AsyncNamespace):
            raise ValueError("Not a valid namespace class for this server")
        namespace_handler._set_server(self)
        methods = methods_of(namespace_handler, AsyncNamespace)
        self.hub.registry.add_object(
            namespace_handler, namespace_handler.namespace, methods, namespace_handler.trigger_event, typed
        )  # fmt: skip

    def exception_handler(self, *errors: Any, namespace: str | None = None) -> Any:
        """Register what answers when a handler raises; a decorator, with or without classes of exceptions.

        `@sio.exception_handler` or `@sio.exception_handler(SomeError, namespace="/x")`, for a function
        (exc, event, sid, *args), plain or coroutine: what it returns is the client's ack. Subclasses are
        covered; the most special class is asked, a namespace's own handler first. What no handler covers,
        and what one raises itself, is logged with its traceback.
        """
        if len(errors) == 1 and callable(errors[0]) and not isinstance(errors[0], type):
            return self.exception_handler(namespace=namespace)(errors[0])

        def register(fn: Callable[..., Any]) -> Callable[..., Any]:
            for error in errors or (Exception,):
                self.hub.add_exception_handler(fn, error, namespace)
            return fn

        return register

    # --- sending -----------------------------------------------------------------------------

    async def send(
        self, data: Any, to: Any = None, room: Any = None, skip_sid: Any = None,
        namespace: str | None = None, callback: Callable[..., Any] | None = None, ignore_queue: bool = False,
    ) -> None:  # fmt: skip
        """emit("message", data, …)."""
        await self.emit("message", data, to, room, skip_sid, namespace, callback, ignore_queue)

    async def call(
        self, event: str, data: Any = None, to: str | None = None, sid: str | None = None,
        namespace: str | None = None, timeout: float | None = 60,  # noqa: ASYNC109 - their name
        ignore_queue: bool = False,
    ) -> Any:  # fmt: skip
        """Send an event to one client and return its answer: None, one value, or a tuple of several.

        Of a room's clients the first answer counts. Raises exceptions.TimeoutError after `timeout` seconds
        (None: never), ClientGoneError, which is one too, at once when the client goes or is not there,
        ValueError without a sid, RuntimeError where async_handlers is False: the answer would wait for the caller.
        """
        if to is None and sid is None:
            raise ValueError("Cannot use call() to broadcast.")
        if not self.async_handlers:
            raise RuntimeError("Cannot use call() when async_handlers is False.")
        if self.hub.is_elsewhere():
            return await self.hub.hand_over(
                self.call(event, data, to, sid, namespace, timeout, ignore_queue)
            )
        check_event_name(event)
        target = self.hub.get(namespace or "/")
        room = to if to is not None else sid
        sockets = [] if target is None else list(target.everyone_in(room).values())
        if not sockets and self.hub.cluster is not None and not ignore_queue:
            args = [event, *_arguments(data)]
            return await self.hub.cluster.call(namespace or "/", args, room, timeout)
        return await wait_for_first_ack(sockets, [event, *_arguments(data)], timeout)

    # --- rooms -------------------------------------------------------------------------------

    async def enter_room(self, sid: str, room: Any, namespace: str | None = None) -> None:
        """Put a client into a room; with other servers it may be a client of any of these.

        Raises ValueError if the sid is not connected to the namespace, and for another client's own room.
        """
        if self.hub.is_elsewhere():
            await self._elsewhere(self.enter_room, sid, room, namespace)
            return
        socket = self._find(sid, namespace)
        if socket is None and self.hub.cluster is not None:
            self.hub.cluster.join(namespace or "/", sid, room)
            return
        if socket is None:
            raise ValueError("sid is not connected to requested namespace")
        if sid != room and socket.namespace.is_sid(room):
            raise ValueError("cannot enter a sid room")
        socket.join([room])

    async def leave_room(self, sid: str, room: Any, namespace: str | None = None) -> None:
        """Take a client out of a room; nothing happens if it is not in it."""
        if self.hub.is_elsewhere():
            await self._elsewhere(self.leave_room, sid, room, namespace)
            return
        socket = self._find(sid, namespace)
        if socket is not None:
            socket.leave([room])
        elif self.hub.cluster is not None:
            self.hub.cluster.leave(namespace or "/", sid, room)

    async def close_room(self, room: Any, namespace: str | None = None) -> None:
        """Take everyone out of a room. Raises ValueError for a client's own room."""
        if self.hub.is_elsewhere():
            await self._elsewhere(self.close_room, room, namespace)
            return
        target = self.hub.get(namespace or "/")
        if target is not None:
            if target.is_sid(room):
                raise ValueError("cannot close a sid room")
            target.in_([room]).sockets_leave([room])
        elif self.hub.cluster is not None:
            self.hub.cluster.close_room(namespace or "/", room)

    def rooms(self, sid: str, namespace: str | None = None) -> list[Any]:
        """The rooms a client is in, its own sid among them; empty for an unknown sid."""
        socket = self._find(sid, namespace)
        return [] if socket is None else list(socket.rooms)

    # --- one client --------------------------------------------------------------------------

    async def get_session(self, sid: str, namespace: str | None = None) -> dict[str, Any]:
        """The client's session dict in a namespace. Raises KeyError once it is gone."""
        return self._socket(sid, namespace).data

    async def save_session(
        self, sid: str, session: dict[str, Any], namespace: str | None = None
    ) -> None:
        """Replace the client's session dict."""
        self._socket(sid, namespace).data = session

    @asynccontextmanager
    async def session(
        self, sid: str, namespace: str | None = None
    ) -> AsyncIterator[dict[str, Any]]:
        """`async with sio.session(sid) as session:` the client's session dict, saved at the end."""
        session = await self.get_session(sid, namespace)
        yield session
        await self.save_session(sid, session, namespace)

    async def disconnect(
        self, sid: str, namespace: str | None = None, ignore_queue: bool = False
    ) -> None:
        """Make a client leave a namespace; nothing happens if it is not in it.

        Its `disconnect` handler begins at once and is not waited for.
        """
        if self.hub.is_elsewhere():
            await self._elsewhere(self.disconnect, sid, namespace, ignore_queue)
            return
        socket = self._find(sid, namespace)
        if socket is not None:
            socket.disconnect()
        elif self.hub.cluster is not None and not ignore_queue:
            self.hub.cluster.disconnect(namespace or "/", sid)

    def get_environ(self, sid: str, namespace: str | None = None) -> dict[str, Any] | None:
        """The request that opened the client's connection, as a WSGI environ; None for an unknown sid."""
        socket = self._find(sid, namespace)
        return None if socket is None else socket.peer.environ

    def is_recovered(self, sid: str, namespace: str | None = None) -> bool:
        """Whether the client came back to the session that it had before its connection was lost.

        With the option connection_state_recovery; its `connect` handler can ask this. False for an unknown sid.
        """
        socket = self._find(sid, namespace)
        return socket is not None and socket.recovered

    def transport(self, sid: str, namespace: str | None = None) -> str:
        """What the client uses now, as in `transports`. Raises KeyError for an unknown sid."""
        return self._socket(sid, namespace).transport

    # --- being served ------------------------------------------------------------------------

    def attach(self, app: Any, socketio_path: str = "socket.io") -> None:
        """Serve Socket.IO from an aiohttp or sanic application. Raises TypeError for any other."""
        from fastsio.attach import attach

        attach(self, app, socketio_path)

    async def handle_request(self, *args: Any, **kwargs: Any) -> Any:
        """Serve one ASGI request, (scope, receive, send), whatever its path. Raises TypeError for anything else."""
        from fastsio.asgi import ASGIApp

        if kwargs or len(args) != 3 or not isinstance(args[0], dict):
            raise TypeError(
                "handle_request(scope, receive, send): ASGI's arguments are what it takes"
            )
        if self._asgi_app is None:  # one for all: it knows when the server stops
            self._asgi_app = ASGIApp(self, socketio_path=None)
        return await self._asgi_app(*args)

    async def shutdown(self) -> None:
        """End every session ("server shutting down" to the clients) and wait for their handlers, at most 5 s.

        Nothing happens while it is not served. A server that is served on has sessions again when clients return.
        """
        await self.hub.shut_down()

    def instrument(
        self, auth: Any = None, mode: Any = "development", read_only: bool = False, server_id: str | None = None,
        namespace: str = "/admin", server_stats_interval: float = 2,
    ) -> "InstrumentedAsyncServer":  # fmt: skip
        """Show this server to the Socket.IO Admin UI; returns what has uninstrument() and, to await, shutdown().

        auth: a dict that the page's login has to equal, a list of them, a function of it (plain or coroutine)
        that returns whether it is right, or False to let everybody in. mode: "development" tells of each socket,
        room and event, "production" sends only figures, every `server_stats_interval` seconds. read_only: admins
        can change nothing. server_id: this server's name, the host's if it is left out. Raises ValueError for
        values that can't be, RuntimeError if it is instrumented already.
        """
        from fastsio.admin import InstrumentedAsyncServer

        return InstrumentedAsyncServer(
            self.hub, auth, mode, read_only, server_id, namespace, server_stats_interval
        )

    # --- tasks -------------------------------------------------------------------------------

    def start_background_task(
        self, target: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> asyncio.Task[Any]:
        """Run a coroutine function as a task; it is kept until it ends and cancelled when the server stops."""
        task = asyncio.get_running_loop().create_task(target(*args, **kwargs))
        self.hub.background.add(task)
        task.add_done_callback(self.hub.background.discard)
        return task

    async def sleep(self, seconds: float = 0) -> None:
        """asyncio.sleep()."""
        await asyncio.sleep(seconds)

    # --- look-ups ----------------------------------------------------------------------------

    async def _elsewhere(self, method: Callable[..., Any], *args: Any) -> None:
        """Run one of these methods on the engine's loop, for a caller in another thread."""
        await self.hub.hand_over(method(*args))

    def _find(self, sid: str, namespace: str | None) -> Socket | None:
        target = self.hub.get(namespace or "/")
        return None if target is None else target.find(sid)

    def _socket(self, sid: str, namespace: str | None) -> Socket:
        socket = self._find(sid, namespace)
        if socket is None:
            raise KeyError(f"{sid!r} is not connected to {namespace or '/'!r}")
        return socket


def _arguments(data: Any) -> tuple[Any, ...]:
    """python-socketio's `data`: None is no argument, a tuple several, anything else one."""
    if data is None:
        return ()
    return data if isinstance(data, tuple) else (data,)


def _warn_of_unknown(kwargs: dict[str, Any]) -> None:
    """One warning for all arguments that are none."""
    known = Options.names() | ARGUMENTS
    unknown = [name for name in kwargs if name not in known]
    if unknown:
        said = ", ".join(f"{name!r}{nearest(name, known)}" for name in unknown)
        # From the application's call, past AsyncServer.__init__.
        warnings.warn(f"AsyncServer ignores unknown arguments: {said}", stacklevel=3)


def _checked_mode(mode: Any) -> str:
    if mode is None:
        return "asgi"
    if mode not in ASYNC_MODES:
        raise ValueError(
            f"Invalid async_mode specified: {mode!r}; known are {', '.join(ASYNC_MODES)}"
        )
    return str(mode)

"""Server and Namespace: python-socketio's API of plain functions, for Flask and other WSGI applications.

The engine and the core run on an event loop, in a thread of its own or wherever the server is served; handlers
run in a pool of threads. Every method may be called from any thread but the loop's. An AsyncServer does the work.
"""

import asyncio
import functools
import inspect
import logging
import sys
import threading
import time
import warnings
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, TypeVar

from fastsio.api.aio import AsyncServer
from fastsio.core.handlers import check_event_name
from fastsio.core.operator import NOBODY_EXCEPT, as_rooms
from fastsio.threads import Bridge, HandlerPool, run_inline

logger = logging.getLogger("fastsio.core")

T = TypeVar("T")

HANDLER_THREADS = 256
GREEN_MODES = ("eventlet", "gevent", "gevent_uwsgi")
# What an event loop in a thread needs as it is.
NEEDED = ("thread", "threading", "socket", "select")


class Server:
    """A Socket.IO server whose handlers are plain functions that may block.

    The options are AsyncServer's, and `handler_threads`: how many handlers may run at a time. Serve it with
    WSGIApp under a threaded WSGI server, or with fastsio.run().
    """

    # The front door, which knows engine and connections; wsgi.py puts it here.
    gateway_class: ClassVar[type[Any] | None] = None

    def __init__(
        self, client_manager: Any = None, logger: Any = False, serializer: Any = "default", json: Any = None,
        async_handlers: bool = True, always_connect: bool = False, namespaces: Any = None, *,
        handler_threads: int = HANDLER_THREADS, **kwargs: Any,
    ) -> None:  # fmt: skip
        """Raises ValueError for an async_mode of coroutines, RuntimeError where eventlet or gevent patched threads."""
        _check_mode(kwargs.pop("async_mode", None))
        self.async_mode = "threading"
        self._pool = HandlerPool(handler_threads)
        self._lock = threading.Lock()
        self._bridge: Bridge | None = None
        self._gateway: Any = None
        self._server = AsyncServer(logger=logger, json=json, namespaces=namespaces, **kwargs)
        self.hub = self._server.hub
        self.async_handlers = async_handlers

    def is_asyncio_based(self) -> bool:
        return False

    # --- handlers ----------------------------------------------------------------------------

    def on(
        self, event: str, handler: Callable[..., Any] | None = None, namespace: str | None = None
    ) -> Any:
        """Register the handler of an event; as a decorator when `handler` is left out.

        connect(sid, environ[, auth]) refuses by returning False or raising; disconnect(sid[, reason]);
        any other event(sid, *args), whose return value answers the client's ack. Raises TypeError for a
        coroutine function: those are AsyncServer's.
        """
        if handler is None:
            return lambda handler: self.on(event, handler, namespace)
        self._server.on(event, self._in_thread(handler), namespace)
        return handler

    def event(self, *args: Any, **kwargs: Any) -> Any:
        """`@sio.event` registers a function under its own name; `@sio.event(namespace="/x")` in a namespace."""
        if len(args) == 1 and not kwargs and callable(args[0]):
            return self.on(args[0].__name__, args[0])
        return lambda handler: self.on(handler.__name__, handler, *args, **kwargs)

    def _in_thread(self, fn: Callable[..., Any]) -> Callable[..., asyncio.Future[Any]]:
        """`fn` for the loop to call: it runs in the pool. What inspects it sees the signature of `fn`."""
        if inspect.iscoroutinefunction(fn):
            raise TypeError(
                f"{fn!r} is a coroutine function: Server calls plain ones, AsyncServer both"
            )

        @functools.wraps(fn)
        def run(*args: Any) -> asyncio.Future[Any]:
            return self._pool.run(self._bridge_of(asyncio.get_running_loop()), fn, args)

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
        if bridge is None or bridge.is_here or callback is not None:
            answer = None if callback is None else self._answer_to(callback)
            self._do(self._server.emit, event, data, to, room, skip_sid, namespace, answer)
            return
        check_event_name(event)
        target = self.hub.get(namespace or "/")
        if target is None:
            return
        encoded = target.encode_event([event, *_arguments(data)])
        recipients = room if to is None else to
        rooms = None if recipients is None else as_rooms(recipients)
        excluded = NOBODY_EXCEPT if skip_sid is None else as_rooms(skip_sid)
        bridge.post(target.adapter.deliver, encoded, rooms, excluded)

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
        return self._do(self._server.call, event, data, to, sid, namespace, timeout)

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

    @contextmanager
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
        self._do(self._server.disconnect, sid, namespace)

    def get_environ(self, sid: str, namespace: str | None = None) -> dict[str, Any] | None:
        """The WSGI environ of the request that opened the client's connection; None for an unknown sid."""
        return self._ask(self._server.get_environ, sid, namespace)

    def transport(self, sid: str, namespace: str | None = None) -> str:
        """What the client uses now: "polling" or "websocket". Raises KeyError for an unknown sid."""
        return self._ask(self._server.transport, sid, namespace)

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
        """This server as an ASGIApp, for fastsio.run() and any ASGI server."""
        return self._door().as_asgi()

    def shutdown(self) -> None:
        """Tell every client, run the `disconnect` handlers and end the threads of a server that WSGIApp serves.

        Takes some seconds at most: handlers that still run then are left to themselves. Later requests get a
        503. Served in another way, it ends when that does.
        """
        self._door().close()
        self._pool.join(0)

    def _door(self) -> Any:
        with self._lock:
            if self._gateway is None:
                if self.gateway_class is None:
                    raise RuntimeError("import fastsio.wsgi, and a Server can be served")
                self._gateway = self.gateway_class(self)
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
        if engine is not None and engine.is_open and engine.loop.is_running():
            return self._bridge_of(engine.loop)
        bridge = self._bridge
        return bridge if bridge is not None and bridge.loop.is_running() else None

    def _do(self, fn: Callable[..., Coroutine[Any, Any, T]], *args: Any) -> T:
        """Run a coroutine function of the AsyncServer where its clients are, and wait for it."""
        bridge = self._bridge_to_clients()
        if bridge is not None:
            return bridge.run(fn, *args)
        with self._lock:  # not served: there are no clients to wait for
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


def _check_mode(mode: str | None) -> None:
    if mode in GREEN_MODES:
        warnings.warn(
            f"async_mode={mode!r}: fastsio's Server uses threads, as with 'threading'",
            RuntimeWarning,
            stacklevel=3,
        )
    elif mode not in (None, "threading"):
        raise ValueError("Invalid async_mode specified")
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

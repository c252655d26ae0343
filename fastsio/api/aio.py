"""AsyncServer: python-socketio's server. Sids are looked up here; all else is the core's.

Signatures and contracts: python-socketio 5. On the wire it behaves as Node's server.
"""

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastsio._aio import AsyncServerBase
from fastsio.core.acks import wait_for_ack
from fastsio.core.errors import ConnectionRefusedError
from fastsio.core.handlers import (
    PREFIX_EVENT,
    PREFIX_SID,
    check_event_name,
    make_handler,
    positional_count,
)
from fastsio.core.handshake import make_environ
from fastsio.core.hub import Hub
from fastsio.core.namespace import Namespace
from fastsio.core.socket import Socket
from fastsio.options import Options

LOGGERS = ("fastsio.engine", "fastsio.core", "fastsio.conn")


class AsyncServer(AsyncServerBase):
    """A Socket.IO server in python-socketio's style. Options: see fastsio.options.Options.

    `logger=True` prints what the server notes to stderr. Raises TypeError for an option that does not
    exist, ValueError for one that can't be.
    """

    def __init__(self, *, logger: bool = False, **options: Any) -> None:
        super().__init__(Hub(Options.of(options)))
        if logger:
            _log_to_stderr()

    # --- handlers ----------------------------------------------------------------------------

    def on(
        self, event: str, handler: Callable[..., Any] | None = None, namespace: str | None = None
    ) -> Any:
        """Register the handler of an event; as a decorator when `handler` is left out.

        connect(sid, environ[, auth]) refuses by returning False or raising; disconnect(sid[, reason]);
        any other event(sid, *args), whose return value answers the client's ack; "*"(event, sid, *args) for
        events without one. Plain or coroutine functions. The last one registered for an event wins.
        """
        if handler is None:
            return lambda handler: self.on(event, handler, namespace)
        target = self.hub.namespace(namespace or "/")
        if event == "connect":
            _set_connect_guard(target, handler)
        else:
            prefix = PREFIX_SID | (PREFIX_EVENT if event == "*" else 0)
            target.set_handler(event, make_handler(handler, prefix))
        return handler

    def event(self, *args: Any, **kwargs: Any) -> Any:
        """`@sio.event` registers a function under its own name; `@sio.event(namespace="/x")` in a namespace."""
        if len(args) == 1 and not kwargs and callable(args[0]):
            return self.on(args[0].__name__, args[0])
        return lambda handler: self.on(handler.__name__, handler, *args, **kwargs)

    # --- sending -----------------------------------------------------------------------------

    async def send(
        self, data: Any, to: Any = None, room: Any = None, skip_sid: Any = None,
        namespace: str | None = None, callback: Callable[..., Any] | None = None,
    ) -> None:  # fmt: skip
        """emit("message", data, …)."""
        await self.emit("message", data, to, room, skip_sid, namespace, callback)

    async def call(
        self, event: str, data: Any = None, to: str | None = None, sid: str | None = None,
        namespace: str | None = None, timeout: float | None = 60,  # noqa: ASYNC109 - their name
    ) -> Any:  # fmt: skip
        """Send an event to one client and return its answer: None, one value, or a tuple of several.

        Raises exceptions.TimeoutError after `timeout` seconds, DisconnectedError when the client goes,
        ValueError without a sid, KeyError for one that is not connected.
        """
        target = to or sid
        if target is None:
            raise ValueError("Cannot use call() to broadcast.")
        check_event_name(event)
        return await wait_for_ack(
            self._socket(target, namespace), [event, *_arguments(data)], timeout
        )

    # --- rooms -------------------------------------------------------------------------------

    async def enter_room(self, sid: str, room: Any, namespace: str | None = None) -> None:
        """Put a client into a room. Raises ValueError if the sid is not connected to the namespace."""
        socket = self._find(sid, namespace)
        if socket is None:
            raise ValueError("sid is not connected to requested namespace")
        socket.join([room])

    async def leave_room(self, sid: str, room: Any, namespace: str | None = None) -> None:
        """Take a client out of a room; nothing happens if it is not in it."""
        socket = self._find(sid, namespace)
        if socket is not None:
            socket.leave([room])

    async def close_room(self, room: Any, namespace: str | None = None) -> None:
        """Take everyone out of a room."""
        target = self.hub.get(namespace or "/")
        if target is not None:
            target.in_([room]).sockets_leave([room])

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

    async def disconnect(self, sid: str, namespace: str | None = None) -> None:
        """Make a client leave a namespace; nothing happens if it is not in it."""
        socket = self._find(sid, namespace)
        if socket is not None:
            socket.disconnect()

    def get_environ(self, sid: str, namespace: str | None = None) -> dict[str, Any] | None:
        """The request that opened the client's connection, as a WSGI environ; None for an unknown sid."""
        socket = self._find(sid, namespace)
        return None if socket is None else make_environ(socket.session)

    def transport(self, sid: str, namespace: str | None = None) -> str:
        """What the client uses now: "polling" or "websocket". Raises KeyError for an unknown sid."""
        return self._socket(sid, namespace).transport

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


def _set_connect_guard(namespace: Namespace, handler: Callable[..., Any]) -> None:
    """The `connect` handler as a guard. It is called with (sid, environ, auth) or what it takes of them."""
    needed, taken = positional_count(handler)
    if 0 <= taken < 2 or needed > 3:
        raise TypeError(
            f"{handler!r}: a connect handler takes (sid, environ) or (sid, environ, auth)"
        )
    count = 3 if taken < 0 or taken > 3 else taken

    async def guard(socket: Socket) -> None:
        arguments = (socket.id, make_environ(socket.session), socket.handshake.auth or None)
        result = handler(*arguments[:count])
        if inspect.isawaitable(result):
            result = await result
        if result is False:
            raise ConnectionRefusedError

    namespace.set_entry_guard(guard)


def _log_to_stderr() -> None:
    for name in LOGGERS:
        logger = logging.getLogger(name)
        if not logger.handlers:
            logger.addHandler(logging.StreamHandler())
            logger.setLevel(logging.INFO)

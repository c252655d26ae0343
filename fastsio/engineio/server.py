"""AsyncServer: python-engineio's server over fastsio's engine, for those who use that layer alone.

Signatures and contracts: python-engineio 4. On the wire it behaves as Node's engine.io.
"""

import asyncio
import warnings
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any

from fastsio._ids import new_id
from fastsio._raw import encode_message, encode_raw_packet
from fastsio.api.logs import ENGINE_LOGGERS, set_logger
from fastsio.engineio.hub import RawHub
from fastsio.engineio.peer import RawPeer
from fastsio.options import TRANSPORTS, Options, nearest

ASYNC_MODES = ("aiohttp", "sanic", "tornado", "asgi")
EVENTS = ("connect", "disconnect", "message")
LOGGERS = ("fastsio.engineio", *ENGINE_LOGGERS)
# What has a meaning of its own in the JSON, the URL or the cookie that an id is put into.
NOT_IN_SID = set('"\\ &#%+;,<>')
# Attributes of python-engineio's servers, and the options that they are.
ATTRIBUTES = {
    name: name
    for name in (
        "ping_interval", "ping_timeout", "max_http_buffer_size", "allow_upgrades", "http_compression",
        "compression_threshold", "cookie", "cors_allowed_origins", "cors_credentials", "transports",
    )
} | {"ping_interval_grace_period": "ping_grace"}  # fmt: skip
# Options that mean nothing without namespaces.
OF_SOCKET_IO = {"always_connect", "namespaces", "serve_client"}


class AsyncServer:
    """A server for messages between it and each client: no events, namespaces or rooms.

    Options: see fastsio.options.Options, whose further ones are taken too. async_handlers=False handles a client's
    messages strictly one after the other; else each handler starts when its message comes. logger: True prints what
    the server notes to stderr, a logging.Logger gets it. async_mode and monitor_clients are accepted and change
    nothing. An unknown option gives one warning. Raises ValueError for what can't be.
    """

    # Where fastsio.run() and ASGIApp serve it.
    default_path = "engine.io"
    event_names = EVENTS
    valid_transports = TRANSPORTS

    class reason:
        """Why a client went, as disconnect handlers hear it."""

        SERVER_DISCONNECT = "server disconnect"
        CLIENT_DISCONNECT = "client disconnect"
        PING_TIMEOUT = "ping timeout"
        TRANSPORT_CLOSE = "transport close"
        TRANSPORT_ERROR = "transport error"

    def __init__(
        self, async_mode: str | None = None, ping_interval: Any = 25, ping_timeout: float = 20,
        max_http_buffer_size: int = 1000000, allow_upgrades: bool = True, http_compression: bool = True,
        compression_threshold: int = 1024, cookie: Any = None, cors_allowed_origins: Any = None,
        cors_credentials: bool = True, logger: Any = False, json: Any = None, async_handlers: bool = True,
        monitor_clients: bool | None = None, transports: Any = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        if async_mode is not None and async_mode not in ASYNC_MODES:
            raise ValueError(
                f"Invalid async_mode specified: {async_mode!r}; known are {', '.join(ASYNC_MODES)}"
            )
        options = Options(
            ping_interval=ping_interval, ping_timeout=ping_timeout, max_http_buffer_size=max_http_buffer_size,
            allow_upgrades=allow_upgrades, http_compression=http_compression,
            compression_threshold=compression_threshold, cookie=cookie, cors_allowed_origins=cors_allowed_origins,
            cors_credentials=cors_credentials, json=json, transports=_known_transports(transports),
            **{"check_origin": True} | _known_options(kwargs),
        )  # fmt: skip
        self.async_mode = async_mode or "asgi"
        self.handlers: dict[str, Callable[..., Any]] = {}
        self.logger = set_logger(logger, LOGGERS, "logger")
        self.async_handlers = async_handlers
        self.hub = RawHub(options, self._new_id, is_serial=not async_handlers)

    def is_asyncio_based(self) -> bool:
        return True

    def async_modes(self) -> list[str]:
        """What async_mode may be; all are the same here."""
        return list(ASYNC_MODES)

    def __getattr__(self, name: str) -> Any:
        """The options, as python-engineio's applications read them: eio.ping_interval. Setting one changes nothing."""
        if name in ATTRIBUTES:
            return getattr(self.hub.options, ATTRIBUTES[name])
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    # --- handlers ----------------------------------------------------------------------------

    def on(self, event: str, handler: Callable[..., Any] | None = None) -> Any:
        """Register the handler of an event; as a decorator when `handler` is left out.

        connect(sid, environ) returns None or True to let the client in; with any other value it is refused: HTTP 401
        and that value as JSON ("Unauthorized" for False, or if the handler raises). message(sid, data): data is a str,
        bytes, or what the text is as JSON. disconnect(sid[, reason]). Plain or coroutine functions. Raises ValueError
        for another event, TypeError for a function that can't be called so.
        """
        if event not in EVENTS:
            raise ValueError(f"Invalid event: {event!r}; known are {', '.join(EVENTS)}")

        def set_handler(handler: Callable[..., Any]) -> Callable[..., Any]:
            self.hub.set_handler(event, handler)
            self.handlers[event] = handler
            return handler

        return set_handler if handler is None else set_handler(handler)

    # --- one client --------------------------------------------------------------------------

    async def send(self, sid: str, data: Any) -> None:
        """Send a message: a str, bytes, or a list or dict as JSON. For an unknown sid only a warning is logged.

        Raises TypeError for what JSON can't hold.
        """
        peer = self.hub.peers.get(sid)
        if peer is None or not peer.put(encode_message(data, self.hub.json)):
            self.logger.warning("Cannot send to sid %.6s…", sid)

    async def send_packet(self, sid: str, pkt: Any) -> None:
        """Send a packet (see fastsio.engineio.packet) as it is. For an unknown sid only a warning is logged."""
        peer = self.hub.peers.get(sid)
        if peer is None or not peer.put(encode_raw_packet(pkt.encode())):
            self.logger.warning("Cannot send to sid %.6s…", sid)

    async def get_session(self, sid: str) -> dict[str, Any]:
        """The client's session dict. Raises KeyError once its disconnect handler has ended."""
        return self._peer(sid).session

    async def save_session(self, sid: str, session: dict[str, Any]) -> None:
        """Replace the client's session dict."""
        self._peer(sid).session = session

    def session(self, sid: str) -> Any:
        """`async with eio.session(sid) as session:` the client's session dict, saved at the end."""
        return self._session(sid)

    @asynccontextmanager
    async def _session(self, sid: str) -> AsyncIterator[dict[str, Any]]:
        session = await self.get_session(sid)
        try:
            yield session
        finally:
            await self.save_session(sid, session)

    def transport(self, sid: str) -> str:
        """ "polling" or "websocket": what the client uses now. Raises KeyError for an unknown sid."""
        return "websocket" if self._peer(sid).upgraded else "polling"

    async def disconnect(self, sid: str | None = None) -> None:
        """End a client's session, or everyone's; its disconnect handler has run when this returns.

        Nothing happens for an unknown sid. In a connect handler: the client is let in and sent away.
        """
        found = [self.hub.peers.get(sid)] if sid is not None else list(self.hub.peers.values())
        peers = [peer for peer in found if peer is not None]
        for peer in peers:
            peer.close()
        me = asyncio.current_task()
        endings = [
            peer.ending for peer in peers if peer.ending is not None and peer.ending is not me
        ]
        if endings:
            await asyncio.wait(endings)

    @property
    def sockets(self) -> Mapping[str, RawPeer]:
        """The clients by sid, to look at."""
        return MappingProxyType(self.hub.peers)

    def _peer(self, sid: str) -> RawPeer:
        peer = self.hub.peers.get(sid)
        if peer is None:
            raise KeyError("Session not found")
        return peer

    # --- the server --------------------------------------------------------------------------

    def generate_id(self) -> str:
        """A new session id, 20 random characters. A subclass may make its own: secret, and used once."""
        return new_id()

    def _new_id(self) -> str:
        sid = self.generate_id()
        if not _is_sid(sid) or sid in self.hub.peers:
            raise ValueError(
                f"generate_id() returned {sid!r}: a text that no client has is needed, fit for a URL and a cookie"
            )
        return sid

    async def handle_request(self, *args: Any, **kwargs: Any) -> Any:
        """Serve one request or WebSocket of an ASGI server: (scope, receive, send)."""
        from fastsio.doors.hosted import serve
        from fastsio.server import engine_of

        await serve(engine_of(self.hub), *args, **kwargs)

    def attach(self, app: Any, engineio_path: str = "engine.io") -> None:
        """Serve this server below `engineio_path` of an aiohttp or Sanic application. Raises TypeError for another."""
        from fastsio.attach import attach

        attach(self, app, engineio_path)

    async def shutdown(self) -> None:
        """End every session ("server disconnect") and wait for the disconnect handlers, 5 seconds at most."""
        from fastsio.server import release_engine

        release_engine(self.hub)
        await self.hub.drain(5.0)

    # --- asyncio under other names -----------------------------------------------------------

    def start_background_task(
        self, target: Callable[..., Coroutine[Any, Any, Any]], *args: Any, **kwargs: Any
    ) -> asyncio.Task[Any]:
        """Run a coroutine function as a Task; it is cancelled when the server stops."""
        task = asyncio.ensure_future(target(*args, **kwargs))
        self.hub.background.add(task)
        task.add_done_callback(self.hub.background.discard)
        return task

    async def sleep(self, seconds: float = 0) -> None:
        await asyncio.sleep(seconds)

    def create_queue(self, *args: Any, **kwargs: Any) -> asyncio.Queue[Any]:
        return asyncio.Queue(*args, **kwargs)

    def get_queue_empty_exception(self) -> type[asyncio.QueueEmpty]:
        """What Queue.get_nowait() raises when there is nothing."""
        return asyncio.QueueEmpty

    def create_event(self, *args: Any, **kwargs: Any) -> asyncio.Event:
        return asyncio.Event(*args, **kwargs)


def _is_sid(sid: Any) -> bool:
    return (
        isinstance(sid, str)
        and sid.isascii()
        and sid.isprintable()
        and bool(sid)
        and not NOT_IN_SID & set(sid)
    )


def _known_transports(given: Any) -> tuple[str, ...]:
    """As python-engineio does: unknown names are left out, as long as one is known."""
    if given is None:
        return TRANSPORTS
    names = (given,) if isinstance(given, str) else tuple(given)
    known = tuple(name for name in names if name in TRANSPORTS)
    if not known:
        raise ValueError(
            f"No valid transports provided: {given!r}; known are {', '.join(TRANSPORTS)}"
        )
    return known


def _known_options(given: dict[str, Any]) -> dict[str, Any]:
    """Those that are options of fastsio; one warning names the others, which python-engineio ignores silently."""
    known = Options.names() - OF_SOCKET_IO
    unknown = [name for name in given if name not in known]
    if unknown:
        said = ", ".join(f"{name!r}{nearest(name, known)}" for name in unknown)
        warnings.warn(f"AsyncServer ignores unknown arguments: {said}", stacklevel=3)
    return {name: value for name, value in given.items() if name in known}

"""What applications look into: the engine, its sessions, the handlers, as python-socketio names them.

All of it is read from the core when it is asked for; nothing is kept here.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any

from fastsio.api.engine_events import EngineEvents
from fastsio.core.hub import Hub
from fastsio.core.reasons import Reason


def sessions_of(hub: Hub) -> dict[str, Any]:
    """The engine's sessions by id, none while it is not served."""
    return {} if hub.engine is None else hub.engine.sessions


def eio_sid_of(socket: Any) -> str:
    """The id of the session that carries a socket."""
    eio_sid: str = socket.session.id
    return eio_sid


class View(Mapping[Any, Any]):
    """A mapping that is computed: what a subclass gives for a key, and the keys there are."""

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return repr(dict(self))


class Environs(View):
    """`sio.environ`: the handshake of every client, by the id of its session. The dicts may be written to."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def __getitem__(self, eio_sid: Any) -> dict[str, Any]:
        session = sessions_of(self._hub)[eio_sid]
        if session.handler is None:
            raise KeyError(eio_sid)
        environ: dict[str, Any] = session.handler.environ
        return environ

    def __iter__(self) -> Iterator[str]:
        return (sid for sid, one in list(sessions_of(self._hub).items()) if one.handler is not None)


class EventHandlers(MutableMapping[str, Callable[..., Any]]):
    """`sio.handlers[namespace]`: event to function. What is written here is registered, what is deleted forgotten."""

    def __init__(self, hub: Hub, namespace: str) -> None:
        self._hub = hub
        self._namespace = namespace

    def _entries(self) -> dict[str, Any]:
        return self._hub.registry.functions.get(self._namespace, {})

    def __getitem__(self, event: str) -> Callable[..., Any]:
        fn: Callable[..., Any] = self._entries()[event].fn
        return fn

    def __setitem__(self, event: str, fn: Callable[..., Any]) -> None:
        self._hub.registry.add(event, fn, self._namespace)

    def __delitem__(self, event: str) -> None:
        if event not in self._entries():
            raise KeyError(event)
        self._hub.registry.remove(event, self._namespace)

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._entries()))

    def __len__(self) -> int:
        return len(self._entries())

    def __repr__(self) -> str:
        return repr(dict(self))


class Handlers(View):
    """`sio.handlers`: namespace to event to function."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def __getitem__(self, namespace: Any) -> EventHandlers:
        if namespace not in self._hub.registry.functions:
            raise KeyError(namespace)
        return EventHandlers(self._hub, namespace)

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._hub.registry.functions))


class NamespaceHandlers(View):
    """`sio.namespace_handlers`: namespace to the object that register_namespace() was given."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def __getitem__(self, namespace: Any) -> Any:
        return self._hub.registry.objects[namespace].owner

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._hub.registry.objects))


class EngineSocket:
    """One of `sio.eio.sockets`: a session as python-engineio shows it."""

    def __init__(self, server: "EngineView", session: Any) -> None:
        self.server = server
        self._session = session

    def __repr__(self) -> str:
        return f"<EngineSocket {self.sid[:6]}… over {self._session.transport}>"

    @property
    def sid(self) -> str:
        sid: str = self._session.id
        return sid

    @property
    def connected(self) -> bool:
        is_open: bool = self._session.is_open
        return is_open

    @property
    def closed(self) -> bool:
        return not self._session.is_open

    @property
    def upgrading(self) -> bool:
        return self._session.probe is not None

    @property
    def upgraded(self) -> bool:
        """Whether it speaks WebSocket or WebTransport now."""
        return bool(self._session.transport != "polling")

    async def close(
        self, wait: bool = True, abort: bool = False, reason: str | None = None
    ) -> None:
        """Close the client's connection, behind what was sent; `abort` leaves that out."""
        if abort:
            self._session.abort(reason or Reason.SERVER_DISCONNECT)
        else:
            self._session.close()


class EngineSockets(View):
    """`sio.eio.sockets`: the id of a session to its EngineSocket."""

    def __init__(self, engine: "EngineView", hub: Hub) -> None:
        self._engine = engine
        self._hub = hub

    def __getitem__(self, eio_sid: Any) -> EngineSocket:
        return EngineSocket(self._engine, sessions_of(self._hub)[eio_sid])

    def __iter__(self) -> Iterator[str]:
        return iter(list(sessions_of(self._hub)))

    def __len__(self) -> int:
        return len(sessions_of(self._hub))


class EngineView:
    """`sio.eio`: the engine below a server, in python-engineio's words.

    Its options are attributes (ping_interval, ping_timeout, max_http_buffer_size, transports, cookie…). `server`
    is the AsyncServer.
    """

    reason = Reason

    def __init__(self, server: Any) -> None:
        self._server = server
        self._hub: Hub = server.hub
        self.sockets = EngineSockets(self, self._hub)

    def __getattr__(self, name: str) -> Any:
        options = self._hub.options
        if name.startswith("_") or name not in options.names():
            raise AttributeError(f"eio has no attribute {name!r}")
        return getattr(options, name)

    @property
    def ping_interval_grace_period(self) -> float:
        return self._hub.options.ping_grace

    @property
    def async_mode(self) -> str:
        mode: str = self._server.async_mode
        return mode

    @property
    def logger(self) -> Any:
        return self._server.engineio_logger

    def is_asyncio_based(self) -> bool:
        return True

    @property
    def generate_id(self) -> Callable[..., Any]:
        """What makes sessions' ids: `eio.generate_id()`. A function of the request may be set: see EngineEvents."""
        return self._events.generate_id

    @generate_id.setter
    def generate_id(self, fn: Callable[..., Any]) -> None:
        self._events.generate_id = fn

    @property
    def _events(self) -> EngineEvents:
        return EngineEvents.of(self._hub)

    @property
    def clients_count(self) -> int:
        """The sessions that are open now."""
        return self._events.clients_count

    def use(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        """Middleware for every request and upgrade: EngineEvents.use()."""
        return self._events.use(fn)

    def on(self, event: str, fn: Callable[..., Any] | None = None) -> Any:
        """Listen to "connection_error", "initial_headers", "headers" or "connection": EngineEvents.on()."""
        return self._events.on(event, fn)

    def once(self, event: str, fn: Callable[..., Any] | None = None) -> Any:
        """EngineEvents.once()."""
        return self._events.once(event, fn)

    def off(self, event: str, fn: Callable[..., Any] | None = None) -> None:
        """EngineEvents.off()."""
        self._events.off(event, fn)

    def transport(self, sid: str) -> str:
        """ "polling", "websocket" or "webtransport". Raises KeyError for an unknown id."""
        transport: str = sessions_of(self._hub)[sid].transport
        return transport

    async def send(self, sid: str, data: Any) -> None:
        """Send an Engine.IO message past Socket.IO: a str, or a dict or list as JSON. An unknown id does nothing.

        Raises TypeError for anything else, such as bytes: on this connection they would be an attachment.
        """
        session = sessions_of(self._hub).get(sid)
        if session is not None and session.outlet is not None:
            session.outlet.send(self._hub.encode_message(data))

    async def disconnect(self, sid: str | None = None) -> None:
        """Close a client's connection; without an id, everyone's. Nothing happens for an unknown id."""
        sessions = sessions_of(self._hub)
        chosen = list(sessions.values()) if sid is None else filter(None, [sessions.get(sid)])
        for session in chosen:
            session.close()

    async def shutdown(self) -> None:
        """AsyncServer.shutdown()."""
        await self._server.shutdown()

    async def handle_request(self, *args: Any, **kwargs: Any) -> Any:
        """AsyncServer.handle_request()."""
        return await self._server.handle_request(*args, **kwargs)

    def attach(self, app: Any, engineio_path: str = "engine.io") -> None:
        """AsyncServer.attach()."""
        self._server.attach(app, engineio_path)

    def start_background_task(
        self, target: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> asyncio.Task[Any]:
        """AsyncServer.start_background_task()."""
        task: asyncio.Task[Any] = self._server.start_background_task(target, *args, **kwargs)
        return task

    async def sleep(self, seconds: float = 0) -> None:
        """asyncio.sleep()."""
        await asyncio.sleep(seconds)

    def create_queue(self, *args: Any, **kwargs: Any) -> asyncio.Queue[Any]:
        """asyncio.Queue()."""
        return asyncio.Queue(*args, **kwargs)

    def get_queue_empty_exception(self) -> type[Exception]:
        """asyncio.QueueEmpty."""
        return asyncio.QueueEmpty

    def create_event(self, *args: Any, **kwargs: Any) -> asyncio.Event:
        """asyncio.Event()."""
        return asyncio.Event(*args, **kwargs)

"""EngineEvents: Node's io.engine: middleware for every request, listeners below Socket.IO, who is there.

The engine asks it only where something is hung in (see engine/ports.py, Hooks). Source: engine.io's Server.
"""

import functools
import inspect
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastsio.core.hub import Hub
    from fastsio.options import Options

logger = logging.getLogger("fastsio.engine")

EVENTS = ("connection_error", "initial_headers", "headers", "connection")


@dataclass(frozen=True)
class RequestRefused:
    """A request that the engine refused: `code` and `message` are what the client was told, as in Node.

    `context` says more, as Node's does: transport, sid, method, protocol, or a name such as "TRANSPORT_MISMATCH",
    "ID_GENERATION_ERROR" or "MIDDLEWARE_FAILURE" with what belongs to it (`error`, `previous_transport`, …).
    """

    request: Any
    code: int
    message: str
    context: dict[str, Any] = field(default_factory=dict)

    @property
    def req(self) -> Any:
        """`request`, by Node's name."""
        return self.request


class EngineEvents:
    """`io.engine`: how many clients there are, and what happens below Socket.IO."""

    def __init__(self, hub: "Hub") -> None:
        self._hub = hub
        self._listeners: dict[str, tuple[Callable[..., Any], ...]] = {}
        # Each with how many of (request, response, next) it takes.
        self.middleware: tuple[tuple[Callable[..., Any], int], ...] = ()
        self.make_id: Callable[..., Any] | None = None

    @staticmethod
    def of(hub: "Hub") -> "EngineEvents":
        """The one of a hub, whichever style asks for it."""
        if hub.events is None:
            hub.events = EngineEvents(hub)
        events: EngineEvents = hub.events
        return events

    @property
    def clients_count(self) -> int:
        """The sessions that are open now; 0 while nothing is served."""
        engine = self._hub.engine
        return 0 if engine is None else len(engine.sessions)

    @property
    def opts(self) -> "Options":
        """The server's options."""
        return self._hub.options

    def upgrades(self, transport: str) -> list[str]:
        """What a client that uses `transport` may go over to."""
        options = self._hub.options
        if transport != "polling" or not options.allow_upgrades:
            return []
        return [name for name in ("websocket", "webtransport") if name in options.transports]

    @property
    def generate_id(self) -> Callable[..., Any]:
        """What makes sessions' ids of requests. Another function may be set, as in Node: the option of that name."""
        return self.make_id or self._hub.options.generate_id or self._new_id

    @generate_id.setter
    def generate_id(self, fn: Callable[..., Any]) -> None:
        if not callable(fn):
            raise TypeError(f"generate_id is a function of the request, not {fn!r}")
        self.make_id = fn
        self._hang_in()

    def _new_id(self, request: Any = None) -> str:
        return self._hub.new_id()

    def close(self) -> None:
        """Close every client's connection, behind what was sent; others may come."""
        engine = self._hub.engine
        for session in [] if engine is None else list(engine.sessions.values()):
            session.close()

    # --- middleware --------------------------------------------------------------------------

    def use(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        """Call `fn` for each request on the engine's path and each upgrade, before it is looked at; a decorator too.

        A plain or a coroutine function of (request), (request, response) or (request, response, next); the last goes
        on when it calls next(), as in Node. One that raises, or calls next(error), refuses: 400, code 3, and
        connection_error has the name "MIDDLEWARE_FAILURE". `response` is engine.response.Response: set_header(),
        status(), end(). What is set on `request` stays: handlers find it on `socket.request`. A client waits for
        next() middleware_timeout at most, and connect_timeout for all of it: then it is as if one had raised. Requests
        for the client bundle do not come here. Raises TypeError for what can't be called so.
        """
        if not callable(fn):
            raise TypeError(f"middleware of the engine is a function, not {fn!r}")
        self.middleware = (*self.middleware, (fn, parameters_of(fn)))
        self._hang_in()
        return fn

    # --- listeners ---------------------------------------------------------------------------

    def on(self, event: str, fn: Callable[..., Any] | None = None) -> Any:
        """Call a plain function on the engine's loop; works as a decorator.

        "connection_error": `fn(error)` with request, code, message and context, for each request that is refused.
        "headers": `fn(headers, request)` for each answer of a session's and each WebSocket's handshake, and
        "initial_headers" for the one that opens a session: `headers` is a dict that may be changed, where a list
        is a header that comes several times. "connection": `fn(session)` for each new session. What a listener
        raises is logged. Raises ValueError for another event, TypeError for a coroutine function.
        """
        if fn is None:
            return lambda fn: self.on(event, fn)
        if event not in EVENTS:
            raise ValueError(f"engine event {event!r}: one of {', '.join(EVENTS)}")
        if not callable(fn) or inspect.iscoroutinefunction(fn):
            raise TypeError(f"a listener of the engine is a plain function, not {fn!r}")
        self._listeners[event] = (*self._listeners.get(event, ()), fn)
        self._hang_in()
        return fn

    def once(self, event: str, fn: Callable[..., Any] | None = None) -> Any:
        """on(), for the first time only."""
        if fn is None:
            return lambda fn: self.once(event, fn)

        @functools.wraps(fn)
        def first(*args: Any) -> None:
            self.off(event, first)
            fn(*args)

        self.on(event, first)
        return fn

    def off(self, event: str, fn: Callable[..., Any] | None = None) -> None:
        """Remove a function given to on(), or all of the event."""
        self._listeners[event] = tuple(
            one
            for one in self._listeners.get(event, ())
            if fn is not None and fn not in (one, getattr(one, "__wrapped__", None))
        )
        self._hang_in()

    def _hang_in(self) -> None:
        """Something was added or removed: clients may be here already."""
        engine = self._hub.engine
        if engine is not None:
            engine.use_hooks(self)

    # --- the engine's side -------------------------------------------------------------------

    @property
    def is_used(self) -> bool:
        """Without anything hung in, the engine does not ask: others pay nothing for it."""
        return bool(self.middleware or self.make_id is not None or any(self._listeners.values()))

    def hears(self, event: str) -> bool:
        return bool(self._listeners.get(event))

    def refused(self, request: Any, code: int, message: str, context: dict[str, Any]) -> None:
        """The engine has refused a request."""
        self.tell("connection_error", RequestRefused(request, code, message, context))

    def tell(self, event: str, *args: Any) -> None:
        for fn in self._listeners.get(event, ()):
            try:
                fn(*args)
            except Exception:  # the request is answered all the same
                logger.exception("listener of %r failed", event)


def parameters_of(fn: Callable[..., Any]) -> int:
    """How many of (request, response, next) a function takes."""
    try:
        signature = inspect.signature(fn)
    except ValueError:  # a builtin that tells nothing
        return 1
    for count in (3, 2, 1):
        try:
            signature.bind(*range(count))
        except TypeError:
            continue
        return count
    raise TypeError(
        f"{fn!r}: middleware takes (request), (request, response) or (request, response, next)"
    )

"""EngineEvents: Node's io.engine, as far as an application listens to it.

The engine asks it only where somebody listens (see engine/ports.py). Source: engine.io's Server.
"""

import inspect
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastsio.core.hub import Hub

logger = logging.getLogger("fastsio.engine")

EVENTS = ("connection_error", "initial_headers")


@dataclass(frozen=True)
class RequestRefused:
    """A request that the engine refused: `code` and `message` are what the client was told, as in Node."""

    request: Any
    code: int
    message: str


class EngineEvents:
    """`io.engine`: how many clients there are, and what happens below Socket.IO."""

    def __init__(self, hub: "Hub") -> None:
        self._hub = hub
        self._listeners: dict[str, tuple[Callable[..., Any], ...]] = {}
        self.adds_headers = False

    @property
    def clients_count(self) -> int:
        """The sessions that are open now; 0 while nothing is served."""
        engine = self._hub.engine
        return 0 if engine is None else len(engine.sessions)

    def on(self, event: str, fn: Callable[..., Any] | None = None) -> Any:
        """Call a plain function on the engine's loop; works as a decorator.

        "connection_error": `fn(error)` with request, code and message, for each request that is refused.
        "initial_headers": `fn(headers, request)` for each answer that opens a session: what it puts into the dict
        `headers` is sent. What a listener raises is logged. Raises ValueError for another event, TypeError for a
        coroutine function.
        """
        if fn is None:
            return lambda fn: self.on(event, fn)
        if event not in EVENTS:
            raise ValueError(f"engine event {event!r}: one of {', '.join(EVENTS)}")
        if not callable(fn) or inspect.iscoroutinefunction(fn):
            raise TypeError(f"a listener of the engine is a plain function, not {fn!r}")
        self._set(event, (*self._listeners.get(event, ()), fn))
        return fn

    def off(self, event: str, fn: Callable[..., Any] | None = None) -> None:
        """Remove a function given to on(), or all of the event."""
        left = [one for one in self._listeners.get(event, ()) if fn is not None and one != fn]
        self._set(event, tuple(left))

    def _set(self, event: str, fns: tuple[Callable[..., Any], ...]) -> None:
        self._listeners[event] = fns
        self.adds_headers = bool(self._listeners.get("initial_headers"))

    def refused(self, request: Any, code: int, message: str) -> None:
        """The engine has refused a request."""
        self._tell("connection_error", RequestRefused(request, code, message))

    def initial_headers(self, request: Any) -> list[tuple[str, str]]:
        """What listeners add to the answer that opens a session; only asked with `adds_headers`."""
        headers: dict[str, str] = {}
        self._tell("initial_headers", headers, request)
        return [(name, value) for name, value in headers.items() if _can_be_sent(name, value)]

    def _tell(self, event: str, *args: Any) -> None:
        for fn in self._listeners.get(event, ()):
            try:
                fn(*args)
            except Exception:  # the request is answered all the same
                logger.exception("listener of %r failed", event)


def _can_be_sent(name: Any, value: Any) -> bool:
    """Whether it is a header, and one only."""
    is_one = all(
        isinstance(text, str) and text.isprintable() and text.isascii() for text in (name, value)
    )
    if not is_one or not name or ":" in name or " " in name:
        logger.error("not sent, as it is no header: %r: %r", name, value)
        return False
    return True

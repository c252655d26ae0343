"""The engine's ports: what it asks of a connection (Exchange) and of the layer above (EngineHandler)."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from fastsio._http import Request

if TYPE_CHECKING:
    from fastsio.engine.session import Session

Headers = list[tuple[str, str]]


class Exchange(Protocol):
    """One request that waits for its answer; after a WebSocket's, the connection itself.

    The raw server's is _conn.Conn: its connection serves one request at a time. One whose accept_websocket() was
    True is an Outlet from then on.
    """

    on_abort: Callable[[], None] | None
    session: Any
    receiver: Any

    @property
    def remote(self) -> str: ...
    @property
    def is_secure(self) -> bool: ...
    def respond(
        self,
        status: int,
        headers: Headers,
        body: bytes,
        *,
        keep_alive: bool = ...,
        is_head: bool = ...,
    ) -> None: ...
    def abort(self) -> None: ...
    def accept_websocket(self, request: Request, headers: Headers, receiver: Any) -> bool: ...


class EngineHandler(Protocol):
    """Who takes sessions: a MessageHandler for each, told when the session ends.

    It may also have generate_id() -> str for the sessions' ids, and admit(Admission), which is asked before a session
    is opened (see admission.py), and `events`, a Hooks or None (later: Engine.use_hooks()). The engine looks once, when
    it is made.
    """

    def open(self, session: "Session") -> "SessionHandler": ...


# A function for each request, and how many of (request, response, next) it takes.
Middleware = tuple[Callable[..., Any], int]


class Hooks(Protocol):
    """What an application has hung into the engine: middleware for every request, listeners, who makes ids.

    "connection_error" (request, code, message, context), "initial_headers" and "headers" (headers, request),
    "connection" (session). tell() raises nothing.
    """

    middleware: tuple[Middleware, ...]
    # Goes before the option generate_id.
    make_id: Callable[[Request], Any] | None

    @property
    def is_used(self) -> bool:
        """False: there is nothing to ask it for; the engine is told when that changes."""

    def hears(self, event: str) -> bool: ...
    def tell(self, event: str, *args: Any) -> None: ...
    def refused(
        self, request: Request, code: int, message: str, context: dict[str, Any]
    ) -> None: ...


class SessionHandler(Protocol):
    """A session's messages and its end. It is a _fanout.MessageHandler: the compiled path calls that.

    It may also have buffer_crossed(is_high, size), which is called when the session's send buffer, `size` bytes now,
    has passed the high mark (option high_water), or is down to the low one again.

    opened() is called for clients of Engine.IO v3 alone, which wait for the layer above to speak first: what is sent
    from then on comes behind the handshake's packet.
    """

    def opened(self) -> None: ...
    def receive_text(self, data: bytes) -> None: ...
    def receive_binary(self, data: bytes) -> None: ...
    def closed(self, reason: str, description: str | None) -> None: ...


__all__ = [
    "EngineHandler",
    "Exchange",
    "Headers",
    "Hooks",
    "Middleware",
    "Request",
    "SessionHandler",
]

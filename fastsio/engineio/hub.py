"""The hub of a raw Engine.IO server: its clients, and the three events that it tells.

It is the engine's handler, as core.hub.Hub is for Socket.IO: what can be served has one of them as `hub`.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastsio._eager import start_eager
from fastsio._json import Json
from fastsio._raw import RawMessages
from fastsio.core.handlers import positional_count
from fastsio.core.handshake import make_environ
from fastsio.core.hub import end_handlers
from fastsio.engineio.peer import RawPeer
from fastsio.options import Options

if TYPE_CHECKING:
    from fastsio.engine.admission import Admission
    from fastsio.engine.session import Session

logger = logging.getLogger("fastsio.engineio")

UNAUTHORIZED = 401


class RawHub:
    """`peers` by sid, from before `connect` until `disconnect` has ended; `tasks`: handlers that have not ended.

    `background`: the application's own tasks. `engine`: what serves it now, None while nothing does.
    """

    def __init__(
        self, options: Options, generate_id: Callable[[], str], *, is_serial: bool
    ) -> None:
        self.options = options
        self.generate_id = generate_id
        self.engine: Any = None
        self.json = Json(options.json)
        self.json.max_depth = options.max_json_depth
        self.peers: dict[str, RawPeer] = {}
        self.tasks: set[asyncio.Task[Any]] = set()
        self.background: set[asyncio.Task[Any]] = set()
        # Without rooms there is nothing to share with other servers.
        self.cluster = None
        self.messages = RawMessages(self.json, self.tasks, is_serial)
        self.messages.max_running = options.max_running_events
        self._connect: Callable[..., Any] | None = None
        self._disconnect: Callable[..., Any] | None = None
        self._disconnect_args = 2

    def set_handler(self, event: str, fn: Callable[..., Any]) -> None:
        """Register the handler of "connect", "message" or "disconnect". Raises TypeError if it can't be called so."""
        needed, taken = positional_count(fn)
        at_least = 1 if event == "disconnect" else 2
        if needed > 2 or 0 <= taken < at_least:
            raise TypeError(
                f"handler {getattr(fn, '__qualname__', fn)!r} of {event!r} is called with {at_least} arguments"
                f"{' or 2' if at_least == 1 else ''}, it takes {needed if needed > 2 else taken}"
            )
        if event == "connect":
            self._connect = fn
        elif event == "message":
            self.messages.fn = fn
        else:
            self._disconnect = fn
            self._disconnect_args = 2 if taken < 0 else min(taken, 2)

    # --- the engine's side -------------------------------------------------------------------

    def admit(self, admission: "Admission") -> None:
        """Ask the connect handler; the client waits for its answer as long as it takes."""
        peer = self.peers[admission.session.id] = RawPeer(self, admission)
        if self._connect is None:
            self._let_in(peer, admission)
        else:
            start_eager(self._ask(self._connect, peer, admission), self.tasks, "connect handler")

    def open(self, session: "Session") -> RawPeer:
        """A client has been admitted."""
        return self.peers[session.id]

    async def _ask(
        self, connect: Callable[..., Any], peer: RawPeer, admission: "Admission"
    ) -> None:
        try:
            answer = connect(peer.sid, make_environ(admission.session))
            if hasattr(answer, "__await__"):
                answer = await answer
        except asyncio.CancelledError:
            self._refuse(peer, admission, False)
            raise
        except Exception:
            self.messages.handler_errors += 1
            logger.exception("handler of 'connect' failed for sid=%.6s…", peer.sid)
            answer = False
        if answer is None or answer is True:
            self._let_in(peer, admission)
        else:
            self._refuse(peer, admission, answer)

    def _let_in(self, peer: RawPeer, admission: "Admission") -> None:
        is_in = admission.accept()
        peer.admission = None
        if not is_in:
            # The handler has let it in and may have noted it, so it hears the end too.
            self.leave(peer, "transport close")
        elif peer.is_closing:
            peer.close()

    def _refuse(self, peer: RawPeer, admission: "Admission", answer: Any) -> None:
        """401 with what the handler returned as JSON; "Unauthorized" for False and other empty values."""
        peer.admission = None
        peer.is_closing = True
        self.peers.pop(peer.sid, None)
        try:
            body = self.json.dumps(answer or "Unauthorized")
        except Exception:  # a module given as json= may raise anything
            logger.exception("what the connect handler returned is no JSON: %r", answer)
            body = b'"Unauthorized"'
        admission.refuse(UNAUTHORIZED, body if isinstance(body, bytes) else body.encode())

    # --- the end -----------------------------------------------------------------------------

    def leave(self, peer: RawPeer, reason: str) -> None:
        """Run the disconnect handler, and forget the client when it has ended."""
        if self._disconnect is None:
            self.peers.pop(peer.sid, None)
            return
        args = (peer.sid, reason)[: self._disconnect_args]
        peer.ending = start_eager(
            self._run_disconnect(self._disconnect, peer, args), self.tasks, "disconnect handler"
        )

    async def _run_disconnect(
        self, disconnect: Callable[..., Any], peer: RawPeer, args: tuple[str, ...]
    ) -> None:
        try:
            result = disconnect(*args)
            if hasattr(result, "__await__"):
                await result
        except Exception:
            self.messages.handler_errors += 1
            logger.exception("handler of 'disconnect' failed for sid=%.6s…", peer.sid)
        finally:
            self.peers.pop(peer.sid, None)

    async def drain(self, timeout_s: float) -> None:
        """Wait until no handler runs; those that run after `timeout_s` seconds are cancelled."""
        await end_handlers(self.tasks, timeout_s, logger)

"""The end of a client, as a Peer has it: its `disconnect` handler and listeners are called once, memory or not.

When and why a client leaves is in peer.py.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastsio._eager import start_eager
from fastsio.core.peer_flow import FlowingPeer
from fastsio.core.reasons import python_reason

if TYPE_CHECKING:
    from fastsio.core.hub import Hub
    from fastsio.core.socket import Socket

# When what could not be called for want of memory is called.
AGAIN_S = 1.0


class LeavingPeer(FlowingPeer):
    """The part of a Peer that tells the application that a client has gone."""

    __slots__ = ()

    hub: "Hub"

    def _leave_unseen(self, socket: "Socket") -> None:
        """The client went while the guards were at work.

        A `connect` handler has run and may have noted the client, so its `disconnect` runs too; Node's
        "connection" has not, so listeners hear nothing.
        """
        socket.namespace.leaving[socket.id] = socket
        self._run_disconnect(socket, "transport close")

    def _run_disconnect(self, socket: "Socket", reason: str) -> None:
        """The `disconnect` handler; what it can still look up goes when it has ended.

        It begins when the events that came before have been handled, where these wait for each other.
        """
        namespace = socket.namespace
        handler = namespace.handlers.get("disconnect")
        if handler is None:
            namespace.leaving.pop(socket.id, None)
            if namespace.is_passing:
                self.hub.tidy(namespace)
            return

        try:
            self._run_disconnect_now(socket, handler, reason)
        except MemoryError:  # no other failure is possible here, and this one passes
            again(self._run_disconnect, socket, reason)

    def _run_disconnect_now(self, socket: "Socket", handler: Any, reason: str) -> None:
        async def run() -> None:
            try:
                if not socket.is_refused:  # who is refused was never there
                    said = python_reason(reason, self.session.has_said_goodbye)
                    await socket.answer(handler, ["disconnect", said], -1)
            finally:
                self._has_left(socket)

        if self.line is not None:
            self.line.add(run)
        else:
            start_eager(run(), self.hub.tasks, "disconnect handler")

    def _has_left(self, socket: "Socket") -> None:
        namespace = socket.namespace
        # The client may be back, and have gone again, with the same id: that is another socket's entry.
        if namespace.leaving.get(socket.id) is socket:
            del namespace.leaving[socket.id]
        self.hub.tidy(namespace)

    def _tell_listeners(self, socket: "Socket", reason: str, description: str | None) -> None:
        """Those of "disconnect"."""
        try:
            handlers = socket.handlers_of("disconnect")
        except MemoryError:
            again(self._tell_listeners, socket, reason, description)
            return
        for handler in handlers:
            try:
                socket.run_handler(handler, "disconnect", reason, description)
            except MemoryError:  # it has not begun: what it raises itself is logged
                again(socket.run_handler, handler, "disconnect", reason, description)


def again(call: Callable[..., None], *args: Any) -> None:
    """Call it a little later."""
    asyncio.get_running_loop().call_later(AGAIN_S, call, *args)

"""How many of a client's events may wait for their turn, and what happens to those that are too many."""

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastsio.rarely import RareLog

if TYPE_CHECKING:
    from fastsio.core.peer import Peer
    from fastsio.core.socket import Socket

logger = logging.getLogger("fastsio.core")

# How often it is looked whether an overload is over.
LOOK_S = 0.02


class Crowd:
    """The bound of a queue of one client's events, or of its handlers that have not ended.

    From half of it on the client is not read, until a quarter is left.

    So an honest client only has to wait. It is read all the same while a handler waits for its answer, which would
    else never come, and what was received at once may be more than the other half: that is refused.
    """

    __slots__ = ("_is_stopping", "_most", "_session")

    def __init__(self, session: Any, most: int) -> None:
        # Not the peer, which has this: the session lets go of it at its end, and nothing is left that refers back.
        self._session = session
        self._most = most
        self._is_stopping = False

    def is_full(self, count: int) -> bool:
        """Whether `count` events are as many as may wait."""
        if count * 2 >= self._most and not self._is_stopping and self._session.is_open:
            peer: Peer = self._session.handler
            if not peer.owes_answers:
                self._is_stopping = True
                self._session.flow_control().stop_reading(self)
                peer.hub.refusals.note_stop(self._session, count)
        return count >= self._most

    def shrunk(self, count: int) -> None:
        """`count` wait still."""
        if self._is_stopping and count * 4 <= self._most:
            self._is_stopping = False
            self._session.flow_control().start_reading(self)


class Overload:
    """The bound of what waits for all clients together, such as handlers for a thread. From half of it on clients that
    send events are not read, until a quarter is left; what comes all the same when it is full is refused.
    """

    def __init__(self, backlog: Callable[[], int], most: int) -> None:
        """`backlog()` says how much waits."""
        self._backlog = backlog
        self._most = most
        self._stalled: set[Peer] = set()

    def is_full(self, peer: "Peer") -> bool:
        """Whether an event of this client is too much."""
        count = self._backlog()
        if count * 2 >= self._most and peer not in self._stalled and not peer.owes_answers:
            if not self._stalled:
                self._look_later()
            self._stalled.add(peer)
            peer.session.flow_control().stop_reading(self)
            peer.hub.refusals.note_stop(peer.session, count)
        return count >= self._most

    def _look_later(self) -> None:
        asyncio.get_running_loop().call_later(LOOK_S, self._look)

    def _look(self) -> None:
        if self._backlog() * 4 > self._most:
            self._look_later()
            return
        stalled, self._stalled = self._stalled, set()
        for peer in stalled:
            peer.session.flow_control().start_reading(self)


class Refusals:
    """Events that are not handled: answered with an error where the client asks for an answer, counted, and logged.

    `counts`: by what was over its bound.
    """

    def __init__(self) -> None:
        self._log = RareLog(logger)
        self.counts = self._log.counts

    def refuse(
        self, socket: "Socket", event: str, ack_id: int, subject: str, answer: dict[str, Any]
    ) -> None:
        """Let the client know with `answer`, if it asked for an acknowledgement (`ack_id` is not -1)."""
        self._log.note(
            subject, "%s: event %r of sid=%.6s… (from %s) in %r was not handled",
            subject, event, socket.id, socket.session.remote, socket.namespace.name,
        )  # fmt: skip
        if ack_id >= 0:
            socket.reply_to(ack_id, answer)

    def note_stop(self, session: Any, count: int) -> None:
        """A client is not read for a while, as `count` events wait."""
        self._log.note(
            "reading stopped", "session %.6s… (from %s) is not read for now: %d events wait for their handlers",
            session.id, session.remote, count,
        )  # fmt: skip

    def too_many_running(self, socket: "Socket", event: str, ack_id: int) -> None:
        """As many handlers of the client as may have not ended: option max_running_events."""
        message = "too many events are being handled"
        answer = {"error": {"code": "too_many_running", "event": event, "message": message}}
        self.refuse(socket, event, ack_id, f"{message} (max_running_events)", answer)

    def too_many(self, socket: "Socket", event: str, ack_id: int) -> None:
        """More events wait than may: option max_waiting_events, or Server's max_waiting_handlers."""
        message = "too many events wait"
        answer = {"error": {"code": "too_many_waiting", "event": event, "message": message}}
        self.refuse(socket, event, ack_id, message, answer)

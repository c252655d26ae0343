"""How many of a client's events may wait for their turn, and what happens to those that are too many."""

import logging
from typing import TYPE_CHECKING, Any

from fastsio.rarely import RareLog

if TYPE_CHECKING:
    from fastsio.core.peer import Peer
    from fastsio.core.socket import Socket

logger = logging.getLogger("fastsio.core")


class Crowd:
    """The bound of a queue of one client's events. From half of it on the client is not read, until a quarter is left.

    So an honest client only has to wait. It is read all the same while a handler waits for its answer, which would
    else never come, and what was received at once may be more than the other half: that is refused.
    """

    __slots__ = ("_is_stopping", "_most", "_peer")

    def __init__(self, peer: "Peer", most: int) -> None:
        self._peer = peer
        self._most = most
        self._is_stopping = False

    def is_full(self, count: int) -> bool:
        """Whether `count` events are as many as may wait."""
        if count * 2 >= self._most and not self._is_stopping and not self._peer.owes_answers:
            self._is_stopping = True
            self._peer.session.flow_control().stop_reading(self)
        return count >= self._most

    def shrunk(self, count: int) -> None:
        """`count` wait still."""
        if self._is_stopping and count * 4 <= self._most:
            self._is_stopping = False
            self._peer.session.flow_control().start_reading(self)


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

    def too_many(self, socket: "Socket", event: str, ack_id: int) -> None:
        """More events wait than may (option max_waiting_events)."""
        answer = {"error": "too many events wait", "event": event}
        self.refuse(socket, event, ack_id, "too many events wait (max_waiting_events)", answer)

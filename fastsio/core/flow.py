"""Flow control as a Socket has it: how much waits for its client, and whether the client is heard.

The buffer and the reading are the connection's: sockets of one client in several namespaces share them.
"""

from typing import TYPE_CHECKING, Any

from fastsio._dispatch import Handler
from fastsio._flow import unsent_bytes
from fastsio.core.errors import DisconnectedError
from fastsio.core.latest import Latest
from fastsio.core.listening import Listening
from fastsio.core.turns import Turns
from fastsio.core.waiting import Crowd
from fastsio.options import BUFFER_POLICIES, check_marks

if TYPE_CHECKING:
    from fastsio.core.peer import Peer


class Flowing(Listening):
    """The part of a Socket that is about too much: of what is sent, of what comes, of what is at work."""

    __slots__ = ()

    peer: "Peer"
    is_connected: bool

    # --- what is sent ------------------------------------------------------------------------

    @property
    def buffered_bytes(self) -> int:
        """What is queued for the client's connection and what its transport holds, in bytes.

        Over long-polling and behind ASGI servers only the queue is known.
        """
        outlet = self.session.outlet
        return 0 if outlet is None else unsent_bytes(outlet)

    @property
    def dropped(self) -> int:
        """How many packets this client did not get: volatile ones, replaced ones, those of a full buffer."""
        outlet = self.session.outlet
        return 0 if outlet is None else int(outlet.dropped)

    async def drain(self) -> None:
        """Wait until no more than low_water bytes (16 KiB, if no marks are set) are unsent: at once if so it is.

        Raises DisconnectedError when the client goes, or has gone. May be awaited in any thread.
        """
        if self.namespace.is_elsewhere():
            await self.namespace.hub.hand_over(self.drain())
        elif not self.session.is_open or not await self.session.flow_control().drain():
            raise DisconnectedError(f"the client has gone (sid={self.id[:6]}…)")

    @property
    def buffer_policy(self) -> str:
        """What happens when its buffer is full: "close", "drop_oldest", "drop_newest" or "keep_latest".

        See the option of that name. Raises ValueError for another.
        """
        flow = self.session.flow
        return self.namespace.hub.options.buffer_policy if flow is None else str(flow.policy)

    @buffer_policy.setter
    def buffer_policy(self, policy: str) -> None:
        if policy not in BUFFER_POLICIES:
            raise ValueError(f"buffer_policy={policy!r}: one of {', '.join(BUFFER_POLICIES)}")
        if self.namespace.is_elsewhere():
            self.namespace.hub.call_soon(setattr, self, "buffer_policy", policy)
        elif self.session.is_open:
            self.session.flow_control().policy = policy

    def set_water_marks(self, high: int | None, low: int | None = None) -> None:
        """The marks of this connection, in bytes, in place of the options high_water and low_water.

        Listeners of "high_water" and "low_water" get the bytes that are unsent then. Raises ValueError for marks that
        can't be.
        """
        check_marks(high, low)
        if self.namespace.is_elsewhere():
            self.namespace.hub.call_soon(self.set_water_marks, high, low)
        elif self.session.is_open:
            self.session.flow_control().set_water(high, low)

    def latest(self, key: Any) -> Latest:
        """`socket.latest(key).emit(…)`: as long as it is queued, a newer packet with the same key takes its place."""
        return Latest(self.namespace.to(self.id), key)

    # --- what comes --------------------------------------------------------------------------

    def pause(self) -> None:
        """Handle no event of this client until resume(), and read nothing more from its connection.

        The connection is all namespaces': it is read again when none of its sockets is paused. What was read before is
        kept: events wait, acks are taken. The client is not judged by its pongs meanwhile; that it has gone may be
        noticed only after resume(). No effect once disconnected.
        """
        if self.namespace.is_elsewhere():
            self.namespace.hub.call_soon(self.pause)
        elif self.is_connected:
            self.peer.pause(self.id)

    def resume(self) -> None:
        """Handle what waited, and read on, unless another socket of the connection is paused. May be repeated."""
        if self.namespace.is_elsewhere():
            self.namespace.hub.call_soon(self.resume)
        else:
            self.peer.resume(self.id)

    @property
    def is_paused(self) -> bool:
        """Between its own pause() and resume()."""
        line = self.peer.line
        return line is not None and self.id in line.holders

    # --- what is at work ---------------------------------------------------------------------

    def work_grows(self) -> None:
        """Half as many handlers of the client as may, or more, have not ended: see Crowd for what follows."""
        if self.peer.work is None:
            self.peer.work = Crowd(self.session, self.namespace.hub.options.max_running_events)
        self.session.is_crowded = True
        self.peer.work.is_full(self.session.at_work)

    def work_shrinks(self) -> None:
        """One of them has ended."""
        count = self.session.at_work
        # First: that the client is read again may make it grow at once.
        self.session.is_crowded = count * 4 > self.namespace.max_running
        self.peer.work.shrunk(count)

    def is_too_much(self, args: list[Any], ack_id: int) -> bool:
        """Whether an event is one too many, which the client has then been told."""
        if not self.peer.work.is_full(self.session.at_work):
            return False
        self.namespace.hub.refusals.too_many_running(self, args[0], ack_id)  # type: ignore[arg-type]
        return True

    def wait_for_turn(self, handler: Handler, args: list[Any], ack_id: int, replies: Any) -> None:
        if self.turns is None:
            self.turns = {}
        turns = self.turns.get(handler)
        if turns is None:
            turns = self.turns[handler] = Turns(self, handler)  # type: ignore[arg-type]
        turns.take(args, ack_id, replies)

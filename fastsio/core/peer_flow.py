"""Flow control as a Peer has it: whether its connection is read, and who hears of its send buffer.

What an application calls is in flow.py; the buffer and the reading themselves are the session's (engine/flow.py).
"""

from fastsio._joining import JoiningPeer
from fastsio.core.line import Line
from fastsio.core.own_events import HIGH_WATER, LOW_WATER

# Why a client is not read, by its sockets' will; the other reasons are Crowds.
PAUSED = "paused"


class FlowingPeer(JoiningPeer):
    """The part of a Peer that is about too much: of what is sent, of what comes."""

    __slots__ = ()

    def _hold(self) -> Line:
        raise NotImplementedError

    def pause(self, sid: str) -> None:
        """Events wait, and the connection is not read, until resume() of every socket that is paused."""
        self._hold().hold(sid)
        self.session.flow_control().stop_reading(PAUSED)

    def resume(self, sid: str) -> None:
        line = self.line
        if line is None or sid not in line.holders:
            return
        if line.holders == {sid}:
            # Before the events that wait: one of their handlers may pause it again.
            self.session.flow_control().start_reading(PAUSED)
        line.let_go(sid)

    def hear_answers(self) -> None:
        """An answer is waited for: it must be read even if too many events wait."""
        self.session.flow.read_in_spite_of_all_but(PAUSED)

    @property
    def owes_answers(self) -> bool:
        """Whether somebody waits for an answer of this client."""
        return any(socket.acks for socket in self.sockets.values())

    def buffer_crossed(self, is_high: bool, size: int) -> None:
        """The send buffer has passed a mark: see the options high_water and low_water."""
        event = HIGH_WATER if is_high else LOW_WATER
        for socket in self.sockets.values():
            handler = socket.namespace.handlers.get(event)
            if handler is not None:
                socket.run_handler(handler, event, size)
            socket.run_listeners(event, size)

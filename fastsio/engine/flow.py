"""A session's flow: its send buffer watched, its client not read for a while.

Made when somebody first asks for it, and kept over an upgrade. Knows nothing of Socket.IO; the buffer itself is
watched in _flow.pyx. Source: Node's "drain" events and socket.pause() of net.Socket, for the names.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastsio._flow import Flow, unsent_bytes

if TYPE_CHECKING:
    from fastsio.engine.session import Session

logger = logging.getLogger("fastsio.engine")

# What counts as low where there is no mark: asyncio's own, for its transports.
LOW_BYTES = 16 * 1024


class SessionFlow(Flow):
    """The flow of one session; `is_paused`: its client is not read, for whatever reasons."""

    def __init__(self, session: "Session") -> None:
        options = session.engine.options
        high = options.high_water or 0
        super().__init__(options.buffer_policy, high, low_of(high, options.low_water))
        self._session: Session | None = session
        self._reasons: set[object] = set()
        # A client of Engine.IO v3 sends pings, and gives up when they are not answered: it is always read.
        self._can_stop = session.protocol != 3
        # What goes on when the client is read again: the answer to a POST, a driver that receives.
        self._held: list[Callable[[], None]] = []

    # --- sending -----------------------------------------------------------------------------

    @property
    def unsent_bytes(self) -> int:
        """What is queued here and what the transport holds."""
        session = self._session
        return 0 if session is None or session.outlet is None else unsent_bytes(session.outlet)

    async def drain(self) -> bool:
        """Wait until the buffer is low; False if the client has gone instead."""
        session = self._session
        if session is None or session.outlet is None:
            return False
        low: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.wait(session.outlet, low)
        return await low

    def set_water(self, high: int | None, low: int | None) -> None:
        """The marks, in bytes; see the options high_water and low_water."""
        self.set_marks(high or 0, low_of(high or 0, low))

    def tell_high(self) -> None:
        self._tell(True)

    def tell_low(self) -> None:
        self._tell(False)

    def _tell(self, is_high: bool) -> None:
        session = self._session
        if session is not None and session.is_open:
            tell = getattr(session.handler, "buffer_crossed", None)
            if tell is not None:
                tell(is_high, self.unsent_bytes)

    def tell_dropped(self) -> None:
        super().tell_dropped()
        session = self._session
        if session is not None and session.outlet is not None:
            session.engine.rare_log.note(
                "dropped", "session %.6s…, from %s: its buffer is full, packets are dropped (%s); %d so far",
                session.id, session.remote, self.policy, session.outlet.dropped,
            )  # fmt: skip

    # --- receiving ---------------------------------------------------------------------------

    @property
    def is_paused(self) -> bool:
        return bool(self._reasons)

    def stop_reading(self, reason: object) -> None:
        """Read the client no more. What it sends stays on its side, and in the kernel's buffers.

        Nothing happens to a client of Engine.IO v3.
        """
        if self._session is None or not self._can_stop:
            return
        is_first = not self._reasons
        self._reasons.add(reason)
        if is_first:
            self._read(False)

    def start_reading(self, reason: object) -> None:
        """Read the client again, if that was the last reason not to; nothing happens if it was none."""
        if reason in self._reasons:
            self._reasons.discard(reason)
            if not self._reasons:
                self._go_on()

    def read_in_spite_of_all_but(self, reason: object) -> None:
        """Give up every other reason not to read the client."""
        for one in self._reasons - {reason}:
            self.start_reading(one)

    def _go_on(self) -> None:
        if self._session is not None:
            # Its pongs have waited with all else: it is judged from now on.
            self._session.heard = True
            self._read(True)
        held, self._held = self._held, []
        for go_on in held:
            go_on()

    def _read(self, is_wanted: bool) -> None:
        """Our own WebSockets; others look at is_paused before they receive."""
        assert self._session is not None
        transport: Any = getattr(self._session.outlet, "transport", None)
        if transport is not None and not transport.is_closing():
            if is_wanted:
                transport.resume_reading()
            else:
                transport.pause_reading()

    def hold(self, go_on: Callable[[], None]) -> None:
        """Call `go_on` when the client is read again, or has gone."""
        self._held.append(go_on)

    async def readable(self) -> None:
        """Wait until the client is to be read."""
        while self.is_paused:
            news = asyncio.Event()
            self.hold(news.set)
            await news.wait()

    # --- the session's side ------------------------------------------------------------------

    def attach(self, outlet: Any) -> None:
        """The session has this outlet from now on."""
        outlet.flow = self
        if self.is_paused:
            held, self._held = (
                self._held,
                [],
            )  # the polling transport's POST: this one has no answers to hold
            self._read(False)
            for go_on in held:
                go_on()

    def end(self) -> None:
        """The session has ended: who waits is told, what was held goes on."""
        super().end()
        if self._reasons:
            self._reasons.clear()
            self._go_on()
        self._session = None


def low_of(high: int, low: int | None) -> int:
    """The low mark, in bytes: what was given, else a quarter of the high one, else LOW_BYTES."""
    if low is not None:
        return low
    return high // 4 if high else LOW_BYTES

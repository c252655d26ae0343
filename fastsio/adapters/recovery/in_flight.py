"""What a server has written to a stream and has not read there yet, where its own clients get it from the stream too.

All that is sent comes to them in the order of the stream then, and has its place there as offset. What has no place
there waits until all that was sent before has come.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from fastsio.adapters.protocol.messages import Kind, Message

logger = logging.getLogger("fastsio.adapters")

# Nobody waits longer for the stream: the server's clients get what is in flight, without offsets.
LATE_S = 5.0
# So much may be in flight, else it is as if it were late.
MAX_IN_FLIGHT = 10_000


class InFlight:
    """Messages by their numbers, from 1, and calls between them.

    `deliver(message, entry, is_known)`: give a message to the clients here, if they have it not (`is_known`); `entry`:
    its id in the stream, None without. `is_ahead`: the stream is late, and messages are delivered when they are sent.
    """

    def __init__(self, deliver: Callable[[Message, str | None, bool], None]) -> None:
        self._deliver = deliver
        # Without a number it is a call.
        self._waiting: deque[tuple[int, Any]] = deque()
        self._sent_at: deque[float] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._ahead_until = 0
        self._is_going = False
        self.is_ahead = False

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def newest_ahead(self) -> int:
        """Up to that number messages were delivered before they came."""
        return self._ahead_until

    def messages(self) -> Iterator[Message]:
        """Those that have not been delivered."""
        return (what for number, what in self._waiting if number)

    def sent(self, number: int, message: Message) -> None:
        """A message goes to the stream."""
        if self.is_ahead:
            self._ahead_until = number
            self._give(message, None)
            return
        loop = asyncio.get_running_loop()
        self._waiting.append((number, message))
        self._sent_at.append(loop.time())
        if self._timer is None:
            self._timer = loop.call_later(LATE_S, self._look)
        if len(self._waiting) > MAX_IN_FLIGHT and not self._is_going:
            self.go_ahead("too much of it is on its way")

    def after(self, call: Callable[[], Any]) -> None:
        """Call it when all that is in flight has been delivered: at once, if there is nothing."""
        if self._waiting:
            self._waiting.append((0, call))
        else:
            call()

    def came(self, number: int, message: Message, entry: str) -> None:
        """The stream has a message of this server. What went before it and did not come is lost to the others."""
        if number <= self._ahead_until:
            self.is_ahead = False
            self._give(message, entry, is_known=True)
            return
        has_come = False
        while self._waiting:
            first, what = self._waiting[0]
            if first > number:
                break
            self._waiting.popleft()
            if not first:
                self._call(what)
                continue
            self._sent_at.popleft()
            if first == number:
                has_come = True
                self._give(message, entry)
            else:
                self._give(what, None)
        if not has_come:  # sent before anybody was served
            self._give(message, entry)

    def go_ahead(self, why: str) -> None:
        """Deliver everything now, and what is sent from now on at once, until the stream is back."""
        logger.warning(
            "the stream is late, %s: %d messages go without offsets", why, len(self._sent_at)
        )
        self._is_going = True
        while self._waiting:
            number, what = self._waiting.popleft()
            if number:
                self._ahead_until = number
                self._give(what, None)
            else:
                self._call(what)
        self._sent_at.clear()
        self._is_going = False
        self.is_ahead = True

    def stop(self) -> None:
        """Nothing comes any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        if not self._sent_at:
            return
        late_at = self._sent_at[0] + LATE_S
        if loop.time() >= late_at:
            self.go_ahead(f"nothing has come for {LATE_S:.0f} s")
        else:
            self._timer = loop.call_at(late_at, self._look)

    def _give(self, message: Message, entry: str | None, is_known: bool = False) -> None:
        try:
            self._deliver(message, entry, is_known)
        except Exception:  # the rest has to come all the same
            logger.exception(
                "a message of this server can't be delivered: %s", Kind(message.kind).name
            )

    def _call(self, call: Callable[[], Any]) -> None:
        try:
            call()
        except Exception:
            logger.exception("what waited for the stream has failed: %r", call)

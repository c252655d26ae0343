"""Handlers of which only so many may run at a time for one socket: on(event, fn, concurrency=n).

Events that find all of them busy wait in the order in which they came. With 1 they are handled strictly one after the
other, each when the one before has ended, however long that waits.
"""

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from fastsio._dispatch import Handler
from fastsio.core.waiting import Crowd

if TYPE_CHECKING:
    from fastsio.core.socket import Socket

Function = TypeVar("Function", bound=Callable[..., Any])
ATTRIBUTE = "fastsio_concurrency"


class Turns:
    """One handler and one socket: how many are at work, and the events that wait.

    What waits is handled even if the client goes meanwhile, as it came before that; not if the server has put it out.
    """

    __slots__ = ("_crowd", "_handler", "_running", "_socket", "_waiting")

    def __init__(self, socket: "Socket", handler: Handler) -> None:
        self._socket = socket
        self._handler = handler
        self._running = 0
        self._waiting: deque[tuple[list[Any], int, Any]] = deque()
        self._crowd = Crowd(socket.session, socket.namespace.hub.options.max_waiting_events)

    def take(self, args: list[Any], ack_id: int, replies: Any) -> None:
        """Handle [event, *arguments] now or later; `replies` collects the answers of several handlers."""
        # Also where one is free: those that wait are on their way to it, and come first.
        if self._running < self._handler.concurrency and not self._waiting:
            self._begin(args, ack_id, replies)
        elif self._crowd.is_full(len(self._waiting)):
            self._socket.namespace.hub.refusals.too_many(self._socket, args[0], ack_id)
        else:
            self._waiting.append((args, ack_id, replies))

    def _begin(self, args: list[Any], ack_id: int, replies: Any) -> None:
        self._running += 1
        if not self._socket.begin_turn(self._handler, args, ack_id, replies, self._ended):
            self._running -= 1

    def _ended(self) -> None:
        self._running -= 1
        while self._waiting and self._running < self._handler.concurrency:
            event = self._waiting.popleft()
            if not self._socket.is_dropped:
                self._begin(*event)
        # Last: it may read the client, whose events come in here again.
        self._crowd.shrunk(len(self._waiting))


def concurrency(count: int) -> Callable[[Function], Function]:
    """`@concurrency(1)` above a handler, a method of a class-based namespace too: as on(…, concurrency=1)."""

    checked_count(count)

    def mark(fn: Function) -> Function:
        setattr(fn, ATTRIBUTE, count)
        return fn

    return mark


def checked_count(count: Any) -> int:
    """Raise ValueError for what is no number of handlers."""
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise ValueError(f"concurrency={count!r}: a number of handlers, 1 or more")
    return count


def concurrency_of(fn: Callable[..., Any], given: int | None) -> int:
    """How many of `fn` may run at a time: what was given, else what the decorator said, else 0 for any number."""
    return checked_count(given) if given is not None else getattr(fn, ATTRIBUTE, 0)

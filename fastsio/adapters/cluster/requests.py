"""What was asked of other servers and is not answered yet."""

import asyncio
from collections.abc import Callable
from typing import Any

from fastsio.adapters.protocol.messages import Kind
from fastsio.core.acks import PendingAck, value_of
from fastsio.core.errors import PartialAnswersError
from fastsio.core.gather import Done, Gathering


class Request:
    """One answer from each of some servers. Ends once: when all have answered or gone, or when the time is up."""

    def __init__(self, kind: Kind, done: Done, on_end: Callable[[], None]) -> None:
        self.kind = kind
        self._done = done
        self._on_end = on_end
        self._answers: list[Any] = []
        self._answered: set[str] = set()
        self._awaited: set[str] | int | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._has_ended = False

    def start(self, timeout_s: float) -> None:
        """The time runs from now on, whether or not it becomes known who is to answer."""
        self._timer = asyncio.get_running_loop().call_later(timeout_s, self._time_is_up)

    def expect(self, servers: set[str] | int) -> None:
        """Wait for these, or for so many; nothing happens if the time is up already."""
        if not self._has_ended:
            self._awaited = servers if isinstance(servers, int) else servers - self._answered
            self._end_if_complete()

    def answer(self, uid: str, values: list[Any]) -> None:
        """A server's answer; a second one of it does not count."""
        if uid not in self._answered:
            self._answers.append(value_of(values))
            self._let_go(uid)

    def gone(self, uid: str) -> None:
        """A server is there no longer."""
        if uid not in self._answered and isinstance(self._awaited, set) and uid in self._awaited:
            self._let_go(uid)

    def _let_go(self, uid: str) -> None:
        self._answered.add(uid)
        if isinstance(self._awaited, set):
            self._awaited.discard(uid)
        self._end_if_complete()

    def _end_if_complete(self) -> None:
        awaited = self._awaited
        if awaited is None:
            return
        if not awaited or (isinstance(awaited, int) and len(self._answered) >= awaited):
            self._end(None)

    def _time_is_up(self) -> None:
        self._end(PartialAnswersError(self._answers))

    def _end(self, error: PartialAnswersError | None) -> None:
        self.stop()
        self._done(error, self._answers)

    def stop(self) -> None:
        """Expect nothing any more."""
        self._has_ended = True
        if self._timer is not None:
            self._timer.cancel()
        self._on_end()


class ClusterGathering(Gathering):
    """The answers of clients here and elsewhere. Other servers say first how many clients they have asked."""

    __slots__ = ("_awaited", "_on_end", "_servers", "_told")

    kind = Kind.BROADCAST

    def __init__(self, *gathering: Any, on_end: Callable[[], None]) -> None:
        super().__init__(*gathering)
        # Not known yet: the end has to wait for it.
        self._awaited: set[str] | int | None = None
        # Who has told, and how many answers of its clients are due; those whose server is not named are together.
        self._told: dict[str, int] = {}
        self._servers = 0
        self._on_end = on_end

    @property
    def is_complete(self) -> bool:
        if self._due or self._awaited is None or sum(self._told.values()) > 0:
            return False
        awaited = self._awaited
        return (
            self._servers >= awaited if isinstance(awaited, int) else awaited <= self._told.keys()
        )

    def expect_servers(self, servers: set[str] | int) -> None:
        """Wait for what these have to say, or so many."""
        self._awaited = servers
        self.end_if_complete()

    def told(self, uid: str, count: int) -> None:
        """A server has asked so many clients."""
        self._servers += 1
        self.answered(uid, -count)

    def answered(self, uid: str, count: int = 1) -> None:
        """So many of its clients are waited for no longer."""
        self._told[uid] = self._told.get(uid, 0) - count
        self.end_if_complete()

    def answer(self, uid: str, values: list[Any]) -> None:
        """One of its clients has answered."""
        self.answers.append(value_of(values))
        self.answered(uid)

    def gone(self, uid: str) -> None:
        """A server is there no longer, nor are its clients."""
        self._told[uid] = 0
        self.end_if_complete()

    def stop(self) -> None:
        super().stop()
        self._on_end()


class Calling(ClusterGathering):
    """What clients of other servers answer goes to a callback, one by one; it fails when there is no one more."""

    __slots__ = ("_pending",)

    def __init__(self, pending: PendingAck, on_end: Callable[[], None]) -> None:
        super().__init__([], 0, lambda error, answers: pending.fail(), on_end=on_end)
        self._pending = pending

    def answer(self, uid: str, values: list[Any]) -> None:
        self._pending.resolve(values)
        self.answered(uid)

"""Waiting for the answers of many clients to one broadcast.

All are asked with the same id, so the packet is encoded once. Source: Node's BroadcastOperator.emitWithAck().
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastsio._eager import start_eager
from fastsio.core import errors
from fastsio.core.acks import PendingAck, value_of
from fastsio.core.handlers import called

if TYPE_CHECKING:
    from fastsio.core.adapter import Adapter
    from fastsio.core.namespace import Namespace
    from fastsio.core.operator import Rooms
    from fastsio.core.socket import Socket

# Called once, with the error (None if all answered who stayed) and the answers that came.
Done = Callable[[errors.PartialAnswersError | None, list[Any]], Any]


class Gathering(PendingAck):
    """The answers that `sockets` owe. One whose client goes is no longer waited for."""

    __slots__ = ("_done", "_due", "_id", "_sockets", "_timer", "answers")

    def __init__(self, sockets: "list[Socket]", ack_id: int, done: Done) -> None:
        self._sockets = sockets
        self._id = ack_id
        self._done: Done | None = done
        self._due = len(sockets)
        self.answers: list[Any] = []
        self._timer: asyncio.TimerHandle | None = None

    def start(self, timeout_s: float | None) -> None:
        """Expect the answers from now on, for `timeout_s` seconds (None: no limit)."""
        for socket in self._sockets:
            socket.expect(self._id, self)
        if self.is_complete:
            self._end(None)
        elif timeout_s is not None:
            self._timer = asyncio.get_running_loop().call_later(timeout_s, self._time_is_up)

    @property
    def count(self) -> int:
        """How many clients here were asked."""
        return len(self._sockets)

    @property
    def is_complete(self) -> bool:
        """Whether nobody is waited for."""
        return not self._due

    def resolve(self, args: list[Any]) -> None:
        self.answers.append(value_of(args))
        self._settle()

    def fail(self) -> None:
        self._settle()

    def _settle(self) -> None:
        """One of the clients is waited for no longer."""
        self._due -= 1
        self.end_if_complete()

    def end_if_complete(self) -> None:
        """Somebody is waited for no longer."""
        if self.is_complete:
            self._end(None)

    def _time_is_up(self) -> None:
        self._end(errors.PartialAnswersError(self.answers))

    def _end(self, error: errors.PartialAnswersError | None) -> None:
        done = self._done
        self.stop()
        if done is not None:
            done(error, self.answers)

    def stop(self) -> None:
        """Expect nothing any more, and tell nobody."""
        self._done = None
        if self._timer is not None:
            self._timer.cancel()
        for socket in self._sockets:
            if socket.acks is not None:
                socket.acks.pop(self._id, None)
        self._sockets = []


def gather(
    namespace: "Namespace", args: list[Any], rooms: "Rooms | None", excluded: "Rooms", is_volatile: bool,
    timeout_s: float | None, done: Done, is_plain: bool = False, kind: Callable[..., Gathering] | None = None,
) -> Gathering:  # fmt: skip
    """Send [event, *args] to these clients of this server, and give their answers to `done`. On the engine's loop.

    `kind` makes the Gathering, where others' answers come in too. Raises TypeError for what JSON can't hold, ValueError
    for over 10 binary values.
    """
    sockets = list(namespace.adapter.local.members(rooms, excluded))
    # Free in all of them: each socket counts for itself.
    ack_id = max((socket.next_ack_id for socket in sockets), default=0)
    encoded = namespace.encode_event(args, ack_id)
    encoded.is_plain = is_plain
    gathering = (kind or Gathering)(sockets, ack_id, done)
    gathering.start(timeout_s)
    namespace.adapter.local.deliver(encoded, rooms, excluded, is_volatile)
    namespace.tell_sent_to(args, rooms, excluded)
    return gathering


async def wait_for_all(
    adapter: "Adapter", args: list[Any], rooms: "Rooms | None", excluded: "Rooms", is_volatile: bool,
    timeout_s: float | None, is_plain: bool = False,
) -> list[Any]:  # fmt: skip
    """Adapter.gather() as a coroutine: the answers in the order in which they came. Raises PartialAnswersError.

    May be awaited on a loop of another thread than the engine's.
    """
    namespace = adapter.namespace
    if namespace.is_elsewhere():
        there = wait_for_all(adapter, args, rooms, excluded, is_volatile, timeout_s, is_plain)
        answers: list[Any] = await namespace.hub.hand_over(there)
        return answers
    ended = asyncio.get_running_loop().create_future()

    def done(error: errors.PartialAnswersError | None, answers: list[Any]) -> None:
        if not ended.done():
            ended.set_result((error, answers))

    gathering = adapter.gather(args, rooms, excluded, is_volatile, timeout_s, done, is_plain)
    try:
        error, answers = await ended
    finally:
        gathering.stop()
    if error is not None:
        raise error
    return answers


def calling(namespace: "Namespace", callback: Callable[..., Any]) -> Done:
    """`callback(error, answers)`, which may be a coroutine function, as what gather() calls."""

    def done(error: errors.PartialAnswersError | None, answers: list[Any]) -> None:
        # What it raises is logged: a client may be leaving just now, and that goes on.
        start_eager(
            called(callback, error, answers), namespace.tasks, "callback of a broadcast's acks"
        )

    return done


def setting(future: "asyncio.Future[list[Any]]") -> Done:
    """A Done that gives a future the answers, or the error."""

    def done(error: errors.PartialAnswersError | None, answers: list[Any]) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(answers)
        else:
            future.set_exception(error)

    return done

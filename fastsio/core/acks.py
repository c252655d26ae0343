"""Waiting for a client's answer to an event.

Ids are a socket's own, counting from 0. An answer that comes late, twice or unasked is ignored
(socket.io-protocol v5, "Acknowledgement").
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastsio._eager import start_eager
from fastsio.core import errors

if TYPE_CHECKING:
    from fastsio.core.socket import Socket


class PendingAck:
    """One answer that is due: calls back, or fails, exactly once. Timeouts are the waiter's."""

    __slots__ = ("_callback", "_tasks")

    def __init__(self, callback: Callable[..., Any], tasks: set[Any]) -> None:
        self._callback = callback
        self._tasks = tasks

    def resolve(self, args: list[Any]) -> None:
        result = self._callback(*args)
        if asyncio.iscoroutine(result):
            start_eager(result, self._tasks, "callback of an ack")

    def fail(self) -> None:
        """The client went: a plain callback is never called, as in python-socketio and Node."""

    def give_up(self) -> None:
        """Too many answers of the client are waited for, and this is the oldest: as if its time were up."""
        self.fail()


class AwaitedAck(PendingAck):
    """An answer that a coroutine waits for, from any of `due` clients."""

    __slots__ = ("due", "future")

    def __init__(self, due: int = 1) -> None:
        self.due = due
        self.future: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()

    def resolve(self, args: list[Any]) -> None:
        if not self.future.done():
            self.future.set_result(args)

    def fail(self) -> None:
        self._one_less(errors.ClientGoneError("the client disconnected before it answered"))

    def give_up(self) -> None:
        self._one_less(errors.TimeoutError("too many answers are waited for (max_pending_acks)"))

    def _one_less(self, error: errors.SocketIOError) -> None:
        self.due -= 1
        if self.due <= 0 and not self.future.done():
            self.future.set_exception(error)


async def wait_for_ack(socket: "Socket", args: list[Any], timeout_s: float | None) -> Any:
    """Send [event, *args] and return the answer: None, one value, or a tuple of several.

    Raises TimeoutError after `timeout_s` seconds (None: no limit), ClientGoneError when the client goes. May
    be awaited on a loop of another thread than the engine's.
    """
    if socket.namespace.is_elsewhere():
        return await socket.namespace.hub.hand_over(wait_for_ack(socket, args, timeout_s))
    return await wait_for_first_ack([socket], args, timeout_s)


async def wait_for_first_ack(
    sockets: "list[Socket]", args: list[Any], timeout_s: float | None
) -> Any:
    """wait_for_ack() for several clients: what the first of them answers; it fails when all of them are gone."""
    return value_of(await wait_for_values(sockets, args, timeout_s))


async def wait_for_values(
    sockets: "list[Socket]", args: list[Any], timeout_s: float | None, is_volatile: bool = False,
    is_plain: bool = False,
) -> list[Any]:  # fmt: skip
    """wait_for_first_ack(), as the list of the answer's values."""
    pending = AwaitedAck(len(sockets))
    if not sockets:
        pending.fail()
    asked = [
        (socket, socket.send_event(args, pending, is_volatile, is_plain)) for socket in sockets
    ]
    try:
        async with asyncio.timeout(timeout_s):
            return await pending.future
    except TimeoutError:
        raise errors.TimeoutError("operation has timed out") from None
    finally:
        for socket, ack_id in asked:
            if socket.acks is not None:
                socket.acks.pop(ack_id, None)


def value_of(values: list[Any]) -> Any:
    """What an answer is to who waits for it: None, one value, or a tuple of several."""
    return None if not values else values[0] if len(values) == 1 else tuple(values)

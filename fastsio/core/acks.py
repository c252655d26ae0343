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


class AwaitedAck(PendingAck):
    """An answer that a coroutine waits for."""

    __slots__ = ("future",)

    def __init__(self) -> None:
        self.future: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()

    def resolve(self, args: list[Any]) -> None:
        if not self.future.done():
            self.future.set_result(args)

    def fail(self) -> None:
        if not self.future.done():
            self.future.set_exception(
                errors.DisconnectedError("the client disconnected before it answered")
            )


async def wait_for_ack(socket: "Socket", args: list[Any], timeout_s: float | None) -> Any:
    """Send [event, *args] and return the answer: None, one value, or a tuple of several.

    Raises TimeoutError after `timeout_s` seconds (None: no limit), DisconnectedError when the client goes.
    """
    pending = AwaitedAck()
    ack_id = socket.send_event(args, pending)
    try:
        async with asyncio.timeout(timeout_s):
            values = await pending.future
    except TimeoutError:
        raise errors.TimeoutError("operation has timed out") from None
    finally:
        if socket.acks is not None:
            socket.acks.pop(ack_id, None)
    return None if not values else values[0] if len(values) == 1 else tuple(values)

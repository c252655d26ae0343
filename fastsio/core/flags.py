"""One socket with flags for what is sent: socket.volatile.timeout(5)…, immutable.

Source: Node's Socket, whose flags are used up by the next emit; here they are what the chain says.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastsio._eager import start_eager
from fastsio.core.acks import value_of, wait_for_values
from fastsio.core.errors import TimeoutError
from fastsio.core.handlers import check_event_name
from fastsio.core.operator import BroadcastOperator

if TYPE_CHECKING:
    from fastsio.core.socket import Socket


class FlaggedSocket:
    """What Socket has for sending, with flags: emits to this client, broadcasts to others."""

    __slots__ = ("_is_plain", "_is_volatile", "_seconds", "_socket")

    def __init__(
        self, socket: "Socket", is_volatile: bool = False, seconds: float | None = None, is_plain: bool = False
    ) -> None:  # fmt: skip
        self._socket = socket
        self._is_volatile = is_volatile
        self._seconds = seconds
        self._is_plain = is_plain

    @property
    def volatile(self) -> "FlaggedSocket":
        """Only to clients that can take it now: the packet is dropped for the others."""
        return FlaggedSocket(self._socket, True, self._seconds, self._is_plain)

    def timeout(self, seconds: float) -> "FlaggedSocket":
        """Wait for answers that long."""
        return FlaggedSocket(self._socket, self._is_volatile, seconds, self._is_plain)

    def compress(self, is_wanted: bool) -> "FlaggedSocket":
        """See BroadcastOperator.compress()."""
        return FlaggedSocket(self._socket, self._is_volatile, self._seconds, not is_wanted)

    # --- to this client ----------------------------------------------------------------------

    def emit(self, event: str, *args: Any, ack: Callable[..., Any] | None = None) -> None:
        """As Socket.emit, but after timeout() the callback is `ack(error, *values)`.

        error: None, a TimeoutError if no answer comes in time, a ClientGoneError when the client goes.
        """
        check_event_name(event)
        namespace = self._socket.namespace
        if ack is None:
            only = frozenset((self._socket.id,))
            BroadcastOperator(
                namespace, only, is_volatile=self._is_volatile, is_plain=self._is_plain
            ).emit(event, *args)
        elif namespace.is_elsewhere():
            namespace.encode_event([event, *args])  # what can't be is this caller's error
            namespace.hub.call_soon(lambda: self.emit(event, *args, ack=ack))
        elif self._seconds is None:
            self._socket.send_event(
                [event, *args], self._socket.pending(ack), self._is_volatile, self._is_plain
            )
        else:
            start_eager(self._call(ack, [event, *args]), namespace.tasks, "callback of an ack")

    def send(self, *args: Any, ack: Callable[..., Any] | None = None) -> None:
        """emit("message", *args)."""
        self.emit("message", *args, ack=ack)

    async def _call(self, ack: Callable[..., Any], args: list[Any]) -> None:
        try:
            values = await self._values(args)
        except TimeoutError as error:
            result = ack(error)
        else:
            result = ack(None, *values)
        if asyncio.iscoroutine(result):
            await result

    async def _values(self, args: list[Any]) -> list[Any]:
        if self._socket.namespace.is_elsewhere():
            there: list[Any] = await self._socket.namespace.hub.hand_over(self._values(args))
            return there
        return await wait_for_values(
            [self._socket], args, self._seconds, self._is_volatile, self._is_plain
        )

    async def emit_with_ack(self, event: str, *args: Any) -> Any:
        """As Socket.emit_with_ack; raises TimeoutError if no answer comes in time. A late one is ignored."""
        check_event_name(event)
        return value_of(await self._values([event, *args]))

    # --- to others ---------------------------------------------------------------------------

    @property
    def broadcast(self) -> BroadcastOperator:
        """All clients of the namespace without this one, with these flags."""
        return BroadcastOperator(
            self._socket.namespace, None, frozenset((self._socket.id,)), self._is_volatile, self._seconds,
            self._is_plain,
        )  # fmt: skip

    @property
    def local(self) -> BroadcastOperator:
        """broadcast, on this server alone."""
        return self.broadcast.local

    def to(self, room: Any) -> BroadcastOperator:
        """The clients in a room, or in any room of a list, without this one."""
        return self.broadcast.to(room)

    in_ = to

    def except_(self, room: Any) -> BroadcastOperator:
        """All clients of the namespace without this one and those in a room."""
        return self.broadcast.except_(room)

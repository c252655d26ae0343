"""What a client's event goes through where it does not go straight to its handlers.

That is packet middleware (socket.use()), and, with async_handlers=False, one handler after the other. Source: Node's
Socket.onevent() and Socket.run(); that events of a socket keep their order when middleware waits is not Node's.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from fastsio._dispatch import Handler, Replies
from fastsio.core.errors import ConnectionRefusedError
from fastsio.core.handlers import takes_named
from fastsio.core.line import Line
from fastsio.core.middleware import Refused, Step, make_step
from fastsio.core.waiting import Crowd

if TYPE_CHECKING:
    from fastsio.core.socket import Socket

logger = logging.getLogger("fastsio.core")


class PacketAck:
    """The `ack` of packet middleware: it answers in a handler's place. Only the first call counts.

    It works until the packet is passed on: then the handlers answer, unless this has.
    """

    def __init__(self, socket: "Socket", ack_id: int) -> None:
        self._socket = socket
        self._id = ack_id

    def __call__(self, *values: Any) -> None:
        if self:
            self._socket.reply_to(self.take(), values)

    def __bool__(self) -> bool:
        """Whether the client still waits for an answer from here."""
        return self._id >= 0

    def take(self) -> int:
        """The id, for who may answer from now on; -1 if somebody has, or the client asked for no answer."""
        ack_id, self._id = self._id, -1
        return ack_id


class PacketMiddleware:
    """A socket's packet middleware, and its events that wait for it."""

    __slots__ = ("_crowd", "_line", "_socket", "_steps")

    def __init__(self, socket: "Socket") -> None:
        self._socket = socket
        self._steps: tuple[tuple[Step, bool], ...] = ()
        self._crowd = Crowd(socket.session, socket.namespace.hub.options.max_waiting_events)
        self._line = Line(socket.namespace.tasks, crowd=self._crowd)

    def add(self, fn: Callable[..., Any]) -> None:
        """See Socket.use()."""
        namespace = self._socket.namespace
        seconds = namespace.hub.options.middleware_timeout
        step = make_step(fn, seconds, namespace.tasks, "event", "ack")
        self._steps = (*self._steps, (step, takes_named(fn, "ack")))

    def take(self, args: list[Any], ack_id: int) -> None:
        """An event of the client: to those of on_any(), then through the middleware, then to its handlers."""
        if self._crowd.is_full(len(self._line)):
            self._socket.namespace.hub.refusals.too_many(self._socket, args[0], ack_id)
            return
        if self._socket.of_any is not None:
            self._socket.run_any(args, ack_id)
        self._line.add(self._pass, args, ack_id)

    async def _pass(self, args: list[Any], ack_id: int) -> None:
        left = await self.ask(args, ack_id)
        if left is not None and self._socket.is_connected:
            self._socket.run_several(self._socket.all_handlers_of(args[0]), args, left)

    async def ask(self, args: list[Any], ack_id: int) -> int | None:
        """The ack id for the handlers if all steps let the event pass, None if one does not: "error" says why."""
        ack = PacketAck(self._socket, ack_id)
        try:
            for step, takes_ack in self._steps:
                result = step(args, ack=ack) if takes_ack else step(args)
                if hasattr(result, "__await__"):
                    await result
            check_event(args)
        except Refused as refused:
            self._refused(args, refused.error, is_meant=True)
            return None
        except Exception as error:  # noqa: BLE001 - it is the refusal
            self._refused(args, error, is_meant=isinstance(error, ConnectionRefusedError))
            return None
        return ack.take()

    def _refused(self, args: list[Any], error: Exception, is_meant: bool) -> None:
        if self._socket.handlers_of("error"):
            self._socket.run_listeners("error", error)
            return
        name = args[0] if args else None
        logger.warning(
            "event %r of sid=%.6s… was refused, and nobody listens to its \"error\": %r",
            name, self._socket.id, error, exc_info=None if is_meant else error,
        )  # fmt: skip


def check_event(args: list[Any]) -> None:
    """Raise ValueError if middleware has left no event: its name, then its arguments."""
    if not args or not isinstance(args[0], (str, int, float)):
        raise ValueError(f"packet middleware left {args!r}: an event's name and its arguments")


def take_in_turn(socket: "Socket", args: list[Any], ack_id: int) -> Awaitable[None] | None:
    """Handle an event, each handler when the one before it has ended: what is returned ends with the last."""
    handlers = socket.all_handlers_of(args[0])
    if socket.of_any is not None or socket.middleware is not None:
        return _all_in_turn(socket, args, ack_id)
    if len(handlers) == 1:  # likely
        return socket.answer(handlers[0], args, ack_id)
    return _answer_in_turn(socket, handlers, args, ack_id) if handlers else None


async def _all_in_turn(socket: "Socket", args: list[Any], ack_id: int) -> None:
    for handler in socket.of_any or ():
        await socket.answer(handler, args, ack_id if handler.takes_ack else -1)
    middleware = socket.middleware
    left = ack_id if middleware is None else await middleware.ask(args, ack_id)
    if left is not None and not socket.is_dropped:
        await _answer_in_turn(socket, socket.all_handlers_of(args[0]), args, left)


async def _answer_in_turn(
    socket: "Socket", handlers: list[Handler], args: list[Any], ack_id: int
) -> None:
    """What SocketBase.run_several() does, one after the other."""
    is_answered = ack_id >= 0 and any(handler.takes_ack for handler in handlers)
    replies = None
    if not is_answered:
        replies = Replies()
        replies.due = len(handlers)
    for handler in handlers:
        answers_itself = handler.takes_ack or not is_answered
        await socket.answer(handler, args, ack_id if answers_itself else -1, replies)

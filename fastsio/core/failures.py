"""What happens when a handler raises: the application's exception handlers, else a log line.

And what happens to an event whose arguments a typed handler does not take (typed.py).
"""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastsio._eager import start_eager
from fastsio.core.errors import InvalidArgumentError
from fastsio.core.handlers import PREFIX_NONE, make_event_handler
from fastsio.logged import one_line

if TYPE_CHECKING:
    from fastsio.core.socket import Socket

logger = logging.getLogger("fastsio.core")


class Failures:
    """Exception handlers by namespace (None: every one) and by class of exception; the most special one is asked."""

    def __init__(self, tasks: set[Any]) -> None:
        self._tasks = tasks
        self._handlers: dict[tuple[str | None, type[BaseException]], Any] = {}

    def add(
        self, fn: Callable[..., Any], error: type[BaseException], namespace: str | None
    ) -> None:
        """Let `fn(exc, event, sid, *args)` answer for handlers that raise `error` or a subclass of it.

        Raises TypeError if `fn` can't be called so. The last one given for a class and namespace wins.
        """
        if not (isinstance(error, type) and issubclass(error, Exception)):
            raise TypeError(f"{error!r}: a subclass of Exception")
        handler = make_event_handler(fn, PREFIX_NONE, required=3)
        self._handlers[namespace, error] = (fn, handler.max_args)

    def find(self, error: BaseException, namespace: str) -> tuple[Callable[..., Any], int] | None:
        """The function for an exception and how many arguments it takes; the namespace's own before others."""
        key = self._key(error, namespace)
        return None if key is None else self._handlers[key]

    def _key(
        self, error: BaseException, namespace: str
    ) -> tuple[str | None, type[BaseException]] | None:
        """What the function for an exception was registered for."""
        for name in (namespace, None):
            for cls in type(error).__mro__:
                if (name, cls) in self._handlers:
                    return name, cls
        return None

    def handle(self, socket: "Socket", error: BaseException, args: list[Any], ack_id: int) -> None:
        """NamespaceBase.on_failure: the handler of [event, *arguments] raised; `ack_id` is -1 without an ack."""
        if isinstance(error, InvalidArgumentError) and not error.event:
            error.event = args[0]
            if self._refuse(socket, error, ack_id):
                return
        found = self.find(error, socket.namespace.name)
        if found is None:
            socket.note(args[0], error)
            return
        socket.namespace.handler_errors += 1
        logger.info(
            "handler of %r in %r raised %r for sid=%.6s…: its exception handler answers",
            args[0], socket.namespace.name, error, socket.id,
        )  # fmt: skip
        start_eager(
            self._answer(found, socket, error, args, ack_id), self._tasks, "exception handler"
        )

    def _refuse(self, socket: "Socket", error: InvalidArgumentError, ack_id: int) -> bool:
        """Arguments that a typed handler does not take; False if an exception handler shall hear of them.

        One that was registered for this very error always does, any other only where no ack is asked for.
        """
        asks = ack_id >= 0 or bool(error.ack)
        key = self._key(error, socket.namespace.name)
        if key is not None and (not asks or issubclass(key[1], InvalidArgumentError)):
            return False
        socket.namespace.invalid_events += 1
        logger.info(
            "event not handled in %r from sid=%.6s…: %s (%d so far)",
            socket.namespace.name, socket.id, one_line(error), socket.namespace.invalid_events,
        )  # fmt: skip
        if error.ack:
            error.ack(error.answer)
        elif asks:
            socket.reply_to(ack_id, error.answer)
        else:
            socket.run_listeners("error", error)
        return True

    async def _answer(
        self,
        found: tuple[Callable[..., Any], int],
        socket: "Socket",
        error: BaseException,
        args: list[Any],
        ack_id: int,
    ) -> None:
        fn, count = found
        values = [error, args[0], socket.id, *args[1:]]
        try:
            result = fn(*values[: count if count >= 0 else None])
            if hasattr(result, "__await__"):
                result = await result
        except Exception as second:  # noqa: BLE001 - note() logs it
            # The log shows both: what was raised here, and what was to be handled.
            second.__context__ = second.__context__ or error
            socket.note(args[0], second)
        else:
            if isinstance(error, InvalidArgumentError) and error.ack:
                error.ack(
                    *(result if type(result) is tuple else () if result is None else (result,))
                )
            socket.reply_to(ack_id, result)

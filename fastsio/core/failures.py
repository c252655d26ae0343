"""What happens when a handler raises: the application's exception handlers, else a log line.

Without exception handlers none of this is in use: the compiled dispatch logs by itself.
"""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastsio._eager import start_eager
from fastsio.core.handlers import PREFIX_NONE, make_event_handler

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

    @property
    def is_used(self) -> bool:
        """Whether there is an exception handler."""
        return bool(self._handlers)

    def find(self, error: BaseException, namespace: str) -> tuple[Callable[..., Any], int] | None:
        """The function for an exception and how many arguments it takes; the namespace's own before others."""
        for name in (namespace, None):
            for cls in type(error).__mro__:
                found: tuple[Callable[..., Any], int] | None = self._handlers.get((name, cls))
                if found is not None:
                    return found
        return None

    def handle(self, socket: "Socket", error: BaseException, args: list[Any], ack_id: int) -> None:
        """NamespaceBase.on_failure: the handler of [event, *arguments] raised; `ack_id` is -1 without an ack."""
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
            socket.reply_to(ack_id, result)

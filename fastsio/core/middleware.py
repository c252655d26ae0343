"""Middleware in both its forms: a function that raises to refuse, and Node's `(…, next)`.

Steps made here are asked by core/peer.py (clients that join) and core/packets.py (their events). Source: Node's
Namespace.use() and Socket.use(); that next is waited for with a limit is not Node's.
"""

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Any

from fastsio._eager import start_eager
from fastsio.core.errors import ConnectionRefusedError
from fastsio.core.handlers import positional_count

logger = logging.getLogger("fastsio.core")

# Passes what it is called with by returning, refuses it by raising; what it returns may have to be awaited.
Step = Callable[..., Any]

TOO_LATE = "middleware timeout"


def make_step(
    fn: Callable[..., Any], seconds: float, tasks: set[Any], takes: str, keyword: str | None = None
) -> Step:
    """`fn(subject)` or `fn(subject, next)` as a Step. `takes`: what the subject is, for the error's text.

    `keyword`: a parameter that is given by its name. Once `fn(subject, next)` has returned, next is waited for at
    most `seconds`. Raises TypeError for a function that needs other arguments.
    """
    needed, taken = positional_count(fn, but=keyword)
    if needed > 2 or taken == 0:
        raise TypeError(f"{fn!r}: a middleware takes ({takes}) or ({takes}, next)")
    return fn if needed < 2 else Waiting(fn, seconds, tasks)


class Refused(Exception):
    """next(error) was called: meant, and no mistake of the function's. `error` is what it was called with.

    What a function raises comes as it is: it may be a mistake.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


class Waiting:
    """Node's form, `fn(*subject, next)`, as a coroutine function without next."""

    def __init__(self, fn: Callable[..., Any], seconds: float, tasks: set[Any]) -> None:
        self._fn = fn
        self._seconds = seconds
        self._tasks = tasks
        self._has_warned = False

    def __repr__(self) -> str:
        return repr(self._fn)

    async def __call__(self, *subject: Any, **keywords: Any) -> Any:
        """Ends when next(error, value) is called: returns the value.

        Raises Refused with the error, if there is one, what the function raises, and ConnectionRefusedError when
        next() is not called in time.
        """
        call = Next()
        result = self._fn(*subject, call, **keywords)
        if hasattr(result, "__await__"):
            # As in Node, next() counts when it is called: what the coroutine does after that holds nobody up.
            start_eager(self._run(result, call), self._tasks, "a function with next")
        else:
            await self._expect(call)
        error, value = await call.called
        if isinstance(error, Exception) and call.is_meant:
            raise Refused(error)
        if error is not None:
            raise error
        return value

    async def _run(self, awaitable: Any, call: "Next") -> None:
        try:
            await awaitable
        except Exception as error:
            if call.called.done():
                logger.exception("%r failed after it had called next()", self._fn)
            call.end(error)
        else:
            await self._expect(call)

    async def _expect(self, call: "Next") -> None:
        """The function has returned: next() is called within the time, by it or by this."""
        if call.called.done():
            return
        if not self._has_warned:
            self._has_warned = True
            logger.warning(
                "%r returned without calling next(): it is waited for %s s (middleware_timeout)",
                self._fn,
                self._seconds,
            )
        await asyncio.wait((call.called,), timeout=self._seconds)
        if not call.called.done():
            logger.warning("%r did not call next() within %s s", self._fn, self._seconds)
            call.end(ConnectionRefusedError(TOO_LATE))


class Next:
    """The `next` that a function gets. Only the first call counts; it may come from another thread.

    `called` has what it was called with: the error, None if there is none, and the value beside it. `is_meant`: it was
    called by the function, and not ended for it.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self.is_meant = False
        self.called: asyncio.Future[tuple[BaseException | None, Any]] = self._loop.create_future()

    def __call__(self, error: Any = None, value: Any = None) -> None:
        """`error`: an exception, or anything else that is true in JavaScript's sense."""
        if threading.get_ident() != self._thread:
            self._loop.call_soon_threadsafe(self, error, value)
        elif not self.called.done():
            self.is_meant = True
            self.called.set_result((as_error(error), value))

    def end(self, error: Exception) -> None:
        """The function has failed, or its time is up."""
        if not self.called.done():
            self.called.set_result((error, None))


def as_error(given: Any) -> BaseException | None:
    """What next() was given as an exception, None if it is no error."""
    if isinstance(given, type) and issubclass(given, BaseException):
        given = given()
    if isinstance(given, BaseException):
        return given
    return ConnectionRefusedError(str(given)) if given else None

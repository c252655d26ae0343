"""Signals that end a process: for our own server what they mean, for an ASGI server to hear of its exit in time.

ExitWatch hears of an ASGI server's exit before it waits for its clients. Servers send lifespan.shutdown when the last
request has ended, and a client that polls holds one for up to ping_interval seconds; a mounted application gets no
lifespan events at all. What can be known earlier: uvicorn, granian and hypercorn without workers handle SIGTERM and
SIGINT in the process of the application, and hypercorn's workers have an event.
"""

import asyncio
import functools
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

NUMBERS = (signal.SIGTERM, signal.SIGINT)


class ExitWatch:
    """Calls `call` on the loop, once or several times, when the server begins to stop."""

    def __init__(self, call: Callable[[], None]) -> None:
        self._call = call
        self._installed: dict[int, tuple[Any, Any]] = {}
        self._waiting: asyncio.Task[None] | None = None

    def arm(self, loop: asyncio.AbstractEventLoop, send: Any = None) -> None:
        """Watch from now on. `send`: a request's, through which hypercorn's event is found."""
        terminated = getattr(
            getattr(getattr(send, "__self__", None), "context", None), "terminated", None
        )
        if terminated is not None and (self._waiting is None or self._waiting.done()):
            self._waiting = loop.create_task(self._wait(terminated))
        if threading.current_thread() is threading.main_thread():
            self._precede_handlers(loop)

    def disarm(self) -> None:
        """Watch no longer; handlers of signals that are still ours are given back."""
        if self._waiting is not None:
            self._waiting.cancel()
        if threading.current_thread() is not threading.main_thread():
            return
        for number, (ours, theirs) in self._installed.items():
            if signal.getsignal(number) is ours:
                signal.signal(number, theirs)
        self._installed.clear()

    async def _wait(self, terminated: Any) -> None:
        await terminated.wait()
        self._call()

    def _precede_handlers(self, loop: asyncio.AbstractEventLoop) -> None:
        """Only what handles a signal at all: without a handler the process ends, and nobody waits for anything.

        A handler given to loop.add_signal_handler() is called by the loop in any case.
        """
        for number in NUMBERS:
            theirs = signal.getsignal(number)
            ours, _ = self._installed.get(number, (None, None))
            if callable(theirs) and theirs not in (ours, signal.default_int_handler):
                ours = functools.partial(self._on_signal, loop, theirs)
                signal.signal(number, ours)
                self._installed[number] = (ours, theirs)

    def _on_signal(
        self, loop: asyncio.AbstractEventLoop, theirs: Any, number: int, frame: FrameType | None
    ) -> None:
        theirs(number, frame)
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._call)


class StopSignals:
    """SIGINT and SIGTERM of a program that serves: the first one stops it (`await stop_or(…)`).

    The next one calls `hurry`, if there is one by the first, and any further one has its usual effect. Used as a
    context manager, on the main thread; elsewhere, and on Windows, signals keep their usual effect.
    """

    def __init__(self) -> None:
        self.hurry: Callable[[], None] | None = None
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._is_ours = False

    def __enter__(self) -> "StopSignals":
        if threading.current_thread() is not threading.main_thread():
            return self
        try:
            for number in NUMBERS:
                self._loop.add_signal_handler(number, self._on_signal)
            self._is_ours = True
        except NotImplementedError:  # Windows: Ctrl+C cancels the main task instead
            pass
        return self

    def __exit__(self, *_exc: object) -> None:
        self.release()

    def release(self) -> None:
        """From now on a signal has its usual effect."""
        if self._is_ours:
            self._is_ours = False
            for number in NUMBERS:
                self._loop.remove_signal_handler(number)

    def _on_signal(self) -> None:
        is_second = self._stop.is_set()
        self._stop.set()
        if is_second or self.hurry is None:
            self.release()
        if is_second and self.hurry is not None:
            self.hurry()

    async def stop_or(self, other: asyncio.Event) -> None:
        """Until the first signal, or `other` is set; the next signal is a second one in both cases."""
        waits = [asyncio.ensure_future(event.wait()) for event in (self._stop, other)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._stop.set()
            for wait in waits:
                wait.cancel()

"""Hearing of an ASGI server's exit before it waits for its clients.

uvicorn sends lifespan.shutdown when the last request has ended; a client that polls holds one for up to
ping_interval seconds. So its handler of SIGTERM and SIGINT is preceded by one that tells us.
"""

import asyncio
import functools
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

NUMBERS = (signal.SIGTERM, signal.SIGINT)


class ExitSignals:
    """Calls `call` on the loop when a signal makes uvicorn exit; other servers' handlers are left alone."""

    def __init__(self, call: Callable[[], None]) -> None:
        self._call = call
        self._installed: dict[int, tuple[Any, Any]] = {}

    def arm(self, loop: asyncio.AbstractEventLoop) -> None:
        """Precede uvicorn's handlers; nothing happens where there are none, or outside the main thread."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in NUMBERS:
            theirs = signal.getsignal(number)
            if number not in self._installed and _is_uvicorns(theirs):
                ours = functools.partial(self._on_signal, loop, theirs)
                signal.signal(number, ours)
                self._installed[number] = (ours, theirs)

    def disarm(self) -> None:
        """Put uvicorn's handlers back where ours are still installed."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number, (ours, theirs) in self._installed.items():
            if signal.getsignal(number) is ours:
                signal.signal(number, theirs)
        self._installed.clear()

    def _on_signal(
        self, loop: asyncio.AbstractEventLoop, theirs: Any, number: int, frame: FrameType | None
    ) -> None:
        theirs(number, frame)
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._call)


def _is_uvicorns(handler: Any) -> bool:
    """True for Server.handle_exit, and for one of ours before it (two applications in one server)."""
    if isinstance(handler, functools.partial):
        return isinstance(getattr(handler.func, "__self__", None), ExitSignals)
    return hasattr(getattr(handler, "__self__", None), "should_exit")

"""The event loop that all sync clients of a process share, in a daemon thread of its own.

An idle sync client has no thread. The loop starts with the first client, and anew in a forked process.
"""

import asyncio
import os
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None
_thread: threading.Thread | None = None


def shared_loop() -> asyncio.AbstractEventLoop:
    """The loop, running."""
    global _loop, _thread
    with _lock:
        if _loop is None:
            _loop = _new_loop()
            _thread = threading.Thread(target=_loop.run_forever, name="fastsio client", daemon=True)
            _thread.start()
        return _loop


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:  # Windows
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def is_on_loop() -> bool:
    """Whether the caller runs in the loop's thread."""
    return threading.current_thread() is _thread


def run(coroutine: Coroutine[Any, Any, T], timeout_s: float | None = None) -> T:
    """Run a coroutine on the loop and wait for its result; an interrupt or the timeout cancels it."""
    if is_on_loop():
        coroutine.close()
        raise RuntimeError("a sync client can't be waited for on its own event loop")
    future = asyncio.run_coroutine_threadsafe(coroutine, shared_loop())
    try:
        return future.result(timeout_s)
    except BaseException:
        future.cancel()
        raise


def _forget() -> None:
    """In a forked child: the parent's thread is not there."""
    global _lock, _loop, _thread
    _lock = threading.Lock()
    _loop = _thread = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)

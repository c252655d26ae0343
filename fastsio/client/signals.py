"""Ctrl+C: connected clients say goodbye before the program ends.

A SIGINT handler that the application (or the web server around it) has installed is left alone.
"""

import asyncio
import functools
import signal
import threading
import weakref
from typing import Any

# How long the goodbyes may take.
GOODBYE_TIMEOUT_S = 2.0

connected_clients: "weakref.WeakSet[Any]" = weakref.WeakSet()
_watched: "weakref.WeakSet[asyncio.AbstractEventLoop]" = weakref.WeakSet()
_original: Any = None


def watch_loop(loop: asyncio.AbstractEventLoop) -> None:
    """On SIGINT, disconnect the clients of `loop` first; then what would have happened happens."""
    if loop in _watched or threading.current_thread() is not threading.main_thread():
        return
    _watched.add(loop)
    previous = signal.getsignal(signal.SIGINT)
    if not _is_usual(previous):
        return
    try:
        loop.add_signal_handler(signal.SIGINT, _on_loop_signal, loop, previous)
    except NotImplementedError:
        return  # Windows: Ctrl+C is KeyboardInterrupt, and the server sees the connection go.


def _is_usual(handler: Any) -> bool:
    """Python's own handler, ours, or the one that asyncio.run() sets for its main task."""
    if handler in (signal.default_int_handler, _on_signal):
        return True
    owner = getattr(getattr(handler, "func", None), "__self__", None)
    return isinstance(handler, functools.partial) and isinstance(owner, asyncio.Runner)


def _on_loop_signal(loop: asyncio.AbstractEventLoop, previous: Any) -> None:
    loop.remove_signal_handler(signal.SIGINT)
    signal.signal(signal.SIGINT, previous)
    _watched.discard(loop)
    task = loop.create_task(_say_goodbyes(loop))
    task.add_done_callback(lambda _: signal.raise_signal(signal.SIGINT))


async def _say_goodbyes(loop: asyncio.AbstractEventLoop) -> None:
    clients = [c for c in connected_clients if c.is_asyncio_based() and c.eio.runs_on(loop)]
    if clients:
        goodbyes = [asyncio.ensure_future(client.shutdown()) for client in clients]
        await asyncio.wait(goodbyes, timeout=GOODBYE_TIMEOUT_S)


def watch_process() -> None:
    """The same for sync clients, whose loop is not the main thread's."""
    global _original
    if _original is None and threading.current_thread() is threading.main_thread():
        _original = signal.signal(signal.SIGINT, _on_signal)


def _on_signal(number: int, frame: Any) -> Any:
    for client in [c for c in connected_clients if not c.is_asyncio_based()]:
        client.say_goodbye(GOODBYE_TIMEOUT_S)
    if callable(_original):
        return _original(number, frame)
    return signal.default_int_handler(number, frame)

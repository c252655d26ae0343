"""Threads: an event loop in a thread of its own, calls to a loop from any thread, a pool for plain functions.

Knows nothing of Socket.IO. All threads here are daemons: a handler that never returns does not keep a
program from ending.
"""

import asyncio
import contextlib
import contextvars
import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

logger = logging.getLogger("fastsio.threads")

T = TypeVar("T")

# A thread with nothing to do ends after that.
IDLE_S = 10.0
# Calls that wait for a loop; who has more to say waits until these are done.
MAX_CALLS = 10_000
# How often a thread that waits looks whether the loop it waits for is still there.
LOOK_S = 1.0


class LoopThread:
    """An event loop that runs in a thread of its own until stop(): uvloop's where it is installed."""

    def __init__(self, name: str = "fastsio-loop") -> None:
        self.loop = _new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """False once it has stopped, and in a child process that was forked off."""
        return self._thread.is_alive()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        finally:
            asyncio.set_event_loop(None)
            self.loop.close()

    def stop(self) -> None:
        """End the loop after the calls it has got, and its thread. From any other thread; may be repeated."""
        if self.is_alive:
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join()


def _new_event_loop() -> asyncio.AbstractEventLoop:
    if sys.platform == "win32":
        return asyncio.SelectorEventLoop()
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


class Bridge:
    """Calls from any thread to an event loop: they run there one after the other, as each thread made them.

    The loop is woken once for all calls that wait, which costs more than most of them. Once it is closed
    post() does nothing, and whoever waits for a result gets RuntimeError.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._calls: deque[tuple[Callable[..., Any], tuple[Any, ...]]] = deque()
        self._is_due = False
        self._pid = os.getpid()

    @property
    def is_served(self) -> bool:
        """Whether the loop runs, and in this process: in a child that was forked off it seems to run."""
        return self.loop.is_running() and os.getpid() == self._pid

    @property
    def is_here(self) -> bool:
        """True on the loop's own thread, while it runs."""
        return asyncio._get_running_loop() is self.loop

    def post(self, fn: Callable[..., Any], *args: Any) -> None:
        """Have the loop call fn(*args). What it raises is logged.

        Returns at once, unless MAX_CALLS are waiting: then it waits until the loop has come so far.
        """
        self._append(fn, args)
        if len(self._calls) >= MAX_CALLS and not self.is_here:
            done: Future[None] = Future()
            self._append(done.set_result, (None,))
            with contextlib.suppress(RuntimeError):  # it has stopped: nobody is left to hear of it
                self._wait(done)

    def call(self, fn: Callable[..., T], *args: Any) -> T:
        """Have the loop call fn(*args), behind what was posted, and return or raise what that does."""
        if self.is_here:
            return fn(*args)
        result: Future[T] = Future()
        self._append(_settle, (result, fn, args))
        return self._wait(result)

    def run(self, fn: Callable[..., Coroutine[Any, Any, T]], *args: Any, **kwargs: Any) -> T:
        """call() for a coroutine function. Raises RuntimeError on the loop's own thread, which can't wait for it."""
        if self.is_here:
            raise RuntimeError(
                f"{fn.__qualname__} can't be waited for on the event loop's thread: call it from a handler"
                " or from any other thread"
            )
        result: Future[T] = Future()
        self._append(self._start, (result, fn, args, kwargs))
        return self._wait(result)

    def _start(self, result: "Future[T]", fn: Any, args: Any, kwargs: Any) -> None:
        task = self.loop.create_task(_settle_async(result, fn, args, kwargs))
        _running.add(task)
        task.add_done_callback(_running.discard)

    def _append(self, fn: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self._calls.append((fn, args))
        # Whoever finds a run due appended before it began, and so before it counts.
        if not self._is_due:
            self._is_due = True
            try:
                self.loop.call_soon_threadsafe(self._run)
            except RuntimeError:  # it is closed, and nobody is left to hear of it
                self._calls.clear()
                self._is_due = False

    def _run(self) -> None:
        self._is_due = False
        for _ in range(len(self._calls)):
            fn, args = self._calls.popleft()
            try:
                fn(*args)
            except Exception:
                logger.exception("%r failed", fn)

    def _wait(self, result: "Future[T]") -> T:
        while True:
            try:
                return result.result(LOOK_S)
            except TimeoutError:
                # Also raised by what was called.
                if result.done():
                    raise
                if not self.is_served:
                    raise RuntimeError("the event loop has stopped") from None


# asyncio itself refers to tasks but weakly.
_running: set[asyncio.Task[None]] = set()


def _settle(result: "Future[T]", fn: Callable[..., T], args: tuple[Any, ...]) -> None:
    try:
        result.set_result(fn(*args))
    except BaseException as error:  # noqa: BLE001 - for whoever waits
        result.set_exception(error)


async def _settle_async(result: "Future[T]", fn: Any, args: Any, kwargs: Any) -> None:
    try:
        result.set_result(await fn(*args, **kwargs))
    except BaseException as error:  # noqa: BLE001 - for whoever waits
        result.set_exception(error)


def run_inline(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that has nothing to wait for, without a loop. RuntimeError if it does wait."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        value: T = end.value
        return value
    coroutine.close()
    raise RuntimeError(f"{coroutine!r} has to wait for what only a server that runs can give")


class HandlerPool:
    """Threads for plain functions that may block: at most `max_threads`, made when they are needed.

    Jobs begin in the order in which they came; what finds all threads busy waits.
    """

    def __init__(self, max_threads: int, name: str = "fastsio-handler") -> None:
        if isinstance(max_threads, bool) or not isinstance(max_threads, int) or max_threads < 1:
            raise ValueError(f"handler_threads={max_threads!r}: a number of threads, 1 or more")
        self.max_threads = max_threads
        self.threads: set[threading.Thread] = set()
        self._name = name
        self._jobs: deque[Callable[[], None]] = deque()
        self._idle = 0
        self._is_ending = False
        self._changed = threading.Condition()

    @property
    def backlog(self) -> int:
        """How many jobs wait for a thread."""
        return len(self._jobs)

    def submit(self, job: Callable[[], None]) -> None:
        """Have a thread call `job`, which must not raise."""
        with self._changed:
            self._is_ending = False
            self._jobs.append(job)
            if self._idle >= len(self._jobs):
                self._changed.notify()
            elif len(self.threads) < self.max_threads:
                self._add_thread()

    def run(
        self, bridge: Bridge, fn: Callable[..., Any], args: tuple[Any, ...]
    ) -> asyncio.Future[Any]:
        """Call fn(*args) in a thread; the result is for the loop of `bridge`, on which this must be called.

        Each call has a context of its own: what one sets in a contextvar the next one does not see.
        """
        future = bridge.loop.create_future()

        def job() -> None:
            result = error = None
            try:
                result = contextvars.Context().run(fn, *args)
            except Exception as caught:  # noqa: BLE001 - the future's
                error = caught
            except BaseException as caught:  # noqa: BLE001 - SystemExit, say: it ends the handler alone
                error = RuntimeError(f"{fn!r} ended with {caught!r}")
                error.__cause__ = caught
            bridge.post(_resolve, future, result, error)

        self.submit(job)
        return future

    def _add_thread(self) -> None:
        thread = threading.Thread(
            target=self._work, name=f"{self._name}-{len(self.threads)}", daemon=True
        )
        self.threads.add(thread)
        thread.start()

    def _work(self) -> None:
        while (job := self._next_job()) is not None:
            try:
                job()
            except Exception:
                logger.exception("%r failed", job)
            # Not kept alive until the next one comes.
            del job

    def _next_job(self) -> Callable[[], None] | None:
        """The next job, or None, and the thread is no longer counted: it ends."""
        with self._changed:
            if not self._jobs:
                self._idle += 1
                self._changed.wait_for(lambda: self._jobs or self._is_ending, IDLE_S)
                self._idle -= 1
            if self._jobs:
                return self._jobs.popleft()
            self.threads.discard(threading.current_thread())
            return None

    def join(self, timeout_s: float) -> bool:
        """End all threads but the caller's own; False if one is still at work after `timeout_s` seconds.

        Jobs that came before are done first. With the next one the pool makes new threads.
        """
        ends_at = time.monotonic() + timeout_s
        with self._changed:
            others = self.threads - {threading.current_thread()}
            self._is_ending = True
            self._changed.notify_all()
        for thread in others:
            thread.join(max(0.0, ends_at - time.monotonic()))
        return not any(thread.is_alive() for thread in others)


def _resolve(future: asyncio.Future[Any], result: Any, error: Exception | None) -> None:
    if future.done():  # cancelled meanwhile
        return
    if error is None:
        future.set_result(result)
        return
    if isinstance(error, StopIteration):  # no Future takes it
        error = RuntimeError(f"StopIteration: {error.value!r}")
    future.set_exception(error)

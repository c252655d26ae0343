"""Who blocks the event loop: a thread asks the loop for a sign of life, and looks at its stack when none comes.

A handler that computes, or that waits without `await`, stops every client of its loop, and nothing in the loop can say
so before it is over. Costs two wake-ups of the loop in `limit_s` seconds. Knows nothing of Socket.IO.
"""

import asyncio
import logging
import sys
import threading
import time
from pathlib import Path
from types import CodeType, FrameType

from fastsio.rarely import RareLog

logger = logging.getLogger("fastsio.watchdog")

# Between two lines about a loop that is still blocked.
AGAIN_S = 30.0
# Of a stack, the innermost calls.
MAX_CALLS = 15
# A process that took less of the time than this did not compute: it stood still with all that it is.
BUSY_PART = 0.05
PACKAGE = str(Path(__file__).parent)
PLUMBING = (PACKAGE, str(Path(asyncio.__file__).parent))


class Watchdog:
    """Watches an event loop from now on until stop(); `blocks`: how often it was found blocked.

    Must be made in the loop's thread. What blocks it for less than `limit_s` seconds is not reported, what does so for
    one and a half of it always.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, limit_s: float) -> None:
        self.blocks = 0
        self._loop = loop
        self._limit_s = limit_s
        self._rare_log = RareLog(logger)
        self._is_stopped = False
        self._stopped = threading.Event()
        self._answered = threading.Event()
        self._thread_id = threading.get_ident()
        # How deep in the stack of that thread a callback of the loop begins; 0 until the loop has answered.
        self._depth = 0
        self._thread = threading.Thread(target=self._run, name="fastsio-watchdog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Watch no longer. From any thread; the watchdog's own ends soon after."""
        self._is_stopped = True
        self._stopped.set()
        self._answered.set()

    # --- in the loop -------------------------------------------------------------------------

    def _answer(self) -> None:
        """The sign of life. It also tells from where the loop makes its calls."""
        if not self._depth:
            frame: FrameType | None = sys._getframe().f_back
            while frame is not None:
                self._depth += 1
                frame = frame.f_back
        self._answered.set()

    # --- in the thread -----------------------------------------------------------------------

    def _run(self) -> None:
        self._answered.set()
        while not self._stopped.wait(self._limit_s / 2) and not self._loop.is_closed():
            # A loop that does not run has the last question still.
            if self._answered.is_set():
                self._answered.clear()
                try:
                    self._loop.call_soon_threadsafe(self._answer)
                except RuntimeError:  # closed just now
                    return
            self._look()

    def _look(self) -> None:
        """Wait for the answer; if there is none in time, say so, and how it ends."""
        asked_at, busy_s = time.monotonic(), time.process_time()
        if self._answered.wait(self._limit_s) or not self._is_watched():
            return
        waited_s = time.monotonic() - asked_at
        was_idle = time.process_time() - busy_s < BUSY_PART * waited_s
        # This thread, too, came late to its own turn: it is no handler's fault, if it is over now.
        stood_still = was_idle and waited_s > 2 * self._limit_s
        if stood_still and self._answered.wait(self._limit_s):
            self._rare_log.note("stood still", "the process stood still for about %.1f s", waited_s)
            return
        self._follow(asked_at)

    def _is_watched(self) -> bool:
        """A loop that was stopped, or is between two runs, is not blocked."""
        return self._loop.is_running() and not self._is_stopped

    def _follow(self, asked_at: float) -> None:
        self.blocks += 1
        seen = calls_of(self._thread_id, self._depth)
        subject, culprit = subject_of(seen), culprit_of(seen)
        told_at = time.monotonic()
        self._rare_log.note(
            subject, "the event loop has been blocked for %.1f s, and no client is served: %s\n%s",
            told_at - asked_at, culprit, stack_of(seen),
        )  # fmt: skip
        while not self._answered.wait(self._limit_s):
            if not self._is_watched():
                return
            if time.monotonic() - told_at >= AGAIN_S:
                told_at = time.monotonic()
                seen = calls_of(self._thread_id, self._depth)
                logger.warning(
                    "the event loop is blocked still, for %.1f s now: %s\n%s",
                    told_at - asked_at, culprit_of(seen), stack_of(seen),
                )  # fmt: skip
        if not self._is_stopped:
            self._rare_log.note(
                f"end: {subject}", "the event loop goes on after %.1f s: %s",
                time.monotonic() - asked_at, culprit,
            )  # fmt: skip


# A call that runs: its code, and the line that it is in.
Call = tuple[CodeType, int]


def calls_of(thread_id: int, depth: int) -> list[Call]:
    """What a thread is doing beyond the `depth` outermost calls, the outermost first; empty for compiled code."""
    frame = sys._current_frames().get(thread_id)
    calls: list[Call] = []
    while frame is not None:
        calls.append((frame.f_code, frame.f_lineno or 0))
        frame = frame.f_back
    calls.reverse()
    return calls[depth:]


def handler_of(calls: list[Call]) -> Call | None:
    """The outermost call that is not asyncio's or ours: the handler, or whatever else the application has there."""
    theirs = (call for call in calls if not call[0].co_filename.startswith(PLUMBING))
    return next(theirs, calls[0] if calls else None)


def subject_of(calls: list[Call]) -> str:
    """The same for whatever line it is in."""
    handler = handler_of(calls)
    return "" if handler is None else f"{handler[0].co_filename}:{handler[0].co_qualname}"


def culprit_of(calls: list[Call]) -> str:
    """Who blocks the loop, and where in it the innermost call is."""
    handler = handler_of(calls)
    if handler is None:
        return "by compiled code that no Python called: fastsio's, or the loop's own"
    innermost = calls[-1]
    if innermost == handler:
        return f"by {described(handler)}"
    return f"by {described(handler)}, in {described(innermost)}"


def described(call: Call) -> str:
    code, line = call
    return f"{code.co_qualname} ({code.co_filename}:{line})"


def stack_of(calls: list[Call]) -> str:
    """The innermost calls, one a line, the innermost last."""
    return "\n".join(f"    {described(call)}" for call in calls[-MAX_CALLS:])

"""Threads for the handlers of sync clients: as many as are busy, since a handler may wait for another one.

Idle threads are used again, and end after IDLE_S. All are daemons: a handler that hangs does not keep the process.
"""

import queue
import threading
from collections.abc import Callable
from typing import Any

IDLE_S = 10.0

Job = tuple[Callable[..., Any], tuple[Any, ...]]


class Workers:
    """submit() never waits. What a job raises is the job's own concern: it has to catch it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[queue.SimpleQueue[Job]] = []

    def submit(self, function: Callable[..., Any], *args: Any) -> None:
        """Run function(*args) in a thread, at once."""
        with self._lock:
            box = self._idle.pop() if self._idle else None
        if box is not None:
            box.put((function, args))
        else:
            threading.Thread(
                target=self._work, args=((function, args),), name="fastsio handler", daemon=True
            ).start()

    def _work(self, job: Job) -> None:
        box: queue.SimpleQueue[Job] = queue.SimpleQueue()
        while True:
            function, args = job
            function(*args)
            del function, args, job
            with self._lock:
                self._idle.append(box)
            try:
                job = box.get(timeout=IDLE_S)
            except queue.Empty:
                with self._lock:
                    if box in self._idle:
                        self._idle.remove(box)
                        return
                job = box.get()  # it was given to us in this very moment


shared_workers = Workers()

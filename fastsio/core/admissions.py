"""Guards at work: middleware and `connect` handlers that did not end at once, by the session whose client waits.

Each has connect_timeout seconds. A client that is in no namespace by then is sent away (Peer.never_joined); one that is
in another stays, and is refused by the one whose guard hangs.
"""

import asyncio
import logging
from typing import Any

logger = logging.getLogger("fastsio.core")


class Admissions:
    """Their tasks. They are cancelled when their client has been sent away for want of an answer."""

    def __init__(self) -> None:
        self._by_session: dict[Any, set[asyncio.Task[Any]]] = {}

    def __len__(self) -> int:
        """Of how many clients guards are at work."""
        return len(self._by_session)

    def add(self, session: Any, task: "asyncio.Task[Any]") -> None:
        """`task` asks whether the client of `session` may join a namespace."""
        self._by_session.setdefault(session, set()).add(task)
        deadline = Deadline(session, task)

        def ended(task: "asyncio.Task[Any]") -> None:
            deadline.drop()
            tasks = self._by_session[session]
            tasks.discard(task)
            if not tasks:
                del self._by_session[session]

        task.add_done_callback(ended)

    def cancel(self, session: Any, timeout_s: float) -> None:
        """`timeout_s` seconds were too few, and the client has gone.

        What hangs would stay for ever, and official clients come back: each time there would be more of it.
        """
        for task in self._by_session.get(session, ()):
            cancel_late(task, timeout_s)


class Deadline:
    """The time that one guard has, on the engine's wheel."""

    __slots__ = ("_session", "_task", "wheel_slot")

    def __init__(self, session: Any, task: "asyncio.Task[Any]") -> None:
        self.wheel_slot = None
        self._session = session
        self._task = task
        session.engine.wheel.add(self, session.engine.options.connect_timeout)

    def drop(self) -> None:
        """The guard has ended."""
        self._session.engine.wheel.remove(self)

    def on_due(self) -> float:
        if not self._task.done():
            cancel_late(self._task, self._session.engine.options.connect_timeout)
        return 0


def cancel_late(task: "asyncio.Task[Any]", timeout_s: float) -> None:
    """Cancel a guard that has had its time."""
    logger.warning(
        "guard cancelled, it did not admit its client within %s s (connect_timeout): %r",
        timeout_s, task.get_coro(),
    )  # fmt: skip
    task.cancel()

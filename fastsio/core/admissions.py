"""Guards at work: middleware and `connect` handlers that did not end at once, by the session whose client waits."""

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
        self._by_session.setdefault(session, set()).add(task)

        def ended(task: "asyncio.Task[Any]") -> None:
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
            logger.warning(
                "guard cancelled, it did not admit its client within %s s (connect_timeout): %r",
                timeout_s, task.get_coro(),
            )  # fmt: skip
            task.cancel()

"""Ending tasks for good: a cancellation may be swallowed, by asyncio.wait_for() before Python 3.12 for one."""

import asyncio
import logging
from collections.abc import Iterable
from typing import Any

logger = logging.getLogger("fastsio.adapters")

# So often it is cancelled, and so many seconds are between.
TIMES = 20
AGAIN_S = 0.1


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel them, and wait until they have ended."""
    pending = set(tasks)
    for _ in range(TIMES):
        if not pending:
            return
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=AGAIN_S)
    logger.error("tasks that can't be cancelled: %r", pending)

"""Whether what is published reaches all servers: after an outage they come back one by one, and Redis does not wait.

Only servers that share the outage are noticed. One that is cut off alone looks like one that has left; one whose
connection Redis still takes for a living one looks as if it were there.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

# Between two questions how many servers there are: while all is well, and while some are missing.
CALM_S = 1.0
SHORT_S = 0.1
# So often all must have been there, one question after the other: Redis may only just find out who has gone.
IN_A_ROW = 2
# So long after an outage a server that is missing may still come back; then it has left.
GRACE_S = 30.0


class Reach:
    """`is_short`: servers that were there before an outage are not back yet."""

    def __init__(
        self, count: Callable[[], Awaitable[int]], errors: tuple[type[Exception], ...]
    ) -> None:  # fmt: skip
        """count() says how many other servers there are; it may raise `errors`."""
        self.is_short = False
        self._count = count
        self._errors = errors
        self._most = 0
        self._times = 0
        self._until = 0.0
        self._changed = asyncio.Event()

    def changed(self, is_up: bool) -> None:
        """The connection has come or gone."""
        if is_up:
            self._until = asyncio.get_running_loop().time() + GRACE_S
        else:
            self.is_short = True
            self._until = float("inf")
        self._times = 0
        self._changed.set()

    async def watch(self) -> None:
        """Ask again and again, for ever."""
        while True:
            self._changed.clear()
            with contextlib.suppress(*self._errors):
                found = await self._count()
                if not self._changed.is_set():
                    self._take(found)
            with contextlib.suppress(TimeoutError):
                seconds = SHORT_S if self.is_short else CALM_S
                async with asyncio.timeout(seconds):
                    await self._changed.wait()

    def _take(self, found: int) -> None:
        """So many other servers are there now."""
        if not self.is_short:
            self._most = found
            return
        self._times = self._times + 1 if found >= self._most else 0
        if self._times >= IN_A_ROW or asyncio.get_running_loop().time() > self._until:
            self.is_short, self._most = False, found

"""Whether what is published reaches all servers: after an outage they come back one by one, and Redis does not wait.

Only servers that share the outage are noticed. One that is cut off alone looks like one that has left.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

# Between two questions how many servers there are: while all is well, and while some are missing.
CALM_S = 5.0
SHORT_S = 0.1
# So long after an outage a server that is missing may still come back; then it has left.
GRACE_S = 30.0


class Reach:
    """`is_short`: servers that were there before an outage are not back yet."""

    def __init__(
        self, count: Callable[[], Awaitable[int]], errors: tuple[type[Exception], ...]
    ) -> None:
        """count() says how many other servers there are; it may raise `errors`."""
        self.is_short = False
        self._count = count
        self._errors = errors
        self._most = 0
        self._changed = asyncio.Event()

    def changed(self, is_up: bool) -> None:
        """The connection has come or gone."""
        if not is_up:
            self.is_short = True
        self._changed.set()

    async def watch(self) -> None:
        """Ask again and again, for ever."""
        loop = asyncio.get_running_loop()
        until = 0.0
        while True:
            if self._changed.is_set():
                self._changed.clear()
                until = loop.time() + GRACE_S
            with contextlib.suppress(*self._errors):
                found = await self._count()
                if not self.is_short or found >= self._most or loop.time() > until:
                    self.is_short, self._most = False, found
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), SHORT_S if self.is_short else CALM_S)

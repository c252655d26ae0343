"""Log lines about what may happen very often, such as what a flood of packets makes happen: few of them.

Knows nothing of Socket.IO, imports nothing of fastsio.
"""

import logging
import time
from collections.abc import Callable

# Between two lines about the same thing.
INTERVAL_S = 10.0


class RareLog:
    """Writes the first line about a subject at once, then at most one in `interval_s` seconds, with how many more.

    What happens after a line and is not followed by anything later is in `counts`, but in no line.
    """

    def __init__(
        self, logger: logging.Logger, now: Callable[[], float] = time.monotonic, interval_s: float = INTERVAL_S
    ) -> None:  # fmt: skip
        """`now` gives seconds, of whatever clock."""
        self.counts: dict[str, int] = {}
        self._logger = logger
        self._now = now
        self._interval_s = interval_s
        # By subject: when the last line was written, and what count it told.
        self._told: dict[str, tuple[float, int]] = {}

    def note(self, subject: str, text: str, *args: object, count: int = 1) -> None:
        """`count` more of `subject` have happened; `text % args` is what a line about it says."""
        total = self.counts[subject] = self.counts.get(subject, 0) + count
        last = self._told.get(subject)
        now = self._now()
        if last is not None and now - last[0] < self._interval_s:
            return
        self._told[subject] = (now, total)
        if last is None:
            self._logger.warning(text, *args)
        else:
            more = total - last[1]
            self._logger.warning(f"{text} (%d since the last such line)", *args, more)  # noqa: G004

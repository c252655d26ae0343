"""File descriptors: the last ones that a process may have are not for new clients.

Without that the application can open nothing any more, a log file or a database connection, when too many clients have
come, and the event loops differ in what they do where accept() fails. Source: getrlimit(2), RLIMIT_NOFILE.
"""

from typing import Any

from fastsio._stream import keep_descriptors
from fastsio.rarely import RareLog

try:
    import resource
except ImportError:  # Windows has no such limit
    resource = None  # type: ignore[assignment]

# How many are kept, of few an eighth.
RESERVE = 64
NO_LIMIT = 2**31 - 1
RETRY_AFTER_S = 5


class Descriptors:
    """Refuses connections that take one of the last descriptors: with 503, and where even those run out without.

    The soft limit counts; one that is raised while the server runs is seen.
    """

    def __init__(self, log: RareLog) -> None:
        self._log = log
        self.limit = NO_LIMIT
        self.reserve = 0
        self.look()

    def look(self) -> None:
        """Read the limit."""
        soft = -1 if resource is None else resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self.limit = soft if 0 <= soft < NO_LIMIT else NO_LIMIT
        self.reserve = min(RESERVE, self.limit // 8)
        keep_descriptors(self.limit - self.reserve - 1)

    def refuse(self, conn: Any, fd: int) -> None:
        """`conn` has one of the last descriptors, unless there are more by now."""
        self.look()
        left = self.limit - fd - 1
        if left >= self.reserve:
            return
        self._log.note(
            "descriptors", "client from %s refused: %d of %d file descriptors are left, which are kept for the "
            "application (RLIMIT_NOFILE, `ulimit -n`)", conn.remote, left, self.limit,
        )  # fmt: skip
        if left >= self.reserve // 2:
            conn.respond(503, [("Retry-After", str(RETRY_AFTER_S))], b"", keep_alive=False)
        else:  # what has to be closed in good order takes its time, and a descriptor
            conn.abort()

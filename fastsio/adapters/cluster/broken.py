"""What came from other servers and is no message: counted, and told in the log without what is in it.

A message may be large and hold what nobody else may read, so a line has its size and not its content, nor the text of
an error, which may quote it.
"""

import logging

from fastsio.adapters.protocol.messages import Message
from fastsio.logged import one_line
from fastsio.rarely import RareLog

logger = logging.getLogger("fastsio.adapters")


class Broken:
    """Of one server. Many in a row have few lines."""

    def __init__(self) -> None:
        self._rarely = RareLog(logger)

    @property
    def count(self) -> int:
        """How many there were."""
        return sum(self._rarely.counts.values())

    def bytes_came(self, where: bytes | str, size: int, error: Exception) -> None:
        """What cannot be read; `where`: the channel, or the place in the stream."""
        place = where.decode(errors="replace") if isinstance(where, bytes) else where
        text = "no message of a server, on %s: %d bytes (%s)"
        self._rarely.note("bytes", text, one_line(place), size, type(error).__name__)

    def message_came(self, message: Message, error: Exception) -> None:
        """What can be read, and not be done."""
        shown = (one_line(message.uid)[:40], one_line(message.nsp), len(repr(message)))
        kind = message.kind.name
        text = f"{kind} of server %s in %s is no message: %d characters (%s)"
        self._rarely.note(kind, text, *shown, type(error).__name__)

"""What is emitted to everyone while a client is asked about: it gets it with its admission, or never.

python-socketio sends it at once, to whoever has begun to connect. Here the client hears what an application says in
its connect handler, or others say meanwhile, in front of the answer to its connect, and who is refused hears nothing.
"""

from fastsio._encoded import Encoded


class Held:
    """The packets of one client, in order. Over `max_bytes` nothing more is kept."""

    __slots__ = ("_max_bytes", "bytes", "packets")

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self.bytes = 0
        # And whether it was for this client alone: that is sent also to who is refused.
        self.packets: list[tuple[Encoded, bool]] = []

    def add(self, encoded: Encoded, is_direct: bool) -> bool:
        """Keep a packet; False, and all are dropped, when there are too many."""
        self.bytes += encoded.size
        if self.bytes > self._max_bytes:
            self.packets.clear()
            return False
        self.packets.append((encoded, is_direct))
        return True

"""Pipe: one channel that all servers of a cluster write to and hear, whatever carries it."""

from collections.abc import Callable
from typing import Any

# What a pipe is given: bytes or text, or a dict where the transport has read the JSON already.
Took = Callable[[Any], None]


class Pipe:
    """Everything is called on the loop of the server's engine.

    A pipe connects again by itself; messages of one sender come in their order. What can't be sent meanwhile is lost.
    """

    @property
    def lost(self) -> int:
        """How many messages could not be sent."""
        return 0

    @property
    def waiting(self) -> int:
        """How many wait to be sent, as far as it is known."""
        return 0

    @property
    def is_behind(self) -> bool:
        """Whether any wait, or are on their way."""
        return False

    async def start(self, took: Took, changed: Callable[[bool], None]) -> None:
        """Return when messages come and go, which is tried until it works.

        took(message): one has come; changed(is_up): the connection comes or goes.
        """
        raise NotImplementedError

    async def stop(self) -> None:
        """Send what waits, if there is a connection, and close it."""
        raise NotImplementedError

    def send(self, data: bytes) -> None:
        """Send a message behind those that were given before. Never blocks."""
        raise NotImplementedError

"""The end of a server's clients without a wave: closed one slice after the other, who is at work last.

A client that is closed connects again within a second or so, to another process or to the next one here. Ten thousand
at once are a load that no server has in normal times; spread over some seconds they are not. Source: lame-duck states
of load-balanced servers; RFC 9112 9.6 (closing idle connections).
"""

import asyncio
import contextlib
import itertools
from typing import Any

from fastsio._conn import Conn
from fastsio.server import SHUTDOWN_REASON, Server

# Between two slices: 10,000 clients over 10 s are 100 a slice, some milliseconds of work.
SLICE_S = 0.1
# How long a connection that was accepted may take to say what it wants, before it is closed for nothing.
FRESH_S = 1.0


class Drain:
    """Closes the clients of `server`, spread evenly over `seconds`: `await run()`.

    Clients whose event handlers are at work are passed over, so that their answers arrive, until the time is up. Who
    comes meanwhile (see passing.Doorman) is closed in its turn. Who is at work when run() returns, after `seconds` at
    the latest, is left to Server.close().
    """

    def __init__(self, server: Server, seconds: float) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._ends_at = self._loop.time() + seconds
        self._fresh_until = self._loop.time() + min(FRESH_S, seconds)
        self._hurry = asyncio.Event()
        self.closed = 0

    def hurry(self) -> None:
        """Let run() return now."""
        self._hurry.set()

    async def run(self) -> None:
        """Returns when nobody is left, or the time is up."""
        # Counts what is due but not yet a whole client.
        due = 0.0
        while not self._hurry.is_set():
            left_s = self._ends_at - self._loop.time()
            sessions = self._server.own_sessions()
            open_ones = [session for session in sessions if session.is_open]
            if left_s <= 0 or not (sessions or self._has_fresh()):
                self._close(open_ones, len(open_ones))
                return
            due += max(0.0, len(open_ones) - due) * min(1.0, SLICE_S / left_s)
            due -= self._close(open_ones, int(due))
            await self._wait(min(SLICE_S, left_s))

    def _close(self, sessions: list[Any], count: int) -> int:
        """Close so many of those that are idle, polling ones first; returns how many."""
        # A client that polls may open a connection for each request, and those come here no longer.
        polling = (one for one in sessions if one.polling is not None and not is_at_work(one))
        others = (one for one in sessions if one.polling is None and not is_at_work(one))
        # All are chosen before the first is closed, which changes what is asked here.
        chosen = list(itertools.islice(itertools.chain(polling, others), count))
        for session in chosen:
            close_for_good(session)
        self.closed += len(chosen)
        return len(chosen)

    def _has_fresh(self) -> bool:
        """Whether a connection was accepted whose first request is not here yet."""
        return self._loop.time() < self._fresh_until and any(
            isinstance(conn, Conn) and not conn.has_served for conn in self._server.connections
        )

    async def _wait(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._hurry.wait(), seconds)


def is_at_work(session: Any) -> bool:
    """Whether a handler of the client's events has begun and not ended; with Engine.IO alone, of its messages."""
    if session.at_work or getattr(session.handler, "at_work", 0):
        return True
    line = getattr(session.handler, "line", None)
    return line is not None and bool(line.is_at_work)


def close_for_good(session: Any) -> None:
    """End a session, behind what was sent to it; the connection of its poll takes no further request."""
    polling = session.polling
    if polling is not None and isinstance(polling.held, Conn):
        polling.held.retire()
    session.close(SHUTDOWN_REASON, reason=SHUTDOWN_REASON)

"""What a server has for Redis: commands, sent in their order, one pipeline after the other.

A command that fails with its connection may have been done or not. One that must not be done twice is lost then, and
counted; one that must not be lost waits, and is sent again once it is known not to have been done.
"""

import asyncio
import contextlib
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from fastsio.adapters.redis_connection.reach import Reach
from fastsio.adapters.redis_connection.wire import RedisBatches
from fastsio.rarely import RareLog

logger = logging.getLogger("fastsio.adapters")

FIRST_RETRY_S = 0.1
LAST_RETRY_S = 5.0
MAX_WAITING = 10_000
MAX_WAITING_BYTES = 64 * 1024 * 1024
# Commands in one pipeline: what is lost, or in doubt, together.
BATCH = 1000
# What a command costs besides its payload: the tuple, the strings, the place in the queue.
COMMAND_BYTES = 200

Command = tuple[Any, ...]


class Entry(NamedTuple):
    """A command that waits. `size`: bytes; `is_kept`: it is sent again if its connection breaks.

    `is_counted`: it is missed where it is lost.
    """

    command: Command
    size: int
    is_kept: bool
    is_counted: bool


class RedisQueue:
    """`lost`: commands that were not done, or are not known to have been; `count` and `bytes`: what waits.

    check(commands) says which of those in doubt were not done, in their order; it may raise what Redis raises.
    wait_for_up(seconds) waits until Redis seems to be there, at most so long.
    """

    def __init__(
        self, client: Any, errors: tuple[type[Exception], ...], passing: tuple[type[Exception], ...],
        wait_for_up: Callable[[float], Awaitable[Any]], most: int = MAX_WAITING, most_bytes: int = MAX_WAITING_BYTES,
        answer_s: float | None = None,
    ) -> None:  # fmt: skip
        self.lost = 0
        self.count = 0
        self.bytes = 0
        # Whether what is published gets to all servers; None: nobody knows.
        self.reach: Reach | None = None
        self.check: Callable[[list[Command]], Awaitable[list[Command]]] | None = None
        self._client = client
        self._batches = RedisBatches(client, answer_s)
        self._errors = errors
        # Answers of a Redis that will take the command later, or is the wrong one now.
        self._passing = passing
        self._wait_for_up = wait_for_up
        self._most = most
        self._most_bytes = most_bytes
        self._waiting: deque[Entry] = deque()
        self._doubtful: list[Entry] = []
        self._wakes = asyncio.Event()
        self._all_sent = asyncio.Event()
        self._all_sent.set()
        self._log = RareLog(logger)

    @property
    def is_behind(self) -> bool:
        """Whether anything waits or is on its way."""
        return not self._all_sent.is_set()

    def put(self, command: Command, is_kept: bool = False, is_counted: bool = True) -> None:
        """Send a command behind those that were given before; its last argument is the payload. Never blocks.

        Over the bounds it is lost.
        """
        size = len(command[-1]) + COMMAND_BYTES
        if self.count >= self._most or self.bytes + size > self._most_bytes:
            self._lose(int(is_counted), "too much waits for Redis: messages are lost")
            return
        self.count += 1
        self.bytes += size
        self._waiting.append(Entry(command, size, is_kept, is_counted))
        self._all_sent.clear()
        self._wakes.set()

    async def flush(self, seconds: float) -> None:
        """Wait until all is sent, at most so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._all_sent.wait()

    async def abandon(self) -> None:
        """Nothing is sent any more: what waits is lost."""
        left = sum(entry.is_counted for entry in (*self._waiting, *self._doubtful))
        if left:
            self._lose(left, "the server ends: %d messages for Redis are lost", left)
        self.count = self.bytes = 0
        self._waiting.clear()
        self._doubtful.clear()
        await self._batches.close()

    def _lose(self, count: int, text: str, *args: object) -> None:
        self.lost += count
        self._log.note(text, text, *args, count=count)

    # --- sending -----------------------------------------------------------------------------

    async def run(self) -> None:
        """Send what comes, for ever."""
        while True:
            await self._wakes.wait()
            self._wakes.clear()
            delay_s = FIRST_RETRY_S
            while self._waiting or self._doubtful:
                if await self._step():
                    delay_s = FIRST_RETRY_S
                else:
                    await asyncio.sleep(FIRST_RETRY_S)
                    await self._wait_for_up(delay_s * random.uniform(0.5, 1))
                    delay_s = min(2 * delay_s, LAST_RETRY_S)
            self._all_sent.set()

    async def _step(self) -> bool:
        """Send a batch, or find out about one; False if Redis is not there."""
        try:
            if self._doubtful:
                await self._clear_up()
                return True
            count = min(len(self._waiting), BATCH)
            return await self._send([self._waiting.popleft() for _ in range(count)])
        except self._errors as error:
            self._log.note("away", "Redis: messages wait: %s", said(error))
            return False

    async def _send(self, batch: list[Entry]) -> bool:
        try:
            # Who waits for a stream gets what was added as one in one answer: else the first entry, and then the rest.
            is_one = len(batch) > 1 and all(entry.is_kept for entry in batch)
            answers = await self._batches.ask([entry.command for entry in batch], is_one)
        except Exception as error:
            if not isinstance(error, self._errors):  # the next are sent all the same
                logger.exception("Redis: messages could not be sent")
            self._failed(batch, error)
            return False
        refused: list[Entry] = []
        for entry, answer in zip(batch, answers, strict=True):
            if not isinstance(answer, Exception):
                self._done(entry)
                is_short = self.reach is not None and self.reach.is_short
                if is_short and entry.is_counted and not entry.is_kept:
                    self._lose(1, "not all servers are back: messages may be lost to some of them")
            elif entry.is_kept and isinstance(answer, self._passing):
                refused.append(entry)
            else:
                self._done(entry)
                self._lose(
                    entry.is_counted, "Redis refuses a message, which is lost: %s", said(answer)
                )
        if not refused:
            return True
        # It was not done, so there is no doubt; perhaps another Redis is at that address soon.
        self._waiting.extendleft(reversed(refused))
        self._log.note("refused", "Redis takes %d messages not yet", len(refused))
        await self._batches.close()
        await self._client.connection_pool.disconnect()
        return False

    def _failed(self, batch: list[Entry], error: Exception) -> None:
        """Whether these were done is not known: what comes twice is worse than what does not come."""
        lost = 0
        for entry in batch:
            if entry.is_kept:
                self._doubtful.append(entry)
            else:
                self._done(entry)
                lost += entry.is_counted
        if lost:
            self._lose(lost, "Redis: messages are lost: %s", said(error))
        if self._doubtful:
            self._log.note("kept", "Redis: %d messages wait: %s", len(self._doubtful), said(error))

    async def _clear_up(self) -> None:
        """Put those back that were not done."""
        commands = [entry.command for entry in self._doubtful]
        left = commands if self.check is None else await self.check(commands)
        again = {id(command) for command in left}
        doubtful, self._doubtful = self._doubtful, []
        for entry in reversed(doubtful):
            if id(entry.command) in again:
                self._waiting.appendleft(entry)
            else:
                self._done(entry)

    def _done(self, entry: Entry) -> None:
        self.count -= 1
        self.bytes -= entry.size


def said(error: Exception) -> str:
    """An error with its text, which redis-py's repr() leaves out."""
    return f"{type(error).__name__}: {error}"

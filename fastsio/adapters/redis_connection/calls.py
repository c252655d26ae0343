"""Commands to Redis whose answers are wanted, in order and many at a time: a crowd of them takes one connection."""

import asyncio
from typing import Any

from fastsio.adapters.redis_connection.ending import end
from fastsio.adapters.redis_connection.link import RedisLink
from fastsio.adapters.redis_connection.wire import RedisBatches

# What goes in one batch, and what may wait for one.
AT_ONCE = 500
MAX_WAITING = 100_000

Call = tuple[list[tuple[Any, ...]], "asyncio.Future[Any]"]


class RedisCalls:
    """Answers are as Redis gives them: bytes, int, None or lists of these. What fails is not tried again."""

    def __init__(self, link: RedisLink) -> None:
        self._errors = link.errors
        self._batches = RedisBatches(link.client, link.silence_s)
        self._waiting: list[Call] = []
        self._running: asyncio.Task[None] | None = None

    def do(self, *command: Any) -> "asyncio.Future[Any]":
        """Send a command behind those that were given before; its answer, or what it has failed with."""
        return self._add([command])

    def do_as_one(self, *commands: tuple[Any, ...]) -> "asyncio.Future[Any]":
        """MULTI, the commands, EXEC: the list of their answers."""
        return self._add([("MULTI",), *commands, ("EXEC",)])

    def _add(self, commands: list[tuple[Any, ...]]) -> "asyncio.Future[Any]":
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if len(self._waiting) >= MAX_WAITING:
            answer.set_exception(OSError(f"{MAX_WAITING} commands wait for Redis already"))
            return answer
        self._waiting.append((commands, answer))
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return answer

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
                await self._send(batch)
        finally:
            self._running = None

    async def _send(self, batch: list[Call]) -> None:
        answers: list[Any]
        try:
            answers = await self._batches.ask([one for commands, _ in batch for one in commands])
        except self._errors as error:
            answers = [error] * sum(len(commands) for commands, _ in batch)
        except asyncio.CancelledError:
            for _, future in batch:
                future.cancel()
            raise
        at = 0
        for commands, future in batch:
            at += len(commands)
            answer = answers[at - 1]
            if future.done():  # nobody waits for it any more
                continue
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)

    async def stop(self, seconds: float) -> None:
        """Wait that long for the answers that are due; cancel those that have not come by then."""
        if self._running is not None:
            await asyncio.wait([self._running], timeout=seconds)
        if self._running is not None:
            await end([self._running])
        waiting, self._waiting = self._waiting, []
        for _, future in waiting:
            future.cancel()
        await self._batches.close()

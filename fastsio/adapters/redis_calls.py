"""Commands to Redis whose answers are wanted, in order and many at a time: a crowd of them takes one connection."""

import asyncio
import importlib
from typing import Any

from fastsio.adapters.redis_link import require_redis

# What goes in one pipeline, and what may wait for one.
AT_ONCE = 500
MAX_WAITING = 100_000


def at_once(options: dict[str, Any]) -> dict[str, Any]:
    """redis-py's options, with those of a client that fails soon: after one attempt on a connection made anew.

    By itself redis-py goes on for seconds, and what was asked meanwhile waits behind that.
    """
    retry = require_redis().retry.Retry
    backoff = importlib.import_module("redis.backoff").NoBackoff
    return {"retry": retry(backoff(), 1), **options}


class RedisCalls:
    """`client`: redis.asyncio's; `errors`: what it raises when Redis can't be reached."""

    def __init__(self, client: Any, errors: tuple[type[Exception], ...]) -> None:
        self._client = client
        self._errors = errors
        self._waiting: list[tuple[list[tuple[Any, ...]], asyncio.Future[Any]]] = []
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

    async def _send(
        self, batch: "list[tuple[list[tuple[Any, ...]], asyncio.Future[Any]]]"
    ) -> None:  # fmt: skip
        answers: list[Any]
        pipeline = self._client.pipeline(transaction=False)
        for commands, _ in batch:
            for command in commands:
                pipeline.execute_command(*command)
        try:
            answers = await pipeline.execute(raise_on_error=False)
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
        """Wait that long for the answers that are due; fail what has none by then."""
        if self._running is not None:
            await asyncio.wait([self._running], timeout=seconds)
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])
        waiting, self._waiting = self._waiting, []
        for _, future in waiting:
            future.cancel()

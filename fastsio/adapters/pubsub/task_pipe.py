"""TaskPipe: libraries for asyncio, as a Pipe: one task publishes, one listens."""

import asyncio
import contextlib
import logging
import random
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from fastsio.adapters.pubsub.pipe import Pipe, Took
from fastsio.rarely import RareLog

logger = logging.getLogger("fastsio.adapters")

FIRST_RETRY_S = 0.1
LAST_RETRY_S = 10.0
# What waits to be published; more than that is lost.
MAX_WAITING = 10_000
# How long stop() waits for what is not published yet.
STOP_S = 2.0


class TaskPipe(Pipe):
    """publish(data) sends one message or raises; listen() yields what comes, for ever.

    at_a_time: how many calls of publish() may wait together, where those that begin in an order are sent in that.
    tells: listen() yields None when it is subscribed; otherwise that counts from its beginning. If it raises, it is
    called again, after 0.1 to 10 seconds. listen=None: nothing is heard. close() lets go of what publish() has opened.
    """

    def __init__(
        self, publish: Callable[[bytes], Awaitable[None]], listen: Callable[[], AsyncIterator[Any]] | None,
        name: str, close: Callable[[], Awaitable[None]], tells: bool = False, at_a_time: int = 1,
    ) -> None:  # fmt: skip
        self._publish = publish
        self._close = close
        self._listen = listen
        self._name = name
        self._tells = tells
        self._at_a_time = at_a_time
        self._waiting: deque[bytes] = deque()
        self._wakes = asyncio.Event()
        self._all_sent = asyncio.Event()
        self._all_sent.set()
        self._lost = 0
        self._is_up = False
        self._log = RareLog(logger)
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def lost(self) -> int:
        return self._lost

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def is_behind(self) -> bool:
        return not self._all_sent.is_set()

    async def start(self, took: Took, changed: Callable[[bool], None]) -> None:
        self._took, self._changed = took, changed
        self._ready = asyncio.Event()
        self._tasks = [asyncio.create_task(self._keep_publishing())]
        if self._listen is None:
            self._tell(True)
        else:
            self._tasks.append(asyncio.create_task(self._keep_listening()))
        await self._ready.wait()

    async def stop(self) -> None:
        if self._is_up:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._all_sent.wait(), STOP_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        self._is_up = False
        try:
            await self._close()
        except Exception as error:  # noqa: BLE001 - of any library: the connection is gone, one way or the other
            logger.warning("%s: %r while its connection was closed", self._name, error)

    # --- out ---------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        if len(self._waiting) >= MAX_WAITING:
            self._lost += 1
            return
        self._waiting.append(data)
        self._all_sent.clear()
        self._wakes.set()

    async def _keep_publishing(self) -> None:
        while True:
            await self._wakes.wait()
            self._wakes.clear()
            while self._waiting:
                count = min(len(self._waiting), self._at_a_time)
                batch = [self._publish(self._waiting.popleft()) for _ in range(count)]
                failed = [
                    one
                    for one in await asyncio.gather(*batch, return_exceptions=True)
                    if isinstance(one, BaseException)
                ]
                if failed:
                    self._lost += len(failed)
                    self._log.note(
                        "lost",
                        "%s: messages are lost: %r",
                        self._name,
                        failed[0],
                        count=len(failed),
                    )
                    await asyncio.sleep(FIRST_RETRY_S)
            self._all_sent.set()

    # --- in ----------------------------------------------------------------------------------

    async def _keep_listening(self) -> None:
        delay_s = FIRST_RETRY_S
        while True:
            try:
                await self._hear()
                error: Exception = ConnectionError("it has ended")
            except Exception as caught:  # noqa: BLE001 - of any library: logged below
                error = caught
            delay_s = FIRST_RETRY_S if self._is_up else min(2 * delay_s, LAST_RETRY_S)
            logger.warning("%s: nothing is heard, again in %.1f s: %r", self._name, delay_s, error)
            self._tell(False)
            await asyncio.sleep(delay_s * random.uniform(0.5, 1))

    async def _hear(self) -> None:
        assert self._listen is not None
        if not self._tells:
            self._tell(True)
        async with contextlib.aclosing(self._listen()) as came:  # type: ignore[type-var]
            async for message in came:
                if message is None:
                    self._tell(True)
                else:
                    self._took(message)

    def _tell(self, is_up: bool) -> None:
        if is_up:
            self._ready.set()
        if is_up != self._is_up:
            self._is_up = is_up
            self._changed(is_up)

"""A server's connections to Redis: what is published goes out in order, what comes in is given away; both come back.

On redis-py (the extra `redis`), imported when a link is made.
"""

import asyncio
import contextlib
import logging
import random
from collections import deque
from collections.abc import Callable
from typing import Any

from fastsio.adapters.redis_url import connect

logger = logging.getLogger("fastsio.adapters")

FIRST_RETRY_S = 0.1
LAST_RETRY_S = 10.0
# A subscription from which nothing came for so long is asked, and is deaf if it does not answer for as long again.
ASK_S = 5.0
# What waits for a connection that is being made; more than that is lost.
MAX_WAITING = 10_000

Command = tuple[Any, ...]


def require_redis() -> Any:
    """redis.asyncio. Raises ImportError if it is not installed."""
    try:
        import redis.asyncio
    except ImportError:
        raise ImportError(
            'the Redis adapters need redis-py: pip install "fastsio[redis]"'
        ) from None
    return redis.asyncio


class RedisLink:
    """`is_up`: the subscription works. `lost`: commands that could not be sent, and are not sent again.

    resends: they are, for as long as it takes and MAX_WAITING have room; then one may be done twice.

    channels and patterns are what is subscribed; sharded: by SSUBSCRIBE (Redis 7). on_message(channel, data) is called
    with bytes, in the order in which they come; on_state(is_up) when the subscription comes or goes. url, service: see
    redis_url.connect().
    """

    def __init__(
        self, url: str, on_message: Callable[[bytes, bytes], None], on_state: Callable[[bool], None],
        sharded: bool = False, options: dict[str, Any] | None = None, resends: bool = False, service: str = "",
    ) -> None:  # fmt: skip
        redis = require_redis()
        # Neither a read that waits for hours nor a dead server is told by a time-out of redis-py's.
        given = {"socket_timeout": None, "socket_connect_timeout": 5.0, **(options or {})}
        self.errors = (redis.RedisError, OSError)
        self.client = connect(redis, url, given, service)
        self.is_up = False
        self.lost = 0
        self.channels: set[str] = set()
        self.patterns: set[str] = set()
        self._on_message = on_message
        self._on_state = on_state
        self._resends = resends
        self._shard = "s" if sharded else ""
        self._waiting: deque[Command] = deque()
        self._wakes = asyncio.Event()
        self._all_sent = asyncio.Event()
        self._all_sent.set()
        self._up = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._pubsub: Any = None

    async def start(self) -> None:
        """Connect, and return when the subscription works; that is tried until it does."""
        self._tasks = [
            asyncio.create_task(self._keep_listening()),
            asyncio.create_task(self._keep_sending()),
        ]
        await self._up.wait()

    async def stop(self) -> None:
        """Send what waits, if there is a connection, and close both."""
        if self.is_up:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._all_sent.wait(), 1)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        await self.client.aclose()

    @property
    def is_behind(self) -> bool:
        """Whether commands wait to be sent."""
        return not self._all_sent.is_set()

    # --- out ---------------------------------------------------------------------------------

    def send(self, *command: Any) -> None:
        """Send a command behind those that were given before; its answer is not wanted. Never blocks."""
        if len(self._waiting) >= MAX_WAITING:
            self.lost += 1
            return
        self._waiting.append(command)
        self._all_sent.clear()
        self._wakes.set()

    async def _keep_sending(self) -> None:
        while True:
            await self._wakes.wait()
            self._wakes.clear()
            while self._waiting:
                await self._send_all([self._waiting.popleft() for _ in range(len(self._waiting))])
            self._all_sent.set()

    async def _send_all(self, commands: list[Command]) -> None:
        pipeline = self.client.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        try:
            await pipeline.execute(raise_on_error=False)
        except self.errors as error:
            # Whether they came is not known: what is sent twice is worse for pub/sub than what is not sent.
            if self._resends:
                self._waiting.extendleft(reversed(commands))
            else:
                self.lost += len(commands)
            what = "wait" if self._resends else "are lost"
            logger.warning("Redis: %d messages %s: %r", len(commands), what, error)
            await asyncio.sleep(FIRST_RETRY_S)

    # --- in ----------------------------------------------------------------------------------

    def subscribe(self, *channels: str) -> None:
        """Hear of these channels from now on, and again after each reconnect."""
        self._change(self.channels.update, channels, f"{self._shard}subscribe")

    def unsubscribe(self, *channels: str) -> None:
        """Hear of them no longer."""
        self._change(self.channels.difference_update, channels, f"{self._shard}unsubscribe")

    def psubscribe(self, *patterns: str) -> None:
        self._change(self.patterns.update, patterns, "psubscribe")

    def punsubscribe(self, *patterns: str) -> None:
        self._change(self.patterns.difference_update, patterns, "punsubscribe")

    def _change(self, note: Callable[[Any], Any], names: tuple[str, ...], command: str) -> None:
        note(names)
        if self.is_up and names:
            task = asyncio.ensure_future(self._tell(command, names))
            self._tasks.append(task)
            task.add_done_callback(self._tasks.remove)

    async def _tell(self, command: str, names: tuple[str, ...]) -> None:
        # A connection that breaks now subscribes to all of them when it is back.
        with contextlib.suppress(*self.errors):
            await getattr(self._pubsub, command)(*names)

    async def _keep_listening(self) -> None:
        delay_s = FIRST_RETRY_S
        while True:
            try:
                await self._listen()
            except self.errors as error:
                was_up = self.is_up
                self._set_up(False)
                delay_s = FIRST_RETRY_S if was_up else min(2 * delay_s, LAST_RETRY_S)
                logger.warning("Redis: no subscription, again in %.1f s: %r", delay_s, error)
            await asyncio.sleep(delay_s * random.uniform(0.5, 1))

    async def _listen(self) -> None:
        """Subscribe to everything and give away what comes, until the connection breaks."""
        # Idle connections of before are dead too: what is sent when it is up again must not find that out.
        await self.client.connection_pool.disconnect(inuse_connections=False)
        self._pubsub = pubsub = self.client.pubsub()
        try:
            if self.patterns:
                await pubsub.psubscribe(*self.patterns)
            if self.channels:
                await getattr(pubsub, f"{self._shard}subscribe")(*self.channels)
            await pubsub.ping()
            is_asked = True
            while True:
                message = await pubsub.get_message(timeout=ASK_S)
                if message is None:
                    if is_asked:
                        raise ConnectionError("the subscription does not answer")
                    await pubsub.ping()
                    is_asked = True
                    continue
                is_asked = False
                if message["type"] in ("message", "pmessage", "smessage"):
                    self._on_message(message["channel"], message["data"])
                elif not self.is_up:
                    # Answers come in the order of the commands: the ping's is the last.
                    self._set_up(message["type"] == "pong")
        finally:
            await pubsub.aclose()

    def _set_up(self, is_up: bool) -> None:
        if is_up == self.is_up:
            return
        self.is_up = is_up
        if is_up:
            self._up.set()
        else:
            self._up.clear()
        self._on_state(is_up)

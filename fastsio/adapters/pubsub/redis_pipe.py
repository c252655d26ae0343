"""RedisPipe: one channel of Redis' publish and subscribe."""

import secrets
from collections.abc import Callable
from typing import Any

from fastsio.adapters.pubsub.pipe import Pipe, Took
from fastsio.adapters.redis_connection.link import RedisLink


class RedisPipe(Pipe):
    """What is published while there is no connection is lost, and counted. options: redis-py's keyword arguments.

    URLs: see redis_connection/url.py; Sentinels are asked for the channel's name where the URL has no service, as
    python-socketio does. Raises ImportError without redis-py, ValueError for a URL that is none.
    """

    def __init__(
        self, url: str, channel: str, options: dict[str, Any] | None = None, write_only: bool = False
    ) -> None:  # fmt: skip
        self._channel = channel
        self._took: Took = lambda data: None
        self._changed: Callable[[bool], None] = lambda is_up: None
        self._link = RedisLink(
            url, lambda _, data: self._took(data), lambda is_up: self._changed(is_up),
            options=options, service=channel,
        )  # fmt: skip
        # By one that is nobody else's it is noticed that a subscription is deaf, also by who does not listen.
        self._link.own_channel = own = f"{channel} {secrets.token_hex(8)}"
        self._link.subscribe(*((own,) if write_only else (own, channel)))

    @property
    def lost(self) -> int:
        return self._link.queue.lost

    @property
    def waiting(self) -> int:
        return self._link.queue.count

    @property
    def is_behind(self) -> bool:
        return self._link.queue.is_behind

    async def start(self, took: Took, changed: Callable[[bool], None]) -> None:
        self._took, self._changed = took, changed
        await self._link.start()

    async def stop(self) -> None:
        await self._link.stop()

    def send(self, data: bytes) -> None:
        self._link.send("PUBLISH", self._channel, data)

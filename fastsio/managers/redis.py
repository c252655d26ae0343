"""AsyncRedisManager and RedisManager: servers joined by Redis, Valkey or what Sentinels name, through redis-py.

Signatures: python-socketio 5.18's. Needs the extra `redis`, whatever the URL: redis-py speaks with Valkey too.
"""

import asyncio
import threading
from typing import Any

from fastsio.adapters.pubsub.pipe import Pipe
from fastsio.adapters.pubsub.redis_pipe import RedisPipe
from fastsio.adapters.redis_connection.link import require_redis
from fastsio.adapters.redis_connection.url import connect
from fastsio.managers.pubsub import AsyncPubSubManager, PubSubManager

URL = "redis://localhost:6379/0"


def _defaults(retry: Any) -> dict[str, Any]:
    """What redis_options need not say: a Redis that stands still must not keep a script for ever.

    Nor does redis-py try again by itself: each time a message may have been sent already.
    """
    from redis.backoff import NoBackoff

    return {"socket_timeout": 10.0, "socket_connect_timeout": 5.0, "retry": retry(NoBackoff(), 0)}


class RedisManager(PubSubManager):
    """`Server(client_manager=RedisManager("redis://"))`, or `RedisManager(url, write_only=True).emit(…)` from anywhere.

    url: redis://, rediss://, unix://, valkey://, valkeys://, or redis+sentinel://host:port,host:port/db/service.
    redis_options: keyword arguments of redis-py's Redis.from_url() or Sentinel(). The rest: see PubSubManager. Raises
    ImportError without redis-py, ValueError for another kind of URL.
    """

    name = "redis"

    def __init__(
        self, url: str = URL, channel: str = "socketio", write_only: bool = False, logger: Any = None,
        json: Any = None, redis_options: dict[str, Any] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(channel, write_only, logger, json)
        require_redis()
        self.redis_url = url
        self.redis_options = dict(redis_options or {})
        self._lock = threading.Lock()
        self.redis: Any = self._connect()

    def _connect(self) -> Any:
        import redis.retry

        options = _defaults(redis.retry.Retry) | self.redis_options
        return connect(redis, self.redis_url, options, self.channel)

    def _pipe(self) -> Pipe:
        return RedisPipe(self.redis_url, self.channel, self.redis_options, self.write_only)

    def _send(self, data: bytes) -> None:
        errors = require_redis().exceptions.RedisError, OSError
        try:
            self.redis.publish(self.channel, data)
        except errors:
            # A connection that has died unnoticed is found out by the first message: another one is tried.
            with self._lock:
                self.redis = self._connect()
            self.redis.publish(self.channel, data)


class AsyncRedisManager(AsyncPubSubManager):
    """RedisManager for an AsyncServer: `AsyncServer(client_manager=AsyncRedisManager("redis://"))`."""

    name = "aioredis"

    def __init__(
        self, url: str = URL, channel: str = "socketio", write_only: bool = False, logger: Any = None,
        json: Any = None, redis_options: dict[str, Any] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(channel, write_only, logger, json)
        require_redis()
        self.redis_url = url
        self.redis_options = dict(redis_options or {})
        self.redis: Any = self._connect()
        # A connection belongs to the loop it was made on.
        self._loop: asyncio.AbstractEventLoop | None = None

    def _connect(self) -> Any:
        import redis.asyncio.retry

        options = _defaults(redis.asyncio.retry.Retry) | self.redis_options
        return connect(redis.asyncio, self.redis_url, options, self.channel)

    def _pipe(self) -> Pipe:
        return RedisPipe(self.redis_url, self.channel, self.redis_options, self.write_only)

    async def _send(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop = loop
            self.redis = self._connect()
        errors = require_redis().exceptions.RedisError, OSError
        try:
            await self.redis.publish(self.channel, data)
        except errors:
            # A connection that has died unnoticed is found out by the first message: another one is tried.
            self.redis = self._connect()
            await self.redis.publish(self.channel, data)

"""Managers whose Redis is named by Sentinels: the server of the moment is found, and its successor."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import fastsio
from fastsio.testing import TestServer
from harness import until

from .servers import Redis, free_port, redis_program

pytestmark = pytest.mark.asyncio(loop_factories=["uvloop"])


class Sentinel:
    """A Sentinel that watches one server and its replica, and makes that the server within about a second."""

    def __init__(self, watched: Redis) -> None:
        self.port = free_port()
        self._folder = Path(tempfile.mkdtemp())
        config = self._folder / "sentinel.conf"
        config.write_text(
            f"port {self.port}\nbind 127.0.0.1\n"
            f"sentinel monitor mine 127.0.0.1 {watched.port} 1\n"
            "sentinel down-after-milliseconds mine 500\n"
            "sentinel failover-timeout mine 2000\n"
        )
        self._process = subprocess.Popen(
            [redis_program(), str(config), "--sentinel"],
            cwd=self._folder, stdout=subprocess.DEVNULL,
        )  # fmt: skip

    @property
    def url(self) -> str:
        return f"redis+sentinel://127.0.0.1:{self.port}/0/mine"

    def close(self) -> None:
        self._process.kill()
        self._process.wait(10)
        shutil.rmtree(self._folder, ignore_errors=True)


@pytest.fixture
def watched() -> Iterator[tuple[Redis, Redis, Sentinel]]:
    server, replica = Redis(), Redis()
    server.start()
    replica.start()
    sentinel = Sentinel(server)
    yield server, replica, sentinel
    sentinel.close()
    for one in (server, replica):
        one.close()


async def replicas_of(sentinel: Sentinel) -> int:
    import redis.asyncio

    client = redis.asyncio.Redis(port=sentinel.port)
    try:
        return len(await client.sentinel_slaves("mine"))
    except (redis.RedisError, OSError):  # it is not there yet
        return 0
    finally:
        await client.aclose()


@pytest.mark.fault(
    "the Redis server dies, and Sentinels name another one",
    "servers find it and go on; what was published meanwhile is lost, counted and logged",
)
async def test_servers_follow_sentinels(watched: tuple[Redis, Redis, Sentinel]):
    import redis.asyncio

    server, replica, sentinel = watched
    client = redis.asyncio.Redis.from_url(replica.url)
    await client.replicaof("127.0.0.1", server.port)
    await client.aclose()
    async with asyncio.timeout(30):
        while not await replicas_of(sentinel):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.1)
    sios = [
        fastsio.AsyncServer(client_manager=fastsio.AsyncRedisManager(sentinel.url)) for _ in "ab"
    ]
    async with TestServer(sios[0]), TestServer(sios[1]) as serving:
        for sio in sios:
            await asyncio.wait_for(sio.hub.cluster.ready(), 20)
        on_b = await serving.connect()
        await sios[0].emit("before")
        await on_b.expect("before", timeout=10)
        server.stop(kill=True)
        await until(lambda: not any(sio.hub.cluster.is_up for sio in sios), "both are down", 20)
        await until(lambda: all(sio.hub.cluster.is_up for sio in sios), "both are up", 60)
        script = fastsio.RedisManager(sentinel.url, write_only=True)
        await asyncio.to_thread(script.emit, "by script", None)
        await on_b.expect("by script", timeout=10)
        await sios[0].emit("after")
        await on_b.expect("after", timeout=10)

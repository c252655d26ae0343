"""What joins servers: rooms, broadcasts, acks and fetch_sockets() then span all of them.

`IO(adapter=…)` and `AsyncServer(adapter=…)` take a bus, one for each server:

| bus | joins |
|---|---|
| RedisAdapter | servers of fastsio and of Node, by Redis' publish and subscribe |
| ShardedRedisAdapter | the same by the sharded pub/sub of Redis 7 |
| RedisStreamsAdapter | the same by a stream: a server that was cut off misses nothing |
| LocalBus | workers of one machine (fastsio/workers), which need not name it |
| MemoryBus | servers in one process, for tests |

All are imported when they are asked for. Those for Redis need the extra `redis`. docs/cluster.md says more.

| folder or module | |
|---|---|
| redis/ | the three adapters for Redis, in the formats of Node's |
| pubsub/ | the bus of python-socketio's managers |
| local, memory | the buses without a broker |
| recovery/ | clients that come back to any server |
| forwarding/ | requests that reach the wrong server |
| cluster/ | a server in its cluster, a namespace's adapter there, and Bus, which all buses are made from |
| presence/ | who is where in the cluster |
| redis_connection/ | connections to Redis |
| protocol/ | what servers tell each other |

Each knows only of some of those below it: tests/test_layers.py says of which.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastsio.adapters.cluster.bus import Bus
    from fastsio.adapters.forwarding.settings import Forwarding
    from fastsio.adapters.local import LocalBus
    from fastsio.adapters.memory import MemoryBus, MemoryHub
    from fastsio.adapters.redis.classic import RedisAdapter
    from fastsio.adapters.redis.sharded import ShardedRedisAdapter
    from fastsio.adapters.redis.streams import RedisStreamsAdapter

__all__ = [
    "Bus",
    "Forwarding",
    "LocalBus",
    "MemoryBus",
    "MemoryHub",
    "RedisAdapter",
    "RedisStreamsAdapter",
    "ShardedRedisAdapter",
]

_MODULES = {
    "Bus": "cluster.bus",
    "Forwarding": "forwarding.settings",
    "LocalBus": "local",
    "MemoryBus": "memory",
    "MemoryHub": "memory",
    "RedisAdapter": "redis.classic",
    "RedisFormat": "redis.classic",
    "ShardedRedisAdapter": "redis.sharded",
    "ShardedFormat": "redis.sharded",
    "RedisStreamsAdapter": "redis.streams",
    "StreamsFormat": "redis.streams",
}


def __getattr__(name: str) -> Any:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    except ModuleNotFoundError as error:
        if error.name != "msgspec":
            raise
        raise ImportError('the Redis adapters need msgspec: pip install "fastsio[redis]"') from None

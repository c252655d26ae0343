"""What joins servers: rooms, broadcasts, acks and fetch_sockets() then span all of them.

`IO(adapter=…)` and `AsyncServer(adapter=…)` take a bus, one for each server:

| bus | joins |
|---|---|
| RedisAdapter | servers of fastsio and of Node, by Redis' publish and subscribe |
| ShardedRedisAdapter | the same by the sharded pub/sub of Redis 7 |
| RedisStreamsAdapter | the same by a stream: a server that was cut off misses nothing |
| LocalBus | workers of one machine (fastsio/workers), which need not name it |
| MemoryBus | servers in one process, for tests |

Those for Redis are imported when they are asked for: they need the extra `redis`. docs/cluster.md says more.
"""

import importlib
from typing import TYPE_CHECKING, Any

from fastsio.adapters.bus import Bus
from fastsio.adapters.local import LocalBus
from fastsio.adapters.memory import MemoryBus, MemoryHub

if TYPE_CHECKING:
    from fastsio.adapters.forwarding import Forwarding
    from fastsio.adapters.redis import RedisAdapter
    from fastsio.adapters.sharded import ShardedRedisAdapter
    from fastsio.adapters.streams import RedisStreamsAdapter

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
    "Forwarding": "forwarding",
    "RedisAdapter": "redis",
    "RedisFormat": "redis",
    "ShardedRedisAdapter": "sharded",
    "ShardedFormat": "sharded",
    "RedisStreamsAdapter": "streams",
    "StreamsFormat": "streams",
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

"""The benchmark's application as a node of a cluster: `fastsio_app.py PORT none|classic|sharded|streams REDIS_URL`.

BENCH_PING_S in the environment: ping_interval, for memory.py.
"""

import os
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "servers"))

from handlers import SETTINGS, install

import fastsio
from fastsio import adapters

port, kind, url = sys.argv[1:]
ADAPTERS = {
    "none": lambda: None,
    "classic": lambda: adapters.RedisAdapter(url),
    "sharded": lambda: adapters.ShardedRedisAdapter(url),
    "streams": lambda: adapters.RedisStreamsAdapter(url),
}
ping_s = float(os.environ.get("BENCH_PING_S", "25"))
sio = fastsio.AsyncServer(adapter=ADAPTERS[kind](), ping_interval=ping_s, **SETTINGS)
install(sio)
fastsio.run(sio, host="127.0.0.1", port=int(port), loop="uvloop")

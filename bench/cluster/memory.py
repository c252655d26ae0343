"""`python -m bench.cluster.memory`: what an idle WebSocket takes, in the server's process and in the kernel.

The kernel's part is what its slab caches grow by (/proc/slabinfo, for root alone to read) while both ends of the
connections are on this machine, divided by two; and the socket buffers (/proc/net/sockstat).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

from bench.cluster.kinds import ALONE, FASTSIO, Kind
from bench.cluster.nodes import Redis, cluster
from bench.prepare import Tools, prepare

PAGE_BYTES = 4096
CACHES = ("TCP", "sock_inode_cache", "filp", "eventpoll_epi", "eventpoll_pwq", "ep_head", "skbuff_small_head",
          "skbuff_head_cache", "tcp_bind_bucket", "tcp_bind2_bucket", "kmalloc-")  # fmt: skip


def slabs() -> dict[str, int]:
    """Bytes in use of each cache. Raises PermissionError for who is not root."""
    found = {}
    for line in Path("/proc/slabinfo").read_text().splitlines()[2:]:
        name, active, _, size, *_ = line.split()
        found[name] = int(active) * int(size)
    return found


def buffers() -> int:
    """Bytes that TCP has in its buffers."""
    for line in Path("/proc/net/sockstat").read_text().splitlines():
        if line.startswith("TCP:"):
            return int(line.split()[-1]) * PAGE_BYTES
    raise RuntimeError("/proc/net/sockstat has no line of TCP")


def measure(tools: Tools, connections: int, redis: Redis) -> dict[str, float]:
    """KB for each connection."""
    with cluster(Kind(FASTSIO, ALONE), 1, redis, tools) as servers:
        server = servers.nodes[0]
        time.sleep(1)
        slabs_before, buffers_before = slabs(), buffers()
        command = [
            *(str(tools.load), "--case", "idle", "--port", str(server.port), "--server-pid", str(server.pid)),
            *("--connections", str(connections), "--warmup", "1", "--seconds", "6"),
        ]  # fmt: skip
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as load:
            time.sleep(5)
            slabs_with, buffers_with = slabs(), buffers()
            result = json.loads(load.communicate()[0])
    if not result["ok"]:
        raise RuntimeError(result["error"])
    grown = {name: size - slabs_before.get(name, 0) for name, size in slabs_with.items()}
    of_sockets = {name: size for name, size in grown.items() if name.startswith(CACHES)}
    each = 1024 * connections
    for name, size in sorted(of_sockets.items(), key=lambda item: -item[1])[:8]:
        print(f"  {name:22}{size / 2 / each:8.2f} KB")
    return {
        "process": result["server_rss_bytes_per_connection"] / 1024,
        "kernel": sum(of_sockets.values()) / 2 / each,
        "buffers": (buffers_with - buffers_before) / 2 / each,
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.cluster.memory")
    parser.add_argument("--connections", type=int, default=9000)
    parser.add_argument("--checkout", action="store_true", help="fastsio as built in place")
    options = parser.parse_args()
    tools = prepare(options.checkout, ("fastsio",))
    redis = Redis()
    try:
        found = measure(tools, options.connections, redis)
    finally:
        redis.stop()
    print(", ".join(f"{name} {value:.2f} KB" for name, value in found.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())

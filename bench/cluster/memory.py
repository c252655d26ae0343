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
from dataclasses import replace
from pathlib import Path

from bench.cluster.kinds import ALONE, FASTSIO, Kind
from bench.cluster.nodes import Redis, cluster
from bench.output import RESULTS
from bench.prepare import Tools, prepare

PAGE_BYTES = 4096
PING_S = 2.0
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


def heartbeat_us(tools: Tools, connections: int, redis: Redis) -> float:
    """CPU of a ping and its pong, at the server."""
    often = replace(tools, environ={**tools.environ, "BENCH_PING_S": str(PING_S)})
    seconds = 3 * PING_S
    with cluster(Kind(FASTSIO, ALONE), 1, redis, often) as servers:
        idle = [
            "--case",
            "idle",
            "--port",
            str(servers.ports[0]),
            "--connections",
            str(connections),
        ]
        result = servers.load([*idle, "--warmup", str(PING_S), "--seconds", str(seconds)])
    return float(result["node_cpu_us"][0] / (connections * result["seconds"] / PING_S))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.cluster.memory")
    parser.add_argument("--connections", type=int, default=9000)
    parser.add_argument("--checkout", action="store_true", help="fastsio as built in place")
    options = parser.parse_args()
    tools = prepare(options.checkout, ("fastsio",))
    redis = Redis()
    try:
        found = measure(tools, options.connections, redis)
        ping_us = heartbeat_us(tools, options.connections, redis)
    finally:
        redis.stop()
    print(", ".join(f"{name} {value:.2f} KB" for name, value in found.items()))
    print(f"a ping and its pong: {ping_us:.2f} us of CPU")
    result = {**{f"{name}_kb": value for name, value in found.items()}, "ping_us": ping_us}
    (RESULTS / "memory.json").write_text(json.dumps(result, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

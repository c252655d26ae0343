"""`python -m bench.cluster.receive`: a broadcast that has come, and one that is emitted, without Redis and clients.

What a server does with each between its connection to Redis and the fan-out, in us of CPU: for comparing two versions.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from typing import Any

import fastsio
from fastsio.adapters import RedisAdapter, RedisStreamsAdapter, ShardedRedisAdapter

CALLS, ROUNDS = 20_000, 5
NOWHERE = "redis://127.0.0.1:1"  # never connected to
TEXT = "x" * 32


def cost_us(call: Callable[[], Any]) -> float:
    best = float("inf")
    for _ in range(ROUNDS):
        begun = time.thread_time()
        for _ in range(CALLS):
            call()
        best = min(best, time.thread_time() - begun)
    return best / CALLS * 1e6


def server(make: Any, sent: list[Any]) -> fastsio.IO:
    """One that puts into `sent` what it would send."""
    io = fastsio.IO(adapter=make(NOWHERE))
    bus = io.hub.cluster.bus
    bus._link.queue.put = lambda command, *rest, **more: sent.append(command)
    bus.namespace_added("/")
    return io


def arrival(make: Any, bus: Any, command: tuple[Any, ...]) -> Callable[[], None]:
    """What the connection to Redis would call for that command of another server."""
    if make is not RedisStreamsAdapter:
        channel, payload = command[1].encode(), command[2]
        return lambda: bus._arrived(channel, payload)
    words = [one if isinstance(one, bytes) else str(one).encode() for one in command[6:]]
    fields = dict(zip(words[::2], words[1::2], strict=True))
    return lambda: bus._entered(b"1-0", fields)


async def main() -> int:
    for make in (RedisAdapter, ShardedRedisAdapter, RedisStreamsAdapter):
        sent: list[Any] = []
        here, there = server(make, []), server(make, sent)

        def emit(io: fastsio.IO = there, sent: list[Any] = sent) -> None:
            sent.clear()
            io.emit("news", TEXT)

        emit()
        received_us = cost_us(arrival(make, here.hub.cluster.bus, sent[-1]))
        print(f"{make.__name__}: received {received_us:.2f} us, emitted {cost_us(emit):.2f} us")
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))

"""A server that passes requests on: forwarding_server.py KIND REDIS_URL PORT, which is 0, or one to advertise.

Lines of JSON as fastsio_server.py.

Every connect that was accepted, and every disconnect, is counted.
"""

from __future__ import annotations

import sys
from collections import Counter
from typing import Any

import uvloop
from told_server import Told

import fastsio
from fastsio.adapters import Forwarding, RedisAdapter, RedisStreamsAdapter, ShardedRedisAdapter

ADAPTERS: dict[str, Any] = {
    "classic": RedisAdapter,
    "sharded": ShardedRedisAdapter,
    "streams": RedisStreamsAdapter,
}


class App(Told):
    def __init__(self, kind: str, url: str, port: int) -> None:
        advertise = f"127.0.0.1:{port}" if port else None
        self.bus = ADAPTERS[kind](url, forward=Forwarding(advertise=advertise))
        self.io = fastsio.IO(adapter=self.bus, cors_allowed_origins="*", allow_eio3=True)
        self.told: Counter[str] = Counter()
        self.io.on("connection", self.connection)

    def connection(self, socket: Any) -> None:
        self.told["connect"] += 1
        socket.on("disconnect", lambda *why: self.told.update(["disconnect"]))
        socket.on("echo", lambda *args: list(args))
        socket.on("say", lambda text: self.io.emit("said", text))

    def counts(self) -> dict[str, int]:
        forwarder = self.bus._forwarder
        return {
            **self.told, "here": len(self.io.sockets.sockets), "passed": forwarder.passed,
            "held": len(forwarder.held), "relays": len(forwarder._ends),
        }  # fmt: skip

    async def ready(self) -> None:
        await super().ready()
        await self.bus._forwarder._tasks[0]

    def name(self) -> str:
        return self.bus._forwarder.name

    def emit(self, event: str, *args: Any) -> list[Any]:
        self.io.emit(event, *args)
        return []


if __name__ == "__main__":
    port = int(sys.argv[3])
    uvloop.run(App(*sys.argv[1:3], port).serve(port))

"""One host of a cluster that is cut: a server with each adapter in one process, told what to do by lines of JSON.

    python cut_server.py NAME HOST REDIS_URL SETTINGS

Each emits numbered messages to a room in which all clients are, and says what it knows of the cluster. SETTINGS: JSON
of silence_timeout, request_timeout, presence_interval, heartbeat_timeout. Run with tests/ on the path.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from typing import Any

import uvloop
from told_server import requests, say

import fastsio
from fastsio.adapters import RedisAdapter, RedisStreamsAdapter, ShardedRedisAdapter
from fastsio.core.errors import PartialAnswersError

KINDS = {
    "classic": (RedisAdapter, "key"),
    "sharded": (ShardedRedisAdapter, "channel_prefix"),
    "streams": (RedisStreamsAdapter, "channel_prefix"),
}


class App:
    """One server, and the messages that it sends."""

    def __init__(self, name: str, kind: str, url: str, settings: dict[str, float]) -> None:
        make, prefix = KINDS[kind]
        bus = make(
            url, silence_timeout=settings["silence_timeout"],
            request_timeout=settings["request_timeout"], **{prefix: f"cut-{kind}"},
        )  # fmt: skip
        bus.presence_interval = settings["presence_interval"]
        bus.heartbeat_timeout = settings["heartbeat_timeout"]
        self.name = name
        self.io = fastsio.IO(adapter=bus, presence=True)
        self.sent = 0
        self.told: list[Any] = []
        # Connects, and disconnects by their reason: there must be one for each.
        self.connects = 0
        self.ends: dict[str, int] = {}
        self._flood: asyncio.Task[None] | None = None
        self.io.on("connection", self._connection)
        self.io.on("bus_up", lambda lost, seconds: self.told.append(["up", lost, seconds]))
        self.io.on("bus_down", lambda lost, seconds: self.told.append(["down", lost, seconds]))

    def _connection(self, socket: Any) -> None:
        self.connects += 1
        socket.join(["all", self.name])
        socket.on("disconnect", self._ended)

    def _ended(self, reason: str) -> None:
        self.ends[reason] = self.ends.get(reason, 0) + 1

    async def flood(self, interval_s: float) -> int:
        self._flood = asyncio.create_task(self._keep_sending(interval_s))
        return self.sent

    async def _keep_sending(self, interval_s: float) -> None:
        while True:
            self.sent += 1
            self.io.to("all").emit("n", self.name, self.sent)
            await asyncio.sleep(interval_s)

    async def stop_flood(self) -> int:
        if self._flood is not None:
            self._flood.cancel()
        return self.sent

    async def state(self) -> dict[str, Any]:
        bus = self.io.bus
        assert bus is not None
        return {
            "count": await self.io.count(), "room": sorted(await self.io.members("all")),
            "rooms": sorted(await self.io.rooms()), "is_up": bus.is_up, "lost": bus.lost,
            "waiting": bus.waiting, "replayed": bus.replayed, "gaps": bus.gaps, "told": self.told,
            "connects": self.connects, "ends": self.ends, "here": len(self.io.sockets.sockets),
            "requests": len(self.io.hub.cluster.requests), "reads": not self._is_cut(),
            "position": self._position(),
        }  # fmt: skip

    def _is_cut(self) -> bool:
        reader = getattr(self.io.hub.cluster.bus, "_reader", None)
        return reader is not None and bool(reader.is_cut)

    def _position(self) -> str:
        """Up to where the stream is read."""
        reader = getattr(self.io.hub.cluster.bus, "_reader", None)
        return "" if reader is None else str(reader.position)

    async def fetch(self) -> dict[str, Any]:
        """What fetch_sockets() brings, and in how many seconds."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        try:
            found, is_whole = await self.io.fetch_sockets(), True
        except PartialAnswersError as error:
            found, is_whole = error.responses, False
        seconds = loop.time() - begun
        return {"ids": sorted(one.id for one in found), "is_whole": is_whole, "seconds": seconds}


async def main() -> None:
    name, host, url, settings = sys.argv[1:]
    logging.basicConfig(level=logging.INFO, format=f"{name} %(asctime)s %(message)s")
    apps = {kind: App(name, kind, url, json.loads(settings)) for kind in KINDS}
    running = {kind: await fastsio.start(app.io, host, 0) for kind, app in apps.items()}
    for app in apps.values():
        await app.io.bus.ready()
    say({kind: one.port for kind, one in running.items()})
    async for request in requests():
        asyncio.get_running_loop().create_task(answer(apps, request))
    for one in running.values():
        await one.close()


async def answer(apps: dict[str, App], request: dict[str, Any]) -> None:
    app = apps[request["kind"]]
    value = await getattr(app, request["do"])(*request.get("args", ()))
    say({"id": request["id"], "value": value})


if __name__ == "__main__":
    uvloop.run(main())

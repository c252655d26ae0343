"""recovery_server.js with fastsio: recovery_server.py REDIS_URL STYLE, which is "io" or "aio" (AsyncServer)."""

from __future__ import annotations

import sys
from typing import Any

import uvloop
from told_server import Told

import fastsio
from fastsio.adapters import RedisStreamsAdapter


class App(Told):
    """An IO, or an AsyncServer, and whom it has told that they are recovered."""

    def __init__(self, url: str, style: str) -> None:
        kind = fastsio.IO if style == "io" else fastsio.AsyncServer
        self.io = kind(
            adapter=RedisStreamsAdapter(url), connection_state_recovery={}, ping_interval=2, ping_timeout=2
        )  # fmt: skip
        self.recovered: set[str] = set()
        if style == "io":
            self.io.on("connection", self.connection)
        else:
            self.io.on("connect", self.connect)

    def connection(self, socket: Any) -> None:
        if socket.recovered:
            self.recovered.add(socket.id)
            return
        socket.join("room")
        socket.data["name"] = socket.handshake.auth["name"]

    async def connect(self, sid: str, environ: dict[str, Any], auth: dict[str, Any]) -> None:
        if self.io.is_recovered(sid):
            self.recovered.add(sid)
            return
        await self.io.enter_room(sid, "room")
        await self.io.save_session(sid, {"name": auth["name"]})

    def here(self) -> list[Any]:
        return [
            {"id": one.id, "data": one.data, "rooms": sorted(one.rooms), "recovered": one.id in self.recovered}
            for one in self.io.hub.root.sockets.values()
        ]  # fmt: skip

    def emit(self, rooms: list[str], event: str, *args: Any) -> list[Any]:
        chosen = self.io.hub.root.to(rooms) if rooms else self.io.hub.root
        chosen.emit(event, *args)
        return []


if __name__ == "__main__":
    uvloop.run(App(*sys.argv[1:]).serve())

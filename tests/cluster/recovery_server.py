"""recovery_server.js with fastsio: recovery_server.py REDIS_URL STYLE, which is "io" or "aio" (AsyncServer)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from typing import Any

import uvloop

import fastsio
from fastsio.adapters import RedisStreamsAdapter


class App:
    """An IO, or an AsyncServer, and whom it has told that they are recovered."""

    def __init__(self, url: str, style: str) -> None:
        kind = fastsio.IO if style == "io" else fastsio.AsyncServer
        self.app: Any = kind(
            adapter=RedisStreamsAdapter(url), connection_state_recovery={}, ping_interval=2, ping_timeout=2
        )  # fmt: skip
        self.recovered: set[str] = set()
        if style == "io":
            self.app.on("connection", self.connection)
        else:
            self.app.on("connect", self.connect)

    def connection(self, socket: Any) -> None:
        if socket.recovered:
            self.recovered.add(socket.id)
            return
        socket.join("room")
        socket.data["name"] = socket.handshake.auth["name"]

    async def connect(self, sid: str, environ: dict[str, Any], auth: dict[str, Any]) -> None:
        if self.app.is_recovered(sid):
            self.recovered.add(sid)
            return
        await self.app.enter_room(sid, "room")
        await self.app.save_session(sid, {"name": auth["name"]})

    def here(self) -> list[Any]:
        return [
            {"id": one.id, "data": one.data, "rooms": sorted(one.rooms), "recovered": one.id in self.recovered}
            for one in self.app.hub.root.sockets.values()
        ]  # fmt: skip

    def emit(self, rooms: list[str], event: str, *args: Any) -> list[Any]:
        chosen = self.app.hub.root.to(rooms) if rooms else self.app.hub.root
        chosen.emit(event, *args)
        return []


async def main() -> None:
    app = App(*sys.argv[1:])
    running = await fastsio.start(app.app, port=0)
    await app.app.hub.cluster.ready()
    print(json.dumps({"port": running.port}), flush=True)
    reader = asyncio.StreamReader(limit=1 << 24)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    with contextlib.suppress(ConnectionError):
        while line := await reader.readline():
            request = json.loads(line)
            value = getattr(app, request["call"])(*request["args"])
            print(json.dumps({"id": request["id"], "value": value}), flush=True)
    await running.close()


if __name__ == "__main__":
    uvloop.run(main())

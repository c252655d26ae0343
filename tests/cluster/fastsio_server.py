"""node_server.js with fastsio: the same lines of JSON in and out. Run with tests/ on the path."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import uvloop
from steps import follow, freeze
from told_server import Told

import fastsio
from fastsio.adapters import RedisAdapter, RedisStreamsAdapter, ShardedRedisAdapter
from fastsio.core.errors import PartialAnswersError
from harness import until

NAMESPACES = ("/", "/chat")
MAKERS = {
    "classic": RedisAdapter,
    "classic apart": RedisAdapter,
    "classic 7": RedisAdapter,
    "sharded": ShardedRedisAdapter,
    "sharded private": ShardedRedisAdapter,
    "sharded static": ShardedRedisAdapter,
    "streams": RedisStreamsAdapter,
}
OPTIONS: dict[str, dict[str, Any]] = {
    "classic apart": {"publish_on_specific_response_channel": True, "key": "apart"},
    "classic 7": {"key": "seven"},
    "sharded private": {"subscription_mode": "dynamic-private", "channel_prefix": "private"},
    "sharded static": {"subscription_mode": "static", "channel_prefix": "static"},
}


class App(Told):
    def __init__(self, kind: str, url: str) -> None:
        self.io = fastsio.IO(adapter=MAKERS[kind](url, **OPTIONS.get(kind, {})))
        self.heard: list[Any] = []
        for name in NAMESPACES:
            self.io.of(name).on("connection", self.connection)
            self.io.of(name).on("from server", self.from_server)
        self.io.of("/room-{n:int}").on("connection", self.connection)

    def connection(self, socket: Any) -> None:
        socket.data = {"from": "fastsio"}
        socket.on("join", lambda *rooms: socket.join(list(rooms)))

    def from_server(self, *args: Any) -> Any:
        self.heard.append(list(args))
        return ["fastsio", *args]

    async def special(self, name: str, args: list[Any]) -> Any:
        if name == "heard":
            heard, self.heard = self.heard, []
            return heard
        if name == "empty":
            await until(lambda: not any(self.count().values()), "no client is left")
            return []
        if name == "fetch":
            return [
                {"id": one.id, "data": one.data, "rooms": sorted(one.rooms, key=str), "auth": one.handshake.auth}
                for one in await self.fetch(*args)
            ]  # fmt: skip
        if name == "lost":
            return self.io.hub.cluster.bus.lost
        if name == "remote":
            return await self.remote(*args)
        raise ValueError(name)

    def count(self) -> dict[str, int]:
        return {name: len(one.sockets) for name, one in self.io.hub.namespaces.items()}

    async def fetch(self, rooms: Any = None, name: str = "/") -> list[Any]:
        namespace = self.io.of(name)
        found: list[Any] = await (namespace.in_(rooms) if rooms else namespace).fetch_sockets()
        return found

    async def remote(self, sid: str, *steps: list[Any]) -> Any:
        """Steps of the socket with that id as fetch_sockets() shows it."""
        [socket] = [one for one in await self.fetch() if one.id == sid]
        value = follow(socket, list(steps))
        return await value if asyncio.iscoroutine(value) else None

    async def chain(self, steps: list[list[Any]]) -> Any:
        value = follow(self.io, steps)
        return await value if asyncio.iscoroutine(value) else value

    async def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        answer = {"id": request["id"]}
        try:
            if "call" in request:
                value = await self.special(request["call"], request["args"])
                return {**answer, "value": freeze(value)}
            value = await self.chain(request["chain"])
            if not isinstance(value, list):
                return {**answer, "value": None}
            return {**answer, "value": freeze([getattr(one, "id", one) for one in value])}
        except PartialAnswersError as error:
            # Clients by their ids.
            responses = [getattr(one, "id", one) for one in error.responses]
            return {**answer, "error": str(error), "responses": freeze(responses)}
        except (ValueError, TypeError, AttributeError) as error:
            return {**answer, "error": repr(error)}


if __name__ == "__main__":
    uvloop.run(App(*sys.argv[1:]).serve())

"""node_server.js with fastsio: the same lines of JSON in and out. Run with tests/ on the path."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sys
from typing import Any

import uvloop

import fastsio
from fastsio.core.errors import PartialAnswersError
from harness import until


def make_adapter(kind: str, url: str) -> Any:
    if kind == "classic":
        from fastsio.adapters.redis import RedisAdapter

        return RedisAdapter(url)
    if kind == "sharded":
        from fastsio.adapters.sharded import ShardedRedisAdapter

        return ShardedRedisAdapter(url)
    if kind == "streams":
        from fastsio.adapters.streams import RedisStreamsAdapter

        return RedisStreamsAdapter(url)
    raise SystemExit(f"no adapter {kind}")


def revive(value: Any) -> Any:
    if isinstance(value, list):
        return [revive(one) for one in value]
    if isinstance(value, dict):
        if "$bytes" in value:
            return bytes.fromhex(value["$bytes"])
        return {key: revive(one) for key, one in value.items()}
    return value


def snake(name: str) -> str:
    name = re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", name)
    return f"{name}_" if name in ("in", "except") else name


class App:
    def __init__(self, kind: str, url: str) -> None:
        self.io = fastsio.IO(adapter=make_adapter(kind, url))
        self.heard: list[Any] = []
        self.io.on("connection", self.connection)
        self.io.on("from server", self.from_server)

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
            await until(lambda: not self.io.sockets.sockets, "no client is left")
            return []
        if name == "fetch":
            found = await (self.io.in_(args[0]) if args else self.io).fetch_sockets()
            return [
                {"id": one.id, "data": one.data, "rooms": sorted(one.rooms), "auth": one.handshake.auth}
                for one in found
            ]  # fmt: skip
        raise ValueError(name)

    async def chain(self, steps: list[list[Any]]) -> Any:
        value: Any = self.io
        for method, *args in steps:
            name = snake(method)
            given = [one / 1000 for one in args] if name == "timeout" else revive(args)
            member = getattr(value, name)
            value = member(*given) if callable(member) else member
        return await value if asyncio.iscoroutine(value) else value

    async def answer(self, line: bytes) -> dict[str, Any]:
        request = json.loads(line)
        answer = {"id": request["id"]}
        try:
            if "call" in request:
                value = await self.special(request["call"], request["args"])
            else:
                value = await self.chain(request["chain"])
            return {**answer, "value": value if isinstance(value, list) else None}
        except PartialAnswersError as error:
            return {**answer, "error": str(error), "responses": error.responses}
        except (ValueError, TypeError, AttributeError) as error:
            return {**answer, "error": repr(error)}


async def main() -> None:
    app = App(*sys.argv[1:])
    running = await fastsio.start(app.io, port=0)
    await app.io.hub.cluster.ready()
    print(json.dumps({"port": running.port}), flush=True)
    reader = asyncio.StreamReader(limit=1 << 24)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    with contextlib.suppress(ConnectionError):
        while line := await reader.readline():
            print(json.dumps(await app.answer(line)), flush=True)
    await running.close()


if __name__ == "__main__":
    uvloop.run(main())

"""Servers of fastsio that are told what to do by lines of JSON, as servers.py writes and reads them.

For programs of this folder: it is on their path.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import sys
from collections.abc import AsyncIterator
from typing import Any

import fastsio


class Told:
    """`io`: an IO or an AsyncServer with an adapter. In: {id, call, args}, a method of this; out: {id, value}."""

    io: Any

    async def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        value = getattr(self, request["call"])(*request["args"])
        return {"id": request["id"], "value": await value if inspect.isawaitable(value) else value}

    async def ready(self) -> None:
        """Wait until the others hear of it."""
        await self.io.hub.cluster.ready()

    async def serve(self, port: int = 0) -> None:
        """Say {port} once it serves, and answer what comes on stdin, one after the other, until that ends."""
        running = await fastsio.start(self.io, port=port)
        await self.ready()
        say({"port": running.port})
        async for request in requests():
            say(await self.answer(request))
        await running.close()


def say(value: Any) -> None:
    print(json.dumps(value), flush=True)


async def requests() -> AsyncIterator[dict[str, Any]]:
    """What comes on stdin, until it ends."""
    reader = asyncio.StreamReader(limit=1 << 24)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    with contextlib.suppress(ConnectionError):
        while line := await reader.readline():
            yield json.loads(line)

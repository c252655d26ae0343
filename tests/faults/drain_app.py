"""A server program for the tests of draining: one JSON line for each client that comes and goes.

As a program: drain_app.py OPTIONS_JSON, options of run(); as a module for `fastsio serve drain_app:io`. Lines:
["in", sid, transport], ["gone", sid, reason, seconds], ["working"], ["down"].
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

import fastsio

io = fastsio.IO()


def note(*values: Any) -> None:
    print(json.dumps(values), flush=True)


@io.on("connection")
def connection(socket: Any) -> None:
    note("in", socket.id, socket.conn.transport.name)
    socket.on("disconnect", lambda reason: note("gone", socket.id, reason, time.monotonic()))
    socket.on("echo", lambda value: value)

    @socket.on("work")
    async def work(seconds: float) -> str:
        note("working")
        await asyncio.sleep(seconds)
        return "done"


async def hang(reason: str) -> None:
    await asyncio.sleep(3600)


async def tell() -> None:
    """on_drain: as an application would."""
    io.emit("restarting", "come back")


def main(options: dict[str, Any]) -> None:
    if options.pop("hangs", False):
        io.on("connection", lambda socket: socket.on("disconnect", hang))
    if options.pop("tells", False):
        options["on_drain"] = tell
    fastsio.run(io, on_shutdown=lambda: note("down"), **{"port": 0, **options})


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))

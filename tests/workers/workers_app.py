"""The application of the tests of workers: `fastsio serve workers_app:io`, `workers_app:app` for ASGI servers.

It prints a line of JSON for what happens, in one write: ["up", pid, number] when a worker begins, ["in", pid, sid] and
["gone", pid, sid, reason] for clients; ["at", pid, prefix, recovered]: how the session's id begins, and whether the
client is back. $WORKERS_OPTIONS: options of IO as JSON. $WORKERS_FORWARD: [adapter, Redis' URL,
options of Forwarding] as JSON, for workers of several machines. $WORKERS_BROKEN: a file; while it is there the
application can't be imported.
"""

from __future__ import annotations

import json
import os
from typing import Any

import fastsio
from fastsio import adapters
from fastsio.workers import worker_number

settings = json.loads(os.environ.get("WORKERS_OPTIONS", "{}"))
if os.path.exists(os.environ.get("WORKERS_BROKEN", "")):
    raise ValueError("the application is broken")


if "WORKERS_FORWARD" in os.environ:
    kind, url, options = json.loads(os.environ["WORKERS_FORWARD"])
    settings["adapter"] = getattr(adapters, kind)(url, forward=adapters.Forwarding(**options))


def note(word: str, *values: Any) -> None:
    os.write(1, (json.dumps([word, os.getpid(), *values]) + "\n").encode())


io = fastsio.IO(**settings)
app = fastsio.ASGIApp(io)


@io.on("connection")
def connection(socket: Any) -> None:
    note("in", socket.id)
    note("at", socket.conn.id[:2], socket.recovered)
    socket.on("disconnect", lambda reason: note("gone", socket.id, reason))
    socket.on("echo", lambda *values: values[0] if len(values) == 1 else list(values))
    socket.on("count", lambda n: io.emit("n", n))
    socket.on("say", lambda text: io.emit("said", text))
    socket.on("who", lambda: [os.getpid(), worker_number()])
    socket.on("join", lambda room: socket.join(room))
    socket.on("size", len)

    @socket.on("tell")
    def tell(room: str | None, *values: Any) -> None:
        (io if room is None else io.to(room)).emit("told", *values)

    @socket.on("ask")
    async def ask(value: Any) -> list[Any]:
        return sorted(await io.timeout(5).emit_with_ack("question", value))

    @socket.on("everyone")
    async def everyone() -> list[str]:
        return sorted(one.id for one in await io.fetch_sockets())

    @socket.on("servers")
    async def servers() -> list[Any]:
        return sorted(await io.server_side_emit_with_ack("pid"))


@io.on("pid")
def pid() -> int:
    return os.getpid()


note("up", worker_number())

"""The servers that the conformance rows are played against, with one small application on each.

Ours runs on the test's own loop. With FASTSIO_OFFICIAL set to a folder that has the npm package
`socket.io` installed, the official server is used instead: that checks the rows, not fastsio.

The application: in "/" and "/other" it acknowledges `echo` with its arguments, notes those of `say`,
sends those of `shout` to all as `shouted`; "/slow" does so too
but takes a while to let a client in; "/guarded" refuses everybody. What it heard and why a
socket was gone is noted by socket id.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import LoopWatch, assert_clean, until

MAX_HTTP_BUFFER_SIZE = 20_000
# The classes of fastsio of which a client has its own.
OF_A_CLIENT = {
    "Conn", "Request", "RequestReader", "Session", "PollingTransport", "Probe", "Peer", "Socket", "Handshake",
}  # fmt: skip
OFFICIAL = os.environ.get("FASTSIO_OFFICIAL", "")


@dataclass
class Target:
    """A running server and what its application noted."""

    url: str
    heard: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    reasons: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    async def check_clean(self) -> None:
        """AssertionError if anything of a client is left; call it when all have gone."""

    def session_count(self) -> int | None:
        """Engine.IO sessions now, None where that cannot be known."""
        return None


class FastsioTarget(Target):
    server: Any = None
    app: Any = None

    async def check_clean(self) -> None:
        await assert_clean(self.server)
        await until(lambda: not self.server.connections, "no connection open")
        await until(lambda: not _clients_in_memory(), "no object of a client in memory")

    def session_count(self) -> int:
        return len(self.server.engine.sessions)


def _clients_in_memory() -> list[str]:
    """What belongs to one client and is still referenced by anything."""
    gc.collect()
    kinds = [type(thing) for thing in gc.get_objects()]
    return [
        kind.__name__
        for kind in kinds
        if kind.__name__ in OF_A_CLIENT and kind.__module__.startswith("fastsio.")
    ]


def _plain(value: Any) -> Any:
    return f"bytes {bytes(value).hex(' ')}" if isinstance(value, bytes | bytearray) else value


def build_app(heard: dict[str, list[Any]], reasons: dict[str, list[str]], **options: Any) -> Any:
    """The application on fastsio; the official one is in official_server.js."""
    import fastsio

    io = fastsio.IO(**options)

    def serve(socket: Any) -> None:
        sid = socket.id
        socket.on("echo", lambda *args: args)
        socket.on("say", lambda *args: heard[sid].append([_plain(arg) for arg in args]))
        socket.on("shout", lambda *args: io.emit("shouted", *args))
        socket.on("disconnect", lambda reason: reasons[sid].append(reason))

    async def refuse(socket: Any) -> None:
        raise fastsio.exceptions.ConnectionRefusedError("nobody is let in")

    async def take_your_time(socket: Any) -> None:
        await asyncio.sleep(0)

    io.on("connection", serve)
    io.of("/slow").use(take_your_time)
    io.of("/slow").on("connection", serve)
    io.of("/other").on("connection", serve)
    io.of("/guarded").use(refuse)
    return io


@contextlib.asynccontextmanager
async def open_target() -> AsyncIterator[Target]:
    async with open_official(OFFICIAL) if OFFICIAL else open_fastsio() as target:
        yield target


@contextlib.asynccontextmanager
async def open_fastsio(allow_eio3: bool = False) -> AsyncIterator[Target]:
    import fastsio

    async with LoopWatch():
        target = FastsioTarget("")
        app = build_app(
            target.heard,
            target.reasons,
            max_http_buffer_size=MAX_HTTP_BUFFER_SIZE,
            allow_eio3=allow_eio3,
        )
        target.server = await fastsio.start(app, host="127.0.0.1", port=0)
        target.url = target.server.url
        try:
            yield target
            await target.check_clean()
        finally:
            await target.server.close()


@contextlib.asynccontextmanager
async def open_official(folder: str, allow_eio3: bool = False) -> AsyncIterator[Target]:
    """The official server, with the `socket.io` that is installed in `folder`."""
    script = Path(__file__).with_name("official_server.js")
    process = await asyncio.create_subprocess_exec(
        "node",
        str(script),
        str(MAX_HTTP_BUFFER_SIZE),
        "allowEIO3" if allow_eio3 else "",
        env={**os.environ, "NODE_PATH": str(Path(folder, "node_modules"))},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    target = Target(f"http://127.0.0.1:{int(await process.stdout.readline())}")
    reading = asyncio.create_task(_read_notes(process.stdout, target))
    try:
        yield target
    finally:
        process.kill()
        await process.wait()
        await reading


async def _read_notes(stdout: asyncio.StreamReader, target: Target) -> None:
    async for line in stdout:
        kind, sid, value = json.loads(line)
        getattr(target, kind)[sid].append(value)

"""The server of the long runs, in a process of its own: `python -m tests.soak.server [OPTIONS AS JSON]`.

It says where it listens as a line of JSON, and answers each line that comes on its standard input with another:
`look` is cheap, `count` counts everything there is, garbage collected first. It stops when the input ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import sys
from typing import Any

import fastsio
from tests.soak.ledger import Ledger
from tests.soak.lines import answer_lines, say

NAMESPACES = ("/", "/chat")
# "firehose": what those get who do not read, so that a buffer is full in seconds.
FIREHOSE, FIREHOSE_BYTES, FIREHOSE_EVERY_S = "firehose", 64 * 1024, 0.1
# A handler that hangs ends some time, or none could be seen to be left.
HANGS_S = 10.0
# The cyclic collector would look at all that 10,000 clients have, for 0.1 seconds, again and again while others come
# and go. It may do so rarely, for nothing of a client needs it; else memory would grow in these runs.
GC_THRESHOLDS = (50_000, 20, 100)
ANSWER_S = 5.0
RING = "anon_inode:[io_uring]"


class Refused(fastsio.exceptions.ConnectionRefusedError):
    """What a client gets that asks to be refused."""


def build(ledger: Ledger, hangs_s: float = HANGS_S, **options: Any) -> fastsio.AsyncServer:
    """The application: every handler that the clients of the runs ask for. hangs_s: how long one does that hangs."""
    sio = fastsio.AsyncServer(**options)
    for namespace in NAMESPACES:
        _doors(sio, ledger, namespace)
        _events(sio, namespace, hangs_s)
    return sio


def _doors(sio: fastsio.AsyncServer, ledger: Ledger, namespace: str) -> None:
    def accept(sid: str, environ: dict[str, Any], auth: Any) -> None:
        if isinstance(auth, dict) and auth.get("refuse"):
            raise Refused("as you wish")
        ledger.accept((namespace, sid))

    async def accept_later(sid: str, environ: dict[str, Any], auth: Any) -> None:
        seconds = auth.get("wait", 0) if isinstance(auth, dict) else 0
        await asyncio.sleep(min(float(seconds), HANGS_S))
        accept(sid, environ, auth)

    def disconnect(sid: str, reason: str) -> None:
        ledger.end((namespace, sid), reason)

    sio.on("connect", accept if namespace == "/" else accept_later, namespace=namespace)
    sio.on("disconnect", disconnect, namespace=namespace)


def _events(sio: fastsio.AsyncServer, namespace: str, hangs_s: float) -> None:
    def echo(sid: str, *args: Any) -> Any:
        return args

    async def echo_async(sid: str, *args: Any) -> Any:
        await asyncio.sleep(0)
        return args

    async def join(sid: str, room: str) -> None:
        await sio.enter_room(sid, room, namespace=namespace)

    async def leave(sid: str, room: str) -> None:
        await sio.leave_room(sid, room, namespace=namespace)

    async def chat(sid: str, room: str, data: Any) -> None:
        await sio.emit("news", data, room=room, namespace=namespace)

    async def ask(sid: str, data: Any) -> Any:
        try:
            return await sio.call("question", data, to=sid, namespace=namespace, timeout=ANSWER_S)
        except fastsio.exceptions.TimeoutError as error:  # gone, or it does not answer
            return f"no answer: {type(error).__name__}"

    def fail(sid: str) -> None:
        raise RuntimeError("as you wish")

    async def hang(sid: str) -> None:
        await asyncio.sleep(hangs_s)

    async def leave_me(sid: str) -> None:
        await sio.disconnect(sid, namespace=namespace)

    for handler in (echo, echo_async, join, leave, chat, ask, fail, hang, leave_me):
        sio.on(handler.__name__, handler, namespace=namespace)


async def spout(sio: fastsio.AsyncServer) -> None:
    """Send to the room "firehose" what nobody can want, while there is somebody in it."""
    data = "x" * FIREHOSE_BYTES
    while True:
        await asyncio.sleep(FIREHOSE_EVERY_S)
        await sio.emit("water", data, room=FIREHOSE)


class Counts:
    """What there is of a server at one moment."""

    def __init__(self, server: Any, ledger: Ledger) -> None:
        self._server = server
        self._ledger = ledger
        # The one that many clients are sent to with is opened when it is first needed: counted from now on.
        self._rings = _descriptors().count(RING) + 1

    def look(self) -> dict[str, Any]:
        return {
            "rss": _resident_bytes(),
            "accepted": self._ledger.accepted,
            "sessions": len(self._server.engine.sessions),
        }

    def count(self) -> dict[str, Any]:
        garbage = gc.collect()
        engine, hub = self._server.engine, self._server.hub
        namespaces = list(hub.namespaces.values())
        return {
            **self._ledger.report(),
            "left": {
                "sessions": len(engine.sessions),
                "sockets": sum(len(each.sockets) + len(each.joining) for each in namespaces),
                "rooms": sum(len(each.rooms) for each in namespaces),
                "handlers": len(hub.tasks),
                "tasks": len(asyncio.all_tasks()),
                "timers": engine.wheel.count,
                "connections": len(self._server.connections),
                "descriptors": self._count_descriptors(),
            },
            "blocks": sys.getallocatedblocks(),
            "garbage": garbage,
            "rss": _resident_bytes(),
            "handler_errors": sum(each.handler_errors for each in namespaces),
        }

    def _count_descriptors(self) -> int:
        found = _descriptors()
        return len(found) + max(0, self._rings - found.count(RING))


def _descriptors() -> list[str]:
    """What each that is open leads to."""
    found = []
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # that of the folder itself
            found.append(os.readlink(f"/proc/self/fd/{fd}"))
    return found


# Kept open: each open() would leave something, and that is counted here.
_STATM = os.open("/proc/self/statm", os.O_RDONLY)


def _resident_bytes() -> int:
    return int(os.pread(_STATM, 100, 0).split()[1]) * os.sysconf("SC_PAGESIZE")


async def serve(options: dict[str, Any]) -> None:
    ledger = Ledger()
    sio = build(ledger, **options)
    server = await fastsio.start(sio, port=0)
    sio.start_background_task(spout, sio)
    counts = Counts(server, ledger)
    ended = answer_lines({"look": counts.look, "count": counts.count})
    say({"url": server.url, "port": server.port})
    await ended.wait()
    await server.close()


def main() -> None:
    import uvloop

    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    uvloop.run(serve(json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}))


if __name__ == "__main__":
    main()

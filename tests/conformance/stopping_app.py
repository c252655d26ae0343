"""A server program for the shutdown tests: it prints why each socket was gone, one JSON line each.

Usage: stopping_app.py STYLE LOOP HANGS SHUTDOWN_TIMEOUT. HANGS is "" or what does not end by itself:
"handler" (a disconnect handler), "stubborn" (one that ignores a cancellation), "event", "background".
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import fastsio

STYLE, LOOP, HANGS, SHUTDOWN_TIMEOUT = sys.argv[1:]


def note(*values: Any) -> None:
    print(json.dumps(values), flush=True)


async def hang() -> None:
    if HANGS == "stubborn":
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            note("ignored")
    await asyncio.sleep(3600)


async def gone(namespace: str, sid: str, reason: str) -> None:
    note("gone", namespace, sid, reason)
    if HANGS in ("handler", "stubborn"):
        await hang()


def build_io() -> fastsio.IO:
    io = fastsio.IO()

    def serve(socket: Any) -> None:
        async def on_disconnect(reason: str) -> None:
            await gone(socket.nsp.name, socket.id, reason)

        async def wait() -> None:
            note("waiting")
            await hang()

        socket.on("disconnect", on_disconnect)
        socket.on("wait", wait)

    io.on("connection", serve)
    io.of("/other").on("connection", serve)
    return io


def build_aio() -> fastsio.AsyncServer:
    sio = fastsio.AsyncServer()
    for name in ("/", "/other"):

        async def disconnect(sid: str, reason: str, name: str = name) -> None:
            await gone(name, sid, reason)

        async def wait(sid: str) -> None:
            note("waiting")
            await hang()

        sio.on("connect", lambda sid, environ: None, namespace=name)
        sio.on("disconnect", disconnect, namespace=name)
        sio.on("wait", wait, namespace=name)
    return sio


async def on_startup() -> None:
    if HANGS == "background":
        app.start_background_task(hang)


app = build_io() if STYLE == "io" else build_aio()
fastsio.run(
    app,
    port=0,
    loop=LOOP,
    on_startup=on_startup,
    on_shutdown=lambda: note("down"),
    shutdown_timeout=float(SHUTDOWN_TIMEOUT),
)

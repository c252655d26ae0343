"""A FastAPI application with routes, streams, a WebSocket and a lifespan, and Socket.IO in front of it.

`app` is for servers in processes of their own: it prints what it sees.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import fastapi
from fastapi import FastAPI, WebSocket
from fastapi.responses import StreamingResponse

import fastsio
from fastsio.asgi import ASGIApp


def say(*words: object) -> None:
    # In one piece: workers share their output.
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    say("startup")
    yield {"made": "at startup"}
    say("shutdown")


def make_api() -> FastAPI:
    """The application that Socket.IO is beside."""
    api = FastAPI(lifespan=lifespan)

    @api.get("/hello")
    async def hello(request: fastapi.Request, name: str = "world") -> dict[str, str]:
        return {"hello": name, "state": request.state.made}

    @api.post("/items")
    async def items(item: dict[str, Any]) -> dict[str, Any]:
        return {"got": item}

    @api.post("/upload")
    async def upload(request: fastapi.Request) -> dict[str, int]:
        size = 0
        async for part in request.stream():
            size += len(part)
        return {"size": size}

    @api.get("/stream")
    async def stream(count: int = 5) -> StreamingResponse:
        async def lines() -> AsyncIterator[str]:
            for i in range(count):
                yield f"line {i}\n"
                await asyncio.sleep(0)

        return StreamingResponse(lines(), media_type="text/plain")

    @api.post("/echo")
    async def echo(request: fastapi.Request) -> fastapi.Response:
        return fastapi.Response(await request.body())

    @api.websocket("/ws")
    async def ws(websocket: WebSocket) -> None:
        await websocket.accept()
        async for text in websocket.iter_text():
            await websocket.send_text(f"echo {text}")

    return api


def is_held(session: Any) -> bool:
    """True if the session polls and its GET waits for something to say."""
    return session.transport == "polling" and bool(session.outlet.is_writable)


def make_sio() -> fastsio.AsyncServer:
    sio = fastsio.AsyncServer()

    @sio.event
    async def connect(sid: str, environ: dict[str, Any]) -> None:
        say("connect")

    @sio.event
    async def disconnect(sid: str, reason: str) -> None:
        await asyncio.sleep(0)
        say("disconnect:", reason)

    sio.on("echo", lambda sid, *args: args)
    sio.on("pid", lambda sid: os.getpid())
    sio.on("held polls", lambda sid: sum(map(is_held, sio.hub.engine.sessions.values())))
    return sio


sio = make_sio()
app = ASGIApp(sio, make_api())

mounted = make_api()
mounted.mount("/rt", ASGIApp(make_sio()))

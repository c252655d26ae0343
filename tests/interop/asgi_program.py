"""The interop application as an ASGI one, a FastAPI application beside it; see asgi_process.py.

FASTSIO_ASGI says how, as JSON: `options` of the server, `shape` "beside" (ASGIApp around FastAPI) or "mounted" (the
other way round, below /ws), `log_hooks` to have on_startup and on_shutdown instead of FastAPI's lifespan.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

_HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(_HERE.parent), str(_HERE), str(_HERE.parents[1])]

from fastapi import FastAPI, Request, WebSocket  # noqa: E402

import app_aio  # noqa: E402
from apps import Log  # noqa: E402
from fastsio.asgi import ASGIApp  # noqa: E402

SETTINGS = json.loads(os.environ.get("FASTSIO_ASGI", "{}"))


class PrintedLog(Log):
    """Printed whole lines, which the test's process reads."""

    def add(self, *entry: Any) -> None:
        print("LOG " + json.dumps(entry), flush=True)


log = PrintedLog()


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    log.add("startup", "fastapi")
    yield
    log.add("shutdown", "fastapi")


pages = FastAPI(lifespan=lifespan)


@pages.get("/hello")
async def hello() -> dict[str, str]:
    return {"hello": "from FastAPI"}


@pages.websocket("/own-ws")
async def own_ws(websocket: WebSocket) -> None:
    await websocket.accept()
    while True:
        await websocket.send_text("own " + await websocket.receive_text())


async def on_startup() -> None:
    log.add("startup", "hook")


def on_shutdown() -> None:
    log.add("shutdown", "hook")


sio = app_aio.build(log, **SETTINGS.get("options", {}))


@sio.on("scope", namespace="/")
def scope(sid: str) -> Any:
    environ = sio.get_environ(sid)
    assert environ is not None
    seen = environ["asgi.scope"]
    return {
        "type": seen["type"],
        "path": environ["PATH_INFO"],
        "address": environ["REMOTE_ADDR"],
        "scheme": environ["wsgi.url_scheme"],
        "software": environ["SERVER_SOFTWARE"],
    }


@sio.on("left", namespace="/")
def left(sid: str) -> dict[str, int]:
    """What is there besides the client that asks."""
    return {"sessions": len(sio.hub.engine.sessions) - 1, "tasks": len(asyncio.all_tasks())}


def make_app() -> Any:
    if SETTINGS.get("shape") == "mounted":

        @pages.middleware("http")
        async def stamp(request: Request, call_next: Any) -> Any:
            response = await call_next(request)
            response.headers["x-stamp"] = "mounted"
            return response

        pages.mount("/ws", ASGIApp(sio))
        return pages
    hooks = {"on_startup": on_startup, "on_shutdown": on_shutdown}
    return ASGIApp(
        sio,
        pages,
        static_files={"/page": str(_HERE / "chat_browser.js"), "/files": str(_HERE)},
        **(hooks if SETTINGS.get("log_hooks") else {}),
    )


app = make_app()

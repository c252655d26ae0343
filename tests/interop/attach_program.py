"""The interop application attached to an aiohttp or sanic one: `python -m attach_program aiohttp PORT`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

_HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(_HERE.parent), str(_HERE), str(_HERE.parents[1])]

import app_aio  # noqa: E402
from apps import Log  # noqa: E402
from fastsio.attach import attach  # noqa: E402

SETTINGS = json.loads(os.environ.get("FASTSIO_ASGI", "{}"))


class PrintedLog(Log):
    """Printed whole lines, which the test's process reads."""

    def add(self, *entry: Any) -> None:
        print("LOG " + json.dumps(entry), flush=True)


sio = app_aio.build(PrintedLog(), **SETTINGS.get("options", {}))


@sio.on("framework", namespace="/")
def framework(sid: str) -> Any:
    environ = sio.get_environ(sid)
    assert environ is not None
    name = environ["SERVER_SOFTWARE"]
    return [name, type(environ[f"{name}.request"]).__name__, environ["REMOTE_ADDR"]]


def run_aiohttp(port: int) -> None:
    from aiohttp import web

    async def hello(request: web.Request) -> web.Response:
        return web.json_response({"hello": "from aiohttp"})

    app = web.Application()
    app.router.add_get("/hello", hello)
    attach(sio, app)
    web.run_app(app, host="127.0.0.1", port=port)


def run_sanic(port: int) -> None:
    import sanic

    app = sanic.Sanic("interop")

    @app.get("/hello")
    async def hello(request: sanic.Request) -> sanic.HTTPResponse:
        return sanic.response.json({"hello": "from sanic"})

    attach(sio, app)
    app.run(host="127.0.0.1", port=port, single_process=True, motd=False)


if __name__ == "__main__":
    {"aiohttp": run_aiohttp, "sanic": run_sanic}[sys.argv[1]](int(sys.argv[2]))

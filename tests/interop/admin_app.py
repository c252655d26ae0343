"""A small instrumented application, the same with python-socketio and fastsio: see test_admin.py.

    python -m admin_app socketio|fastsio async|sync

`build` makes it of a library; as a program it is served by uvicorn, or by werkzeug if it is "sync".
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

LOGIN = {"username": "admin", "password": "pw"}


def build(library: Any, kind: str = "async", **options: Any) -> Any:
    """The server; clients may "enter" a room, and "ask" for something that is sent."""
    options = {"auth": LOGIN, "server_id": "one", "server_stats_interval": 0.2} | options
    if kind == "sync":
        sio = library.Server(async_mode="threading", cors_allowed_origins="*")

        @sio.event
        def enter(sid: str, room: str) -> str:
            sio.enter_room(sid, room)
            return "entered"

        @sio.event
        def ask(sid: str, *args: Any) -> str:
            sio.emit("answer", args, to=sid)
            return "asked"
    else:
        sio = library.AsyncServer(async_mode="asgi", cors_allowed_origins="*")

        @sio.event
        async def enter(sid: str, room: str) -> str:
            await sio.enter_room(sid, room)
            return "entered"

        @sio.event
        async def ask(sid: str, *args: Any) -> str:
            await sio.emit("answer", args, to=sid)
            return "asked"

    sio.admin = sio.instrument(**options)
    return sio


def main(library: str, kind: str) -> None:
    socketio = importlib.import_module(library)
    sio = build(socketio, kind)
    if kind == "async":
        import uvicorn

        uvicorn.run(socketio.ASGIApp(sio), host="127.0.0.1", port=0)
    else:
        from werkzeug.serving import make_server

        server = make_server("127.0.0.1", 0, socketio.WSGIApp(sio), threaded=True)
        print(f"http://127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])

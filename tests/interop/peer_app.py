"""The application that Python clients are played against, on fastsio or python-socketio; peer_app.js is its twin.

Run as a program it is a server's process: `python peer_app.py KIND PORT OPTIONS_JSON`, KIND fastsio or socketio.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import signal
import socket
import sys
from pathlib import Path
from typing import Any

NAMESPACES = ("/", "/chat", "/other")


def build(module: Any, **options: Any) -> Any:
    """The application; `module` is fastsio or socketio."""
    sio = module.AsyncServer(**options)
    for namespace in NAMESPACES:
        serve_namespace(sio, namespace)

    async def refuse(sid: str, environ: Any, auth: Any = None) -> None:
        raise module.exceptions.ConnectionRefusedError("not you", {"why": auth})

    sio.on("connect", refuse, namespace="/refusing")
    return sio


def serve_namespace(sio: Any, namespace: str) -> None:
    seen: dict[str, dict[str, Any]] = {}

    async def connect(sid: str, environ: Any, auth: Any = None) -> None:
        seen[sid] = {
            "auth": auth,
            "header": environ.get("HTTP_X_TEST"),
            "query": environ["QUERY_STRING"],
        }

    async def disconnect(sid: str, reason: str) -> None:
        del seen[sid]
        await sio.emit("left", sid, namespace=namespace)

    async def say(sid: str, *args: Any) -> None:
        await sio.emit("said", args, to=sid, namespace=namespace)

    async def ask(sid: str, *args: Any) -> None:
        answer = await sio.call("question", args, to=sid, namespace=namespace, timeout=10)
        answer = list(answer) if isinstance(answer, tuple) else answer
        await sio.emit("answered", (answer,), to=sid, namespace=namespace)

    async def join(sid: str, room: str) -> bool:
        await sio.enter_room(sid, room, namespace=namespace)
        return True

    async def shout(sid: str, room: str, text: Any) -> None:
        await sio.emit("shouted", text, room=room, namespace=namespace)

    async def burst(sid: str, count: int) -> None:
        for i in range(count):
            await sio.emit("count", i, to=sid, namespace=namespace)

    async def kick(sid: str) -> None:
        await sio.disconnect(sid, namespace=namespace)

    async def silence(sid: str) -> None:
        await asyncio.sleep(3600)

    handlers = {
        "connect": connect, "disconnect": disconnect, "say": say, "ask": ask, "join": join, "shout": shout,
        "burst": burst, "kick": kick, "silence": silence, "echo": lambda sid, *args: args,
        "who": lambda sid: seen[sid], "transport": lambda sid: sio.transport(sid, namespace=namespace),
    }  # fmt: skip
    for event, handler in handlers.items():
        sio.on(event, handler, namespace=namespace)


def main(kind: str, port: str, options_json: str) -> None:
    options = json.loads(options_json)
    files = {"ssl_certfile": options.pop("cert", None), "ssl_keyfile": options.pop("key", None)}
    scheme = "https" if files["ssl_certfile"] else "http"
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", int(port)))
        number = listener.getsockname()[1]
    if kind == "fastsio":
        sys.path.insert(0, str(Path(__file__).parents[2]))
        asyncio.run(serve_fastsio(options, number, {k: v for k, v in files.items() if v}))
        return
    import uvicorn

    socketio = importlib.import_module("socketio")
    app = socketio.ASGIApp(build(socketio, async_mode="asgi", **options))

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            print(f"LISTENS {scheme}://127.0.0.1:{number}", flush=True)

    config = uvicorn.Config(
        app, port=number, log_level="warning", timeout_graceful_shutdown=1, **files
    )
    Server(config).run()


async def serve_fastsio(options: dict[str, Any], port: int, files: dict[str, str]) -> None:
    import fastsio

    server = await fastsio.start(build(fastsio, **options), port=port, **files)
    print(f"LISTENS {server.url}", flush=True)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await server.close()


if __name__ == "__main__":
    main(*sys.argv[1:])

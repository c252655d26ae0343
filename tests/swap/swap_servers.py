"""The servers that scenarios run on: one for each set of options, the same with both libraries."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Flask, request

FILES = Path(__file__).parent / "files"
ORIGIN = "http://good.example"


def simple(**options: Any) -> Callable[[Any, Any], tuple[Any, Any]]:
    """A server with options, and nothing beside it."""

    def build(socketio: Any, _log: Any) -> tuple[Any, Any]:
        sio = socketio.AsyncServer(async_mode="asgi", **options)
        return sio, socketio.ASGIApp(sio)

    return build


def beside_an_app(socketio: Any, log: Any) -> tuple[Any, Any]:
    """A server at a path of its own beside another ASGI application and static files."""
    sio = socketio.AsyncServer(async_mode="asgi")
    app = socketio.ASGIApp(
        sio,
        other_asgi_app=OtherApp(log),
        static_files={
            "/index.html": str(FILES / "page.html"),
            "/static": str(FILES),
            "/data": {"filename": str(FILES / "data.bin"), "content_type": "application/x-swap"},
        },
        socketio_path="/deep/sio/",
    )
    return sio, app


def with_hooks(socketio: Any, log: Any) -> tuple[Any, Any]:
    """A server with startup and shutdown hooks, and no other application."""
    sio = socketio.AsyncServer(async_mode="asgi")

    async def started() -> None:
        log("lifespan", ["on_startup"])

    return sio, socketio.ASGIApp(
        sio, static_files={"/": str(FILES) + "/"}, on_startup=started, on_shutdown=lambda: None
    )


def engine_only(socketio: Any, _log: Any) -> tuple[Any, Any]:
    """A server of engineio: the layer below, without Socket.IO."""
    ours = socketio.__name__ == "fastsio"
    engineio = importlib.import_module("fastsio.engineio" if ours else "engineio")
    eio = engineio.AsyncServer(async_mode="asgi")
    return eio, engineio.ASGIApp(eio)


def flask(**options: Any) -> Callable[[Any, Any], tuple[Any, Any]]:
    """The sync server around a Flask application."""

    def build(socketio: Any, _log: Any) -> tuple[Any, Any]:
        sio = socketio.Server(async_mode="threading", **options)
        page = Flask(__name__)
        page.add_url_rule("/hello/<name>", "hello", lambda name: f"hello, {name}")
        page.add_url_rule("/post", "post", lambda: request.get_data(), methods=["POST"])
        files = {"/static": str(FILES)}
        return sio, socketio.WSGIApp(sio, page.wsgi_app, static_files=files)

    return build


class OtherApp:
    """An ASGI application that says what it was asked."""

    def __init__(self, log: Any) -> None:
        self.log = log

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "websocket":
            await self._echo(receive, send)
        else:
            body = f"other app: {scope['method']} {scope['path']} {scope['query_string'].decode()}"
            await send({"type": "http.response.start", "status": 203, "headers": []})
            await send({"type": "http.response.body", "body": body.encode()})

    async def _lifespan(self, receive: Any, send: Any) -> None:
        while True:
            kind = (await receive())["type"]
            self.log("other lifespan", [kind])
            await send({"type": f"{kind}.complete"})
            if kind == "lifespan.shutdown":
                return

    async def _echo(self, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": f"other app: {message['text']}"})


SERVERS: dict[str, Callable[[Any, Any], tuple[Any, Any]]] = {
    "plain": simple(),
    "root": simple(),
    "stars": simple(),
    "class_stars": simple(),
    "ordered": simple(async_handlers=False),
    "always": simple(always_connect=True),
    "listed": simple(namespaces=["/", "/listed"]),
    "every": simple(namespaces="*"),
    "json": simple(json=json),
    "msgpack": simple(serializer="msgpack"),
    "polling": simple(transports=["polling"]),
    "no_upgrade": simple(allow_upgrades=False),
    "small": simple(max_http_buffer_size=1000),
    "pings": simple(ping_interval=1, ping_timeout=1),
    "cookie": simple(cookie="io"),
    "cookie_dict": simple(
        cookie={"name": "who", "Path": "/deep", "HttpOnly": True, "SameSite": "None"}
    ),
    "origins": simple(cors_allowed_origins=[ORIGIN, "http://also.example"]),
    "one_origin": simple(cors_allowed_origins=ORIGIN),
    "any_origin": simple(cors_allowed_origins="*"),
    "no_cors": simple(cors_allowed_origins=[]),
    "asked_origin": simple(cors_allowed_origins=lambda origin: origin == ORIGIN),
    "star_origin": simple(cors_allowed_origins=["*"]),
    "asked_environ": simple(
        cors_allowed_origins=lambda origin, environ: origin == ORIGIN and "HTTP_HOST" in environ
    ),
    "no_credentials": simple(cors_allowed_origins=ORIGIN, cors_credentials=False),
    "beside": beside_an_app,
    "hooks": with_hooks,
    "engine_messages": engine_only,
    "engine_refusals": engine_only,
    "engine_sessions": engine_only,
    "sync": flask(),
    "sync_ordered": flask(async_handlers=False),
}
# Those of them that are WSGI applications.
WSGI = ("sync", "sync_ordered")

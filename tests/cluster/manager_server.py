"""A server with a client manager, of python-socketio or of fastsio: the same code for both, told what to do by lines.

manager_server.py LIBRARY STYLE MANAGER URL. LIBRARY: socketio or fastsio; STYLE: async or sync; MANAGER: a class of the
library. Each line of JSON in is a call of App, each line out its answer.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import socket
import sys
import threading
from typing import Any


def revive(value: Any) -> Any:
    """Bytes and tuples as the test has written them."""
    if isinstance(value, list):
        return [revive(one) for one in value]
    if isinstance(value, dict):
        if "$bytes" in value:
            return bytes.fromhex(value["$bytes"])
        if "$tuple" in value:
            return tuple(revive(one) for one in value["$tuple"])
        return {key: revive(one) for key, one in value.items()}
    return value


def plain(value: Any) -> Any:
    """revive(), the other way round."""
    if isinstance(value, (bytes, bytearray)):
        return {"$bytes": bytes(value).hex()}
    if isinstance(value, tuple):
        return {"$tuple": [plain(one) for one in value]}
    if isinstance(value, list):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    return value


class App:
    """What can be called: the server's methods by their names, and those below."""

    def __init__(self, sio: Any, namespaces: tuple[str, ...] = ("/", "/chat")) -> None:
        self.sio = sio
        self.answers: list[Any] = []
        self.heard: list[Any] = []
        for namespace in namespaces:
            sio.on("connect", self._note("connect"), namespace=namespace)
            sio.on("disconnect", self._note("disconnect"), namespace=namespace)

    def _note(self, what: str) -> Any:
        def note(sid: str, *args: Any) -> None:
            self.heard.append([what, sid])

        return note

    def take_answers(self) -> Any:
        answers, self.answers = self.answers, []
        return answers

    def take_heard(self) -> Any:
        heard, self.heard = self.heard, []
        return heard

    def emit_for_answer(self, *args: Any, **kwargs: Any) -> Any:
        return self.sio.emit(
            *args, callback=lambda *values: self.answers.append(list(values)), **kwargs
        )

    def lost(self) -> Any:
        cluster = self.sio.hub.cluster
        return {"lost": cluster.bus.lost, "is_up": cluster.is_up, "counts": cluster.bus.counts}

    def method(self, name: str) -> Any:
        return getattr(self, name, None) or getattr(self.sio, name)

    def answer_of(self, request: dict[str, Any], result: Any) -> dict[str, Any]:
        return {"id": request["id"], "value": plain(result)}


def arguments(request: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    *args, kwargs = revive(request["args"])
    return args, kwargs


def listen() -> socket.socket:
    listener = socket.create_server(("127.0.0.1", 0))
    print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
    return listener


async def run_async(library: str, manager: Any) -> None:
    import uvicorn

    socketio = importlib.import_module(library)
    app = App(socketio.AsyncServer(async_mode="asgi", client_manager=manager))
    config = uvicorn.Config(socketio.ASGIApp(app.sio), log_level="warning", lifespan="off")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listen()]))
    reader = asyncio.StreamReader(limit=1 << 26)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        request = json.loads(line)
        args, kwargs = arguments(request)
        try:
            result = app.method(request["call"])(*args, **kwargs)
            result = await result if inspect.isawaitable(result) else result
            answer = app.answer_of(request, result)
        except Exception as error:  # noqa: BLE001 - told to the test
            answer = {"id": request["id"], "error": repr(error)}
        print(json.dumps(answer), flush=True)
    server.should_exit = True
    await serving


def run_sync(library: str, manager: Any) -> None:
    from werkzeug.serving import make_server

    socketio = importlib.import_module(library)
    app = App(socketio.Server(async_mode="threading", client_manager=manager))
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = make_server("127.0.0.1", port, socketio.WSGIApp(app.sio), threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(json.dumps({"port": port}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        args, kwargs = arguments(request)
        try:
            answer = app.answer_of(request, app.method(request["call"])(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - told to the test
            answer = {"id": request["id"], "error": repr(error)}
        print(json.dumps(answer), flush=True)


def main(library: str, style: str, manager: str, url: str) -> None:
    made = getattr(importlib.import_module(library), manager)(url)
    if style == "async":
        asyncio.run(run_async(library, made))
    else:
        run_sync(library, made)


if __name__ == "__main__":
    main(*sys.argv[1:])

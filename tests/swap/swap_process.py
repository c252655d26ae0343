"""A process that serves every server of swap_servers.py with one library.

    python swap_process.py socketio|fastsio

Says `{"ports": {...}}` once they listen, then `{"ns": ..., "entry": [...]}` for every line of a log;
ends when its stdin does.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import os
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

import uvicorn  # noqa: E402
from werkzeug.serving import make_server  # noqa: E402

import swap_scenarios  # noqa: E402
from swap_scenario import BARRIER, SCENARIOS, App  # noqa: E402
from swap_servers import SERVERS, WSGI  # noqa: E402

LOCK = threading.Lock()


def write(namespace: str, entry: Any) -> None:
    line = json.dumps({"ns": namespace, "entry": entry}) + "\n"
    with LOCK:  # handlers of the sync servers run in threads
        sys.stdout.write(line)
        sys.stdout.flush()


class UvicornServer(uvicorn.Server):
    """One of several in a process: signals are not its business."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve_uvicorn(app: Any, **options: Any) -> int:
    """Serve on a free port with uvicorn; returns the port once it listens."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=0, **options)
    config.load()
    server = UvicornServer(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:  # uvicorn has no event for this
        await asyncio.sleep(0.001)
        assert not task.done(), "uvicorn did not start"
    KEPT.append(task)
    return listener.getsockname()[1]


async def serve_fastsio(app: Any) -> int:
    """Serve on a free port with our server."""
    import fastsio

    server = await fastsio.start(app, "127.0.0.1", 0)
    KEPT.append(server)
    return server.port


async def serve_protocol(app: Any) -> int:
    """Serve on a free port with uvicorn and our protocol class."""
    return await serve_uvicorn(app, http="fastsio.uvicorn:SioHttpProtocol")


async def serve_werkzeug(app: Any) -> int:
    """Serve a WSGI application on a free port, each request in a thread: Flask's development server."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


KEPT: list[Any] = []
# How fastsio's applications are served: FASTSIO_SWAP_DOOR=uvicorn plays all of it there.
DOORS = {"own": serve_fastsio, "uvicorn": serve_uvicorn, "protocol": serve_protocol}


def star_barrier(socketio: Any, sio: Any) -> None:
    def sync(namespace: str, _sid: str, number: int) -> int:
        write(namespace, [BARRIER, number])
        return number

    sio.on(BARRIER, sync, namespace="*")


async def main(library: str) -> None:
    socketio = importlib.import_module(library)
    door = os.environ.get("FASTSIO_SWAP_DOOR", "own")
    serve = DOORS[door] if library == "fastsio" else serve_uvicorn
    swap_scenarios.load()
    ports = {}
    for name, build in SERVERS.items():
        try:
            sio, app = build(socketio, write)
            add_scenarios(socketio, name, sio)
            ports[name] = await (serve_werkzeug if name in WSGI else serve)(app)
        except Exception as error:  # noqa: BLE001 - its scenarios fail, the others can run
            ports[name] = f"{type(error).__name__}: {error}"
    print(json.dumps({"ports": ports}), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


def add_scenarios(socketio: Any, server: str, sio: Any) -> None:
    if server == "stars":
        star_barrier(socketio, sio)
    for scenario in SCENARIOS.values():
        if scenario.server != server:
            continue
        for kind in scenario.clients:
            app = App(socketio, sio, scenario.namespace(kind), write)
            scenario.serve(app)
            if scenario.is_synchronized and server != "stars":
                app.barrier()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))

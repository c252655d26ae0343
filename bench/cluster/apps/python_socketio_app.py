"""The same on python-socketio and uvicorn: `python_socketio_app.py PORT none|manager REDIS_URL`."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "servers"))

import socketio
import uvicorn
from handlers import SETTINGS, install

port, kind, url = sys.argv[1:]
manager = socketio.AsyncRedisManager(url) if kind == "manager" else None
sio = socketio.AsyncServer(async_mode="asgi", client_manager=manager, **SETTINGS)
install(sio)
uvicorn.run(
    socketio.ASGIApp(sio),
    host="127.0.0.1",
    port=int(port),
    loop="uvloop",
    http="httptools",
    ws_per_message_deflate=False,
    log_level="warning",
    timeout_graceful_shutdown=1,
)

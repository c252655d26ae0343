"""`python python_socketio_app.py PORT [--tls CERT KEY]`: the benchmark's application on python-socketio and uvicorn.

uvicorn takes its WebSocket implementation by itself (`websockets`, which uvicorn[standard] brings).
"""

import socketio
import uvicorn
from handlers import SETTINGS, install, listening

sio = socketio.AsyncServer(async_mode="asgi", **SETTINGS)
install(sio)
uvicorn.run(
    socketio.ASGIApp(sio),
    **listening(),
    loop="uvloop",
    http="httptools",
    ws_per_message_deflate=False,
    log_level="warning",
    timeout_graceful_shutdown=1,
)

"""`python python_socketio_app.py PORT`: the benchmark's application on python-socketio and uvicorn.

uvicorn takes its WebSocket implementation by itself (`websockets`, which uvicorn[standard] brings).
"""

import sys

import socketio
import uvicorn
from handlers import install

sio = socketio.AsyncServer(async_mode="asgi")
install(sio)
uvicorn.run(
    socketio.ASGIApp(sio),
    host="127.0.0.1",
    port=int(sys.argv[1]),
    loop="uvloop",
    http="httptools",
    log_level="warning",
)

"""`python fastsio_app.py PORT`: the benchmark's application on fastsio's own server."""

import sys

from handlers import install

import fastsio

sio = fastsio.AsyncServer()
install(sio)
fastsio.run(sio, host="127.0.0.1", port=int(sys.argv[1]), loop="uvloop")

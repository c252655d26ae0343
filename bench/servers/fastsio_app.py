"""`python fastsio_app.py PORT [--tls CERT KEY]`: the benchmark's application on fastsio's own server."""

from handlers import SETTINGS, install, listening

import fastsio

sio = fastsio.AsyncServer(**SETTINGS)
install(sio)
fastsio.run(sio, **listening(), loop="uvloop")

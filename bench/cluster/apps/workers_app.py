"""The benchmark's application for `fastsio serve workers_app:sio --workers N`, in this folder."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "servers"))

from handlers import SETTINGS, install

import fastsio

sio = fastsio.AsyncServer(**SETTINGS)
install(sio)

"""An ASGIApp for servers in processes of their own; workers share their output, so each line is one write.

`app`: python-socketio's style, alone. Lines: ["in", pid, sid], ["gone", pid, sid, reason], ["cancelled", pid].
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parents[2])]

import fastsio  # noqa: E402
from fastsio.asgi import ASGIApp  # noqa: E402


def note(word: str, *values: Any) -> None:
    sys.stdout.write(json.dumps([word, os.getpid(), *values]) + "\n")
    sys.stdout.flush()


sio = fastsio.AsyncServer()


@sio.event
def connect(sid: str, environ: dict[str, Any]) -> None:
    note("in", sid)


@sio.event
def disconnect(sid: str, reason: str) -> None:
    note("gone", sid, reason)


@sio.event
async def work(sid: str, seconds: float) -> str:
    note("working", sid)
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        note("cancelled", sid)
        raise
    note("worked", sid)
    return "done"


@sio.event
def pid(sid: str) -> int:
    return os.getpid()


app = ASGIApp(sio)

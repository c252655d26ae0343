"""An application for the test client, and a watch over what its clients leave behind."""

from __future__ import annotations

import asyncio

import pytest

import fastsio

MS = 0.001


@pytest.fixture(autouse=True)
async def clean(watch):
    """No test may leave a task or an error, see conftest."""
    return watch


@pytest.fixture
def sio():
    """An application in python-socketio's style; `sio.left` has the reasons of clients that went."""
    sio = fastsio.AsyncServer(logger=False)
    sio.left = []

    @sio.event
    async def connect(sid, environ, auth):
        if auth and "refuse" in auth:
            raise fastsio.exceptions.ConnectionRefusedError("not you", auth["refuse"])
        await sio.save_session(sid, {"environ": environ, "auth": auth})

    @sio.event
    async def echo(sid, *args):
        return args

    @sio.event
    async def chat(sid, text):
        await asyncio.sleep(0)
        await sio.emit("chat", text)

    @sio.event
    async def disconnect(sid, reason):
        await asyncio.sleep(1 * MS)
        sio.left.append(reason)

    return sio

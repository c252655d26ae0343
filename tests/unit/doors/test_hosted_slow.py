"""Slow readers behind an ASGI server that the test plays: its send() waits, and how long is all that we know.

The clock is the test's. Source: ASGI specification 3.0, "WebSocket".
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from asgi_tools import Client
from clock_loop import pass_time

pytestmark = pytest.mark.asyncio(loop_factories=["clock"])

OPTIONS: dict[str, Any] = {"send_timeout": 8.0, "ping_interval": 600.0, "ping_timeout": 600.0}


async def opened(app: Any) -> tuple[Any, Any]:
    """A WebSocket that has joined, and the server's socket for it."""
    client = await Client(app).open_websocket()
    (socket,) = app.io.sockets.sockets.values()
    return client.call, socket


@pytest.mark.fault(
    "a client behind an ASGI server stops reading", "its session ends after send_timeout"
)
async def test_a_client_for_which_the_server_takes_nothing_is_ended(hosted: Any) -> None:
    app = await hosted(**OPTIONS)
    call, socket = await opened(app)
    call.stall()
    socket.emit("news")
    began_at = asyncio.get_running_loop().time()
    while not app.ends:
        call.say("3")
        await pass_time(0.5)
        assert asyncio.get_running_loop().time() - began_at < 12
    assert asyncio.get_running_loop().time() - began_at >= 8
    assert app.ends == ["transport error"]
    call.flow()
    await call.done()


async def test_a_client_for_which_the_server_takes_a_message_now_and_then_stays(
    hosted: Any,
) -> None:
    app = await hosted(**OPTIONS)
    call, socket = await opened(app)
    for n in range(10):
        call.stall()
        for _ in range(3):
            socket.emit("news", n)
        await pass_time(7.5)
        call.flow()
        for _ in range(3):
            assert await call.hear() == f'42["news",{n}]'
    assert app.ends == []
    call.hang_up()
    await call.done()


async def test_a_server_that_waits_only_now_and_then_has_nobody_on_the_wheel(hosted: Any) -> None:
    app = await hosted(**OPTIONS)
    call, socket = await opened(app)
    wheel = app.io.hub.engine.wheel
    before = wheel.count
    call.stall()
    socket.emit("news")
    await pass_time(0.1)
    assert wheel.count == before + 1
    call.flow()
    await pass_time(10)
    assert wheel.count == before
    assert app.ends == []
    call.hang_up()
    await call.done()

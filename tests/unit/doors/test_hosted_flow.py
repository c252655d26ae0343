"""Flow control behind an ASGI server that the test plays: clients that are not read, buffers that are full.

Source: ASGI specification 3.0: a server reads a WebSocket as receive() is called, and send() waits for a slow client.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from asgi_tools import Client
from harness import until

TEXT = "x" * 1024


async def turns(count: int = 8) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def opened(app: Any) -> tuple[Any, Any]:
    """A WebSocket that has joined, and the server's socket for it."""
    client = await Client(app).open_websocket()
    (socket,) = app.io.sockets.sockets.values()
    return client.call, socket


async def test_nothing_is_received_while_a_client_is_paused(hosted: Any) -> None:
    app = await hosted()
    call, socket = await opened(app)
    call.say('42["e",0]')
    await until(lambda: app.heard == [(0,)], "heard")
    socket.on("stop", socket.pause)
    call.say('42["stop"]', '42["e",1]', '42["e",2]')
    await turns()
    assert call._inbox.qsize() == 2, "the server still has the rest"
    socket.emit("sent all the same")
    assert await call.hear() == '42["sent all the same"]'
    socket.resume()
    await until(lambda: app.heard == [(0,), (1,), (2,)], "heard")
    call.hang_up()
    await call.done()


async def test_a_paused_client_that_is_put_out_ends(hosted: Any) -> None:
    app = await hosted()
    call, socket = await opened(app)
    socket.pause()
    await turns()
    socket.disconnect(close=True)
    call.hang_up(1000)
    await call.done()
    assert app.ends == ["server namespace disconnect"]


@pytest.mark.parametrize("policy", ["drop_oldest", "drop_newest"])
async def test_policies_hold_for_what_the_server_has_not_taken(hosted: Any, policy: str) -> None:
    app = await hosted(max_buffered_bytes=16 * 1024, buffer_policy=policy)
    call, socket = await opened(app)
    call.stall()
    for i in range(100):
        socket.emit("tick", i, TEXT)
        await turns(2)
    assert socket.is_connected
    assert socket.dropped > 70
    call.flow()
    ticks = []
    for _ in range(100 - socket.dropped):
        text = str(await call.hear())
        ticks.append(int(text.split(",")[1]))
    assert ticks == sorted(set(ticks))
    assert ticks[-1] == 99 if policy == "drop_oldest" else ticks == list(range(len(ticks)))
    call.hang_up()
    await call.done()


async def test_drain_and_marks_follow_what_the_server_takes(hosted: Any) -> None:
    app = await hosted(high_water=8 * 1024, low_water=1024)
    call, socket = await opened(app)
    log: list[str] = []
    socket.on("high_water", lambda size: log.append("high"))
    socket.on("low_water", lambda size: log.append("low"))
    call.stall()
    for _ in range(20):
        socket.emit("more", TEXT)
    await turns()
    assert log == ["high"]
    draining = asyncio.ensure_future(socket.drain())
    await turns()
    assert not draining.done()
    call.flow()
    await asyncio.wait_for(draining, 5)
    await turns()
    assert (log, socket.buffered_bytes) == (["high", "low"], 0)
    call.hang_up()
    await call.done()


async def test_a_post_of_a_paused_client_is_answered_when_it_is_resumed(hosted: Any) -> None:
    app = await hosted()
    client = await Client(app).open_polling()
    (socket,) = app.io.sockets.sockets.values()
    socket.pause()
    post = client.post(b'42["e",1]')
    await turns()
    assert (post.sent, app.heard) == ([], [])
    socket.resume()
    status, _, body = await post.answer()
    assert (status, body, app.heard) == (200, b"ok", [(1,)])
    await client.leave()

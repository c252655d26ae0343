"""A handler that blocks the event loop: everybody waits, nobody is timed out for it, and the log says who it was.

Real loops and sockets: what matters is which of a socket and a timer a loop looks at first when it goes on.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from typing import Any

import pytest

import fastsio
from harness import MS, FakePeer, until

PING_INTERVAL_S = 200 * MS
PING_TIMEOUT_S = 300 * MS
BLOCKED_S = 4 * PING_TIMEOUT_S
COUNT = 20


class Answering(threading.Thread):
    """Clients whose pongs do not depend on the blocked loop: they have a loop of their own."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.url = url
        self.loop = asyncio.new_event_loop()
        self.joined = 0
        self.lost: list[BaseException] = []
        self._ended: asyncio.Event | None = None

    def run(self) -> None:
        self.loop.run_until_complete(self._main())
        self.loop.close()

    async def _main(self) -> None:
        self._ended = asyncio.Event()
        clients = [asyncio.ensure_future(self._client()) for _ in range(COUNT)]
        await self._ended.wait()
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)

    async def _client(self) -> None:
        peer = await FakePeer(self.url).open()
        try:
            await peer.connect()
            self.joined += 1
            while True:
                await peer.receive()
        except Exception as error:
            self.lost.append(error)
            raise
        finally:
            await peer.close()

    def stop(self) -> None:
        assert self._ended is not None
        self.loop.call_soon_threadsafe(self._ended.set)


def block(seconds: float) -> None:
    """A handler without `await` in it."""
    time.sleep(seconds)


@pytest.mark.fault(
    "a handler blocks the event loop longer than ping_timeout",
    "no client is timed out: its pong is read first",
)
async def test_nobody_is_timed_out_by_a_blocked_loop(serve: Any) -> None:
    io = fastsio.IO(ping_interval=PING_INTERVAL_S, ping_timeout=PING_TIMEOUT_S)
    ends: list[str] = []

    @io.on("connection")
    def connection(socket: Any) -> None:
        socket.on("disconnect", ends.append)
        socket.on("block", block)

    server = await serve(io)
    others = Answering(server.url)
    others.start()
    peer = await FakePeer(server.url, answers_pings=False).open()
    await peer.connect()
    await until(lambda: others.joined == COUNT, "all have joined")
    for _ in range(2):
        # As pings are on their way: when they are back, the loop stands still.
        await until(
            lambda: all(session._awaits_pong for session in server.engine.sessions.values()),
            "all are pinged",
        )
        await peer.send("3")
        await peer.send(f'421["block",{BLOCKED_S}]')
        while await peer.receive() != "431[]":
            pass
        await asyncio.sleep(PING_TIMEOUT_S / 2)
        assert (ends, others.lost) == ([], [])
        await peer.send("3")
    others.stop()
    await peer.close()
    await until(lambda: len(ends) == COUNT + 1, "each has its end, once")
    others.join(5)


@pytest.mark.fault(
    "a handler blocks the event loop", "with the option watchdog the log says who, where, how long"
)
async def test_the_watchdog_names_the_handler_that_blocks(
    serve: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "fastsio.watchdog")
    io = fastsio.IO(watchdog=50 * MS)
    io.on("connection", lambda socket: socket.on("block", block))
    server = await serve(io)
    peer = await FakePeer(server.url).open()
    await peer.connect()
    await asyncio.sleep(100 * MS)
    await peer.send(f'421["block",{300 * MS}]')
    assert await peer.receive() == "431[]"
    await until(lambda: "goes on after" in caplog.text, "both lines")
    (blocked, _) = [record.getMessage() for record in caplog.records]
    assert "by block (" in blocked and "test_slow_blocked_loop.py:" in blocked
    await peer.close()


async def test_the_watchdog_ends_with_its_server(serve: Any) -> None:
    io = fastsio.IO(watchdog=50 * MS)
    server = await serve(io)
    assert any(thread.name == "fastsio-watchdog" for thread in threading.enumerate())
    await server.close()
    await until(
        lambda: not any(thread.name == "fastsio-watchdog" for thread in threading.enumerate()),
        "its thread's end",
    )


@pytest.mark.parametrize("style", [fastsio.IO, fastsio.AsyncServer])
async def test_a_server_without_watchdog_has_no_thread(serve: Any, style: Any) -> None:
    await serve(style())
    assert not any(thread.name == "fastsio-watchdog" for thread in threading.enumerate())

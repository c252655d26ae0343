"""Fixtures of the engine's tests: the loop whose clock tests turn, and an application that notes its clients' ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

import fastsio
from clock_loop import pytest_asyncio_loop_factories
from memory_conn import MemoryPeer

__all__ = ["pytest_asyncio_loop_factories"]


@dataclass
class EchoServer:
    """A running server whose clients may send "echo" (comes back as an event) and have their ends noted."""

    server: Any
    sockets: list[Any] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)
    heard: list[Any] = field(default_factory=list)

    async def client(self, transport: str = "websocket", **fields: Any) -> MemoryPeer:
        """A client in memory that has joined "/"."""
        peer = await MemoryPeer.of(self.server, transport, **fields).open()
        await peer.connect()
        return peer

    @property
    def sessions(self) -> dict[str, Any]:
        return self.server.engine.sessions

    def session(self, peer: MemoryPeer) -> Any:
        return self.server.engine.sessions[peer.handshake["sid"]]


@pytest.fixture
def echo_server(serve: Any) -> Callable[..., Awaitable[EchoServer]]:
    """`app = await echo_server(**options)`"""

    async def start(**options: Any) -> EchoServer:
        io = fastsio.IO(**options)
        app = EchoServer(await serve(io))

        @io.on("connection")
        def connection(socket: Any) -> None:
            app.sockets.append(socket)
            socket.on("disconnect", lambda reason: app.ends.append(reason))

            @socket.on("echo")
            def echo(*values: Any) -> None:
                app.heard.append(values)
                socket.emit("echo", *values)

        return app

    return start

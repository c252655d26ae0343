"""Fixtures of the WebTransport tests: a server over real UDP, and an application that notes what happens."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest_asyncio

import fastsio
from harness import until
from webtransport_peer import WebTransportPeer

TRANSPORTS = ("polling", "websocket", "webtransport")


@dataclass
class App:
    """A running server. Its clients may send "echo" (comes back as an event), and have their comings and ends noted."""

    server: Any
    io: Any
    sockets: list[Any] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)
    heard: list[Any] = field(default_factory=list)

    @property
    def door(self) -> Any:
        return self.server.webtransport

    @property
    def sessions(self) -> dict[str, Any]:
        return self.server.engine.sessions

    def peer(self, **configuration: Any) -> WebTransportPeer:
        return WebTransportPeer.at(self.server, **configuration)

    async def ended(self, *reasons: str) -> None:
        """Wait for the ends of clients, and for QUIC to be done with them."""
        await until(lambda: len(self.ends) >= len(reasons), "the end")
        assert self.ends == list(reasons)
        await self.gone()

    async def gone(self) -> None:
        await until(lambda: not self.door.connections, "the end of the connections")
        assert not self.door.by_id
        assert not self.door.handshakes


MakeApp = Callable[..., Awaitable[App]]


@pytest_asyncio.fixture
async def webtransport_app(serve: Any, certificate: Any) -> AsyncIterator[MakeApp]:
    """`app = await webtransport_app(**options)`; `webtransport`: settings of the listener.

    At the end every client that came in has had exactly one disconnect.
    """
    apps: list[App] = []

    async def start(webtransport: dict[str, Any] | None = None, **options: Any) -> App:
        options.setdefault("transports", TRANSPORTS)
        io = fastsio.IO(**options)
        files = {"certfile": certificate[0], "keyfile": certificate[1]}
        app = App(await serve(io, webtransport=files | (webtransport or {})), io)
        apps.append(app)

        @io.on("connection")
        def connection(socket: Any) -> None:
            app.sockets.append(socket)
            socket.on("disconnect", lambda reason: app.ends.append(reason))

            @socket.on("echo")
            def echo(*values: Any) -> None:
                app.heard.append(values)
                socket.emit("echo", *values)

        return app

    yield start
    for app in apps:
        await app.server.close()
        assert len(app.ends) == len(app.sockets)
        assert not app.door.connections
        assert not app.door.by_id
        assert app.door.failures == 0

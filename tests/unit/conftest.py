"""Fixtures of the unit tests: each compiled module with its reference, each stream whole and cut."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import pytest
import pytest_asyncio

import fastsio
from clock_loop import pytest_asyncio_loop_factories
from fastsio.core.handshake import make_environ
from fastsio.doors.hosted import serve as serve_hosted
from fastsio.server import engine_of, release_engine
from frame_tools import byte_by_byte, in_one_piece
from harness import until

__all__ = ["pytest_asyncio_loop_factories"]


@pytest.fixture(params=["fastsio._frames", "reference"])
def frames(request: pytest.FixtureRequest) -> ModuleType:
    return importlib.import_module(request.param)


@pytest.fixture(params=["fastsio._codec", "reference"])
def codec(request: pytest.FixtureRequest) -> ModuleType:
    return importlib.import_module(request.param)


@pytest.fixture(params=[in_one_piece, byte_by_byte])
def cut(request: pytest.FixtureRequest) -> Callable[[bytes], list[bytes]]:
    return request.param


@dataclass
class HostedApp:
    """An ASGI application that is nothing but the engine; it notes what clients send as "e", and their ends."""

    io: fastsio.IO
    heard: list[Any] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)
    cancel_reason: str | None = None

    def __post_init__(self) -> None:
        self.io.on("connection", self.connected)

    def connected(self, socket: Any) -> None:
        socket.on("disconnect", lambda reason: self.ends.append(reason))
        socket.on("e", lambda *args: self.heard.append(args))
        socket.on("echo", lambda *args: args)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await serve_hosted(engine_of(self.io.hub), scope, receive, send, self.cancel_reason)

    @staticmethod
    def environ_of(session: Any) -> dict[str, Any]:
        return make_environ(session)

    async def is_held(self, client: Any) -> None:
        """Wait until the client's GET is held."""
        session = self.io.hub.engine.sessions[client.sid]
        await until(lambda: session.polling.is_writable, "a held GET")


@pytest_asyncio.fixture
async def hosted(watch: Any) -> AsyncIterator[Callable[..., Awaitable[HostedApp]]]:
    """`app = await hosted(**options)`; at the end no session may be left."""
    apps = []

    async def make(**options: Any) -> HostedApp:
        apps.append(HostedApp(fastsio.IO(**options)))
        return apps[-1]

    yield make
    left = [list(app.io.hub.engine.sessions) for app in apps if app.io.hub.engine is not None]
    for app in apps:
        release_engine(app.io.hub)
    assert not any(left), f"sessions left behind: {left}"

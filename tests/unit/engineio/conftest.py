"""A raw Engine.IO application that notes its events, and clients in memory for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from clock_loop import pytest_asyncio_loop_factories
from fastsio.engineio import AsyncServer
from memory_conn import MemoryPeer

__all__ = ["pytest_asyncio_loop_factories"]


@dataclass
class Stage:
    """`eio` served, and what its handlers were called with: ("connect", sid), ("message", data), …"""

    eio: AsyncServer
    server: Any
    events: list[tuple[Any, ...]] = field(default_factory=list)

    async def client(self, transport: str = "websocket", **fields: Any) -> MemoryPeer:
        return await MemoryPeer.of(self.server, transport, path="/engine.io/", **fields).open()

    def note(self, *events: str) -> None:
        """Register handlers that only note."""
        for event in events:
            self.eio.on(event, lambda sid, *args, event=event: self.events.append((event, *args)))


@pytest.fixture
def stage(serve: Any) -> Any:
    """`stage = await stage(**options_of_AsyncServer)`; served: options of start()."""

    async def start(
        server_class: type[AsyncServer] = AsyncServer, served: dict[str, Any] | None = None, **options: Any
    ) -> Stage:  # fmt: skip
        eio = server_class(**options)
        return Stage(eio, await serve(eio, **(served or {})))

    return start

"""uvicorn's server in the test's own loop."""

from __future__ import annotations

import asyncio
from typing import Any

import uvicorn

from fastsio.uvicorn import SioHttpProtocol
from harness import DEADLINE_S, until


class UvicornInLoop:
    """`await start(app, **config)`, then `url`, `state` (uvicorn's ServerState); `await stop()`."""

    def __init__(self, app: Any, **config: Any) -> None:
        config = {
            "host": "127.0.0.1",
            "port": 0,
            "http": SioHttpProtocol,
            "log_config": None,
            **config,
        }
        self.config = uvicorn.Config(app, **config)
        self.server = uvicorn.Server(self.config)
        self._task: asyncio.Task[None] | None = None

    @property
    def state(self) -> Any:
        return self.server.server_state

    @property
    def url(self) -> str:
        port = self.server.servers[0].sockets[0].getsockname()[1]
        return f"{'https' if self.config.is_ssl else 'http'}://127.0.0.1:{port}"

    @property
    def connections(self) -> set[Any]:
        """Those of clients: fastsio's own place among them is for uvicorn's shutdown to tell it."""
        return self.state.connections - {getattr(self.state, "fastsio_server", None)}

    async def start(self) -> UvicornInLoop:
        # Not serve(): that would take the test's own signal handlers away.
        self._task = asyncio.ensure_future(self.server._serve())
        await until(lambda: self.server.started or self._task.done(), "uvicorn listens")
        if self._task.done():
            self._task.result()
        return self

    async def stop(self) -> None:
        """What ends uvicorn without a signal, and its end."""
        self.server.should_exit = True
        await self.ended()

    async def ended(self) -> None:
        if self._task is not None:
            await asyncio.wait_for(self._task, DEADLINE_S * 2)

"""A server whose connections are shared with an ASGI application beside it, which uvicorn's protocol serves.

The router of SharedConn: the engine's paths are ours, all else is the application's.
"""

import asyncio
from typing import Any

from fastsio._shared import SharedConn
from fastsio.doors.beside import Beside
from fastsio.server import GOODBYE_S, Application, IsEnginePath, Server, end_tasks


class Connections(set[Any]):
    """A set that tells when it has become empty; uvicorn's protocols put themselves in and take themselves out."""

    def __init__(self) -> None:
        super().__init__()
        self._emptied = asyncio.Event()

    def discard(self, connection: Any) -> None:
        super().discard(connection)
        if not self:
            self._emptied.set()

    def remove(self, connection: Any) -> None:
        super().remove(connection)
        if not self:
            self._emptied.set()

    async def wait_until_empty(self, timeout_s: float) -> bool:
        """False if it is not empty after so many seconds."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        try:
            async with asyncio.timeout_at(deadline):
                while self:
                    self._emptied.clear()
                    await self._emptied.wait()
        except TimeoutError:
            return False
        return True


class SharedServer(Server):
    """Connections of a Socket.IO application and of the ASGI application beside it."""

    def __init__(
        self,
        app: Application,
        beside: Beside,
        is_engine_path: IsEnginePath,
        head_timeout: float = 10.0,
    ) -> None:
        super().__init__(app, is_engine_path=is_engine_path, head_timeout=head_timeout)
        self.beside = beside
        self.note_connections_in(beside.state.connections)
        # Whose a request is.
        self.owns = is_engine_path

    # --- the router's side -------------------------------------------------------------------

    def lend(self, conn: SharedConn) -> Any:
        return self.beside.lend(conn, self)

    def take_back(self, conn: SharedConn, protocol: Any) -> None:
        self.beside.take_back(conn, protocol)

    def give_away(self, transport: Any, data: bytes, is_writable: bool) -> None:
        self.beside.give_away(self, transport, data, is_writable)

    def stop(self) -> None:
        """Where uvicorn's server stops, it says so here; ours calls close()."""

    # --- the end -----------------------------------------------------------------------------

    async def close(self, timeout_s: float) -> None:
        """As Server.close(); answers that are being written beside get the same `timeout_s` seconds."""
        self.leave_engine()
        for connection in list(self.connections):
            if isinstance(connection, SharedConn):
                connection.retire()
            else:
                connection.shutdown()
        await asyncio.gather(
            self.end_work(timeout_s), end_tasks(self.beside.state.tasks, timeout_s)
        )
        assert isinstance(self.connections, Connections)
        if not await self.connections.wait_until_empty(GOODBYE_S):
            self.abort_all()
            await self.connections.wait_until_empty(GOODBYE_S)
        if not self.engine.is_open:
            self.engine.wheel.close()

    def abort_all(self) -> None:
        """Drop the connections that have not ended by themselves."""
        for connection in list(self.connections):
            if isinstance(connection, SharedConn):
                connection.abort()
            elif connection.transport is not None:
                connection.transport.abort()

"""What instrument() returns."""

import asyncio
from collections.abc import Callable
from typing import Any

from fastsio.admin.observer import Admin
from fastsio.core.hub import Hub


class InstrumentedAsyncServer:
    """What AsyncServer.instrument() returns: uninstrument() ends it, shutdown() its figures."""

    def __init__(self, hub: Hub, *arguments: Any) -> None:
        self._hub = hub
        self._admin = Admin(hub, *arguments)
        self._do(self._admin.begin)

    def _do(self, act: Callable[[], None]) -> None:
        """Now, or from another thread soon."""
        if self._hub.is_elsewhere():
            self._hub.call_soon(act)
        else:
            act()

    async def shutdown(self) -> None:
        """End the task that sends server_stats; one begins anew when another admin comes."""
        if self._hub.is_elsewhere():
            await self._hub.hand_over(self.shutdown())
            return
        ending = self._admin.figures.stop()
        if ending is not None:
            await asyncio.wait([ending])

    def uninstrument(self) -> None:
        """Leave nothing behind: admins are disconnected and nothing is observed any more."""
        self._do(self._admin.end)


class InstrumentedServer:
    """What Server.instrument() returns: see InstrumentedAsyncServer. Its methods may be called from any thread."""

    def __init__(self, ask: Callable[..., Any], hub: Hub, *arguments: Any) -> None:
        """`ask(fn)` calls it where the clients are, and waits."""
        self._ask = ask
        self._admin = Admin(hub, *arguments)
        ask(self._admin.begin)

    def shutdown(self) -> None:
        """End the task that sends server_stats; one begins anew when another admin comes."""
        self._ask(self._admin.figures.stop)

    def uninstrument(self) -> None:
        """Leave nothing behind: admins are disconnected and nothing is observed any more."""
        self._ask(self._admin.end)

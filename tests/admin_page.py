"""An admin by hand, for tests of instrument()."""

from __future__ import annotations

import json
import re
from typing import Any

from memory_conn import MemoryPeer

LOGIN = {"username": "admin", "password": "pw"}
FEATURES = [
    "AGGREGATED_EVENTS", "EMIT", "JOIN", "LEAVE", "DISCONNECT", "MJOIN", "MLEAVE", "MDISCONNECT", "ALL_EVENTS",
]  # fmt: skip
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


class AdminPage:
    """An admin by hand: `await page.next(name)` is the next event, which has to be that one."""

    def __init__(self, peer: MemoryPeer, namespace: str) -> None:
        self.peer = peer
        self._head = f"42{namespace},"

    async def event(self) -> list[Any]:
        packet = await self.peer.receive()
        assert isinstance(packet, str)
        assert packet.startswith(self._head), packet
        return json.loads(packet.removeprefix(self._head))

    async def next(self, name: str) -> Any:
        """The arguments of the next event but for figures; the time at its end is checked and left out."""
        event = await self.event()
        while event[0] == "server_stats" != name:
            event = await self.event()
        assert event[0] == name, event
        args = event[1:]
        if isinstance(args[-1], str) and TIME.fullmatch(args[-1]):
            args.pop()
        return args[0] if len(args) == 1 else args

    async def ask(self, event: str, *args: Any) -> None:
        await self.peer.send(self._head + json.dumps([event, *args]))

"""Who is where in a cluster, as a namespace's adapter answers it: those here, and what presence knows of the others."""

from typing import Any

from fastsio.adapters.presence.replication import Presence
from fastsio.core.adapter import Adapter
from fastsio.core.operator import Rooms


class PresentAdapter(Adapter):
    """The part of a ClusterAdapter that answers count(), members() and rooms(), and is told of clients for that."""

    # None: nobody has asked for it.
    _presence: Presence | None

    def socket_joined(self, sid: str) -> None:
        """A client is in the namespace here."""
        assert self._presence is not None
        self._presence.entered(self.namespace.name, None, sid)

    def socket_left(self, sid: str) -> None:
        """It has left the namespace."""
        assert self._presence is not None
        self._presence.left(self.namespace.name, None, sid)

    async def count_members(self, rooms: Rooms | None) -> int:
        if rooms is None or len(rooms) == 1:
            room = None if rooms is None else next(iter(rooms))
            elsewhere = [
                len(sids) for sids in (await self._told()).elsewhere(self.namespace.name, room)
            ]
            return await self.local.count_members(rooms) + sum(elsewhere)
        return len(await self.list_members(rooms))

    async def list_members(self, rooms: Rooms | None) -> set[str]:
        presence = await self._told()
        found = await self.local.list_members(rooms)
        for room in (None,) if rooms is None else rooms:
            found.update(*presence.elsewhere(self.namespace.name, room))
        return found

    async def list_rooms(self) -> set[Any]:
        presence = await self._told()
        return await self.local.list_rooms() | presence.rooms_elsewhere(self.namespace.name)

    async def _told(self) -> Presence:
        if self._presence is None:
            raise RuntimeError(
                "who is on other servers is not known: all of them need the option presence=True"
            )
        await self._presence.settled()
        return self._presence

"""Who is where on all servers, and how these are joined, for the servers in python-socketio's style.

python-socketio has none of this; what it does is core/attendance.py's and core/bus_state.py's.
"""

from typing import TYPE_CHECKING, Any

from fastsio.core.bus_state import BusState

if TYPE_CHECKING:
    from fastsio.api.aio import AsyncServer
    from fastsio.core.hub import Hub


class SyncAttendanceMethods:
    """Those of Server: as AsyncServer's, to be called from any thread but the loop's."""

    __slots__ = ()

    hub: "Hub"
    _server: "AsyncServer"
    _do: Any

    @property
    def bus(self) -> BusState | None:
        """How the adapter is that joins this server with others; None without one."""
        return self.hub.bus_state

    def count(self, room: Any = None, namespace: str | None = None) -> int:
        """How many clients are in a room, or in any room of a list, on all servers; None: in the namespace."""
        count: int = self._do(self._server.count, room, namespace)
        return count

    def members(self, room: Any = None, namespace: str | None = None) -> set[str]:
        """Their sids."""
        sids: set[str] = self._do(self._server.members, room, namespace)
        return sids

    def all_rooms(self, namespace: str | None = None) -> set[Any]:
        """The rooms that have clients, on all servers."""
        rooms: set[Any] = self._do(self._server.all_rooms, namespace)
        return rooms


class AttendanceMethods:
    """Those of AsyncServer. What is promised: see core.attendance.Attendance. An unknown namespace has nobody."""

    __slots__ = ()

    hub: "Hub"

    @property
    def bus(self) -> BusState | None:
        """How the adapter is that joins this server with others; None without one."""
        return self.hub.bus_state

    async def count(self, room: Any = None, namespace: str | None = None) -> int:
        """How many clients are in a room, or in any room of a list, on all servers; None: in the namespace."""
        found = self.hub.get(namespace or "/")
        return 0 if found is None else await found.count(room)

    async def members(self, room: Any = None, namespace: str | None = None) -> set[str]:
        """Their sids."""
        found = self.hub.get(namespace or "/")
        return set() if found is None else await found.members(room)

    async def all_rooms(self, namespace: str | None = None) -> set[Any]:
        """The rooms that have clients, on all servers."""
        found = self.hub.get(namespace or "/")
        return set() if found is None else await found.all_rooms()

"""Who is where, on all servers: what namespaces and IO have in common.

python-socketio and Node have no such thing: fetch_sockets() asks all servers each time.
"""

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from fastsio.core.operator import Rooms, as_rooms

if TYPE_CHECKING:
    from fastsio.core.adapter import Adapter
    from fastsio.core.namespace import Namespace


class Attendance:
    """Answered from what this server knows, without asking another: adapters need presence=True for that.

    Without an adapter it is what is here. Of servers of Node, and others without presence, nothing is known: there
    fetch_sockets() helps. May be awaited on any thread's loop.
    """

    __slots__ = ()

    async def count(self, room: Any = None) -> int:
        """How many clients are in a room, or in any room of a list; None: in the namespace.

        A client's id is a room with it alone. Raises RuntimeError where the adapter has no presence.
        """
        count: int = await self._asked("count_members", _chosen(room))
        return count

    async def members(self, room: Any = None) -> set[str]:
        """Their ids."""
        sids: set[str] = await self._asked("list_members", _chosen(room))
        return sids

    async def all_rooms(self) -> set[Any]:
        """The rooms that have clients. Of other servers those that are a str or an int; not clients' own ones."""
        rooms: set[Any] = await self._asked("list_rooms")
        return rooms

    async def _asked(self, what: str, *args: Any) -> Any:
        namespace: Namespace = self.events_of()  # type: ignore[attr-defined] # Declaring's
        adapter: Adapter = namespace.adapter
        answer: Coroutine[Any, Any, Any] = getattr(adapter, what)(*args)
        return await (namespace.hub.hand_over(answer) if namespace.is_elsewhere() else answer)


def _chosen(room: Any) -> Rooms | None:
    return None if room is None else as_rooms(room)

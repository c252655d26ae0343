"""Whose a request is among workers: the doorman of a worker's server. See doors/passing.py."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastsio._conn import Conn
from fastsio._http import Request
from fastsio.doors.passing import Doorman
from fastsio.server import Server

if TYPE_CHECKING:
    from fastsio.workers.crew import Crew


class CrewDoorman(Doorman):
    """Gives what names a session of another worker to that one; once this one leaves, what is new to one that stays.

    A browser that comes back goes to the worker that it came from, where that is of use (Crew.home_of()).
    """

    def __init__(self, server: Server, make: Callable[[], Any], crew: "Crew") -> None:
        super().__init__(server, make)
        self._crew = crew

    def begin(self) -> None:
        """There are other workers, or will be."""
        self._attend()

    def leave(self) -> None:
        super().leave()
        self._crew.leave()

    def part(self) -> None:
        super().part()
        self._crew.part()

    def _is_needed(self) -> bool:
        return True

    def _was_passed(self, conn: Conn) -> bool:
        return self._crew.giver_of(conn) is not None

    def _gives(self, conn: Conn, request: Request, has_sid: bool) -> bool:
        crew = self._crew
        giver = crew.giver_of(conn)
        through = () if giver is None else giver.neighbour.fed_through
        if has_sid:
            owner = crew.owner_of(str(request.argument("sid")), through)
            # Only what may go on from there has to know where it has been.
            through = (*through, crew.id) if crew.makes_own_ids else ()
            return owner is not None and owner.neighbour.give(conn, request, through)
        if giver is not None:
            return False
        if crew.is_leaving:
            taker = crew.one_that_stays()
        else:
            taker = crew.home_of(request) if request.argument("transport") else None
        return taker is not None and taker.neighbour.give(conn, request)

    async def dismiss(self) -> None:
        await self._crew.close()

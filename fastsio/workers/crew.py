"""Crew: one worker's end of what joins it with the others: who they are, whose a session is, who listens for the dead.

A session's id begins with its worker's name in the folder where they meet, two characters; the other 18 are random, 108
bits of them. What an application makes ids itself (generate_id) tells nobody's name, so such a request goes from worker
to worker until one knows it.
"""

import asyncio
import logging
import socket
from collections.abc import Callable, Sequence
from typing import Any

from fastsio._conn import Conn
from fastsio._http import Request
from fastsio.adapters.local import LocalBus
from fastsio.core.recovery_adapter import SessionAwareAdapter
from fastsio.doors.passing import Neighbour
from fastsio.server import Server
from fastsio.workers.doorman import CrewDoorman
from fastsio.workers.homes import Homes
from fastsio.workers.link import Link
from fastsio.workers.meeting import ID_SIZE, Meeting, Met, Word

logger = logging.getLogger("fastsio.workers")

CLOSE_S = 1.0
# Listens on sockets besides the server's own, until what it returns is closed.
Listen = Callable[[Sequence[socket.socket]], Any]


class Other:
    """Another worker: `word` says who it is, `neighbour` takes connections; it may be about to end (`is_leaving`)."""

    neighbour: Neighbour
    link: Link

    def __init__(self, word: Word, has_called: bool) -> None:
        self.word = word
        # Whether this end has made the link.
        self.has_called = has_called
        self.is_leaving = False

    def close(self) -> None:
        self.neighbour.close()
        self.link.close()


class Crew:
    """Made for each worker; attach(application), then doorman() of its server, `await join()`, and close() at last.

    `others` by id, `id` is this one's. `spare` has every worker's listening sockets, by number, where each has its own;
    those of the others are closed here when this one leaves.
    """

    def __init__(
        self, folder: str, number: int, spare: Sequence[Sequence[socket.socket]] = ()
    ) -> None:
        self.number = number
        self.others: dict[str, Other] = {}
        self.is_leaving = False
        self._has_parted = False
        self._folder = folder
        self._spare = spare
        self._bus: LocalBus | None = None
        self._hub: Any = None
        self._has_own_ids = False
        # The cookie by which a browser is known that comes back; None: it makes no difference where.
        self._cookie: str | None = None
        self._server: Server | None = None
        self._doorman: CrewDoorman | None = None
        self._make: Callable[[], Any] | None = None
        self._meeting: Meeting | None = None
        self._listen: Listen | None = None
        # Listeners on the sockets of workers that are not there, by these workers' numbers.
        self._stand_ins: dict[int, Any] = {}
        self._work: set[asyncio.Task[None]] = set()

    @property
    def id(self) -> str:
        return "" if self._meeting is None else self._meeting.id

    # --- an application and its server -------------------------------------------------------

    def attach(self, application: Any) -> None:
        """Let an application's rooms span the workers, unless it has an adapter of its own. Before it is served."""
        hub = self._hub = application.hub
        # Engine.IO alone has no rooms.
        if hub.cluster is None and hasattr(hub, "join_cluster"):
            hub.join_cluster(LocalBus())
        bus = None if hub.cluster is None else hub.cluster.bus
        if isinstance(bus, LocalBus):
            self._bus = bus
            bus.expect()
        if getattr(hub, "lost_sessions", None) is not None and keeps_for_itself(hub):
            hub.homes = Homes(self)
            if hub.options.cookie is not None:
                self._cookie = hub.options.cookie["name"]
        made = getattr(type(application), "generate_id", None)
        self._has_own_ids = made is not None and not made.__module__.startswith("fastsio.")

    def doorman(self, server: Server, make: Callable[[], Any]) -> CrewDoorman:
        """That of the worker's server. `make()`: a connection of it."""
        self._server, self._make = server, make
        self._doorman = CrewDoorman(server, make, self)
        return self._doorman

    async def join(self) -> None:
        """Find the others. Sessions must not begin before. Raises OSError if the folder can't be used."""
        assert self._server is not None
        uid = self._bus.cluster.uid if self._bus is not None else ""
        self._meeting = Meeting(self._folder, self.number, uid, self._met)
        await self._meeting.join()
        await asyncio.gather(*self._work)
        if self._bus is not None:
            self._bus.joined()
        if self._hub.cluster is not None:
            await self._hub.cluster.ready()
        if not self._has_own_ids:
            self._server.engine.new_id = prefixed(self._server.engine.new_id, self.id)
        assert self._doorman is not None
        self._doorman.begin()
        logger.info(
            "worker %d is %s; it has found %d others", self.number, self.id, len(self.others)
        )

    def _met(self, met: Met) -> None:
        """Another worker is there."""
        before = self.others.get(met.word.id)
        if before is not None:  # its end of it has ended already
            self._lost(before)
        task = asyncio.get_running_loop().create_task(self._join_with(met))
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def _join_with(self, met: Met) -> None:
        word = met.word
        other = Other(word, met.has_called)
        link = other.link = Link(
            lambda: self._linked(other, met),
            lambda frame: self._arrived(word, frame),
            lambda told: self._told(other, told),
            lambda: self._lost(other),
        )
        try:
            await asyncio.get_running_loop().create_unix_connection(lambda: link, sock=met.stream)
        except BaseException:
            met.stream.close()
            met.channel.close()
            raise

    def _linked(self, other: Other, met: Met) -> None:
        """There is a link, and nothing has come on it yet."""
        assert self._server is not None
        assert self._make is not None
        other.neighbour = Neighbour(
            self._server, self._make, met.channel, lambda: self._cant_pass(other), relays=True
        )
        self.others[other.word.id] = other
        if self._bus is not None:
            self._bus.added(other.word.uid, other.link.transport)
        if self.is_leaving:
            other.link.tell({"leaves": True})
        self._stand_in()

    def _arrived(self, word: Word, frame: bytes) -> None:
        if self._bus is not None:
            self._bus.arrived(word.uid, frame)

    def _told(self, other: Other, told: dict[str, Any]) -> None:
        if told.get("leaves"):
            other.is_leaving = True
            self._stand_in()

    def _cant_pass(self, other: Other) -> None:
        """The channel to another worker has ended: as its process has, or by a mistake on it. Then join anew."""
        other.link.close()

    def _lost(self, other: Other) -> None:
        """What joined another worker with this one has ended; nearly always it has ended itself."""
        word = other.word
        if self.others.get(word.id) is not other:
            return
        del self.others[word.id]
        other.close()
        if self._bus is not None:
            self._bus.removed(word.uid)
        if self._meeting is not None:
            level = logging.INFO if other.is_leaving else logging.WARNING
            logger.log(level, "worker %d (%s, process %d) has gone", word.number, word.id, word.pid)
            if other.has_called:
                self._meeting.meet_again(word.id)
        self._stand_in()

    # --- whose a session is ------------------------------------------------------------------

    def owner_of(self, sid: str, through: tuple[str, ...] = ()) -> Other | None:
        """The worker that has a session which is not here, or that may have it; None if there is none.

        `through`: whose hands the request has gone through.
        """
        if self._has_parted:
            return None
        other = self.others.get(sid[:ID_SIZE])
        if other is not None and other.word.id not in through:
            return other
        if not self.makes_own_ids:
            return None
        return next((one for id, one in self.others.items() if id not in through), None)

    def home_of(self, request: Request) -> Other | None:
        """The worker that had a browser's last session, by its cookie: that alone may recover it. None for others."""
        if self._cookie is None or self.makes_own_ids:
            return None
        home = self.others.get(cookie_in(request, self._cookie)[:ID_SIZE])
        return None if home is None or home.is_leaving else home

    @property
    def makes_own_ids(self) -> bool:
        """Whether the application makes sessions' ids; it may begin to at any time."""
        hub = self._hub
        events = getattr(hub, "events", None)
        has_hook = events is not None and events.make_id is not None
        return self._has_own_ids or has_hook or hub.options.generate_id is not None

    def giver_of(self, conn: Conn) -> Other | None:
        """Who has given the request that a connection brings now."""
        for other in self.others.values():
            if other.neighbour.has_given(conn):
                return other
        return None

    def one_that_stays(self) -> Other | None:
        """The worker that was given least of those that do not leave."""
        staying = [one for one in self.others.values() if not one.is_leaving]
        return min(staying, key=lambda one: one.neighbour.given, default=None)

    # --- listening for those that are not there ----------------------------------------------

    def listen_with(self, listen: Listen) -> None:
        """The server listens from now on; `listen(sockets)` lets it listen on others besides."""
        self._listen = listen
        self._stand_in()

    def _stand_in(self) -> None:
        """Listen on the sockets of a worker that has died or leaves, if this is the next one that stays."""
        wanted = set() if self.is_leaving or self._listen is None else self._missing_before()
        for number in self._stand_ins.keys() - wanted:
            self._stand_ins.pop(number).close()
        for number in wanted - self._stand_ins.keys():
            assert self._listen is not None
            logger.info("worker %d listens for worker %d", self.number, number)
            self._stand_ins[number] = self._listen(self._spare[number])

    def _missing_before(self) -> set[int]:
        """The numbers of missing workers between the one before this and this one."""
        there = {one.word.number for one in self.others.values() if not one.is_leaving}
        count = len(self._spare)
        missing = set()
        for step in range(1, count):
            number = (self.number - step) % count
            if number in there:
                break
            missing.add(number)
        return missing

    # --- the end -----------------------------------------------------------------------------

    def leave(self) -> None:
        """This worker takes no new sessions; those that it has go on for now."""
        if not self.is_leaving:
            self.is_leaving = True
            self._stand_in()
            # A socket is open as long as any process has it.
            for number, of_worker in enumerate(self._spare):
                for one in of_worker if number != self.number else ():
                    one.close()
            for other in self.others.values():
                other.link.tell({"leaves": True})

    def part(self) -> None:
        """Give no connections to others any more, and listen for nobody."""
        self._has_parted = True
        self._listen = None
        self._stand_in()

    async def close(self) -> None:
        """The server has closed: let the others see that this worker has ended."""
        self.part()
        meeting, self._meeting = self._meeting, None
        if meeting is not None:
            await meeting.close()
        for task in list(self._work):
            task.cancel()
        others = list(self.others.values())
        self.others.clear()
        for other in others:
            other.close()
        closed = [other.link.closed for other in others]
        if closed:  # what is written to them has to go out
            await asyncio.wait(closed, timeout=CLOSE_S)


def prefixed(new_id: Callable[[], str], prefix: str) -> Callable[[], str]:
    """Ids that begin with a prefix, as long and as new as they were."""
    size = len(prefix)
    return lambda: prefix + new_id()[size:]


def keeps_for_itself(hub: Any) -> bool:
    """Whether clients that lose their connection are known to this process alone, and not by a Redis to all."""
    return type(hub.root.adapter.local) is SessionAwareAdapter


def cookie_in(request: Request, name: str) -> str:
    """The value of a cookie that a request brings, "" if it brings none. RFC 6265 4.2.1."""
    for pair in (request.header("cookie") or "").split(";"):
        key, _, value = pair.strip().partition("=")
        if key == name:
            return value
    return ""

"""One server's part in recovery across servers: how far it has read the stream, what of its own it waits for there,
and the sessions of clients that come back.

The namespaces' adapters are in adapter.py, the form of a session is in sessions.py.
Source: @socket.io/redis-streams-adapter 0.3, restoreSession().
"""

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from fastsio.adapters.protocol.messages import Kind, Message, read_opts
from fastsio.adapters.protocol.wire import Packed
from fastsio.adapters.recovery.adapter import RecoveringAdapter, SharedSessions, is_kept
from fastsio.adapters.recovery.in_flight import InFlight
from fastsio.adapters.recovery.sessions import (
    PID,
    SessionKeeper,
    entry_at,
    position_of,
    read_session,
)
from fastsio.adapters.redis_connection.calls import RedisCalls
from fastsio.adapters.redis_connection.link import RedisLink
from fastsio.rarely import RareLog

if TYPE_CHECKING:
    from fastsio._encoded import Encoded
    from fastsio.adapters.cluster.server import Cluster
    from fastsio.core.recovery_store import SavedSession

logger = logging.getLogger("fastsio.adapters")

# A client that comes back waits so long, then it is somebody new.
RESTORE_S = 5.0
# Entries of the stream that are read at once, and how often, for one client: as Node, 100 times.
PAGE = 1000
MAX_PAGES = 100
GOODBYE_S = 1.0


class StreamRecovery:
    """`position`: up to where the stream has been read; None before the first time. `uid`: the server's.

    `read_entry(uid, fields)`: the Message in an entry of the stream. Raises ValueError, TypeError, KeyError or
    AttributeError for what is none.
    """

    def __init__(
        self, cluster: "Cluster", link: RedisLink, stream: str, prefix: str, keep_s: float, saves_ahead: bool,
        read_entry: Callable[[str, dict[bytes, bytes]], Message],
    ) -> None:  # fmt: skip
        self.uid = cluster.uid
        self.saves_ahead = saves_ahead
        self.position: int | None = None
        self.in_flight = InFlight(self._deliver)
        self.rare_log = RareLog(logger)
        self._cluster = cluster
        self._stream = stream
        self._errors = link.errors
        self._read_entry = read_entry
        self._calls = RedisCalls(link)
        self.keeper = SessionKeeper(self._calls, prefix, keep_s)
        # The newest message of this server that the stream has given back.
        self._came = 0
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return self._cluster.bus.loop

    # --- the stream --------------------------------------------------------------------------

    def begin(self, entry: str) -> None:
        """The stream is read from behind that entry."""
        self.position = position_of(entry) or 0
        for adapter in self._cluster.adapters.values():
            if isinstance(adapter, RecoveringAdapter):
                adapter.local.log.begin(self.position)

    def sent(self, number: int, message: Message) -> None:
        """A message of this server goes to the stream; before it serves nobody waits for it."""
        if self._cluster.loop is not None:
            self.in_flight.sent(number, message)

    def passed(self, entry: str) -> None:
        """The stream has been read up to there."""
        self.position = position_of(entry) or self.position
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            if not one.done():
                one.set_result(None)

    def entered(self, message: Message, entry: str, number: int) -> None:
        """An entry has been read; `number` is that of the server whose message it is. passed() was called before."""
        if message.uid == self.uid:
            self._came = max(self._came, number)
            self.in_flight.came(number, message, entry)
        else:
            self._deliver(message, entry)

    def _deliver(self, message: Message, entry: str | None, is_known: bool = False) -> None:
        if message.kind != Kind.BROADCAST:
            if not is_known:
                self._cluster.take(message)
            return
        adapter = self._cluster.adapters.get(message.nsp)
        if isinstance(adapter, RecoveringAdapter):
            adapter.arrived(message, entry, is_known)

    def args_of(self, message: Message) -> list[Any]:
        """[event, *args] of a broadcast, whether it was packed here or has come. Raises TypeError if it is none."""
        args = message.packet
        if isinstance(args, Packed):
            json = self._cluster.json
            args = msgspec.msgpack.decode(args.data) if args.is_binary else json.loads(args.data)
        if not isinstance(args, list) or not args:
            raise TypeError(f"no event: {args!r:.200}")
        return args

    # --- sessions ----------------------------------------------------------------------------

    def redis_is_back(self) -> None:
        """The connection was gone, and with it, maybe, what was saved."""
        if self.saves_ahead:
            self.keeper.begin_anew()
            for adapter in self._cluster.adapters.values():
                if isinstance(adapter, RecoveringAdapter):
                    adapter.local.save_all()

    def taken(self, message: Message) -> None:
        """Another server has the session of a client that is here, or seems to be."""
        namespace = self._cluster.hub.namespaces.get(message.nsp)
        pid = str(message.data.get("pid"))
        self.keeper.taken(pid)
        if namespace is not None and namespace.recovery is not None:
            namespace.recovery.taken_over(pid)

    async def restore(self, local: SharedSessions, pid: str, offset: str | None) -> "SavedSession | None":  # fmt: skip
        """The session of a client that comes back, with what it has missed; None, and it is somebody new.

        What was sent until this returns is in it, and what is sent later is not.
        """
        start = 0 if offset is None else position_of(offset)
        if start is None or PID.fullmatch(pid) is None:
            return None
        try:
            async with asyncio.timeout(RESTORE_S):
                return await self._restore(local, pid, start)
        except (TimeoutError, ValueError, *self._errors) as error:
            why = str(error) or f"Redis has not answered within {RESTORE_S:.0f} s"
            logger.warning("a client in %r can't be recovered: %s", local.namespace.name, why)
            return None

    async def _restore(self, local: SharedSessions, pid: str, start: int) -> "SavedSession | None":
        raw, left_ms = await self.keeper.take(pid)
        if raw is None:
            return None
        session, on = read_session(raw, pid)
        namespace = local.namespace
        if len(session.rooms) > namespace.hub.options.max_rooms + 1:
            raise ValueError(f"its session has {len(session.rooms)} rooms (max_rooms)")
        if on is not None and on != self.uid:
            taken = Message(Kind.SESSION_TAKEN, self.uid, namespace.name, {"pid": pid})
            self._cluster.bus.respond(on, taken)
        session.expires_at = local.store.now() + left_ms / 1000
        if session.since is None and not start:
            return None  # of a client that has got nothing, Node's servers do not say what it has missed
        start = max(start, session.since or 0)
        joined = [at for at in session.rooms.values() if at is not None]
        await self._reach(max(start, *joined) if joined else start)
        missed = await self._missed(local, session, start)
        if missed is None or namespace.is_sid(session.sid):
            return None
        session.missed_packets = missed
        session.since = start
        session.rooms = {room: start if at is None else at for room, at in session.rooms.items()}
        return session

    async def _reach(self, position: int) -> None:
        """Wait until the clients here have all that the one that comes has got elsewhere.

        And until the stream has what they got before it: that will not be given to anybody once more.
        """
        while self.position is None or self.position < position:
            await self._next_entry()
        while self.in_flight.newest_ahead > self._came:
            await self._next_entry()

    async def _next_entry(self) -> None:
        """Wait until more of the stream has been read."""
        read: asyncio.Future[None] = self.loop.create_future()
        self._waiting.append(read)
        await read

    async def _missed(
        self, local: SharedSessions, session: "SavedSession", start: int
    ) -> "list[Encoded] | None":  # fmt: skip
        """What lies behind a position: from the log, and before it begins, from the stream itself."""
        since = {room: max(start, at or 0) for room, at in session.rooms.items()}
        found: list[Encoded] = []
        at = start
        for page in range(MAX_PAGES):
            if at >= local.log.floor:
                return found + local.log.behind(at, since)
            if page == 0 and not await self._range(start, start, 1):
                return None  # the stream has it no longer, nor, maybe, what came next
            entries = await self._range(at + 1, None, PAGE)
            floor = local.log.floor
            for entry, fields in entries:
                position = position_of(entry.decode())
                if position is None or position > floor:
                    break
                packet = self._missed_packet(local, fields, entry.decode(), position, since)
                if packet is not None:
                    found.append(packet)
                at = position
            else:
                if len(entries) == PAGE:
                    continue
            at = max(at, floor)
        raise ValueError(f"what it has missed is more than {MAX_PAGES * PAGE} entries away")

    async def _range(
        self, first: int, last: int | None, count: int
    ) -> list[tuple[bytes, dict[bytes, bytes]]]:
        end = "+" if last is None else entry_at(last)
        found: list[Any] = await self._calls.do(
            "XRANGE", self._stream, entry_at(first), end, "COUNT", count
        )
        return [(entry, dict(zip(flat[::2], flat[1::2], strict=True))) for entry, flat in found]

    def _missed_packet(
        self, local: SharedSessions, fields: dict[bytes, bytes], entry: str, position: int, since: dict[Any, int]
    ) -> "Encoded | None":  # fmt: skip
        """An entry as the client would have got it; None for what is not for it."""
        if fields.get(b"type") != b"3" or fields.get(b"nsp") != local.namespace.name.encode():
            return None
        try:
            message = self._read_entry("", fields)
            rooms, excluded, flags = read_opts(message.data.get("opts"))
            if not is_kept(message, flags) or not excluded.isdisjoint(since):
                return None
            mine = rooms is None or any(since[room] < position for room in rooms if room in since)
            if not mine:
                return None
            return local.namespace.encode_event([*self.args_of(message), entry])
        except (TypeError, ValueError, KeyError, AttributeError):
            self.rare_log.note("entry", "no message of a server, at %s of the stream", entry)
            return None

    async def stop(self) -> None:
        """The server has ended: save what is to be saved."""
        self.in_flight.stop()
        await self.keeper.stop()
        await self._calls.stop(GOODBYE_S)

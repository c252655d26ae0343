"""Presence: who is where in the cluster, answered on each server from what the others have told it.

Each server tells of its own clients: changes as they come, gathered for FLUSH_S, each message with a number; heartbeats
with that number and a digest of all it has. Who misses a number, or has another digest, asks for the whole state. So
all become equal when messages get through, whatever was lost meanwhile. Servers of Node, and those without presence,
take no part and see nothing of it. The idea is that of anti-entropy (Demers et al., 1987).
"""

import asyncio
import logging
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

from fastsio.adapters.presence.state import Row, Server, in_parts, is_shared, mark
from fastsio.adapters.protocol.messages import Kind, Message

if TYPE_CHECKING:
    from fastsio.adapters.presence.ports import Host

logger = logging.getLogger("fastsio.adapters")

# How long changes are gathered for one message.
FLUSH_S = 0.02
# How long questions for the state are gathered; more than so many askers get it in one message to all.
ANSWER_S = 0.05
MAX_ANSWERS = 2
# A state of which nothing came for so long is asked for again.
AGAIN_S = 1.0
# A server that is silent for so many times the timeout is forgotten; until then it is only not counted.
FORGET_AFTER = 6
# Every so many heartbeats what was noted is compared with the rooms themselves.
AUDIT = 6


class Presence:
    """`servers`: the other servers with presence, by uid. `seq`, `digest`: of this server's own state."""

    def __init__(self, cluster: "Host") -> None:
        self._cluster = cluster
        self._bus = cluster.bus
        self.servers: dict[str, Server] = {}
        self.seq = 0
        self.digest = 0
        self._count = 0
        # (namespace, room): sid to whether it has come or gone.
        self._changes: dict[tuple[str, Any], dict[str, bool]] = {}
        self._flushing: asyncio.TimerHandle | None = None
        self._beating: asyncio.TimerHandle | None = None
        self._answering: asyncio.TimerHandle | None = None
        self._waiting: asyncio.TimerHandle | None = None
        self._askers: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._beats = 0
        self._expected = 0
        self._settled = asyncio.Event()
        self._settled.set()
        self._takes = {
            "hello": self._hello,
            "beat": self._beat_came,
            "change": self._change_came,
            "ask": self._asked,
            "state": self._state_came,
            "bye": self._bye,
        }

    # --- being served ------------------------------------------------------------------------

    @property
    def _loop(self) -> asyncio.AbstractEventLoop:
        return self._bus.loop

    def begin(self) -> None:
        """The bus is being started: who asks waits, for request_timeout at most."""
        self._settled.clear()
        self._waiting = self._loop.call_later(self._bus.request_timeout, self._settled.set)

    def start(self) -> None:
        """Messages come and go now."""
        self._say("hello", self._figures())
        self._beating = self._loop.call_later(self._bus.presence_interval, self._beat)
        task = self._loop.create_task(self._settle())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def stop(self) -> None:
        """The server ends: the others forget it at once."""
        for timer in (self._flushing, self._beating, self._answering, self._waiting):
            if timer is not None:
                timer.cancel()
        self._flushing = self._beating = self._answering = None
        for task in list(self._tasks):
            task.cancel()
        self._say("bye", {})
        self.servers.clear()
        self._changes.clear()
        self._askers.clear()
        self._settled.set()

    async def _settle(self) -> None:
        """Let who asks wait until the others have told what they have: request_timeout at most."""
        try:
            async with asyncio.timeout(self._bus.request_timeout):
                self._expected = await self._bus.presence_peers()
                self._note_settled()
                await self._settled.wait()
        except TimeoutError:
            pass  # they will tell later
        finally:
            self._settled.set()

    def _note_settled(self) -> None:
        known = sum(server.state.seq is not None for server in self.servers.values())
        if known >= self._expected:
            self._settled.set()

    # --- what is asked of it -----------------------------------------------------------------

    async def settled(self) -> None:
        """Wait until those that were there when this server began have told what they have."""
        await self._settled.wait()

    def elsewhere(self, nsp: str, room: Any) -> Iterator[Collection[str]]:
        """The sids in a room (None: in the namespace), for each other server. Not to be changed."""
        for server in self._living():
            places = server.state.places.get(nsp)
            if places is not None:
                yield places.members(room)

    def rooms_elsewhere(self, nsp: str) -> set[Any]:
        """The rooms that have clients on other servers."""
        found: set[Any] = set()
        for server in self._living():
            places = server.state.places.get(nsp)
            if places is not None:
                found.update(places.rooms)
        return found

    def _living(self) -> list[Server]:
        """Those that were heard of lately: what a dead one has told is nothing any more."""
        since = self._loop.time() - self._bus.heartbeat_timeout if self.servers else 0.0
        return [server for server in self.servers.values() if server.heard_at >= since]

    # --- what happens here -------------------------------------------------------------------

    def entered(self, nsp: str, room: Any, sid: str) -> None:
        """A client of this server, which was not in it, is in a room now (None: in the namespace)."""
        self._note(nsp, room, sid, True)

    def left(self, nsp: str, room: Any, sid: str) -> None:
        """One that was in it has left a room."""
        self._note(nsp, room, sid, False)

    def _note(self, nsp: str, room: Any, sid: str, is_in: bool) -> None:
        if room is not None and not is_shared(room):
            return
        self.digest ^= mark(nsp, room, sid)
        self._count += 1 if is_in else -1
        if self._beating is None:  # nobody can hear it: who comes will ask
            self.seq += 1
            return
        changes = self._changes.get((nsp, room))
        if changes is None:
            changes = self._changes[nsp, room] = {}
        changes[sid] = is_in
        if self._flushing is None:
            self._flushing = self._loop.call_later(FLUSH_S, self._flush)

    def _flush(self) -> None:
        """Tell of what has changed. Without anybody to hear it only the number goes up, and who comes will ask."""
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        if not self._changes:
            return
        changes, self._changes = self._changes, {}
        if not self.servers or not self._cluster.is_up:
            self.seq += 1
            return
        for rows in _in_messages(changes):
            self.seq += 1
            self._say("change", {"seq": self.seq, "rows": rows})

    def _figures(self) -> dict[str, Any]:
        self._flush()
        # As text: 64 bits are more than JSON's numbers hold everywhere.
        return {"seq": self.seq, "digest": f"{self.digest:016x}", "count": self._count}

    def _say(self, what: str, data: dict[str, Any], uid: str | None = None) -> None:
        """Tell all others, or the one with that uid. While there is no connection nobody is told."""
        if self._cluster.is_up:
            message = Message(Kind.PRESENCE, self._cluster.uid, "/", {"what": what, **data})
            self._bus.tell(uid, message)

    # --- heartbeats --------------------------------------------------------------------------

    def _beat(self) -> None:
        now = self._loop.time()
        interval_s = self._bus.presence_interval
        self._beating = self._loop.call_later(interval_s, self._beat)
        for uid, server in list(self.servers.items()):
            silent_s = now - server.heard_at
            if silent_s > self._bus.heartbeat_timeout:
                self._cluster.waits_for_no_more(uid)
            if silent_s > FORGET_AFTER * self._bus.heartbeat_timeout:
                self.gone(uid)
            elif server.asked_at is not None and now - server.asked_at > max(interval_s, AGAIN_S):
                self._ask(uid, server)
        self._beats += 1
        if self._beats % AUDIT == 0:
            self._audit()
        self._say("beat", self._figures())

    def bus_changed(self, is_up: bool) -> None:
        """The connection is there again: tell, and hear, where everybody stands."""
        if is_up and self._beating is not None:
            self._say("hello", self._figures())

    def met(self, uid: str) -> None:
        """The bus knows of one more server: not to wait for a heartbeat."""
        if self._beating is not None:
            self._say("hello", self._figures(), uid)

    def _audit(self) -> None:
        """What was noted must be what is there; else all are told anew, as if a message were lost."""
        real = 0
        for namespace in self._cluster.hub.namespaces.values():
            real += len(namespace.sockets)
            real += sum(len(of) for room, of in namespace.rooms.items() if is_shared(room))
        if real != self._count:
            logger.warning("presence: %d memberships noted, %d are there", self._count, real)
            self._count, self.digest = real, 0
            for nsp, room, sids in self._own_rows():
                for sid in sids:
                    self.digest ^= mark(nsp, room, sid)
            self.seq += 1

    # --- messages ----------------------------------------------------------------------------

    def take(self, message: Message) -> None:
        """Another server's. Raises TypeError, ValueError or KeyError for what is none."""
        data = message.data
        server = self.servers.get(message.uid)
        if server is None:
            server = self.servers[message.uid] = Server(self._loop.time())
        server.heard_at = self._loop.time()
        self._takes[data["what"]](message.uid, server, data)

    def _hello(self, uid: str, server: Server, data: dict[str, Any]) -> None:
        self._beat_came(uid, server, data)
        self._say("beat", self._figures(), uid)

    def _beat_came(self, uid: str, server: Server, data: dict[str, Any]) -> None:
        seq, digest = int(data["seq"]), int(data["digest"], 16)
        state = server.state
        if server.asked_at is not None:
            return
        if state.seq is None and data["count"] == 0:
            state.seq = seq
        if server.is_at(seq, digest):
            self._note_settled()
        elif state.seq is None or seq >= state.seq:
            if state.seq == seq:
                logger.warning("presence: another digest of server %s: its state is asked for", uid)
            self._ask(uid, server)

    def _change_came(self, uid: str, server: Server, data: dict[str, Any]) -> None:
        seq = int(data["seq"])
        if server.asked_at is not None:
            server.hold(seq, data["rows"])
        elif server.state.seq is None or seq > server.state.seq + 1:
            self._ask(uid, server)
        elif seq == server.state.seq + 1:
            server.state.change(seq, data["rows"])

    def _ask(self, uid: str, server: Server) -> None:
        if not self._cluster.is_up:
            return  # when it is, all say where they stand, and that asks again
        server.asked_at = self._loop.time()
        server.taking = None
        server.held.clear()
        self._say("ask", {}, uid)

    def _state_came(self, uid: str, server: Server, data: dict[str, Any]) -> None:
        if server.asked_at is None:  # somebody else's question
            return
        server.asked_at = self._loop.time()
        if not server.take(int(data["seq"]), data["part"], data["is_last"], data["rows"]):
            return
        if server.catch_up():
            self._note_settled()
        else:
            self._ask(uid, server)

    def _bye(self, uid: str, server: Server, data: dict[str, Any]) -> None:
        self.gone(uid)

    def gone(self, uid: str) -> None:
        """A server is there no longer, nor are its clients."""
        self.servers.pop(uid, None)

    # --- the whole state ---------------------------------------------------------------------

    def _asked(self, uid: str, server: Server, data: dict[str, Any]) -> None:
        self._askers.add(uid)
        if self._answering is None:
            self._answering = self._loop.call_later(ANSWER_S, self._answer)

    def _answer(self) -> None:
        askers, self._askers, self._answering = self._askers, set(), None
        self._flush()
        parts = list(in_parts(self._own_rows()))
        uids: list[str | None] = [*askers] if len(askers) <= MAX_ANSWERS else [None]
        task = self._loop.create_task(self._tell_state(uids, self.seq, parts))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell_state(self, uids: list[str | None], seq: int, parts: list[list[Row]]) -> None:
        for number, rows in enumerate(parts):
            is_last = number == len(parts) - 1
            for uid in uids:
                data = {"seq": seq, "part": number, "is_last": is_last, "rows": rows}
                self._say("state", data, uid)
            await asyncio.sleep(0)

    def _own_rows(self) -> Iterator[Row]:
        """All clients of this server, then their rooms: a room's sids are known then."""
        for name, namespace in self._cluster.hub.namespaces.items():
            yield [name, None, list(namespace.sockets)]
            for room, members in namespace.rooms.items():
                if is_shared(room):
                    yield [name, room, list(members)]


def _in_messages(changes: dict[tuple[str, Any], dict[str, bool]]) -> Iterator[list[Row]]:
    """Changes as rows [namespace, room, come, gone], in messages of a bounded size; namespaces before their rooms."""
    ordered = sorted(changes, key=lambda place: place[1] is not None)
    come = [
        [nsp, room, [sid for sid, is_in in changes[nsp, room].items() if is_in]]
        for nsp, room in ordered
    ]
    gone = [
        [nsp, room, [sid for sid, is_in in changes[nsp, room].items() if not is_in]]
        for nsp, room in ordered
    ]
    for rows in in_parts(come):
        if rows:
            yield [[*row, []] for row in rows]
    for rows in in_parts(gone):
        if rows:
            yield [[nsp, room, [], sids] for nsp, room, sids in rows]

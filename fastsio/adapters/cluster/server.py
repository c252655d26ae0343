"""Cluster: one server among those that share their clients; what it sends them and what comes from them.

Source: socket.io-adapter's ClusterAdapter.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastsio._json import DEFAULT_JSON, Json
from fastsio.adapters.cluster.broken import Broken
from fastsio.adapters.cluster.bus import Bus
from fastsio.adapters.cluster.elsewhere import Elsewhere
from fastsio.adapters.cluster.inbox import Inbox
from fastsio.adapters.cluster.members import Members
from fastsio.adapters.cluster.requests import ClusterGathering, Request
from fastsio.adapters.presence.replication import Presence
from fastsio.adapters.protocol.messages import Kind, Message
from fastsio.core.adapter import Adapter
from fastsio.core.bus_state import BusState

if TYPE_CHECKING:
    from fastsio.adapters.cluster.adapter import ClusterAdapter
    from fastsio.core.hub import Hub
    from fastsio.core.namespace import Namespace

logger = logging.getLogger("fastsio.adapters")

LOOK_S = 1.0
# What wrong messages raise where they are worked on.
WRONG = (TypeError, ValueError, KeyError, AttributeError, IndexError, OverflowError)


class Cluster(Elsewhere):
    """One server in its cluster. `uid`: its name there, 16 hex digits; `members`: the others that it has heard of.

    `requests`: what has been asked and is not answered yet, by the request's id.
    """

    def __init__(self, hub: "Hub", bus: Bus) -> None:
        self.hub = hub
        self.bus = bus
        # What servers tell each other, where that is JSON. Packets may have another form, which has none to give.
        self.json: Json = hub.json if hub.json.dumps is not None else DEFAULT_JSON
        self.uid = secrets.token_hex(8)
        self.adapters: dict[str, ClusterAdapter] = {}
        self.requests: dict[str, Request | ClusterGathering] = {}
        self.members = Members(bus.heartbeat_timeout, self._gone)
        # Called with (is_up, lost) when the bus loses its connection or has it again.
        self.listeners: list[Callable[[bool, int], None]] = []
        self.is_up = False
        self.loop: asyncio.AbstractEventLoop | None = None
        if bus.presence and not bus.carries_presence:
            raise ValueError(f"{bus!r}: presence=True, but this bus can't carry it")
        # Who is where on all servers; None: nobody has asked for that.
        self.presence = Presence(self) if bus.presence else None
        self.state = BusState(self)
        self.broken = Broken()
        self._inbox = Inbox(self)
        self._starting: asyncio.Task[None] | None = None
        self._beat: asyncio.TimerHandle | None = None
        self._published_at = 0.0

    def adapter_for(self, namespace: "Namespace", local: Adapter) -> "ClusterAdapter":
        """The adapter of a new namespace; `local` has the clients that are here."""
        adapter = self.adapters[namespace.name] = self.bus.adapter_for(namespace, local, self)
        if self._starting is not None:
            self.bus.namespace_added(namespace.name)
        return adapter

    def forget(self, namespace: "Namespace") -> None:
        """A namespace is there no longer."""
        if self.adapters.pop(namespace.name, None) is not None and self._starting is not None:
            self.bus.namespace_removed(namespace.name)

    # --- being served ------------------------------------------------------------------------

    def served(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """An engine serves the application now, on this loop; None: no longer, and stop() follows."""
        self.bus.serving(loop is not None)
        if loop is not None and self._starting is None:
            self.loop = loop
            if self.presence is not None:
                self.presence.begin()
            self._starting = loop.create_task(self._start())
            self._starting.add_done_callback(_log_failure)

    async def _start(self) -> None:
        self.state.begins()
        for name in list(self.adapters):
            self.bus.namespace_added(name)
        await self.bus.start()
        if not self.bus.tells_state:
            self.bus_changed(True, self.bus.lost)
        if self.presence is not None:
            self.presence.start()
        if self.bus.heartbeat_interval is not None:
            self.send(Kind.INITIAL_HEARTBEAT, "/")
            self._keep_beating(self.bus.heartbeat_interval)

    async def ready(self) -> None:
        """Wait until messages come and go. Raises what the bus could not start for."""
        if self._starting is not None:
            await asyncio.shield(self._starting)

    async def stop(self) -> None:
        """The server has ended: the others are told."""
        starting, self._starting = self._starting, None
        if starting is None:
            return
        if self._beat is not None:
            self._beat.cancel()
        if self.presence is not None:
            self.presence.stop()
        if not starting.done():
            starting.cancel()
            await asyncio.wait([starting])
        elif self.bus.heartbeat_interval is not None:
            self.send(Kind.ADAPTER_CLOSE, "/")
        for request in list(self.requests.values()):
            request.stop()
        self.members.alive.clear()
        self.state.ends()
        await self.bus.stop()
        self.is_up = False

    def _keep_beating(self, interval_s: float) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        self.members.expire(now)
        if now - self._published_at >= interval_s:
            self.send(Kind.HEARTBEAT, "/")
        # Who is silent is noticed a second late at the most.
        self._beat = loop.call_later(min(interval_s, LOOK_S), self._keep_beating, interval_s)

    # --- messages ----------------------------------------------------------------------------

    def send(self, kind: Kind, nsp: str, data: dict[str, Any] | None = None, packet: Any = None) -> None:  # fmt: skip
        """Publish a message of this server; what the bus can't take is logged."""
        if self.bus.heartbeat_interval is not None and self._starting is not None:
            self._published_at = self.bus.loop.time()
        self.bus.publish(Message(kind, self.uid, nsp, data or {}, packet))

    def receive(self, message: Message) -> None:
        """A message has come. What is no proper one is logged, and nothing else happens."""
        if message.uid == self.uid:
            return
        try:
            if self.bus.heartbeat_interval is not None:
                if message.kind == Kind.ADAPTER_CLOSE:
                    self.members.left(message.uid)
                    return
                is_new = self.members.heard(message.uid, self.bus.loop.time())
                if is_new and self.presence is not None:
                    self.presence.met(message.uid)
            if message.kind != Kind.PRESENCE:
                self._inbox.take(message)
            elif self.presence is not None:
                self.presence.take(message)
        except WRONG as error:
            self.broken.message_came(message, error)

    def take(self, message: Message) -> None:
        """Do what a message says that came from where nobody answers requests: its sender becomes no member.

        Raises TypeError, ValueError, KeyError or AttributeError for what is no message.
        """
        self._inbox.take(message)

    def receive_event(self, uid: str, nsp: str, packet: Any, opts: Any) -> None:
        """receive() of a broadcast that wants no answers, as nearly all are, without a Message made for it.

        packet: see Message; opts: as another server has sent them. 3.5 -> 2.4 us (bench/cluster/receive.py).
        """
        if uid == self.uid:
            return
        try:
            if self.bus.heartbeat_interval is not None:
                self.members.heard(uid, self.bus.loop.time())
            self._inbox.event(nsp, packet, opts)
        except WRONG as error:
            message = Message(Kind.BROADCAST, uid, nsp, {"opts": opts}, packet)
            self.broken.message_came(message, error)

    def bus_changed(self, is_up: bool, lost: int) -> None:
        """The bus has its connection, or has it no longer; `lost`: how many messages it could not send so far."""
        self.is_up = is_up
        level, state = (logging.INFO, "up") if is_up else (logging.WARNING, "down")
        logger.log(level, "the adapter is %s; %d messages lost so far", state, lost)
        for fn in list(self.listeners):
            fn(is_up, lost)
        if self.presence is not None:
            self.presence.bus_changed(is_up)
        self.state.changed(is_up, lost)

    def _gone(self, uid: str) -> None:
        if self.presence is not None:
            self.presence.gone(uid)
        self.waits_for_no_more(uid)

    def waits_for_no_more(self, uid: str) -> None:
        """That server will not answer: it is gone, or as good as that."""
        for request in list(self.requests.values()):
            request.gone(uid)


def _log_failure(starting: "asyncio.Task[None]") -> None:
    if not starting.cancelled() and starting.exception() is not None:
        logger.error("the adapter could not start", exc_info=starting.exception())

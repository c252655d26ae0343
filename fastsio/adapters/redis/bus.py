"""What the adapters for Redis have in common: a link, its state, and presence on channels of its own."""

import asyncio
import logging
from typing import Any

import msgspec

from fastsio.adapters.cluster.bus import Bus
from fastsio.adapters.forwarding.forwarder import Forwarder
from fastsio.adapters.forwarding.settings import Forwarding
from fastsio.adapters.protocol.messages import Kind, Message
from fastsio.adapters.protocol.wire import unpack
from fastsio.adapters.redis_connection.cluster import ClusterLink
from fastsio.adapters.redis_connection.ending import end
from fastsio.adapters.redis_connection.link import RedisLink
from fastsio.adapters.redis_connection.reach import Reach

logger = logging.getLogger("fastsio.adapters")


class RedisBus(Bus):
    """A Bus over a RedisLink. Servers are counted by their subscriptions, so there are no heartbeats.

    What servers of Node and of fastsio have in common goes by the adapter's channels. Presence is on
    `<prefix>-presence#`, which no server of Node subscribes to, and `<prefix>-presence#<uid>#`.
    """

    heartbeat_interval = None
    tells_who_leaves = False
    tells_state = True
    # The command that publishes, and the prefix of all channels.
    publish_command = "PUBLISH"
    channel_root: str
    _link: RedisLink | ClusterLink
    _reach: Reach | None = None
    _watching: asyncio.Task[None] | None = None
    # None unless requests that reach the wrong server are passed on.
    _forwarder: Forwarder | None = None

    def _forward(
        self, given: bool | Forwarding, url: str, prefix: str, options: dict[str, Any]
    ) -> None:  # fmt: skip
        """The option `forward`. Raises TypeError for what it can't be."""
        settings = Forwarding.of(given)
        if settings is not None:
            self._forwarder = Forwarder(settings, url, prefix, options)

    def serving(self, is_served: bool) -> None:
        if self._forwarder is not None:
            if is_served:
                self._forwarder.serve(self.cluster.hub.engine)
            else:
                self._forwarder.leave()

    def own_channel(self) -> str:
        """A channel that this server alone subscribes to, as long as it serves."""
        raise NotImplementedError

    async def start(self) -> None:
        link = self._link
        link.own_channel = self.own_channel()
        if self.presence:
            self._others = link.on_message
            link.on_message = self._came
            link.subscribe(self._presence_channel(), self._presence_channel(self.cluster.uid))
        await link.start()
        self._reach = Reach(self._others_count, link.errors)
        self._link.queue.reach = self._reach
        self._watching = asyncio.create_task(self._reach.watch())

    async def _others_count(self) -> int:
        found = self.peers("/")
        peers = found if isinstance(found, (set, int)) else await found
        return peers if isinstance(peers, int) else len(peers)

    async def stop(self) -> None:
        if self._forwarder is not None:
            await self._forwarder.stop()
        if self._watching is not None:
            await end([self._watching])
        await self._link.stop()
        if self.presence:
            self._link.on_message = self._others

    # --- presence ----------------------------------------------------------------------------

    def _presence_channel(self, uid: str | None = None) -> str:
        return f"{self.channel_root}-presence#" + ("" if uid is None else f"{uid}#")

    def tell(self, uid: str | None, message: Message) -> None:
        payload = msgspec.msgpack.encode([message.uid, message.data])
        command = (self.publish_command, self._presence_channel(uid), payload)
        # What is lost of it is told again, so it does not count.
        self._link.queue.put(command, is_counted=False)

    async def presence_peers(self) -> int:
        try:
            return max(0, await self._link.subscribers(self._presence_channel()) - 1)
        except self._link.errors as error:
            logger.warning("presence: the other servers could not be counted: %r", error)
            return 0

    def _came(self, channel: bytes, data: bytes) -> None:
        if not channel.startswith(self._presence_channel().encode()):
            self._others(channel, data)
            return
        try:
            uid, content = unpack(data)
            message = Message(Kind.PRESENCE, uid, "/", dict(content))
        except (TypeError, ValueError) as error:
            self.cluster.broken.bytes_came(channel, len(data), error)
            return
        self.receive(message)

    # --- state -------------------------------------------------------------------------------

    @property
    def lost(self) -> int:
        return self._link.queue.lost

    @property
    def is_behind(self) -> bool:
        return self._link.queue.is_behind

    @property
    def waiting(self) -> int:
        return self._link.queue.count

    @property
    def waiting_bytes(self) -> int:
        return self._link.queue.bytes

    def _state_changed(self, is_up: bool) -> None:
        if self._reach is not None:
            self._reach.changed(is_up)
        self.cluster.bus_changed(is_up, self.lost)

    async def _peers(self, channel: str) -> int:
        """How many other servers hear of a channel. Raises what Redis raises."""
        return max(0, await self._link.subscribers(channel) - 1)

"""A Redis cluster as one link: a RedisLink to each of its masters, and each channel at the one that has its slot.

For sharded pub/sub, whose channels belong to slots as keys do. The nodes are asked every second who has which slots: so
channels follow a failover, or a resharding. What is published meanwhile is lost and counted, as with one Redis alone.
Channels have no order among each other. Source: Redis cluster specification, "Key distribution model" and "Clients
first connection and handling of redirections"; CLUSTER SLOTS.
"""

import asyncio
import contextlib
import logging
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Coroutine
from typing import Any

from fastsio.adapters.redis_connection.ending import end
from fastsio.adapters.redis_connection.link import RedisLink
from fastsio.adapters.redis_connection.queue import FIRST_RETRY_S, MAX_WAITING, Command, said
from fastsio.adapters.redis_connection.reach import Reach
from fastsio.adapters.redis_connection.url import cluster_nodes
from fastsio.adapters.redis_connection.wire import RedisBatches
from fastsio.rarely import RareLog

logger = logging.getLogger("fastsio.adapters")

LOOK_S = 1.0
SLOTS = 16384

# First and last slot, and the master's "host:port".
Range = tuple[int, int, str]


class Slots:
    """Who has which slots. `masters`: their addresses; `is_whole`: somebody has each slot."""

    def __init__(self, ranges: list[Range]) -> None:
        self.ranges = sorted(ranges)
        self.masters = {address for _, _, address in ranges}
        self.is_whole = sum(last - first + 1 for first, last, _ in ranges) == SLOTS
        self._firsts = [first for first, _, _ in self.ranges]

    def owner(self, channel: str) -> str | None:
        """The master that has a channel; None while nobody has."""
        from redis.crc import key_slot  # of the extra `redis`

        slot = key_slot(channel.encode())
        at = bisect_right(self._firsts, slot) - 1
        return self.ranges[at][2] if at >= 0 and slot <= self.ranges[at][1] else None

    @classmethod
    def read(cls, reply: Any, asked: str) -> "Slots":
        """Of CLUSTER SLOTS' answer. A node that has no name for itself is the one that was `asked`."""
        if isinstance(reply, Exception):
            raise reply
        ranges = []
        for first, last, (host, port, *_), *_ in reply:
            name = host.decode() if host else asked.rpartition(":")[0].strip("[]")
            ranges.append((first, last, f"[{name}]:{port}" if ":" in name else f"{name}:{port}"))
        return cls(ranges)


class ClusterQueue:
    """What a RedisBus asks of a RedisQueue, of those of all links. `lost_before`: by what is there no longer."""

    def __init__(self, link: "ClusterLink") -> None:
        self.lost_before = 0
        self._link = link
        self._reach: Reach | None = None
        # What comes before it is known who has which slots.
        self._early: list[tuple[Command, bool]] = []

    def put(self, command: Command, is_counted: bool = True) -> None:
        """Send a command, whose first argument is a channel, behind others to that; never blocks."""
        link = self._link.link_of(command[1])
        if link is not None:
            link.queue.put(command, is_counted=is_counted)
        elif self._link.is_new and len(self._early) < MAX_WAITING:
            self._early.append((command, is_counted))
        else:
            self.lost_before += is_counted

    def begin(self) -> None:
        """It is known by now."""
        early, self._early = self._early, []
        for command, is_counted in early:
            self.put(command, is_counted)

    @property
    def reach(self) -> Reach | None:
        return self._reach

    @reach.setter
    def reach(self, reach: Reach | None) -> None:
        self._reach = reach
        for link in self._link.links:
            link.queue.reach = reach

    @property
    def lost(self) -> int:
        return self.lost_before + sum(link.queue.lost for link in self._link.links)

    @property
    def is_behind(self) -> bool:
        return bool(self._early) or any(link.queue.is_behind for link in self._link.links)

    @property
    def count(self) -> int:
        return len(self._early) + sum(link.queue.count for link in self._link.links)

    @property
    def bytes(self) -> int:
        return sum(link.queue.bytes for link in self._link.links)


class ClusterLink:
    """What ShardedRedisAdapter needs of a RedisLink, by several; see there for the arguments and for what it raises.

    url: see redis_url.cluster_nodes(). `is_up`: every slot has a master, and the subscriptions to all of them work.
    """

    def __init__(
        self, url: str, on_message: Callable[[bytes, bytes], None], on_state: Callable[[bool], None],
        options: dict[str, Any] | None = None,
    ) -> None:  # fmt: skip
        self._seeds, self._url_of = cluster_nodes(url)
        self._options = dict(options or {})
        self.on_message = on_message
        self._on_state = on_state
        self.own_channel: str | None = None
        self.is_up = False
        self.is_new = True
        self.queue = ClusterQueue(self)
        self._slots = Slots([])
        self._channels: set[str] = set()
        self._links: dict[str, RedisLink] = {}
        # Those of nodes that are no masters any more, until they have ended.
        self._former: set[RedisLink] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._up = asyncio.Event()
        self._look_now = asyncio.Event()
        self._log = RareLog(logger)
        self.errors = self._link_to(self._seeds[0]).errors

    @property
    def links(self) -> list[RedisLink]:
        return [*self._links.values(), *self._former]

    def link_of(self, channel: str) -> RedisLink | None:
        """That to the master which has a channel."""
        return self._links.get(self._slots.owner(channel) or "")

    def _link_to(self, address: str) -> RedisLink:
        link = RedisLink(
            self._url_of(address), lambda channel, data: self.on_message(channel, data), self._changed,
            sharded=True, options=self._options,
        )  # fmt: skip
        link.on_moved = self._look_now.set
        link.queue.reach = self.queue.reach
        return link

    # --- what a RedisLink does ---------------------------------------------------------------

    async def start(self) -> None:
        """Returns when all subscriptions work; that is tried until they do."""
        self._spawn(self._keep_looking())
        await self._up.wait()

    async def stop(self) -> None:
        """Send what waits, as far as there are connections, and close them."""
        await end(list(self._tasks))
        await asyncio.gather(*(link.stop() for link in self.links))
        self.queue.lost_before = self.queue.lost
        self._links.clear()
        self._former.clear()
        self._slots = Slots([])
        self.is_up = False
        self._up.clear()

    def send(self, *command: Any) -> None:
        self.queue.put(command)

    def subscribe(self, *channels: str) -> None:
        self._channels.update(channels)
        for channel in channels:
            link = self.link_of(channel)
            if link is not None:
                link.subscribe(channel)

    def unsubscribe(self, *channels: str) -> None:
        self._channels.difference_update(channels)
        for channel in channels:
            link = self.link_of(channel)
            if link is not None:
                link.unsubscribe(channel)

    async def subscribers(self, channel: str) -> int:
        """How many connections are subscribed to a channel. Raises what Redis raises, ConnectionError among it."""
        link = self.link_of(channel)
        if link is None:
            raise ConnectionError("no node of the Redis cluster has the channel's slot")
        return await link.subscribers(channel)

    # --- who has which slots -----------------------------------------------------------------

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _keep_looking(self) -> None:
        while True:
            self._look_now.clear()
            try:
                await self._look()
            except (*self.errors, TypeError, ValueError) as error:  # the last two: no such answer
                self._log.note("slots", "Redis cluster: no node knows its slots: %s", said(error))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._look_now.wait()
            # Several changes in a row make one question, and a node that refuses everything not too many.
            await asyncio.sleep(FIRST_RETRY_S)

    async def _look(self) -> None:
        """Ask one node after the other. Raises what the last one raises, if none answers."""
        living = [address for address, link in self._links.items() if link.is_up]
        error: Exception = ConnectionError("the cluster has no nodes")
        for address in dict.fromkeys((*living, *self._links, *self._seeds)):
            try:
                slots = await self._slots_by(address)
            except self.errors as failed:
                error = failed
                continue
            if slots.ranges != self._slots.ranges:
                self._apply(slots)
            return
        raise error

    async def _slots_by(self, address: str) -> Slots:
        link = self._links.get(address) or self._link_to(address)
        batches = RedisBatches(link.client, link.silence_s)
        try:
            [reply] = await batches.ask([("CLUSTER", "SLOTS")])
            return Slots.read(reply, address)
        finally:
            await batches.close()
            if address not in self._links:
                await link.client.aclose()

    def _apply(self, slots: Slots) -> None:
        """Have a link to each master, and each channel at its own."""
        self._slots = slots
        for address in slots.masters - self._links.keys():
            link = self._links[address] = self._link_to(address)
            self._spawn(link.start())
        channels: dict[str | None, set[str]] = defaultdict(set)
        for channel in self._channels:
            channels[slots.owner(channel)].add(channel)
        for address, link in list(self._links.items()):
            wanted = channels[address]
            link.own_channel = self.own_channel if self.own_channel in wanted else None
            link.unsubscribe(*(link.channels - wanted))
            link.subscribe(*(wanted - link.channels))
            if address not in slots.masters:
                self._former.add(self._links.pop(address))
                self._spawn(self._retire(link))
        if slots.ranges:
            self.is_new = False
            self.queue.begin()
        self._changed()

    async def _retire(self, link: RedisLink) -> None:
        await link.stop()
        self._former.discard(link)
        self.queue.lost_before += link.queue.lost

    def _changed(self, is_up: bool = True) -> None:
        """A link has, or has no longer, its subscription."""
        if not is_up:
            self._look_now.set()
        now = self._slots.is_whole and all(link.is_up for link in self._links.values())
        if now == self.is_up:
            return
        self.is_up = now
        if now:
            self._up.set()
        else:
            self._up.clear()
        self._on_state(now)

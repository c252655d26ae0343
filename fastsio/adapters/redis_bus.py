"""What the adapters for Redis have in common: a link, and its state."""

from fastsio.adapters.bus import Bus
from fastsio.adapters.redis_link import RedisLink


class RedisBus(Bus):
    """A Bus over a RedisLink. Servers are counted by their subscriptions, so there are no heartbeats."""

    heartbeat_interval = None
    tells_who_leaves = False
    _link: RedisLink

    async def start(self) -> None:
        await self._link.start()

    async def stop(self) -> None:
        await self._link.stop()

    @property
    def lost(self) -> int:
        return self._link.lost

    @property
    def is_behind(self) -> bool:
        return self._link.is_behind

    def _state_changed(self, is_up: bool) -> None:
        self.cluster.bus_changed(is_up, self._link.lost)

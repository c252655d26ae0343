"""What the adapters for Redis have in common: a link, and its state."""

from typing import Any

from fastsio.adapters.bus import Bus
from fastsio.adapters.forwarding import Forwarder, Forwarding
from fastsio.adapters.redis_link import RedisLink


class RedisBus(Bus):
    """A Bus over a RedisLink. Servers are counted by their subscriptions, so there are no heartbeats."""

    heartbeat_interval = None
    tells_who_leaves = False
    _link: RedisLink
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

    async def start(self) -> None:
        await self._link.start()

    async def stop(self) -> None:
        if self._forwarder is not None:
            await self._forwarder.stop()
        await self._link.stop()

    @property
    def lost(self) -> int:
        return self._link.lost

    @property
    def is_behind(self) -> bool:
        return self._link.is_behind

    def _state_changed(self, is_up: bool) -> None:
        self.cluster.bus_changed(is_up, self._link.lost)

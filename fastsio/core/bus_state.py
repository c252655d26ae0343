"""How a server's bus is: what `io.bus` shows, and the events "bus_up" and "bus_down".

Knows no bus in particular: what comes and goes is told by Cluster.bus_changed().
"""

from typing import Any

from fastsio.core.bus_events import BUS_DOWN, BUS_UP, tell_of_bus


class BusState:
    """`io.bus`: what joins this server with others. Counts are since the server was made.

    To be read on any thread; ready() and server_count() are awaited on the engine's loop.
    """

    def __init__(self, cluster: Any) -> None:
        """`cluster`: an adapters.cluster.server.Cluster."""
        self._cluster = cluster
        self._bus = cluster.bus
        # When it went up or down, in seconds of the loop's clock; None: it is not wanted.
        self._changed_at: float | None = None
        self._lost_then = 0

    def __repr__(self) -> str:
        how = "up" if self.is_up else f"down for {self.down_s:.1f} s"
        return f"<bus {how}, {self.lost} lost, {self.waiting} waiting>"

    @property
    def uid(self) -> str:
        """This server's name in the cluster."""
        uid: str = self._cluster.uid
        return uid

    @property
    def is_up(self) -> bool:
        """Whether messages of other servers come."""
        return bool(self._cluster.is_up)

    @property
    def down_s(self) -> float:
        """For how many seconds it has been down; 0.0 while it is up, and while the server does not serve."""
        if self.is_up or self._changed_at is None:
            return 0.0
        return float(self._bus.loop.time() - self._changed_at)

    @property
    def lost(self) -> int:
        """How many messages of this server are lost, or not known to have got through, and will not be sent again."""
        return int(self._bus.lost)

    @property
    def is_behind(self) -> bool:
        """Whether messages wait to be sent."""
        return bool(self._bus.is_behind)

    @property
    def waiting(self) -> int:
        """How many messages wait to be sent."""
        return int(self._bus.waiting)

    @property
    def waiting_bytes(self) -> int:
        """How many bytes these take."""
        return int(self._bus.waiting_bytes)

    @property
    def replayed(self) -> int:
        """How many messages came late, because they were published while this server had no connection (streams)."""
        return int(self._bus.replayed)

    @property
    def gaps(self) -> int:
        """How often a stream had lost what this server had not read yet."""
        return int(self._bus.gaps)

    async def ready(self) -> None:
        """Wait until messages come and go. Raises what the bus could not start for."""
        await self._cluster.ready()

    async def server_count(self, namespace: str = "/") -> int:
        """How many servers there are that have the namespace, this one among them. Raises what Redis raises."""
        found = self._bus.peers(namespace)
        peers = found if isinstance(found, (set, int)) else await found
        return 1 + (peers if isinstance(peers, int) else len(peers))

    # --- told by the cluster -----------------------------------------------------------------

    def begins(self) -> None:
        """The bus is being started."""
        self._changed_at = self._bus.loop.time()

    def ends(self) -> None:
        """It is wanted no longer."""
        self._changed_at = None

    def changed(self, is_up: bool, lost: int) -> None:
        """It went up or down: the application is told."""
        now = self._bus.loop.time()
        seconds = 0.0 if self._changed_at is None else now - self._changed_at
        lost_since, self._lost_then, self._changed_at = lost - self._lost_then, lost, now
        tell_of_bus(self._cluster.hub, BUS_UP if is_up else BUS_DOWN, lost_since, seconds)

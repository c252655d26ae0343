"""Bus: what carries messages between servers. A new one is publish() and respond(), and receive() called."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from fastsio.adapters.protocol.messages import Message

if TYPE_CHECKING:
    from fastsio._encoded import Encoded
    from fastsio.adapters.cluster.adapter import ClusterAdapter
    from fastsio.adapters.cluster.server import Cluster
    from fastsio.core.acks import PendingAck
    from fastsio.core.adapter import Adapter
    from fastsio.core.hub import Hub
    from fastsio.core.namespace import Namespace


# Servers by their uids, or how many there are.
Peers = set[str] | int


class Bus:
    """One server's end of what joins it with others; `adapter=` of IO and AsyncServer.

    Messages of one server must come in the order in which it published them. A bus may bring a server its own messages
    back: they are told by their uid. All is called on the loop of the server's engine, but for pack().

    request_timeout: seconds that fetch_sockets() and server_side_emit() wait for other servers, where timeout() does
    not say more. heartbeat_interval, heartbeat_timeout: a server from which nothing came for so many seconds is gone;
    None for a bus that counts servers in another way: see peers().
    """

    request_timeout: float = 5.0
    heartbeat_interval: float | None = 5.0
    heartbeat_timeout: float = 10.0
    # Of presence: seconds between two heartbeats. Its servers are gone after heartbeat_timeout too.
    presence_interval: float = 5.0
    # Whether this server takes part in presence (its option of that name), and whether this bus has a way for it.
    presence: bool = False
    carries_presence: bool = True
    # Whether it says by cluster.bus_changed() when its connection comes and goes; else it is up from start() on.
    tells_state: bool = False
    # Whether a server tells of clients that go without an answer; Node's do not, and count such a message wrongly.
    tells_who_leaves: bool = True

    def __init__(self) -> None:
        self._cluster: Cluster | None = None

    def join(self, hub: "Hub") -> "Cluster":
        """A server takes this as its adapter. Raises RuntimeError for a second one: each has a bus of its own."""
        from fastsio.adapters.cluster.server import Cluster  # it needs this module

        if self._cluster is not None:
            raise RuntimeError(f"{self!r} is the adapter of a server already: give each its own")
        self.presence = self.presence or hub.options.presence
        self._cluster = Cluster(hub, self)
        return self._cluster

    @property
    def cluster(self) -> "Cluster":
        """The server's side. Raises RuntimeError while it is no server's adapter."""
        if self._cluster is None:
            raise RuntimeError(f"{self!r} is no server's adapter yet: IO(adapter=…)")
        return self._cluster

    @property
    def receive(self) -> Callable[[Message], None]:
        """To be called with each message that comes."""
        return self.cluster.receive

    # --- what a bus is made of ---------------------------------------------------------------

    async def start(self) -> None:
        """The server begins to serve. What was published before must not be lost."""

    async def stop(self) -> None:
        """The server has ended: send what is left and let go of everything."""

    def publish(self, message: Message) -> None:
        """Send it to all other servers. Must not block, and must have encoded it when it returns."""
        raise NotImplementedError

    def respond(self, uid: str, message: Message) -> None:
        """Send it to the server that asked; to all of them, where there is no way to one alone."""
        raise NotImplementedError

    # --- what it may do in its own way -------------------------------------------------------

    def ask(
        self, name: str, opts: dict[str, Any], packed: Any, pending: "PendingAck"
    ) -> Callable[[], None] | None:
        """Ask clients of other servers, by what pack() has made, and give `pending` what they answer.

        Returns what ends that; None, and nothing is sent, where a broadcast with answers has to do.
        """
        return None

    def tell(self, uid: str | None, message: Message) -> None:
        """publish(), or respond() where there is a uid, of a kind that is fastsio's own: Node's must not get it."""
        if uid is None:
            self.publish(message)
        else:
            self.respond(uid, message)

    async def presence_peers(self) -> int:
        """How many other servers have presence, as far as the bus can tell: these are waited for at the start."""
        return 0

    def pack(self, namespace: "Namespace", args: list[Any], encoded: "Encoded") -> Any:
        """[event, *args] as Message.packet of publish(): a snapshot, for the caller may change it. From any thread.

        `encoded` is a packet with just these: a bus that carries JSON need not make it once more.
        """
        raise NotImplementedError

    def namespace_added(self, name: str) -> None:
        """The server has a namespace of that name now."""

    def namespace_removed(self, name: str) -> None:
        """The server has it no longer."""

    def room_added(self, name: str, room: Any) -> None:
        """A room of the namespace has its first client here."""

    def room_removed(self, name: str, room: Any) -> None:
        """The last client here has left a room of the namespace."""

    def id_made(self, name: str, sid: str) -> None:
        """A client of Socket.IO 1 or 2 is about to join the namespace; its id follows from its session's.

        All others have ids of 20 characters.
        """

    def peers(self, name: str) -> "Peers | Awaitable[Peers]":
        """The other servers that will answer a request about a namespace: their uids, or how many there are."""
        return set(self.cluster.members.alive)

    def adapter_for(
        self, namespace: "Namespace", local: "Adapter", cluster: "Cluster"
    ) -> "ClusterAdapter":
        """The adapter of a new namespace; `local` has the clients that are here."""
        from fastsio.adapters.cluster.adapter import ClusterAdapter  # it needs this module

        return ClusterAdapter(namespace, local, cluster)

    def serving(self, is_served: bool) -> None:
        """An engine serves the server now, and has no sessions yet; or no longer. start(), or stop(), follows."""

    @property
    def lost(self) -> int:
        """How many messages could not be sent, or are not known to have been, and will not be sent again."""
        return 0

    @property
    def is_behind(self) -> bool:
        """Whether messages wait to be sent."""
        return False

    @property
    def waiting(self) -> int:
        """How many messages wait to be sent."""
        return 0

    @property
    def waiting_bytes(self) -> int:
        """How many bytes these take."""
        return 0

    @property
    def replayed(self) -> int:
        """How many messages came late, because they were published while this server had no connection."""
        return 0

    @property
    def gaps(self) -> int:
        """How often messages for this server may have been lost that another bus than pub/sub would have kept."""
        return 0

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop of the server's engine, while it serves."""
        loop = self.cluster.loop
        assert loop is not None
        return loop

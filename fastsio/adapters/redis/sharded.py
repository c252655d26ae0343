"""ShardedRedisAdapter: servers joined by the sharded pub/sub of Redis 7, as @socket.io/redis-adapter's sharded one.

In a Redis cluster each channel is one node's work. Nothing is kept, as with RedisAdapter.
"""

import logging
from typing import TYPE_CHECKING, Any

from fastsio.adapters.cluster.bus import Peers
from fastsio.adapters.forwarding.settings import Forwarding
from fastsio.adapters.protocol.messages import Kind, Message
from fastsio.adapters.protocol.wire import BROADCAST_HEAD, Packed, decode, encode, read_event, tail
from fastsio.adapters.redis.bus import RedisBus
from fastsio.adapters.redis_connection.cluster import ClusterLink
from fastsio.adapters.redis_connection.link import RedisLink
from fastsio.adapters.redis_connection.queue import Command
from fastsio.adapters.redis_connection.url import is_cluster

if TYPE_CHECKING:
    from fastsio._encoded import Encoded
    from fastsio._json import Json
    from fastsio.core.namespace import Namespace

logger = logging.getLogger("fastsio.adapters")

MODES = ("dynamic", "static", "dynamic-private")
# Node's adapter takes rooms of that length for sockets' ids.
ID_LENGTH = 20


class ShardedFormat:
    """What is published, as commands of Redis 7. channel_prefix, subscription_mode: see ShardedRedisAdapter.

    Raises ValueError for a mode that there is not.
    """

    def __init__(
        self, channel_prefix: str = "socket.io", subscription_mode: str = "dynamic"
    ) -> None:
        if subscription_mode not in MODES:
            raise ValueError(f"subscription_mode={subscription_mode!r}: one of {', '.join(MODES)}")
        self._prefix = channel_prefix
        self.mode = subscription_mode

    def channel(self, name: str, part: Any = None) -> str:
        """That of a namespace, or of a room or a server in it."""
        return f"{self._prefix}#{name}#" + ("" if part is None else f"{part}#")

    def has_channel(self, room: Any) -> bool:
        """Whether a room that has clients here has a channel of its own; Node has rooms that are text or numbers."""
        if self.mode == "static" or not isinstance(room, (str, int)):
            return False
        return self.mode == "dynamic-private" or isinstance(room, int) or len(room) != ID_LENGTH

    def is_sent_apart(self, name: str, room: Any) -> bool:
        """Whether what is for a room alone goes to that channel.

        Not where the room may be a client of Socket.IO 2 in a named namespace, whose id is longer than others: servers
        of Node do not listen to a channel for it, though they send there.
        """
        if self.mode == "dynamic" and isinstance(room, str) and room.startswith(f"{name}#"):
            return False
        return self.has_channel(room)

    def pack(self, name: str, args: list[Any], encoded: "Encoded", json: "Json") -> Any:
        """[event, *args] as Message.packet of command()."""
        return Packed(args, encoded, json)

    def command(self, message: Message, json: "Json") -> Command:
        """What publishes a message to all servers that it concerns."""
        rooms = message.data["opts"]["rooms"] if "opts" in message.data else []
        is_plain = message.kind == Kind.BROADCAST and message.request_id is None
        is_apart = is_plain and len(rooms) == 1 and self.is_sent_apart(message.nsp, rooms[0])
        channel = self.channel(message.nsp, rooms[0] if is_apart else None)
        return "SPUBLISH", channel, encode(message, json)


class OwnRooms:
    """Has a channel for the room that a client of a namespace has of its own, which is in no table."""

    def __init__(self, bus: "ShardedRedisAdapter", name: str) -> None:
        self._bus = bus
        self._name = name

    def socket_joined(self, sid: str) -> None:
        self._bus.room_added(self._name, sid)

    def socket_left(self, sid: str) -> None:
        self._bus.room_removed(self._name, sid)


class ShardedRedisAdapter(RedisBus):
    """`IO(adapter=ShardedRedisAdapter("redis://localhost"))`; needs Redis 7.

    url: also redis+cluster:// for a Redis cluster, see redis_url.cluster_nodes(). subscription_mode: Node's option.
    "dynamic": a channel for each room that has clients here, except for clients' ids of 20 characters;
    "dynamic-private": for these too; "static": none. channel_prefix: Node's option. Both must be the same on all
    servers. request_timeout: seconds. silence_timeout, max_waiting, max_waiting_bytes: see RedisLink; in a Redis
    cluster these are each node's. Other keyword arguments are redis-py's. Raises ImportError without redis-py or
    msgspec (pip install "fastsio[redis]"), ValueError for a mode that there is not.
    """

    publish_command = "SPUBLISH"

    def __init__(
        self, url: str = "redis://localhost:6379", *, channel_prefix: str = "socket.io",
        subscription_mode: str = "dynamic", request_timeout: float = 5.0, forward: bool | Forwarding = False,
        **options: Any,
    ) -> None:  # fmt: skip
        super().__init__()
        self.channel_root = channel_prefix
        self.format = ShardedFormat(channel_prefix, subscription_mode)
        self.request_timeout = request_timeout
        # Redis gives a server its own messages too: told by their end, and not read.
        self._own_tails: tuple[bytes, ...] = ()
        # Namespaces whose clients' own rooms have channels, as far as has_channel() says so.
        self._attended: dict[str, Namespace] = {}
        if not is_cluster(url):
            self._link = RedisLink(
                url, self._arrived, self._state_changed, sharded=True, options=options
            )
        elif forward:
            raise ValueError(f"forward={forward!r} does not go with a Redis cluster")
        else:
            self._link = ClusterLink(url, self._arrived, self._state_changed, options)
        self._forward(forward, url, channel_prefix, options)

    # --- channels ----------------------------------------------------------------------------

    def namespace_added(self, name: str) -> None:
        self._own_tails = (*self._own_tails, tail(self.cluster.uid, name))
        self._link.subscribe(self.format.channel(name), self.format.channel(name, self.cluster.uid))
        if self.format.mode == "dynamic-private":
            self._attend(name)

    def _attend(self, name: str) -> None:
        """Have the rooms that its clients have of their own, from the next one on."""
        namespace = self.cluster.adapters[name].namespace
        if self._attended.get(name) is not namespace:
            self._attended[name] = namespace
            namespace.attend(OwnRooms(self, name))

    def id_made(self, name: str, sid: str) -> None:
        """Servers send what is for this client alone to a channel of its own, where its id does not look like one."""
        if self.format.has_channel(sid):
            self._attend(name)

    def namespace_removed(self, name: str) -> None:
        self._attended.pop(name, None)
        own = tail(self.cluster.uid, name)
        self._own_tails = tuple(one for one in self._own_tails if one != own)
        self._link.unsubscribe(
            self.format.channel(name), self.format.channel(name, self.cluster.uid)
        )

    def room_added(self, name: str, room: Any) -> None:
        if self.format.has_channel(room):
            self._link.subscribe(self.format.channel(name, room))

    def room_removed(self, name: str, room: Any) -> None:
        if self.format.has_channel(room):
            self._link.unsubscribe(self.format.channel(name, room))

    async def peers(self, name: str) -> Peers:
        return await self._peers(self.format.channel(name))

    def own_channel(self) -> str:
        return self.format.channel("/", self.cluster.uid)

    # --- messages ----------------------------------------------------------------------------

    def pack(self, namespace: "Namespace", args: list[Any], encoded: "Encoded") -> Any:
        return self.format.pack(namespace.name, args, encoded, self.cluster.json)

    def publish(self, message: Message) -> None:
        self._link.send(*self.format.command(message, self.cluster.json))

    def respond(self, uid: str, message: Message) -> None:
        payload = encode(message, self.cluster.json)
        self._link.send("SPUBLISH", self.format.channel(message.nsp, uid), payload)

    def _arrived(self, channel: bytes, data: bytes) -> None:
        """Whatever it is, the subscription goes on: others may write to these channels too."""
        if data.endswith(self._own_tails):
            return
        try:
            if data.startswith(BROADCAST_HEAD):
                found = read_event(data)
                if found is not None:  # likely
                    self.cluster.receive_event(*found)
                    return
            message = decode(data, self.cluster.json)
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            self.cluster.broken.bytes_came(channel, len(data), error)
            return
        self.receive(message)

"""ShardedRedisAdapter: servers joined by the sharded pub/sub of Redis 7, as @socket.io/redis-adapter's sharded one.

In a Redis cluster each channel is one node's work. Nothing is kept, as with RedisAdapter.
"""

import logging
from typing import TYPE_CHECKING, Any

from fastsio.adapters.bus import Peers
from fastsio.adapters.messages import Kind, Message
from fastsio.adapters.redis_bus import RedisBus
from fastsio.adapters.redis_link import RedisLink
from fastsio.adapters.wire import Packed, decode, encode, tail

if TYPE_CHECKING:
    from fastsio._encoded import Encoded
    from fastsio.core.namespace import Namespace

logger = logging.getLogger("fastsio.adapters")

MODES = ("dynamic", "static", "dynamic-private")
# Node's adapter takes rooms of that length for sockets' ids.
ID_LENGTH = 20


class ShardedRedisAdapter(RedisBus):
    """`IO(adapter=ShardedRedisAdapter("redis://localhost"))`; needs Redis 7.

    subscription_mode: Node's option. "dynamic": a channel for each room that has clients here, except for those of one
    client; "dynamic-private": for these too; "static": none. channel_prefix: Node's option. Both must be the same on
    all servers. request_timeout: seconds. silence_timeout, max_waiting, max_waiting_bytes:
    see RedisLink. Other keyword arguments are redis-py's. Raises ImportError without redis-py
    or msgspec (pip install "fastsio[redis]"), ValueError for a mode that there is not.
    """

    publish_command = "SPUBLISH"

    def __init__(
        self, url: str = "redis://localhost:6379", *, channel_prefix: str = "socket.io",
        subscription_mode: str = "dynamic", request_timeout: float = 5.0, **options: Any,
    ) -> None:  # fmt: skip
        super().__init__()
        self.channel_root = channel_prefix
        if subscription_mode not in MODES:
            raise ValueError(f"subscription_mode={subscription_mode!r}: one of {', '.join(MODES)}")
        self.request_timeout = request_timeout
        self._prefix = channel_prefix
        self._mode = subscription_mode
        # Redis gives a server its own messages too: told by their end, and not read.
        self._own_tails: tuple[bytes, ...] = ()
        self._link = RedisLink(
            url, self._arrived, self._state_changed, sharded=True, options=options
        )

    # --- channels ----------------------------------------------------------------------------

    def _channel(self, name: str, part: str | None = None) -> str:
        return f"{self._prefix}#{name}#" + ("" if part is None else f"{part}#")

    def _has_channel(self, room: Any) -> bool:
        if self._mode == "static" or not isinstance(room, str):
            return False
        return self._mode == "dynamic-private" or len(room) != ID_LENGTH

    def namespace_added(self, name: str) -> None:
        self._own_tails = (*self._own_tails, tail(self.cluster.uid, name))
        self._link.subscribe(self._channel(name), self._channel(name, self.cluster.uid))

    def namespace_removed(self, name: str) -> None:
        own = tail(self.cluster.uid, name)
        self._own_tails = tuple(one for one in self._own_tails if one != own)
        self._link.unsubscribe(self._channel(name), self._channel(name, self.cluster.uid))

    def room_added(self, name: str, room: Any) -> None:
        if self._has_channel(room):
            self._link.subscribe(self._channel(name, room))

    def room_removed(self, name: str, room: Any) -> None:
        if self._has_channel(room):
            self._link.unsubscribe(self._channel(name, room))

    async def peers(self, name: str) -> Peers:
        return await self._peers(self._channel(name))

    def own_channel(self) -> str:
        return self._channel("/", self.cluster.uid)

    # --- messages ----------------------------------------------------------------------------

    def pack(self, namespace: "Namespace", args: list[Any], encoded: "Encoded") -> Any:
        return Packed(args, encoded, self.cluster.hub.json)

    def publish(self, message: Message) -> None:
        rooms = message.data["opts"]["rooms"] if "opts" in message.data else []
        is_plain = message.kind == Kind.BROADCAST and message.request_id is None
        room = rooms[0] if is_plain and len(rooms) == 1 and self._has_channel(rooms[0]) else None
        self._send(self._channel(message.nsp, room), message)

    def respond(self, uid: str, message: Message) -> None:
        self._send(self._channel(message.nsp, uid), message)

    def _send(self, channel: str, message: Message) -> None:
        self._link.send("SPUBLISH", channel, encode(message, self.cluster.json))

    def _arrived(self, channel: bytes, data: bytes) -> None:
        """Whatever it is, the subscription goes on: others may write to these channels too."""
        if data.endswith(self._own_tails):
            return
        try:
            message = decode(data, self.cluster.json)
        except (TypeError, ValueError, KeyError, AttributeError):
            logger.warning("no message of a server, on %r: %.200r", channel, data, exc_info=True)
            return
        self.receive(message)

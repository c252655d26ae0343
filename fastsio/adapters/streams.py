"""RedisStreamsAdapter: servers joined by a Redis stream, in the format of @socket.io/redis-streams-adapter 0.3.

A server that has lost its connection reads on where it stopped, and what was published meanwhile waits: as long as the
stream still has it nothing is lost, but what was on its way when the connection broke may come twice. Questions and
their answers go by publish and subscribe. One stream for all namespaces: Node's streamCount loses those whose name
hashes to a negative number.
"""

import asyncio
import base64
import logging
from typing import TYPE_CHECKING, Any

import msgspec

from fastsio.adapters.bus import Peers
from fastsio.adapters.messages import Kind, Message
from fastsio.adapters.redis_bus import RedisBus
from fastsio.adapters.redis_link import FIRST_RETRY_S, LAST_RETRY_S, Command, RedisLink
from fastsio.adapters.wire import EVENT, Packed, dumps, has_bytes, message_of, pack, unpack

if TYPE_CHECKING:
    from fastsio._encoded import Encoded
    from fastsio._json import Json
    from fastsio.core.namespace import Namespace

logger = logging.getLogger("fastsio.adapters")

# These change what clients have or get, and are in the stream; what asks for answers is not.
IN_STREAM = (
    Kind.BROADCAST,
    Kind.SOCKETS_JOIN,
    Kind.SOCKETS_LEAVE,
    Kind.DISCONNECT_SOCKETS,
)


class StreamsFormat:
    """What is sent, as commands of Redis. stream_name, max_len, channel_prefix: see RedisStreamsAdapter."""

    def __init__(
        self, stream_name: str = "socket.io", max_len: int = 10_000, channel_prefix: str = "socket.io"
    ) -> None:  # fmt: skip
        self._stream = stream_name
        self._max_len = max_len
        self._prefix = channel_prefix

    def channel(self, name: str, uid: str | None = None) -> str:
        """That of a namespace, or of a server in it."""
        return f"{self._prefix}#{name}#" + ("" if uid is None else f"{uid}#")

    def pack(self, name: str, args: list[Any], encoded: "Encoded", json: "Json") -> Any:
        """[event, *args] as Message.packet of command()."""
        return Packed(args, encoded, json)

    def command(self, message: Message, json: "Json") -> Command:
        """What tells all servers: an entry of the stream, or a question to be published."""
        if message.kind not in IN_STREAM or message.request_id is not None:
            return "PUBLISH", self.channel(message.nsp), _bytes(message, json)
        fields = ("uid", message.uid, "nsp", message.nsp, "type", str(int(message.kind)))
        kept = ("MAXLEN", "~", self._max_len)
        return "XADD", self._stream, *kept, "*", *fields, "data", _text(message, json)

    def told_to(self, uid: str, message: Message, json: "Json") -> Command:
        """What tells one server."""
        return "PUBLISH", self.channel(message.nsp, uid), _bytes(message, json)


def _text(message: Message, json: "Json") -> bytes:
    """The data as the stream has it: JSON, or MessagePack in Base64."""
    made: Packed | None = message.packet
    if made is None:
        return dumps(json, message.data)
    if made.is_binary:
        packet = {"type": EVENT, "data": msgspec.Raw(made.data)}
        return base64.b64encode(pack({"packet": packet, **message.data}))
    head = b'{"packet":{"type":%d,"data":%b},' % (EVENT, made.data)
    return head + dumps(json, message.data)[1:]


def _bytes(message: Message, json: "Json") -> bytes:
    """The whole message as MessagePack: what is published is never JSON."""
    data: dict[str, Any] = message.data
    made: Packed | None = message.packet
    if made is not None:
        args = msgspec.Raw(made.data) if made.is_binary else json.loads(made.data)
        data = {"packet": {"type": EVENT, "data": args}, **data}
    elif not has_bytes(data):
        # As JSON has it: what it knows and MessagePack does not, such as models, is the same everywhere.
        data = json.loads(dumps(json, data))
    return pack({"type": int(message.kind), "data": data, "uid": message.uid, "nsp": message.nsp})


class RedisStreamsAdapter(RedisBus):
    """`IO(adapter=RedisStreamsAdapter("redis://localhost"))`.

    stream_name, max_len (about how many messages the stream keeps), read_count (how many are read at once),
    channel_prefix: Node's options; the names must be the same on all servers. request_timeout: seconds. Other keyword
    arguments are redis-py's. Raises ImportError without redis-py or msgspec: pip install "fastsio[redis]".
    """

    def __init__(
        self, url: str = "redis://localhost:6379", *, stream_name: str = "socket.io", max_len: int = 10_000,
        read_count: int = 100, channel_prefix: str = "socket.io", request_timeout: float = 5.0, **options: Any,
    ) -> None:  # fmt: skip
        super().__init__()
        self.request_timeout = request_timeout
        self.format = StreamsFormat(stream_name, max_len, channel_prefix)
        self._stream = stream_name
        self._read_count = read_count
        self._link = RedisLink(
            url, self._arrived, self._state_changed, options=options, resends=True
        )
        self._position: bytes | str = "$"
        self._reading: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self._link.start()
        newest = await self._link.client.xrevrange(self._stream, count=1)
        self._position = newest[0][0] if newest else "0-0"
        self._reading = asyncio.create_task(self._keep_reading())

    async def stop(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        await self._link.stop()

    # --- the stream --------------------------------------------------------------------------

    async def _keep_reading(self) -> None:
        delay_s = FIRST_RETRY_S
        while True:
            try:
                found = await self._link.client.xread(
                    {self._stream: self._position}, count=self._read_count, block=5000
                )
                delay_s = FIRST_RETRY_S
            except self._link.errors as error:
                logger.warning(
                    "Redis: the stream can't be read, again in %.1f s: %r", delay_s, error
                )
                await asyncio.sleep(delay_s)
                delay_s = min(2 * delay_s, LAST_RETRY_S)
                continue
            for _, entries in found.items() if isinstance(found, dict) else found or ():
                for position, fields in entries:
                    self._position = position
                    self._entered(position, fields)

    def _entered(self, position: bytes, fields: dict[bytes, bytes]) -> None:
        """An entry of the stream; what is none of ours, or of Node's, is logged and left."""
        try:
            if b"nsp" not in fields:
                return
            data = fields.get(b"data")
            read = {
                "type": int(fields[b"type"]),
                "uid": fields[b"uid"].decode(),
                "nsp": fields[b"nsp"].decode(),
                "data": None if data is None else self._content(data),
            }
            self.receive(message_of(read))
        except (TypeError, ValueError, KeyError, AttributeError):
            logger.warning("no message of a server, at %r of the stream", position, exc_info=True)

    def _content(self, data: bytes) -> Any:
        if data[:1] == b"{":
            return self.cluster.hub.json.loads(data)
        return unpack(base64.b64decode(data))

    # --- channels ----------------------------------------------------------------------------

    def namespace_added(self, name: str) -> None:
        self._link.subscribe(self.format.channel(name), self.format.channel(name, self.cluster.uid))

    def namespace_removed(self, name: str) -> None:
        self._link.unsubscribe(
            self.format.channel(name), self.format.channel(name, self.cluster.uid)
        )

    async def peers(self, name: str) -> Peers:
        [(_, count)] = await self._link.client.pubsub_numsub(self.format.channel(name))
        return max(0, int(count) - 1)

    # --- messages ----------------------------------------------------------------------------

    def pack(self, namespace: "Namespace", args: list[Any], encoded: "Encoded") -> Any:
        return self.format.pack(namespace.name, args, encoded, self.cluster.hub.json)

    def publish(self, message: Message) -> None:
        self._link.send(*self.format.command(message, self.cluster.hub.json))

    def respond(self, uid: str, message: Message) -> None:
        self._link.send(*self.format.told_to(uid, message, self.cluster.hub.json))

    def _arrived(self, channel: bytes, data: bytes) -> None:
        try:
            message = message_of(unpack(data))
        except (TypeError, ValueError, KeyError, AttributeError):
            logger.warning("no message of a server, on %r: %.200r", channel, data, exc_info=True)
            return
        self.receive(message)

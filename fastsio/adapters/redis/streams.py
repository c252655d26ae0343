"""RedisStreamsAdapter: servers joined by a Redis stream, in the format of @socket.io/redis-streams-adapter 0.3.

A server that has lost its connection reads on where it stopped, and what was published meanwhile waits: as long as the
stream still has it nothing is lost. Questions and their answers go by publish and subscribe. One stream for all
namespaces: Node's streamCount loses those whose name hashes to a negative number.

With connection_state_recovery clients come back to any server: see adapters/recovery.
"""

import base64
import itertools
import logging
from typing import TYPE_CHECKING, Any

import msgspec

from fastsio.adapters.cluster.adapter import ClusterAdapter
from fastsio.adapters.cluster.bus import Peers
from fastsio.adapters.cluster.server import Cluster
from fastsio.adapters.forwarding.settings import Forwarding
from fastsio.adapters.protocol.messages import Kind, Message
from fastsio.adapters.protocol.wire import (
    EVENT,
    Packed,
    dumps,
    has_bytes,
    message_of,
    pack,
    read_event_content,
    unpack,
    with_packet,
)
from fastsio.adapters.recovery.adapter import RecoveringAdapter
from fastsio.adapters.recovery.stream import StreamRecovery
from fastsio.adapters.redis.bus import RedisBus
from fastsio.adapters.redis.stream_reader import StreamReader, add_command
from fastsio.adapters.redis_connection.link import RedisLink
from fastsio.adapters.redis_connection.queue import Command

if TYPE_CHECKING:
    from fastsio._encoded import Encoded
    from fastsio._json import Json
    from fastsio.core.adapter import Adapter
    from fastsio.core.hub import Hub
    from fastsio.core.namespace import Namespace

logger = logging.getLogger("fastsio.adapters")

BROADCAST = b"%d" % Kind.BROADCAST
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
        self.stream = stream_name
        self.max_len = max_len
        self._prefix = channel_prefix

    def channel(self, name: str, uid: str | None = None) -> str:
        """That of a namespace, or of a server in it."""
        return f"{self._prefix}#{name}#" + ("" if uid is None else f"{uid}#")

    def pack(self, name: str, args: list[Any], encoded: "Encoded", json: "Json") -> Any:
        """[event, *args] as Message.packet of command()."""
        return Packed(args, encoded, json)

    def command(self, message: Message, json: "Json") -> Command:
        """What tells all servers: an entry of the stream, or a question to be published."""
        if not is_in_stream(message):
            return "PUBLISH", self.channel(message.nsp), _bytes(message, json)
        fields = self.fields(message, json)
        return "XADD", self.stream, "MAXLEN", "~", self.max_len, "*", *fields

    def told_to(self, uid: str, message: Message, json: "Json") -> Command:
        """What tells one server."""
        return "PUBLISH", self.channel(message.nsp, uid), _bytes(message, json)

    def fields(self, message: Message, json: "Json") -> list[Any]:
        """The fields of an entry, the payload last."""
        kind = str(int(message.kind))
        return ["uid", message.uid, "nsp", message.nsp, "type", kind, "data", _text(message, json)]


def is_in_stream(message: Message) -> bool:
    """Whether it is an entry of the stream, and not published."""
    return message.kind in IN_STREAM and message.request_id is None


def _text(message: Message, json: "Json") -> bytes:
    """The data as the stream has it: JSON, or MessagePack in Base64."""
    packed: Packed | None = message.packet
    if packed is None:
        return dumps(json, message.data)
    if packed.is_binary:
        packet = {"type": EVENT, "data": msgspec.Raw(packed.data)}
        return base64.b64encode(pack({"packet": packet, **message.data}))
    return with_packet(packed, message, json)


def _bytes(message: Message, json: "Json") -> bytes:
    """The whole message as MessagePack: what is published is never JSON."""
    data: dict[str, Any] = message.data
    packed: Packed | None = message.packet
    if packed is not None:
        args = msgspec.Raw(packed.data) if packed.is_binary else json.loads(packed.data)
        data = {"packet": {"type": EVENT, "data": args}, **data}
    elif not has_bytes(data):
        # As JSON has it: what it knows and MessagePack does not, such as models, is the same everywhere.
        data = json.loads(dumps(json, data))
    return pack({"type": int(message.kind), "data": data, "uid": message.uid, "nsp": message.nsp})


class RedisStreamsAdapter(RedisBus):
    """`IO(adapter=RedisStreamsAdapter("redis://localhost"))`.

    stream_name, max_len (about how many messages the stream keeps), read_count (how many are read at once),
    channel_prefix, session_key_prefix: Node's options; the names must be the same on all servers. request_timeout:
    seconds. save_ahead: with connection_state_recovery, sessions are saved while their clients are there, so that these
    can come back though their server was killed. forward: see adapters/forwarding.
    silence_timeout, max_waiting, max_waiting_bytes: see RedisLink. Other keyword arguments are redis-py's. Raises
    ImportError without redis-py or msgspec: pip install "fastsio[redis]".
    """

    _link: RedisLink

    def __init__(
        self, url: str = "redis://localhost:6379", *, stream_name: str = "socket.io", max_len: int = 10_000,
        read_count: int = 100, channel_prefix: str = "socket.io", request_timeout: float = 5.0,
        session_key_prefix: str = "sio:session:", save_ahead: bool = True,
        forward: bool | Forwarding = False, **options: Any,
    ) -> None:  # fmt: skip
        super().__init__()
        self.channel_root = channel_prefix
        self.request_timeout = request_timeout
        self.format = StreamsFormat(stream_name, max_len, channel_prefix)
        self._link = RedisLink(url, self._arrived, self._state_changed, options=options)
        self._reader = StreamReader(self._link, stream_name, read_count, self._entered)
        # Entries are numbered: so it is known whether one was added before the connection broke.
        self._numbers = itertools.count(1)
        self._link.queue.check = self._not_added
        self._forward(forward, url, channel_prefix, options)
        self._session_prefix = session_key_prefix
        self._save_ahead = save_ahead
        self._recovery: StreamRecovery | None = None

    def join(self, hub: "Hub") -> Cluster:
        cluster = super().join(hub)
        recovery = hub.options.connection_state_recovery
        if isinstance(recovery, dict):
            keep_s = recovery["max_disconnection_duration"]
            self._recovery = StreamRecovery(
                cluster, self._link, self.format.stream, self._session_prefix, keep_s, self._save_ahead, self._read
            )  # fmt: skip
        return cluster

    def adapter_for(
        self, namespace: "Namespace", local: "Adapter", cluster: Cluster
    ) -> ClusterAdapter:  # fmt: skip
        store = cluster.hub.lost_sessions
        if self._recovery is None or store is None:
            return super().adapter_for(namespace, local, cluster)
        return RecoveringAdapter(namespace, store, cluster, self._recovery)

    async def start(self) -> None:
        await super().start()
        await self._reader.start()
        if self._recovery is not None:
            self._recovery.begin(self._reader.position.decode())

    async def stop(self) -> None:
        await self._reader.stop()
        if self._recovery is not None:
            await self._recovery.stop()
        await super().stop()

    @property
    def replayed(self) -> int:
        return self._reader.replayed

    @property
    def gaps(self) -> int:
        return self._reader.gaps

    async def _not_added(self, commands: list[Command]) -> list[Command]:
        return await self._reader.not_added(commands, self.cluster.uid)

    def _state_changed(self, is_up: bool) -> None:
        super()._state_changed(is_up)
        if is_up and self._recovery is not None:
            self._recovery.redis_is_back()

    # --- the stream --------------------------------------------------------------------------

    def _entered(self, position: bytes, fields: dict[bytes, bytes]) -> None:
        """An entry of the stream; what is none of ours, or of Node's, is logged and left."""
        recovery = self._recovery
        try:
            if recovery is not None:
                recovery.passed(position.decode())
            if b"nsp" not in fields:
                return
            uid = fields[b"uid"].decode()
            if recovery is not None:
                recovery.entered(
                    self._read(uid, fields), position.decode(), int(fields.get(b"n", 0))
                )
            elif uid != self.cluster.uid:  # what is this server's own is not read
                self._take(uid, fields)
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            size = sum(map(len, fields.values()))
            self.cluster.broken.bytes_came(position, size, error)

    def _take(self, uid: str, fields: dict[bytes, bytes]) -> None:
        data = fields.get(b"data")
        if fields[b"type"] == BROADCAST and data is not None and data[:1] == b"{":
            found = read_event_content(data)
            if found is not None:  # likely
                self.cluster.receive_event(uid, fields[b"nsp"].decode(), *found)
                return
        self.receive(self._read(uid, fields))

    def _read(self, uid: str, fields: dict[bytes, bytes]) -> Message:
        """The message of an entry. Raises what a wrong one makes: KeyError, TypeError, ValueError."""
        kind, nsp, data = int(fields[b"type"]), fields[b"nsp"].decode(), fields.get(b"data")
        content = None if data is None else self._content(data)
        return message_of({"type": kind, "uid": uid, "nsp": nsp, "data": content})

    def _content(self, data: bytes) -> Any:
        if data[:1] == b"{":
            return self.cluster.json.loads(data)
        return unpack(base64.b64decode(data))

    # --- channels ----------------------------------------------------------------------------

    def namespace_added(self, name: str) -> None:
        self._link.subscribe(self.format.channel(name), self.format.channel(name, self.cluster.uid))

    def namespace_removed(self, name: str) -> None:
        self._link.unsubscribe(
            self.format.channel(name), self.format.channel(name, self.cluster.uid)
        )

    async def peers(self, name: str) -> Peers:
        return await self._peers(self.format.channel(name))

    def own_channel(self) -> str:
        return self.format.channel("/", self.cluster.uid)

    # --- messages ----------------------------------------------------------------------------

    def pack(self, namespace: "Namespace", args: list[Any], encoded: "Encoded") -> Any:
        return self.format.pack(namespace.name, args, encoded, self.cluster.json)

    def publish(self, message: Message) -> None:
        if is_in_stream(message):
            fields = self.format.fields(message, self.cluster.json)
            number = next(self._numbers)
            command = add_command(self.format.stream, self.format.max_len, number, fields)
            self._link.queue.put(command, is_kept=True)
            if self._recovery is not None:
                self._recovery.sent(number, message)
        else:
            self._link.send(*self.format.command(message, self.cluster.json))

    def respond(self, uid: str, message: Message) -> None:
        self._link.send(*self.format.told_to(uid, message, self.cluster.json))

    def _arrived(self, channel: bytes, data: bytes) -> None:
        try:
            message = message_of(unpack(data))
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            self.cluster.broken.bytes_came(channel, len(data), error)
            return
        if message.kind == Kind.SESSION_TAKEN:
            if self._recovery is not None:
                self._recovery.taken(message)
            return
        self.receive(message)

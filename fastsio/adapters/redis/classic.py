"""RedisAdapter: servers joined by Redis' publish and subscribe, in the format of @socket.io/redis-adapter 8.

Servers of Node and of Python in one cluster know no difference, and @socket.io/redis-emitter reaches both. Nothing is
kept: what is published while a server has no connection is lost to it.

Channels of a namespace, "/" here: `socket.io#/#` has the broadcasts, `socket.io#/#room#` those to one room alone,
`socket.io-request#/#` what servers ask each other, `socket.io-response#/#` the answers.
"""

import functools
import itertools
import logging
from typing import TYPE_CHECKING, Any

import msgspec

from fastsio.adapters.cluster.bus import Peers
from fastsio.adapters.forwarding.settings import Forwarding
from fastsio.adapters.protocol.messages import EMITTER, Kind, Message
from fastsio.adapters.protocol.wire import EVENT, dumps, pack, unpack
from fastsio.adapters.redis.bus import RedisBus
from fastsio.adapters.redis_connection.link import RedisLink
from fastsio.adapters.redis_connection.queue import Command

if TYPE_CHECKING:
    from fastsio._encoded import Encoded
    from fastsio._json import Json
    from fastsio.core.namespace import Namespace

logger = logging.getLogger("fastsio.adapters")

# The adapter's numbers for requests and answers, by ours.
REQUESTS = {
    Kind.SOCKETS_JOIN: 2,
    Kind.SOCKETS_LEAVE: 3,
    Kind.DISCONNECT_SOCKETS: 4,
    Kind.FETCH_SOCKETS: 5,
    Kind.SERVER_SIDE_EMIT: 6,
    Kind.BROADCAST: 7,
}
KINDS = {number: kind for kind, number in REQUESTS.items()}
CLIENT_COUNT = 8
ACK = 9


class RedisFormat:
    """What is published, as commands of Redis. key: the prefix of all channels."""

    def __init__(self, key: str = "socket.io") -> None:
        self.key = key

    def broadcasts(self, name: str) -> str:
        """The channel of a namespace's broadcasts; those to one room have its name behind that."""
        return f"{self.key}#{name}#"

    def requests(self, name: str) -> str:
        return f"{self.key}-request#{name}#"

    def responses(self, name: str) -> str:
        return f"{self.key}-response#{name}#"

    def pack(self, name: str, args: list[Any], encoded: "Encoded", json: "Json") -> Any:
        """[event, *args] as Message.packet of command()."""
        return msgspec.Raw(pack({"type": EVENT, "data": args, "nsp": name}))

    def command(self, message: Message, json: "Json") -> Command | None:
        """What publishes a message; None where there is no such message in this format."""
        data = message.data
        if message.kind == Kind.BROADCAST and message.request_id is None:
            opts = data["opts"]
            rooms = opts["rooms"]
            channel = self.broadcasts(message.nsp)
            if len(rooms) == 1:
                channel += f"{rooms[0]}#"
            return "PUBLISH", channel, pack([message.uid, message.packet, opts])
        number = REQUESTS.get(message.kind)
        if number is None:
            return None
        request = {"uid": message.uid, "type": number, **_fields(message)}
        if message.request_id is not None:
            request["requestId"] = message.request_id
        is_packed = message.kind == Kind.BROADCAST
        payload = pack(request) if is_packed else dumps(json, request)
        return "PUBLISH", self.requests(message.nsp), payload


def _fields(message: Message) -> dict[str, Any]:
    data = message.data
    if message.kind == Kind.SERVER_SIDE_EMIT:
        return {"data": data["packet"]}
    if message.kind == Kind.BROADCAST:
        return {"packet": message.packet, "opts": data["opts"]}
    opts = {"rooms": data["opts"]["rooms"], "except": data["opts"]["except"]}
    return {"opts": opts, **{name: data[name] for name in data if name in ("rooms", "close")}}


class RedisAdapter(RedisBus):
    """`IO(adapter=RedisAdapter("redis://localhost"))`.

    url: redis://, rediss:// or unix://. key: Node's option of that name, the prefix of all channels. request_timeout:
    seconds, Node's requestsTimeout. publish_on_specific_response_channel: as Node's option. All servers must have the
    same key and the last option. silence_timeout, max_waiting, max_waiting_bytes: see
    RedisLink. Other keyword arguments are redis-py's. Raises ImportError without redis-py or
    msgspec: pip install "fastsio[redis]".
    """

    _link: RedisLink

    def __init__(
        self, url: str = "redis://localhost:6379", *, key: str = "socket.io", request_timeout: float = 5.0,
        publish_on_specific_response_channel: bool = False, forward: bool | Forwarding = False, **options: Any,
    ) -> None:  # fmt: skip
        super().__init__()
        self.channel_root = key
        self.request_timeout = request_timeout
        self.format = RedisFormat(key)
        self._answers_apart = publish_on_specific_response_channel
        self._link = RedisLink(url, self._arrived, self._state_changed, options=options)
        self._forward(forward, url, key, options)
        # Answers do not say whose they are.
        self._numbers = itertools.count()
        # What the channels of our namespaces are for; rooms' are not among them.
        self._known: dict[bytes, tuple[str, str, str]] = {}

    def namespace_added(self, name: str) -> None:
        for channel in (self.format.broadcasts(name), *self._channels(name)[:2]):
            self._known[channel.encode()] = self._where(channel)
        self._link.psubscribe(f"{self.format.broadcasts(name)}*")
        self._link.subscribe(*self._channels(name))

    def namespace_removed(self, name: str) -> None:
        for channel in (self.format.broadcasts(name), *self._channels(name)[:2]):
            self._known.pop(channel.encode(), None)
        self._link.punsubscribe(f"{self.format.broadcasts(name)}*")
        self._link.unsubscribe(*self._channels(name))

    def _channels(self, name: str) -> tuple[str, ...]:
        return self.format.requests(name), self.format.responses(name), self.own_channel(name)

    def own_channel(self, name: str = "/") -> str:
        return f"{self.format.responses(name)}{self.cluster.uid}#"

    async def peers(self, name: str) -> Peers:
        return await self._peers(self.format.requests(name))

    # --- out ---------------------------------------------------------------------------------

    def pack(self, namespace: "Namespace", args: list[Any], encoded: "Encoded") -> Any:
        return self.format.pack(namespace.name, args, encoded, self.cluster.json)

    def publish(self, message: Message) -> None:
        command = self.format.command(message, self.cluster.json)
        if command is not None:  # None for heartbeats: servers are counted by their subscriptions
            self._link.send(*command)

    def respond(self, uid: str, message: Message) -> None:
        data = message.data
        response: dict[str, Any] = {"requestId": data["requestId"]}
        if message.kind == Kind.FETCH_SOCKETS_RESPONSE:
            response["sockets"] = data["sockets"]
        elif message.kind == Kind.SERVER_SIDE_EMIT_RESPONSE:
            response |= {"type": REQUESTS[Kind.SERVER_SIDE_EMIT], "data": data["packet"]}
        elif message.kind == Kind.BROADCAST_CLIENT_COUNT:
            response |= {"type": CLIENT_COUNT, "clientCount": data["clientCount"]}
        else:
            response |= {"type": ACK, "packet": data["packet"]}
        is_packed = message.kind == Kind.BROADCAST_ACK
        payload = pack(response) if is_packed else dumps(self.cluster.json, response)
        channel = self.format.responses(message.nsp)
        self._link.send("PUBLISH", f"{channel}{uid}#" if self._answers_apart else channel, payload)

    # --- in ----------------------------------------------------------------------------------

    def _arrived(self, channel: bytes, data: bytes) -> None:
        """Whatever it is, the subscription goes on: others may write to these channels too."""
        try:
            kind, name, rest = self._known.get(channel) or self._where(channel.decode())
            if kind == "":
                self._broadcast(name, rest, data)
            elif kind == "-request":
                self._request(name, self._read(data))
            else:
                self._response(name, self._read(data))
        except (TypeError, ValueError, KeyError, AttributeError, IndexError) as error:
            self.cluster.broken.bytes_came(channel, len(data), error)

    def _where(self, channel: str) -> tuple[str, str, str]:
        """What a channel is for, its namespace, and the room or uid behind that. Raises ValueError for another's."""
        kind, name, rest = channel.removeprefix(self.format.key).split("#", 2)
        return kind, name, rest[:-1]

    def _read(self, data: bytes) -> dict[str, Any]:
        read: dict[str, Any] = self.cluster.json.loads(data) if data[:1] == b"{" else unpack(data)
        return read

    def _broadcast(self, name: str, room: str, data: bytes) -> None:
        # Most of it need not be read: a server gets its own messages too, and those to rooms that it does not have.
        if data.startswith(self._own_head) or (room and not self._has_room(name, room)):
            return
        uid, packet, opts = unpack(data)
        if uid == self.cluster.uid or packet.get("nsp", "/") != name:
            return
        self.cluster.receive_event(uid, name, packet["data"], opts)

    @functools.cached_property
    def _own_head(self) -> bytes:
        """How broadcasts of this server begin: an array of three, and its uid."""
        return b"\x93" + msgspec.msgpack.encode(self.cluster.uid)

    def _has_room(self, name: str, room: str) -> bool:
        namespace = self.cluster.hub.namespaces.get(name)
        return namespace is not None and (
            room in namespace.rooms or namespace.is_sid(room) or room.isdigit()
        )

    def _request(self, name: str, request: dict[str, Any]) -> None:
        kind = KINDS.get(request["type"])
        if kind is None:
            self._answer_of_rooms(name, request)
            return
        data: dict[str, Any] = {
            field: request[field] for field in ("opts", "rooms", "close", "requestId") if field in request
        }  # fmt: skip
        packet = None
        if kind == Kind.SERVER_SIDE_EMIT:
            data["packet"] = request["data"]
        elif kind == Kind.BROADCAST:
            packet = request["packet"]["data"]
        self.receive(Message(kind, request.get("uid", EMITTER), name, data, packet))

    def _answer_of_rooms(self, name: str, request: dict[str, Any]) -> None:
        """allRooms() of Node's adapter, and what older ones ask."""
        namespace = self.cluster.hub.namespaces.get(name)
        if namespace is None or request.get("uid") == self.cluster.uid:
            return
        response: dict[str, Any] = {"requestId": request["requestId"]}
        if request["type"] == 0:
            response["sockets"] = sorted(
                namespace.adapter.local.sockets(request.get("rooms") or ())
            )
        elif request["type"] == 1:
            response["rooms"] = [*namespace.rooms, *namespace.sockets]
        else:
            return
        self._link.send("PUBLISH", self.format.responses(name), dumps(self.cluster.json, response))

    def _response(self, name: str, response: dict[str, Any]) -> None:
        request_id = response.get("requestId")
        request = self.cluster.requests.get(str(request_id))
        if request is None:  # another server's, or too late
            return
        uid = f"answer {next(self._numbers)}"
        data: dict[str, Any] = {"requestId": request_id}
        if response.get("type") == CLIENT_COUNT:
            kind, data["clientCount"] = Kind.BROADCAST_CLIENT_COUNT, response["clientCount"]
        elif response.get("type") == ACK:
            kind, data["packet"] = Kind.BROADCAST_ACK, response.get("packet")
        elif request.kind == Kind.SERVER_SIDE_EMIT:
            kind, data["packet"] = Kind.SERVER_SIDE_EMIT_RESPONSE, response.get("data")
        else:
            kind, data["sockets"] = Kind.FETCH_SOCKETS_RESPONSE, response.get("sockets")
        self.receive(Message(kind, uid, name, data))

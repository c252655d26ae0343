"""PubSubBus: servers of python-socketio and of fastsio in one cluster, in the format of python-socketio's managers.

Both take part in what that format can say: emits to everyone, to rooms and to clients, without some of them; an answer
of a client; disconnecting a client, letting it enter and leave a room, closing a room. It has nothing else, and nobody
counts its servers: so what else servers of fastsio have to tell each other stands in messages of a method that
python-socketio does not know, and leaves alone. Answers to a broadcast, fetch_sockets() and server_side_emit() are thus
those of the servers of fastsio.
Source: python-socketio's PubSubManager.
"""

import functools
import json
import logging
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastsio._json import Json
from fastsio.adapters.cluster.bus import Bus, Peers
from fastsio.adapters.protocol.messages import Kind, Message
from fastsio.adapters.pubsub import wire
from fastsio.adapters.pubsub.pipe import Pipe
from fastsio.rarely import RareLog

if TYPE_CHECKING:
    from fastsio._encoded import Encoded
    from fastsio.adapters.cluster.server import Cluster
    from fastsio.core.acks import PendingAck
    from fastsio.core.hub import Hub
    from fastsio.core.namespace import Namespace

logger = logging.getLogger("fastsio.adapters")

# Nobody says when a client of another server has gone without an answer: of what waits the oldest is given up then.
MAX_CALLS = 10_000
# Fields of our own in messages that python-socketio reads too. FLAGS: Node's, of an emit. TWICE: servers of fastsio get
# it in another message, and leave this one. TAKES_BYTES: an answer with bytes can be sent as `binary`, which
# python-socketio does not know in answers.
FLAGS, TWICE, TAKES_BYTES = "fastsio_flags", "fastsio_twice", "fastsio_bytes"
# How the id of a request begins that is an emit with a callback.
CALL = "callback "


class PubSubBus(Bus):
    """A server's end of a Pipe. What `fastsio.AsyncRedisManager(url).bus` and its kind are.

    `counts`: messages that were left, by why: "pickle", "invalid", and answers that could not be sent, "bytes".
    write_only: nothing is heard. send_aside(data): sends a message while the server is not served.
    """

    tells_state = True

    def __init__(
        self, pipe: Pipe, write_only: bool = False, send_aside: Callable[[bytes], None] | None = None
    ) -> None:  # fmt: skip
        super().__init__()
        self._pipe = pipe
        self._send_aside = send_aside or pipe.send
        self._send = self._send_aside
        self._json = Json()
        self._calls: OrderedDict[int, PendingAck] = OrderedDict()
        self._next_call = 0
        self._rarely = RareLog(logger)
        self._is_deaf = write_only
        if write_only:
            self.heartbeat_interval = None

    def join(self, hub: "Hub") -> "Cluster":
        self._json = wire.readable_json(hub.options.json)
        return super().join(hub)

    async def start(self) -> None:
        self._send = self._pipe.send
        await self._pipe.start(self._arrived, self._state_changed)

    async def stop(self) -> None:
        self._send = self._send_aside
        self._calls.clear()
        await self._pipe.stop()

    def keep(self, data: bytes) -> None:
        """Send a message when the server is served."""
        self._pipe.send(data)

    def _state_changed(self, is_up: bool) -> None:
        self.cluster.bus_changed(is_up, self.lost)

    @property
    def lost(self) -> int:
        return self._pipe.lost

    @property
    def waiting(self) -> int:
        return self._pipe.waiting

    @property
    def is_behind(self) -> bool:
        return self._pipe.is_behind

    @property
    def counts(self) -> dict[str, int]:
        return dict(self._rarely.counts)

    def peers(self, name: str) -> Peers:
        return set() if self._is_deaf else set(self.cluster.members.alive)

    # --- out ---------------------------------------------------------------------------------

    def pack(self, namespace: "Namespace", args: list[Any], encoded: "Encoded") -> Any:
        return wire.event_of(self._json, args)

    def publish(self, message: Message) -> None:
        opts = message.data.get("opts")
        if message.kind == Kind.BROADCAST:
            self._emit(message, message.data["opts"])
            if message.request_id is None:
                return
        elif opts is not None and self._act(message, opts):
            return
        self._send_own(message)

    def _emit(self, message: Message, opts: dict[str, Any]) -> None:
        extra: dict[str, Any] = {FLAGS: opts["flags"]} if opts["flags"] else {}
        if message.request_id is not None:
            extra[TWICE] = True
        self._send(
            wire.emit(
                self._json, message.packet, message.uid, message.nsp, opts["rooms"] or None,
                opts["except"], extra=extra,
            )
        )  # fmt: skip

    def _act(self, message: Message, opts: dict[str, Any]) -> bool:
        """Send what python-socketio can be told of it; True if that is all of it."""
        names, data = opts["rooms"], message.data
        if not names or opts["except"]:
            return False
        if message.kind == Kind.SOCKETS_LEAVE and names == data["rooms"] and len(names) == 1:
            self._tell("close_room", message, room=names[0])
            return True
        extra = {} if opts["flags"].get("is_sid") else {TWICE: True}
        for name in names:
            if message.kind == Kind.DISCONNECT_SOCKETS:
                self._tell("disconnect", message, sid=name, **extra)
            elif message.kind in (Kind.SOCKETS_JOIN, Kind.SOCKETS_LEAVE):
                method = "enter_room" if message.kind == Kind.SOCKETS_JOIN else "leave_room"
                for room in data["rooms"]:
                    self._tell(method, message, sid=name, room=room, **extra)
        return not extra

    def _tell(self, method: str, message: Message, **fields: Any) -> None:
        self._send(wire.message(self._json, method, message.uid, message.nsp, **fields))

    def respond(self, uid: str, message: Message) -> None:
        request_id = message.request_id or ""
        if not request_id.startswith(CALL):
            self._send_own(message, to=uid)
        elif message.kind == Kind.BROADCAST_ACK:
            self._answer(uid, message, request_id.removeprefix(CALL))

    def _send_own(self, message: Message, **fields: Any) -> None:
        """A message as only servers of fastsio know it."""
        content, is_binary = wire.with_bytes(message.data)
        fields |= {"type": int(message.kind), "content": content, "content_binary": is_binary}
        event: wire.Event | None = message.packet
        self._send(wire.message(self._json, "fastsio", message.uid, message.nsp, event, **fields))

    # --- calls: emits with a callback --------------------------------------------------------

    def ask(
        self, name: str, opts: dict[str, Any], packed: Any, pending: "PendingAck"
    ) -> Callable[[], None] | None:
        """One room or client can be asked, and the first answer from elsewhere counts: see Bus.ask()."""
        if len(opts["rooms"]) != 1:
            return None
        if len(self._calls) >= MAX_CALLS:
            self._calls.popitem(last=False)[1].give_up()
        self._next_call = number = self._next_call + 1
        self._calls[number] = pending
        room = opts["rooms"][0]
        self._send(
            wire.emit(
                self._json, packed, self.cluster.uid, name, [room], opts["except"],
                [room, name, number], {TAKES_BYTES: True},
            )
        )  # fmt: skip
        return functools.partial(self._forget_call, number)

    def _forget_call(self, number: int) -> None:
        self._calls.pop(number, None)

    def _answered(self, found: dict[str, Any]) -> None:
        values = wire.bytes_in(found["args"]) if found.get("binary") else found["args"]
        if not isinstance(values, list):
            raise ValueError(f"args is no list: {values!r:.50}")
        pending = self._calls.pop(found["id"], None)
        if pending is not None:
            pending.resolve(values)

    def _answer(self, uid: str, message: Message, call: str) -> None:
        """A client here has answered another server's call."""
        (room, name, number), takes_bytes = json.loads(call)
        values = message.data.get("args", [message.data.get("packet")])
        args, is_binary = wire.with_bytes(values)
        if is_binary and not takes_bytes:
            self._rarely.note(
                "bytes", "python-socketio cannot be sent bytes in an answer: server %s gets none", uid
            )  # fmt: skip
            return
        more: dict[str, Any] = {"binary": True} if is_binary else {}
        self._send(
            wire.message(self._json, "callback", uid, name, sid=room, id=number, args=args, **more)
        )

    # --- in ----------------------------------------------------------------------------------

    def _arrived(self, data: Any) -> None:
        """Whatever it is, the subscription goes on: others may write to the channel too."""
        try:
            if wire.is_pickle(data):
                self._rarely.note(
                    "pickle", "a pickle has come and is not read: python-socketio 5.13 and older send these, 5.14 is "
                    "the first that does not"
                )  # fmt: skip
            else:
                self._take(wire.read(self._json, data))
        except Exception as error:  # noqa: BLE001 - anything may be on the channel, and is told in the log
            # Not what is in it, which may be large, and somebody's.
            text = "no message of a server, on the managers' channel: %d bytes (%s)"
            self._rarely.note("invalid", text, len(data), type(error).__name__)

    def _take(self, found: dict[str, Any]) -> None:
        uid, method = found["host_id"], found["method"]
        is_own = uid == self.cluster.uid
        if method == "callback":
            if is_own:
                self._answered(found)
        elif method == "fastsio":
            self._take_own(found)
        elif not is_own and not found.get(TWICE):
            if method == "emit":
                self._take_emit(found)
            else:
                self._do(method, found)

    def _take_own(self, found: dict[str, Any]) -> None:
        if found.get("to") not in (None, self.cluster.uid):
            return
        content = found["content"]
        if found.get("content_binary"):
            content = wire.bytes_in(content)
        if not isinstance(content, dict):
            raise ValueError(f"content is no object: {content!r:.50}")
        if not found["host_id"]:
            raise ValueError("a server without a name")
        packet = [found["event"], *wire.read_args(found)] if "event" in found else None
        kind = Kind(found["type"])
        self.receive(Message(kind, found["host_id"], found["namespace"], content, packet))

    def _take_emit(self, found: dict[str, Any]) -> None:
        emit = wire.read_emit(found)
        if emit.rooms == []:
            return  # of a list of no rooms nobody is meant; to the inbox no rooms are everyone
        flags = found.get(FLAGS) or {}
        opts = {"rooms": emit.rooms or [], "except": emit.excluded, "flags": flags}
        data: dict[str, Any] = {"opts": opts}
        if emit.callback is not None:
            data["requestId"] = CALL + json.dumps([emit.callback, bool(found.get(TAKES_BYTES))])
        packet = [emit.event, *emit.args]
        # Not by receive(): python-socketio's servers are no members, for they would not answer.
        self.cluster.take(
            Message(Kind.BROADCAST, found["host_id"], found["namespace"], data, packet)
        )

    def _do(self, method: str, found: dict[str, Any]) -> None:
        """What is to happen to a client, or to a room."""
        namespace = self.cluster.hub.namespaces.get(found["namespace"])
        if namespace is None:
            return
        local = namespace.adapter.local
        [room] = wire.read_rooms([found.get("room", "")])
        if method == "close_room":
            if not namespace.is_sid(room):
                local.del_sockets(frozenset((room,)), frozenset(), [room])
            return
        [sid] = wire.read_rooms([found["sid"]])
        if not namespace.is_sid(sid):
            return
        chosen = frozenset((sid,))
        if method == "disconnect":
            local.disconnect_sockets(chosen, frozenset(), False)
        elif method == "enter_room":
            local.add_sockets(chosen, frozenset(), [room])
        else:
            local.del_sockets(chosen, frozenset(), [room])

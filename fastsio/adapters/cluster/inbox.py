"""What other servers' messages do here. Source: socket.io-adapter's ClusterAdapter.onMessage()."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastsio.adapters.cluster.remote import describe, leave_out_what_is_no_json
from fastsio.adapters.cluster.requests import ClusterGathering, Request
from fastsio.adapters.protocol.messages import Kind, Message, read_opts
from fastsio.core.errors import PartialAnswersError
from fastsio.core.gather import Gathering, gather
from fastsio.core.latest import latest_packet
from fastsio.core.operator import Rooms
from fastsio.rarely import RareLog

if TYPE_CHECKING:
    from fastsio.adapters.cluster.server import Cluster
    from fastsio.core.namespace import Namespace

logger = logging.getLogger("fastsio.adapters")


class Inbox:
    """Takes messages for a server; those about namespaces that it does not have are nothing to it."""

    def __init__(self, cluster: "Cluster") -> None:
        self._cluster = cluster
        self._rarely = RareLog(logger)
        self._take: dict[Kind, Callable[[Namespace, Message], None]] = {
            Kind.SOCKETS_JOIN: self._join,
            Kind.SOCKETS_LEAVE: self._leave,
            Kind.DISCONNECT_SOCKETS: self._disconnect,
            Kind.FETCH_SOCKETS: self._fetch,
            Kind.SERVER_SIDE_EMIT: self._server_event,
        }
        self._answers: dict[Kind, Callable[[Any, Message], None]] = {
            Kind.FETCH_SOCKETS_RESPONSE: _sockets,
            Kind.SERVER_SIDE_EMIT_RESPONSE: _value,
            Kind.BROADCAST_CLIENT_COUNT: _client_count,
            Kind.BROADCAST_ACK: _value,
        }

    def take(self, message: Message) -> None:
        """Do what it says. Raises TypeError, ValueError, KeyError or AttributeError for what is no message."""
        if message.kind is Kind.BROADCAST:  # likely
            self._broadcast(message)
        elif message.kind == Kind.INITIAL_HEARTBEAT:
            self._cluster.send(Kind.HEARTBEAT, "/")
        elif message.kind in self._answers:
            request = self._cluster.requests.get(message.request_id or "")
            if request is not None:
                self._answers[message.kind](request, message)
        elif message.kind != Kind.HEARTBEAT:
            namespace = self._cluster.hub.namespaces.get(message.nsp)
            if namespace is not None:
                self._take[message.kind](namespace, message)
            elif message.request_id is not None:
                self._answer_for_nobody(message)

    def event(self, nsp: str, packet: Any, opts: Any) -> None:
        """take() of a broadcast that wants no answers."""
        namespace = self._cluster.hub.namespaces.get(nsp)
        if namespace is None:
            return
        rooms, excluded, flags = read_opts(opts)
        if flags:
            self._flagged(namespace, packet, rooms, excluded, flags)
        elif type(packet) is not bytes:
            namespace.deliver_here(packet, rooms, excluded, False, False)
        elif not namespace.deliver_text(packet, rooms, excluded, False, False):
            args = self._cluster.json.loads(packet)
            namespace.deliver_here(args, rooms, excluded, False, False)

    def _flagged(
        self, namespace: "Namespace", packet: Any, rooms: Rooms | None, excluded: Rooms, flags: dict[str, Any]
    ) -> None:  # fmt: skip
        """A broadcast with flags, or whose packet somebody has to look into."""
        is_volatile, is_plain = bool(flags.get("volatile")), flags.get("compress") is False
        key = flags.get("latest")
        if isinstance(packet, bytes):
            if key is None and namespace.deliver_text(
                packet, rooms, excluded, is_volatile, is_plain
            ):
                return
            packet = self._cluster.json.loads(packet)
        if key is None:
            namespace.deliver_here(packet, rooms, excluded, is_volatile, is_plain)
            return
        latest = latest_packet(namespace, key, packet)
        namespace.adapter.local.deliver_latest(latest, packet, rooms, excluded, is_volatile)

    def _answer_for_nobody(self, message: Message) -> None:
        """This server has no such namespace, but it is one of those that are waited for."""
        if message.kind == Kind.BROADCAST:
            self._respond(message, Kind.BROADCAST_CLIENT_COUNT, {"clientCount": 0})
        elif message.kind == Kind.FETCH_SOCKETS:
            self._respond(message, Kind.FETCH_SOCKETS_RESPONSE, {"sockets": []})
        elif message.kind == Kind.SERVER_SIDE_EMIT:  # as where nobody listens
            self._respond(message, Kind.SERVER_SIDE_EMIT_RESPONSE, {"packet": None})

    def _respond(self, message: Message, kind: Kind, data: dict[str, Any]) -> None:
        cluster = self._cluster
        data = {"requestId": message.request_id, **data}
        cluster.bus.respond(message.uid, Message(kind, cluster.uid, message.nsp, data))

    # --- what is asked of us -----------------------------------------------------------------

    def _broadcast(self, message: Message) -> None:
        if message.request_id is None:
            self.event(message.nsp, message.packet, message.data.get("opts"))
            return
        namespace = self._cluster.hub.namespaces.get(message.nsp)
        if namespace is None:
            self._answer_for_nobody(message)
            return
        if isinstance(message.packet, bytes):
            message.packet = self._cluster.json.loads(message.packet)
        self._gather(namespace, message)

    def _gather(self, namespace: "Namespace", message: Message) -> None:
        rooms, excluded, flags = read_opts(message.data.get("opts"))
        is_volatile, is_plain = bool(flags.get("volatile")), flags.get("compress") is False
        seconds = flags.get("timeout")

        def done(error: PartialAnswersError | None, answers: list[Any]) -> None:
            """All has been said, answer by answer."""

        def kind(*gathering: Any) -> Gathering:
            made = _Telling(*gathering)
            made.tell = lambda kind, data: self._respond(message, kind, data)
            made.tells_who_leaves = self._cluster.bus.tells_who_leaves
            self._respond(message, Kind.BROADCAST_CLIENT_COUNT, {"clientCount": made.count})
            return made

        gather(
            namespace, message.packet, rooms, excluded, is_volatile,
            None if seconds is None else seconds / 1000, done, is_plain, kind,
        )  # fmt: skip

    def _join(self, namespace: "Namespace", message: Message) -> None:
        rooms, excluded, _ = read_opts(message.data.get("opts"))
        namespace.adapter.local.add_sockets(rooms, excluded, list(message.data["rooms"]))

    def _leave(self, namespace: "Namespace", message: Message) -> None:
        rooms, excluded, _ = read_opts(message.data.get("opts"))
        namespace.adapter.local.del_sockets(rooms, excluded, list(message.data["rooms"]))

    def _disconnect(self, namespace: "Namespace", message: Message) -> None:
        rooms, excluded, _ = read_opts(message.data.get("opts"))
        namespace.adapter.local.disconnect_sockets(rooms, excluded, bool(message.data.get("close")))

    def _fetch(self, namespace: "Namespace", message: Message) -> None:
        rooms, excluded, _ = read_opts(message.data.get("opts"))
        sockets = [describe(one) for one in namespace.adapter.local.members(rooms, excluded)]
        try:
            self._respond(message, Kind.FETCH_SOCKETS_RESPONSE, {"sockets": sockets})
        except TypeError:
            # An application may keep anything there, and who asks waits for all of us.
            left = {
                name for one in sockets for name in leave_out_what_is_no_json(one, self._cluster.json)
            }  # fmt: skip
            names = ", ".join(sorted(left))
            self._rarely.note("data", "other servers can't be told of socket.data: %s", names)
            self._respond(message, Kind.FETCH_SOCKETS_RESPONSE, {"sockets": sockets})

    def _server_event(self, namespace: "Namespace", message: Message) -> None:
        if message.request_id is None:
            namespace.hear_server(message.data["packet"], None)
            return

        def answer(value: Any) -> None:
            self._respond(message, Kind.SERVER_SIDE_EMIT_RESPONSE, {"packet": value})

        namespace.hear_server(message.data["packet"], answer)


class _Telling(Gathering):
    """The answers of clients here to another server's broadcast: each is told as it comes."""

    __slots__ = ("tell", "tells_who_leaves")

    tell: Callable[[Kind, dict[str, Any]], None]
    tells_who_leaves: bool

    def resolve(self, args: list[Any]) -> None:
        data = {"packet": args[0] if args else None}
        self.tell(Kind.BROADCAST_ACK, data if len(args) == 1 else {**data, "args": args})
        super().resolve(args)

    def fail(self) -> None:
        if self.tells_who_leaves:
            self.tell(Kind.BROADCAST_CLIENT_COUNT, {"clientCount": -1})
        super().fail()


def _sockets(request: Request, message: Message) -> None:
    request.answer(message.uid, [message.data.get("sockets") or []])


def _value(request: Request | ClusterGathering, message: Message) -> None:
    """`args`: of a client that has answered with none or several values, where the bus is one of ours."""
    request.answer(message.uid, message.data.get("args", [message.data.get("packet")]))


def _client_count(request: ClusterGathering, message: Message) -> None:
    count = int(message.data.get("clientCount") or 0)
    if count < 0:
        request.answered(message.uid, -count)
    else:
        request.told(message.uid, count)

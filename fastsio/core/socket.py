"""Sockets: one client in one namespace, Node's Socket.

What is on the hot path is in _dispatch.SocketBase, listeners are in listening.py, flow control in flow.py. Optional
parts (rooms, data, listeners, acks) are made when they are first needed: an idle socket has none of them.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastsio._codec import NO_DATA
from fastsio._encoded import Encoded
from fastsio.core.acks import PendingAck, wait_for_ack
from fastsio.core.conn import RawSocket
from fastsio.core.errors import LimitError
from fastsio.core.flags import FlaggedSocket
from fastsio.core.flow import Flowing
from fastsio.core.handlers import check_event_name
from fastsio.core.handshake import Handshake
from fastsio.core.operator import BroadcastOperator, as_rooms
from fastsio.core.packets import PacketMiddleware

if TYPE_CHECKING:
    from fastsio.core.namespace import Namespace
    from fastsio.core.peer import Peer

DISCONNECT = 1


class Socket(Flowing):
    """One client in one namespace.

    id: str, 20 characters. nsp: the Namespace. data: a dict of the application's own.
    connected: False before it is admitted and after it is gone. emit, send, join, leave and disconnect may
    be called from any thread; from another than the engine's they take effect soon, in the order of the calls.
    recovered: it has the id, the rooms and the data of one whose connection was lost (connection_state_recovery).
    """

    recovered = False
    # It comes back to a session, and is still asked about.
    is_returning = False

    __slots__ = ()

    namespace: "Namespace"
    peer: "Peer"
    _handshake: Handshake | None

    def __repr__(self) -> str:
        return f"<Socket {self.id[:6]}… in {self.namespace.name!r}>"

    # --- what it is --------------------------------------------------------------------------

    @property
    def nsp(self) -> "Namespace":
        return self.namespace

    @property
    def handshake(self) -> Handshake:
        """The request that opened the session, and what the client sent along as `auth`."""
        if self._handshake is None:
            self._handshake = Handshake(self.session, self._auth or {}, self.issued)
            if self._auth and self.session.protocol == 3:
                # These clients call a namespace's query what others call auth.
                self._handshake.query = {**self._handshake.query, **self._auth}
        return self._handshake

    @property
    def connected(self) -> bool:
        return self.is_connected

    @property
    def disconnected(self) -> bool:
        return not self.is_connected

    @property
    def request(self) -> Any:
        """The HTTP request that opened the session: method, url, path, query, headers."""
        return self.session.request

    @property
    def conn(self) -> RawSocket:
        """The connection that the client's sockets share."""
        return self.peer.conn

    @property
    def client(self) -> "Peer":
        """The client whose socket in a namespace this is: it has `conn` and `request`."""
        return self.peer

    @property
    def params(self) -> dict[str, Any]:
        """What the namespace's name says where that is dynamic: {"id": "7"} in "/room/7" of "/room/{id}"."""
        return self.namespace.params

    @property
    def transport(self) -> str:
        """What the session uses now: "polling", "websocket" or "webtransport"."""
        transport: str = self.session.transport
        return transport

    @property
    def data(self) -> dict[str, Any]:
        if self._data is None:
            self._data = {}
        return self._data

    @data.setter
    def data(self, value: dict[str, Any]) -> None:
        self._data = value

    # --- what comes in -----------------------------------------------------------------------

    def use(self, middleware: Callable[..., Any]) -> Callable[..., Any]:
        """Run `middleware(event)` for each event of the client before its listeners, after those added earlier.

        `event` is a list, [name, *arguments], that it may change. It drops the event by raising, which the listeners
        of "error" get, and may be a coroutine function: events keep their order. Node's form `(event, next)` works too;
        next is waited for as Namespace.use() says. With a parameter named `ack` it can answer in the listeners' place.
        on_any() hears of events before it. Returns `middleware`, so it can decorate. Raises TypeError for a function
        that can't be called so.
        """
        if self.middleware is None:
            self.middleware = PacketMiddleware(self)
        self.middleware.add(middleware)
        self.peer.is_filtered = self.peer.is_diverted = True
        return middleware

    # --- sending -----------------------------------------------------------------------------

    def emit(self, event: str, *args: Any, ack: Callable[..., Any] | None = None) -> None:
        """Send an event to this client; `ack(*values)` is called with its answer.

        Plain call: the bytes leave at the end of the loop turn, in the order of the calls. Nothing happens
        if the client has gone. Raises TypeError for what JSON can't hold, ValueError for a reserved name or
        over 10 binary values.
        """
        check_event_name(event)
        self.send_event([event, *args], None if ack is None else self.pending(ack))

    def send(self, *args: Any, ack: Callable[..., Any] | None = None) -> None:
        """emit("message", *args)."""
        self.emit("message", *args, ack=ack)

    async def emit_with_ack(self, event: str, *args: Any) -> Any:
        """Send an event and return the client's answer: None, one value, or a tuple of several.

        Raises ClientGoneError when the client goes first. There is no time limit: see timeout().
        """
        check_event_name(event)
        return await wait_for_ack(self, [event, *args], None)

    write = send

    def timeout(self, seconds: float) -> FlaggedSocket:
        """`await socket.timeout(5).emit_with_ack(…)` raises TimeoutError after 5 seconds."""
        return FlaggedSocket(self, seconds=seconds)

    def compress(self, is_wanted: bool) -> FlaggedSocket:
        """See BroadcastOperator.compress()."""
        return FlaggedSocket(self, is_plain=not is_wanted)

    def pending(self, callback: Callable[..., Any]) -> PendingAck:
        return PendingAck(callback, self.namespace.tasks)

    def send_event(
        self, args: list[Any], pending: PendingAck | None = None, is_volatile: bool = False, is_plain: bool = False
    ) -> int:  # fmt: skip
        """Send [event, *args]; with `pending`, ask for an answer and return its id. The flags only with that."""
        if self.namespace.is_elsewhere():
            encoded = self.namespace.encode_event(args)  # what can't be is this caller's error
            if pending is None:
                self.namespace.hub.call_soon(self._send, encoded, args)
            else:
                self.namespace.hub.call_soon(self.send_event, args, pending, is_volatile, is_plain)
            return -1
        if not self._can_receive:
            if pending is not None:
                pending.fail()
            return -1
        if pending is None:
            self.send_packet(self.namespace.encode_event(args))
            if self.namespace.observer is not None:
                self.namespace.observer.event_sent([self], args)
            return -1
        ack_id = self._ack_count
        encoded = self.namespace.encode_event(args, ack_id)
        encoded.is_plain = is_plain
        self.expect(ack_id, pending)
        self.send_in_turn(encoded, is_volatile)
        if self.namespace.observer is not None:
            self.namespace.observer.event_sent([self], args)
        return ack_id

    # Behind what was sent before, where that takes a way round (recovery_socket.py): nowhere else.
    send_in_turn = Flowing.send_packet

    @property
    def next_ack_id(self) -> int:
        """No event was sent with this id, nor with a larger one."""
        return self._ack_count

    def expect(self, ack_id: int, pending: PendingAck) -> None:
        """An event with this id, from next_ack_id up, is sent now: `pending` waits for the answer.

        Over max_pending_acks the oldest is given up: a client that never answers does not fill the memory.
        """
        self._ack_count = ack_id + 1
        if self.acks is None:
            self.acks = {}
        elif len(self.acks) >= self.namespace.hub.options.max_pending_acks:
            oldest = self.acks.pop(next(iter(self.acks)))
            self.session.note_limit(
                "max_pending_acks", "the oldest answer is given up (max_pending_acks)"
            )
            oldest.give_up()
        self.acks[ack_id] = pending
        if self.session.flow is not None:
            self.peer.hear_answers()

    def overflow(self) -> None:
        """End the session, which is sent more than it takes; in a turn of its own, as handlers may run."""
        outlet = self.session.outlet
        if outlet is not None:
            asyncio.get_running_loop().call_soon(outlet.overflow)

    def _send(self, encoded: Encoded, args: list[Any]) -> None:
        """Send an event that was encoded in another thread, if the client is still there."""
        if self._can_receive:
            self.send_packet(encoded)
            if self.namespace.observer is not None:
                self.namespace.observer.event_sent([self], args)

    # --- rooms -------------------------------------------------------------------------------

    @property
    def rooms(self) -> set[Any]:
        """The rooms it is in, its own id among them; empty once it has disconnected."""
        if self.namespace.find(self.id) is not self:
            return set()
        return {self.id, *(self._joined or ())}

    @property
    def _can_receive(self) -> bool:
        return self.is_connected or self.id in self.namespace.joining

    def join(self, room: Any) -> None:
        """Join a room, or every room of a list. No effect once disconnected.

        Raises LimitError for the first room that is over max_rooms; called from another thread it only logs that.
        """
        if self.namespace.is_elsewhere():
            self.namespace.hub.call_soon(self.try_join, room)
            return
        if not self._can_receive:
            return
        if self._joined is None:
            self._joined = set()
        for one in dict.fromkeys(room) if isinstance(room, list) else as_rooms(room):
            if one != self.id:
                is_in = one in self._joined
                if not is_in:
                    self._check_room_count(len(self._joined))
                self._joined.add(one)
                self.namespace.adapter.add(self, one)
                if self.namespace.observer is not None and not is_in:
                    self.namespace.observer.room_joined(self, one)

    def _check_room_count(self, count: int) -> None:
        """Raise LimitError if it may not be in more rooms than these."""
        most = self.namespace.hub.options.max_rooms
        if count >= most:
            self.session.note_limit("max_rooms", "room not joined (max_rooms)")
            raise LimitError(f"a client may be in {most} rooms", "max_rooms")

    def try_join(self, room: Any) -> None:
        """join() for who can't be told that there are too many rooms: the log says it."""
        with contextlib.suppress(LimitError):
            self.join(room)

    def leave(self, room: Any) -> None:
        """Leave a room, or every room of a list."""
        if self.namespace.is_elsewhere():
            self.namespace.hub.call_soon(self.leave, room)
            return
        for one in dict.fromkeys(room) if isinstance(room, list) else as_rooms(room):
            if self._joined is not None and one in self._joined:
                self._joined.discard(one)
                self.namespace.adapter.remove(self, one)
                if self.namespace.observer is not None:
                    self.namespace.observer.room_left(self, one)

    def stop_receiving(self) -> None:
        """Broadcasts to its rooms reach it no longer; `rooms` still names them while handlers run."""
        if self._joined is not None:
            for one in self._joined:
                self.namespace.adapter.remove(self, one)
            if self.namespace.observer is not None:
                for one in self._joined:
                    self.namespace.observer.room_left(self, one)

    def to(self, room: Any) -> BroadcastOperator:
        """The clients in a room, or in any room of a list, without this one."""
        return self.broadcast.to(room)

    in_ = to

    def except_(self, room: Any) -> BroadcastOperator:
        """All clients of the namespace without this one and those in a room."""
        return self.broadcast.except_(room)

    @property
    def broadcast(self) -> BroadcastOperator:
        """All clients of the namespace without this one."""
        return BroadcastOperator(self.namespace, None, frozenset((self.id,)))

    @property
    def local(self) -> BroadcastOperator:
        """broadcast, on this server alone."""
        return self.broadcast.local

    @property
    def volatile(self) -> FlaggedSocket:
        """This client, if it can take the packet now: `socket.volatile.emit(…)` drops it otherwise."""
        return FlaggedSocket(self, is_volatile=True)

    # --- the end -----------------------------------------------------------------------------

    def disconnect(self, close: bool = False) -> None:
        """Make the client leave the namespace; with `close` its whole connection, all namespaces.

        The client's reason is "io server disconnect" and it does not come back by itself; handlers here get
        "server namespace disconnect". What was emitted before is delivered. A client that is not admitted yet is
        refused instead.
        """
        if self.namespace.is_elsewhere():
            self.namespace.hub.call_soon(self.disconnect, close)
        elif close:
            self.peer.disconnect_all()
        elif self.id in self.namespace.joining:
            self.is_dropped = True
        elif self.peer.find(self.namespace.name) is self:
            self.is_dropped = True
            self.send_packet(self.namespace.encode_control(DISCONNECT, NO_DATA))
            self.peer.leave(self, "server namespace disconnect")

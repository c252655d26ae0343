"""Whom an emit reaches: the chain to().in_().except_().volatile.timeout(), immutable."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastsio._encoded import Encoded
from fastsio.core.gather import calling, wait_for_all
from fastsio.core.handlers import check_event_name
from fastsio.core.latest import Latest, latest_packet

if TYPE_CHECKING:
    from fastsio.core.adapter import Adapter
    from fastsio.core.namespace import Namespace
    from fastsio.core.remote import RemoteSocket

Rooms = frozenset[Any]
NOBODY_EXCEPT: Rooms = frozenset()


def as_rooms(room: Any) -> Rooms:
    """One room, or a list or set of them, as a set of rooms. A room may be anything hashable, so a tuple is one."""
    if isinstance(room, (list, set, frozenset)):
        return frozenset(room)
    return frozenset((room,))


def _in_order(room: Any) -> list[Any]:
    """as_rooms() as a list, in the order of one."""
    return list(dict.fromkeys(room)) if isinstance(room, list) else list(as_rooms(room))


class BroadcastOperator:
    """A choice of clients of one namespace; every step returns a new one, which may be kept and reused.

    `rooms` None means everyone in the namespace; a set means the union of these rooms, each client once
    (so an empty one reaches nobody). A socket's id is a room with it alone in it. Every method may be called
    from any thread; from another than the engine's it takes effect soon, in the order of the calls.
    """

    __slots__ = (
        "_excluded", "_is_local", "_is_plain", "_is_volatile", "_namespace", "_rooms", "_timeout_s",
    )  # fmt: skip

    def __init__(
        self, namespace: "Namespace", rooms: Rooms | None = None, excluded: Rooms = NOBODY_EXCEPT,
        is_volatile: bool = False, timeout_s: float | None = None, is_plain: bool = False, is_local: bool = False,
    ) -> None:  # fmt: skip
        self._namespace = namespace
        self._rooms = rooms
        self._excluded = excluded
        self._is_volatile = is_volatile
        self._timeout_s = timeout_s
        self._is_plain = is_plain
        self._is_local = is_local

    def _but(
        self, *, rooms: Rooms | None = None, excluded: Rooms = NOBODY_EXCEPT, is_volatile: bool = False,
        timeout_s: float | None = None, is_plain: bool | None = None, is_local: bool = False,
    ) -> "BroadcastOperator":  # fmt: skip
        """The same with something more."""
        return type(self)(
            self._namespace,
            self._rooms if rooms is None else rooms,
            self._excluded | excluded if excluded else self._excluded,
            self._is_volatile or is_volatile,
            self._timeout_s if timeout_s is None else timeout_s,
            self._is_plain if is_plain is None else is_plain,
            self._is_local or is_local,
        )

    @property
    def _adapter(self) -> "Adapter":
        adapter = self._namespace.adapter
        return adapter.local if self._is_local else adapter

    def to(self, room: Any) -> "BroadcastOperator":
        """Also the clients in `room` (or in any room of a list)."""
        return self._but(rooms=as_rooms(room) | (self._rooms or frozenset()))

    in_ = to

    def except_(self, room: Any) -> "BroadcastOperator":
        """But no client that is in `room`."""
        return self._but(excluded=as_rooms(room))

    @property
    def volatile(self) -> "BroadcastOperator":
        """Only to clients that can take it now: the packet is dropped for the others."""
        return self._but(is_volatile=True)

    @property
    def local(self) -> "BroadcastOperator":
        """Only clients of this server; without an adapter that reaches others, these are all."""
        return self._but(is_local=True)

    def compress(self, is_wanted: bool) -> "BroadcastOperator":
        """False: packets that go out as they are, where per_message_deflate or http_compression would compress them."""
        return self._but(is_plain=not is_wanted)

    def timeout(self, seconds: float) -> "BroadcastOperator":
        """Wait for answers that long: `await io.to("room").timeout(5).emit_with_ack(…)`."""
        return self._but(timeout_s=seconds)

    def emit(self, event: str, *args: Any, ack: Callable[..., Any] | None = None) -> None:
        """Send an event to all of them. It is encoded once; a client's packets keep the calls' order.

        `ack(error, answers)` is called once with what emit_with_ack() returns, or its exception and the answers that
        came. Raises TypeError for what JSON can't hold, ValueError for a reserved name or over 10 binary values.
        """
        check_event_name(event)
        namespace = self._namespace
        if ack is not None:
            self._gather([event, *args], ack)
            return
        if namespace.is_elsewhere():
            # Encoded here: what can't be is this caller's error, and what is changed later is not sent.
            packet, ticket = self._adapter.prepare([event, *args], self._is_volatile)
            packet.is_plain = self._is_plain
            namespace.hub.call_soon(
                self._adapter.deliver, packet, self._rooms, self._excluded, self._is_volatile, ticket
            )  # fmt: skip
            if namespace.observer is not None:
                namespace.hub.call_soon(
                    namespace.tell_sent_to, [event, *args], self._rooms, self._excluded
                )
            return
        self._adapter.broadcast(
            [event, *args], self._rooms, self._excluded, self._is_volatile, self._is_plain
        )
        if namespace.observer is not None:
            namespace.tell_sent_to([event, *args], self._rooms, self._excluded)

    def latest(self, key: Any) -> Latest:
        """Of packets with one key, those who read too slowly for all of them get only the newest: see Latest."""
        return Latest(self, key)

    def emit_latest(self, key: Any, args: list[Any]) -> None:
        """latest(key).emit(*args)."""
        encoded = latest_packet(self._namespace, key, args)
        encoded.is_plain = self._is_plain
        if self._namespace.is_elsewhere():
            self._namespace.hub.call_soon(self._deliver_latest, encoded, args)
        else:
            self._deliver_latest(encoded, args)

    def _deliver_latest(self, encoded: Encoded, args: list[Any]) -> None:
        """Send [event, *arguments], which nobody keeps, to all of them."""
        namespace = self._namespace
        self._adapter.deliver_latest(encoded, args, self._rooms, self._excluded, self._is_volatile)
        if namespace.observer is not None:
            namespace.tell_sent_to(args, self._rooms, self._excluded)

    def _gather(self, args: list[Any], ack: Callable[..., Any]) -> None:
        namespace = self._namespace
        call = (
            args, self._rooms, self._excluded, self._is_volatile, self._timeout_s, calling(namespace, ack),
            self._is_plain,
        )  # fmt: skip
        if namespace.is_elsewhere():
            namespace.encode_event(args)  # what can't be is this caller's error
            namespace.hub.call_soon(self._adapter.gather, *call)
        else:
            self._adapter.gather(*call)

    async def emit_with_ack(self, event: str, *args: Any) -> list[Any]:
        """Send an event to all of them and return their answers, in the order in which they come.

        Each is None, one value, or a tuple of several. A client that goes is no longer waited for. Raises
        PartialAnswersError (a TimeoutError; `responses` has the answers that came) when the seconds of timeout()
        are over; without, there is no limit.
        """
        check_event_name(event)
        return await wait_for_all(
            self._adapter, [event, *args], self._rooms, self._excluded, self._is_volatile, self._timeout_s,
            self._is_plain,
        )  # fmt: skip

    def send(self, *args: Any) -> None:
        """emit("message", *args)."""
        self.emit("message", *args)

    async def fetch_sockets(self) -> "list[RemoteSocket]":
        """All of them, as they are now.

        Where an adapter reaches other servers, these are asked: PartialAnswersError if one does not answer within the
        seconds of timeout(), 5 without; its `responses` are the clients that are known.
        """
        if self._namespace.is_elsewhere():
            there: list[RemoteSocket] = await self._namespace.hub.hand_over(self.fetch_sockets())
            return there
        return await self._adapter.fetch_sockets(self._rooms, self._excluded, self._timeout_s)

    async def all_sockets(self) -> set[str]:
        """The ids of all of them."""
        return {socket.id for socket in await self.fetch_sockets()}

    def _for_each(self, act: str, *args: Any) -> None:
        """Call that method of the adapter; on the engine's loop, wherever the caller is."""
        if self._namespace.is_elsewhere():
            self._namespace.hub.call_soon(self._for_each, act, *args)
        else:
            getattr(self._adapter, act)(self._rooms, self._excluded, *args)

    def sockets_join(self, room: Any) -> None:
        """Make all of them join a room, or every room of a list; those with max_rooms don't, as the log says."""
        self._for_each("add_sockets", _in_order(room))

    def sockets_leave(self, room: Any) -> None:
        """Make all of them leave a room, or every room of a list."""
        self._for_each("del_sockets", _in_order(room))

    def disconnect_sockets(self, close: bool = False) -> None:
        """Disconnect all of them; with `close` their whole connections."""
        self._for_each("disconnect_sockets", close)

"""What a server does for clients that are not here, without an adapter of their namespace: python-socketio's methods.

An AsyncServer that does not find a sid, or a namespace, has its cluster do it.
"""

import asyncio
import secrets
from collections.abc import Callable
from typing import Any

from fastsio.adapters.cluster.asking import Asking
from fastsio.adapters.cluster.requests import Calling, ClusterGathering
from fastsio.adapters.protocol.messages import Kind, make_opts
from fastsio.core import errors
from fastsio.core.acks import AwaitedAck, PendingAck, value_of
from fastsio.core.operator import Rooms


class _Named:
    """A namespace that is not here, as far as Bus.pack() looks at one."""

    def __init__(self, name: str) -> None:
        self.name = name


class Elsewhere(Asking):
    """The part of a Cluster that reaches these."""

    def emit(self, name: str, args: list[Any], rooms: Rooms | None, excluded: Rooms) -> None:
        """Send an event to the clients of a namespace that this server does not have; errors as of broadcast()."""
        packed = self._pack(name, args)
        if rooms is None or rooms:
            self.send(Kind.BROADCAST, name, {"opts": make_opts(rooms, excluded, {})}, packed)

    def _pack(self, name: str, args: list[Any]) -> Any:
        namespace: Any = self.hub.get(name) or _Named(name)
        return self.bus.pack(namespace, args, self.hub.root.encode_event(args))

    def ask_others(
        self, name: str, args: list[Any], rooms: Rooms | None, excluded: Rooms, pending: PendingAck
    ) -> Callable[[], None]:
        """Send it to the clients of other servers, and give `pending` their answers, one by one; it fails when there is
        nobody more to answer, where that is known. Returns what ends it.
        """  # fmt: skip
        packed = self._pack(name, args)
        opts = make_opts(rooms, excluded, {})
        stop = self.bus.ask(name, opts, packed, pending)
        if stop is not None:
            return stop
        request_id = secrets.token_hex(8)
        gathering = Calling(pending, lambda: self.forget_request(request_id))
        self.ask_all(name, gathering, {"opts": opts, "requestId": request_id}, packed)
        return gathering.stop

    def ask_all(
        self, name: str, gathering: ClusterGathering, data: dict[str, Any], packed: Any
    ) -> None:
        """Let the clients of other servers answer too."""
        self.requests[data["requestId"]] = gathering
        self.send(Kind.BROADCAST, name, data, packed)
        # Without a time limit it must end all the same when nobody else can be asked.
        self.with_peers(name, gathering.expect_servers, 0)

    async def call(self, name: str, args: list[Any], room: Any, timeout_s: float | None) -> Any:
        """The first answer of a client that is not here: None, one value, or a tuple. Raises TimeoutError after
        `timeout_s` seconds, ClientGoneError when no server has such a client, where the bus can say that.
        """  # fmt: skip
        pending = AwaitedAck()
        stop = self.ask_others(name, args, frozenset((room,)), frozenset(), pending)
        try:
            async with asyncio.timeout(timeout_s):
                return value_of(await pending.future)
        except TimeoutError:
            raise errors.TimeoutError("operation has timed out") from None
        finally:
            stop()

    def join(self, name: str, sid: str, room: Any) -> None:
        """Let a client that is not here enter a room, if there is one with that id."""
        self._act(Kind.SOCKETS_JOIN, name, sid, {"rooms": [room]})

    def leave(self, name: str, sid: str, room: Any) -> None:
        """Let it leave one."""
        self._act(Kind.SOCKETS_LEAVE, name, sid, {"rooms": [room]})

    def disconnect(self, name: str, sid: str) -> None:
        """Let it leave the namespace."""
        self._act(Kind.DISCONNECT_SOCKETS, name, sid, {"close": False})

    def close_room(self, name: str, room: Any) -> None:
        """Let everyone who is not here leave a room."""
        opts = make_opts(frozenset((room,)), frozenset(), {})
        self.send(Kind.SOCKETS_LEAVE, name, {"opts": opts, "rooms": [room]})

    def _act(self, kind: Kind, name: str, sid: str, data: dict[str, Any]) -> None:
        opts = make_opts(frozenset((sid,)), frozenset(), {"is_sid": True})
        self.send(kind, name, {"opts": opts, **data})

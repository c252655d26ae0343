"""What servers tell each other. Source: socket.io-adapter's ClusterAdapter, whose numbers these are."""

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from fastsio.core.operator import NOBODY_EXCEPT, Rooms

# Whose messages are those of programs that only send, Node's emitters and ours: no server has that uid.
EMITTER = "emitter"


class Kind(IntEnum):
    """A message's type; what its data holds is in brackets. Requests have `requestId` if they want answers."""

    INITIAL_HEARTBEAT = 1  # here I am: answer with a heartbeat
    HEARTBEAT = 2
    BROADCAST = 3  # [opts, requestId?] and the packet
    SOCKETS_JOIN = 4  # [opts, rooms]
    SOCKETS_LEAVE = 5  # [opts, rooms]
    DISCONNECT_SOCKETS = 6  # [opts, close]
    FETCH_SOCKETS = 7  # [opts, requestId]
    FETCH_SOCKETS_RESPONSE = 8  # [requestId, sockets]
    SERVER_SIDE_EMIT = 9  # [packet: event and arguments, requestId?]
    SERVER_SIDE_EMIT_RESPONSE = 10  # [requestId, packet: one value]
    BROADCAST_CLIENT_COUNT = 11  # [requestId, clientCount]
    BROADCAST_ACK = 12  # [requestId, packet: one value]
    ADAPTER_CLOSE = 13  # I go
    # Of fastsio alone, and nothing that a server of Node gets: see Bus.tell().
    PRESENCE = 100  # [what, and what belongs to that: adapters/presence]
    # Of fastsio alone too, and left alone by Node's: a client of yours has come back to me. [pid]
    SESSION_TAKEN = 110


@dataclass(slots=True)
class Message:
    """One message. uid: who sent it; nsp: the namespace it is about, with its "/".

    packet: of a BROADCAST, what the sender's bus has packed (see Bus.pack()); on the other side [event, *args], as a
    list, or as the bytes of its JSON where it came so: most servers need no more to send it on.
    """

    kind: Kind
    uid: str
    nsp: str
    data: dict[str, Any] = field(default_factory=dict)
    packet: Any = None

    @property
    def request_id(self) -> str | None:
        return self.data.get("requestId")


def make_opts(
    rooms: Collection[Any] | None, excluded: Collection[Any], flags: dict[str, Any]
) -> dict[str, Any]:
    """Whom something concerns, as JSON has it. A choice of no rooms is nobody, and is never sent."""
    return {"rooms": list(rooms or ()), "except": list(excluded), "flags": flags}


def read_opts(opts: Any) -> tuple[Rooms | None, Rooms, dict[str, Any]]:
    """The rooms (None: everyone), those left out, and the flags. What is missing or null is empty.

    Raises TypeError for what is none of it.
    """
    opts = opts or {}
    rooms, excluded = opts.get("rooms"), opts.get("except")
    return (
        frozenset(rooms) if rooms else None,
        frozenset(excluded) if excluded else NOBODY_EXCEPT,
        opts.get("flags") or {},
    )


def json_of(event: bytes) -> bytes:
    """[event, *args] in JSON, from an event without an id and without its type: `[…]` or `/chat,[…]`."""
    return event if event.startswith(b"[") else event[event.index(b",") + 1 :]

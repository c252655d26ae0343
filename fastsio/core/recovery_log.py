"""What was emitted in a namespace, kept for clients that lost their connection.

Bounded in packets, bytes and time; finding what a client has missed costs what it has missed, not what is kept.
Knows nothing of sockets and connections.
Source: socket.io-protocol v5 and the official client, which takes the last argument of an event for an offset.
"""

import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from fastsio._encoded import Encoded
from fastsio._ids import new_id

Rooms = frozenset[Any]
# What a kept packet takes besides its bytes: its objects and its places in the tables (CPython 3.11: 560 to 640).
ENTRY_BYTES = 600
# What the first packet kept for a room takes besides: a deque begins with 64 places.
ROOM_BYTES = 760
# Of an offset: so many characters tell this log from others, as those of a server that ran before.
PREFIX_LENGTH = 5
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_"


class _Everyone:
    """In the place of a room, whose name may be anything else."""


EVERYONE = _Everyone()


class Entry:
    """One packet that is kept, and to whom it was sent. `position`: its place in the order of the log, from 1."""

    __slots__ = ("encoded", "excluded", "offset", "position", "rooms", "sent_at")

    def __init__(
        self, encoded: Encoded, offset: str, position: int, rooms: Rooms | None, excluded: Rooms, sent_at: float
    ) -> None:  # fmt: skip
        self.encoded = encoded
        self.offset = offset
        self.position = position
        self.rooms = rooms
        self.excluded = excluded
        self.sent_at = sent_at

    @property
    def places(self) -> Iterable[Any]:
        """The rooms under which it is found."""
        return (EVERYONE,) if self.rooms is None else self.rooms


class RecoveryLog:
    """The packets of the last `keep_s` seconds, at most `max_packets` and `max_bytes` of them.

    `position` is that of the newest packet, 0 for none. Times are given by the caller, in seconds, never earlier
    than the last one given.
    """

    def __init__(self, max_packets: int, max_bytes: int, keep_s: float) -> None:
        self.position = 0
        self.bytes = 0
        self._max_packets = max_packets
        self._max_bytes = max_bytes
        self._keep_s = keep_s
        self._prefix = new_id()[:PREFIX_LENGTH]
        self._numbers = itertools.count()
        self._entries: deque[Entry] = deque()
        self._by_offset: dict[str, Entry] = {}
        self._by_room: dict[Any, deque[Entry]] = {}
        # When the newest packet was sent that had to go for lack of space.
        self._dropped_until = float("-inf")

    def __len__(self) -> int:
        return len(self._entries)

    def new_offset(self) -> str:
        """A name for a packet that append() may be given. May be called from any thread."""
        return self._prefix + _digits(next(self._numbers))

    def append(
        self, encoded: Encoded, offset: str, rooms: Rooms | None, excluded: Rooms, now: float
    ) -> None:
        """Keep a packet behind those that are here; `rooms` None is everyone."""
        self.position += 1
        entry = Entry(encoded, offset, self.position, rooms, excluded, now)
        self._entries.append(entry)
        self._by_offset[offset] = entry
        self.bytes += encoded.size + ENTRY_BYTES
        for room in entry.places:
            kept = self._by_room.get(room)
            if kept is None:
                kept = self._by_room[room] = deque()
                self.bytes += ROOM_BYTES
            kept.append(entry)
        self.expire(now)
        while len(self._entries) > self._max_packets or self.bytes > self._max_bytes:
            self._dropped_until = self._drop_oldest().sent_at

    def expire(self, now: float) -> None:
        """Let go of what is too old."""
        while self._entries and self._entries[0].sent_at < now - self._keep_s:
            self._drop_oldest()

    def _drop_oldest(self) -> Entry:
        entry = self._entries.popleft()
        del self._by_offset[entry.offset]
        self.bytes -= entry.encoded.size + ENTRY_BYTES
        for room in entry.places:
            kept = self._by_room[room]
            kept.popleft()
            if not kept:
                del self._by_room[room]
                self.bytes -= ROOM_BYTES
        return entry

    def missed(
        self, offset: str | None, since: int, rooms: Mapping[Any, int], now: float
    ) -> list[Encoded] | None:
        """What a client was to get behind the packet `offset`, in its order; None if something of it is here no more.

        `since`: what was sent up to that position it has. `rooms`: those that it is in, and the positions at which it
        joined them. An offset that is None or unknown says no more than that: the client has got nothing of what is
        here, as it would have another one.
        """
        last = None if offset is None else self._by_offset.get(offset)
        start = since if last is None else max(since, last.position)
        first = self._entries[0].position if self._entries else self.position + 1
        # What only its age has driven out, the client has had: it was connected then.
        if start < first - 1 and self._dropped_until >= now - self._keep_s:
            return None
        found = {
            entry.position: entry.encoded
            for entry in self._behind(start, rooms)
            if entry.excluded.isdisjoint(rooms)
        }
        return [found[position] for position in sorted(found)]

    def _behind(self, start: int, rooms: Mapping[Any, int]) -> Iterator[Entry]:
        for room, joined_at in [(EVERYONE, start), *rooms.items()]:
            for entry in reversed(self._by_room.get(room, ())):
                if entry.position <= start or entry.position <= joined_at:
                    break
                yield entry


def _digits(number: int) -> str:
    """A number as few characters."""
    text = ALPHABET[number % 64]
    while number >= 64:
        number //= 64
        text = ALPHABET[number % 64] + text
    return text

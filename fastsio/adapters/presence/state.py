"""What one server knows of another's clients and rooms: a copy that is kept up by changes, each with a number.

A row is [namespace, room, sids]; the room None is the namespace itself. Rows of changes have a second list, of those
that have gone.
"""

from collections.abc import Collection, Iterable, Iterator
from hashlib import blake2b
from typing import Any

# Of one message: about 25 KB, which take a few milliseconds.
MAX_SIDS = 1000
# Changes that come while the whole state is on its way. More: it is asked for once more.
MAX_HELD = 1000

Row = list[Any]


def mark(nsp: str, room: Any, sid: str) -> int:
    """A membership as a number of 64 bits, the same on every server; all of them xored are a state's digest."""
    key = f"{nsp}\0{room!r}\0{sid}".encode()
    return int.from_bytes(blake2b(key, digest_size=8).digest(), "big")


def is_shared(room: Any) -> bool:
    """Whether a room is told to other servers. Others are objects of this process."""
    return isinstance(room, str) or (isinstance(room, int) and not isinstance(room, bool))


def in_parts(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Rows [nsp, room, sids] as several lists of them, each with MAX_SIDS sids and rooms at most."""
    part: list[Row] = []
    room_left = MAX_SIDS
    for nsp, room, sids in rows:
        start = 0
        while start < len(sids):
            if room_left <= 1:
                yield part
                part, room_left = [], MAX_SIDS
            taken = sids[start : start + room_left - 1]
            part.append([nsp, room, taken])
            start += len(taken)
            room_left -= len(taken) + 1
    yield part


class Places:
    """The clients of one namespace on another server, and their rooms."""

    __slots__ = ("rooms", "sids")

    def __init__(self) -> None:
        # Each with itself: rooms have the same string, not one more of 69 bytes.
        self.sids: dict[str, str] = {}
        self.rooms: dict[Any, set[str]] = {}

    def members(self, room: Any) -> Collection[str]:
        """The sids in a room (None: in the namespace). Not to be changed."""
        if room is None:
            return self.sids
        members = self.rooms.get(room, ())
        # A client's own room is not told.
        return {room, *members} if room in self.sids else members

    def enter(self, room: Any, sid: str) -> bool:
        """One is in a room; False if it was."""
        if room is None:
            if sid in self.sids:
                return False
            self.sids[sid] = sid
            return True
        members = self.rooms.get(room)
        if members is None:
            members = self.rooms[room] = set()
        elif sid in members:
            return False
        members.add(self.sids.get(sid, sid))
        return True

    def leave(self, room: Any, sid: str) -> bool:
        """One is in a room no longer; False if it was not."""
        if room is None:
            return self.sids.pop(sid, None) is not None
        members = self.rooms.get(room)
        if members is None or sid not in members:
            return False
        members.remove(sid)
        if not members:
            del self.rooms[room]
        return True

    @property
    def is_empty(self) -> bool:
        return not (self.sids or self.rooms)


class Replica:
    """One other server's state. `seq`: the number of the change that it is up to; None: nothing is known yet."""

    __slots__ = ("digest", "places", "seq")

    def __init__(self, seq: int | None = None) -> None:
        self.seq = seq
        self.digest = 0
        self.places: dict[str, Places] = {}

    def enter(self, nsp: str, room: Any, sids: Iterable[str]) -> None:
        """These are in a room."""
        places = self.places.get(nsp)
        if places is None:
            places = self.places[nsp] = Places()
        for sid in sids:
            if places.enter(room, sid):
                self.digest ^= mark(nsp, room, sid)

    def leave(self, nsp: str, room: Any, sids: Iterable[str]) -> None:
        """These are in a room no longer."""
        places = self.places.get(nsp)
        if places is None:
            return
        for sid in sids:
            if places.leave(room, sid):
                self.digest ^= mark(nsp, room, sid)
        if places.is_empty:
            del self.places[nsp]

    def change(self, seq: int, rows: list[Row]) -> None:
        """Take the change with the next number. Raises TypeError or ValueError for what is none."""
        self.seq = seq
        for nsp, room, come, gone in rows:
            self.enter(nsp, room, come)
            self.leave(nsp, room, gone)


class Server:
    """Another server as Presence sees it: its state, when it was heard of, and what it is asked for.

    `asked_at`: when its whole state was asked for, in seconds of the loop's clock; None if none is awaited.
    """

    __slots__ = ("asked_at", "heard_at", "held", "next_part", "state", "taking")

    def __init__(self, now: float) -> None:
        self.heard_at = now
        self.state = Replica()
        self.asked_at: float | None = None
        # A state of which parts have come, and which is next; changes that came meanwhile.
        self.taking: Replica | None = None
        self.next_part = 0
        self.held: list[tuple[int, list[Row]]] = []

    def is_at(self, seq: int, digest: int) -> bool:
        """Whether what is known is what it has."""
        return self.state.seq == seq and self.state.digest == digest

    def hold(self, seq: int, rows: list[Row]) -> None:
        """A change, while the state is awaited that it belongs behind."""
        if len(self.held) < MAX_HELD:
            self.held.append((seq, rows))

    def take(self, seq: int, part: int, is_last: bool, rows: list[Row]) -> bool:
        """A part of its state, in rows [namespace, room, sids]; True if that is whole now.

        Parts that do not fit together are dropped: it will be asked once more.
        """
        if part == 0:
            self.taking, self.next_part = Replica(seq), 0
        taking = self.taking
        if taking is None or taking.seq != seq or self.next_part != part:
            self.taking = None
            return False
        for nsp, room, sids in rows:
            taking.enter(nsp, room, sids)
        self.next_part += 1
        if not is_last:
            return False
        self.state, self.taking, self.asked_at = taking, None, None
        return True

    def catch_up(self) -> bool:
        """Make the changes that came behind the state; False if some are missing."""
        held, self.held = self.held, []
        for seq, rows in held:
            assert self.state.seq is not None
            if seq > self.state.seq + 1:
                return False
            if seq == self.state.seq + 1:
                self.state.change(seq, rows)
        return True

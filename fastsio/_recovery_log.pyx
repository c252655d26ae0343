"""What was emitted in a namespace, kept for clients that lost their connection.

Bounded in packets, bytes and time; finding what a client has missed costs what it has missed, not what is kept.
Compiled, as every emit comes here where clients can come back: written in Python it cost 1.9 us of 3.7.
Knows nothing of sockets and connections.
Source: socket.io-protocol v5 and the official client, which takes the last argument of an event for an offset.
"""
cimport cython
from libc.stdint cimport int64_t

from fastsio._encoded cimport Encoded

from fastsio._ids import new_id

cdef enum:
    # What a kept packet takes besides its bytes, and for each of its rooms; measured, see the tests.
    ENTRY_BYTES = 540
    LINK_BYTES = 90
    ROOM_BYTES = 130
    MAX_OFFSET = 24

# Of an offset: so many characters tell this log from others, as those of a server that ran before.
PREFIX_LENGTH = 5
cdef const char* ALPHABET = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_"


class _Everyone:
    """In the place of a room, whose name may be anything else."""


cdef object EVERYONE = _Everyone()


# Chains of them are as long as the log: without the trashcan a log that goes would overflow the C stack.
@cython.trashcan(True)
cdef class Entry:
    """One packet that is kept. `position`: its place in the order of the log, from 1."""

    cdef Encoded encoded
    cdef object excluded
    cdef object offset
    cdef int64_t position
    cdef double sent_at
    cdef Entry next                 # behind this one in the log
    cdef list links                 # one for each room


@cython.trashcan(True)
cdef class Link:
    """An entry among those of a room."""

    cdef Entry entry
    cdef object room
    cdef Link earlier
    cdef Link later


cdef class RecoveryLog:
    """The packets of the last `keep_s` seconds, at most `max_packets` and `max_bytes` of them.

    `position` is that of the newest packet, 0 for none. Times are given by the caller, in seconds, never earlier
    than the last one given. `bytes`: what the packets take in memory. `floor`: what was sent up to that position may be
    here no more.
    """

    cdef readonly int64_t position
    cdef readonly int64_t floor
    cdef readonly Py_ssize_t bytes
    cdef Py_ssize_t count
    cdef Py_ssize_t max_packets
    cdef Py_ssize_t max_bytes
    cdef double keep_s
    cdef double dropped_until       # when the newest packet was sent that had to go for lack of space
    cdef int64_t number
    cdef bytes prefix
    cdef Entry first
    cdef Entry last
    cdef dict by_offset
    cdef dict by_room               # room -> the Link of its newest entry

    def __cinit__(self, max_packets, max_bytes, double keep_s):
        # A limit may be given as a float, as infinity.
        self.max_packets = <Py_ssize_t> min(max_packets, 1 << 62)
        self.max_bytes = <Py_ssize_t> min(max_bytes, 1 << 62)
        self.keep_s = keep_s
        self.dropped_until = float("-inf")
        self.prefix = new_id()[:PREFIX_LENGTH].encode()
        self.by_offset = {}
        self.by_room = {}

    def __len__(self):
        return self.count

    def new_offset(self) -> str:
        """A name for a packet that append() may be given. May be called from any thread."""
        cdef char text[MAX_OFFSET]
        cdef int at = MAX_OFFSET
        cdef int64_t number = self.number
        self.number += 1
        while True:
            at -= 1
            text[at] = ALPHABET[number & 63]
            number >>= 6
            if number == 0:
                break
        return (self.prefix + text[at:MAX_OFFSET]).decode("ascii")

    def begin(self, int64_t position) -> None:
        """What was sent up to there was never here. Only of a log that is empty."""
        self.position = self.floor = position

    def append(self, Encoded encoded, str offset, rooms, excluded, double now, int64_t position=0) -> None:
        """Keep a packet behind those that are here; `rooms` None is everyone, else a set of them.

        `position`: that of the packet, where somebody else counts; larger than those before.
        """
        cdef Entry entry = Entry.__new__(Entry)
        self.position = position if position else self.position + 1
        entry.encoded = encoded
        entry.excluded = excluded
        entry.offset = offset
        entry.position = self.position
        entry.sent_at = now
        entry.links = []
        if self.last is None:
            self.first = entry
        else:
            self.last.next = entry
        self.last = entry
        self.by_offset[offset] = entry
        self.count += 1
        self.bytes += encoded.size + ENTRY_BYTES
        if rooms is None:
            self.link(entry, EVERYONE)
        else:
            for room in rooms:
                self.link(entry, room)
        self.expire(now)
        while self.count > self.max_packets or self.bytes > self.max_bytes:
            self.dropped_until = self.first.sent_at
            self.drop_first()

    cdef int link(self, Entry entry, object room) except -1:
        cdef Link link = Link.__new__(Link)
        cdef Link newest = self.by_room.get(room)
        link.entry = entry
        link.room = room
        link.earlier = newest
        if newest is None:
            self.bytes += ROOM_BYTES
        else:
            newest.later = link
        self.by_room[room] = link
        self.bytes += LINK_BYTES
        entry.links.append(link)
        return 0

    cpdef expire(self, double now):
        """Let go of what is too old."""
        while self.first is not None and self.first.sent_at < now - self.keep_s:
            self.drop_first()

    cdef int drop_first(self) except -1:
        cdef Entry entry = self.first
        cdef Link link
        self.floor = entry.position
        self.first = entry.next
        if self.first is None:
            self.last = None
        self.count -= 1
        self.bytes -= entry.encoded.size + ENTRY_BYTES
        del self.by_offset[entry.offset]
        for link in entry.links:
            # It is the oldest of its room, as it is the oldest of all.
            if link.later is None:
                del self.by_room[link.room]
                self.bytes -= ROOM_BYTES
            else:
                link.later.earlier = None
            self.bytes -= LINK_BYTES
        # Freed without the cyclic collector.
        entry.links = None
        return 0

    def missed(self, offset, int64_t since, rooms, double now) -> list | None:
        """What a client was to get behind the packet `offset`, in its order; None if something of it is here no more.

        `since`: what was sent up to that position it has. `rooms`: those that it is in, and the positions at which it
        joined them. An offset that is None or unknown says no more than that: the client has got nothing of what is
        here, as it would have another one.
        """
        cdef Entry last = None if offset is None else self.by_offset.get(offset)
        cdef int64_t start = since if last is None else max(since, last.position)
        cdef int64_t first = self.position + 1 if self.first is None else self.first.position
        # What only its age has driven out, the client has had: it was connected then.
        if start < first - 1 and self.dropped_until >= now - self.keep_s:
            return None
        return self.behind(start, rooms)

    cpdef list behind(self, int64_t start, rooms):
        """What of the log lies behind a position and is for one of these rooms, or for everyone; see missed()."""
        cdef dict found = {}
        self.look(EVERYONE, start, rooms, found)
        for room, joined_at in rooms.items():
            self.look(room, max(start, <int64_t> joined_at), rooms, found)
        return [found[position] for position in sorted(found)]

    cdef int look(self, object room, int64_t start, object mine, dict found) except -1:
        """Add what was sent to a room behind `start`, but to none of `mine` that it excluded."""
        cdef Link link = self.by_room.get(room)
        while link is not None and link.entry.position > start:
            if link.entry.excluded.isdisjoint(mine):
                found[link.entry.position] = link.entry.encoded
            link = link.earlier
        return 0

"""Flow: one client's send buffer, watched: its marks, who waits for it, and what a full one drops.

An outlet has one only if somebody asked for it. Packets are dropped whole, with their attachments, and only events that
ask for no answer: acks, CONNECT, DISCONNECT, pings and frames of the WebSocket protocol are never dropped.
Knows nothing of sessions and transports' states; engine/flow.py has what does.
"""
from fastsio._encoded cimport Encoded
from fastsio._fanout cimport PACKET_BYTES, FlowControl, Outlet, has_too_many, is_full

cdef enum:
    # When a buffer is full, a part of it is freed at once: packet by packet each would move the whole queue.
    FREED_PART = 8

cdef dict POLICIES = {
    "close": CLOSE, "drop_oldest": DROP_OLDEST, "drop_newest": DROP_NEWEST, "keep_latest": KEEP_LATEST,
}
cdef tuple NAMES = tuple(POLICIES)


cdef inline Py_ssize_t part_of(Py_ssize_t most) noexcept:
    """How full a buffer of `most` bytes is to be once a part of it was freed."""
    return most - most // FREED_PART


cdef class Flow(FlowControl):
    """The buffer of one client, over whatever outlet it has.

    policy: "close", "drop_oldest", "drop_newest" or "keep_latest", for when the outlet's max_buffered_bytes are
    passed. Raises ValueError for another.
    """

    def __init__(self, str policy, Py_ssize_t high, Py_ssize_t low):
        self.policy = policy
        self.set_marks(high, low)
        self.waiters = []

    @property
    def policy(self) -> str:
        return NAMES[self.policy_]

    @policy.setter
    def policy(self, str name):
        if name not in POLICIES:
            raise ValueError(f"buffer_policy={name!r}: one of {', '.join(NAMES)}")
        self.policy_ = POLICIES[name]

    def set_marks(self, Py_ssize_t high, Py_ssize_t low) -> None:
        """In bytes; `high` 0: no events."""
        self.high = high
        self.low = low
        self.is_high = self.is_high and high > 0

    # --- what is queued ----------------------------------------------------------------------

    cdef bint put(self, Outlet outlet, Encoded encoded, bint is_volatile) except -1:
        """Outlet.put() with a look at the buffer."""
        if outlet.is_closed or (is_volatile and not outlet.is_writable):
            return outlet.refuse(is_volatile)
        if encoded.key is not None and self.replace(outlet, encoded):
            return True
        if is_full(outlet):
            if is_volatile or self.policy_ == CLOSE:
                return outlet.refuse(is_volatile)
            if (self.policy_ == DROP_NEWEST and encoded.is_event) or not self.make_room(outlet):
                if not encoded.is_event:
                    # It must not be dropped, and there is nothing to drop for it: the client is beyond help.
                    return outlet.refuse(False)
                self.note_dropped(outlet, 1)
                return False
        if encoded.key is not None:
            if self.latest is None:
                self.latest = {}
            self.latest[encoded.key] = (encoded, len(outlet.queue))
        outlet.enqueue(encoded)
        if self.high and not self.is_high and unsent(outlet) > self.high:
            self.is_high = True
            outlet.flusher.call_soon(self.tell_high)
        return True

    cdef bint replace(self, Outlet outlet, Encoded encoded) except -1:
        """Put a packet into the place of the queued one with its key; False if there is none.

        In its place, not at the end: a key that is sent more often than the client reads would never have its turn.
        """
        cdef list queue = outlet.queue
        cdef Py_ssize_t i
        cdef Encoded old
        if self.latest is None:
            return False
        found = self.latest.get(encoded.key)
        if found is None:
            return False
        old = found[0]
        i = min(<Py_ssize_t> found[1], len(queue) - 1)
        # What was sent or dropped since stood before it: it has only moved to the front.
        while i >= 0 and queue[i] is not old:
            i -= 1
        if i < 0:
            return False
        queue[i] = encoded
        outlet.buffered_bytes += encoded.size - old.size
        self.latest[encoded.key] = (encoded, i)
        # Counted, but no line in the log: that is what the key is for.
        outlet.dropped += 1
        outlet.flusher.dropped += 1
        return True

    cdef bint make_room(self, Outlet outlet) except -1:
        """Drop events of a full queue; False if there is still no room, or where none are dropped."""
        if self.policy_ == CLOSE:
            return False
        if self.policy_ == KEEP_LATEST:
            self.conflate(outlet)
        if outlet.buffered_bytes > part_of(outlet.max_buffered_bytes) or has_too_many(outlet):
            self.free(outlet, self.policy_ == DROP_NEWEST)
        return not is_full(outlet)

    cdef int conflate(self, Outlet outlet) except -1:
        """Of the queued events with one key keep the newest, in its place."""
        cdef Encoded encoded
        cdef list kept = []
        cdef set seen = set()
        for encoded in reversed(outlet.queue):
            if encoded.is_event:
                key = encoded.key if encoded.key is not None else head_of(encoded.text)
                if key is not None:
                    if key in seen:
                        continue
                    seen.add(key)
            kept.append(encoded)
        kept.reverse()
        return self.keep_only(outlet, kept)

    cdef int free(self, Outlet outlet, bint from_end) except -1:
        """Drop events, the oldest or the newest first, until a part of the buffer is free."""
        cdef Encoded encoded
        cdef list kept = []
        cdef Py_ssize_t most = part_of(outlet.max_buffered_bytes)
        cdef Py_ssize_t due = outlet.buffered_bytes - most
        cdef Py_ssize_t count = len(outlet.queue) - most // PACKET_BYTES if has_too_many(outlet) else 0
        for encoded in reversed(outlet.queue) if from_end else outlet.queue:
            if (due > 0 or count > 0) and encoded.is_event:
                due -= encoded.size
                count -= 1
            else:
                kept.append(encoded)
        if from_end:
            kept.reverse()
        return self.keep_only(outlet, kept)

    cdef int keep_only(self, Outlet outlet, list kept) except -1:
        cdef Encoded encoded
        cdef Py_ssize_t size = 0
        cdef Py_ssize_t before = 0
        if len(kept) == len(outlet.queue):
            return 0
        for encoded in outlet.queue:
            before += encoded.size
        for encoded in kept:
            size += encoded.size
        self.note_dropped(outlet, len(outlet.queue) - len(kept))
        outlet.queue[:] = kept
        # A hosted outlet counts in what it has taken off the queue.
        outlet.buffered_bytes -= before - size
        return 0

    cdef int note_dropped(self, Outlet outlet, Py_ssize_t count) except -1:
        """Count; what says so in the log runs in a turn of its own."""
        outlet.dropped += count
        outlet.flusher.dropped += count
        if not self.has_news:
            self.has_news = True
            outlet.flusher.call_soon(self.tell_dropped)
        return 0

    # --- what is sent ------------------------------------------------------------------------

    cpdef int flushed(self, Outlet outlet) except -1:
        """The queue is shorter, or the transport empty."""
        if self.latest and not outlet.queue:
            self.latest.clear()  # else it would keep the packets
        if (self.is_high or self.waiters) and unsent(outlet) <= self.low:
            if self.is_high:
                self.is_high = False
                outlet.flusher.call_soon(self.tell_low)
            self.wake(True)
        return 0

    def wait(self, Outlet outlet, future) -> None:
        """Set the future's result to True when the buffer is low, at once if it is; to False by end()."""
        if unsent(outlet) <= self.low:
            future.set_result(True)
        else:
            self.waiters.append(future)

    cdef int wake(self, bint is_there) except -1:
        waiters, self.waiters = self.waiters, []
        for future in waiters:
            if not future.done():
                future.set_result(is_there)
        return 0

    def end(self) -> None:
        """The client has gone."""
        self.wake(False)
        self.latest = None

    # --- what engine/flow.py does ------------------------------------------------------------

    def tell_high(self) -> None:
        raise NotImplementedError  # the high mark was passed

    def tell_low(self) -> None:
        raise NotImplementedError  # the low mark was reached again

    def tell_dropped(self) -> None:
        self.has_news = False


cdef Py_ssize_t unsent(Outlet outlet) except -1:
    """What is queued, and what the transport holds: nothing, while it takes more (_conn, connection_made())."""
    if outlet.is_writable:
        return outlet.buffered_bytes
    transport = getattr(outlet, "transport", None)
    if transport is None:
        return outlet.buffered_bytes
    return outlet.buffered_bytes + <Py_ssize_t> transport.get_write_buffer_size()


def unsent_bytes(Outlet outlet) -> int:
    """What is queued for a client, and what its transport holds. Over HTTP and ASGI only the queue is known."""
    return unsent(outlet)


def head_of(bytes text) -> bytes | None:
    """The namespace and the name of an event in its text: b'/chat,["news"'; None for another form of packets."""
    cdef Py_ssize_t start, end
    if text[:2] != b"42" and text[:2] != b"45":
        return None
    start = 2 if text[:2] == b"42" else text.find(b"-") + 1
    # A namespace may have brackets in its name, but ends with a comma.
    end = text.find(b",", start) if text[start : start + 1] == b"/" else start
    end = text.find(b'["', end)
    if end < 0:
        return None
    end = text.find(b'"', end + 2)
    while end > 0 and text[end - 1 : end] == b"\\":
        end = text.find(b'"', end + 1)
    return None if end < 0 else text[start : end + 1]

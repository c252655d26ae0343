"""The writing side of a connection: an outlet over an asyncio transport, one send() for what a loop turn queued.

Sends directly where it can, and leaves to the transport what the kernel does not take. Knows of what is sent only that
packets may be compressed, and nothing of what is received (see _conn.pyx).
"""
import sys

from cpython.bytes cimport PyBytes_AS_STRING
from libc.limits cimport INT_MAX

from fastsio._encoded cimport Encoded, join_frames, wrap
from fastsio._fanout cimport Outlet, is_full
from fastsio._frames cimport TEXT, frame_of
from fastsio._wire cimport Wire

cdef extern from "tcp.h":
    Py_ssize_t fastsio_send(int fd, const char* data, Py_ssize_t n, bint is_last) noexcept
    long long fastsio_acknowledged(int fd) noexcept
    bint fastsio_peer_address(int fd, char* text, int size) noexcept

cdef enum:
    # Joined into one write: more would only copy what the kernel does not take at once.
    JOIN_BYTES = 262144
    # Answers up to this wait for others: echoes of 32 B in fours take 2.0 us instead of 2.4. 64 kB, which leave the
    # caches while they wait, took 80 us instead of 28 (bench/load).
    LITTLE_BYTES = 4096
    # What a client must take of what waits for it in send_timeout seconds, unless it is all: 500 bytes a second, a
    # tenth of GPRS.
    MIN_TAKEN_BYTES = 16384

cdef object last_remote = ""
cdef bint CAN_SEND_DIRECTLY = sys.platform != "win32"
# A connection whose descriptor is above it takes one of those that are kept for others; see descriptors.py.
cdef int most_descriptors = INT_MAX


def keep_descriptors(int most) -> None:
    """Connections whose descriptors are above `most` are to be refused from now on."""
    global most_descriptors
    most_descriptors = most


cdef class Stream(Outlet):
    """What a connection sends; `session` is whose packets these are, None while it has none."""

    def __cinit__(self, router):
        self.fd = -1
        self.router = router
        self.flusher = router.flusher
        self.max_buffered_bytes = router.max_buffered_bytes

    cdef int begin_writing(self, transport) except -2:
        """The event loop has a transport for us; returns its descriptor, -1 if there is none."""
        cdef int fd
        self.transport = transport
        if type(transport) is Wire:  # likely, on uvloop
            self.fd = (<Wire> transport).fd
            (<Wire> transport).limit(0, 0)
            self.is_writable = True
            return self.fd
        self.is_secure = transport.get_extra_info("sslcontext") is not None
        fd = self.take_descriptor()
        # With 0 the pause and resume calls say exactly whether the transport holds anything unsent, as direct
        # sends need it. TLS transports pause at the limit, not above it, so 0 would stop them for ever.
        transport.set_write_buffer_limits(1 if self.is_secure else 0, 0)
        self.is_writable = True
        return fd

    cdef int take_descriptor(self) except -2:
        """Send directly from now on, where that can be; returns the transport's descriptor, -1 if it has none."""
        cdef int fd = -1
        if type(self.transport) is Wire:
            fd = (<Wire> self.transport).fd
        elif CAN_SEND_DIRECTLY:
            sock = self.transport.get_extra_info("socket")
            if sock is not None:
                fd = sock.fileno()
        if not self.is_secure:
            self.fd = fd
        return fd

    cdef int descriptor(self) noexcept:
        """What is sent to directly, -1 for nothing: a Wire's may be another's already when connection_lost() comes."""
        if self.fd >= 0 and type(self.transport) is Wire:
            return (<Wire> self.transport).fd
        return self.fd

    @property
    def remote(self) -> str:
        """The client's address, "" where there is none (Unix sockets)."""
        global last_remote
        cdef char text[64]
        cdef int fd = self.descriptor()
        # Not by the transport: uvloop makes a socket object to ask, 1.8 us of a connect.
        if fd >= 0 and fastsio_peer_address(fd, text, sizeof(text)):
            address = text.decode("ascii")
        else:
            name = self.transport.get_extra_info("peername") if self.transport is not None else None
            if not isinstance(name, tuple):
                return ""
            address = name[0]
        # Behind a proxy all have the same, and each session keeps it: 64 bytes less for each.
        if address != last_remote:
            last_remote = address
        return last_remote

    def pause_writing(self) -> None:
        """The kernel takes no more. The wheel looks whether it does so again: not here, this may happen often."""
        self.is_writable = False
        self.stalled_s = -1
        if self.wheel_slot is None and self.flusher.send_timeout_s > 0:
            self.router.watch(self, self.flusher.send_timeout_s / LOOKS)

    def resume_writing(self) -> None:
        if self.transport is not None:
            self.is_writable = True
            try:
                self.flush()
            except Exception as error:  # the event loop would log it, and go on with what is left
                self.flusher.give_up(self, error)

    def flush_failed(self, error) -> None:
        """End the connection; the session, if there is one, with the reason."""
        session = self.session
        self.abort()
        if session is not None:
            session.write_failed(error)

    # --- queueing and sending ----------------------------------------------------------------

    cdef int queue_raw(self, bytes data) except -1:
        """Queue bytes as they are, outside the packets' limits: control frames, HTTP."""
        self.enqueue(wrap(data))
        if is_full(self) and (self.flow is None or not self.flow.make_room(self)):
            self.refuse(False)
        return 0

    def send_text(self, bytes packet) -> None:
        """Queue one text message that belongs to no session (an upgrade's probe)."""
        self.queue_raw(frame_of(TEXT, <const unsigned char*> PyBytes_AS_STRING(packet), len(packet)))

    cdef int end_of_read(self) except -1:
        """One write for all answers; with the turn's other writes if any are to come, or many clients are answered."""
        self.is_waiting = False
        if self.queue and self.is_writable:
            if self.flusher.is_scheduled or (self.sends_little() and self.flusher.is_busy()):
                return self.flusher.add_answer(self)
            return self.flush()
        return 0

    cdef bint sends_little(self) noexcept:
        """Whether what is queued may be sent together with others' (begin_send), and is worth it."""
        return self.fd >= 0 and self.buffered_bytes <= LITTLE_BYTES and self.deflate is None

    cdef int flush(self) except -1:
        """Send what is queued in as few writes as can be; what the kernel does not take stays queued."""
        cdef list queue
        cdef bytes data
        while self.is_writable and self.queue:
            queue = self.queue
            if self.buffered_bytes <= JOIN_BYTES or len(queue) == 1:  # likely
                data = join_frames(queue) if self.deflate is None else self.deflate.join(queue)
                if self.flusher.is_counting:
                    self.count_out(len(queue), len(data))
                queue.clear()
                self.buffered_bytes = 0
            else:
                data = self.take_some()
            self.write(data)
        if self.closes_when_drained and not self.queue and self.transport is not None:
            self.closes_when_drained = False
            self.end_writing()
        if self.flow is not None:
            self.flow.flushed(self)
        return 0

    cdef bytes begin_send(self, list empty, int* fd):
        """What flush() would give to one send(), where that is all it would do; see Outlet."""
        cdef list queue = self.queue
        cdef bytes data
        cdef int own = self.descriptor()
        if own < 0 or not self.is_writable or not queue or self.transport is None:
            return None
        if self.deflate is not None or self.closes_when_drained or self.ends_now:
            return None
        if self.buffered_bytes > JOIN_BYTES and len(queue) > 1:
            return None
        data = join_frames(queue)
        if self.flusher.is_counting:
            self.count_out(len(queue), len(data))
        fd[0] = own
        self.queue = empty
        self.buffered_bytes = 0
        return data

    cdef int end_send(self, bytes data, Py_ssize_t sent) except -1:
        if sent <= 0:
            self.write(data)  # which finds out why
        elif sent < len(data) and self.transport is not None:
            self.transport.write(memoryview(data)[sent:])
        if self.flow is not None:
            self.flow.flushed(self)
        return 0

    cdef bytes take_some(self):
        """The first packets of a long queue, off it."""
        cdef list queue = self.queue
        cdef Encoded encoded
        cdef Py_ssize_t size = 0
        cdef Py_ssize_t count = 0
        for encoded in queue:
            size += encoded.size
            count += 1
            if size >= JOIN_BYTES:
                break
        data = join_frames(queue[:count]) if self.deflate is None else self.deflate.join(queue[:count])
        del queue[:count]
        self.buffered_bytes -= size
        if self.flusher.is_counting:
            self.count_out(count, len(data))
        return data

    cdef int count_out(self, Py_ssize_t packets, Py_ssize_t size) noexcept:
        if self.session is not None:  # what goes out over HTTP is counted by who polls
            self.flusher.packets_out += packets
            self.flusher.bytes_out += size
        return 0

    cdef int write(self, bytes data) except -1:
        """One send() where the kernel takes it all; the rest is the transport's, which then pauses us."""
        cdef int fd
        cdef Py_ssize_t sent = 0
        if self.transport is None:
            return 0
        fd = self.descriptor()
        if fd >= 0:
            sent = fastsio_send(fd, PyBytes_AS_STRING(data), len(data), self.ends_now and not self.queue)
            if sent == len(data):
                return 0
            if sent < 0:
                self.abort()
                return 0
        self.transport.write(memoryview(data)[sent:] if sent else data)
        return 0

    # --- who reads too slowly ----------------------------------------------------------------

    cdef bint is_overdue(self, double passed_s) except -1:
        """A look of the wheel, `passed_s` after the one before: True if the client is to be cut off (send_timeout)."""
        cdef double limit_s = self.flusher.send_timeout_s
        return limit_s > 0 and self.reads_too_slowly(passed_s, limit_s, MIN_TAKEN_BYTES)

    cdef bint reads_too_slowly(self, double passed_s, double limit_s, Py_ssize_t least) except -1:
        """True if we are paused, and the client has taken less than `least` bytes in `limit_s` seconds.

        The time is summed up from look to look, so that one in which our own loop was blocked counts once.
        """
        cdef Py_ssize_t taken
        if self.is_writable or self.transport is None:
            return False
        taken = self.taken_bytes()
        if self.stalled_s < 0 or taken - self.seen_taken >= least:
            self.seen_taken = taken
            self.stalled_s = 0
            return False
        self.stalled_s += passed_s
        return self.stalled_s >= limit_s

    def cut_off(self) -> None:
        """The client has taken too little for too long (send_timeout)."""
        if self.receiver is not None:
            self.receiver.connection_stalled(self)
        else:  # an HTTP answer, which nobody waits for
            text = "%s: cut off, it takes too little of its answer (send_timeout)"
            self.router.rare_log.note("send_timeout", text, self.remote)
        self.abort()

    def overflow(self) -> None:
        """The client reads too slowly: its buffer is over max_buffered_bytes."""
        if self.transport is None:
            return
        text = "%s: cut off, over %d bytes unread (max_buffered_bytes)"
        self.router.rare_log.note("max_buffered_bytes", text, self.remote, self.max_buffered_bytes)
        if self.receiver is not None:
            self.receiver.connection_overflowed(self)
        self.abort()

    cdef Py_ssize_t taken_bytes(self) except? -1:
        """A number that grows by each byte that the client takes, as long as we are paused.

        Of the transport's buffer we know what is left, but not under TLS, where two buffers follow each other: so
        first ask the kernel what was acknowledged.
        """
        cdef long long acknowledged = -1
        if type(self.transport) is Wire:
            acknowledged = fastsio_acknowledged((<Wire> self.transport).fd)
        else:
            sock = self.transport.get_extra_info("socket")
            if sock is not None:
                acknowledged = fastsio_acknowledged(sock.fileno())
        if acknowledged >= 0:
            return <Py_ssize_t> acknowledged
        return -<Py_ssize_t> self.transport.get_write_buffer_size()

    # --- the end -----------------------------------------------------------------------------

    def end_writing(self) -> None:
        """Half-close where that can be: a full close with unread input would reset what was just sent."""
        if self.transport is None:
            return
        if self.transport.can_write_eof():
            try:
                self.transport.write_eof()
            except OSError:  # the client has reset the connection, and the loop has not seen it yet
                self.abort()
        else:
            self.transport.close()

    cdef int forget_bytes(self) except -1:
        """The transport is gone, and with it what was to be sent. Needs no memory."""
        self.is_writable = False
        self.fd = -1
        self.transport = self.deflate = None
        self.queue.clear()
        self.buffered_bytes = 0
        return 0

    def abort(self) -> None:
        """Drop the connection and whatever is queued."""
        self.is_closed = True
        self.is_writable = False
        if self.transport is not None:
            self.fd = -1
            self.transport.abort()

"""Wire: an asyncio transport of our own for plain TCP and Unix connections, on the libuv of uvloop's loop.

What uvloop does for each connection besides reading and writing it costs a quarter of one that comes, joins and goes: a
table of transports, two callbacks, four system calls. Here its protocol is called from libuv's callbacks.
Knows nothing of HTTP and of who listens where. Source: asyncio's documentation of transports and protocols;
docs.libuv.org.
"""
import socket
import sys

from asyncio.trsock import TransportSocket

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdlib cimport free, malloc

from fastsio._handles cimport Handle, Wires, os_error, uv
from fastsio._uv cimport (
    fastsio_handle_t, fastsio_uv_buf_t, fastsio_wire_alloc, fastsio_wire_shutdown, fastsio_write_of,
    fastsio_write_size, fastsio_write_t,
)

cdef extern from "Python.h":
    object PyContext_CopyCurrent()
    object PyContext_Copy(object context)
    int PyContext_Enter(object context) except -1
    int PyContext_Exit(object context) except -1

cdef extern from "tcp.h":
    Py_ssize_t fastsio_send(int fd, const char* data, Py_ssize_t n, bint is_last) noexcept

cdef enum:
    # What libuv is given at once: a slow reader is judged by what has gone (_stream.pyx).
    PIECE_BYTES = 262144
    UV_EOF = -4095
    RETRY_S = 1
    HIGH_BYTES = 65536          # asyncio's own limit

# Linux: what is accepted has its listening socket's TCP_NODELAY.
cdef bint INHERITS = sys.platform == "linux"


def listen(Wires wires, sock, make, int backlog):
    """A Listener on a bound socket, which is its own from then on; protocols come from `make()`. Raises OSError."""
    cdef Listener listener = Listener()
    listener.make = make
    listener.context = PyContext_CopyCurrent()
    listener.begin(wires, sock.family == getattr(socket, "AF_UNIX", None))
    try:
        listener.open(sock, backlog)
    except BaseException:
        listener.end()
        raise
    return listener


def adopt(Wires wires, sock, make):
    """Serve a connection that somebody else has accepted with a protocol of `make()`, which is returned.

    The socket is its own from then on. Raises OSError, and the socket stays, if libuv can't have it; ValueError for
    one that is no stream. None if make() has raised, as the loop's exception handler has heard: then it is closed.
    """
    cdef Wire wire = Wire.__new__(Wire)
    if sock.type != socket.SOCK_STREAM:
        raise ValueError(f"{sock!r} is no stream socket")
    wire.context = PyContext_CopyCurrent()
    sock.setblocking(False)
    wire.begin(wires, sock.family == getattr(socket, "AF_UNIX", None))
    try:
        wire.use(sock.fileno())
    except BaseException:
        wire.end()
        raise
    sock.detach()
    if not wire.is_pipe:
        uv.tcp_nodelay(&wire.handle, 1)
    wire.introduce(make)
    return wire.protocol


cdef bint is_lasting(data):
    """Whether nobody can change it while it waits."""
    if type(data) is bytes:
        return True
    return type(data) is memoryview and type(data.obj) is bytes and data.contiguous and data.itemsize == 1


cdef class Listener(Handle):
    """A listening socket: what the doors need of an asyncio.Server."""

    @property
    def sockets(self) -> list:
        return [] if self.sock is None else [self.sock]

    def close(self) -> None:
        """Listen no longer; what was accepted stays. A second call does nothing."""
        if self.fd >= 0:
            self.end()

    cdef int open(self, sock, int backlog) except -1:
        cdef int status
        sock.setblocking(False)
        if not self.is_pipe:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # for what is accepted
        self.use(sock.fileno())
        self.sock = sock
        status = uv.listen(&self.handle, backlog, on_connection)
        if status < 0:
            raise os_error(status)
        return 0

    cdef int accept(self) except -1:
        cdef Wire wire = Wire.__new__(Wire)
        cdef int status
        wire.begin(self.wires, self.is_pipe)
        status = uv.accept(&self.handle, &wire.handle)
        if status < 0:
            return wire.end()
        uv.fileno(&wire.handle, &wire.fd)
        if not INHERITS and not self.is_pipe:
            uv.tcp_nodelay(&wire.handle, 1)
        try:
            wire.context = PyContext_Copy(self.context)
        except BaseException:
            wire.end()
            raise
        return wire.introduce(self.make)

    def accept_again(self) -> None:
        """libuv has a connection that there was no memory for, and looks for no other until it is taken."""
        if self.fd >= 0:
            on_connection(&self.handle, 0)


cdef class Wire(Handle):
    """A connection. Its protocol is called in a context of its own; connection_lost() never by close() or abort().

    The descriptor is closed by them, or by the peer's end, and connection_lost() comes a moment later: who sends to it
    directly asks for `fd` each time, which is -1 then.
    """

    def __cinit__(self):
        self.high = HIGH_BYTES
        self.low = HIGH_BYTES // 4

    # --- what libuv tells, in the connection's context ---------------------------------------

    cdef int introduce(self, make) except -1:
        """Let a protocol of `make()` have it, in its context; what that raises ends it."""
        try:
            PyContext_Enter(self.context)
        except BaseException:
            self.end()
            raise
        try:
            self.protocol = make()
            self.open()
        except BaseException as error:
            self.fail(error)
        finally:
            PyContext_Exit(self.context)
        return 0

    cdef int open(self) except -1:
        self.is_connected = True
        self.protocol.connection_made(self)
        if not self.is_ending and not self.is_held:
            self.start_reading()
        return 0

    cdef int start_reading(self) except -1:
        cdef int status
        if not self.is_read and self.fd >= 0:
            status = uv.read_start(&self.handle, fastsio_wire_alloc, on_read)
            if status < 0:
                raise os_error(status)
            self.is_read = True
        return 0

    cdef int stop_reading(self) except -1:
        if self.is_read:
            self.is_read = False
            uv.read_stop(&self.handle)
        return 0

    cdef int received(self, bytes data) except -1:
        PyContext_Enter(self.context)
        try:
            if self.receive != NULL:  # likely
                self.receive(self.protocol, data)
            else:
                self.protocol.data_received(data)
        except BaseException as error:
            self.fail(error)
        finally:
            PyContext_Exit(self.context)
        return 0

    cdef int eof(self) except -1:
        self.stop_reading()
        self.is_at_eof = True
        PyContext_Enter(self.context)
        try:
            if not self.protocol.eof_received():
                self.close()
        except BaseException as error:
            self.fail(error)
        finally:
            PyContext_Exit(self.context)
        return 0

    cdef int ended(self) except -1:
        protocol, error = self.protocol, self.error
        self.protocol = self.error = self.queue = None
        if not self.is_connected or self.wires.loop is None:
            return 0
        PyContext_Enter(self.context)
        try:
            protocol.connection_lost(error)
        finally:
            PyContext_Exit(self.context)
        return 0

    # --- the end -----------------------------------------------------------------------------

    cdef int fail(self, error) except -1:
        """The protocol has raised: nothing can follow."""
        self.close_with(error)
        if not isinstance(error, OSError):
            self.wires.failed(error, "Fatal error on transport Wire", self)
        return 0

    cdef int close_with(self, error) except -1:
        if self.fd >= 0:
            self.is_ending = True
            self.error = error
            self.is_read = False
            self.queue = None
            self.unsent = 0
            self.end()
        return 0

    def abort(self) -> None:
        """Close at once, whatever is unsent."""
        self.close_with(None)

    def close(self) -> None:
        """Receive nothing more, and close when all is sent."""
        if not self.is_ending:
            self.is_ending = True
            self.stop_reading()
            if not self.unsent:
                self.close_with(None)

    def is_closing(self) -> bool:
        return self.is_ending

    # --- writing -----------------------------------------------------------------------------

    def write(self, data) -> None:
        if self.has_eof:
            raise RuntimeError("Cannot call write() after write_eof()")
        if self.fd >= 0 and len(data):
            self.send(data)

    def writelines(self, list_of_data) -> None:
        self.write(b"".join(list_of_data))

    cdef int send(self, data) except -1:
        """Send now what the kernel takes, and queue the rest."""
        if not is_lasting(data):
            data = bytes(data)
        self.unsent += len(data)
        if self.queue is None:
            self.queue = []
        self.queue.append(data)
        if not self.is_writing:
            try:
                self.push()
            except BaseException as error:  # no memory: what follows must not be sent without it
                self.close_with(error)
                raise
        return self.pause_if_full()

    cdef int push(self) except -1:
        """Send what is queued; libuv gets a piece that the kernel does not take, and says when it has gone."""
        cdef Py_ssize_t sent
        cdef bytes piece
        while self.queue:
            piece = self.next_piece()
            sent = fastsio_send(self.fd, PyBytes_AS_STRING(piece), len(piece), False)
            if sent < 0:
                return self.close_with(os_error(<int> sent))
            self.unsent -= sent
            if sent < len(piece):
                return self.write_later(piece, sent)
        self.queue = None
        return 0

    cdef bytes next_piece(self):
        """What is sent next, off the queue: it is copied if it is not all that waits, each byte once."""
        cdef list queue = self.queue
        cdef list parts = []
        cdef Py_ssize_t size = 0
        cdef Py_ssize_t count = 0
        first = queue[0]
        if type(first) is bytes and len(first) <= PIECE_BYTES and len(queue) == 1:  # likely
            queue.clear()
            return first
        for data in queue:
            if size + len(data) > PIECE_BYTES:
                data = memoryview(data)
                parts.append(data[:PIECE_BYTES - size])
                queue[count] = data[PIECE_BYTES - size:]
                break
            parts.append(data)
            size += len(data)
            count += 1
        piece = b"".join(parts)
        del queue[:count]
        return piece

    cdef int write_later(self, bytes piece, Py_ssize_t sent) except -1:
        """Leave to libuv what of a piece is not sent."""
        cdef fastsio_uv_buf_t buffer
        cdef int status
        cdef fastsio_write_t* write = <fastsio_write_t*> malloc(fastsio_write_size(&uv))
        if write == NULL:
            raise MemoryError
        write.owner = <void*> self
        write.data = <void*> piece
        write.size = buffer.len = len(piece) - sent
        buffer.base = PyBytes_AS_STRING(piece) + sent
        status = uv.write(&write.memory, &self.handle, &buffer, 1, on_written)
        if status < 0:
            free(write)
            return self.close_with(os_error(status))
        Py_INCREF(piece)  # until on_written()
        self.is_writing = True
        return 0

    cdef int pause_if_full(self) except -1:
        if self.unsent > self.high and not self.is_paused:
            self.is_paused = True
            try:
                self.protocol.pause_writing()
            except BaseException as error:
                self.wires.failed(error, "protocol.pause_writing() failed", self)
        return 0

    cdef int drained(self) except -1:
        """What libuv had has gone."""
        if self.queue is not None:
            self.push()
        if self.fd < 0:
            return 0
        if self.is_paused and self.unsent <= self.low:
            self.is_paused = False
            PyContext_Enter(self.context)
            try:
                self.protocol.resume_writing()
            except BaseException as error:
                self.wires.failed(error, "protocol.resume_writing() failed", self)
            finally:
                PyContext_Exit(self.context)
        if self.unsent == 0 and self.fd >= 0:
            if self.is_ending:
                self.close_with(None)
            elif self.has_eof:
                self.shut_down()
        return 0

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        """End our side behind what was written."""
        if not self.has_eof and self.fd >= 0:
            self.has_eof = True
            if self.unsent == 0:
                self.shut_down()

    cdef int shut_down(self) except -1:
        cdef int status = fastsio_wire_shutdown(self.fd)
        return 0 if status >= 0 else self.close_with(os_error(status))

    cdef int limit(self, Py_ssize_t high, Py_ssize_t low) except -1:
        self.high = high
        self.low = low
        return self.pause_if_full()

    def set_write_buffer_limits(self, high=None, low=None) -> None:
        if high is None:
            high = HIGH_BYTES if low is None else 4 * low
        if low is None:
            low = high // 4
        if not high >= low >= 0:
            raise ValueError(f"high ({high!r}) must be >= low ({low!r}) must be >= 0")
        self.limit(high, low)

    def get_write_buffer_limits(self) -> tuple:
        return self.low, self.high

    def get_write_buffer_size(self) -> int:
        return self.unsent

    # --- reading -----------------------------------------------------------------------------

    def is_reading(self) -> bool:
        return self.is_read

    def pause_reading(self) -> None:
        if not self.is_ending:
            self.is_held = True
            self.stop_reading()

    def resume_reading(self) -> None:
        if not self.is_ending:
            self.is_held = False
            if not self.is_at_eof:
                self.start_reading()

    # --- what it is --------------------------------------------------------------------------

    def get_protocol(self):
        return self.protocol

    def set_protocol(self, protocol) -> None:
        self.protocol = protocol
        self.receive = NULL

    def get_extra_info(self, name, default=None):
        if name == "socket":
            sock = self.socket_object()
            return default if sock is None else TransportSocket(sock)
        if name == "peername" or name == "sockname":
            sock = self.socket_object()
            try:
                return default if sock is None else sock.getpeername() if name == "peername" else sock.getsockname()
            except OSError:
                return default
        return default

    def socket_object(self):
        """A socket for the descriptor, which stays ours: it is detached when that is closed."""
        if self.sock is None and self.fd >= 0:
            self.sock = socket.socket(fileno=self.fd)
        return self.sock

    def __repr__(self):
        return f"<Wire fd={self.fd} closing={self.is_ending} reading={self.is_read} {id(self):#x}>"


# --- libuv's callbacks ---------------------------------------------------------------------------

cdef void on_connection(void* server, int status) noexcept with gil:
    cdef Listener listener = <Listener> (<fastsio_handle_t*> server).owner
    try:
        if status >= 0 and listener.fd >= 0:
            listener.accept()
    except BaseException as error:
        try:
            if listener.wires.loop is not None:
                listener.wires.loop.call_later(RETRY_S, listener.accept_again)
        finally:
            listener.wires.failed(error, "a connection can't be accepted", listener)


cdef void on_read(void* stream, Py_ssize_t n, const fastsio_uv_buf_t* buffer) noexcept with gil:
    cdef Wire wire = <Wire> (<fastsio_handle_t*> stream).owner
    try:
        if n > 0:  # likely
            if wire.is_read:
                wire.received(PyBytes_FromStringAndSize(buffer.base, n))
        elif n == UV_EOF:
            wire.eof()
        elif n < 0:
            wire.close_with(os_error(<int> n))
    except BaseException as error:  # no memory
        wire.fail(error)


cdef void on_written(void* request, int status) noexcept with gil:
    cdef fastsio_write_t* write = fastsio_write_of(request)
    cdef Wire wire = <Wire> write.owner
    cdef Py_ssize_t size = write.size
    cdef bytes piece = <bytes> write.data
    free(write)
    Py_DECREF(piece)
    wire.is_writing = False
    if wire.fd < 0:
        return
    try:
        wire.unsent -= size
        if status < 0:
            wire.close_with(os_error(status))
        else:
            wire.drained()
    except BaseException as error:
        wire.fail(error)

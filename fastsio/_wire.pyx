"""Wire: an asyncio transport of our own for plain TCP and Unix connections, on the libuv of uvloop's loop.

What uvloop does for each connection besides reading and writing it costs a quarter of one that comes, joins and goes: a
table of transports, two callbacks, four system calls. Here its protocol is called from libuv's callbacks.
Knows nothing of HTTP and of who listens where. Source: asyncio's documentation of transports and protocols;
docs.libuv.org; wire.h. FASTSIO_NO_LIBUV=1 in the environment: there is none.
"""
import os
import socket
import sys
import warnings

from asyncio.trsock import TransportSocket

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdlib cimport free, malloc

cdef extern from "Python.h":
    object PyContext_CopyCurrent()
    object PyContext_Copy(object context)
    int PyContext_Enter(object context) except -1
    int PyContext_Exit(object context) except -1
    void* PyCapsule_GetPointer(object capsule, const char* name) except NULL

cdef extern from "wire.h":
    enum:
        FASTSIO_READ_BYTES
    ctypedef struct fastsio_uv_buf_t:
        char* base
        size_t len
    ctypedef struct fastsio_write_t:
        void* owner
        void* data
        size_t size
        void** memory
    ctypedef void (*fastsio_uv_close_cb)(void* handle) noexcept
    ctypedef void (*fastsio_uv_alloc_cb)(void* handle, size_t size, fastsio_uv_buf_t* buffer) noexcept
    ctypedef void (*fastsio_uv_read_cb)(void* stream, Py_ssize_t n, const fastsio_uv_buf_t* buffer) noexcept
    ctypedef void (*fastsio_uv_listen_cb)(void* server, int status) noexcept
    ctypedef void (*fastsio_uv_write_cb)(void* request, int status) noexcept
    ctypedef struct fastsio_uv_t:
        int (*tcp_init)(void* loop, void* handle) noexcept
        int (*pipe_init)(void* loop, void* handle, int ipc) noexcept
        int (*tcp_open)(void* handle, int fd) noexcept
        int (*pipe_open)(void* handle, int fd) noexcept
        int (*tcp_nodelay)(void* handle, int enable) noexcept
        int (*listen)(void* stream, int backlog, fastsio_uv_listen_cb on_connection) noexcept
        int (*accept)(void* server, void* client) noexcept
        int (*read_start)(void* stream, fastsio_uv_alloc_cb alloc, fastsio_uv_read_cb read) noexcept
        int (*read_stop)(void* stream) noexcept
        int (*write)(
            void* request, void* stream, const fastsio_uv_buf_t* buffers, unsigned count, fastsio_uv_write_cb done,
        ) noexcept
        int (*fileno)(const void* handle, int* fd) noexcept
        void (*close)(void* handle, fastsio_uv_close_cb closed) noexcept
    fastsio_uv_t fastsio_uv
    bint fastsio_uv_find(const char* path) noexcept
    Py_ssize_t fastsio_wire_send(int fd, const char* data, size_t n) noexcept
    int fastsio_wire_shutdown(int fd) noexcept
    void fastsio_wire_alloc(void* handle, size_t size, fastsio_uv_buf_t* buffer) noexcept
    fastsio_write_t* fastsio_write_of(void* request) noexcept
    size_t fastsio_write_size() noexcept

cdef enum:
    # What libuv is given at once: a slow reader is judged by what has gone (_stream.pyx).
    PIECE_BYTES = 262144
    UV_EOF = -4095
    RETRY_S = 1
    HIGH_BYTES = 65536

# Linux: what is accepted has its listening socket's TCP_NODELAY.
cdef bint INHERITS = sys.platform == "linux"
# None: nobody has looked for libuv's functions.
cdef object has_libuv = None
WIRES = "_fastsio_wires"


def wires_of(loop):
    """The Wires of a loop, made when first asked for; None if it is not uvloop's, or it was forbidden."""
    found = getattr(loop, WIRES, None)
    if found is None and os.environ.get("FASTSIO_NO_LIBUV", "0") in ("", "0") and is_uvloop(loop):
        found = Wires(loop)
        setattr(loop, WIRES, found)
    return found


def is_uvloop(loop) -> bool:
    """Whether the loop has a libuv whose functions can be had."""
    global has_libuv
    module = sys.modules.get("uvloop.loop")
    if module is None or not isinstance(loop, module.Loop):
        return False
    if has_libuv is None:
        path = getattr(module, "__file__", None)
        has_libuv = (
            hasattr(module, "libuv_get_loop_t_ptr") and path is not None and fastsio_uv_find(os.fsencode(path))
        )
    return has_libuv


cdef object os_error(int status):
    """An error of libuv's as the OSError that it stands for: on Unix it is the number, negative."""
    return OSError(-status, os.strerror(-status))


cdef class Wires:
    """What is open on one loop, and closed before it: uvloop takes every handle on its loop for one of its own."""

    def __cinit__(self, loop):
        if not is_uvloop(loop):
            raise TypeError(f"{loop!r} is no loop of uvloop")
        self.uv_loop = PyCapsule_GetPointer(sys.modules["uvloop.loop"].libuv_get_loop_t_ptr(loop), NULL)
        self.read_buffer = <char*> malloc(FASTSIO_READ_BYTES)
        if self.read_buffer == NULL:
            raise MemoryError
        self.loop = loop
        self.report = loop.call_exception_handler
        self.loop_close = loop.close
        loop.close = self.close

    def __dealloc__(self):
        free(self.read_buffer)

    def close(self) -> None:
        """The loop's close(): what is open ends without a word to its protocol, as what uvloop has itself."""
        cdef Handle handle
        cdef int unclosed = 0
        loop = self.loop
        if loop is None or loop.is_closed() or loop.is_running():
            return self.loop_close()
        self.loop = self.report = None
        while self.first is not None:
            handle = self.first
            unlink(handle)
            if handle.fd >= 0:
                unclosed += 1
                handle.end()
        del loop.close
        delattr(loop, WIRES)
        loop_close, self.loop_close = self.loop_close, None
        loop_close()  # which runs the loop, and so ended() of all
        if unclosed:
            warnings.warn(f"{loop!r} was closed with {unclosed} open connections and listeners", ResourceWarning)

    def listen(self, sock, make, int backlog):
        """Accept connections on a bound socket, which is the Listener's from then on, with protocols of `make()`."""
        cdef Listener listener = Listener()
        cdef int status
        listener.make = make
        listener.context = PyContext_CopyCurrent()
        listener.begin(self, sock.family == getattr(socket, "AF_UNIX", None))
        try:
            sock.setblocking(False)
            if not listener.is_pipe:  # what is accepted has it from here
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            fd = sock.fileno()
            if listener.is_pipe:
                status = fastsio_uv.pipe_open(&listener.handle, fd)
            else:
                status = fastsio_uv.tcp_open(&listener.handle, fd)
            if status < 0:
                raise os_error(status)
            listener.fd = fd
            listener.sock = sock
            status = fastsio_uv.listen(&listener.handle, backlog, on_connection)
            if status < 0:
                raise os_error(status)
        except BaseException:
            listener.end()
            raise
        return listener

    cdef int failed(self, error, str message, Handle handle) except -1:
        """What a callback has raised: logged by the loop, or raised by it."""
        if self.loop is None:
            return 0
        if isinstance(error, (SystemExit, KeyboardInterrupt)):
            self.loop.call_soon(raise_again, error)
        else:
            self.report({"message": message, "exception": error, "transport": handle})
        return 0


cdef bint is_lasting(data):
    """Whether nobody can change it while it waits."""
    if type(data) is bytes:
        return True
    return type(data) is memoryview and type(data.obj) is bytes and data.contiguous and data.itemsize == 1


def raise_again(error) -> None:
    raise error


cdef int unlink(Handle handle) except -1:
    if handle.before is not None:
        handle.before.behind = handle.behind
    elif handle.wires.first is handle:
        handle.wires.first = handle.behind
    if handle.behind is not None:
        handle.behind.before = handle.before
    handle.before = handle.behind = None
    return 0


cdef class Handle:
    """A stream of libuv's. It lives as long as that is open, whoever else knows it."""

    def __cinit__(self):
        self.fd = -1

    cdef int begin(self, Wires wires, bint is_pipe) except -1:
        cdef int status
        self.is_pipe = is_pipe
        self.wires = wires
        self.handle.owner = <void*> self
        self.handle.read_buffer = wires.read_buffer
        if is_pipe:
            status = fastsio_uv.pipe_init(wires.uv_loop, &self.handle, 0)
        else:
            status = fastsio_uv.tcp_init(wires.uv_loop, &self.handle)
        if status < 0:
            raise os_error(status)
        Py_INCREF(self)  # until ended()
        self.behind = wires.first
        if wires.first is not None:
            wires.first.before = self
        wires.first = self
        return 0

    cdef int end(self) except -1:
        """Close the descriptor now; ended() comes in a turn of its own."""
        self.fd = -1
        if self.sock is not None:
            self.sock.detach()
            self.sock = None
        fastsio_uv.close(&self.handle, on_closed)
        return 0

    cdef int ended(self) except -1:
        """libuv has let go of it."""
        return 0


cdef class Listener(Handle):
    """A listening socket: what the doors need of an asyncio.Server."""

    @property
    def sockets(self) -> list:
        return [] if self.sock is None else [self.sock]

    def close(self) -> None:
        """Listen no longer; what was accepted stays. A second call does nothing."""
        if self.fd >= 0:
            self.end()

    cdef int accept(self) except -1:
        cdef Wire wire = Wire.__new__(Wire)
        cdef int status
        wire.begin(self.wires, self.is_pipe)
        status = fastsio_uv.accept(&self.handle, &wire.handle)
        if status < 0:
            return wire.end()
        fastsio_uv.fileno(&wire.handle, &wire.fd)
        if not INHERITS and not self.is_pipe:
            fastsio_uv.tcp_nodelay(&wire.handle, 1)
        try:
            wire.context = PyContext_Copy(self.context)
            PyContext_Enter(wire.context)
        except BaseException:
            wire.end()
            raise
        try:
            wire.protocol = self.make()
            wire.open()
        except BaseException as error:
            wire.fail(error)
        finally:
            PyContext_Exit(wire.context)
        return 0

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

    cdef int open(self) except -1:
        self.is_connected = True
        self.protocol.connection_made(self)
        if not self.is_ending and not self.is_held:
            self.start_reading()
        return 0

    cdef int start_reading(self) except -1:
        cdef int status
        if not self.is_read and self.fd >= 0:
            status = fastsio_uv.read_start(&self.handle, fastsio_wire_alloc, on_read)
            if status < 0:
                raise os_error(status)
            self.is_read = True
        return 0

    cdef int stop_reading(self) except -1:
        if self.is_read:
            self.is_read = False
            fastsio_uv.read_stop(&self.handle)
        return 0

    cdef int received(self, bytes data) except -1:
        PyContext_Enter(self.context)
        try:
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
            sent = fastsio_wire_send(self.fd, PyBytes_AS_STRING(piece), len(piece))
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
        cdef fastsio_write_t* write = <fastsio_write_t*> malloc(fastsio_write_size())
        if write == NULL:
            raise MemoryError
        write.owner = <void*> self
        write.data = <void*> piece
        write.size = buffer.len = len(piece) - sent
        buffer.base = PyBytes_AS_STRING(piece) + sent
        status = fastsio_uv.write(&write.memory, &self.handle, &buffer, 1, on_written)
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


cdef void on_closed(void* stream) noexcept with gil:
    cdef Handle handle = <Handle> (<fastsio_handle_t*> stream).owner
    try:
        unlink(handle)
        handle.ended()
    except BaseException as error:
        handle.wires.failed(error, "connection_lost() failed", handle)
    finally:
        Py_DECREF(handle)

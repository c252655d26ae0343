"""Handles on the libuv of uvloop's loop, and their end: before that of the loop.

Knows nothing of protocols and of what is sent (see _wire.pyx). FASTSIO_NO_LIBUV=1 in the environment: there are none.
Source: docs.libuv.org; wire.h.
"""
import os
import sys
import warnings

from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdlib cimport free, malloc

from fastsio._uv cimport FASTSIO_READ_BYTES, fastsio_handle_t, fastsio_uv_find

cdef extern from "Python.h":
    void* PyCapsule_GetPointer(object capsule, const char* name) except NULL

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
            hasattr(module, "libuv_get_loop_t_ptr") and path is not None and fastsio_uv_find(&uv, os.fsencode(path))
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

    cdef int failed(self, error, str message, Handle handle) except -1:
        """What a callback has raised: logged by the loop, or raised by it."""
        if self.loop is None:
            return 0
        if isinstance(error, (SystemExit, KeyboardInterrupt)):
            self.loop.call_soon(raise_again, error)
        else:
            self.report({"message": message, "exception": error, "transport": handle})
        return 0


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
            status = uv.pipe_init(wires.uv_loop, &self.handle, 0)
        else:
            status = uv.tcp_init(wires.uv_loop, &self.handle)
        if status < 0:
            raise os_error(status)
        Py_INCREF(self)  # until ended()
        self.behind = wires.first
        if wires.first is not None:
            wires.first.before = self
        wires.first = self
        return 0

    cdef int use(self, int fd) except -1:
        """Be the handle of a descriptor that is open already. Raises OSError if libuv can't have it."""
        cdef int status = uv.pipe_open(&self.handle, fd) if self.is_pipe else uv.tcp_open(&self.handle, fd)
        if status < 0:
            raise os_error(status)
        self.fd = fd
        return 0

    cdef int end(self) except -1:
        """Close the descriptor now; ended() comes in a turn of its own."""
        self.fd = -1
        if self.sock is not None:
            self.sock.detach()
            self.sock = None
        uv.close(&self.handle, on_closed)
        return 0

    cdef int ended(self) except -1:
        """libuv has let go of it."""
        return 0


cdef void on_closed(void* stream) noexcept with gil:
    cdef Handle handle = <Handle> (<fastsio_handle_t*> stream).owner
    try:
        unlink(handle)
        handle.ended()
    except BaseException as error:
        handle.wires.failed(error, "connection_lost() failed", handle)
    finally:
        Py_DECREF(handle)

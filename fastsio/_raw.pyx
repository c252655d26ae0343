"""Raw Engine.IO: a message that came goes to one function, a message to send becomes a packet. No Socket.IO.

Source: engine.io-protocol v4, "Packet encoding"; what python-engineio makes of a message's text: JSON where it is some,
unless it begins with a digit.
"""
import asyncio
import binascii
import logging

from cpython.bytes cimport PyBytes_AS_STRING
from libc.limits cimport INT_MAX
from libc.string cimport memcmp

from fastsio._eager cimport start
from fastsio._encoded cimport Encoded
from fastsio._fanout cimport MessageHandler, Outlet, SessionBase
from fastsio._json cimport Json

from fastsio._encoded import encode_engine_packet, encode_messages
from fastsio._frames import ProtocolError

cdef extern from "Python.h":
    bint PyCoro_CheckExact(object o) noexcept

logger = logging.getLogger("fastsio.engineio")


cdef class RawMessages:
    """What the clients of one server share: the function for messages, and how it is called.

    fn(sid, data) is None while there is none. is_serial: a client's messages are handled one after the other.
    max_running: how many handlers of one client may have not ended, before what comes has to wait.
    """

    cdef public object fn
    cdef public bint is_serial
    cdef public int max_running
    cdef readonly Json json
    cdef readonly set tasks
    cdef public Py_ssize_t handler_errors

    def __init__(self, Json json, set tasks, bint is_serial):
        self.json = json
        self.tasks = tasks
        self.is_serial = is_serial
        self.max_running = INT_MAX

    cdef int failed(self, str sid, error) except -1:
        self.handler_errors += 1
        logger.error("handler of 'message' failed for sid=%.6s…", sid, exc_info=error)
        return 0


cdef class RawHandler(MessageHandler):
    """One client's messages on their way to the function."""

    cdef readonly RawMessages messages
    cdef public SessionBase engine_session
    cdef readonly str sid
    cdef object loop
    cdef readonly bint is_busy      # what comes waits, until a handler ends
    cdef readonly int at_work       # how many have been begun and not ended
    cdef public bint is_closing     # gone, or sent away: nothing more is sent to it

    def __init__(self, RawMessages messages, SessionBase session, loop):
        self.messages = messages
        self.engine_session = session
        self.sid = session.id
        self.loop = loop

    def put(self, Encoded encoded) -> bool:
        """Queue a packet for the client; False if there is none any more."""
        cdef Outlet outlet = self.engine_session.outlet
        return outlet is not None and not self.is_closing and outlet.put(encoded)

    cdef int text(self, const char* p, Py_ssize_t n) except -1:
        return self.deliver(value_of(p, n, self.messages.json), n)

    cdef int binary(self, bytes data) except -1:
        return self.deliver(data, len(data))

    cdef int deliver(self, data, Py_ssize_t size) except -1:
        if self.is_busy:
            self.keep(data, size)
        elif self.messages.fn is not None:
            self.call(data)
        return 0

    cpdef call(self, data):
        """Call the function; its failure is logged and counted, and ends nothing."""
        cdef bint is_suspended = False
        cdef Running running
        try:
            result = self.messages.fn(self.sid, data)
            if PyCoro_CheckExact(result):
                result = start(result, self.loop, &is_suspended)
            elif result is not None and hasattr(result, "__await__"):
                result = start(awaiting(result), self.loop, &is_suspended)
        except asyncio.CancelledError:
            return
        except Exception as error:
            self.messages.failed(self.sid, error)
            return
        if is_suspended:
            running = Running.__new__(Running)
            running.handler = self
            self.at_work += 1
            self.is_busy = self.messages.is_serial or self.at_work >= self.messages.max_running
            self.messages.tasks.add(result)
            result.add_done_callback(running)

    def keep(self, data, size) -> None:
        """A message of `size` bytes that must wait, because as many handlers as may have not ended."""
        raise NotImplementedError

    def resume(self) -> None:
        """The handler has ended: call it with what was kept."""
        raise NotImplementedError


cdef class PassedOn(MessageHandler):
    """Messages of one client that somebody else reads: each goes to take() as it is."""

    cdef int text(self, const char* p, Py_ssize_t n) except -1:
        self.take(True, p[:n])
        return 0

    cdef int binary(self, bytes data) except -1:
        self.take(False, data)
        return 0

    def take(self, bint is_text, bytes data) -> None:
        raise NotImplementedError


cdef class Running:
    """Done-callback of a message's handler."""

    cdef RawHandler handler

    def __call__(self, task):
        cdef RawHandler handler = self.handler
        handler.messages.tasks.discard(task)
        handler.at_work -= 1
        if not task.cancelled() and task.exception() is not None:
            handler.messages.failed(handler.sid, task.exception())
        if handler.is_busy:
            handler.is_busy = False
            handler.resume()


async def awaiting(awaitable):
    return await awaitable


# --- data ------------------------------------------------------------------------------------

cdef object value_of(const char* p, Py_ssize_t n, Json json):
    """A text message's value: JSON where it is some, else the text itself."""
    if n and may_be_json(p, n):
        try:
            return json.load(p, n)
        except ProtocolError:
            pass
    return p[:n].decode("utf-8", "replace")


cdef bint may_be_json(const char* p, Py_ssize_t n) noexcept:
    """False for most of what is none, without the cost of trying. Numbers are left alone, as python-engineio does."""
    cdef char c = p[0]
    if c == c"{" or c == c"[" or c == c'"' or c == c"-" or is_blank(c):
        return True
    return is_word(p, n, "true", 4) or is_word(p, n, "false", 5) or is_word(p, n, "null", 4)


cdef inline bint is_blank(char c) noexcept:
    return c == c" " or c == c"\n" or c == c"\t" or c == c"\r"


cdef bint is_word(const char* p, Py_ssize_t n, const char* word, Py_ssize_t size) noexcept:
    """True for the word with nothing but blanks behind it."""
    if n < size or memcmp(p, word, size) != 0:
        return False
    while size < n:
        if not is_blank(p[size]):
            return False
        size += 1
    return True


def decode_message(data: bytes, Json json):
    """A text message as handlers get it, from its UTF-8 without Engine.IO's type."""
    return value_of(PyBytes_AS_STRING(data), len(data), json)


def encode_message(data, Json json) -> Encoded:
    """The packet of a message: bytes as binary, a list or dict as JSON, any other value as its text.

    Raises TypeError for bytes in JSON and what JSON can't hold, UnicodeEncodeError for text with lone surrogates.
    """
    if isinstance(data, str):
        return encode_engine_packet(b"4" + (<str> data).encode())
    if isinstance(data, (bytes, bytearray)):
        return encode_messages([data])
    if isinstance(data, (list, dict)):
        return encode_engine_packet(b"4" + json_bytes(data, json))
    return encode_engine_packet(b"4" if data is None else b"4" + str(data).encode())


def encode_raw_packet(packet) -> Encoded:
    """A packet as Packet.encode() returns it: text with its type, or bytes for a binary message."""
    if isinstance(packet, str):
        return encode_engine_packet((<str> packet).encode())
    return encode_messages([packet])


def encode_base64(data: bytes) -> str:
    """Binary data as polling carries it."""
    return binascii.b2a_base64(data, newline=False).decode()


def json_text(data, Json json) -> str:
    """A list or dict as JSON; TypeError for bytes in it."""
    return json_bytes(data, json).decode()


cdef bytes json_bytes(data, Json json):
    cdef list found = []
    cdef bytes body = json.dump(data, found)
    if found:
        raise TypeError("bytes in a list or dict: JSON can't hold them, send them as a message of their own")
    return body

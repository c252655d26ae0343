"""A WebSocket that another server carries: the engine's Exchange and a session's outlet over ASGI messages.

doors/hosted.py drives it: one coroutine per client receives. What is sent needs none: the server's send() is begun
at the end of the loop turn for every client, and as a Task only where it has to wait, which servers do
when the client reads too slowly. Until then this is not writable and keeps what is queued, within
max_buffered_bytes.
Source: ASGI specification 3.0, "WebSocket".
"""
import asyncio
import logging

from fastsio._dialects cimport EIO3
from fastsio._encoded cimport Encoded
from fastsio._eager cimport start
from fastsio._fanout cimport MessageHandler, Outlet, SessionBase

from fastsio._encoded import encode_engine_packet
from fastsio._frames import ProtocolError

cdef extern from "Python.h":
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size) except NULL
    bint PyCoro_CheckExact(object o) noexcept

logger = logging.getLogger("fastsio.hosted")

cdef enum:
    # RFC 6455 7.4.1.
    NORMAL = 1000
    NO_STATUS = 1005
    ABNORMAL = 1006
    INVALID_DATA = 1007
    TOO_BIG = 1009
    # How long a client may take to answer our close.
    CLOSE_S = 5
    # Packets that are taken off the queue at a time.
    MAX_BATCH = 64


async def awaiting(awaitable):
    """What a server's send() returns, where that is no coroutine, as one."""
    return await awaitable


cdef class HostedSocket(Outlet):
    """One WebSocket. `send` is ASGI's; `driver` the task that calls this with what was received."""

    def __init__(self, engine, str remote, bint is_secure, send, driver):
        self.engine = engine
        self.set_flusher(engine.flusher)
        self.max_buffered_bytes = engine.options.max_buffered_bytes
        self.max_message_bytes = engine.options.max_http_buffer_size
        self.remote = remote
        self.is_secure = is_secure
        self.asgi_send = send
        self.driver = driver
        self.headers = []
        self.batch = []

    # --- the handshake -----------------------------------------------------------------------

    def respond(self, int status, list headers, bytes body, *, bint keep_alive=True, bint is_head=False) -> None:
        """Refuse the handshake."""
        if self.phase == HANDSHAKE:
            self.refusal = (status, headers, body)
            self.finish()
            self.tell_driver()

    def accept_websocket(self, request, list headers, receiver) -> bool:
        """Take the WebSocket; the server has checked its handshake. `headers` go with the answer."""
        if self.phase != HANDSHAKE:
            return False
        self.phase = ACCEPTED
        self.headers = headers
        self.receiver = receiver
        self.tell_driver()
        return True

    @property
    def is_undecided(self) -> bool:
        return self.phase == HANDSHAKE

    def wait(self):
        """A Future that is done as soon as the engine has accepted or refused the handshake."""
        self.decision = self.engine.loop.create_future()
        if self.phase != HANDSHAKE:
            self.decision.set_result(None)
        return self.decision

    cdef int tell_driver(self) except -1:
        if self.decision is not None and not self.decision.done():
            self.decision.set_result(None)
        return 0

    def opened(self) -> None:
        """The server has sent the handshake's answer: what was queued meanwhile may go."""
        if self.phase == ACCEPTED:
            self.phase = OPEN
        if self.phase != CLOSED:
            self.is_writable = True
            self.flush()

    # --- receiving ---------------------------------------------------------------------------

    def take_text(self, str text) -> None:
        """A text message."""
        cdef SessionBase session = self.session
        cdef MessageHandler handler
        cdef const char* data
        cdef Py_ssize_t n
        if self.phase != OPEN:
            return
        try:
            data = PyUnicode_AsUTF8AndSize(text, &n)
        except UnicodeEncodeError as error:
            self.fail(ProtocolError(INVALID_DATA, f"text that is not UTF-8: {error.reason}"))
            return
        if not self.check_size(n):
            return
        self.is_waiting, was_waiting = True, self.is_waiting
        try:
            if session is not None:
                session.heard = True
                if not session.is_open:
                    return
                self.count_in(n)
                # A reference of our own: the session lets go of its handler when it ends, maybe in this call.
                handler = session.handler
                if n > 1 and data[0] == c"4":  # likely: a message
                    handler.text(data + 1, n - 1)
                    return
                if n == 1 and data[0] == c"3" and not self.dialect & EIO3:  # a pong: that something came is all it says
                    return
            self.receiver.websocket_message(self, True, data[:n])
        except ProtocolError as error:
            self.fail(error)
        finally:
            if not was_waiting:
                self.end_of_read()

    def take_binary(self, bytes data) -> None:
        """A binary message."""
        cdef SessionBase session = self.session
        cdef MessageHandler handler
        if self.phase != OPEN or not self.check_size(len(data)):
            return
        self.is_waiting, was_waiting = True, self.is_waiting
        try:
            if session is None:
                self.receiver.websocket_message(self, False, data)
            elif session.is_open:
                session.heard = True
                self.count_in(len(data))
                handler = session.handler
                if not self.dialect & EIO3:  # likely
                    handler.binary(data)
                elif data[:1] == b"\x04":
                    handler.binary(data[1:])
                else:
                    self.receiver.websocket_message(self, False, data)
        except ProtocolError as error:
            self.fail(error)
        finally:
            if not was_waiting:
                self.end_of_read()

    cdef int count_in(self, Py_ssize_t n) noexcept:
        if self.flusher.is_counting:
            self.flusher.packets_in += 1
            self.flusher.bytes_in += n
        return 0

    def check_size(self, Py_ssize_t n) -> bool:
        """False, and the connection fails, if a message is over max_http_buffer_size."""
        if n <= self.max_message_bytes:
            return True
        error = ProtocolError(TOO_BIG, f"message over {self.max_message_bytes} bytes")
        error.size = n
        self.fail(error)
        return False

    cdef int end_of_read(self) except -1:
        """Send the answers, with the turn's other messages where there are any to come."""
        self.is_waiting = False
        if self.is_writable and (self.queue or self.phase == CLOSING):
            if self.flusher.is_scheduled:
                return self.flusher.add(self)
            return self.flush()
        return 0

    # --- sending -----------------------------------------------------------------------------

    def send_text(self, bytes packet) -> None:
        """Queue one text message that belongs to no session (an upgrade's probe)."""
        self.put(encode_engine_packet(packet))

    cdef int flush(self) except -1:
        """Send what is queued, and then our close if there is one, until the server makes us wait."""
        cdef dict message
        while self.is_writable:
            message = self.next_message()
            if message is None or not self.transmit(message):
                break
        if self.flow is not None:
            self.flow.flushed(self)
        return 0

    cdef dict next_message(self):
        """The next ASGI message to send, None if there is none."""
        cdef Encoded encoded
        if self.buffers is not None:
            data = self.buffers[self.buffer]
            self.buffer += 1
            if self.buffer == len(self.buffers):
                self.buffers = None
            if self.has_text_buffers:  # unlikely
                return {"type": "websocket.send", "text": data.decode()}
            return {"type": "websocket.send", "bytes": data}
        if self.position == len(self.batch):
            if not self.queue:
                return self.close_message()
            # A few of a long queue: what waits in it can still be dropped.
            self.batch = self.queue[:MAX_BATCH]
            del self.queue[:MAX_BATCH]
            self.position = 0
        encoded = self.batch[self.position]
        self.taken += 1
        # Let go at once: the last one of a broadcast frees it.
        self.batch[self.position] = None
        self.position += 1
        self.buffered_bytes -= encoded.size
        if self.flusher.is_counting:
            self.flusher.packets_out += 1
            self.flusher.bytes_out += encoded.size
        self.buffers = encoded.buffers
        self.buffer = 0
        self.has_text_buffers = encoded.has_text_buffers
        if encoded.is_binary_():
            return {"type": "websocket.send", "bytes": encoded.frame[encoded.text_at:]}
        return {"type": "websocket.send", "text": encoded.string_()}

    def close_message(self) -> dict | None:
        if self.phase != CLOSING or self.has_sent_close:
            return None
        self.has_sent_close = True
        return {"type": "websocket.close", "code": self.close_code}

    cdef bint transmit(self, dict message) except -1:
        """True if the server has taken it; else it makes us wait, or the client is gone."""
        try:
            return self.begin(self.asgi_send(message))
        except (Exception, asyncio.CancelledError) as error:
            self.is_writable = False
            # In a turn of its own: the handlers of the session's end may send to others.
            self.flusher.call_soon(self.send_failed, error)
        return False

    cdef bint begin(self, object sent) except -1:
        """Take the first step of what sends; True if that was all of it, else sent() is called at its end."""
        cdef bint is_suspended = False
        task = start(sent if PyCoro_CheckExact(sent) else awaiting(sent), self.engine.loop, &is_suspended)
        if not is_suspended:  # likely
            return True
        self.is_writable = False
        self.sending = task
        task.add_done_callback(self.sent)
        self.watch_reader()
        return False

    cdef int watch_reader(self) except -1:
        """The server makes us wait: look again in send_timeout seconds whether it has taken a message meanwhile."""
        if self.wheel_slot is None and self.phase == OPEN and self.flusher.send_timeout_s > 0:
            self.seen_taken = self.taken
            self.engine.wheel.add(self, self.flusher.send_timeout_s)
        return 0

    def sent(self, task) -> None:
        """The server has taken what it made wait. What was queued meanwhile shares one Task, as it may wait again."""
        self.sending = None
        if task.cancelled():
            self.send_failed(None)
        elif task.exception() is not None:
            self.send_failed(task.exception())
        elif self.phase != CLOSED:
            self.is_writable = True
            message = self.next_message()
            if message is not None:
                self.begin_pump(message)

    def begin_pump(self, dict message) -> None:
        try:
            self.begin(self.pump(message))
        except (Exception, asyncio.CancelledError) as error:
            self.is_writable = False
            self.send_failed(error)

    async def pump(self, dict message):
        """Send a message and what is queued behind it."""
        while message is not None:
            await self.asgi_send(message)
            if self.flow is not None:
                self.flow.flushed(self)
            message = self.next_message()

    def flush_failed(self, error) -> None:
        """What was to be sent could not even be made."""
        self.is_writable = False
        self.send_failed(error)

    def send_failed(self, error) -> None:
        """The server can't send: the client is gone. It should say so to the driver as well."""
        if self.phase == CLOSED:
            return
        logger.info("%s: can't send: %r", self.remote, error)
        self.gone(error)
        self.engine.wheel.add(self, CLOSE_S)

    # --- the end -----------------------------------------------------------------------------

    def close_websocket(self, int code=-1) -> None:
        """Send a close behind what is queued (with 1000 if code is -1, as ASGI needs one)."""
        if self.phase != ACCEPTED and self.phase != OPEN:
            return
        self.phase = CLOSING
        self.close_code = NORMAL if code < 0 else code
        self.is_closed = True
        self.engine.wheel.add(self, CLOSE_S)
        if not self.is_waiting and self.is_writable:
            self.flusher.add(self)

    def fail(self, error) -> None:
        """The client broke a rule: say so with a close and tell the session."""
        receiver = self.receiver
        logger.info("%s: %s", self.remote, error)
        self.close_websocket(error.close_code)
        if receiver is not None:
            receiver.websocket_failed(self, error)

    def disconnected(self, int code) -> None:
        """The server says that the WebSocket has ended."""
        receiver = self.receiver
        if self.phase == CLOSED:
            return
        was_closing = self.phase == CLOSING
        if was_closing or code == ABNORMAL:
            self.gone(None)
            return
        self.finish()
        if receiver is not None:
            receiver.websocket_closed(self, code)

    def gone(self, error) -> None:
        """There is no client any more; nothing happens if that is known."""
        receiver, on_abort = self.receiver, self.on_abort
        if self.phase == CLOSED:
            return
        is_undecided = self.phase == HANDSHAKE
        self.finish()
        self.on_abort = None
        if is_undecided and on_abort is not None:
            on_abort()
        if receiver is not None:
            receiver.connection_lost(self, error)

    cdef int finish(self) except -1:
        """Let go of everything. A send that still waits will wait no longer."""
        self.phase = CLOSED
        self.is_closed = True
        self.is_writable = False
        self.take_queue()
        self.batch = []
        self.position = 0
        self.buffers = None
        self.receiver = self.session = None
        if self.wheel_slot is not None:
            self.engine.wheel.remove(self)
        if self.sending is not None:
            self.sending.cancel()
        return 0

    def release(self) -> None:
        """The driver has ended: nothing refers to its task any more."""
        self.driver = None
        if self.wheel_slot is not None:
            self.engine.wheel.remove(self)

    def on_due(self) -> float:
        """The wheel's call: a client that reads too slowly or did not answer our close, a server that hides its end."""
        if self.phase == OPEN:
            return self.look_at_reader()
        self.abort()
        return 0

    cdef object look_at_reader(self):
        if self.sending is None:
            return 0
        if self.taken != self.seen_taken:
            self.seen_taken = self.taken
            return self.flusher.send_timeout_s
        if self.receiver is not None:
            self.receiver.connection_stalled(self)
        self.abort()
        return 0

    def abort(self) -> None:
        """End the connection without a word: the driver returns, and the server drops it."""
        self.gone(None)
        if self.driver is not None and not self.driver.done():
            self.is_interrupted = True
            self.driver.cancel()

    def overflow(self) -> None:
        """The client reads too slowly: its buffer is over max_buffered_bytes."""
        if self.phase == CLOSED:
            return
        text = "%s: cut off, over %d bytes unread (max_buffered_bytes)"
        self.engine.rare_log.note("max_buffered_bytes", text, self.remote, self.max_buffered_bytes)
        if self.receiver is not None:
            self.receiver.connection_overflowed(self)
        self.abort()

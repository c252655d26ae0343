"""Connections that go over to another process, with the request that came on them.

After a handover two processes serve one port for a while, and each has sessions that the other does not know; workers
(fastsio/workers) do so all the time. A client that polls may bring its next request on a new connection, which another
process accepts; a proxy may bring anybody's on one that any process has kept. Then the connection itself is passed, and
the other process answers on it. On the way (a pair of SOCK_SEQPACKET sockets) a request is a packet with its size, 8
bytes in network order, and what else is to be told in JSON, if anything, with the connection's descriptor; then its
bytes in packets of 64 KiB at most. TLS has a state that can't be passed: such a connection is relayed (relay.py) where
the processes stay together. Source: unix(7), SCM_RIGHTS.
"""

import asyncio
import errno
import functools
import json
import logging
import os
import socket
import struct
from collections import deque
from collections.abc import Callable
from typing import Any

from fastsio._conn import Conn
from fastsio._http import Request
from fastsio.doors.listening import adopt
from fastsio.doors.relay import Introduction, Origin, RelayedTransport, Side, client_side, relay
from fastsio.server import Server

logger = logging.getLogger("fastsio.serve")

PACKET_BYTES = 65536
# Packets that may wait for the other process; beyond that requests are answered here, as ones of unknown sessions.
MAX_WAITING = 4096
# What is read before others on the loop have their turn.
PACKETS_A_TURN = 64
# unix(7): too many descriptors are on their way (at most RLIMIT_NOFILE of a user), or the kernel is short of memory.
BUSY = (errno.ETOOMANYREFS, errno.ENOBUFS, errno.ENOMEM)
BUSY_S = 0.01
SIZE = struct.Struct("!Q")
# What another thread starts in between must not get the descriptors.
CLOEXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
# A body is passed whole, whatever form it came in.
NOT_PASSED = (b"content-length", b"transfer-encoding", b"expect")


class Neighbour:
    """The other one of two processes, as long as it lives: give() it connections, and serve what it gives.

    `on_gone()` is called once, when it ends or close() is called. `given`: how many connections it was given.
    """

    def __init__(
        self, server: Server, make: Callable[[], Any], channel: socket.socket, on_gone: Callable[[], None],
        *, relays: bool = False,
    ) -> None:  # fmt: skip
        """`make()`: a connection of `server`. The channel is this one's. relays: what can't be passed is relayed."""
        channel.setblocking(False)
        self._server = server
        self._make = make
        self._channel = channel
        self._on_gone = on_gone
        self._relays = relays
        self._is_closed = False
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[bytes, int]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self.given = 0
        self._fed: Any = None
        # Through whose hands the connection went that is fed now.
        self.fed_through: tuple[str, ...] = ()
        # The request that is coming: its connection, what was told of it, how long it is, what is here of it.
        self._fd = -1
        self._told: dict[str, Any] = {}
        self._size = 0
        self._data = b""
        self._loop.add_reader(channel, self._receive)

    def close(self) -> None:
        """Give and take nothing any more. Connections that are on their way are lost."""
        if self._is_closed:
            return
        self._is_closed = True
        self._loop.remove_reader(self._channel)
        self._loop.remove_writer(self._channel)
        self._channel.close()
        for fd in (self._fd, *(fd for _, fd in self._waiting)):
            if fd >= 0:
                os.close(fd)
        self._fd = -1
        self._waiting.clear()
        for task in self._tasks:
            task.cancel()
        self._on_gone()

    def has_given(self, conn: Conn) -> bool:
        """Whether the request that `conn` brings now came from there: it must not go back."""
        return conn is self._fed

    # --- giving ------------------------------------------------------------------------------

    def give(self, conn: Conn, request: Request, through: tuple[str, ...] = ()) -> bool:
        """Let the other process answer `request` and have the connection; False if it can't be, and nothing happens.

        `through`: whose hands it has gone through, where it may go on from there.
        """
        if self._is_closed or self.has_given(conn) or len(self._waiting) >= MAX_WAITING:
            return False
        # What has come behind the request, or waits to be sent from our own queue, would be lost.
        if conn.buffered_bytes or has_more(conn, request):
            return False
        transport = conn.transport
        relayed = transport if isinstance(transport, RelayedTransport) else None
        told: dict[str, Any] = {"through": through} if through else {}
        try:
            if transport.get_write_buffer_size() or (conn.is_secure and relayed is None):
                return self._relays and self._give_relayed(conn, request, told)
            fd = os.dup(transport.get_extra_info("socket").fileno())
        except OSError as error:
            logger.warning("a connection can't be passed on: %s", error)
            return False
        if relayed is not None:
            told["origin"] = relayed.origin
        # Not read here any more; the connection itself stays open, by the descriptor.
        conn.abort()
        self._post(request, fd, told)
        return True

    def give_end(self, sock: socket.socket, request: Request, origin: Origin) -> bool:
        """Let the other process serve `sock`, and `request` as the first that comes on it; False if it can't be.

        It is given away then. origin: whose it is, as the other process can't know.
        """
        if self._is_closed or len(self._waiting) >= MAX_WAITING:
            return False
        self._post(request, sock.detach(), {"origin": origin})
        return True

    def _give_relayed(self, conn: Conn, request: Request, told: dict[str, Any]) -> bool:
        """Give one end of a pair of sockets, and let the connection's bytes go through the other."""
        near, far = socket.socketpair()
        near.setblocking(False)
        transport = conn.transport
        told["origin"] = Origin.of(transport, conn.is_secure)
        # The protocol lets go: for it the connection has ended.
        conn.connection_lost(None)
        client = client_side(transport)
        self._post(request, far.detach(), told)
        task = self._loop.create_task(self._relay(client, near))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def _relay(self, client: Side, near: socket.socket) -> None:
        try:
            await relay(client, near)
        except OSError as error:
            logger.warning("a connection can't be relayed: %s", error)
            near.close()

    def _post(self, request: Request, fd: int, told: dict[str, Any]) -> None:
        """A request and its connection, on their way."""
        self.given += 1
        data = bytes_of(request, self._server.max_message_bytes + 1)
        head = SIZE.pack(len(data)) + (json.dumps(told).encode() if told else b"")
        self._waiting.append((head, fd))
        for at in range(0, len(data), PACKET_BYTES):
            self._waiting.append((data[at : at + PACKET_BYTES], -1))
        self._send()

    def _send(self) -> None:
        """Send what waits, as far as the other process takes it."""
        while self._waiting and not self._is_closed:
            data, fd = self._waiting[0]
            try:
                if fd >= 0:
                    socket.send_fds(self._channel, [data], [fd])
                else:
                    self._channel.send(data)
            except BlockingIOError:
                self._loop.add_writer(self._channel, self._send)
                return
            except OSError as error:
                if error.errno in BUSY:
                    self._loop.call_later(BUSY_S, self._send)
                else:
                    self._lost(error)
                return
            self._waiting.popleft()
            if fd >= 0:
                os.close(fd)
        if not self._is_closed:
            self._loop.remove_writer(self._channel)

    def _lost(self, error: OSError) -> None:
        """The other process has gone in the middle of something."""
        logger.warning("%d packets for another process are lost: %s", len(self._waiting), error)
        self.close()

    # --- taking ------------------------------------------------------------------------------

    def _receive(self) -> None:
        for _ in range(PACKETS_A_TURN):
            try:
                data, fds, _, _ = socket.recv_fds(self._channel, PACKET_BYTES, 1, CLOEXEC)
            except BlockingIOError:
                return
            except OSError as error:
                self._lost(error)
                return
            if not data:
                self.close()
            else:
                self._take(data, fds)
            if self._is_closed:
                return

    def _take(self, data: bytes, fds: list[int]) -> None:
        """A packet: the beginning of a request, or more of it."""
        if fds:
            if self._fd >= 0:
                os.close(self._fd)
            (self._fd,), self._data = fds, b""
            try:
                self._size, self._told = head_of(data)
            except ValueError:
                self._lost(OSError(f"no request begins with {data[:20]!r}"))
                return
        else:
            self._data += data
        if self._fd >= 0 and self._data and len(self._data) >= self._size:
            fd, self._fd = self._fd, -1
            task = self._loop.create_task(
                self._serve(socket.socket(fileno=fd), self._data, self._told)
            )
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, sock: socket.socket, data: bytes, told: dict[str, Any]) -> None:
        """Serve a connection from the request on that came with it."""
        through = tuple(told.get("through", ()))

        def feed(conn: Any) -> None:
            self._fed, self.fed_through = conn, through
            try:
                conn.data_received(data)
            finally:
                self._fed, self.fed_through = None, ()

        try:
            origin = None if "origin" not in told else Origin.read(told["origin"])
            make = functools.partial(Introduction, self._make, origin, feed)
            await adopt(make, sock)
        except (OSError, TypeError, ValueError) as error:
            logger.warning("a connection that was passed on can't be served: %s", error)
            sock.close()


def head_of(data: bytes) -> tuple[int, dict[str, Any]]:
    """The size of a request that is to come, and what is told of it. Raises ValueError for what is none."""
    if len(data) < SIZE.size:
        raise ValueError(f"{len(data)} bytes")
    (size,) = SIZE.unpack(data[: SIZE.size])
    told = json.loads(data[SIZE.size :]) if len(data) > SIZE.size else {}
    if not isinstance(told, dict):
        raise ValueError(f"{told!r}")
    return size, told


def has_more(conn: Conn, request: Request) -> bool:
    """Whether more has come than `request`, which is being served: of the next one, or ahead of its turn."""
    http = conn.http
    if http is not None and (http.ready or (http.is_reading and not request.is_too_large)):
        return True
    return getattr(conn, "held", None) is not None


def bytes_of(request: Request, too_large: int = 0) -> bytes:
    """A request as it is sent; its body is whole, and told by its length.

    `too_large`: how many bytes a body has that is too large; nothing of it is here, and nobody will read it.
    """
    headers = [pair for pair in request.raw_headers if pair[0].lower() not in NOT_PASSED]
    if not request.keep_alive and not any(name.lower() == b"connection" for name, _ in headers):
        headers.append((b"Connection", b"close"))
    body = bytes(too_large) if request.is_too_large else request.body
    if body or request.method not in ("GET", "HEAD"):
        size = max(len(body), declared_size(request)) if request.is_too_large else len(body)
        headers.append((b"Content-Length", b"%d" % size))
    head = b"%s %s HTTP/1.1\r\n" % (request.method.encode(), request.target)
    fields = b"".join([b"%s: %s\r\n" % pair for pair in headers])
    return head + fields + b"\r\n" + body


def declared_size(request: Request) -> int:
    """What a request's head says about its body's size, 0 for nothing."""
    said = request.header("content-length") or ""
    return int(said) if said.isascii() and said.isdigit() else 0


class Doorman:
    """Says whose a request is while `server` is replaced, or leaves: asked first, by Server.divert().

    `older` and `newer`: the processes before and behind this one, while they live. A server that leaves (leave())
    answers the requests of its sessions, on whatever connections they come. What is not theirs it gives to the newer
    one. With none, connections that were accepted before and had no request so far are still served, as nobody can
    send that again; others are closed.
    """

    def __init__(self, server: Server, make: Callable[[], Any]) -> None:
        """`make()`: a connection of `server`."""
        self._server = server
        self._make = make
        self.older: Neighbour | None = None
        self.newer: Neighbour | None = None
        self._is_leaving = False
        # Connections that have had a request.
        self._used: set[Any] = set()

    def meet_older(self, channel: socket.socket) -> None:
        """The process that served before lives, and answers for its sessions."""
        self.older = Neighbour(self._server, self._make, channel, self._older_gone)
        self._attend()

    def meet_newer(self, channel: socket.socket) -> None:
        """Another process serves; leave() comes next."""
        self.newer = Neighbour(self._server, self._make, channel, self._newer_gone)

    def part(self) -> None:
        """Have no neighbours any more."""
        for neighbour in (self.newer, self.older):
            if neighbour is not None:
                neighbour.close()

    def end(self) -> None:
        """The server has closed: nothing refers to it, or to its connections, from here any more."""
        self.part()
        self._server.divert(None)
        self._used.clear()

    async def dismiss(self) -> None:
        """Nothing is joined with other processes any more; end() was called before."""

    def _older_gone(self) -> None:
        self.older = None
        self._attend()

    def _newer_gone(self) -> None:
        self.newer = None

    def _attend(self) -> None:
        """Begin, or end where there is nothing to say any more: a server alone pays nothing."""
        self._server.divert(self.takes if self._is_needed() else None)

    def _is_needed(self) -> bool:
        return self._is_leaving or self.older is not None

    def leave(self) -> None:
        """Nothing new begins here."""
        if not self._is_leaving:
            self._is_leaving = True
            connections = self._server.connections
            self._used = {conn for conn in connections if getattr(conn, "has_served", True)}
            self._attend()

    def takes(self, conn: Conn, request: Request) -> bool:
        """True for a request that needs no answer of the server's."""
        sid = request.argument("sid")
        session = self._server.engine.sessions.get(sid) if sid else None
        is_engines = session is not None or self._server.is_engine_path(request.path)
        if session is None and self._gives(conn, request, bool(sid) and is_engines):
            return True
        if not self._is_leaving:
            return False
        was_passed = self._was_passed(conn)
        if is_engines and not sid and conn in self._used and not was_passed:
            # RFC 9112 9.3.1, 9.6: a connection without a request under way may be closed, and the client sends the
            # request again that it had just sent, on a new one.
            conn.close()
            return True
        # A session that is at home here goes on, on a connection of its own; one from a neighbour may serve
        # others next.
        if was_passed or not is_engines or (sid and session is None):
            conn.retire()
        self._used.add(conn)
        return False

    def _was_passed(self, conn: Conn) -> bool:
        """Whether the request that a connection brings came from the process behind."""
        return self.newer is not None and self.newer.has_given(conn)

    def _gives(self, conn: Conn, request: Request, has_sid: bool) -> bool:
        """Give what is not ours to the process behind, else what names a session to the one before."""
        newer, older = self.newer, self.older
        if newer is not None and not newer.has_given(conn):
            return newer.give(conn, request)
        return has_sid and older is not None and older.give(conn, request)

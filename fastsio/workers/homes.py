"""Clients that come back to another worker than the one that they come from (connection_state_recovery).

A client's pid begins with its worker's name, as sessions' ids do. It comes with the first packet, when the client has a
session here already: so the session stays, and its messages go to and fro between the client and its own worker, where
it is one more WebSocket, by a pair of sockets. There it is recovered as if it had come back to that.
Source: engine.io-protocol v4, RFC 6455 4.1 (a client's handshake) and 5.3.
"""

import asyncio
import base64
import logging
import os
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

from fastsio._client import PacketReader, masked_frame, masked_packets
from fastsio._encoded import Encoded, encode_engine_packet, encode_messages
from fastsio._frames import ProtocolError
from fastsio._http import Request
from fastsio._ids import new_id
from fastsio._raw import PassedOn
from fastsio.doors.relay import Origin

if TYPE_CHECKING:
    from fastsio.core.namespace import Namespace
    from fastsio.core.peer import Peer
    from fastsio.workers.crew import Crew

logger = logging.getLogger("fastsio.workers")

CONNECT = 0
TEXT, BINARY, CLOSE = 1, 2, 8
ID_SIZE = 2
# The other worker has to answer within so many seconds, or the client is somebody new here.
ANSWER_S = 5.0
MAX_HEAD_BYTES = 65536
# Messages may be as long as the other worker likes.
MAX_MESSAGE_BYTES = 1 << 30
# What a client may send before the other worker has answered, and what may wait for it then.
MAX_EARLY = 100
MAX_WAITING_BYTES = 16 * 1024 * 1024
OWN_ARGUMENTS = frozenset((b"transport", b"sid", b"b64", b"j"))
# Headers of the client's that are about its connection to this worker.
OWN_HEADERS = frozenset((b"connection", b"upgrade", b"content-length", b"transfer-encoding", b"expect"))  # fmt: skip


class Homes:
    """hub.homes of a worker whose clients may come back."""

    def __init__(self, crew: "Crew") -> None:
        self._crew = crew

    def new_pid(self) -> str:
        """A secret that names this worker: 108 bits of it are random."""
        return self._crew.id + new_id()[ID_SIZE:]

    def leads_home(self, namespace: "Namespace", peer: "Peer", auth: dict[str, Any]) -> bool:
        """Let another worker have the client if it comes from there; else False, and nothing has happened.

        False too where it has joined something here already, or packets have a form of their own.
        """
        home = self._crew.others.get(auth["pid"][:ID_SIZE])
        if home is None or home.is_leaving or namespace.event_head is None:
            return False
        if peer.sockets or peer._joining:
            return False
        try:
            near, far = socket.socketpair()
        except OSError as error:  # no descriptors left
            logger.warning("a client of another worker can't be led there: %s", error)
            return False
        near.setblocking(False)
        session = peer.session
        origin = Origin((session.remote, 0) if session.remote else "", session.is_secure)
        if not home.neighbour.give_end(far, upgrade_of(session.request), origin):
            near.close()
            far.close()
            return False
        LedHome(namespace, peer, auth, near)
        return True


class LedHome(PassedOn):
    """A session's messages, which another worker answers; for all who look at it, its Peer, which has no sockets."""

    def __init__(
        self, namespace: "Namespace", peer: "Peer", auth: dict[str, Any], near: socket.socket
    ) -> None:
        self._namespace = namespace
        self._peer = peer
        self._auth = auth
        self._session: Any = peer.session
        self._early: list[tuple[bool, bytes]] = []
        self._is_open = self._has_ended = False
        self._transport: Any = None
        self._reader = PacketReader(
            lambda *packet: None, self._told, self._engine_told, self._controlled, MAX_MESSAGE_BYTES, is_raw=True
        )  # fmt: skip
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(ANSWER_S, self.fail, f"no answer for {ANSWER_S:.0f} s")
        self._session.clear_deadline()
        self._session.handler = self
        self._connecting = loop.create_task(self._connect(near))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._peer, name)

    async def _connect(self, near: socket.socket) -> None:
        try:
            loop = asyncio.get_running_loop()
            await loop.create_unix_connection(lambda: Near(self), sock=near)
        except OSError as error:
            near.close()
            self.fail(str(error))

    def connected(self, transport: Any) -> None:
        self._transport = transport
        if self._has_ended:
            transport.abort()

    # --- what the client sends ---------------------------------------------------------------

    def take(self, is_text: bool, data: bytes) -> None:
        if self._is_open:
            self._write(masked(is_text, data))
        elif len(self._early) < MAX_EARLY:
            self._early.append((is_text, data))
        else:
            self._session.abort("transport error", "too many messages before an answer")

    def _write(self, data: bytes) -> None:
        self._transport.write(data)
        if self._transport.get_write_buffer_size() > MAX_WAITING_BYTES:
            self._session.abort("transport error", "its worker does not read")

    def closed(self, reason: str, description: str | None) -> None:
        """The client has gone: its own worker sees a connection end."""
        self._end()
        self._peer.closed(reason, description)

    def upgraded(self) -> None:
        """The client has gone over to another transport here; for its own worker that changes nothing."""

    # --- what the other worker sends ---------------------------------------------------------

    def feed(self, data: bytes) -> None:
        """Bytes behind the head of its answer."""
        try:
            self._reader.feed(data)
        except ProtocolError as error:
            self.fail(str(error))

    def _engine_told(self, kind: str, data: bytes) -> None:
        if kind == "0" and not self._is_open:
            self._begin()
        elif kind == "2":
            self._write(masked_frame(TEXT, b"3" + data))

    def _begin(self) -> None:
        """It has opened a session for the client, which joins there now."""
        self._is_open = True
        self._timer.cancel()
        early, self._early = self._early, []
        first = self._namespace.encode_control(CONNECT, self._auth)
        self._write(masked_packets([first]) + b"".join([masked(*one) for one in early]))

    def _told(self, message: str | bytes) -> None:
        outlet = self._session.outlet
        if outlet is not None and not self._has_ended:
            outlet.send(packet_of(message))

    def _controlled(self, opcode: int, payload: Any) -> None:
        if opcode == CLOSE:
            self.fail("its worker has closed the session")

    # --- the end -----------------------------------------------------------------------------

    def fail(self, why: str) -> None:
        """The other worker does not answer, or no longer: the client goes, or is somebody new here if it can be."""
        if self._has_ended:
            return
        was_open = self._is_open
        self._end()
        if was_open:
            self._session.close()
            return
        peer, session = self._peer, self._session
        # Of a worker that hangs all clients may come.
        session.engine.rare_log.note(
            "home", "a client of another worker is somebody new here: %s", why
        )
        session.handler = peer
        session.set_deadline(peer.hub.options.connect_timeout, peer.never_joined)
        self._namespace.recovery.enter_as_new(peer, self._auth)
        for is_text, data in self._early:
            if session.handler is peer:  # it has not been put out meanwhile
                (peer.receive_text if is_text else peer.receive_binary)(data)

    def _end(self) -> None:
        self._has_ended = True
        self._timer.cancel()
        if self._transport is not None:
            self._transport.close()


class Near(asyncio.Protocol):
    """This worker's end of the pair: first the answer to the handshake, then frames."""

    def __init__(self, client: LedHome) -> None:
        self._client = client
        self._head: bytes | None = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._client.connected(transport)

    def data_received(self, data: bytes) -> None:
        if self._head is not None:
            head, end, data = (self._head + data).partition(b"\r\n\r\n")
            if not end and len(head) < MAX_HEAD_BYTES:
                self._head = head
                return
            self._head = None
            if not head.startswith(b"HTTP/1.1 101 "):
                self._client.fail(f"it answered {head[:40]!r}")
                return
        if data:
            self._client.feed(data)

    def connection_lost(self, error: Exception | None) -> None:
        self._client.fail("its worker has gone")


def masked(is_text: bool, data: bytes) -> bytes:
    """A client's message as a frame."""
    return masked_frame(TEXT, b"4" + data) if is_text else masked_frame(BINARY, data)


def packet_of(message: str | bytes) -> Encoded:
    """A server's message as a packet for whatever transport."""
    if isinstance(message, str):
        return encode_engine_packet(b"4" + message.encode())
    return encode_messages([message])


def upgrade_of(handshake: Request) -> Request:
    """The request that opens a WebSocket in the place of the one with which a session has begun."""
    path, _, query = handshake.target.partition(b"?")
    pairs = [pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0] not in OWN_ARGUMENTS]  # fmt: skip
    query = urlencode([*pairs, (b"transport", b"websocket")]).encode()
    headers = [
        (name, value) for name, value in handshake.raw_headers
        if name.lower() not in OWN_HEADERS and not name.lower().startswith(b"sec-websocket-")
    ]  # fmt: skip
    headers += [
        (b"Connection", b"Upgrade"),
        (b"Upgrade", b"websocket"),
        (b"Sec-WebSocket-Version", b"13"),
        (b"Sec-WebSocket-Key", base64.b64encode(os.urandom(16))),
    ]
    return Request("GET", path + b"?" + query, headers)

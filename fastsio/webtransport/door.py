"""The WebTransport door of a server: its UDP sockets and the connections that came in by them, from start to close.

Source: draft-ietf-webtrans-http3; RFC 9000 10 (the end of connections).
"""

import asyncio
import contextlib
import logging
import socket
import traceback
from collections.abc import Callable, Iterable
from typing import Any

from fastsio.engine.engine import Engine
from fastsio.rarely import RareLog
from fastsio.server import GOODBYE_S, SHUTDOWN_REASON, Server
from fastsio.webtransport.connection import Connection
from fastsio.webtransport.listener import Listener, udp_addresses, udp_socket
from fastsio.webtransport.quic import configuration_of
from fastsio.webtransport.settings import Settings

logger = logging.getLogger("fastsio.webtransport")

# A connection is silent for longer than the heartbeat allows before QUIC gives it up.
IDLE_GRACE_S = 15.0
# How long the process before this one may take to leave the port, and how often that is tried.
TAKEOVER_S = 5.0
RETRY_S = 0.02


class Door:
    """Made by open_door(). `connections`: all; `by_id`: those and their QUIC ids; `handshakes`: those not yet ready."""

    def __init__(self, server: Server, settings: Settings) -> None:
        self.engine: Engine = server.engine
        self.is_engine_path: Callable[[str], bool] = server.is_engine_path
        self.settings = settings
        options = self.engine.options
        idle_s = options.ping_interval + options.ping_timeout + IDLE_GRACE_S
        self.configuration = configuration_of(settings, idle_s)
        self.connections: set[Connection] = set()
        self.handshakes: set[Connection] = set()
        self.by_id: dict[bytes, Connection] = {}
        self.failures = 0
        self._log = RareLog(logger, self.engine.now)
        self._listeners: list[Listener] = []
        self._all_gone: asyncio.Event | None = None

    async def listen(self, tcp_sockets: Iterable[Any]) -> None:
        """A UDP socket for each of the server's; all or none. Raises OSError, ValueError if there is no address."""
        loop = asyncio.get_running_loop()
        made: list[socket.socket] = []
        try:
            for address in udp_addresses(tcp_sockets, self.settings.host, self.settings.port):
                made.append(udp_socket(*address))  # noqa: PERF401  what was made is closed if the next fails
        except OSError:
            for one in made:
                one.close()
            raise
        for one in made:
            _, listener = await loop.create_datagram_endpoint(lambda: Listener(self), sock=one)
            self._listeners.append(listener)
        self.engine.offer_webtransport(True)

    # --- connections -------------------------------------------------------------------------

    def add(self, connection: Connection, *ids: bytes) -> None:
        self.connections.add(connection)
        self.handshakes.add(connection)
        for one in ids:
            self.add_id(connection, one)

    def add_id(self, connection: Connection, cid: bytes) -> None:
        connection.ids.add(cid)
        self.by_id[cid] = connection

    def remove_id(self, connection: Connection, cid: bytes) -> None:
        connection.ids.discard(cid)
        self.by_id.pop(cid, None)

    def gone(self, connection: Connection) -> None:
        for cid in connection.ids:
            self.by_id.pop(cid, None)
        self.connections.discard(connection)
        self.handshakes.discard(connection)
        if self._all_gone is not None and not self.connections:
            self._all_gone.set()

    # --- the log -----------------------------------------------------------------------------

    def note(self, subject: str, text: str, *args: object) -> None:
        """A client gets no answer: few lines say so."""
        self._log.note(subject, f"WebTransport: {text}", *args)

    def note_failure(self, connection: Connection | None, error: Exception) -> None:
        """Something failed over what a client has sent: counted, and a line now and then that says where."""
        self.failures += 1
        remote = "a new client" if connection is None else connection.remote
        frames = traceback.extract_tb(error.__traceback__)
        where = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "an unknown place"
        self._log.note(
            "failures", "%s: connection ended, as %r was raised at %s", remote, error, where
        )
        logger.debug("the failure", exc_info=error)

    # --- the end -----------------------------------------------------------------------------

    def stop(self) -> None:
        """No new connections, and the sessions end as those of the server's other clients: their handlers are told."""
        self.stop_accepting()
        for connection in list(self.connections):
            connection.retire(SHUTDOWN_REASON)

    def stop_accepting(self) -> None:
        """No new connections; those that are here are served."""
        for listener in self._listeners:
            listener.is_stopped = True
        if self.engine.is_open:
            self.engine.offer_webtransport(False)

    def cut(self) -> None:
        """Close the sockets, and with them what is left."""
        self.stop_accepting()
        for connection in list(self.connections):
            connection.cut()
        for listener in self._listeners:
            listener.close()

    async def close(self) -> None:
        """After stop(): wait until the clients have heard of it, a second at most, and close the sockets."""
        if self.connections:
            self._all_gone = asyncio.Event()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._all_gone.wait(), GOODBYE_S)
        self.cut()


async def open_door(
    server: Server, settings: Settings, tcp_sockets: Iterable[Any], *, takes_over: bool = False
) -> Door | None:
    """Listen for WebTransport beside a server. Raises OSError, ValueError (a certificate that is none).

    takes_over: another process has given us its TCP sockets and is about to leave the UDP port, which it can't give:
    its clients' connections are in its memory. If it does not, that is logged, and None returned: we serve without.
    """
    door = Door(server, settings)
    ends_at = door.engine.now() + TAKEOVER_S
    while True:
        try:
            await door.listen(tcp_sockets)
        except OSError as error:
            if not takes_over:
                raise
            if door.engine.now() > ends_at:
                logger.error(
                    "no WebTransport: the process before this one is still there: %s", error
                )
                return None
            await asyncio.sleep(RETRY_S)
        else:
            return door

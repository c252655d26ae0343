"""The UDP socket of a WebTransport door: which datagram is whose connection, and who may begin one.

Source: RFC 9000 5.2 (matching packets to connections), 6 (version negotiation), 8.1.2 (Retry).
"""

import asyncio
import logging
import os
import socket
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from aioquic.buffer import Buffer  # type: ignore[attr-defined]
from aioquic.quic.packet import (
    QuicPacketType,
    encode_quic_retry,
    encode_quic_version_negotiation,
    pull_quic_header,
)
from aioquic.quic.retry import QuicRetryTokenHandler

from fastsio.webtransport.connection import Connection
from fastsio.webtransport.quic import BoundedQuic

if TYPE_CHECKING:
    from fastsio.webtransport.door import Door

logger = logging.getLogger("fastsio.webtransport")

# RFC 9000 14.1: what carries a client's first packet is at least this large, so that no answer is more than it brought.
MIN_INITIAL_BYTES = 1200
# The kernel's buffers for all clients of a socket; it may give less.
SOCKET_BYTES = 4 * 1024 * 1024


class Listener(asyncio.DatagramProtocol):
    """One socket. The connections that it begins are the door's."""

    def __init__(self, door: "Door") -> None:
        self._door = door
        self._transport: Any = None
        self._tokens = QuicRetryTokenHandler()
        # No new connections, but those that are there are served.
        self.is_stopped = False

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        try:
            self._take(data, address)
        except Exception as error:  # noqa: BLE001  no datagram may end the listener
            self._door.note_failure(None, error)

    def error_received(self, error: Exception) -> None:
        """The kernel says that something sent did not arrive: QUIC finds out by itself."""
        logger.debug("UDP: %r", error)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _take(self, data: bytes, address: Any) -> None:
        configuration = self._door.configuration
        try:
            header = pull_quic_header(
                Buffer(data=data), host_cid_length=configuration.connection_id_length
            )
        except ValueError:  # no QUIC
            return
        connection = self._door.by_id.get(header.destination_cid)
        if connection is not None:
            connection.receive(data, address)
        elif len(data) < MIN_INITIAL_BYTES or self.is_stopped:
            return
        elif header.packet_type == QuicPacketType.VERSION_NEGOTIATION:
            return  # no answer to an answer
        elif header.version is not None and header.version not in configuration.supported_versions:
            answer = encode_quic_version_negotiation(
                source_cid=header.destination_cid,
                destination_cid=header.source_cid,
                supported_versions=configuration.supported_versions,
            )
            self._transport.sendto(answer, address)
        elif header.packet_type == QuicPacketType.INITIAL:
            self._begin(header, data, address)

    def _begin(self, header: Any, data: bytes, address: Any) -> None:
        door, settings = self._door, self._door.settings
        if len(door.connections) >= settings.max_connections:
            door.note(
                "connections", "no more than max_connections=%d at a time", settings.max_connections
            )
            return
        if len(door.handshakes) >= settings.max_handshakes:
            door.note(
                "handshakes", "no more than max_handshakes=%d at a time", settings.max_handshakes
            )
            return
        original = self._first_id_of(header, address)
        retry_source = header.destination_cid if original is not None else None
        if original is None:
            if len(door.handshakes) * 2 >= settings.max_handshakes:
                self._ask_for_token(header, address)
                return
            original = header.destination_cid
        quic = BoundedQuic(
            window=settings.receive_window,
            configuration=door.configuration,
            original_destination_connection_id=original,
            retry_source_connection_id=retry_source,
        )
        connection = Connection(door, quic, self._transport, address)
        door.add(connection, header.destination_cid, quic.host_cid)
        connection.receive(data, address)

    def _first_id_of(self, header: Any, address: Any) -> bytes | None:
        """The id that a client used first, if it has a token that shows that it receives at its address; else None.

        A token that is not ours, as of a server before this one, is as good as none (RFC 9000 8.1.3).
        """
        try:
            original: bytes = self._tokens.validate_token(
                address=address,
                destination_cid=header.destination_cid,
                token=header.token,
                now=self._door.engine.now(),
            )
        except ValueError:
            return None
        return original

    def _ask_for_token(self, header: Any, address: Any) -> None:
        """The client is to come again, with a token that it gets at its address."""
        source_cid = os.urandom(8)
        token = self._tokens.create_token(
            address=address,
            original_destination_connection_id=header.destination_cid,
            retry_source_connection_id=source_cid,
            now=self._door.engine.now(),
        )
        self._transport.sendto(
            encode_quic_retry(
                version=header.version,
                source_cid=source_cid,
                destination_cid=header.source_cid,
                original_destination_cid=header.destination_cid,
                retry_token=token,
            ),
            address,
        )


def udp_addresses(
    tcp_sockets: Iterable[Any], host: str | None, port: int | None
) -> list[tuple[int, Any]]:
    """(family, address) of the UDP sockets: those of the listening ones, or at another host or port.

    Raises ValueError where there is none, as beside a Unix socket.
    """
    there = [
        (one.family, one.getsockname())
        for one in tcp_sockets
        if one.family in (socket.AF_INET, socket.AF_INET6)
    ]
    if host is None:
        found = [(family, (name[0], port or name[1], *name[2:])) for family, name in there]
    elif port is None and not there:
        found = []
    else:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        found = [(family, (host, port or there[0][1][1]))]
    if not found:
        raise ValueError(
            f"webtransport: host={host!r}, port={port!r}: both are needed beside a Unix socket"
        )
    return found


def udp_socket(family: int, address: Any) -> socket.socket:
    """A UDP socket at an address. Raises OSError if it is taken."""
    made = socket.socket(family, socket.SOCK_DGRAM)
    try:
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            made.setsockopt(socket.SOL_SOCKET, option, SOCKET_BYTES)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # as asyncio for TCP
        made.setblocking(False)
        made.bind(address)
    except BaseException:
        made.close()
        raise
    return made

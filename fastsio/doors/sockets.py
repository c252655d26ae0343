"""What the system is told about connections: how long a peer may leave data unacknowledged, and signs of life.

Set on listening sockets: what is accepted from them has it from the start, without a call for each connection (Linux;
elsewhere at least keepalive). Knows nothing of what is sent.
Source: RFC 5482 (TCP user timeout); RFC 9293 3.8.4 (keepalive), 3.7.4 (Nagle); tcp(7), socket(7).
"""

import math
import socket
from collections.abc import Iterable
from typing import Any

from fastsio.options import Options

# Shorter ones, which follow from a short ping_interval, would end other clients' connections over a few lost packets.
LEAST_USER_TIMEOUT_S = 10.0
# Connections that nobody writes to, such as those of requests that are being worked on, are probed from then on.
KEEPALIVE_IDLE_S = 60
KEEPALIVE_PROBES_S = 10
KEEPALIVE_PROBES = 6


def user_timeout_of(options: Options) -> float:
    """The option tcp_user_timeout in seconds, or what stands for it: the time in which a heartbeat fails."""
    if options.tcp_user_timeout is not None:
        return options.tcp_user_timeout
    heartbeat_s = options.ping_interval + options.ping_grace + options.ping_timeout
    return max(LEAST_USER_TIMEOUT_S, heartbeat_s)


def tune(listening: Iterable[Any], options: Options) -> None:
    """Give listening sockets what their connections are to have. Unix sockets stay as they are."""
    timeout_s = user_timeout_of(options)
    for sock in listening:
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            set_user_timeout(sock, timeout_s)
            _keep_alive(sock)
            # The loops do so with each connection, but asyncio's own only where the socket was made with IPPROTO_TCP.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def set_user_timeout(sock: Any, seconds: float) -> None:
    """End the connection when data stays unacknowledged for so long; 0, other systems, Unix sockets: nothing."""
    number = getattr(socket, "TCP_USER_TIMEOUT", None)
    if not seconds or number is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sock.setsockopt(socket.IPPROTO_TCP, number, math.ceil(seconds * 1000))


def _keep_alive(sock: Any) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", KEEPALIVE_IDLE_S),
        ("TCP_KEEPINTVL", KEEPALIVE_PROBES_S),
        ("TCP_KEEPCNT", KEEPALIVE_PROBES),
    ):
        number = getattr(socket, name, None)
        if number is not None:
            sock.setsockopt(socket.IPPROTO_TCP, number, value)

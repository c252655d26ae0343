"""The listening sockets of workers. The supervisor opens them and keeps them, so that none is closed with a worker.

On host and port each worker has a socket of its own (SO_REUSEPORT): the kernel spreads connections evenly, and wakes
one worker for each. With one socket for all, who is awake first takes all that is there: of 400 connections at once 4
workers got 2 to 221, with a socket each 91 to 111. What waits for a worker that has died stays with its
socket, and another worker takes it (crew.py). Where a socket is given, all workers accept on that one.
A connection is accepted once its first bytes are there (TCP_DEFER_ACCEPT): what a worker has accepted and not read
dies with it, whoever's it is, and what it has read it passes on in the same turn. Without that, of 60 clients of other
workers 6 lost a request when a worker was killed on a machine whose clients were short of CPU.
Source: socket(7), SO_REUSEPORT (Linux 3.9); tcp(7).
"""

import socket
import sys
from typing import Any

from fastsio.doors.listening import BACKLOG, Place, addresses_of, bind_each, bind_tcp

# Who says nothing for so long is accepted all the same; the server's own head_timeout counts from then.
DEFER_S = 5
DEFER: list[tuple[int, int, int]] = (
    [(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, DEFER_S)] if hasattr(socket, "TCP_DEFER_ACCEPT") else []
)  # fmt: skip
CAN_SHARE = sys.platform.startswith("linux") and hasattr(socket, "SO_REUSEPORT")


def open_ports(place: Place, workers: int) -> list[list[socket.socket]]:
    """For each worker the sockets that it listens on; the same ones for all where they are given, or on a Unix path.

    Raises OSError if it can't listen, ValueError for what is given and no socket.
    """
    given = place.sockets()
    if given is not None:
        for one in given:
            one.listen(BACKLOG)
        return [given] * workers
    addresses = addresses_of(place.host, place.port)
    if not CAN_SHARE:
        ports = bind_each(addresses, *DEFER)
        for one in ports:
            one.listen(BACKLOG)
        return [ports] * workers
    return _open_shared(addresses, workers)


def close_ports(ports: list[list[socket.socket]]) -> None:
    """Close them; a worker that still has one goes on listening."""
    for of_worker in ports:
        for one in of_worker:
            one.close()


def _open_shared(addresses: list[tuple[int, Any]], workers: int) -> list[list[socket.socket]]:
    ports: list[list[socket.socket]] = [[] for _ in range(workers)]
    share = (socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    # SO_REUSEPORT lets a second command have the same port, and half of the clients: so ask first without it.
    probes = bind_each(addresses)
    bound = [(probe.family, probe.getsockname()) for probe in probes]
    for probe in probes:
        probe.close()
    try:
        for family, address in bound:
            for of_worker in ports:
                of_worker.append(bind_tcp(family, address, share, *DEFER))
        for of_worker in ports:
            for one in of_worker:
                one.listen(BACKLOG)
    except BaseException:
        close_ports(ports)
        raise
    return ports

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

import os
import socket
import sys

from fastsio.doors.listening import BACKLOG, Place

# Who says nothing for so long is accepted all the same; the server's own head_timeout counts from then.
DEFER_S = 5
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
    addresses = _addresses(place.host, place.port)
    if not CAN_SHARE:
        ports = [_bind(address, shares=False) for address in addresses]
        for one in ports:
            one.listen(BACKLOG)
        return [ports] * workers
    return _open_shared(addresses, workers)


def close_ports(ports: list[list[socket.socket]]) -> None:
    """Close them; a worker that still has one goes on listening."""
    for of_worker in ports:
        for one in of_worker:
            one.close()


def _addresses(host: str, port: int) -> list[tuple[int, tuple[str, int]]]:
    """(family, address) of each address that a host has, as the event loops have it. Raises OSError for none."""
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    seen = dict.fromkeys((int(family), address) for family, _, _, _, address in found)
    return [(family, (str(address[0]), int(address[1]))) for family, address in seen]


def _open_shared(
    addresses: list[tuple[int, tuple[str, int]]], workers: int
) -> list[list[socket.socket]]:
    ports: list[list[socket.socket]] = [[] for _ in range(workers)]
    try:
        for family, (host, port) in addresses:
            # SO_REUSEPORT lets a second command have the same port, and half of the clients: so ask first without it.
            with _bind((family, (host, port)), shares=False) as probe:
                port = probe.getsockname()[1]
            for of_worker in ports:
                of_worker.append(_bind((family, (host, port)), shares=True))
        for of_worker in ports:
            for one in of_worker:
                one.listen(BACKLOG)
    except BaseException:
        close_ports(ports)
        raise
    return ports


def _bind(address: tuple[int, tuple[str, int]], *, shares: bool) -> socket.socket:
    family, where = address
    one = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shares:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if hasattr(socket, "TCP_DEFER_ACCEPT"):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, DEFER_S)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind(where)
    except OSError as error:
        one.close()
        if error.errno is None:
            raise
        raise OSError(
            error.errno,
            f"can't listen on {where[0]!r}, port {where[1]}: {os.strerror(error.errno)}",
        ) from error
    return one

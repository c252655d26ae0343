"""Clients of one Flusher over real sockets (Unix socket pairs), with transports and an event loop by hand."""

from __future__ import annotations

import contextlib
import socket

import pytest

from fastsio._batch import Batch
from fastsio._conn import Conn
from fastsio._encoded import wrap
from memory_conn import MemoryTransport, Router

FEWEST = 8  # FEWEST_SENDS of _fanout.pxd


class Client:
    """A connection over a socket of which the test has the other end."""

    def __init__(self, router: Router, kind: type[MemoryTransport] = MemoryTransport) -> None:
        self.ours, self.theirs = socket.socketpair()
        self.ours.setblocking(False)
        self.theirs.setblocking(False)
        self.conn = Conn(router)
        self.transport = kind(self.conn)
        self.transport._extra.update(sslcontext=None, socket=self.ours)
        self.conn.connection_made(self.transport)

    def queue(self, data: bytes) -> None:
        assert self.conn.send(wrap(data))

    def received(self) -> bytes:
        """What the kernel has, and behind it what was left to the transport."""
        data = b""
        with contextlib.suppress(BlockingIOError):
            while part := self.theirs.recv(1 << 20):
                data += part
        return data + self.transport.take()

    def close(self) -> None:
        self.transport.lose()
        self.ours.close()
        self.theirs.close()


class Stage:
    """Clients of one router, whose flusher has a batch unless it was given up."""

    def __init__(self) -> None:
        self.router = Router()
        self.batch = Batch()
        self.router.flusher.sends = self.batch
        self.clients: list[Client] = []

    def add(self, count: int, kind: type[MemoryTransport] = MemoryTransport) -> list[Client]:
        new = [Client(self.router, kind) for _ in range(count)]
        self.clients += new
        return new

    def tell(self, text: bytes) -> None:
        """Queue the same for all; each gets its number, too."""
        for i, client in enumerate(self.clients):
            client.queue(text + b"%d" % i)

    def turn(self) -> None:
        self.router.end_turn()

    @property
    def counts(self) -> tuple[int, int]:
        return self.batch.calls, self.batch.sends_made

    @property
    def is_in_use(self) -> bool:
        return self.router.flusher.sends is not None


def has_ring() -> bool:
    tried = Stage()
    clients = tried.add(FEWEST)
    tried.tell(b"x")
    tried.turn()
    for client in clients:
        client.close()
    return tried.is_in_use


needs_ring = pytest.mark.skipif(not has_ring(), reason="no io_uring here")

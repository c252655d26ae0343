"""A sync Server on an event loop in another thread, and clients by hand for tests that are plain functions.

As in applications, the test's own thread is none of the server's.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import fastsio
from fastsio.threads import Bridge, LoopThread
from harness import DEADLINE_S, FakePeer, assert_clean

IGNORED_THREADS = ("asyncio_", "uvloop_")


def eventually(condition: Callable[[], Any], what: str, within_s: float = DEADLINE_S) -> Any:
    """The first truthy value of `condition()`; AssertionError naming `what` after `within_s`."""
    ends_at = time.monotonic() + within_s
    while not (value := condition()):
        assert time.monotonic() < ends_at, f"not within {within_s:g} s: {what}"
        time.sleep(0.001)
    return value


class SyncPeer:
    """A FakePeer whose coroutine methods are plain functions."""

    def __init__(self, bridge: Bridge, peer: FakePeer) -> None:
        self._bridge = bridge
        self.peer = peer

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.peer, name)
        return lambda *args, **kwargs: self._bridge.run(method, *args, **kwargs)


class Peers:
    """Makes clients, and closes them."""

    def __init__(self) -> None:
        self._thread = LoopThread("test-peers")
        self._bridge = Bridge(self._thread.loop)
        self._peers: list[SyncPeer] = []

    def open(self, url: str, transport: str = "websocket", **options: Any) -> SyncPeer:
        """A client with a session that has not joined a namespace."""
        peer = SyncPeer(self._bridge, FakePeer(url, transport, **options))
        peer.open()
        self._peers.append(peer)
        return peer

    def join(
        self, url: str, transport: str = "websocket", *, namespace: str = "/", auth: Any = None
    ) -> tuple[SyncPeer, str]:
        """A client in a namespace, and its sid there."""
        peer = self.open(url, transport)
        return peer, peer.connect(namespace, auth)["sid"]

    def close(self) -> None:
        for peer in self._peers:
            peer.close()
        self._thread.stop()


class ErrorLog(logging.Handler):
    """What the server logged as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.errors: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        self.errors.append(f"{record.getMessage()} {error!r}")


class Stage:
    """`stage.serve(sio)` gives the server's address; at the end there must be no thread and no client left."""

    def __init__(self) -> None:
        self._before = set(threading.enumerate())
        self._thread = LoopThread("test-server")
        self._bridge = Bridge(self._thread.loop)
        self._servers: list[tuple[Any, Any]] = []
        self.peers = Peers()
        self.log = ErrorLog()
        logging.getLogger("fastsio").addHandler(self.log)

    def serve(self, sio: Any, **options: Any) -> str:
        server = self._bridge.run(fastsio.start, sio, port=0, **options)
        self._servers.append((sio, server))
        return server.url

    def on_loop(self, fn: Callable[..., Any], *args: Any) -> Any:
        """Call fn(*args) on the server's loop."""
        return self._bridge.call(fn, *args)

    def close(self) -> None:
        try:
            self.peers.close()
            for _, server in self._servers:
                self._bridge.run(assert_clean, server)
            assert not self.log.errors, "\n".join(self.log.errors)
        finally:
            logging.getLogger("fastsio").removeHandler(self.log)
            for sio, server in self._servers:
                self._bridge.run(server.close)
                sio.shutdown()
            self._thread.stop()
        assert_no_new_threads(self._before)


def assert_no_new_threads(before: set[threading.Thread]) -> None:
    """AssertionError if threads that were not in `before` do not end by themselves soon."""

    def left() -> list[str]:
        now = set(threading.enumerate()) - before
        return [one.name for one in now if not one.name.startswith(IGNORED_THREADS)]

    eventually(lambda: not left(), f"no thread left of {left()}")


@contextlib.contextmanager
def connected_sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    """(a server's end of a TCP connection, the client's)."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    client.settimeout(DEADLINE_S)
    with server, client:
        yield server, client


def read_until(client: socket.socket, mark: bytes) -> bytes:
    """All that comes up to `mark` and a little more; AssertionError if the connection ends before."""
    data = b""
    while mark not in data:
        chunk = client.recv(65536)
        assert chunk, f"closed after {data!r}"
        data += chunk
    return data

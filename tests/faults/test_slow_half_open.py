"""Clients that vanish without a word: their link drops everything, and no FIN or RST ever comes.

A network namespace with a link that can be cut; where the machine does not let a test make one, these are skipped.
Source: RFC 9293 3.8.3 (R2), RFC 5482 (user timeout); engine.io-protocol v4, "Heartbeat".
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import itertools
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

import fastsio
from harness import MS, FakePeer, until

# What happens is the system's doing, not the loop's.
pytestmark = pytest.mark.asyncio(loop_factories=["uvloop"])

CLONE_NEWNET = 0x40000000
# A link that was removed may be there for a while.
NUMBERS = itertools.count()


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=10)


@dataclass
class Link:
    """A network namespace, `name`, that reaches us at `address`."""

    name: str
    address: str

    def cut(self) -> None:
        """Nothing gets through any more, in either direction, and nobody is told."""
        ip("-n", self.name, "link", "set", "far", "down")


@pytest.fixture
def link() -> Iterator[Link]:
    """A link of its own for each test: what is cut stays so."""
    number = next(NUMBERS)
    name, near = f"fastsio-{os.getpid()}-{number}", f"fs{os.getpid()}-{number}"
    made = Link(name, f"10.213.{(os.getpid() + number) % 250}.1")
    try:
        if shutil.which("ip") is None:
            raise OSError("no ip (iproute2)")
        ip("netns", "add", name)
        ip("link", "add", near, "type", "veth", "peer", "name", "far", "netns", name)
        ip("addr", "add", f"{made.address}/30", "dev", near)
        ip("link", "set", near, "up")
        ip("-n", name, "addr", "add", f"{made.address[:-1]}2/30", "dev", "far")
        ip("-n", name, "link", "set", "far", "up")
    except (OSError, subprocess.CalledProcessError) as error:
        _remove(name)
        pytest.skip(f"no network namespaces here: {getattr(error, 'stderr', b'') or error}")
    yield made
    _remove(name)


def _remove(name: str) -> None:
    """The namespace takes its end of the link along, and that the other one."""
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        ip("netns", "del", name)


class FarClient(threading.Thread):
    """A client at the other end of a link, with a loop of its own: it answers pings as long as it gets them."""

    def __init__(self, link: Link, url: str, transport: str = "websocket") -> None:
        super().__init__(daemon=True)
        self.peer = FakePeer(url, transport)
        self.is_joined = threading.Event()
        self._link = link
        self._loop = asyncio.new_event_loop()
        self._main_task: asyncio.Task[None] | None = None

    def run(self) -> None:
        with open(f"/var/run/netns/{self._link.name}") as namespace:
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:  # of this thread alone
                raise OSError(ctypes.get_errno(), "setns")
        with contextlib.suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._main())
        self._loop.close()

    async def _main(self) -> None:
        self._main_task = asyncio.current_task()
        await self.peer.open()
        await self.peer.connect()
        self.is_joined.set()
        with contextlib.suppress(AssertionError, OSError, TimeoutError):
            while True:
                await self.peer.receive()
        await asyncio.sleep(3600)

    def stop(self) -> None:
        if self._main_task is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._main_task.cancel)
        self.join(10)


@pytest.fixture
def far_client(link: Link) -> Iterator[Any]:
    """`client = await far_client(server, transport)`, which has joined."""
    clients: list[FarClient] = []

    async def join(server: Any, transport: str = "websocket") -> FarClient:
        client = FarClient(link, f"http://{link.address}:{server.port}", transport)
        clients.append(client)
        client.start()
        await until(client.is_joined.is_set, "the far client has joined")
        return client

    yield join
    for client in clients:
        client.stop()


async def serving(serve: Any, **options: Any) -> tuple[Any, list[tuple[Any, ...]]]:
    """A server on all addresses, and what ended its clients: (reason, description)."""
    io = fastsio.IO(**options)
    ends: list[tuple[Any, ...]] = []
    io.on("connection", lambda sock: sock.conn.on("close", lambda *end: ends.append(end)))
    server = await serve(io, host="0.0.0.0")
    server.io = io
    return server, ends


@pytest.mark.fault(
    "a client's link drops everything", "the heartbeat ends its session, its connection is dropped"
)
async def test_a_vanished_client_is_found_by_the_heartbeat(
    serve: Any, far_client: Any, link: Link
) -> None:
    server, ends = await serving(serve, ping_interval=300 * MS, ping_timeout=300 * MS)
    await far_client(server)
    await asyncio.sleep(700 * MS)
    assert ends == [], "while the link is there its pongs come"
    link.cut()
    loop = asyncio.get_running_loop()
    cut_at = loop.time()
    await until(lambda: ends, "its end")
    assert loop.time() - cut_at < 1500 * MS
    assert [end[0] for end in ends] == ["ping timeout"]
    # It can't answer our Close either.
    await until(lambda: not server.connections, "its connection is dropped", 10)
    assert len(ends) == 1


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="TCP_USER_TIMEOUT is Linux's")
@pytest.mark.fault(
    "a client's link drops what it is sent", "the system ends the connection after tcp_user_timeout"
)
async def test_a_vanished_client_that_is_sent_something_is_found_by_the_user_timeout(
    serve: Any, far_client: Any, link: Link
) -> None:
    server, ends = await serving(
        serve, ping_interval=600, ping_timeout=600, tcp_user_timeout=1.0, send_timeout=None
    )
    await far_client(server)
    link.cut()
    server.io.emit("news", "x" * 1000)
    await until(lambda: ends, "its end", 10)
    assert [end[0] for end in ends] == ["transport close"]
    assert "timed out" in str(ends[0][1])
    await until(lambda: not server.connections, "its connection is gone")


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="TCP_USER_TIMEOUT is Linux's")
@pytest.mark.fault(
    "a polling client's link drops everything", "its session and its connections end"
)
async def test_a_vanished_client_that_polls_leaves_no_connection(
    serve: Any, far_client: Any, link: Link
) -> None:
    server, ends = await serving(
        serve, ping_interval=500 * MS, ping_timeout=500 * MS, tcp_user_timeout=1.0
    )
    await far_client(server, "polling")
    session = next(iter(server.engine.sessions.values()))
    await until(lambda: session.polling.is_writable, "a held GET")
    link.cut()
    await until(lambda: ends, "its end")
    assert len(ends) == 1 and ends[0][0] in ("ping timeout", "transport error")
    await until(lambda: not server.connections, "its connections are gone", 10)
    assert len(ends) == 1

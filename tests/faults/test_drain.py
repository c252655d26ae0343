"""SIGTERM to a server that is at work: who is told, when, in what order, and how it ends.

The server is a process of its own (drain_app.py), the clients are in the test's.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
import time
from pathlib import Path

import pytest

from drain_process import Server, command, program, running
from harness import DEADLINE_S, FakePeer, RawConnection, http

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio"])

ACTIVATE = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execv(sys.argv[2], sys.argv[2:])
"""
SHUTTING_DOWN = "server shutting down"


class Busy:
    """A client that sends one event after the other until its server goes; it counts the answers."""

    def __init__(self, peer: FakePeer) -> None:
        self.peer = peer
        self.answers = 0
        self.task = asyncio.ensure_future(self._work())

    @classmethod
    async def open(cls, url: str, transport: str) -> Busy:
        peer = await FakePeer(url, transport).open()
        await peer.connect()
        return cls(peer)

    async def _work(self) -> str:
        """How it ended: "told" by a Close or an Engine.IO close packet, or "lost"."""
        try:
            while True:
                await self.peer.send(f'42{self.answers}["echo",{self.answers}]')
                packet = await self.peer.receive()
                if packet == "1":
                    return "told"
                assert packet == f"43{self.answers}[{self.answers}]", packet
                self.answers += 1
                await asyncio.sleep(0.005)
        except AssertionError as error:
            return "told" if "frame 0x8" in str(error) else f"lost: {error}"
        except (OSError, asyncio.IncompleteReadError) as error:
            return f"lost: {error!r}"
        finally:
            with contextlib.suppress(Exception):
                await self.peer.close()


async def all_ended(clients: list[Busy]) -> list[str]:
    return await asyncio.wait_for(asyncio.gather(*(one.task for one in clients)), DEADLINE_S * 2)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.fault(
    "SIGTERM while clients send and handlers run",
    "no new client, the others closed spread over drain_seconds, each told, one disconnect each; status 0",
)
async def test_clients_of_a_loaded_server_are_closed_one_after_the_other(loop: str) -> None:
    async with running(program(loop=loop, drain_seconds=2)) as server:
        clients = [await Busy.open(server.url, "websocket") for _ in range(60)]
        working = await FakePeer(server.url).open()
        await working.connect()
        await working.send('420["work",1.5]')
        await server.noted("working")
        began_at = time.monotonic()
        server.send_signal(signal.SIGTERM)
        # Its handler runs for most of the time, and it still hears the answer.
        assert await working.receive() == '430["done"]'
        await working.ws.receive_close()
        await working.close()
        assert set(await all_ended(clients)) == {"told"}
        with pytest.raises(ConnectionError):
            await RawConnection.open(server.url)
        assert await server.ended(DEADLINE_S) == 0
    assert time.monotonic() - began_at < 4
    server.check_every_client_left_once()
    assert {reason for _, reason, _ in server.of("gone")} == {SHUTTING_DOWN}
    ends = sorted(at - began_at for _, _, at in server.of("gone"))
    assert len(ends) == 61
    # Evenly: a quarter of them in each half second, give or take.
    quarters = [sum(low <= end < low + 0.5 for end in ends) for low in (0, 0.5, 1, 1.5)]
    assert all(6 <= count <= 26 for count in quarters), quarters
    assert all(client.answers > 0 for client in clients)
    assert server.notes[-1] == ["down"]


async def test_polling_clients_are_told_or_come_back_to_nobody() -> None:
    async with running(program(drain_seconds=1)) as server:
        clients = [await Busy.open(server.url, "polling") for _ in range(10)]
        server.send_signal(signal.SIGTERM)
        # FakePeer makes a connection for each request, which is refused from now on.
        ends = await all_ended(clients)
        assert len(ends) == 10
        assert await server.ended(DEADLINE_S) == 0
    server.check_every_client_left_once()


@pytest.mark.fault(
    "a second signal while the server drains",
    "the clients that are left are closed at once, and it ends with status 0",
)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_second_signal_closes_the_rest_at_once(number: int) -> None:
    async with running(program(drain_seconds=600)) as server:
        clients = [await Busy.open(server.url, "websocket") for _ in range(20)]
        server.send_signal(number)
        await refused(server)
        assert not any(client.task.done() for client in clients)
        server.send_signal(number)
        assert set(await all_ended(clients)) == {"told"}
        assert await server.ended(DEADLINE_S) == 0
    server.check_every_client_left_once()
    assert server.notes[-1] == ["down"]


async def refused(server: Server) -> None:
    """Wait until the server accepts no connection any more."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            try:
                connection = await RawConnection.open(server.url)
            except ConnectionRefusedError:
                return
            except ConnectionResetError:  # in the queue when the socket was closed
                continue
            connection.abort()


@pytest.mark.fault(
    "handlers hang at the stop and nobody wants to wait",
    "a third signal ends the process",
)
async def test_third_signal_ends_a_process_whose_handlers_hang() -> None:
    options = {"drain_seconds": 600, "shutdown_timeout": 600, "hangs": True}
    async with running(program(**options)) as server:
        peer = await FakePeer(server.url).open()
        await peer.connect()
        server.send_signal(signal.SIGTERM)
        await refused(server)
        server.send_signal(signal.SIGTERM)
        await server.noted("gone")
        server.send_signal(signal.SIGTERM)
        assert await server.ended(DEADLINE_S) == -signal.SIGTERM
        await peer.close()
    server.check_every_client_left_once()


@pytest.mark.parametrize("drain_seconds", [0, 0.5])
@pytest.mark.fault(
    "the application wants its clients to know of a restart",
    "on_drain is called while all of them are there: they get its event, then the end",
)
async def test_application_tells_its_clients_before_they_are_closed(drain_seconds: float) -> None:
    async with running(program(drain_seconds=drain_seconds, tells=True)) as server:
        peers = [await FakePeer(server.url).open() for _ in range(3)]
        for peer in peers:
            await peer.connect()
        server.send_signal(signal.SIGTERM)
        for peer in peers:
            assert await peer.receive() == '42["restarting","come back"]'
            await peer.ws.receive_close()
            await peer.close()
        assert await server.ended(DEADLINE_S) == 0
    server.check_every_client_left_once()


async def test_health_page_says_that_it_drains_while_clients_still_come() -> None:
    options = {"health": "/healthz", "drain_delay": 600, "drain_seconds": 0.5}
    async with running(program(**options)) as server:
        assert (await http(server.url, "GET", "/healthz")).body == b"live"
        server.send_signal(signal.SIGTERM)
        async with asyncio.timeout(DEADLINE_S):
            while (await http(server.url, "GET", "/healthz")).status != 503:
                pass
        late = await FakePeer(server.url).open()
        await late.connect()
        server.send_signal(signal.SIGTERM)
        await late.ws.receive_close()
        await late.close()
        assert await server.ended(DEADLINE_S) == 0
    server.check_every_client_left_once()


# --- sockets of others ----------------------------------------------------------------------------


async def test_unix_socket_of_the_command_line_goes_with_the_process(tmp_path: Path) -> None:
    path = tmp_path / "s"
    words = command("--uds", str(path), "--uds-mode", "600", "--health", "/healthz")
    async with running(words) as server:
        assert server.url == f"unix:{path}"
        assert path.stat().st_mode & 0o777 == 0o600
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).endswith(b"\r\n\r\nlive")
        writer.close()
        server.send_signal(signal.SIGTERM)
        assert await server.ended(DEADLINE_S) == 0
    assert not path.exists()


def activated(listening: socket.socket, notify: str) -> tuple[list[str], dict[str, object]]:
    """A command under a systemd of ours: its socket as descriptor 3, itself named in LISTEN_PID."""
    fd = listening.fileno()
    words = [sys.executable, "-c", ACTIVATE, str(fd), *program(drain_seconds=0.2)]
    return words, {"pass_fds": [fd], "env": {"NOTIFY_SOCKET": notify}}


@pytest.mark.fault(
    "a service with socket activation is restarted",
    "who connects meanwhile waits in the kernel's queue, and is served by the next process",
)
async def test_sockets_of_systemd_outlive_a_restart(tmp_path: Path) -> None:
    notify = str(tmp_path / "notify")
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd,
        socket.create_server(("127.0.0.1", 0)) as listening,
    ):
        systemd.bind(notify)
        systemd.settimeout(DEADLINE_S)
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        words, how = activated(listening, notify)
        async with running(words, **how) as first:
            assert first.url == url
            assert systemd.recv(999).startswith(b"READY=1\nSTATUS=serving http://127.0.0.1:")
            peer = await FakePeer(url).open()
            await peer.connect()
            first.send_signal(signal.SIGTERM)
            await peer.ws.receive_close()
            await peer.close()
            assert await first.ended(DEADLINE_S) == 0
            assert systemd.recv(999).startswith(b"STOPPING=1\n")
        # Nobody serves; the connection is made all the same.
        waiting = await RawConnection.open(url)
        waiting.write(b"GET /socket.io/ HTTP/1.1\r\nHost: x\r\n\r\n")
        async with running(words, **how):
            assert (await waiting.read_response()).status == 400
            await waiting.close()

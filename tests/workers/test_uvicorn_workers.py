"""`uvicorn --workers` with fastsio's protocol: workers that another supervisor has started find each other."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from crew_process import END_S, Workers, ask, environment, is_alive

from drain_process import Server
from harness import DEADLINE_S, FakePeer, until

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio"])


class UvicornServer(Server):
    """Its address is not ours to print: it serves once its workers say so."""

    port = 0
    count = 0
    says = "startup complete"

    async def _read_errors(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.errors.append(line.decode())
            if self.text.count(self.says) >= self.count:
                self.url = f"http://127.0.0.1:{self.port}"


@contextlib.asynccontextmanager
async def under_uvicorn(count: int, *words: str, **options: object) -> AsyncIterator[Workers]:
    """So many workers; `words`: another command that starts them."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = {"port": port, "count": count}
    if words:
        command = [*words, "-b", f"127.0.0.1:{port}", "-w", str(count)]
        settings["says"] = "Booting worker"
    else:
        command = [
            sys.executable, "-m", "uvicorn", "workers_app:app", "--port", str(port), "--workers", str(count),
            "--http", "fastsio.uvicorn:SioHttpProtocol", "--no-access-log",
        ]  # fmt: skip
    kind = type("UvicornServer", (UvicornServer,), settings)
    server = await kind.start(command, env=environment(**options))
    try:
        await Workers(server).count_up(count)
        yield Workers(server)
    finally:
        # First who would start new ones; these have its pipes.
        for pid in (server.process.pid, *(pid for pid, _ in server.of("up"))):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await server.kill()


def folders() -> set[str]:
    return {str(path) for path in Path("/tmp").glob(f"fastsio-{os.geteuid()}-*")}


async def test_workers_of_uvicorn_serve_each_others_sessions() -> None:
    before = folders()
    async with under_uvicorn(3) as workers:
        peers, _ = await peers_at_two(workers)
        for _ in range(3):
            for peer in peers:
                assert await ask(peer, "size", "x" * 70_000) == 70_000
        await peers[0].send('42["tell",null,"all"]')
        for peer in peers:
            assert await peer.receive() == '42["told","all"]'
        assert len(await ask(peers[0], "everyone")) == len(peers)
        for peer in peers[:6]:
            await peer.upgrade()
            assert await ask(peer, "echo", 1) == 1
        for peer in peers:
            await peer.close()
        workers.server.send_signal(signal.SIGTERM)
        await workers.server.ended(END_S)
        workers.check_ledger()
    assert folders() <= before


async def test_workers_of_gunicorn_serve_each_others_sessions() -> None:
    words = [sys.executable, "-m", "gunicorn", "workers_app:app", "-k", "gunicorn_worker.Worker"]
    async with under_uvicorn(2, *words) as workers:
        peers, _ = await peers_at_two(workers)
        for peer in peers:
            assert await ask(peer, "echo", 1) == 1
        assert len(await ask(peers[0], "everyone")) == len(peers)
        for peer in peers:
            await peer.close()
        workers.server.send_signal(signal.SIGTERM)
        await workers.server.ended(END_S)
        workers.check_ledger()


@pytest.mark.fault(
    "a worker of `uvicorn --workers` is killed (SIGKILL)",
    "uvicorn starts another; the others see its clients go at once, and theirs notice nothing",
)
async def test_a_killed_worker_of_uvicorn_is_gone_at_once() -> None:
    async with under_uvicorn(2) as workers:
        peers, owners = await peers_at_two(workers)
        killed = owners[0]
        staying = [peer for peer, pid in zip(peers, owners, strict=True) if pid != killed]
        os.kill(killed, signal.SIGKILL)
        await until(lambda: not is_alive(killed), "its end")
        await counts(staying[0], len(staying))
        for peer in staying:
            assert await ask(peer, "echo", 1) == 1
            await peer.close()
        workers.server.send_signal(signal.SIGTERM)
        await workers.server.ended(END_S)
        workers.check_ledger(killed={killed})


async def peers_at_two(workers: Workers) -> tuple[list[FakePeer], list[int]]:
    """Eight clients or more, and their workers: two at least. Workers of one socket get what they are awake for."""
    peers: list[FakePeer] = []
    owners: list[int] = []
    while len(peers) < 8 or len(set(owners)) < 2:
        assert len(peers) < 200, "all came to one worker"
        peers.append(await workers.peer())
        owners.append((await ask(peers[-1], "who"))[0])
    return peers, owners


async def counts(peer: FakePeer, wanted: int) -> None:
    """Until it sees so many clients."""
    async with asyncio.timeout(DEADLINE_S):
        while len(await ask(peer, "everyone")) != wanted:
            pass

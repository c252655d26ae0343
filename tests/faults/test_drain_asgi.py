"""What SIGTERM does under uvicorn, hypercorn and gunicorn: clients told at once, handlers let finish, an end in time.

These servers have no slices: how they stop is theirs, and docs/deploy.md says what to set there.
"""

from __future__ import annotations

import asyncio
import collections
import json
import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from harness import DEADLINE_S, FakePeer, until
from serving_process import ServingProcess

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio"])

HERE = Path(__file__).parent
BIND = ("--bind", "127.0.0.1:0")
PROTOCOL = ("--http", "fastsio.uvicorn:SioHttpProtocol")
# Name: (command, exit statuses that are this server's way to end on SIGTERM).
SERVERS: dict[str, tuple[tuple[str, ...], tuple[int, ...]]] = {
    "uvicorn": (("uvicorn", "drain_asgi_app:app", "--port", "0"), (0, -signal.SIGTERM)),
    "uvicorn with fastsio's protocol": (
        ("uvicorn", "drain_asgi_app:app", "--port", "0", *PROTOCOL),
        (0, -signal.SIGTERM),
    ),
    "hypercorn": (("hypercorn", "drain_asgi_app:app", *BIND, "--graceful-timeout", "5"), (0,)),
    "gunicorn": (
        ("gunicorn", "drain_asgi_app:app", "-k", "uvicorn.workers.UvicornWorker", *BIND, "-w", "2"),
        (0,),
    ),
}


def notes(process: ServingProcess, word: str) -> list[list[Any]]:
    """What the workers have noted under a word, without it."""
    lines = [line for line in process.lines if line.startswith("[") and not line.startswith("[20")]
    said = [json.loads(line) for line in lines if line.rstrip().endswith("]")]
    return [note[1:] for note in said if note[0] == word]


def check_every_client_left_once(process: ServingProcess) -> None:
    came = collections.Counter(sid for _, sid in notes(process, "in"))
    left = collections.Counter(sid for _, sid, _ in notes(process, "gone"))
    assert left == came, process.output
    assert {reason for _, _, reason in notes(process, "gone")} == {"server disconnect"}


@pytest.mark.parametrize("name", SERVERS)
@pytest.mark.fault(
    "SIGTERM under uvicorn, hypercorn and gunicorn with clients connected",
    "they are told at once, running handlers finish, each disconnect handler runs once, it ends in time",
)
async def test_sigterm_tells_every_client_and_lets_handlers_finish(name: str) -> None:
    command, statuses = SERVERS[name]
    process = ServingProcess(*command, folder=HERE)
    try:
        await process.start()
        peers = [await FakePeer(process.url).open() for _ in range(6)]
        for peer in peers:
            await peer.connect()
        await peers[0].send('420["work",0.5]')
        await until(lambda: notes(process, "working"), "the handler at work")
        began_at = time.monotonic()
        process.send_signal(signal.SIGTERM)
        for peer in peers:
            await peer.ws.receive_close()
            await peer.close()
        assert time.monotonic() - began_at < 3
        assert await process.ended(15) in statuses, process.output
        assert len(notes(process, "worked")) == 1, process.output
        assert notes(process, "cancelled") == []
        check_every_client_left_once(process)
        assert "Traceback" not in process.output, process.output
    finally:
        await process.kill()


async def asked_pid(url: str) -> int:
    """Which worker serves a new client."""
    peer = await FakePeer(url).open()
    await peer.connect()
    await peer.send('420["pid"]')
    answer = str(await peer.receive())
    await peer.close()
    return int(json.loads(answer[3:])[0])


@pytest.mark.fault(
    "gunicorn gets SIGHUP, to replace its workers under load",
    "new workers accept on the same socket, which is never closed; clients of the old ones are told and come back",
)
async def test_reload_of_gunicorns_workers_keeps_the_port_open() -> None:
    process = ServingProcess(*SERVERS["gunicorn"][0], folder=HERE)
    try:
        await process.start()
        peer = await FakePeer(process.url).open()
        await peer.connect()
        before = {await asked_pid(process.url) for _ in range(20)}
        process.send_signal(signal.SIGHUP)
        ended = asyncio.ensure_future(peer.ws.receive_close())
        after: set[int] = set()
        async with asyncio.timeout(4 * DEADLINE_S):
            while not after - before or not ended.done():
                try:
                    after.add(await asked_pid(process.url))
                except AssertionError as error:
                    # Of an old worker: told by a Close, or by a 503 in its last moment.
                    assert re.search("frame 0x8|status=503", str(error)), error
                except ConnectionResetError:
                    pass  # accepted by an old worker that ends
                # ConnectionRefusedError, of a port that is closed, fails the test.
        await ended
        await peer.close()
        await until(lambda: not any(map(is_alive, before)), "the end of the old workers", 15)
        assert await asked_pid(process.url) not in before
        process.send_signal(signal.SIGTERM)
        assert await process.ended(15) == 0
        came = [sid for _, sid in notes(process, "in")]
        left = [sid for _, sid, _ in notes(process, "gone")]
        assert sorted(came) == sorted(left)
    finally:
        await process.kill()


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = re.search(r"State:\s+(\w)", Path(f"/proc/{pid}/status").read_text())
    return stat is not None and stat[1] != "Z"

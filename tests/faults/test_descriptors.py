"""Descriptors that run out: new clients are turned away, those that are there are served, and it goes on by itself.

The server is a process of its own (tests/scarce_app.py) with a low limit, and the sockets are real.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from harness import DEADLINE_S, MS, FakePeer, RawConnection, until

APP = Path(__file__).resolve().parents[1] / "scarce_app.py"
LIMIT = 80
LOOPS = pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
# The process brings its own loop; the test's one makes no difference.
pytestmark = pytest.mark.asyncio(loop_factories=["asyncio"])


class Scarce:
    """The server's process: `url`, what it `noted`, and what it has `logged`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.url = ""
        self.noted: list[list[str]] = []
        self.logged: list[str] = []

    async def read(self) -> None:
        async def notes() -> None:
            async for line in self.process.stdout:
                self.noted.append(line.decode().split(" ", 2))

        async def log() -> None:
            async for line in self.process.stderr:
                text = line.decode()
                found = re.search(r"http://\S+", text)
                if found and not self.url:
                    self.url = found[0]
                self.logged.append(text)

        await asyncio.gather(notes(), log())

    async def client(self, transport: str = "websocket") -> FakePeer:
        peer = await FakePeer(self.url, transport).open()
        await peer.connect()
        return peer

    def each_has_gone_once(self) -> None:
        came = sorted(sid.strip() for word, sid, *_ in self.noted if word == "came")
        gone = sorted(sid for word, sid, *_ in self.noted if word == "gone")
        assert came == gone


@contextlib.asynccontextmanager
async def scarce(loop: str, limit: int = LIMIT) -> AsyncIterator[Scarce]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(APP), loop, str(limit), stdout=pipe, stderr=pipe, env={**os.environ}
    )
    server = Scarce(process)
    reading = asyncio.create_task(server.read())
    try:
        await until(lambda: server.url or reading.done(), "the server listens", 20_000 * MS)
        assert server.url, server.logged
        yield server
        process.terminate()
        assert await asyncio.wait_for(process.wait(), DEADLINE_S) == 0
        await reading
        server.each_has_gone_once()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        reading.cancel()


async def ask(peer: FakePeer, event: str, *args: object):
    """The answer to an event."""
    await peer.send("421" + json.dumps([event, *args]))
    while not str(packet := await peer.receive()).startswith("431"):
        pass
    values = json.loads(str(packet)[3:])
    return values[0] if values else None


async def fill(server: Scarce) -> tuple[list[FakePeer], object]:
    """Clients until one is refused, and the status that this one got."""
    peers: list[FakePeer] = []
    while len(peers) < LIMIT:
        try:
            peers.append(await server.client())
        except AssertionError as refusal:
            return peers, str(refusal)
        except (OSError, EOFError) as error:
            return peers, error
    raise AssertionError("nobody was refused")


@pytest.mark.fault(
    "more clients come than there are file descriptors",
    "the last descriptors are kept for the application: 503 with Retry-After, one log line; later ones are let in",
)
@LOOPS
async def test_the_last_descriptors_are_the_applications_and_new_clients_get_a_503(loop):
    async with scarce(loop) as server:
        peers, refusal = await fill(server)
        assert "status=503" in str(refusal) and "'retry-after': '5'" in str(refusal)
        assert len(peers) > LIMIT // 2
        for peer in peers:
            assert await ask(peer, "echo", "x") == "x"
        assert await ask(peers[0], "open") > 0
        lines = [line for line in server.logged if "RLIMIT_NOFILE" in line]
        assert len(lines) == 1, server.logged
        for peer in peers[1:6]:
            await peer.close()
        await until(lambda: sum(note[0] == "gone" for note in server.noted) == 5, "they have gone")
        assert await ask(await server.client(), "echo", "new") == "new"


@pytest.mark.fault(
    "the application takes all file descriptors, so that accept() fails",
    "accepting backs off without using the CPU; clients that are there are served; new ones when there are descriptors",
)
@LOOPS
async def test_accept_backs_off_while_there_is_no_descriptor_and_goes_on_after_that(loop):
    async with scarce(loop) as server:
        peer = await server.client()
        other = await server.client("polling")
        held = await RawConnection.open(server.url)
        await held.request("GET", "/static/scarce_app.py")
        assert await ask(peer, "hog") > 10
        waiting = [await RawConnection.open(server.url) for _ in range(20)]
        for connection in waiting:
            connection.write(b"GET /none HTTP/1.1\r\nHost: x\r\n\r\n")
        before = await ask(peer, "used")
        await asyncio.sleep(1_500 * MS)
        used = await ask(peer, "used") - before
        assert used < 0.5, f"{used} s of CPU time in 1.5 s"
        assert len(server.logged) < 100, server.logged[:40]
        assert await ask(peer, "echo", "still") == "still"
        await ask(peer, "free")
        for connection in waiting:
            connection.abort()
        held.abort()

        async def comes_in() -> bool:
            try:
                return await ask(await server.client(), "echo", 1) == 1
            except (OSError, EOFError, AssertionError):
                return False

        for _ in range(50):
            if await comes_in():
                break
            await asyncio.sleep(100 * MS)
        else:
            raise AssertionError(f"nobody is let in any more: {server.logged[-20:]}")
        assert await ask(other, "echo", "polls") == "polls"


@pytest.mark.fault(
    "a handler can open no file: no descriptor is left",
    "its error is logged, its client is served on",
)
@pytest.mark.fault(
    "a static file, or the client bundle, can't be opened: no descriptor is left",
    "503 with Retry-After, and not a 404 that caches would keep",
)
@LOOPS
async def test_files_that_cant_be_opened_cost_one_answer(loop):
    async with scarce(loop) as server:
        peer = await server.client()
        connection = await RawConnection.open(server.url)
        assert (await connection.request("GET", "/static/scarce_app.py")).status == 200
        await ask(peer, "hog")
        await peer.send('422["open"]')
        assert await ask(peer, "echo", "on") == "on"
        await until(lambda: "Too many open files" in "".join(server.logged), "the log line")
        for path in ("/static/scarce_app.py", "/socket.io/socket.io.js"):
            answer = await connection.request("GET", path)
            assert (answer.status, answer.headers.get("retry-after")) == (503, "1"), path
        await ask(peer, "free")
        assert (await connection.request("GET", "/static/scarce_app.py")).status == 200
        await connection.close()


@pytest.mark.fault(
    "a limit that is raised while the server runs", "is seen: more clients are let in"
)
async def test_a_limit_that_is_raised_is_seen():
    import resource

    async with scarce("uvloop") as server:
        peers, _ = await fill(server)
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (LIMIT + 50, hard))
        more = [await server.client() for _ in range(20)]
        assert await ask(more[-1], "echo", len(peers)) == len(peers)

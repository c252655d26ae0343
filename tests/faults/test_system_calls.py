"""System calls that fail: send(), recv(), accept(), with every error that the kernel has for them.

The server is a process of its own (tests/scarce_app.py), whose calls a preloaded library lets fail (failing_calls.c).
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import json
import mmap
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from harness import DEADLINE_S, MS, FakePeer, until

APP = Path(__file__).resolve().parents[1] / "scarce_app.py"
SOURCE = Path(__file__).with_name("failing_calls.c")
WRITE, READ, ACCEPT = 1, 2, 3
pytestmark = [
    pytest.mark.asyncio(loop_factories=["asyncio"]),
    pytest.mark.skipif(sys.platform != "linux", reason="LD_PRELOAD as Linux has it"),
]
LOOPS = pytest.mark.parametrize("loop", ["uvloop", "asyncio"])


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """The preloaded library, built with the compiler that builds fastsio."""
    path = tmp_path_factory.mktemp("calls") / "failing_calls.so"
    command = ["cc", "-O1", "-shared", "-fPIC", "-o", str(path), str(SOURCE), "-ldl"]
    subprocess.run(command, check=True, capture_output=True)
    return path


class Plan(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int32) for name in ("kind", "skip", "count", "error", "hits", "_")]


class Failing:
    """The server: `url`; who `came` and has `gone` with which reason; fail() arms the plan."""

    def __init__(self, process: asyncio.subprocess.Process, plan: Plan) -> None:
        self.process = process
        self.plan = plan
        self.url = ""
        self.came: list[str] = []
        self.gone: list[tuple[str, str]] = []
        self.logged: list[str] = []

    async def read_notes(self) -> None:
        async for line in self.process.stdout:
            word, sid, *reason = line.decode().strip().split(" ", 2)
            if word == "came":
                self.came.append(sid)
            else:
                self.gone.append((sid, reason[0]))

    async def read_log(self) -> None:
        async for line in self.process.stderr:
            self.logged.append(line.decode())
            found = re.search(r"http://\S+", self.logged[-1])
            if found and not self.url:
                self.url = found[0]

    def fail(self, kind: int, error: int, count: int = 1, skip: int = 0) -> None:
        """Let the next `count` calls of a kind fail, after `skip` of them; error 0: a write takes one byte."""
        self.plan.hits = 0
        self.plan.kind, self.plan.error, self.plan.skip = kind, error, skip
        self.plan.count = count

    async def struck(self) -> None:
        await until(lambda: self.plan.hits, "the call has failed")

    async def client(self, transport: str = "websocket") -> FakePeer:
        peer = await FakePeer(self.url, transport).open()
        await peer.connect()
        return peer


def new_plan(folder: Path) -> tuple[Path, mmap.mmap]:
    """A file of zeros that is a Plan, and the memory that it is mapped to."""
    path = folder / f"plan-{os.urandom(4).hex()}"
    path.write_bytes(bytes(ctypes.sizeof(Plan)))
    with open(path, "r+b") as file:
        return path, mmap.mmap(file.fileno(), ctypes.sizeof(Plan))


@contextlib.asynccontextmanager
async def failing(loop: str, library: Path, ping_s: float = 60) -> AsyncIterator[Failing]:
    path, memory = new_plan(library.parent)
    pipe = asyncio.subprocess.PIPE
    environment = {**os.environ, "LD_PRELOAD": str(library), "FAILING_CALLS": str(path)}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(APP),
        loop,
        "1024",
        str(ping_s),
        stdout=pipe,
        stderr=pipe,
        env=environment,
    )
    server = Failing(process, Plan.from_buffer(memory))
    reading = asyncio.gather(server.read_notes(), server.read_log())
    try:
        await until(lambda: server.url or reading.done(), "the server listens", 20_000 * MS)
        assert server.url, server.logged
        yield server
        process.terminate()
        assert await asyncio.wait_for(process.wait(), DEADLINE_S) == 0, server.logged
        await reading
        assert sorted(server.came) == sorted(sid for sid, _ in server.gone)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        await reading


async def ask(peer: FakePeer, *event: object) -> list[object]:
    await peer.send("421" + json.dumps(event))
    while not str(packet := await peer.receive()).startswith("431"):
        pass
    return json.loads(str(packet)[3:])


@pytest.mark.fault(
    "send() fails for want of kernel memory, or is interrupted (ENOBUFS, ENOMEM, EAGAIN, EINTR)",
    "it is sent a little later, in order; nobody is cut off",
)
@pytest.mark.fault("send() takes a single byte", "the rest follows, in order")
@LOOPS
async def test_a_send_that_can_not_be_now_is_done_later(loop, library):
    async with failing(loop, library) as server:
        peer, other = await server.client(), await server.client()
        for error in (errno.ENOBUFS, errno.ENOMEM, errno.EAGAIN, errno.EINTR, 0):
            for text in ("x", "y" * 100_000):
                server.fail(WRITE, error)
                assert await ask(peer, "echo", text) == [text]
                assert server.plan.hits == 1
        assert await ask(other, "echo", 1) == [1]
        assert server.gone == []
        await peer.close()
        await other.close()


@pytest.mark.fault(
    "send() fails: the connection is broken (EPIPE, ECONNRESET, ETIMEDOUT, EHOSTUNREACH)",
    "its client has gone, once; all others are served",
)
@LOOPS
async def test_a_send_that_fails_for_good_ends_its_client_alone(loop, library):
    async with failing(loop, library) as server:
        other = await server.client()
        for error in (errno.EPIPE, errno.ECONNRESET, errno.ETIMEDOUT, errno.EHOSTUNREACH):
            peer = await server.client()
            before = len(server.gone)
            server.fail(WRITE, error)
            await peer.send('42["echo"]', '421["echo"]')
            await server.struck()
            await until(lambda before=before: len(server.gone) > before, "the client has gone")
            assert server.gone[-1][0] == server.came[-1]
            assert server.gone[-1][1] in ("transport close", "transport error")
            assert await ask(other, "echo", 1) == [1]
            assert len(server.gone) == before + 1


@pytest.mark.fault(
    "the answer to a poll can't be sent: the connection broke meanwhile",
    "the client does not poll any more, or opens a new session: `ping timeout`, once",
)
@LOOPS
async def test_an_answer_to_a_poll_that_is_lost_ends_its_session_with_the_heartbeat(loop, library):
    async with failing(loop, library, ping_s=0.4) as server:
        peer = await server.client("polling")
        server.fail(WRITE, errno.EPIPE)
        with contextlib.suppress(OSError, EOFError):
            await peer.get()
        await server.struck()
        await until(lambda: server.gone, "the client has gone")
        assert server.gone == [(server.came[0], "ping timeout")]


@pytest.mark.fault(
    "recv() fails (ECONNRESET, ETIMEDOUT, EHOSTUNREACH)",
    "its client has gone, once; all others are served",
)
@pytest.mark.fault(
    "recv() is interrupted, or has nothing after all (EINTR, EAGAIN)", "it is read a little later"
)
@LOOPS
async def test_a_read_that_fails_ends_its_client_alone_and_one_that_can_not_be_now_nobody(
    loop, library
):
    async with failing(loop, library) as server:
        other = await server.client()
        for error in (errno.EINTR, errno.EAGAIN):
            server.fail(READ, error)
            assert await ask(other, "echo", 1) == [1]
            assert server.plan.hits == 1
        for error in (errno.ECONNRESET, errno.ETIMEDOUT, errno.EHOSTUNREACH):
            peer = await server.client()
            before = len(server.gone)
            server.fail(READ, error)
            await peer.send('42["echo"]')
            await until(lambda before=before: len(server.gone) > before, "the client has gone")
            assert server.gone[-1] == (server.came[-1], "transport close")
            assert await ask(other, "echo", 1) == [1]


@pytest.mark.fault(
    "accept() fails (a client that has gone, no descriptor, no memory, a firewall)",
    "the listener goes on: the next client is let in, those that are there are served",
)
@LOOPS
async def test_an_accept_that_fails_does_not_end_the_listener(loop, library):
    errors = ("ECONNABORTED", "EINTR", "EPROTO", "EPERM", "ENFILE", "ENOBUFS", "ENOMEM", "EMFILE")
    async with failing(loop, library) as server:
        peer = await server.client()
        for error in errors:
            server.fail(ACCEPT, getattr(errno, error))
            with contextlib.suppress(AssertionError, OSError, EOFError, TimeoutError):
                await (await server.client()).close()
            assert server.plan.hits, error
            assert await ask(peer, "echo", 1) == [1]
            server.plan.count = 0
            newcomer = await server.client()
            assert await ask(newcomer, "echo", 2) == [2]
            await newcomer.close()
        assert len(server.logged) < 25 * len(errors), server.logged[:40]

"""A clean stop on a signal: every client told, every `disconnect` handler run once, the end in bounded time.

The server is a process of its own (stopping_app.py) with clients of every kind connected.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from clients import Client
from harness import DEADLINE_S, until
from wire import Wire, get, post

# As the `disconnect` handlers of a style get it.
SHUTTING_DOWN = {"io": "server shutting down", "aio": "server disconnect"}
APP = Path(__file__).with_name("stopping_app.py")
# The process brings its own loop; the test's one makes no difference.
pytestmark = pytest.mark.asyncio(loop_factories=["asyncio"])


@dataclass
class Program:
    """The server's process and the lines that it printed."""

    process: asyncio.subprocess.Process
    url: str = ""
    notes: list[list[Any]] = field(default_factory=list)

    async def read_notes(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.notes.append(json.loads(line))

    async def noted(self, word: str) -> None:
        await until(lambda: any(note[0] == word for note in self.notes), f"{word!r} in the notes")

    def gone(self) -> list[tuple[str, str, str]]:
        """(namespace, sid, reason) of every disconnect handler that ran."""
        return sorted(tuple(note[1:]) for note in self.notes if note[0] == "gone")

    async def exit_status(self, within_s: float) -> int:
        try:
            return await asyncio.wait_for(self.process.wait(), within_s)
        except TimeoutError:
            raise AssertionError(f"still running {within_s} s after the signal") from None


@contextlib.asynccontextmanager
async def running(
    style: str = "io", loop: str = "asyncio", hangs: str = "", shutdown_timeout: float = 5
) -> AsyncIterator[Program]:
    arguments = [str(APP), style, loop, hangs, str(shutdown_timeout)]
    pipe = asyncio.subprocess.PIPE
    root = str(APP.parent.parent.parent)
    program = Program(
        await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            stdout=pipe,
            stderr=pipe,
            env={**os.environ, "PYTHONPATH": root},
        )
    )
    assert program.process.stderr is not None
    reading = asyncio.create_task(program.read_notes())
    try:
        while not program.url:
            line = await asyncio.wait_for(program.process.stderr.readline(), DEADLINE_S)
            assert line, "the server ended before it served"
            words = [word for word in line.decode().split() if word.startswith("http://")]
            program.url = words[0] if words else ""
        yield program
        await reading
    finally:
        with contextlib.suppress(ProcessLookupError):
            program.process.kill()
        await program.process.wait()
        reading.cancel()


@pytest.mark.fault(
    "SIGINT or SIGTERM with clients of every kind connected",
    "each is told, each disconnect handler runs once, the process ends with status 0",
)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
@pytest.mark.parametrize(("style", "loop"), [("io", "asyncio"), ("aio", "uvloop")])
async def test_a_signal_tells_every_client_and_runs_every_disconnect_handler_once(
    number: int, style: str, loop: str
) -> None:
    async with running(style, loop) as program:
        ws = await Client.open(program.url, "websocket")
        both = await Client.open(program.url, "websocket")
        await both.send("40/other,")
        other_sid = json.loads(str(await both.receive()).partition(",")[2])["sid"]
        upgraded = await Client.open(program.url, "polling")
        await upgraded.upgrade()
        polling = await Client.open(program.url, "polling")
        waiting = await polling.hold_get()
        silent = await Client.open(program.url, "polling")
        unjoined = await Client.open(program.url, "websocket", joins=False)
        idle = await Wire.open(program.url)
        await idle.send(get("transport=x"))
        await idle.read_answer()
        half = await Wire.open(program.url)
        await half.send(get("transport=x")[:20])

        program.process.send_signal(number)

        answer = await waiting.read_answer()
        assert (answer.status, answer.body) == ("200 OK", b"1")
        for client in (ws, both, upgraded, unjoined):
            assert client.wire is not None
            assert await client.wire.read_to_end() == b"\x88\x00"
        assert await idle.read_to_end() == b""
        assert await half.read_to_end() == b""
        assert await program.exit_status(within_s=DEADLINE_S) == 0

    sids = [("/", client.sid) for client in (ws, both, upgraded, polling, silent)]
    expected = sorted([*sids, ("/other", other_sid)])
    assert program.gone() == [(name, sid, SHUTTING_DOWN[style]) for name, sid in expected]
    assert program.notes[-1] == ["down"]


async def test_a_signal_with_nobody_connected_stops_at_once() -> None:
    async with running() as program:
        program.process.send_signal(signal.SIGTERM)
        assert await program.exit_status(within_s=1) == 0
    assert program.notes == [["down"]]


async def test_clients_that_answer_the_close_do_not_delay_the_stop() -> None:
    async with running() as program:
        client = await Client.open(program.url, "websocket")
        assert client.wire is not None
        program.process.send_signal(signal.SIGTERM)
        assert await client.wire.read_exactly(2) == b"\x88\x00"
        await client.wire.send(b"\x88\x80\0\0\0\0")
        assert await program.exit_status(within_s=0.8) == 0


@pytest.mark.fault(
    "handlers or background tasks hang at the stop, even against their cancellation",
    "they are cut after shutdown_timeout, and the process ends",
)
@pytest.mark.parametrize("hangs", ["handler", "stubborn", "event", "background"])
async def test_what_hangs_is_cut_after_the_shutdown_timeout(hangs: str) -> None:
    style = "aio" if hangs == "background" else "io"
    async with running(style, hangs=hangs, shutdown_timeout=0.3) as program:
        clients = [await Client.open(program.url, "websocket") for _ in range(3)]
        if hangs == "event":
            await clients[0].send('42["wait"]')
            await program.noted("waiting")
        program.process.send_signal(signal.SIGTERM)
        for client in clients:
            assert client.wire is not None
            assert await client.wire.read_exactly(2) == b"\x88\x00"
        assert await program.exit_status(within_s=4.5) == 0
    assert program.gone() == sorted(("/", client.sid, SHUTTING_DOWN[style]) for client in clients)
    assert ["down"] in program.notes


@pytest.mark.fault(
    "a second signal while handlers hang, without drain_seconds", "the process ends at once"
)
async def test_a_second_signal_does_not_wait_for_handlers_that_hang() -> None:
    async with running(hangs="handler", shutdown_timeout=60) as program:
        client = await Client.open(program.url, "websocket")
        program.process.send_signal(signal.SIGTERM)
        await program.noted("gone")
        program.process.send_signal(signal.SIGTERM)
        assert await program.exit_status(within_s=2) == -signal.SIGTERM
    # Kept until here: a client that goes by itself would be gone before the first signal.
    assert program.gone() == [("/", client.sid, SHUTTING_DOWN["io"])]


async def test_a_second_interrupt_does_not_wait_for_handlers_that_hang() -> None:
    async with running(hangs="handler", shutdown_timeout=60) as program:
        client = await Client.open(program.url, "websocket")
        program.process.send_signal(signal.SIGINT)
        await program.noted("gone")
        program.process.send_signal(signal.SIGINT)
        assert await program.exit_status(within_s=2) != 0
    assert program.gone() == [("/", client.sid, SHUTTING_DOWN["io"])]


@pytest.mark.fault(
    "a client connects or sends while the server stops",
    "it is refused, and no session begins that nobody would end",
)
async def test_no_new_client_is_taken_while_stopping() -> None:
    async with running(hangs="handler", shutdown_timeout=1) as program:
        client = await Client.open(program.url, "polling")
        kept = await Wire.open(program.url)
        await kept.send(get("transport=x"))
        await kept.read_answer()
        program.process.send_signal(signal.SIGTERM)
        await program.noted("gone")
        with pytest.raises(ConnectionError):
            await Wire.open(program.url)
        await kept.send(post(client.query, b'42["wait"]'))
        assert await kept.read_to_end() == b""
        assert await program.exit_status(within_s=4) == 0
    assert program.gone() == [("/", client.sid, SHUTTING_DOWN["io"])]

"""Clients that are stopped in their tracks (SIGSTOP) among thousands that read: what does it cost the others?

    python -m tests.faults.stopped_reader --clients 2000 --stopped 20 --seconds 20

A server, its clients and those that are stopped are processes of their own. The server sends a broadcast of --size
bytes --rate times a second. Measured is how long each takes to each client, first with nobody stopped, then with
--stopped clients that have joined and are stopped. One JSON object goes to stdout: latencies in milliseconds, what was
lost, the server's memory and processor time, what the stopped ones' sessions ended with. Exit 1 if a client lost
anything.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import collections
import json
import os
import resource
import signal
import statistics
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
HEAD = b'42["tick","'
DIGITS = 20
PING = b"2"


# --- the server ------------------------------------------------------------------------------------


async def serve(arguments: argparse.Namespace) -> None:
    """Broadcast until stdin ends; answer each line of it with a line of figures."""
    import fastsio

    io = fastsio.IO(send_timeout=arguments.send_timeout, max_buffered_bytes=arguments.max_buffered)
    ends: collections.Counter[str] = collections.Counter()
    accepted = 0

    @io.on("connection")
    def connection(socket: Any) -> None:
        nonlocal accepted
        accepted += 1
        socket.on("disconnect", lambda reason: ends.update([reason]))

    server = await fastsio.start(io, port=0)
    print(json.dumps({"url": server.url}), flush=True)
    pad = "x" * max(0, arguments.size - 2 * DIGITS - len(HEAD) - 2)
    most_queued = 0

    async def broadcast() -> None:
        nonlocal most_queued
        loop, number = asyncio.get_running_loop(), 0
        due = loop.time()
        while True:
            io.emit("tick", f"{number:0{DIGITS}}{time.monotonic_ns():0{DIGITS}}{pad}")
            number += 1
            if number % arguments.rate == 0:
                queued = [s.outlet.buffered_bytes for s in server.engine.sessions.values()]
                most_queued = max(most_queued, *queued, 0)
            due += 1 / arguments.rate
            await asyncio.sleep(max(0.0, due - loop.time()))

    sending = asyncio.ensure_future(broadcast())
    async for _ in lines_of_stdin():
        used = resource.getrusage(resource.RUSAGE_SELF)
        figures = {
            "accepted": accepted, "ends": dict(ends), "sessions": len(server.engine.sessions),
            "connections": len(server.connections), "most_queued": most_queued,
            "rss_mb": rss_mb(), "cpu_s": round(used.ru_utime + used.ru_stime, 2),
        }  # fmt: skip
        print(json.dumps(figures), flush=True)
    sending.cancel()
    await server.close()
    print(json.dumps({"accepted": accepted, "ends": dict(ends)}), flush=True)


def rss_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return round(pages * resource.getpagesize() / 1e6, 1)


async def lines_of_stdin() -> Any:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        yield line


# --- clients ---------------------------------------------------------------------------------------


class Reader(asyncio.Protocol):
    """A WebSocket client that notes when each broadcast came; it answers pings."""

    latencies: list[int]
    gaps = 0
    is_counting = False

    def __init__(self, joined: asyncio.Future[None]) -> None:
        self._joined = joined
        self._rest = b""
        self._is_websocket = False
        self._expected = -1
        self._transport: Any = None
        self.is_lost = False

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        transport.write(
            "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
            f"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        at = 0
        if not self._is_websocket:
            head, mark, _ = data.partition(b"\r\n\r\n")
            if not mark:
                self._rest = data
                return
            self._is_websocket = True
            at = len(head) + len(mark)
        while len(data) - at >= 2:
            size, start = data[at + 1], at + 2
            if size == 126:
                size, start = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
            elif size == 127:
                size, start = int.from_bytes(data[at + 2 : at + 10], "big"), at + 10
            if len(data) < start + size:
                break
            self._message(data, start, size)
            at = start + size
        self._rest = data[at:]

    def _message(self, data: bytes, start: int, size: int) -> None:
        if data.startswith(HEAD, start):
            start += len(HEAD)
            number = int(data[start : start + DIGITS])
            if self._expected not in (-1, number):
                Reader.gaps += 1
            self._expected = number + 1
            if Reader.is_counting:
                sent_at = int(data[start + DIGITS : start + 2 * DIGITS])
                Reader.latencies.append(time.monotonic_ns() - sent_at)
        elif data[start : start + size] == PING:
            self._transport.write(b"\x81\x81\0\0\0\x003")
        elif data.startswith(b"0{", start):
            self._transport.write(b"\x81\x82\0\0\0\x0040")
        elif data.startswith(b"40", start) and not self._joined.done():
            self._joined.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        self.is_lost = True


async def join(url: str, count: int) -> list[Reader]:
    loop = asyncio.get_running_loop()
    host, port = url.split("//")[1].split(":")
    readers = []
    for first in range(0, count, 100):
        joined = [loop.create_future() for _ in range(min(100, count - first))]
        made = [loop.create_connection(lambda j=j: Reader(j), host, int(port)) for j in joined]
        readers += [protocol for _, protocol in await asyncio.gather(*made)]
        await asyncio.gather(*joined)
    return readers


async def read(url: str, count: int) -> None:
    """Connect, then measure from each line of stdin to the next but one; the second is answered with figures."""
    Reader.latencies = []
    readers = await join(url, count)
    print(json.dumps({"joined": len(readers)}), flush=True)
    async for _ in lines_of_stdin():
        if not Reader.is_counting:
            Reader.latencies, Reader.gaps, Reader.is_counting = [], 0, True
            continue
        Reader.is_counting = False
        figures = {
            "received": len(Reader.latencies),
            "gaps": Reader.gaps,
            **quantiles(Reader.latencies),
        }
        print(json.dumps(figures | {"lost": sum(r.is_lost for r in readers)}), flush=True)


def quantiles(latencies_ns: list[int]) -> dict[str, float]:
    if len(latencies_ns) < 2:
        return {}
    cuts = statistics.quantiles(latencies_ns, n=100)
    return {f"p{n}_ms": round(cuts[n - 1] / 1e6, 2) for n in (50, 90, 99)}


# --- the play --------------------------------------------------------------------------------------


class Child:
    """A process of this program; `ask()` sends it a line and returns its next line of figures."""

    process: asyncio.subprocess.Process

    @classmethod
    async def start(cls, *words: str) -> Child:
        child = cls()
        pipe = asyncio.subprocess.PIPE
        child.process = await asyncio.create_subprocess_exec(
            sys.executable, __file__, *words, stdin=pipe, stdout=pipe,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        return child

    async def hear(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), 120)
        if not line:
            raise RuntimeError(f"process ended: {await self.process.wait()}")
        figures: dict[str, Any] = json.loads(line)
        return figures

    def say(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")

    async def ask(self) -> dict[str, Any]:
        self.say()
        return await self.hear()

    async def end(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
            await self.process.wait()


async def measured(server: Child, readers: Child, seconds: float) -> dict[str, Any]:
    before = await server.ask()
    readers.say()
    await asyncio.sleep(seconds)
    figures, after = await readers.ask(), await server.ask()
    cpu = (after["cpu_s"] - before["cpu_s"]) / seconds
    return {
        "clients": figures,
        "server_cpu": round(cpu, 3),
        "rss_mb": after["rss_mb"],
        "most_queued": after["most_queued"],
    }


async def play(arguments: argparse.Namespace) -> dict[str, Any]:
    """The figures of both parts, and how the stopped clients ended."""
    words = [f"--{name.replace('_', '-')}={getattr(arguments, name)}" for name in OPTIONS]
    children = [await Child.start("serve", *words)]
    try:
        (server,) = children
        url = (await server.hear())["url"]
        children.append(await Child.start("read", "--url", url, *words))
        readers = children[1]
        await readers.hear()
        quiet = await measured(server, readers, arguments.seconds)
        stopped = await Child.start("join", "--url", url, *words)
        children.append(stopped)
        await stopped.hear()
        stopped.process.send_signal(signal.SIGSTOP)
        with_stopped = await measured(server, readers, arguments.seconds)
        seen = await server.ask()
        for _ in range(100):  # the deadline of the last ones
            if sum(seen["ends"].values()) >= arguments.stopped:
                break
            await asyncio.sleep(0.2)
            seen = await server.ask()
        return {
            "what": {name: getattr(arguments, name) for name in OPTIONS},
            "quiet": quiet,
            "with_stopped": with_stopped,
            "ends_of_stopped": seen["ends"],
            "accepted": seen["accepted"],
            "sessions_left": seen["sessions"],
        }
    finally:
        for child in reversed(children):
            await child.end()


OPTIONS = ("clients", "stopped", "seconds", "rate", "size", "send_timeout", "max_buffered")


def parsed(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "role", nargs="?", default="play", choices=("play", "serve", "read", "join")
    )
    parser.add_argument("--url")
    parser.add_argument("--clients", type=int, default=2000)
    parser.add_argument("--stopped", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rate", type=int, default=10)
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--send-timeout", type=float, default=5.0)
    parser.add_argument("--max-buffered", type=int, default=16 * 1024 * 1024)
    return parser.parse_args(argv)


async def run(arguments: argparse.Namespace) -> int:
    if arguments.role == "serve":
        await serve(arguments)
    elif arguments.role == "read":
        await read(arguments.url, arguments.clients)
    elif arguments.role == "join":
        await read(arguments.url, arguments.stopped)
    else:
        figures = await play(arguments)
        print(json.dumps(figures, indent=2))
        parts = (figures["quiet"]["clients"], figures["with_stopped"]["clients"])
        return int(any(part["gaps"] or part["lost"] for part in parts))
    return 0


def main() -> int:
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run(parsed()))


if __name__ == "__main__":
    sys.exit(main())

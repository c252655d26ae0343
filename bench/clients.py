"""Python clients compared in one run: fastsio's and python-socketio's, against one fastsio server on this machine.

`python -m bench.clients [ROUNDS]` prints, per kind of client, the median over the rounds of: calls one after the other,
events with an answer 100 at a time, and connects, each a second; the client's CPU per call and per event; the memory of
an idle client. Each client runs in a process of its own, the kinds in turn, over WebSocket.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from typing import Any

KINDS = (
    "fastsio",
    "fastsio through aiohttp",
    "python-socketio",
    "fastsio sync",
    "python-socketio sync",
)
TEXT = "x" * 32
CALLS, EVENTS, WINDOW, IDLE = 3_000, 10_000, 100, 500


async def serve() -> None:
    import fastsio

    app = fastsio.AsyncServer()
    app.on("echo", lambda sid, text: text)
    server = await fastsio.start(app, port=0)
    print(server.url, flush=True)
    await asyncio.Event().wait()


def make_client(kind: str) -> Any:
    is_theirs = kind.startswith("python-socketio")
    module = importlib.import_module("socketio" if is_theirs else "fastsio.client")
    if kind.endswith("sync"):
        return module.Client(handle_sigint=False)
    if kind.endswith("aiohttp"):
        import aiohttp

        return module.AsyncClient(handle_sigint=False, http_session=aiohttp.ClientSession)
    return module.AsyncClient(handle_sigint=False)


def resident_bytes() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * 4096


class Clock:
    """Rate and CPU of a block that does `count` things."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __enter__(self) -> Clock:
        self._began, self._cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.rate = self.count / (time.perf_counter() - self._began)
        self.cpu_us = (time.process_time() - self._cpu) / self.count * 1e6


async def measure(kind: str, url: str) -> dict[str, float]:
    client = make_client(kind)
    await client.connect(url, transports=["websocket"])
    for _ in range(300):
        assert await client.call("echo", TEXT) == TEXT
    with Clock(CALLS) as calls:
        for _ in range(CALLS):
            await client.call("echo", TEXT)
    room, done = asyncio.Semaphore(WINDOW), asyncio.Event()
    left = EVENTS

    def answered(text: str) -> None:
        nonlocal left
        left -= 1
        room.release()
        if not left:
            done.set()

    with Clock(EVENTS) as events:
        for _ in range(EVENTS):
            await room.acquire()
            await client.emit("echo", TEXT, callback=answered)
        await done.wait()
    gc.collect()
    before = resident_bytes()
    clients = [make_client(kind) for _ in range(IDLE)]
    with Clock(IDLE) as connects:
        for i in range(0, IDLE, 50):
            await asyncio.gather(
                *(
                    c.connect(url, transports=["websocket"], wait_timeout=10)
                    for c in clients[i : i + 50]
                )
            )
    return result(calls, events, connects, before)


def measure_sync(kind: str, url: str) -> dict[str, float]:
    client = make_client(kind)
    client.connect(url, transports=["websocket"])
    with Clock(CALLS // 2) as calls:
        for _ in range(CALLS // 2):
            assert client.call("echo", TEXT) == TEXT
    room, left = threading.Semaphore(WINDOW), [EVENTS // 2]
    done, lock = threading.Event(), threading.Lock()

    def answered(text: str) -> None:
        with lock:
            left[0] -= 1
            if not left[0]:
                done.set()
        room.release()

    with Clock(EVENTS // 2) as events:
        for _ in range(EVENTS // 2):
            room.acquire()
            client.emit("echo", TEXT, callback=answered)
        done.wait()
    gc.collect()
    before = resident_bytes()
    clients = [make_client(kind) for _ in range(IDLE // 2)]
    with Clock(IDLE // 2) as connects:
        for each in clients:
            each.connect(url, transports=["websocket"], wait_timeout=10)
    return result(calls, events, connects, before)


def result(calls: Clock, events: Clock, connects: Clock, before: int) -> dict[str, float]:
    gc.collect()
    return {
        "calls/s": calls.rate,
        "us CPU": calls.cpu_us,
        "events/s": events.rate,
        "us CPU ": events.cpu_us,
        "connects/s": connects.rate,
        "KB/client": (resident_bytes() - before) / connects.count / 1024,
    }


def run_one(kind: str, url: str) -> None:
    """What a client's process does."""
    import uvloop

    found = measure_sync(kind, url) if kind.endswith("sync") else uvloop.run(measure(kind, url))
    print(json.dumps(found), flush=True)
    os._exit(0)  # not measured: the goodbyes


def compare(rounds: int) -> None:
    server = subprocess.Popen(
        [sys.executable, "-m", "bench.clients", "serve"], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    try:
        url = server.stdout.readline().strip()
        found: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
        for _ in range(rounds):
            for kind in KINDS:
                command = [sys.executable, "-m", "bench.clients", "client", kind, url]
                done = subprocess.run(
                    command, stdout=subprocess.PIPE, text=True, check=True, timeout=300
                )
                found[kind].append(json.loads(done.stdout))
    finally:
        server.kill()
    names = list(found[KINDS[0]][0])
    print(f"{'median of ' + str(rounds):24}" + "".join(f"{name:>12}" for name in names))
    for kind, runs in found.items():
        medians = [statistics.median(run[name] for run in runs) for name in names]
        print(f"{kind:24}" + "".join(f"{value:12,.1f}" for value in medians))


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        asyncio.run(serve())
    elif sys.argv[1:2] == ["client"]:
        run_one(*sys.argv[2:4])
    else:
        compare(int(sys.argv[1]) if len(sys.argv) > 1 else 3)

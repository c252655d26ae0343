"""Workers in the test's process: each has its own port, so that a test says which worker a request reaches.

With processes, on one port: tests/workers.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import fastsio
from fastsio.workers.crew import Crew
from harness import FakePeer


class Worker:
    """A server of the crew; `came` and `gone` are the ids of clients."""

    def __init__(self, number: int, folder: str, **options: Any) -> None:
        self.io = fastsio.IO(**options)
        self.crew = Crew(folder, number)
        self.number = number
        self.came: list[str] = []
        self.gone: list[str] = []
        self.server: Any = None
        self.io.on("connection", self.connected)

    @property
    def url(self) -> str:
        return str(self.server.url)

    def connected(self, socket: Any) -> None:
        self.came.append(socket.id)
        socket.on("disconnect", lambda reason: self.gone.append(socket.id))
        socket.on("who", lambda: self.number)
        socket.on("size", len)
        socket.on("join", socket.join)


Make = Callable[..., Awaitable[list[Worker]]]


async def joined(worker: Worker, transport: str = "polling") -> FakePeer:
    peer = await FakePeer(worker.url, transport).open()
    await peer.connect()
    return peer


async def ask(peer: FakePeer, *event: Any) -> Any:
    await peer.send(f"420{json.dumps(event)}")
    packet = str(await peer.receive())
    assert packet.startswith("430"), packet
    return json.loads(packet[3:])[0]


def at(peer: FakePeer, worker: Worker) -> FakePeer:
    """The same client, whose requests reach that worker from now on."""
    peer.url = worker.url
    return peer

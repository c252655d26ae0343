"""A cluster on hosts that are cut off and healed, under numbered traffic: what each client got, and what servers know.

Three hosts have a server with each adapter; all clients are in one room, to which every server sends numbered messages.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fastsio

from .network import Network
from .servers import PATHS, redis_program

HERE = Path(__file__).parent
KINDS = ("classic", "sharded", "streams")
HOSTS = ("a", "b", "c")
REDIS_PORT = 6379


@dataclass(frozen=True)
class Settings:
    """In seconds; the defaults are those of fastsio."""

    silence_timeout: float = 10.0
    request_timeout: float = 5.0
    presence_interval: float = 5.0
    heartbeat_timeout: float = 10.0
    message_interval: float = 0.02

    def as_json(self) -> str:
        names = ("silence_timeout", "request_timeout", "presence_interval", "heartbeat_timeout")
        return json.dumps({name: getattr(self, name) for name in names})


@dataclass
class Got:
    """What one client has got of one server: the number of the last message, and what was wrong."""

    last: int = 0
    count: int = 0
    doubled: int = 0
    disordered: int = 0
    seen: set[int] = field(default_factory=set)

    def take(self, number: int) -> None:
        if number in self.seen:
            self.doubled += 1
            return
        self.disordered += number < self.last
        self.seen.add(number)
        self.last = max(self.last, number)
        self.count += 1


class Client:
    def __init__(self, host: str, kind: str) -> None:
        self.host, self.kind = host, kind
        self.got = {name: Got() for name in HOSTS}
        self.ends: list[Any] = []
        self.io = fastsio.AsyncClient(reconnection=False)
        self.io.on("n", lambda name, number: self.got[name].take(number))
        self.io.on("disconnect", lambda *reason: self.ends.append(reason))

    async def connect(self, url: str) -> None:
        await self.io.connect(url, transports=["websocket"])

    @property
    def sid(self) -> str:
        return self.io.get_sid()


class Host:
    """One host's process, with a server of each kind."""

    def __init__(self, network: Network, name: str, redis_url: str, settings: Settings) -> None:
        self.name = name
        self._address = network.client_address(name)
        program = str(HERE / "cut_server.py")
        command = [sys.executable, program, name, self._address, redis_url, settings.as_json()]
        self._process = network.popen(
            name, command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, **PATHS},
            stderr=None if os.environ.get("FASTSIO_CUT_LOG") else subprocess.DEVNULL,
        )  # fmt: skip
        self._next = 0
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._reading: asyncio.Task[None] | None = None
        self.ports: dict[str, int] = {}

    async def start(self) -> None:
        line = await asyncio.to_thread(self._process.stdout.readline)  # type: ignore[union-attr]
        self.ports = json.loads(line)
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        while line := await asyncio.to_thread(self._process.stdout.readline):  # type: ignore[union-attr]
            answer = json.loads(line)
            self._answers.pop(answer["id"]).set_result(answer["value"])

    async def do(self, kind: str, what: str, *args: Any) -> Any:
        self._next += 1
        future = self._answers[self._next] = asyncio.get_running_loop().create_future()
        request = {"id": self._next, "kind": kind, "do": what, "args": args}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        async with asyncio.timeout(60):
            return await future

    def url(self, kind: str) -> str:
        return f"http://{self._address}:{self.ports[kind]}"

    async def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.to_thread(self._process.wait, 20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise
        finally:
            if self._reading is not None:
                await self._reading


class Redis:
    """Redis on the host "redis": each start() is an empty one."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._folder = tempfile.mkdtemp()
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"redis://{network.address('redis')}:{REDIS_PORT}"

    def start(self) -> None:
        options = {"port": str(REDIS_PORT), "save": "", "appendonly": "no", "protected-mode": "no"}
        command = [
            redis_program(),
            *(one for name, value in options.items() for one in (f"--{name}", value)),
        ]
        self._process = self._network.popen(
            "redis", command, cwd=self._folder, stdout=subprocess.DEVNULL
        )

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait(10)

    def stand_still(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        if self._process is not None:
            self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)


class CutCluster:
    """Three hosts and Redis, with so many clients for each server."""

    def __init__(self, settings: Settings, clients: int = 1) -> None:
        self.settings = settings
        self.network = Network([*HOSTS], ["redis"])
        self.redis = Redis(self.network)
        self.hosts: dict[str, Host] = {}
        self.clients: list[Client] = []
        self._count = clients

    async def start(self) -> CutCluster:
        self.redis.start()
        for name in HOSTS:
            self.hosts[name] = Host(self.network, name, self.redis.url, self.settings)
        for host in self.hosts.values():
            await host.start()
        for host in self.hosts.values():
            for kind in KINDS:
                for _ in range(self._count):
                    client = Client(host.name, kind)
                    await client.connect(host.url(kind))
                    self.clients.append(client)
        return self

    async def close(self) -> None:
        try:
            for client in self.clients:
                await client.io.disconnect()
            for host in self.hosts.values():
                await host.stop()
        finally:
            self.redis.close()
            self.network.close()

    # --- asking ------------------------------------------------------------------------------

    async def each(self, what: str, *args: Any) -> dict[str, dict[str, Any]]:
        """The answers of all servers, by kind and host."""
        asked = {(kind, name): self.hosts[name].do(kind, what, *args) for kind in KINDS for name in HOSTS}  # fmt: skip
        answers = dict(zip(asked, await asyncio.gather(*asked.values()), strict=True))
        return {kind: {name: answers[kind, name] for name in HOSTS} for kind in KINDS}

    def sids(self, kind: str, *hosts: str) -> list[str]:
        """The clients of a kind of server, on these hosts, or on all."""
        return sorted(one.sid for one in self.clients if one.kind == kind and one.host in (hosts or HOSTS))  # fmt: skip

    async def until(
        self, is_so: Callable[[dict[str, dict[str, Any]]], bool], what: str, seconds: float = 20
    ) -> float:
        """Ask the servers' state until it is so; in how many seconds it was."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        while True:
            states = await self.each("state")
            if is_so(states):
                return loop.time() - begun
            assert loop.time() - begun < seconds, f"not within {seconds} s: {what}: {states}"
            await asyncio.sleep(0.05)

    async def all_know_all(self, seconds: float = 20) -> float:
        """Wait until every server knows of every client; in how many seconds that was."""

        def is_so(states: dict[str, dict[str, Any]]) -> bool:
            return all(
                one["is_up"] and one["room"] == self.sids(kind)
                for kind, of in states.items() for one in of.values()
            )  # fmt: skip

        return await self.until(is_so, "every server knows of every client", seconds)

    # --- traffic -----------------------------------------------------------------------------

    async def under_traffic(self, cut: Callable[[], Awaitable[Any]]) -> dict[str, dict[str, int]]:
        """Let all servers send, cut, and wait until nothing comes any more: by kind what the clients missed of it."""
        before = await self.each("flood", self.settings.message_interval)
        await asyncio.sleep(10 * self.settings.message_interval)
        await cut()
        await asyncio.sleep(10 * self.settings.message_interval)
        after = await self.each("stop_flood")
        await self.quiet()
        return {kind: self._count_up(kind, before[kind], after[kind]) for kind in KINDS}

    async def quiet(self) -> None:
        """Wait until nothing waits, and nothing has come for some time."""
        await self.until(_is_even, "all is sent, and streams are read to one place")
        total = -1
        while total != (now := sum(got.count for one in self.clients for got in one.got.values())):
            total = now
            await asyncio.sleep(0.4)

    def _count_up(self, kind: str, before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
        """sent, lost, doubled, disordered; lost_of_<host>: of its messages, at the client that missed most of them."""
        counts = dict.fromkeys(("sent", "lost", "doubled", "disordered"), 0)
        counts |= {f"lost_of_{name}": 0 for name in HOSTS}
        for name in HOSTS:
            numbers = range(before[name] + 1, after[name] + 1)
            counts["sent"] += len(numbers)
            for client in (one for one in self.clients if one.kind == kind):
                got = client.got[name]
                lost = sum(number not in got.seen for number in numbers)
                counts["lost"] += lost
                counts[f"lost_of_{name}"] = max(counts[f"lost_of_{name}"], lost)
                counts["doubled"] += got.doubled
                counts["disordered"] += got.disordered
                got.doubled = got.disordered = 0
        return counts


def _is_even(states: dict[str, dict[str, Any]]) -> bool:
    """Nothing waits to be sent, and each server has read the stream as far as the others."""
    servers = [one for of in states.values() for one in of.values()]
    if any(one["waiting"] or not one["reads"] for one in servers):
        return False
    return len({one["position"] for one in states["streams"].values()}) == 1

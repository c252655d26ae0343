"""A Redis cluster of its own for tests: three masters, and a replica of one of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import redis.asyncio
from redis.crc import key_slot

from .servers import Redis, free_port

SLOTS = 16384
MASTERS = 3
START_S = 30


async def eventually(ask: Callable[[], Awaitable[Any]], ready: Callable[[Any], Any]) -> None:
    """Until the answer fits; AssertionError with the last one if it never does."""
    for _ in range(START_S * 20):
        said = await ask()
        if ready(said):
            return
        await asyncio.sleep(0.05)
    raise AssertionError(said)


class RedisNodes:
    """`await start()`; `url` names two of the nodes. The master that has `channel` has the replica."""

    def __init__(self, channel: str) -> None:
        self.ports = [free_port() for _ in range(MASTERS + 1)]
        self.nodes = [
            Redis(
                "--cluster-enabled", "yes", "--cluster-port", str(port), "--cluster-node-timeout", "1000",
                "--cluster-require-full-coverage", "no", "--repl-diskless-sync-delay", "0",
            )
            for port in self.ports
        ]  # fmt: skip
        self.clients = [redis.asyncio.Redis(port=one.port) for one in self.nodes]
        self._watched = self.owner(channel)

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"127.0.0.1:{one.port}" for one in self.nodes[:2])

    def owner(self, channel: str) -> int:
        """The number of the master that has a channel at the beginning."""
        return key_slot(channel.encode()) * MASTERS // SLOTS

    def channel_at(self, number: int, name: str) -> str:
        """`name` with something in its place of {} so that this master has it."""
        return next(
            room for room in (f"room {n}" for n in range(1000)) if self.owner(name.format(room)) == number
        )  # fmt: skip

    async def ask(self, number: int, *command: Any) -> Any:
        return await self.clients[number].execute_command("CLUSTER", *command)

    async def start(self) -> RedisNodes:
        for one in self.nodes:
            await asyncio.to_thread(one.start)
        firsts = [-(-number * SLOTS // MASTERS) for number in range(MASTERS + 1)]
        for number in range(MASTERS + 1):
            await self.ask(number, "SET-CONFIG-EPOCH", number + 1)
        for number in range(MASTERS):
            await self.ask(number, "ADDSLOTSRANGE", firsts[number], firsts[number + 1] - 1)
        for number in range(1, MASTERS + 1):
            await self.ask(0, "MEET", "127.0.0.1", self.nodes[number].port, self.ports[number])
        self.ids = [str(await self.ask(number, "MYID"), "ascii") for number in range(MASTERS + 1)]
        await self.until(lambda nodes: nodes.count("connected") == MASTERS + 1)
        await self.ask(MASTERS, "REPLICATE", self.ids[self._watched])
        await self.until(lambda nodes: f"slave {self.ids[self._watched]}" in nodes)
        replica = self.clients[MASTERS]
        await eventually(
            lambda: replica.info("replication"), lambda said: said.get("master_link_status") == "up"
        )
        for number in range(MASTERS + 1):
            await eventually(
                lambda number=number: self.ask(number, "INFO"), lambda said: b"cluster_state:ok" in said
            )  # fmt: skip
        return self

    async def until(self, ready: Callable[[str], bool]) -> None:
        """Until what each node knows of the others fits."""
        for number in range(MASTERS + 1):
            await eventually(
                lambda number=number: self.ask(number, "NODES"), lambda said: ready(str(said, "ascii"))
            )  # fmt: skip

    def kill_watched(self) -> None:
        """Kill the master that has the replica."""
        self.nodes[self._watched].stop(kill=True)

    async def move(self, channel: str) -> None:
        """Give a channel's slot to the next master."""
        slot, source = key_slot(channel.encode()), self.owner(channel)
        target = (source + 1) % MASTERS
        for number in (target, source, (source + 2) % MASTERS):
            await self.ask(number, "SETSLOT", slot, "NODE", self.ids[target])

    async def close(self) -> None:
        for client in self.clients:
            await client.aclose()
        for one in self.nodes:
            await asyncio.to_thread(one.close)

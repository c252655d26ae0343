"""Clients that come and go, in a process of their own: `python -m tests.soak.clients URL SEED WIDTH`.

WIDTH of them are there at a time, each goes through one visit after the other: a transport, a revision of the
protocol, some things that clients do, and one of the ways to leave. Whatever is not answered as it must be ends the
process. Once a second it says how many visits there were; it stops when its input ends, and may be killed at any time.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import sys
from collections import Counter
from typing import Any

from eio3_peer import Eio3Peer
from harness import TEXT, FakePeer, RawWebSocket
from tests.soak.lines import answer_lines, say

HOLDER = '{"_placeholder":true,"num":0}'
ROOMS = 20
# A room's news that come while something else is awaited, at most.
MOST_NEWS = 1000
OLD, NEW = Eio3Peer, FakePeer
WAYS_IN = [
    (kind, transport, upgrades)
    for kind in (NEW, OLD)
    for transport, upgrades in (("websocket", False), ("polling", False), ("polling", True))
]


class Visit:
    """One client from its handshake to its end. `prefix`: of the namespace that it talks in, as packets have it."""

    def __init__(self, url: str, dice: random.Random, counts: Counter[str]) -> None:
        kind, transport, self.upgrades = dice.choice(WAYS_IN)
        self.is_old = kind is OLD
        self.dice = dice
        self.counts = counts
        self.peer: Any = kind(url, transport)
        self.prefix = ""
        self.acks = 0
        generation = "eio3" if self.is_old else "eio4"
        self.counts[f"{generation} {transport}{' upgrade' * self.upgrades}"] += 1

    async def run(self) -> None:
        await self.peer.open()
        if self.dice.random() < 0.1:
            await self.leave_early()
            return
        await self.join()
        doings = [self.echo, self.echo, self.binary, self.chat, self.ask]
        for doing in self.dice.sample(doings, self.dice.randint(1, len(doings))):
            await doing()
            if self.upgrades:
                self.upgrades = False
                await self.peer.upgrade()
        await self.leave()

    async def receive(self, expected: str, exactly: bool = True) -> str:
        """The packet that was expected; news of the room that come before it are passed over."""
        for _ in range(MOST_NEWS):
            packet = await self.peer.receive()
            text = packet if isinstance(packet, str) else repr(packet)
            if text == expected if exactly else text.startswith(expected):
                return text
            assert text.startswith(f'42{self.prefix}["news"'), f"{text[:200]!r} for {expected!r}"
        raise AssertionError(f"{MOST_NEWS} news and no {expected!r}")

    # --- coming --------------------------------------------------------------------------------

    async def join(self) -> None:
        if self.is_old:
            assert await self.peer.receive() == "40"
        else:
            await self.peer.connect()
        if self.dice.random() < 0.3:
            await self.join_chat()

    async def join_chat(self) -> None:
        if self.is_old:
            await self.peer.send("40/chat")
            assert await self.peer.receive() == "40/chat,"
        elif self.dice.random() < 0.2:
            await self.peer.send('40/chat,{"refuse":true}')
            assert str(await self.peer.receive()).startswith("44/chat,")
            return
        else:
            await self.peer.connect("/chat")
        self.prefix = "/chat,"

    # --- what clients do -----------------------------------------------------------------------

    async def emit(self, *args: Any) -> str:
        """Send an event; returns how its answer begins."""
        self.acks += 1
        await self.peer.send(f"42{self.prefix}{self.acks}{json.dumps(args, separators=(',', ':'))}")
        return f"43{self.prefix}{self.acks}"

    async def echo(self) -> None:
        text = "x" * self.dice.choice((1, 30, 300, 20_000))
        event = self.dice.choice(("echo", "echo_async"))
        await self.receive(f'{await self.emit(event, text)}["{text}"]')

    async def binary(self) -> None:
        data = self.dice.randbytes(self.dice.choice((0, 100, 10_000)))
        self.acks += 1
        await self.peer.send(f'451-{self.prefix}{self.acks}["echo",{HOLDER}]', data)
        await self.receive(f"461-{self.prefix}{self.acks}[{HOLDER}]")
        assert await self.peer.receive() == data

    async def chat(self) -> None:
        room, text = f"room-{self.dice.randrange(ROOMS)}", f"{self.dice.getrandbits(64):x}"
        await self.receive(f"{await self.emit('join', room)}[]")
        answer = await self.emit("chat", room, text)
        await self.receive(f'42{self.prefix}["news","{text}"]')
        await self.receive(f"{answer}[]")
        if self.dice.random() < 0.5:
            await self.receive(f"{await self.emit('leave', room)}[]")

    async def ask(self) -> None:
        """The server asks back before it answers."""
        answer = await self.emit("ask", "why")
        question = await self.receive(f"42{self.prefix}", exactly=False)
        while '["question","why"]' not in question:  # it was news
            question = await self.receive(f"42{self.prefix}", exactly=False)
        ack = question[len(f"42{self.prefix}") :].partition("[")[0]
        await self.peer.send(f'43{self.prefix}{ack}["because"]')
        await self.receive(f'{answer}["because"]')

    # --- going ---------------------------------------------------------------------------------

    async def leave(self) -> None:
        ways = (
            self.peer.close,
            self.say_goodbye,
            self.be_put_out,
            self.fail,
            self.vanish,
            self.vanish_half_way,
        )
        await self.dice.choice(ways)()

    async def say_goodbye(self) -> None:
        await self.peer.send("41")
        await self.peer.close()

    async def be_put_out(self) -> None:
        await self.peer.send(f'42{self.prefix}["leave_me"]')
        await self.receive(f"41{self.prefix}")
        await self.peer.close()

    async def fail(self) -> None:
        await self.peer.send(f'42{self.prefix}["fail"]')
        await self.peer.close()

    async def vanish(self) -> None:
        """Without a word: the connection is cut, or nothing is polled any more."""
        if self.peer.ws is not None:
            self.peer.abort()

    async def vanish_half_way(self) -> None:
        """With an attachment that never comes, a question that is never answered, a handler that runs."""
        await self.peer.send(f'42{self.prefix}["ask",1]', f'451-{self.prefix}["echo",{HOLDER}]')
        await self.vanish()

    async def leave_early(self) -> None:
        """Before anything was joined, while it is joined, or in the middle of an upgrade."""
        way = self.dice.choice(("nothing", "joining", "upgrade"))
        if way == "joining" and not self.is_old:
            await self.peer.send('40/chat,{"wait":0.05}')
        elif way == "upgrade" and self.peer.ws is None:
            probing = type(self.peer)(self.peer.url, "polling", handshake=self.peer.handshake)
            await _probe(probing)
        await self.vanish()


async def _probe(peer: Any) -> None:
    """The first half of an upgrade."""
    ws = await RawWebSocket.open(peer.url, peer.target("websocket"))
    ws.send(TEXT, b"2probe")
    await ws.receive()
    ws.connection.abort()


async def come_and_go(
    url: str, dice: random.Random, counts: Counter[str], stop: asyncio.Event
) -> None:
    while not stop.is_set():
        await Visit(url, dice, counts).run()
        counts["visits"] += 1


async def report(counts: Counter[str], stop: asyncio.Event) -> None:
    while not stop.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), 1.0)
        say(counts)


async def main(url: str, seed: int, width: int) -> None:
    counts: Counter[str] = Counter()
    stop = answer_lines({})
    async with asyncio.TaskGroup() as group:
        group.create_task(report(counts, stop))
        for number in range(width):
            dice = random.Random(seed * 1000 + number)
            group.create_task(come_and_go(url, dice, counts, stop))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))

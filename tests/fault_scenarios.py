"""What clients do, step by step, until they are lost: scripts over a peer that may vanish at any read or write.

Each leaves its client connected. `SCENARIOS`: name to (script, makes its peer, options of the application).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from fault_tools import FaultyEio3Peer, FaultyPeer
from harness import CLOSE, PING, TEXT

Script = Callable[[Any], Awaitable[None]]


@dataclass
class Scenario:
    """`script(peer)` over `kind.of(server, transport, **fields)`, an open client."""

    script: Script
    transport: str = "websocket"
    kind: type = FaultyPeer
    fields: dict[str, Any] = field(default_factory=dict)
    connect_s: float = 0.0
    options: dict[str, Any] = field(default_factory=dict)

    async def run(self, server: Any, plan: Any) -> None:
        peer = self.kind.of(server, self.transport, plan=plan, **self.fields)
        await peer.open()
        await self.script(peer)


async def answer_to(peer: Any, ack: str) -> None:
    """Take packets until the answer `ack` has come, with the events before it."""
    while await peer.receive() != ack:
        pass


async def all_kinds(peer: Any) -> None:
    """Namespaces, acks both ways, binary both ways, rooms, a handler that waits, and leaving."""
    if peer.query.get("EIO") == "3":
        await answer_to(peer, "40")
    else:
        await peer.connect()
    await peer.send('421["echo","a"]', '42["enter","room"]')
    await answer_to(peer, '431["a"]')
    await peer.send('422["ask",1]')
    await peer.receive()
    await peer.send('430["an answer"]')
    await answer_to(peer, '432["an answer"]')
    await peer.send('452-3["echo",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]')
    await peer.send(b"first")
    await peer.send(b"second")
    await binary_answer(peer, 2)
    await second_namespace(peer)
    await peer.send('42["say","room","x"]', '425["ask",2]')
    await peer.receive()


async def binary_answer(peer: Any, count: int) -> None:
    await peer.receive()
    for _ in range(count):
        assert isinstance(await peer.receive(), bytes)


async def second_namespace(peer: Any) -> None:
    await peer.send("40/n,")
    packet = await peer.receive()
    assert packet.startswith("40/n"), packet
    await peer.send('42/n,4["echo"]')
    await answer_to(peer, "43/n,4[]")
    await peer.send('42/n,["wait"]', "41/n,", '42["wait"]')


async def both_ends_close(peer: Any) -> None:
    """The end in good order, which may be cut as well."""
    await peer.connect()
    await peer.connect("/n")
    await peer.send('421["echo"]', "41/n,")
    await answer_to(peer, "431[]")
    await peer.send("41")
    peer.ws.send(PING, b"x")
    peer.ws.send(CLOSE, b"\x03\xe8")
    await peer.ws.receive_close()


async def put_out(peer: Any) -> None:
    """The server ends it, first one namespace, then the connection."""
    await peer.connect()
    await peer.connect("/n")
    await peer.send('42/n,["leave"]')
    await answer_to(peer, "41/n,")
    await peer.send('42["ask"]', '42["close"]')
    with contextlib.suppress(AssertionError, asyncio.IncompleteReadError):
        while True:
            await peer.receive()


def begin_get(peer: Any) -> asyncio.Task[Any]:
    """A GET whose answer may never come, nor its failure be heard of."""
    held = asyncio.ensure_future(peer.get())
    held.add_done_callback(lambda task: task.cancelled() or task.exception())
    return held


async def upgrading(peer: Any) -> None:
    """From polling to WebSocket, with a GET held and packets on their way."""
    if peer.query.get("EIO") == "3":
        await answer_to(peer, "40")
    else:
        await peer.connect()
    await peer.send('421["echo","before"]')
    held = begin_get(peer)
    try:
        ws = await peer.open_websocket()
        ws.send(TEXT, b"2probe")
        assert await ws.receive() == (TEXT, b"3probe")
        await held
        await peer.send('42["ask"]')
        ws.send(TEXT, b"5")
        peer.ws, peer.transport = ws, "websocket"
        await peer.send('422["echo","after"]', '42["wait"]')
        await answer_to(peer, '432["after"]')
    finally:
        held.cancel()


async def held_get(peer: Any) -> None:
    """A GET that waits for what a handler says two seconds later, and a POST of many packets."""
    await peer.connect()
    await peer.send('421["wait"]')
    held = begin_get(peer)
    try:
        await asyncio.sleep(0.5)
        await peer.send('42["enter","r"]', '42["say","r",1]', '42["say","r",2]')
        await held
        await peer.send('45-["echo",{"_placeholder":true,"num":0}]', b"half of a binary event")
        await peer.send('45-["echo",{"_placeholder":true,"num":0}]')
    finally:
        held.cancel()


async def binary_without_its_rest(peer: Any) -> None:
    """The client goes between a binary packet's head and its attachments."""
    await peer.connect()
    await peer.send(
        '453-["echo",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]', b"one"
    )


async def one_after_the_other(peer: Any) -> None:
    """Events, acks and the end of a namespace wait for the handler before them."""
    await peer.connect()
    await peer.connect("/n")
    await peer.send('421["wait"]', '42["echo"]', '422["wait"]', '42/n,3["echo"]', "41/n,")
    await answer_to(peer, '431["waited"]')
    await peer.send('42["enter","r"]', '424["echo"]')
    await answer_to(peer, '432["waited"]')


async def slowly_admitted(peer: Any) -> None:
    """Guards are at work, in two namespaces at once."""
    await peer.send("40", "40/n,")
    for _ in range(2):
        assert (await peer.receive()).startswith("40")
    await peer.send('421["echo"]')
    await answer_to(peer, "431[]")


RECOVERY = {"connection_state_recovery": {}}

SCENARIOS = {
    "websocket": Scenario(all_kinds),
    "polling": Scenario(all_kinds, "polling"),
    "upgrade": Scenario(upgrading, "polling"),
    "held get": Scenario(held_get, "polling"),
    "binary": Scenario(binary_without_its_rest),
    "polling binary": Scenario(binary_without_its_rest, "polling"),
    "good order": Scenario(both_ends_close),
    "put out": Scenario(put_out),
    "put out of polling": Scenario(put_out, "polling"),
    "admission": Scenario(slowly_admitted, connect_s=1.0),
    "admission by polling": Scenario(slowly_admitted, "polling", connect_s=1.0),
    "strict order": Scenario(one_after_the_other, options={"async_handlers": False}),
    "recovery": Scenario(all_kinds, options=RECOVERY),
    "recovery by polling": Scenario(all_kinds, "polling", options=RECOVERY),
    "EIO3 websocket": Scenario(all_kinds, kind=FaultyEio3Peer),
    "EIO3 polling": Scenario(all_kinds, "polling", FaultyEio3Peer),
    "EIO3 base64": Scenario(all_kinds, "polling", FaultyEio3Peer, {"query": {"b64": "1"}}),
    "EIO3 JSONP": Scenario(all_kinds, "polling", FaultyEio3Peer, {"query": {"b64": "1", "j": "0"}}),
    "EIO3 upgrade": Scenario(upgrading, "polling", FaultyEio3Peer),
}

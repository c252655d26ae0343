"""Whole sessions that go wrong: valid clients, then operations in any order, some of them mutated.

`python tests/fuzz_sessions.py [--seed N] [--seconds S] [--verbose]`. A seed is a server with options of its own and a
few clients that poll, upgrade half way, have two transports at once, answer what was never asked and never what was,
send binary without its head, overlap requests, stall, and vanish. What must hold: each client that was accepted goes
once, with a reason; nothing is left; no error is logged; the server serves on. The same seed does the same again.

Knows the protocols (engine.io v4 and v3, socket.io v5) only as far as to break them at the interesting places.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import random
import sys
import time
from collections import Counter
from collections.abc import Awaitable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parent
if str(TESTS) not in sys.path:  # as a program
    sys.path[:0] = [str(TESTS), str(TESTS.parent)]

import fastsio  # noqa: E402
from clock_loop import ClockLoop, pass_time  # noqa: E402
from eio3_peer import jsonp_form, text_payload  # noqa: E402
from fault_tools import (  # noqa: E402
    WAYS,
    FaultyEio3Peer,
    FaultyPeer,
    Ledger,
    Plan,
    ledger_app,
    leftovers,
)
from fuzz_packets import ENGINE_PACKETS, mutated, packets  # noqa: E402
from harness import (  # noqa: E402
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    RawConnection,
    RawWebSocket,
    request_bytes,
)

OPERATIONS = 60
# Until the slowest deadline has passed: see test_vanishing_clients.
REST_S = 400.0
GAVE_UP = (AssertionError, OSError, EOFError, ValueError, TimeoutError, KeyError)

# --- clients --------------------------------------------------------------------------------------


@dataclass
class Fuzzed:
    """One client, and all connections that it has. Each operation is a method `do_…`; see operations()."""

    rng: random.Random
    server: Any
    plan: Plan = field(default_factory=Plan)
    peer: Any = None
    sockets: list[RawWebSocket] = field(default_factory=list)
    connections: list[RawConnection] = field(default_factory=list)
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)
    answers_pings: bool = True

    async def open(self) -> None:
        """A valid session, joined or not."""
        rng = self.rng
        transport = rng.choice(("websocket", "polling"))
        kind = rng.choice((FaultyPeer, FaultyPeer, FaultyEio3Peer))
        query = rng.choice(({}, {}, {"b64": "1"}, {"b64": "1", "j": "2"}))
        headers = rng.choice(({}, {"Sec-WebSocket-Extensions": "permessage-deflate"}))
        if transport == "websocket" or kind is FaultyPeer:
            query.pop("j", None)
        self.answers_pings = rng.random() < 0.7
        self.peer = kind.of(self.server, transport, plan=self.plan, query=query, headers=headers)
        await asyncio.wait_for(self.peer.open(), 4.0)
        if self.peer.ws is not None:
            self.sockets.append(self.peer.ws)
            self.start(self.read(self.peer.ws))
        if rng.random() < 0.9:
            await self.send("40")
        if rng.random() < 0.4:
            await self.send("40/n,")

    def start(self, work: Awaitable[Any]) -> None:
        async def quietly() -> None:
            with contextlib.suppress(*GAVE_UP):
                await work

        task = asyncio.ensure_future(quietly())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def read(self, ws: RawWebSocket) -> None:
        """Read a WebSocket to its end, and answer pings, mostly."""
        while True:
            opcode, payload = await ws.receive()
            if (opcode, payload[:1]) == (TEXT, b"2") and self.answers_pings:
                ws.send(TEXT, b"3")

    async def send(self, *packets: str | bytes) -> None:
        """Send over the transport that the session has, as far as this knows."""
        if self.sockets:
            for packet in packets:
                self.send_frame(self.sockets[-1], packet)
        else:
            self.start(self.post(self.body(packets)))
            await asyncio.sleep(0)

    def send_frame(self, ws: RawWebSocket, packet: str | bytes) -> None:
        is_text = isinstance(packet, str)
        data = packet.encode() if isinstance(packet, str) else packet
        ws.send(TEXT if is_text else BINARY, data)

    def body(self, packets: Any) -> bytes:
        if self.peer.query.get("EIO") == "3":
            body = text_payload(*packets)
            return jsonp_form(body) if "j" in self.peer.query else body
        return b"\x1e".join(p.encode() if isinstance(p, str) else b"bAAEC" for p in packets)

    async def post(self, body: bytes) -> None:
        content_type = self.rng.choice(
            ("text/plain;charset=UTF-8",) * 8 + ("application/octet-stream", "x")
        )
        connection = self.connection()
        connection.write(request_bytes(
            "POST", self.peer.target("polling"), body, {"Content-Type": content_type}
        ))  # fmt: skip
        await connection.read_response()
        await connection.close()

    async def get(self) -> None:
        connection = self.connection()
        response = await connection.request("GET", self.peer.target("polling"))
        if b"2" in response.body[:8] and self.answers_pings and not self.sockets:
            await self.post(self.body(["3"]))
        await connection.close()

    def connection(self) -> RawConnection:
        self.connections.append(connection := self.peer.connection())
        return connection

    # --- operations ------------------------------------------------------------------------------

    async def do_packets(self) -> None:
        """What clients do; several at once."""
        for _ in range(self.rng.choice((1, 1, 2, 5))):
            await self.send(*packets(self.rng))

    async def do_mutated_packets(self) -> None:
        for packet in packets(self.rng):
            data = mutated(self.rng, packet.encode() if isinstance(packet, str) else packet)
            if self.sockets:
                self.sockets[-1].send(self.rng.choice((TEXT, BINARY)), data)
            else:
                self.start(self.post(data))

    async def do_poll(self) -> None:
        """One GET, or two that overlap, on any transport."""
        for _ in range(self.rng.choice((1, 1, 1, 2))):
            self.start(self.get())

    async def do_posts_that_overlap(self) -> None:
        self.start(self.post(self.body(packets(self.rng))))
        self.start(self.post(self.body(packets(self.rng))))

    async def do_cut_post(self) -> None:
        """A POST whose body stops in the middle: the rest comes later, or never, or the connection ends."""
        body = self.body(packets(self.rng)) or b"3"
        request = request_bytes("POST", self.peer.target("polling"), body)
        cut = self.rng.randrange(1, len(request))
        connection = self.connection()
        connection.write(request[:cut])
        await asyncio.sleep(0.01)
        what = self.rng.randrange(3)
        if what == 0:
            connection.abort()
        elif what == 1:
            connection.write(request[cut:])

    async def do_upgrade(self) -> None:
        """The steps of an upgrade in their order, as many as it gets to; with packets between them."""
        ws = await self.open_websocket()
        for step in (b"2probe", b"5"):
            if self.rng.random() < 0.2:
                return
            ws.send(TEXT, step)
            await asyncio.sleep(self.rng.choice((0, 0.01)))
            if self.rng.random() < 0.3:
                self.start(self.post(self.body(packets(self.rng))))
            if self.rng.random() < 0.3:
                self.start(self.get())
        self.sockets.append(ws)
        self.start(self.read(ws))

    async def open_websocket(self) -> RawWebSocket:
        ws = await asyncio.wait_for(self.peer.open_websocket(), 2.0)
        self.connections.append(ws.connection)
        return ws

    async def do_second_websocket(self) -> None:
        """A WebSocket beside what the session has, that says anything."""
        ws = await self.open_websocket()
        for _ in range(self.rng.randrange(4)):
            ws.send(TEXT, self.rng.choice(ENGINE_PACKETS).encode())
        if self.rng.random() < 0.5:
            self.sockets.append(ws)

    async def do_frame(self) -> None:
        """A frame as frames should not be, on a WebSocket."""
        if self.sockets:
            ws = self.rng.choice(self.sockets)
            kinds = self.rng.choice((
                {}, {"fin": False}, {"reserved": 4}, {"reserved": self.rng.randrange(8)}, {"mask": None},
            ))  # fmt: skip
            opcode = self.rng.choice((0, TEXT, BINARY, 3, CLOSE, PING, PONG, 0xB))
            ws.send(opcode, self.rng.randbytes(self.rng.choice((0, 2, 20, 130, 3000))), **kinds)

    async def do_raw_bytes(self) -> None:
        """Bytes on a connection that it has, or a new one."""
        connection = self.rng.choice([*self.connections, self.connection()])
        data = self.rng.choice((
            self.rng.randbytes(20),
            request_bytes("GET", self.peer.target("polling")) * 3,
            mutated(self.rng, request_bytes("GET", self.peer.target("websocket"))),
            request_bytes("POST", self.peer.target("polling"), b"3" * 4000),
            request_bytes("OPTIONS", self.peer.target("polling")),
            b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n",
        ))  # fmt: skip
        connection.write(data)

    async def do_close(self) -> None:
        """In good order: a namespace, a WebSocket, the session."""
        what = self.rng.randrange(4)
        if what == 0 and self.sockets:
            self.sockets[-1].send(
                CLOSE, self.rng.choice((b"", b"\x03\xe8", b"\x03", b"\x03\xe9bye"))
            )
        elif what == 1:
            await self.send("1")
        else:
            await self.send(self.rng.choice(("41", "41/n,")))

    async def do_stall(self) -> None:
        """One of its connections takes nothing any more, or takes again what waited."""
        transport = self.rng.choice(self.plan.transports)
        if not transport.is_lost and not transport.has_ended:
            if transport.get_write_buffer_size():
                transport.flow()
            else:
                transport.stall()

    async def do_vanish(self) -> None:
        """One of its connections, or all of them."""
        how = self.rng.choice(WAYS)
        if self.rng.random() < 0.7:
            self.rng.choice(self.plan.transports).vanish(how)
        else:
            for transport in self.plan.transports:
                transport.vanish(how)

    async def do_wait(self) -> None:
        await pass_time(self.rng.choice((0.001, 0.1, 0.5, 3.0, 30.0)))

    async def do_emit(self) -> None:
        """The server tells all, a room, or one; asks; puts out."""
        namespace = self.server.hub.namespaces[self.rng.choice(("/", "/n"))]
        namespace.emit("news", "x" * self.rng.choice((1, 1000, 30_000)))
        namespace.to("room").emit("to room", b"binary")
        sockets = list(namespace.sockets.values())
        if sockets:
            socket = self.rng.choice(sockets)
            what = self.rng.randrange(6)
            if what == 0:
                socket.disconnect(self.rng.random() < 0.5)
            elif what == 1:
                socket.session.close()
            elif what == 2:
                socket.join("room")
            else:
                socket.emit("question", ack=lambda *args: None)

    async def end(self) -> None:
        await asyncio.sleep(0)  # what was started last has begun then
        for transport in self.plan.transports:
            transport.vanish(self.rng.choice(("reset", "eof", "silence")))
        for task in list(self.tasks):
            task.cancel()
        if self.tasks:
            await asyncio.wait(list(self.tasks))


def operations() -> list[str]:
    return [name for name in vars(Fuzzed) if name.startswith("do_")]


WEIGHTS = {"do_packets": 6, "do_poll": 3, "do_wait": 2, "do_emit": 2, "do_upgrade": 2}


# --- runs -----------------------------------------------------------------------------------------


def options_of(rng: random.Random) -> dict[str, Any]:
    """Options of a server, most of them the defaults."""
    given: dict[str, Any] = {}
    choices: dict[str, tuple[Any, ...]] = {
        "async_handlers": (False,),
        "always_connect": (True,),
        "connection_state_recovery": ({}, {"max_sessions": 1}),
        "per_message_deflate": (True, {"server_no_context_takeover": True}),
        "max_http_buffer_size": (2_000,),
        "max_buffered_bytes": (20_000,),
        "buffer_policy": ("drop_oldest", "drop_newest", "keep_latest"),
        "max_waiting_events": (4,),
        "upgrade_timeout": (0.2,),
        "connect_timeout": (3.0,),
        "allow_upgrades": (False,),
        "allow_eio3": (False,),
        "cookie": ("io",),
        "high_water": (5_000,),
        "limits": ([{"rate": 2, "beyond": "disconnect"}], [{"rate": 2, "beyond": "error"}]),
    }
    for name, values in choices.items():
        if rng.random() < 0.12:
            given[name] = rng.choice(values)
    if rng.random() < 0.3:
        given |= {"ping_interval": 0.5, "ping_timeout": 0.3}
    return given


class Errors(logging.Handler):
    """What is logged as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(self.format(record))


@dataclass
class Run:
    """One seed. `trace`: what was done, for who wants to know; `counts`: how often."""

    seed: int
    trace: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    ledger: Ledger = field(default_factory=Ledger)

    async def play(self) -> None:
        """AssertionError says what does not hold."""
        rng = random.Random(self.seed)
        errors = Errors()
        logging.getLogger("fastsio").addHandler(errors)
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: errors.texts.append(str(context)))
        style, options = rng.choice(("aio", "io")), options_of(rng)
        connect_s = rng.choice((0.0, 0.0, 0.3, 2.0))
        self.trace.append(f"{style} {options} connect_s={connect_s}")
        server = await fastsio.start(ledger_app(style, self.ledger, connect_s, **options), port=0)
        try:
            await self._clients(rng, server, options)
            await self._is_clean(server)
            self.ledger.check()
            await self._serves_on(server)
        finally:
            logging.getLogger("fastsio").removeHandler(errors)
            await server.close()
        assert not errors.texts, "\n".join(errors.texts)
        self.counts.update(f"gone: {reason}" for reason in self.ledger.reasons)

    async def _clients(self, rng: random.Random, server: Any, options: dict[str, Any]) -> None:
        clients: list[Fuzzed] = []
        names = operations()
        weights = [WEIGHTS.get(name, 1) for name in names]
        for _ in range(OPERATIONS):
            if not clients or (len(clients) < 6 and rng.random() < 0.15):
                client = Fuzzed(rng, server)
                with contextlib.suppress(*GAVE_UP):
                    await client.open()
                    self.counts["clients"] += 1
                if client.plan.transports:
                    clients.append(client)
                continue
            client = rng.choice(clients)
            (name,) = rng.choices(names, weights)
            self.trace.append(f"{clients.index(client)}: {name[3:]}")
            self.counts[name[3:]] += 1
            with contextlib.suppress(*GAVE_UP):
                await getattr(client, name)()
            if rng.random() < 0.5:
                await asyncio.sleep(0)
        for client in clients:
            await client.end()

    async def _is_clean(self, server: Any) -> None:
        for _ in range(int(REST_S / 4)):
            if not leftovers(server):
                return
            await pass_time(4.0)
        raise AssertionError(f"left: {leftovers(server)}")

    async def _serves_on(self, server: Any) -> None:
        peer = await FaultyPeer.of(server, plan=Plan()).open()
        await peer.connect()
        await peer.send('421["echo"]')
        assert await peer.receive() == "431[]"
        await peer.close()
        await self._is_clean(server)


def play(seed: int) -> Run:
    """Play a seed on a loop of its own. What it raises has the seed, and what was done, as notes."""
    run = Run(seed)
    try:
        with asyncio.Runner(loop_factory=ClockLoop) as runner:
            runner.run(run.play())
    except BaseException as error:
        error.add_note(f"again: python tests/fuzz_sessions.py --seed {seed}")
        error.add_note("\n".join(run.trace))
        raise
    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, help="this one alone")
    parser.add_argument("--first", type=int, default=0, help="begin with this seed")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to go on")
    parser.add_argument("--verbose", action="store_true", help="show what was done")
    given = parser.parse_args()
    if given.seed is not None:
        run = play(given.seed)
        print("\n".join(run.trace) if given.verbose else dict(run.counts))
        return
    ends_at, seed, counts = time.monotonic() + given.seconds, given.first, Counter[str]()
    while time.monotonic() < ends_at:
        counts += play(seed).counts
        seed += 1
    print(f"seeds {given.first} to {seed - 1}, nothing wrong:")
    for name, count in sorted(counts.items()):
        print(f"  {name}: {count}")


if __name__ == "__main__":
    main()

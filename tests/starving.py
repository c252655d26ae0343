"""Memory that runs out: one allocation fails, at each place in turn, while the server handles what its client does.

`python tests/starving.py [--every N] [--only NAME]` runs each scenario again and again; the k-th call of the event
loop into the server has its n-th allocation fail, for all k and every N-th n. What must hold each time: a bystander is
served on, each client that was accepted goes once, and nothing is left. A program of its own, as a crash is a result.
orjson can't take part: it crashes where an allocation of its own fails. So JSON is the standard library's here, but for
the scenario of events that are strings alone, which need neither. CPython 3.12.1 and 3.13.0 crash by themselves where
a function has no memory: 3.11 it must be.
Source: CPython's hook _testcapi.set_nomemory().
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import faulthandler
import functools
import itertools
import json
import logging
import os
import sys
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parent
sys.path[:0] = [str(TESTS), str(TESTS.parent)]

import _testcapi  # noqa: E402

import fastsio  # noqa: E402
from clock_loop import ClockLoop, pass_time  # noqa: E402
from eio3_peer import MemoryEio3Peer  # noqa: E402
from fastsio._fanout import Flusher  # noqa: E402
from fastsio._wheel import Wheel  # noqa: E402
from fault_scenarios import all_kinds, held_get, upgrading  # noqa: E402
from fault_tools import FaultyTransport, Ledger, Plan, ledger_app, leftovers  # noqa: E402
from harness import RawConnection  # noqa: E402
from memory_conn import MemoryPeer, connect_in_memory  # noqa: E402

REST_S = 200.0
NOT_SERVED_S = 20.0


@dataclass
class Hunger:
    """In the call `at` into the server the allocation `nth` fails, both counted from 0.

    The client does not starve: what is sent to it meanwhile (`sent`) it gets when the call is over.
    """

    at: int
    nth: int
    calls: int = 0
    has_failed: bool = False
    what: str = ""
    raised: BaseException | None = None
    is_now: bool = False
    sent: list[tuple[Callable[[bytes], None], bytes]] = field(default_factory=list)

    def deliver(self, on_bytes: Callable[[bytes], None], data: bytes) -> None:
        if self.is_now:
            self.sent.append((on_bytes, data))
        else:
            on_bytes(data)

    def call(self, fn: Callable[..., Any], *args: Any) -> Any:
        """Call the server, starving if it is the time."""
        self.calls += 1
        if self.calls - 1 != self.at:
            return fn(*args)
        self.what = f"{type(getattr(fn, '__self__', fn)).__name__}.{fn.__name__}"
        probes = [b""] * (self.nth + 8)
        self.is_now = True
        _testcapi.set_nomemory(self.nth, self.nth + 1)
        try:
            return fn(*args)
        except BaseException as error:
            self.raised = error
            raise
        finally:
            # What the call has not used up this does: then nothing has failed in it.
            try:
                for i in range(len(probes)):
                    probes[i] = bytes(1000)
                self.has_failed = True
            except MemoryError:
                self.has_failed = False
            _testcapi.remove_mem_hooks()
            self.is_now = False
            while self.sent:
                on_bytes, data = self.sent.pop(0)
                on_bytes(data)


class StarvingLoop(ClockLoop):
    """Calls of the flusher and the wheel count as calls into the server."""

    hunger: Hunger | None = None

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> Any:
        return super().call_soon(self._hungry(callback), *args, context=context)

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> Any:
        return super().call_at(when, self._hungry(callback), *args, context=context)

    def _hungry(self, callback: Any) -> Any:
        if isinstance(getattr(callback, "__self__", None), (Flusher, Wheel)):
            return lambda: callback() if self.hunger is None else self.hunger.call(callback)
        return callback


class StarvingTransport(FaultyTransport):
    """What an event loop does with a protocol that raises: it ends the connection."""

    def __init__(self, hunger: Hunger, plan: Plan, conn: Any, on_bytes: Any) -> None:
        super().__init__(plan, conn, functools.partial(hunger.deliver, on_bytes))
        self._hunger = hunger

    def feed(self, data: bytes) -> None:
        if not self._is_reading:
            self._unread.append(data)
        elif not self.is_lost and not self._is_deaf:
            try:
                self._hunger.call(self.conn.data_received, data)
            except Exception as error:  # noqa: BLE001 - as an event loop does
                self._loop.call_exception_handler({"message": traceback.format_exc()})
                self.lose(error)

    def _tell_of_loss(self, error: Exception | None) -> None:
        try:
            self._hunger.call(self.conn.connection_lost, error)
        except MemoryError:
            if (
                self.conn.transport is not None
            ):  # the call itself has failed, before it was in the server
                self.conn.connection_lost(error)
        self._on_bytes(b"")


@dataclass
class StarvingPeer(MemoryPeer):
    hunger: Hunger = field(default_factory=lambda: Hunger(-1, 0))
    plan: Plan = field(default_factory=Plan)

    def connection(self) -> RawConnection:
        return connect_in_memory(
            self.server, lambda *args: StarvingTransport(self.hunger, self.plan, *args)
        )


@dataclass
class StarvingEio3Peer(MemoryEio3Peer, StarvingPeer):
    pass


async def strings(peer: Any) -> None:
    await peer.connect()
    await peer.send('421["echo","a","b"]', '42["enter","room"]', '42["say","room","x"]')
    for _ in range(2):
        await peer.receive()
    await peer.send("40/n,", '42/n,2["echo"]', '423["ask","x"]')
    for _ in range(3):
        await peer.receive()
    await peer.send('430["answer"]', "41/n,", "41")


STDLIB = {"json": json}
SCRIPTS = {
    "websocket": (all_kinds, StarvingPeer, "websocket", "aio", STDLIB),
    "polling": (all_kinds, StarvingPeer, "polling", "aio", STDLIB),
    "upgrade": (upgrading, StarvingPeer, "polling", "io", STDLIB),
    "held get": (held_get, StarvingPeer, "polling", "aio", STDLIB),
    "EIO3": (all_kinds, StarvingEio3Peer, "websocket", "aio", STDLIB),
    "recovery": (
        all_kinds,
        StarvingPeer,
        "websocket",
        "io",
        {"connection_state_recovery": {}, **STDLIB},
    ),
    "strings": (strings, StarvingPeer, "websocket", "aio", {}),
}


class Log(logging.Handler):
    """What was logged as failed. `disconnects`: how many were begun, or had no listener, for want of memory."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[str] = []
        self.disconnects = 0

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        self.records.append(self.format(record))
        if "'disconnect'" in text or "disconnect handler" in text or "'connection'" in text:
            self.disconnects += 1


@dataclass
class Stage:
    """A server, a bystander, and the scenario that is played beside it."""

    name: str
    loop: StarvingLoop
    log: Log = field(default_factory=Log)
    heard: list[Any] = field(default_factory=list)
    victims: int = 0
    stuck: list[Any] = field(default_factory=list)

    async def open(self) -> None:
        self.script, self.kind, self.transport, style, options = SCRIPTS[self.name]
        self.ledger = Ledger()
        self.app = ledger_app(style, self.ledger, **options)
        self.server = await fastsio.start(self.app, port=0)
        await self.new_bystander()
        logging.getLogger("fastsio").addHandler(self.log)

    async def new_bystander(self) -> None:
        self.bystander = peer = await MemoryPeer.of(self.server).open()
        self.sid = (await peer.connect())["sid"]
        await peer.send('42["enter","room"]')
        self.reading = asyncio.ensure_future(self.read(peer))

    async def read(self, peer: MemoryPeer) -> None:
        """Hear what comes, and answer pings."""
        with contextlib.suppress(OSError, EOFError, AssertionError):
            while True:
                with contextlib.suppress(TimeoutError):
                    self.heard.append(await peer.receive())

    async def close(self) -> None:
        logging.getLogger("fastsio").removeHandler(self.log)
        self.reading.cancel()
        await self.bystander.close()
        await self.server.close()

    async def play(self, at: int, nth: int) -> Hunger:
        """One run; AssertionError says what does not hold."""
        hunger, plan = Hunger(at, nth), Plan()
        self.log.records.clear()
        begun = self.log.disconnects
        peer = self.kind.of(self.server, self.transport, hunger=hunger, plan=plan)
        self.loop.hunger = hunger
        task = asyncio.ensure_future(self._script(peer))
        await asyncio.wait([task], timeout=NOT_SERVED_S)
        task.cancel()
        plan.strike()
        await asyncio.wait([task])
        await pass_time(2.0)
        self.loop.hunger = None
        await self.serves_on(hunger)
        await self.is_clean()
        self.each_has_gone_once(self.log.disconnects - begun)
        return hunger

    def each_has_gone_once(self, begun: int) -> None:
        """But for the bystander, and for `begun` whose `disconnect` was called and failed for want of memory."""
        ledger = self.ledger
        assert max(Counter(one[:2] for one in ledger.gone).values()) == 1
        here = set(ledger.accepted) - {one[:2] for one in ledger.gone}
        assert {one[:2] for one in ledger.gone} <= set(ledger.accepted)
        missing = here - {("/", self.sid)}
        assert len(missing) <= begun, f"{missing} have not gone ({begun} failed)"
        ledger.gone += [(*one, "failed") for one in missing]

    async def _script(self, peer: Any) -> None:
        # Whatever becomes of this client: it has had bad luck.
        with contextlib.suppress(AssertionError, OSError, EOFError, ValueError, TimeoutError):
            await peer.open()
            await self.script(peer)

    async def serves_on(self, hunger: Hunger) -> None:
        """A new client, and the bystander, unless it was its own packet that there was no memory for."""
        new = await MemoryPeer.of(self.server).open()
        await new.connect()
        await new.send("41")
        await new.close()
        self.heard.clear()
        await self.bystander.send('421["echo","still there"]')
        await pass_time(0.1)
        if '431["still there"]' not in self.heard:
            assert hunger.has_failed and hunger.what == "Flusher.run", hunger
            self.victims += 1
            await self.new_bystander()

    async def is_clean(self) -> None:
        """The bystander is all that is left."""
        for _ in range(int(REST_S / 5)):
            self.set_stuck_tasks_aside()
            if self.left() == {}:
                return
            await pass_time(5.0)
        raise AssertionError(f"left: {self.left()}")

    def set_stuck_tasks_aside(self) -> None:
        """A Future sets its result and then calls call_soon(): if that fails, asyncio never wakes who awaits it."""
        tasks = self.server.hub.tasks
        for task in list(tasks):
            future = getattr(task, "_fut_waiter", None)
            if future is not None and future.done():
                tasks.discard(task)
                self.stuck.append(task)

    def left(self) -> dict[str, Any]:
        found = leftovers(self.server)
        expected = {
            "sessions": 1,
            "connections": 1,
            "entries on the wheel": 1,
            "sockets of /": 1,
            "rooms of /": 1,
        }
        counts = {
            kind: what if isinstance(what, int) else len(what) for kind, what in found.items()
        }
        return {} if counts == expected else found


async def starve(name: str, every: int) -> dict[str, Any]:
    """Play a scenario until every call has had its allocations fail; what was seen."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, StarvingLoop)
    stage = Stage(name, loop)
    loop.set_exception_handler(lambda loop, context: stage.log.records.append(str(context)))
    await stage.open()
    runs = failed = ended = 0
    try:
        for at in itertools.count():
            for nth in itertools.count(at % every, every):
                try:
                    hunger = await stage.play(at, nth)
                except BaseException as error:
                    error.add_note(f"{name}: call {at}, allocation {nth}")
                    error.add_note("\n".join(stage.log.records))
                    raise
                if hunger.calls <= at:
                    seen = {"calls": at, "runs": runs, "failed": failed, "ended": ended}
                    return seen | {"victims": stage.victims, "stuck": len(stage.stuck)}
                if not hunger.has_failed:
                    break
                runs += 1
                failed += hunger.has_failed
                ended += hunger.raised is not None
    finally:
        await stage.close()
    raise AssertionError("unreachable")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--only", choices=SCRIPTS)
    given = parser.parse_args()
    faulthandler.enable()
    warnings.simplefilter("ignore", RuntimeWarning)  # of coroutines for which there was no memory
    logging.lastResort = None
    for name in SCRIPTS if given.only is None else (given.only,):
        runner = asyncio.Runner(loop_factory=StarvingLoop)
        seen = runner.run(starve(name, given.every))
        print(
            f"{name}: {seen['calls']} calls into the server, {seen['failed']} failed allocations; "
            f"{seen['ended']} ended their connection, {seen['victims']} another; "
            f"{seen['stuck']} tasks that asyncio did not wake",
            flush=True,
        )
    # Not by the runner: it would wait for those tasks.
    os._exit(0)


if __name__ == "__main__":
    main()

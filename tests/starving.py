"""Memory that runs out: one allocation fails, at each place in turn, while the server handles what its client does.

`python tests/starving.py [--every N] [--only NAME]` runs each scenario again and again; the k-th call of the event
loop into the server has its n-th allocation fail, for all k and every N-th n. What must hold each time: a bystander is
served on, each client that was accepted goes once, and nothing is left. A program of its own, as a crash is a result.
Source: CPython's hook _testcapi.set_nomemory().
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import faulthandler
import itertools
import logging
import sys
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
    """In the call `at` into the server the allocation `nth` fails, both counted from 0."""

    at: int
    nth: int
    calls: int = 0
    has_failed: bool = False
    what: str = ""
    raised: BaseException | None = None

    def call(self, fn: Callable[..., Any], *args: Any) -> Any:
        """Call the server, starving if it is the time."""
        self.calls += 1
        if self.calls - 1 != self.at:
            return fn(*args)
        self.what = f"{type(getattr(fn, '__self__', fn)).__name__}.{fn.__name__}"
        probes = [b""] * (self.nth + 8)
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
        super().__init__(plan, conn, on_bytes)
        self._hunger = hunger

    def feed(self, data: bytes) -> None:
        if not self._is_reading:
            self._unread.append(data)
        elif not self.is_lost and not self._is_deaf:
            try:
                self._hunger.call(self.conn.data_received, data)
            except Exception as error:  # noqa: BLE001 - as an event loop does
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


SCRIPTS = {
    "websocket": (all_kinds, StarvingPeer, "websocket", "aio", {}),
    "polling": (all_kinds, StarvingPeer, "polling", "aio", {}),
    "upgrade": (upgrading, StarvingPeer, "polling", "io", {}),
    "held get": (held_get, StarvingPeer, "polling", "aio", {}),
    "EIO3": (all_kinds, StarvingEio3Peer, "websocket", "aio", {}),
    "recovery": (all_kinds, StarvingPeer, "websocket", "io", {"connection_state_recovery": {}}),
}


class Log(logging.Handler):
    """Counts what was logged as failed for want of memory; a `disconnect` among it was begun, at least."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[str] = []
        self.disconnects = 0

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        self.records.append(text)
        if "'disconnect'" in text or "disconnect handler" in text:
            self.disconnects += 1


@dataclass
class Stage:
    """A server, a bystander, and the scenario that is played beside it."""

    name: str
    loop: StarvingLoop
    log: Log = field(default_factory=Log)

    async def open(self) -> None:
        self.script, self.kind, self.transport, style, options = SCRIPTS[self.name]
        self.ledger = Ledger()
        self.app = ledger_app(style, self.ledger, **options)
        self.server = await fastsio.start(self.app, port=0)
        self.bystander = await self.new_bystander()
        logging.getLogger("fastsio").addHandler(self.log)

    async def new_bystander(self) -> MemoryPeer:
        peer = await MemoryPeer.of(self.server).open()
        await peer.connect()
        await peer.send('42["enter","room"]')
        return peer

    async def close(self) -> None:
        logging.getLogger("fastsio").removeHandler(self.log)
        await self.bystander.close()
        await self.server.close()

    async def play(self, at: int, nth: int) -> Hunger:
        """One run; AssertionError says what does not hold."""
        hunger, plan = Hunger(at, nth), Plan()
        before = len(self.ledger.accepted), len(self.ledger.gone), self.log.disconnects
        peer = self.kind.of(self.server, self.transport, hunger=hunger, plan=plan)
        self.loop.hunger = hunger
        task = asyncio.ensure_future(self._script(peer))
        await asyncio.wait([task], timeout=NOT_SERVED_S)
        task.cancel()
        plan.strike()
        await asyncio.wait([task])
        await pass_time(1.0)
        self.loop.hunger = None
        await self.serves_on()
        await self.is_clean()
        accepted = len(self.ledger.accepted) - before[0]
        gone = len(self.ledger.gone) - before[1]
        begun = self.log.disconnects - before[2]
        assert gone <= accepted <= gone + begun, f"accepted {accepted}, gone {gone} (and {begun})"
        return hunger

    async def _script(self, peer: Any) -> None:
        # Whatever becomes of this client: it has had bad luck.
        with contextlib.suppress(AssertionError, OSError, EOFError, ValueError, TimeoutError):
            await peer.open()
            await self.script(peer)

    async def serves_on(self) -> None:
        """The bystander, which is told by the room, and a new client."""
        peer = self.bystander
        await peer.send('421["echo","still there"]')
        while await peer.receive() != '431["still there"]':
            pass
        new = await MemoryPeer.of(self.server).open()
        await new.connect()
        accepted = self.ledger.accepted.pop()
        await new.send("41")
        await new.close()
        await pass_time(1.0)
        left = self.ledger.gone.pop()
        assert left[:2] == accepted, (left, accepted)

    async def is_clean(self) -> None:
        """The bystander is all that is left."""
        for _ in range(int(REST_S / 5)):
            if self.left() == {}:
                return
            await pass_time(5.0)
        raise AssertionError(f"left: {self.left()}")

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
    loop.set_exception_handler(lambda loop, context: None)
    stage = Stage(name, loop)
    await stage.open()
    runs = failed = ended = 0
    try:
        for at in itertools.count():
            for nth in itertools.count(at % every, every):
                try:
                    hunger = await stage.play(at, nth)
                except BaseException as error:
                    error.add_note(f"{name}: call {at}, allocation {nth}")
                    raise
                if hunger.calls <= at:
                    return {"calls": at, "runs": runs, "failed": failed, "ended": ended}
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
    logging.lastResort = None
    for name in SCRIPTS if given.only is None else (given.only,):
        with asyncio.Runner(loop_factory=StarvingLoop) as runner:
            seen = runner.run(starve(name, given.every))
        print(f"{name}: {seen['calls']} calls, {seen['failed']} failed allocations, "
              f"{seen['ended']} ended their connection", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()

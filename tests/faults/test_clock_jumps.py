"""Clocks that jump: the wall clock, which nothing here may depend on, and the loop's, after a process was stopped."""

from __future__ import annotations

import asyncio
import time

import pytest

from clock_loop import pass_time
from fastsio._wheel import Wheel
from fault_tools import FaultyPeer, Ledger, Plan, ledger_app, leftovers

pytestmark = pytest.mark.asyncio(loop_factories=["clock"])
DAY_S = 86_400.0


class Entry:
    """Notes when it is called."""

    def __init__(self, again_s: float = 0) -> None:
        self.wheel_slot = None
        self.again_s = again_s
        self.calls: list[float] = []

    def on_due(self) -> float:
        self.calls.append(asyncio.get_running_loop().time())
        return self.again_s


def jump(seconds: float) -> None:
    """The loop's clock goes forward, with nothing in between."""
    asyncio.get_running_loop()._jumping.now += seconds


@pytest.mark.fault(
    "the wall clock jumps by a day, forth or back",
    "nothing: heartbeats, deadlines, rate limits and recovery go by the monotonic clock",
)
@pytest.mark.parametrize("by_s", [DAY_S, -DAY_S])
async def test_nothing_happens_when_the_wall_clock_jumps(by_s, serve, monkeypatch):
    ledger = Ledger()
    app = ledger_app(
        "aio",
        ledger,
        connection_state_recovery={},
        limits=[{"rate": 1, "burst": 2, "beyond": "drop"}],
    )
    server = await serve(app)
    real = time.time
    plan = Plan()
    peer = await FaultyPeer.of(server, plan=plan).open()
    ids = await peer.connect()
    await peer.send('421["echo"]', '422["echo"]')
    monkeypatch.setattr(time, "time", lambda: real() + by_s)
    for _ in range(5):
        assert await peer.receive() is not None
        if ledger.events == 2:
            break
    await peer.send('423["echo"]')  # over the limit, which has not been filled up by the jump
    await pass_time(0.1)
    assert ledger.events == 2
    assert ledger.gone == []
    plan.strike()
    await pass_time(1.0)
    again = await FaultyPeer.of(server, plan=(second := Plan())).open()
    back = await again.connect(auth={"pid": ids["pid"], "offset": ""})
    assert back["sid"] != ids["sid"] or back["pid"] == ids["pid"]
    second.strike()
    await pass_time(300.0)
    ledger.check()
    assert not leftovers(server)


@pytest.mark.fault(
    "the loop's clock jumps by a day: the process was stopped, or the machine asleep",
    "all that is due is called once, in its order, without a look at each tick in between",
)
async def test_a_day_that_was_missed_takes_no_time_and_calls_each_entry_once():
    wheel = Wheel(asyncio.get_running_loop(), 0.05)  # 8,640,000 ticks a day
    order: list[int] = []

    class Numbered(Entry):
        def __init__(self, number: int) -> None:
            super().__init__()
            self.number = number

        def on_due(self) -> float:
            order.append(self.number)
            return super().on_due()

    entries = [Numbered(number) for number in range(100)]
    for entry in entries:
        wheel.add(entry, 10.0 + entry.number)
    beating, late = Entry(again_s=20.0), Entry()
    wheel.add(beating, 5.0)
    wheel.add(late, DAY_S + 100.0)
    await pass_time(1.0)
    began = time.perf_counter()
    jump(DAY_S)
    await pass_time(1.0)
    took_s = time.perf_counter() - began
    assert order == list(range(100))
    assert len(beating.calls) == 1
    assert late.calls == []
    assert took_s < 0.25
    await pass_time(30.0)
    assert len(beating.calls) == 2
    await pass_time(100.0)
    assert len(late.calls) == 1
    wheel.close()


@pytest.mark.fault(
    "the process was stopped for an hour, and its clients have gone meanwhile",
    "each is found out, and goes once",
)
async def test_clients_that_went_while_the_process_was_stopped_go_once(serve):
    ledger = Ledger()
    server = await serve(ledger_app("aio", ledger))
    plans = [Plan(how="silence") for _ in range(20)]
    for number, plan in enumerate(plans):
        transport = ("websocket", "polling")[number % 2]
        peer = await FaultyPeer.of(server, transport, plan=plan).open()
        await peer.connect()
        plan.strike()
    jump(3_600.0)
    await pass_time(200.0)
    assert len(ledger.gone) == 20
    assert set(ledger.reasons) == {"ping timeout"}
    ledger.check()
    assert not leftovers(server)


async def test_an_entry_whose_call_raises_is_called_again_and_stops_no_other(watch):
    wheel = Wheel(asyncio.get_running_loop(), 1.0)

    class Deadly(Entry):
        def on_due(self) -> float:
            super().on_due()
            if len(self.calls) == 1:
                raise KeyError  # which is logged
            return 0

    deadly, fine = Deadly(), Entry(again_s=1.0)
    wheel.add(deadly, 2.0)
    wheel.add(fine, 2.0)
    await pass_time(20.0)
    assert len(fine.calls) > 10
    assert len(deadly.calls) == 2
    watch.expect_error("deadline of", "KeyError")
    wheel.close()

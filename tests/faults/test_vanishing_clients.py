"""Clients that vanish: at every read and write of the server in turn, in every way, whatever they were about to do.

Each time its application hears once that it has gone, with a reason, nothing of it is left, and the next client is
served. In memory, under a clock of the test's own: fault_tools.py, fault_scenarios.py.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from clock_loop import pass_time
from fault_scenarios import SCENARIOS, Scenario
from fault_tools import (
    WAYS,
    FaultyPeer,
    Ledger,
    Plan,
    ledger_app,
    leftovers,
    nothing_is_left,
    objects_of_clients,
)

pytestmark = pytest.mark.asyncio(loop_factories=["clock"])

# Until a silent client has been found out, its connections closed, and what it might come back to forgotten: the
# ping interval and timeout, the idle time of a connection, the 2 minutes of the recovery and a sweep.
LONG_S = 300.0
STEP_S = 5.0
RUN_S = 20.0


async def run(scenario: Scenario, server: Any, plan: Plan) -> None:
    """Let a client do all it does, or as much as it can before it is lost."""
    task = asyncio.ensure_future(scenario.run(server, plan))
    plan.on_strike = task.cancel
    done, _ = await asyncio.wait([task], timeout=RUN_S)
    if not done:
        task.cancel()
        await asyncio.wait([task])
    if not task.cancelled() and task.exception() is not None and not plan.has_struck:
        raise task.exception()
    if not plan.has_struck:  # the steps are over, and the client is where the script left it
        plan.strike()


async def rest(server: Any) -> None:
    """Let time pass until nothing is left, but not for ever."""
    await pass_time(STEP_S)
    for _ in range(int(LONG_S / STEP_S)):
        if not leftovers(server):
            return
        await pass_time(STEP_S)


async def lose_at_each_step(style: str, scenario: Scenario, how: str, serve: Any) -> int:
    """How many steps there were."""
    ledger = Ledger()
    app = ledger_app(style, ledger, scenario.connect_s, **scenario.options)
    server = await serve(app)
    at = 0
    while True:
        plan = Plan(at, how)
        await run(scenario, server, plan)
        await rest(server)
        assert not leftovers(server), f"{how} at step {at}: {leftovers(server)}"
        try:
            ledger.check()
        except AssertionError as error:
            raise AssertionError(f"{how} at step {at}: {error}") from None
        if plan.steps <= at:
            return at
        at += 1


@pytest.mark.fault(
    "a client vanishes at any read or write, whatever it was about to do (WebSocket, polling, EIO3, JSONP)",
    "its `disconnect` handler runs once, with a reason; no session, room, ack, task or timer is left",
)
@pytest.mark.fault(
    "a client's cable is cut: nothing comes any more, and nothing says so",
    "the heartbeat finds it out: `ping timeout`, once; its connections are closed",
)
@pytest.mark.fault(
    "a client neither reads nor sends any more, with packets for it on their way",
    "`ping timeout`, once; its connections are dropped 5 s after their close",
)
@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("name", SCENARIOS)
async def test_client_lost_at_any_step_has_gone_once_and_leaves_nothing(name, how, serve):
    scenario = SCENARIOS[name]
    before = objects_of_clients()
    assert await lose_at_each_step("aio", scenario, how, serve) >= 5
    assert objects_of_clients() == before


@pytest.mark.fault(
    "a client vanishes during an upgrade: before or after the probe, between its transports, behind the switch",
    "the session ends once, with both its connections",
)
@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("name", ["websocket", "upgrade", "admission", "put out", "EIO3 polling"])
async def test_listeners_in_node_style_hear_once_of_a_client_lost_at_any_step(name, how, serve):
    assert await lose_at_each_step("io", SCENARIOS[name], how, serve) >= 5


@pytest.mark.fault(
    "a client vanishes while it is asked for an answer",
    "the call fails at once with ClientGoneError",
)
async def test_a_call_fails_as_soon_as_its_client_has_gone(serve):
    ledger = Ledger()
    server = await serve(ledger_app("aio", ledger))
    plan = Plan()
    peer = await FaultyPeer.of(server, plan=plan).open()
    await peer.connect()
    await peer.send('42["ask"]')
    await peer.receive()
    assert ledger.unanswered == 0
    plan.how = "reset"
    plan.strike()
    await nothing_is_left(server)
    assert ledger.unanswered == 1
    ledger.check()


@pytest.mark.fault(
    "a client sends its Close and reads nothing any more",
    "its connection is dropped after 5 to 10 s",
)
async def test_connection_whose_client_closes_without_reading_is_dropped(serve):
    """What is unsent keeps a transport from closing, for as long as the client likes."""
    ledger = Ledger()
    server = await serve(ledger_app("aio", ledger))
    plan = Plan()
    peer = await FaultyPeer.of(server, plan=plan).open()
    await peer.connect()
    (transport,) = plan.transports
    transport.stall()
    await peer.send('421["echo"]')
    await pass_time(0.1)
    peer.ws.send(8, b"\x03\xe8")
    await pass_time(1.0)
    assert ledger.reasons == ["transport close"]
    assert len(server.connections) == 1
    await pass_time(12.0)
    assert not leftovers(server)

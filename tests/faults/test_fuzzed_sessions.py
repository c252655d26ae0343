"""Whole sessions, fuzzed: a few seeds of tests/fuzz_sessions.py. More of them: `make fuzz-sessions`."""

from __future__ import annotations

import pytest

from clock_loop import pass_time
from fault_tools import FaultyPeer, Ledger, Plan, ledger_app, leftovers, objects_of_clients
from fuzz_sessions import play
from harness import TEXT, request_bytes

SEEDS = 120
PARTS = 6


@pytest.mark.fault(
    "clients do anything in any order: upgrade half way, two transports at once, binary without its head, acks unsent",
    "each that was accepted goes once, with a reason; nothing is left, no error is logged, others are served",
)
@pytest.mark.parametrize("part", range(PARTS))
def test_whatever_clients_do_each_goes_once_and_leaves_nothing(part):
    before = objects_of_clients()
    clients = sum(play(seed).counts["clients"] for seed in range(part, SEEDS, PARTS))
    assert clients > SEEDS // PARTS
    assert objects_of_clients() == before


@pytest.mark.fault(
    "a client sends several GETs of its session ahead, on one connection, and the session ends or goes over",
    "each is answered: none is held for a session that is not there",
)
@pytest.mark.asyncio(loop_factories=["clock"])
@pytest.mark.parametrize("how", ["ends", "goes over"])
async def test_gets_that_were_sent_ahead_are_answered_when_their_session_is_gone(how, serve):
    ledger, plan = Ledger(), Plan()
    server = await serve(ledger_app("aio", ledger))
    peer = await FaultyPeer.of(server, "polling", plan=plan).open()
    await peer.connect()
    ahead = peer.connection()
    ahead.write(request_bytes("GET", peer.target("polling")) * 3)
    await pass_time(0.1)
    if how == "ends":
        server.engine.sessions[peer.handshake["sid"]].abort("transport error")
    else:
        ws = await peer.open_websocket()
        ws.send(TEXT, b"5")
    for _ in range(3):
        assert (await ahead.read_response()).status in (200, 400)
    plan.strike()
    await pass_time(1.0)
    assert not leftovers(server)
    ledger.check()

"""Whole sessions, fuzzed: a few seeds of tests/fuzz_sessions.py. More of them: `make fuzz-sessions`."""

from __future__ import annotations

import pytest

from fault_tools import objects_of_clients
from fuzz_sessions import play

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

"""The whole server between bytes and bytes, on a null transport: what `make gate` counts, as time.

Only fastsio: to drive the others' servers without a network was not tried; bench/run.py compares them.
"""

import pytest
from operations import BURST, MEMBERS, OPERATIONS

TITLES = {
    "dispatch_plain": "dispatch, plain handler, with ack",
    "dispatch_plain_no_ack": "dispatch, plain handler, without ack",
    "dispatch_coroutine": "dispatch, coroutine handler, with ack",
    "dispatch_coroutine_no_ack": "dispatch, coroutine handler, without ack",
    "dispatch_binary_1kB": "dispatch, 1 kB attached, coroutine handler, with ack",
    "emit": f"{BURST} emits to one client, all of them",
    "fan_out": f"broadcast to {MEMBERS}, all of them",
    "connect": "connect, CONNECT reply, gone",
    "poll": "GET held, POST, answer",
}


@pytest.mark.parametrize("operation", TITLES)
def test_fastsio(benchmark, operation):
    benchmark.group = TITLES[operation]
    made = OPERATIONS[operation]()
    benchmark(made.run)
    benchmark.extra_info["correct"] = made.is_correct()

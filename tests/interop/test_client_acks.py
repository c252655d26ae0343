"""The official client and acknowledgements, in both directions: on time, late and never.

Each test plays one scenario of scenarios/acks.js.
"""

from __future__ import annotations

from typing import Any

import pytest

from harness import until


async def test_return_values_are_acks(stage: Any, mode: str) -> None:
    await stage.play("clientGetsAcks", mode)


async def test_client_times_out_when_nobody_answers(stage: Any, mode: str) -> None:
    await stage.play("clientAckTimesOut", mode)


async def test_ack_after_the_clients_timeout_does_no_harm(stage: Any, mode: str) -> None:
    await stage.play("clientIgnoresALateAck", mode)


async def test_a_suspended_handler_does_not_hold_up_other_acks(stage: Any, mode: str) -> None:
    await stage.play("serverAcksOutOfOrder", mode)


@pytest.mark.parametrize("style", ["io"], indirect=True)
async def test_ack_parameter_answers_later_and_once(stage: Any, mode: str) -> None:
    await stage.play("serverAcksLaterByFunction", mode)


async def test_server_awaits_the_clients_acks(stage: Any, mode: str) -> None:
    await stage.play("serverGetsAcks", mode)


async def test_server_gets_an_ack_by_callback(stage: Any, mode: str) -> None:
    await stage.play("serverGetsAckByCallback", mode)


async def test_server_times_out_and_ignores_the_late_ack(stage: Any, mode: str) -> None:
    await stage.play("serverAckTimesOutAndIgnoresALateOne", mode)
    assert [entry[3] for entry in stage.log.of("ask failed")] == ["TimeoutError"]


async def test_pending_ack_fails_at_once_when_the_client_goes(stage: Any, mode: str) -> None:
    await stage.play("serverAckFailsWhenTheClientGoes", mode)
    (entry,) = await until(lambda: stage.log.of("ask failed"), "the failure of the pending ack")
    assert entry[3] == "ClientGoneError"


async def test_clients_pending_ack_fails_when_the_server_disconnects_it(
    stage: Any, mode: str
) -> None:
    await stage.play("clientAckFailsWhenTheServerDisconnects", mode)

"""The official client and many events: all arrive, once, in the order in which they were sent.

Each test plays one scenario of scenarios/order.js, with 20,000 events where nothing else is said.
"""

from __future__ import annotations

from typing import Any

import pytest


async def test_20000_events_to_the_server_at_once_keep_their_order(stage: Any, mode: str) -> None:
    await stage.play("clientSendsManyAtOnce", mode)


async def test_20000_events_to_the_server_in_batches_keep_their_order(
    stage: Any, mode: str
) -> None:
    await stage.play("clientSendsManyInBatches", mode)


async def test_events_to_a_coroutine_handler_keep_their_order(stage: Any, mode: str) -> None:
    await stage.play("clientSendsManyToACoroutine", mode)


async def test_events_sent_before_the_connect_keep_their_order(stage: Any, mode: str) -> None:
    await stage.play("clientSendsManyBeforeItIsConnected", mode)


async def test_20000_events_to_the_client_at_once_keep_their_order(stage: Any, mode: str) -> None:
    await stage.play("serverSendsManyAtOnce", mode)


async def test_20000_events_to_the_client_in_batches_keep_their_order(
    stage: Any, mode: str
) -> None:
    await stage.play("serverSendsManyInBatches", mode)


async def test_20000_events_each_way_together_keep_their_order(stage: Any, mode: str) -> None:
    await stage.play("bothSendManyAtOnce", mode)


@pytest.mark.parametrize("before", [0, 10, 500, 5_000])
async def test_events_across_the_upgrade_are_not_lost_or_reordered(stage: Any, before: int) -> None:
    """engineio.md 9: nothing queued is lost when the transport is switched under load."""
    await stage.play("bothSendAcrossTheUpgrade", "upgrading", before=before)


@pytest.mark.parametrize("before", [0, 7, 250])
async def test_attachments_across_the_upgrade_stay_with_their_events(
    stage: Any, before: int
) -> None:
    await stage.play("bothSendBinaryAcrossTheUpgrade", "upgrading", before=before)


async def test_3000_acks_at_once_come_in_order(stage: Any, mode: str) -> None:
    await stage.play("manyAcksAtOnce", mode)


async def test_text_and_binary_events_keep_their_order(stage: Any, mode: str) -> None:
    await stage.play("bounceKeepsTextAndBinaryInOrder", mode)

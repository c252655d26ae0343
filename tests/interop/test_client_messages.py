"""The official client and what travels: text, JSON and binary, both ways, as event and as ack.

Each test plays one scenario of scenarios/messages.js, which checks what the client sees.
"""

from __future__ import annotations

from typing import Any

import pytest

from harness import until


async def test_text_of_every_kind_comes_back_unchanged(stage: Any, mode: str) -> None:
    await stage.play("carriesText", mode)


async def test_event_names_may_have_any_characters(stage: Any, mode: str) -> None:
    await stage.play("carriesEventNames", mode)


async def test_json_values_come_back_unchanged(stage: Any, mode: str) -> None:
    await stage.play("carriesJson", mode)


async def test_deep_and_wide_json_comes_back_unchanged(stage: Any, mode: str) -> None:
    await stage.play("carriesDeepAndWideJson", mode)


async def test_several_nested_attachments_come_back_unchanged(stage: Any, mode: str) -> None:
    await stage.play("carriesNestedBinary", mode)


async def test_handler_gets_attachments_as_bytes_in_their_places(stage: Any, mode: str) -> None:
    await stage.play("serverSeesBytes", mode)


async def test_server_sends_bytes_bytearray_and_memoryview(stage: Any, mode: str) -> None:
    await stage.play("serverSendsBytesOfItsOwn", mode)


async def test_server_asks_and_is_answered_with_binary(stage: Any, mode: str) -> None:
    await stage.play("serverAsksWithBytes", mode)


async def test_event_of_900_kb_travels_both_ways(stage: Any, mode: str) -> None:
    await stage.play("carries900kB", mode)


async def test_send_is_the_message_event(stage: Any, mode: str) -> None:
    await stage.play("sendIsTheMessageEvent", mode)


async def test_volatile_events_of_the_client_do_no_harm(stage: Any, mode: str) -> None:
    await stage.play("volatileIsDroppedWhileDisconnected", mode)


async def test_unknown_and_failing_events_get_no_ack_and_keep_the_connection(
    stage: Any, mode: str, watch: Any
) -> None:
    await stage.play("unknownAndFailingEventsKeepTheConnection", mode)
    # Logged with event, namespace and as much of the sid as is no secret.
    ((_, _, sid),) = stage.log.of("connect")
    assert "this handler fails" in watch.expect_error("'fails'", "'/'", sid[:6])


@pytest.mark.parametrize(
    ("transport", "client_reason", "server_reason"),
    [
        # The client gives up by itself when its POST is answered 413 (engineio.md 7.3).
        ("polling", "transport error", "transport close"),
        ("websocket", "transport close", "transport error"),
        ("upgrade", "transport close", "transport error"),
    ],
)
async def test_too_large_event_closes_its_sender_only(
    stage: Any, transport: str, client_reason: str, server_reason: str
) -> None:
    assert await stage.play("tooLargeEventClosesItsSender", transport) == client_reason
    await until(lambda: len(stage.log.reasons()) == 2, "both disconnect handlers")
    if stage.style == "aio" and transport == "polling":
        server_reason = "client disconnect"  # it says goodbye
    assert stage.log.reasons()[0] == server_reason

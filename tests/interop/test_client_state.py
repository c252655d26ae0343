"""The official client and what the server knows of it: session, request, transport, options.

Each test plays one scenario of scenarios/lifecycle.js.
"""

from __future__ import annotations

from typing import Any

import pytest

only_aio = pytest.mark.parametrize("style", ["aio"], indirect=True)


async def test_session_data_belongs_to_one_client_in_one_namespace(stage: Any, mode: str) -> None:
    await stage.play("sessionData", mode)


@only_aio
async def test_save_session_replaces_the_session(stage: Any, mode: str) -> None:
    await stage.play("sessionIsReplaced", mode)


async def test_handshake_request_is_visible(stage: Any, mode: str) -> None:
    await stage.play("requestIsVisible", mode)


async def test_transport_is_named_before_and_after_the_upgrade(stage: Any, mode: str) -> None:
    seen = await stage.play("transportNames", mode)
    assert seen["after"] == ("polling" if mode == "polling" else "websocket")
    if mode in ("polling", "websocket"):
        assert seen["atConnect"] == mode


@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_only_enabled_transports_are_served(stage: Any, transport: str) -> None:
    await stage.open(transports=[transport])
    # A client that may use both takes the next one when the first is refused.
    options = {"tryAllTransports": True}
    assert await stage.play("connectsTo", "upgrading", options=options) == transport
    other = "websocket" if transport == "polling" else "polling"
    refusal = await stage.play("cannotConnect", other)
    assert refusal == ("xhr poll error" if other == "polling" else "websocket error")


async def test_upgrades_may_be_forbidden(stage: Any) -> None:
    await stage.open(allow_upgrades=False)
    assert await stage.play("connectsTo", "upgrading", options={}) == "polling"


async def test_polling_works_over_kept_connections(stage: Any) -> None:
    # A GET and a POST at a time are all that a client has in flight (engineio.md 8).
    assert await stage.play("pollsOverKeptConnections", "polling") <= 2

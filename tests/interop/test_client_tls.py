"""The official client over TLS: where the transport, not a direct send, writes.

Plays scenarios of scenarios/messages.js and scenarios/order.js again over https and wss.
"""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.parametrize("scenario", ["carriesText", "carriesNestedBinary", "carries900kB"])
async def test_messages_come_back_unchanged_over_tls(
    stage: Any, mode: str, scenario: str, certificate: tuple[str, str]
) -> None:
    server = await stage.open(tls=certificate)
    assert server.url.startswith("https://")
    await stage.play(scenario, mode)

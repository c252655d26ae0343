"""The official client and what Node's server API has besides events, acks and rooms.

Each test plays one scenario of scenarios/node_api.js.
"""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.parametrize("style", ["io"], indirect=True)


async def test_server_listens_to_all_that_comes_and_goes(stage: Any, mode: str) -> None:
    await stage.play("serverListensToAll", mode)


async def test_server_asks_all_clients(stage: Any, mode: str) -> None:
    await stage.play("serverAsksAll", mode)

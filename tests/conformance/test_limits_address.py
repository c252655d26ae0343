"""Connections per address and per second over real ports: what a client sees that is one too many.

The rules themselves, on a clock that jumps: tests/unit/engine/test_limits.py.
"""

from __future__ import annotations

from typing import Any

import pytest

from clients import Client, exchange
from harness import until
from limits_stage import Open, make_open
from wire import Wire, get, upgrade

PER_ADDRESS = "max_connections_per_address"
REFUSED = b'{"code":4,"message":"Too many connections (%s)"}'
TOO_MANY = "429 Too Many Requests"


@pytest.fixture
def open_stage(serve: Any, caplog: pytest.LogCaptureFixture) -> Open:
    return make_open(serve, caplog)


@pytest.mark.fault(
    "one address has max_connections_per_address sessions and opens another",
    "HTTP 429 instead of the handshake, over both transports; those that are there go on",
)
async def test_polling_and_websocket_sessions_count_together(open_stage: Open) -> None:
    stage = await open_stage(max_connections_per_address=2)
    kept = [await Client.open(stage.url, kind) for kind in ("websocket", "polling")]
    for head in (get("EIO=4&transport=polling"), upgrade("EIO=4&transport=websocket")):
        answer = await exchange(stage.url, head)
        assert (answer.status, answer.body) == (TOO_MANY, REFUSED % PER_ADDRESS.encode())
        assert answer.headers["retry-after"] == "1"
    stage.is_named_once(PER_ADDRESS)
    for client in kept:
        await client.echo()
    await kept[0].close()
    await until(lambda: len(stage.ends) == 1, "the first one has gone")
    later = await Client.open(stage.url, "websocket")
    await later.echo()
    for client in (later, kept[1]):
        await client.close()
    await until(lambda: not stage.server.engine.sessions, "all have gone")
    assert stage.server.engine.arrivals.counts == {}


async def test_behind_a_trusted_proxy_each_client_has_its_own_count(open_stage: Open) -> None:
    stage = await open_stage(max_connections_per_address=1, trusted_proxies="127.0.0.1")
    statuses = []
    for address in ("1.1.1.1", "1.1.1.1", "2.2.2.2", "2001:db8::1", "2001:db8::2"):
        head = get("EIO=4&transport=polling", f"X-Forwarded-For: 9.9.9.9, {address}")
        statuses.append((await exchange(stage.url, head)).status)
    assert statuses == ["200 OK", TOO_MANY, "200 OK", "200 OK", TOO_MANY]
    for session in list(stage.server.engine.sessions.values()):
        session.abort("transport error")


async def test_a_header_of_a_client_that_is_no_trusted_proxy_changes_nothing(
    open_stage: Open,
) -> None:
    stage = await open_stage(max_connections_per_address=1)
    client = await Client.open(stage.url, "websocket")
    head = get("EIO=4&transport=polling", "X-Forwarded-For: 1.1.1.1")
    assert (await exchange(stage.url, head)).status == TOO_MANY
    await client.close()


@pytest.mark.fault(
    "a storm of reconnects over max_connection_rate",
    "503 with Retry-After until there is time, those who are in notice nothing",
)
async def test_a_storm_of_handshakes_is_slowed_to_the_rate(open_stage: Open) -> None:
    stage = await open_stage(max_connection_rate=(0.01, 3))
    client = await Client.open(stage.url, "websocket")
    answers = [await exchange(stage.url, get("EIO=4&transport=polling")) for _ in range(10)]
    statuses = [answer.status for answer in answers]
    assert statuses == ["200 OK"] * 2 + ["503 Service Unavailable"] * 8
    assert answers[-1].body == REFUSED % b"max_connection_rate"
    stage.is_named_once("max_connection_rate")
    await client.echo()
    await client.close()
    for session in list(stage.server.engine.sessions.values()):
        session.abort("transport error")


@pytest.mark.fault(
    "idle TCP connections of one address beyond what its sessions need",
    "429 and closed at once, without waiting for a request",
)
async def test_idle_connections_of_one_address_are_bound(open_stage: Open) -> None:
    stage = await open_stage(max_connections_per_address=1)
    idle = [await Wire.open(stage.url) for _ in range(9)]
    await until(lambda: len(stage.server.connections) == 9, "nine connections")
    one_more = await Wire.open(stage.url)
    answer = await one_more.read_answer()
    assert (answer.status, answer.body) == (
        TOO_MANY,
        f"Too many connections ({PER_ADDRESS})".encode(),
    )
    assert await one_more.read_to_end() == b""
    one_more.close()
    for wire in idle:
        wire.close()
    await until(lambda: not stage.server.connections, "no connection")
    client = await Client.open(stage.url, "websocket")
    await client.echo()
    await client.close()

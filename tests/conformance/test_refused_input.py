"""Refused input: what every malformed request, handshake, frame and packet gets, and that nothing else suffers.

The tables are in refused_*.py, how a row is played in rows.py. After each row two bystanders have lost
nothing, a fresh client is served, and no session, task or connection object is left (see targets.py).
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import refused_frames
import refused_heads
import refused_http
import refused_packets
import refused_payloads
import refused_upgrades
from clients import Client, barrier, bystanders, exchange, until_gone
from rows import (
    FrameRow,
    HttpRow,
    PacketRow,
    ProbeRow,
    at_once,
    bytewise,
    play_frames,
    play_http,
    play_packets,
    play_probe,
)
from targets import OFFICIAL, Target
from wire import Wire, post

# Longer rows fed byte by byte would test nothing more.
MAX_BYTEWISE = 2_000


def table(rows: list[Any]) -> Any:
    """One test per row, named by it."""
    return pytest.mark.parametrize("row", rows, ids=[row.says for row in rows])


def skip_where_official_differs(row: Any) -> None:
    if OFFICIAL and row.differs:
        pytest.skip(row.differs)


def sent(row: HttpRow | FrameRow) -> bytes:
    return b"".join(row.sends) if isinstance(row.sends, tuple) else row.sends


async def play_both_ways(target: Target, row: Any, play: Any) -> None:
    """Whole, then one byte at a time."""
    async with bystanders(target):
        await play(target, row, at_once)
        if len(sent(row)) <= MAX_BYTEWISE:
            await play(target, row, bytewise)
        await asyncio.sleep(0)


@table(refused_http.HANDSHAKES + refused_http.SIDS + refused_http.STATES + refused_http.SIZES)
@pytest.mark.fault(
    "a polling request is malformed, of no session, or out of place",
    "the official server's status and body; its session and all others go on",
)
async def test_polling_request(target: Target, row: HttpRow) -> None:
    skip_where_official_differs(row)
    await play_both_ways(target, row, play_http)


@table(refused_http.PATHS + refused_heads.MALFORMED)
@pytest.mark.fault(
    "bytes that are no HTTP, heads that break a rule",
    "400, 404, 405, 414 or 431, and the connection ends; nobody else notices",
)
async def test_request_that_is_no_request_of_ours(target: Target, row: HttpRow) -> None:
    skip_where_official_differs(row)
    await play_both_ways(target, row, play_http)


@table(refused_heads.SERVED)
async def test_odd_request_that_is_served(target: Target, row: HttpRow) -> None:
    skip_where_official_differs(row)
    await play_both_ways(target, row, play_http)


@table(refused_payloads.REFUSED + refused_payloads.SERVED)
@pytest.mark.fault(
    "a POST's body is no payload: separators, unknown types, bad Base64",
    "the session ends as with the official server; nobody else notices",
)
async def test_polling_payload(target: Target, row: HttpRow) -> None:
    skip_where_official_differs(row)
    await play_both_ways(target, row, play_http)


@table(refused_upgrades.REFUSED + refused_upgrades.SERVED)
@pytest.mark.fault("a WebSocket handshake breaks RFC 6455", "400 or 426, and the connection ends")
async def test_websocket_handshake(target: Target, row: HttpRow) -> None:
    skip_where_official_differs(row)
    await play_both_ways(target, row, play_http)


@pytest.mark.feature("1.4 upgrade polling to ws")
@table(refused_upgrades.PROBES)
@pytest.mark.fault(
    "an upgrade's probe is wrong or stops half way",
    "the WebSocket is closed, the session polls on",
)
async def test_upgrade_probe(target: Target, row: ProbeRow) -> None:
    skip_where_official_differs(row)
    async with bystanders(target):
        await play_probe(target, row)


@pytest.mark.feature("1.13 transport failed")
@table(refused_frames.REFUSED + refused_frames.SERVED)
@pytest.mark.fault(
    "a frame breaks RFC 6455: mask, reserved bits, opcode, length, UTF-8, fragments",
    "a close frame with the code, one `disconnect`, nobody else notices",
)
async def test_websocket_frame(target: Target, row: FrameRow) -> None:
    skip_where_official_differs(row)
    await play_both_ways(target, row, play_frames)


def packet_cases() -> list[Any]:
    return [
        pytest.param(row, transport, id=f"{row.says}, over {transport}")
        for row in refused_packets.ENGINE + refused_packets.SOCKET + refused_packets.SERVED
        for transport in row.over
    ]


@pytest.mark.feature("1.14 errors")
@pytest.mark.feature("1.13 SIO garbage / protocol violation")
@pytest.mark.parametrize(("row", "transport"), packet_cases())
@pytest.mark.fault(
    "a packet is malformed or out of place",
    "the connection is closed as by the official server, one `disconnect`",
)
async def test_packet(target: Target, row: PacketRow, transport: str) -> None:
    skip_where_official_differs(row)
    async with bystanders(target):
        await play_packets(target, row, transport)


@pytest.mark.fault("two POSTs of a session at once", "the second gets 400, the session ends once")
async def test_a_second_post_while_one_is_in_flight_ends_the_session(target: Target) -> None:
    async with bystanders(target):
        client = await Client.open(target.url, "polling")
        waiting = await client.hold_get()
        first = await Wire.open(target.url)
        await first.send(post(client.query, b'42["say",1]')[:-3])
        await barrier(target.url)
        second = await exchange(target.url, post(client.query, b'42["say",2]'))
        assert (second.status, second.body) == ("400 Bad Request", b"")
        assert (await waiting.read_answer()).body == b"1"
        await until_gone(target, client.sid, "transport error")
        assert target.heard[client.sid] == []
        first.close()
        waiting.close()

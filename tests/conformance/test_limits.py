"""Limits in time and space: who dawdles, floods or does not read is cut, and costs nobody else anything.

Times are short here and real: what is waited for is the server's answer or the end of the connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any

import pytest

from clients import Client, barrier, exchange, frame_packet, until_gone
from harness import DEADLINE_S, MS, assert_clean, until
from harness import frame_bytes as frame
from targets import FastsioTarget, build_app
from wire import Wire, get, post, request

CONTINUATION, TEXT, BINARY, PING = 0x0, 0x1, 0x2, 0x9
CLOSED = b"\x88\x00"
SHORT_S = 100 * MS
TIMED_OUT = "408 Request Timeout"


@pytest.fixture
async def target(serve: Any) -> Any:
    """`await target(start={...}, **options)`: the application of targets.py, watched and closed at the end."""

    async def open_target(start: dict[str, Any] | None = None, **options: Any) -> FastsioTarget:
        opened = FastsioTarget("")
        opened.app = build_app(opened.heard, opened.reasons, **options)
        opened.server = await serve(opened.app, **(start or {}))
        opened.url = opened.server.url
        return opened

    return open_target


async def drip(wire: Wire, data: bytes, pause_s: float) -> None:
    """Send a byte at a time until the server answers or closes; AssertionError if it takes all."""
    # One read for all pauses: a read that is cancelled may take the answer with it.
    reading = asyncio.ensure_future(asyncio.get_running_loop().sock_recv(wire.sock, 1000))
    for i in range(len(data)):
        await wire.send(data[i : i + 1])
        if (await asyncio.wait([reading], timeout=pause_s))[0]:
            with contextlib.suppress(ConnectionError):
                wire.received += reading.result()
            return
    reading.cancel()
    raise AssertionError("the server waited for all of it")


# -- time ------------------------------------------------------------------------------------------


async def test_a_head_that_drips_in_is_cut(target: Any) -> None:
    opened = await target(start={"head_timeout": SHORT_S})
    good = await Client.open(opened.url, "websocket")
    wire = await Wire.open(opened.url)
    head = get("EIO=4&transport=polling", *[f"X-{i}: y" for i in range(200)])
    started_at = asyncio.get_running_loop().time()
    await drip(wire, head, SHORT_S / 10)
    assert asyncio.get_running_loop().time() - started_at < 5 * SHORT_S
    answer = await wire.read_answer()
    assert (answer.status, answer.headers["connection"]) == (TIMED_OUT, "close")
    assert await wire.read_to_end() == b""
    wire.close()
    await good.echo()
    await good.close()


async def test_a_connection_that_says_nothing_is_cut(target: Any) -> None:
    opened = await target(start={"head_timeout": SHORT_S})
    wire = await Wire.open(opened.url)
    assert (await wire.read_answer()).status == TIMED_OUT
    assert await wire.read_to_end() == b""
    wire.close()


async def test_a_second_head_that_drips_in_is_cut(target: Any) -> None:
    opened = await target(start={"head_timeout": SHORT_S})
    wire = await Wire.open(opened.url)
    await wire.send(get("transport=x"))
    await wire.read_answer()
    await drip(wire, get("transport=x", *[f"X-{i}: y" for i in range(200)]), SHORT_S / 10)
    assert (await wire.read_answer()).status == TIMED_OUT
    assert await wire.read_to_end() == b""
    wire.close()


async def test_a_body_that_drips_in_is_cut_and_ends_the_session(target: Any) -> None:
    opened = await target(start={"head_timeout": SHORT_S})
    client = await Client.open(opened.url, "polling")
    wire = await Wire.open(opened.url)
    whole = post(client.query, b'42["say","%s"]' % (b"x" * 500))
    head, _, body = whole.partition(b"\r\n\r\n")
    await wire.send(head + b"\r\n\r\n")
    await drip(wire, body, SHORT_S / 10)
    await wire.read_to_end()
    wire.close()
    await until_gone(opened, client.sid, "transport error")
    assert opened.heard[client.sid] == []


async def test_an_idle_connection_that_was_served_is_kept(target: Any) -> None:
    opened = await target(start={"head_timeout": SHORT_S})
    kept, cut = await Wire.open(opened.url), await Wire.open(opened.url)
    await kept.send(get("transport=x"))
    await kept.read_answer()
    for _ in range(
        3
    ):  # three connections that are cut one after the other: so much time has passed
        assert (await cut.read_answer()).status == TIMED_OUT
        cut.close()
        cut = await Wire.open(opened.url)
    cut.close()
    await kept.send(get("transport=x"))
    assert (await kept.read_answer()).status == "400 Bad Request"
    kept.close()


async def test_a_waiting_get_is_no_slow_request(target: Any) -> None:
    opened = await target(start={"head_timeout": SHORT_S})
    client = await Client.open(opened.url, "polling")
    waiting = await client.hold_get()
    for _ in range(3):
        cut = await Wire.open(opened.url)
        assert (await cut.read_answer()).status == TIMED_OUT
        cut.close()
    await client.send('421["echo"]')
    assert (await waiting.read_answer()).body == b"431[]"
    waiting.close()
    await client.close()


async def test_a_client_that_joins_nothing_is_closed_after_connect_timeout(target: Any) -> None:
    opened = await target(connect_timeout=SHORT_S)
    joined = await Client.open(opened.url, "websocket")
    left = await Client.open(opened.url, "websocket")
    await left.send("41")
    ws = await Client.open(opened.url, "websocket", joins=False)
    refused = await Client.open(opened.url, "websocket", joins=False)
    await refused.send("40/guarded,")
    assert await refused.receive() == '44/guarded,{"message":"nobody is let in"}'
    waits = await Client.open(opened.url, "polling", joins=False)
    waiting = await waits.hold_get()
    silent = await Client.open(opened.url, "polling", joins=False)

    for client in (ws, refused):
        assert client.wire is not None
        assert await client.wire.read_exactly(2) == CLOSED
        await client.wire.send(frame(0x8))
        assert await client.wire.read_to_end() == b""
        client.wire.close()
    assert (await waiting.read_answer()).body == b"1"
    waiting.close()
    sessions = opened.server.engine.sessions
    await until(lambda: not sessions[silent.eio_sid].is_open, "the silent client is closed")
    # What Node sends to a client that had no GET open when it was closed.
    assert (await exchange(opened.url, get(silent.query))).body == b"6\x1e1"
    for client in (waits, silent):
        assert b"Session ID unknown" in (await exchange(opened.url, get(client.query))).body

    await joined.echo()
    await left.send("40")
    assert str(await left.receive()).startswith("40{")
    for client in (joined, left):
        await client.close()


async def test_a_probe_that_goes_no_further_is_closed_after_upgrade_timeout(target: Any) -> None:
    opened = await target(upgrade_timeout=SHORT_S)
    client = await Client.open(opened.url, "polling")
    for probes in (True, False):
        wire = await Wire.open(opened.url)
        await wire.open_websocket(f"EIO=4&transport=websocket&sid={client.eio_sid}")
        if probes:
            await wire.send(frame(TEXT, b"2probe"))
            assert frame_packet(await wire.read_frame()) == "3probe"
        assert await wire.read_exactly(2) == CLOSED
        await wire.send(frame(0x8))
        assert await wire.read_to_end() == b""
        wire.close()
        # The session is unharmed, and a GET waits again instead of being released.
        waiting = await client.hold_get()
        await client.send('421["echo"]')
        assert (await waiting.read_answer()).body == b"431[]"
        waiting.close()
    await client.upgrade()
    await client.echo()
    await client.close()


# -- sizes -----------------------------------------------------------------------------------------


async def test_max_http_buffer_size_bounds_a_message_on_both_transports(target: Any) -> None:
    limit = 1000
    opened = await target(max_http_buffer_size=limit)
    fits = b'42["say","%s"]' % (b"x" * (limit - 12))
    polling = await Client.open(opened.url, "polling")
    ws = await Client.open(opened.url, "websocket")
    assert ws.wire is not None
    handshake = (await exchange(opened.url, get("EIO=4&transport=polling"))).body
    assert handshake.endswith(b'"maxPayload":1000}')
    await exchange(opened.url, post(_query_of(handshake), b"1"))

    assert (await exchange(opened.url, post(polling.query, fits))).status == "200 OK"
    too_large = await exchange(opened.url, post(polling.query, fits + b" "))
    assert (too_large.status, too_large.body) == ("413 Payload Too Large", b"")
    await polling.echo()
    await ws.wire.send(frame(TEXT, fits))
    await ws.echo()
    await ws.wire.send(frame(TEXT, fits + b" "))
    assert await ws.wire.read_exactly(4) == b"\x88\x02\x03\xf1"
    await until_gone(opened, ws.sid, "transport error")
    for client in (polling, ws):
        assert opened.heard[client.sid] == [["x" * (limit - 12)]]
        await client.close()


def _query_of(handshake: bytes) -> str:
    return "EIO=4&transport=polling&sid=" + handshake.decode().split('"')[3]


async def test_the_sum_of_a_message_and_its_attachments_may_be_over_the_limit(target: Any) -> None:
    opened = await target(max_http_buffer_size=1000)
    client = await Client.open(opened.url, "websocket")
    await client.send('452-["say",{"_placeholder":true,"num":0}]', b"x" * 1000, b"y" * 1000)
    await until(lambda: opened.heard[client.sid], "the event")
    await client.close()


async def test_endless_fragments_stop_at_the_limit(target: Any) -> None:
    opened = await target(max_http_buffer_size=1000)
    client = await Client.open(opened.url, "websocket")
    assert client.wire is not None
    await client.wire.send(
        frame(BINARY, b"x", fin=False) + frame(CONTINUATION, b"x", fin=False) * 2000
    )
    assert await client.wire.read_exactly(4) == b"\x88\x02\x03\xf1"
    await until_gone(opened, client.sid, "transport error")
    await client.close()


async def test_a_large_body_is_refused_before_it_is_sent(target: Any) -> None:
    opened = await target(max_http_buffer_size=1000)
    client = await Client.open(opened.url, "polling")
    wire = await Wire.open(opened.url)
    await wire.send(request("POST", f"/socket.io/?{client.query}", "Content-Length: 1000000000"))
    assert (await wire.read_answer()).status == "413 Payload Too Large"
    assert await wire.read_to_end() == b""
    wire.close()
    await client.echo()
    await client.close()


# -- clients that do not read ----------------------------------------------------------------------

MAX_BUFFERED = 200_000
# More than the kernel holds for one connection on any usual machine.
MUCH = 64_000_000


async def stalled(url: str) -> Client:
    """A client that has joined and will read nothing more; its kernel buffers little."""
    client = await Client.open(url, "websocket")
    assert client.wire is not None
    client.wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    return client


async def test_a_client_that_does_not_read_is_cut_and_others_lose_nothing(target: Any) -> None:
    opened = await target(max_buffered_bytes=MAX_BUFFERED)
    slow = await stalled(opened.url)
    deaf = await Client.open(opened.url, "polling")  # no GET is ever open
    good = await Client.open(opened.url, "websocket")
    text = "x" * 20_000
    count = 0
    while not (opened.reasons[slow.sid] and opened.reasons[deaf.sid]):
        assert count * len(text) < MUCH, "the slow reader was never cut"
        for _ in range(5):
            opened.app.emit("news", count, text)
            count += 1
        assert await good.receive() == f'42["news",{count - 5},"{text}"]'
        for number in range(count - 4, count):
            assert await good.receive() == f'42["news",{number},"{text}"]'
    assert opened.reasons[slow.sid] == opened.reasons[deaf.sid] == ["transport error"]
    assert b"Session ID unknown" in (await exchange(opened.url, get(deaf.query))).body
    await good.echo()
    await good.close()
    await slow.close()


async def test_volatile_packets_to_a_client_that_does_not_read_are_dropped(target: Any) -> None:
    opened = await target(max_buffered_bytes=MAX_BUFFERED)
    client = await Client.open(opened.url, "websocket")
    text = "x" * 50_000
    for count in range(MUCH // 4 // len(text)):
        opened.app.volatile.emit("news", count, text)
        await asyncio.sleep(0)
    assert opened.reasons[client.sid] == []
    numbers = []
    await client.send('42999["echo"]')
    while (packet := str(await client.receive())) != "43999[]":
        assert packet.endswith(f'"{text}"]')
        numbers.append(int(packet.split(",")[1]))
    assert numbers == sorted(set(numbers)), "out of order"
    assert len(numbers) < MUCH // 4 // len(text), "nothing was dropped"
    await client.close()


FLOODS = {
    "pings": lambda client: frame(PING, b"x" * 125),
    "events with an acknowledgement": lambda client: frame(
        TEXT, b'421["echo","%s"]' % (b"x" * 500)
    ),
}


@pytest.mark.parametrize("flood", FLOODS)
async def test_a_client_that_asks_and_never_reads_is_cut(target: Any, flood: str) -> None:
    opened = await target(max_buffered_bytes=MAX_BUFFERED)
    good = await Client.open(opened.url, "websocket")
    client = await stalled(opened.url)
    assert client.wire is not None
    block = FLOODS[flood](client) * 200
    for _ in range(MUCH // len(block)):
        await client.wire.send(block)
        if opened.reasons[client.sid]:
            break
    await until_gone(opened, client.sid, "transport error")
    client.wire.close()
    await good.echo()
    await good.close()


async def test_a_client_that_pipelines_requests_and_never_reads_does_not_fill_memory(
    target: Any,
) -> None:
    opened = await target(max_buffered_bytes=MAX_BUFFERED)
    wire = await Wire.open(opened.url)
    wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    block = get("transport=x") * 500
    loop = asyncio.get_running_loop()
    sent = 0
    with contextlib.suppress(TimeoutError, ConnectionError):
        while sent < MUCH:
            # Cut, or not read any further: both bound what the server keeps.
            await asyncio.wait_for(loop.sock_sendall(wire.sock, block), 500 * MS)
            sent += len(block)
    assert sent < MUCH, "the server took everything"
    await barrier(opened.url)
    wire.close()


async def test_a_client_that_comes_and_goes_at_every_step_leaves_nothing(target: Any) -> None:
    opened = await target()
    whole = post("EIO=4&transport=polling&sid=x", b"40")
    for cut in range(0, len(whole), 7):
        wire = await Wire.open(opened.url)
        await wire.send(whole[:cut])
        wire.end(is_reset=cut % 2 == 0)
        wire.close()
    for query in ("EIO=4&transport=polling", "EIO=4&transport=websocket"):
        client = await Client.open(opened.url, query.rpartition("=")[2])
        await client.close()
    await asyncio.wait_for(opened.check_clean(), DEADLINE_S)
    await assert_clean(opened.server)

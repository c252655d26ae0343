"""Small input that would become large, or much work: refused before it does, and everybody else is served.

Source: RFC 7692 8 (memory of an inflater), CWE-409 (decompression bomb), CWE-1333 (inefficient patterns), CWE-674
(recursion).
"""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import fastsio
from deflate_tools import RSV1, deflated
from harness import BINARY, DEADLINE_S, TEXT, FakePeer, RawWebSocket, http, until

pytestmark = pytest.mark.asyncio(loop_factories=["uvloop"])
LIMIT = 100_000
BOMB_BYTES = 64 * 1024 * 1024
TARGET = "/socket.io/?EIO=4&transport=websocket"
OFFER = {"Sec-WebSocket-Extensions": "permessage-deflate"}


@pytest.fixture(scope="module")
def zeros() -> bytes:
    """64 MiB as 64 KiB."""
    return deflated(b"4" + bytes(BOMB_BYTES))


@contextmanager
def memory_below(limit: int) -> Iterator[None]:
    """AssertionError if more than `limit` bytes are in use at some time within, besides what was before."""
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < limit, f"{peak:,} bytes were in use"


async def open_deflated(server: Any) -> RawWebSocket:
    ws = await RawWebSocket.open(server.url, TARGET, OFFER)
    assert "sec-websocket-extensions" in ws.response.headers
    await ws.receive()
    return ws


@pytest.mark.fault(
    "a WebSocket message of 64 KiB inflates to 64 MiB",
    "close 1009 at max_http_buffer_size; no more than that is ever made of it",
)
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("frames", [1, 50])
async def test_decompression_bomb_ends_at_the_limit(
    serve: Any, zeros: bytes, opcode: int, frames: int
) -> None:
    server = await serve(fastsio.IO(per_message_deflate=True, max_http_buffer_size=LIMIT))
    bystander = await FakePeer(server.url).open()
    ws = await open_deflated(server)
    size = len(zeros) // frames + 1
    assert len(zeros) < LIMIT, "its compressed bytes alone are over the limit"
    with memory_below(12 * LIMIT):
        for i in range(frames):
            part = zeros[i * size : (i + 1) * size]
            ws.send(opcode if i == 0 else 0, part, fin=i == frames - 1, reserved=0 if i else RSV1)
        assert (await ws.receive_close())[0] == 1009
    await ws.connection.close()
    await bystander.connect()
    await bystander.close()


async def test_bomb_in_a_bomb_is_inflated_once(serve: Any) -> None:
    server = await serve(fastsio.IO(per_message_deflate=True, max_http_buffer_size=LIMIT))
    ws = await open_deflated(server)
    inner = zlib.compress(bytes(BOMB_BYTES), 9)
    with memory_below(12 * LIMIT):
        ws.send(TEXT, deflated(b"40"), reserved=RSV1)
        ws.send(TEXT, deflated(b'42["x","' + inner.hex().encode()[:90_000] + b'"]'), reserved=RSV1)
        while b"40" not in (await ws.receive())[1]:
            pass
    await ws.connection.close()


async def test_bombs_of_many_clients_leave_nothing(serve: Any, zeros: bytes) -> None:
    server = await serve(fastsio.IO(per_message_deflate=True, max_http_buffer_size=LIMIT))
    with memory_below(30 * LIMIT):
        for _ in range(20):
            ws = await open_deflated(server)
            ws.send(TEXT, zeros, reserved=RSV1)
            assert (await ws.receive_close())[0] == 1009
            await ws.connection.close()
    await until(lambda: not server.engine.sessions, "no session is left")


@pytest.mark.fault(
    "a POST's body is a gzip bomb", "it is not inflated: content codings of requests are not read"
)
@pytest.mark.parametrize("coding", ["gzip", "deflate", "br"])
async def test_body_that_says_it_is_compressed_is_not_inflated(serve: Any, coding: str) -> None:
    server = await serve(fastsio.IO())
    peer = await FakePeer(server.url, "polling").open()
    packed = (gzip.compress if coding == "gzip" else zlib.compress)(b"4" + bytes(BOMB_BYTES // 4))
    with memory_below(2_000_000):
        headers = {"Content-Encoding": coding, "Content-Type": "text/plain"}
        answer = await http(server.url, "POST", peer.target(), packed, headers)
    assert (answer.status, answer.body) == (200, b"ok")  # as Node answers what it can't decode
    await until(lambda: not server.engine.sessions, "the session has ended: parse error")


# --- packets --------------------------------------------------------------------------------------


MUCH_WORK = {
    "arrays in arrays": b'42["x",' + b"[" * 500_000,
    "arrays in arrays, closed": b'42["x",' + b"[" * 400_000 + b"]" * 400_000 + b"]",
    "objects in objects": b'42["x",' + b'{"a":' * 150_000 + b"1" + b"}" * 150_000 + b"]",
    "a number of 900,000 digits": b'42["x",' + b"9" * 900_000 + b"]",
    "a number with an exponent of 900,000 digits": b'42["x",1e' + b"9" * 900_000 + b"]",
    "a million attachments announced": b'451000000-["x"]',
    "an ack id of 900,000 digits": b"42" + b"1" * 900_000 + b'["x"]',
    "a namespace of 900,000 characters": b"42/" + b"n" * 900_000 + b',["x"]',
    "a namespace that never ends": b"42/" + b"n" * 900_000,
    "900,000 escapes": b'42["' + b"\\n" * 450_000 + b'"]',
    "half a million values": b'42["x"' + b",1" * 450_000 + b"]",
    "placeholders of attachments that are not there": b'42["x"' + b',{"_placeholder":true,"num":0}' * 30_000 + b"]",
    "the same key 100,000 times": b'42["x",{' + b'"a":1,' * 100_000 + b'"a":1}]',
}  # fmt: skip


@pytest.mark.fault(
    "a packet of 1 MB whose JSON is nested, numbered or named to be expensive",
    "read or refused in bounded memory; the next client is served",
)
@pytest.mark.parametrize("transport", ["polling", "websocket"])
@pytest.mark.parametrize("what", MUCH_WORK)
async def test_packet_that_is_much_work_is_read_or_refused(
    serve: Any, transport: str, what: str
) -> None:
    server = await serve(fastsio.IO())
    peer = await FakePeer(server.url, transport).open()
    await peer.connect()
    with memory_below(120_000_000):
        async with asyncio.timeout(2 * DEADLINE_S):
            if transport == "polling":
                answer = await peer.post(MUCH_WORK[what])
                assert answer.status == 200
            else:
                assert peer.ws is not None
                peer.ws.send(TEXT, MUCH_WORK[what])
            other = await FakePeer(server.url, transport).open()
            await other.connect()
    await other.close()
    session = server.engine.sessions.get(peer.handshake["sid"])
    if transport == "polling" and session is not None and not session.is_open:
        await peer.get()  # its end, which waits for it
    else:
        await peer.close()


DEEP = b"\x91" * 100_000
ANNOUNCED = {
    "an array of 4,294,967,295 values": b"\xdd\xff\xff\xff\xff",
    "a map of 4,294,967,295 keys": b"\xdf\xff\xff\xff\xff",
    "a text of 4 GiB": b"\xdb\xff\xff\xff\xff",
    "bytes of 4 GiB": b"\xc6\xff\xff\xff\xff",
    "an extension of 4 GiB": b"\xc9\xff\xff\xff\xff\x01",
    "arrays in arrays": DEEP,
    "maps in maps": b"\x81\xa1a" * 100_000,
    "a packet whose data are arrays in arrays": b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data" + DEEP,
    "a packet of 4,294,967,295 arguments": b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\xdd\xff\xff\xff\xff",
}  # fmt: skip


@pytest.mark.fault(
    "a MessagePack packet announces 4 GiB, or is nested 100,000 deep",
    "refused before anything is made of it; the session ends",
)
@pytest.mark.parametrize("what", ANNOUNCED)
async def test_msgpack_that_announces_more_than_comes_costs_nothing(serve: Any, what: str) -> None:
    pytest.importorskip("msgspec")
    server = await serve(fastsio.IO(serializer="msgpack"))
    peer = await FakePeer(server.url).open()
    assert peer.ws is not None
    with memory_below(5_000_000):
        peer.ws.send(BINARY, ANNOUNCED[what])
        await peer.ws.receive_close()
    await peer.close()
    await until(lambda: not server.engine.sessions, "the session has ended")


# --- headers --------------------------------------------------------------------------------------

LONG = 60_000
MUCH_TO_READ = {
    "blanks": b" " * LONG + b"x",
    "commas": b"," * LONG,
    "commas and blanks": b" ," * (LONG // 2),
    "semicolons": b"permessage-deflate" + b";" * LONG,
    "parameters": b"permessage-deflate" + b"; a=b" * (LONG // 5),
    "an open quote": b'permessage-deflate; a="' + b"x" * LONG,
    "escapes in an open quote": b'permessage-deflate; a="' + b"\\\\" * (LONG // 2),
    "offers that are declined": b"permessage-deflate; server_max_window_bits=7," * (LONG // 45),
    "weights": b"gzip;q=0.1," * (LONG // 11),
    "equals signs": b"a=" * (LONG // 2),
    "elements": b"for=1.2.3.4;by=5.6.7.8," * (LONG // 24),
}


@pytest.mark.fault(
    "a header of 60 kB is written so that a careless pattern takes minutes", "served at once"
)
@pytest.mark.parametrize("what", MUCH_TO_READ)
async def test_header_that_is_much_to_read_is_read_at_once(serve: Any, what: str) -> None:
    server = await serve(fastsio.IO(per_message_deflate=True, trusted_proxies="127.0.0.1"))
    for name in ("Sec-WebSocket-Extensions", "Forwarded", "Accept-Encoding"):
        headers = {name: MUCH_TO_READ[what].decode()}
        async with asyncio.timeout(DEADLINE_S):
            ws = await RawWebSocket.open(server.url, TARGET, headers)
            await ws.connection.close()

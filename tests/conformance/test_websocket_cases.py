"""The echo server that Autobahn's suite plays against, with cases of our own: needs no Python 2.7, and no network.

Every case whole, in pieces of 997 bytes and, if it is short, byte by byte: the answer has to be the same.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

import pytest

from deflate_tools import Inflating
from fastsio._conn import Conn
from frame_tools import CLOSE, client_frame
from memory_conn import WEBSOCKET_REQUEST, MemoryTransport
from websocket_cases import CASES, Case
from ws_echo import EchoRouter

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio"])

CHOP = 997
# Longer ones fed byte by byte would test nothing more.
MAX_BYTEWISE = 2_000


def whole(data: bytes) -> list[bytes]:
    return [data]


def chopped(data: bytes) -> list[bytes]:
    return [data[at : at + CHOP] for at in range(0, len(data), CHOP)]


def bytewise(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


def opened(case: Case) -> tuple[MemoryTransport, str]:
    """A WebSocket as the case asks for it, and what was agreed on."""
    conn = Conn(EchoRouter(asyncio.get_running_loop()))
    transport = MemoryTransport(conn)
    conn.connection_made(transport)
    offer = f"Sec-WebSocket-Extensions: {case.offer}\r\n\r\n".encode() if case.offer else b"\r\n"
    transport.feed(WEBSOCKET_REQUEST[:-2] + offer)
    head, _, rest = transport.take().decode("latin-1").partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 101 ")
    assert rest == ""
    agreed = [line for line in head.split("\r\n") if line.startswith("Sec-WebSocket-Extensions: ")]
    return transport, agreed[0].partition(": ")[2] if agreed else ""


def frames_of(sent: bytes, answer: str) -> list[tuple[int, bytes]]:
    """What a client of RFC 6455 and 7692 makes of the server's bytes; AssertionError for half a frame."""
    bits = 9 if "server_max_window_bits=9" in answer else 15
    reader = Inflating("server_no_context_takeover" not in answer, bits)
    read = reader.read(sent)
    assert answer or not any(is_compressed for _, _, is_compressed in read)
    return [(opcode, payload) for opcode, payload, _ in read]


async def play(case: Case, pieces: Callable[[bytes], list[bytes]]) -> None:
    transport, answer = opened(case)
    assert answer == case.answer
    for piece in pieces(case.sends):
        transport.feed(piece)
    got = frames_of(transport.take(), answer)
    # Lengths first: megabytes that differ are nothing to read.
    assert [(opcode, len(payload)) for opcode, payload in got] == [
        (opcode, len(payload)) for opcode, payload in case.gets
    ]
    assert got == list(case.gets)
    if case.ends:
        # RFC 6455 7.1.1: the server ends TCP, once its Close is sent, without waiting for more than the client's.
        assert transport.has_ended or transport.is_lost
        transport.feed(client_frame(CLOSE))
        assert transport.take() == b""
    else:
        transport.feed(client_frame(CLOSE))
        assert frames_of(transport.take(), answer) == [(CLOSE, b"")]
        assert transport.is_lost
    transport.lose()


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.group} {case.says}")
async def test_case(case: Case) -> None:
    await play(case, whole)
    await play(case, chopped)
    if len(case.sends) <= MAX_BYTEWISE:
        await play(case, bytewise)


async def test_cases_are_of_every_group_and_no_two_the_same() -> None:
    groups = {int(case.group.split(".")[0]) for case in CASES}
    assert groups == {1, 2, 3, 4, 5, 6, 7, 9, 10, 12, 13}
    names = Counter((case.group, case.says) for case in CASES)
    assert [name for name, count in names.items() if count > 1] == []

"""What a row of the refused-input tables is, and how it is played against a server.

A row says what a client sends and everything that must come of it: the answer, the fate of its session,
what the application heard. `differs` tells where the official server does something else and ours
decides otherwise; such a row is not played against the official one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from clients import Client, barrier, expect, frame_packet, until_gone
from harness import frame_bytes, until
from targets import Target
from wire import HttpAnswer, Wire, get

OPENS = re.compile(
    rb'0\{"sid":"[\w-]{20}","upgrades":\[("websocket")?\],"pingInterval":25000,"pingTimeout":20000,'
    rb'"maxPayload":20000\}'
)
POLLING, WEBSOCKET, WAITING = "polling", "websocket", "polling, a GET waits"
UPGRADED = "polling, then websocket"


@dataclass(frozen=True)
class Answer:
    """An HTTP response. `headers` must be there as given; None means that the header must not be."""

    status: str
    body: bytes | re.Pattern[bytes] = b""
    content_type: str | None = None
    headers: dict[str, str | None] = field(default_factory=dict)
    closes: bool = False
    is_head: bool = False
    frames: bytes | re.Pattern[bytes] = b""  # after a 101; OPENS for a session's first packet


def refused(code: int, message: str, **kinds: Any) -> Answer:
    """The official JSON of a refused request."""
    body = b'{"code":%d,"message":"%s"}' % (code, message.encode())
    return Answer("400 Bad Request", body, "application/json", **kinds)


def upgrade_refused(message: str, status: str = "400 Bad Request", **headers: str) -> Answer:
    """The plain text that answers a refused WebSocket handshake; the connection ends."""
    fields: dict[str, str | None] = {"connection": "close", **headers}
    return Answer(status, message.encode(), "text/html", fields, closes=True)


def accepted(frames: bytes | re.Pattern[bytes], **headers: str | None) -> Answer:
    """101 to the handshake of wire.upgrade(), then `frames`."""
    fields: dict[str, str | None] = {
        "upgrade": "websocket",
        "connection": "Upgrade",
        "sec-websocket-accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    return Answer("101 Switching Protocols", b"", None, fields, frames=frames)


UNKNOWN_TRANSPORT = refused(0, "Transport unknown")
UNKNOWN_SID = refused(1, "Session ID unknown")
BAD_METHOD = refused(2, "Bad handshake method")
BAD_REQUEST = refused(3, "Bad request")
BAD_VERSION = refused(5, "Unsupported protocol version")
NOT_HTTP = Answer("400 Bad Request", b"", headers={"connection": "close"}, closes=True)
EMPTY_400 = Answer("400 Bad Request")
EMPTY_500 = Answer("500 Internal Server Error")
OK = Answer("200 OK", b"ok", "text/html", {"cache-control": "no-store"})
OPENED = Answer("200 OK", OPENS, "text/plain; charset=UTF-8", {"cache-control": "no-store"})


@dataclass(frozen=True)
class HttpRow:
    """Bytes on a connection of their own; `{sid}` in them is the id of the session that the client has.

    With as many pieces in `sends` as answers in `gets`, each piece is answered before the next is sent.
    Where `gets` is empty the client cuts the connection without waiting for an answer.
    """

    says: str
    sends: bytes | tuple[bytes, ...]
    gets: Answer | tuple[Answer, ...]
    session: str = ""
    waiting_gets: bytes | None = None  # None: the waiting GET still waits
    then_gets: Answer | tuple[Answer, ...] = ()  # what the session's next GETs get
    reason: str | None = None  # None: the session lives
    heard: tuple[Any, ...] = ()
    differs: str = ""


@dataclass(frozen=True)
class FrameRow:
    """Bytes on an open WebSocket that has joined "/", and the exact bytes that come back."""

    says: str
    sends: bytes
    gets: bytes
    reason: str | None = None
    heard: tuple[Any, ...] = ()
    ends: str = (
        ""  # "half": the client ends its side after sending, "reset": it cuts the connection
    )
    differs: str = ""


@dataclass(frozen=True)
class PacketRow:
    """Packets of a session, over WebSocket and over polling with a GET that waits."""

    says: str
    packets: tuple[str | bytes, ...]
    gets: tuple[str | re.Pattern[str], ...] = ()
    reason: str | None = None
    heard: tuple[Any, ...] = ()
    over: tuple[str, ...] = (WEBSOCKET, POLLING)
    joins: bool = True
    differs: str = ""


@dataclass(frozen=True)
class ProbeRow:
    """Frames on a WebSocket that probes for a polling session: it gets `gets`; the session lives."""

    says: str
    sends: bytes
    gets: bytes
    upgrades: bool = False
    differs: str = ""


Pace = Callable[[Wire, bytes], Any]


async def play_http(target: Target, row: HttpRow, pace: Pace) -> None:
    before = target.session_count()
    client = waiting = None
    if row.session:
        client = await Client.open(target.url, WEBSOCKET if row.session == WEBSOCKET else POLLING)
    if client is not None and row.session == WAITING:
        waiting = await client.hold_get()
    elif client is not None and row.session == UPGRADED:
        await client.upgrade()
    wire = await Wire.open(target.url)
    pieces = list(row.sends if isinstance(row.sends, tuple) else (row.sends,))
    answers = list(row.gets if isinstance(row.gets, tuple) else (row.gets,))
    is_lockstep = len(pieces) == len(answers)
    for i, piece in enumerate(pieces):
        await pace(wire, piece.replace(b"{sid}", client.eio_sid.encode() if client else b""))
        if is_lockstep:
            await _check_answer(target, wire, answers[i])
    for answer in () if is_lockstep else answers:
        await _check_answer(target, wire, answer)
    if answers:
        await _check_end(target, wire, answers[-1])
    else:
        await barrier(target.url)
    wire.close()
    if client is not None:
        await _check_session(target, row, client, waiting)
    await until(lambda: target.session_count() == before, "no session left over")


async def _check_answer(target: Target, wire: Wire, expected: Answer) -> None:
    answer = await wire.read_answer(expected.is_head)
    expect(answer.status, expected.status, "status")
    if not isinstance(expected.body, re.Pattern):
        expect(answer.body, expected.body, "body")
    else:
        assert expected.body.fullmatch(answer.body), f"unexpected body {answer.body!r}"
    if expected.content_type is not None:
        expect(answer.headers.get("content-type"), expected.content_type, "content-type")
    for name, value in expected.headers.items():
        expect(answer.headers.get(name), value, name)
    if expected.body is OPENS:
        await _close_opened(target, answer)


async def _close_opened(target: Target, answer: HttpAnswer) -> None:
    client = Client(target.url, POLLING)
    client.eio_sid = answer.body.split(b'"')[3].decode()
    await client.close()


async def _check_end(target: Target, wire: Wire, expected: Answer) -> None:
    """After the last answer: closed, a WebSocket, or ready for the next request."""
    if expected.frames is OPENS:
        packet = frame_packet(await wire.read_frame())
        assert OPENS.fullmatch(str(packet).encode()), packet
    elif expected.frames:
        await _check_close(wire, bytes(expected.frames))  # type: ignore[arg-type]
    elif expected.closes:
        expect(await wire.read_to_end(), b"", "bytes after the answer")
    else:
        await wire.send(get("transport=next"))
        answer = await wire.read_answer()
        expect(answer.body, UNKNOWN_TRANSPORT.body, "the next request on this connection")


async def _check_session(
    target: Target, row: HttpRow, client: Client, waiting: Wire | None
) -> None:
    if waiting is not None and row.waiting_gets is not None:
        answer = await waiting.read_answer()
        expect((answer.status, answer.body), ("200 OK", row.waiting_gets), "the waiting GET")
    for then in row.then_gets if isinstance(row.then_gets, tuple) else (row.then_gets,):
        wire = await Wire.open(target.url)
        await wire.send(get(client.query))
        await _check_answer(target, wire, then)
        wire.close()
    if row.reason is not None:
        await until_gone(target, client.sid, row.reason)
    elif waiting is not None and row.waiting_gets is None:
        await client.send('427["echo","still waiting"]')
        answer = await waiting.read_answer()
        expect(answer.body, b'437["still waiting"]', "the waiting GET")
    else:
        await client.echo()
    await _check_heard(target, client, row.heard)
    if waiting is not None:
        waiting.close()
    if row.reason is None:
        await leave(target, client)
    elif client.wire is not None:
        client.wire.close()


async def _check_heard(target: Target, client: Client, heard: tuple[Any, ...]) -> None:
    expected = [list(args) for args in heard]
    await until(lambda: len(target.heard[client.sid]) >= len(expected), f"heard {expected}")
    expect(target.heard[client.sid], expected, "heard by the application")


async def leave(target: Target, client: Client) -> None:
    """The session lived: nobody was told otherwise, and leaving ends it as usual."""
    expect(target.reasons[client.sid], [], "disconnect reasons while connected")
    await client.close()
    if client.sid:
        await until_gone(target, client.sid, "transport close")


async def _check_close(wire: Wire, expected: bytes) -> None:
    """Exactly `expected`, then nothing more, and the end once we have closed too (RFC 6455 7.1.1)."""
    expect(await wire.read_exactly(len(expected)), expected, "frames")
    await wire.send(frame_bytes(0x8))
    expect(await wire.read_to_end(), b"", "bytes after the close frame")


async def play_frames(target: Target, row: FrameRow, pace: Pace) -> None:
    client = await Client.open(target.url, WEBSOCKET)
    wire = client.wire
    assert wire is not None
    await pace(wire, row.sends)
    if row.ends:
        wire.end(is_reset=row.ends == "reset")
    if row.reason is None:
        expect(await wire.read_exactly(len(row.gets)), row.gets, "frames")
        await client.echo()
    elif row.gets:
        await _check_close(wire, row.gets)
    elif row.ends != "reset":
        expect(await wire.read_to_end(), b"", "bytes before the end")
    if row.reason is not None:
        wire.close()
        await until_gone(target, client.sid, row.reason)
    await _check_heard(target, client, row.heard)
    if row.reason is None:
        await leave(target, client)


async def play_packets(target: Target, row: PacketRow, transport: str) -> None:
    before = target.session_count()
    client = await Client.open(target.url, transport, joins=row.joins)
    waiting = await client.hold_get() if transport == POLLING else None
    await client.send(*row.packets)
    if row.gets:
        if waiting is not None:
            client.receive_payload((await waiting.read_answer()).body)
        for packet in row.gets:
            received = await client.receive()
            is_match = isinstance(packet, re.Pattern) and packet.fullmatch(str(received))
            assert is_match or received == packet, f"packet: got {received!r}, expected {packet!r}"
    if row.reason is not None:
        if waiting is None and client.wire is not None:
            await _check_close(client.wire, b"\x88\x00")
        elif waiting is not None and not row.gets:
            expect((await waiting.read_answer()).body, b"1", "the waiting GET")
        if client.sid:
            await until_gone(target, client.sid, row.reason)
    elif row.joins and waiting is not None and not row.gets:
        await client.send('427["echo","still waiting"]')
        expect((await waiting.read_answer()).body, b'437["still waiting"]', "the waiting GET")
    elif row.joins:
        await client.echo()
    await _check_heard(target, client, row.heard)
    if waiting is not None:
        waiting.close()
    if row.reason is None:
        await leave(target, client)
    elif client.wire is not None:
        client.wire.close()
    await until(lambda: target.session_count() == before, "no session left over")


async def play_probe(target: Target, row: ProbeRow) -> None:
    client = await Client.open(target.url, POLLING)
    wire = await Wire.open(target.url)
    await wire.open_websocket(f"EIO=4&transport=websocket&sid={client.eio_sid}")
    await wire.send(row.sends)
    if row.upgrades:
        expect(await wire.read_exactly(len(row.gets)), row.gets, "frames")
        client.wire, client.transport = wire, WEBSOCKET
    else:
        await _check_close(wire, row.gets)
        wire.close()
    await client.echo()
    await leave(target, client)


async def at_once(wire: Wire, data: bytes) -> None:
    await wire.send(data)


async def bytewise(wire: Wire, data: bytes) -> None:
    await wire.send_bytewise(data)

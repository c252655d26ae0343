"""permessage-deflate: a compressed message echoed, frame in and frame out; one message to many clients.

With fastsio (the whole connection): `websockets` and wsproto, their frames with their extension. All at zlib's level 6,
memory level 8 and the largest window, and on Python's zlib. Context: what is sent may refer to what was sent before.
"""

import json
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from null import MASK, UPGRADE, NullTransport
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader
from wsproto.extensions import PerMessageDeflate as WsprotoDeflate
from wsproto.frame_protocol import FrameProtocol

from fastsio._conn import Conn
from fastsio._encoded import encode_engine_packet
from fastsio._fanout import Flusher
from fastsio._frames import build_frame
from fastsio.engine.deflate import Deflation
from fastsio.options import Options

MAX_BYTES = 2_000_000
CLIENTS = 100
TEXTS = {
    "1.1kB": json.dumps([{"id": i, "name": f"user {i}", "x": i * 3.7} for i in range(25)]).encode(),
    "64kB": json.dumps(
        [{"id": i, "name": f"user {i}", "x": i * 3.7} for i in range(1350)]
    ).encode(),
}
FLAGS = ("; server_no_context_takeover; client_no_context_takeover", "")
Echo = Callable[[bytes], bytes]


def packed(text: bytes, compressor: Any = None) -> bytes:
    compressor = compressor or zlib.compressobj(wbits=-15)
    return (compressor.compress(text) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


def compressed_frame(text: bytes) -> bytes:
    """From a client that keeps no context, so that it may be sent again and again."""
    frame = build_frame(1, packed(text), mask=MASK)
    return bytes([frame[0] | 0x40]) + frame[1:]


def inflated(frame: bytes) -> bytes:
    at = {126: 4, 127: 10}.get(frame[1], 2)
    assert frame[0] == 0xC1
    return zlib.decompressobj(-15).decompress(frame[at:] + b"\x00\x00\xff\xff")


class Router:
    """What a Conn asks for: each message comes back."""

    max_message_bytes = max_buffered_bytes = MAX_BYTES
    max_head_bytes = 65536
    max_headers = 256
    max_frames = 100_000
    rare_log = None
    head_timeout_s = 10.0

    def __init__(self, has_context: bool) -> None:
        self.turn: list[Callable[[], None]] = []
        self.flusher = Flusher(lambda call, *args: self.turn.append(call))
        settings = Options(
            per_message_deflate={"server_no_context_takeover": not has_context, "level": 6}
        )
        self.deflate = Deflation(settings.per_message_deflate)
        self.opened = self.closed = self.unwatch = lambda conn: None
        self.watch = lambda conn, seconds: None

    def handle(self, conn: Conn, request: Any) -> None:
        conn.accept_websocket(request, [], self)

    def websocket_message(self, conn: Conn, is_text: bool, data: bytes) -> None:
        conn.send(encode_engine_packet(data))

    def connect(self, offer: str) -> tuple[Conn, NullTransport]:
        conn, transport = Conn(self), NullTransport()
        conn.connection_made(transport)
        conn.data_received(
            UPGRADE[:-2] + b"Sec-WebSocket-Extensions: " + offer.encode() + b"\r\n\r\n"
        )
        self.end_turn()
        return conn, transport

    def end_turn(self) -> None:
        while self.turn:
            self.turn.pop()()


def fastsio_echo(has_context: bool) -> Echo:
    router = Router(has_context)
    conn, transport = router.connect("permessage-deflate; client_no_context_takeover")

    def echo(frame: bytes) -> bytes:
        conn.data_received(frame)
        return transport.written[-1]

    return echo


def websockets_echo(has_context: bool) -> Echo:
    # (what comes refers to nothing, what is sent refers to nothing, window bits of both, ...)
    extensions = [PerMessageDeflate(True, not has_context, 15, 15, {"memLevel": 8})]
    reader = StreamReader()

    def echo(data: bytes) -> bytes:
        reader.feed_data(data)
        steps = Frame.parse(reader.read_exact, mask=True, max_size=MAX_BYTES, extensions=extensions)
        try:
            next(steps)
        except StopIteration as end:
            text = str(end.value.data, "utf-8")  # as its connection hands it over
            return Frame(Opcode.TEXT, text.encode()).serialize(mask=False, extensions=extensions)
        raise AssertionError("no frame")

    return echo


def wsproto_protocol(has_context: bool) -> FrameProtocol:
    extension = WsprotoDeflate()
    extension.accept(
        "permessage-deflate; client_no_context_takeover" + ("" if has_context else FLAGS[0])
    )
    extension._enabled = True
    extension.client_no_context_takeover = True
    extension.server_no_context_takeover = not has_context
    return FrameProtocol(client=False, extensions=[extension])


def wsproto_echo(has_context: bool) -> Echo:
    protocol = wsproto_protocol(has_context)

    def echo(data: bytes) -> bytes:
        protocol.receive_bytes(data)
        text = "".join([frame.payload for frame in protocol.received_frames()])
        return protocol.send_data(text, fin=True)

    return echo


ECHOES = {"fastsio": fastsio_echo, "websockets": websockets_echo, "wsproto": wsproto_echo}
CONTEXTS = {"context": True, "no context": False}


@pytest.mark.parametrize("library", ECHOES)
@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("size", TEXTS)
def test_echo(benchmark, size, context, library):
    benchmark.group = f"deflate, {size} of JSON inflated and compressed, {context}"
    frame = compressed_frame(TEXTS[size])
    answer = inflated(ECHOES[library](CONTEXTS[context])(frame))
    benchmark(ECHOES[library](CONTEXTS[context]), frame)
    benchmark.extra_info["correct"] = answer == TEXTS[size]


# --- broadcast -------------------------------------------------------------------------------

Broadcast = Callable[[bytes], list[bytes]]


def fastsio_broadcast(has_context: bool) -> Broadcast:
    router = Router(has_context)
    ends = [router.connect("permessage-deflate") for _ in range(CLIENTS)]

    def broadcast(text: bytes) -> list[bytes]:
        packet = encode_engine_packet(text)
        for conn, _ in ends:
            conn.send(packet)
        router.end_turn()
        return [transport.written[-1] for _, transport in ends]

    return broadcast


def websockets_broadcast(has_context: bool) -> Broadcast:
    clients = [
        [PerMessageDeflate(True, not has_context, 15, 15, {"memLevel": 8})] for _ in range(CLIENTS)
    ]

    def broadcast(text: bytes) -> list[bytes]:
        frame = Frame(Opcode.TEXT, text)
        return [frame.serialize(mask=False, extensions=extensions) for extensions in clients]

    return broadcast


def wsproto_broadcast(has_context: bool) -> Broadcast:
    clients = [wsproto_protocol(has_context) for _ in range(CLIENTS)]

    def broadcast(text: bytes) -> list[bytes]:
        string = text.decode()
        return [protocol.send_data(string, fin=True) for protocol in clients]

    return broadcast


BROADCASTS = {
    "fastsio": fastsio_broadcast,
    "websockets": websockets_broadcast,
    "wsproto": wsproto_broadcast,
}


@pytest.mark.parametrize("library", BROADCASTS)
@pytest.mark.parametrize("context", CONTEXTS)
def test_broadcast(benchmark, context, library):
    benchmark.group = f"deflate, 1.1 kB of JSON to {CLIENTS} clients, {context}"
    text = TEXTS["1.1kB"]
    frames = BROADCASTS[library](CONTEXTS[context])(text)
    benchmark(BROADCASTS[library](CONTEXTS[context]), text)
    benchmark.extra_info["correct"] = [inflated(frame) for frame in frames] == [text] * CLIENTS

"""WebSocket frames: a masked one read, whole and in pieces; bytes unmasked; one built as a server does.

With fastsio: `websockets` (uvicorn's), wsproto, and picows where it can be driven without a network.
"""

from collections.abc import Callable

import pytest
from picows_reader import PicowsReader
from websockets.frames import Frame, Opcode
from websockets.speedups import apply_mask
from websockets.streams import StreamReader
from wsproto.frame_protocol import FrameProtocol, XorMaskerSimple

from fastsio._frames import FrameReader, build_frame

BINARY = 2
MASK = b"\x12\x34\x56\x78"
MAX_BYTES = 2_000_000
SIZES = {"7B": 7, "125B": 125, "1kB": 1024, "64kB": 65536, "1MB": 1_000_000}
Parse = Callable[[list[bytes]], bytes | bytearray]


def fastsio_reader() -> Parse:
    reader = FrameReader(MAX_BYTES)
    events = reader.events

    def parse(pieces: list[bytes]) -> bytes:
        events.clear()
        for piece in pieces:
            reader.feed(piece)
        return events[0][1]

    return parse


def websockets_reader() -> Parse:
    reader = StreamReader()

    def parse(pieces: list[bytes]) -> bytes:
        # As its protocol does: the generator waits for more wherever the bytes end.
        steps = Frame.parse(reader.read_exact, mask=True, max_size=MAX_BYTES)
        try:
            for piece in pieces:
                reader.feed_data(piece)
                next(steps)
        except StopIteration as end:
            return end.value.data
        raise AssertionError("no frame")

    return parse


def wsproto_reader() -> Parse:
    protocol = FrameProtocol(client=False, extensions=[])

    def parse(pieces: list[bytes]) -> bytes:
        message = b""
        for piece in pieces:
            protocol.receive_bytes(piece)
            for frame in protocol.received_frames():
                message = message + frame.payload if message else frame.payload
        return message

    return parse


def picows_reader() -> Parse:
    reader = PicowsReader(MAX_BYTES)

    def parse(pieces: list[bytes]) -> bytes:
        for piece in pieces:
            reader.feed(piece)
        return reader.listener.payload

    return parse


READERS = {
    "fastsio": fastsio_reader,
    "websockets": websockets_reader,
    "wsproto": wsproto_reader,
    "picows": picows_reader,
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("cut", ["whole", "split"])
@pytest.mark.parametrize("size", SIZES)
def test_parse(benchmark, size, cut, reader):
    """Split: in the middle of the head, and in the middle of the payload."""
    benchmark.group = f"frame parse, {size}, {cut}"
    payload = bytes(SIZES[size])
    frame = build_frame(BINARY, payload, mask=MASK)
    middle = len(frame) - len(payload) // 2
    pieces = [frame] if cut == "whole" else [frame[:3], frame[3:middle], frame[middle:]]
    result = benchmark(READERS[reader](), pieces)
    benchmark.extra_info["correct"] = result == payload


# fastsio's is no function of its own: it is build_frame() with a mask, the head included.
UNMASKERS = {
    "fastsio": lambda data: build_frame(BINARY, data, mask=MASK),
    "websockets": lambda data: apply_mask(data, MASK),
    "wsproto": lambda data: XorMaskerSimple(MASK).process(data),
}


@pytest.mark.parametrize("unmasker", UNMASKERS)
@pytest.mark.parametrize("size", SIZES)
def test_unmask(benchmark, size, unmasker):
    benchmark.group = f"unmask, {size}"
    n = SIZES[size]
    result = benchmark(UNMASKERS[unmasker], bytes(n))
    benchmark.extra_info["correct"] = result.endswith((MASK * (n // 4 + 1))[:n])


WSPROTO = FrameProtocol(client=False, extensions=[])
BUILDERS = {
    "fastsio": lambda payload: build_frame(BINARY, payload),
    "websockets": lambda payload: Frame(Opcode.BINARY, payload).serialize(mask=False),
    "wsproto": lambda payload: WSPROTO.send_data(payload, fin=True),
}


@pytest.mark.parametrize("builder", BUILDERS)
@pytest.mark.parametrize("size", SIZES)
def test_build(benchmark, size, builder):
    benchmark.group = f"frame build, {size}"
    payload = bytes(SIZES[size])
    frame = benchmark(BUILDERS[builder], payload)
    head = 2 if len(payload) < 126 else 4 if len(payload) < 65536 else 10
    benchmark.extra_info["correct"] = frame[0] == 0x82 and frame[head:] == payload

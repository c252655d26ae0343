"""One masked text frame, whole, from bytes to the message: fastsio and `websockets` (uvicorn's)."""

import pytest
from websockets.frames import Frame
from websockets.streams import StreamReader

from fastsio._frames import FrameReader, build_frame

TEXT = 1
MASK = b"\x12\x34\x56\x78"
SIZES = (32, 1024, 65536)


@pytest.fixture(params=SIZES, ids=lambda n: f"{n}B")
def message(request, benchmark) -> bytes:
    benchmark.group = f"frame parse, {request.param} B"
    return b"x" * request.param


def test_fastsio(benchmark, message):
    frame = build_frame(TEXT, message, mask=MASK)
    reader = FrameReader(1_000_000)
    events = reader.events

    def parse():
        events.clear()
        reader.feed(frame)

    benchmark(parse)
    benchmark.extra_info["correct"] = reader.events == [("text", message)]


def test_websockets(benchmark, message):
    frame = build_frame(TEXT, message, mask=MASK)
    reader = StreamReader()

    def parse():
        reader.feed_data(frame)
        steps = Frame.parse(reader.read_exact, mask=True, max_size=1_000_000)
        try:
            next(steps)
        except StopIteration as end:
            return end.value

    benchmark.extra_info["correct"] = benchmark(parse).data == message

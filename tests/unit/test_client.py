"""_client: masked frames, and the reader of what servers send."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fastsio._client import PacketReader, masked_frame, masked_packets
from fastsio._codec import encode_packet
from fastsio._encoded import encode_engine_packet
from fastsio._frames import FrameReader, ProtocolError, build_frame

Cut = Callable[[bytes], list[bytes]]


def frames_of(data: bytes) -> list[tuple[Any, ...]]:
    reader = FrameReader(1 << 40)
    reader.feed(data)
    return reader.events


class Reading:
    """A PacketReader and what it called, in order."""

    def __init__(self, is_raw: bool = False) -> None:
        self.calls: list[tuple[Any, ...]] = []

        def note(kind: str) -> Callable[..., None]:
            return lambda *args: self.calls.append((kind, *args))

        self.reader = PacketReader(
            note("packet"), note("message"), note("engine"), note("control"), 1 << 20, None, is_raw
        )


@pytest.mark.parametrize("size", [0, 1, 7, 8, 125, 126, 65_535, 65_536, 300_001])
def test_every_frame_is_masked_and_whole(size: int) -> None:
    """RFC 6455 5.1: a client masks all frames; FrameReader refuses others."""
    text = b"4" + b"x" * size
    data = bytes(range(256)) * (size // 256 + 1)
    assert frames_of(masked_packets([encode_engine_packet(text), data[:size]])) == [
        ("text", text),
        ("binary", data[:size]),
    ]


def test_attachments_follow_their_packet() -> None:
    packet = encode_packet(2, ["e", b"one", {"b": b"two"}], "/chat", 7)
    other = encode_packet(2, ["f"])
    kinds = [(kind, data[:14]) for kind, data in frames_of(masked_packets([packet, other]))]
    assert kinds == [
        ("text", b'452-/chat,7["e'),
        ("binary", b"one"),
        ("binary", b"two"),
        ("text", b'42["f"]'),
    ]


def test_masks_differ_from_frame_to_frame() -> None:
    """RFC 6455 5.3: a fresh mask for each frame."""
    masks = {masked_frame(9, b"")[2:] for _ in range(2_000)}
    assert len(masks) > 1_990


def test_control_frames_are_masked() -> None:
    assert frames_of(masked_frame(9, b"hi") + masked_frame(8, b"\x03\xe8bye")) == [
        ("ping", b"hi"),
        ("close", 1000, "bye"),
    ]


@pytest.mark.parametrize("packet", [None, "text", 7])
def test_what_is_no_packet_is_refused(packet: Any) -> None:
    with pytest.raises(TypeError):
        masked_packets([packet])


def test_packets_of_every_type_are_read(cut: Cut) -> None:
    stream = b"".join(
        build_frame(1, text)
        for text in (
            b"2", b"3probe", b"6", b'40{"sid":"a"}', b'40/chat,{"sid":"b"}', b"41/chat,",
            b'42["e",1]', b'42/chat,12["e"]', b'433["a"]', b'44{"message":"no"}',
        )
    )  # fmt: skip
    reading = Reading()
    for piece in cut(stream + build_frame(9, b"ws") + build_frame(8, b"\x03\xe8bye")):
        reading.reader.feed(piece)
    assert reading.calls == [
        ("engine", "2", b""),
        ("engine", "3", b"probe"),
        ("engine", "6", b""),
        ("packet", 0, "/", None, {"sid": "a"}),
        ("packet", 0, "/chat", None, {"sid": "b"}),
        ("packet", 1, "/chat", None, None),
        ("packet", 2, "/", None, ["e", 1]),
        ("packet", 2, "/chat", 12, ["e"]),
        ("packet", 3, "/", 3, ["a"]),
        ("packet", 4, "/", None, {"message": "no"}),
        ("control", 9, b"ws"),
        ("control", 8, (1000, "bye")),
    ]


def test_a_binary_packet_comes_with_its_last_attachment(cut: Cut) -> None:
    packet = encode_packet(2, ["e", b"one", {"b": b"two"}], "/chat", 7)
    reading = Reading()
    for piece in cut(packet.frames):
        reading.reader.feed(piece)
    assert reading.calls == [("packet", 5, "/chat", 7, ["e", b"one", {"b": b"two"}])]


def test_packets_without_frames_are_read_alike() -> None:
    packet = encode_packet(3, [b"x"], "/", 0)
    reading = Reading()
    reading.reader.take_text(packet.text)
    reading.reader.take_binary(b"x")
    assert reading.calls == [("packet", 6, "/", 0, [b"x"])]


def test_raw_messages_are_handed_over_as_they_are() -> None:
    reading = Reading(is_raw=True)
    reading.reader.feed(
        build_frame(1, "4ünï".encode()) + build_frame(2, b"\x01") + build_frame(1, b"2")
    )
    assert reading.calls == [("message", "ünï"), ("message", b"\x01"), ("engine", "2", b"")]


@pytest.mark.parametrize(
    "stream",
    [
        build_frame(1, b""),
        build_frame(1, b"49"),
        build_frame(1, b"42{}"),
        build_frame(2, b"nobody waits for it"),
        build_frame(1, b'451-["e",{"_placeholder":true,"num":0}]') + build_frame(1, b"42[1]"),
        build_frame(1, b"2", mask=b"abcd"),
        build_frame(3, b""),
    ],
)
def test_wrong_bytes_are_a_protocol_error(stream: bytes, cut: Cut) -> None:
    reading = Reading()
    with pytest.raises(ProtocolError):
        for piece in cut(stream):
            reading.reader.feed(piece)
    assert reading.calls == []


@pytest.mark.fault(
    "a server's Engine.IO packet of a type beyond ASCII", "handed over as a type that nobody knows"
)
def test_a_packet_type_that_is_no_ascii_is_one_that_nobody_knows(cut: Cut) -> None:
    """libFuzzer's find: it was a ValueError, and the end of the client's task."""
    reading = Reading()
    for piece in cut(build_frame(1, "\u07822".encode())):
        reading.reader.feed(piece)
    assert reading.calls == [("engine", "\xde", b"\x822")]


def test_a_reader_that_was_stopped_calls_nobody() -> None:
    reading = Reading()
    frame = build_frame(1, b"2")
    reading.reader.feed(frame[:1])
    reading.reader.stop()
    reading.reader.feed(frame[1:] + frame)
    reading.reader.take_text(b"2")
    reading.reader.take_binary(b"x")
    assert reading.calls == []


def test_a_call_may_stop_the_reader() -> None:
    calls: list[str] = []

    def stop(kind: str, data: bytes) -> None:
        calls.append(kind)
        reader.stop()

    reader = PacketReader(print, print, stop, print, 100)
    reader.feed(build_frame(1, b"2") * 3)
    assert calls == ["2"]


def test_a_message_over_the_limit_is_refused_by_its_head() -> None:
    reading = Reading()
    with pytest.raises(ProtocolError, match="over 1048576 bytes"):
        reading.reader.feed(build_frame(2, bytes((1 << 20) + 1))[:20])

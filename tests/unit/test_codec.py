"""Socket.IO packets, text to values: the compiled decoder, and the reference beside it.

Every packet comes as str, as bytes, and out of WebSocket frames that were fed one byte at a time.
Source: socketio.md 1, 2 and 5 (socket.io-parser 4.2.7); packet_table.py has the table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

import pytest

import reference
from fastsio import _codec, _frames
from fastsio._frames import ProtocolError
from packet_table import NOTHING, P0, PENDING, ROWS, Row, same_value

LIMIT = 1_000_000


def as_text(decoder: Any, message: str | bytes) -> Any:
    return decoder.add_binary(message) if isinstance(message, bytes) else decoder.add_text(message)


def as_bytes(decoder: Any, message: str | bytes) -> Any:
    return (
        decoder.add_binary(message)
        if isinstance(message, bytes)
        else decoder.add_text(message.encode())
    )


def out_of_frames_fed_byte_by_byte(decoder: Any, message: str | bytes) -> Any:
    frames = reference if type(decoder) is reference.Decoder else _frames
    data = message if isinstance(message, bytes) else message.encode()
    frame = frames.build_frame(1 if isinstance(message, str) else 2, data, mask=b"\x01\x02\x03\x04")
    step = 1 if len(frame) < 500 else 1000  # the reference reads everything again at each piece
    reader = frames.FrameReader(LIMIT)
    for at in range(0, len(frame), step):
        reader.feed(frame[at : at + step])
    [(_, payload)] = reader.events
    return decoder.add_binary(payload) if isinstance(message, bytes) else decoder.add_text(payload)


Deliver = Callable[[Any, str | bytes], Any]


@pytest.fixture(params=[as_text, as_bytes, out_of_frames_fed_byte_by_byte])
def deliver(request: pytest.FixtureRequest) -> Deliver:
    return request.param


def decode(
    codec: ModuleType, deliver: Deliver, text: str, attachments: Iterable[bytes] = ()
) -> Any:
    """The packet; REFUSED if it was refused; PENDING if attachments are missing."""
    decoder = codec.Decoder()
    packet = None
    for message in (text, *attachments):
        assert packet is None
        packet = deliver(decoder, message)
    return PENDING if packet is None else packet


def protocol_error(codec: ModuleType) -> type[Exception]:
    return reference.ProtocolError if codec is reference else ProtocolError


def assert_is(
    codec: ModuleType, packet: Any, packet_type: int, namespace: str, id: int | None, data: Any
) -> None:
    assert (packet.type, packet.namespace, packet.id) == (packet_type, namespace, id)
    if data is NOTHING:
        assert packet.data is codec.NO_DATA
    else:
        assert same_value(packet.data, data), packet.data


# ------------------------------------------------------------------------------------------------------------- decoding


@pytest.mark.feature("1.14 grammar")
@pytest.mark.feature("1.14 validity")
@pytest.mark.feature("1.14 namespace")
@pytest.mark.feature("1.14 0 attachments")
@pytest.mark.feature("1.14 placeholders")
@pytest.mark.parametrize(
    "row", ROWS, ids=lambda row: ascii(row.text)[1:60] + f"+{len(row.attachments)}"
)
def test_packet_is_read_as_the_table_says(codec, deliver, row: Row):
    if isinstance(row.expected, tuple):
        packet = decode(codec, deliver, row.text, row.attachments)
        assert_is(codec, packet, *row.expected)
        assert packet.attachments == len(row.attachments)
    elif row.expected == PENDING:
        assert decode(codec, deliver, row.text, row.attachments) == PENDING
    else:
        *before, last = (row.text, *row.attachments)
        decoder = codec.Decoder()
        for message in before:  # the error comes with the last message and not before
            assert deliver(decoder, message) is None
        with pytest.raises(protocol_error(codec)) as caught:
            deliver(decoder, last)
        assert isinstance(caught.value.close_code, int)
        assert isinstance(caught.value.reason, str) and caught.value.reason


def test_table_has_every_kind_of_row():
    kinds = [row.expected if isinstance(row.expected, str) else "good" for row in ROWS]
    assert len(ROWS) > 250
    assert all(kinds.count(kind) > 1 for kind in {"good", PENDING, *kinds})


def test_decoder_reads_packet_after_packet(codec, deliver):
    decoder = codec.Decoder()
    assert_is(codec, deliver(decoder, "0/a,"), 0, "/a", None, NOTHING)
    assert (
        deliver(decoder, '52-/a,7["x",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]')
        is None
    )
    assert deliver(decoder, b"one") is None
    assert_is(codec, deliver(decoder, b"two"), 5, "/a", 7, ["x", b"two", b"one"])
    assert_is(codec, deliver(decoder, '2["y"]'), 2, "/", None, ["y"])
    assert deliver(decoder, f'61-0["z",{P0}]') is None
    assert_is(codec, deliver(decoder, b""), 6, "/", 0, ["z", b""])
    assert_is(codec, deliver(decoder, "1"), 1, "/", None, NOTHING)


@pytest.mark.parametrize("text", ['2["a"]', "0", "1/other,", f'51-["b",{P0}]'])
@pytest.mark.parametrize("received", [0, 1])
def test_text_while_attachments_are_missing_is_refused(codec, deliver, text, received):
    decoder = codec.Decoder()
    deliver(decoder, f'52-["a",{P0},{P0}]')
    for _ in range(received):
        deliver(decoder, b"x")
    with pytest.raises(protocol_error(codec)):
        deliver(decoder, text)


@pytest.mark.parametrize("before", [[], ['2["a"]'], [f'51-["a",{P0}]', b"x"], ["0"]])
def test_binary_while_none_is_expected_is_refused(codec, deliver, before):
    decoder = codec.Decoder()
    for message in before:
        deliver(decoder, message)
    with pytest.raises(protocol_error(codec)):
        deliver(decoder, b"surplus")


@pytest.mark.feature("1.14 placeholders")
def test_same_attachment_may_stand_in_many_places(codec, deliver):
    packet = decode(codec, deliver, f'51-["a",{P0},{{"b":[{P0}],"c":{P0}}}]', [b"once"])
    assert packet.data == ["a", b"once", {"b": [b"once"], "c": b"once"}]


def test_attachment_that_looks_like_a_packet_is_data(codec, deliver):
    assert decode(codec, deliver, f'51-["a",{P0}]', [b'2["b"]']).data == ["a", b'2["b"]']


@pytest.mark.parametrize("count", range(1, 11))
def test_up_to_ten_attachments_are_delivered_in_order(codec, deliver, count):
    text = (
        f'5{count}-["a",'
        + ",".join('{"_placeholder":true,"num":%d}' % i for i in range(count))
        + "]"
    )
    buffers = [bytes([i]) * i for i in range(count)]
    assert decode(codec, deliver, text, buffers).data == ["a", *buffers]


@pytest.mark.feature("1.14 errors")
def test_eleventh_attachment_is_refused_by_the_header_alone(codec, deliver):
    with pytest.raises(protocol_error(codec)):
        deliver(codec.Decoder(), '511-["a"]')


@pytest.mark.parametrize("depth", [100, 500, 900])
def test_deep_data_is_decoded(depth):
    packet = _codec.Decoder().add_text('2["a",' + "[" * depth + "]" * depth + "]")
    data, seen = packet.data[1], 1
    while data:
        [data] = data
        seen += 1
    assert seen == depth


@pytest.mark.parametrize(
    "text",
    [
        '2["a",' + "[" * 100_000,
        '2["a",' + "[" * 100_000 + "]" * 100_001,
        '2["a",' + '{"k":' * 100_000,
        f'51-["a",{"[" * 100_000}{P0}{"]" * 100_001}',
    ],
)
def test_bottomless_data_is_a_protocol_error_and_no_crash(text):
    with pytest.raises(ProtocolError):
        _codec.Decoder().add_text(text)


@pytest.mark.parametrize(
    "data", [b'2/\xff,["a"]', b'2["\xff"]', b'2["\xed\xa0\x80"]', b"\xff", b"2\xff", b"1/\xc3"]
)
def test_bytes_that_are_not_utf8_are_a_protocol_error(data):
    with pytest.raises(ProtocolError):
        _codec.Decoder().add_text(data)


def test_packet_shows_itself_and_no_data_has_a_name():
    packet = _codec.Decoder().add_text('2/chat,7["a"]')
    assert "/chat" in repr(packet) and "7" in repr(packet)
    assert "NO_DATA" in repr(_codec.NO_DATA)

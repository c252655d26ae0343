"""WebSocket frames, bytes in and bytes out: the compiled reader, and the reference beside it.

Every stream is fed whole and one byte at a time. UTF-8: test_frames_utf8.py.
Source: RFC 6455 5 and 7.4; websocket.md 2 and 3.
"""

import pytest

import reference
from fastsio import _frames
from frame_tools import (
    BINARY,
    CLOSE,
    CONTINUATION,
    LIMIT,
    PING,
    PONG,
    TEXT,
    assert_reads,
    byte_by_byte,
    client_frame,
    read,
)

# --------------------------------------------------------------------------------------------------- messages, lengths


@pytest.mark.parametrize(
    ("wire", "event"),
    [
        ("818537fa213d7f9f4d5158", ("text", b"Hello")),
        ("898537fa213d7f9f4d5158", ("ping", b"Hello")),
        ("8a8537fa213d7f9f4d5158", ("pong", b"Hello")),
        ("828537fa213d7f9f4d5158", ("binary", b"Hello")),
        ("888237fa213d3412", ("close", 1000, "")),
    ],
)
def test_examples_of_the_rfc_are_read(frames, cut, wire, event):
    assert_reads(frames, cut(bytes.fromhex(wire)), event)


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 7, 8, 9, 125, 126, 127, 128, 300])
def test_message_of_any_size_is_delivered(frames, cut, opcode, size):
    payload = bytes(i % 128 for i in range(size))
    assert_reads(
        frames,
        cut(client_frame(opcode, payload)),
        ("text" if opcode == TEXT else "binary", payload),
    )


@pytest.mark.parametrize("size", [65_535, 65_536, 65_537, 300_000, LIMIT])
@pytest.mark.parametrize("step", [1, 997, 65_536, LIMIT + 14])
def test_large_message_is_delivered_however_it_is_cut(size, step):
    payload = (bytes(range(128)) * (size // 128 + 1))[:size]
    stream = client_frame(TEXT, payload) + client_frame(BINARY, b"after")
    pieces = [stream[i : i + step] for i in range(0, len(stream), step)]
    assert_reads(_frames, pieces, ("text", payload), ("binary", b"after"))


@pytest.mark.parametrize("size", [65_535, 65_536])
def test_large_message_is_read_by_the_reference_too(size):
    assert_reads(reference, [client_frame(BINARY, b"\xff" * size)], ("binary", b"\xff" * size))


@pytest.mark.parametrize(
    "length", [b"\x7e\x00\x05", b"\x7e\x00\x00", b"\x7f" + bytes(7) + b"\x05", b"\x7f" + bytes(8)]
)
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_length_that_is_not_minimal_is_accepted(frames, cut, opcode, length):
    # RFC 6455 5.2 wants the shortest form; `ws` reads any, and so must we.
    payload = b"hello"[: length[-1]]
    assert_reads(
        frames,
        cut(client_frame(opcode, payload, length=length)),
        ("text" if opcode == TEXT else "binary", payload),
    )


@pytest.mark.parametrize(
    "mask", [bytes(4), b"\xff\xff\xff\xff", b"\x00\x01\x02\x03", b"\x80\x00\x00\x00"]
)
@pytest.mark.parametrize("size", [1, 3, 4, 255, 256])
def test_every_byte_is_unmasked_with_any_key(frames, cut, mask, size):
    payload = bytes(range(256))[:size]
    assert_reads(frames, cut(client_frame(BINARY, payload, mask=mask)), ("binary", payload))


def test_empty_messages_are_legal(frames, cut):
    assert_reads(
        frames, cut(client_frame(TEXT) + client_frame(BINARY)), ("text", b""), ("binary", b"")
    )


def test_many_messages_in_one_feed_come_out_in_order(frames, cut):
    messages = [(TEXT if i % 3 else BINARY, b"%d" % i) for i in range(100)]
    stream = b"".join(client_frame(opcode, payload) for opcode, payload in messages)
    assert_reads(
        frames,
        cut(stream),
        *(("text" if opcode == TEXT else "binary", payload) for opcode, payload in messages),
    )


def test_ten_thousand_messages_in_one_feed_come_out_in_order():
    stream = b"".join(client_frame(TEXT, b"%d" % i) for i in range(10_000))
    assert_reads(_frames, [stream], *(("text", b"%d" % i) for i in range(10_000)))


def test_message_is_delivered_with_its_last_byte_and_not_before(frames):
    stream = client_frame(TEXT, b"one") + client_frame(TEXT, b"two")
    reader = frames.FrameReader(LIMIT)
    reader.feed(stream[:-1])
    assert reader.events == [("text", b"one")]
    reader.feed(stream[-1:])
    assert reader.events == [("text", b"one"), ("text", b"two")]


def test_empty_feed_changes_nothing(frames, cut):
    stream = client_frame(TEXT, b"one")
    pieces = [piece for byte in cut(stream) for piece in (b"", byte, b"")]
    assert_reads(frames, pieces, ("text", b"one"))


# ------------------------------------------------------------------------------------------------------- fragmentation


@pytest.mark.parametrize(
    "parts",
    [
        [b"Hel", b"lo"],
        [b"", b"Hello"],
        [b"Hello", b""],
        [b"", b"", b""],
        [b"H", b"", b"e", b"llo"],
        [b"x"] * 50,
    ],
)
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_fragments_are_joined(frames, cut, opcode, parts):
    stream = b"".join(
        client_frame(
            CONTINUATION if i else opcode, part, fin=i == len(parts) - 1, mask=bytes([i, 7, 9, 200])
        )
        for i, part in enumerate(parts)
    )
    kind = "text" if opcode == TEXT else "binary"
    assert_reads(
        frames,
        cut(stream + client_frame(TEXT, b"next")),
        (kind, b"".join(parts)),
        ("text", b"next"),
    )


def test_control_frame_between_fragments_is_handled_at_once(frames, cut):
    # RFC 6455 5.4: control frames may be injected in the middle of a fragmented message.
    stream = (
        client_frame(TEXT, b"a", fin=False)
        + client_frame(PING, b"1")
        + client_frame(CONTINUATION, b"b", fin=False)
        + client_frame(PONG, b"2")
        + client_frame(PING)
        + client_frame(CONTINUATION, b"c")
    )
    assert_reads(
        frames, cut(stream), ("ping", b"1"), ("pong", b"2"), ("ping", b""), ("text", b"abc")
    )


def test_close_between_fragments_ends_the_stream_and_drops_the_message(frames, cut):
    stream = (
        client_frame(TEXT, b"a", fin=False)
        + client_frame(CLOSE, b"\x03\xe8")
        + client_frame(CONTINUATION, b"b")
    )
    assert_reads(frames, cut(stream), ("close", 1000, ""))


def test_unfinished_message_is_not_delivered(frames, cut):
    assert_reads(
        frames,
        cut(client_frame(TEXT, b"a", fin=False) + client_frame(CONTINUATION, b"b", fin=False)),
    )


@pytest.mark.parametrize("size", [0, 1, 124, 125])
@pytest.mark.parametrize("kind", ["ping", "pong"])
def test_control_frame_of_up_to_125_bytes_is_delivered(frames, cut, kind, size):
    assert_reads(
        frames,
        cut(client_frame(PING if kind == "ping" else PONG, b"\xff" * size)),
        (kind, b"\xff" * size),
    )


# --------------------------------------------------------------------------------------------------------- broken rules

# (what, bytes before the bad frame, bad frame, close code, bytes of the bad frame that suffice to know)
OPEN_TEXT = client_frame(TEXT, b"x", fin=False)
# fmt: off
BROKEN = [
    *((f"reserved bits {rsv} on opcode {opcode}", b"", client_frame(opcode, rsv=rsv), 1002, 1)
      for rsv in range(1, 8) for opcode in (TEXT, BINARY, PING, PONG, CLOSE)),
    *((f"reserved bit {rsv} on a continuation", OPEN_TEXT, client_frame(CONTINUATION, b"y", rsv=rsv), 1002, 1)
      for rsv in (1, 2, 4)),
    *((f"reserved opcode {opcode}", b"", client_frame(opcode, b"x"), 1002, 1)
      for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)),
    *((f"reserved opcode {opcode} inside a message", OPEN_TEXT, client_frame(opcode), 1002, 1)
      for opcode in (3, 7, 11, 15)),
    *((f"control opcode {opcode} with FIN=0", b"", client_frame(opcode, fin=False), 1002, 1)
      for opcode in (CLOSE, PING, PONG)),
    *((f"control opcode {opcode} over 125 bytes", b"", client_frame(opcode, bytes(size)), 1002, 2)
      for opcode in (CLOSE, PING, PONG) for size in (126, 65_536)),
    *((f"control opcode {opcode} with a long length form", b"", client_frame(opcode, length=b"\x7e\x00\x02"), 1002, 2)
      for opcode in (CLOSE, PING, PONG)),
    ("continuation of nothing", b"", client_frame(CONTINUATION, b"x"), 1002, 1),
    ("unfinished continuation of nothing", b"", client_frame(CONTINUATION, b"x", fin=False), 1002, 1),
    ("continuation after a finished message", client_frame(TEXT, b"x"), client_frame(CONTINUATION, b"x"), 1002, 1),
    ("continuation after a finished fragmented message", OPEN_TEXT + client_frame(CONTINUATION, b"x"),
     client_frame(CONTINUATION, b"x"), 1002, 1),
    ("text inside a message", OPEN_TEXT, client_frame(TEXT, b"y"), 1002, 1),
    ("binary inside a message", OPEN_TEXT, client_frame(BINARY, b"y"), 1002, 1),
    ("text inside an empty fragmented message", client_frame(TEXT, fin=False), client_frame(TEXT), 1002, 1),
    ("text inside a message after a ping", OPEN_TEXT + client_frame(PING), client_frame(TEXT), 1002, 1),
    *((f"opcode {opcode} not masked", b"", client_frame(opcode, b"\x03\xe8", mask=None), 1002, 2)
      for opcode in (TEXT, BINARY, PING, PONG, CLOSE)),
    ("continuation not masked", OPEN_TEXT, client_frame(CONTINUATION, b"y", mask=None), 1002, 2),
    ("empty frame not masked", b"", client_frame(TEXT, mask=None), 1002, 2),
]
# fmt: on
BROKEN_IDS = [what for what, *_ in BROKEN]


@pytest.mark.parametrize(
    ("before", "bad", "code"),
    [(before, bad, code) for _, before, bad, code, _ in BROKEN],
    ids=BROKEN_IDS,
)
def test_broken_rule_fails_with_its_code_and_keeps_what_came_before(frames, cut, before, bad, code):
    good = client_frame(TEXT, b"good")
    events, error_code, _ = read(frames, cut(good + before + bad + good))
    assert error_code == code
    assert events[0] == ("text", b"good")
    assert events[1:] == read(frames, [before])[0]  # of the bad frame and after it: nothing


@pytest.mark.parametrize(
    ("before", "bad", "enough"),
    [(before, bad, enough) for _, before, bad, _, enough in BROKEN],
    ids=BROKEN_IDS,
)
def test_broken_rule_of_a_frame_head_fails_on_its_first_bad_byte(frames, before, bad, enough):
    assert read(frames, byte_by_byte(before + bad))[2] == len(before) + enough


@pytest.mark.parametrize("first_length_byte", [0x80, 0xC0, 0xFF])
def test_length_over_63_bits_is_a_protocol_error_within_the_head(frames, cut, first_length_byte):
    # RFC 6455 5.2: "the most significant bit MUST be 0".
    length = bytes([0x7F, first_length_byte]) + bytes(6) + b"\x05"
    assert read(frames, cut(client_frame(BINARY, length=length)))[:2] == ([], 1002)


def test_length_over_63_bits_is_a_protocol_error_in_a_continuation_too(frames, cut):
    stream = client_frame(BINARY, b"x", fin=False) + client_frame(
        CONTINUATION, length=b"\x7f" + b"\xff" * 8
    )
    assert read(frames, cut(stream))[:2] == ([], 1002)


def test_length_of_63_bits_is_too_big_and_no_protocol_error(frames, cut):
    assert read(frames, cut(client_frame(BINARY, length=b"\x7f\x7f" + b"\xff" * 7)))[:2] == (
        [],
        1009,
    )


def test_input_after_an_error_is_ignored(frames):
    reader = frames.FrameReader(LIMIT)
    with pytest.raises(frames.ProtocolError):
        reader.feed(client_frame(3))
    reader.feed(client_frame(TEXT, b"late"))
    reader.feed(client_frame(3))
    assert reader.events == []


def test_masked_frame_from_a_server_is_a_protocol_error(frames, cut):
    events, code, _ = read(
        frames,
        cut(client_frame(TEXT, b"a", mask=None) + client_frame(TEXT, b"b")),
        expect_mask=False,
    )
    assert (events, code) == ([("text", b"a")], 1002)


def test_client_reads_unmasked_frames(frames, cut):
    stream = (
        client_frame(TEXT, "é".encode()[:1], fin=False, mask=None)
        + client_frame(PING, b"p", mask=None)
        + client_frame(CONTINUATION, "é".encode()[1:], mask=None)
        + client_frame(BINARY, b"\xff" * 300, mask=None)
        + client_frame(CLOSE, b"\x03\xe8bye", mask=None)
    )
    assert_reads(
        frames,
        cut(stream),
        ("ping", b"p"),
        ("text", "é".encode()),
        ("binary", b"\xff" * 300),
        ("close", 1000, "bye"),
        expect_mask=False,
    )


# ------------------------------------------------------------------------------------------------------------ extension


def test_reader_that_takes_compressed_messages_says_so_and_leaves_them_as_they_are(cut):
    """RFC 7692 6: RSV1 on a message's first frame. What is in it is no text yet."""
    reader = _frames.FrameReader(LIMIT, take_compressed=True)
    stream = (
        client_frame(TEXT, b"\xff", rsv=4) + client_frame(TEXT, b"a")
        + client_frame(BINARY, b"\xfe", rsv=4, fin=False) + client_frame(PING) + client_frame(CONTINUATION, b"\xfd")
        + client_frame(TEXT, b"b", fin=False) + client_frame(CONTINUATION, b"c")
    )  # fmt: skip
    for piece in cut(stream):
        reader.feed(piece)
    assert reader.events == [
        ("compressed text", b"\xff"),
        ("text", b"a"),
        ("ping", b""),
        ("compressed binary", b"\xfe\xfd"),
        ("text", b"bc"),
    ]


# ----------------------------------------------------------------------------------------------------------- size limit


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_message_of_exactly_the_limit_is_delivered(frames, cut, opcode):
    assert read(frames, cut(client_frame(opcode, b"x" * 200)), limit=200)[1] is None


@pytest.mark.parametrize(
    "length",
    [
        b"\x7d",
        b"\x7e\x00\x7d",
        b"\x7e\xff\xff",
        b"\x7f" + bytes(4) + b"\x00\x01\x00\x00",
        b"\x7f\x00\xff" + bytes(6),
    ],
)
def test_message_over_the_limit_fails_by_its_head_alone(frames, cut, length):
    head = client_frame(BINARY, length=length)
    assert read(frames, cut(head), limit=124)[:2] == ([], 1009)


def test_limit_counts_all_fragments_of_a_message_by_their_heads(frames, cut):
    first = client_frame(TEXT, b"x" * 60, fin=False)
    assert_reads(
        frames,
        cut(first + client_frame(CONTINUATION, b"y" * 40)),
        ("text", b"x" * 60 + b"y" * 40),
        limit=100,
    )
    head_of_too_much = client_frame(
        CONTINUATION, b"", length=b"\x29", fin=False
    )  # 41 bytes announced, none sent
    assert read(frames, cut(first + head_of_too_much), limit=100)[:2] == ([], 1009)


def test_limit_is_per_message(frames, cut):
    assert_reads(
        frames, cut(client_frame(BINARY, b"x" * 60) * 3), *[("binary", b"x" * 60)] * 3, limit=60
    )
    fragmented = client_frame(TEXT, b"x" * 30, fin=False) + client_frame(CONTINUATION, b"x" * 30)
    assert_reads(frames, cut(fragmented * 3), *[("text", b"x" * 60)] * 3, limit=60)


def test_control_frames_do_not_count_towards_the_limit(frames, cut):
    stream = (
        client_frame(TEXT, b"x" * 5, fin=False)
        + client_frame(PING, b"p" * 125)
        + client_frame(CONTINUATION, b"y" * 5)
    )
    assert_reads(frames, cut(stream), ("ping", b"p" * 125), ("text", b"x" * 5 + b"y" * 5), limit=10)


def test_length_alone_costs_no_memory():
    readers = [_frames.FrameReader(1 << 62) for _ in range(100)]
    for reader in readers:
        reader.feed(
            client_frame(BINARY, length=b"\x7f\x3f" + b"\xff" * 7) + b"some bytes"
        )  # 2**62 announced
        assert reader.events == []


# ---------------------------------------------------------------------------------------------------------------- close


@pytest.mark.parametrize(
    ("payload", "event"),
    [
        (b"", ("close", None, "")),
        (b"\x03\xe8", ("close", 1000, "")),
        (b"\x03\xe9going away", ("close", 1001, "going away")),
        (b"\x03\xe8" + "é€😀".encode(), ("close", 1000, "é€😀")),
        (b"\x0f\xa0" + b"r" * 123, ("close", 4000, "r" * 123)),
    ],
)
def test_close_is_delivered_with_code_and_reason(frames, cut, payload, event):
    assert_reads(frames, cut(client_frame(CLOSE, payload)), event)


@pytest.mark.parametrize(
    "code", [1000, 1001, 1002, 1003, *range(1007, 1015), 3000, 3999, 4000, 4999]
)
def test_close_code_that_may_be_sent_is_delivered(frames, cut, code):
    assert_reads(frames, cut(client_frame(CLOSE, code.to_bytes(2, "big"))), ("close", code, ""))


@pytest.mark.parametrize(
    "code", [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535]
)
@pytest.mark.parametrize("reason", [b"", b"why"])
def test_close_code_that_must_not_be_sent_is_a_protocol_error(frames, cut, code, reason):
    assert read(frames, cut(client_frame(CLOSE, code.to_bytes(2, "big") + reason)))[:2] == (
        [],
        1002,
    )


@pytest.mark.parametrize("payload", [b"\x03", b"\x00"])
def test_close_with_one_byte_is_a_protocol_error(frames, cut, payload):
    assert read(frames, cut(client_frame(CLOSE, payload)))[:2] == ([], 1002)


@pytest.mark.parametrize("reason", [b"\xff", b"\xed\xa0\x80", b"ok\xc2", b"\xc0\xaf"])
def test_close_reason_that_is_not_utf8_is_refused_with_1007(frames, cut, reason):
    assert read(frames, cut(client_frame(CLOSE, b"\x03\xe8" + reason)))[:2] == ([], 1007)


@pytest.mark.parametrize(
    "after",
    [
        client_frame(CLOSE),
        client_frame(TEXT, b"late"),
        client_frame(PING),
        client_frame(3),
        client_frame(CONTINUATION, fin=False),
        b"\xff" * 50,
        client_frame(TEXT, b"\xff"),
    ],
)
def test_everything_after_close_is_ignored(frames, cut, after):
    assert_reads(
        frames,
        cut(client_frame(TEXT, b"a") + client_frame(CLOSE) + after),
        ("text", b"a"),
        ("close", None, ""),
    )


# ------------------------------------------------------------------------------------------------------- received bytes


@pytest.mark.parametrize("size", [1, 5, 125, 300, 70_000, 300_000])
@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING])
def test_received_bytes_are_never_changed(opcode, size):
    if opcode == PING:
        size = min(size, 125)
    stream = (
        client_frame(opcode, b"x" * size)
        + client_frame(TEXT, b"y" * 10, fin=False)
        + client_frame(CONTINUATION, b"z")
    )
    for pieces in ([stream], [stream[: size // 2 + 7], stream[size // 2 + 7 :]]):
        originals = [bytes(bytearray(piece)) for piece in pieces]
        reader = _frames.FrameReader(LIMIT)
        for piece in pieces:
            reader.feed(piece)
        assert pieces == originals
        assert len(reader.events) == 2


@pytest.mark.parametrize("make", [bytes, bytearray, lambda data: memoryview(bytearray(data))])
def test_events_keep_their_bytes_when_the_input_is_reused(make):
    reader = _frames.FrameReader(LIMIT)
    data = make(client_frame(TEXT, b"first") + client_frame(BINARY, b"second")[:-2])
    reader.feed(data)
    if not isinstance(data, bytes):
        data[:] = bytes(len(data))
    reader.feed(client_frame(BINARY, b"second")[-2:])
    assert reader.events == [("text", b"first"), ("binary", b"second")]
    assert all(type(payload) is bytes for _, payload in reader.events)


def test_two_readers_do_not_disturb_each_other(frames):
    one, other = frames.FrameReader(LIMIT), frames.FrameReader(LIMIT)
    first, second = (
        client_frame(TEXT, b"1" * 200, mask=b"abcd"),
        client_frame(BINARY, b"2" * 200, mask=b"wxyz"),
    )
    for i in range(max(len(first), len(second))):
        one.feed(first[i : i + 1])
        other.feed(second[i : i + 1])
    assert (one.events, other.events) == ([("text", b"1" * 200)], [("binary", b"2" * 200)])

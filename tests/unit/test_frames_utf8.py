"""The frame reader's UTF-8 check: what is text, and on which byte it fails (RFC 6455 8.1, RFC 3629).

Source: websocket.md 2; the table is that of Autobahn 6.*, with the first bad byte of each.
"""

import pytest

from fastsio import _frames
from frame_tools import (
    BINARY,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    assert_reads,
    byte_by_byte,
    client_frame,
    read,
)

# ---------------------------------------------------------------------------------------------------------------- UTF-8

VALID_TEXTS = [
    b"",
    b"\x00",
    b"\x7f",
    b"\xc2\x80",
    b"\xdf\xbf",
    b"\xe0\xa0\x80",
    b"\xe0\xbf\xbf",
    b"\xe1\x80\x80",
    b"\xec\xbf\xbf",
    b"\xed\x80\x80",
    b"\xed\x9f\xbf",
    b"\xee\x80\x80",
    b"\xef\xbf\xbd",
    b"\xef\xbf\xbe",
    b"\xef\xbf\xbf",
    b"\xf0\x90\x80\x80",
    b"\xf0\x9f\xbf\xbe",
    b"\xf0\x9f\xbf\xbf",
    b"\xf0\xbf\xbf\xbf",
    b"\xf1\x80\x80\x80",
    b"\xf3\xbf\xbf\xbf",
    b"\xf4\x80\x80\x80",
    b"\xf4\x8f\xbf\xbe",
    b"\xf4\x8f\xbf\xbf",
    b"\xef\xbb\xbfBOM",
    "κόσμε".encode(),
    "Hello-µ@ßöäüàá-UTF-8!!".encode(),
    b"seven b" + "é".encode() + b"eight by" + "€😀".encode() + b"ninebytes",
    *(chr(plane * 0x10000 + last).encode() for plane in range(1, 17) for last in (0xFFFE, 0xFFFF)),
]

# (bytes, index of the first byte that can't be right)
INVALID_TEXTS = [
    (b"\x80", 0),
    (b"\xbf", 0),
    (b"\xbf\x80", 0),
    (b"a\x80", 1),
    (b"\xc2\x80\x80", 2),
    (b"\xe2\x82\xac\x80", 3),
    (b"\xf0\x9f\x98\x80\xbf", 4),
    (b"\xc0\x80", 0),
    (b"\xc0\xaf", 0),
    (b"\xc1\xbf", 0),
    (b"\xe0\x80\xaf", 1),
    (b"\xe0\x9f\xbf", 1),
    (b"\xf0\x80\x80\xaf", 1),
    (b"\xf0\x8f\xbf\xbf", 1),
    (b"\xf8\x80\x80\x80\xaf", 0),
    (b"\xfc\x80\x80\x80\x80\xaf", 0),
    (b"\xf5\x80\x80\x80", 0),
    (b"\xf7\xbf\xbf\xbf", 0),
    (b"\xfb\xbf\xbf\xbf\xbf", 0),
    (b"\xfd\xbf\xbf\xbf\xbf\xbf", 0),
    (b"\xfe", 0),
    (b"\xff", 0),
    (b"\xfe\xfe\xff\xff", 0),
    (b"\xf4\x90\x80\x80", 1),
    (b"\xf4\xbf\xbf\xbf", 1),
    (b"\xed\xa0\x80", 1),
    (b"\xed\xaf\xbf", 1),
    (b"\xed\xb0\x80", 1),
    (b"\xed\xbf\xbf", 1),
    (b"\xed\xa0\xbd\xed\xb8\x80", 1),
    (b"\xc2a", 1),
    (b"\xc2\xc2", 1),
    (b"\xe2\x82a", 2),
    (b"\xe2a", 1),
    (b"\xe2\xe2", 1),
    (b"\xf0\x9f\x98a", 3),
    (b"\xf0\x9fa", 2),
    (b"\xf0a", 1),
    (b"\xf0\x9f\xff", 2),
    (b"\xc3\x28", 1),
    (b"\xef\xbf\x7f", 2),
    (b"\xf4\x8f\xbf\xc0", 3),
    (
        b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80\x65\x64\x69\x74\x65\x64",
        12,
    ),  # Autobahn 6.3.1
    (
        b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80\x65\x64\x69\x74\x65\x64",
        12,
    ),  # Autobahn 6.4.*
    (b"0123456789abcdef\xff", 16),
    (b"0123456789abcde\xe2\x82", None),
    (b"01234567\xc0\xaf9abcdef", 8),
]
TRUNCATED_TEXTS = [
    b"\xc2",
    b"\xdf",
    b"\xe0",
    b"\xe0\xa0",
    b"\xe2\x82",
    b"\xed\x9f",
    b"\xf0",
    b"\xf0\x90",
    b"\xf0\x9f\x98",
    b"\xf4\x8f\xbf",
    b"ok\xf0\x9f\x98",
    b"eightbyt\xe2\x82",
    "😀".encode() + b"\xf0",
]


@pytest.mark.parametrize("text", VALID_TEXTS)
def test_valid_utf8_is_delivered_in_one_frame_and_in_one_frame_per_byte(frames, cut, text):
    assert frames.utf8_valid(text) is True
    assert_reads(frames, cut(client_frame(TEXT, text)), ("text", text))
    fragments = b"".join(
        client_frame(CONTINUATION if i else TEXT, text[i : i + 1], fin=False) + client_frame(PING)
        for i in range(len(text) or 1)
    )
    pings = [("ping", b"")] * (len(text) or 1)
    assert_reads(frames, cut(fragments + client_frame(CONTINUATION)), *pings, ("text", text))


@pytest.mark.parametrize(("text", "bad_at"), INVALID_TEXTS)
def test_invalid_utf8_is_refused_with_1007(frames, cut, text, bad_at):
    assert frames.utf8_valid(text) is False
    assert read(frames, cut(client_frame(TEXT, text)))[:2] == ([], 1007)


@pytest.mark.parametrize(("text", "bad_at"), [row for row in INVALID_TEXTS if row[1] is not None])
@pytest.mark.parametrize("announced", [125, 1000, 70_000])
def test_invalid_utf8_fails_on_its_first_bad_byte_within_an_unfinished_frame(
    frames, text, bad_at, announced
):
    whole = client_frame(TEXT, text + bytes(announced - len(text)))
    head_size = len(whole) - announced
    _, code, fed = read(frames, byte_by_byte(whole[: head_size + len(text)]))
    assert (code, fed) == (1007, head_size + bad_at + 1)
    _, code, _ = read(frames, [whole[: head_size + bad_at + 1]])  # the same bytes in one piece
    assert code == 1007


@pytest.mark.parametrize(("text", "bad_at"), [row for row in INVALID_TEXTS if row[1] is not None])
def test_invalid_utf8_fails_in_the_fragment_that_brings_its_first_bad_byte(
    frames, cut, text, bad_at
):
    fragments = [
        client_frame(CONTINUATION if i else TEXT, text[i : i + 1], fin=False)
        for i in range(len(text))
    ]
    assert read(frames, cut(b"".join(fragments[:bad_at])))[1] is None
    _, code, fed = read(frames, cut(b"".join(fragments[: bad_at + 1])))
    assert (code, fed) == (1007, 7 * (bad_at + 1))  # 7: a one-byte client frame


@pytest.mark.parametrize("text", TRUNCATED_TEXTS)
def test_text_that_ends_inside_a_code_point_is_refused_with_1007(frames, cut, text):
    assert frames.utf8_valid(text) is False
    assert read(frames, cut(client_frame(TEXT, text)))[:2] == ([], 1007)
    assert read(frames, cut(client_frame(TEXT, text, fin=False) + client_frame(CONTINUATION)))[
        :2
    ] == ([], 1007)
    assert read(frames, cut(client_frame(TEXT, text, fin=False)))[:2] == ([], None)  # may go on


def test_utf8_state_starts_anew_with_each_message(frames, cut):
    stream = (
        client_frame(BINARY, b"\xf0\x9f", fin=False)
        + client_frame(CONTINUATION, b"\x98")
        + client_frame(TEXT, b"a")
    )
    assert_reads(frames, cut(stream), ("binary", b"\xf0\x9f\x98"), ("text", b"a"))


@pytest.mark.parametrize("data", [b"\xff\xfe", b"\xed\xa0\x80", b"\x80" * 300])
@pytest.mark.parametrize("kind", ["binary", "ping", "pong"])
def test_only_text_is_checked_for_utf8(frames, cut, kind, data):
    opcode = {"binary": BINARY, "ping": PING, "pong": PONG}[kind]
    data = data[:125]
    assert_reads(frames, cut(client_frame(opcode, data)), (kind, data))


def test_utf8_check_agrees_with_python_on_every_two_bytes_after_every_lead():
    followers = [0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF]
    for lead in range(256):
        for second in followers:
            for rest in (b"", b"\x80", b"\x80\x80", b"\xbf\xbf", b"\x80\x80\x80"):
                data = bytes([lead, second]) + rest
                assert _frames.utf8_valid(data) == (
                    data.decode("utf-8", "ignore").encode() == data
                ), data

"""How many frames one message may have: by their bytes alone empty ones could come for ever.

Source: RFC 6455 5.4 (fragmentation), 7.4.1 (1008).
"""

from __future__ import annotations

from typing import Any

import pytest

from fastsio._frames import FrameReader, ProtocolError
from frame_tools import BINARY, CONTINUATION, LIMIT, PING, TEXT, client_frame


def reader(most: int) -> Any:
    return FrameReader(LIMIT, True, False, most)


def fragments(count: int, payload: bytes = b"", opcode: int = TEXT) -> bytes:
    """One message in `count` frames."""
    kinds = [opcode] + [CONTINUATION] * (count - 1)
    return b"".join(client_frame(kind, payload, fin=i == count - 1) for i, kind in enumerate(kinds))


@pytest.mark.parametrize("payload", [b"", b"x"])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_message_of_as_many_frames_is_read(cut, count, opcode, payload):
    frames = reader(5)
    for piece in cut(fragments(count, payload, opcode) * 3):
        frames.feed(piece)
    kind = "text" if opcode == TEXT else "binary"
    assert frames.events == [(kind, payload * count)] * 3


@pytest.mark.parametrize("payload", [b"", b"x"])
def test_one_frame_more_is_a_violation_that_names_the_option(cut, payload):
    frames = reader(5)
    with pytest.raises(ProtocolError) as refused:
        for piece in cut(client_frame(BINARY, b"before") + fragments(6, payload)):
            frames.feed(piece)
    assert refused.value.close_code == 1008
    assert refused.value.option == "max_frames_per_message"
    assert str(refused.value) == "message of over 5 frames (max_frames_per_message)"
    assert frames.events == [("binary", b"before")]
    frames.feed(client_frame(TEXT, b"after"))
    assert len(frames.events) == 1


def test_control_frames_between_fragments_do_not_count(cut):
    frames = reader(2)
    ping = client_frame(PING, b"")
    first = client_frame(TEXT, b"a", fin=False)
    for piece in cut(first + ping * 10 + client_frame(CONTINUATION, b"b")):
        frames.feed(piece)
    assert frames.events[-1] == ("text", b"ab")


def test_without_a_limit_any_number_is_read():
    frames = reader(0)
    frames.feed(fragments(200_000))
    assert frames.events == [("text", b"")]


def test_other_errors_name_no_option():
    with pytest.raises(ProtocolError) as refused:
        reader(5).feed(client_frame(CONTINUATION, b""))
    assert refused.value.option is None

"""WebSocket frames that break RFC 6455, each with the close code for it, and odd ones that are right.

Source: RFC 6455 5, 7.4, 8.1; what the official server (ws 8) sends is noted where ours differs.
"""

from __future__ import annotations

import struct

from clients import packet_frame
from harness import frame_bytes as frame
from rows import FrameRow
from targets import MAX_HTTP_BUFFER_SIZE

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
PROTOCOL_ERROR = b"\x88\x02\x03\xea"  # 1002
BAD_DATA = b"\x88\x02\x03\xef"  # 1007
TOO_BIG = b"\x88\x02\x03\xf1"  # 1009
ERROR, GONE = "transport error", "transport close"
SAY = b'42["say",1]'


def _broken(says: str, sends: bytes, gets: bytes = PROTOCOL_ERROR, **kinds: object) -> FrameRow:
    return FrameRow(says, sends, gets, ERROR, **kinds)  # type: ignore[arg-type]


def _closing(says: str, payload: bytes, gets: bytes) -> FrameRow:
    """A Close frame of the client's: answered, the socket sees "transport close"."""
    return FrameRow(says, frame(CLOSE, payload), gets, GONE)


def _length(opcode: int, size: int) -> bytes:
    """The head of a masked frame that announces `size` bytes in 64 bits."""
    return bytes([0x80 | opcode, 0xFF]) + struct.pack(">Q", size) + b"\1\2\3\4"


def _text(payload: bytes) -> bytes:
    return frame(TEXT, payload)


FAIL_FAST = "ws looks at the text when the message is complete (RFC 6455 8.1: fail)"

REFUSED = [
    _broken("a frame without a mask", frame(TEXT, SAY, mask=None)),
    _broken("a ping without a mask", frame(PING, b"", mask=None)),
    *[
        _broken(f"reserved bits {bits:03b} on {name}", frame(opcode, SAY, reserved=bits))
        for bits in (1, 2, 4)
        for name, opcode in (("a text", TEXT), ("a ping", PING))
    ],
    *[
        _broken(f"reserved opcode {opcode:#x}", frame(opcode))
        for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)
    ],
    _broken("a reserved opcode with a payload", frame(3, SAY)),
    _broken("a ping in fragments", frame(PING, b"x", fin=False)),
    _broken("a pong in fragments", frame(PONG, b"x", fin=False)),
    _broken("a close in fragments", frame(CLOSE, b"\x03\xe8", fin=False)),
    _broken("a ping of 126 bytes", frame(PING, b"x" * 126)),
    _broken("a close of 126 bytes", frame(CLOSE, b"\x03\xe8" + b"x" * 124)),
    _broken("a continuation of nothing", frame(CONTINUATION, SAY)),
    _broken("a continuation of nothing that goes on", frame(CONTINUATION, SAY, fin=False)),
    _broken(
        "a continuation after a whole message", _text(SAY) + frame(CONTINUATION), heard=((1,),)
    ),
    _broken("a text inside a fragmented text", frame(TEXT, b"42", fin=False) + _text(SAY)),
    _broken(
        "a binary inside a fragmented text", frame(TEXT, b"42", fin=False) + frame(BINARY, b"x")
    ),
    _broken(
        "what was good before the error is heard", _text(SAY) * 2 + frame(3), heard=((1,), (1,))
    ),
    _broken("what comes after the error is not", frame(3) + _text(SAY)),
    _broken(
        "a length of 64 bits with the highest set",
        _length(TEXT, 1 << 63),
        differs="ws closes with 1009 (RFC 6455 5.2: the bit must be 0)",
    ),
    _broken("a length of all ones", _length(BINARY, (1 << 64) - 1), differs="ws closes with 1009"),
    _broken(
        "a message announced to be over the limit", _length(TEXT, MAX_HTTP_BUFFER_SIZE + 1), TOO_BIG
    ),
    _broken("a message announced with an absurd length", _length(BINARY, (1 << 63) - 1), TOO_BIG),
    _broken(
        "fragments that together are over the limit",
        frame(TEXT, b"x" * MAX_HTTP_BUFFER_SIZE, fin=False) + frame(CONTINUATION, b"y"),
        TOO_BIG,
    ),
    _broken(
        "a last fragment announced over what is left of the limit",
        frame(BINARY, b"x", fin=False) + _length(CONTINUATION, MAX_HTTP_BUFFER_SIZE),
        TOO_BIG,
    ),
    _broken("text with a lonely continuation byte", _text(b'42["say","\x80"]'), BAD_DATA),
    _broken("text with an overlong slash", _text(b'42["say","\xc0\xaf"]'), BAD_DATA),
    _broken(
        "text with an overlong NUL in three bytes", _text(b'42["say","\xe0\x80\x80"]'), BAD_DATA
    ),
    _broken("text with a surrogate", _text(b'42["say","\xed\xa0\x80"]'), BAD_DATA),
    _broken("text beyond Unicode", _text(b'42["say","\xf4\x90\x80\x80"]'), BAD_DATA),
    _broken("text with a byte that UTF-8 never has", _text(b'42["say","\xff"]'), BAD_DATA),
    _broken("text that ends inside a character", _text(b'42["say","\xf0\x9f\x98'), BAD_DATA),
    _broken(
        "fragments of text that end inside a character",
        frame(TEXT, b'42["say","\xf0\x9f', fin=False) + frame(CONTINUATION, b"\x98"),
        BAD_DATA,
    ),
    _broken(
        "broken UTF-8 in the first of several fragments",
        frame(TEXT, b"42\xff", fin=False),
        BAD_DATA,
        differs=FAIL_FAST,
    ),
    _broken(
        "broken UTF-8 in a frame that is not complete",
        frame(TEXT, b"42\xff" + b"x" * 500)[:20],
        BAD_DATA,
        differs=FAIL_FAST,
    ),
    _broken("a close of one byte", frame(CLOSE, b"\x03")),
    *[
        _broken(f"close code {code}", frame(CLOSE, struct.pack(">H", code)))
        for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535)
    ],
    _broken("a close reason that is not UTF-8", frame(CLOSE, b"\x03\xe8\xff"), BAD_DATA),
    _closing("a close without a code", b"", b"\x88\x00"),
    _closing("a close with code 1000", b"\x03\xe8", b"\x88\x02\x03\xe8"),
    FrameRow(
        "a close with code 1001 and a reason",
        frame(CLOSE, b"\x03\xe9bye"),
        b"\x88\x02\x03\xe9",
        GONE,
        differs="ws sends the reason back too (RFC 6455 5.5.1: typically the code)",
    ),
    _closing("a close with code 4999", b"\x13\x87", b"\x88\x02\x13\x87"),
    FrameRow("what comes after a close is ignored", frame(CLOSE) + _text(SAY), b"\x88\x00", GONE),
    FrameRow("the end in the middle of a frame", _text(SAY)[:7], b"", GONE, ends="half"),
    FrameRow("the end in the middle of a head", _text(SAY)[:1], b"", GONE, ends="half"),
    FrameRow(
        "the end in the middle of a message", frame(TEXT, SAY, fin=False), b"", GONE, ends="half"
    ),
    FrameRow("the end without a close", _text(SAY), b"", GONE, heard=((1,),), ends="half"),
    FrameRow("a reset", b"", b"", GONE, ends="reset"),
]

NON_MINIMAL = bytes([0x81, 0xFE, 0, len(SAY)]) + bytes(4) + SAY
SERVED = [
    FrameRow(
        "a ping gets its payload back", frame(PING, b"are you there"), b"\x8a\x0dare you there"
    ),
    FrameRow("an empty ping gets an empty pong", frame(PING), b"\x8a\x00"),
    FrameRow("a ping of 125 bytes", frame(PING, b"x" * 125), b"\x8a\x7d" + b"x" * 125),
    FrameRow("a pong that nobody asked for", frame(PONG, b"x"), b""),
    FrameRow(
        "a message in fragments with a ping between",
        frame(TEXT, b'42["say",', fin=False) + frame(PING, b"!") + frame(CONTINUATION, b"1]"),
        b"\x8a\x01!",
        heard=((1,),),
    ),
    FrameRow(
        "fragments that split a character",
        frame(TEXT, b'42["say","\xf0\x9f', fin=False) + frame(CONTINUATION, b'\x98\x80"]'),
        b"",
        heard=(("😀",),),
    ),
    FrameRow(
        "empty fragments",
        frame(TEXT, b"", fin=False) + frame(CONTINUATION, SAY, fin=False) + frame(CONTINUATION),
        b"",
        heard=((1,),),
    ),
    FrameRow("a length in more bytes than needed", NON_MINIMAL, b"", heard=((1,),)),
    FrameRow("a mask of zeros", frame(TEXT, SAY, mask=bytes(4)), b"", heard=((1,),)),
    FrameRow(
        "a message of exactly the limit",
        frame(TEXT, b'42["say","' + b"x" * (MAX_HTTP_BUFFER_SIZE - 12) + b'"]'),
        b"",
        heard=(("x" * (MAX_HTTP_BUFFER_SIZE - 12),),),
    ),
    FrameRow(
        "non-characters and NUL are characters",
        packet_frame('42["say","\ufffe\uffff\\u0000"]'),
        b"",
        heard=(("\ufffe\uffff\0",),),
    ),
]

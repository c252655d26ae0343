"""Representative cases of what Autobahn's suite checks, by its groups: bytes to an echo server, frames back.

Our own, from RFC 6455 (5 framing, 7 closing, 8.1 UTF-8) and RFC 7692; of the suite only the groups' subjects and
numbers. A case is complete: nothing but what it lists may come back, and its end is part of it.
"""

# ruff: noqa: E501 - a case is a line

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import dataclass

from deflate_tools import RSV1, deflated
from frame_tools import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, client_frame

Frame = tuple[int, bytes]


@dataclass(frozen=True)
class Case:
    """What a client sends, and the frames that come back in their order, the server's Close among them.

    `ends`: the server has ended the connection then; else it still serves. `offer`: permessage-deflate as the client
    asks for it; then `answer` is what must be agreed on, and frames that come back are inflated.
    """

    group: str
    says: str
    sends: bytes
    gets: tuple[Frame, ...]
    ends: bool = False
    offer: str = ""
    answer: str = ""


def close(code: int | None = None, reason: bytes = b"") -> bytes:
    return b"" if code is None else struct.pack(">H", code) + reason


PROTOCOL_ERROR = (CLOSE, close(1002))
BAD_DATA = (CLOSE, close(1007))
NORMAL = client_frame(CLOSE, close(1000))
BYE = (CLOSE, close(1000))


def echoed(group: str, says: str, opcode: int, payload: bytes, sends: bytes = b"") -> Case:
    """A message that comes back as it went, then a close that is answered."""
    return Case(
        group, says, (sends or client_frame(opcode, payload)) + NORMAL, ((opcode, payload), BYE), True
    )  # fmt: skip


def broken(group: str, says: str, sends: bytes, *before: Frame, by: Frame = PROTOCOL_ERROR) -> Case:
    """What ends the connection at once: what is behind it is not answered."""
    return Case(group, says, sends + client_frame(PING, b"late"), (*before, by), True)


def text(payload: bytes, **kinds: object) -> bytes:
    return client_frame(TEXT, payload, **kinds)  # type: ignore[arg-type]


def in_frames(opcode: int, *parts: bytes) -> bytes:
    """A message in that many frames."""
    last = len(parts) - 1
    return b"".join(
        client_frame(CONTINUATION if i else opcode, part, fin=i == last)
        for i, part in enumerate(parts)
    )


HELLO = "Hello-µ@ßöäüàá-UTF-8!!".encode()
SIZES = (0, 1, 125, 126, 127, 128, 65_535, 65_536, 65_537)

MESSAGES = [
    *[echoed("1.1", f"a text of {n} bytes", TEXT, b"*" * n) for n in SIZES],
    *[echoed("1.2", f"{n} binary bytes", BINARY, b"\xfe" * n) for n in SIZES],
    echoed("9.1", "a text of 1 MiB", TEXT, b"*" * (1 << 20)),
    echoed("9.2", "4 MiB", BINARY, bytes(1 << 22)),
    echoed("9.3", "1 MiB in frames of 64 KiB", TEXT, b"*" * (1 << 20), in_frames(TEXT, *[b"*" * 65_536] * 16)),
    echoed("9.4", "256 KiB in frames of 64 bytes", BINARY, b"x" * (1 << 18), in_frames(BINARY, *[b"x" * 64] * 4096)),
    Case("9.7", "100 texts of 1 KiB", text(b"*" * 1024) * 100, ((TEXT, b"*" * 1024),) * 100),
    echoed("10.1", "65,536 bytes in frames of 1,300", TEXT, b"*" * 65_536, in_frames(TEXT, *[b"*" * 1300] * 50, b"*" * 536)),
]  # fmt: skip

PINGS = [
    Case("2.1", "an empty ping", client_frame(PING), ((PONG, b""),)),
    Case("2.2", "a ping with a text", client_frame(PING, b"Hello"), ((PONG, b"Hello"),)),
    Case("2.3", "a ping of bytes", client_frame(PING, b"\0\xff\xfe"), ((PONG, b"\0\xff\xfe"),)),
    Case("2.4", "a ping of 125 bytes", client_frame(PING, b"\xfe" * 125), ((PONG, b"\xfe" * 125),)),
    broken("2.5", "a ping of 126 bytes", client_frame(PING, b"\xfe" * 126)),
    Case("2.7", "a pong that nobody asked for", client_frame(PONG), ()),
    Case("2.8", "one with a payload", client_frame(PONG, b"x"), ()),
    Case("2.9", "one before a ping", client_frame(PONG, b"x") + client_frame(PING, b"y"), ((PONG, b"y"),)),
    Case("2.10", "10 pings", b"".join(client_frame(PING, b"%d" % i) for i in range(10)),
         tuple((PONG, b"%d" % i) for i in range(10))),
]  # fmt: skip

RESERVED = [
    *[
        broken("3", f"reserved bits {bits:03b} on opcode {opcode}", client_frame(opcode, b"x", rsv=bits))
        for bits in range(1, 8) for opcode in (TEXT, BINARY, CLOSE, PING, PONG)
    ],
    broken("3.2", "behind a message, which comes back", text(b"first") + text(b"x", rsv=2), (TEXT, b"first")),
    *[
        broken("4.1" if opcode < 8 else "4.2", f"opcode {opcode} {what}", client_frame(opcode, payload))
        for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)
        for what, payload in (("without a payload", b""), ("with one", b"x"))
    ],
    broken("4.1", "behind a message, which comes back", text(b"first") + client_frame(5, b"x"), (TEXT, b"first")),
]  # fmt: skip

FRAGMENTS = [
    broken("5.1", "a ping in two frames", in_frames(PING, b"one", b"two")),
    broken("5.2", "a pong in two frames", in_frames(PONG, b"one", b"two")),
    echoed("5.3", "a text in two frames", TEXT, b"onetwo", in_frames(TEXT, b"one", b"two")),
    Case("5.6", "with a ping between, whose pong comes first",
         text(b"one", fin=False) + client_frame(PING, b"!") + client_frame(CONTINUATION, b"two"),
         ((PONG, b"!"), (TEXT, b"onetwo"))),
    *[
        broken("5.9", f"a continuation of nothing{' that goes on' * (not is_final)}, {says}", before + client_frame(CONTINUATION, b"x", fin=is_final), *got)
        for says, before, got in (("first of all", b"", ()), ("behind a message", text(b"y"), ((TEXT, b"y"),)))
        for is_final in (True, False)
    ],
    broken("5.18", "a text inside of a text", text(b"one", fin=False) + text(b"two")),
    broken("5.18", "bytes inside of a text", text(b"one", fin=False) + client_frame(BINARY, b"two")),
    Case("5.19", "five frames and two pings, answered at once",
         text(b"1", fin=False) + client_frame(CONTINUATION, b"2", fin=False) + client_frame(PING, b"a")
         + client_frame(CONTINUATION, b"3", fin=False) + client_frame(CONTINUATION, b"4", fin=False)
         + client_frame(PING, b"b") + client_frame(CONTINUATION, b"5"),
         ((PONG, b"a"), (PONG, b"b"), (TEXT, b"12345"))),
    Case("5.20", "what is not complete yet", text(b"1", fin=False) + client_frame(PING, b"a"), ((PONG, b"a"),)),
    echoed("5", "frames without a payload", TEXT, b"x", in_frames(TEXT, b"", b"x", b"")),
]  # fmt: skip

# RFC 3629 4, and Unicode 3.9: what each byte may be followed by.
VALID_TEXTS = [
    b"\0", b"\x7f", b"\xc2\x80", b"\xdf\xbf", b"\xe0\xa0\x80", b"\xed\x9f\xbf", b"\xee\x80\x80", b"\xef\xbf\xbd",
    b"\xef\xbf\xbf", b"\xf0\x90\x80\x80", b"\xf4\x8f\xbf\xbf", b"\xf0\x9f\xbf\xbe", b"\xef\xbf\xbe",
    "κόσμε".encode(), "\U0001d11e".encode(),
]  # fmt: skip
INVALID_TEXTS = [
    b"\x80", b"\xbf", b"\x80\xbf\x80", b"\xc0\x80", b"\xc0\xaf", b"\xc1\xbf", b"\xc3\x28", b"\xc3 ", b"\xe0\x80\x80",
    b"\xe0\x9f\xbf", b"\xe2\x28\xa1", b"\xe2\x82\x28", b"\xed\xa0\x80", b"\xed\xaf\xbf", b"\xed\xbf\xbf",
    b"\xed\xa0\x80\xed\xb0\x80", b"\xf0\x80\x80\xaf", b"\xf0\x8f\xbf\xbf", b"\xf0\x28\x8c\xbc", b"\xf0\x90\x28\xbc",
    b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\xf7\xbf\xbf\xbf", b"\xf8\x88\x80\x80\x80", b"\xfb\xbf\xbf\xbf\xbf",
    b"\xfc\x84\x80\x80\x80\x80", b"\xfd\xbf\xbf\xbf\xbf\xbf", b"\xfe", b"\xff", b"\xfe\xfe\xff\xff",
]  # fmt: skip
CUT_TEXTS = [b"\xc2", b"\xe0\xa0", b"\xef\xbf", b"\xf0\x90\x80", b"\xf4\x8f\xbf", b"\xf4"]

UTF8 = [
    echoed("6.1", "an empty text", TEXT, b""),
    echoed("6.1", "an empty text in three frames", TEXT, b"", in_frames(TEXT, b"", b"", b"")),
    echoed("6.2", "valid text", TEXT, HELLO),
    echoed("6.2", "in frames that end inside of characters", TEXT, HELLO, in_frames(TEXT, *[HELLO[i : i + 1] for i in range(len(HELLO))])),
    *[echoed("6.5", f"valid: {one.hex(' ')}", TEXT, b"a" + one + b"z") for one in VALID_TEXTS],
    *[
        echoed("6.5", f"valid, a byte a frame: {one.hex(' ')}", TEXT, one, in_frames(TEXT, *[one[i : i + 1] for i in range(len(one))]))
        for one in VALID_TEXTS
    ],
    *[broken("6.6", f"invalid: {one.hex(' ')}", text(b"a" + one + b"z"), by=BAD_DATA) for one in INVALID_TEXTS],
    *[
        broken("6.6", f"invalid, a byte a frame: {one.hex(' ')}", in_frames(TEXT, *[one[i : i + 1] for i in range(len(one))]), by=BAD_DATA)
        for one in INVALID_TEXTS
    ],
    *[broken("6.6", f"cut off: {one.hex(' ')}", text(b"a" + one), by=BAD_DATA) for one in CUT_TEXTS],
    broken("6.3", "invalid behind valid", text(HELLO + b"\xed\xa0\x80" + HELLO), by=BAD_DATA),
    # The end of the frame, or of the message, never comes: it fails at the byte that is wrong.
    Case("6.4", "the first of several frames is invalid", text(HELLO + b"\xf4\x90", fin=False), (BAD_DATA,), True),
    Case("6.4", "a frame that is not complete is invalid already", text(HELLO + b"\xf4\x90" + HELLO)[: 6 + len(HELLO) + 2],
         (BAD_DATA,), True),
    echoed("6", "bytes need not be text", BINARY, b"\xff\xfe\x80"),
]  # fmt: skip


def closing(group: str, says: str, payload: bytes, *gets: Frame) -> Case:
    """A Close of the client's: whatever is behind it is not answered."""
    sends = client_frame(CLOSE, payload) + client_frame(PING, b"late") + text(b"late")
    return Case(group, says, sends, gets, True)


CLOSES = [
    Case("7.1", "a message, then a close", text(b"x") + NORMAL, ((TEXT, b"x"), BYE), True),
    Case("7.1", "two closes", NORMAL * 2, (BYE,), True),
    Case("7.1", "a close inside of a message", text(b"one", fin=False) + NORMAL + client_frame(CONTINUATION, b"two"), (BYE,), True),
    Case("7.1", "256 KiB, then a close", text(b"*" * (1 << 18)) + NORMAL, ((TEXT, b"*" * (1 << 18)), BYE), True),
    closing("7.3", "a close without a code", b"", (CLOSE, b"")),
    closing("7.3", "a close of one byte", b"\x03", PROTOCOL_ERROR),
    closing("7.3", "a code", close(1000), BYE),
    closing("7.3", "a code and a reason", close(1000, HELLO), BYE),
    closing("7.3", "a reason of 123 bytes", close(1000, b"*" * 123), BYE),
    closing("7.3", "a reason of 124 bytes", close(1000, b"*" * 124), PROTOCOL_ERROR),
    closing("7.5", "a reason that is no text", close(1000, b"\xce\xba\xe1\xbd\xb9\xcf\x83\xed\xa0\x80"), BAD_DATA),
    *[
        closing("7.7", f"code {code}", close(code), (CLOSE, close(code)))
        for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999)
    ],
    *[
        closing("7.9", f"code {code}", close(code), PROTOCOL_ERROR)
        for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535)
    ],
]  # fmt: skip

# --- permessage-deflate ---------------------------------------------------------------------------

OFFER = "permessage-deflate; client_no_context_takeover; client_max_window_bits"
# Group 13: what is asked for besides OFFER's parameters, and what has to be answered. (RFC 7692 7.1.1: what the server is
# asked for, it has to confirm; that the client may go without a context we take up, which saves the memory for it.)
OFFERS = {
    "13.1": (OFFER, "permessage-deflate; client_no_context_takeover"),
    "13.2": (
        OFFER + "; server_no_context_takeover",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
    ),
    "13.3": (
        OFFER + "; server_max_window_bits=9",
        "permessage-deflate; client_no_context_takeover; server_max_window_bits=9",
    ),
    "13.4": (
        OFFER + "; server_max_window_bits=15",
        "permessage-deflate; client_no_context_takeover; server_max_window_bits=15",
    ),
    "13.5": (
        OFFER + "; server_no_context_takeover; server_max_window_bits=9",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9",
    ),
    "13.6": (
        OFFER + "; server_no_context_takeover; server_max_window_bits=15",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=15",
    ),
    "13.7": (
        f"{OFFER}; server_no_context_takeover; server_max_window_bits=9, {OFFER}; server_no_context_takeover, {OFFER}",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9",
    ),
}  # fmt: skip
DATA = {
    "12.1": (TEXT, json.dumps([{"id": i, "name": f"n{i % 7}", "tags": ["a", "b"]} for i in range(4000)]).encode()),
    "12.2": (BINARY, bytes(i * i % 251 for i in range(512)) * 256),
    "12.3": (TEXT, "Grüße aus Köln, und überhaupt: Übermut tut selten gut. ".encode() * 2500),
    "12.4": (TEXT, b"<p class='x'>one</p>\n<p>two</p>\n" * 4096),
    "12.5": (BINARY, zlib.compress(b"".join(b"%d" % (i * 7919) for i in range(40_000)), 9)),
}  # fmt: skip
LENGTHS = (16, 256, 1024, 4096, 16_384, 65_536)


def cut(payload: bytes, opcode: int, size: int) -> bytes:
    """The first `size` bytes; of a text whole characters."""
    part = payload[:size]
    return part.decode(errors="ignore").encode() if opcode == TEXT else part


def compressed(opcode: int, payload: bytes, frame_bytes: int = 1 << 20) -> bytes:
    """A client's message, compressed by itself and then put into frames: RSV1 is the first one's."""
    packed = deflated(payload)
    parts = [packed[i : i + frame_bytes] for i in range(0, len(packed), frame_bytes)] or [b""]
    return b"".join(
        client_frame(CONTINUATION if i else opcode, part, fin=i == len(parts) - 1, rsv=0 if i else RSV1)
        for i, part in enumerate(parts)
    )  # fmt: skip


def compressed_case(group: str, offer: str, answer: str, data: str, frame_bytes: int) -> Case:
    """Messages of growing size, each twice, so that contexts are referred to where there are any."""
    opcode, payload = DATA[data]
    messages = [cut(payload, opcode, size) for size in LENGTHS for _ in range(2)]
    sends = b"".join(compressed(opcode, message, frame_bytes) for message in messages)
    gets = tuple((opcode, message) for message in messages)
    says = f"{data} in frames of {frame_bytes}"
    return Case(group, says, sends + NORMAL, (*gets, BYE), True, offer, answer)


COMPRESSED = [
    *[compressed_case(data, *OFFERS["13.1"], data, size) for data in DATA for size in (256, 1 << 20)],
    *[compressed_case(group, *pair, "12.1", 1 << 20) for group, pair in OFFERS.items()],
    *[compressed_case(group, *pair, "12.5", 4096) for group, pair in OFFERS.items()],
    Case("12", "a message that is not compressed, among those that are",
         compressed(TEXT, b"x" * 100) + text(b"plain") + compressed(TEXT, b""),
         ((TEXT, b"x" * 100), (TEXT, b"plain"), (TEXT, b"")), False, *OFFERS["13.1"]),
    Case("12", "what can't be inflated", client_frame(TEXT, b"\xff" * 20, rsv=RSV1), (BAD_DATA,), True, *OFFERS["13.1"]),
    Case("12", "text that is not UTF-8, once it is inflated", compressed(TEXT, HELLO + b"\xff"), (BAD_DATA,), True, *OFFERS["13.1"]),
    Case("12", "a continuation with RSV1", client_frame(TEXT, b"x", fin=False) + client_frame(CONTINUATION, b"y", rsv=RSV1),
         (PROTOCOL_ERROR,), True, *OFFERS["13.1"]),
    Case("12", "a ping with RSV1", client_frame(PING, b"x", rsv=RSV1), (PROTOCOL_ERROR,), True, *OFFERS["13.1"]),
    Case("13", "an offer that can't be: RSV1 stays forbidden", client_frame(TEXT, b"x", rsv=RSV1), (PROTOCOL_ERROR,), True,
         "permessage-deflate; server_max_window_bits=7", ""),
]  # fmt: skip

CASES = [*MESSAGES, *PINGS, *RESERVED, *FRAGMENTS, *UTF8, *CLOSES, *COMPRESSED]

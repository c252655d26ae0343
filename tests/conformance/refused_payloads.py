"""Bodies of POST requests: the packets before the first bad one are delivered, those behind it never.

Source: engine.io-protocol v4, "HTTP long-polling"; engine.io-parser 5 and engine.io 6.6 on Node 20 as
seen on the wire: the POST is answered `ok` even if its body closes the session.
"""

from __future__ import annotations

from typing import Any

from rows import OK, POLLING, UNKNOWN_SID, WAITING, Answer, HttpRow
from wire import post

POLL = "EIO=4&transport=polling&sid={sid}"
SAY, SAY_TWO = b'42["say",1]', b'42["say",2]'
HEARD: dict[str, Any] = {
    "heard": ([1],),
    "differs": "the official server delivers events a tick later, when the session is closed already",
}
PARSE_ERROR, ERROR, GONE = "parse error", "transport error", "transport close"


def _refused(says: str, body: bytes, reason: str = PARSE_ERROR, **kinds: Any) -> HttpRow:
    """The waiting GET is told with the close packet `1`, and the sid is forgotten at once."""
    return HttpRow(
        says,
        post(POLL, body),
        OK,
        WAITING,
        waiting_gets=b"1",
        then_gets=UNKNOWN_SID,
        reason=reason,
        **kinds,
    )


def _heard(says: str, body: bytes, *heard: Any) -> HttpRow:
    return HttpRow(says, post(POLL, body), OK, POLLING, heard=heard)


def _payload(body: bytes) -> Answer:
    return Answer("200 OK", body, "text/plain; charset=UTF-8")


REFUSED = [
    _refused("an empty body", b""),
    _refused("a body that is only a separator", b"\x1e"),
    _refused("an empty packet in the middle", SAY + b"\x1e\x1e" + SAY_TWO, **HEARD),
    _refused("an empty packet at the end", SAY + b"\x1e", **HEARD),
    _refused("an empty packet at the beginning", b"\x1e" + SAY),
    _refused("an unknown packet in the middle", SAY + b"\x1eabc\x1e" + SAY_TWO, **HEARD),
    _refused("a body of blanks", b"  "),
    _refused("a newline before the packet", b"\n" + SAY),
    _refused("a NUL byte", b"\x00"),
    _refused("JSONP's form", b"d=" + SAY),
    _refused("a body that starts as a gzip file does", b"\x1f\x8b\x08\x00" + SAY),
    _refused("a ping between messages", SAY + b"\x1e2\x1e" + SAY_TWO, ERROR, **HEARD),
    _refused(
        "a Socket.IO packet that cannot be decoded",
        SAY + b"\x1e42{}\x1e" + SAY_TWO,
        "forced close",
        **HEARD,
    ),
    _refused("a message without data", b"4", "forced close"),
    _refused("binary that nobody announced", b"bAQID", "forced close"),
    HttpRow(
        "a close packet between messages",
        post(POLL, SAY + b"\x1e1\x1e" + SAY_TWO),
        OK,
        WAITING,
        waiting_gets=b"6",
        then_gets=UNKNOWN_SID,
        reason=GONE,
        **HEARD,
    ),
    HttpRow(
        "a payload of protocol version 3 whose length begins with the digit of a close packet",
        post(POLL, b"11:" + SAY),
        OK,
        WAITING,
        waiting_gets=b"6",
        then_gets=UNKNOWN_SID,
        reason=GONE,
    ),
    HttpRow(
        "a bad packet while no GET waits",
        post(POLL, b"abc"),
        OK,
        POLLING,
        then_gets=UNKNOWN_SID,
        reason=PARSE_ERROR,
    ),
    HttpRow(
        "an event for a namespace that was not joined while no GET waits",
        post(POLL, b'42/other,["say"]'),
        OK,
        POLLING,
        then_gets=(_payload(b"6\x1e1"), UNKNOWN_SID),
        reason="forced server close",
    ),
    HttpRow(
        "what was queued goes out before the close packet",
        post(POLL, b'421["echo"]\x1e42/other,["say"]'),
        OK,
        POLLING,
        then_gets=(_payload(b"431[]"), _payload(b"6\x1e1"), UNKNOWN_SID),
        reason="forced server close",
        differs="the official server runs the first event a tick later, when the session is closed already",
    ),
]

SERVED = [
    _heard("UTF-8 that is broken is mended", b'42["say","\xff"]', ["\ufffd"]),
    _heard("a character cut in the middle is mended", b'42["say","\xf0\x9f\x98"]', ["\ufffd"]),
    _heard("a BOM within a string is kept", '42["say","\ufeffx"]'.encode(), ["\ufeffx"]),
    _heard("a separator within a string is escaped by JSON", b'42["say","a\\u001eb"]', ["a\x1eb"]),
    _heard("a hundred packets in a payload", b"\x1e".join([SAY] * 100), *[[1]] * 100),
    _heard("open, pong, upgrade and noop packets between", b"0\x1e3\x1e5\x1e6\x1e" + SAY, [1]),
    _heard(
        "an event with its attachment",
        b'451-["say",{"_placeholder":true,"num":0}]\x1ebAQID',
        ["bytes 01 02 03"],
    ),
    _heard(
        "an attachment of junk is an empty one",
        b'451-["say",{"_placeholder":true,"num":0}]\x1eb!!',
        ["bytes "],
    ),
]

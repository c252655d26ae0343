"""What a fuzzer begins with: valid inputs of each target, and some that are known to be wrong."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgpack

import deflate_tools
from eio3_peer import octets, text_payload
from fastsio.adapters.local import framed
from frame_tools import client_frame
from fuzz.session_targets import NAMES
from fuzz.tools import part
from packet_table import ROWS
from reference import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, build_frame

WHOLE, BYTE_BY_BYTE, IRREGULAR = b"\0", b"\1", b"\x80"


def of_frames() -> list[bytes]:
    text = "é€😀".encode()
    fragmented = (
        client_frame(TEXT, text[:3], fin=False) + client_frame(PING, b"p") + client_frame(CONTINUATION, text[3:])
    )  # fmt: skip
    streams = [
        client_frame(TEXT, b"4" + text),
        client_frame(BINARY, b"\0\xff" * 70),
        client_frame(BINARY, b"x" * 70, length=b"\x7e\0\x46"),
        client_frame(BINARY, b"", length=b"\x7f" + bytes(8)),
        fragmented,
        client_frame(PONG) + client_frame(CLOSE, b"\x03\xe8bye"),
        client_frame(CLOSE, b"\x03"),
        client_frame(CLOSE, b"\x03\xedx"),
        client_frame(TEXT, b"\xed\xa0\x80"),
        client_frame(BINARY, deflate_tools.HELLO, rsv=4),
        client_frame(TEXT, fin=False) + client_frame(CONTINUATION),
        client_frame(3) + client_frame(TEXT, mask=None),
        client_frame(BINARY, b"", length=b"\x7f" + b"\xff" * 8),
    ]
    return [
        bytes([flags]) + how + one for one in streams for flags, how in ((0, WHOLE), (9, IRREGULAR))
    ]


def of_builder() -> list[bytes]:
    kinds = (TEXT, BINARY, PING, CLOSE, CONTINUATION)
    sizes = (0, 1, 125, 126, 65_535, 65_536, 262_144, 262_145)
    small = [bytes([kind | 0x30]) + b"\0\0\3\1\2\3\4" + "é€😀".encode() for kind in kinds]
    return small + [b"\x72" + size.to_bytes(3, "big") + b"\1\2\3\4ab" for size in sizes]


def of_deflate() -> list[bytes]:
    names = ("HELLO", "HELLO_AGAIN", "HELLO_STORED", "HELLO_FINAL", "HELLO_IN_TWO", "NOTHING")
    packed = [getattr(deflate_tools, name) for name in names]
    bomb = deflate_tools.deflated(bytes(50_000))
    played = [b"".join(part(2, one) for one in packed), part(0, bomb) * 2, part(1, b"abc" * 30) * 3]
    return [
        bytes([flags, bits, 1]) + one
        for one in played
        for flags, bits in ((0, 6), (3, 0), (15, 55))
    ]


def of_client() -> list[bytes]:
    streams = [
        build_frame(TEXT, b'0{"sid":"x"}')
        + build_frame(TEXT, b"2")
        + build_frame(TEXT, b'42["e",1]'),
        build_frame(TEXT, b'451-["e",{"_placeholder":true,"num":0}]') + build_frame(BINARY, b"x"),
        build_frame(TEXT, b"", fin=False) + build_frame(CONTINUATION, b"43/a,1[]"),
        build_frame(PING, b"p") + build_frame(CLOSE, b"\x03\xe8bye"),
    ]
    return [
        bytes([flags]) + how + one for one in streams for flags, how in ((0, WHOLE), (4, IRREGULAR))
    ]


def of_packets() -> list[bytes]:
    rows = [row for row in ROWS if len(row.text) < 200]
    return [
        b"\x1e".join([row.text.encode("utf-8", "surrogatepass"), *row.attachments]) for row in rows
    ]


def of_msgpacks() -> list[bytes]:
    packets = [
        {"type": 0, "nsp": "/"},
        {"type": 0, "data": {"token": "x"}, "nsp": "/admin"},
        {"type": 2, "data": ["e", 1, -1.5, b"x", None, {"a": [True]}], "nsp": "/", "id": 7},
        {"type": 3, "data": [msgpack.ExtType(5, b"x"), 2**63], "nsp": "/", "id": 0},
        {
            "type": 2,
            "data": ["d", msgpack.ExtType(0, b"\0"), msgpack.ExtType(0, bytes(8))],
            "nsp": "/",
        },
        {"type": 2, "data": ["d", msgpack.Timestamp(1, 5)], "nsp": "/"},
        {"type": 4, "data": {"message": "no"}, "nsp": "/"},
        {"type": 1, "nsp": "/"},
        {"type": 9, "nsp": "/"},
    ]
    return [msgpack.packb(packet) for packet in packets]


def of_payload4() -> list[bytes]:
    return [
        b"40", b'42["a"]\x1ebAQID\x1e2\x1e1', b"bAQ", b"bAQ==\x1eb-_+/", b"b A Q I D=x", b"4\xff\x1e4\xf0\x9f\x98\x80",
        b"4\\n\\\\n\n", b"7", b"", b"\x1e", b"4a\x1e", b"d=42%5B%22a%22%5D&d=", b"d=4%0A%5Cn&x=1",
    ]  # fmt: skip


def of_payload3() -> list[bytes]:
    packets = ("40", '42["é😀"]', b"\1\2", "2", "1")
    texts = [
        text_payload(*packets),
        b"1:4",
        b"0:1:2",
        b"3:4\xf0\x9f\x98\x80",
        b"2:4\xf0\x9f\x98\x80",
        b"5:4a",
        b":",
        b"1",
    ]
    texts += [b"3:b4A6:b2AQID", b"999999999999:4", b"0000000000001:4"]
    binaries = [
        octets(*packets),
        b"\0\1\xff4",
        b"\1\2\xff\4x",
        b"\1\xff",
        b"\0\0\xff",
        b"\2\3\xff\4\1\2",
        b"\0\6\xff\xed\xa0\xbd\xed\xb8\x80",
    ]
    return [b"\0" + one for one in texts] + [b"\xff" + one for one in binaries]


def of_dialects() -> list[bytes]:
    contents = ("é😀".encode(), b"\0\1\xff", b"", b"4")
    return [b"".join(part(kind, content) for content in contents) for kind in range(16)]


def of_http() -> list[bytes]:
    head = b"GET /socket.io/?EIO=4&transport=%s HTTP/1.1\r\nHost: x\r\n"
    upgrade = (
        b"Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    )
    extensions = (
        b'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, x; a="b\\""\r\n\r\n'
    )
    proxies = b"X-Forwarded-For: 1.2.3.4, [::1]:5\r\nX-Forwarded-Proto: https\r\n"
    forwarded = b'Forwarded: for="[::1]:1";proto=https, for=unknown\r\n'
    post = b"POST /a?b=%41+&c HTTP/1.1\r\nHost: x\r\n"
    streams = [
        head % b"polling" + b"\r\n",
        (head % b"polling" + b"Cookie: a=b\r\nCookie: c\r\n\r\n") * 3,
        head % b"websocket" + upgrade + b"\r\n" + client_frame(TEXT, b"40"),
        head % b"websocket" + upgrade + extensions + client_frame(TEXT, deflate_tools.HELLO, rsv=4),
        post + b"Content-Length: 5\r\n\r\nhello" + head % b"polling" + b"\r\n",
        post + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx: y\r\n\r\n",
        post + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\nhi",
        post + b"Content-Length: 99999999\r\n\r\nhi",
        post + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nhi",
        post + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET http://a/b?c HTTP/1.1\r\nHost: x\r\n%s\r\n" % proxies,
        b"GET / HTTP/1.1\r\nHost: x\r\n%sConnection: close\r\n\r\n" % forwarded,
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
    ]  # fmt: skip
    return [
        bytes([flags]) + how + one
        for one in streams
        for flags, how in ((0, BYTE_BY_BYTE), (15, IRREGULAR))
    ]


def of_shared() -> list[bytes]:
    chunked = b"Host: x\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nT: 1\r\n\r\n"
    ours, theirs = b"GET /ours/a HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /b HTTP/1.1\r\nHost: x\r\n\r\n"
    sized = b"Host: x\r\nContent-Length: 5\r\n\r\nhello"
    streams = [
        ours + theirs + ours,
        b"\r\n" + theirs * 2 + b"POST /ours/c HTTP/1.1\r\n" + sized + theirs,
        b"POST /ours/c HTTP/1.1\r\n" + chunked + b"POST /d HTTP/1.1\r\n" + chunked + ours,
        b"GET /e HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\nx",
        b"GET /f HTTP/1.0\r\n\r\n",
        b"POST /g HTTP/1.1\r\nTransfer-Encoding: gzip\r\n" + sized,
        b"POST /h HTTP/1.1\r\nContent-Length: 3\r\n" + sized,
        b"GET /i HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" + ours,
    ]
    return [how + one for one in streams for how in (WHOLE, BYTE_BY_BYTE, IRREGULAR)]


OPTS = {"rooms": [], "except": [], "flags": {}}
TOLD = {"type": 2, "data": ["e", 1]}
NEWS = ["news", 1]
ANSWERED = [{"id": "x", "rooms": [], "handshake": {}, "data": {}}]
# As the adapters of one family have them: memory, sharded, streams.
MESSAGES: list[dict[str, Any]] = [
    {"type": 1}, {"type": 2}, {"type": 13},
    {"type": 3, "data": {"opts": OPTS, "packet": TOLD}},
    {"type": 3, "data": {"opts": {**OPTS, "flags": {"timeout": 50}}, "packet": TOLD, "requestId": "x"}},
    {"type": 3, "data": {"opts": {**OPTS, "flags": {"volatile": True, "latest": "k"}}, "packet": TOLD}},
    {"type": 4, "data": {"opts": OPTS, "rooms": ["s"]}},
    {"type": 5, "data": {"opts": {**OPTS, "rooms": ["r"]}, "rooms": ["r"]}},
    {"type": 6, "data": {"opts": {**OPTS, "except": ["r"]}, "close": True}},
    {"type": 7, "data": {"opts": OPTS, "requestId": "x"}},
    {"type": 8, "data": {"requestId": "b", "sockets": ANSWERED}},
    {"type": 9, "data": {"packet": NEWS}},
    {"type": 9, "data": {"packet": NEWS, "requestId": "x"}},
    {"type": 10, "data": {"packet": 1, "requestId": "c"}},
    {"type": 11, "data": {"requestId": "a", "clientCount": 2}},
    {"type": 12, "data": {"requestId": "a", "packet": [1]}},
]  # fmt: skip
# And as the classic Redis adapter has them, with the number of the channel (cluster_stage.CLASSIC_CHANNELS).
CLASSIC: list[tuple[int, Any]] = [
    (0, ["other", {**TOLD, "nsp": "/"}, OPTS]),
    (1, ["other", {**TOLD, "nsp": "/"}, {**OPTS, "rooms": ["r"]}]),
    (2, {"uid": "other", "type": 2, "opts": OPTS, "rooms": ["s"]}),
    (2, {"uid": "other", "type": 3, "opts": OPTS, "rooms": ["r"]}),
    (2, {"uid": "other", "type": 4, "opts": {"rooms": ["r"]}, "close": True}),
    (2, {"uid": "other", "type": 5, "opts": OPTS, "requestId": "x"}),
    (2, {"uid": "other", "type": 6, "data": NEWS, "requestId": "x"}),
    (2, {"uid": "other", "type": 7, "packet": TOLD, "opts": {**OPTS, "flags": {"timeout": 50}}, "requestId": "x"}),
    (2, {"uid": "other", "type": 0, "rooms": ["r"], "requestId": "x"}),
    (6, {"uid": "other", "type": 1, "requestId": "x"}),
    (3, {"requestId": "b", "sockets": ANSWERED}),
    (3, {"requestId": "c", "type": 6, "data": 1}),
    (3, {"requestId": "a", "type": 8, "clientCount": 2}),
    (3, {"requestId": "a", "type": 9, "packet": [1]}),
]  # fmt: skip


# Of presence, on its own channel.
PRESENCE: list[dict[str, Any]] = [
    {"what": "hello", "seq": 0, "digest": "0", "count": 0},
    {"what": "beat", "seq": 1, "digest": "1", "count": 1},
    {"what": "state", "seq": 1, "part": 0, "is_last": True, "rows": [["/", None, ["x"]], ["/", "r", ["x"]]]},
    {"what": "change", "seq": 2, "rows": [["/", "r", ["y"], ["x"]]]},
    {"what": "ask"},
    {"what": "bye"},
]  # fmt: skip


# As python-socketio's managers write them.
PUBSUB: list[dict[str, Any]] = [
    {"method": "emit", "event": "e", "data": [1], "binary": False, "room": None, "skip_sid": None, "callback": None},
    {"method": "emit", "event": "e", "data": [[{"_placeholder": True, "num": 0}], "AQI="], "binary": True,
     "room": "r", "skip_sid": ["x"], "callback": ["r", "/", 1]},
    {"method": "callback", "host_id": "here", "sid": "r", "id": 1, "args": [1]},
    {"method": "disconnect", "sid": "x"},
    {"method": "enter_room", "sid": "x", "room": "s"},
    {"method": "leave_room", "sid": "x", "room": "r"},
    {"method": "close_room", "room": "r"},
    {"method": "fastsio", "type": 9, "content": {"packet": NEWS, "requestId": "x"}, "content_binary": False},
    {"method": "fastsio", "type": 3, "content": {"opts": OPTS, "requestId": "x"}, "event": "e", "data": [1]},
    {"method": "fastsio", "type": 8, "content": {"requestId": "b", "sockets": ANSWERED}},
]  # fmt: skip


def of_cluster() -> list[bytes]:
    memory, classic, sharded, streams, local, pubsub = (bytes([way]) for way in range(6))
    whole = [{"uid": "other", "nsp": "/", "data": {}} | message for message in MESSAGES]
    packed = [msgpack.packb(message) for message in whole]
    told = [b"\x40" + msgpack.packb(["other", one]) for one in PRESENCE]
    made = [memory + b"\0" + one for one in packed] + [sharded + one for one in told]
    made += [way + b"\0" + json.dumps(one).encode() for one in whole for way in (memory, sharded)]
    made += [memory + b"\0" + b"\xc1\0".join(packed[3:8]), sharded + b"\xc1".join(told[:4])]
    made += [streams + b"\x40" + one for one in packed]
    for message in MESSAGES:
        where, data = bytes([message["type"]]), message.get("data", {})
        event = [b'\x012["e",1]'] if message["type"] == 3 else []
        made += [
            streams + where + json.dumps(data).encode(),
            streams + where + base64.b64encode(msgpack.packb(data)),
            local + b"\0" + framed(message["type"], [b"/", json.dumps(data).encode(), *event])[4:],
        ]
    for message in PUBSUB:
        text = json.dumps({"host_id": "other", "namespace": "/"} | message)
        made.append(pubsub + b"\0" + text.encode())
    for channel, message in CLASSIC:
        made.append(classic + bytes([channel]) + msgpack.packb(message))
        if channel > 1:
            made.append(classic + bytes([channel]) + json.dumps(message).encode())
    return made


def of_stream() -> list[bytes]:
    streams = [
        b"\x010", b'\x0b0{"sid":"x"}', b"\x034ab\x82xy\x80", b"\x7e\0\x034ab", b"\x7f" + bytes(7) + b"\x034ab",
        b"\0", b"\xff" * 9, b"\x7e\xff",
    ]  # fmt: skip
    return [
        bytes([flags]) + how + one
        for one in streams
        for flags, how in ((0, WHOLE), (2, BYTE_BY_BYTE))
    ]


def act(name: str, content: bytes = b"", connection: int = 0) -> bytes:
    """An act of a play, see session_targets.ACTS."""
    return part(NAMES[name] << 2 | connection, content)


def of_sessions() -> list[bytes]:
    new, same = b"EIO=4&transport=polling", b"EIO=4&transport=polling&sid=$S"
    event, asked = b'42["e",1]', b'427["e"]'
    attachment = b'451-["all",{"_placeholder":true,"num":0}]'
    polling = act("get", new) + act("post", same + b"\x0040")
    probe = act("upgrade", b"EIO=4&transport=websocket&sid=$S", 1) + act("text", b"2probe", 1)
    plays = [
        act("join4") + act("text", event) + act("text", asked) + act("text", b"41"),
        act("join4", b"/chat,") + act("text", b'42/chat,["join"]') + act("tell_all", b"x") + act("lose"),
        act("join4") + act("text", attachment) + act("binary", b"x"),
        act("join4") + act("text", b'42["ask"]') + act("text", b"430[]"),
        act("join3") + act("text", event) + act("text", b"2") + act("wait", b"\x14") + act("binary", b"\x04x"),
        polling + act("get", same) + act("tell_all", b"y") + act("get", same) + act("post", same + b"\x001"),
        polling + act("get", same) + probe + act("get", same) + act("text", b"5", 1) + act("text", event, 1),
        polling + probe + act("lose", b"", 1) + act("get", same) + act("wait", b"\x30") * 2,
        polling + act("get", same) + act("get", same, 2) + act("post", same + b'\x0042["bye",1]', 3),
        act("get", b"EIO=3&transport=polling&j=0") + act("post", b"EIO=3&transport=polling&j=0&sid=$S\0d=2%3A40"),
        act("join4") + act("stall") + act("text", asked) * 5 + act("flow") + act("put_out", b"1"),
        act("join4") + b"".join(act("part_of_message", one) for one in (b"\x014", b"\x89p", b'\x802["e"]')),
        act("join4") * 2 + act("join4", b"", 1) + act("text", b'42["join",1]', 1) + act("text", b'42["all",1]'),
        act("feed", b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\nOrigin: http://y\r\n\r\n"),
        act("upgrade", b"EIO=4&transport=websocket") + act("binary", msgpack.packb({"type": 0, "nsp": "/x"})),
    ]  # fmt: skip
    return [bytes([option]) + play for play in plays for option in range(4)]

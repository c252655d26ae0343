"""Engine.IO and Socket.IO packets that are refused, played over WebSocket and over polling.

Source: engine.io-protocol v4, socket.io-protocol v5, socket.io-parser 4.2.7 and socket.io 4.8 on Node 20
as seen on the wire: a packet that cannot be decoded, or that makes no sense now, closes the connection.
"""

from __future__ import annotations

import re
from typing import Any

from rows import POLLING, WEBSOCKET, PacketRow

WS_ONLY, POLLING_ONLY = (WEBSOCKET,), (POLLING,)
P0, P1 = '{"_placeholder":true,"num":0}', '{"_placeholder":true,"num":1}'
LATER = "the official server delivers events a tick later, when the session is closed already"
STRICTER = "the official parser takes blanks for digits (socketio.md 5)"


def _refused(
    says: str, *packets: str | bytes, reason: str = "forced close", **kinds: Any
) -> PacketRow:
    return PacketRow(says, packets, reason=reason, **kinds)


def _ignored(says: str, *packets: str | bytes, **kinds: Any) -> PacketRow:
    return PacketRow(says, packets, **kinds)


def _heard(says: str, *packets: str | bytes, args: list[Any], **kinds: Any) -> PacketRow:
    return PacketRow(says, packets, heard=(args,), **kinds)


def _nested(depth: int) -> list[Any]:
    return [_nested(depth - 1)] if depth > 1 else []


ENGINE = [
    _refused("an Engine.IO packet without a type", "", reason="parse error"),
    _refused("an Engine.IO packet of an unknown type", "7", reason="parse error"),
    _refused("an Engine.IO packet that begins with a letter", "abc", reason="parse error"),
    _refused("an Engine.IO packet that begins with a blank", ' 42["say"]', reason="parse error"),
    _refused("base64 with a capital B", "BAQID", reason="parse error"),
    _refused("a ping from a client of version 4", "2", reason="transport error"),
    _refused("a probe on the session's own connection", "2probe", reason="transport error"),
    _refused(
        "an event before the bad Engine.IO packet is heard",
        '42["say",1]',
        "7",
        reason="parse error",
        heard=([1],),
        differs=LATER,
    ),
    _refused(
        "an event after the bad Engine.IO packet is not heard",
        "7",
        '42["say",1]',
        reason="parse error",
    ),
    _ignored("an open packet from a client", '0{"sid":"x"}'),
    _ignored("an open packet without data", "0"),
    _ignored("a noop from a client", "6"),
    _ignored("a pong that nobody asked for", "3"),
    _ignored("an upgrade packet outside an upgrade", "5"),
    _ignored("a close packet over WebSocket", "1", over=WS_ONLY),
]

_PARSER = [
    # Types
    ("an unknown packet type", "7"),
    ("a letter for a type", "x"),
    ("a negative type", "-1"),
    ("a blank before the type", ' 2["say"]'),
    ("a message without data", ""),
    # Events
    ("an event that is an object", "2{}"),
    ("an event that is a string", '2"say"'),
    ("an event that is null", "2null"),
    ("an event without a name", "2[]"),
    ("an event named by null", "2[null]"),
    ("an event named by true", "2[true]"),
    ("an event named by an object", "2[{}]"),
    ("an event named by a list", '2[["say"]]'),
    ("the reserved event connect", '2["connect"]'),
    ("the reserved event connect_error", '2["connect_error"]'),
    ("the reserved event disconnect", '2["disconnect"]'),
    ("the reserved event disconnecting", '2["disconnecting"]'),
    ("the reserved event newListener", '2["newListener"]'),
    ("the reserved event removeListener", '2["removeListener"]'),
    # JSON
    ("JSON that does not end", '2["say"'),
    ("a string that does not end", '2["say'),
    ("something behind the JSON", '2["say"]x'),
    ("JSON twice", '2["say"]["say"]'),
    ("NaN", '2["say",NaN]'),
    ("Infinity", '2["say",-Infinity]'),
    ("a trailing comma", '2["say",]'),
    ("single quotes", "2['say']"),
    ("a number with a leading zero", '2["say",01]'),
    ("a control character in a string", '2["say","\x01"]'),
    ("an escape that does not exist", '2["say","\\x"]'),
    ("a comment", '2["say"/**/]'),
    # Ids
    ("a negative id", '2-1["say"]'),
    ("a broken id", '21.5["say"]'),
    ("an id with an exponent", '21e3["say"]'),
    ("an id of letters", '2abc["say"]'),
    ("Arabic digits for an id", '2\u0661["say"]'),
    ("a comma for an id", '2,["say"]'),
    ("an acknowledgement that is an object", "31{}"),
    ("an acknowledgement that is a string", '31"x"'),
    # Control packets
    ("a disconnect with data", "1{}"),
    ("a connect with null for auth", "0/other,null"),
    ("a connect with a list for auth", "0/other,[]"),
    ("a connect with a string for auth", '0/other,"token"'),
    ("a namespace with a comma", "0/a,b,"),
    # Attachments
    ("a binary event without a number of attachments", '5["say"]'),
    ("a binary event without the dash", '51["say"]'),
    ("a number of attachments that is no number", f'5x-["say",{P0}]'),
    ("a broken number of attachments", f'51.5-["say",{P0}]'),
    ("no attachments in a binary event", '50-["say"]'),
    ("an empty number of attachments", '5-["say"]'),
    ("no attachments in a binary acknowledgement", "60-1[]"),
    ("eleven attachments", f'511-["say",{P0}]'),
    ("a million attachments", f'51000000-["say",{P0}]'),
]

SOCKET = [
    *[_refused(says, "4" + text) for says, text in _PARSER],
    _refused("a binary message that no event announced", b"\x01\x02"),
    _refused("a text while attachments are missing", f'451-["say",{P0}]', '42["say",1]'),
    _refused("another namespace while attachments are missing", f'451-["say",{P0}]', "40/other,"),
    _refused(
        "one attachment too many",
        f'451-["say",{P0}]',
        b"a",
        b"b",
        heard=(["bytes 61"],),
        differs=LATER,
    ),
    _refused("a placeholder beyond the attachments", f'451-["say",{P1}]', b"a"),
    _refused(
        "a placeholder with a negative number", '451-["say",{"_placeholder":true,"num":-1}]', b"a"
    ),
    _refused(
        "a placeholder with a number in a string",
        '451-["say",{"_placeholder":true,"num":"0"}]',
        b"a",
    ),
    _refused("a placeholder without a number", '451-["say",{"_placeholder":true}]', b"a"),
    _refused("an event for a namespace that was not joined", '42/other,["say"]'),
    _refused("an acknowledgement for a namespace that was not joined", "43/other,1[]"),
    _refused("a disconnect from a namespace that was not joined", "41/other,"),
    _refused("a second connect to a joined namespace", "40"),
    _refused("a connect error from a client", '44{"message":"no"}'),
    _refused("a connect error from a client, as text", '44"no"'),
    _refused(
        "an event before the bad packet is heard",
        '42["say",1]',
        "42{}",
        heard=([1],),
        differs=LATER,
    ),
    _refused("an event after the bad packet is not heard", "42{}", '42["say",1]'),
    _refused("an event before a connect", '42["say"]', joins=False),
    _refused("an event while the connect is still looked at", "40/slow,", '42/slow,["say"]'),
    _refused("a connect with a list for auth, first of all", "40[]", joins=False),
    _refused(
        "an event after leaving",
        "41",
        '42["say"]',
        reason="client namespace disconnect",
        differs="the official server still has the socket when both come at once",
    ),
    _refused("a blank for an id", '42 ["say"]', differs=STRICTER),
    _refused("a blank in an id", '42 1["say"]', differs=STRICTER),
    _refused(
        "an id of 400 digits",
        f'42{"9" * 400}["say"]',
        differs="the official parser makes Infinity of it",
    ),
    _refused(
        "JSON of 9000 levels",
        f'42["say",{"[" * 9000}{"]" * 9000}]',
        differs="the official parser has no limit but the message's size",
    ),
    PacketRow(
        "a namespace that does not exist",
        ("40/none,",),
        gets=('44/none,{"message":"Invalid namespace"}',),
    ),
    PacketRow(
        "a query does not make the namespace exist",
        ("40/other?x=1,",),
        gets=('44/other?x=1,{"message":"Invalid namespace"}',),
    ),
    PacketRow(
        "an auth without the comma belongs to the name",
        ('40/other{"a":1}',),
        gets=('44/other{"a":1},{"message":"Invalid namespace"}',),
    ),
    PacketRow(
        "a namespace that lets nobody in",
        ("40/guarded,",),
        gets=('44/guarded,{"message":"nobody is let in"}',),
    ),
    PacketRow(
        "an unknown namespace first leaves the connection open",
        ("40/none,",),
        gets=('44/none,{"message":"Invalid namespace"}',),
        joins=False,
    ),
]

SERVED = [
    PacketRow(
        "an event right behind a connect that is answered at once",
        ("40/other,", '42/other,1["echo"]', "41/other,"),
        gets=(re.compile(r'40/other,\{"sid":"[\w-]{20}"\}'), "43/other,1[]"),
        differs="the official server always answers later and closes",
    ),
    _ignored("an event without JSON", "42"),
    _ignored("an event that nobody handles", '42["nobody"]'),
    _ignored("an event with an empty name", '42[""]'),
    _ignored("an event named by a number", "42[1,2]"),
    _ignored("an acknowledgement that nobody waits for", "43999[]"),
    _ignored("an acknowledgement without an id", "43[]"),
    _ignored("an acknowledgement without JSON", "431"),
    _ignored("the same acknowledgement twice", '431["a"]', '431["a"]'),
    _heard("blanks inside and behind the JSON", '42[ "say" , 1 ] ', args=[1]),
    _heard(
        "a placeholder in a text event is an object",
        f'42["say",{P0}]',
        args=[{"_placeholder": True, "num": 0}],
    ),
    _heard(
        "a placeholder must be true",
        '451-["say",{"_placeholder":1,"num":0}]',
        b"a",
        args=[{"_placeholder": 1, "num": 0}],
    ),
    _heard(
        "an attachment used twice", f'451-["say",{P0},{P0}]', b"a", args=["bytes 61", "bytes 61"]
    ),
    _heard("an attachment not used", '451-["say",1]', b"a", args=[1]),
    _heard(
        "attachments in another order",
        f'452-["say",{P1},{P0}]',
        b"a",
        b"b",
        args=["bytes 62", "bytes 61"],
    ),
    _heard(
        "ten attachments", f'4510-["say",{P1}]', *[bytes([i]) for i in range(10)], args=["bytes 01"]
    ),
    _heard("an attachment as base64 text", f'451-["say",{P0}]', "bAQID", args=["bytes 01 02 03"]),
    _heard("base64 without its padding", f'451-["say",{P0}]', "bAQ", args=["bytes 01"]),
    _heard("base64 of the URL alphabet", f'451-["say",{P0}]', "b-_-_", args=["bytes fb ff bf"]),
    _heard("an empty attachment", f'451-["say",{P0}]', "b", args=["bytes "]),
    PacketRow("an id with leading zeros", ('42007["echo",1]',), gets=("437[1]",)),
    PacketRow("id 0", ('420["echo"]',), gets=("430[]",)),
    _heard("a long event", f'42["say","{"é" * 5000}"]', args=["é" * 5000]),
    _heard("JSON of 200 levels", f'42["say",{"[" * 200}{"]" * 200}]', args=[_nested(200)]),
]

"""What Socket.IO packet texts mean: the table that the codec, the reference and the JavaScript parser must agree on.

Plain data; knows no parser. Texts come without the Engine.IO "4".
Source: socketio.md sections 2 and 5, seen on socket.io-parser 4.2.7.
"""

from typing import Any, NamedTuple


class Row(NamedTuple):
    text: str
    attachments: tuple[bytes, ...]
    expected: Any  # (type, namespace, id, data), or one of the three constants


REFUSED = "refused"
STRICTER = "refused by us, accepted by JavaScript"
PENDING = "waits for attachments"
NOTHING = "no JSON part"


def _good(text: str, *expected: Any, attachments: tuple[bytes, ...] = ()) -> Row:
    return Row(text, attachments, expected)


def _bad(*texts: str) -> list[Row]:
    return [Row(text, (), REFUSED) for text in texts]


def _bad_at_the_end(text: str, *attachments: bytes) -> Row:
    return Row(text, attachments, REFUSED)


P0, P1 = ('{"_placeholder":true,"num":%d}' % number for number in (0, 1))

CONNECTS = [
    _good("0", 0, "/", None, NOTHING),
    _good("0{}", 0, "/", None, {}),
    _good('0{"token":"123"}', 0, "/", None, {"token": "123"}),
    _good('0{"sid":"oSO0OpakMV_3jnilAAAA"}', 0, "/", None, {"sid": "oSO0OpakMV_3jnilAAAA"}),
    _good("0/", 0, "/", None, NOTHING),
    _good("0/,", 0, "/", None, NOTHING),
    _good("0/admin", 0, "/admin", None, NOTHING),
    _good("0/admin,", 0, "/admin", None, NOTHING),
    _good('0/admin,{"sid":"x"}', 0, "/admin", None, {"sid": "x"}),
    _good("0/custom?x=1,", 0, "/custom?x=1", None, NOTHING),
    _good("0/é😀,{}", 0, "/é😀", None, {}),
    _good('0/admin{"a":1}', 0, '/admin{"a":1}', None, NOTHING),
    _good("01", 0, "/", 1, NOTHING),
    *_bad(
        "0null",
        "0[]",
        '0"x"',
        "0true",
        "0/a,b,",
        "0{",
        "0{}x",
        "0/admin,[]",
        "0/admin,null",
        "0,",
        "0x",
    ),
]

DISCONNECTS = [
    _good("1", 1, "/", None, NOTHING),
    _good("1/admin", 1, "/admin", None, NOTHING),
    _good("1/admin,", 1, "/admin", None, NOTHING),
    _good("15", 1, "/", 5, NOTHING),
    *_bad("1{}", "1null", "1[]", '1"x"', "1/admin,{}"),
]

EVENTS = [
    _good('2["foo"]', 2, "/", None, ["foo"]),
    _good('2/admin,["bar"]', 2, "/admin", None, ["bar"]),
    _good('212["foo"]', 2, "/", 12, ["foo"]),
    _good('2/admin,12["foo"]', 2, "/admin", 12, ["foo"]),
    _good('2/,["foo"]', 2, "/", None, ["foo"]),
    _good("2", 2, "/", None, NOTHING),
    _good("212", 2, "/", 12, NOTHING),
    _good('2/admin["a"]', 2, '/admin["a"]', None, NOTHING),
    _good('2["a"] ', 2, "/", None, ["a"]),
    _good('2[ "a" ]', 2, "/", None, ["a"]),
    _good('2["a"\t,\r\n1]', 2, "/", None, ["a", 1]),
    _good("2[1,2]", 2, "/", None, [1, 2]),
    _good("2[1.5]", 2, "/", None, [1.5]),
    _good("2[-0]", 2, "/", None, [0]),
    _good('2[""]', 2, "/", None, [""]),
    _good('2["message"]', 2, "/", None, ["message"]),
    _good('2["connection"]', 2, "/", None, ["connection"]),
    _good('2["error"]', 2, "/", None, ["error"]),
    _good('20["a"]', 2, "/", 0, ["a"]),
    _good('200["a"]', 2, "/", 0, ["a"]),
    _good('2007["a"]', 2, "/", 7, ["a"]),
    _good('2999999999999999999["a"]', 2, "/", 999_999_999_999_999_999, ["a"]),
    _good('2["a",%s]' % P0, 2, "/", None, ["a", {"_placeholder": True, "num": 0}]),
    *_bad("2[]", "2{}", '2"a"', "2null", "2[null]", "2[true]", "2[{}]", "2[[]]", "2true", "27x"),
    *_bad(
        '2["a"]x',
        '2["a"',
        '2["a",]',
        '2["a",NaN]',
        '2["a",Infinity]',
        '2["a",-Infinity]',
        '2["a",nan]',
        "2['a']",
    ),
    *_bad(
        '2["a\x01"]',
        '2["a\n"]',
        '2["\\x41"]',
        '2["a",01]',
        '2["a",+1]',
        '2["a",.5]',
        '2["a",1.]',
        '2["a",0x1]',
    ),
    *_bad(
        '2-1["a"]',
        '21.5["a"]',
        '21e3["a"]',
        '2abc["a"]',
        '2,["a"]',
        '2\u0661["a"]',
        '2/admin,,["a"]',
        '2/a,/b,["a"]',
    ),
    *_bad(
        '2["connect"]',
        '2["connect_error"]',
        '2["disconnect"]',
        '2["disconnecting"]',
        '2["newListener"]',
    ),
    *_bad(
        '2["removeListener"]',
        '2["\\u0063onnect",1]',
        '2/admin,7["disconnect"]',
        '2["a"]2["b"]',
        '2["a"]\x00',
    ),
]

ACKS = [
    _good("30[]", 3, "/", 0, []),
    _good('3/admin,13["bar"]', 3, "/admin", 13, ["bar"]),
    _good("31[null]", 3, "/", 1, [None]),
    _good("31[]", 3, "/", 1, []),
    _good('31["connect"]', 3, "/", 1, ["connect"]),
    _good("3[]", 3, "/", None, []),
    _good("3", 3, "/", None, NOTHING),
    _good("31", 3, "/", 1, NOTHING),
    *_bad("31{}", '31"x"', "31null", "31true", "31[", "3{}"),
]

CONNECT_ERRORS = [
    _good('4{"message":"Not authorized"}', 4, "/", None, {"message": "Not authorized"}),
    _good(
        '4/admin,{"message":"nope","data":{"code":7}}',
        4,
        "/admin",
        None,
        {"message": "nope", "data": {"code": 7}},
    ),
    _good('4"x"', 4, "/", None, "x"),
    _good("4", 4, "/", None, NOTHING),
    *_bad("4[]", "4null", "4true", "4/admin,[]", '4"x'),
]

UNKNOWN_TYPES = _bad(
    "7", '9["a"]', "abc", "-1", "b", "{}", "[]", '"2"', "\u0662", "é", "/", ",", "\x00"
)

# JavaScript takes blanks for digits, and nothing for type 0. No client sends them (and "" can only come
# from an Engine.IO "4" alone, on which Node throws).
BLANKS = [
    Row(text, (), STRICTER)
    for text in (
        "",
        " ",
        " {}",
        "\t{}",
        "\u00a0",
        "\ufeff{}",
        "2 ",
        '2 1["a"]',
        '2 ["a"]',
        '2\n["a"]',
        '21 ["a"]',
        '2\ufeff["a"]',
        "0 ",
        "1\r",
        '2/admin, ["a"]',
        '21 2["a"]',
        "3\t[]",
        "\n1",
    )
]
BLANKS += _bad(' 2["a"]', " []", "1 {}")

LONG_IDS = [
    Row(text, (), STRICTER)
    for text in (
        '21000000000000000000["a"]',
        "2" + "9" * 400 + '["a"]',
        '20000000000000000007["a"]',
        "3" + "1" * 19 + "[]",
    )
]

# JavaScript's Number() reads the count of attachments, so any way to write a small integer will do.
COUNT_NUMERALS = [
    *(
        _good('5%s-["a",%s]' % (one, P0), 5, "/", None, ["a", b"\x01"], attachments=(b"\x01",))
        for one in (
            "01",
            "0001",
            "0" * 25 + "1",
            " 1",
            "1 ",
            "\t1",
            "+1",
            "1e0",
            "1E0",
            "0x1",
            "0X1",
            "0b1",
            "0o1",
            "1.0",
            "1.",
            ".1e1",
            "\ufeff1",
            "\u00a01",
        )
    ),
    _good('51e1-["a"]', 5, "/", None, ["a"], attachments=tuple(bytes([i]) for i in range(10))),
]

BINARY = [
    _good('51-["baz",%s]' % P0, 5, "/", None, ["baz", b"\x01"], attachments=(b"\x01",)),
    _good('51-/admin,13["a",%s]' % P0, 5, "/admin", 13, ["a", b"\x01"], attachments=(b"\x01",)),
    _good('61-15["bar",%s]' % P0, 6, "/", 15, ["bar", b"\x01"], attachments=(b"\x01",)),
    _good("61-0[%s]" % P0, 6, "/", 0, [b""], attachments=(b"",)),
    _good('51-["a"]', 5, "/", None, ["a"], attachments=(b"\x01",)),
    _good("51-", 5, "/", None, NOTHING, attachments=(b"\x01",)),
    _good("51-/admin", 5, "/admin", None, NOTHING, attachments=(b"\x01",)),
    _good(
        '51-["a",%s,%s]' % (P0, P0), 5, "/", None, ["a", b"\x01", b"\x01"], attachments=(b"\x01",)
    ),
    _good(
        '52-["a",%s,%s]' % (P1, P0),
        5,
        "/",
        None,
        ["a", b"\x02", b"\x01"],
        attachments=(b"\x01", b"\x02"),
    ),
    _good(
        '52-["a",{"b":[%s,{"c":%s}]}]' % (P0, P1),
        5,
        "/",
        None,
        ["a", {"b": [b"\x01", {"c": b"\x02"}]}],
        attachments=(b"\x01", b"\x02"),
    ),
    _good(
        '51-["a",{"x":1,"num":0,"_placeholder":true}]',
        5,
        "/",
        None,
        ["a", b"\x01"],
        attachments=(b"\x01",),
    ),
    _good(
        '51-["a",{"_placeholder":true,"num":0.0}]',
        5,
        "/",
        None,
        ["a", b"\x01"],
        attachments=(b"\x01",),
    ),
    _good(
        '51-["a",{"_placeholder":true,"num":-0}]',
        5,
        "/",
        None,
        ["a", b"\x01"],
        attachments=(b"\x01",),
    ),
    _good(
        '51-["a",{"_placeholder":true,"num":1e-400}]',
        5,
        "/",
        None,
        ["a", b"\x01"],
        attachments=(b"\x01",),
    ),
    _good(
        '51-["a",{"_placeholder":true,"num":0.5}]',
        5,
        "/",
        None,
        ["a", None],
        attachments=(b"\x01",),
    ),
    _good(
        '51-["a",{"_placeholder":1,"num":0}]',
        5,
        "/",
        None,
        ["a", {"_placeholder": 1, "num": 0}],
        attachments=(b"\x01",),
    ),
    _good(
        '51-["a",{"_placeholder":"true","num":0}]',
        5,
        "/",
        None,
        ["a", {"_placeholder": "true", "num": 0}],
        attachments=(b"\x01",),
    ),
    _good(
        '51-["a",{"_placeholder":false,"num":9}]',
        5,
        "/",
        None,
        ["a", {"_placeholder": False, "num": 9}],
        attachments=(b"\x01",),
    ),
    _good('510-["a"]', 5, "/", None, ["a"], attachments=tuple(bytes([i]) for i in range(10))),
    Row('51-["a",%s]' % P0, (), PENDING),
    Row('52-["a",%s]' % P0, (b"\x01",), PENDING),
    *_bad(
        '5["a"]',
        '51["a"]',
        '5abc-["a"]',
        '51.5-["a"]',
        '50-["a"]',
        '5-["a"]',
        "60-1[]",
        "5",
        "6",
        "51",
        "5/a-,[]",
    ),
    *_bad(
        '511-["a"]',
        '5100-["a"]',
        '599999999999999999999-["a"]',
        '5Infinity-["a"]',
        '5-1-["a"]',
        '5 -["a"]',
        '50x-["a"]',
    ),
    *_bad(
        '5NaN-["a"]',
        '50xb-["a"]',
        '51_0-["a"]',
        '5\u0661-["a"]',
        '5+0x1-["a"]',
        '5e1-["a"]',
        '510e-1-["a"]',
        '51e-["a"]',
        '50e5-["a"]',
    ),
    *_bad(
        "51-{}",
        "51-[]",
        "51-null",
        '51-"a"',
        '51-["connect"]',
        "51-[%s]" % P0,
        "61-1{}",
        "61-1null",
        '51-["a"',
        '51-x["a"]',
    ),
    *_bad('51--["a"]', '51-/a,b["a"]'),
    Row('51- ["a",%s]' % P0, (), STRICTER),
    *(
        _bad_at_the_end('51-["a",{"_placeholder":true,"num":%s}]' % number, b"\x01")
        for number in (
            "1",
            "-1",
            '"0"',
            "null",
            "true",
            "false",
            "[0]",
            "1.0",
            "1e400",
            "-0.5",
            "99999999999999999999",
        )
    ),
    _bad_at_the_end('51-["a",{"_placeholder":true}]', b"\x01"),
    _bad_at_the_end('52-["a",%s,{"_placeholder":true,"num":2}]' % P0, b"\x01", b"\x02"),
    _bad_at_the_end('61-1[{"_placeholder":true,"num":1}]', b"\x01"),
]

JSON_DIALECT = [
    _good(
        '2["a",{"k":[1,2.5,true,false,null,"s"]}]',
        2,
        "/",
        None,
        ["a", {"k": [1, 2.5, True, False, None, "s"]}],
    ),
    _good('2["é€😀\u2028\x7f"]', 2, "/", None, ["é€😀\u2028\x7f"]),
    _good(
        '2["\\u00e9\\ud83d\\ude00\\/\\b\\f\\n\\r\\t\\"\\\\"]', 2, "/", None, ['é😀/\b\f\n\r\t"\\']
    ),
    _good('2["\\u0000\\u001e"]', 2, "/", None, ["\x00\x1e"]),
    _good('2["\\ud800"]', 2, "/", None, ["\ud800"]),
    _good('2["x","\\udc00\\ud800é"]', 2, "/", None, ["x", "\udc00\ud800é"]),
    _good('2["a",{"\\ud800":1}]', 2, "/", None, ["a", {"\ud800": 1}]),
    _good('2["a",{"b":1,"b":2}]', 2, "/", None, ["a", {"b": 2}]),
    _good('2["a",{"":0}]', 2, "/", None, ["a", {"": 0}]),
    _good('2["a",18446744073709551616]', 2, "/", None, ["a", 2**64]),
    _good('2["a",-9223372036854775809]', 2, "/", None, ["a", -(2**63) - 1]),
    _good('2["a",%s]' % ("9" * 30), 2, "/", None, ["a", float("9" * 30)]),
    _good('2["a",1e400]', 2, "/", None, ["a", float("inf")]),
    _good('2["a",-1e400]', 2, "/", None, ["a", float("-inf")]),
    _good('2["a",%s]' % ("1" * 5000), 2, "/", None, ["a", float("inf")]),
    _good('2["a",1E5,1e-400]', 2, "/", None, ["a", 100000.0, 0.0]),
    _good("2[1e400]", 2, "/", None, [float("inf")]),
    *_bad(
        '2["\\ud800",NaN]',
        '2["\\ud800",-Infinity]',
        '2["a",1e400,Infinity]',
        '2["\\ud800\x01"]',
        '2["\\ud8"]',
        '2["\\u00g0"]',
    ),
    *_bad(
        '2["a",1e]',
        '2["a",-]',
        '2["a",tru]',
        '2["a",{"b"}]',
        '2["a",{b:1}]',
        '2["a",{"b":1,}]',
        '2["a"/**/]',
        '2\ufffe["a"]',
    ),
]

ROWS = [
    *CONNECTS,
    *DISCONNECTS,
    *EVENTS,
    *ACKS,
    *CONNECT_ERRORS,
    *UNKNOWN_TYPES,
    *BLANKS,
    *LONG_IDS,
    *COUNT_NUMERALS,
    *BINARY,
    *JSON_DIALECT,
]


def same_value(left: Any, right: Any) -> bool:
    """Equal as JavaScript values: one kind of number (booleans are none), bytes-like objects by content."""
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same_value, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(
            same_value(left[key], right[key]) for key in left
        )
    if _is_number(left) and _is_number(right):
        return _as_double(left) == _as_double(right)
    return type(left) is type(right) and left == right


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _as_double(number: float) -> float:
    try:
        return float(number)
    except OverflowError:
        return float("inf") if number > 0 else float("-inf")

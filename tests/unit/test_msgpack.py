"""fastsio._msgpack and msgpack_packet: packets as MessagePack, with the msgpack library as the oracle.

The map is that of socket.io-msgpack-parser 3.0.2, JavaScript's values are notepack.io 2.2's (socketio.md 10).
"""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import inspect
import json
import subprocess
import sys
import uuid
from typing import Any

import msgpack
import pytest
import socketio.msgpack_packet as theirs
from hypothesis import given, settings
from hypothesis import strategies as st

from fastsio._codec import NO_DATA
from fastsio._frames import ProtocolError
from fastsio._msgpack import ExtType, MsgPack
from fastsio.msgpack_packet import MsgPackPacket

UNDEFINED = b"\xd4\x00\x00"
MAP_3 = b"\x83\xa4type%c\xa3nsp\xa1/\xa4data%s"


def pack(data: Any, **hooks: Any) -> bytes:
    return MsgPack(**hooks).encode(2, "/", -1, data).payload


def packed(data: Any, **hooks: Any) -> Any:
    """What the msgpack library reads as the data of an event."""
    message = MsgPack(**hooks).pack(2, "/", None, data)
    return msgpack.loads(message, strict_map_key=False)["data"]


def read(message: bytes, **hooks: Any) -> tuple[Any, ...]:
    found = MsgPack(**hooks).new_decoder().decode(message)
    assert found is not None
    return found.type, found.namespace, found.id, found.data


def event(data: bytes) -> bytes:
    return MAP_3 % (2, b"\x92\xa1e" + data)


# --- one packet -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, "/", -1, {"sid": "x"}), {"type": 0, "data": {"sid": "x"}, "nsp": "/"}),
        ((1, "/chat", -1, NO_DATA), {"type": 1, "nsp": "/chat"}),
        ((2, "/", 0, ["a", b"\0"]), {"type": 2, "data": ["a", b"\0"], "nsp": "/", "id": 0}),
        ((3, "/", 10**17, []), {"type": 3, "data": [], "nsp": "/", "id": 10**17}),
        ((4, "/", -1, {"message": "no"}), {"type": 4, "data": {"message": "no"}, "nsp": "/"}),
    ],
)
def test_a_packet_is_one_map_in_one_binary_message(arguments, message):
    """The official parser refuses nil as data or id: what is not there has no key (socketio.md 10)."""
    parser = MsgPack()
    encoded = parser.encode(*arguments)
    raw = msgpack.dumps(message)
    assert encoded.is_binary
    assert encoded.frames == bytes([0x82, len(raw)]) + raw
    assert encoded.payload.startswith(b"b")
    assert not encoded.attachments
    kind, namespace, number, data = arguments
    assert read(raw) == (kind, namespace, None if number < 0 else number, data)


def test_bytes_are_not_counted_as_attachments():
    assert packed(["a", *[b"x"] * 30]) == ["a", *[b"x"] * 30]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        # As the official client sends them.
        ("83a474797065 00 a464617461 d40000 a36e7370 a12f", (0, "/", None, NO_DATA)),
        ("85a474797065 02 a464617461 92a46563686f01 a76f7074696f6e73 81a8636f6d7072657373c3 a2696400 a36e7370a12f",
         (2, "/", 0, ["echo", 1])),
        ("82a474797065 01 a36e7370 a12f", (1, "/", None, NO_DATA)),
        # As python-socketio's does.
        ("83a474797065 01 a464617461 c0 a36e7370 a12f", (1, "/", None, NO_DATA)),
    ],
)  # fmt: skip
def test_packets_of_the_clients_are_read(message, expected):
    assert read(bytes.fromhex(message)) == expected


@pytest.mark.parametrize("hook", [None, ExtType, lambda code, data: (code, data)])
def test_undefined_as_the_packets_data_is_none_whatever_the_hook_says(hook):
    assert read(MAP_3 % (0, UNDEFINED), ext_hook=hook) == (0, "/", None, NO_DATA)


# --- JavaScript's values --------------------------------------------------------------------------

NOON = dt.datetime(2024, 2, 29, 12, 0, 0, 123_000, dt.UTC)
NOON_MS = int(NOON.timestamp() * 1000).to_bytes(8, "big", signed=True)


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (UNDEFINED, None),
        (b"\xd7\x00" + NOON_MS, NOON),
        (b"\xd7\x00" + (-1).to_bytes(8, "big", signed=True),
         dt.datetime(1969, 12, 31, 23, 59, 59, 999_000, dt.UTC)),
        (b"\xd7\x00" + b"\x7f" * 8, b"\x7f" * 8),  # no date: an ArrayBuffer
        (b"\xc7\x03\x00abc", b"abc"),  # an ArrayBuffer
        (b"\xd4\x05z", ExtType(5, b"z")),
        (b"\xd6\xff\x00\x00\x00\x01", dt.datetime(1970, 1, 1, 0, 0, 1, tzinfo=dt.UTC)),
    ],
)  # fmt: skip
def test_extensions_are_read_as_what_javascript_meant(raw, value):
    assert read(event(raw))[3] == ["e", value]


def test_a_datetime_is_written_as_a_date():
    assert packed(["e", NOON]) == ["e", msgpack.ExtType(0, NOON_MS)]
    assert read(MsgPack().pack(2, "/", None, ["e", {"at": NOON}]))[3] == ["e", {"at": NOON}]


# --- Python's values ------------------------------------------------------------------------------


class Colour(enum.Enum):
    RED = "red"


class Text(str):
    __slots__ = ()


@dataclasses.dataclass
class Point:
    x: int
    at: dt.datetime


Pair = collections.namedtuple("Pair", "a b")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Text("t"), "t"),
        (enum.IntEnum("Number", "ONE").ONE, 1),
        (enum.StrEnum("Word", "HI").HI, "hi"),
        (Colour.RED, "red"),
        (True, True),
        (Pair(1, [2]), [1, [2]]),
        ((1, (2,)), [1, [2]]),
        ({1: "a", "b": (3,)}, {1: "a", "b": [3]}),
        (bytearray(b"x"), b"x"),
        (memoryview(b"abcd")[::2], b"ac"),
        (collections.OrderedDict(a=1), {"a": 1}),
        ({"x"}, ["x"]),
        (uuid.UUID(int=0), "00000000-0000-0000-0000-000000000000"),
        (decimal.Decimal("1.5"), "1.5"),
        (dt.date(2024, 2, 29), "2024-02-29"),
        (Point(1, NOON), {"x": 1, "at": msgpack.ExtType(0, NOON_MS)}),
        (msgpack.ExtType(5, b"z"), msgpack.ExtType(5, b"z")),
        (msgpack.Timestamp(1, 2), msgpack.Timestamp(1, 2)),
        ([msgpack.ExtType(1, b"")], [msgpack.ExtType(1, b"")]),
    ],
    ids=repr,
)
def test_values_of_python_have_a_form(value, expected):
    assert packed(["e", value]) == ["e", expected]


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (object(), TypeError, "object"),
        (range(3), TypeError, "range"),
        ("\ud800", ValueError, "surrogates"),
        (2**64, OverflowError, "int"),
        (-(2**63) - 1, OverflowError, "int"),
    ],
)
def test_what_has_no_form_is_named(value, error, text):
    with pytest.raises(error, match=text):
        packed(["e", value])


def test_circular_data_is_refused():
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(ValueError, match="circular"):
        packed(circle)
    holder: dict[str, Any] = {"t": (1,)}
    holder["self"] = holder
    with pytest.raises(ValueError, match="circular"):
        packed(["e", holder])


# --- hooks ----------------------------------------------------------------------------------------


def test_dumps_default_is_asked_for_what_msgpack_has_no_form_for():
    asked = []

    def default(value: Any) -> Any:
        asked.append(value)
        return msgpack.ExtType(7, b"z") if isinstance(value, dt.datetime) else {"n": str(value)}

    values = [NOON, {"deep": [uuid.UUID(int=1)]}, 2**64, Text("t")]
    assert packed(["e", *values], dumps_default=default) == [
        "e",
        msgpack.ExtType(7, b"z"),
        {"deep": [{"n": str(uuid.UUID(int=1))}]},
        {"n": str(2**64)},
        "t",
    ]
    assert asked == [NOON, uuid.UUID(int=1), 2**64]


def test_dumps_default_is_asked_for_a_large_integer_among_plain_values():
    assert packed(["e", 1, 2**70], dumps_default=str) == ["e", 1, str(2**70)]


def test_dumps_default_that_helps_nothing_ends_in_an_error():
    with pytest.raises(ValueError, match="nested"):
        packed(["e", object()], dumps_default=lambda value: value)


def test_ext_hook_gets_the_code_and_bytes():
    def hook(code: int, data: bytes) -> Any:
        assert type(data) is bytes
        return {"code": code, "data": data}

    assert read(event(b"\x92\xd4\x05z" + UNDEFINED), ext_hook=hook)[3] == [
        "e",
        [{"code": 5, "data": b"z"}, {"code": 0, "data": b"\0"}],
    ]


def test_ext_hook_that_raises_is_an_invalid_packet():
    def hook(code: int, data: bytes) -> Any:
        raise KeyError(code)

    with pytest.raises(ProtocolError, match=r"KeyError\(5\)"):
        read(event(b"\xd4\x05z"), ext_hook=hook)


# --- wrong bytes ----------------------------------------------------------------------------------

GOOD = msgpack.dumps(
    {"type": 2, "data": ["name", {"k": [1.5, b"bytes", None, -7, "ä" * 40]}], "options": {"compress": True},
     "nsp": "/chat", "id": 300}
)  # fmt: skip


def refused(message: bytes) -> str:
    with pytest.raises(ProtocolError) as caught:
        MsgPack().new_decoder().decode(message)
    return str(caught.value)


@pytest.mark.parametrize("end", range(len(GOOD)))
def test_packet_that_is_cut_off_is_refused(end):
    refused(GOOD[:end])


def test_every_other_byte_at_every_place_is_refused_or_read():
    decoder = MsgPack().new_decoder()
    verdicts = {True: 0, False: 0}
    for place in range(len(GOOD)):
        for byte in {0x00, 0x7F, 0x80, 0x8F, 0x9F, 0xBF, *range(0xC0, 0xE0), 0xFF} - {GOOD[place]}:
            try:
                found = decoder.decode(GOOD[:place] + bytes([byte]) + GOOD[place + 1 :])
            except ProtocolError:
                verdicts[False] += 1
            else:
                assert found is not None and found.type in range(5)
                verdicts[True] += 1
    assert verdicts[True] and verdicts[False]


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (b"", "truncated"),
        (GOOD + b"\xc0", "trailing"),
        (b"\xc1", "invalid opcode"),
        (b"\xc0", "Expected `object`"),
        (b"\x93\x02\xa1/\x91\xa1e", "Expected `object`"),
        (b"\x80", "missing required field"),
        (MAP_3 % (5, b"\x91\xa1e"), "unknown packet type 5"),
        (MAP_3 % (0xFF, b"\x91\xa1e"), "unknown packet type -1"),
        (MAP_3 % (0xC3, b"\x91\xa1e"), "Expected `int`, got `bool`"),
        (MAP_3 % (2, b"\x90"), "non-empty array"),
        (MAP_3 % (2, b"\x80"), "non-empty array"),
        (MAP_3 % (2, b"\xc0"), "packet type 2 without one"),
        (MAP_3 % (2, UNDEFINED), "packet type 2 without one"),
        (MAP_3 % (2, b"\x91\x90"), "name is a string or a number"),
        (MAP_3 % (2, b"\x91\xaadisconnect"), "reserved event 'disconnect'"),
        (MAP_3 % (3, b"\x80"), "an ack is an array"),
        (MAP_3 % (3, b"\xc0"), "packet type 3 without one"),
        (MAP_3 % (0, b"\x91\x01"), "auth is an object"),
        (MAP_3 % (1, b"\x80"), "a disconnect carries none"),
        (MAP_3 % (4, b"\x01"), "an error is an object or a string"),
        (MAP_3 % (4, b"\xc0"), "packet type 4 without one"),
        (b"\x83\xa4type\x02\xa3nsp\x01\xa4data\x91\xa1e", "Expected `str`"),
        (b"\x83\xa4type\x02\xa3nsp\xa0\xa4data\x91\xa1e", "invalid namespace ''"),
        (b"\x83\xa4type\x02\xa3nsp\xa1x\xa4data\x91\xa1e", "invalid namespace 'x'"),
        (b"\x83\xa4type\x02\xa3nsp\xa3/,x\xa4data\x91\xa1e", "invalid namespace '/,x'"),
        (b"\x83\xa4type\x02\xa3nsp\xa1\xff\xa4data\x91\xa1e", "UTF-8"),
        (event(b"\xa1\xff"), "UTF-8"),
        (event(b"\x81\x80\x01"), "hashable"),
        # Lengths of gigabytes are believed only as far as there are bytes.
        (event(b"\xdd\xff\xff\xff\xff"), "truncated"),
        (event(b"\xdf\xff\xff\xff\xff"), "truncated"),
        (event(b"\xdb\xff\xff\xff\xff"), "truncated"),
        (event(b"\xc6\xff\xff\xff\xff"), "truncated"),
        (event(b"\xc9\xff\xff\xff\xff\x00"), "truncated"),
        (event(b"\x91" * 2_000 + b"\xc0"), "nested"),
        (event(b"\x91" * 1_000_000), "nested"),
        (event(b"\x81\xa1k" * 300_000), "nested"),
        (b"\x81" * 1_000_000, "Expected `str`"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_is_no_packet_is_refused(message, why):
    assert why.lower() in refused(message).lower()  # msgspec's own words: "utf-8" until 0.22


@pytest.mark.parametrize(
    "number", [b"\xff", b"\xc3", b"\xa1x", b"\xcb" + bytes(8), b"\xcf" + b"\xff" * 8]
)
def test_ack_id_that_is_no_count_is_refused(number):
    message = b"\x84\xa4type\x02\xa3nsp\xa1/\xa4data\x91\xa1e\xa2id" + number
    assert "invalid ack id" in refused(message)


def test_text_is_refused():
    with pytest.raises(ProtocolError, match="a text message"):
        MsgPack().new_decoder().decode('2["a"]')


@settings(max_examples=1_000)
@given(st.binary(max_size=60) | st.binary(max_size=60).map(event))
def test_any_bytes_are_a_packet_or_a_protocol_error(message):
    try:
        MsgPack().new_decoder().decode(message)
    except ProtocolError:
        pass


text = st.text(st.characters(codec="utf-8"), max_size=40)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False)
    | text | st.binary(max_size=300),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(text, inner, max_size=20),
    max_leaves=30,
)  # fmt: skip


@settings(max_examples=300)
@given(values)
def test_data_goes_both_ways_and_is_what_the_library_writes(value):
    message = MsgPack().pack(2, "/", 5, ["e", value])
    assert message == msgpack.dumps({"type": 2, "data": ["e", value], "nsp": "/", "id": 5})
    assert read(message) == (2, "/", 5, ["e", value])


# --- the packet class -----------------------------------------------------------------------------


def test_class_has_their_signatures_and_attributes():
    assert [
        (p.name, p.kind, p.default)
        for p in inspect.signature(MsgPackPacket.configure).parameters.values()
    ] == [
        (p.name, p.kind, p.default)
        for p in inspect.signature(theirs.MsgPackPacket.configure).parameters.values()
    ]
    for name in ("uses_binary_events", "dumps_default", "ext_hook"):
        assert getattr(MsgPackPacket, name) == getattr(theirs.MsgPackPacket, name)


@settings(max_examples=200)
@given(values, st.none() | st.integers(0, 2**53), st.sampled_from(["/", "/chat"]))
def test_class_encodes_and_decodes_as_theirs(value, number, namespace):
    arguments = {"data": ["e", value], "id": number, "namespace": namespace}
    ours, other = MsgPackPacket(**arguments), theirs.MsgPackPacket(**arguments)
    assert ours.encode() == other.encode()
    again = MsgPackPacket(encoded_packet=other.encode())
    assert (again.packet_type, again.data, again.namespace, again.id) == (
        2,
        ["e", value],
        namespace,
        number,
    )


def test_class_leaves_out_data_that_there_is_none_of():
    assert msgpack.loads(MsgPackPacket(1, namespace="/").encode()) == {"type": 1, "nsp": "/"}
    assert (
        theirs.MsgPackPacket(encoded_packet=MsgPackPacket(1, namespace="/").encode()).data is None
    )


def test_class_reads_extensions_as_theirs():
    assert MsgPackPacket(encoded_packet=event(UNDEFINED)).data == ["e", msgpack.ExtType(0, b"\0")]


def test_configured_class_has_hooks_of_its_own():
    def default(value: Any) -> Any:
        return msgpack.ExtType(3, value.isoformat().encode())

    def hook(code: int, data: bytes) -> Any:
        return code, data.decode()

    custom = MsgPackPacket.configure(dumps_default=default, ext_hook=hook)
    other = theirs.MsgPackPacket.configure(dumps_default=default, ext_hook=hook)
    message = custom(data=["e", NOON], namespace="/").encode()
    assert message == other(data=["e", NOON], namespace="/").encode()
    assert custom(encoded_packet=message).data == ["e", (3, NOON.isoformat())]
    assert MsgPackPacket.dumps_default is None


@pytest.mark.parametrize("message", [b"", b"\xc0", GOOD[:-1], GOOD + b"\0"])
def test_class_raises_value_error_for_what_is_no_packet(message):
    with pytest.raises(ValueError):  # noqa: PT011 - msgspec's texts
        MsgPackPacket().decode(message)


# --- without the packages -------------------------------------------------------------------------


def run_without(package: str, code: str) -> Any:
    """What `code` prints as JSON in a Python that has no such package."""
    program = f"import sys; sys.modules[{package!r}] = None\nimport json\n{code}"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_without_msgspec_the_error_names_the_extra():
    code = """
import fastsio, fastsio.msgpack_packet as m
try:
    fastsio.AsyncServer(serializer="msgpack")
except ImportError as error:
    print(json.dumps(str(error)))
"""
    assert 'pip install "fastsio[msgpack]"' in run_without("msgspec", code)


def test_without_msgpack_there_is_an_ext_type_all_the_same():
    code = """
from fastsio.msgpack_packet import ExtType, MsgPackPacket
data = ["e", ExtType(5, b"z")]
message = MsgPackPacket(data=data, namespace="/").encode()
print(json.dumps([message.hex(), MsgPackPacket(encoded_packet=message).data == data]))
"""
    expected = theirs.MsgPackPacket(data=["e", msgpack.ExtType(5, b"z")], namespace="/").encode()
    assert run_without("msgpack", code) == [expected.hex(), True]


def test_a_server_without_serializer_imports_neither_package():
    code = """
import fastsio
fastsio.AsyncServer()
print(json.dumps([name for name in ("msgspec", "msgpack", "fastsio._msgpack") if name in sys.modules]))
"""
    assert run_without("no_such_package", code) == []

"""Arrays of plain strings, which the codec reads and writes by itself: orjson must not be able to tell.

What is next to plain (escapes, other values, blanks, damage) is orjson's; a mistake in telling them apart shows here.
"""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastsio._codec import Decoder, encode_packet
from fastsio._frames import ProtocolError

ACK = 3
PLACEHOLDER = '{"_placeholder":true,"num":%s}'
NEARLY_PLAIN = st.text(
    st.sampled_from('[],"\\ abc\x00\x1f\x20\x7f\x80é€😀\ud800{}:1n'), max_size=12
)


def decoded(text: bytes) -> Any:
    try:
        return Decoder().add_text(b"3" + text).data
    except ProtocolError:
        return "refused"


def expected(text: bytes) -> Any:
    try:
        value = orjson.loads(text)
    except ValueError:
        return "refused"
    return value if type(value) is list else "refused"


@pytest.mark.parametrize(
    "text",
    [
        *("[]", '[""]', '["a"]', '["a","b"]', '["","",""]', '["a" ,"b"]', '["a", "b"]', '["a"] ', '["a",]'),
        *('[,"a"]', '["a""b"]', '["a"b"]', '["a","b]', '["a",b"]', '["a";"b"]', '["a"', '"a"]', '["]', '[""', '["a"]]'),
        *('[["a"]', '["a",1]', '["a",["b"]]', '["a",{"b":"c"}]', '["a\\n"]', '["\\""]', '["\\\\"]', '["\\u0041"]'),
        *('["a\x1fb"]', '["a\x7fb"]', '["é"]', '["a","é"]', '["a\x00b"]', '["a",null]', '["a","b",]'),
        *(json.dumps(["x" * n, "y" * (64 - n)]) for n in range(65)),
        *(json.dumps(["x"] * n, separators=(",", ":")) for n in (15, 16, 17, 40)),
        *(f'["a",{PLACEHOLDER % i}]' for i in (0, 9, 10, -1, 0.5)),
        *(f"[{PLACEHOLDER % 0}]", f"[{PLACEHOLDER % 1},{PLACEHOLDER % 0},\"a\"]", f'["a",{PLACEHOLDER % 0},]'),
        *(f'["a",{PLACEHOLDER[:n]}' for n in range(len(PLACEHOLDER))),
        *(f'["a",{PLACEHOLDER[:n]}]' for n in range(len(PLACEHOLDER))),
        *(f'["a",{PLACEHOLDER % 0}{more}]' for more in ("x", "}", " ", ',"b"', ',["b"]', "[]")),
        *(f'["a",{PLACEHOLDER % number}]' for number in ("01", '"', "1e1")),
        *(json.dumps(["x" * n], separators=(",", ":")) for n in (31, 32, 33, 1000, 70000)),
    ],
)  # fmt: skip
def test_an_array_is_read_as_orjson_reads_it(text):
    assert decoded(text.encode()) == expected(text.encode())


PLACEHOLDERS = st.integers(0, 11).map(lambda i: {"_placeholder": True, "num": i})


@given(
    st.lists(NEARLY_PLAIN | PLACEHOLDERS, max_size=5),
    st.integers(0, 60),
    st.sampled_from('[],"\\a }'),
)
@settings(deadline=None, max_examples=1000)
def test_damaged_arrays_are_read_as_orjson_reads_them(values, at, character):
    text = json.dumps(values, separators=(",", ":"), ensure_ascii=False)
    damaged = (text[:at] + character + text[at + 1 :]).encode("utf-8", "replace")
    assert decoded(damaged) == expected(damaged)


@given(st.lists(NEARLY_PLAIN | st.text(max_size=40), max_size=5))
@settings(deadline=None, max_examples=1000)
def test_a_list_of_strings_is_written_and_read_back(strings):
    text = encode_packet(ACK, strings).text
    assert json.loads(text[2:]) == strings
    try:
        assert text[2:] == orjson.dumps(strings)
    except TypeError:  # lone surrogates, which orjson refuses
        assert any("\ud800" in string for string in strings)
    assert decoded(text[2:]) == strings


@pytest.mark.parametrize("position", range(70))
@pytest.mark.parametrize("character", ['"', "\\", "\x00", "\x1f", "\x7f", "\x80", "é", "€", "😀"])
def test_no_character_of_a_long_string_is_overlooked(position, character):
    strings = ["x" * position + character + "y" * (70 - position)]
    text = encode_packet(ACK, strings).text[2:]
    assert text == orjson.dumps(strings)
    assert decoded(text) == strings


def test_placeholders_of_a_packet_without_attachments_are_dictionaries_of_its_own():
    text = f'["a",{PLACEHOLDER % 3}]'.encode()
    first = decoded(text)
    first[1]["num"] = "changed"
    assert decoded(text) == ["a", {"_placeholder": True, "num": 3}]


class Text(str):
    """A string to Python, and to orjson one that needs looking at."""


@pytest.mark.parametrize("count", [0, 1, 9, 10])
def test_bytes_between_strings_become_attachments_in_their_order(count):
    values = ["a", *(b"%d" % i for i in range(count)), "b"]
    encoded = encode_packet(ACK, values, id=7)
    text = encoded.text.decode()
    head = f"46{count}-7" if count else "437"
    assert text.startswith(head + "[")
    placeholders = [{"_placeholder": True, "num": i} for i in range(count)]
    assert json.loads(text[len(head) :]) == ["a", *placeholders, "b"]
    assert " " not in text
    assert encoded.attachments == values[1:-1]
    decoder = Decoder()
    packets = [decoder.add_text(text[1:]), *(decoder.add_binary(data) for data in values[1:-1])]
    assert packets[-1].data == values
    assert encoded.size == len(encoded.frames)


def test_more_bytes_than_the_official_parsers_take_are_refused():
    with pytest.raises(ValueError, match="11 binary values"):
        encode_packet(ACK, ["a", *[b"x"] * 11])
    with pytest.raises(TypeError, match="only events and acks"):
        encode_packet(0, [b"x"])


def test_other_kinds_of_values_go_the_usual_way():
    assert encode_packet(ACK, [Text("a"), "b"]).text == b'43["a","b"]'
    assert encode_packet(ACK, ["a", 1, None, b"x"]).text == (
        b'461-["a",1,null,{"_placeholder":true,"num":0}]'
    )
    assert encode_packet(ACK, []).text == b"43[]"


def test_names_are_the_same_object_and_never_another_name():
    """The table of names has 256 places: names that meet in one must push each other out, not be confused."""
    names = [f"{first}{i}{last}" for first in "ab" for last in "xyz" for i in range(500)]
    for _ in range(2):
        assert [decoded(b'["%s"]' % name.encode())[0] for name in names] == names
    assert decoded(b'["again","a"]')[0] is decoded(b'["again","b"]')[0]

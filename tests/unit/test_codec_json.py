"""The JSON in packets: JavaScript's dialect, what orjson refuses, and `json=` modules.

Source: socketio.md 2, "JSON dialect".
"""

from __future__ import annotations

import json
import math
import sys
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from fastsio import _codec, _json
from fastsio._frames import ProtocolError
from packet_table import P0

# --------------------------------------------------------------------------------------------------------- JSON dialect


@pytest.mark.feature("1.14 JSON")
@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("é€😀\u2028\u2029\x7f/", '"é€😀\u2028\u2029\x7f/"'),
        ('\b\f\n\r\t"\\\x00\x1f\x1e', '"\\b\\f\\n\\r\\t\\"\\\\\\u0000\\u001f\\u001e"'),
        ([True, False, None, 0, -1, "", [], {}], '[true,false,null,0,-1,"",[],{}]'),
        ({"a": {"b": [1, 2]}, "c": "d"}, '{"a":{"b":[1,2]},"c":"d"}'),
        (2**53, "9007199254740992"),
        (2**64 - 1, "18446744073709551615"),
        (-(2**63), "-9223372036854775808"),
        (1.5, "1.5"),
        # What orjson refuses, by way of the standard library:
        ({1: "a"}, '{"1":"a"}'),
        ({"k": {7: [{8: None}]}}, '{"k":{"7":[{"8":null}]}}'),
        (2**64, "18446744073709551616"),
        (-(2**63) - 1, "-9223372036854775809"),
        (10**40, "1" + "0" * 40),
        ("\ud800", '"\\ud800"'),
        ("é\udfff€", '"é\\udfff€"'),
        ({"\udc00": 1}, '{"\\udc00":1}'),
        # JavaScript writes null for what is no number, on either way:
        (math.nan, "null"),
        ([math.inf, -math.inf, {"k": math.nan}], '[null,null,{"k":null}]'),
        ([2**64, math.nan, math.inf], "[18446744073709551616,null,null]"),
        ({1: math.nan, "s": ["\ud800", -math.inf]}, '{"1":null,"s":["\\ud800",null]}'),
        ([2**64, "é/\u2028\x7f\x1f"], '[18446744073709551616,"é/\u2028\x7f\\u001f"]'),
        ([2**64, (1, (2,))], "[18446744073709551616,[1,[2]]]"),
    ],
)
def test_value_is_written_as_javascript_writes_it(codec, value, text):
    encoded = codec.encode_packet(2, ["a", value])
    assert encoded.text == b'42["a",' + text.encode() + b"]"


@pytest.mark.parametrize("trouble", [2**64, {1: 2}, "\ud800"])
def test_retry_after_orjson_counts_each_attachment_once(codec, trouble):
    data = ["a", b"before", trouble, {"k": [b"after"]}]
    encoded = codec.encode_packet(2, data)
    assert encoded.attachments == [b"before", b"after"]
    assert encoded.text.startswith(b'452-["a",{"_placeholder":true,"num":0},')
    assert encoded.text.endswith(b'{"k":[{"_placeholder":true,"num":1}]}]')


@pytest.mark.parametrize("depth", [200, 400, 700])
def test_deep_data_is_encoded_with_its_attachment(depth):
    data: Any = b"bottom"
    for _ in range(depth):
        data = [data]
    encoded = _codec.encode_packet(2, ["a", data])
    assert encoded.attachments == [b"bottom"]
    assert encoded.text == b'451-["a",' + b"[" * depth + P0.encode() + b"]" * depth + b"]"


def test_input_data_is_left_as_it_was(codec):
    data = ["a", {"k": [b"x", bytearray(b"y")]}, (1, math.nan), {1: b"z"}]
    before = repr(data)
    codec.encode_packet(2, data)
    assert repr(data) == before


# ------------------------------------------------------------------------------------ json modules


def module_without_separators() -> SimpleNamespace:
    return SimpleNamespace(dumps=lambda value: orjson.dumps(value), loads=orjson.loads)


def module_that_writes_str() -> SimpleNamespace:
    return SimpleNamespace(
        dumps=lambda value: json.dumps(value, separators=(",", ":")), loads=json.loads
    )


MODULES = [json, orjson, module_without_separators(), module_that_writes_str()]


@pytest.mark.parametrize(
    "module", MODULES, ids=["stdlib", "orjson", "dumps without options", "dumps to str"]
)
def test_json_module_is_used_for_both_ways(module):
    used: list[str] = []

    class Spy:
        @staticmethod
        def dumps(value: Any, **options: Any) -> Any:
            used.append("dumps")
            return module.dumps(value, **options)

        @staticmethod
        def loads(text: Any) -> Any:
            used.append("loads")
            return module.loads(text)

    encoded = _codec.encode_packet(2, ["é", {"k": [1, None, b"x"]}], "/n", 7, json=Spy)
    assert "dumps" in used
    assert "loads" not in used
    decoder = _codec.Decoder(json=Spy)
    used.clear()
    assert decoder.add_text(encoded.text[1:]) is None
    packet = decoder.add_binary(encoded.attachments[0])
    assert (packet.type, packet.namespace, packet.id) == (5, "/n", 7)
    assert packet.data == ["é", {"k": [1, None, b"x"]}]
    assert used == ["loads"]


def test_standard_library_as_json_module_writes_no_blanks():
    assert _codec.encode_packet(2, ["a", {"b": [1, 2]}], json=json).text == b'42["a",{"b":[1,2]}]'


@pytest.mark.parametrize(
    "module", MODULES, ids=["stdlib", "orjson", "dumps without options", "dumps to str"]
)
@pytest.mark.parametrize("value", [math.nan, [math.inf], {"k": -math.inf}])
def test_no_json_module_writes_a_number_that_is_none(module, value):
    text = _codec.encode_packet(2, ["a", value], json=module).text
    assert b"null" in text and not any(word in text for word in (b"NaN", b"nan", b"Infinity"))


@pytest.mark.parametrize("module", [None, json, orjson], ids=["default", "stdlib", "orjson"])
@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity"])
def test_literals_that_are_not_json_are_refused_with_any_usual_module(module, literal):
    with pytest.raises(ProtocolError):
        _codec.Decoder(json=module).add_text(f'2["a",{literal}]')


def test_custom_encoding_of_a_json_module_is_honoured():
    class Shouting:
        @staticmethod
        def dumps(value: Any) -> str:
            return json.dumps(value).upper()

        @staticmethod
        def loads(text: str | bytes) -> Any:
            return [str(item).lower() for item in json.loads(text)]

    assert _codec.encode_packet(2, ["abc"], json=Shouting).text == b'42["ABC"]'
    assert _codec.Decoder(json=Shouting).add_text('2["ABC"]').data == ["abc"]


@pytest.mark.parametrize("error", [ValueError("no"), RuntimeError("no"), KeyError("no")])
def test_text_that_a_json_module_refuses_is_a_protocol_error(error):
    def loads(text: str | bytes) -> Any:
        raise error

    with pytest.raises(ProtocolError):
        _codec.Decoder(json=SimpleNamespace(dumps=json.dumps, loads=loads)).add_text('2["a"]')


@pytest.mark.parametrize("thing", [object(), SimpleNamespace(dumps=json.dumps), "json", 1])
def test_json_argument_without_dumps_and_loads_is_a_type_error(thing):
    with pytest.raises(TypeError):
        _codec.Decoder(json=thing)
    with pytest.raises(TypeError):
        _codec.encode_packet(2, ["a"], json=thing)


def test_data_that_is_too_deep_for_the_stack_it_is_emitted_from_is_a_value_error_or_sent():
    # Since Python 3.12 the depth of calls in C does not count with that of Python's.
    data: list = []
    for _ in range(890):
        data = [data]

    def emit(frames: int):
        return emit(frames - 1) if frames else _codec.encode_packet(2, ["x", {1: data}])

    if sys.version_info < (3, 12):
        with pytest.raises(ValueError, match="nested"):
            emit(800)
    else:
        assert emit(800).text == b'42["x",{"1":' + b"[" * 891 + b"]" * 891 + b"}]"


# ------------------------------------------------------------------------------------------------------------- how deep


def levels(depth: int) -> str:
    """An event's text whose arrays are nested `depth` levels deep."""
    return '2["a",' + "[" * (depth - 1) + "]" * (depth - 1) + "]"


@pytest.mark.parametrize("module", [None, json, orjson])
@pytest.mark.parametrize(
    ("most", "depth"), [(1, 1), (1, 2), (5, 5), (5, 6), (1024, 1024), (1024, 1025), (1024, 5000)]
)
def test_nesting_is_read_up_to_the_limit_and_not_beyond(module, most, depth):
    decoder = _json.Json(module)
    decoder.max_depth = most
    text = '2["a"]' if depth == 1 else levels(depth)
    if depth <= most and (
        module is not json or depth < 900
    ):  # the stdlib's own end, before Python 3.12
        assert _codec.Decoder(decoder).add_text(text).type == 2
    elif depth > most:
        with pytest.raises(
            ProtocolError, match=r"JSON nested over \d+ levels \(max_json_depth\)"
        ) as refused:
            _codec.Decoder(decoder).add_text(text)
        assert refused.value.option == "max_json_depth"


@pytest.mark.parametrize(
    "text", ['["[[[[[[[["]', '["\\"[[[[", {}]', '["\\\\", [1]]', '{"[[[{{{": "]]]}}}"}', "[[],[],[],[],{},{}]"]
)  # fmt: skip
def test_brackets_in_texts_and_beside_each_other_are_no_levels(text):
    decoder = _json.Json()
    decoder.max_depth = 3
    packet = _codec.Decoder(decoder).add_text('2["a",' + text + "]")
    assert packet.data == ["a", json.loads(text)]


@pytest.mark.parametrize("text", ['2["a",[[[[', '2["a","[[[[[[', '2["a"]]]]]', '2["a","\\'])
def test_what_is_no_json_is_refused_as_such_or_as_too_deep(text):
    decoder = _json.Json()
    decoder.max_depth = 3
    with pytest.raises(ProtocolError, match=r"not JSON|max_json_depth"):
        _codec.Decoder(decoder).add_text(text)


@pytest.mark.parametrize(
    ("most", "count", "is_read"),
    [(10, 10, True), (10, 11, False), (20, 20, True), (2, 3, False), (0, 1, False)],
)
def test_attachments_are_read_up_to_the_limit(most, count, is_read):
    decoder = _json.Json()
    decoder.max_attachments = most
    reader = _codec.Decoder(decoder)
    text = f'5{count}-["a"]'
    if is_read:
        assert reader.add_text(text) is None
        return
    with pytest.raises(
        ProtocolError, match=rf"too many attachments: {count} > {most} \(max_attachments\)"
    ):
        reader.add_text(text)


@pytest.mark.parametrize(
    ("most", "count", "is_sent"), [(2, 10, True), (2, 11, False), (12, 12, True), (12, 13, False)]
)
def test_attachments_are_sent_up_to_the_limit_and_as_many_as_official_clients_read(
    most, count, is_sent
):
    decoder = _json.Json()
    decoder.max_attachments = most
    data = ["a", *[b"x"] * count]
    if is_sent:
        assert len(_codec.encode_packet(2, data, json=decoder).attachments) == count
        return
    with pytest.raises(ValueError, match=f"{count} binary values in one packet"):
        _codec.encode_packet(2, data, json=decoder)

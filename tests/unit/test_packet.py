"""fastsio.packet against the module of that name in python-socketio 5.18.1, which is installed beside it."""

from __future__ import annotations

import inspect
import json
from typing import Any

import orjson
import pytest
import socketio.packet as theirs
from hypothesis import given, settings
from hypothesis import strategies as st

from fastsio import packet
from fastsio.packet import Packet

NAMES = [
    "CONNECT",
    "DISCONNECT",
    "EVENT",
    "ACK",
    "CONNECT_ERROR",
    "BINARY_EVENT",
    "BINARY_ACK",
    "packet_names",
]


def parameters(fn: Any) -> list[tuple[Any, ...]]:
    """A signature without the annotations, which python-socketio has none of."""
    return [(p.name, p.kind, p.default) for p in inspect.signature(fn).parameters.values()]


# --- the names ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_constants_have_their_values(name):
    assert getattr(packet, name) == getattr(theirs, name)


@pytest.mark.parametrize(
    "method",
    [
        "__init__", "encode", "decode", "add_attachment", "reconstruct_binary", "deconstruct_binary",
        "data_is_binary",
    ],
)  # fmt: skip
def test_methods_have_their_signatures(method):
    assert parameters(getattr(Packet, method)) == parameters(getattr(theirs.Packet, method))


def test_class_attributes_are_there():
    assert Packet.uses_binary_events is True
    assert Packet.json.loads(Packet.json.dumps([1])) == [1]


# --- encode and decode, compared ------------------------------------------------------------------

# Where the two write the same JSON: what is not ASCII is escaped there and not here, 1e22 is "1e+22" and "1e22".
texts = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=8)
numbers = st.integers(-(2**63), 2**64 - 1) | st.floats(-1e4, 1e4).map(lambda x: round(x, 3))
blobs = st.binary(max_size=6) | st.binary(max_size=3).map(bytearray)


def values(leaves: Any) -> Any:
    return st.recursive(
        leaves,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(texts.filter(lambda key: key != "_placeholder"), inner, max_size=3)
        ),
        max_leaves=10,
    )


plain = st.none() | st.booleans() | numbers | texts
namespaces = st.sampled_from([None, "/", "/chat", "/a/b-1"])
ids = st.none() | st.integers(0, 10**18 - 1)
events = st.tuples(texts.filter(lambda name: name != "connect"), values(plain | blobs)).map(list)


def same(ours: Any, other: Any) -> None:
    for name in (
        "packet_type", "data", "namespace", "id", "attachment_count", "attachments"
    ):  # fmt: skip
        assert getattr(ours, name) == getattr(other, name), name


@settings(max_examples=500)
@given(st.sampled_from([packet.EVENT, packet.ACK]), events, namespaces, ids)
def test_events_and_acks_are_encoded_to_the_same_bytes(kind, data, namespace, number):
    ours = Packet(kind, data=data, namespace=namespace, id=number)
    other = theirs.Packet(kind, data=data, namespace=namespace, id=number)
    same(ours, other)
    assert ours.encode() == other.encode()


@settings(max_examples=200)
@given(
    st.sampled_from([packet.CONNECT, packet.DISCONNECT, packet.CONNECT_ERROR]),
    st.none() | st.dictionaries(texts, values(plain), max_size=3) | texts,
    namespaces,
)
def test_control_packets_are_encoded_to_the_same_bytes(kind, data, namespace):
    assert Packet(kind, data, namespace).encode() == theirs.Packet(kind, data, namespace).encode()


@settings(max_examples=500)
@given(st.sampled_from([packet.EVENT, packet.ACK]), events, namespaces, ids)
def test_what_they_encode_is_decoded_to_the_same_packet(kind, data, namespace, number):
    encoded = theirs.Packet(kind, data=data, namespace=namespace, id=number).encode()
    text, *attachments = encoded if isinstance(encoded, list) else [encoded]
    ours, other = Packet(encoded_packet=text), theirs.Packet(encoded_packet=text)
    same(ours, other)
    for attachment in attachments:
        assert ours.add_attachment(attachment) == other.add_attachment(attachment)
    same(ours, other)
    assert ours.data == data


@settings(max_examples=200)
@given(st.text(max_size=20), st.floats(allow_nan=False, allow_infinity=False))
def test_json_that_is_written_otherwise_means_the_same(text, number):
    try:
        text.encode()
    except UnicodeEncodeError:
        text = "lone surrogate"
    ours = Packet(data=["x", text, number]).encode()
    assert theirs.Packet(encoded_packet=ours).data == ["x", text, number]
    other = theirs.Packet(data=["x", text, number]).encode()
    assert Packet(encoded_packet=other).data == ["x", text, number]


@settings(max_examples=300)
@given(values(plain | blobs))
def test_binary_is_taken_out_and_put_back_as_they_do(data):
    assert Packet.data_is_binary(data) == theirs.Packet.data_is_binary(data)
    ours, other = Packet.deconstruct_binary(data), theirs.Packet.deconstruct_binary(data)
    assert ours == other
    assert Packet.reconstruct_binary(*ours) == theirs.Packet.reconstruct_binary(*other) == data


@pytest.mark.feature("1.14 py decoder")
@pytest.mark.parametrize(
    "text",
    [
        "0", "0/chat", "0/chat,", '0/chat?token=1,{"a":1}', '0{"a":1}', "1/chat,", '2["a"]', '20["a"]',
        '2/chat,13["a",{"b":null}]', '30[]', '4{"message":"no"}', '4"no"', '51-["a",{"_placeholder":true,"num":0}]',
        '61-/x,1[{"_placeholder":true,"num":0}]', "2", '2{"not":"a list"}', '2["a b"]', '2["connect"]',
    ],
)  # fmt: skip
def test_texts_are_decoded_to_the_same_packet(text):
    same(Packet(encoded_packet=text), theirs.Packet(encoded_packet=text))


# --- each by itself -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [packet.CONNECT, packet.DISCONNECT, packet.CONNECT_ERROR])
def test_bytes_in_another_packet_than_event_or_ack_are_refused(kind):
    with pytest.raises(ValueError, match=r"^Packet does not support binary payload\.$"):
        Packet(kind, data={"a": b"x"})


def test_binary_says_whether_there_are_attachments():
    assert (
        Packet(data=["a"], binary=True).encode() == theirs.Packet(data=["a"], binary=True).encode()
    )
    assert Packet(data=["a"], binary=False).packet_type == packet.EVENT
    with pytest.raises(TypeError, match="bytes in a packet of type 2"):
        Packet(data=["a", b"x"], binary=False).encode()


@pytest.mark.feature("1.14 >10 attachments out")
def test_more_than_ten_attachments_are_refused_as_the_clients_do():
    with pytest.raises(ValueError, match="11 binary values"):
        Packet(data=["a", [b"x"] * 11]).encode()


def test_attachment_that_is_not_due_is_refused():
    with pytest.raises(ValueError, match=r"^Unexpected binary attachment$"):
        Packet(encoded_packet='2["a"]').add_attachment(b"x")


@pytest.mark.parametrize("number", ["1", "-1", '"0"', "null"])
def test_placeholder_that_names_no_attachment_is_refused(number):
    waiting = Packet(encoded_packet='51-["a",{"_placeholder":true,"num":%s}]' % number)
    with pytest.raises(ValueError, match=r"placeholder .* of 1 attachments"):
        waiting.add_attachment(b"x")


@pytest.mark.parametrize("text", ["x", "7", "9[]", "2[", "5-[]", "2" + "1" * 19, "2nul"])
def test_text_that_is_no_packet_is_a_value_error(text):
    with pytest.raises(ValueError):  # noqa: PT011 - several texts
        Packet(encoded_packet=text)


def test_type_that_is_none_is_refused():
    with pytest.raises(ValueError, match="packet type 9: 0 to 6"):
        Packet(9).encode()


def test_json_of_a_subclass_is_used_both_ways():
    class Marked:
        @staticmethod
        def dumps(value: Any, **how: Any) -> str:
            return json.dumps({"marked": value}, **how)

        @staticmethod
        def loads(text: str) -> Any:
            return json.loads(text)["marked"]

    class MarkedPacket(Packet):
        json = Marked

    text = MarkedPacket(data=["a", b"x"], id=1).encode()[0]
    assert text == '51-1{"marked":["a",{"_placeholder":true,"num":0}]}'
    assert MarkedPacket(encoded_packet=text).data[0] == "a"
    assert Packet(data=["a"]).encode() == '2["a"]'  # the base is not touched


def test_json_may_be_a_module_that_returns_bytes():
    class Fast(Packet):
        json = orjson

    assert Fast(data=["é"]).encode() == '2["é"]'
    assert Fast(encoded_packet='2["é"]').data == ["é"]


def test_tuples_and_views_may_hold_bytes():
    assert Packet(data=["a", (b"x", memoryview(b"y"))]).encode()[1:] == [b"x", b"y"]

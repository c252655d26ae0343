"""Packets and payloads under python-engineio's names, compared with its own."""

from __future__ import annotations

import json

import engineio.packet
import engineio.payload
import pytest

from fastsio.engineio import packet, payload
from fastsio.engineio.packet import MESSAGE, Packet
from fastsio.engineio.payload import Payload

DATA = [
    None,
    "",
    "text",
    "é€",
    "5",
    "5x",
    "true",
    7,
    [1, "a"],
    {"a": [None, True]},
    b"",
    b"\x00\xff",
]
WIRE = [
    "0{}", "1", "2", "2probe", "3", "4", "4text", "45", "4-5", "4true", "4null", '4{"a":1}', "4[1,2]", '4"x"',
    "4{broken", "4 [1]", "6", "b", "bAAH/", b"", b"\x00\xff",
]  # fmt: skip


def test_constants_are_theirs():
    for name in engineio.packet.packet_names:
        assert getattr(packet, name) == getattr(engineio.packet, name)
    assert packet.packet_names == engineio.packet.packet_names
    assert packet.binary_types == engineio.packet.binary_types


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("b64", [False, True])
def test_encoding_is_theirs(data, b64):
    mine = Packet(MESSAGE, data).encode(b64=b64)
    theirs = engineio.packet.Packet(MESSAGE, data).encode(b64=b64)
    # Both are JSON; theirs writes é as \u00e9.
    assert mine == theirs or json.loads(mine[1:]) == json.loads(theirs[1:])


@pytest.mark.parametrize("wire", WIRE)
def test_decoding_is_theirs(wire):
    mine, theirs = Packet(encoded_packet=wire), engineio.packet.Packet(encoded_packet=wire)
    assert (mine.packet_type, mine.data, mine.binary) == (
        theirs.packet_type,
        theirs.data,
        theirs.binary,
    )


@pytest.mark.parametrize("wire", ["", "7", "x", "é"])
def test_text_that_is_no_packet_is_refused(wire):
    with pytest.raises(ValueError, match="no Engine"):
        Packet(encoded_packet=wire)


def test_only_messages_are_binary():
    with pytest.raises(ValueError, match="Binary packets can only be of type MESSAGE"):
        Packet(packet.PING, b"x")


def test_packet_is_a_noop_unless_it_is_told():
    assert Packet().encode() == "6"


def test_json_may_be_another_module(monkeypatch):
    class Shouting:
        @staticmethod
        def dumps(value):
            return json.dumps(value).upper()

        @staticmethod
        def loads(text):
            return json.loads(text.lower())

    monkeypatch.setattr(Packet, "json", Shouting)
    assert Packet(MESSAGE, {"a": 1}).encode() == '4{"A": 1}'
    assert Packet(encoded_packet='4{"A":1}').data == {"a": 1}


# --- payloads --------------------------------------------------------------------------------


def test_payload_is_encoded_as_theirs():
    packets = [(MESSAGE, "a"), (MESSAGE, b"\x00"), (packet.NOOP, None)]
    mine = Payload([Packet(*one) for one in packets]).encode()
    theirs = engineio.payload.Payload([engineio.packet.Packet(*one) for one in packets]).encode()
    assert mine == theirs == "4a\x1ebAA==\x1e6"


def test_payload_is_taken_apart():
    found = Payload(encoded_payload="4a\x1ebAA==\x1e2").packets
    assert [(p.packet_type, p.data) for p in found] == [(4, "a"), (4, b"\x00"), (2, "")]
    assert Payload(encoded_payload="").packets == []


def test_there_is_no_limit_of_packets_unless_one_is_set(monkeypatch):
    many = "\x1e".join(["4"] * 200)
    assert len(Payload(encoded_payload=many).packets) == 200
    monkeypatch.setattr(payload.Payload, "max_decode_packets", 16)
    with pytest.raises(ValueError, match="Too many packets in payload: 200"):
        Payload(encoded_payload=many)
    assert len(Payload(encoded_payload="\x1e".join(["4"] * 16)).packets) == 16

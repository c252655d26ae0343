"""A Socket.IO event with an ack id, decoded and encoded: fastsio and python-socketio.

Binary ones with their attachments: an event is decoded when the last of them has come.
"""

import json

import pytest
from socketio.packet import Packet

from fastsio._codec import Decoder, encode_packet

EVENT = 2
DECODER = Decoder()
BLOB = bytes(range(256)) * 4
MEMBER = {"id": 17, "name": "Ann", "tags": ["a", "b"], "seen": 1.5, "is_away": False}
DATA = {
    "small": ["chat", "hello, everybody"],
    "1kB": ["chat", "x" * 1024],
    "100kB": ["chat", "x" * 102_400],
    "nested": ["state", {"rooms": [{"name": f"r{i}", "members": [MEMBER] * 4} for i in range(8)]}],
    "binary": ["file", {"name": "a.png", "body": BLOB}],
}
WIRE = {
    name: ["217" + json.dumps(data, separators=(",", ":"))]
    for name, data in DATA.items()
    if name != "binary"
}
WIRE["binary"] = [
    '51-17["file",{"name":"a.png","body":{"_placeholder":true,"num":0}}]',
    BLOB,
]


def decode_fastsio(wire):
    packet = DECODER.add_text(wire[0])
    for attachment in wire[1:]:
        packet = DECODER.add_binary(attachment)
    return packet.id, packet.data


def decode_python_socketio(wire):
    packet = Packet(encoded_packet=wire[0])
    for attachment in wire[1:]:
        packet.add_attachment(attachment)
    return packet.id, packet.data


def encode_fastsio(data):
    encoded = encode_packet(EVENT, data, id=17)
    return [encoded.text[1:].decode(), *encoded.attachments]


def encode_python_socketio(data):
    encoded = Packet(EVENT, data=data, id=17).encode()
    return encoded if isinstance(encoded, list) else [encoded]


DECODERS = {"fastsio": decode_fastsio, "python-socketio": decode_python_socketio}
ENCODERS = {"fastsio": encode_fastsio, "python-socketio": encode_python_socketio}


@pytest.mark.parametrize("codec", DECODERS)
@pytest.mark.parametrize("packet", DATA)
def test_decode(benchmark, packet, codec):
    benchmark.group = f"packet decode, {packet}"
    # What each is given by its own transport: fastsio bytes, python-socketio text.
    text, *attachments = WIRE[packet]
    wire = [text.encode() if codec == "fastsio" else text, *attachments]
    result = benchmark(DECODERS[codec], wire)
    benchmark.extra_info["correct"] = result == (17, DATA[packet])


@pytest.mark.parametrize("codec", ENCODERS)
@pytest.mark.parametrize("packet", DATA)
def test_encode(benchmark, packet, codec):
    benchmark.group = f"packet encode, {packet}"
    result = benchmark(ENCODERS[codec], DATA[packet])
    benchmark.extra_info["correct"] = result == WIRE[packet]

"""A Socket.IO event with an ack id, decoded and encoded: fastsio and python-socketio."""

import json

import pytest
from socketio.packet import Packet

from fastsio._codec import Decoder, encode_packet

EVENT = 2
DATA = {
    "small": ["chat", "hello, everybody"],
    "object": [
        "chat",
        {"room": "r1", "from": {"id": 17, "name": "Ann"}, "tags": ["a", "b"], "text": "hi" * 16},
    ],
    "1kB": ["chat", "x" * 1024],
}


@pytest.fixture(params=DATA)
def data(request) -> list:
    return DATA[request.param]


@pytest.fixture
def group(request, benchmark, data) -> None:
    operation = request.function.__name__.split("_")[1]
    benchmark.group = f"packet {operation}, {request.node.callspec.params['data']}"


def wire(data: list) -> str:
    return "217" + json.dumps(data, separators=(",", ":"))


def test_decode_fastsio(benchmark, group, data):
    decoder = Decoder()
    packet = benchmark(decoder.add_text, wire(data).encode())
    benchmark.extra_info["correct"] = (packet.type, packet.id, packet.data) == (EVENT, 17, data)


def test_decode_python_socketio(benchmark, group, data):
    text = wire(data)
    packet = benchmark(lambda: Packet(encoded_packet=text))
    benchmark.extra_info["correct"] = (packet.packet_type, packet.data) == (EVENT, data)


def test_encode_fastsio(benchmark, group, data):
    encoded = benchmark(encode_packet, EVENT, data, id=17)
    benchmark.extra_info["correct"] = encoded.text.decode() == "4" + wire(data)


def test_encode_python_socketio(benchmark, group, data):
    text = benchmark(lambda: Packet(EVENT, data=data, id=17).encode())
    benchmark.extra_info["correct"] = text == wire(data)

"""The body of a poll with eight packets, decoded and encoded: fastsio and python-engineio.

Encoding begins with the packets that an emit left in the queue: of fastsio's they are text, of
python-engineio's objects, as each keeps them.
"""

import base64

import pytest
from engineio.packet import MESSAGE, Packet
from engineio.payload import Payload

from fastsio._encoded import encode_engine_packet
from fastsio._payload import decode_payload

TEXT = '2["chat","%s"]' % ("x" * 32)
BLOB = bytes(range(256)) * 4
BODIES = {
    "text": "\x1e".join(["4" + TEXT] * 8),
    "binary": "\x1e".join(["4" + TEXT] * 4 + ["b" + base64.b64encode(BLOB).decode()] * 4),
}


def decoded_by_engineio(body: str) -> list:
    return Payload(encoded_payload=body).packets


@pytest.mark.parametrize("kind", BODIES)
def test_decode_fastsio(benchmark, kind):
    benchmark.group = f"payload decode, 8 packets, {kind}"
    packets = benchmark(decode_payload, BODIES[kind].encode())
    benchmark.extra_info["correct"] = packets == [
        ("4", TEXT.encode()) if part[0] == "4" else ("b", BLOB)
        for part in BODIES[kind].split("\x1e")
    ]


@pytest.mark.parametrize("kind", BODIES)
def test_decode_python_engineio(benchmark, kind):
    benchmark.group = f"payload decode, 8 packets, {kind}"
    packets = benchmark(decoded_by_engineio, BODIES[kind])
    benchmark.extra_info["correct"] = [packet.data for packet in packets] == [
        TEXT if part[0] == "4" else BLOB for part in BODIES[kind].split("\x1e")
    ]


def test_encode_fastsio(benchmark):
    benchmark.group = "payload encode, 8 packets, text"
    packet = b"4" + TEXT.encode()

    def encode() -> bytes:
        return b"\x1e".join([encode_engine_packet(packet).payload for _ in range(8)])

    benchmark.extra_info["correct"] = benchmark(encode) == BODIES["text"].encode()


def test_encode_python_engineio(benchmark):
    benchmark.group = "payload encode, 8 packets, text"

    def encode() -> str:
        return Payload(packets=[Packet(MESSAGE, TEXT) for _ in range(8)]).encode()

    benchmark.extra_info["correct"] = benchmark(encode) == BODIES["text"]

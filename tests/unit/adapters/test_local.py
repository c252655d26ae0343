"""LocalBus: messages as bytes and back, and a worker that does not read."""

from __future__ import annotations

import json
from typing import Any

import pytest

import fastsio
from fastsio._json import DEFAULT_JSON
from fastsio._msgpack import MsgPack
from fastsio.adapters import local
from fastsio.adapters.local import LocalBus, Packed, decode, encode
from fastsio.adapters.protocol.messages import Kind, Message


def carried(message: Message) -> Message:
    frame = encode(message, DEFAULT_JSON)
    (size,) = local.SIZE.unpack(frame[:4])
    assert size == len(frame) - 4
    return decode(frame[4:], message.uid, DEFAULT_JSON)


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"opts": {"rooms": ["a", 1], "except": [], "flags": {"volatile": True}}, "requestId": "7"},
        {"packet": ["event", b"\x00\xff", {"deep": [b"", "ü", None, 1.5]}], "requestId": "x"},
        {"sockets": [{"id": "a", "data": {"blob": b"1", "list": [b"2"]}}], "requestId": "y"},
    ],
)
def test_data_comes_as_it_went(data: dict[str, Any]) -> None:
    assert carried(Message(Kind.FETCH_SOCKETS_RESPONSE, "u", "/chat", data)) == Message(
        Kind.FETCH_SOCKETS_RESPONSE, "u", "/chat", data
    )


@pytest.mark.parametrize(
    "args", [["news"], ["news", 1, {"a": "ü"}], ["news", b"\x01", [b"\x02"]], ["x", None]]
)
@pytest.mark.parametrize("serializer", ["default", "msgpack"])
def test_a_broadcast_comes_as_its_clients_get_it(args: list[Any], serializer: str) -> None:
    io = fastsio.AsyncServer(serializer=serializer)
    namespace = io.hub.namespace("/chat")
    assert isinstance(io.hub.json, MsgPack) == (serializer == "msgpack")
    packed = Packed(namespace.encode_event(args))
    data = {"opts": {"rooms": [], "except": [], "flags": {}}}
    frame = encode(Message(Kind.BROADCAST, "u", "/chat", data, packed), DEFAULT_JSON)
    got = decode(frame[4:], "u", DEFAULT_JSON, io.hub.json)
    # Of text alone its JSON is not read here.
    packet = json.loads(got.packet) if isinstance(got.packet, bytes) else got.packet
    assert (packet, got.data, got.nsp) == (args, data, "/chat")


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\x03",
        b"\x03\x00\x00\x00\x09x",
        b"\x03\x00\x00",
        local.framed(3, [b"/", b"{}", b"\x01no packet"])[4:],
        local.framed(3, [b"/", b"{}", b'\x0151-["a",{"_placeholder":true,"num":0}]'])[4:],
        local.framed(9, [b"/", b'{"x":{"_placeholder":true,"num":5}}', b"1"])[4:],
        local.framed(99, [b"/", b"{}"])[4:],
    ],
)
def test_what_is_no_message_is_an_error(frame: bytes) -> None:
    from fastsio._frames import ProtocolError

    with pytest.raises((ValueError, ProtocolError)):
        decode(frame, "u", DEFAULT_JSON)


class Full:
    """A transport that nobody reads at the other end."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def get_write_buffer_size(self) -> int:
        return sum(map(len, self.written))

    def write(self, data: bytes) -> None:
        self.written.append(data)


@pytest.mark.fault(
    "a worker hangs and does not read what the others send it",
    "16 MiB wait for it, more is lost and counted; a warning says so once, and nobody else waits",
)
async def test_what_a_worker_does_not_read_is_bounded_and_counted(caplog: Any) -> None:
    bus = LocalBus(max_waiting_bytes=1000)
    io = fastsio.IO(adapter=bus)
    hangs, reads = Full(), Full()
    io.hub.cluster.served(None)
    bus._transports = {"a": hangs, "b": reads}
    for n in range(20):
        io.emit("news", n, "x" * 100)
        reads.written.clear()
    assert hangs.get_write_buffer_size() <= 1000
    assert bus.lost == 20 - len(hangs.written)
    assert bus.is_behind
    assert caplog.text.count("does not read") == 1

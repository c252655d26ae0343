"""Messages as bytes: what another server has written becomes the clients' packet without being read."""

from __future__ import annotations

import pytest

import fastsio
from fastsio._json import DEFAULT_JSON
from fastsio.adapters.protocol import wire
from fastsio.adapters.protocol.messages import Kind, Message, make_opts, read_opts
from fastsio.testing import TestServer


def broadcast(packet: bytes, opts: bytes = b'{"rooms":[],"except":[],"flags":{}}') -> bytes:
    """As Node's sharded adapter writes it."""
    data = b'{"packet":{"type":2,"data":%b,"nsp":"/"},"opts":%b}' % (packet, opts)
    return b'{"type":3,"data":%b,"uid":"83fe0442e732e8f6","nsp":"/"}' % data


EVENTS = [
    b'["news"]',
    b'["news",1,-0.5e3,true,null,{"a":[1,{"b":"c"}]}]',
    '["grüße","€"]'.encode(),
    b'["news","\\u20ac\\"\\\\"]',
    b'[ "news" , 1 ]',
    b'["news",12345678901234567890123]',
]


@pytest.mark.parametrize("event", EVENTS)
def test_a_broadcast_in_json_keeps_its_packet_as_it_is_written(event):
    uid, nsp, packet, _ = wire.read_event(broadcast(event))
    assert (uid, nsp, packet) == ("83fe0442e732e8f6", "/", event)
    data = broadcast(event).partition(b'"data":')[2].rpartition(b',"uid"')[0]
    assert wire.read_event_content(data)[0] == event


def test_whom_a_broadcast_is_for_is_read():
    opts = b'{"rooms":["a",7],"except":["b"],"flags":{"volatile":true}}'
    read = wire.read_event(broadcast(b'["x"]', opts))
    assert read_opts(read[3]) == ({"a", 7}, {"b"}, {"volatile": True})
    for opts in (b"null", b"{}", b'{"rooms":null}'):
        read = wire.read_event(broadcast(b'["x"]', opts))
        assert read_opts(read[3]) == (None, frozenset(), {})


def test_a_broadcast_that_wants_answers_is_read_as_all_other_messages_are():
    text = broadcast(b'["q",1]').replace(b'"opts"', b'"requestId":"7146a78b364edd34","opts"')
    assert wire.read_event(text) is None
    message = wire.decode(text, DEFAULT_JSON)
    assert (message.request_id, message.packet) == ("7146a78b364edd34", ["q", 1])


@pytest.mark.parametrize(
    "packet",
    [
        b'["\xff"]', b'["\xed\xa0\x80"]', b'["a\x01"]', b'["\\q"]', b'["a",01]', b'["a",NaN]', b'["a",]', b'["a"',
        b"[" * 5000 + b"]" * 5000,
    ],
    ids=["bytes", "surrogate", "control", "escape", "number", "NaN", "comma", "end", "depth"],
)  # fmt: skip
def test_a_broadcast_whose_packet_no_client_could_read_is_refused(packet):
    with pytest.raises(ValueError, match=r"JSON|utf-8|nested"):
        wire.read_event(broadcast(packet))


@pytest.mark.parametrize(
    "message",
    [
        b'{"type":3,"data":{"opts":{}},"uid":"u","nsp":"/"}',
        b'{"type":3,"uid":"u","nsp":"/"}',
        b'{"type":3,"data":{"packet":{"data":[]},"opts":7},"uid":"u","nsp":"/"}',
        b'{"type":3,"data":{"packet":{"data":[]}},"uid":1,"nsp":"/"}',
    ],
)
def test_a_broadcast_that_lacks_something_is_refused(message):
    with pytest.raises(ValueError, match=r"Expected|missing"):
        wire.read_event(message)


async def test_what_is_encoded_is_what_the_clients_here_get():
    """The JSON of a packet is made once, for them and for other servers; it is Node's form."""
    io = fastsio.IO()
    async with TestServer(io):
        for name in ("/", "/[a]b"):
            namespace = io.of(name)
            args = ["news", {"n": 1}, "é"]
            packed = wire.Packed(args, namespace.encode_event(args), io.hub.json)
            assert packed.data == '["news",{"n":1},"é"]'.encode()
            data = {"opts": make_opts({"room"}, frozenset(), {})}
            text = wire.encode(Message(Kind.BROADCAST, "0123", name, data, packed), DEFAULT_JSON)
            assert text == (
                '{"type":3,"data":{"packet":{"type":2,"data":["news",{"n":1},"é"]},"opts":{"rooms":["room"],"except":[],'
                f'"flags":{{}}}}}},"uid":"0123","nsp":"{name}"}}'
            ).encode()  # fmt: skip
            assert wire.read_event(text)[2] == packed.data


async def test_what_json_of_a_plain_module_can_not_hold_is_written_as_clients_get_it():
    """Keys that are numbers and integers over 64 bits: orjson refuses them, packets have them."""
    io = fastsio.IO()
    async with TestServer(io):
        args = ["big", {1: 2**70}]
        packed = wire.Packed(args, io.sockets.encode_event(args), io.hub.json)
        assert packed.data == b'["big",{"1":1180591620717411303424}]'


async def test_a_packet_of_msgpack_clients_is_not_taken_for_json():
    io = fastsio.IO(serializer="msgpack")
    async with TestServer(io):
        args = ["news", 1]
        packed = wire.Packed(args, io.sockets.encode_event(args), io.hub.json)
        assert packed.is_binary and wire.unpack(packed.data) == args
        assert io.sockets.event_head is None

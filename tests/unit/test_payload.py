"""Engine.IO v4 payloads of polling requests, both ways: the compiled module, and the reference beside it.

Source: engine.io-protocol v4; engineio.md 4 and 5. Base64 as Node's Buffer reads it.
"""

import base64
import importlib
from types import ModuleType

import pytest

import reference

SEPARATOR = b"\x1e"


@pytest.fixture(params=["fastsio._payload", "reference"])
def payloads(request: pytest.FixtureRequest) -> ModuleType:
    return importlib.import_module(request.param)


def protocol_error(module: ModuleType) -> type[Exception]:
    return (
        reference.ProtocolError
        if module is reference
        else importlib.import_module("fastsio._frames").ProtocolError
    )


@pytest.mark.parametrize(
    ("body", "packets"),
    [
        (b"4hello", [("4", b"hello")]),
        (b"4hello\x1e2\x1e4world", [("4", b"hello"), ("2", b""), ("4", b"world")]),
        (b"4hello\x1ebAQIDBA==", [("4", b"hello"), ("b", b"\x01\x02\x03\x04")]),
        (b"4\x1eb\x1e4", [("4", b""), ("b", b""), ("4", b"")]),
        (
            b"4a\x1e1\x1e4b",
            [("4", b"a"), ("1", b""), ("4", b"b")],
        ),  # that nothing counts after a close is the session's to know
        (b"2probe", [("2", b"probe")]),
        (b"3probe", [("3", b"probe")]),
        (b"04a", [("0", b"4a")]),
        (b"0\x1e1\x1e2\x1e3\x1e4\x1e5\x1e6", [(kind, b"") for kind in "0123456"]),
        (b'42["a"]', [("4", b'2["a"]')]),
        (
            b'451-["a",{"_placeholder":true,"num":0}]\x1ebAQ==',
            [("4", b'51-["a",{"_placeholder":true,"num":0}]'), ("b", b"\x01")],
        ),
        (b"4 \x1e4\n", [("4", b" "), ("4", b"\n")]),
        (b"4\x00\x1e6", [("4", b"\x00"), ("6", b"")]),
        ("4héllo😀".encode(), [("4", "héllo😀".encode())]),
        (b"4b\x1ebNGE=", [("4", b"b"), ("b", b"4a")]),
    ],
)
def test_payload_is_split_into_its_packets(payloads, body, packets):
    assert payloads.decode_payload(body) == packets
    assert all(
        type(kind) is str and type(data) is bytes for kind, data in payloads.decode_payload(body)
    )


@pytest.mark.parametrize(
    ("body", "before"),
    [
        (b"", []),
        (b"\x1e", []),
        (b"\x1e4a", []),
        (b"4a\x1e", [("4", b"a")]),
        (b"4a\x1e\x1e4b", [("4", b"a")]),
        (b"4a\x1eabc\x1e4b", [("4", b"a")]),
        (b"4a\x1ebAQID\x1e7x\x1e4b", [("4", b"a"), ("b", b"\x01\x02\x03")]),
        (b"7x", []),
        (b"8", []),
        (b"9", []),
        (b"BAQID", []),
        (b" 4a", []),
        (b"\n4a", []),
        (b"-1", []),
        (b"a", []),
        (b'"4"', []),
        (b"\x004a", []),
        (b"\xff4a", []),
        (b"\xef\xbb\xbf4a", []),
        ("٤".encode(), []),
        (b"/", []),
        (b":", []),
        (b"c", []),
    ],
)
def test_bad_packet_is_a_protocol_error_that_has_the_packets_before_it(payloads, body, before):
    with pytest.raises(protocol_error(payloads)) as caught:
        payloads.decode_payload(body)
    assert caught.value.packets == before
    assert isinstance(caught.value.close_code, int) and caught.value.reason


@pytest.mark.parametrize(
    ("text", "data"),
    [
        (b"", b""),
        (b"AQ==", b"\x01"),
        (b"AQI=", b"\x01\x02"),
        (b"AQID", b"\x01\x02\x03"),
        (b"AQIDBA==", b"\x01\x02\x03\x04"),
        # Missing padding, too much of it, data behind it.
        (b"AQ", b"\x01"),
        (b"AQI", b"\x01\x02"),
        (b"AQ=", b"\x01"),
        (b"AQID=", b"\x01\x02\x03"),
        (b"AQID====", b"\x01\x02\x03"),
        (b"AQ==AQ==", b"\x01"),
        (b"AQI=D", b"\x01\x02"),
        (b"=AQID", b""),
        (b"====", b""),
        # A lone last character carries no byte.
        (b"A", b""),
        (b"AQIDB", b"\x01\x02\x03"),
        (b"A===", b""),
        # Both alphabets, mixed too.
        (b"-_-_", b"\xfb\xff\xbf"),
        (b"+/+/", b"\xfb\xff\xbf"),
        (b"-_+/", b"\xfb\xff\xbf"),
        # Blanks and junk are skipped.
        (b"A Q\tI\r\nD", b"\x01\x02\x03"),
        (b"AQID\n", b"\x01\x02\x03"),
        (b"$$$$", b""),
        (b"A$Q$I$D", b"\x01\x02\x03"),
        ("AéQID".encode(), b"\x01\x02\x03"),
        (b"AQ\xffID", b"\x01\x02\x03"),
        (b"AQ==\n", b"\x01"),
        (b"AQ\n==", b"\x01"),
        # Bits that the padding cuts off are dropped.
        (b"AR==", b"\x01"),
        (b"AQJ=", b"\x01\x02"),
    ],
)
def test_base64_is_read_as_leniently_as_node_reads_it(payloads, text, data):
    assert payloads.decode_payload(b"b" + text) == [("b", data)]
    assert payloads.decode_payload(b"4a\x1eb" + text + b"\x1e4b") == [
        ("4", b"a"),
        ("b", data),
        ("4", b"b"),
    ]


@pytest.mark.parametrize("size", [*range(20), 255, 256, 257, 100_000])
def test_base64_of_any_length_is_read_back(payloads, size):
    data = (bytes(range(256)) * (size // 256 + 1))[:size]
    assert payloads.decode_payload(b"b" + base64.b64encode(data)) == [("b", data)]
    assert payloads.decode_payload(b"b" + base64.urlsafe_b64encode(data).rstrip(b"=")) == [
        ("b", data)
    ]


@pytest.mark.parametrize(
    "bad",
    [
        b"\xff",
        b"\xc3",
        b"\xe2\x82",
        b"\xed\xa0\x80",
        b"\xf0\x9f\x98",
        b"\xc0\xaf",
        b"\xf5",
        b"\x80\x80",
    ],
)
def test_bytes_that_are_not_utf8_are_replaced_and_not_refused(payloads, bad):
    replaced = bad.decode("utf-8", "replace").encode()
    assert b"\xef\xbf\xbd" in replaced
    assert payloads.decode_payload(b"4a" + bad + b"b\x1e4" + bad + b"\x1e4c") == [
        ("4", b"a" + replaced + b"b"),
        ("4", replaced),
        ("4", b"c"),
    ]


def test_there_is_no_limit_of_packets(payloads):
    body = SEPARATOR.join(b"4%d" % i for i in range(10_000))
    assert payloads.decode_payload(body) == [("4", b"%d" % i) for i in range(10_000)]


@pytest.mark.parametrize(
    "data", [["a"], ["a", b"x"], ["a", b"", b"\xff" * 1000], ["\x1e"], ["é😀", {"k": [b"\x1e"]}]]
)
def test_payload_of_an_event_is_read_back(payloads, codec, data):
    encoded = codec.encode_packet(2, data, "/n", 3)
    assert payloads.decode_payload(encoded.payload) == [
        ("4", encoded.text[1:]),
        *(("b", attachment) for attachment in encoded.attachments),
    ]
    assert encoded.payload.count(SEPARATOR) == len(encoded.attachments)  # none inside a packet


@pytest.mark.parametrize(
    ("data", "payload"),
    [
        (["a", b"\x01\x02\x03\x04"], b'451-["a",{"_placeholder":true,"num":0}]\x1ebAQIDBA=='),
        (
            ["a", b"", b"\xfb\xff\xbf"],
            b'452-["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]\x1eb\x1eb+/+/',
        ),
        (["a", "\x1e"], b'42["a","\\u001e"]'),
    ],
)
def test_payload_of_an_event_is_written_as_the_protocol_shows_it(codec, data, payload):
    assert codec.encode_packet(2, data).payload == payload

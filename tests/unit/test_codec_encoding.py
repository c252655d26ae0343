"""Socket.IO packets, values to bytes: the compiled encoder and its Encoded, and the reference beside it.

Source: socketio.md 1, 2 ("JSON dialect") and 5; RFC 6455 5.2 for the frames.
"""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import tracemalloc

import pytest

import reference
from fastsio import _codec
from fastsio._frames import ProtocolError
from harness import DEADLINE_S
from packet_table import NOTHING, P0

# ------------------------------------------------------------------------------------------------------------- encoding


@pytest.mark.parametrize(
    ("packet_type", "data", "namespace", "id", "text"),
    [
        (0, NOTHING, "/", None, "40"),
        (0, {"token": "123"}, "/", None, '40{"token":"123"}'),
        (0, {"sid": "oSO0OpakMV_3jnilAAAA"}, "/", None, '40{"sid":"oSO0OpakMV_3jnilAAAA"}'),
        (0, NOTHING, "/admin", None, "40/admin,"),
        (0, {"sid": "x"}, "/admin", None, '40/admin,{"sid":"x"}'),
        (4, {"message": "Not authorized"}, "/", None, '44{"message":"Not authorized"}'),
        (
            4,
            {"message": "nope", "data": {"code": 7}},
            "/admin",
            None,
            '44/admin,{"message":"nope","data":{"code":7}}',
        ),
        (4, "plain", "/", None, '44"plain"'),
        (1, NOTHING, "/", None, "41"),
        (1, NOTHING, "/admin", None, "41/admin,"),
        (2, ["foo"], "/", None, '42["foo"]'),
        (2, ["bar"], "/admin", None, '42/admin,["bar"]'),
        (2, ["foo"], "/", 12, '4212["foo"]'),
        (2, ["foo"], "/admin", 12, '42/admin,12["foo"]'),
        (2, ["foo"], "/", 0, '420["foo"]'),
        (2, ["foo"], "/", 10**18 - 1, '42999999999999999999["foo"]'),
        (2, ["foo"], "/é?x=1", None, '42/é?x=1,["foo"]'),
        (2, ("foo", 1), "/", None, '42["foo",1]'),
        (3, [], "/", 0, "430[]"),
        (3, ["bar"], "/admin", 13, '43/admin,13["bar"]'),
    ],
)
def test_packet_is_written_as_the_protocol_shows_it(codec, packet_type, data, namespace, id, text):
    encoded = codec.encode_packet(
        packet_type, codec.NO_DATA if data is NOTHING else data, namespace, id
    )
    assert encoded.text == text.encode()
    assert encoded.attachments == []
    assert encoded.frames == reference.build_frame(1, text.encode())
    assert encoded.payload == text.encode()


@pytest.mark.parametrize(
    ("packet_type", "data", "namespace", "id", "text", "attachments"),
    [
        (2, ["baz", b"\x01"], "/", None, f'451-["baz",{P0}]', [b"\x01"]),
        (2, ["a", b"\x01"], "/admin", 13, f'451-/admin,13["a",{P0}]', [b"\x01"]),
        (3, ["bar", b"\x01"], "/", 15, f'461-15["bar",{P0}]', [b"\x01"]),
        (
            2,
            ["a", {"x": [b"0", {"y": b"1"}], "z": b"2"}, b"3"],
            "/",
            None,
            '454-["a",{"x":[{"_placeholder":true,"num":0},{"y":{"_placeholder":true,"num":1}}],'
            '"z":{"_placeholder":true,"num":2}},{"_placeholder":true,"num":3}]',
            [b"0", b"1", b"2", b"3"],
        ),
        (2, ["a", b""], "/", 0, f'451-0["a",{P0}]', [b""]),
        (3, [b"only"], "/", 0, f"461-0[{P0}]", [b"only"]),
        (2, ["a", ("t", b"\x01")], "/", None, f'451-["a",["t",{P0}]]', [b"\x01"]),
    ],
)
def test_binary_becomes_placeholders_and_attachments_depth_first(
    codec, packet_type, data, namespace, id, text, attachments
):
    encoded = codec.encode_packet(packet_type, data, namespace, id)
    assert encoded.text == text.encode()
    assert encoded.attachments == attachments
    assert encoded.frames == b"".join(
        [
            reference.build_frame(1, text.encode()),
            *(reference.build_frame(2, item) for item in attachments),
        ]
    )
    payload = reference.decode_payload(encoded.payload)
    assert payload == [("4", text.encode()[1:]), *(("b", item) for item in attachments)]


@pytest.mark.parametrize(
    "make",
    [
        bytes,
        bytearray,
        memoryview,
        lambda data: memoryview(b"-".join(data[i : i + 1] for i in range(len(data))) + b"-")[::2],
    ],
    ids=["bytes", "bytearray", "memoryview", "strided memoryview"],
)
def test_bytes_like_values_become_attachments_of_type_bytes(codec, make):
    [attachment] = codec.encode_packet(2, ["a", make(b"abc")]).attachments
    assert attachment == b"abc" and type(attachment) is bytes


def test_attachment_is_a_snapshot_of_a_mutable_value(codec):
    data = bytearray(b"abc")
    encoded = codec.encode_packet(2, ["a", data])
    data[:] = b"xyz"
    assert encoded.attachments == [b"abc"]
    assert encoded.frames.endswith(b"\x82\x03abc")


def test_same_value_twice_is_two_attachments(codec):
    data = b"abc"
    encoded = codec.encode_packet(2, ["a", data, data])
    assert encoded.attachments == [b"abc", b"abc"]
    assert encoded.text == b'452-["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]'


@pytest.mark.parametrize("packet_type", [2, 3])
def test_ten_attachments_are_written_and_eleven_are_a_value_error(codec, packet_type):
    ten = [bytes([i]) for i in range(10)]
    encoded = codec.encode_packet(packet_type, ["a", *ten])
    assert encoded.attachments == ten
    assert encoded.text.startswith(b"4%d10-[" % (packet_type + 3))
    with pytest.raises(ValueError, match=r"binary|attachments"):
        codec.encode_packet(packet_type, ["a", *ten, b""])


def test_codec_works_on_after_a_value_error_and_a_type_error(codec):
    for bad in (["a", *[b""] * 11], ["a", b"left over", object()]):
        with pytest.raises((ValueError, TypeError)):
            codec.encode_packet(2, bad)
        assert codec.encode_packet(2, ["a", b"1"]).attachments == [b"1"]


def test_binary_in_a_packet_that_cannot_carry_it_is_refused():
    for packet_type in (0, 4):
        with pytest.raises((ValueError, TypeError)):
            _codec.encode_packet(packet_type, {"token": b"x"})


@pytest.mark.parametrize("packet_type", [-1, 5, 6, 7, 48])
def test_packet_type_out_of_range_is_a_value_error(packet_type):
    with pytest.raises(ValueError, match="type"):
        _codec.encode_packet(packet_type, ["a"])


@pytest.mark.parametrize(
    "value",
    [object(), {1, 2}, 1j, [object()], {"k": object()}, {b"bytes": 1}, {(1, 2): 3}, ..., print],
    ids=lambda value: type(value).__name__,
)
def test_value_that_json_cannot_hold_is_a_type_error(value):
    with pytest.raises(TypeError):
        _codec.encode_packet(2, ["a", value])


CIRCULAR = "data = ['a']; data.append(data)"
BOTTOMLESS = "data = ['a']\nfor _ in range(100_000): data = ['a', data]"
BOTTOMLESS_DICT = (
    "data = {}\nfor _ in range(100_000): data = {'k': data}\ndata = ['a', data, 2 ** 64]"
)


@pytest.mark.parametrize("make_data", [CIRCULAR, BOTTOMLESS, BOTTOMLESS_DICT])
def test_circular_or_bottomless_value_is_an_error_and_no_crash(make_data):
    # In a process of its own: a crash must not take the other tests along.
    script = (
        make_data
        + """
from fastsio import _codec
try:
    _codec.encode_packet(2, data)
except (ValueError, TypeError, RecursionError) as error:
    print("refused")
import os
os._exit(0)
"""
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, "refused\n")


# ------------------------------------------------------------------------------------------------------------- Encoded


@pytest.mark.parametrize("size", [0, 117, 118, 119, 65_526, 65_527, 65_528, 65_529, 70_000])
def test_frames_have_the_right_head_at_every_length_form(codec, size):
    encoded = codec.encode_packet(2, ["a", "x" * size])  # 9 bytes around the text
    text = b'42["a","' + b"x" * size + b'"]'
    assert encoded.text == text
    assert encoded.frames == reference.build_frame(1, text)


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_attachments_have_the_right_head_at_every_length_form(codec, size):
    encoded = codec.encode_packet(2, ["a", b"\xfe" * size, b"next"])
    assert encoded.frames == (
        reference.build_frame(1, encoded.text)
        + reference.build_frame(2, b"\xfe" * size)
        + b"\x82\x04next"
    )


@pytest.mark.parametrize("data", [["a"], ["a", b"x", b"y"]])
def test_every_form_is_built_once_and_shared(data):
    encoded = _codec.encode_packet(2, data)
    assert encoded.frames is encoded.frames
    assert encoded.payload is encoded.payload
    assert type(encoded.frames) is type(encoded.payload) is type(encoded.text) is bytes


def test_forms_are_the_same_in_whatever_order_they_are_asked_for():
    one, other = (_codec.encode_packet(2, ["a", b"x" * 300]) for _ in range(2))
    assert (one.frames, one.payload, one.text) == tuple(
        reversed([other.text, other.payload, other.frames])
    )


def test_list_of_attachments_may_be_changed_by_who_asked_for_it():
    encoded = _codec.encode_packet(2, ["a", b"x"])
    encoded.attachments.clear()
    assert encoded.attachments == [b"x"]
    assert encoded.frames.endswith(b"\x82\x01x")


@pytest.mark.parametrize(
    "data", [["a"], ["a", "x" * 70_000], ["a", b"x"], ["a", b"x" * 70_000, b"y"]]
)
def test_size_counts_every_byte_that_a_websocket_sends(data):
    encoded = _codec.encode_packet(2, data)
    assert encoded.size == len(encoded.frames)


def test_encoding_and_decoding_again_and_again_keeps_no_memory():
    def work() -> None:
        for i in range(500):
            number = 2**64 if i % 7 == 0 else None  # by way of the standard library too
            encoded = _codec.encode_packet(2, ["a", i, {"k": b"x" * 100}, number])
            assert encoded.frames
            assert encoded.payload
            decoder = _codec.Decoder()
            decoder.add_text(encoded.text[1:])
            decoder.add_binary(encoded.attachments[0])
            try:
                decoder.add_binary(b"surplus")
            except ProtocolError:
                continue

    work()
    gc.collect()
    tracemalloc.start()
    try:
        work()
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        work()
        work()
        gc.collect()
        # A leak of the smallest object would be 32 bytes a round.
        assert tracemalloc.get_traced_memory()[0] - before < 1_000 * 20
    finally:
        tracemalloc.stop()


def test_encoding_in_another_thread_meanwhile_mixes_up_no_attachments():
    begun, may_end = threading.Event(), threading.Event()
    encoded = []

    class Slow(bytes):
        def __bytes__(self):
            begun.set()
            assert may_end.wait(DEADLINE_S)
            return b"slow"

    class Interrupted(bytes):
        """Another thread begins to encode while this one's packet is being encoded."""

        def __bytes__(self):
            other.start()
            assert begun.wait(DEADLINE_S)
            return b"interrupted"

    def encode_other():
        encoded.append(_codec.encode_packet(2, ["other", {"x": Slow(b"1"), "y": b"z"}]))

    other = threading.Thread(target=encode_other)
    one = _codec.encode_packet(2, ["one", {"a": Interrupted(b"1"), "b": b"2"}])
    may_end.set()
    other.join(DEADLINE_S)
    assert one.attachments == [b"interrupted", b"2"]
    assert encoded[0].attachments == [b"slow", b"z"]

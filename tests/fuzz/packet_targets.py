"""Targets: Socket.IO packets, as text with JSON and as MessagePack."""

from __future__ import annotations

import functools
import math
from datetime import datetime, timedelta
from typing import Any

import msgpack

import reference
from fastsio._client import masked_packets
from fastsio._codec import NO_DATA, Decoder, encode_packet
from fastsio._frames import ProtocolError
from fastsio._msgpack import ExtType, MsgPack, node_value
from fuzz.frame_targets import is_utf8, read
from fuzz.tools import as_json_keeps_it, count_bytes
from packet_table import same_value

SEPARATOR = b"\x1e"
EVENT, BINARY_EVENT = 2, 5
REFUSED, PENDING = "refused", "pending"
LARGEST = 1 << 20
MILLISECOND = timedelta(milliseconds=1)


def decoded(module: Any, error: type[Exception], text: bytes, buffers: list[bytes]) -> Any:
    """(type, namespace, id, data), or what came instead of a packet."""
    decoder = module.Decoder()
    try:
        packet = decoder.add_text(text)
        for item in buffers:
            packet = decoder.add_binary(item)
    except error:
        return REFUSED
    if packet is None:
        return PENDING
    data = None if packet.data is module.NO_DATA else [packet.data]
    return [packet.type, packet.namespace, packet.id, data]


class _Ours:
    Decoder, NO_DATA = Decoder, NO_DATA


def packets(data: bytes) -> None:
    """A packet's text, and its attachments behind separators: what the reference makes of it, and back again."""
    text, *buffers = data.split(SEPARATOR)
    readable = text.decode("utf-8", "replace").encode()
    if readable != text:
        # Frames and payloads let nothing but UTF-8 through, so it has no meaning; it may do no harm either.
        decoded(_Ours, ProtocolError, text, buffers)
    ours = decoded(_Ours, ProtocolError, readable, buffers)
    try:
        theirs = decoded(reference, reference.ProtocolError, readable, buffers)
    except RecursionError:  # the reference has no limit of its own
        return
    assert ours == theirs or same_value(ours, theirs), (ours, theirs)
    if type(ours) is list:
        again(*ours)


def quick_packets(data: bytes) -> None:
    """The same without the reference and the frames."""
    text, *buffers = data.split(SEPARATOR)
    ours = decoded(_Ours, ProtocolError, text, buffers)
    if type(ours) is list and is_utf8(text):
        kind, namespace, number, value = ours
        value = NO_DATA if value is None else value[0]
        if has_infinite_name(value):
            return
        try:
            encoded = encode_packet(
                kind - BINARY_EVENT + EVENT if kind >= BINARY_EVENT else kind,
                value,
                namespace,
                number,
            )
        except ValueError as error:
            assert "nested" in str(error), error
            return
        # The same value named twice is two attachments then, and more than ten are refused.
        if len(encoded.attachments) <= 10:
            found = decoded(_Ours, ProtocolError, encoded.text[1:], encoded.attachments)
            assert type(found) is list or has_placeholder(value), found
            assert found[1:3] == ours[1:3] or has_placeholder(value), (found, ours)


def again(kind: int, namespace: str, number: int | None, data: Any) -> None:
    """What was read is written, and read again as the same."""
    value = NO_DATA if data is None else data[0]
    if kind >= BINARY_EVENT:
        kind -= BINARY_EVENT - EVENT
    attachments = count_bytes(value)
    # An attachment may be named twice; and an event named 1e400 is written as null, which is no name.
    if attachments > 10 or has_infinite_name(value):
        return
    try:
        encoded = encode_packet(kind, value, namespace, number)
    except ValueError as error:
        assert "nested" in str(error), error
        return
    expected = [kind + 3 if attachments else kind, namespace, number, as_json_keeps_it(data)]
    found = decoded(_Ours, ProtocolError, encoded.text[1:], encoded.attachments)
    if attachments or not has_placeholder(value):
        assert same_value(found, expected), (found, expected)
    messages = [("text", encoded.text), *(("binary", item) for item in encoded.attachments)]
    assert read([encoded.frames], LARGEST, False) == (messages, None)
    assert read([masked_packets([encoded])], LARGEST, True) == (messages, None)


def has_infinite_name(value: Any) -> bool:
    return isinstance(value, list) and value[:1] in ([math.inf], [-math.inf])


def has_placeholder(value: Any) -> bool:
    if isinstance(value, dict):
        return "_placeholder" in value or any(map(has_placeholder, value.values()))
    return isinstance(value, list) and any(map(has_placeholder, value))


# --- MessagePack -------------------------------------------------------------------------------


@functools.cache
def parser() -> MsgPack:
    return MsgPack()


def msgpacks(data: bytes) -> None:
    """Any message: what the msgpack package reads in it where both take it, and back again."""
    decoder = parser().new_decoder()
    try:
        packet = decoder.decode(data)
    except ProtocolError:
        return
    assert packet is not None
    try:
        expected = msgpack.unpackb(
            data, raw=False, strict_map_key=False, ext_hook=node_value, timestamp=3
        )
    except (
        ValueError,
        TypeError,
        OverflowError,
    ):  # keys that it has no form for, dates, its own limits
        expected = None
    if expected is not None:
        assert_read_alike(packet, expected)
    pack_again(packet)


def quick_msgpacks(data: bytes) -> None:
    """The same without the msgpack package."""
    try:
        packet = parser().new_decoder().decode(data)
    except ProtocolError:
        return
    pack_again(packet)


def assert_read_alike(packet: Any, expected: dict[str, Any]) -> None:
    value, theirs = packet.data, expected.get("data")
    if value is NO_DATA:
        assert theirs is None
    else:
        assert alike(value, theirs), (value, theirs)
    assert packet.namespace == expected["nsp"]
    assert packet.id == expected.get("id")


def pack_again(packet: Any) -> None:
    try:
        written = parser().pack(packet.type, packet.namespace, packet.id, packet.data)
    except (ValueError, TypeError, OverflowError) as error:
        # Deep values, and keys or dates that only other writers have.
        assert str(error), repr(error)
        return
    again = parser().new_decoder().decode(written)
    assert (again.type, again.namespace, again.id) == (packet.type, packet.namespace, packet.id)
    if packet.data is not NO_DATA:
        assert alike(again.data, packet.data), (again.data, packet.data)


def alike(left: Any, right: Any) -> bool:
    """Equal, with NaN equal to itself."""
    if isinstance(left, list) and isinstance(right, (list, tuple)):
        return len(left) == len(right) and all(map(alike, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        # Both keep the order; dates may be keys.
        return len(left) == len(right) and all(
            alike(*keys) and alike(left[keys[0]], right[keys[1]])
            for keys in zip(left, right, strict=True)
        )
    if isinstance(left, float) and left != left:
        return isinstance(right, float) and right != right
    if isinstance(left, datetime) and isinstance(right, datetime):
        return abs(left - right) <= MILLISECOND  # which is what JavaScript's dates have
    if isinstance(left, ExtType) or isinstance(right, ExtType):
        return tuple(left) == tuple(right)
    return type(left) is type(right) and left == right

"""Who has which slots of a Redis cluster. What links do about it is in tests/cluster/test_redis_cluster.py."""

from __future__ import annotations

from typing import Any

import pytest
from redis.crc import key_slot

from fastsio.adapters.redis_connection.cluster import Slots

# As CLUSTER SLOTS has it: ranges, each with its master, then its replicas; metadata behind a node's id.
REPLY: list[Any] = [
    [8192, 16383, [b"10.0.0.2", 7001, b"id 2", []]],
    [0, 100, [b"::1", 7000, b"id 1", [b"hostname", b"one"]], [b"10.0.0.9", 7009, b"id 9", []]],
    [101, 8191, [b"", 7002, b"id 3", []]],
]


def test_a_channel_is_the_master_s_that_has_its_slot():
    slots = Slots.read(REPLY, "asked.example:7005")
    assert slots.masters == {"10.0.0.2:7001", "[::1]:7000", "asked.example:7002"}
    assert slots.is_whole
    for number in range(500):
        channel = f"socket.io#/#room {number}#"
        slot = key_slot(channel.encode())
        wanted = (
            "[::1]:7000" if slot <= 100 else "asked.example:7002" if slot <= 8191 else "10.0.0.2:7001"
        )  # fmt: skip
        assert slots.owner(channel) == wanted


def test_what_is_in_braces_decides_as_for_every_client_of_redis():
    slots = Slots([(slot, slot, f"h:{slot}") for slot in range(16384)])
    for channel in ("a{b}c", "{b}", "x{}y", "{", "}{b}", "{{b}}", "socket.io#/#{room}#"):
        assert slots.owner(channel) == f"h:{key_slot(channel.encode())}"
    assert slots.owner("a{b}c") == slots.owner("{b}d")


def test_a_slot_that_nobody_has_is_nobody_s():
    slots = Slots([(5, 10, "a:1"), (20, 16383, "b:1")])
    assert not slots.is_whole
    found = {slots.owner(f"c{number}") for number in range(20000)}
    assert found == {None, "a:1", "b:1"}
    assert Slots([]).owner("x") is None


def test_a_refusal_is_raised():
    with pytest.raises(ValueError, match="cluster support disabled"):
        Slots.read(ValueError("ERR This instance has cluster support disabled"), "h:1")

"""What is kept of a namespace's packets, for how long, and what of it a client has missed."""

from __future__ import annotations

import gc
import random
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastsio._encoded import encode_engine_packet
from fastsio._recovery_log import RecoveryLog

NOBODY = frozenset()
KEEP_S = 100.0


def make_log(max_packets: int = 1000, max_bytes: int = 1 << 30) -> RecoveryLog:
    return RecoveryLog(max_packets, max_bytes, KEEP_S)


def put(log, text, rooms=None, excluded=NOBODY, now=0.0):
    """Keep a packet; its offset."""
    offset = log.new_offset()
    some = None if rooms is None else frozenset(rooms)
    log.append(encode_engine_packet(text.encode()), offset, some, frozenset(excluded), now)
    return offset


def missed(log, offset, rooms=("me",), since=0, now=0.0):
    """The texts of what a client in these rooms has missed; None if that can't be told."""
    positions = rooms if isinstance(rooms, dict) else dict.fromkeys(rooms, since)
    found = log.missed(offset, since, positions, now)
    return None if found is None else [packet.text.decode() for packet in found]


def test_what_is_behind_the_offset_is_missed_in_its_order():
    log = make_log()
    first, second, third = (put(log, text) for text in "abc")
    assert missed(log, first) == ["b", "c"]
    assert missed(log, second) == ["c"]
    assert missed(log, third) == []


def test_of_a_client_without_an_offset_all_since_it_joined_is_missed():
    log = make_log()
    put(log, "before")
    since = log.position
    put(log, "after")
    assert missed(log, None, since=since) == ["after"]
    assert missed(log, "of another server", since=since) == ["after"]


def test_an_offset_from_before_it_joined_brings_nothing_from_before():
    log = make_log()
    old = put(log, "old")
    put(log, "between")
    since = log.position
    put(log, "after")
    assert missed(log, old, since=since) == ["after"]


def test_rooms_and_exceptions_are_those_of_the_broadcast():
    log = make_log()
    offset = put(log, "start")
    put(log, "all")
    put(log, "mine", ["me"])
    put(log, "other", ["you"])
    put(log, "either", ["you", "me", "room"])
    put(log, "not me", None, ["me"])
    put(log, "room without me", ["room"], ["me"])
    put(log, "nobody", [])
    assert missed(log, offset, ["me"]) == ["all", "mine", "either"]
    assert missed(log, offset, ["me", "room"]) == ["all", "mine", "either"]
    assert missed(log, offset, ["you", "room"]) == [
        "all", "other", "either", "not me", "room without me",
    ]  # fmt: skip


def test_a_room_may_have_any_name():
    log = make_log()
    offset = put(log, "start")
    put(log, "none", [None])
    put(log, "tuple", [("a", 1)])
    assert missed(log, offset, [None]) == ["none"]
    assert missed(log, offset, [("a", 1)]) == ["tuple"]


def test_what_was_sent_to_a_room_before_it_was_joined_is_not_missed():
    log = make_log()
    offset = put(log, "start", ["me"])
    put(log, "before", ["room"])
    joined_at = log.position
    put(log, "after", ["room"])
    assert missed(log, offset, {"me": 0, "room": joined_at}) == ["after"]


def test_packets_over_the_limit_go_the_oldest_first_and_their_clients_with_them():
    log = make_log(max_packets=3)
    offsets = [put(log, text) for text in "abcde"]
    assert len(log) == 3
    assert missed(log, offsets[2]) == ["d", "e"]
    assert missed(log, offsets[1]) is None
    assert missed(log, None) is None
    # All that came since this one had joined is still here.
    assert missed(log, None, since=2) == ["c", "d", "e"]


def test_bytes_are_counted_with_what_keeping_a_packet_takes():
    packet = encode_engine_packet(b"x" * 1000)
    one = make_log()
    put(one, "x" * 1000)
    assert packet.size + 400 < one.bytes < packet.size + 1000
    log = make_log(max_bytes=3 * one.bytes)
    offsets = [put(log, "x" * 1000) for _ in range(4)]
    assert len(log) == 3
    assert log.bytes <= 3 * one.bytes
    assert missed(log, offsets[0]) is None
    assert len(missed(log, offsets[1])) == 2


def test_one_packet_over_the_limit_of_bytes_is_not_kept():
    log = make_log(max_bytes=100)
    put(log, "x" * 1000)
    assert (len(log), log.bytes) == (0, 0)
    assert missed(log, None) is None


def test_an_offset_that_only_its_age_has_driven_out_is_good_enough():
    # Its client was connected for long, and heard nothing: it has missed only what came since.
    log = make_log()
    old = put(log, "old", now=0.0)
    put(log, "new", now=KEEP_S + 1)
    assert len(log) == 1
    assert missed(log, old, now=KEEP_S + 1) == ["new"]


def test_after_a_while_packets_that_had_to_go_are_forgotten_too():
    log = make_log(max_packets=1)
    offset = put(log, "a", now=0.0)
    put(log, "b", now=1.0)
    put(log, "c", now=2.0)
    assert missed(log, offset, now=2.0) is None
    assert missed(log, offset, now=1.0 + KEEP_S) is None
    # "b" would be too old by now, had it been kept.
    assert missed(log, offset, now=1.1 + KEEP_S) == ["c"]


def test_nothing_is_left_of_what_has_expired():
    log = make_log()
    put(log, "a", ["one", "two"], now=0.0)
    put(log, "b", now=0.0)
    log.expire(KEEP_S)
    assert len(log) == 2
    log.expire(KEEP_S + 0.1)
    assert (len(log), log.bytes) == (0, 0)
    assert missed(log, None, ["one", "two"], since=2, now=KEEP_S + 0.1) == []


def test_offsets_are_unique_and_differ_between_logs():
    logs = [make_log() for _ in range(50)]
    offsets = [log.new_offset() for log in logs for _ in range(200)]
    assert len(set(offsets)) == len(offsets)
    assert max(map(len, offsets)) <= 8


@given(st.integers(0, 2**31), st.integers(1, 30))
def test_it_finds_what_looking_at_every_packet_finds(seed, limit):
    """Against the plain way: all packets in a list, each asked whether it is for the client."""
    rng = random.Random(seed)
    names = ["me", "a", "b", "c"]
    log = make_log(max_packets=limit)
    plain = []
    for number in range(60):
        rooms = rng.choice([None, rng.sample(names, rng.randint(1, 3))])
        excluded = rng.sample(names, rng.choice([0, 0, 1]))
        offset = put(log, str(number), rooms, excluded)
        plain.append((offset, rooms, excluded))
    mine = {"me", *rng.sample(names, rng.randint(0, 3))}
    at = rng.randrange(len(plain))
    expected = [
        str(number)
        for number, (_, rooms, excluded) in enumerate(plain)
        if number > at and (rooms is None or mine & set(rooms)) and not mine & set(excluded)
    ]
    is_kept = at >= len(plain) - limit
    assert missed(log, plain[at][0], mine) == (expected if is_kept else None)


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="sizes are CPython's")
@pytest.mark.parametrize("rooms", [100, 5000])
def test_the_bytes_that_are_counted_are_those_that_it_takes(rooms):
    import tracemalloc

    log = make_log(max_packets=100_000)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(5000):
            put(log, f'42["event",{number}]', [f"room {number % rooms}"])
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert 0.6 < taken / log.bytes < 1.2, (taken / 5000, log.bytes / 5000)


def test_a_long_log_goes_without_harm():
    # Its packets are a chain: taken apart one inside the other they would need a stack of that depth.
    log = make_log(max_packets=100_000)
    packet = encode_engine_packet(b"x")
    rooms = frozenset(("one", "two"))
    for _ in range(100_000):
        log.append(packet, log.new_offset(), rooms, NOBODY, 0.0)
    del log
    gc.collect()


def test_positions_may_be_somebody_elses_and_what_went_is_below_the_floor():
    log = RecoveryLog(2, float("inf"), 60)
    log.begin(100)
    assert (log.position, log.floor) == (100, 100)
    packets = [encode_engine_packet(b"4%d" % n) for n in range(3)]
    for n, packet in enumerate(packets):
        log.append(packet, f"{n}", None if n != 1 else frozenset("r"), frozenset(), 0, 200 + 10 * n)
    assert (log.position, log.floor, len(log)) == (220, 200, 2)
    assert log.behind(200, {"r": 0}) == packets[1:]
    assert log.behind(200, {"r": 210}) == packets[2:]
    assert log.behind(210, {"r": 0}) == packets[2:]
    assert log.behind(220, {}) == []
    log.expire(100)
    assert (log.position, log.floor, len(log)) == (220, 220, 0)

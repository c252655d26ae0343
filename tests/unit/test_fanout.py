"""fastsio._fanout: queues, back-pressure, one flush per turn, broadcast over a live dictionary."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from fastsio._codec import encode_packet
from fastsio._dispatch import NamespaceBase, SocketBase
from fastsio._encoded import encode_engine_packet
from fastsio._fanout import Flusher, Outlet, SessionBase, fan_out

EVENT = 2


class Turn:
    """A loop's call_soon: what was scheduled runs when the test says so."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def call_soon(self, call: Any) -> None:
        self.calls.append(call)

    def end(self) -> None:
        calls, self.calls = self.calls, []
        for call in calls:
            call()


class Sink(Outlet):
    """An outlet whose transport takes everything; `sent` has a list of texts per write."""

    def __init__(self, flusher: Flusher) -> None:
        self.set_flusher(flusher)
        self.max_buffered_bytes = 1000
        self.is_writable = True
        self.sent: list[list[bytes]] = []
        self.overflows = 0

    def drain(self) -> None:
        if self.is_writable and self.queue:
            self.sent.append([encoded.text for encoded in self.take_queue()])

    def overflow(self) -> None:
        self.overflows += 1


@pytest.fixture
def turn() -> Turn:
    return Turn()


@pytest.fixture
def flusher(turn: Turn) -> Flusher:
    return Flusher(turn.call_soon)


def event(name: str) -> Any:
    return encode_packet(EVENT, [name])


def members(flusher: Flusher, count: int) -> dict[str, Any]:
    """`count` sockets by id, each with a session and an outlet of its own."""
    found = {}
    namespace = NamespaceBase("/", None, set())
    for i in range(count):
        session = SessionBase()
        session.outlet = Sink(flusher)
        found[f"s{i}"] = SocketBase(f"s{i}", session, namespace)
    return found


def test_what_is_queued_in_one_turn_is_one_flush_in_order(turn, flusher):
    outlet = Sink(flusher)
    assert outlet.send(event("a")) and outlet.send(event("b"))
    assert outlet.sent == []
    assert len(turn.calls) == 1
    turn.end()
    assert outlet.sent == [[b'42["a"]', b'42["b"]']]
    assert turn.calls == []
    outlet.send(event("c"))
    turn.end()
    assert outlet.sent[1:] == [[b'42["c"]']]


def test_buffered_bytes_are_those_of_what_is_queued(turn, flusher):
    outlet = Sink(flusher)
    first, second = event("a"), event("longer")
    outlet.send(first)
    outlet.send(second)
    assert outlet.buffered_bytes == first.size + second.size
    turn.end()
    assert outlet.buffered_bytes == 0


def test_an_outlet_that_can_not_write_queues_and_is_not_flushed(turn, flusher):
    outlet = Sink(flusher)
    outlet.is_writable = False
    assert outlet.send(event("a"))
    assert turn.calls == []
    assert len(outlet.queue) == 1


def test_a_volatile_packet_is_dropped_and_counted_where_it_can_not_go_now(flusher):
    outlet = Sink(flusher)
    outlet.is_writable = False
    assert not outlet.send(event("a"), True)
    assert (outlet.dropped, outlet.queue, outlet.is_overflowing) == (1, [], False)
    outlet.is_writable = True
    assert outlet.send(event("a"), True)


@pytest.mark.fault(
    "a client's buffer is full (max_buffered_bytes)",
    "volatile packets are dropped and counted, any other ends its session once",
)
def test_a_full_buffer_drops_volatile_packets_and_ends_the_session_for_others_once(turn, flusher):
    outlet = Sink(flusher)
    outlet.is_writable = False
    while outlet.buffered_bytes <= outlet.max_buffered_bytes:
        assert outlet.send(event("x"))
    assert not outlet.send(event("x"), True)
    assert not outlet.is_overflowing
    assert not outlet.send(event("x"))
    assert not outlet.send(event("x"))
    assert outlet.overflows == 0, "user code must not run inside put()"
    turn.end()
    assert outlet.overflows == 1
    assert outlet.dropped == 3


def test_one_packet_over_the_limit_passes_an_empty_buffer(turn, flusher):
    outlet = Sink(flusher)
    assert outlet.send(event("x" * 5000))
    turn.end()
    assert len(outlet.sent) == 1


def test_a_closed_outlet_takes_nothing(turn, flusher):
    outlet = Sink(flusher)
    outlet.is_closed = True
    assert not outlet.send(event("a"))
    turn.end()
    assert (outlet.sent, outlet.overflows) == ([], 0)


@pytest.mark.fault("writing to one client fails", "logged, all others get theirs in the same turn")
def test_a_flush_that_fails_is_logged_and_stops_no_other(turn, flusher, caplog):
    class Broken(Sink):
        def drain(self) -> None:
            raise RuntimeError("no")

    broken, fine = Broken(flusher), Sink(flusher)
    broken.send(event("a"))
    fine.send(event("a"))
    with caplog.at_level(logging.ERROR, "fastsio.conn"):
        turn.end()
    assert fine.sent == [[b'42["a"]']]
    assert "flush of" in caplog.text
    assert flusher.failures == 1


def test_a_queue_taken_over_goes_before_what_was_queued_later(turn, flusher):
    old, new = Sink(flusher), Sink(flusher)
    old.is_writable = False
    old.send(event("1"))
    old.send(event("2"))
    new.send(event("3"))
    new.adopt_queue(old.take_queue())
    assert old.buffered_bytes == 0
    turn.end()
    assert new.sent == [[b'42["1"]', b'42["2"]', b'42["3"]']]


@pytest.mark.feature("1.7 one encode per broadcast")
def test_fan_out_shares_one_encoded_packet_with_every_member(turn, flusher):
    room = members(flusher, 5)
    packet = event("news")
    assert fan_out(room, packet) == 5
    assert all(member.session.outlet.queue == [packet] for member in room.values())
    assert len(turn.calls) == 1
    turn.end()
    assert all(member.session.outlet.sent == [[b'42["news"]']] for member in room.values())


def test_fan_out_leaves_out_whom_skip_names(turn, flusher):
    room = members(flusher, 4)
    assert fan_out(room, event("news"), {"s1", "s3", "unknown"}) == 2
    turn.end()
    assert [bool(member.session.outlet.sent) for member in room.values()] == [
        True,
        False,
        True,
        False,
    ]


def test_fan_out_counts_only_those_who_took_it(flusher):
    room = members(flusher, 3)
    room["s0"].session.outlet.is_closed = True
    room["s1"].session.outlet.is_writable = False
    assert fan_out(room, event("news"), None, True) == 1
    room["s2"].session.outlet = None
    assert fan_out(room, event("news")) == 1


def test_fan_out_to_nobody_is_nothing(flusher):
    assert fan_out({}, event("news")) == 0


@pytest.mark.fault(
    "a queue of very many very small packets",
    "it is full at one packet for each 64 bytes of max_buffered_bytes",
)
def test_a_packet_counts_with_64_bytes_at_the_least_once_there_are_many(turn, flusher):
    outlet = Sink(flusher)
    outlet.is_writable = False
    outlet.max_buffered_bytes = 64 * 40_000
    small = encode_engine_packet(b"4")
    taken = 0
    while outlet.send(small):
        taken += 1
    assert taken == 40_001
    assert outlet.buffered_bytes < outlet.max_buffered_bytes // 10
    turn.end()
    assert outlet.overflows == 1


def test_a_few_small_packets_are_taken_however_small_the_buffer_is(flusher):
    outlet = Sink(flusher)
    outlet.is_writable = False
    outlet.max_buffered_bytes = 1 << 18
    small = encode_engine_packet(b"4")
    assert all(outlet.send(small) for _ in range(32_769))
    assert not outlet.send(small)

"""fastsio._flow: what a full buffer drops, what a key replaces, marks, and who waits for a buffer."""

from __future__ import annotations

from typing import Any

import pytest

from fastsio._codec import encode_packet
from fastsio._encoded import encode_engine_packet, wrap
from fastsio._fanout import Flusher, Outlet
from fastsio._flow import Flow, head_of, unsent_bytes

EVENT, ACK = 2, 3
EIO3 = 2
LIMIT = 1000


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


class Transport:
    held = 0

    def get_write_buffer_size(self) -> int:
        return self.held


class Sink(Outlet):
    """An outlet whose transport takes nothing until the test says so."""

    def __init__(self, turn: Turn) -> None:
        self.flusher = Flusher(turn.call_soon)
        self.set_flusher(self.flusher)
        self.max_buffered_bytes = LIMIT
        self.transport = Transport()
        self.sent: list[str] = []
        self.overflows = 0

    @property
    def texts(self) -> list[str]:
        return [encoded.text.decode() for encoded in self.queue]

    def flow_on(self) -> None:
        """The client reads everything."""
        self.is_writable = True
        self.drain()
        self.is_writable = False

    def drain(self) -> None:
        if self.is_writable:
            self.sent += [encoded.text.decode() for encoded in self.take_queue()]
            if self.flow is not None:
                self.flow.flushed(self)

    def overflow(self) -> None:
        self.overflows += 1


class Noted(Flow):
    """Notes what it tells."""

    def __init__(self, policy: str = "close", high: int = 0, low: int = 100) -> None:
        super().__init__(policy, high, low)
        self.told: list[str] = []

    def tell_high(self) -> None:
        self.told.append("high")

    def tell_low(self) -> None:
        self.told.append("low")

    def tell_dropped(self) -> None:
        super().tell_dropped()
        self.told.append("dropped")


@pytest.fixture
def turn() -> Turn:
    return Turn()


def watched(turn: Turn, **flow: Any) -> tuple[Sink, Noted]:
    sink = Sink(turn)
    sink.flow = flow_ = Noted(**flow)
    return sink, flow_


def event(name: str, value: Any = "x" * 60, **packet: Any) -> Any:
    return encode_packet(EVENT, [name, value], **packet)


def fill(sink: Sink, name: str = "e") -> int:
    """Queue events until the buffer is full; returns how many."""
    count = 0
    while sink.buffered_bytes <= LIMIT:
        assert sink.send(event(name, f"{count:060}"))
        count += 1
    return count


def values(sink: Sink) -> list[int]:
    """The numbers of the events that are queued."""
    return [int(text[-62:-2]) for text in sink.texts]


# ------------------------------------------------------------------------------------- a full buffer


def test_close_is_what_happens_without_a_flow(turn):
    sink, _ = watched(turn, policy="close")
    fill(sink)
    assert not sink.send(event("more"))
    turn.end()
    assert sink.overflows == 1


@pytest.mark.feature("1.2 send buffer limit")
def test_drop_oldest_makes_room_for_the_newest(turn):
    sink, flow = watched(turn, policy="drop_oldest")
    count = fill(sink)
    for i in range(count, 40):
        assert sink.send(event("e", f"{i:060}"))
    turn.end()
    kept = values(sink)
    assert kept == list(range(40 - len(kept), 40))
    assert len(kept) > count // 2
    assert sink.dropped == sink.flusher.dropped == 40 - len(kept)
    assert sink.buffered_bytes == sum(packet.size for packet in sink.queue) <= LIMIT + 100
    assert (sink.overflows, flow.told) == (0, ["dropped"])


def test_drop_newest_keeps_what_was_there(turn):
    sink, _ = watched(turn, policy="drop_newest")
    count = fill(sink)
    assert not sink.send(event("e", f"{count:060}"))
    turn.end()
    assert values(sink) == list(range(count))
    assert (sink.dropped, sink.overflows) == (1, 0)


@pytest.mark.parametrize("policy", ["drop_oldest", "drop_newest", "keep_latest"])
@pytest.mark.fault(
    "a full buffer and a policy that drops",
    "acks and control packets are kept, events make room",
)
def test_an_ack_is_never_dropped_and_events_make_room_for_it(turn, policy):
    sink, _ = watched(turn, policy=policy)
    assert sink.send(encode_packet(ACK, ["first"], id=1))
    fill(sink)
    assert sink.send(encode_packet(ACK, ["last"], id=2))
    for i in range(100):
        sink.send(event("e", f"{i:060}"))
    turn.end()
    acks = [text for text in sink.texts if text.startswith("43")]
    assert acks == ['431["first"]', '432["last"]']
    assert sink.overflows == 0


@pytest.mark.parametrize(
    "packet",
    [
        encode_packet(ACK, ["x" * 300], id=1),
        encode_packet(EVENT, ["asked", "x" * 300], id=1),
        encode_packet(0, {"sid": "x" * 300}),
        encode_packet(1),
        encode_engine_packet(b"2"),
        wrap(b"\x8a\x00"),
    ],
    ids=["ack", "event that asks for an answer", "connect", "disconnect", "ping", "pong frame"],
)
@pytest.mark.parametrize("policy", ["drop_oldest", "drop_newest", "keep_latest"])
def test_what_must_not_be_dropped_ends_the_session_when_nothing_else_is_there(turn, policy, packet):
    sink, _ = watched(turn, policy=policy)
    queued = 0
    while sink.send(packet):
        queued += 1
        assert queued < 2000
    assert sink.queue == [packet] * queued
    turn.end()
    assert sink.overflows == 1


def test_a_binary_packet_is_dropped_with_its_attachments(turn):
    sink, _ = watched(turn, policy="drop_oldest")
    blob = encode_packet(EVENT, ["file", b"x" * 200, b"y" * 200])
    assert sink.send(blob) and len(blob.attachments) == 2
    fill(sink)
    while blob in sink.queue:
        assert sink.send(event("e"))
    assert all(packet.attachments == [] for packet in sink.queue)
    assert sink.buffered_bytes == sum(packet.size for packet in sink.queue)


def test_keep_latest_keeps_the_newest_of_each_event(turn):
    sink, _ = watched(turn, policy="keep_latest")
    names = ["a", "b", "c"]
    i = 0
    while sink.dropped == 0:
        assert sink.send(event(names[i % 3], f"{i:060}"))
        i += 1
    assert values(sink) == [i - 4, i - 3, i - 2, i - 1]
    assert sink.texts[-1].startswith(f'42["{names[(i - 1) % 3]}"')


def test_keep_latest_drops_the_oldest_where_all_are_different(turn):
    sink, _ = watched(turn, policy="keep_latest")
    for i in range(40):
        assert sink.send(event(f"event-{i}", f"{i:060}"))
    kept = values(sink)
    assert kept == list(range(40 - len(kept), 40))


def test_keep_latest_tells_namespaces_apart(turn):
    sink, _ = watched(turn, policy="keep_latest")
    for i in range(40):
        assert sink.send(event("same", f"{i:060}", namespace="/a" if i % 2 else "/b"))
    assert {text[:4] for text in sink.texts} == {"42/a", "42/b"}


def test_volatile_packets_are_dropped_as_ever(turn):
    sink, _ = watched(turn, policy="drop_oldest")
    assert not sink.send(event("now"), True)
    assert (sink.dropped, sink.queue) == (1, [])


def test_a_closed_outlet_takes_nothing(turn):
    sink, _ = watched(turn, policy="drop_oldest")
    sink.is_closed = True
    assert not sink.send(event("late"))
    turn.end()
    assert sink.overflows == 0


def test_an_unknown_policy_is_named():
    with pytest.raises(ValueError, match="buffer_policy='drop'"):
        Flow("drop", 0, 0)
    flow = Flow("drop_newest", 0, 0)
    with pytest.raises(ValueError, match="drop_oldest, drop_newest"):
        flow.policy = "drop_something"
    assert flow.policy == "drop_newest"


# ------------------------------------------------------------------------------------- keys


def keyed(key: Any, value: Any) -> Any:
    packet = event("price", value)
    packet.key = key
    return packet


def test_a_packet_takes_the_place_of_the_queued_one_with_its_key(turn):
    sink, flow = watched(turn)
    for value in range(5):
        assert sink.send(keyed("BTC", value))
        assert sink.send(event("other", value))
    assert sink.texts == ['42["price",4]', *(f'42["other",{i}]' for i in range(5))]
    assert sink.buffered_bytes == sum(packet.size for packet in sink.queue)
    turn.end()
    assert (sink.dropped, flow.told) == (4, [])


def test_keys_are_found_again_when_the_queue_has_moved_on(turn):
    sink, _ = watched(turn)
    for value in range(3):
        sink.send(event("other", value))
    sink.send(keyed("a", 1))
    sink.send(keyed("b", 1))
    sink.send(event("other", 3))
    del sink.queue[:2]  # what a partial write does
    sink.send(keyed("b", 2))
    sink.send(keyed("a", 2))
    assert sink.texts == ['42["other",2]', '42["price",2]', '42["price",2]', '42["other",3]']


def test_a_key_that_was_sent_already_is_queued_anew(turn):
    sink, _ = watched(turn)
    sink.send(keyed("a", 1))
    sink.flow_on()
    sink.send(keyed("a", 2))
    sink.send(event("other"))
    sink.flow_on()
    assert sink.sent[:2] == ['42["price",1]', '42["price",2]']
    assert sink.dropped == 0


def test_a_key_without_a_flow_or_a_session_is_queued(turn):
    sink = Sink(turn)
    assert sink.send(keyed("a", 1)) and sink.send(keyed("a", 2))
    assert len(sink.queue) == 2


# ------------------------------------------------------------------------------------- marks


def test_the_marks_are_told_once_each_way(turn):
    sink, flow = watched(turn, high=300, low=100)
    for _ in range(10):
        sink.send(event("e"))
    assert flow.told == [], "user code must not run inside put()"
    turn.end()
    assert flow.told == ["high"]
    sink.flow_on()
    turn.end()
    assert flow.told == ["high", "low"]
    for _ in range(10):
        sink.send(event("e"))
    turn.end()
    assert flow.told == ["high", "low", "high"]


def test_what_the_transport_holds_counts(turn):
    sink, flow = watched(turn, high=300, low=100)
    sink.transport.held = 290
    sink.send(event("e"))
    assert unsent_bytes(sink) == 290 + sink.buffered_bytes
    turn.end()
    assert flow.told == ["high"]
    sink.take_queue()
    flow.flushed(sink)
    turn.end()
    assert flow.told == ["high"], "the transport still holds 290 bytes"
    sink.transport.held = 0
    flow.flushed(sink)
    turn.end()
    assert flow.told == ["high", "low"]


async def test_who_waits_is_told_when_it_is_low_or_over(turn):
    import asyncio

    sink, flow = watched(turn, low=100)
    futures = [asyncio.get_running_loop().create_future() for _ in range(3)]
    flow.wait(sink, futures[0])
    assert futures[0].result() is True, "it is low already"
    for _ in range(10):
        sink.send(event("e"))
    flow.wait(sink, futures[1])
    assert not futures[1].done()
    sink.flow_on()
    assert futures[1].result() is True
    for _ in range(10):
        sink.send(event("e"))
    flow.wait(sink, futures[2])
    flow.end()
    assert futures[2].result() is False


# ------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("text", "head"),
    [
        (b'42["news",1]', b'["news"'),
        (b'42/a,["news",1]', b'/a,["news"'),
        (b'42/a["b,["news"]', b'/a["b,["news"'),
        (b'451-["news",{"_placeholder":true,"num":0}]', b'["news"'),
        (b'452-/a,["news",{}]', b'/a,["news"'),
        (b'42["say \\"hi\\"",1]', b'["say \\"hi\\""'),
        (b'431["news"]', None),
        (b"2", None),
        (b"42[1]", None),
        (b'42["never ends', None),
    ],
)
def test_an_event_is_known_by_its_namespace_and_name(text, head):
    assert head_of(text) == head


def test_a_packet_in_another_dialect_is_dropped_and_replaced_as_the_packet_itself():
    packet = encode_packet(EVENT, ["blob", b"x"])
    packet.key = "key"
    spoken = packet.in_dialect(EIO3)
    assert spoken is not packet
    assert (spoken.is_event, spoken.key) == (True, "key")
    assert not encode_packet(ACK, [b"x"], id=1).in_dialect(EIO3).is_event


@pytest.mark.parametrize("policy", ["drop_oldest", "drop_newest"])
def test_events_are_dropped_where_there_are_too_many_though_they_are_small(turn, policy):
    sink, _ = watched(turn, policy=policy)
    sink.max_buffered_bytes = 64 * 40_000
    small = encode_packet(EVENT, ["a"])
    last = encode_packet(EVENT, ["b"])
    for _ in range(100_000):
        sink.send(small)
    sink.send(last)
    assert len(sink.queue) <= 40_001
    assert sink.overflows == 0
    assert (sink.queue[-1] is last) == (policy == "drop_oldest" or sink.dropped == 0)
    assert sink.dropped == 100_001 - len(sink.queue)
    # An ack is taken all the same.
    assert sink.send(encode_packet(ACK, ["x"], id=1))
    assert sink.queue[-1].text.startswith(b"43")

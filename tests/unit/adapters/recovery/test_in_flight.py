"""What waits for a stream: messages by their numbers, what is between them, and a stream that is late."""

from __future__ import annotations

import asyncio
import logging

import pytest

from fastsio.adapters.protocol.messages import Kind, Message
from fastsio.adapters.recovery import in_flight
from fastsio.adapters.recovery.in_flight import InFlight
from harness import until


class Deliveries:
    """`got`: (what, entry), with "known" behind those that the clients have already."""

    def __init__(self) -> None:
        self.got: list[tuple[object, ...]] = []
        self.flight = InFlight(self.deliver)
        self.number = 0

    def deliver(self, message: Message, entry: str | None, is_known: bool) -> None:
        if message.packet == "fails":
            raise ZeroDivisionError
        self.got.append((message.packet, entry, *(("known",) if is_known else ())))

    def send(self, what: object) -> int:
        self.number += 1
        self.flight.sent(self.number, message(what))
        return self.number

    def call(self, what: object) -> None:
        self.flight.after(lambda: self.got.append((what,)))


def message(what: object) -> Message:
    return Message(Kind.BROADCAST, "me", "/", {"opts": {}}, what)


async def test_messages_are_delivered_when_they_come_with_their_place():
    there = Deliveries()
    there.send("a")
    there.send("b")
    assert there.got == [] and len(there.flight) == 2
    there.flight.came(1, message("a from the stream"), "7-0")
    there.flight.came(2, message("b"), "7-1")
    assert there.got == [("a from the stream", "7-0"), ("b", "7-1")]
    assert not there.flight
    there.flight.stop()


async def test_calls_keep_their_place_among_messages():
    there = Deliveries()
    there.call("at once")
    there.send("a")
    there.call("behind a")
    there.send("b")
    there.call("behind b")
    there.call("and this")
    assert there.got == [("at once",)]
    there.flight.came(1, message("a"), "7-0")
    assert there.got[1:] == [("a", "7-0"), ("behind a",)]
    there.flight.came(2, message("b"), "7-1")
    assert there.got[3:] == [("b", "7-1"), ("behind b",), ("and this",)]
    there.flight.stop()


async def test_a_message_that_does_not_come_is_delivered_before_the_next_one():
    there = Deliveries()
    there.send("lost")
    there.call("behind it")
    there.send("b")
    there.flight.came(2, message("b"), "7-1")
    assert there.got == [("lost", None), ("behind it",), ("b", "7-1")]
    there.flight.stop()


async def test_one_that_nobody_waits_for_is_delivered():
    there = Deliveries()
    there.flight.came(5, message("sent before"), "7-1")
    assert there.got == [("sent before", "7-1")]


@pytest.mark.fault(
    "a Redis stream does not bring back what a server has written (recovery)",
    "its own clients get it after five seconds, and what follows at once, until the stream is back",
)
async def test_when_the_stream_is_late_nobody_waits(monkeypatch, caplog):
    monkeypatch.setattr(in_flight, "LATE_S", 0.05)
    there = Deliveries()
    there.send("a")
    there.call("between")
    there.send("b")
    await until(lambda: there.flight.is_ahead, "it is late")
    assert there.got == [("a", None), ("between",), ("b", None)]
    there.send("c")
    assert there.got[-1] == ("c", None)
    assert "the stream is late" in caplog.text
    # What comes by then is known, and waiting begins again with what is sent later.
    for number, what in enumerate("abc", 1):
        there.flight.came(number, message(what), f"7-{number}")
    assert there.got[4:] == [("a", "7-1", "known"), ("b", "7-2", "known"), ("c", "7-3", "known")]
    assert not there.flight.is_ahead
    there.send("d")
    assert there.got[-1][0] == "c"
    there.flight.came(4, message("d"), "7-4")
    assert there.got[-1] == ("d", "7-4")
    there.flight.stop()


async def test_a_stream_that_is_slow_and_comes_is_not_late(monkeypatch):
    monkeypatch.setattr(in_flight, "LATE_S", 0.2)
    there = Deliveries()
    for n in range(1, 8):
        there.send(n)
        await asyncio.sleep(0.05)
        there.flight.came(n, message(n), f"7-{n}")
    assert not there.flight.is_ahead
    there.flight.stop()


async def test_too_much_is_as_if_it_were_late(monkeypatch):
    monkeypatch.setattr(in_flight, "MAX_IN_FLIGHT", 10)
    there = Deliveries()
    for n in range(20):
        there.send(n)
    assert [what for what, _ in there.got] == list(range(20))
    assert len(there.flight) == 0
    there.flight.stop()


@pytest.mark.parametrize("is_late", [False, True])
async def test_what_fails_stops_nothing_behind_it(is_late: bool, caplog):
    caplog.set_level(logging.ERROR)
    there = Deliveries()

    def fails() -> None:
        raise ZeroDivisionError

    there.send("fails")
    there.flight.after(fails)
    there.send("b")
    if is_late:
        there.flight.go_ahead("for the test")
    else:
        there.flight.came(1, message("fails"), "7-1")
        there.flight.came(2, message("b"), "7-2")
    assert there.got == [("b", None if is_late else "7-2")]
    assert len(caplog.records) == 2
    there.flight.stop()


async def test_what_is_sent_while_it_goes_ahead_comes_behind_what_waits():
    there = Deliveries()
    there.send("a")
    there.flight.after(lambda: there.send("from a handler"))
    there.send("b")
    there.flight.go_ahead("for the test")
    assert [what for what, _ in there.got] == ["a", "b", "from a handler"]
    there.flight.stop()

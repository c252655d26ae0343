"""hub.observe(): what an observer is told, when, in either API style; and that it is told nothing afterwards."""

from __future__ import annotations

from typing import Any

import pytest

import fastsio
from harness import until


class Notes:
    """An observer that notes every call as (name, what of it is plain)."""

    def __init__(self, watches_events: bool = True) -> None:
        self.watches_events = watches_events
        self.calls: list[tuple[Any, ...]] = []

    def session_opened(self, session: Any) -> None:
        self.calls.append(("session_opened", session.transport))

    def session_upgraded(self, session: Any) -> None:
        self.calls.append(("session_upgraded", session.transport))

    def session_closed(self, session: Any, reason: str) -> None:
        self.calls.append(("session_closed", reason))

    def socket_joined(self, socket: Any) -> None:
        self.calls.append(("socket_joined", socket.namespace.name, socket.connected))

    def socket_left(self, socket: Any, reason: str) -> None:
        self.calls.append(("socket_left", socket.namespace.name, socket.connected, reason))

    def room_joined(self, socket: Any, room: Any) -> None:
        self.calls.append(("room_joined", room))

    def room_left(self, socket: Any, room: Any) -> None:
        self.calls.append(("room_left", room))

    def event_received(self, socket: Any, args: list[Any]) -> None:
        self.calls.append(("event_received", args))

    def event_sent(self, sockets: list[Any], args: list[Any]) -> None:
        self.calls.append(("event_sent", len(sockets), args))

    def take(self) -> list[tuple[Any, ...]]:
        calls, self.calls = self.calls, []
        return calls


@pytest.fixture
def notes(io: fastsio.IO) -> Notes:
    one = Notes()
    io.hub.observe(one)
    return one


async def test_a_clients_life_is_told_in_order(io, join, notes):
    @io.on("connection")
    def connected(socket: Any) -> None:
        socket.join("a")
        socket.on("e", lambda *args: "seen")

    peer, _ = await join(io, transport="polling")
    assert notes.take() == [
        ("session_opened", "polling"), ("socket_joined", "/", True), ("room_joined", "a"),
    ]  # fmt: skip
    await peer.upgrade()
    await until(lambda: notes.calls, "the upgrade")
    assert notes.take() == [("session_upgraded", "websocket")]
    await peer.send('427["e",1]')
    assert await peer.receive() == '437["seen"]'
    assert notes.take() == [("event_received", ["e", 1])]
    await peer.ws.connection.close()
    await until(lambda: len(notes.calls) == 3, "its end")
    assert notes.take() == [
        ("room_left", "a"), ("socket_left", "/", False, "transport close"), ("session_closed", "transport close"),
    ]  # fmt: skip


async def test_what_is_sent_is_told_with_how_many_got_it(io, join, notes):
    (_, one), (_, two) = await join(io), await join(io)
    one.join("r")
    notes.take()
    io.emit("all", 1)
    io.to("r").emit("room")
    io.except_("r").emit("others")
    io.to("nobody").emit("none")
    one.emit("own", 2)
    two.emit("asked", ack=lambda: None)
    one.volatile.emit("now")
    assert notes.take() == [
        ("event_sent", 2, ["all", 1]), ("event_sent", 1, ["room"]), ("event_sent", 1, ["others"]),
        ("event_sent", 0, ["none"]), ("event_sent", 1, ["own", 2]), ("event_sent", 1, ["asked"]),
        ("event_sent", 1, ["now"]),
    ]  # fmt: skip
    with pytest.raises(TypeError):
        one.emit("cannot be sent", object())
    assert notes.take() == []


async def test_without_events_only_clients_are_told(io, join):
    notes = Notes(watches_events=False)
    io.hub.observe(notes)
    peer, socket = await join(io)
    socket.join("a")
    io.emit("all")
    await peer.send('42["e"]', "41")
    await until(lambda: len(notes.calls) == 3, "it has left")
    assert [name for name, *_ in notes.take()] == ["session_opened", "socket_joined", "socket_left"]


async def test_who_is_here_and_namespaces_that_come_are_observed_too(io, join):
    peer, socket = await join(io)
    notes = Notes()
    io.hub.observe(notes)
    await peer.send('42["e"]')
    await until(lambda: notes.calls, "an event")
    assert notes.take() == [("event_received", ["e"])]
    io.of("/new")
    await peer.connect("/new")
    io.of("/new").emit("hello")
    assert notes.take() == [("socket_joined", "/new", True), ("event_sent", 1, ["hello"])]
    assert socket.connected


async def test_there_is_one_observer_and_its_end_is_for_all(io, join, notes):
    peer, socket = await join(io)
    with pytest.raises(RuntimeError, match="there is an observer already"):
        io.hub.observe(Notes())
    notes.take()
    io.hub.observe(None)
    socket.join("a")
    io.emit("all")
    await peer.send('42["e"]', "41")
    await until(lambda: not socket.connected, "it has left")
    await join(io, "/")
    assert notes.take() == []
    assert io.hub.engine.on_upgrade is None
    assert not io.hub.engine.flusher.is_counting


async def test_an_engine_that_begins_later_is_observed(io, join):
    notes = Notes()
    io.hub.observe(notes)
    assert io.hub.engine is None
    await join.server(io)
    assert io.hub.engine.on_upgrade == notes.session_upgraded
    assert io.hub.engine.flusher.is_counting

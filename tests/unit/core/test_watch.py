"""Who watches one namespace: beside the server's observer, and in any order with it."""

from __future__ import annotations

import pytest

import fastsio


class Observer:
    """Notes what it is told."""

    watches_events = True

    def __init__(self) -> None:
        self.log = []

    def __getattr__(self, name):
        return lambda *args: self.log.append((name, *args))


async def test_observer_hears_the_same_with_a_watch_before_and_after_it(io, join):
    heard = []
    for is_watched_first in (True, False):
        observer = Observer()
        peer, socket = await join(io)
        if is_watched_first:
            socket.on_any_outgoing(lambda event: heard.append(event))
            io.hub.observe(observer)
        else:
            io.hub.observe(observer)
            socket.on_any_outgoing(lambda event: heard.append(event))
        socket.on("x", lambda: None)
        await peer.send('420["x"]')
        await peer.receive()
        socket.join("r")
        socket.emit("y")
        socket.leave("r")
        assert observer.log == [
            ("event_received", socket, ["x"]),
            ("room_joined", socket, "r"),
            ("event_sent", [socket], ["y"]),
            ("room_left", socket, "r"),
        ]
        io.hub.observe(None)
        socket.emit("z")
        assert heard == ["y", "z"]
        assert len(observer.log) == 4
        heard.clear()
        socket.off_any_outgoing()
        assert socket.nsp.observer is None


async def test_watch_leaves_the_observers_place_to_it(io, join):
    observer = Observer()
    io.hub.observe(observer)
    _, socket = await join(io)
    socket.on_any_outgoing(lambda event: None)
    assert socket.nsp.observer is not observer
    socket.off_any_outgoing()
    assert socket.nsp.observer is observer


async def test_watch_is_one_namespaces_own(io, join):
    other = io.of("/other")
    _, socket = await join(io)
    socket.on_any_outgoing(lambda event: None)
    assert other.observer is None and other.watch is None


# --- rooms ----------------------------------------------------------------------------------------


def room_log(namespace, only=("create-room", "join-room", "leave-room", "delete-room")):
    log = []
    for event in only:
        namespace.adapter.on(event, lambda *args, event=event: log.append((event, *args)))
    return log


async def test_rooms_are_told_of_from_the_first_client_to_the_last(io, join):
    _, one = await join(io)
    _, two = await join(io)
    log = room_log(io.sockets)
    one.join("r")
    one.join("r")  # it is in
    two.join(["r"])
    one.leave("r")
    one.leave("r")  # it is not
    io.sockets_leave("r")
    assert log == [
        ("create-room", "r"), ("join-room", "r", one.id), ("join-room", "r", two.id),
        ("leave-room", "r", one.id), ("leave-room", "r", two.id), ("delete-room", "r"),
    ]  # fmt: skip


async def test_own_room_is_made_when_a_client_comes_and_goes_with_it(io, join):
    log = room_log(io.sockets)
    _, socket = await join(io)
    sid = socket.id
    assert log == [("create-room", sid), ("join-room", sid, sid)]
    socket.join("r")
    log.clear()
    socket.disconnect()
    assert log == [
        ("leave-room", "r", sid), ("delete-room", "r"), ("leave-room", sid, sid), ("delete-room", sid),
    ]  # fmt: skip


async def test_room_of_anothers_id_is_neither_made_nor_ended_by_a_guest(io, join):
    _, one = await join(io)
    _, two = await join(io)
    log = room_log(io.sockets)
    two.join(one.id)
    two.leave(one.id)
    assert log == [("join-room", one.id, two.id), ("leave-room", one.id, two.id)]
    two.join(one.id)
    log.clear()
    one.disconnect()
    assert log == [("leave-room", one.id, one.id)]
    two.leave(one.id)
    assert log[1:] == [("leave-room", one.id, two.id), ("delete-room", one.id)]


async def test_member_is_in_the_room_when_it_is_told(io, join):
    _, socket = await join(io)
    seen = []
    io.sockets.adapter.on(
        "join-room", lambda room, sid: seen.append(sorted(socket.nsp.rooms[room]))
    )
    socket.join("r")
    assert seen == [[socket.id]]


async def test_room_listeners_can_be_removed_and_cost_nothing_then(io, join):
    adapter = io.sockets.adapter
    log = []

    @adapter.on("join-room")
    def one(room, sid):
        log.append("one")

    adapter.on("join-room", lambda room, sid: log.append("two"))
    adapter.on("leave-room", one)
    _, socket = await join(io)
    assert log == ["one", "two"]
    adapter.off("join-room", one)
    socket.join("r")
    assert log == ["one", "two", "two"]
    adapter.off("join-room")
    adapter.off("leave-room")
    assert io.sockets.observer is None


async def test_room_listener_may_be_a_coroutine_and_its_error_is_logged(io, join, watch):
    _, socket = await join(io)

    @io.sockets.adapter.on("join-room")
    async def fail(room, sid):
        raise RuntimeError("on purpose")

    socket.join("r")
    assert socket.rooms == {socket.id, "r"}
    watch.expect_error("on purpose")


async def test_other_events_of_the_adapter_are_refused_by_name(io):
    with pytest.raises(ValueError, match="adapter event 'room': one of create-room"):
        io.sockets.adapter.on("room", print)
    with pytest.raises(TypeError, match="7 is not callable"):
        io.sockets.adapter.on("join-room", 7)


async def test_rooms_of_a_refused_client_are_ended(io, join):
    log = room_log(io.sockets)

    @io.use
    async def refuse(socket):
        socket.join("r")
        raise fastsio.exceptions.ConnectionRefusedError("no")

    peer = await join.open(io)
    await peer.send("40")
    assert (await peer.receive()).startswith("44")
    assert [event for event, *_ in log] == ["create-room", "join-room", "leave-room", "delete-room"]

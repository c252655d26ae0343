"""Who watches one namespace: beside the server's observer, and in any order with it."""

from __future__ import annotations


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

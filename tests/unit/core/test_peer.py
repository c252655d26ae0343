"""Leaving a namespace: order and reasons; and packets that break the rules.

Joining is in test_peer_joining.py. Source: socketio.md 5 and 6.
"""

from __future__ import annotations

import asyncio

import pytest

import fastsio
from harness import CLOSE, until
from memory_conn import MemoryPeer

CLOCK = pytest.mark.asyncio(loop_factories=["clock"])


async def turns(count: int = 10) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def closed(peer: MemoryPeer) -> None:
    assert await peer.ws.receive() == (CLOSE, b"")


# --- leaving --------------------------------------------------------------------------------------


REASONS = {
    "client packet": "client namespace disconnect",
    "server": "server namespace disconnect",
    "server closes": "server namespace disconnect",
    "cut": "transport close",
    "close frame": "transport close",
    "engine packet": "parse error",
    "socketio packet": "forced close",
    "server stops": "server shutting down",
}


@pytest.mark.parametrize("way", REASONS)
@pytest.mark.fault("a client goes, in every way there is", "one `disconnect`, with the reason")
async def test_leave_is_told_once_in_order_with_its_reason(io, join, way):
    """socketio.md 6. "disconnecting" still has the rooms, "disconnect" has none."""
    peer, socket = await join(io)
    log = []
    socket.join("r")
    for event in ("disconnecting", "disconnect"):
        socket.on(event, lambda reason, *, event=event: log.append((event, reason, socket.rooms)))
    if way == "client packet":
        await peer.send("41")
    elif way == "server":
        socket.disconnect()
    elif way == "server closes":
        socket.disconnect(close=True)
    elif way == "cut":
        peer.abort()
    elif way == "close frame":
        peer.ws.send(CLOSE)
    elif way == "engine packet":
        peer.ws.send(1, b"junk")
    elif way == "socketio packet":
        await peer.send("4junk")
    else:
        closing = asyncio.ensure_future((await join.server(io)).close())
        await closed(peer)
        await peer.close()
        await closing
    await until(lambda: len(log) == 2, "the leave is told")
    await peer.close()
    await turns()
    assert log == [
        ("disconnecting", REASONS[way], {socket.id, "r"}),
        ("disconnect", REASONS[way], set()),
    ]
    assert not socket.connected


async def test_disconnecting_socket_is_still_connected_and_in_its_rooms(io, join):
    peer, socket = await join(io)
    other_peer, _ = await join(io)
    seen = []
    socket.join("r")

    @socket.on("disconnecting")
    def disconnecting(reason):
        seen.append((socket.connected, io.sockets.sockets.get(socket.id) is socket))
        socket.broadcast.emit("leaves", sorted(socket.rooms - {socket.id}))

    await peer.send("41")
    assert await other_peer.receive() == '42["leaves",["r"]]'
    assert seen == [(True, True)]


async def test_listener_of_disconnect_may_take_a_description(io, join):
    peer, socket = await join(io)
    got = []
    socket.on("disconnect", lambda reason, description: got.append((reason, description)))
    peer.ws.send(1, b"junk")
    await until(lambda: got, "the end")
    assert got == [("parse error", "unknown Engine.IO packet b'j'")]


async def test_coroutine_of_disconnect_runs_to_its_end(io, join):
    peer, socket = await join(io)
    log = []

    @socket.on("disconnect")
    async def disconnect(reason):
        await asyncio.sleep(0)
        log.append(reason)

    peer.abort()
    await until(lambda: log, "the listener has ended")
    assert log == ["transport close"]


@pytest.mark.parametrize("event", ["disconnecting", "disconnect"])
async def test_disconnect_in_a_listener_of_the_leave_does_not_leave_twice(io, join, event):
    peer, socket = await join(io)
    log = []

    def again(reason):
        log.append(reason)
        if len(log) < 5:
            socket.disconnect()

    socket.on(event, again)
    await peer.send("41")
    await until(lambda: not io.sockets.sockets, "the leave")
    assert log == ["client namespace disconnect"]


async def test_connection_may_be_closed_in_a_listener_of_the_leave(io, join):
    peer, socket = await join(io)
    log = []

    def close(reason):
        log.append(reason)
        socket.disconnect(close=True)

    socket.on("disconnect", close)
    await peer.send("41")
    await closed(peer)
    assert log == ["client namespace disconnect"]


async def test_failure_of_a_listener_of_the_leave_does_not_stop_it(io, join, watch):
    peer, socket = await join(io)
    log = []

    def fail(reason):
        raise RuntimeError("on purpose")

    socket.on("disconnecting", fail)
    socket.on("disconnect", fail)
    socket.on("disconnect", lambda reason: log.append(reason))
    await peer.send("41")
    await until(lambda: log, "the leave is told")
    watch.expect_error("handler of 'disconnecting'", "on purpose")
    watch.expect_error("handler of 'disconnect'", "on purpose")
    assert io.sockets.sockets == {}


async def test_order_of_a_leave_for_both_styles_at_once(join):
    """ "disconnecting", the sid's `disconnect` handler, "disconnect"."""
    sio = fastsio.AsyncServer()
    log = []
    sio.on("disconnect", lambda sid, reason: log.append("handler"))
    peer, socket = await join(sio)
    socket.on("disconnect", lambda reason: log.append("disconnect"))
    socket.on("disconnecting", lambda reason: log.append("disconnecting"))
    await peer.send("41")
    await until(lambda: len(log) == 3, "the leave is told")
    assert log == ["disconnecting", "handler", "disconnect"]


@pytest.mark.parametrize("way", ["client packet", "cut", "server"])
async def test_disconnect_handler_sees_session_and_rooms_until_it_ends(join, way):
    sio = fastsio.AsyncServer()
    go_on, log = asyncio.Event(), []

    @sio.event
    async def disconnect(sid, reason):
        for _ in range(2):
            session = await sio.get_session(sid)
            log.append((session["name"], sorted(sio.rooms(sid)) == sorted([sid, "r"])))
            assert sio.get_environ(sid) is not None
            await go_on.wait()

    peer, socket = await join(sio)
    await sio.save_session(socket.id, {"name": "ann"})
    await sio.enter_room(socket.id, "r")
    if way == "client packet":
        await peer.send("41")
    elif way == "cut":
        peer.abort()
    else:
        await sio.disconnect(socket.id)
    await until(lambda: log, "the handler runs")
    assert not socket.connected
    assert "r" not in sio.hub.namespaces["/"].adapter.rooms
    go_on.set()
    await until(lambda: not sio.hub.tasks, "the handler has ended")
    assert log == [("ann", True), ("ann", True)]
    assert sio.rooms(socket.id) == []
    assert sio.get_environ(socket.id) is None
    with pytest.raises(KeyError):
        await sio.get_session(socket.id)


async def test_emit_to_a_client_in_its_disconnect_handler_goes_nowhere(join):
    sio = fastsio.AsyncServer()

    @sio.event
    async def disconnect(sid, reason):
        await sio.emit("to the gone", to=sid)
        await sio.enter_room(sid, "r")
        await sio.emit("to the room", room="r")

    peer, _ = await join(sio)
    await peer.send("41")
    await turns()
    await peer.send("40")
    assert (await peer.receive()).startswith("40{")
    assert sio.hub.namespaces["/"].adapter.rooms == {}


@pytest.mark.fault("a disconnect handler raises", "logged; the client is forgotten all the same")
async def test_failure_of_the_disconnect_handler_is_logged_and_forgets_the_client(join, watch):
    sio = fastsio.AsyncServer()

    @sio.event
    async def disconnect(sid, reason):
        await asyncio.sleep(0)
        raise RuntimeError("on purpose")

    peer, socket = await join(sio)
    await peer.send("41")
    await until(lambda: watch.errors, "the failure is logged")
    watch.expect_error("handler of 'disconnect' in '/' failed", "on purpose", socket.id[:6])
    assert socket.nsp.leaving == {}
    assert socket.nsp.handler_errors == 1


@pytest.mark.parametrize(
    ("handler", "got"),
    [
        (lambda log: lambda sid: log.append(1), 1),
        (lambda log: lambda sid, reason: log.append(reason), "client disconnect"),
        (lambda log: lambda *args: log.append(len(args)), 2),
        (lambda log: lambda sid, reason, more=None: log.append((reason, more)), ("client disconnect", None)),
    ],
)  # fmt: skip
async def test_disconnect_handler_takes_the_reason_if_it_wants_it(join, handler, got):
    sio = fastsio.AsyncServer()
    log = []
    sio.on("disconnect", handler(log))
    peer, _ = await join(sio)
    await peer.send("41")
    await until(lambda: log, "the handler ran")
    assert log == [got]


async def test_leaving_one_namespace_is_leaving_that_one_only(join):
    io = fastsio.IO(namespaces=["/n"])
    peer, socket = await join(io)
    await peer.connect("/n")
    await peer.send("41/n,")
    await until(lambda: not io.of("/n").sockets, "the leave")
    assert socket.connected
    socket.emit("x")
    assert await peer.receive() == '42["x"]'


async def test_end_of_the_connection_leaves_every_namespace(join):
    io = fastsio.IO(namespaces=["/n"])
    peer, socket = await join(io)
    await peer.connect("/n")
    (other,) = io.of("/n").sockets.values()
    log = []
    for one in (socket, other):
        one.on("disconnect", lambda reason, *, one=one: log.append((one.nsp.name, reason)))
    peer.abort()
    await until(lambda: len(log) == 2, "both leave")
    assert sorted(log) == [("/", "transport close"), ("/n", "transport close")]


# --- broken rules ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "packet",
    ["", "7", "abc", "2{}", '2["connect"]', '2["a"', "1{}", "0[]", "0null", '5["a"]', "51-{}", "4[]"],
)  # fmt: skip
async def test_packet_that_is_none_closes_the_connection_with_an_error_event(io, join, packet):
    """socketio.md 5: local "error" on each socket, then "forced close"."""
    peer, socket = await join(io)
    log = []
    socket.on("error", lambda error: log.append(type(error).__name__))
    socket.on("disconnect", lambda reason: log.append(reason))
    await peer.send("4" + packet)
    await closed(peer)
    assert log == ["ProtocolError", "forced close"]


@pytest.mark.parametrize(
    "packet",
    ['42/n,["a"]', "43/n,0[]", "41/n,", '44{"message":"x"}', '44/n,{"message":"x"}', '42/n,0["a"]'],
)
async def test_packet_for_a_namespace_that_was_not_joined_closes_the_connection(io, join, packet):
    """socketio.md 5, "Semantic state errors"."""
    io.of("/n")
    peer, socket = await join(io)
    log = []
    socket.on("error", lambda error: log.append("error"))
    socket.on("disconnect", lambda reason: log.append(reason))
    await peer.send(packet)
    await closed(peer)
    assert log == ["forced close"]


async def test_binary_that_nobody_expects_closes_the_connection(io, join):
    peer, socket = await join(io)
    log = []
    socket.on("disconnect", lambda reason: log.append(reason))
    await peer.send(b"\x00")
    await closed(peer)
    assert log == ["forced close"]


@pytest.mark.fault(
    "a binary event's attachments never come",
    "what came is forgotten with the client",
)
async def test_attachments_that_never_come_are_forgotten_with_the_client(io, join):
    peer, socket = await join(io)
    heard = []
    socket.on("x", lambda *args: heard.append(args))
    await peer.send('452-["x",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]', b"1")
    peer.abort()
    await until(lambda: not socket.connected, "the client is gone")
    assert heard == []


async def test_client_that_breaks_a_rule_harms_no_other(io, join):
    peer, _ = await join(io)
    other_peer, other = await join(io)
    await peer.send("4junk")
    await closed(peer)
    other.on("x", lambda: "fine")
    await other_peer.send('420["x"]')
    assert await other_peer.receive() == '430["fine"]'


async def test_event_without_data_is_ignored(io, join):
    """socketio.md 5: "2" alone decodes, and nothing handles it."""
    peer, socket = await join(io)
    socket.on("x", lambda: "fine")
    await peer.send("42", "43", "421", '420["x"]')
    assert await peer.receive() == '430["fine"]'

"""What a socket listens to besides on(), once() and off(), which test_socket.py has.

Source: Node's Socket: onAny(), onAnyOutgoing() and the rest of EventEmitter; features.md 1.6.
"""

from __future__ import annotations

import asyncio
import threading

import pytest

import fastsio
from harness import until


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


# --- one event ------------------------------------------------------------------------------------


async def test_prepended_listener_runs_first_and_may_decorate(io, join):
    peer, socket = await join(io)
    log = []
    socket.on("x", lambda: log.append("on"))
    socket.prepend("x", lambda: log.append("given"))

    @socket.prepend("x")
    def decorated():
        log.append("decorated")

    await peer.send('42["x"]')
    await turns()
    assert log == ["decorated", "given", "on"]


async def test_listeners_are_told_in_order_and_counted(io, join):
    _, socket = await join(io)

    def one(): ...

    def two(): ...

    socket.on("x", one)
    socket.once("x", two)
    socket.prepend("x", two)
    socket.on("y", one)
    assert socket.listeners("x") == [two, one, two]
    assert socket.listener_count("x") == 3
    assert socket.listeners("z") == [] and socket.listener_count("z") == 0
    assert socket.event_names() == ["x", "y"]


async def test_remove_all_listeners_of_one_event_or_of_all(io, join):
    peer, socket = await join(io)
    log = []
    for event in "xyz":
        socket.on(event, lambda event=event: log.append(event))
        socket.on(event, lambda: log.append("again"))
    socket.on_any(lambda event: log.append(f"any {event}"))
    socket.remove_all_listeners("x")
    await peer.send('42["x"]', '42["y"]')
    await turns()
    assert log == ["any x", "any y", "y", "again"]
    log.clear()
    socket.remove_all_listeners()
    assert socket.event_names() == []
    await peer.send('42["y"]', '42["z"]')
    await turns()
    assert log == ["any y", "any z"]


# --- all events -----------------------------------------------------------------------------------


@pytest.mark.feature("1.6 catch-all in")
async def test_on_any_hears_every_event_before_its_listeners(io, join):
    peer, socket = await join(io)
    log = []
    socket.on("x", lambda *args: log.append(("x", *args)))
    socket.on_any(lambda *args: log.append(("any", *args)))
    socket.prepend_any(lambda event, *args: log.append(("first", event, *args)))
    await peer.send('42["x",1,"two"]', '42["nobody listens"]')
    await turns()
    assert log == [
        ("first", "x", 1, "two"), ("any", "x", 1, "two"), ("x", 1, "two"),
        ("first", "nobody listens"), ("any", "nobody listens"),
    ]  # fmt: skip


async def test_on_any_gets_as_many_arguments_as_it_takes(io, join):
    peer, socket = await join(io)
    log = []

    @socket.on_any
    def listener(event, first):
        log.append((event, first))

    await peer.send('42["x",1,2,3]')
    await turns()
    assert log == [("x", 1)]
    with pytest.raises(TypeError, match="takes 0 arguments"):
        socket.on_any(lambda: None)


async def test_what_on_any_returns_is_no_answer_but_it_may_call_ack(io, join):
    peer, socket = await join(io)
    socket.on_any(lambda *args: "not this")
    await peer.send('420["x"]')
    await turns()
    socket.on("x", lambda: "this")
    await peer.send('421["x"]')
    assert await peer.receive() == '431["this"]'

    socket.off_any()
    socket.on_any(lambda event, ack: ack(event))
    await peer.send('422["unheard"]')
    assert await peer.receive() == '432["unheard"]'


async def test_coroutine_of_on_any_runs_and_its_errors_are_logged(io, join, watch):
    peer, socket = await join(io)
    heard = asyncio.Event()

    @socket.on_any
    async def listener(event):
        await asyncio.sleep(0)
        heard.set()
        raise RuntimeError("on purpose")

    socket.on("x", lambda: "answered")
    await peer.send('420["x"]')
    assert await peer.receive() == '430["answered"]'
    await asyncio.wait_for(heard.wait(), 5)
    await turns()
    watch.expect_error("on purpose")


async def test_off_any_removes_one_or_all(io, join):
    _, socket = await join(io)

    def one(event): ...

    def two(event): ...

    for fn in (one, two, one):
        socket.on_any(fn)
    socket.off_any(one)  # the one added last
    assert socket.listeners_any() == [one, two]
    socket.off_any(print)  # not there
    assert socket.listeners_any() == [one, two]
    socket.off_any()
    assert socket.listeners_any() == []
    assert socket.of_any is None  # nothing is looked at on the way of an event


async def test_on_any_hears_neither_the_servers_own_events_nor_acks(io, join):
    peer, socket = await join(io)
    log = []
    socket.on_any(lambda event: log.append(event))
    waiting = asyncio.ensure_future(socket.emit_with_ack("ask"))
    await peer.receive()
    await peer.send("430[1]")
    await waiting
    await peer.close()
    await until(lambda: not socket.connected, "the client is gone")
    assert log == []


async def test_listener_that_on_any_adds_hears_the_same_event(io, join):
    """As in Node: listeners are looked up afterwards."""
    peer, socket = await join(io)
    socket.on_any(lambda event: socket.once(event, lambda: f"late {event}"))
    await peer.send('420["x"]')
    assert await peer.receive() == '430["late x"]'


# --- what is sent ---------------------------------------------------------------------------------


@pytest.mark.feature("1.6 catch-all out")
async def test_on_any_outgoing_hears_emits_and_broadcasts_to_this_client_only(io, join):
    _, socket = await join(io)
    _, other = await join(io)
    log = []
    socket.on_any_outgoing(lambda *args: log.append(args))
    socket.join("r")
    other.join("other")
    socket.emit("emit", 1)
    io.emit("all", 2)
    io.to("r").emit("room", 3)
    other.broadcast.emit("broadcast")
    socket.volatile.emit("volatile")
    socket.send("text")
    other.emit("not this")
    io.to("other").emit("nor this")
    socket.broadcast.emit("nor this")
    await turns()
    assert log == [
        ("emit", 1), ("all", 2), ("room", 3), ("broadcast",), ("volatile",), ("message", "text"),
    ]  # fmt: skip


async def test_on_any_outgoing_hears_what_asks_for_an_answer_but_no_answers(io, join):
    peer, socket = await join(io)
    log = []
    socket.on_any_outgoing(lambda *args: log.append(args))
    socket.on("x", lambda: "answer")
    socket.emit("ask", 1, ack=lambda: None)
    await peer.send('420["x"]')
    assert [await peer.receive(), await peer.receive()] == ['420["ask",1]', '430["answer"]']
    assert log == [("ask", 1)]


async def test_on_any_outgoing_hears_emits_in_the_other_style_and_of_other_threads(join):
    sio = fastsio.AsyncServer()
    sio.on("connect", lambda sid, environ: None)
    await join(sio)
    (socket,) = sio.hub.root.sockets.values()
    log = []
    socket.on_any_outgoing(lambda *args: log.append(args))
    await sio.emit("to one", 1, to=socket.id)
    await sio.emit("to all", (2, 3))
    thread = threading.Thread(target=lambda: (socket.emit("elsewhere"), socket.nsp.emit("all")))
    thread.start()
    await until(lambda: len(log) == 4, "the emits of the thread")
    thread.join()
    assert log == [("to one", 1), ("to all", 2, 3), ("elsewhere",), ("all",)]


async def test_prepend_and_off_any_outgoing(io, join):
    _, socket = await join(io)
    log = []

    def last(event):
        log.append("last")

    @socket.on_any_outgoing
    def middle(event):
        log.append("middle")

    @socket.prepend_any_outgoing
    def first(event):
        log.append("first")

    socket.on_any_outgoing(last)
    assert socket.listeners_any_outgoing() == [first, middle, last]
    socket.emit("x")
    assert log == ["first", "middle", "last"]
    socket.off_any_outgoing(middle)
    assert socket.listeners_any_outgoing() == [first, last]
    socket.off_any_outgoing()
    assert socket.listeners_any_outgoing() == []
    assert socket.nsp.observer is None  # nothing is looked at on the way of an emit
    socket.emit("x")
    assert log == ["first", "middle", "last"]


async def test_outgoing_listeners_end_with_the_client(io, join):
    peer, socket = await join(io)
    socket.on_any_outgoing(lambda event: None)
    assert socket.nsp.observer is not None
    await peer.send("41")
    await until(lambda: not socket.connected, "the client is gone")
    assert socket.nsp.observer is None
    socket.on_any_outgoing(lambda event: None)
    assert socket.listeners_any_outgoing() == []


async def test_outgoing_listener_that_fails_is_logged_and_the_packet_sent(io, join, watch):
    peer, socket = await join(io)

    def fail(event):
        raise RuntimeError("on purpose")

    socket.on_any_outgoing(fail)
    socket.emit("x")
    assert await peer.receive() == '42["x"]'
    watch.expect_error("on purpose")

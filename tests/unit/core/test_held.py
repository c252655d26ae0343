"""What is emitted to everyone while a client is asked about: it comes with its admission, or never."""

from __future__ import annotations

import asyncio

import pytest

import fastsio
from fastsio._encoded import encode_engine_packet
from fastsio.core.held import Held
from harness import until


class Asked:
    """A server whose connect handler says something, and then waits for a gate."""

    def __init__(self, say=None, result=None, **options):
        self.sio = fastsio.AsyncServer(**options)
        self.gate = asyncio.Event()
        self.sids = []

        @self.sio.event
        async def connect(sid, environ):
            self.sids.append(sid)
            if len(self.sids) > 1:  # the first client only listens
                if say is not None:
                    await say(self.sio, sid)
                await self.gate.wait()
                return result
            return True

    async def join(self, join):
        """A client that listens, and one that is asked about."""
        listener, _ = await join(self.sio)
        peer = await join.open(self.sio)
        await peer.send("40")
        await until(lambda: len(self.sids) == 2, "the connect handler")
        return listener, peer


async def test_admitted_client_gets_it_in_front_of_the_answer_to_its_connect(join):
    app = Asked(lambda sio, sid: sio.emit("joined", sid))
    listener, peer = await app.join(join)
    sid = app.sids[1]
    assert await listener.receive() == f'42["joined","{sid}"]'
    await app.sio.emit("news", 1)
    app.gate.set()
    assert [await peer.receive() for _ in range(3)] == [
        f'42["joined","{sid}"]', '42["news",1]', f'40{{"sid":"{sid}"}}',
    ]  # fmt: skip
    assert await listener.receive() == '42["news",1]'
    assert app.sio.hub.root.held == {}
    await app.sio.emit("later")
    assert await peer.receive() == '42["later"]'


async def test_refused_client_gets_what_was_for_it_alone_and_nothing_else(join):
    async def say(sio, sid):
        await sio.emit("secret", "for members")
        await sio.emit("sorry", to=sid)

    app = Asked(say, result=False)
    listener, peer = await app.join(join)
    assert await listener.receive() == '42["secret","for members"]'
    app.gate.set()
    assert await peer.receive() == '42["sorry"]'
    assert (await peer.receive()).startswith("44")
    assert app.sio.hub.root.held == {}


async def test_order_of_what_is_for_all_and_for_it_alone_is_kept(join):
    async def say(sio, sid):
        await sio.emit("1", to=sid)
        await sio.emit("2")
        await sio.emit("3", to=sid)

    app = Asked(say)
    _, peer = await app.join(join)
    assert await peer.receive() == '42["1"]'  # before it is admitted: nothing was in front of it
    app.gate.set()
    assert [await peer.receive(), await peer.receive()] == ['42["2"]', '42["3"]']
    assert (await peer.receive()).startswith("40")


async def test_what_is_for_several_rooms_goes_out_at_once(join):
    async def say(sio, sid):
        await sio.enter_room(sid, "r")
        await sio.emit("held")
        await sio.emit("rooms", to=["r", "s"])
        await sio.emit("room", to="r")
        await sio.emit("sids", to=[sid])

    app = Asked(say)
    _, peer = await app.join(join)
    assert [await peer.receive() for _ in range(3)] == ['42["rooms"]', '42["room"]', '42["sids"]']
    app.gate.set()
    assert await peer.receive() == '42["held"]'


async def test_client_that_is_left_out_does_not_get_it(join):
    app = Asked(lambda sio, sid: sio.emit("joined", skip_sid=sid))
    _, peer = await app.join(join)
    app.gate.set()
    assert (await peer.receive()).startswith("40")


async def test_nothing_is_kept_for_a_client_that_went(join):
    app = Asked(lambda sio, sid: sio.emit("joined"))
    _, peer = await app.join(join)
    await peer.close()
    await until(lambda: len(app.sio.eio.sockets) == 1, "the client is gone")
    await app.sio.emit("news")
    app.gate.set()
    await until(lambda: not app.sio.hub.root.joining, "the connect handler")
    assert app.sio.hub.root.held == {}


@pytest.mark.fault(
    "a client that is not let in yet is sent too much",
    "it is closed, memory stays bounded",
)
async def test_client_that_is_sent_too_much_meanwhile_is_closed(join):
    app = Asked(max_buffered_bytes=1000)
    listener, peer = await app.join(join)
    for _ in range(2):
        await app.sio.emit("x", "y" * 600)
        await listener.receive()
    with pytest.raises(asyncio.IncompleteReadError):
        await peer.receive()
    app.gate.set()
    await until(lambda: not app.sio.hub.root.joining, "the connect handler")
    assert len(app.sio.eio.sockets) == 1
    assert app.sio.hub.root.held == {}


async def test_nodes_style_sends_to_those_who_are_in(join):
    """Middleware of IO decides who is in the namespace; nobody else is sent anything."""
    io = fastsio.IO()
    gate, asked = asyncio.Event(), []

    async def middleware(socket):
        asked.append(socket)
        await gate.wait()

    io.use(middleware)
    peer = await join.open(io)
    await peer.send("40")
    await until(lambda: asked, "the middleware")
    io.emit("news")
    gate.set()
    assert (await peer.receive()).startswith("40")


def test_packets_over_the_limit_are_dropped_all():
    held = Held(10)
    one = encode_engine_packet(b"4abc")
    assert one.size < 10 < 2 * one.size
    assert held.add(one, False)
    assert not held.add(one, True)
    assert held.packets == []
    assert not held.add(one, False)

"""AsyncServer: async_handlers and always_connect: which handlers of a client may run at the same time."""

from __future__ import annotations

import asyncio

import pytest

import fastsio
from harness import until


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


class Gated:
    """A server whose event "x" waits for a gate of its number; `log` has what began and ended."""

    def __init__(self, **options):
        self.sio = fastsio.AsyncServer(**options)
        self.log = []
        self.gates = {}
        self.sio.on("x", self.x)
        self.sio.on("plain", self.plain)
        self.sio.on("x", self.x, namespace="/n")
        self.sio.on("disconnect", self.disconnect)

    def open(self, number):
        self.gates.setdefault(number, asyncio.Event()).set()

    async def x(self, sid, number):
        self.log.append(f"begin {number}")
        await self.gates.setdefault(number, asyncio.Event()).wait()
        self.log.append(f"end {number}")
        return number

    def plain(self, sid):
        self.log.append("plain")
        return "plain"

    async def disconnect(self, sid, reason):
        self.log.append(f"disconnect {reason}")
        await self.sio.get_session(sid)


@pytest.mark.feature("1.2 async_handlers")
async def test_handlers_of_a_client_overlap_by_default(join):
    app = Gated()
    peer, _ = await join(app.sio)
    await peer.send('421["x",1]', '422["x",2]', '423["plain"]')
    assert await peer.receive() == '433["plain"]'
    assert app.log == ["begin 1", "begin 2", "plain"]
    app.open(2)
    assert await peer.receive() == "432[2]"
    app.open(1)
    assert await peer.receive() == "431[1]"


@pytest.mark.feature("1.2 async_handlers")
@pytest.mark.feature("1.6 ordering")
async def test_without_async_handlers_each_begins_when_the_former_has_ended(join):
    app = Gated(async_handlers=False)
    peer, _ = await join(app.sio)
    await peer.send('421["x",1]', '422["x",2]', '423["plain"]')
    await until(lambda: app.log, "the first began")
    app.open(2)
    await turns()
    assert app.log == ["begin 1"]
    app.open(1)
    assert [await peer.receive() for _ in range(3)] == ["431[1]", "432[2]", '433["plain"]']
    assert app.log == ["begin 1", "end 1", "begin 2", "end 2", "plain"]


async def test_without_async_handlers_clients_do_not_wait_for_each_other(join):
    app = Gated(async_handlers=False)
    peer, _ = await join(app.sio)
    other, _ = await join(app.sio)
    await peer.send('421["x",1]')
    await until(lambda: app.log, "the first began")
    await other.send('421["plain"]')
    assert await other.receive() == '431["plain"]'
    app.open(1)
    assert await peer.receive() == "431[1]"


async def test_without_async_handlers_namespaces_of_a_client_wait_for_each_other(join):
    app = Gated(async_handlers=False)
    peer, _ = await join(app.sio)
    await peer.connect("/n")
    await peer.send('42/n,1["x",1]', '422["plain"]')
    await until(lambda: app.log, "the first began")
    await turns()
    assert app.log == ["begin 1"]
    app.open(1)
    assert [await peer.receive(), await peer.receive()] == ["43/n,1[1]", '432["plain"]']


@pytest.mark.parametrize("how", ["packet", "connection"])
async def test_without_async_handlers_disconnect_comes_after_the_events_before_it(join, how):
    app = Gated(async_handlers=False)
    peer, socket = await join(app.sio)
    await peer.send('42["x",1]', '42["x",2]')
    await until(lambda: app.log, "the first began")
    if how == "packet":
        await peer.send("41")
    else:
        await peer.close()
    await until(lambda: not socket.connected, "the client is gone")
    await turns()
    assert app.log == ["begin 1"]
    app.open(1)
    app.open(2)
    await until(lambda: len(app.log) == 5, "the disconnect handler")
    reason = "client disconnect" if how == "packet" else "transport close"
    assert app.log[1:] == ["end 1", "begin 2", "end 2", f"disconnect {reason}"]


async def test_without_async_handlers_an_event_without_handler_holds_nobody_up(join):
    sio = fastsio.AsyncServer(async_handlers=False)
    sio.on("y", lambda sid: "y")
    peer, _ = await join(sio)
    await peer.send('421["nobody hears"]', '422["y"]')
    assert await peer.receive() == '432["y"]'


async def test_without_async_handlers_failures_are_logged_and_the_next_event_is_handled(
    join, watch
):
    sio = fastsio.AsyncServer(async_handlers=False)

    @sio.event
    async def fails(sid):
        await asyncio.sleep(0)
        raise RuntimeError("on purpose")

    sio.on("y", lambda sid: "y")
    peer, socket = await join(sio)
    await peer.send('421["fails"]', '422["y"]')
    assert await peer.receive() == '432["y"]'
    watch.expect_error("handler of 'fails' in '/' failed", "on purpose", socket.id[:6])


async def test_without_async_handlers_acks_come_at_once_and_call_is_an_error(join):
    sio = fastsio.AsyncServer(async_handlers=False)
    got = asyncio.get_running_loop().create_future()

    @sio.event
    async def asks(sid):
        with pytest.raises(
            RuntimeError, match="Cannot use call\\(\\) when async_handlers is False"
        ):
            await sio.call("question", to=sid)
        await sio.emit("question", to=sid, callback=got.set_result)
        return await got

    peer, _ = await join(sio)
    await peer.send('421["asks"]')
    assert await peer.receive() == '420["question"]'
    await peer.send('430["answer"]')
    assert await peer.receive() == '431["answer"]'


async def test_without_async_handlers_events_of_who_is_put_out_are_not_handled(join):
    app = Gated(async_handlers=False)

    @app.sio.event
    async def kick(sid):
        await app.sio.disconnect(sid)

    peer, _ = await join(app.sio)
    await peer.send('42["kick"]', '42["plain"]')
    assert await peer.receive() == "41"
    await until(lambda: app.log, "the disconnect handler")
    await turns()
    assert app.log == ["disconnect server disconnect"]


# --- always_connect -------------------------------------------------------------------------------


class Slow:
    """A server whose connect handler waits for a gate."""

    def __init__(self, result=None, **options):
        self.sio = fastsio.AsyncServer(**options)
        self.gate = asyncio.Event()
        self.log = []

        @self.sio.event
        async def connect(sid, environ):
            self.log.append("connect")
            await self.gate.wait()
            await self.sio.save_session(sid, {"user": "ann"})
            if isinstance(result, Exception):
                raise result
            self.log.append("connected")
            return result

        @self.sio.event
        async def who(sid):
            self.log.append("who")
            return (await self.sio.get_session(sid))["user"]

        @self.sio.event
        async def disconnect(sid, reason):
            self.log.append(f"disconnect {reason}")


async def test_client_waits_for_the_connect_handler_by_default(join):
    app = Slow()
    peer = await join.open(app.sio)
    await peer.send("40")
    await until(lambda: app.log, "the connect handler")
    app.gate.set()
    assert (await peer.receive()).startswith('40{"sid":')


@pytest.mark.feature("1.2 always_connect")
@pytest.mark.parametrize("async_handlers", [True, False])
async def test_always_connect_lets_the_client_in_first_and_its_events_wait(join, async_handlers):
    app = Slow(always_connect=True, async_handlers=async_handlers)
    peer, socket = await join(app.sio)
    assert app.log == ["connect"]
    await app.sio.emit("news", to=socket.id)
    await peer.send('421["who"]', '422["who"]')
    assert await peer.receive() == '42["news"]'
    await turns()
    assert app.log == ["connect"]
    app.gate.set()
    assert [await peer.receive(), await peer.receive()] == ['431["ann"]', '432["ann"]']
    assert app.log == ["connect", "connected", "who", "who"]
    assert socket.peer.is_diverted is not async_handlers  # nothing is held up any more


@pytest.mark.parametrize("result", [False, fastsio.exceptions.ConnectionRefusedError("no", 1)])
async def test_always_connect_puts_who_is_refused_out_again(join, result):
    app = Slow(result, always_connect=True)
    peer, socket = await join(app.sio)
    await peer.send('421["who"]')
    await turns()
    app.gate.set()
    assert await peer.receive() == "41"
    await turns()
    assert "who" not in app.log  # neither the event nor a disconnect
    assert not any(entry.startswith("disconnect") for entry in app.log)
    assert not socket.connected
    assert app.sio.rooms(socket.id) == []


async def test_always_connect_disconnect_comes_after_the_connect_handler(join):
    app = Slow(always_connect=True)
    peer, socket = await join(app.sio)
    await peer.send("41")
    await until(lambda: not socket.connected, "the client is gone")
    assert app.log == ["connect"]
    app.gate.set()
    await until(lambda: len(app.log) == 3, "the disconnect handler")
    assert app.log == ["connect", "connected", "disconnect client disconnect"]


async def test_always_connect_disconnect_in_the_connect_handler_is_one_with_its_handler(join):
    sio = fastsio.AsyncServer(always_connect=True)
    log = []

    @sio.event
    async def connect(sid, environ):
        await sio.disconnect(sid)
        log.append("connect")

    sio.on("disconnect", lambda sid, reason: log.append(reason))
    peer = await join.open(sio)
    await peer.send("40")
    assert (await peer.receive()).startswith('40{"sid":')
    assert await peer.receive() == "41"
    assert log == ["connect", "server disconnect"]


async def test_always_connect_of_two_namespaces_at_once(join):
    app = Slow(always_connect=True)
    app.sio.on("connect", lambda sid, environ: app.log.append("connect n"), namespace="/n")
    app.sio.on("y", lambda sid: "y", namespace="/n")
    peer, _ = await join(app.sio)
    await peer.connect("/n")
    await peer.send('42/n,1["y"]', '422["who"]')
    await turns()
    app.gate.set()
    assert [await peer.receive(), await peer.receive()] == ['43/n,1["y"]', '432["ann"]']
    assert app.log == ["connect", "connected", "connect n", "who"]

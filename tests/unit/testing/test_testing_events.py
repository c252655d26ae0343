"""The test client: events both ways, answers both ways, and when nothing more will come."""

from __future__ import annotations

import asyncio
import itertools

import pytest

import fastsio
from fastsio.testing import Event, TestClient, TestServer, running

MS = 0.001
TRANSPORTS = pytest.mark.parametrize("transport", ["websocket", "polling"])


@TRANSPORTS
@pytest.mark.parametrize("args", [(), (1,), ("a", {"b": [None, 2.5]}), (b"\x00\xff", [b"", "ä"])])
async def test_call_returns_what_the_handler_answers(sio, transport, args):
    async with TestClient(sio, transport=transport) as client:
        answer = await client.call("echo", *args)
        assert answer == (args if len(args) > 1 else args[0] if args else None)


@TRANSPORTS
async def test_broadcast_reaches_every_client_and_the_order_is_kept(sio, transport):
    async with TestServer(sio) as server:
        clients = [await server.connect(transport=transport) for _ in range(3)]
        for text in ("a", "b", b"c"):
            await clients[0].emit("chat", text)
        for client in clients:
            assert [event.data for event in await client.received()] == ["a", "b", b"c"]


async def test_clients_of_one_application_share_its_server(sio):
    async with TestClient(sio) as one, TestClient(sio) as two:
        await one.emit("chat", "hi")
        assert (await two.expect("chat")).args == ("hi",)
    assert sio.hub.engine is None


@TRANSPORTS
async def test_emit_returns_when_handlers_that_do_not_wait_have_ended(sio, transport):
    turns = []

    @sio.event
    async def work(sid):
        for turn in range(50):
            await asyncio.sleep(0)
            await asyncio.gather(*(asyncio.sleep(0) for _ in range(3)))
            turns.append(turn)
        await sio.emit("done", to=sid)

    async with TestClient(sio, transport=transport) as client:
        await client.emit("work")
        assert len(turns) == 50
        assert [event.name for event in await client.received()] == ["done"]


async def test_handler_that_waits_for_time_is_waited_for_by_expect_only(sio):
    @sio.event
    async def later(sid):
        await asyncio.sleep(300 * MS)
        await sio.emit("late", to=sid)

    async with TestClient(sio) as client:
        await client.emit("later")
        assert await client.nothing()
        await client.expect("late")


async def test_settle_names_what_does_not_end(sio):
    @sio.event
    async def spin(sid):
        for _ in itertools.count():
            await asyncio.sleep(0)

    async with TestClient(sio, timeout=300 * MS) as client:
        with pytest.raises(AssertionError, match=r"not settled within 0.3 s: .*spin"):
            await client.emit("spin")
        for task in list(sio.hub.tasks):
            task.cancel()


async def test_what_goes_wrong_at_the_end_does_not_hide_why_the_test_failed(sio):
    @sio.event
    async def spin(sid):
        for _ in itertools.count():
            await asyncio.sleep(0)

    with pytest.raises(AssertionError, match="not settled") as caught:
        async with TestServer(sio, timeout=300 * MS) as server:
            client = await server.connect()
            await server.connect()
            await client.emit("spin")
    assert not running._running
    assert any("and at the end: not settled" in note for note in caught.value.__notes__)
    assert not sio.hub.tasks


async def test_clients_that_settle_at_once_do_not_wait_for_each_other(sio):
    async with TestServer(sio) as server:
        clients = [await server.connect() for _ in range(4)]
        await asyncio.gather(*(client.emit("chat", "x") for client in clients))
        assert [len(await client.received()) for client in clients] == [4] * 4
        await server.settle()


async def test_expect_takes_the_named_event_and_leaves_the_others(sio):
    async with TestClient(sio) as client:
        for name in ("a", "b", "a"):
            await sio.emit(name, name * 2, to=client.sid)
        assert (await client.expect("b", "bb")).data == "bb"
        assert (await client.receive()).name == "a"
        with pytest.raises(AssertionError, match=r"'a' came with \('aa',\), expected \(1,\)"):
            await client.expect("a", 1)
        assert await client.nothing()


async def test_expect_says_what_came_instead(sio):
    async with TestClient(sio) as client:
        await sio.emit("other", (1, "x"), to=client.sid)
        with pytest.raises(
            AssertionError, match=r"no 'chat' within 0.01 s; what came: Event\('other', 1, 'x'\)"
        ):
            await client.expect("chat", timeout=10 * MS)
        with pytest.raises(
            AssertionError, match=r"nothing was to come to '/'; what came: Event\('other'"
        ):
            await client.nothing()
        assert (await client.receive()).args == (1, "x")
        with pytest.raises(AssertionError, match=r"no event within 0.01 s"):
            await client.receive(timeout=10 * MS)
        with pytest.raises(
            AssertionError, match=r"still connected after 0.01 s; nothing else came"
        ):
            await client.expect_disconnect(timeout=10 * MS)


async def test_call_without_an_answer_says_that_the_handler_raised(sio, clean):
    @sio.event
    async def broken(sid):
        raise LookupError("on purpose")

    async with TestClient(sio) as client:
        with pytest.raises(
            AssertionError, match=r"no answer to 'broken' within 0.02 s; a handler raised"
        ):
            await client.call("broken", timeout=20 * MS)
    clean.expect_error("broken", "on purpose")


async def test_answer_that_comes_too_late_is_ignored(sio):
    @sio.event
    async def slow(sid):
        await asyncio.sleep(30 * MS)
        await sio.emit("done", to=sid)

    async with TestClient(sio) as client:
        with pytest.raises(
            AssertionError, match=r"no answer to 'slow' within 0.001 s; nothing else came"
        ):
            await client.call("slow", timeout=1 * MS)
        await client.expect("done")
        assert await client.nothing()


@TRANSPORTS
async def test_server_call_is_answered_by_the_event(sio, transport):
    async with TestClient(sio, transport=transport) as client:
        asking = asyncio.ensure_future(sio.call("ask", "why", to=client.sid))
        event = await client.expect("ask", "why")
        assert event.wants_answer
        await event.answer("because", b"1")
        assert asking.done() and asking.result() == ("because", b"1")
        with pytest.raises(
            RuntimeError, match=r"Event\('ask', 'why'\): the server waits for no answer"
        ):
            await event.answer(2)


async def test_server_call_is_answered_by_a_listener(sio):
    @sio.event
    async def double(sid, number):
        return await sio.call("ask", number, to=sid) * 2

    async with TestClient(sio) as client:

        @client.on("ask")
        def ask(number):
            return number + 1

        assert await client.call("double", 4) == 10
        assert await client.nothing()
        with pytest.raises(TypeError, match="a plain function is needed"):
            client.on("ask", sio.call)


@TRANSPORTS
async def test_what_a_listener_raises_is_raised_by_the_next_wait(sio, transport):
    async with TestClient(sio, transport=transport) as client:
        client.on("news", lambda: 1 / 0)
        await sio.emit("news", to=client.sid)
        await sio.emit("more", to=client.sid)
        with pytest.raises(ZeroDivisionError):
            await client.settle()
        await client.expect("more")
        await sio.emit("last", to=client.sid)
        await client.expect("last")
        assert await client.nothing()


async def test_rooms_reach_their_members_only(sio):
    async with TestServer(sio) as server:
        one, two = await server.connect(), await server.connect()
        await sio.enter_room(two.sid, "room")
        await sio.emit("only", room="room")
        assert await one.nothing()
        await two.expect("only")


@pytest.mark.parametrize("serializer", ["msgpack", fastsio.packet.Packet])
@TRANSPORTS
async def test_other_forms_of_packets(serializer, transport):
    class Own(fastsio.packet.Packet):
        def encode(self):
            return super().encode()

    sio = fastsio.AsyncServer(serializer="msgpack" if serializer == "msgpack" else Own)
    sio.on("echo", lambda sid, data: data)
    async with TestClient(sio, transport=transport) as client:
        assert await client.call("echo", {"a": [1, b"2"]}) == {"a": [1, b"2"]}


def test_event_is_readable():
    assert repr(Event(None, "a", (1, "b"), None)) == "Event('a', 1, 'b')"

"""AsyncServer: rooms, sessions, looking clients up, and background tasks. See test_aio.py for the rest."""

from __future__ import annotations

import asyncio

import pytest

import fastsio
from clock_loop import pass_time
from harness import until

CLOCK = pytest.mark.asyncio(loop_factories=["clock"])


async def gone(socket) -> None:
    await until(lambda: not socket.connected, "the client is gone")


# --- rooms ----------------------------------------------------------------------------------------


async def test_rooms_are_entered_and_left(sio, join):
    peer, socket = await join(sio)
    sid = socket.id
    assert sio.rooms(sid) == [sid]
    await sio.enter_room(sid, "a")
    await sio.enter_room(sid, "b")
    assert sorted(sio.rooms(sid)) == sorted([sid, "a", "b"])
    await sio.leave_room(sid, "a")
    await sio.leave_room(sid, "never entered")
    assert sorted(sio.rooms(sid)) == sorted([sid, "b"])
    await sio.emit("x", room="a")
    await sio.emit("y", room="b")
    assert await peer.receive() == '42["y"]'


@pytest.mark.parametrize("room", ["a", 5, ("chat", 1), ("x",), None])
async def test_room_may_be_anything_hashable_a_tuple_too(sio, join, room):
    peer, socket = await join(sio)
    await join(sio)
    await sio.enter_room(socket.id, room)
    assert room in sio.rooms(socket.id)
    if room is not None:  # to=None is everyone
        await sio.emit("x", to=room)
        assert await peer.receive() == '42["x"]'
    await sio.leave_room(socket.id, room)
    assert sio.rooms(socket.id) == [socket.id]


async def test_entering_with_a_sid_that_is_not_connected_is_a_valueerror(sio, join):
    peer, socket = await join(sio)
    sio.on("x", print, namespace="/n")
    message = "sid is not connected to requested namespace"
    with pytest.raises(ValueError, match=message):
        await sio.enter_room("nobody", "a")
    with pytest.raises(ValueError, match=message):
        await sio.enter_room(socket.id, "a", namespace="/n")
    await peer.send("41")
    await gone(socket)
    with pytest.raises(ValueError, match=message):
        await sio.enter_room(socket.id, "a")


async def test_leaving_with_a_sid_that_is_not_connected_does_nothing(sio):
    await sio.leave_room("nobody", "a")


@pytest.mark.feature("1.8 close room")
async def test_closed_room_is_empty_and_its_clients_stay(sio, join):
    peer, socket = await join(sio)
    _, other = await join(sio)
    for sid in (socket.id, other.id):
        await sio.enter_room(sid, "a")
    await sio.enter_room(socket.id, "b")
    await sio.close_room("a")
    await sio.close_room("nobody's")
    assert sio.rooms(other.id) == [other.id]
    assert sorted(sio.rooms(socket.id)) == sorted([socket.id, "b"])
    await sio.emit("x", room="a")
    await sio.emit("y")
    assert await peer.receive() == '42["y"]'


async def test_closed_room_of_a_tuple_is_that_one_room(sio, join):
    _, socket = await join(sio)
    for room in ("a", "b", ("a", "b")):
        await sio.enter_room(socket.id, room)
    await sio.close_room(("a", "b"))
    assert set(sio.rooms(socket.id)) == {socket.id, "a", "b"}


async def test_rooms_of_an_unknown_sid_are_none(sio):
    assert sio.rooms("nobody") == []


async def test_rooms_of_namespaces_are_apart(sio, join):
    sio.on("x", print, namespace="/n")
    peer, socket = await join(sio)
    sid = (await peer.connect("/n"))["sid"]
    await sio.enter_room(sid, "a", namespace="/n")
    await sio.enter_room(socket.id, "b")
    assert set(sio.rooms(sid, namespace="/n")) == {sid, "a"}
    assert sio.rooms(sid) == []
    await sio.close_room("a")  # another room of that name
    assert set(sio.rooms(sid, namespace="/n")) == {sid, "a"}
    await sio.leave_room(sid, "a", namespace="/n")
    assert sio.rooms(sid, namespace="/n") == [sid]


# --- sessions -------------------------------------------------------------------------------------


async def test_session_is_a_dict_of_the_clients_own(sio, join):
    _, socket = await join(sio)
    _, other = await join(sio)
    assert await sio.get_session(socket.id) == {}
    await sio.save_session(socket.id, {"user": "ann"})
    assert await sio.get_session(socket.id) == {"user": "ann"}
    assert await sio.get_session(other.id) == {}


async def test_session_context_saves_what_was_changed(sio, join):
    _, socket = await join(sio)
    async with sio.session(socket.id) as session:
        session["user"] = "ann"
    async with sio.session(socket.id) as session:
        assert session == {"user": "ann"}
        del session["user"]
    assert await sio.get_session(socket.id) == {}


async def test_session_of_a_namespace_is_its_own(sio, join):
    sio.on("x", print, namespace="/n")
    peer, socket = await join(sio)
    sid = (await peer.connect("/n"))["sid"]
    async with sio.session(sid, namespace="/n") as session:
        session["where"] = "n"
    await sio.save_session(socket.id, {"where": "root"})
    assert await sio.get_session(sid, namespace="/n") == {"where": "n"}
    assert await sio.get_session(socket.id, namespace="/") == {"where": "root"}


@pytest.mark.feature("1.10 per-socket data")
async def test_session_is_the_sockets_data(sio, join):
    _, socket = await join(sio)
    socket.data["user"] = "ann"
    assert await sio.get_session(socket.id) == {"user": "ann"}


async def test_session_of_a_sid_that_is_not_connected_is_a_keyerror(sio, join):
    peer, socket = await join(sio)
    await peer.send("41")
    await gone(socket)
    for sid in ("nobody", socket.id):
        with pytest.raises(KeyError, match=f"'{sid}' is not connected to '/'"):
            await sio.get_session(sid)
        with pytest.raises(KeyError):
            await sio.save_session(sid, {})
        with pytest.raises(KeyError):
            async with sio.session(sid):
                pass


async def test_error_inside_the_session_context_is_the_callers(sio, join):
    _, socket = await join(sio)
    with pytest.raises(RuntimeError, match="on purpose"):
        async with sio.session(socket.id) as session:
            session["half"] = True
            raise RuntimeError("on purpose")


# --- one client -----------------------------------------------------------------------------------


async def test_disconnect_makes_the_client_leave_that_namespace(sio, join):
    reasons = []
    sio.on("disconnect", lambda sid, reason: reasons.append((sid, reason)))
    sio.on("x", print, namespace="/n")
    peer, socket = await join(sio)
    sid = (await peer.connect("/n"))["sid"]
    await sio.emit("last", to=socket.id)
    await sio.disconnect(socket.id)
    assert [await peer.receive(), await peer.receive()] == ['42["last"]', "41"]
    assert reasons == [(socket.id, "server disconnect")]
    assert sio.rooms(sid, namespace="/n") == [sid]
    await sio.disconnect(sid, namespace="/n")
    assert await peer.receive() == "41/n,"


async def test_disconnect_of_who_is_not_there_does_nothing(sio, join):
    _, socket = await join(sio)
    sio.on("x", print, namespace="/n")
    await sio.disconnect("nobody")
    await sio.disconnect(socket.id, namespace="/n")
    assert socket.connected


async def test_disconnect_in_the_connect_handler_disconnects_the_client(sio, join):
    """python-socketio takes the client out again; it must not stay as if nothing had been said."""
    reasons = []

    @sio.event
    async def connect(sid, environ):
        await sio.disconnect(sid)

    sio.on("disconnect", lambda sid, reason: reasons.append(reason))
    peer = await join.open(sio)
    await peer.send("40")
    packets = [await peer.receive()]
    if packets[0].startswith("40"):
        packets.append(await peer.receive())
    assert packets[-1][:2] in ("41", "44")
    assert sio.hub.namespaces["/"].sockets == {}


async def test_environ_is_that_of_the_opening_request(sio, join):
    _, socket = await join(sio, query={"room": "a b"}, headers={"X-Token": "t"})
    environ = sio.get_environ(socket.id)
    assert environ["REQUEST_METHOD"] == "GET"
    assert environ["PATH_INFO"] == "/socket.io/"
    assert "room=a%20b" in environ["QUERY_STRING"]
    assert environ["HTTP_X_TOKEN"] == "t"
    assert environ["REMOTE_ADDR"] == "192.0.2.7"


async def test_environ_of_an_unknown_sid_is_none(sio, join):
    _, socket = await join(sio)
    sio.on("x", print, namespace="/n")
    assert sio.get_environ("nobody") is None
    assert sio.get_environ(socket.id, namespace="/n") is None


@pytest.mark.feature("1.10 transport")
async def test_transport_is_what_the_client_uses_now(sio, join):
    peer, socket = await join(sio, transport="polling")
    assert sio.transport(socket.id) == "polling"
    await peer.upgrade()
    await until(lambda: sio.transport(socket.id) == "websocket", "the upgrade")
    with pytest.raises(KeyError, match="'nobody' is not connected to '/'"):
        sio.transport("nobody")


async def test_handler_may_do_all_of_it_with_its_own_sid(sio, join):
    @sio.event
    async def work(sid):
        await sio.enter_room(sid, "r")
        async with sio.session(sid) as session:
            session["n"] = session.get("n", 0) + 1
        await sio.emit("news", session["n"], room="r")
        return sio.transport(sid)

    peer, _ = await join(sio)
    await peer.send('420["work"]', '421["work"]')
    assert [await peer.receive() for _ in range(4)] == [
        '42["news",1]', '430["websocket"]', '42["news",2]', '431["websocket"]',
    ]  # fmt: skip


# --- tasks ----------------------------------------------------------------------------------------


@pytest.mark.feature("1.1 background task / sleep")
async def test_background_task_runs_with_its_arguments_and_is_kept_until_it_ends(sio):
    got = []

    async def target(*args, **kwargs):
        got.append((args, kwargs))
        return "result"

    task = sio.start_background_task(target, 1, 2, three=3)
    assert task in sio.hub.background
    assert await task == "result"
    await asyncio.sleep(0)
    assert got == [((1, 2), {"three": 3})]
    assert not sio.hub.background


async def test_background_task_is_cancelled_when_the_server_stops(sio, serve):
    started, ended = asyncio.Event(), []

    async def forever():
        started.set()
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    server = await serve(sio)
    task = sio.start_background_task(forever)
    await started.wait()
    await server.close()
    assert ended == ["cancelled"]
    assert task.cancelled()


@CLOCK
async def test_background_task_that_ignores_its_cancellation_does_not_hold_up_the_stop(sio, serve):
    go_on = asyncio.Event()

    async def stubborn():
        while not go_on.is_set():
            try:
                await go_on.wait()
            except asyncio.CancelledError:
                pass

    server = await serve(sio)
    task = sio.start_background_task(stubborn)
    await pass_time(0.1)
    began_at = asyncio.get_running_loop().time()
    await server.close()
    assert asyncio.get_running_loop().time() - began_at < 3
    go_on.set()
    await task


@CLOCK
async def test_sleep_sleeps(sio):
    began_at = asyncio.get_running_loop().time()
    await sio.sleep(2.5)
    assert asyncio.get_running_loop().time() - began_at == pytest.approx(2.5)
    await sio.sleep()
    assert asyncio.get_running_loop().time() - began_at == pytest.approx(2.5)


async def test_two_servers_know_nothing_of_each_other(sio, join):
    other = fastsio.AsyncServer()
    peer, socket = await join(sio)
    await join(other)
    await other.emit("x")
    assert other.rooms(socket.id) == []
    await sio.emit("y")
    assert await peer.receive() == '42["y"]'

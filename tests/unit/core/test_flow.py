"""Flow control on sockets: what is unsent, drain(), marks, policies, latest(), pause() and resume().

Clients are in memory, and stop reading when a test says so. The buffer itself is tested in unit/test_flow.py, real
sockets in interop/test_flow.py. Source: issue 5, "Flow"; Node has none of it, so the names are Node's streams'.
"""

from __future__ import annotations

import asyncio
import json
import threading

import pytest

import fastsio
from fastsio.core.errors import DisconnectedError
from fastsio.core.latest import latest_packet
from harness import frame_bytes, until

KB = 1024
TEXT = "x" * KB


async def turns(count: int = 6) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def end_of(peer):
    """The server's end of a client's connection."""
    return peer.ws.connection.writer.server_end


def feed(peer, *packets):
    """What the server receives in one read: what stands behind a packet has come when that is handled."""
    end_of(peer).feed(b"".join(frame_bytes(1, packet.encode()) for packet in packets))


async def events_of(peer, until_event):
    """What the client gets, [event, *args] each, up to `until_event`."""
    found = []
    while not found or found[-1][0] != until_event:
        packet = await peer.receive()
        found.append(json.loads(packet[packet.index("[") :]))
    return found


# --- what is unsent -------------------------------------------------------------------------------


async def test_buffered_bytes_are_what_is_queued_and_what_the_transport_holds(io, join):
    peer, socket = await join(io)
    assert socket.buffered_bytes == 0
    end_of(peer).stall()
    socket.emit("one", TEXT)
    queued = socket.buffered_bytes
    assert queued > KB
    await turns()
    assert socket.session.outlet.buffered_bytes == 0, "the transport has it"
    assert socket.buffered_bytes == queued
    socket.emit("two", TEXT)
    assert socket.buffered_bytes > 2 * KB
    end_of(peer).flow()
    await turns()
    assert socket.buffered_bytes == 0


async def test_drain_returns_at_once_while_little_is_unsent(io, join):
    _, socket = await join(io)
    socket.emit("small")
    await socket.drain()
    assert socket.buffered_bytes > 0, "nothing had to be sent for it"


async def test_drain_waits_until_the_client_reads_again(io, join):
    peer, socket = await join(io)
    end_of(peer).stall()
    for _ in range(20):
        socket.emit("more", TEXT)
        await turns(1)
    waiting = asyncio.ensure_future(socket.drain())
    await turns()
    assert not waiting.done()
    end_of(peer).flow()
    await asyncio.wait_for(waiting, 1)
    assert socket.buffered_bytes <= 16 * KB


async def test_drain_stops_at_the_low_mark(join):
    peer, socket = await join(fastsio.IO(high_water=8 * KB, low_water=4 * KB))
    end_of(peer).stall()
    for _ in range(6):
        socket.emit("more", TEXT)
    waiting = asyncio.ensure_future(socket.drain())
    await turns()
    assert not waiting.done(), "6 KB are more than the low mark"
    end_of(peer).flow()
    await asyncio.wait_for(waiting, 1)


async def test_drain_raises_when_the_client_goes(io, join):
    peer, socket = await join(io)
    end_of(peer).stall()
    for _ in range(20):
        socket.emit("more", TEXT)
    waiting = asyncio.ensure_future(socket.drain())
    await turns()
    peer.abort()
    with pytest.raises(DisconnectedError, match=f"sid={socket.id[:6]}…"):
        await asyncio.wait_for(waiting, 1)
    with pytest.raises(DisconnectedError):
        await socket.drain()
    assert socket.buffered_bytes == 0


async def test_drain_may_be_awaited_in_another_thread(io, join):
    peer, socket = await join(io)
    end_of(peer).stall()
    for _ in range(20):
        socket.emit("more", TEXT)
    done = threading.Event()

    def elsewhere():
        asyncio.run(socket.drain())
        done.set()

    thread = threading.Thread(target=elsewhere)
    thread.start()
    await until(lambda: socket.session.flow is not None, "the drain has begun")
    assert not done.is_set()
    end_of(peer).flow()
    await until(done.is_set, "the drain has ended")
    thread.join()


# --- marks ----------------------------------------------------------------------------------------


async def test_marks_call_listeners_of_both_styles_with_the_unsent_bytes(join):
    sio = fastsio.AsyncServer(high_water=8 * KB)
    log = []
    sio.on("high_water", lambda sid, size: log.append(("handler", sid, size > 8 * KB)))
    peer, socket = await join(sio)
    socket.on("high_water", lambda size: log.append(("high", size)))
    socket.on("low_water", lambda size: log.append(("low", size)))
    end_of(peer).stall()
    for _ in range(20):
        socket.emit("more", TEXT)
    assert log == [], "not while an emit is under way"
    await turns()
    assert log[0] == ("handler", socket.id, True)
    assert log[1][0] == "high"
    assert log[1][1] > 8 * KB
    end_of(peer).flow()
    await turns()
    assert log[2:] == [("low", 0)]


async def test_marks_are_off_unless_somebody_sets_them(io, join):
    peer, socket = await join(io)
    log = []
    socket.on("high_water", lambda size: log.append(size))
    end_of(peer).stall()
    for _ in range(20):
        socket.emit("more", TEXT)
    await turns()
    assert log == []
    socket.set_water_marks(10 * KB, KB)
    socket.emit("more", TEXT)
    await turns()
    assert len(log) == 1
    end_of(peer).flow()


async def test_a_client_can_not_send_the_servers_own_events(io, join):
    peer, socket = await join(io)
    log = []
    socket.on("high_water", lambda size: log.append(size))
    assert (socket.event_names(), socket.listener_count("high_water")) == (["high_water"], 1)
    await peer.send('42["high_water",7]')
    await turns()
    assert log == []
    socket.off("high_water")
    assert socket.listener_count("high_water") == 0


async def test_nor_where_events_are_handled_one_after_the_other(join):
    io = fastsio.IO(async_handlers=False)
    peer, socket = await join(io)
    log = []
    socket.on("high_water", lambda size: log.append(size))
    socket.on("e", lambda: log.append("e"))
    await peer.send('42["high_water",7]', '42["e"]')
    await turns()
    assert log == ["e"]


@pytest.mark.parametrize(
    ("marks", "message"),
    [((0, None), "high_water=0"), ((10, 10), "low_water=10"), ((None, -1), "low_water=-1")],
)
async def test_marks_that_can_not_be_are_named(io, join, marks, message):
    _, socket = await join(io)
    with pytest.raises(ValueError, match=message):
        socket.set_water_marks(*marks)
    with pytest.raises(ValueError, match=message):
        fastsio.IO(high_water=marks[0], low_water=marks[1])


# --- a full buffer --------------------------------------------------------------------------------


async def test_a_client_with_drop_oldest_stays_and_gets_the_newest(join, caplog):
    io = fastsio.IO(max_buffered_bytes=8 * KB, buffer_policy="drop_oldest")
    peer, socket = await join(io)
    assert socket.buffer_policy == "drop_oldest"
    end_of(peer).stall()
    for i in range(100):
        socket.emit("tick", i, TEXT)
        await turns(1)
    assert socket.is_connected
    assert socket.dropped == io.flow_counts()["dropped"] > 80
    end_of(peer).flow()
    socket.emit("end")
    ticks = [event[1] for event in (await events_of(peer, "end"))[:-1]]
    assert ticks[-1] == 99
    assert len(ticks) == 100 - socket.dropped
    assert ticks == sorted(ticks)
    lines = [record.getMessage() for record in caplog.records]
    assert len([line for line in lines if "its buffer is full" in line]) == 1, "not a line each"
    assert f"session {peer.handshake['sid'][:6]}…" in lines[0]
    assert "(drop_oldest)" in lines[0]


async def test_the_policy_of_one_client_is_its_own(join):
    io = fastsio.IO(max_buffered_bytes=8 * KB)
    peer, socket = await join(io)
    other_peer, other = await join(io)
    assert other.buffer_policy == "close"
    socket.buffer_policy = "drop_newest"
    for end in (end_of(peer), end_of(other_peer)):
        end.stall()
    for i in range(30):
        io.emit("tick", i, TEXT)
        await turns(1)
    assert socket.is_connected
    assert not other.is_connected
    end_of(peer).flow()
    await turns()
    socket.emit("end")
    ticks = [event[1] for event in (await events_of(peer, "end"))[:-1]]
    assert ticks == list(range(len(ticks)))
    with pytest.raises(ValueError, match="buffer_policy='drop'"):
        socket.buffer_policy = "drop"


async def test_acks_come_through_a_full_buffer(join):
    io = fastsio.IO(max_buffered_bytes=8 * KB, buffer_policy="drop_oldest")
    peer, socket = await join(io)
    socket.on("ask", lambda i: i)
    end_of(peer).stall()
    for i in range(60):
        await peer.send(f'42{i}["ask",{i}]')
        socket.emit("tick", i, TEXT)
        await turns(2)
    end_of(peer).flow()
    await turns()
    socket.emit("end")
    packets = []
    while not packets or '"end"' not in packets[-1]:
        packets.append(await peer.receive())
    assert [p for p in packets if p.startswith("43")] == [f"43{i}[{i}]" for i in range(60)]


@pytest.mark.parametrize("policy", ["drop_oldest", "drop_newest", "keep_latest"])
async def test_a_pong_frame_finds_room_in_a_full_buffer(join, policy):
    """RFC 6455 5.5.3: a Ping is answered."""
    io = fastsio.IO(max_buffered_bytes=8 * KB, buffer_policy=policy)
    peer, socket = await join(io)
    end_of(peer).stall()
    for i in range(30):
        socket.emit(f"tick{i}", i, TEXT)
        await turns(1)
        if socket.dropped:
            break
    for i in range(30, 40):
        socket.emit(f"tick{i}", i, "")
        end_of(peer).feed(frame_bytes(9, b"ping"))
        await turns(1)
    assert socket.is_connected
    end_of(peer).flow()
    await turns()
    socket.emit("end")
    frames = []
    while not frames or b'"end"' not in frames[-1][1]:
        frames.append(await peer.ws.receive())
    assert [payload for opcode, payload in frames if opcode == 10] == [b"ping"] * 10


async def test_the_policy_outlives_an_upgrade(join):
    io = fastsio.IO(max_buffered_bytes=8 * KB, buffer_policy="drop_oldest")
    peer, socket = await join(io, transport="polling")
    socket.buffer_policy = "drop_newest"
    for i in range(30):
        socket.emit("tick", i, TEXT)
    dropped = socket.dropped
    assert dropped > 20
    await peer.upgrade()
    await until(lambda: socket.transport == "websocket", "upgraded")
    assert (socket.buffer_policy, socket.dropped) == ("drop_newest", dropped)
    socket.emit("end")
    ticks = [event[1] for event in (await events_of(peer, "end"))[:-1]]
    assert ticks == list(range(len(ticks)))


# --- latest ---------------------------------------------------------------------------------------


async def test_a_slow_client_gets_the_newest_of_each_key_and_a_quick_one_all(io, join):
    slow, socket = await join(io)
    quick, _ = await join(io)
    end_of(slow).stall()
    socket.emit("in the transport")
    await turns()
    for price in range(20):
        io.latest("BTC").emit("price", "BTC", price)
        io.to(list(io.sockets.sockets)).latest("ETH").emit("price", "ETH", price)
        await turns(2)
    end_of(slow).flow()
    io.emit("end")
    assert await events_of(slow, "end") == [
        ["in the transport"], ["price", "BTC", 19], ["price", "ETH", 19], ["end"],
    ]  # fmt: skip
    assert len(await events_of(quick, "end")) == 41
    assert socket.dropped == 38


async def test_keys_of_namespaces_are_different_ones(io, join):
    io.of("/a")
    peer, socket = await join(io)
    await peer.connect("/a")
    (other,) = io.of("/a").sockets.values()
    end_of(peer).stall()
    socket.emit("first")
    await turns()
    for i in range(3):
        socket.latest(1).emit("e", i)
        other.latest(1).send(i)
    end_of(peer).flow()
    await turns()
    socket.emit("end")
    assert await events_of(peer, "end") == [["first"], ["e", 2], ["message", 2], ["end"]]


async def test_latest_of_a_parent_namespace_is_for_each_child(io, join):
    rooms = io.of("/room/{id}")
    peer, _ = await join(io)
    for name in ("/room/1", "/room/2"):
        await peer.connect(name)
    end_of(peer).stall()
    io.emit("first")
    await turns()
    for i in range(4):
        rooms.latest("key").emit("e", i)
    end_of(peer).flow()
    packets = [await peer.receive() for _ in range(3)]
    assert packets == ['42["first"]', '42/room/1,["e",3]', '42/room/2,["e",3]']


async def test_latest_is_not_kept_for_clients_that_come_back(join):
    io = fastsio.IO(connection_state_recovery=True)
    peer, socket = await join(io)
    socket.emit("kept", 1)
    kept = await peer.receive()
    socket.latest("key").emit("price", "text at the end")
    assert await peer.receive() == '42["price","text at the end",null]'
    socket.emit("kept", 2)
    assert kept != await peer.receive()
    assert io.sockets.adapter.position() == 2, "two packets are kept"


async def test_latest_to_a_client_that_is_leaving_makes_nothing(io, join):
    peer, socket = await join(io, transport="polling")
    session = socket.session
    socket.disconnect(close=True)
    io.latest("key").emit("e", 1)
    socket.latest("key").emit("e", 2)
    session.outlet.send(latest_packet(io.sockets, "key", ["e", 3]))
    assert session.flow is None
    assert [(await peer.get()).body for _ in range(2)] == [b"41", b"6\x1e1"]
    peer.handshake.clear()


async def test_latest_says_what_it_can_not_do(io, join):
    _, socket = await join(io)
    with pytest.raises(TypeError, match="unhashable"):
        socket.latest([])
    with pytest.raises(ValueError, match="connect"):
        socket.latest(1).emit("connect")
    with pytest.raises(TypeError):
        socket.latest(1).emit("e", object())


# --- pause and resume -----------------------------------------------------------------------------


async def test_no_event_is_handled_while_paused_and_all_are_in_order_afterwards(io, join):
    peer, socket = await join(io)
    log = []
    socket.on("e", log.append)

    @socket.on("stop")
    def stop():
        socket.pause()

    feed(peer, '42["e",0]', '42["stop"]', '42["e",1]', '42["e",2]')
    await turns()
    assert log == [0]
    assert socket.is_paused
    await peer.send('42["e",3]')
    await turns()
    assert log == [0]
    assert not end_of(peer).is_reading(), "what comes later stays with the client"
    socket.resume()
    await turns()
    assert (log, socket.is_paused) == ([0, 1, 2, 3], False)
    await peer.send('42["e",4]')
    await turns()
    assert log == [0, 1, 2, 3, 4]
    assert not socket.peer.is_diverted, "events take the short way again"


async def test_a_paused_client_is_sent_to_and_its_acks_that_came_are_taken(io, join):
    peer, socket = await join(io)
    answers = []
    socket.emit("question", ack=answers.append)
    assert await peer.receive() == '420["question"]'
    socket.on("stop", socket.pause)
    feed(peer, '42["stop"]', '430["answer"]')
    await turns()
    assert answers == ["answer"]
    socket.emit("still sent")
    assert await peer.receive() == '42["still sent"]'
    socket.resume()


async def test_a_handler_may_pause_again_what_it_was_resumed_from(io, join):
    peer, socket = await join(io)
    log = []

    @socket.on("e")
    def e(i):
        log.append(i)
        socket.pause()

    feed(peer, *(f'42["e",{i}]' for i in range(4)))
    for expected in ([0], [0, 1], [0, 1, 2], [0, 1, 2, 3]):
        await turns()
        assert log == expected
        assert not end_of(peer).is_reading()
        socket.resume()
    await turns()
    socket.resume()
    await turns()
    assert end_of(peer).is_reading()


async def test_the_connection_is_read_when_no_namespace_is_paused(io, join):
    log = []
    peer, socket = await join(io)
    io.of("/a").on("connection", lambda other: other.on("e", log.append))
    await peer.connect("/a")
    (other,) = io.of("/a").sockets.values()
    socket.pause()
    other.pause()
    await peer.send('42/a,["e",1]')
    socket.resume()
    await turns()
    assert (log, socket.is_paused, other.is_paused) == ([], False, True)
    other.resume()
    await turns()
    assert log == [1]


@pytest.mark.fault("a client leaves that is paused", "its events end, nobody else waits")
async def test_who_leaves_while_paused_holds_up_nobody(io, join):
    io.of("/a")
    peer, socket = await join(io)
    await peer.connect("/a")
    (other,) = io.of("/a").sockets.values()
    log = []
    socket.on("e", log.append)
    other.pause()
    await peer.send('42["e",1]')
    await turns()
    assert log == []
    other.disconnect()
    await turns()
    assert log == [1]
    assert not other.is_paused


async def test_a_paused_client_that_goes_is_told_of_behind_what_it_sent(join):
    sio = fastsio.AsyncServer()
    log = []
    sio.on("e", lambda sid, i: log.append(i))
    sio.on("disconnect", lambda sid, reason: log.append(reason))
    peer, socket = await join(sio)
    sio.on("stop", lambda sid: sio.pause(sid))
    feed(peer, '42["stop"]', '42["e",1]', '42["e",2]')
    assert log == []
    end_of(peer).lose()
    await turns()
    assert log == [1, 2, "transport close"]
    socket.pause()
    assert not socket.is_paused, "it has gone"


async def test_events_one_after_the_other_wait_too(join):
    sio = fastsio.AsyncServer(async_handlers=False)
    log = []

    @sio.on("e")
    async def e(sid, i):
        log.append(i)
        if i == 0:
            sio.pause(sid)
        await asyncio.sleep(0)

    peer, socket = await join(sio)
    feed(peer, *(f'42["e",{i}]' for i in range(3)))
    await turns(10)
    assert log == [0]
    sio.resume(socket.id)
    await turns(10)
    assert log == [0, 1, 2]


async def test_a_paused_polling_client_waits_for_its_post(io, join):
    peer, socket = await join(io, transport="polling")
    log = []
    socket.on("e", log.append)
    socket.pause()
    posting = asyncio.ensure_future(peer.post(b'42["e",1]\x1e42["e",2]'))
    await turns(10)
    assert (posting.done(), log) == (False, [])
    socket.emit("polled")
    assert await peer.receive() == '42["polled"]'
    socket.resume()
    response = await asyncio.wait_for(posting, 1)
    assert (response.status, response.body, log) == (200, b"ok", [1, 2])


async def test_a_second_post_while_the_first_is_held_ends_the_session(io, join):
    peer, socket = await join(io, transport="polling")
    reasons = []
    socket.on("disconnect", lambda reason, description: reasons.append((reason, description)))
    socket.pause()
    first = asyncio.ensure_future(peer.post(b'42["e",1]'))
    await turns(10)
    second = await peer.post(b'42["e",2]')
    assert second.status == 400
    assert reasons == [("transport error", "data request overlap from client")]
    await asyncio.wait([first])
    first.exception()
    peer.handshake.clear()


async def test_pause_and_resume_from_another_thread(io, join):
    peer, socket = await join(io)
    log = []
    socket.on("e", log.append)
    await asyncio.to_thread(socket.pause)
    await until(lambda: socket.is_paused, "paused")
    await peer.send('42["e",1]')
    await turns()
    assert log == []
    await asyncio.to_thread(socket.resume)
    await until(lambda: log == [1], "resumed")

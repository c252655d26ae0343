"""Sockets: listening, sending, what they say of their client, and leaving.

Rooms are in test_rooms.py, acks in test_acks.py. Source: Node's Socket; socketio.md 4 and 6.
"""

from __future__ import annotations

import asyncio

import pytest

import fastsio
from harness import CLOSE, until


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def gone(socket) -> None:
    await until(lambda: not socket.connected, "the client is gone")


# --- listening ------------------------------------------------------------------------------------


async def test_listeners_of_an_event_run_in_the_order_in_which_they_were_added(io, join):
    peer, socket = await join(io)
    log = []
    for name in "abc":
        socket.on("x", lambda value, name=name: log.append((name, value)))
    await peer.send('42["x",1]')
    await turns()
    assert log == [("a", 1), ("b", 1), ("c", 1)]


async def test_on_works_as_a_decorator_and_returns_the_function(io, join):
    _, socket = await join(io)

    def listener(): ...

    assert socket.on("x")(listener) is listener
    assert socket.once("y", listener) is listener


async def test_event_that_nobody_listens_to_gets_no_answer(io, join):
    """As in Node and python-socketio."""
    peer, socket = await join(io)
    socket.on("heard", lambda: "yes")
    await peer.send('420["unheard"]', '421["heard"]')
    assert await peer.receive() == '431["yes"]'


async def test_listener_of_one_client_hears_no_other(io, join):
    peer, socket = await join(io)
    other_peer, other = await join(io)
    log = []
    socket.on("x", lambda: log.append("one"))
    other.on("x", lambda: log.append("other"))
    await other_peer.send('42["x"]')
    await turns()
    assert log == ["other"]
    await peer.send('42["x"]')
    await turns()
    assert log == ["other", "one"]


@pytest.mark.parametrize("event", ["", "1", "ключ", "a b", "connection", "error", "message"])
async def test_event_name_may_be_any_string(io, join, event):
    peer, socket = await join(io)
    socket.on(event, lambda: event)
    await peer.send(f'420["{event}"]')
    assert await peer.receive() == f'430["{event}"]'


async def test_event_name_may_be_a_number(io, join):
    peer, socket = await join(io)
    socket.on(5, lambda: "five")
    await peer.send("420[5]", '421["5"]', "422[5]")
    assert [await peer.receive(), await peer.receive()] == ['430["five"]', '432["five"]']


async def test_once_hears_one_event_even_if_several_come_at_once(io, join):
    peer, socket = await join(io)
    log = []
    socket.once("x", log.append)
    await peer.send('42["x",1]', '42["x",2]')
    await turns()
    assert log == [1]
    assert socket.event_names() == []


async def test_once_may_listen_again_in_its_listener(io, join):
    peer, socket = await join(io)
    log = []

    def listener(value):
        log.append(value)
        if value < 3:
            socket.once("x", listener)

    socket.once("x", listener)
    await peer.send(*[f'42["x",{i}]' for i in range(1, 6)])
    await turns()
    assert log == [1, 2, 3]


async def test_once_that_fails_is_gone_all_the_same(io, join, watch):
    peer, socket = await join(io)

    def fail():
        raise RuntimeError("on purpose")

    socket.once("x", fail)
    await peer.send('42["x"]', '42["x"]')
    await turns()
    watch.expect_error("on purpose")
    assert not watch.errors


async def test_off_removes_one_listener_or_all(io, join):
    peer, socket = await join(io)
    log = []

    def one():
        log.append("one")

    def two():
        log.append("two")

    for fn in (one, two, one):
        socket.on("x", fn)
    socket.off("x", one)  # the one added last
    await peer.send('42["x"]')
    await turns()
    assert log == ["one", "two"]
    socket.off("x")
    await peer.send('42["x"]')
    await turns()
    assert log == ["one", "two"]


async def test_off_finds_a_bound_method_and_a_once_listener(io, join):
    _, socket = await join(io)
    log = []
    socket.on("x", log.append)
    socket.once("x", log.append)
    socket.off("x", log.append)
    assert socket.listener_count("x") == 1
    socket.off("x", log.append)
    assert socket.listeners("x") == []


async def test_off_of_what_is_not_there_does_nothing(io, join):
    _, socket = await join(io)
    socket.off("x")
    socket.on("x", print)
    socket.off("x", repr)
    socket.off("y", print)
    assert socket.listener_count("x") == 1


async def test_listener_removed_while_its_event_runs_is_not_heard_next_time(io, join):
    peer, socket = await join(io)
    log = []

    def first():
        log.append("first")
        socket.off("x", second)

    def second():
        log.append("second")

    socket.on("x", first)
    socket.on("x", second)
    await peer.send('42["x"]', '42["x"]')
    await turns()
    assert log.count("first") == 2
    assert log[-1] == "first"


async def test_listener_that_cant_be_called_is_refused_where_it_is_given(io, join):
    _, socket = await join(io)
    for listen in (socket.on, socket.once):
        with pytest.raises(TypeError, match="42 is not callable"):
            listen("x", 42)


@pytest.mark.parametrize(
    ("results", "answer"),
    [
        (("a", "b"), '430["a"]'),
        ((None, "b"), '430["b"]'),
        ((None, None), "430[]"),
        ((None, 0, 1), "430[0]"),
        (((1, 2), "b"), "430[1,2]"),
    ],
)
async def test_of_several_listeners_the_first_result_that_is_not_none_is_the_answer(
    io, join, results, answer
):
    peer, socket = await join(io)
    for result in results:
        socket.on("x", lambda result=result: result)
    await peer.send('420["x"]', '42["x"]')
    assert await peer.receive() == answer
    socket.emit("end")
    assert await peer.receive() == '42["end"]'


async def test_of_several_listeners_one_that_takes_ack_is_the_one_that_answers(io, join):
    peer, socket = await join(io)
    log = []
    socket.on("x", lambda: log.append("heard") or "not the answer")
    socket.on("x", lambda ack: ack("the answer"))
    socket.on("x", lambda: "nor this")
    await peer.send('420["x"]')
    assert await peer.receive() == '430["the answer"]'
    assert log == ["heard"]
    socket.emit("end")
    assert await peer.receive() == '42["end"]'


async def test_slow_listener_among_several_is_waited_for(io, join):
    peer, socket = await join(io)
    release = asyncio.Event()

    async def slow():
        await release.wait()

    socket.on("x", slow)
    socket.on("x", lambda: "quick")
    await peer.send('420["x"]')
    socket.emit("meanwhile")
    assert await peer.receive() == '42["meanwhile"]'
    release.set()
    assert await peer.receive() == '430["quick"]'


@pytest.mark.fault("a listener raises", "logged, the others run")
async def test_failure_of_one_listener_does_not_stop_the_others(io, join, watch):
    peer, socket = await join(io)
    log = []

    def fail():
        raise RuntimeError("on purpose")

    socket.on("x", fail)
    socket.on("x", lambda: log.append("heard"))
    await peer.send('42["x"]')
    await turns()
    assert log == ["heard"]
    watch.expect_error("on purpose")


# --- sending --------------------------------------------------------------------------------------


async def test_emit_sends_any_number_of_arguments(io, join):
    peer, socket = await join(io)
    socket.emit("a")
    socket.emit("b", None)
    socket.emit("c", 1, "two", [3], {"four": 4}, None, True)
    socket.emit("d", (1, 2))
    socket.send("hello", 1)
    assert [await peer.receive() for _ in range(5)] == [
        '42["a"]', '42["b",null]', '42["c",1,"two",[3],{"four":4},null,true]', '42["d",[1,2]]',
        '42["message","hello",1]',
    ]  # fmt: skip


async def test_emit_of_binary_sends_its_attachments_behind_it(io, join):
    peer, socket = await join(io)
    socket.emit("b", {"x": b"\x01", "y": [bytearray(b"\x02"), memoryview(b"\x03")]})
    p = [f'{{"_placeholder":true,"num":{i}}}' for i in range(3)]
    text = f'453-["b",{{"x":{p[0]},"y":[{p[1]},{p[2]}]}}]'
    assert [await peer.receive() for _ in range(4)] == [text, b"\x01", b"\x02", b"\x03"]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("connect", 1), ValueError),
        (("disconnect",), ValueError),
        ((None,), TypeError),
        (("x", object()), TypeError),
        (("x", [b""] * 11), ValueError),
    ],
)
async def test_what_cant_be_sent_is_the_callers_error_and_sends_nothing(io, join, arguments, error):
    peer, socket = await join(io)
    with pytest.raises(error):
        socket.emit(*arguments)
    with pytest.raises(error):
        socket.emit(*arguments, ack=print)
    socket.emit("end")
    assert await peer.receive() == '42["end"]'


async def test_emit_to_a_client_that_has_gone_does_nothing(io, join):
    peer, socket = await join(io)
    await peer.send("41")
    await gone(socket)
    socket.emit("x")
    socket.send("x")
    socket.emit("x", ack=print)
    await peer.send("40")
    assert (await peer.receive()).startswith("40{")  # and nothing before it


async def test_changed_argument_after_emit_is_not_what_is_sent(io, join):
    peer, socket = await join(io)
    value = {"n": 1}
    socket.emit("x", value)
    value["n"] = 2
    assert await peer.receive() == '42["x",{"n":1}]'


async def test_volatile_reaches_a_client_that_can_take_it(io, join):
    peer, socket = await join(io)
    other_peer, _ = await join(io)
    socket.volatile.emit("x", 1)
    assert await peer.receive() == '42["x",1]'
    io.emit("end")
    assert await other_peer.receive() == '42["end"]'


# --- what it is -----------------------------------------------------------------------------------


async def test_socket_says_who_and_where_it_is(io, join):
    peer, socket = await join(io, query={"room": "a b"}, headers={"X-Token": "t"})
    assert len(socket.id) == 20
    assert socket.id != peer.handshake["sid"]
    assert socket.nsp is io.sockets
    assert (socket.nsp.name, socket.connected, socket.disconnected) == ("/", True, False)
    assert socket.transport == "websocket"
    assert socket.request.method == "GET"
    assert socket.request.headers["x-token"] == "t"
    assert repr(socket) == f"<Socket {socket.id[:6]}… in '/'>"


async def test_data_is_a_dict_of_the_sockets_own_and_may_be_replaced(io, join):
    _, socket = await join(io)
    _, other = await join(io)
    socket.data["name"] = "ann"
    assert socket.data == {"name": "ann"}
    assert other.data == {}
    socket.data = {"name": "bob"}
    assert socket.data == {"name": "bob"}


async def test_data_can_still_be_read_when_the_client_has_gone(io, join):
    peer, socket = await join(io)
    socket.data["name"] = "ann"
    await peer.send("41")
    await gone(socket)
    assert socket.data == {"name": "ann"}


# --- leaving --------------------------------------------------------------------------------------


async def test_disconnect_tells_the_client_behind_what_was_emitted(io, join):
    peer, socket = await join(io)
    reasons = []
    socket.on("disconnect", lambda reason: reasons.append(reason))
    socket.emit("last")
    socket.disconnect()
    assert reasons == ["server namespace disconnect"]
    assert (socket.connected, socket.disconnected) == (False, True)
    socket.disconnect()
    assert [await peer.receive(), await peer.receive()] == ['42["last"]', "41"]
    await peer.send("40")  # the connection itself stays
    assert (await peer.receive()).startswith("40{")
    assert reasons == ["server namespace disconnect"]


async def test_disconnect_leaves_other_namespaces_alone(join):
    io = fastsio.IO(namespaces=["/n"])
    peer, socket = await join(io)
    await peer.connect("/n")
    socket.disconnect()
    assert await peer.receive() == "41"
    assert len(io.of("/n").sockets) == 1


async def test_disconnect_with_close_leaves_every_namespace_and_ends_the_connection(join):
    io = fastsio.IO(namespaces=["/n"])
    peer, socket = await join(io)
    await peer.connect("/n")
    reasons = []
    for one in (socket, *io.of("/n").sockets.values()):
        one.on("disconnect", lambda reason, *, one=one: reasons.append((one.nsp.name, reason)))
    socket.disconnect(close=True)
    assert {await peer.receive(), await peer.receive()} == {"41", "41/n,"}
    assert await peer.ws.receive() == (CLOSE, b"")
    assert sorted(reasons) == [
        ("/", "server namespace disconnect"), ("/n", "server namespace disconnect"),
    ]  # fmt: skip


async def test_disconnect_with_close_after_the_client_has_left_still_ends_the_connection(io, join):
    peer, socket = await join(io)
    await peer.send("41")
    await gone(socket)
    socket.disconnect(close=True)
    assert await peer.ws.receive() == (CLOSE, b"")


async def test_handler_may_disconnect_its_own_socket(io, join):
    peer, socket = await join(io)
    log = []
    socket.on("disconnect", lambda reason: log.append(reason))

    @socket.on("bye")
    def bye():
        socket.disconnect()
        return "not sent any more"

    await peer.send('420["bye"]')
    assert await peer.receive() == "41"
    assert log == ["server namespace disconnect"]


async def test_events_behind_the_one_that_disconnected_are_not_heard(io, join):
    """The namespace is left, so they are misplaced: the connection closes as in Node."""
    peer, socket = await join(io)
    log = []
    socket.on("bye", lambda: socket.disconnect())
    socket.on("x", lambda: log.append("heard"))
    await peer.send('42["bye"]', '42["x"]')
    assert await peer.receive() == "41"
    assert await peer.ws.receive() == (CLOSE, b"")
    assert log == []

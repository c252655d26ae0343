"""AsyncServer: emit, send and call: whom they reach, with what, and the answers.

Source: python-socketio 5's signatures; socketio.md 4.
"""

from __future__ import annotations

import asyncio
import inspect
import json

import pytest

from clock_loop import pass_time
from fastsio.exceptions import DisconnectedError, TimeoutError
from harness import until

CLOCK = pytest.mark.asyncio(loop_factories=["clock"])


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def refusal(peer, packet: str = "40") -> dict:
    await peer.send(packet)
    answer = await peer.receive()
    assert answer[:2] == "44", answer
    return json.loads(answer[answer.index("{") :])


# --- sending --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "packet"),
    [
        (None, '42["x"]'),
        ((), '42["x"]'),
        (0, '42["x",0]'),
        ("", '42["x",""]'),
        (False, '42["x",false]'),
        ([1, 2], '42["x",[1,2]]'),
        ((1, 2), '42["x",1,2]'),
        ((None,), '42["x",null]'),
        (([1], (2,)), '42["x",[1],[2]]'),
        ({"a": None}, '42["x",{"a":null}]'),
    ],
)
async def test_data_is_none_one_or_a_tuple_of_several(sio, join, data, packet):
    peer, socket = await join(sio)
    await sio.emit("x", data)
    await sio.emit("x", data, to=socket.id)
    assert [await peer.receive(), await peer.receive()] == [packet, packet]


async def test_binary_data_goes_as_attachments(sio, join):
    peer, _ = await join(sio)
    await sio.emit("x", {"picture": b"\x89PNG"})
    assert await peer.receive() == '451-["x",{"picture":{"_placeholder":true,"num":0}}]'
    assert await peer.receive() == b"\x89PNG"


async def test_send_is_emit_of_message(sio, join):
    peer, socket = await join(sio)
    other_peer, _ = await join(sio)
    await sio.send("all")
    await sio.send(("one", 1), to=socket.id)
    await sio.send("other", skip_sid=socket.id)
    await sio.send("room", room=socket.id)
    assert [await peer.receive() for _ in range(3)] == [
        '42["message","all"]', '42["message","one",1]', '42["message","room"]',
    ]  # fmt: skip
    assert [await other_peer.receive() for _ in range(2)] == [
        '42["message","all"]', '42["message","other"]',
    ]  # fmt: skip


@pytest.fixture
async def three(sio, join):
    """Clients a, b, c by name: a and b in room 1, b and c in room 2."""
    peers, sids = {}, {}
    for name in "abc":
        peers[name], socket = await join(sio)
        sids[name] = socket.id
    for name, room in (("a", "1"), ("b", "1"), ("b", "2"), ("c", "2")):
        await sio.enter_room(sids[name], room)

    async def reached() -> str:
        got = ""
        for name, peer in peers.items():
            await sio.emit("mark", to=sids[name])
            while await peer.receive() != '42["mark"]':
                got += name
        return got

    return sids, reached


@pytest.mark.parametrize(
    ("where", "reached"),
    [
        (lambda s: {}, "abc"),
        (lambda s: {"to": None, "room": None, "skip_sid": None}, "abc"),
        (lambda s: {"to": s["a"]}, "a"),
        (lambda s: {"room": s["a"]}, "a"),
        (lambda s: {"to": "1"}, "ab"),
        (lambda s: {"room": "1"}, "ab"),
        (lambda s: {"to": "1", "room": "2"}, "ab"),
        (lambda s: {"to": ["1", "2"]}, "abc"),
        (lambda s: {"room": ["1", "2"]}, "abc"),
        (lambda s: {"room": {"1"}}, "ab"),
        (lambda s: {"to": [s["a"], s["c"]]}, "ac"),
        (lambda s: {"to": []}, ""),
        (lambda s: {"room": []}, ""),
        (lambda s: {"to": ("1", "2")}, "abc"),  # several rooms, while none has that name
        (lambda s: {"to": "nobody"}, ""),
        (lambda s: {"skip_sid": s["a"]}, "bc"),
        (lambda s: {"skip_sid": [s["a"], s["b"]]}, "c"),
        (lambda s: {"skip_sid": []}, "abc"),
        (lambda s: {"skip_sid": "nobody"}, "abc"),
        (lambda s: {"room": "1", "skip_sid": s["a"]}, "b"),
        (lambda s: {"room": ["1", "2"], "skip_sid": [s["b"]]}, "ac"),
        (lambda s: {"to": s["a"], "skip_sid": s["a"]}, ""),
        (lambda s: {"namespace": "/"}, "abc"),
        (lambda s: {"namespace": "/other"}, ""),
    ],
)
async def test_emit_reaches_whom_it_names_each_once(sio, three, where, reached):
    sids, who = three
    await sio.emit("x", **where(sids))
    assert await who() == reached


async def test_emit_is_a_coroutine_function_for_whoever_asks(sio, join):
    """Starlette's background tasks run what is none in a thread."""
    assert inspect.iscoroutinefunction(sio.emit)
    peer, socket = await join(sio)
    coroutine = sio.emit("x", 1, to=socket.id)
    assert asyncio.iscoroutine(coroutine)
    await sio.emit("x", 0, to=socket.id)
    await asyncio.create_task(coroutine)
    await asyncio.gather(sio.emit("x", 2, to=socket.id), sio.emit("x", 3, to=socket.id))
    assert [await peer.receive() for _ in range(4)] == [f'42["x",{i}]' for i in range(4)]


async def test_handler_may_return_what_emit_returns(sio, join):
    sio.on("x", lambda sid: sio.emit("y", to=sid))
    peer, _ = await join(sio)
    await peer.send('421["x"]')
    assert await peer.receive() == '42["y"]'
    assert await peer.receive() == "431[]"


async def test_packets_to_a_client_keep_the_order_of_the_calls(sio, join):
    peer, socket = await join(sio)
    for i in range(0, 40, 2):
        await sio.emit("n", i)
        await sio.emit("n", i + 1, to=socket.id)
    assert [await peer.receive() for _ in range(40)] == [f'42["n",{i}]' for i in range(40)]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("connect",), ValueError),
        (("disconnect", 1), ValueError),
        ((None,), TypeError),
        ((b"x",), TypeError),
        (("x", object()), TypeError),
        (("x", ([b""] * 11,)), ValueError),
    ],
)
async def test_what_cant_be_sent_is_the_callers_error_also_where_nobody_listens(
    sio, join, arguments, error
):
    with pytest.raises(error):
        await sio.emit(*arguments)
    with pytest.raises(error):
        await sio.emit(*arguments, to="nobody")
    peer, socket = await join(sio)
    with pytest.raises(error):
        await sio.emit(*arguments)
    with pytest.raises(error):
        await sio.emit(*arguments, callback=print)
    with pytest.raises(error):
        await sio.call(*arguments, to=socket.id)
    await sio.emit("end")
    assert await peer.receive() == '42["end"]'


# --- acks -----------------------------------------------------------------------------------------


async def test_callback_gets_the_answer_of_every_recipient(sio, join):
    peer, _ = await join(sio)
    other_peer, _ = await join(sio)
    got = []
    await sio.emit("x", 1, callback=lambda *values: got.append(values))
    assert await peer.receive() == '420["x",1]'
    assert await other_peer.receive() == '420["x",1]'
    await peer.send('430["a","b"]')
    await other_peer.send("430[]")
    await turns()
    assert sorted(got) == [(), ("a", "b")]


async def test_callback_may_be_a_coroutine_function_and_is_for_those_named(sio, join):
    peer, socket = await join(sio)
    other_peer, _ = await join(sio)
    got = []

    async def callback(value):
        await asyncio.sleep(0)
        got.append(value)

    await sio.emit("x", to=socket.id, callback=callback)
    await sio.emit("end")
    assert await other_peer.receive() == '42["end"]'
    assert await peer.receive() == '420["x"]'
    await peer.send("430[5]")
    await until(lambda: got, "the callback has run")
    assert got == [5]


@pytest.mark.parametrize(
    ("answer", "value"), [("[]", None), ("[1]", 1), ("[[1,2]]", [1, 2]), ("[1,2]", (1, 2))]
)
@pytest.mark.parametrize("name", ["to", "sid"])
async def test_call_returns_the_clients_answer(sio, join, answer, value, name):
    peer, socket = await join(sio)
    calling = asyncio.ensure_future(sio.call("ask", (1, "two"), **{name: socket.id}))
    assert await peer.receive() == '420["ask",1,"two"]'
    await peer.send("430" + answer)
    assert await calling == value


async def test_call_in_a_namespace_asks_there(sio, join):
    sio.on("x", print, namespace="/n")
    peer, socket = await join(sio, "/n")
    calling = asyncio.ensure_future(sio.call("ask", to=socket.id, namespace="/n"))
    assert await peer.receive() == '42/n,0["ask"]'
    await peer.send("43/n,0[7]")
    assert await calling == 7


async def test_call_without_a_sid_is_a_valueerror(sio):
    with pytest.raises(ValueError, match=r"Cannot use call\(\) to broadcast\."):
        await sio.call("ask")


@CLOCK
async def test_call_of_who_is_not_there_fails_at_once(sio, join):
    """It is a TimeoutError too: that is what python-socketio's users catch, a minute later."""
    _, socket = await join(sio)
    sio.on("x", print, namespace="/n")
    for options in (
        {"to": "nobody"},
        {"sid": socket.id, "namespace": "/n"},
        {"to": "x", "namespace": "/never"},
    ):
        for error in (TimeoutError, DisconnectedError):
            with pytest.raises(error):
                await sio.call("ask", **options)


@pytest.mark.feature("1.7 timeout")
@pytest.mark.feature("1.2 ack timeout default")
@CLOCK
async def test_call_that_is_not_answered_is_a_timeouterror(sio, join):
    peer, socket = await join(sio)
    for timeout, options in ((2, {"timeout": 2}), (60, {})):
        began_at = asyncio.get_running_loop().time()
        calling = asyncio.ensure_future(sio.call("ask", to=socket.id, **options))
        while not calling.done():
            await peer.send("3")  # alive, but says nothing
            await pass_time(1)
        with pytest.raises(TimeoutError):
            await calling
        assert timeout <= asyncio.get_running_loop().time() - began_at <= timeout + 1


@CLOCK
async def test_call_with_timeout_none_waits_for_ever(sio, join):
    peer, socket = await join(sio)
    calling = asyncio.ensure_future(sio.call("ask", to=socket.id, timeout=None))
    for _ in range(200):
        await peer.send("3")
        await pass_time(1)
    assert not calling.done()
    await peer.send("430[1]")
    assert await calling == 1


async def test_call_to_a_client_that_goes_is_a_disconnectederror(sio, join):
    peer, socket = await join(sio)
    calling = asyncio.ensure_future(sio.call("ask", to=socket.id))
    await peer.receive()
    await peer.send("41")
    with pytest.raises(DisconnectedError):
        await calling

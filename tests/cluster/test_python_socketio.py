"""Servers of python-socketio and of fastsio in one cluster, on a real Redis, in python-socketio's format.

One table: "a" does something, "b" and its client have to take part. The program of a server is the same for both
libraries but for its import.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio

from .python_peers import CHAT, Both, Peer, Programs, script
from .servers import Redis, ServerError

pytestmark = pytest.mark.asyncio(loop_factories=["uvloop"])

BYTES = {"$bytes": "010203"}
THEIRS, OURS = "socketio async AsyncRedisManager", "fastsio async AsyncRedisManager"
THEIR_SYNC, OUR_SYNC = "socketio sync RedisManager", "fastsio sync RedisManager"
PAIRS = {
    "theirs-ours": (THEIRS, OURS),
    "ours-theirs": (OURS, THEIRS),
    "ours-ours": (OURS, f"{OURS} again"),
    "their sync-ours": (THEIR_SYNC, OURS),
    "our sync-theirs": (OUR_SYNC, THEIRS),
    "theirs-our sync": (THEIRS, OUR_SYNC),
}


@pytest.fixture(scope="module")
def programs(redis: Redis) -> Iterator[Programs]:
    programs = Programs(redis.url, *dict.fromkeys(name for pair in PAIRS.values() for name in pair))
    yield programs
    programs.stop()


@pytest.fixture(params=PAIRS)
def pair(request: pytest.FixtureRequest) -> tuple[str, str]:
    return PAIRS[request.param]


# Scripts know no servers: two pairs have a server of each kind.
SCRIPTED = ["theirs-ours", "theirs-our sync"]


@pytest_asyncio.fixture
async def both(programs: Programs, pair: tuple[str, str]) -> AsyncIterator[Both]:
    both = await Both.join(*(programs[name] for name in pair))
    yield both
    await both.leave()


def tuple_of(*values: object) -> dict[str, object]:
    return {"$tuple": list(values)}


# data as it is given to emit(), and the arguments that clients get.
DATA = {
    "nothing": (None, ()),
    "a text": ("naïve 日本 🦊", ("naïve 日本 🦊",)),
    "a number": (5, (5,)),
    "false": (False, (False,)),
    "an object": ({"a": [1, {"b": None}]}, ({"a": [1, {"b": None}]},)),
    "a list": ([1, 2], ([1, 2],)),
    "a list of one list": ([[1]], ([[1]],)),
    "an empty list": ([], ([],)),
    "a list of null": ([None], ([None],)),
    "several": (tuple_of("x", 2, [3]), ("x", 2, [3])),
    "several with null": (tuple_of(None, 1), (None, 1)),
    "none at all": (tuple_of(), ()),
    "bytes": (BYTES, (b"\1\2\3",)),
    "bytes in a list": ([BYTES], ([b"\1\2\3"],)),
    "bytes, deep": ({"a": [{"b": BYTES}, BYTES]}, ({"a": [{"b": b"\1\2\3"}, b"\1\2\3"]},)),
    "bytes among several": (tuple_of("x", BYTES, {"y": BYTES}), ("x", b"\1\2\3", {"y": b"\1\2\3"})),
    "a number beyond 64 bits": (2**70, (2**70,)),
    "half a character": ("\ud83e", ("\ud83e",)),
}


async def test_a_broadcast_arrives_as_it_was_given(both: Both):
    for name, (given, _) in DATA.items():
        await both.a.do("emit", name, given)
    expected = [(name, *args) for name, (_, args) in DATA.items()]
    await both.on_b.until(*expected)
    await both.on_a.until(*expected)


async def test_broadcasts_come_once_and_in_order(both: Both):
    for n in range(50):
        await both.a.do("emit", "n", n)
    expected = [("n", n) for n in range(50)]
    await both.on_b.until(*expected)
    await both.on_a.until(*expected)
    await both.quiet()
    assert both.on_a.got == both.on_b.got == []


async def test_a_client_is_reached_by_its_sid(both: Both):
    await both.a.do("emit", "you", 1, to=both.on_b.sid)
    await both.on_b.until(("you", 1))
    assert both.on_a.got == []


async def test_rooms_span_both(both: Both):
    await both.a.do("enter_room", both.on_a.sid, "club")
    await both.b.do("enter_room", both.on_b.sid, "club")
    await both.b.do("enter_room", both.on_b.sid, 7)
    await both.a.do("emit", "one", 1, room="club")
    await both.a.do("emit", "two", 2, room=["club", "other"])
    await both.a.do("emit", "number", room=7)
    await both.a.do("emit", "nobody", room="empty")
    await both.quiet()
    assert both.on_a.got == [("one", 1), ("two", 2)]
    assert both.on_b.got == [("one", 1), ("two", 2), ("number",)]


async def test_who_is_skipped_is_left_out(both: Both):
    third = await Peer().connect(both.b)
    await both.a.do("emit", "one", skip_sid=both.on_b.sid)
    await both.a.do("emit", "two", skip_sid=[both.on_b.sid, both.on_a.sid])
    await both.quiet()
    assert both.on_b.got == []
    assert both.on_a.got == [("one",)]
    await third.until(("one",), ("two",))
    await third.io.disconnect()


async def test_a_namespace_is_one_of_its_own(both: Both):
    await both.a.do("emit", "in chat", 1, namespace=CHAT)
    await both.a.do("emit", "to one", 2, to=both.on_b.chat_sid, namespace=CHAT)
    await both.a.do("emit", "nowhere", 3, namespace="/nobody")
    await both.quiet()
    assert both.on_a.chat == [("in chat", 1)]
    assert both.on_b.chat == [("in chat", 1), ("to one", 2)]
    assert both.on_a.got == both.on_b.got == []


async def answers(both: Both, count: int) -> list[Any]:
    """What callbacks on `a` were called with: so often, or, if that was too often, more."""
    found: list[Any] = []
    async with asyncio.timeout(20):
        while len(found) < count:
            found += await both.a.do("take_answers")
    await both.quiet()
    await both.quiet()
    return found + await both.a.do("take_answers")


async def test_callbacks_get_the_answers_of_a_client_elsewhere(both: Both):
    for answer in ("yes", None, ("a", 2), [1], {"a": "ü"}):
        both.on_b.answer = answer
        await both.a.do("emit_for_answer", "question", 5, to=both.on_b.sid)
        await both.on_b.until(("question", 5))
    assert await answers(both, 5) == [["yes"], [], ["a", 2], [[1]], [{"a": "ü"}]]


async def test_a_binary_answer_reaches_fastsio(both: Both, pair: tuple[str, str]):
    """python-socketio itself can't publish one: its json.dumps() raises, and it is asked in vain."""
    both.on_b.answer = {"a": b"\1\2\3"}
    await both.a.do("emit_for_answer", "question", BYTES, to=both.on_b.sid)
    await both.on_b.until(("question", b"\1\2\3"))
    expected = [[{"a": BYTES}]] if pair == PAIRS["ours-ours"] else []
    assert await answers(both, len(expected)) == expected


async def test_a_callback_in_a_namespace(both: Both):
    both.on_b.answer = "from chat"
    await both.a.do("emit_for_answer", "question", to=both.on_b.chat_sid, namespace=CHAT)
    assert await answers(both, 1) == [["from chat"]]


async def test_call_returns_a_client_elsewheres_answer(both: Both):
    both.on_b.answer = ("a", 2)
    found = await both.a.do("call", "question", "x", to=both.on_b.sid, timeout=10)
    # python-socketio's own call() makes a tuple of several values.
    assert found == {"$tuple": ["a", 2]}


async def test_call_gives_up_in_time(both: Both):
    with pytest.raises(ServerError, match="TimeoutError"):
        await both.a.do("call", "question", to="nobody", timeout=0.3)


async def test_clients_elsewhere_enter_and_leave_rooms(both: Both):
    await both.a.do("enter_room", both.on_b.sid, "x")
    await both.a.do("enter_room", both.on_b.sid, "y")
    await both.quiet()
    assert set(await both.b.do("rooms", both.on_b.sid)) == {both.on_b.sid, "x", "y"}
    await both.a.do("leave_room", both.on_b.sid, "x")
    await both.quiet()
    assert set(await both.b.do("rooms", both.on_b.sid)) == {both.on_b.sid, "y"}


async def test_a_room_is_closed_on_both(both: Both):
    for server, client in ((both.a, both.on_a), (both.b, both.on_b)):
        await server.do("enter_room", client.sid, "closing")
    await both.a.do("close_room", "closing")
    await both.quiet()
    assert await both.b.do("rooms", both.on_b.sid) == [both.on_b.sid]
    assert await both.a.do("rooms", both.on_a.sid) == [both.on_a.sid]


async def test_a_client_elsewhere_is_disconnected_once(both: Both):
    await both.b.do("take_heard")
    gone = asyncio.get_running_loop().create_future()
    both.on_b.io.on("disconnect", lambda *reason: gone.done() or gone.set_result(reason))
    sid, chat_sid = both.on_b.sid, both.on_b.chat_sid
    await both.a.do("disconnect", sid)
    async with asyncio.timeout(20):
        await gone
    # It is in "/chat" still: only the namespace was meant.
    await both.a.do("emit", "still here", to=chat_sid, namespace=CHAT)
    while ("still here",) not in both.on_b.chat:
        await both.on_b.came(5)
    assert [one for one in await both.b.do("take_heard") if one == ["disconnect", sid]] == [
        ["disconnect", sid]
    ]


async def test_ignore_queue_is_for_clients_here_alone(both: Both):
    await both.a.do("emit", "here", 1, ignore_queue=True)
    await both.a.do("disconnect", both.on_b.sid, ignore_queue=True)
    await both.quiet()
    assert both.on_a.got == [("here", 1)]
    assert both.on_b.got == []


async def test_all_reach_all_once(programs: Programs, redis: Redis):
    """Five servers, two libraries, coroutines and threads, and scripts of both: everybody is heard by everybody."""
    servers = {
        name: programs[name] for name in dict.fromkeys(n for pair in PAIRS.values() for n in pair)
    }
    clients = [await Peer().connect(server) for server in servers.values()]
    both = Both(programs[THEIRS], programs[OURS], clients[0], clients[1])
    for server in servers.values():  # a server listens once its first client is there
        for client in clients:
            both.b, both.on_b, both.a, both.on_a = server, client, server, client
            await both.quiet()
    expected = []
    for name, server in servers.items():
        await server.do("emit", "server", [name, BYTES])
        expected.append(("server", [name, b"\1\2\3"]))
    for library in ("socketio", "fastsio"):
        code = f'library.RedisManager(args[0], write_only=True).emit("script", ("{library}", b"x"))'
        await asyncio.to_thread(script, code, redis.url, library=library)
        expected.append(("script", library, b"x"))
    for client in clients:
        async with asyncio.timeout(20):
            while len(client.got) < len(expected):
                await client.came(0.1)
        assert sorted(client.got, key=repr) == sorted(expected, key=repr)
    for client in clients:
        await client.io.disconnect()


EMITS = """
manager = library.RedisManager(args[0], write_only=True)
manager.emit("all", ("x", b"\\x01"))
manager.emit("one", {"a": 1}, room=args[1])
manager.emit("but one", skip_sid=args[1], data=None)
manager.emit("chat", [1, 2], namespace="/chat")
"""


@pytest.mark.parametrize("library", ["socketio", "fastsio"])
@pytest.mark.parametrize("pair", SCRIPTED, indirect=True)
async def test_a_script_reaches_the_clients_of_all_servers(both: Both, redis: Redis, library: str):
    await asyncio.to_thread(script, EMITS, redis.url, both.on_b.sid, library=library)
    await both.on_b.until(("all", "x", b"\1"), ("one", {"a": 1}))
    await both.on_a.until(("all", "x", b"\1"), ("but one",))
    await both.quiet()
    assert both.on_a.chat == both.on_b.chat == [("chat", [1, 2])]


ACTS = """
manager = library.RedisManager(args[0], write_only=True)
manager.enter_room(args[1], "/", "by script")
manager.enter_room(args[1], "/", "to close")
manager.enter_room(args[1], "/", "to leave")
manager.leave_room(args[1], "/", "to leave")
manager.close_room("to close")
manager.can_disconnect(args[2], "/chat")
"""


@pytest.mark.parametrize("pair", SCRIPTED, indirect=True)
async def test_a_script_does_all_that_a_manager_can(both: Both, redis: Redis):
    await asyncio.to_thread(script, ACTS, redis.url, both.on_b.sid, both.on_b.chat_sid)
    await both.quiet()
    # The message of the script's last line has come before that of quiet().
    assert set(await both.b.do("rooms", both.on_b.sid)) == {both.on_b.sid, "by script"}
    assert await both.b.do("rooms", both.on_b.chat_sid, namespace=CHAT) == []

"""Servers of Node and of fastsio in one cluster, on a real Redis: one table of scenarios for each adapter.

"a" does something and "b" has to take part; each pair of makers is one column.
"""

from __future__ import annotations

import asyncio

import pytest

from .conftest import Cluster
from .servers import ServerError

BYTES = {"$bytes": "010203"}


pytestmark = pytest.mark.asyncio(loop_factories=["uvloop"])


@pytest.fixture(scope="module", params=["classic", "sharded", "streams"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


async def test_a_broadcast_reaches_everybody_once_and_in_order(cluster: Cluster):
    for n in range(20):
        await cluster.a.do(["emit", "n", n, {"text": "naïve 日本 🦊"}])
    expected = [("n", n, {"text": "naïve 日本 🦊"}) for n in range(20)]
    await cluster.on_b.until(*expected)
    await cluster.on_a.until(*expected)
    await cluster.quiet()
    assert cluster.on_a.got == cluster.on_b.got == []


async def test_bytes_arrive_as_bytes(cluster: Cluster):
    await cluster.a.do(["emit", "bin", BYTES, {"deep": [BYTES]}])
    expected = ("bin", b"\x01\x02\x03", {"deep": [b"\x01\x02\x03"]})
    await cluster.on_b.until(expected)
    await cluster.on_a.until(expected)


async def test_rooms_span_servers_and_except_leaves_out(cluster: Cluster):
    await cluster.a.do(["in", cluster.on_b.sid], ["socketsJoin", ["club", "other"]])
    await cluster.a.do(["in", cluster.on_a.sid], ["socketsJoin", "club"])
    await cluster.quiet()
    await cluster.a.do(["to", "club"], ["emit", "one room"])
    await cluster.a.do(["to", ["club", "other"]], ["emit", "two rooms"])
    await cluster.a.do(["to", "club"], ["except", "other"], ["emit", "without b"])
    await cluster.a.do(["to", "nobody is here"], ["emit", "lost"])
    await cluster.quiet()
    assert cluster.on_b.got == [("one room",), ("two rooms",)]
    assert cluster.on_a.got == [("one room",), ("two rooms",), ("without b",)]


async def test_local_is_not_published(cluster: Cluster):
    await cluster.a.do(["local"], ["emit", "here"])
    await cluster.quiet()
    assert (cluster.on_a.got, cluster.on_b.got) == ([("here",)], [])


async def test_answers_come_from_the_clients_of_both(cluster: Cluster):
    cluster.on_a.answer, cluster.on_b.answer = "a", {"from": "b"}
    answers = await cluster.a.do(["timeout", 3000], ["emitWithAck", "question", 1])
    assert sorted(answers, key=str) == ["a", {"from": "b"}]


async def test_answers_with_bytes(cluster: Cluster):
    cluster.on_a.answer, cluster.on_b.answer = 1, 2
    answers = await cluster.a.do(["timeout", 3000], ["emitWithAck", "question", BYTES])
    assert sorted(answers) == [1, 2]


async def test_a_client_that_does_not_answer_in_time_leaves_the_others_answers(cluster: Cluster):
    cluster.on_a.answer = "a"
    waits = asyncio.Event()

    async def never(*args: object) -> None:
        await waits.wait()

    cluster.on_b.io.on("question", never)
    with pytest.raises(ServerError) as caught:
        await cluster.a.do(["timeout", 300], ["emitWithAck", "question"])
    assert caught.value.responses == ["a"]
    waits.set()


async def test_fetch_sockets_tells_of_both(cluster: Cluster):
    found = {one["id"]: one for one in await cluster.a.call("fetch")}
    assert set(found) == {cluster.on_a.sid, cluster.on_b.sid}
    there = found[cluster.on_b.sid]
    assert there["auth"] == {"name": "client"}
    assert there["rooms"] == [cluster.on_b.sid]
    assert there["data"]["from"] in ("node", "fastsio")


async def test_join_and_leave_reach_the_other_servers_clients(cluster: Cluster):
    await cluster.a.do(["socketsJoin", ["x", "y"]])
    await cluster.quiet()
    assert len(await cluster.b.call("fetch", "x")) == 2
    await cluster.a.do(["in", "x"], ["socketsLeave", "x"])
    await cluster.quiet()
    assert await cluster.b.call("fetch", "x") == []
    assert len(await cluster.b.call("fetch", "y")) == 2


async def test_disconnect_sockets_reaches_the_other_servers_clients(cluster: Cluster):
    gone = asyncio.get_running_loop().create_future()
    cluster.on_b.io.on("disconnect", lambda *reason: gone.done() or gone.set_result(reason))
    await cluster.a.do(["in", cluster.on_b.sid], ["disconnectSockets", True])
    async with asyncio.timeout(20):
        await gone
    assert len(await cluster.a.call("fetch")) == 1


async def test_events_between_servers_and_their_answers(cluster: Cluster):
    await cluster.a.do(["serverSideEmit", "from server", "x", 1])
    answers = await cluster.a.do(["serverSideEmitWithAck", "from server", "y"])
    assert [answer[1:] for answer in answers] == [["y"]]
    assert await cluster.b.call("heard") == [["x", 1], ["y"]]
    assert await cluster.a.call("heard") == []

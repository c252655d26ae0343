"""Servers of Node and of fastsio in one cluster, on a real Redis: one table of scenarios for each adapter.

"a" does something and the others have to take part; each cluster is one column of docs/cluster-table.md, which is made
from the marks here. Variants of an adapter's options, and an older one of Node's, have one cluster each.
"""

from __future__ import annotations

import asyncio

import pytest

from .conftest import PAIRS, Client, Cluster
from .servers import ServerError

BYTES = {"$bytes": "010203"}
KINDS = ["classic", "sharded", "streams"]
VARIANTS = {
    "classic apart": "`publishOnSpecificResponseChannel`, and a `key` of their own",
    "classic 7": "`@socket.io/redis-adapter` 7.2",
    "sharded private": '`subscriptionMode: "dynamic-private"`, and a `channelPrefix` of their own',
    "sharded static": '`subscriptionMode: "static"`',
}
CELLS = [(kind, pair) for kind in KINDS for pair in PAIRS] + [
    (kind, ("node", "ours", "node")) for kind in VARIANTS
]

pytestmark = [
    pytest.mark.asyncio(loop_factories=["uvloop"]),
    pytest.mark.parametrize(
        ("kind", "pair"), CELLS, indirect=True, scope="module",
        ids=["-".join((kind, *pair)) for kind, pair in CELLS],
    ),
]  # fmt: skip


@pytest.fixture(scope="module")
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.scenario("broadcast")
async def test_a_broadcast_reaches_everybody_once_and_in_order(cluster: Cluster):
    values = {
        "text": "naïve 日本 🦊",
        "none": None,
        "numbers": [1.5, -1, 1 << 40],
        "deep": [[True]],
    }
    for n in range(20):
        await cluster.a.do(["emit", "n", n, values])
    await cluster.until_all(*[("n", n, values) for n in range(20)])
    await cluster.quiet()
    assert cluster.take() == [[] for _ in cluster.clients]


@pytest.mark.scenario("broadcast, volatile and not compressed")
async def test_flags_do_not_keep_a_packet_from_arriving(cluster: Cluster):
    await cluster.a.do(["volatile"], ["emit", "volatile"])
    await cluster.until_all(("volatile",))
    await cluster.a.do(["compress", False], ["emit", "plain"])
    await cluster.until_all(("plain",))


@pytest.mark.scenario("binary")
async def test_bytes_arrive_as_bytes(cluster: Cluster):
    await cluster.a.do(["emit", "bin", BYTES, {"deep": [BYTES]}])
    await cluster.until_all(("bin", b"\x01\x02\x03", {"deep": [b"\x01\x02\x03"]}))


@pytest.mark.scenario("rooms")
@pytest.mark.scenario("except")
async def test_rooms_span_servers_and_except_leaves_out(cluster: Cluster):
    await cluster.a.do(["in", cluster.on_b.sid], ["socketsJoin", ["club", "other"]])
    await cluster.a.do(["in", cluster.on_a.sid], ["socketsJoin", "club"])
    await cluster.quiet()
    await cluster.a.do(["to", "club"], ["emit", "one room"])
    await cluster.a.do(["to", ["club", "other"]], ["emit", "two rooms"])
    await cluster.a.do(["to", "club"], ["except", "other"], ["emit", "without b"])
    await cluster.a.do(["except", "club"], ["emit", "without both"])
    await cluster.a.do(["to", "nobody is here"], ["emit", "lost"])
    await cluster.quiet()
    on_a, on_b, *others = cluster.take()
    assert on_b == [("one room",), ("two rooms",)]
    assert on_a == [("one room",), ("two rooms",), ("without b",)]
    assert others in ([], [[("without both",)]])


@pytest.mark.scenario("rooms that clients ask for")
async def test_a_room_that_a_client_joins_by_itself_is_reached(cluster: Cluster):
    for client in cluster.on_others:
        await client.io.emit("join", ("mine", 7))
        await client.io.emit("join", "also")
    for server, client in zip(cluster.others, cluster.on_others, strict=True):
        async with asyncio.timeout(20):
            while client.sid not in [one["id"] for one in await server.call("fetch", "also")]:
                pass
    await cluster.quiet()
    await cluster.a.do(["to", "mine"], ["emit", "text"])
    await cluster.a.do(["to", 7], ["emit", "number"])
    await cluster.quiet()
    on_a, *others = cluster.take()
    assert on_a == []
    assert others == [[("text",), ("number",)]] * len(cluster.others)


@pytest.mark.scenario("one client")
async def test_a_client_s_id_is_a_room_on_every_server(cluster: Cluster):
    for client in cluster.clients:
        await cluster.a.do(["to", client.sid], ["emit", "you", client.sid])
    await cluster.quiet()
    assert cluster.take() == [[("you", client.sid)] for client in cluster.clients]


@pytest.mark.scenario("local")
async def test_local_is_not_published(cluster: Cluster):
    await cluster.a.do(["local"], ["emit", "here"])
    await cluster.quiet()
    assert cluster.take() == [[("here",)], *([] for _ in cluster.others)]


@pytest.mark.scenario("acks")
async def test_answers_come_from_the_clients_of_all(cluster: Cluster):
    for n, client in enumerate(cluster.clients):
        client.answer = {"from": n}
    answers = await cluster.a.do(["timeout", 3000], ["emitWithAck", "question", 1])
    assert sorted(answer["from"] for answer in answers) == list(range(len(cluster.clients)))
    answers = await cluster.a.do(
        ["to", cluster.on_b.sid], ["timeout", 3000], ["emitWithAck", "question"]
    )
    assert answers == [{"from": 1}]


@pytest.mark.scenario("acks, binary")
async def test_questions_and_answers_with_bytes(cluster: Cluster):
    for client in cluster.clients:
        client.answer = b"\xff\x00"
    answers = await cluster.a.do(["timeout", 3000], ["emitWithAck", "question", BYTES])
    assert answers == [{"$bytes": "ff00"}] * len(cluster.clients)
    await cluster.until_all(("question", b"\x01\x02\x03"))


@pytest.mark.scenario("acks that are late")
async def test_a_client_that_does_not_answer_in_time_leaves_the_others_answers(cluster: Cluster):
    for client in cluster.clients:
        client.answer = "in time"
    waits = asyncio.Event()

    async def never(*args: object) -> None:
        await waits.wait()

    cluster.on_b.io.on("question", never)
    with pytest.raises(ServerError) as caught:
        await cluster.a.do(["timeout", 300], ["emitWithAck", "question"])
    assert caught.value.responses == ["in time"] * (len(cluster.clients) - 1)
    waits.set()


@pytest.mark.scenario("fetch_sockets")
async def test_fetch_sockets_tells_of_all(cluster: Cluster):
    found = {one["id"]: one for one in await cluster.a.call("fetch")}
    assert set(found) == {client.sid for client in cluster.clients}
    for client in cluster.on_others:
        there = found[client.sid]
        assert there["auth"] == {"name": "client"}
        assert there["rooms"] == [client.sid]
        assert there["data"]["from"] in ("node", "fastsio")


@pytest.mark.scenario("sockets of other servers")
async def test_what_fetch_sockets_finds_can_be_told_and_asked(cluster: Cluster):
    cluster.on_b.answer = "from b"
    there = cluster.on_b.sid
    await cluster.a.call("remote", there, ["join", "club"])
    await cluster.a.call("remote", there, ["emit", "you", BYTES])
    asked = ["timeout", 3000], ["emitWithAck", "question", 1]
    assert await cluster.a.call("remote", there, *asked) == "from b"
    await cluster.quiet()
    assert [one["id"] for one in await cluster.a.call("fetch", "club")] == [there]
    assert cluster.take()[1] == [("you", b"\x01\x02\x03"), ("question", 1)]
    await cluster.a.call("remote", there, ["leave", "club"])
    await cluster.quiet()
    assert await cluster.a.call("fetch", "club") == []
    await cluster.a.call("remote", there, ["disconnect", True])
    async with asyncio.timeout(20):
        await cluster.on_b.gone.wait()


@pytest.mark.scenario("sockets_join and sockets_leave")
async def test_join_and_leave_reach_the_other_servers_clients(cluster: Cluster):
    everybody = len(cluster.clients)
    await cluster.a.do(["socketsJoin", ["x", "y"]])
    await cluster.quiet()
    assert len(await cluster.b.call("fetch", "x")) == everybody
    await cluster.a.do(["in", "x"], ["except", cluster.on_b.sid], ["socketsLeave", "x"])
    await cluster.quiet()
    assert [one["id"] for one in await cluster.b.call("fetch", "x")] == [cluster.on_b.sid]
    assert len(await cluster.b.call("fetch", "y")) == everybody


@pytest.mark.scenario("disconnect_sockets")
async def test_disconnect_sockets_reaches_the_other_servers_clients(cluster: Cluster):
    await cluster.a.do(["except", cluster.on_a.sid], ["disconnectSockets", True])
    async with asyncio.timeout(20):
        for client in cluster.on_others:
            await client.gone.wait()
    assert [one["id"] for one in await cluster.a.call("fetch")] == [cluster.on_a.sid]


@pytest.mark.scenario("server_side_emit")
async def test_events_between_servers_and_their_answers(cluster: Cluster):
    await cluster.a.do(["serverSideEmit", "from server", "x", 1])
    answers = await cluster.a.do(["serverSideEmitWithAck", "from server", "y"])
    assert [answer[1:] for answer in answers] == [["y"]] * len(cluster.others)
    for server in cluster.others:
        assert await server.call("heard") == [["x", 1], ["y"]]
    assert await cluster.a.call("heard") == []


@pytest.mark.scenario("another namespace")
async def test_namespaces_are_apart(cluster: Cluster):
    chatting = [await Client("/chat").connect(server) for server in cluster.servers]
    cluster.clients.extend(chatting)
    await cluster.quiet("/chat")
    chat = ["of", "/chat"]
    await cluster.a.do(chat, ["emit", "all", BYTES])
    await cluster.a.do(chat, ["in", chatting[1].sid], ["socketsJoin", "club"])
    await cluster.quiet("/chat")
    await cluster.a.do(chat, ["to", "club"], ["emit", "club"])
    await cluster.a.do(["to", "club"], ["emit", "of another namespace"])
    await cluster.quiet("/chat")  # what is asked goes another way than streams
    chatting[1].answer = "b"
    asked = ["to", "club"], ["timeout", 3000], ["emitWithAck", "question"]
    assert await cluster.a.do(chat, *asked) == ["b"]
    assert len(await cluster.a.call("fetch", None, "/chat")) == len(chatting)
    await cluster.a.do(chat, ["serverSideEmit", "from server", "in chat"])
    await cluster.quiet("/chat")
    await cluster.quiet()
    heard = [await server.call("heard") for server in cluster.servers]
    assert heard == [[], *[[["in chat"]] for _ in cluster.others]]
    everybody = ("all", b"\x01\x02\x03")
    expected = [[everybody] for _ in chatting]
    expected[1] += [("club",), ("question",)]
    assert cluster.take() == [[] for _ in cluster.servers] + expected


@pytest.mark.scenario("a namespace that a client has asked for")
async def test_a_namespace_of_a_pattern_spans_servers(cluster: Cluster):
    there = await Client("/room-7").connect(cluster.b)
    cluster.clients.append(there)
    await cluster.quiet("/room-7")
    await cluster.a.do(["of", "/room-7"], ["emit", "into", 7])
    await there.until(("into", 7))

"""Each limit on what one client may have or send: how it is told, in the answer, the disconnect's reason and the log.

The client that meets it is hostile; another one beside it notices nothing.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

import fastsio
from clients import Client, exchange, frame_packet
from harness import frame_bytes as frame
from harness import until
from limits_stage import Open, Stage, make_open
from wire import Wire, get, post, request

CONTINUATION, TEXT, BINARY, PING = 0x0, 0x1, 0x2, 0x9
TOO_BIG = "431 Request Header Fields Too Large"
POLICY_VIOLATION = b"\x88\x02\x03\xf0"


@pytest.fixture
def open_stage(serve: Any, caplog: pytest.LogCaptureFixture) -> Open:
    return make_open(serve, caplog)


@pytest_asyncio.fixture
async def beside(open_stage: Open) -> AsyncIterator[Any]:
    """`stage = await beside(**options)`: open_stage() with a client that must not notice anything."""
    opened: list[tuple[Stage, Client]] = []

    async def open_beside(**options: Any) -> Stage:
        stage = await open_stage(**options)
        good = await Client.open(stage.url, "websocket")
        opened.append((stage, good))
        return stage

    yield open_beside
    for stage, good in opened:
        await good.echo()
        await good.close()
        await until(lambda stage=stage: len(stage.ends) == len(stage.sockets), "one end for each")


# -- the head of a request ---------------------------------------------------------------------------


@pytest.mark.fault(
    "a request with more header bytes than max_header_bytes",
    "431 that names the option, connection closed",
)
@pytest.mark.parametrize("is_whole", [True, False])
async def test_a_head_over_max_header_bytes_is_answered_with_the_option(
    beside: Any, is_whole: bool
) -> None:
    stage = await beside(max_header_bytes=1000)
    fits = get("transport=x", "X: " + "y" * 800)
    assert (await exchange(stage.url, fits)).status == "400 Bad Request"
    head = get("transport=x", "X: " + "y" * 2000)
    for _ in range(2):
        answer = await exchange(stage.url, head if is_whole else head[:-4])
        assert (answer.status, answer.headers["connection"]) == (TOO_BIG, "close")
        assert answer.body == b"head of over 1000 bytes (max_header_bytes)"
    stage.is_named_once("max_header_bytes")


@pytest.mark.fault(
    "a request with more header lines than max_headers",
    "431 that names the option, connection closed",
)
async def test_more_headers_than_max_headers_are_answered_with_the_option(beside: Any) -> None:
    stage = await beside(max_headers=10)

    def lines(count: int) -> bytes:  # and Host
        return get("transport=x", *[f"X-{i}: y" for i in range(count - 1)])

    assert (await exchange(stage.url, lines(10))).status == "400 Bad Request"
    answer = await exchange(stage.url, lines(11))
    assert (answer.status, answer.body) == (TOO_BIG, b"over 10 headers (max_headers)")
    stage.is_named_once("max_headers")


# -- messages ----------------------------------------------------------------------------------------


@pytest.mark.fault(
    "a WebSocket message in more frames than max_frames_per_message",
    "close code 1008, reason and log name the option",
)
async def test_a_message_of_too_many_frames_closes_the_websocket(beside: Any) -> None:
    stage = await beside(max_frames_per_message=5)
    client = await Client.open(stage.url, "websocket")
    assert client.wire is not None
    fits = [frame(TEXT, b'42["say",', fin=False), *[frame(CONTINUATION, b"", fin=False)] * 3]
    # Pings between fragments are no frames of the message.
    await client.wire.send(frame(PING, b"").join([*fits, frame(CONTINUATION, b"1]")]))
    await until(lambda: stage.heard == [(1,)], "the event in five frames")
    assert await client.wire.read_exactly(8) == b"\x8a\x00" * 4
    await client.wire.send(b"".join(fits) + frame(CONTINUATION, b"", fin=False) * 1000)
    assert await client.wire.read_exactly(4) == POLICY_VIOLATION
    await until(lambda: stage.ends, "the end")
    assert stage.ends == [("transport error", "message of over 5 frames (max_frames_per_message)")]
    stage.is_named_once("max_frames_per_message")
    await client.close()


@pytest.mark.fault(
    "a packet with more attachments than max_attachments",
    "connection closed, reason and log name the option",
)
@pytest.mark.parametrize("transport", ["websocket", "polling"])
@pytest.mark.parametrize("count", ["3", "11", "1e9"])
async def test_a_packet_with_too_many_attachments_closes_the_connection(
    beside: Any, transport: str, count: str
) -> None:
    stage = await beside(max_attachments=2)
    client = await Client.open(stage.url, transport)
    places = ",".join(f'{{"_placeholder":true,"num":{i}}}' for i in range(2))
    await client.send(f'452-["say",{places}]', b"a", b"b")
    await until(lambda: stage.heard == [(b"a", b"b")], "two attachments")
    if client.wire is not None:
        await client.send(f'45{count}-["say"]')
    else:
        await exchange(stage.url, post(client.query, f'45{count}-["say"]'.encode()))
        await exchange(stage.url, get(client.query))  # which fetches the end
    await until(lambda: stage.ends, "the end")
    text = f"too many attachments: {float(count):g} > 2 (max_attachments)"
    assert stage.ends == [(stage.ends[0][0], text)]
    assert stage.ends[0][0] in ("forced close", "forced server close")
    stage.is_named_once("max_attachments")
    await client.close()


async def test_more_attachments_than_the_official_ten_can_be_allowed_both_ways(beside: Any) -> None:
    stage = await beside(max_attachments=12)
    client = await Client.open(stage.url, "websocket")
    places = ",".join(f'{{"_placeholder":true,"num":{i}}}' for i in range(12))
    await client.send(f'4512-1["echo",{places}]', *[b"%d" % i for i in range(12)])
    assert await client.receive() == f"4612-1[{places}]"
    assert [await client.receive() for _ in range(12)] == [b"%d" % i for i in range(12)]
    await client.close()


def nested(depth: int) -> str:
    """An event whose data make it `depth` levels deep: its own array is the first."""
    return '42["say",' + "[" * (depth - 1) + "]" * (depth - 1) + "]"


@pytest.mark.fault(
    "JSON nested deeper than max_json_depth", "connection closed, reason and log name the option"
)
@pytest.mark.parametrize("depth", [5, 1024])
@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_json_that_is_too_deep_closes_the_connection(
    beside: Any, transport: str, depth: int
) -> None:
    stage = await beside(max_json_depth=depth)
    client = await Client.open(stage.url, transport)
    await client.send('42["say","[[[[[[[[[[\\"[[[["]')  # in a text they are nothing
    await client.send(nested(depth))
    await until(lambda: len(stage.heard) == 2, "what is within the limit")
    if client.wire is not None:
        await client.send(nested(depth + 1))
    else:
        await exchange(stage.url, post(client.query, nested(depth + 1).encode()))
        await exchange(stage.url, get(client.query))  # which fetches the end
    await until(lambda: stage.ends, "the end")
    assert stage.ends[0][1] == f"JSON nested over {depth} levels (max_json_depth)"
    stage.is_named_once("max_json_depth")
    await client.close()


@pytest.mark.parametrize("module", [json, None])
async def test_depth_is_the_same_whatever_reads_the_json(beside: Any, module: Any) -> None:
    stage = await beside(max_json_depth=3, json=module)
    client = await Client.open(stage.url, "websocket")
    await client.send('42["say",{"a":[1]}]', '42["say",{"a":[[]]}]')
    await until(lambda: stage.ends, "the end")
    assert stage.heard == [({"a": [1]},)]
    assert stage.ends == [("forced close", "JSON nested over 3 levels (max_json_depth)")]
    await client.close()


@pytest.mark.parametrize("packet", ['43{}["x",[[[]]]]', '40/other,{"token":[[[]]]}'])
async def test_depth_counts_in_acks_and_in_what_a_connect_carries(beside: Any, packet: str) -> None:
    stage = await beside(max_json_depth=3)
    stage.app.of("/other")
    client = await Client.open(stage.url, "websocket")
    await client.send(packet.replace("{}", "0", 1))
    await until(lambda: stage.ends, "the end")
    assert stage.ends[0][1] == "JSON nested over 3 levels (max_json_depth)"
    await client.close()


# -- namespaces, rooms, answers ------------------------------------------------------------------------


@pytest.mark.fault(
    "a client that joins more namespaces than max_namespaces",
    "a CONNECT_ERROR that names the option, the others stay joined",
)
@pytest.mark.parametrize("is_asked", [False, True])
async def test_one_namespace_too_many_is_refused(beside: Any, is_asked: bool) -> None:
    stage = await beside(max_namespaces=2, namespaces="*")
    gate = asyncio.Event()

    async def ask(socket: Any) -> None:
        await gate.wait()

    for name in "abc":
        namespace = stage.app.of(f"/{name}")
        if is_asked:  # those who wait to be let in count too
            namespace.use(ask)
    client = await Client.open(stage.url, "websocket")
    await client.send("40/a,", "40/b,", "40/c,", "40/d,")
    gate.set()
    answers = sorted([str(await client.receive()) for _ in range(4)])
    assert [answer[:5] for answer in answers] == ["40/a,", "40/b,", "44/c,", "44/d,"]
    for answer in answers[2:]:
        assert json.loads(answer[5:]) == {"message": "Too many namespaces (max_namespaces)"}
    assert "/d" not in stage.app.hub.namespaces  # what is refused is not made either
    stage.is_named_once("max_namespaces")
    await client.send("41/a,", "40/c,")
    assert str(await client.receive()).startswith("40/c,{")
    await client.echo()
    await client.close()


@pytest.mark.fault(
    "a handler that puts a socket into more rooms than max_rooms",
    "LimitError to the handler, the socket stays in the others",
)
async def test_one_room_too_many_raises_where_it_is_joined(beside: Any) -> None:
    stage = await beside(max_rooms=2)
    client = await Client.open(stage.url, "websocket")
    socket = stage.sockets[1]
    outcomes: list[str] = []

    @socket.on("join")
    def join(room: Any) -> None:
        try:
            socket.join(room)
            outcomes.append("in")
        except fastsio.exceptions.LimitError as error:
            outcomes.append(f"{error.option}: {error}")

    await client.send('42["join","a"]', '42["join","a"]', '42["join",["b","c"]]', '42["join","c"]')
    await until(lambda: len(outcomes) == 4, "four answers")
    refused = "max_rooms: a client may be in 2 rooms (max_rooms)"
    assert outcomes == ["in", "in", refused, refused]
    assert socket.rooms == {socket.id, "a", "b"}
    socket.leave("a")
    stage.app.sockets_join("c")  # the other client, that has room, joins too
    assert socket.rooms == {socket.id, "b", "c"}
    stage.app.sockets_join("d")
    assert socket.rooms == {socket.id, "b", "c"}
    assert stage.sockets[0].rooms == {stage.sockets[0].id, "c", "d"}
    stage.is_named_once("max_rooms")
    await client.close()


@pytest.mark.fault(
    "a client that never acknowledges",
    "past max_pending_acks the oldest answer is given up, the newer ones are waited for",
)
async def test_answers_that_never_come_do_not_pile_up(beside: Any) -> None:
    stage = await beside(max_pending_acks=3)
    client = await Client.open(stage.url, "websocket")
    socket = stage.sockets[1]
    got: list[Any] = []
    waiting = asyncio.ensure_future(socket.emit_with_ack("ask", 0))
    await client.receive()
    for i in range(1, 4):
        socket.emit("ask", i, ack=lambda *values: got.append(values))
    with pytest.raises(fastsio.exceptions.TimeoutError, match="max_pending_acks"):
        await waiting
    for i in range(4, 100):
        socket.emit("ask", i, ack=lambda *values: got.append(values))
        assert len(socket.acks) == 3
    for i in range(100):
        await client.send(f"43{i}[{i}]")
    await until(lambda: len(got) == 3, "the last three answers")
    assert got == [(97,), (98,), (99,)]
    assert stage.ends == []
    stage.is_named_once("max_pending_acks")
    await client.close()


async def test_a_broadcast_with_answers_ends_though_one_client_answers_nothing(beside: Any) -> None:
    stage = await beside(max_pending_acks=2)
    silent, leaving = [await Client.open(stage.url, "websocket") for _ in range(2)]
    for socket in stage.sockets[1:]:
        socket.join("asked")
    asking = asyncio.ensure_future(stage.app.to("asked").emit_with_ack("ask"))
    await silent.receive()
    for _ in range(2):
        stage.sockets[1].emit("more", ack=lambda: None)
    # Its answer is given up: only the other one is waited for, and it goes.
    await leaving.close()
    assert await asyncio.wait_for(asking, 5) == []
    await silent.close()


# -- what is queued ------------------------------------------------------------------------------------


@pytest.mark.fault(
    "a client that floods with empty pings and reads nothing",
    "its queue is bounded in packets as well as in bytes, then it is cut",
)
async def test_pongs_without_bytes_do_not_fill_the_memory(open_stage: Open) -> None:
    stage = await open_stage(max_buffered_bytes=4_000_000)
    client = await Client.open(stage.url, "websocket")
    assert client.wire is not None
    session = stage.server.engine.sessions[client.eio_sid]
    outlet = session.outlet
    outlet.pause_writing()  # the kernel takes nothing more, as if all its buffers were full
    block = frame(PING, b"") * 10_000
    most = 0
    for _ in range(40):
        await client.wire.send(block)
        most = max(most, len(outlet.queue))
        if stage.ends:
            break
        await asyncio.sleep(0.001)
    await until(lambda: stage.ends, "the end")
    assert stage.ends == [("transport error", "client reads too slowly (max_buffered_bytes)")]
    # 4 MB are 62,500 packets of 64 bytes; by their own 2 bytes there could be two millions.
    assert 32_768 < most < 150_000
    stage.is_named_once("max_buffered_bytes")
    await client.close()


async def test_a_request_over_the_limit_behind_a_good_one_is_answered_in_its_turn(
    beside: Any,
) -> None:
    stage = await beside(max_header_bytes=500)
    wire = await Wire.open(stage.url)
    big = request("GET", "/socket.io/?transport=x", "X: " + "y" * 1000)
    await wire.send(get("transport=x") + big)
    assert (await wire.read_answer()).status == "400 Bad Request"
    assert (await wire.read_answer()).status == TOO_BIG
    assert await wire.read_to_end() == b""
    wire.close()


@pytest.mark.fault(
    "a client that joins no namespace within connect_timeout",
    "connection closed, the log names the option",
)
async def test_connect_timeout_is_named_once_for_many_clients(beside: Any) -> None:
    stage = await beside(connect_timeout=0.05)
    idle = [await Client.open(stage.url, "websocket", joins=False) for _ in range(3)]
    for client in idle:
        assert client.wire is not None
        assert await client.wire.read_exactly(2) == b"\x88\x00"
        client.wire.close()
    stage.is_named_once("connect_timeout")


@pytest.mark.fault(
    "the guard of a further namespace hangs",
    "cancelled after connect_timeout, CONNECT_ERROR for that namespace, the client stays in the others",
)
@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_a_further_namespace_has_connect_timeout_too(beside: Any, transport: str) -> None:
    stage = await beside(connect_timeout=0.2)
    outcomes: list[str] = []

    async def hang(socket: Any) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            outcomes.append("cancelled")
            raise

    async def wait(socket: Any) -> None:
        await asyncio.sleep(0.01)

    stage.app.of("/hangs").use(hang)
    stage.app.of("/waits").use(wait)
    client = await Client.open(stage.url, transport)
    await client.send("40/hangs,", "40/waits,")
    assert str(await client.receive()).startswith('40/waits,{"sid"')
    refusal = '44/hangs,{"message":"Connection rejected by server"}'
    assert await client.receive() == refusal
    assert outcomes == ["cancelled"]
    assert len(stage.lines("connect_timeout")) == 1
    await client.echo()
    assert not stage.app.hub.admissions
    await client.close()


@pytest.mark.fault(
    "a WebSocket that probes and never upgrades",
    "closed after upgrade_timeout, the session polls on, the log names the option",
)
async def test_upgrade_timeout_is_named(beside: Any) -> None:
    stage = await beside(upgrade_timeout=0.05)
    client = await Client.open(stage.url, "polling")
    wire = await Wire.open(stage.url)
    await wire.open_websocket(f"EIO=4&transport=websocket&sid={client.eio_sid}")
    await wire.send(frame(TEXT, b"2probe"))
    assert frame_packet(await wire.read_frame()) == "3probe"
    assert await wire.read_exactly(2) == b"\x88\x00"
    wire.close()
    await client.echo()
    stage.is_named_once("upgrade_timeout")
    await client.close()

"""Clients of Socket.IO protocol v4 (1.x, 2.x) in both API styles: joining, ids, queries, refusals, msgpack.

The bytes are compared with Node's in tests/conformance/test_eio3.py. Source: socketio.md 9, features.md 1.15.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

import fastsio
from eio3_peer import MemoryEio3Peer
from harness import until

TRANSPORTS = pytest.mark.parametrize("transport", ["websocket", "polling"])


@pytest_asyncio.fixture
async def old(serve: Callable[..., Any]) -> AsyncIterator[Callable[..., Any]]:
    """`peer = await old(app)`: a v3 client in memory that has its session and has read nothing else."""
    servers: dict[int, Any] = {}
    peers: list[MemoryEio3Peer] = []

    async def open_one(app: Any, transport: str = "websocket", **query: str) -> MemoryEio3Peer:
        if id(app) not in servers:
            servers[id(app)] = await serve(app)
        peer = await MemoryEio3Peer.of(servers[id(app)], transport, query=query).open()
        peers.append(peer)
        return peer

    yield open_one
    for peer in peers:
        await peer.close()


def sid_of(peer: MemoryEio3Peer) -> str:
    return str(peer.handshake["sid"])


# --- joining --------------------------------------------------------------------------------------


@pytest.mark.feature('1.15 handshake: connected to "/" at once, ids follow from the session')
@TRANSPORTS
async def test_ids_are_what_the_client_makes_of_its_session(io, old, transport):
    io.on("connection", lambda socket: socket.emit("id", socket.id))
    io.of("/chat").on("connection", lambda socket: socket.emit("id", socket.id))
    peer = await old(io, transport)
    assert await peer.receive() == "40"
    assert await peer.receive() == f'42["id","{sid_of(peer)}"]'
    await peer.send("40/chat,")
    assert await peer.receive() == "40/chat,"
    assert await peer.receive() == f'42/chat,["id","/chat#{sid_of(peer)}"]'


async def test_ids_of_v4_clients_stay_secret(io, join):
    peer, socket = await join(io)
    assert socket.id != peer.handshake["sid"]
    assert socket.session.protocol == 4


@TRANSPORTS
async def test_what_is_emitted_while_it_joins_comes_behind_the_reply(io, old, transport):
    io.on("connection", lambda socket: [socket.emit("n", n) for n in range(3)])
    peer = await old(io, transport)
    assert [await peer.receive() for _ in range(4)] == [
        "40",
        '42["n",0]',
        '42["n",1]',
        '42["n",2]',
    ]


@TRANSPORTS
async def test_handler_may_send_the_client_away_at_once(io, old, transport):
    reasons: list[str] = []

    @io.on("connection")
    def connection(socket: Any) -> None:
        socket.on("disconnect", reasons.append)
        socket.disconnect(close=True)

    peer = await old(io, transport)
    assert await peer.receive() == "40"
    assert await peer.receive() == "41"
    assert reasons == ["server namespace disconnect"]
    if transport == "polling":
        assert (await peer.get()).body == b"1:61:1"
    peer.handshake.pop("sid", None)


async def test_middleware_of_the_root_is_waited_for(io, old):
    go_on = asyncio.Event()

    @io.use
    async def wait(socket: Any) -> None:
        await go_on.wait()

    io.of("/other")
    peer = await old(io)
    await peer.send("40/other,")
    assert await peer.receive() == "40/other,"  # Node's server does not wait with it, unlike 2.x
    go_on.set()
    assert await peer.receive() == "40"


async def test_packet_for_the_root_before_it_is_joined_ends_the_session(io, old):
    go_on = asyncio.Event()

    @io.use
    async def wait(socket: Any) -> None:
        await go_on.wait()

    peer = await old(io)
    await peer.send('42["early"]')
    assert await peer.ws.receive_close() == (None, b"")
    go_on.set()


async def test_root_that_the_application_does_not_have_is_not_joined(old):
    """A refusal of "/" would be an error event in every namespace of the client."""
    sio = fastsio.AsyncServer(namespaces=["/chat"])
    peer = await old(sio)
    await peer.send("40/chat,")
    assert await peer.receive() == "40/chat,"


# --- queries --------------------------------------------------------------------------------------


@pytest.mark.feature("1.15 namespaces: the query in handshake.auth and handshake.query")
async def test_query_of_a_namespace_is_its_auth_and_in_its_query(io, old):
    seen: list[Any] = []
    io.on("connection", lambda socket: seen.append(socket.handshake))
    io.of("/chat").on("connection", lambda socket: seen.append(socket.handshake))
    peer = await old(io, room="1")
    await peer.send("40/chat?token=a%20b&room=2&empty=,")
    await peer.receive()
    await peer.receive()
    root, chat = seen
    assert root.auth == {}
    assert root.query == {"EIO": "3", "transport": "websocket", "room": "1"}
    assert chat.auth == {"token": "a b", "room": "2", "empty": ""}
    assert chat.query == {**root.query, **chat.auth}


async def test_query_of_a_namespace_is_the_auth_argument_of_connect(old):
    sio = fastsio.AsyncServer()
    seen: list[Any] = []
    sio.on("connect", lambda sid, environ, auth: seen.append((sid, auth)))
    sio.on("connect", lambda sid, environ, auth: seen.append((sid, auth)), namespace="/chat")
    peer = await old(sio)
    await peer.send("40/chat?token=a,")
    await peer.receive()
    await peer.receive()
    assert seen == [(sid_of(peer), None), (f"/chat#{sid_of(peer)}", {"token": "a"})]


async def test_name_of_a_namespace_is_not_taken_for_a_url(io, old):
    """Node's server makes /é of it percent-encoded, which is no namespace that anybody has."""
    io.of("/é")
    peer = await old(io)
    await peer.receive()
    await peer.send("40/é?x=1,")
    assert await peer.receive() == "40/é,"


# --- refusals -------------------------------------------------------------------------------------


class Refusal(Exception):
    def __init__(self, text: str, data: Any) -> None:
        super().__init__(text)
        self.data = data


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Refusal("no", None), '44"no"'),
        (Refusal("no", {"code": 7}), '44{"code":7}'),
        (Refusal("no", "data"), '44"data"'),
        (Refusal("no", [1]), "44[1]"),
        (Refusal("no", 0), '44"no"'),
        (fastsio.exceptions.ConnectionRefusedError("who?", {"a": 1}), '44{"a":1}'),
        (Refusal("what JSON can't hold", object()), '44"what JSON can\'t hold"'),
    ],
)
async def test_refusal_is_its_data_or_else_its_message(io, old, watch, error, said):
    @io.use
    async def refuse(socket: Any) -> None:
        raise error

    peer = await old(io)
    assert await peer.receive() == said
    if "hold" in said:
        watch.expect_error("can't be sent")


async def test_connect_handler_that_says_no_is_a_text(old):
    sio = fastsio.AsyncServer()
    sio.on("connect", lambda sid, environ: False)
    peer = await old(sio)
    assert await peer.receive() == '44"Connection rejected by server"'


# --- what Node's server keeps from them -----------------------------------------------------------


async def test_recovery_is_not_offered(old):
    io = fastsio.IO(connection_state_recovery={})
    sockets: list[Any] = []
    io.on("connection", sockets.append)
    peer = await old(io)
    assert await peer.receive() == "40"
    assert sockets[0].id == sid_of(peer)
    assert not sockets[0].recovered


async def test_query_is_no_part_of_a_dynamic_namespaces_name(old):
    io = fastsio.IO()
    seen: list[Any] = []

    @io.of("/room/{id}").on("connection")
    def connection(socket: Any) -> None:
        seen.append((socket.nsp.name, socket.handshake.auth))

    peer = await old(io)
    await peer.receive()
    await peer.send("40/room/7?token=a,")
    assert await peer.receive() == "40/room/7,"
    assert seen == [("/room/7", {"token": "a"})]


# --- at work, in python-socketio's style ----------------------------------------------------------


@TRANSPORTS
async def test_python_style_reaches_the_client_by_its_sid(old, transport):
    sio = fastsio.AsyncServer()
    left: list[tuple[str, str]] = []
    sio.on("disconnect", lambda sid, reason: left.append((sid, reason)), namespace="/chat")

    @sio.on("echo", namespace="/chat")
    async def echo(sid: str, *args: Any) -> tuple[Any, ...]:
        await sio.emit("to you", sid, to=sid, namespace="/chat")
        return args

    peer = await old(sio, transport)
    await peer.send("40/chat,")
    assert [await peer.receive(), await peer.receive()] == ["40", "40/chat,"]
    sid = f"/chat#{sid_of(peer)}"
    await peer.send('42/chat,5["echo",1,"€"]')
    assert await peer.receive() == f'42/chat,["to you","{sid}"]'
    assert await peer.receive() == '43/chat,5[1,"€"]'
    await sio.enter_room(sid, "room", namespace="/chat")
    await sio.emit("blob", b"\x01", room="room", namespace="/chat")
    assert await peer.receive() == '451-/chat,["blob",{"_placeholder":true,"num":0}]'
    assert await peer.receive() == b"\x01"
    assert sio.get_environ(sid, namespace="/chat")["QUERY_STRING"].startswith("EIO=3")
    call = asyncio.ensure_future(sio.call("ask", to=sid, namespace="/chat"))
    question = str(await peer.receive())
    assert question.endswith('["ask"]')
    await peer.send("43/chat," + question[len("42/chat,") : -len('["ask"]')] + "[42]")
    assert await call == 42
    await sio.disconnect(sid, namespace="/chat")
    assert await peer.receive() == "41/chat,"
    assert left == [(sid, "server disconnect")]


async def test_msgpack_packets_are_binary_messages_of_v3(old):
    msgpack = pytest.importorskip("msgpack")
    io = fastsio.IO(serializer="msgpack")
    io.on("connection", lambda socket: socket.on("echo", lambda *args: args))
    for transport in ("websocket", "polling"):
        peer = await old(io, transport)
        opened = msgpack.unpackb(await peer.receive(), strict_map_key=False)
        assert (opened["type"], opened["nsp"]) == (0, "/")
        await peer.send(msgpack.packb({"type": 2, "nsp": "/", "data": ["echo", "€"], "id": 1}))
        answer = msgpack.unpackb(await peer.receive())
        assert (answer["type"], answer["data"], answer["id"]) == (3, ["€"], 1)


# --- the end --------------------------------------------------------------------------------------


@TRANSPORTS
async def test_client_that_leaves_is_gone_from_all_namespaces(io, old, transport):
    reasons: list[tuple[str, str]] = []

    def note(socket: Any) -> None:
        socket.on("disconnect", lambda reason: reasons.append((socket.nsp.name, reason)))

    io.on("connection", note)
    io.of("/chat").on("connection", note)
    peer = await old(io, transport)
    await peer.send("40/chat,")
    await peer.receive()
    await peer.receive()
    await peer.close()
    peer.handshake.pop("sid")
    await until(lambda: len(reasons) == 2, "both are gone")
    assert reasons == [("/", "transport close"), ("/chat", "transport close")]


# --- clients with another parser ------------------------------------------------------------------


async def test_client_with_another_parser_is_named_in_the_log(join, caplog):
    """Both generations; only of a client that has not joined: what others do wrong is not their parser."""
    plain, packed = fastsio.IO(), fastsio.IO(serializer="msgpack")
    with caplog.at_level("WARNING", logger="fastsio.core"):
        peer = await join.open(plain)
        await peer.send(b"\x83\xa4type\x00")
        await peer.ws.receive_close()
        peer = await join.open(packed)
        await peer.send("40")
        await peer.ws.receive_close()
    first, second = [record.getMessage() for record in caplog.records]
    assert "`serializer` is 'default'" in first
    assert "`serializer` is 'msgpack'" in second


async def test_mistake_of_a_client_that_has_joined_is_not_its_parser(io, join, caplog):
    peer, _ = await join(io)
    with caplog.at_level("WARNING", logger="fastsio.core"):
        await peer.send("4abc")
        await peer.ws.receive_close()
    assert caplog.records == []

"""serializer="msgpack" with the official client's socket.io-msgpack-parser, and with python-socketio's clients.

The scenarios of the default form are played with the parser too, then those of scenarios/msgpack.js.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator
from typing import Any

import pytest
import socketio
import uvicorn

import fastsio
from harness import DEADLINE_S, until

PARSER = "socket.io-msgpack-parser"

# Those that hold for any parser: not the ones about JSON's own limits and texts.
SCENARIOS = [
    "authReachesTheServer", "binaryOfNamespacesInterleaves", "bothSendManyAtOnce", "bounceKeepsTextAndBinaryInOrder",
    "broadcastsOfOneSenderKeepTheirOrder", "carriesEventNames", "clientAckFailsWhenTheServerDisconnects",
    "clientClosesItsEngine", "clientDisconnects", "clientGetsAcks", "clientIgnoresALateAck",
    "closedRoomIsEmpty", "greeted", "joinAndLeave",
    "kickFromOneNamespaceKeepsTheOthers", "leavingOneNamespaceKeepsTheOthers",
    "leavingTheDefaultNamespaceIsNotNeeded", "manyAcksAtOnce", "namespacesAreIsolated", "onlyAnUnknownNamespace",
    "ownIdIsARoom", "refusedNamespaceLeavesTheOthers", "roomIsEmptiedAtDisconnect",
    "roomsCarryBinaryAndSeveralArguments", "sendIsTheMessageEvent", "senderIsExcluded",
    "serverAckFailsWhenTheClientGoes", "serverAcksOutOfOrder", "serverAsksWithBytes", "serverDisconnects",
    "serverGetsAckByCallback", "serverGetsAcks", "serverSeesBytes", "serverSendsBytesOfItsOwn", "serverSendsManyAtOnce",
    "sessionData", "threeNamespacesShareAConnection", "unknownNamespaceIsRefused", "withoutAuth",
]  # fmt: skip


@pytest.fixture
def play(stage: Any) -> Any:
    """Play a scenario with the parser at a server with the serializer."""

    async def play_(scenario: str, mode: str, **args: Any) -> Any:
        if stage.server is None:
            await stage.open(serializer="msgpack")
        return await stage.play(scenario, mode, parser=PARSER, **args)

    return play_


@pytest.mark.feature("1.14 msgpack parser")
@pytest.mark.feature("1.2 serializer")
@pytest.mark.asyncio(loop_factories=["uvloop"])
@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_scenarios_of_the_default_form_hold(play: Any, mode: str, scenario: str) -> None:
    await play(scenario, mode)


@pytest.mark.parametrize("how", ["message", "data"])
async def test_refusal_reaches_the_client(play: Any, mode: str, how: str) -> None:
    await play("refusedConnect", mode, how=[how])


async def test_upgrade_keeps_the_order(play: Any) -> None:
    await play("bothSendBinaryAcrossTheUpgrade", "upgrading", before=20)


async def test_broadcast_reaches_every_transport(play: Any) -> None:
    await play("broadcastReachesEveryTransport", "upgrading")


async def test_text_comes_back_unchanged(play: Any, mode: str) -> None:
    await play("msgpackCarriesText", mode)


async def test_values_and_dates_come_back_unchanged(play: Any, mode: str) -> None:
    await play("msgpackCarriesValues", mode)


async def test_binary_of_any_number_comes_back_unchanged(play: Any, mode: str) -> None:
    await play("msgpackCarriesBinary", mode)


async def test_a_packet_is_one_message(play: Any, mode: str) -> None:
    await play("msgpackIsOneMessage", mode)


async def test_client_of_the_default_form_is_closed(play: Any, mode: str) -> None:
    assert await play("defaultFormIsClosed", mode) == "transport close"


@pytest.mark.parametrize("message", ["", "c0", "82a4747970", "ddffffffff", "91" * 2_000])
async def test_bytes_that_are_no_packet_close_their_sender_only(
    play: Any, stage: Any, mode: str, message: str
) -> None:
    assert await play("msgpackSendsRaw", mode, message=message) == "transport close"
    await until(lambda: len(stage.log.reasons()) == 2, "both disconnect handlers")
    # The second where it polls and has no GET open.
    assert stage.log.reasons()[0] in map(stage.words, ("forced close", "forced server close"))


# --- python-socketio's clients --------------------------------------------------------------------


def make_server() -> tuple[Any, list[Any]]:
    sio = fastsio.AsyncServer(serializer="msgpack", namespaces=["/chat"])
    seen: list[Any] = []

    @sio.event
    def connect(sid: str, environ: Any, auth: Any) -> None:
        seen.append(("auth", auth))

    @sio.event(namespace="/private")
    def connect_private(sid: str) -> None: ...

    @sio.on("connect", namespace="/closed")
    def refuse(sid: str, environ: Any) -> None:
        raise fastsio.exceptions.ConnectionRefusedError("full")

    @sio.event
    def disconnect(sid: str, reason: str) -> None:
        seen.append(("gone", reason))

    for namespace in ("/", "/chat"):
        sio.on("echo", lambda sid, *args: args, namespace=namespace)
    sio.on("kick", lambda sid: sio.disconnect(sid))
    return sio, seen


DATA = [{"é": [1, None, 2.5]}, b"\0\xff", "text", [b"", {"b": b"x" * 1000}]]


@pytest.mark.parametrize("transports", [["polling"], ["websocket"], None])
async def test_their_asyncio_client_speaks_msgpack(serve: Any, transports: Any) -> None:
    sio, seen = make_server()
    server = await serve(sio)
    client = socketio.AsyncClient(serializer="msgpack", reconnection=False)
    came: asyncio.Queue[Any] = asyncio.Queue()
    gone = asyncio.Event()
    client.on("news", lambda *args: came.put_nowait(args))
    client.on("disconnect", lambda *args: gone.set())
    client.on("ask", lambda value: {"answer": value})
    connecting = client.connect(
        server.url, auth={"token": 1}, transports=transports, namespaces=["/", "/chat"]
    )
    await asyncio.wait_for(connecting, DEADLINE_S)
    assert seen == [("auth", {"token": 1})]
    assert list(await client.call("echo", tuple(DATA))) == DATA
    assert await client.call("echo", DATA[0], namespace="/chat") == DATA[0]
    await sio.emit("news", (b"x", {"y": [b"z"]}))
    assert await asyncio.wait_for(came.get(), DEADLINE_S) == (b"x", {"y": [b"z"]})
    sid = client.get_sid()
    assert await sio.call("ask", b"?", to=sid, timeout=DEADLINE_S) == {"answer": b"?"}
    await client.emit("kick")
    await asyncio.wait_for(gone.wait(), DEADLINE_S)
    assert ("gone", "server disconnect") in seen
    await client.disconnect()


async def test_their_client_is_refused_with_the_message(serve: Any) -> None:
    sio, _ = make_server()
    server = await serve(sio)
    client = socketio.AsyncClient(serializer="msgpack", reconnection=False)
    errors: list[Any] = []
    client.on("connect_error", errors.append, namespace="/closed")
    with pytest.raises(socketio.exceptions.ConnectionError):
        await client.connect(server.url, namespaces=["/closed"], wait_timeout=5)
    assert errors == [{"message": "full"}]


async def test_their_threaded_client_speaks_msgpack(serve: Any) -> None:
    sio, seen = make_server()
    server = await serve(sio)

    def run(url: str) -> Any:
        client = socketio.Client(serializer="msgpack", reconnection=False)
        client.connect(url, auth={"token": 2}, wait_timeout=5)
        answer = client.call("echo", tuple(DATA), timeout=5)
        client.disconnect()
        client.wait()
        return list(answer)

    assert await asyncio.to_thread(functools.partial(run, server.url)) == DATA
    # Which of its goodbyes arrives is a race within that client.
    await until(lambda: seen[-1][0] == "gone", "the disconnect handler")


# --- our own clients, and other front doors -------------------------------------------------------


@pytest.mark.parametrize("transports", [["polling"], ["websocket"], None])
async def test_our_client_speaks_msgpack(serve: Any, transports: Any) -> None:
    sio, seen = make_server()
    server = await serve(sio)
    async with asyncio.timeout(DEADLINE_S):
        await talk(sio, server.url, transports)
    assert seen[0] == ("auth", {"token": 3})
    await until(lambda: seen[-1][0] == "gone", "the disconnect handler")


async def talk(sio: Any, url: str, transports: Any) -> None:
    """A client of ours says hello, is told news and leaves."""
    client = fastsio.AsyncClient(serializer="msgpack", reconnection=False)
    came: asyncio.Queue[Any] = asyncio.Queue()
    client.on("news", lambda *args: came.put_nowait(args))
    await client.connect(url, auth={"token": 3}, transports=transports)
    assert list(await client.call("echo", tuple(DATA))) == DATA
    await sio.emit("news", (b"x", {"y": [b"z"]}))
    assert await came.get() == (b"x", {"y": [b"z"]})
    await client.disconnect()


@contextlib.asynccontextmanager
async def hosted(sio: Any) -> AsyncIterator[str]:
    """The URL of an ASGIApp of `sio` under uvicorn in this loop."""
    config = uvicorn.Config(fastsio.ASGIApp(sio), host="127.0.0.1", port=0, log_level="error")
    server = uvicorn.Server(config)
    serving = asyncio.ensure_future(server.serve())
    try:
        await until(lambda: server.started, "uvicorn has started")
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


@pytest.mark.parametrize("transports", [["polling"], ["websocket"], None])
async def test_asgi_application_carries_msgpack(watch: Any, transports: Any) -> None:
    sio, seen = make_server()
    async with hosted(sio) as url, asyncio.timeout(DEADLINE_S):
        await talk(sio, url, transports)
        await until(lambda: seen[-1][0] == "gone", "the disconnect handler")


@pytest.mark.parametrize("mode", ["polling", "websocket", "upgrade"])
async def test_official_client_speaks_msgpack_to_an_asgi_application(
    watch: Any, node: Any, mode: str
) -> None:
    sio, _ = make_server()
    sio.on("bounce", lambda sid, *args: sio.emit("bounce", args, to=sid))
    async with hosted(sio) as url:
        await node.play("msgpackCarriesText", url, mode, parser=PARSER)


async def test_sync_server_speaks_msgpack() -> None:
    sio = fastsio.Server(serializer="msgpack")
    sio.on("connect", lambda sid, environ: None)
    sio.on("echo", lambda sid, *args: args)
    server = await fastsio.start(sio, host="127.0.0.1", port=0)
    try:
        client = fastsio.AsyncClient(serializer="msgpack", reconnection=False)
        async with asyncio.timeout(DEADLINE_S):
            await client.connect(server.url)
            assert list(await client.call("echo", tuple(DATA))) == DATA
            await client.disconnect()
    finally:
        await server.close()

"""The official client against ASGIApp behind uvicorn, hypercorn and granian, with a FastAPI application beside it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import pytest_asyncio

from asgi_process import AsgiProcess
from harness import (
    MS,
    TEXT,
    FakePeer,
    RawConnection,
    RawWebSocket,
    http,
    request_bytes,
    until,
)

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio"])

SERVERS = ["uvicorn", "hypercorn", "granian"]
STOP_S = 10_000 * MS
# granian 2.8.9's worker sometimes dies of this while it stops, and no lifespan reaches the application: its own fault.
# Such a run shows nothing, so there is another one, up to three.
PANIC = "Cannot drop pointer into Python heap"
TRIES = 3

# Scenarios, with what they need to know: text and binary both ways, acks, order over the upgrade, rooms, ends.
SCENARIOS: dict[str, dict[str, Any]] = {
    "carriesText": {},
    "carriesJson": {},
    "carriesNestedBinary": {},
    "serverSendsBytesOfItsOwn": {},
    "serverAsksWithBytes": {},
    "carries900kB": {},
    "clientGetsAcks": {},
    "serverGetsAcks": {},
    "clientSendsManyAtOnce": {},
    "serverSendsManyAtOnce": {},
    "bothSendManyAtOnce": {},
    "bounceKeepsTextAndBinaryInOrder": {},
    "joinAndLeave": {},
    "roomsCarryBinaryAndSeveralArguments": {},
    "threeNamespacesShareAConnection": {},
    "unknownNamespaceIsRefused": {},
    "clientDisconnects": {},
    "serverDisconnects": {},
    "transportNames": {},
    "connectsAndLeavesManyTimes": {"times": 10},
}
ACROSS_THE_UPGRADE = ["bothSendAcrossTheUpgrade", "bothSendBinaryAcrossTheUpgrade"]


@pytest.fixture(scope="module")
def processes() -> Iterator[dict[str, AsgiProcess]]:
    """The servers that run already, by their name."""
    running: dict[str, AsgiProcess] = {}
    yield running
    for process in running.values():
        process.kill()


@pytest_asyncio.fixture(params=SERVERS)
async def shared(request: pytest.FixtureRequest, processes: dict[str, AsgiProcess]) -> AsgiProcess:
    """One server for the tests that leave it as it was."""
    if request.param not in processes:
        processes[request.param] = AsgiProcess(request.param)
        await processes[request.param].serve()
    return processes[request.param]


@pytest.fixture(params=SERVERS)
def own(request: pytest.FixtureRequest) -> Iterator[AsgiProcess]:
    """A server of the test's own, which it starts."""
    process = AsgiProcess(request.param)
    yield process
    process.kill()


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("mode", ["polling", "websocket", "upgrading"])
async def test_official_client_plays(
    node: Any, shared: AsgiProcess, mode: str, scenario: str
) -> None:
    await node.play(scenario, shared.url, mode, **SCENARIOS[scenario])


@pytest.mark.parametrize("before", [0, 200])
@pytest.mark.parametrize("scenario", ACROSS_THE_UPGRADE)
async def test_order_is_kept_across_the_upgrade(
    node: Any, shared: AsgiProcess, scenario: str, before: int
) -> None:
    await node.play(scenario, shared.url, "upgrading", before=before)


@pytest.mark.parametrize("server", ["uvicorn-wsproto", "uvicorn-h11"])
async def test_other_protocol_implementations_of_uvicorn(node: Any, server: str) -> None:
    process = AsgiProcess(server)
    try:
        await process.serve()
        for mode in ("polling", "websocket", "upgrading"):
            for scenario in ("carriesNestedBinary", "bothSendManyAtOnce", "serverDisconnects"):
                await node.play(scenario, process.url, mode)
        run = node.start("staysWhileTheServerCloses", process.url, "upgrading")
        await run.note("ready")
        await process.terminate(STOP_S)
        await run.result()
        assert "Traceback" not in process.text, process.text
    finally:
        process.kill()


async def _left(process: AsgiProcess) -> dict[str, int]:
    """What the server still holds, besides the WebSocket that asks."""
    peer = await FakePeer(process.url).open()
    await peer.connect()
    await peer.send('420["left"]')
    answer = await peer.receive()
    await peer.close()
    assert isinstance(answer, str)
    (left,) = json.loads(answer[3:])
    return left


async def test_clients_that_came_and_went_leave_nothing(node: Any, own: AsgiProcess) -> None:
    await own.serve()
    before = await _left(own)
    for mode in ("polling", "websocket", "upgrading"):
        await node.play("connectsAndLeavesManyTimes", own.url, mode, times=10)
    for _ in range(100):
        if await _left(own) == before:
            break
        await asyncio.sleep(20 * MS)
    assert await _left(own) == before


# --- limits and ends -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("transport", "client_reason", "server_reason"),
    [
        (
            "polling",
            "transport error",
            "client disconnect",
        ),  # its POST is answered 413, and it leaves
        ("websocket", "transport close", "transport error"),  # closed with 1009
    ],
)
async def test_too_large_event_closes_its_sender_only(
    node: Any, own: AsgiProcess, transport: str, client_reason: str, server_reason: str
) -> None:
    await own.serve()
    assert await node.play("tooLargeEventClosesItsSender", own.url, transport) == client_reason
    assert (await own.reasons(2))[0] == server_reason


async def test_too_large_post_is_answered_413_and_the_session_lives(shared: AsgiProcess) -> None:
    peer = await FakePeer(shared.url, "polling").open()
    assert (await peer.post(b"4" * 1_000_001)).status == 413
    await peer.connect()
    await peer.close()


async def test_too_large_message_is_closed_with_1009(shared: AsgiProcess) -> None:
    peer = await FakePeer(shared.url).open()
    assert peer.ws is not None
    peer.ws.send(TEXT, b"4" * 1_000_001)
    assert (await peer.ws.receive_close())[0] == 1009
    await peer.close()


@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_killed_client_is_noticed(own_node: Any, own: AsgiProcess, transport: str) -> None:
    await own.serve()
    run = own_node.start("staysUntilKilled", own.url, transport)
    await run.note("ready")
    own_node.stop()
    expected = "transport error" if transport == "polling" else "transport close"
    assert await own.reasons(2) == [expected] * 2


async def test_heartbeat_keeps_a_quiet_client(node: Any, own: AsgiProcess) -> None:
    await own.serve(options={"ping_interval": 150 * MS, "ping_timeout": 2_000 * MS})
    for mode in ("polling", "websocket"):
        await node.play("heartbeat", own.url, mode, beats=4)


async def test_client_that_stops_answering_times_out(node: Any, own: AsgiProcess) -> None:
    await own.serve(options={"ping_interval": 600 * MS, "ping_timeout": 100 * MS})
    assert await node.play("clientStopsAnsweringPings", own.url, "websocket") == "transport close"
    assert await own.reasons(1) == ["ping timeout"]


async def written_or_cut_off(own: AsgiProcess, writer: asyncio.StreamWriter) -> None:
    """A server that has cut the client off reads no more, and has not closed: what was just sent stays here then."""
    drained = asyncio.ensure_future(writer.drain())
    await until(lambda: drained.done() or own.of("disconnect"), "read, or cut off")
    drained.cancel()
    with contextlib.suppress(ConnectionError, asyncio.CancelledError):  # granian's way of it
        await drained


async def test_client_that_does_not_read_is_cut_off(own: AsgiProcess) -> None:
    """What is queued for it is bounded, whatever the server itself buffers."""
    await own.serve(options={"max_buffered_bytes": 200_000})
    peer = await FakePeer(own.url).open()
    await peer.connect()
    assert peer.ws is not None
    peer.ws.connection.writer.transport.pause_reading()
    for _ in range(100):  # what the kernel buffers comes first
        if own.of("disconnect"):
            break
        await peer.send('42["bounce","' + "x" * 500_000 + '"]')
        await written_or_cut_off(own, peer.ws.connection.writer)
    assert await own.reasons(1) == ["transport error"]
    assert "over 200000 bytes unread (max_buffered_bytes)" in own.text
    # The server ends the connection behind what it had taken from us.
    peer.ws.connection.writer.transport.resume_reading()
    await peer.ws.connection.read_to_end()
    assert (await _left(own))["sessions"] == 0
    await own.terminate(STOP_S)
    assert "Traceback" not in own.text, own.text


@pytest.mark.fault(
    "SIGTERM to uvicorn, hypercorn or granian with official clients connected",
    "they notice at once, disconnect handlers run before on_shutdown, the server ends",
)
@pytest.mark.parametrize("mode", ["polling", "websocket", "upgrading"])
async def test_sigterm_ends_the_server_and_its_sessions_with_clients_connected(
    node: Any, own: AsgiProcess, mode: str
) -> None:
    for _ in range(TRIES):
        await own.serve(log_hooks=True)
        run = node.start("staysWhileTheServerCloses", own.url, mode)
        await run.note("ready")
        await own.terminate(STOP_S, signal.SIGTERM)
        assert (await run.result())[0] in ("transport close", "transport error")
        if PANIC not in own.text:
            break
    assert own.of("shutdown") == [("shutdown", "hook")], own.text
    assert "Traceback" not in own.text, own.text
    assert await own.reasons(2) == ["server disconnect"] * 2


# --- what is beside it ---------------------------------------------------------------------------


async def test_other_application_has_its_routes_and_websockets(shared: AsgiProcess) -> None:
    response = await http(shared.url, "GET", "/hello")
    assert (response.status, response.json()) == (200, {"hello": "from FastAPI"})
    assert (await http(shared.url, "GET", "/nowhere")).status == 404
    websocket = await RawWebSocket.open(shared.url, "/own-ws")
    websocket.send(TEXT, b"hi")
    assert await websocket.receive() == (TEXT, b"own hi")
    await websocket.connection.close()


async def test_static_files_are_served(shared: AsgiProcess) -> None:
    page = await http(shared.url, "GET", "/page")
    assert page.status == 200 and page.headers["content-type"].startswith("text/javascript")
    same = await http(shared.url, "GET", "/page", headers={"If-None-Match": page.headers["etag"]})
    assert (same.status, same.body) == (304, b"")
    assert (await http(shared.url, "HEAD", "/page")).headers["content-length"] == str(
        len(page.body)
    )
    assert (await http(shared.url, "GET", "/files/driver.js")).status == 200
    assert (await http(shared.url, "GET", "/files/../harness.py")).status == 404
    assert (await http(shared.url, "GET", "/files/%2e%2e/harness.py")).status == 404


@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_handlers_see_the_client_and_its_scope(shared: AsgiProcess, transport: str) -> None:
    peer = await FakePeer(shared.url, transport).open()
    await peer.connect()
    await peer.send('420["scope"]')
    answer = await peer.receive()
    kind = "http" if transport == "polling" else "websocket"
    assert isinstance(answer, str)
    assert json.loads(answer[3:]) == [
        {
            "type": kind,
            "path": "/socket.io/",
            "address": "127.0.0.1",
            "scheme": "http",
            "software": "asgi",
        }
    ]
    await peer.close()


async def test_lifespan_reaches_the_other_application(own: AsgiProcess) -> None:
    await own.serve()
    await own.terminate(STOP_S)
    assert [entry for entry in own.entries() if entry[0] in ("startup", "shutdown")] == [
        ("startup", "fastapi"),
        ("shutdown", "fastapi"),
    ]


async def test_hooks_take_the_lifespan_and_clients_leave_before_on_shutdown(
    node: Any, own: AsgiProcess
) -> None:
    await own.serve(log_hooks=True)
    run = node.start("staysWhileTheServerCloses", own.url, "websocket")
    await run.note("ready")
    await own.terminate(STOP_S)
    await run.result()
    await until(lambda: own.of("shutdown"), "on_shutdown")
    names = [entry[0] for entry in own.entries()]
    assert names == ["startup", "connect", "connect", "disconnect", "disconnect", "shutdown"]


async def test_mounted_below_a_prefix_of_fastapi(node: Any, own: AsgiProcess) -> None:
    await own.serve(shape="mounted")
    peers = []
    for transport in ("polling", "websocket"):
        peer = await FakePeer(own.url, transport, path="/ws/socket.io/").open()
        peers.append(peer)
        await peer.connect()
        await peer.send('420["echo",1]')
        assert await peer.receive() == "430[1]"
        if transport == "polling":
            await peer.upgrade()
            await peer.send('421["echo",2]')
            assert await peer.receive() == "431[2]"
    assert (await http(own.url, "GET", "/ws/nowhere")).status == 404
    # Behind a middleware of Starlette's, which wraps receive() and send().
    stamped = await http(own.url, "GET", "/ws/socket.io/?EIO=4&transport=polling")
    assert (stamped.status, stamped.headers["x-stamp"]) == (200, "mounted")
    peer = await FakePeer(own.url, "polling", path="/ws/socket.io/").open()
    await peer.connect()
    poll = await RawConnection.open(own.url)
    poll.write(request_bytes("GET", peer.target()))
    await peer.send("40/chat,")
    assert await poll.read_response()
    poll.write(request_bytes("GET", peer.target()))
    await asyncio.sleep(100 * MS)  # granian drops a request whose client goes before it is read
    poll.abort()
    await until(lambda: len(own.of("disconnect")) == 2, "the end of both sockets that poll")
    assert [entry[3] for entry in own.of("disconnect")] == ["transport error"] * 2
    if own.server == "hypercorn" and sys.version_info >= (3, 12):
        # It waits for all connections (asyncio's Server.wait_closed()), and closes none of WebSockets.
        for peer in peers:
            await peer.close()
    # No lifespan reaches a mounted application, and two clients are connected.
    await own.terminate(STOP_S)


async def test_handshake_that_is_refused_has_nodes_answer(shared: AsgiProcess) -> None:
    response = await http(shared.url, "GET", "/socket.io/?EIO=4&transport=pigeon")
    assert (response.status, response.json()) == (
        400,
        {"code": 0, "message": "Transport unknown"},
    )
    with pytest.raises(AssertionError, match="Transport unknown"):
        await RawWebSocket.open(shared.url, "/socket.io/?EIO=4&transport=pigeon")

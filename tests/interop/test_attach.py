"""The official client against `attach()`ed servers: aiohttp and sanic on their own HTTP and WebSocket code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import pytest_asyncio

from asgi_process import AsgiProcess
from harness import MS, TEXT, FakePeer, RawWebSocket, http

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio"])

FRAMEWORKS = ["aiohttp", "sanic"]
STOP_S = 10_000 * MS

SCENARIOS: dict[str, dict[str, Any]] = {
    "carriesText": {},
    "carriesNestedBinary": {},
    "carries900kB": {},
    "clientGetsAcks": {},
    "serverGetsAcks": {},
    "bothSendManyAtOnce": {},
    "joinAndLeave": {},
    "threeNamespacesShareAConnection": {},
    "serverDisconnects": {},
    "connectsAndLeavesManyTimes": {"times": 10},
}


@pytest.fixture(scope="module")
def processes() -> Iterator[dict[str, AsgiProcess]]:
    """The servers that run already, by their name."""
    running: dict[str, AsgiProcess] = {}
    yield running
    for process in running.values():
        process.kill()


@pytest_asyncio.fixture(params=FRAMEWORKS)
async def shared(request: pytest.FixtureRequest, processes: dict[str, AsgiProcess]) -> AsgiProcess:
    """One server for the tests that leave it as it was."""
    if request.param not in processes:
        processes[request.param] = AsgiProcess(request.param)
        await processes[request.param].serve()
    return processes[request.param]


@pytest.fixture(params=FRAMEWORKS)
def own(request: pytest.FixtureRequest) -> Iterator[AsgiProcess]:
    """A server of the test's own, which it starts."""
    process = AsgiProcess(request.param)
    yield process
    process.kill()


@pytest.mark.feature("1.1 attach to an existing HTTP server/app")
@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("mode", ["polling", "websocket", "upgrading"])
async def test_official_client_plays(
    node: Any, shared: AsgiProcess, mode: str, scenario: str
) -> None:
    await node.play(scenario, shared.url, mode, **SCENARIOS[scenario])


async def test_routes_of_the_application_stay(shared: AsgiProcess) -> None:
    assert (await http(shared.url, "GET", "/hello")).json() == {"hello": f"from {shared.server}"}
    assert (await http(shared.url, "GET", "/nowhere")).status == 404


@pytest.mark.feature("1.3 serve client bundle")
async def test_client_bundle_is_served_where_it_is_asked_for(own: AsgiProcess) -> None:
    await own.serve(options={"serve_client": True})
    for method in ("GET", "HEAD"):
        answer = await http(
            own.url, method, "/socket.io/socket.io.min.js", None, {"Accept-Encoding": "br"}
        )
        assert (answer.status, answer.headers["content-encoding"]) == (200, "br")
        assert bool(answer.body) is (method == "GET")
    assert (await http(own.url, "GET", "/hello")).status == 200


async def test_refusals_have_nodes_answers(shared: AsgiProcess) -> None:
    response = await http(shared.url, "GET", "/socket.io/?EIO=4&transport=pigeon")
    assert (response.status, response.json()["code"]) == (400, 0)
    with pytest.raises(AssertionError, match="Transport unknown"):
        await RawWebSocket.open(shared.url, "/socket.io/?EIO=4&transport=pigeon")


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
async def test_handlers_see_the_request_of_the_framework(
    shared: AsgiProcess, transport: str
) -> None:
    peer = await FakePeer(shared.url, transport).open()
    await peer.connect()
    await peer.send('420["framework"]')
    answer = await peer.receive()
    assert isinstance(answer, str)
    # What a handler returns as a list is one value.
    assert json.loads(answer[3:]) == [[shared.server, "Request", "127.0.0.1"]]
    await peer.close()


@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_killed_client_is_noticed(own_node: Any, own: AsgiProcess, transport: str) -> None:
    await own.serve()
    run = own_node.start("staysUntilKilled", own.url, transport)
    await run.note("ready")
    own_node.stop()
    expected = "transport error" if transport == "polling" else "transport close"
    assert await own.reasons(2) == [expected] * 2


@pytest.mark.parametrize("mode", ["polling", "websocket", "upgrading"])
async def test_sigterm_ends_the_server_and_its_sessions_with_clients_connected(
    node: Any, own: AsgiProcess, mode: str
) -> None:
    await own.serve()
    run = node.start("staysWhileTheServerCloses", own.url, mode)
    await run.note("ready")
    await own.terminate(STOP_S)
    assert (await run.result())[0] in ("transport close", "transport error")
    assert await own.reasons(2) == ["server disconnect"] * 2
    assert "Traceback" not in own.text, own.text

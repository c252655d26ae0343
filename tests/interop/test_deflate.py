"""permessage-deflate with real clients: the official one on Node's ws, Chromium, the libraries websockets and aiohttp.

Scenarios of the plain form are played compressed too, then those of scenarios/deflate.js.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import websockets
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

import app_aio
import fastsio
from apps import Log
from chat_browser import Browser, Page
from fastsio.asgi import ASGIApp
from uvicorn_tools import UvicornInLoop

BUNDLE = Path(__file__).parents[1] / "node_modules" / "socket.io-client" / "dist" / "socket.io.js"
SETTINGS: dict[str, Any] = {
    "defaults": True,
    "everything": {"threshold": 0},
    "no contexts": {"server_no_context_takeover": True, "client_no_context_takeover": True},
    "small windows": {"threshold": 0, "server_max_window_bits": 9, "client_max_window_bits": 9, "mem_level": 1},
}  # fmt: skip
SCENARIOS = [
    "carriesText", "carriesJson", "carriesNestedBinary", "carries900kB",
    "bounceKeepsTextAndBinaryInOrder", "broadcastsOfOneSenderKeepTheirOrder",
    "roomsCarryBinaryAndSeveralArguments",
]  # fmt: skip
MODES = ["websocket", "upgrading"]
TEXT = "some text that comes again, " * 500
TARGET = "/socket.io/?EIO=4&transport=websocket"


@pytest.fixture(params=SETTINGS)
def settings(request: pytest.FixtureRequest) -> Any:
    return SETTINGS[request.param]


# --- the official client --------------------------------------------------------------------------


@pytest.mark.feature("1.2 perMessageDeflate")
@pytest.mark.asyncio(loop_factories=["uvloop"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_scenarios_of_the_plain_form_hold(
    stage: Any, settings: Any, mode: str, scenario: str
):
    await stage.open(per_message_deflate=settings)
    await stage.play(scenario, mode, deflate={"threshold": 0})


@pytest.mark.asyncio(loop_factories=["uvloop"])
async def test_broadcast_reaches_clients_that_poll_and_those_that_compress(
    stage: Any, settings: Any
):
    await stage.open(per_message_deflate=settings)
    await stage.play("broadcastReachesEveryTransport", "upgrading", deflate={"threshold": 0})


@pytest.mark.feature("1.4 permessage-deflate, http gzip")
async def test_both_sides_compress(stage: Any, settings: Any):
    await stage.open(per_message_deflate=settings)
    seen = await stage.play("deflatesBothWays", "websocket")
    assert seen["extensions"] == "permessage-deflate"
    assert seen["bytesRead"] < seen["size"] / 4
    assert seen["bytesWritten"] < seen["size"] / 4


async def test_nothing_is_compressed_unless_both_want_it(stage: Any):
    await stage.open()
    seen = await stage.play("deflatesBothWays", "websocket")
    assert seen["extensions"] == ""
    assert min(seen["bytesRead"], seen["bytesWritten"]) > seen["size"]


async def test_bomb_is_refused(stage: Any, settings: Any):
    await stage.open(per_message_deflate=settings)
    seen = await stage.play("bombIsRefused", "websocket")
    assert seen == {"reason": "transport close", "code": 1009}


async def test_over_tls(stage: Any, certificate: tuple[str, str]):
    await stage.open(per_message_deflate=True, tls=certificate)
    seen = await stage.play("deflatesBothWays", "websocket")
    assert seen["extensions"] == "permessage-deflate"


async def test_under_uvicorn_with_our_protocol(node: Any, watch: Any):
    app = app_aio.build(Log(), per_message_deflate=True)
    server = await UvicornInLoop(ASGIApp(app)).start()
    try:
        seen = await node.play("deflatesBothWays", server.url, "websocket")
        assert seen["extensions"] == "permessage-deflate"
        assert seen["bytesRead"] < seen["size"] / 4
    finally:
        await server.stop()


# --- Python's libraries ---------------------------------------------------------------------------


def echo_server(settings: Any) -> fastsio.IO:
    io = fastsio.IO(per_message_deflate=settings)
    io.on("connection", lambda socket: socket.on("echo", lambda value: value))
    return io


@pytest.mark.parametrize(
    "offer",
    [
        {},
        {"server_no_context_takeover": True, "client_no_context_takeover": True},
        {"server_max_window_bits": 9, "client_max_window_bits": 9},
        {"server_max_window_bits": 12, "client_max_window_bits": None},
        {"client_max_window_bits": True},
    ],
)
async def test_library_websockets(serve: Any, settings: Any, offer: dict[str, Any]):
    """It checks the answer against its offer, and fails if that is not by the RFC."""
    server = await serve(echo_server(settings))
    factory = ClientPerMessageDeflateFactory(**offer)
    url = f"ws://127.0.0.1:{server.port}{TARGET}"
    async with websockets.connect(url, compression=None, extensions=[factory]) as ws:
        assert ws.response.headers["Sec-WebSocket-Extensions"].startswith("permessage-deflate")
        await ws.recv()
        await ws.send("40")
        await ws.recv()
        for i in range(20):
            value = f"{TEXT}{i}"
            await ws.send(f'42{i}["echo",{json.dumps(value)}]')
            assert json.loads((await ws.recv()).removeprefix(f"43{i}")) == [value]
        [session] = server.engine.sessions.values()
        assert session.outlet.deflate is not None


async def test_library_websockets_whose_window_zlib_has_not_is_served_without(serve: Any):
    server = await serve(echo_server(True))
    factory = ClientPerMessageDeflateFactory(server_max_window_bits=8)
    url = f"ws://127.0.0.1:{server.port}{TARGET}"
    async with websockets.connect(url, compression=None, extensions=[factory]) as ws:
        assert "Sec-WebSocket-Extensions" not in ws.response.headers
        assert (await ws.recv()).startswith("0{")


@pytest.mark.parametrize("window_bits", [9, 12, 15])
async def test_library_aiohttp(serve: Any, settings: Any, window_bits: int):
    server = await serve(echo_server(settings))
    url = f"http://127.0.0.1:{server.port}{TARGET}"
    async with (
        aiohttp.ClientSession() as client,
        client.ws_connect(url, compress=window_bits) as ws,
    ):
        await ws.receive_str()
        await ws.send_str("40")
        await ws.receive_str()
        for i in range(20):
            value = f"{TEXT}{i}"
            await ws.send_str(f'42{i}["echo",{json.dumps(value)}]')
            assert json.loads((await ws.receive_str()).removeprefix(f"43{i}")) == [value]
        [session] = server.engine.sessions.values()
        assert session.outlet.deflate is not None


# --- a browser ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    names = ("chromium", "chromium-browser", "google-chrome")
    executable = next(filter(None, map(shutil.which, names)), None)
    if executable is None:
        pytest.fail("This test needs Chromium on the PATH.", pytrace=False)
    browser = Browser(executable)
    yield browser
    browser.close()


SCRIPT = """
new Promise((resolve, reject) => {
  const socket = io({ transports: ["websocket"] });
  const value = "text of a browser ".repeat(3000);
  socket.on("connect_error", reject);
  socket.on("connect", async () => {
    for (let i = 0; i < 5; i++) {
      if (await socket.emitWithAck("echo", value + i) !== value + i) reject("another text came back");
    }
    const extensions = socket.io.engine.transport.ws.extensions;
    socket.disconnect();
    resolve(extensions);
  });
})
"""


@pytest.mark.asyncio(loop_factories=["uvloop"])
async def test_chromium(serve: Any, settings: Any, browser: Browser, tmp_path: Path):
    page_file = tmp_path / "index.html"
    page_file.write_text('<link rel="icon" href="data:,"><script src="/socket.io.js"></script>')
    io = echo_server(settings)
    server = await serve(io, static_files={"/": str(page_file), "/socket.io.js": str(BUNDLE)})
    server.engine.flusher.is_counting = True

    def visit() -> str:
        page = Page(browser, "deflate", server.url)
        try:
            return page.run(SCRIPT)
        finally:
            page.do("close")

    assert "permessage-deflate" in await asyncio.to_thread(visit)
    assert server.engine.flusher.bytes_in < 54_000
    assert server.engine.flusher.bytes_out < 54_000
